//! Why a backend did not do what it was asked: typed for the reconciler, with a sentence for the operator.

use std::time::Duration;

/// Why an operation of a backend failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// The engine does not answer or is not there. Worth another try.
    #[error("{engine} is not available: {why}")]
    Unavailable {
        /// Which engine.
        engine: &'static str,
        /// What happened, and what to look at.
        why: String,
    },
    /// The engine took longer than the operation may. It may have been done all the same: ask again.
    #[error("{what} took longer than {} s", after.as_secs_f32())]
    Timeout {
        /// The operation.
        what: &'static str,
        /// What it was given.
        after: Duration,
    },
    /// The image is not here and did not come.
    #[error("the image `{image}` is not here: {why}")]
    NoImage {
        /// The image asked for.
        image: String,
        /// What the registry or the policy says.
        why: String,
    },
    /// A port that the workload must have on this machine is in use.
    #[error("port {port} of this machine is taken: {why}; choose another one, or 0 for any")]
    PortTaken {
        /// The port; 0 where the engine did not say which.
        port: u16,
        /// What the engine says.
        why: String,
    },
    /// Something else has this name, or the workload is in a state that forbids the operation.
    #[error("`{name}`: {why}")]
    Conflict {
        /// The name of the workload.
        name: String,
        /// What is in the way.
        why: String,
    },
    /// This agent does not do that, by configuration or at all.
    #[error("refused: {why}")]
    Refused {
        /// What is refused, and what would be allowed.
        why: String,
    },
    /// What was asked makes no sense.
    #[error("invalid: {why}")]
    Invalid {
        /// What was wrong, and what was expected.
        why: String,
    },
    /// There is no such workload.
    #[error("there is no workload `{name}` here: create it first")]
    Missing {
        /// The name of the workload.
        name: String,
    },
    /// The engine tried and failed.
    #[error("{what} failed: {why}")]
    Failed {
        /// The operation.
        what: &'static str,
        /// What the engine says.
        why: String,
    },
}

impl BackendError {
    /// Whether the same call may succeed later without anybody changing anything but the surroundings.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Timeout { .. } | Self::PortTaken { .. })
    }

    pub(crate) fn invalid(why: impl Into<String>) -> Self {
        Self::Invalid { why: why.into() }
    }

    pub(crate) fn refused(why: impl Into<String>) -> Self {
        Self::Refused { why: why.into() }
    }

    pub(crate) fn failed(what: &'static str, why: &dyn std::fmt::Display) -> Self {
        Self::Failed { what, why: why.to_string() }
    }

    pub(crate) fn conflict(name: &str, why: impl Into<String>) -> Self {
        Self::Conflict { name: name.to_owned(), why: why.into() }
    }
}
