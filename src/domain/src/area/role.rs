//! What a member is admitted as.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The organisational unit in the certificate of who is admitted as a leader, until it has the authority of its own area: it is
/// no agent of the area that this certificate names, and does not lead it.
pub const FOUNDER: &str = "founder";

/// What a join token admits its bearer as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemberRole {
    /// A child in the area of the authority that made the token.
    Agent,
    /// The leader of an area of its own, below the authority that made the token: it gets an intermediate authority.
    Leader,
}

impl MemberRole {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Leader => "leader",
        }
    }
}

impl fmt::Display for MemberRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for MemberRole {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "agent" => Ok(Self::Agent),
            "leader" => Ok(Self::Leader),
            _ => Err("expected `agent` or `leader`".to_owned()),
        }
    }
}
