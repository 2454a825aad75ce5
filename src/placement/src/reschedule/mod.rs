//! What is placed anew when an agent is lost, and what an agent that returns must stop.
//!
//! An instance has parts, told by their index. Each time that a part is placed it gets a generation that no part of
//! the instance had before. So a pair of index and generation belongs to one agent for ever, whoever believes what:
//! **at no time do two agents hold the same pair**. The document of the instance names the pair that counts. Whoever
//! holds an older one stops it, as soon as it sees the document.
//!
//! Decisions and their being carried out are apart, for a target has to be found in between. So a [`Move`] says on
//! which generation it was decided, and [`Placements::apply`] refuses it when that is no longer the one that counts.

use std::collections::BTreeMap;
use std::time::Duration;

use mf2c_domain::time::Timestamp;
use serde::Serialize;

/// What happens to the parts of an instance when their agent is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnLoss {
    /// They wait for it.
    Never,
    /// They move when it has been lost for so long.
    After(Duration),
}

/// A part of an instance, and where it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Placement {
    /// Which part.
    pub index: u32,
    /// Which placing of it.
    pub generation: u64,
    /// The agent that holds it.
    pub agent: String,
}

/// An agent that is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost<'a> {
    /// Which one.
    pub agent: &'a str,
    /// Since when.
    pub since: Timestamp,
}

/// A part that shall run elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Move {
    /// Which part.
    pub index: u32,
    /// The agent that it leaves.
    pub from: String,
    /// The generation that was there when this was decided.
    pub generation: u64,
    /// The generation that it gets.
    pub next: u64,
}

/// A part that an agent runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Held {
    /// Which part.
    pub index: u32,
    /// Which placing of it.
    pub generation: u64,
}

/// Why an agent must stop what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StopCause {
    /// It was placed anew, with this generation.
    Superseded {
        /// The one that counts.
        by: u64,
    },
    /// The instance no longer has this part.
    Removed,
    /// The pair belongs to another agent. This cannot be while all keep to the rules, and then one of them must go.
    Elsewhere,
}

/// Something that an agent must stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Stop {
    /// What.
    pub held: Held,
    /// Why.
    pub cause: StopCause,
}

/// Why a part was not placed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// It was placed already.
    #[error("part {index} is placed on `{agent}` already: move it, or remove it first")]
    Taken {
        /// Which part.
        index: u32,
        /// Where it is.
        agent: String,
    },
    /// It was placed anew, or removed, since the decision.
    #[error("the move of part {index} was decided on generation {decided}, and {found} counts now: decide anew")]
    Outdated {
        /// Which part.
        index: u32,
        /// The generation at the decision.
        decided: u64,
        /// The newest generation of the instance, or of the part.
        found: u64,
    },
    /// No generation is left.
    #[error("the instance has used up all generations")]
    Exhausted,
}

/// Where the parts of one instance run, as its document says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Placements {
    last: u64,
    current: BTreeMap<u32, Placement>,
}

impl Placements {
    /// As a document says: the newest generation that was ever given, and where the parts run. Of several placings of
    /// a part the newest counts. A `last` that is less than a generation which is there is taken for that.
    #[must_use]
    pub fn new(last: u64, placements: impl IntoIterator<Item = Placement>) -> Self {
        let mut read = Self { last, current: BTreeMap::new() };
        for placement in placements {
            read.last = read.last.max(placement.generation);
            let older = read.current.get(&placement.index).is_none_or(|known| known.generation < placement.generation);
            if older {
                read.current.insert(placement.index, placement);
            }
        }
        read
    }

    /// The newest generation that was ever given: it belongs into the document, for a part that was removed must not
    /// come back with an old one.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// The parts, by index.
    pub fn iter(&self) -> impl Iterator<Item = &Placement> {
        self.current.values()
    }

    /// Places a part that is not placed.
    ///
    /// # Errors
    /// [`PlaceError::Taken`] where it is, [`PlaceError::Exhausted`] after 2⁶⁴ placings.
    pub fn place(&mut self, index: u32, agent: &str) -> Result<&Placement, PlaceError> {
        if let Some(known) = self.current.get(&index) {
            return Err(PlaceError::Taken { index, agent: known.agent.clone() });
        }
        let generation = self.last.checked_add(1).ok_or(PlaceError::Exhausted)?;
        Ok(self.put(index, generation, agent))
    }

    fn put(&mut self, index: u32, generation: u64, agent: &str) -> &Placement {
        self.last = generation;
        let placement = Placement { index, generation, agent: agent.to_owned() };
        self.current.entry(index).insert_entry(placement).into_mut()
    }

    /// Takes a part away, for example when fewer are wanted; tells where it was.
    pub fn remove(&mut self, index: u32) -> Option<Placement> {
        self.current.remove(&index)
    }

    /// What shall move because its agent is lost for long enough, with the next generations in the order of the
    /// parts. A target has to be found for each; see [`Placements::apply`].
    #[must_use]
    pub fn due(&self, lost: &[Lost<'_>], on_loss: OnLoss, now: Timestamp) -> Vec<Move> {
        let due = |placement: &&Placement| self.moves_at(placement, lost, on_loss).is_some_and(|moment| moment <= now);
        let indices: Vec<u32> = self.iter().filter(due).map(|placement| placement.index).collect();
        self.moves(&indices)
    }

    /// When the next part becomes due, if nothing changes: a timer for it is all that is needed. It may lie in the
    /// past.
    #[must_use]
    pub fn next_due(&self, lost: &[Lost<'_>], on_loss: OnLoss) -> Option<Timestamp> {
        self.iter().filter_map(|placement| self.moves_at(placement, lost, on_loss)).min()
    }

    fn moves_at(&self, placement: &Placement, lost: &[Lost<'_>], on_loss: OnLoss) -> Option<Timestamp> {
        let OnLoss::After(grace) = on_loss else { return None };
        let since = lost.iter().filter(|lost| lost.agent == placement.agent).map(|lost| lost.since).min()?;
        let grace = i128::try_from(grace.as_nanos()).unwrap_or(i128::MAX);
        Some(Timestamp::from_nanos(since.nanos().saturating_add(grace)))
    }

    /// Moves for these parts, whatever the cause: an operator who empties a device, a limit of an owner's. Parts that
    /// are not placed are passed over.
    #[must_use]
    pub fn moves(&self, indices: &[u32]) -> Vec<Move> {
        let placed = indices.iter().filter_map(|index| self.current.get(index));
        let next = (1..).map_while(|step| self.last.checked_add(step));
        let with = |(placement, next): (&Placement, u64)| Move {
            index: placement.index,
            from: placement.agent.clone(),
            generation: placement.generation,
            next,
        };
        placed.zip(next).map(with).collect()
    }

    /// Carries out a move: the part is placed on `agent`. Moves of one decision are applied in their order; some may
    /// be left out.
    ///
    /// # Errors
    /// [`PlaceError::Outdated`] if the part was placed anew or removed since the decision, or its generation was
    /// given to another part.
    pub fn apply(&mut self, decided: &Move, agent: &str) -> Result<&Placement, PlaceError> {
        let outdated = |found| PlaceError::Outdated { index: decided.index, decided: decided.generation, found };
        let known = self.current.get(&decided.index).ok_or_else(|| outdated(self.last))?;
        if known.generation != decided.generation {
            return Err(outdated(known.generation));
        }
        if decided.next <= self.last {
            return Err(outdated(self.last));
        }
        Ok(self.put(decided.index, decided.next, agent))
    }

    /// What an agent must stop of all it holds of this instance. What is newer than this document stays: then the
    /// document is one that the agent has seen a later state of.
    #[must_use]
    pub fn superfluous(&self, agent: &str, held: &[Held]) -> Vec<Stop> {
        let cause = |held: &Held| match self.current.get(&held.index) {
            _ if held.generation > self.last => None,
            Some(known) if known.generation > held.generation => Some(StopCause::Superseded { by: known.generation }),
            Some(known) if known.generation < held.generation => Some(StopCause::Removed),
            Some(known) => (known.agent != agent).then_some(StopCause::Elsewhere),
            None => Some(StopCause::Removed),
        };
        held.iter().filter_map(|held| cause(held).map(|cause| Stop { held: *held, cause })).collect()
    }

    /// What an agent must start, of what it holds after it has stopped what is superfluous: it is placed there, and
    /// the agent holds neither that nor anything newer of the same part.
    pub fn missing<'p>(&'p self, agent: &'p str, held: &'p [Held]) -> impl Iterator<Item = &'p Placement> {
        let holds = |placement: &Placement| {
            held.iter().any(|held| held.index == placement.index && held.generation >= placement.generation)
        };
        self.iter().filter(move |placement| placement.agent == agent && !holds(placement))
    }
}

#[cfg(test)]
mod tests;
