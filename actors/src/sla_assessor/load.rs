//! From the store to what is known, as it was when the cursor was kept.
//!
//! The store holds documents as they are now, and the log what has changed since the cursor. What was edited in between is taken from
//! the first entry about it, so that edits take effect in the order of the log, between the reports before and after them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use mf2c_domain::id::ResourceId;
use mf2c_domain::time::Timestamp;
use mf2c_store::engine::EngineError;
use mf2c_store::record::NodeId;
use mf2c_store::{Change, ChangeKind, Changes, Document};
use serde_json::{Value, json};

use super::SlaAssessor;
use super::backlog::{Backlog, Why};
use super::names::name_of;
use super::writing::{CURSOR, Pages};

/// Changes that are looked through at a time.
const PAGE: usize = 4096;
/// Bytes of them.
const PAGE_BYTES: usize = 4 << 20;
/// The types whose documents are remembered, in the order in which they are taken in.
const KINDS: [&str; 2] = ["agreement", "service-instance"];
/// How long a former leader may have left reports unassessed, in nanoseconds: ten minutes.
const LEFT: i128 = 600_000_000_000;

impl SlaAssessor {
    /// Reads what is stored, as it was at the cursor.
    pub(super) fn load(&mut self) {
        let newest = *self.feed.borrow();
        let kept = self.store.cursors(CURSOR).unwrap_or_else(|error| {
            tracing::warn!(%error, "how far reports were assessed cannot be read; all are looked at again");
            Vec::new()
        });
        let cursor = kept.into_iter().find(|(name, _)| name == CURSOR).map_or(0, |(_, at)| at.min(newest));
        self.pages = Pages::from(cursor, cursor);
        self.read = cursor;
        self.meet_writers();
        match self.changed_since(cursor) {
            Ok(Some(since)) => {
                self.fill(cursor, Some(&since));
                self.remember(cursor);
            }
            Ok(None) => self.load_without_log(cursor),
            Err(error) => {
                tracing::warn!(%error, "the change log cannot be read for agreements; it begins with what is stored");
                self.load_without_log(cursor);
            }
        }
    }

    fn load_without_log(&mut self, cursor: u64) {
        self.fill(cursor, None);
        self.remember(cursor);
        self.start_over();
    }

    /// The log no longer goes back to where it was read. What has changed since is taken from the documents, each at its place: of
    /// several edits of one the last is there.
    pub(super) fn start_over(&mut self) {
        let (cursor, mark) = (self.read, self.mark());
        self.read = *self.feed.borrow();
        let mut places: Vec<(u64, Arc<Document>)> = Vec::new();
        for kind in KINDS {
            for document in self.store.all(kind).into_iter().filter(|document| document.revision > cursor) {
                // Reports that came between its beginning and its last edit are about it, too.
                if document.born > cursor && document.born != document.revision {
                    places.push((document.born, Arc::clone(&document)));
                }
                places.push((document.revision, document));
            }
        }
        places.extend(self.reports(|document| document.revision > cursor));
        self.backlogs.extend(Backlog::of(places, Why::Assess, Some(mark)));
    }

    /// The first entry about each document that has changed since; none where the log does not go back that far.
    fn changed_since(&self, cursor: u64) -> Result<Option<BTreeMap<ResourceId, Arc<Change>>>, EngineError> {
        let (mut at, newest) = (cursor, *self.feed.borrow());
        let mut first = BTreeMap::new();
        while at < newest {
            let changes = match self.store.changes_within(at, PAGE, PAGE_BYTES)? {
                Changes::Next(changes) => changes,
                Changes::Trimmed { .. } => return Ok(None),
            };
            let Some(last) = changes.last() else { break };
            at = last.position;
            for change in changes.into_iter().filter(|change| KINDS.contains(&change.id.kind())) {
                first.entry(change.id.clone()).or_insert(change);
            }
        }
        Ok(Some(first))
    }

    /// Takes in what was there at the cursor. What was edited since is as `since` tells, or else as its own assessment does.
    fn fill(&mut self, cursor: u64, since: Option<&BTreeMap<ResourceId, Arc<Change>>>) {
        for kind in KINDS {
            for document in self.store.all(kind).iter().filter(|document| document.born <= cursor) {
                let is_older = document.revision <= cursor;
                let body = self.store.body(document).ok().flatten().map(std::borrow::Cow::into_owned);
                let Some(body) = body.filter(|_| is_older || since.is_none()) else { continue };
                let body = if is_older { body } else { as_assessed(body) };
                self.take_stored(&document.id, &body, document.origin().unwrap_or(self.node), document.time().wall());
            }
            let changes = since.into_iter().flat_map(BTreeMap::values);
            for change in changes.filter(|change| change.id.kind() == kind && change.kind != ChangeKind::Created) {
                self.take_stored(&change.id, &before(change), change.origin, Timestamp::default());
            }
        }
        self.found.clear();
    }

    fn take_stored(&mut self, id: &ResourceId, body: &[u8], origin: NodeId, at: Timestamp) {
        match id.kind() {
            "agreement" => self.take_agreement(id, body, origin, at),
            _ => self.take_instance(id, Some(body), origin, at),
        }
    }

    /// Has the reports read again that windows and open episodes hold.
    fn remember(&mut self, cursor: u64) {
        let now = self.world.clock.now().nanos();
        let mut from: HashMap<Arc<str>, i128> = HashMap::new();
        for (id, entry) in &self.index.agreements {
            let back = i128::from(entry.agreement.looks_back()) * 1_000_000;
            if back > 0 {
                from.insert(Arc::clone(id), now - back);
            }
        }
        for (agreement, began) in self.open_episodes() {
            let least = from.entry(agreement).or_insert(began);
            *least = began.min(*least);
        }
        let Some(least) = from.values().min().copied() else { return };
        let reports = self.reports(|document| document.revision <= cursor && document.time().wall().nanos() >= least);
        self.backlogs.extend(Backlog::of(reports, Why::Remember(from), Some(cursor)));
    }

    /// The agreements with episodes that go on by what is stored, and when those began.
    fn open_episodes(&self) -> Vec<(Arc<str>, i128)> {
        let own = name_of(mf2c_sla::Key(0), &self.node);
        let writer = own.rsplit('-').next().unwrap_or_default();
        let read = |document: &Arc<Document>| {
            let body: Value = serde_json::from_slice(&self.store.body(document).ok()??).ok()?;
            let is_open = body.get("state")?.as_str()? == "open";
            let began = Timestamp::parse(body.get("first_seen")?.as_str()?)?;
            let agreement = body.get("agreement_id")?.get("href")?.as_str()?;
            is_open.then(|| (Arc::from(agreement), began.nanos() - 1_000_000_000))
        };
        let all = self.store.all("sla-episode");
        all.iter().filter(|document| document.id.name().ends_with(writer)).filter_map(read).collect()
    }

    /// This agent leads now: what its predecessor may have left is assessed.
    pub(super) fn take_over(&mut self, before: mf2c_domain::area::standing::Standing) {
        let least = self.world.clock.now().nanos() - LEFT;
        let read = self.read;
        let reports = self.reports(|document| document.revision <= read && document.time().wall().nanos() >= least);
        self.backlogs.extend(Backlog::of(reports, Why::TakeOver(Box::new(before)), None));
    }

    fn reports(&self, wanted: impl Fn(&Document) -> bool) -> Vec<(u64, Arc<Document>)> {
        let reports = self.store.all("service-operation-report").into_iter();
        reports.filter(|document| wanted(document)).map(|document| (document.revision, document)).collect()
    }
}

/// The document of an entry as it was before, as far as that can be told: the state that must have gone before.
fn before(change: &Change) -> Vec<u8> {
    let is_other = change.differs.as_ref().is_some_and(|names| names.iter().any(|name| name == "state"));
    let body: Option<Value> = is_other.then(|| serde_json::from_slice(&change.document).ok()).flatten();
    let Some(mut body) = body.filter(|_| change.id.kind() == "agreement") else { return change.document.to_vec() };
    let state = match body.get("state").and_then(Value::as_str) {
        Some("started") => "stopped",
        Some("terminated") if is_stopped(&body) => "stopped",
        _ => "started",
    };
    body["state"] = json!(state);
    serde_json::to_vec(&body).unwrap_or_else(|_| change.document.to_vec())
}

/// The document of an agreement as it was when it was assessed last: it was started then, unless it says otherwise.
fn as_assessed(body: Vec<u8>) -> Vec<u8> {
    let Ok(mut read) = serde_json::from_slice::<Value>(&body) else { return body };
    let is_started = read.get("state").and_then(Value::as_str) == Some("started");
    if is_started || read.get("assessment").is_none() || is_stopped(&read) {
        return body;
    }
    read["state"] = json!("started");
    serde_json::to_vec(&read).unwrap_or(body)
}

/// Whether an agreement's assessment says that it is stopped.
fn is_stopped(agreement: &Value) -> bool {
    let stopped = agreement.pointer("/assessment/stopped").and_then(Value::as_array);
    stopped.and_then(|stopped| stopped.last()).is_some_and(|last| last.get("to").is_none())
}
