//! The states of an agreement, and how one follows the other (`spec/sla.md` 1.13).

use serde::{Deserialize, Serialize};

/// Whether an agreement is assessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is.
    Started,
    /// It is not, for now.
    #[default]
    Stopped,
    /// It never will be again.
    Terminated,
}

/// A state that cannot follow. The text is that of the original.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Not valid transition from {from} to {to} for agreement {agreement}")]
pub struct TransitionError {
    /// The state it has.
    pub from: State,
    /// The state it should have.
    pub to: State,
    /// The agreement's id.
    pub agreement: String,
}

impl State {
    /// The state of this word; whatever is no state stands for `stopped`, as in the original.
    #[must_use]
    pub fn of(word: &str) -> Self {
        match word {
            "started" => Self::Started,
            "terminated" => Self::Terminated,
            _ => Self::Stopped,
        }
    }

    /// The word in documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Terminated => "terminated",
        }
    }

    /// The state `to`, if it may follow this one: nothing follows `terminated`, not even itself.
    ///
    /// # Errors
    /// [`TransitionError`] where the agreement is terminated.
    pub fn transition(self, to: Self, agreement: &str) -> Result<Self, TransitionError> {
        if self == Self::Terminated {
            return Err(TransitionError { from: self, to, agreement: agreement.to_owned() });
        }
        Ok(to)
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_follows_terminated_and_unknown_words_stop() {
        for from in [State::Started, State::Stopped] {
            for to in [State::Started, State::Stopped, State::Terminated] {
                assert_eq!(from.transition(to, "a"), Ok(to));
            }
        }
        let refused = State::Terminated.transition(State::Terminated, "agreement/1").unwrap_err().to_string();
        assert_eq!(refused, "Not valid transition from terminated to terminated for agreement agreement/1");
        assert_eq!((State::of("start"), State::of("started")), (State::Stopped, State::Started));
    }
}
