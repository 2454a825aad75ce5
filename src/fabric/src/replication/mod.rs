//! How changes get from an agent to those above it and beside it: two state machines without any I/O, the source of a stream
//! and its sink. Time comes in with each event; what shall be done comes back as effects (`cluster.md` (g.4)).

use serde::{Deserialize, Serialize};

use crate::wire::Bytes;

/// What the two ends of a stream say to each other. The builder of this room decides its variants; each has a content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamMessage {
    /// To be replaced.
    Raw(Bytes),
}
