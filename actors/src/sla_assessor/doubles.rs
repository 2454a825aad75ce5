//! Findings that two agents have written down: one of them is removed by its writer.
//!
//! Which agent assesses what is settled by who leads, and while that changes two may have done the same. The document of the smaller
//! node stays, so that never both go. An agent that is neither leader nor backup does not see what others have written: who leads asks it
//! to remove what is double.

use std::collections::HashMap;

use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_sla::Key;
use mf2c_store::record::NodeId;

use super::SlaAssessor;
use super::names::{finding, name_of, twin};
use super::notes::Note;
use crate::replicator::Propose;

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
        if !is_there {
            return;
        }
        let leads = self.standing.leads();
        let others = self.writers.iter().filter(|writer| leads && *writer != by);
        let twins = others.chain([&self.node]).filter_map(|writer| {
            let twin = ResourceId::new(id.kind(), &twin(id.name(), writer)?).ok()?;
            self.store.get(twin.as_str()).map(|found| (*writer, found.id.clone()))
        });
        for (writer, twin) in twins.collect::<Vec<_>>() {
            self.remove_the_larger((*by, id.clone()), (writer, twin));
        }
    }

    /// Of two documents about one finding that of the larger node is removed: by that node, which may not see the other and is asked
    /// to by who leads.
    fn remove_the_larger(&mut self, one: (NodeId, ResourceId), other: (NodeId, ResourceId)) {
        let (larger, id) = if one.0 > other.0 { one } else { other };
        if larger == self.node {
            self.notes.push(Note::Delete { id });
        } else if self.standing.leads() {
            self.ask_to_remove(larger, id);
        }
    }

    fn ask_to_remove(&self, origin: NodeId, id: ResourceId) {
        let Some(elsewhere) = self.elsewhere.clone() else { return };
        let by = (Caller::agent().identity().unwrap_or_default().to_owned(), true);
        let propose =
            Propose { id: id.clone(), origin, changes: None, removed: Vec::new(), if_match: None, by, may_wait: true };
        // Nothing waits for it: who leads next looks for doubles again.
        actix::spawn(async move {
            if let Ok(Err(error)) = elsewhere.send(propose).await {
                tracing::debug!(%id, %error, "a finding that two agents have written stays double for now");
            }
        });
    }

    /// Looks for doubles among all that was found: this agent leads from now on.
    pub(super) fn look_for_doubles(&mut self) {
        for kind in KINDS {
            let mut least: HashMap<String, (NodeId, ResourceId)> = HashMap::new();
            for document in self.store.all(kind) {
                let Some(name) = finding(document.id.name()) else { continue };
                let found = (document.origin().unwrap_or(self.node), document.id.clone());
                match least.remove(name) {
                    None => drop(least.insert(name.to_owned(), found)),
                    Some(other) => {
                        let smaller = if found.0 < other.0 { found.clone() } else { other.clone() };
                        self.remove_the_larger(found, other);
                        least.insert(name.to_owned(), smaller);
                    }
                }
            }
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
