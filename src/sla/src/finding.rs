//! What an assessment finds, and the keys by which the same finding is known again.

use std::sync::Arc;

use mf2c_domain::time::Timestamp;
use sha2::{Digest, Sha256};

/// The name of a finding. It follows from what was found alone, so that whoever finds it again, after a crash or on another
/// agent, gives it the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u128);

/// Whatever an assessment has to tell.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// A promise was broken.
    Violation(Violation),
    /// A promise was kept, but not its warning.
    Warning(Warning),
    /// A breach costs something.
    Penalty(PenaltyDue),
    /// A breach begins.
    EpisodeOpened(Episode),
    /// A breach goes on: count, last time or worst value are others.
    EpisodeChanged(Episode),
    /// A breach is over.
    EpisodeEnded(Episode),
    /// The budget of errors burns faster than it should, or does so no longer.
    Burn(Burn),
    /// The agreement has expired: its state becomes `terminated`.
    Expired,
    /// A promise can no longer be judged. Told once, until it can be judged again.
    Undetermined {
        /// The promise, by name.
        guarantee: Arc<str>,
        /// Why.
        reason: String,
    },
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// One broken promise: what becomes a `sla-violation`.
#[derive(Debug, Clone, PartialEq)]
pub struct Violation {
    /// Of agreement, guarantee, report and the report's end; or of agreement, guarantee and the window's end.
    pub key: Key,
    /// The agreement's id.
    pub agreement: Arc<str>,
    /// The promise, by name.
    pub guarantee: Arc<str>,
    /// When the report's operation ended, or the window.
    pub datetime: Timestamp,
    /// What did not hold, as the agreement has it.
    pub constraint: Arc<str>,
    /// The values of its variables and windows.
    pub values: Vec<(Arc<str>, f64)>,
    /// The report's id; none where time alone broke the promise.
    pub report: Option<String>,
    /// The service instance's id.
    pub instance: Option<String>,
    /// The report came from the future: `datetime` is when it arrived.
    pub skewed: bool,
    /// The report came too late to count in windows.
    pub late: bool,
}

/// A promise that is kept, but not its warning: what becomes a `sla-warning`.
#[derive(Debug, Clone, PartialEq)]
pub struct Warning {
    /// As [`Violation::key`].
    pub key: Key,
    /// The agreement's id.
    pub agreement: Arc<str>,
    /// The promise, by name.
    pub guarantee: Arc<str>,
    /// When the report's operation ended, or the window.
    pub datetime: Timestamp,
    /// The warning that did not hold.
    pub constraint: Arc<str>,
    /// The values of its variables and windows.
    pub values: Vec<(Arc<str>, f64)>,
    /// The report's id.
    pub report: Option<String>,
    /// The service instance's id.
    pub instance: Option<String>,
}

/// What a breach costs: what becomes a `sla-penalty`.
#[derive(Debug, Clone, PartialEq)]
pub struct PenaltyDue {
    /// Of the violation and the penalty's place among the guarantee's; or of guarantee, place and the window's end.
    pub key: Key,
    /// The agreement's id.
    pub agreement: Arc<str>,
    /// The promise, by name.
    pub guarantee: Arc<str>,
    /// When the violation was.
    pub datetime: Timestamp,
    /// What kind: `discount`.
    pub kind: Arc<str>,
    /// How much the agreement says, in `unit`.
    pub value: f64,
    /// Of what: `%`.
    pub unit: Arc<str>,
    /// Whether it falls due once a window, and not for each violation.
    pub per_window: bool,
    /// How much, after the cap.
    pub amount: f64,
    /// The key of the violation that it is for.
    pub violation: Key,
}

/// A breach from its first bad measurement to its recovery: what becomes a `sla-episode`.
#[derive(Debug, Clone, PartialEq)]
pub struct Episode {
    /// Of the violation that began it: the same from the beginning to the end.
    pub key: Key,
    /// The agreement's id.
    pub agreement: Arc<str>,
    /// The promise, by name.
    pub guarantee: Arc<str>,
    /// The service instance's id; none where the promise is about all instances together.
    pub instance: Option<String>,
    /// What did not hold.
    pub constraint: Arc<str>,
    /// When it began.
    pub first_seen: Timestamp,
    /// When it was seen last.
    pub last_seen: Timestamp,
    /// When it was over.
    pub resolved_at: Option<Timestamp>,
    /// How many measurements were bad.
    pub count: u64,
    /// The value that was bad.
    pub variable: Option<Arc<str>>,
    /// Its worst value.
    pub worst: Option<f64>,
}

/// How urgent a burn is, after the workbook of site reliability: 14.4 and 6 wake somebody up, 1 waits until the morning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// 14.4 times as fast as sustainable: 2 % of the budget in 1/720 of its period.
    Fast,
    /// 6 times: 5 % in 1/120.
    Medium,
    /// As fast as sustainable: 10 % in 1/10.
    Slow,
}

/// A budget of errors that burns faster than it should, in a long and in a short window alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Burn {
    /// Of agreement, guarantee, severity, whether it begins or ends, and the cell of the budget in which it does.
    pub key: Key,
    /// The agreement's id.
    pub agreement: Arc<str>,
    /// The promise, by name.
    pub guarantee: Arc<str>,
    /// How urgent.
    pub severity: Severity,
    /// Whether it burns, or has ceased to.
    pub burning: bool,
    /// Error rate over the allowed rate, in the long window.
    pub long: f64,
    /// The same in the short window.
    pub short: f64,
    /// The share of the budget that is left: 1 of an untouched one, below 0 of one overdrawn.
    pub remaining: f64,
    /// When.
    pub datetime: Timestamp,
}

impl Key {
    /// The key of these parts. Lengths are part of it, so that `a`, `bc` differs from `ab`, `c`.
    pub(crate) fn of(parts: &[&[u8]]) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let head = digest.finalize().iter().take(16).fold(0, |key, byte| key << 8 | u128::from(*byte));
        Self(head)
    }
}
