//! What must hold of stores, whoever wrote them: simulated agents, or real ones whose disks are looked at.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use mf2c_actors::categoriser::{expected_sums, told_sums};
use mf2c_store::record::NodeId;
use mf2c_store::replica::Digest;
use mf2c_store::{ChangeKind, Changes, Store};

/// Changes that are looked at in one go.
const PAGE: usize = 512;

/// Follows one store: changes of each life of an origin come in its order, and once.
#[derive(Debug, Default)]
pub struct Tap {
    position: u64,
    /// The newest change of each life of each origin.
    last: BTreeMap<(NodeId, u64), u64>,
}

/// What a look at a store has brought.
#[derive(Debug, Default)]
pub struct Seen {
    /// How many changes.
    pub changes: u64,
    /// In how many goes.
    pub looks: u64,
    /// What was not in order.
    pub wrong: Option<String>,
}

impl Tap {
    /// How far the store was followed.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// Looks at what is new.
    pub fn follow(&mut self, store: &Store) -> Seen {
        let mut seen = Seen::default();
        while store.counters().position.load(Ordering::Relaxed) > self.position {
            let changes = match store.changes_within(self.position, PAGE, 1 << 20) {
                Ok(Changes::Next(changes)) => changes,
                Ok(Changes::Trimmed { oldest }) => {
                    self.position = oldest.saturating_sub(1);
                    continue;
                }
                // The disk cannot be read now.
                Err(_) => break,
            };
            let Some(last) = changes.last() else { break };
            self.position = last.position;
            seen.changes += changes.len() as u64;
            seen.looks += 1;
            for change in &changes {
                if change.sequence == 0 {
                    if change.kind == ChangeKind::Deleted {
                        // A copy was let go. Where it is needed again, it comes again from the beginning.
                        self.last.remove(&(change.origin, change.incarnation));
                    }
                    continue;
                }
                let newest = self.last.entry((change.origin, change.incarnation)).or_default();
                if change.sequence <= *newest {
                    let origin = mf2c_store::node_name(&change.origin);
                    seen.wrong = Some(format!(
                        "took change {} of {origin} after change {newest} of the same life ({})",
                        change.sequence, change.id
                    ));
                }
                *newest = change.sequence;
            }
        }
        seen
    }
}

/// Whether an origin's documents and a copy of them are the same, where they are of the same change.
#[must_use]
pub fn is_same(own: &Digest, copy: &Digest) -> bool {
    own.progress != copy.progress || own.buckets == copy.buckets
}

/// How the sums that a leader tells of its area differ from a recount, if they do.
#[must_use]
pub fn wrong_sums(leader: &Store) -> Option<String> {
    let (told, expected) = (told_sums(leader).ok()?, expected_sums(leader).ok()?);
    let position = leader.counters().position.load(Ordering::Relaxed);
    (told != expected).then(|| format!("at change {position}: told {told:?}, counted {expected:?}"))
}
