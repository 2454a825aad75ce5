//! What already runs and breaks a limit of the owner's, and what is done about it.

use mf2c_domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::{PolicyCode, PolicyReason, Question, apps, low_battery, not_a_contributor, overuse, position};

/// Which limits of the owner's are broken by what runs (`spec/lifecycle.md` B.5). `apps` and `used` are of what runs;
/// `wants_position` says whether any of it uses the position; what is requested does not count. Nothing is where
/// nothing runs.
#[must_use]
pub fn violations(question: &Question<'_>) -> Vec<PolicyReason> {
    if question.apps == 0 {
        return Vec::new();
    }
    let mut reasons = Vec::new();
    if question.profile.is_some_and(|profile| !profile.resource_contributor) {
        reasons.push(not_a_contributor());
    }
    let Some(sharing) = question.sharing else { return reasons };
    reasons.extend(low_battery(sharing, question.dynamic));
    if question.apps > sharing.max_apps {
        reasons.push(apps(sharing, question.apps));
    }
    reasons.extend(overuse(sharing, |share| share(&question.used), |_| false));
    if question.wants_position && !sharing.gps_allowed {
        reasons.push(position());
    }
    reasons
}

/// What shall be done when a limit is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// It is told, and nothing else.
    #[default]
    Warn,
    /// The instance that came last is stopped.
    StopYoungest,
    /// The instance that came last is moved to another device.
    Move,
}

/// An instance that runs on the device for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running<'a> {
    /// The instance's id.
    pub instance: &'a str,
    /// Which of its parts.
    pub index: u32,
    /// When it was started; none while it is being started, which is younger than all that has.
    pub started: Option<Timestamp>,
    /// Whether it uses the position.
    pub uses_position: bool,
}

/// What follows from a violation. It is one instance at a time: whether that was enough, the next look tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Response<'a> {
    /// Nothing is broken.
    Nothing,
    /// It is told.
    Warn,
    /// This instance is stopped.
    Stop(Running<'a>),
    /// This instance is moved to another device.
    Move(Running<'a>),
}

/// What is done about violations. It meets the youngest instance, by its start, then its id, then its index; where
/// nothing but the use of the position is in the way, the youngest of those that use it. Where nobody is to be met,
/// it is a warning.
#[must_use]
pub fn respond<'a>(measure: Measure, violations: &[PolicyReason], running: &[Running<'a>]) -> Response<'a> {
    if violations.is_empty() {
        return Response::Nothing;
    }
    let only_position = violations.iter().all(|reason| reason.code == PolicyCode::GpsAllowed);
    let concerned = running.iter().filter(|it| !only_position || it.uses_position);
    let age = |it: &&Running<'a>| (it.started.is_none(), it.started, it.instance, it.index);
    match (measure, concerned.max_by_key(age)) {
        (Measure::StopYoungest, Some(youngest)) => Response::Stop(*youngest),
        (Measure::Move, Some(youngest)) => Response::Move(*youngest),
        _ => Response::Warn,
    }
}
