//! Why devices were chosen or not, for `?dryRun=true`: every candidate, once.
//!
//! | key | what it holds |
//! |---|---|
//! | `service` | the service's id |
//! | `wanted` | `{"min", "target"}`: how many devices at least and at most; `target` is `null` for all that fit |
//! | `shortage` | a sentence where too few fit, else `null` |
//! | `devices` | the candidates: those that fit, the best first, then the others by id |
//! | `devices[].device` | its id |
//! | `devices[].accepted` | whether it fits |
//! | `devices[].chosen` | whether it would be taken |
//! | `devices[].rank` | from 1; not there for those that do not fit |
//! | `devices[].score` | from 0 to 1; not there for those that do not fit |
//! | `devices[].terms` | what the score is made of: `{"name", "value"}`; the score is their sum, brought to 0 to 1 |
//! | `devices[].reasons` | what is in the way: `{"code", "limit", "actual", "sentence"}` |
//!
//! The codes are those of [`ReasonCode::as_str`]; they tell the units of `limit` and `actual`, which are `null` where
//! nobody knows.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::document::Service;
use crate::figure::Figure;
use crate::rank::{Ranked, Ranking, Reason, ReasonCode, Term};
use crate::select::{Shortage, Wanted};

/// The whole explanation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation<'r> {
    /// The service's id.
    pub service: &'r str,
    /// How many devices are wanted.
    pub wanted: Wanted,
    /// Why it cannot be placed.
    pub shortage: Option<String>,
    /// The candidates.
    pub devices: Vec<Explained<'r>>,
}

/// One candidate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explained<'r> {
    /// Its id.
    pub device: &'r str,
    /// Whether it fits.
    pub accepted: bool,
    /// Whether it would be taken.
    pub chosen: bool,
    /// Its place, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<usize>,
    /// Its score, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// What the score is made of.
    pub terms: &'r [Term],
    /// What is in the way.
    pub reasons: Vec<Said<'r>>,
}

/// A reason with its sentence.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Said<'r> {
    /// What it is.
    pub code: ReasonCode,
    /// What is wanted, or allowed.
    pub limit: &'r Figure<'r>,
    /// What is there.
    pub actual: &'r Figure<'r>,
    /// The same for people.
    pub sentence: String,
}

impl<'r> Said<'r> {
    fn of(reason: &'r Reason<'_>) -> Self {
        Self { code: reason.code, limit: &reason.limit, actual: &reason.actual, sentence: reason.to_string() }
    }
}

/// Explains a ranking and what [`crate::select::select`] made of it.
#[must_use]
pub fn explain<'r>(
    service: &'r Service,
    ranking: &'r Ranking<'_>,
    wanted: Wanted,
    outcome: &Result<Vec<&Ranked<'_>>, Shortage>,
) -> Explanation<'r> {
    let chosen: BTreeSet<usize> = outcome.iter().flatten().map(|device| device.index).collect();
    let accepted = ranking.ranked.iter().enumerate().map(|(at, device)| Explained {
        device: device.device,
        accepted: true,
        chosen: chosen.contains(&device.index),
        rank: Some(at + 1),
        score: Some(device.score()),
        terms: &device.terms,
        reasons: Vec::new(),
    });
    let rejected = ranking.rejected.iter().map(|device| Explained {
        device: device.device,
        accepted: false,
        chosen: false,
        rank: None,
        score: None,
        terms: &[],
        reasons: device.reasons.iter().map(Said::of).collect(),
    });
    Explanation {
        service: &service.id,
        wanted,
        shortage: outcome.as_ref().err().map(ToString::to_string),
        devices: accepted.chain(rejected).collect(),
    }
}
