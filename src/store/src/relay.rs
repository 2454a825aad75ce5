//! What a follower of this store needs: where it must begin, whole documents of an origin, and what they come to.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use mf2c_domain::id::ResourceId;
use mf2c_domain::time::HybridTime;

use crate::document::Document;
use crate::engine::{EngineError, Space};
use crate::record::{ChangeRecord, DocumentRecord, NodeId};
use crate::replica::{Digest, Digests, Partial, Progress, Replica, Start, bucket};
use crate::store::{Store, damaged};
use crate::{state, top_level};

/// Ids taken from the index at once.
const PAGE: usize = 256;
/// How often a digest is tried while the documents change under it.
const TRIES: usize = 3;

/// What a follower lacks of one origin.
struct Wanted {
    incarnation: u64,
    have: u64,
    /// The log never holds all up to this one.
    floor: u64,
    /// The lowest sequence in the log.
    lowest: Option<u64>,
}

impl Store {
    /// How far this store has come with every origin, its own first.
    #[must_use]
    pub fn progress(&self) -> Vec<Progress> {
        self.origins.progress()
    }

    /// How far this store has come with one origin.
    #[must_use]
    pub fn progress_of(&self, origin: &NodeId) -> Option<Progress> {
        self.origins.known(origin)?.reached.map(|reached| reached.progress(*origin))
    }

    /// The snapshot of an origin of which a part is here, if one is under way.
    #[must_use]
    pub fn partial_of(&self, origin: &NodeId) -> Option<Partial> {
        self.origins.known(origin)?.partial
    }

    /// When the newest change of an origin that is here was made, where that is known: not behind a snapshot.
    #[must_use]
    pub fn newest_time(&self, origin: &NodeId) -> Option<HybridTime> {
        let reached = self.origins.known(origin)?.reached?;
        (reached.time != HybridTime::default()).then_some(reached.time)
    }

    /// When an own change of the present life was made, if the log still tells. It is read for all but the newest.
    ///
    /// # Errors
    /// [`EngineError`] if the log cannot be read.
    pub fn time_of_own(&self, sequence: u64) -> Result<Option<HybridTime>, EngineError> {
        let (own, identity) = (self.origins.node(), self.origins.identity());
        if self.progress_of(&own).is_some_and(|progress| progress.sequence == sequence) {
            return Ok(self.newest_time(&own));
        }
        if let Some(time) = self.feed.time_of(&own, identity.incarnation, sequence) {
            return Ok(Some(time));
        }
        let mut found = None;
        self.read_log(&mut |_, record| {
            if (record.origin, record.incarnation, record.sequence) == (own, identity.incarnation, sequence) {
                found = Some(record.time);
            }
        })?;
        Ok(found)
    }

    /// None if the document is this agent's own, or there is none; otherwise whose it is.
    #[must_use]
    pub fn origin_of(&self, id: &str) -> Option<NodeId> {
        self.get(id)?.origin()
    }

    /// Where somebody who has come so far with these origins must begin to read this store's log. Sequence 0 stands for
    /// nothing, of whichever life. Origins of which this store has nothing whole yet, or is taking another life over, are
    /// passed over.
    ///
    /// What is in the log of an origin and is of another life, has the sequence 0, or is at or before what the follower has,
    /// is not for the follower.
    ///
    /// # Errors
    /// [`EngineError`] if the log cannot be read.
    pub fn start_for(&self, have: &[Progress]) -> Result<Start, EngineError> {
        // First, so that everything that comes later is behind it.
        let newest = self.counters().position.load(std::sync::atomic::Ordering::Acquire);
        let mut start = Start { position: newest, snapshots: Vec::new(), ahead: Vec::new() };
        let mut wanted = BTreeMap::new();
        for Progress { origin, incarnation, sequence } in have.iter().copied() {
            let Some(known) = self.origins.known(&origin) else { continue };
            let Some(reached) = known.reached else { continue };
            // Its documents are of two lives until the snapshot is whole.
            if known.partial.is_some_and(|partial| partial.incarnation != reached.incarnation) {
                continue;
            }
            if sequence > 0 && incarnation != reached.incarnation {
                start.snapshots.push(origin);
            } else if sequence > reached.sequence {
                start.ahead.push(origin);
            } else if sequence < reached.floor {
                start.snapshots.push(origin);
            } else if sequence < reached.sequence {
                let (incarnation, floor) = (reached.incarnation, reached.floor);
                wanted.insert(origin, Wanted { incarnation, have: sequence, floor, lowest: None });
            }
        }
        if wanted.is_empty() {
            return Ok(start);
        }
        let mut first = BTreeMap::new();
        self.read_log(&mut |position, record| {
            let Some(wanted) = wanted.get_mut(&record.origin) else { return };
            if record.incarnation != wanted.incarnation || record.sequence == 0 {
                return;
            }
            wanted.lowest = Some(wanted.lowest.map_or(record.sequence, |lowest| lowest.min(record.sequence)));
            if record.sequence > wanted.have {
                first.entry(record.origin).or_insert(position);
            }
        })?;
        for (origin, wanted) in wanted {
            let complete = wanted.lowest.is_some_and(|lowest| wanted.have >= wanted.floor.max(lowest - 1));
            if !complete {
                start.snapshots.push(origin);
            } else if let Some(first) = first.get(&origin) {
                start.position = start.position.min(first - 1);
            }
        }
        Ok(start)
    }

    fn read_log(&self, visit: &mut dyn FnMut(u64, &ChangeRecord<'_>)) -> Result<(), EngineError> {
        let mut fault = None;
        self.engine.scan(Space::Changes, &[], &mut |key, value| {
            let position = key.try_into().map(u64::from_be_bytes).unwrap_or_default();
            match ChangeRecord::decode(key, value) {
                Ok(record) => {
                    visit(position, &record);
                    ControlFlow::Continue(())
                }
                Err(error) => {
                    fault = Some(damaged("changes", format!("change {position}: {error}")));
                    ControlFlow::Break(())
                }
            }
        })?;
        fault.map_or(Ok(()), Err)
    }

    /// The travelling documents of one origin behind `after` in the order of their ids, about `bytes` of them, and whether
    /// those are the last.
    ///
    /// # Errors
    /// [`EngineError`] if they cannot be read.
    pub fn replicas(
        &self,
        origin: &NodeId,
        after: Option<&str>,
        bytes: usize,
    ) -> Result<(Vec<Replica>, bool), EngineError> {
        let mut found: Vec<Replica> = Vec::new();
        let mut room = bytes;
        let mut after = after.map(str::to_owned);
        loop {
            let ids = self.origins.ids(origin, after.as_deref(), PAGE);
            let Some(last) = ids.last() else { return Ok((found, true)) };
            after = Some(last.as_str().to_owned());
            for id in &ids {
                // It may have been deleted meanwhile; the follower learns that from the log.
                let Some(replica) = self.replica(origin, id)? else { continue };
                if replica.body.len() > room && !found.is_empty() {
                    return Ok((found, false));
                }
                room = room.saturating_sub(replica.body.len());
                found.push(replica);
            }
        }
    }

    /// What the documents of these origins come to, each at its present sequence. It reads every document once. Origins
    /// whose documents change meanwhile, or of which a snapshot is under way, are left out.
    ///
    /// Replicas are read from the disk, so that damage there shows; a document that cannot be read counts as none.
    ///
    /// # Errors
    /// [`EngineError`] if they cannot be read.
    pub fn digests(&self, of: &[NodeId]) -> Result<Digests, EngineError> {
        let mut digests = Digests::new();
        for origin in of {
            for _ in 0..TRIES {
                let Some(progress) = self.origins.at_rest(origin) else { continue };
                let buckets = self.buckets(origin)?;
                if self.origins.at_rest(origin) == Some(progress) {
                    digests.insert(*origin, Digest { progress, buckets });
                    break;
                }
            }
        }
        Ok(digests)
    }

    fn buckets(&self, origin: &NodeId) -> Result<Vec<u64>, EngineError> {
        let own = *origin == self.origins.node();
        let mut buckets = vec![0; 256];
        let mut after = None;
        loop {
            let ids = self.origins.ids(origin, after.as_deref(), PAGE);
            let Some(last) = ids.last() else { return Ok(buckets) };
            after = Some(last.as_str().to_owned());
            for id in &ids {
                let sum = if own {
                    self.replica(origin, id)?.map(|replica| top_level::sum(id, &replica.body))
                } else {
                    stored_sum(&*self.engine, id)?.map(|(_, sum)| sum)
                };
                buckets[usize::from(bucket(id))] ^= sum.unwrap_or(0);
            }
        }
    }

    /// The documents of one origin in these buckets, as far as they can be read.
    ///
    /// # Errors
    /// [`EngineError`] if they cannot be read.
    pub fn replicas_in(&self, origin: &NodeId, buckets: &[u8]) -> Result<Vec<Replica>, EngineError> {
        let own = *origin == self.origins.node();
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let ids = self.origins.ids(origin, after.as_deref(), PAGE);
            let Some(last) = ids.last() else { return Ok(found) };
            after = Some(last.as_str().to_owned());
            for id in ids.iter().filter(|id| buckets.contains(&bucket(id))) {
                match self.replica(origin, id) {
                    Ok(replica) => found.extend(replica),
                    // It is what is to be repaired.
                    Err(EngineError::Damaged { .. }) if !own => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// Something small that an actor has kept with [`crate::Writer::keep_state`].
    ///
    /// # Errors
    /// [`EngineError`] if it cannot be read.
    pub fn state(&self, key: &str) -> Result<Option<Vec<u8>>, EngineError> {
        state::read(&*self.engine, key)
    }

    /// All that actors have kept under keys that begin so, in the order of the keys.
    ///
    /// # Errors
    /// [`EngineError`] if it cannot be read.
    pub fn states(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, EngineError> {
        state::read_all(&*self.engine, prefix)
    }

    /// A document as its origin has it.
    fn replica(&self, origin: &NodeId, id: &ResourceId) -> Result<Option<Replica>, EngineError> {
        let Some(document) = self.get(id.as_str()) else { return Ok(None) };
        if document.origin().unwrap_or(self.origins.node()) != *origin {
            return Ok(None);
        }
        match document.bytes_in_memory() {
            Some(body) => {
                let Document { source, .. } = &*document;
                given_back(id, source.sequence, source.time, &body, source.theirs.as_deref().unwrap_or_default())
            }
            None => {
                let Some(value) = self.engine.get(Space::Documents, id.as_str().as_bytes())? else { return Ok(None) };
                let record = DocumentRecord::decode(id.as_str().as_bytes(), &value)
                    .map_err(|error| damaged("documents", format!("document {id}: {error}")))?;
                given_back(id, record.sequence, record.time, record.body, record.theirs)
            }
        }
    }
}

fn given_back(
    id: &ResourceId,
    sequence: u64,
    time: mf2c_domain::time::HybridTime,
    body: &[u8],
    theirs: &[u8],
) -> Result<Option<Replica>, EngineError> {
    let body = if theirs.is_empty() {
        body.to_vec()
    } else {
        let whole = top_level::as_at_origin(id, body, theirs);
        whole.ok_or_else(|| damaged("documents", format!("document {id} is no JSON object")))?
    };
    Ok(Some(Replica { id: id.clone(), sequence, time, body }))
}

/// The sequence and the fingerprint of a document on disk, if it is there and undamaged.
pub(crate) fn stored_sum(
    engine: &dyn crate::engine::Engine,
    id: &ResourceId,
) -> Result<Option<(u64, u64)>, EngineError> {
    let key = id.as_str().as_bytes();
    let value = engine.get(Space::Documents, key)?;
    let record = value.as_deref().and_then(|value| DocumentRecord::decode(key, value).ok());
    Ok(record.map(|record| (record.sequence, top_level::sum(id, record.body))))
}
