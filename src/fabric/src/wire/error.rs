//! Why a peer refuses something.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A refusal on a link. The text is for people; what to do follows from the code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Error)]
#[error("{code}: {msg}")]
pub struct WireError {
    /// What kind of refusal.
    pub code: Code,
    /// What was wrong, what was expected, what to do.
    pub msg: String,
    /// When to try again, in milliseconds, where that may help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl WireError {
    /// A refusal.
    #[must_use]
    pub fn new(code: Code, msg: impl Into<String>) -> Self {
        Self { code, msg: msg.into(), retry_after: None }
    }
}

/// The kinds of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Not a frame, or not at this point.
    BadFrame,
    /// A frame above the bound.
    TooLarge,
    /// No version of the protocol in common, or a question of a later one.
    Version,
    /// What is said does not agree with the certificate.
    Auth,
    /// Known, and not allowed.
    Forbidden,
    /// The certificate has been revoked.
    Revoked,
    /// No such token, or a wrong secret.
    TokenInvalid,
    /// The token has been used.
    TokenUsed,
    /// The token is out of date.
    TokenExpired,
    /// From a leader of the past.
    StaleTerm,
    /// Asked of somebody who does not lead.
    NotLeader,
    /// The clocks are too far apart.
    ClockSkew,
    /// Changes are missing in between.
    Gap,
    /// What is asked for is no longer in the log.
    Compacted,
    /// Based on another revision.
    Conflict,
    /// There is no such document.
    NotFound,
    /// What shall be written does not satisfy its type.
    Invalid,
    /// Too much to do, or somebody who is needed is away: later.
    Busy,
    /// A fault of the one who answers.
    Internal,
    /// A code of a later version.
    #[serde(other)]
    Unknown,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadFrame => "bad_frame",
            Self::TooLarge => "too_large",
            Self::Version => "version",
            Self::Auth => "auth",
            Self::Forbidden => "forbidden",
            Self::Revoked => "revoked",
            Self::TokenInvalid => "token_invalid",
            Self::TokenUsed => "token_used",
            Self::TokenExpired => "token_expired",
            Self::StaleTerm => "stale_term",
            Self::NotLeader => "not_leader",
            Self::ClockSkew => "clock_skew",
            Self::Gap => "gap",
            Self::Compacted => "compacted",
            Self::Conflict => "conflict",
            Self::NotFound => "not_found",
            Self::Invalid => "invalid",
            Self::Busy => "busy",
            Self::Internal => "internal",
            Self::Unknown => "unknown",
        })
    }
}
