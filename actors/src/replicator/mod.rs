//! `Replicator`: carries changes from child to leader to cloud and to backups. It gives the state machines of
//! `mf2c_fabric::replication` their links, their store and their time.
//!
//! Who owes what to whom follows from how the agent stands ([`crate::leadership::Standings`]): a child its own changes to the
//! leader, a leader everything to its backups and to the agent above. Nothing of it is kept here that the store does not hold:
//! after a restart all goes on from there.

mod actor;
mod agreements;
mod answer;
mod bindings;
mod counters;
mod digests;
mod drive;
mod far;
mod fence;
mod forget;
mod history;
mod homes;
mod judge;
mod lag;
mod links;
mod lives;
mod merge;
mod notes;
mod offers;
mod propose;
mod shed;
mod waiting;

use actix::prelude::*;
use mf2c_domain::id::ResourceId;
use mf2c_fabric::replication::StreamMessage;
use mf2c_fabric::wire::{Proposed, WireError};
use mf2c_store::record::NodeId;
use serde_json::{Map, Value};

pub use crate::leadership::{LinkClosed, LinkOpened};
use crate::ports::OpenLink;
pub use actor::{Replicator, ReplicatorParts, ReplicatorSettings};
pub use counters::ReplicatorCounters;
pub use far::{AskFar, Far};
pub use forget::{Forget, Forgotten, KnownStore, KnownStores, Remember};
pub use shed::AnswerHolds;

/// A peer says something on a stream.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct HeardStream {
    /// On which link.
    pub link: u64,
    /// What.
    pub message: StreamMessage,
}

/// Edits or deletes a document of another agent, by way of that agent.
#[derive(Debug, Message)]
#[rtype(result = "Result<Proposal, WireError>")]
pub struct Propose {
    /// The document.
    pub id: ResourceId,
    /// The node that orders its edits.
    pub origin: NodeId,
    /// Attributes to set; none deletes the document.
    pub changes: Option<Map<String, Value>>,
    /// Attributes to remove.
    pub removed: Vec<String>,
    /// Refuses it unless the document has one of these entity tags.
    pub if_match: Option<Vec<String>>,
    /// The name of the user who asks, and whether he is an administrator.
    pub by: (String, bool),
    /// Whether it may wait for an agent that is away, as a `proposal`.
    pub may_wait: bool,
}

/// What became of a [`Propose`].
#[derive(Debug, Clone, PartialEq)]
pub enum Proposal {
    /// It is done, and visible here.
    Done,
    /// It waits; this document tells of it.
    Waiting(ResourceId),
}

/// A proposal of another agent, for a document of this one or of one below it.
#[derive(Debug, Message)]
#[rtype(result = "Result<mf2c_fabric::wire::Answer, WireError>")]
pub struct AnswerProposal {
    /// Who proposes.
    pub link_peer: std::sync::Arc<mf2c_pki::area::PeerIdentity>,
    /// What.
    pub proposed: Proposed,
}

/// How far each replica is behind, for people and metrics.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Vec<Flow>")]
pub struct Flows;

/// One stream of changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flow {
    /// The other end: a SPIFFE ID.
    pub peer: String,
    /// Whether changes go to it, or come from it.
    pub outgoing: bool,
    /// Whether there is a link to it. Where there is none any more, the figures of lag are told of those to whom changes are
    /// owed, and grow.
    pub open: bool,
    /// Whether the figures of lag are known: not where the other end was not reached since the agent was started.
    pub known: bool,
    /// Changes that are here and not acknowledged by it; for one that comes in, those that it has and that are not here, as
    /// far as it said.
    pub behind: u64,
    /// How old the oldest of them is, in milliseconds, by the clock of the end that has them. What was written before the
    /// agent started counts from its start.
    pub behind_millis: u64,
    /// Changes that went over it since it was opened.
    pub changes: u64,
    /// Bytes of them, as they went over the wire.
    pub bytes: u64,
    /// Documents that anti-entropy has repaired since the agent started.
    pub repaired: u64,
    /// Whether a snapshot is under way.
    pub snapshot: bool,
    /// Why the receiving end takes nothing now, in its own words, such as that its disk is full.
    pub held: Option<String>,
}

/// For [`LinkOpened`].
pub type Link = OpenLink;
