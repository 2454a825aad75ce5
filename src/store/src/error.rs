//! Why the store refused a request.

use mf2c_domain::id::ResourceId;
use mf2c_domain::resource::SchemaError;

use crate::catalog::CursorError;
use crate::engine::EngineError;

/// What a reader or writer can be refused for.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such resource.
    #[error("{id} not found")]
    NotFound {
        /// The id asked for.
        id: String,
    },
    /// There is one already.
    #[error("conflict with {id}")]
    Conflict {
        /// The resource in the way.
        id: ResourceId,
    },
    /// The caller lacks the right.
    #[error("credentials required")]
    Forbidden {
        /// The resource.
        id: String,
    },
    /// The caller's edit is based on an older revision.
    #[error("{id} has changed: it is now {current}, read it again and repeat the edit")]
    Stale {
        /// The resource.
        id: ResourceId,
        /// Its entity tag now.
        current: String,
    },
    /// The document belongs to another agent, which alone orders its edits.
    #[error("{id} belongs to another agent of the area, through which it must be changed")]
    Elsewhere {
        /// The resource.
        id: ResourceId,
        /// That agent's node.
        origin: crate::record::NodeId,
    },
    /// Changes of another agent cannot be taken over.
    #[error(transparent)]
    Inflow(#[from] crate::replica::InflowError),
    /// The document would not satisfy its type.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The document is too large.
    #[error("the document of {size} bytes is too large: at most {limit} are stored")]
    TooLarge {
        /// Its size, in bytes.
        size: usize,
        /// The most that is allowed, in bytes.
        limit: usize,
    },
    /// A cursor that does not fit.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// The disk is full.
    #[error("nothing can be written now: {reason}; writing resumes by itself when there is space")]
    Full {
        /// The engine's words.
        reason: String,
    },
    /// The disk or the engine fails; reads go on.
    #[error("the write failed and may or may not have taken effect: {reason}")]
    Unavailable {
        /// The engine's words.
        reason: String,
    },
    /// The agent is stopping.
    #[error("the agent is stopping: try again when it is back")]
    Stopping,
}

impl StoreError {
    /// What a failure of the engine means for those who wait for their writes.
    pub(crate) fn from_engine(error: &EngineError) -> Self {
        let reason = match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        match error {
            EngineError::Full { untouched: true, .. } => Self::Full { reason },
            EngineError::Full { .. } => {
                Self::Full { reason: format!("{reason}; this write may or may not have taken effect") }
            }
            _ => Self::Unavailable { reason },
        }
    }
}
