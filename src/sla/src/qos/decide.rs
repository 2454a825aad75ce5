//! Which devices may run a service next, and why (`spec` 4.3).

use std::time::Duration;

use mf2c_domain::time::Timestamp;

use super::fingerprint;
use super::history::History;

/// How decisions are made.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The share of good runs that is wanted, from 0 to 1.
    pub acceptance_ratio: f64,
    /// How sure it must be that a device reaches it, from 0.5 to 1.
    pub confidence: f64,
    /// A device with fewer runs is not judged.
    pub min_runs: usize,
    /// How many of the newest runs count.
    pub window: usize,
    /// How long a device rests after its last run, once it is blocked.
    pub cooldown: Duration,
    /// How many of the checks admit a device that has rested, from 0 to 1: whether it has recovered, only a run can tell.
    pub exploration: f64,
    /// So many good runs in a row admit a device whatever came before them.
    pub recovery: usize,
    /// The first checks of a service change nothing, as many as this; 100 in the original.
    pub warmup: u64,
    /// Chance begins here: with the same seed, the same checks have the same answers.
    pub seed: u64,
}

/// A device that may run the service, and what is remembered of it.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Its name; empty where it has none, and then nothing can be known of it.
    pub device: &'a str,
    /// Its runs; none where there were none.
    pub history: Option<&'a History>,
    /// Whether it may run the service so far.
    pub allowed: bool,
}

/// What was decided about one device.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Whether it may run the service.
    pub allow: bool,
    /// The runs that count.
    pub runs: u32,
    /// How many of them broke a promise.
    pub violations: u32,
    /// The expected share of good runs.
    pub mean: f64,
    /// The share of good runs that it reaches with the confidence that is asked for.
    pub bound: f64,
    /// The moving average of how long a run takes, in seconds.
    pub latency: Option<f64>,
    /// Why.
    pub reason: Reason,
}

/// Why a device may or may not run the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It never ran it.
    Unknown,
    /// It ran it too seldom to be judged.
    TooFewRuns,
    /// It keeps what was promised.
    Reliable,
    /// It has kept it many times in a row, after it had not.
    Recovered,
    /// It does not keep what was promised.
    Unreliable,
    /// It does not, and is tried again.
    Probed,
    /// It does not, and there is none better.
    BestOfAll,
    /// The service is checked for the first times, and nothing is changed then.
    WarmUp,
}

impl Reason {
    /// The word for programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::TooFewRuns => "too-few-runs",
            Self::Reliable => "reliable",
            Self::Recovered => "recovered",
            Self::Unreliable => "unreliable",
            Self::Probed => "probed",
            Self::BestOfAll => "best-of-all",
            Self::WarmUp => "warm-up",
        }
    }
}

impl Decision {
    /// The reason for people, with its numbers.
    #[must_use]
    pub fn sentence(&self, policy: &Policy) -> String {
        let (runs, violations) = (self.runs, self.violations);
        let bad = format!("{violations} of its last {runs} runs broke a promise");
        let (bound, wanted) = (self.bound, policy.acceptance_ratio);
        match self.reason {
            Reason::Unknown => "it has not run this service yet".to_owned(),
            Reason::TooFewRuns => format!("{bad}; it is judged from {} runs on", policy.min_runs),
            Reason::Reliable => format!("{bad}; at least {bound:.2} of them will be good, and {wanted} are wanted"),
            Reason::Recovered => format!("{bad}, and none of the last {}", policy.recovery),
            Reason::Unreliable => {
                format!("{bad}; only {bound:.2} of them are sure to be good, and {wanted} are wanted")
            }
            Reason::Probed => format!("{bad}; it has rested since, and is tried again"),
            Reason::BestOfAll => format!("{bad}; it is among the best there are"),
            Reason::WarmUp => format!("nothing is changed in the first {} checks of a service", policy.warmup),
        }
    }
}

/// Decides about all devices of an instance, in their order. `needed` of them stay in any case, the best first, and one at the
/// least. `check` is the number of this check of the service, from 1.
#[must_use]
pub fn decide(
    service: &str,
    candidates: &[Candidate<'_>],
    needed: usize,
    policy: &Policy,
    check: u64,
    now: Timestamp,
) -> Vec<Decision> {
    let judged = |candidate: &Candidate<'_>| {
        if check <= policy.warmup {
            return decision(candidate, policy, candidate.allowed, Reason::WarmUp);
        }
        let reason = judge(service, candidate, policy, check, now);
        decision(candidate, policy, reason != Reason::Unreliable, reason)
    };
    let mut decisions: Vec<Decision> = candidates.iter().map(judged).collect();
    if check > policy.warmup {
        keep_the_best(&mut decisions, needed.clamp(1, candidates.len().max(1)));
    }
    decisions
}

fn decision(candidate: &Candidate<'_>, policy: &Policy, allow: bool, reason: Reason) -> Decision {
    let nothing = History::default();
    let history = candidate.history.unwrap_or(&nothing);
    let posterior = history.posterior();
    Decision {
        allow,
        runs: posterior.good + posterior.bad,
        violations: posterior.bad,
        mean: posterior.mean(),
        bound: posterior.lower_bound(policy.confidence),
        latency: history.latency(),
        reason,
    }
}

fn judge(service: &str, candidate: &Candidate<'_>, policy: &Policy, check: u64, now: Timestamp) -> Reason {
    let Some(history) = candidate.history.filter(|history| !history.is_empty()) else { return Reason::Unknown };
    if history.len() < policy.min_runs {
        return Reason::TooFewRuns;
    }
    let posterior = history.posterior();
    // Who never broke a promise is reliable, however few runs there are to be sure by.
    if posterior.bad == 0 || posterior.lower_bound(policy.confidence) >= policy.acceptance_ratio {
        return Reason::Reliable;
    }
    if history.streak() >= policy.recovery {
        return Reason::Recovered;
    }
    let rested = history.last().is_none_or(|last| {
        let since = now.nanos().saturating_sub(last.nanos());
        since >= i128::try_from(policy.cooldown.as_nanos()).unwrap_or(i128::MAX)
    });
    if rested && chance(policy.seed, service, candidate.device, check) < policy.exploration {
        return Reason::Probed;
    }
    Reason::Unreliable
}

/// Lets the best of those that are blocked in, until there are as many as are needed.
fn keep_the_best(decisions: &mut [Decision], needed: usize) {
    let allowed = decisions.iter().filter(|decision| decision.allow).count();
    let mut blocked: Vec<usize> = (0..decisions.len()).filter(|at| !decisions[*at].allow).collect();
    blocked.sort_by(|one, other| {
        let (one, other) = (&decisions[*one], &decisions[*other]);
        let latency = |decision: &Decision| decision.latency.unwrap_or(f64::INFINITY);
        other.bound.total_cmp(&one.bound).then(latency(one).total_cmp(&latency(other)))
    });
    for at in blocked.into_iter().take(needed.saturating_sub(allowed)) {
        (decisions[at].allow, decisions[at].reason) = (true, Reason::BestOfAll);
    }
}

/// A number from 0 to below 1 that follows from what it is drawn for (the last steps are those of SplitMix64).
fn chance(seed: u64, service: &str, device: &str, check: u64) -> f64 {
    let drawn = fingerprint(service) ^ fingerprint(device).rotate_left(32) ^ seed;
    let mut mixed = drawn.wrapping_add(check.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
