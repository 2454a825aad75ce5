//! From the store to what is known, as it was when the cursor was kept.
//!
//! The store holds documents as they are now, and the log what has changed since the cursor. What was edited in between is taken from
//! the first entry about it, so that edits take effect in the order of the log, between the reports before and after them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use mf2c_domain::id::ResourceId;
use mf2c_domain::time::Timestamp;
use mf2c_store::engine::EngineError;
use mf2c_store::record::NodeId;
use mf2c_store::{Change, ChangeKind, Changes, Document, StoreError};
use serde_json::{Value, json};

use super::SlaAssessor;
use super::availability::Watch;
use super::backlog::{Backlog, Why};
use super::early::{EARLY, Early};
use super::index::Index;
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
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if a document cannot be read: without it reports would be passed over.
    pub(super) fn load(&mut self) -> Result<(), StoreError> {
        self.index = Index::default();
        self.due.clear();
        self.backlogs.clear();
        self.watched = Watch::default();
        // Each document once, as it is now; whatever happens to it from here on the log tells.
        let stored: Vec<_> = KINDS.iter().flat_map(|kind| self.store.all(kind)).collect();
        let newest = *self.feed.borrow();
        let kept = self.store.cursors(CURSOR).unwrap_or_else(|error| {
            tracing::warn!(%error, "how far reports were assessed cannot be read; all are looked at again");
            Vec::new()
        });
        let cursor = kept.into_iter().find(|(name, _)| name == CURSOR).map_or(0, |(_, at)| at.min(newest));
        self.early_is_kept = self.store.cursors(EARLY).is_ok_and(|kept| !kept.is_empty());
        if self.early_is_kept {
            self.early = Early::of_any();
        }
        self.pages = Pages::from(cursor, cursor);
        self.read = cursor;
        self.meet_writers();
        let since = self.changed_since(cursor).unwrap_or_else(|error| {
            tracing::warn!(%error, "the change log cannot be read for agreements; it begins with what is stored");
            None
        });
        self.fill(cursor, since.as_ref(), &stored)?;
        self.remember(cursor)?;
        if since.is_none() {
            self.start_over();
        }
        Ok(())
    }

    /// The log no longer goes back to where it was read. What has changed since is taken from the documents, each at its place: of
    /// several edits of one the last is there. When agreements were started and stopped is told by events.
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
        let turns = self.turns(cursor);
        let born = self.before(&turns);
        places.extend(turns);
        places.extend(self.reports(|document| document.revision > cursor));
        self.backlogs.extend(Backlog::of(places, Why::Assess(born), Some(mark)));
    }

    /// The first entry about each document that has changed since; none where the log does not go back that far.
    fn changed_since(&self, cursor: u64) -> Result<Option<BTreeMap<ResourceId, Arc<Change>>>, EngineError> {
        let mut at = cursor;
        let mut first = BTreeMap::new();
        while at < *self.feed.borrow() {
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
    fn fill(
        &mut self,
        cursor: u64,
        since: Option<&BTreeMap<ResourceId, Arc<Change>>>,
        stored: &[Arc<Document>],
    ) -> Result<(), StoreError> {
        let mut taken = HashSet::new();
        for kind in KINDS {
            let of_kind = stored.iter().filter(|document| document.id.kind() == kind && document.born <= cursor);
            for document in of_kind {
                let is_older = document.revision <= cursor;
                // What was edited before it was looked at is in the log, but for what the log tells of in a moment.
                let is_told = !is_older && since.is_some_and(|since| since.contains_key(&document.id));
                if is_told {
                    continue;
                }
                let Some(body) = self.store.body(document)?.map(std::borrow::Cow::into_owned) else { continue };
                let body = if is_older || since.is_some() { body } else { as_assessed(body) };
                self.take_stored(&document.id, &body, document.origin().unwrap_or(self.node), document.time().wall());
                taken.insert(&document.id);
            }
            let changes = since.into_iter().flat_map(BTreeMap::values);
            let changes = changes.filter(|change| change.id.kind() == kind && change.kind != ChangeKind::Created);
            for change in changes {
                if !taken.contains(&change.id) {
                    self.take_stored(&change.id, &before(change), change.origin, Timestamp::default());
                }
            }
        }
        self.found.clear();
        self.attached.clear();
        Ok(())
    }

    fn take_stored(&mut self, id: &ResourceId, body: &[u8], origin: NodeId, at: Timestamp) {
        match id.kind() {
            "agreement" => self.take_agreement(id, body, origin, at),
            _ => self.take_instance(id, Some(body), origin, at),
        }
    }

    /// Has the reports read again that windows hold, and those since open episodes were seen last.
    fn remember(&mut self, cursor: u64) -> Result<(), StoreError> {
        let now = self.world.clock.now();
        let mut from: HashMap<Arc<str>, i128> = HashMap::new();
        for (id, entry) in &self.index.agreements {
            let back = i128::from(entry.agreement.looks_back()) * 1_000_000;
            if back > 0 {
                from.insert(Arc::clone(id), now.nanos() - back);
            }
        }
        self.restore_penalties()?;
        for (agreement, seen) in self.restore(now)? {
            let least = from.entry(agreement).or_insert(seen);
            *least = seen.min(*least);
        }
        let Some(least) = from.values().min().copied() else { return Ok(()) };
        let reports = self.reports(|document| document.revision <= cursor && document.time().wall().nanos() >= least);
        self.backlogs.extend(Backlog::of(reports, Why::Remember(from), Some(cursor)));
        Ok(())
    }

    /// This agent leads now: what its predecessor may have left is assessed.
    pub(super) fn take_over(&mut self, before: mf2c_domain::area::standing::Standing) {
        self.look_for_doubles();
        if let Err(error) = self.restore_penalties() {
            tracing::warn!(%error, "what was charged before cannot be read; caps count from now on");
        }
        let least = self.world.clock.now().nanos() - LEFT;
        let read = self.read;
        let reports = self.reports(|document| document.revision <= read && document.time().wall().nanos() >= least);
        self.backlogs.extend(Backlog::of(reports, Why::TakeOver(Box::new(before)), None));
    }

    pub(super) fn reports(&self, wanted: impl Fn(&Document) -> bool) -> Vec<(u64, Arc<Document>)> {
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
