//! Findings that two agents have written down: one of them is removed by its writer.
//!
//! Which agent assesses what is settled by who leads, and while that changes two may have done the same. The document of the smaller
//! node stays, so that never both go.

use mf2c_domain::id::ResourceId;
use mf2c_sla::Key;
use mf2c_store::record::NodeId;

use super::SlaAssessor;
use super::names::{name_of, twin};
use super::notes::Note;

/// The most other writers that are known.
const MOST_WRITERS: usize = 256;
/// What assessments write.
pub(super) const KINDS: [&str; 4] = ["sla-violation", "sla-warning", "sla-penalty", "sla-episode"];

impl SlaAssessor {
    /// Another agent has written a finding, or removed it.
    pub(super) fn heard_of(&mut self, id: &ResourceId, by: &NodeId, is_there: bool) {
        if self.writers.len() < MOST_WRITERS {
            self.writers.insert(*by);
        }
        let Some(own) = twin(id.name(), &self.node).and_then(|name| ResourceId::new(id.kind(), &name).ok()) else {
            return;
        };
        let both = is_there && self.store.get(own.as_str()).is_some_and(|document| document.origin().is_none());
        if both && self.node > *by {
            self.notes.push(Note::Delete { id: own });
        }
    }

    /// Whether another agent has written this finding down.
    pub(super) fn is_told_elsewhere(&self, kind: &str, key: Key) -> bool {
        self.writers.iter().any(|writer| self.store.get(&format!("{kind}/{}", name_of(key, writer))).is_some())
    }

    /// Learns who has written findings.
    pub(super) fn meet_writers(&mut self) {
        for kind in KINDS {
            for origin in self.store.all(kind).iter().filter_map(|document| document.origin()) {
                if self.writers.len() < MOST_WRITERS {
                    self.writers.insert(origin);
                }
            }
        }
    }
}
