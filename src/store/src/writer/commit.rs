//! Writes a staged batch: each document with its log entry, how far others were read, and the oldest log entries removed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use mf2c_domain::id::ResourceId;
use mf2c_domain::time::HybridTime;

use super::Writer;
use super::change::{Change, NewRevision};
use crate::document::{Document, travels};
use crate::engine::{Batch, EngineError, Space};
use crate::origins::{self, Known, Moved, Reached};
use crate::record::{ChangeRecord, DocumentRecord, NodeId};
use crate::store::Change as Followed;

/// A batch that is put together and not committed yet.
pub(super) struct Staged {
    pub(super) changes: Vec<Change>,
    /// How far other origins were read.
    pub(super) moved: Moved,
    /// The hybrid clock afterwards.
    pub(super) time: HybridTime,
    /// The newest own change that travels.
    pub(super) sequence: u64,
}

impl Writer {
    /// Commits and publishes a batch.
    pub(super) fn commit(&mut self, staged: Staged) -> Result<(), EngineError> {
        if staged.changes.is_empty() && staged.moved.is_empty() {
            return Ok(());
        }
        let batch = self.batch(&staged);
        let began = self.clock.elapsed();
        self.origins.moving(self.touched(&staged));
        self.engine.commit(batch)?;
        let took = self.clock.elapsed().saturating_sub(began);
        self.counters.commit_micros.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        self.counters.batch_changes.add(staged.changes.len() as u64);
        self.committed(staged);
        Ok(())
    }

    fn touched(&self, staged: &Staged) -> impl Iterator<Item = NodeId> {
        let of_change = |change: &Change| change.logged.life.as_ref().map_or(self.node, |life| life.origin);
        let mut origins: Vec<NodeId> = staged.moved.keys().copied().collect();
        origins.extend(staged.changes.iter().map(of_change));
        origins.sort_unstable();
        origins.dedup();
        origins.into_iter()
    }

    /// The records of a batch.
    fn batch(&mut self, staged: &Staged) -> Batch {
        let changes = &staged.changes;
        let mut batch = Batch { position: self.position + changes.len() as u64, ..Batch::default() };
        for (position, change) in (self.position + 1..).zip(changes) {
            self.put(&mut batch, position, change);
        }
        for (origin, known) in &staged.moved {
            origins::put(&mut batch, origin, known.as_ref());
        }
        if self.trim_log(&mut batch, changes.len()) {
            // What was removed may have been all that told of the newest own change.
            origins::put(&mut batch, &self.node, Some(&self.own(staged.sequence, changes)));
        }
        batch
    }

    fn put(&mut self, batch: &mut Batch, position: u64, change: &Change) {
        let key = position.to_be_bytes();
        let id = change.id.as_str();
        let (origin, incarnation) =
            change.logged.life.as_ref().map_or((self.node, self.incarnation), |life| (life.origin, life.incarnation));
        let record = ChangeRecord {
            origin,
            incarnation,
            sequence: change.logged.sequence,
            time: change.logged.time,
            id,
            kind: change.kind(),
            differs: change.logged.differs.as_ref().map(|names| names.iter().map(String::as_str).collect()),
            document: change.document(),
        };
        let record = record.encode(&key);
        self.log.push_back(u32::try_from(record.len()).unwrap_or(u32::MAX));
        self.log_bytes += record.len() as u64;
        batch.put(Space::Changes, &key, record);
        match &change.new {
            Some(new) => batch.put(Space::Documents, id.as_bytes(), self.record_of(new)),
            None => batch.delete(Space::Documents, id.as_bytes()),
        }
    }

    fn record_of(&self, new: &NewRevision) -> Vec<u8> {
        let document = &new.document;
        let source = &document.source;
        let (origin, incarnation) =
            source.life.as_ref().map_or((self.node, self.incarnation), |life| (life.origin, life.incarnation));
        let record = DocumentRecord {
            born: document.born,
            revision: document.revision,
            time: source.time,
            origin,
            incarnation,
            sequence: source.sequence,
            theirs: source.theirs.as_deref().unwrap_or_default(),
            body: new.body(),
        };
        record.encode(document.id.as_str().as_bytes())
    }

    /// What is known of this store itself at a sequence.
    fn own(&self, sequence: u64, changes: &[Change]) -> Known {
        let before = self.origins.known(&self.node).and_then(|known| known.reached).unwrap_or_default();
        let newest =
            changes.iter().rev().find(|change| change.logged.life.is_none() && change.logged.sequence == sequence);
        let time = newest.map_or(before.time, |change| change.logged.time);
        let reached = Reached { incarnation: self.incarnation, sequence, time, ..before };
        Known { reached: Some(reached), partial: None }
    }

    /// Removes what the log holds above its bound, a little more than was added so that it also shrinks. The newest entry
    /// always stays: it tells the position at the next start. Whether anything was removed.
    fn trim_log(&mut self, batch: &mut Batch, added: usize) -> bool {
        let newest = batch.position;
        let before = self.log.len();
        for _ in 0..2 * added + 16 {
            let entries = self.log.len();
            let above = entries > self.options.log_entries || self.log_bytes > self.options.log_bytes;
            if !above || entries <= added.max(1) {
                break;
            }
            let oldest = newest - entries as u64 + 1;
            batch.delete(Space::Changes, &oldest.to_be_bytes());
            self.log_bytes -= u64::from(self.log.pop_front().unwrap_or_default());
        }
        self.log.len() < before
    }

    /// Publishes what was committed.
    pub(super) fn committed(&mut self, staged: Staged) {
        let Staged { changes, mut moved, time, sequence } = staged;
        let followed = self.followed(&changes);
        self.position += changes.len() as u64;
        self.time = time;
        for change in &changes {
            let gone = change.old.as_ref().and_then(|old| old.bytes_in_memory().map(|bytes| bytes.len()));
            let come = change.new.as_ref().and_then(|new| new.document.bytes_in_memory().map(|bytes| bytes.len()));
            self.resident = self.resident + come.unwrap_or(0) as u64 - (gone.unwrap_or(0) as u64).min(self.resident);
        }
        self.catalog.publish(changes.iter().map(Change::published).collect());
        if sequence != self.sequence {
            self.sequence = sequence;
            moved.insert(self.node, Some(self.own(sequence, &changes)));
        }
        self.publish_origins(&changes, moved);
        let counters = &self.counters;
        counters.commits.fetch_add(1, Ordering::Relaxed);
        counters.changes.fetch_add(changes.len() as u64, Ordering::Relaxed);
        counters.position.store(self.position, Ordering::Release);
        counters.log_entries.store(self.log.len() as u64, Ordering::Relaxed);
        counters.resident.store(self.resident, Ordering::Relaxed);
        self.feed.announce(self.position, followed, self.log.len());
    }

    /// Changes as those who follow the log are told of them.
    fn followed(&self, changes: &[Change]) -> Vec<Arc<Followed>> {
        let told = |(position, change): (u64, &Change)| {
            let life = change.logged.life.as_ref();
            let (origin, incarnation) =
                life.map_or((self.node, self.incarnation), |life| (life.origin, life.incarnation));
            Arc::new(Followed {
                position,
                origin,
                incarnation,
                sequence: change.logged.sequence,
                time: change.logged.time,
                id: change.id.clone(),
                kind: change.kind(),
                document: change.shared_document(),
                differs: change.logged.differs.clone(),
            })
        };
        (self.position + 1..).zip(changes).map(told).collect()
    }

    /// Which documents came and went in the end, and how far the origins are now.
    fn publish_origins(&self, changes: &[Change], moved: Moved) {
        let mut left: BTreeMap<(NodeId, &ResourceId), bool> = BTreeMap::new();
        let whose = |document: &Document| document.origin().unwrap_or(self.node);
        for change in changes.iter().filter(|change| change.old.is_some() != change.new.is_some()) {
            let document = change.new.as_ref().map(|new| &new.document).or(change.old.as_ref());
            if let Some(document) = document.filter(|_| travels(&change.id)) {
                left.insert((whose(document), &change.id), change.new.is_some());
            }
        }
        let which = |wanted: bool| left.iter().filter(move |(_, come)| **come == wanted).map(|(which, _)| *which);
        self.origins.publish(moved, which(true), which(false));
    }
}
