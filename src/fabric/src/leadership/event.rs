//! What comes into [`super::Council`] and what comes out.

use std::time::Duration;

use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::{AreaPeer, AreaRole, Standing};
use thiserror::Error;

use super::{LeadClaim, LeadershipMessage};
use crate::wire::WireError;

/// This agent's membership of an area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Whom its certificate names.
    pub own: SpiffeId,
    /// The leader that admitted it, or the one above where it leads an area itself.
    pub admitted_by: Option<AreaPeer>,
    /// Whether it holds the authority of its area.
    pub has_authority: bool,
    /// Where it takes links itself, as `host:port` for others; none where it takes none.
    pub address: Option<String>,
}

/// A link that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkFacts {
    /// Its number.
    pub number: u64,
    /// Whom the certificate of the other end names.
    pub peer: SpiffeId,
    /// Whether that certificate is a leader's.
    pub leader: bool,
    /// The incarnation of its store, by its Hello.
    pub incarnation: u64,
    /// The term that it knows, by its Hello.
    pub term: u64,
    /// Where it takes links, as `host:port`; none where it takes none, and then it is no backup.
    pub address: Option<String>,
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

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// Time has passed.
    Tick,
    /// The membership is this from now on.
    Membership(Option<Membership>),
    /// A link was opened.
    LinkUp(LinkFacts),
    /// A link has ended.
    LinkDown(u64),
    /// A peer has said something.
    Heard {
        /// On which link.
        link: u64,
        /// What.
        message: LeadershipMessage,
    },
    /// A state is on disk.
    Kept {
        /// Of which area.
        area: String,
        /// The number of [`Effect::Keep`].
        number: u64,
    },
    /// A role shall change. Answered by [`Effect::Answer`].
    ChangeRole {
        /// The number of the answer.
        ask: u64,
        /// Whose: a `deviceID` or its beginning; none means this agent's own.
        agent: Option<String>,
        /// What it shall be.
        role: AreaRole,
        /// On whose behalf.
        by: Demand,
    },
    /// How long ago another agent has heard of the leader; none if it cannot tell.
    Probed {
        /// Of whom.
        of: SpiffeId,
        /// The answer.
        ago: Option<Duration>,
    },
    /// How many changes of the area an agent lacks; none means this agent.
    Behind {
        /// Which agent.
        agent: Option<SpiffeId>,
        /// How many.
        changes: u64,
    },
}

/// Something to be done, in the order given.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// To say something on a link. If it cannot be, it is lost: it is said again when it matters.
    Send {
        /// The link.
        link: u64,
        /// What.
        message: LeadershipMessage,
    },
    /// To keep a state in place of the one before, and to tell with [`Event::Kept`] when it is on disk. Of several of one
    /// area the newest is enough.
    Keep {
        /// Of which area.
        area: String,
        /// Its number.
        number: u64,
        /// The state.
        state: Vec<u8>,
    },
    /// This agent stands like this from now on.
    Publish(Box<Standing>),
    /// To keep links to these open, and to no others.
    KeepLinks(Vec<AreaPeer>),
    /// To ask on a link when the other end has last heard of an agent, and to tell with [`Event::Probed`].
    Probe {
        /// Of whom.
        of: SpiffeId,
        /// The link.
        through: u64,
    },
    /// To give the keys of the area's authority to a new backup.
    HandAuthority(AreaPeer),
    /// The leader of an area below this one has made itself known.
    Below(LeadClaim),
    /// To answer [`Event::ChangeRole`].
    Answer {
        /// Its number.
        ask: u64,
        /// How this agent stands now.
        result: Result<Box<Standing>, RoleError>,
    },
    /// To close a link: the peer says what it may not.
    Close {
        /// The link.
        link: u64,
        /// Why.
        why: WireError,
    },
    /// Something that an operator may want to know.
    Tell(String),
}

/// Where kept states are found again.
pub trait Memory {
    /// The state that was kept last of an area.
    ///
    /// # Errors
    /// Why it cannot be read. Then the agent takes no part in the area's consensus.
    fn recall(&self, area: &str) -> Result<Option<Vec<u8>>, String>;
}
