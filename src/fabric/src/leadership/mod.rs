//! Who leads an area: consensus among its leader, its backups and a witness above, with the `raft` crate's state machine, and
//! the rules around it. No I/O; time comes in as ticks (`cluster.md` (g.5)).

mod area;
mod caretaker;
mod council;
mod duty;
mod event;
mod group;
mod guard;
#[cfg(test)]
mod guard_tests;
mod hear;
mod heirs;
mod log;
mod publish;
mod refound;
mod roles;
mod roster;
mod routine;
mod settings;
mod vigil;

pub use council::Council;
pub use event::{Demand, Effect, Event, LinkFacts, Membership, Memory, RoleError};
pub use roster::seat_number;
pub use settings::Settings;

use mf2c_domain::area::standing::AreaPeer;
use serde::{Deserialize, Serialize};

use crate::wire::Bytes;

/// What agents say to each other about leadership. Each variant has a content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeadershipMessage {
    /// A message of the consensus of an area, as the `raft` crate encodes it.
    Raft {
        /// Which area's.
        area: String,
        /// The encoded message.
        message: Bytes,
        /// Of a leader: milliseconds of its own clock at which it was sent. Of an answer: the newest of these that the one
        /// who answers has had, from which the leader knows how long it may lead.
        #[serde(default)]
        stamp: u64,
        /// Of which foundation of the area, see [`LeadClaim::founded`]: those of one have nothing to do with another.
        #[serde(default)]
        founded: u64,
    },
    /// Who leads, told by the leader to everybody in its area and above.
    Lead(LeadClaim),
    /// What was said is of a term that is over.
    Stale {
        /// Which area.
        area: String,
        /// The term that it is in now.
        term: u64,
        /// Who leads in it, if that is known.
        #[serde(default)]
        leader: Option<AreaPeer>,
    },
}

/// See [`LeadershipMessage::Lead`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeadClaim {
    /// Which area.
    pub area: String,
    /// The term of leadership.
    pub term: u64,
    /// Who leads; it is the sender.
    pub leader: AreaPeer,
    /// Whether a majority consents.
    pub full: bool,
    /// Who holds the whole area besides.
    pub backups: Vec<AreaPeer>,
    /// Who is above.
    pub upper: Option<AreaPeer>,
    /// Who besides may found the area anew when leader and backups are lost, in this order.
    #[serde(default)]
    pub heirs: Vec<AreaPeer>,
    /// The term in which the area was founded that is led: seats of an earlier foundation count no more.
    #[serde(default)]
    pub founded: u64,
}
