//! How an agent stands in its area: what it is there, who leads it, and what it may decide. `Leadership` publishes it; all
//! others look at it.

use serde::{Deserialize, Serialize};

use super::spiffe::SpiffeId;

/// What an agent is in its area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AreaRole {
    /// A member of no area, or of one whose leader has not spoken yet.
    #[default]
    Alone,
    /// A child.
    Agent,
    /// A child that holds the whole area and may lead it.
    Backup,
    /// It leads.
    Leader,
}

impl AreaRole {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alone => "alone",
            Self::Agent => "agent",
            Self::Backup => "backup",
            Self::Leader => "leader",
        }
    }
}

/// What a leader may decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mandate {
    /// Nothing: it does not lead, or its lease has ended.
    #[default]
    None,
    /// It leads without a majority: it reads, collects and forwards, but starts nothing new.
    Degraded,
    /// It leads with the consent of a majority.
    Full,
}

/// Another agent of the area, or the one above.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AreaPeer {
    /// Whom its certificate must name.
    pub id: SpiffeId,
    /// Where it takes links, as `host:port`.
    pub address: String,
}

/// How an agent stands in its area at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// This agent; none while it is a member of no area.
    pub own: Option<SpiffeId>,
    /// What it is.
    pub role: AreaRole,
    /// The highest term of leadership that it knows. A message of a lower one counts no more.
    pub term: u64,
    /// What it may decide.
    pub mandate: Mandate,
    /// Whether nobody who leads with the consent of a majority is heard of, although somebody is known to lead.
    pub degraded: bool,
    /// Who leads, if that is known; this agent itself where it leads.
    pub leader: Option<AreaPeer>,
    /// The agents that hold the whole area besides the leader.
    pub backups: Vec<AreaPeer>,
    /// The leader or cloud agent above this area. Only the area's leader and backups call it.
    pub upper: Option<AreaPeer>,
}

impl Standing {
    /// The area's name.
    #[must_use]
    pub fn area(&self) -> Option<&str> {
        self.own.as_ref()?.area()
    }

    /// Whether this agent leads, with or without a majority.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.role == AreaRole::Leader
    }

    /// Whether `peer` leads the area.
    #[must_use]
    pub fn is_led_by(&self, peer: &SpiffeId) -> bool {
        self.leader.as_ref().is_some_and(|leader| leader.id == *peer)
    }
}
