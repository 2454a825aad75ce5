//! What happens to a source and what it wants done: all that passes between it and those around it.

use std::collections::BTreeMap;

use super::super::words::StreamMessage;
use super::super::{Digest, Origin, Point};
use crate::wire::WireError;

/// An origin that is owed to the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// Whose changes.
    pub origin: Origin,
    /// What there is of them.
    pub at: Point,
    /// The `deviceID` of its agent, as far as it is known.
    pub device: String,
}

/// What happens to a source.
#[derive(Debug, Clone)]
pub enum Event {
    /// What is owed to the peer from now on: all of it.
    Owe(Vec<Owed>),
    /// The same, with a new offer also where nothing is new: the store has begun a new life.
    OweAnew(Vec<Owed>),
    /// The log has come to this position.
    Committed(u64),
    /// The peer says something.
    Heard(StreamMessage),
    /// What [`Effect::Digest`] asked for.
    Digests(BTreeMap<Origin, Digest>),
    /// The time that [`Source::wake`] told.
    Tick,
}

/// What a source wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Say this to the peer.
    Send(StreamMessage),
    /// Find out what the documents of these origins come to.
    Digest(Vec<Origin>),
    /// The peer has more of this origin, of its present life, than there is: where it is the own one, the store has gone
    /// back in time and must begin a new life.
    Behind(Origin),
    /// The peer does not take an origin, or one document of it.
    Refused {
        /// Which origin.
        origin: Origin,
        /// Which document; none for all.
        id: Option<String>,
        /// Why.
        why: WireError,
    },
    /// The peer takes nothing for a while: why.
    Held(String),
    /// An origin came to a life or a point that was not offered: owe anew.
    Reconsider,
    /// Close the link.
    Close(WireError),
}
