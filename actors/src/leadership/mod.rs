//! `Leadership`: who leads the area, and what this agent is in it. It runs the state machine of `mf2c_fabric::leadership`
//! with real links and a real clock, keeps what that must not forget, and publishes the [`Standing`] that all others follow.

use actix::prelude::*;
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::{AreaPeer, AreaRole, Standing};
pub use mf2c_fabric::leadership::{Demand, Memory, RoleError, Settings};
use mf2c_fabric::leadership::{LeadClaim, LeadershipMessage};
use mf2c_fabric::wire::{Answer, RoleChange, WireError};
use thiserror::Error;
use tokio::sync::watch;

pub use self::actor::{Leadership, NO_BACKUP, Surroundings};
pub use self::kept::{StoreMemory, state_key};
use crate::ports::OpenLink;

mod actor;
mod answers;
mod kept;

/// The agent's membership has changed: it joined, made an area, was renewed under another role, or left.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct MembershipChanged {
    /// Whom its certificate names; none where it belongs to no area.
    pub own: Option<SpiffeId>,
    /// The leader that admitted it, or the one above where it leads an area itself.
    pub admitted_by: Option<AreaPeer>,
    /// Whether it holds the authority of its area.
    pub has_authority: bool,
    /// Where it takes links itself, as `host:port` for others; none where it takes none.
    pub address: Option<String>,
}

/// A link was opened.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct LinkOpened(pub OpenLink);

/// A link has ended.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct LinkClosed(pub u64);

/// A peer says something of leadership.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Heard {
    /// On which link.
    pub link: u64,
    /// What.
    pub message: LeadershipMessage,
}

/// Changes a role: by an operator of this agent, or by a peer that has the right to demand it.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Standing, RoleError>")]
pub struct ChangeRole {
    /// Whose: a `deviceID` or its beginning; none means this agent's own.
    pub agent: Option<String>,
    /// What it shall be: leader, backup or agent.
    pub role: AreaRole,
    /// On whose behalf.
    pub by: Demand,
}

/// A sign of life of the backup of an old client's kind: `POST /keepalive`. Tells its place in the line of backups, from 1.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<u32, KeepaliveError>")]
pub struct Keepalive {
    /// Its `deviceID`.
    pub device: String,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeepaliveError {
    /// This agent does not lead.
    #[error("this agent does not lead")]
    NotLeader,
    /// The other is no backup.
    #[error("that agent is no backup")]
    NotBackup,
}

/// A peer asks when this agent has last heard of another one: [`mf2c_fabric::wire::Ask::Probe`].
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Answer, WireError>")]
pub struct PeerProbes {
    /// The other's SPIFFE ID, as it was sent.
    pub of: String,
}

/// A peer demands a change of roles: [`mf2c_fabric::wire::Ask::ChangeRole`].
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Answer, WireError>")]
pub struct PeerChangesRole {
    /// Which peer, by its certificate.
    pub peer: SpiffeId,
    /// What it demands.
    pub change: RoleChange,
}

/// How many changes of the area an agent lacks, as replication knows: those that lack none are chosen, and lead, first.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct LagsBehind {
    /// Which agent; none means this one.
    pub agent: Option<SpiffeId>,
    /// How many.
    pub changes: u64,
}

/// Told to who holds the area's authority: a new backup can be reached and needs its keys.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct HandAuthority(pub AreaPeer);

/// Told to who wants to know: the leadership of an area below this agent.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct LedBelow(pub LeadClaim);

/// Told to who wants to know: something about leadership that an operator may want to read.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct LeadershipNews(pub String);

/// Where everybody looks up how the agent stands.
pub type Standings = watch::Receiver<Standing>;

/// For [`crate::ports::LinkService::heard`].
pub type Refusal = WireError;
