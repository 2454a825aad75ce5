//! One promise of an agreement: which operations it is about, what must hold, and what follows if it does not.

use std::sync::Arc;

use super::rule::{CallSource, Reading, Source};
use crate::expression::{Expression, Fault};

/// The length of the window of a promise about availability that names none, in milliseconds: the original's period.
const PERIOD: i64 = 60_000;
/// The most times that one exclusion comes again within one look: every ten minutes in a year, or a second in a day.
pub(crate) const MOST_PARTS: usize = 100_000;

/// One promise.
#[derive(Debug)]
pub struct Guarantee {
    pub(crate) name: Arc<str>,
    /// How many guarantees before this one have its name.
    pub(crate) namesake: u32,
    pub(crate) constraint: Arc<str>,
    pub(crate) rule: Result<Rule, Arc<Fault>>,
    pub(crate) filter: Filter,
    /// What few agreements have.
    pub(crate) extras: Option<Box<Extras>>,
}

#[derive(Debug, Default)]
pub(crate) struct Extras {
    pub(crate) warning: Option<WarningRule>,
    pub(crate) penalties: Box<[Penalty]>,
    pub(crate) slo: Option<Slo>,
    pub(crate) exclusions: Box<[Exclusion]>,
    pub(crate) absent: Absent,
    pub(crate) breach: u32,
    pub(crate) recover: u32,
    /// So many measurements must be in this window.
    pub(crate) minimum: Option<(u32, Reading)>,
}

/// The stricter constraint whose breach is a mere warning.
#[derive(Debug)]
pub(crate) struct WarningRule {
    pub(crate) text: Arc<str>,
    pub(crate) rule: Result<Rule, Arc<Fault>>,
}

/// The operations that a promise is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Filter {
    All,
    Named(Arc<str>),
    /// With `*` for any characters.
    Glob(Arc<str>),
}

/// A constraint or a warning, with where its values come from.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) expression: Arc<Expression>,
    /// For each slot of a variable.
    pub(crate) variables: Box<[Source]>,
    /// For each slot of a call.
    pub(crate) calls: Box<[CallSource]>,
    /// How long the longest window is, in milliseconds; 0 without one.
    pub(crate) span: i64,
    pub(crate) trigger: Trigger,
}

/// What makes a rule be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// Nothing: it has no variables (A10).
    Never,
    /// Each report by itself.
    Report,
    /// Each report and the passing of time; broken once a window at most.
    Window,
    /// Time alone: it is about availability.
    Time,
}

/// What missing data mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Absent {
    #[default]
    Undetermined,
    Warning,
    Violation,
}

/// What a breach costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Penalty {
    /// What kind: `discount`.
    pub kind: Arc<str>,
    /// How much, in `unit`.
    pub value: f64,
    /// Of what: `%`.
    pub unit: Arc<str>,
    /// Once in each window of so many milliseconds; none is once for each violation.
    pub window: Option<i64>,
    /// The most it comes to.
    pub cap: Option<f64>,
    /// The cap begins anew after so many milliseconds.
    pub period: Option<i64>,
}

impl Penalty {
    /// Whether what was charged before decides what is charged next.
    pub(crate) fn is_counted(&self) -> bool {
        self.window.is_some() || self.cap.is_some()
    }
}

/// A share of measurements that must hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Slo {
    /// The share, between 0 and 1.
    pub objective: f64,
    /// Over how long, in milliseconds.
    pub window: i64,
    pub(crate) budgeting: Budgeting,
}

/// What counts as one measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Budgeting {
    Occurrences,
    /// A slice of so many milliseconds with at least this share of good ones.
    Timeslices {
        slice: i64,
        target: f64,
    },
    /// A slice counts with its share of bad ones.
    RatioTimeslices {
        slice: i64,
    },
}

/// A time that does not count, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exclusion {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) every: Option<i64>,
}

impl Guarantee {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What must hold, as the agreement has it.
    #[must_use]
    pub fn constraint(&self) -> &Arc<str> {
        &self.constraint
    }

    /// Its compiled constraint, or what is wrong with that.
    ///
    /// # Errors
    /// The fault in the constraint.
    pub fn expression(&self) -> Result<&Arc<Expression>, &Arc<Fault>> {
        self.rule.as_ref().map(|rule| &rule.expression)
    }

    /// The share that must hold, if it promises one.
    #[must_use]
    pub fn slo(&self) -> Option<&Slo> {
        self.extras.as_ref()?.slo.as_ref()
    }

    /// What a breach costs.
    #[must_use]
    pub fn penalties(&self) -> &[Penalty] {
        self.extras.as_ref().map_or(&[], |extras| &extras.penalties)
    }

    /// Whether it is about this operation.
    #[must_use]
    pub fn is_about(&self, operation: &str) -> bool {
        self.filter.takes(operation)
    }

    pub(crate) fn rules(&self) -> impl Iterator<Item = &Rule> {
        let warning = self.extras.iter().filter_map(|extras| extras.warning.as_ref()?.rule.as_ref().ok());
        self.rule.iter().chain(warning)
    }

    pub(crate) fn absent(&self) -> Absent {
        self.extras.as_ref().map_or(Absent::default(), |extras| extras.absent)
    }

    /// Whether missing data mean something though no report tells of them.
    pub(crate) fn waits_for_absence(&self) -> bool {
        let timed = |rule: &Rule| matches!(rule.trigger, Trigger::Time | Trigger::Window);
        self.absent() != Absent::Undetermined && self.rules().any(timed)
    }

    /// Whether a verdict about one report depends on those before it: a metric of another report is among its values, or several bad
    /// or good ones in a row count.
    pub(crate) fn remembers(&self) -> bool {
        let joins = |rule: &Rule| {
            rule.trigger == Trigger::Report
                && rule.variables.len() > 1
                && rule.variables.iter().any(|source| matches!(source, Source::Metric(_)))
        };
        self.rules().any(joins) || self.extras.as_ref().is_some_and(|extras| extras.breach > 1 || extras.recover > 1)
    }

    pub(crate) fn exclusions(&self) -> &[Exclusion] {
        self.extras.as_ref().map_or(&[], |extras| &extras.exclusions)
    }

    pub(crate) fn excludes(&self, at: i64) -> bool {
        self.exclusions().iter().any(|exclusion| exclusion.covers(at))
    }
}

impl Rule {
    /// How long the time is in which it is broken once, in milliseconds.
    pub(crate) fn period(&self) -> i64 {
        if self.span == 0 { PERIOD } else { self.span }
    }

    pub(crate) fn reads_availability(&self) -> bool {
        self.variables.iter().any(|source| matches!(source, Source::Availability { .. }))
            || self.calls.iter().any(|source| matches!(source, CallSource::Availability { .. }))
    }
}

impl Exclusion {
    pub(crate) fn covers(self, at: i64) -> bool {
        let since = at - self.start;
        let since = self.every.map_or(since, |every| if since < 0 { since } else { since % every });
        (0..self.end - self.start).contains(&since)
    }

    /// The parts of it that lie between two instants; false if they are more than [`MOST_PARTS`], and not all are there.
    #[must_use]
    pub(crate) fn within(self, from: i64, to: i64, out: &mut Vec<(i64, i64)>) -> bool {
        let most = out.len().saturating_add(MOST_PARTS);
        let length = self.end - self.start;
        let step = self.every.unwrap_or(i64::MAX).max(length).max(1);
        let mut start = match self.every {
            Some(_) if from > self.start => self.start + (from - self.start) / step * step,
            _ => self.start,
        };
        while start < to {
            if out.len() == most {
                return false;
            }
            if start.saturating_add(length) > from {
                out.push((start.max(from), start.saturating_add(length).min(to)));
            }
            start = start.saturating_add(step);
        }
        true
    }
}

impl Filter {
    pub(crate) fn takes(&self, operation: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(name) => **name == *operation,
            Self::Glob(pattern) => glob(pattern, operation),
        }
    }
}

/// Whether `text` is `pattern`, in which `*` stands for any characters. Linear in the text for each `*`.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return text.ends_with(part);
        }
        match text.find(part) {
            Some(at) => text = text.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_takes_operations_by_pattern() {
        for (pattern, text, takes) in [
            ("es.bsc.*", "es.bsc.Test.main", true),
            ("es.bsc.*", "es.b", false),
            ("*main", "Test.main", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxcyyb", false),
            ("ab*ba", "aba", false),
            ("**", "", true),
        ] {
            assert_eq!(glob(pattern, text), takes, "{pattern} {text}");
        }
    }

    #[test]
    fn an_exclusion_comes_again() {
        let nightly = Exclusion { start: 100, end: 110, every: Some(50) };
        assert!([100, 109, 150, 205].into_iter().all(|at| nightly.covers(at)));
        assert!(![50, 99, 110, 149].into_iter().any(|at| nightly.covers(at)));
        let mut parts = vec![];
        assert!(nightly.within(105, 205, &mut parts));
        assert_eq!(parts, [(105, 110), (150, 160), (200, 205)]);
        let once = Exclusion { start: 100, end: 110, every: None };
        parts.clear();
        assert!(once.within(0, 1000, &mut parts));
        assert_eq!(parts, [(100, 110)]);
        // Each has its own room, and says when that is not enough.
        let often = Exclusion { start: 0, end: 1, every: Some(2) };
        parts.clear();
        assert!(often.within(0, 180_000, &mut parts) && often.within(0, 180_000, &mut parts));
        assert_eq!(parts.len(), 180_000);
        assert!(!often.within(0, 300_000, &mut parts));
    }
}
