//! Who this store is: the node's identity, which life of the store this is, and where its log begins.

use mf2c_domain::entropy::Entropy;
use mf2c_domain::time::HybridTime;
use serde::{Deserialize, Serialize};

use std::ops::ControlFlow;

use crate::engine::{Batch, Engine, EngineError, RESTORE_ADVICE, Scan, Space};
use crate::origins;
use crate::record::{ChangeRecord, DocumentRecord, NodeId, change_position};

const KEY: &[u8] = b"identity";

/// Kept in the store from its first start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The node, for ever.
    pub node: NodeId,
    /// Which life: random at first; a greater one after the store was restored from a backup, because then its history has
    /// forked. Of two lives of one store the greater is the newer.
    pub incarnation: u64,
    /// The position before the first change of the log, while the log is empty.
    pub base: u64,
    /// The number of the newest own change that travels, as far as neither the log nor the documents tell it.
    #[serde(default)]
    pub sequence: u64,
    /// The hybrid time that goes with it.
    pub time: HybridTime,
}

/// A node as a name in resource ids: a UUID's 32 digits in their usual groups.
#[must_use]
pub fn node_name(node: &NodeId) -> String {
    let digits = format!("{:032x}", u128::from_be_bytes(*node));
    format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..])
}

impl Identity {
    /// A new identity.
    #[must_use]
    pub fn random(entropy: &dyn Entropy) -> Self {
        let mut node = [0; 16];
        entropy.fill(&mut node);
        Self { node, incarnation: first_incarnation(entropy), base: 0, sequence: 0, time: HybridTime::default() }
    }

    /// The node as a name in resource ids, see [`node_name`].
    #[must_use]
    pub fn name(&self) -> String {
        node_name(&self.node)
    }

    /// Reads the identity from the engine, or makes one and stores it if the engine is empty.
    pub(crate) fn load_or_make(engine: &dyn Engine, entropy: &dyn Entropy) -> Result<Self, EngineError> {
        if let Some(identity) = Self::read(engine)? {
            return Ok(identity);
        }
        if is_used(engine)? {
            let what = "there are documents without the store's identity, as after a restore that was interrupted";
            return Err(damaged(what.to_owned()));
        }
        let identity = Self::random(entropy);
        let mut batch = Batch::default();
        identity.put(&mut batch);
        engine.commit(batch)?;
        Ok(identity)
    }

    pub(crate) fn read(engine: &dyn Engine) -> Result<Option<Self>, EngineError> {
        let Some(bytes) = engine.get(Space::Meta, KEY)? else { return Ok(None) };
        let read = serde_json::from_slice(&bytes);
        read.map(Some).map_err(|error| damaged(format!("the identity of the store cannot be read: {error}")))
    }

    /// The newest position that the stored identity or a stored change tells of.
    pub(crate) fn newest_position(engine: &dyn Engine) -> Result<u64, EngineError> {
        let mut newest = Self::read(engine)?.map_or(0, |identity| identity.base);
        engine.scan(Space::Changes, &[], &mut |key, _| {
            newest = newest.max(key.try_into().map(u64::from_be_bytes).unwrap_or_default());
            ControlFlow::Continue(())
        })?;
        Ok(newest)
    }

    /// Lets the store begin a new life with the documents that it has: the log is emptied, and positions go on behind
    /// `behind` and everything that is stored. Used where part of the history is lost.
    pub(crate) fn fork(engine: &dyn Engine, entropy: &dyn Entropy, behind: u64) -> Result<Self, EngineError> {
        let old = Self::read(engine)?.unwrap_or_else(|| Self::random(entropy));
        let mut base = Self::newest_position(engine)?.max(behind);
        // Of others' times, which may be wrong, nothing is taken over.
        let (mut sequence, mut time) = (old.sequence, old.time);
        let mut own = |origin: &NodeId, number: u64, at: HybridTime| {
            if *origin == old.node {
                (sequence, time) = (sequence.max(number), time.max(at));
            }
        };
        let mut batch = Batch::default();
        engine.scan(Space::Changes, &[], &mut |key, value| {
            batch.delete(Space::Changes, key);
            if let Ok(record) = ChangeRecord::decode(key, value) {
                own(&record.origin, record.sequence, record.time);
            }
            ControlFlow::Continue(())
        })?;
        engine.scan(Space::Documents, &[], &mut |key, value| {
            if let Ok(record) = DocumentRecord::decode(key, value) {
                base = base.max(record.revision);
                own(&record.origin, record.sequence, record.time);
            }
            ControlFlow::Continue(())
        })?;
        // What was read of others may be ahead of the documents that are left: they are read anew.
        if let Some(reached) = origins::read(engine)?.get(&old.node).and_then(|known| known.reached) {
            sequence = sequence.max(reached.sequence);
        }
        origins::clear(engine, &mut batch)?;
        let identity =
            Self { incarnation: next_incarnation(old.incarnation, entropy), base, sequence, time: later(time), ..old };
        identity.put(&mut batch);
        batch.position = base;
        engine.commit(batch)?;
        Ok(identity)
    }

    /// Adds the identity to a batch.
    pub(crate) fn put(&self, batch: &mut Batch) {
        batch.put(Space::Meta, KEY, serde_json::to_vec(self).unwrap_or_default());
    }
}

/// The position that an item of a batch carries: that of a change, or the one from which an identity goes on.
pub(crate) fn position_in(key: &[u8], value: &[u8]) -> Option<u64> {
    let of_identity = || serde_json::from_slice::<Identity>(value).ok().map(|identity| identity.base);
    change_position(key, value).or_else(|| (key == KEY).then(of_identity)?)
}

fn damaged(what: String) -> EngineError {
    EngineError::Damaged { file: "meta".into(), offset: 0, what, advice: RESTORE_ADVICE }
}

/// Whether there is any document or change.
pub(crate) fn is_used(engine: &(impl Scan + ?Sized)) -> Result<bool, EngineError> {
    let mut used = false;
    for space in [Space::Documents, Space::Changes] {
        engine.scan(space, &[], &mut |_, _| {
            used = true;
            ControlFlow::Break(())
        })?;
    }
    Ok(used)
}

/// Behind everything that may have been said within the same millisecond before history forked.
pub(crate) fn later(time: HybridTime) -> HybridTime {
    time.next(time.wall())
}

/// Below 2^52, so that every JSON reader takes it as it is, and a million lives after it.
fn first_incarnation(entropy: &dyn Entropy) -> u64 {
    let mut bytes = [0; 8];
    entropy.fill(&mut bytes);
    u64::from_le_bytes(bytes) >> 12 | 1
}

/// Greater than the life before it, by a random number from 1 to below 2^32: two copies of a store that both go on do not meet
/// in one life.
pub(crate) fn next_incarnation(old: u64, entropy: &dyn Entropy) -> u64 {
    let mut bytes = [0; 4];
    entropy.fill(&mut bytes);
    old.saturating_add(u64::from(u32::from_le_bytes(bytes).max(1)))
}
