//! Stages the changes of other agents: each flow as a whole or not at all.

use std::collections::BTreeSet;
use std::sync::Arc;

use mf2c_domain::id::ResourceId;
use mf2c_domain::resource::{self, SchemaError};
use mf2c_domain::time::HybridTime;
use serde_json::{Map, Value};

use super::change::Logged;
use super::stage::{Revision, Stage};
use crate::document::{Document, Life, Source};
use crate::error::StoreError;
use crate::origins::{Known, MAX_ORIGINS, Reached};
use crate::record::NodeId;
use crate::replica::{Applied, Content, Incoming, Inflow, InflowError, InflowKind, Partial, Progress};
use crate::top_level::TopLevel;

/// What became of one change.
pub(super) enum Took {
    /// The document is another one now.
    Changed,
    /// It was so already.
    Skipped,
    /// The patch was made for another revision.
    Misfit,
}

/// A flow being staged.
pub(super) struct Flow {
    pub(super) life: Arc<Life>,
    known: Known,
    applied: Applied,
}

impl Stage<'_> {
    /// Stages a flow and tells what will be answered if the batch is committed.
    pub(super) fn flow(&mut self, flow: Inflow) -> Result<Applied, StoreError> {
        let Inflow { origin, incarnation, kind, changes } = flow;
        if origin == self.writer.node {
            return Err(InflowError::Own.into());
        }
        let known = self.known(&origin);
        if known == Known::default() && self.writer.origins.count() >= MAX_ORIGINS {
            return Err(refused("all of it", "there are changes of more agents here than are ever kept").into());
        }
        let life = self.life(Life { origin, incarnation });
        let here = known.reached.unwrap_or_default();
        let progress = Progress { origin, incarnation: here.incarnation, sequence: here.sequence };
        let applied = Applied { progress, changed: 0, skipped: 0, misfits: Vec::new() };
        let mut flow = Flow { life, known: known.clone(), applied };
        let (changes_before, time, resident) = (self.changes.len(), self.time, self.resident);
        let staged = match kind {
            InflowKind::Tail { after, upto } => self.tail(&mut flow, changes, after, upto),
            InflowKind::Snapshot { at, after_key, upto_key } => {
                self.snapshot(&mut flow, changes, at, after_key, upto_key)
            }
            InflowKind::Repair { at, gone } => self.repair(&mut flow, changes, at, &gone),
        };
        if let Err(error) = staged {
            self.undo(changes_before);
            (self.time, self.resident) = (time, resident);
            return Err(error);
        }
        if flow.known != known {
            self.moved.insert(origin, Some(flow.known));
        }
        Ok(flow.applied)
    }

    /// What is known of an origin with what this batch has staged.
    fn known(&self, origin: &NodeId) -> Known {
        match self.moved.get(origin) {
            Some(moved) => moved.clone().unwrap_or_default(),
            None => self.writer.origins.known(origin).unwrap_or_default(),
        }
    }

    /// The one copy of a life that its documents share.
    pub(super) fn life(&mut self, life: Life) -> Arc<Life> {
        let shared = self.writer.lives.entry(life.origin).or_insert_with(|| Arc::new(life));
        if **shared != life {
            *shared = Arc::new(life);
        }
        Arc::clone(shared)
    }

    /// Takes back all changes but the first ones.
    fn undo(&mut self, left: usize) {
        for change in self.changes.drain(left..).rev() {
            match change.before {
                Some(before) => drop(self.touched.insert(change.id, before)),
                None => drop(self.touched.remove(&change.id)),
            }
        }
    }

    fn tail(&mut self, flow: &mut Flow, changes: Vec<Incoming>, after: u64, upto: u64) -> Result<(), StoreError> {
        let (incarnation, floor) = (flow.life.incarnation, flow.known.reached.map_or(0, |reached| reached.floor));
        let here = match flow.known.reached {
            Some(reached) if reached.incarnation != incarnation => {
                return Err(InflowError::OtherLife { here: reached.incarnation }.into());
            }
            Some(reached) => reached.sequence,
            None => self.no_other_life(&flow.life)?,
        };
        if after > here {
            return Err(InflowError::Gap { here, after }.into());
        }
        let (mut last, mut sequence) = (after, upto.max(here));
        // The change whose number is the one that is here afterwards tells when that was made.
        let mut newest = (here, flow.known.reached.map_or_else(HybridTime::default, |reached| reached.time));
        for change in changes {
            if change.sequence <= last || change.sequence > upto {
                return Err(refused(&change.id, "it is not in the order of its flow").into());
            }
            last = change.sequence;
            if last <= here {
                flow.applied.skipped += 1;
                continue;
            }
            let (id, time) = (change.id.clone(), change.time);
            if self.count(flow, change, true)? {
                flow.applied.misfits.push(id);
                sequence = last - 1;
                break;
            }
            newest = (last, time);
        }
        let time = if newest.0 == sequence { newest.1 } else { HybridTime::default() };
        flow.reach(Reached { incarnation, sequence, time, floor });
        Ok(())
    }

    /// Takes a change over; true if it does not fit.
    fn count(&mut self, flow: &mut Flow, change: Incoming, logged: bool) -> Result<bool, StoreError> {
        match self.take_in(&flow.life, change, logged)? {
            Took::Changed => flow.applied.changed += 1,
            Took::Skipped => flow.applied.skipped += 1,
            Took::Misfit => return Ok(true),
        }
        Ok(false)
    }

    /// Documents without progress are left by a restore: they are replaced by a snapshot, unless they are of the same life.
    fn no_other_life(&self, life: &Life) -> Result<u64, InflowError> {
        let ids = self.ids(&life.origin, None, None);
        let lives = ids.iter().filter_map(|id| self.current(id)?.source.life.clone());
        match lives.into_iter().find(|found| found.origin == life.origin && **found != *life) {
            Some(other) => Err(InflowError::OtherLife { here: other.incarnation }),
            None => Ok(0),
        }
    }

    fn snapshot(
        &mut self,
        flow: &mut Flow,
        changes: Vec<Incoming>,
        at: u64,
        after_key: Option<String>,
        upto_key: Option<String>,
    ) -> Result<(), StoreError> {
        let incarnation = flow.life.incarnation;
        let here =
            flow.known.reached.filter(|reached| reached.incarnation == incarnation).map(|reached| reached.sequence);
        let matches = |partial: &Partial| partial.incarnation == incarnation && partial.at == at;
        let ended = here == Some(at) && after_key.is_some() && !flow.known.partial.as_ref().is_some_and(matches);
        if ended || here.is_some_and(|here| at < here) {
            // What came later is here already; an old snapshot must not bring back what was deleted since.
            flow.applied.skipped = changes.len();
            return Ok(());
        }
        let before = flow.known.partial.take().filter(matches);
        if let Some(after) = &after_key
            && before.as_ref().is_none_or(|partial| partial.key < *after)
        {
            return Err(InflowError::Gap { here: here.unwrap_or(0), after: at }.into());
        }
        let inside = |id: &ResourceId| {
            after_key.as_deref().is_none_or(|after| id.as_str() > after)
                && upto_key.as_deref().is_none_or(|upto| id.as_str() <= upto)
        };
        if let Some(change) = changes.iter().find(|change| !inside(&change.id)) {
            return Err(refused(&change.id, "it is not between the keys of its part of the snapshot").into());
        }
        let there: BTreeSet<&str> = changes.iter().map(|change| change.id.as_str()).collect();
        for id in self.ids(&flow.life.origin, after_key.as_deref(), upto_key.as_deref()) {
            let Some(old) = self.current(&id) else { continue };
            let newer = old.source.is_of(&flow.life) && old.source.sequence > at;
            if !there.contains(id.as_str()) && !newer {
                self.drop_replica(&flow.life, old);
                flow.applied.changed += 1;
            }
        }
        for change in changes {
            let id = change.id.clone();
            if !matches!(change.content, Content::Whole(_)) || self.count(flow, change, false)? {
                return Err(refused(&id, "a snapshot holds whole documents").into());
            }
        }
        match upto_key {
            Some(upto) => {
                let key = before.map(|partial| partial.key).filter(|key| *key > upto).unwrap_or(upto);
                flow.known.partial = Some(Partial { incarnation, at, key });
            }
            None => {
                self.drop_other_lives(flow);
                flow.reach(Reached { incarnation, sequence: at, time: HybridTime::default(), floor: at });
            }
        }
        Ok(())
    }

    /// At the end of a snapshot nothing is left of another life, also not what has come between its parts.
    fn drop_other_lives(&mut self, flow: &mut Flow) {
        for id in self.ids(&flow.life.origin, None, None) {
            if let Some(old) = self.current(&id).filter(|old| !old.source.is_of(&flow.life)) {
                self.drop_replica(&flow.life, old);
                flow.applied.changed += 1;
            }
        }
    }

    fn repair(
        &mut self,
        flow: &mut Flow,
        changes: Vec<Incoming>,
        at: u64,
        gone: &[ResourceId],
    ) -> Result<(), StoreError> {
        match flow.known.reached {
            Some(reached) if reached.incarnation != flow.life.incarnation => {
                return Err(InflowError::OtherLife { here: reached.incarnation }.into());
            }
            Some(reached) if reached.sequence == at => {}
            other => return Err(InflowError::Gap { here: other.unwrap_or_default().sequence, after: at }.into()),
        }
        for id in gone {
            let old =
                self.current(id).filter(|old| old.origin() == Some(flow.life.origin) && old.source.sequence <= at);
            if let Some(old) = old {
                self.drop_replica(&flow.life, old);
                flow.applied.changed += 1;
            }
        }
        for change in changes {
            let id = change.id.clone();
            if !matches!(change.content, Content::Whole(_)) {
                return Err(refused(&id, "a repair holds whole documents").into());
            }
            match self.mend_replica(&flow.life, change, at)? {
                Took::Changed => flow.applied.changed += 1,
                _ => flow.applied.skipped += 1,
            }
        }
        Ok(())
    }

    /// Removes a replica; it does not travel.
    fn drop_replica(&mut self, life: &Arc<Life>, old: Arc<Document>) {
        // What cannot be read is removed all the same.
        let last = self.json(&old).map(std::borrow::Cow::into_owned).unwrap_or_default();
        let time = self.tick();
        let logged = Logged { life: Some(Arc::clone(life)), sequence: 0, time, differs: None };
        self.remove(old.id.clone(), Some(old), last, logged);
    }

    /// Removes all documents of an origin; how many there were.
    pub(super) fn forget(&mut self, origin: &NodeId) -> usize {
        let ids = self.ids(origin, None, None);
        let count = ids.len();
        for old in ids.iter().filter_map(|id| self.current(id)).collect::<Vec<_>>() {
            let life = old.source.life.clone().unwrap_or_else(|| Arc::new(Life { origin: *origin, incarnation: 0 }));
            self.drop_replica(&life, old);
        }
        if self.writer.origins.known(origin).is_some() {
            self.moved.insert(*origin, None);
        }
        self.writer.lives.remove(origin);
        count
    }

    /// The ids of an origin's documents between two keys, with what this batch has staged.
    fn ids(&self, origin: &NodeId, after: Option<&str>, upto: Option<&str>) -> BTreeSet<ResourceId> {
        let inside = |id: &ResourceId| {
            after.is_none_or(|after| id.as_str() > after) && upto.is_none_or(|upto| id.as_str() <= upto)
        };
        let stored = self.writer.origins.ids_between(origin, after, upto).into_iter();
        let staged = self.touched.keys().filter(|id| inside(id)).cloned();
        let is_of = |id: &ResourceId| self.current(id).is_some_and(|found| found.origin() == Some(*origin));
        stored.chain(staged).filter(is_of).collect()
    }

    /// Stages the removal of one replica. Whether there was one.
    pub(super) fn let_replica_go(&mut self, id: &ResourceId) -> bool {
        let old = self.current(id).and_then(|old| Some((old.source.life.clone()?, old)));
        let Some((life, old)) = old else { return false };
        self.drop_replica(&life, old);
        true
    }

    /// Stages what this agent observes of another's document.
    pub(super) fn observe(&mut self, id: &ResourceId, seen: &Map<String, Value>) -> Result<(), StoreError> {
        let missing = || StoreError::NotFound { id: id.to_string() };
        let spec = resource::find(id.kind()).ok_or_else(missing)?;
        let old = self.current(id).filter(|old| old.origin().is_some()).ok_or_else(missing)?;
        if let Some(name) = seen.keys().find(|name| !spec.observed.contains(&&***name)) {
            let fault = format!("`{name}`: it is not observed, expected one of {:?}", spec.observed);
            return Err(SchemaError::new(fault).into());
        }
        let unreadable = || StoreError::Unavailable { reason: format!("{id} cannot be read") };
        let body = self.json(&old)?.into_owned();
        let mut top = TopLevel::read(&body).ok_or_else(unreadable)?;
        let before = top.take(spec.observed);
        let theirs = old.source.theirs.as_deref().map_or_else(|| before.to_vec(), <[u8]>::to_vec);
        let before = before.to_vec();
        top.put_back(TopLevel::read(&before).ok_or_else(unreadable)?);
        for (name, value) in seen {
            top.set(name, value).ok_or_else(unreadable)?;
        }
        let new = top.to_vec();
        if new == body {
            return Ok(());
        }
        let ours = TopLevel::read(&new).ok_or_else(unreadable)?.take(spec.observed).to_vec();
        let theirs = (ours != theirs).then(|| theirs.into_boxed_slice());
        let time = self.tick();
        let source = Source { theirs, ..old.source.clone() };
        let differs = Some(seen.keys().cloned().collect());
        let logged = Logged { life: source.life.clone(), sequence: 0, time, differs };
        self.push(Revision { id: id.clone(), acl: Arc::clone(&old.acl), old: Some(old), body: new, source, logged });
        Ok(())
    }
}

impl Flow {
    /// Notes how far the origin is here now.
    fn reach(&mut self, reached: Reached) {
        self.known.reached = Some(reached);
        self.applied.progress = reached.progress(self.life.origin);
        let superfluous =
            |partial: &mut Partial| partial.incarnation == reached.incarnation && partial.at <= reached.sequence;
        self.known.partial.take_if(superfluous);
    }
}

pub(super) fn refused(id: impl std::fmt::Display, reason: impl Into<String>) -> InflowError {
    InflowError::Refused { id: id.to_string(), reason: reason.into() }
}
