//! An edit that was made while the origin of a document was away meets what the origin did meanwhile: attribute by attribute
//! the later one counts, by hybrid time, and of equal ones that of the higher writer (vectors R11, R12).

use std::collections::BTreeMap;

use mf2c_domain::id::ResourceId;
use mf2c_domain::time::HybridTime;
use mf2c_fabric::replication::Origin;
use mf2c_store::engine::EngineError;
use mf2c_store::replica::Progress;
use mf2c_store::{Changes, Store};
use serde_json::{Map, Value};

/// Entries of the log that are read at once.
const PAGE: usize = 512;

/// What the origin did with a document since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Since {
    /// These attributes were changed, each at that time for the last time.
    Known(BTreeMap<String, HybridTime>),
    /// The log does not go back so far, or does not tell what differs: anything may have been changed, at the latest then.
    Unknown(HybridTime),
}

/// What of an edit counts.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Settled {
    /// Attributes to set.
    pub(super) changes: Map<String, Value>,
    /// Attributes to remove.
    pub(super) removed: Vec<String>,
    /// Attributes of the edit that do not count.
    pub(super) theirs_lost: Vec<String>,
    /// Attributes of which the origin's own change does not count.
    pub(super) ours_lost: Vec<String>,
}

/// An edit of another writer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Late<'a> {
    pub(super) changes: &'a Map<String, Value>,
    pub(super) removed: &'a [String],
    pub(super) made: HybridTime,
    pub(super) writer: &'a str,
}

/// Decides attribute by attribute.
pub(super) fn settle(late: Late<'_>, own: &str, since: &Since) -> Settled {
    let mut settled = Settled::default();
    let names = late.changes.keys().chain(late.removed);
    for name in names {
        let changed = match since {
            Since::Known(changed) => changed.get(name).copied(),
            Since::Unknown(at) => Some(*at).filter(|at| *at >= late.made),
        };
        let wins = changed.is_none_or(|at| (late.made, late.writer) > (at, own));
        if !wins {
            settled.theirs_lost.push(name.clone());
            continue;
        }
        if changed.is_some() {
            settled.ours_lost.push(name.clone());
        }
        match late.changes.get(name) {
            Some(value) => drop(settled.changes.insert(name.clone(), value.clone())),
            None => settled.removed.push(name.clone()),
        }
    }
    settled
}

/// What the store itself did with a document since a sequence of its own. A change that was itself a late edit counts from
/// when it was made, which `made_of` tells by its sequence: edits that waited together do not lose against each other.
pub(super) fn since(
    store: &Store,
    own: Origin,
    id: &ResourceId,
    base: u64,
    made_of: impl Fn(u64) -> Option<HybridTime>,
) -> Result<Since, EngineError> {
    let incarnation = store.identity().incarnation;
    let start = store.start_for(&[Progress { origin: own, incarnation, sequence: base }])?;
    let mut changed = BTreeMap::new();
    let mut last = HybridTime::default();
    let mut known = start.snapshots.is_empty() && start.ahead.is_empty();
    let mut position = start.position;
    loop {
        let Changes::Next(page) = store.changes_after(position, PAGE)? else {
            known = false;
            break;
        };
        let Some(end) = page.last() else { break };
        position = end.position;
        for change in page {
            if change.origin != own || change.id != *id || change.sequence <= base {
                continue;
            }
            let time = made_of(change.sequence).unwrap_or(change.time);
            last = last.max(time);
            match &change.differs {
                Some(names) => changed.extend(names.iter().map(|name| (name.clone(), time))),
                None => known = false,
            }
        }
    }
    if known {
        return Ok(Since::Known(changed));
    }
    if last == HybridTime::default() {
        last = newest(store, id);
    }
    Ok(Since::Unknown(last))
}

/// When the document was changed for the last time.
fn newest(store: &Store, id: &ResourceId) -> HybridTime {
    store.get(id.as_str()).map(|document| document.time()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(time: u64) -> HybridTime {
        HybridTime::from_bits(time)
    }

    fn settled(made: u64, writer: &str, since: &[(&str, u64)]) -> Settled {
        let changes = json!({"name": "theirs", "memory": 1}).as_object().unwrap().clone();
        let removed = ["arch".to_owned()];
        let since = Since::Known(since.iter().map(|(name, time)| ((*name).to_owned(), at(*time))).collect());
        settle(Late { changes: &changes, removed: &removed, made: at(made), writer }, "m", &since)
    }

    #[test]
    fn different_attributes_both_survive() {
        let settled = settled(5, "a", &[("description", 9)]);
        assert_eq!((settled.changes.len(), settled.removed.len()), (2, 1));
        assert!(settled.theirs_lost.is_empty() && settled.ours_lost.is_empty());
    }

    #[test]
    fn of_one_attribute_the_later_change_counts() {
        assert_eq!(settled(5, "a", &[("name", 6)]).theirs_lost, ["name"]);
        let later = settled(7, "a", &[("name", 6), ("arch", 8)]);
        assert_eq!((later.ours_lost, later.theirs_lost), (vec!["name".to_owned()], vec!["arch".to_owned()]));
        assert!(later.removed.is_empty() && later.changes["name"] == "theirs");
    }

    #[test]
    fn at_one_time_the_higher_writer_counts() {
        assert_eq!(settled(6, "a", &[("name", 6)]).theirs_lost, ["name"]);
        assert_eq!(settled(6, "z", &[("name", 6)]).ours_lost, ["name"]);
    }

    #[test]
    fn where_nothing_is_known_what_was_changed_later_stays() {
        let changes = json!({"name": "theirs"}).as_object().unwrap().clone();
        let late = Late { changes: &changes, removed: &[], made: at(5), writer: "a" };
        assert_eq!(settle(late, "m", &Since::Unknown(at(9))).theirs_lost, ["name"]);
        assert_eq!(settle(late, "m", &Since::Unknown(at(4))).changes, changes);
    }
}
