//! What happens to a sink, what it looks up, and what it wants done: all that passes between it and those around it.

use std::collections::BTreeMap;
use std::time::Duration;

use mf2c_domain::id::ResourceId;
use serde_json::{Map, Value};

use super::super::words::{Hold, StreamMessage};
use super::super::{Digest, Origin, Point};
use crate::wire::WireError;

/// A snapshot of which some is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partial {
    /// Which life, and at which change.
    pub at: Point,
    /// The last key.
    pub key: String,
}

/// What a sink looks up.
pub trait Here {
    /// How far the store has come with an origin.
    fn progress_of(&self, origin: &Origin) -> Option<Point>;
    /// A snapshot of it that was begun.
    fn partial_of(&self, origin: &Origin) -> Option<Partial>;
    /// The ids of its documents in one bucket.
    fn ids_in(&self, origin: &Origin, bucket: u8) -> Vec<ResourceId>;
}

/// A change to be applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Its number among the origin's changes.
    pub sequence: u64,
    /// When: a hybrid time.
    pub time: u64,
    /// The resource.
    pub id: ResourceId,
    /// What was done.
    pub body: Body,
}

/// What a change did.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// The whole document.
    Whole(Vec<u8>),
    /// What differs.
    Patch {
        /// Attributes to set.
        changed: Map<String, Value>,
        /// Attributes to remove.
        removed: Vec<String>,
        /// What must come out.
        sum: u64,
    },
    /// There is none any more.
    Deleted,
}

/// What kind of flow it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flow {
    /// What follows on what is here.
    Tail {
        /// The sequence before the first.
        after: u64,
        /// The sequence afterwards.
        upto: u64,
    },
    /// Part of a snapshot.
    Snapshot {
        /// The sequence when it began.
        at: u64,
        /// The last key before it.
        after: Option<String>,
        /// Its last key; none at the end.
        upto: Option<String>,
    },
    /// Documents that may differ.
    Repair {
        /// The sequence of which they are.
        at: u64,
        /// Those that the origin does not have.
        gone: Vec<ResourceId>,
    },
}

/// What became of an [`Effect::Apply`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is on the disk. These documents did not fit their patches, and nothing of the flow from the first of them on.
    Done(Vec<ResourceId>),
    /// Something before it is missing, or it is of another life.
    Again,
    /// It is of this store itself: dropped.
    Own,
    /// This document may not be taken; nothing of the flow was.
    Refused(String, String),
    /// The store cannot write now.
    Later(Duration, String),
}

/// Whether an origin may come from this peer.
pub type Verdict = Result<(), WireError>;

/// What happens to a sink.
#[derive(Debug, Clone)]
pub enum Event {
    /// The peer says something.
    Heard(StreamMessage),
    /// What [`Effect::Judge`] asked for: one verdict for each origin; or that it cannot be told yet.
    Judged(u32, Result<Vec<Verdict>, Hold>),
    /// The answer to [`Effect::Apply`] of this ticket.
    Applied(u64, Outcome),
    /// What [`Effect::Digest`] asked for.
    Digests(BTreeMap<Origin, Digest>),
    /// What may come from this peer is judged anew: roles have changed.
    Rejudge,
    /// The time that [`Sink::wake`] told.
    Tick,
}

/// What a sink wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Say this to the peer.
    Send(StreamMessage),
    /// Say which of these origins, each with the `deviceID` of its agent, may come from the peer.
    Judge(u32, Vec<(Origin, Point, String)>),
    /// Bring this to the disk.
    Apply {
        /// For [`Event::Applied`].
        ticket: u64,
        /// Whose changes.
        origin: Origin,
        /// Which life.
        incarnation: u64,
        /// What kind of flow.
        flow: Flow,
        /// The changes.
        changes: Vec<Change>,
    },
    /// Find out what the documents of these origins come to.
    Digest(Vec<Origin>),
    /// A document that the peer may not send; it is passed over.
    Refused(Origin, String, String),
    /// Close the link.
    Close(WireError),
}
