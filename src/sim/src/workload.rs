//! What the users and services of an agent do, and what was acknowledged to them: for simulated agents as well as for real ones.
//!
//! Whoever carries a [`Deed`] out says what came of it, and later the [`Ledger`] says what must be there.

use mf2c_domain::id::ResourceId;
use serde_json::{Map, Value, json};

use crate::dice::Dice;

/// The type of the documents that are written.
pub const KIND: &str = "service-instance";
/// The attribute that tells the number of the last write.
pub const NUMBER: &str = "device_ip";
/// Removals that are remembered.
const GONE: usize = 64;

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// A new document.
    Add,
    /// Another version of one.
    Edit(ResourceId),
    /// The end of one.
    Delete(ResourceId),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was acknowledged. Versions of a document grow from write to write.
    Written(ResourceId, u64),
    /// The end of a document was acknowledged.
    Deleted,
    /// There is no such document.
    Missing,
    /// It was refused, or not answered: it may have been done all the same.
    Failed,
}

/// A document whose last write was acknowledged.
#[derive(Debug, Clone)]
pub struct Known {
    /// Which.
    pub id: ResourceId,
    /// The acknowledged version.
    pub version: u64,
    /// Whether it may be gone all the same: its removal was asked for and not answered.
    pub leaving: bool,
}

/// What was acknowledged to the users of one agent. It outlives the agent's crashes.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Documents that must be there, oldest first.
    pub known: Vec<Known>,
    /// The newest acknowledged version of any document.
    pub newest: u64,
    /// Acknowledged writes.
    pub written: u64,
    /// Edits of other agents' documents that were acknowledged here.
    pub edits_from_above: u64,
    /// Writes that were refused or not answered.
    pub failed: u64,
    /// Removals that were acknowledged, the newest last: they must not come back.
    pub gone: Vec<ResourceId>,
}

/// An acknowledgement that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// This version of a document was acknowledged; there is an older one, or none.
    Write {
        /// Which document.
        id: ResourceId,
        /// The acknowledged version.
        version: u64,
        /// What is there.
        here: Option<u64>,
    },
    /// A document that was deleted is there again.
    Deletion(ResourceId),
}

/// A new document: everything but its number is always the same.
#[must_use]
pub fn body(number: u64) -> Map<String, Value> {
    let body = json!({
        "user": "user/operator", "service": "service/compressor", "agreement": "agreement/usual", "status": "waiting",
        "service_type": "docker", "agents": [], NUMBER: number.to_string(),
    });
    body.as_object().cloned().unwrap_or_default()
}

/// What an edit changes.
#[must_use]
pub fn changes(number: u64) -> Map<String, Value> {
    let status = ["started", "stopped", "error"][number as usize % 3];
    let changes = json!({ "status": status, NUMBER: number.to_string() });
    changes.as_object().cloned().unwrap_or_default()
}

impl Ledger {
    /// What to do next, where an agent shall have so many documents at most: half of all are edits.
    pub fn next(&mut self, dice: &mut Dice, documents: usize) -> Deed {
        let known = self.known.len();
        match dice.below(10) {
            _ if known == 0 => Deed::Add,
            _ if known >= documents.max(1) => self.delete(0),
            0..=4 => self.known.get(dice.index(known)).map_or(Deed::Add, |known| Deed::Edit(known.id.clone())),
            5..=7 => Deed::Add,
            _ => self.delete(dice.index(known)),
        }
    }

    fn delete(&mut self, at: usize) -> Deed {
        self.known.get_mut(at).map_or(Deed::Add, |known| {
            known.leaving = true;
            Deed::Delete(known.id.clone())
        })
    }

    /// What came of a deed.
    pub fn answered(&mut self, deed: &Deed, answer: Answer) {
        match (deed, answer) {
            (_, Answer::Written(id, version)) => {
                self.written += 1;
                self.newest = self.newest.max(version);
                match self.known.iter_mut().find(|known| known.id == id) {
                    Some(known) => known.version = version,
                    None => self.known.push(Known { id, version, leaving: false }),
                }
            }
            (Deed::Delete(id), answer @ (Answer::Deleted | Answer::Missing)) => {
                self.known.retain(|known| known.id != *id);
                self.written += u64::from(answer == Answer::Deleted);
                self.gone.push(id.clone());
                if self.gone.len() > GONE {
                    self.gone.remove(0);
                }
            }
            _ => self.failed += 1,
        }
    }

    /// The first acknowledgement that does not hold, by the version of each document that is there.
    pub fn lost(&self, mut version_of: impl FnMut(&ResourceId) -> Option<u64>) -> Option<Lost> {
        for known in self.known.iter().filter(|known| !known.leaving) {
            let here = version_of(&known.id);
            if here.is_none_or(|here| here < known.version) {
                return Some(Lost::Write { id: known.id.clone(), version: known.version, here });
            }
        }
        self.gone.iter().find(|id| version_of(id).is_some()).cloned().map(Lost::Deletion)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn id(number: u64) -> ResourceId {
        ResourceId::parse(&format!("{KIND}/{number}")).unwrap()
    }

    #[test]
    fn what_was_acknowledged_is_remembered_and_what_is_lost_or_back_again_is_found() {
        let (mut ledger, mut dice) = (Ledger::default(), Dice::new(3, "workload", 0));
        let mut there: BTreeMap<ResourceId, u64> = BTreeMap::new();
        for number in 1..500 {
            let deed = ledger.next(&mut dice, 9);
            // Some are not answered, and half of those are done all the same.
            let (answered, done) = (!dice.hits(0.2), dice.hits(0.5));
            let answer = match &deed {
                Deed::Add => Answer::Written(id(number), number),
                Deed::Edit(id) if there.contains_key(id) => Answer::Written(id.clone(), number),
                Deed::Delete(id) if there.contains_key(id) => Answer::Deleted,
                Deed::Edit(_) | Deed::Delete(_) => Answer::Missing,
            };
            match &answer {
                Answer::Written(id, version) if answered || done => drop(there.insert(id.clone(), *version)),
                Answer::Deleted if answered || done => {
                    if let Deed::Delete(id) = &deed {
                        there.remove(id);
                    }
                }
                _ => {}
            }
            ledger.answered(&deed, if answered { answer } else { Answer::Failed });
            assert_eq!(ledger.lost(|id| there.get(id).copied()), None, "{deed:?}");
        }
        assert!(ledger.known.len() <= 9 && ledger.written > 300 && ledger.failed > 50);
        let known = ledger.known.iter().find(|known| !known.leaving).unwrap().clone();
        let older = |asked: &ResourceId| there.get(asked).map(|version| version - u64::from(*asked == known.id));
        let lost = Lost::Write { id: known.id.clone(), version: known.version, here: Some(known.version - 1) };
        assert_eq!(ledger.lost(older), Some(lost));
        let gone = ledger.gone.last().unwrap().clone();
        let back = |asked: &ResourceId| if *asked == gone { Some(1) } else { there.get(asked).copied() };
        assert_eq!(ledger.lost(back), Some(Lost::Deletion(gone.clone())));
    }
}
