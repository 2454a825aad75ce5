//! Reading: all documents once, then what changes.

use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::area::aggregate::{DeviceFacts, DynamicFacts};
use mf2c_domain::id::ResourceId;
use mf2c_store::record::NodeId;
use mf2c_store::{Change, ChangeKind, Changes, node_name};
use serde::Deserialize;

use super::Categoriser;
use super::ledger::Ledger;
use super::records::{Record, Records};

/// Changes that are read at a time: others of the arbiter come between.
const PAGE: usize = 512;
/// Bytes of them.
const PAGE_BYTES: usize = 1 << 20;
/// Pause between two reads: what comes meanwhile is read together.
pub(super) const READ_EVERY: Duration = Duration::from_millis(200);
/// Pause after the log could not be read.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// The types that matter here.
const KINDS: [&str; 4] = ["device", "device-dynamic", "area-member", "fog-area"];

/// What matters of a `fog-area`.
#[derive(Deserialize)]
struct Sum {
    name: Option<String>,
}

impl Categoriser {
    /// Reads all documents that matter. The log is followed from where it was before.
    pub(super) fn build(&mut self) {
        self.cursor = *self.feed.borrow();
        let live = self.ledger.live();
        self.ledger = Ledger::new(self.own.clone());
        for node in &live {
            self.ledger.set_live(node, true);
        }
        self.records = Records::default();
        self.building = true;
        for kind in KINDS {
            for document in self.store.all(kind) {
                let origin = self.store.origin_of(document.id.as_str()).unwrap_or(self.store.identity().node);
                if let Ok(Some(body)) = self.store.body(&document) {
                    self.take(&document.id, &origin, Some(&body));
                }
            }
        }
        self.building = false;
        for kind in ["agent", "device", "fog-area"] {
            self.chores.add(&format!("{kind}/{}", self.own));
        }
    }

    /// Reads what has changed since the last time, or as much of it as is read at a time.
    pub(super) fn read(&mut self, ctx: &mut Context<Self>) {
        let now = self.world.clock.elapsed();
        if !self.unread || self.read_at.is_some_and(|last| now < last + READ_EVERY) {
            return;
        }
        self.read_at = Some(now);
        match self.store.changes_within(self.cursor, PAGE, PAGE_BYTES) {
            Ok(Changes::Next(changes)) => {
                let last = changes.last().map_or(self.cursor, |change| change.position);
                for change in &changes {
                    self.changed(change);
                }
                self.cursor = last;
            }
            Ok(Changes::Trimmed { .. }) => self.build(),
            Err(error) => {
                tracing::warn!(%error, "the change log cannot be read for the area; it is tried again");
                self.read_at = Some(now + STORE_PAUSE);
                return;
            }
        }
        self.unread = self.cursor < *self.feed.borrow();
        if self.unread {
            // The rest is read as soon as others have had their turn.
            self.read_at = None;
            ctx.notify(super::Wake);
        }
    }

    fn changed(&mut self, change: &Change) {
        if change.id.kind() == "agent" && change.id.name() == self.own {
            self.chores.add(change.id.as_str());
        }
        if !KINDS.contains(&change.id.kind()) {
            return;
        }
        let own = change.origin == self.store.identity().node;
        if change.kind == ChangeKind::Deleted && own && !self.chores.is_own_deletion(&change.id) {
            self.was_forgotten(&change.id);
        }
        self.take(&change.id, &change.origin, change.body());
    }

    /// Takes in what a document says now; none where it is gone.
    fn take(&mut self, id: &ResourceId, origin: &NodeId, body: Option<&[u8]>) {
        let node = || node_name(origin);
        match id.kind() {
            "device" => {
                self.ledger.device(id.as_str(), body.and_then(DeviceFacts::read));
                self.own_sums.iter().for_each(|sums| self.chores.add_again(sums));
                if id.name() == self.own {
                    self.chores.add(id.as_str());
                }
            }
            "device-dynamic" => {
                let facts = body.and_then(DynamicFacts::read).map(|facts| (node(), facts));
                self.ledger.dynamic(id.as_str(), facts);
                self.own_sums.iter().for_each(|sums| self.chores.add_again(sums));
                self.chores.add_again(id);
            }
            "area-member" => self.take_record(id, body.and_then(|body| Record::read(body, &node()))),
            _ => {
                let sum = body.and_then(|body| serde_json::from_slice::<Sum>(body).ok());
                self.records.sum(id.as_str(), sum.map(|sum| (sum.name.unwrap_or_default(), node())));
                self.chores.add(id.as_str());
            }
        }
    }

    fn take_record(&mut self, id: &ResourceId, record: Option<Record>) {
        let about = |record: &Record| (record.area.clone(), record.node.clone());
        let new = record.as_ref().map(about);
        let before = new.as_ref().and_then(|(area, _)| self.leader_by_records(area));
        let told = record.clone();
        let old = self.records.member(id.as_str(), record).as_ref().map(about);
        self.chores.add(id.as_str());
        if let Some(told) = told {
            self.hear_of(&told);
        }
        if let Some((area, _)) = &new
            && self.leader_by_records(area) != before
        {
            self.review_area(&area.clone());
        }
        for (_, node) in new.into_iter().chain(old) {
            self.review_node(&node);
        }
    }

    /// Somebody else may lead an area now: what the former leader has written about it is looked at.
    pub(super) fn review_area(&mut self, area: &str) {
        let ids: Vec<(String, Vec<String>)> = self
            .records
            .all()
            .filter(|(_, of, _)| *of == area)
            .map(|(id, ..)| (id.clone(), self.records.node_of(id).into_iter().collect()))
            .collect();
        for (id, nodes) in ids {
            self.chores.add(&id);
            nodes.iter().for_each(|node| self.review_node(node));
        }
    }

    /// The agent with this node may have another status now.
    pub(super) fn review_node(&mut self, node: &str) {
        for id in self.ledger.of_node(node) {
            self.chores.add(id);
        }
    }
}
