//! `Leadership`: who leads the area, and what this agent is in it. It runs the state machine of `mf2c_fabric::leadership`
//! with real links and a real clock, keeps what that must not forget, and publishes the [`Standing`] that all others follow.

use actix::prelude::*;
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::{AreaPeer, AreaRole, Standing};
use mf2c_fabric::leadership::LeadershipMessage;
use mf2c_fabric::wire::WireError;
use thiserror::Error;
use tokio::sync::watch;

use crate::ports::OpenLink;

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

/// On whose behalf a role changes.
#[derive(Debug, Clone)]
pub enum Demand {
    /// An administrator of this agent.
    Operator,
    /// Another agent, at a term that it knows.
    Peer {
        /// Which.
        id: SpiffeId,
        /// The term.
        term: u64,
    },
}

/// Why a role does not change.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RoleError {
    /// This agent belongs to no area.
    #[error("this agent belongs to no area: join one with `mf2c join TOKEN`, or make one with `mf2c ca init`")]
    Alone,
    /// Only the leader can do it.
    #[error("only the leader of the area can do this{}", .0.as_ref().map(|leader| format!(": ask {}", leader.id)).unwrap_or_default())]
    NotLeader(Option<AreaPeer>),
    /// Nobody of that name is in the area.
    #[error("there is no `{0}` in this area: `mf2c area` lists its agents")]
    Unknown(String),
    /// It cannot be done now.
    #[error("{0}")]
    NotNow(String),
    /// The demand is of an earlier term.
    #[error("the demand is of term {theirs}, this area is in term {ours}")]
    Stale {
        /// The demand's.
        theirs: u64,
        /// The present one.
        ours: u64,
    },
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

/// Where everybody looks up how the agent stands.
pub type Standings = watch::Receiver<Standing>;

/// For [`crate::ports::LinkService::heard`].
pub type Refusal = WireError;
