//! How far this store has come with each origin and whose documents are here: in memory for readers, and in the engine
//! beside the documents, in whose batches it changes.
//!
//! `origin/<node>` holds `version u8, checksum u64, flags u8`, then, if flag 1 is set, incarnation, sequence, time and floor,
//! and, if flag 2 is set, incarnation and sequence of a snapshot under way and the last key of it that is here; integers
//! are 8 bytes, little-endian.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use mf2c_domain::id::ResourceId;
use mf2c_domain::time::HybridTime;
use parking_lot::RwLock;
use xxhash_rust::xxh3::Xxh3Default;

use crate::engine::{Batch, Engine, EngineError, Space};
use crate::identity::Identity;
use crate::record::NodeId;
use crate::replica::{Partial, Progress};

const PREFIX: &str = "origin/";
const VERSION: u8 = 1;
/// More agents than one store ever holds replicas of.
pub(crate) const MAX_ORIGINS: usize = 1 << 16;

/// What is known of an origin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// How far this store has come; none before the first snapshot is whole.
    pub(crate) reached: Option<Reached>,
    /// A snapshot under way.
    pub(crate) partial: Option<Partial>,
}

/// See [`Known::reached`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Reached {
    pub(crate) incarnation: u64,
    pub(crate) sequence: u64,
    /// When the change of that number was made; zero where that is not known, as behind a snapshot.
    pub(crate) time: HybridTime,
    /// The log never holds all changes up to this one: they came in a snapshot, or in another life.
    pub(crate) floor: u64,
}

/// What a committed batch changes; none forgets the origin.
pub(crate) type Moved = BTreeMap<NodeId, Option<Known>>;

/// Shared by the writer, which alone changes it, and the readers.
#[derive(Debug)]
pub(crate) struct Origins {
    node: NodeId,
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    identity: Arc<Identity>,
    known: BTreeMap<NodeId, Known>,
    /// The documents of each origin that travel.
    ids: BTreeMap<NodeId, BTreeSet<ResourceId>>,
    /// Origins whose documents a commit under way may have changed already.
    moving: BTreeSet<NodeId>,
}

impl Origins {
    pub(crate) fn new(identity: Identity) -> Self {
        let node = identity.node;
        let (known, ids, moving) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { node, state: RwLock::new(State { identity: Arc::new(identity), known, ids, moving }) }
    }

    pub(crate) fn node(&self) -> NodeId {
        self.node
    }

    pub(crate) fn identity(&self) -> Arc<Identity> {
        Arc::clone(&self.state.read().identity)
    }

    pub(crate) fn set_identity(&self, identity: Identity) {
        self.state.write().identity = Arc::new(identity);
    }

    pub(crate) fn known(&self, origin: &NodeId) -> Option<Known> {
        self.state.read().known.get(origin).cloned()
    }

    pub(crate) fn count(&self) -> usize {
        self.state.read().known.len()
    }

    /// This store's own first.
    pub(crate) fn progress(&self) -> Vec<Progress> {
        let state = self.state.read();
        let progress = |(origin, known): (&NodeId, &Known)| known.reached.map(|reached| reached.progress(*origin));
        let own = state.known.get_key_value(&self.node);
        let others = state.known.iter().filter(|(origin, _)| **origin != self.node);
        own.into_iter().chain(others).filter_map(progress).collect()
    }

    /// Up to `limit` ids of an origin behind `after`, in order.
    pub(crate) fn ids(&self, origin: &NodeId, after: Option<&str>, limit: usize) -> Vec<ResourceId> {
        let state = self.state.read();
        let Some(ids) = state.ids.get(origin) else { return Vec::new() };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        ids.range::<str, _>((from, Bound::Unbounded)).take(limit).cloned().collect()
    }

    /// The ids of an origin between two keys, the second included.
    pub(crate) fn ids_between(&self, origin: &NodeId, after: Option<&str>, upto: Option<&str>) -> Vec<ResourceId> {
        let state = self.state.read();
        let Some(ids) = state.ids.get(origin) else { return Vec::new() };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let found = ids.range::<str, _>((from, Bound::Unbounded));
        found.take_while(|id| upto.is_none_or(|upto| id.as_str() <= upto)).cloned().collect()
    }

    /// How far an origin is, if no commit under way may have changed its documents and no snapshot has brought newer ones.
    pub(crate) fn at_rest(&self, origin: &NodeId) -> Option<Progress> {
        let state = self.state.read();
        let known = state.known.get(origin).filter(|known| known.partial.is_none())?;
        let reached = known.reached.filter(|_| !state.moving.contains(origin))?;
        Some(reached.progress(*origin))
    }

    /// Called before a batch is committed that changes documents of these origins.
    pub(crate) fn moving(&self, origins: impl Iterator<Item = NodeId>) {
        self.state.write().moving.extend(origins);
    }

    /// Called when the batch is committed: what it moved, and which documents came and went.
    pub(crate) fn publish<'a>(
        &self,
        moved: Moved,
        come: impl Iterator<Item = (NodeId, &'a ResourceId)>,
        gone: impl Iterator<Item = (NodeId, &'a ResourceId)>,
    ) {
        let mut state = self.state.write();
        // One document may come and go in one batch: the caller tells only what is left of it.
        for (origin, id) in come {
            state.ids.entry(origin).or_default().insert(id.clone());
        }
        for (origin, id) in gone {
            if let Some(ids) = state.ids.get_mut(&origin) {
                ids.remove(id);
                if ids.is_empty() {
                    state.ids.remove(&origin);
                }
            }
        }
        for (origin, known) in moved {
            match known {
                Some(known) => drop(state.known.insert(origin, known)),
                None => drop(state.known.remove(&origin)),
            }
        }
        state.moving.clear();
    }
}

impl Reached {
    pub(crate) fn progress(&self, origin: NodeId) -> Progress {
        Progress { origin, incarnation: self.incarnation, sequence: self.sequence }
    }
}

fn key(origin: &NodeId) -> Vec<u8> {
    let digits: String = origin.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{PREFIX}{digits}").into_bytes()
}

fn origin_of(key: &[u8]) -> Option<NodeId> {
    let digits = std::str::from_utf8(key.strip_prefix(PREFIX.as_bytes())?).ok().filter(|digits| digits.len() == 32)?;
    u128::from_str_radix(digits, 16).ok().map(u128::to_be_bytes)
}

/// Adds what is known of an origin to a batch, or that nothing is known any more.
pub(crate) fn put(batch: &mut Batch, origin: &NodeId, known: Option<&Known>) {
    let key = key(origin);
    match known {
        Some(known) => {
            let value = encode(&key, known);
            batch.put(Space::Meta, &key, value);
        }
        None => batch.delete(Space::Meta, &key),
    }
}

fn encode(key: &[u8], known: &Known) -> Vec<u8> {
    let mut fields = vec![u8::from(known.reached.is_some()) | u8::from(known.partial.is_some()) << 1];
    if let Some(reached) = &known.reached {
        for number in [reached.incarnation, reached.sequence, reached.time.bits(), reached.floor] {
            fields.extend(number.to_le_bytes());
        }
    }
    if let Some(partial) = &known.partial {
        fields.extend(partial.incarnation.to_le_bytes());
        fields.extend(partial.at.to_le_bytes());
        fields.extend(partial.key.as_bytes());
    }
    let mut value = vec![VERSION];
    value.extend(sum(key, &fields).to_le_bytes());
    value.extend(fields);
    value
}

fn decode(key: &[u8], value: &[u8]) -> Option<Known> {
    let (front, fields) = value.split_at_checked(9)?;
    if front[0] != VERSION || front[1..] != sum(key, fields).to_le_bytes() {
        return None;
    }
    let (flags, mut rest) = fields.split_first()?;
    let mut number = || {
        let (taken, left) = rest.split_at_checked(8)?;
        rest = left;
        taken.try_into().ok().map(u64::from_le_bytes)
    };
    let mut known = Known::default();
    if flags & 1 == 1 {
        let (incarnation, sequence) = (number()?, number()?);
        let (time, floor) = (HybridTime::from_bits(number()?), number()?);
        known.reached = Some(Reached { incarnation, sequence, time, floor });
    }
    if flags & 2 == 2 {
        let (incarnation, at) = (number()?, number()?);
        known.partial = Some(Partial { incarnation, at, key: std::str::from_utf8(rest).ok()?.to_owned() });
    }
    Some(known)
}

fn sum(key: &[u8], fields: &[u8]) -> u64 {
    let mut hash = Xxh3Default::new();
    hash.update(key);
    hash.update(fields);
    hash.digest()
}

/// What the engine holds of every origin; of one whose record is damaged nothing is known, and it is read anew.
pub(crate) fn read(engine: &dyn Engine) -> Result<BTreeMap<NodeId, Known>, EngineError> {
    let mut found = BTreeMap::new();
    engine.scan(Space::Meta, PREFIX.as_bytes(), &mut |key, value| {
        if !key.starts_with(PREFIX.as_bytes()) {
            return ControlFlow::Break(());
        }
        match (origin_of(key), decode(key, value)) {
            (Some(origin), Some(known)) => drop(found.insert(origin, known)),
            _ => tracing::warn!(
                key = %String::from_utf8_lossy(key),
                "how far an origin was read is not known any more: it is read anew"
            ),
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// Forgets all origins.
pub(crate) fn clear(engine: &dyn Engine, batch: &mut Batch) -> Result<(), EngineError> {
    engine.scan(Space::Meta, PREFIX.as_bytes(), &mut |key, _| {
        if !key.starts_with(PREFIX.as_bytes()) {
            return ControlFlow::Break(());
        }
        batch.delete(Space::Meta, key);
        ControlFlow::Continue(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_an_origin_is_read_back_and_no_flipped_bit_passes() {
        let reached = Reached { incarnation: 1, sequence: 2, time: HybridTime::from_bits(3), floor: 4 };
        let partial = Partial { incarnation: 5, at: 6, key: "device/a".to_owned() };
        let all = [
            Known::default(),
            Known { reached: Some(reached), partial: None },
            Known { reached: None, partial: Some(partial.clone()) },
            Known { reached: Some(reached), partial: Some(partial) },
        ];
        for known in all {
            let key = key(&[0xab; 16]);
            let value = encode(&key, &known);
            assert_eq!((decode(&key, &value), origin_of(&key)), (Some(known), Some([0xab; 16])));
            for bit in 0..value.len() * 8 {
                let mut value = value.clone();
                value[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(decode(&key, &value), None);
            }
        }
        assert_eq!((decode(b"", b""), origin_of(b"origin/zz")), (None, None));
    }
}
