//! One guarantee at one moment: the verdict, and what follows from it.

use std::sync::Arc;

use super::Book;
use super::evidence::{Warned, missing, numbers, violation, warning, worst};
use super::penalty::charge;
use super::scope::Values;
use super::standing::Standing;
use super::subject::{Broken, Subject, digest};
use crate::agreement::{Absent, Agreement, CallSource, Guarantee, Rule, Source, Trigger};
use crate::document::Report;
use crate::expression::{Bound, Function, Verdict};
use crate::finding::{Finding, Key, Violation, Warning};
use crate::window::instant;
use mf2c_domain::time::Timestamp;

/// What is held against a guarantee: a report, or a point in time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment<'a> {
    /// Milliseconds.
    pub(super) at: i64,
    /// The same, as exact as it is known.
    pub(super) datetime: Timestamp,
    pub(super) now: i64,
    pub(super) report: Option<&'a Report<'a>>,
    pub(super) instance: Option<&'a str>,
    pub(super) late: bool,
    pub(super) skewed: bool,
}

/// A bad measurement, as an episode sees it.
pub(super) struct Bad {
    pub(super) key: Key,
    pub(super) at: i64,
    pub(super) worst: Option<(Arc<str>, f64, Bound)>,
}

/// The verdict and, where there is none, why.
struct Judgement {
    verdict: Verdict,
    /// What makes no sense.
    error: Option<String>,
    /// It is the data that are missing, and not the traffic or the sense.
    absent: bool,
}

impl Book {
    /// Holds the moment against a guarantee that is about it.
    pub(super) fn judge(
        &mut self,
        agreement: &Agreement,
        place: usize,
        guarantee: &Guarantee,
        moment: &Moment<'_>,
        out: &mut Vec<Finding>,
    ) {
        let Some(standing) = self.standings.get_mut(place) else { return };
        standing.touch(moment.now);
        let Ok(rule) = &guarantee.rule else {
            standing.verdict = Some(Verdict::Undetermined);
            return;
        };
        let timed = matches!(rule.trigger, Trigger::Window | Trigger::Time);
        if rule.trigger == Trigger::Never
            || rule.trigger == Trigger::Time && moment.report.is_some()
            || timed && moment.late
        {
            return;
        }
        let case = Case { agreement, guarantee, rule, moment, timed };
        let subject = digest(case.who());
        let known = standing.subjects.get(subject);
        let values =
            Values { agreement, guarantee, rule, moment, windows: &self.windows, runs: &self.runs, subject: known };
        if says_nothing_new(&values) {
            return;
        }
        let judgement = absence(judgement(&values), guarantee);
        let is_silent = judgement.verdict == Verdict::Undetermined && moment.report.is_none() && is_empty(&values);
        let violation = (judgement.verdict == Verdict::Broken).then(|| violation(&values));
        let warning = match judgement.verdict {
            Verdict::Kept if judgement.absent => Some((Arc::clone(&guarantee.constraint), numbers(&values))),
            Verdict::Kept => warning(&values),
            _ => None,
        };
        let worst = violation.as_ref().and_then(|_| worst(&values));
        let undetermined =
            judgement.verdict == Verdict::Undetermined && standing.verdict != Some(Verdict::Undetermined);
        let why = (undetermined && judgement.absent).then(|| missing(&values)).or_else(|| judgement.error.clone());
        if !moment.late {
            let fresh = Values { subject: None, ..values };
            let measured = rule.variables.iter().enumerate();
            let measured: Vec<_> =
                measured.filter_map(|(slot, source)| Some((slot, source, fresh.measured(slot)?))).collect();
            for (slot, source, value) in measured {
                standing.keep(slot, source, (subject, case.who()), value, moment.at);
            }
        }
        if !moment.late {
            standing.verdict = Some(judgement.verdict);
            standing.error = judgement.error.as_deref().map(Into::into);
        }
        match violation {
            Some(violation) => case.broken(standing, subject, violation, worst, out),
            None => case.not_broken(standing, subject, judgement.verdict, why.filter(|_| undetermined), warning, out),
        }
        if is_silent && let Some(known) = standing.subjects.get_mut(subject) {
            known.episode.end(agreement, guarantee, case.who(), moment.at, out);
        }
        standing.subjects.tidy(subject);
        standing.crowd(agreement, guarantee, moment.at, out);
        case.spend(standing, judgement.verdict, out);
    }
}

/// A report that has no value of a constraint about single reports, where all those values are known from before.
fn says_nothing_new(values: &Values<'_>) -> bool {
    let rule = values.rule;
    if rule.trigger != Trigger::Report {
        return false;
    }
    let (mut new, mut unknown) = (false, false);
    for (slot, source) in rule.variables.iter().enumerate() {
        match source {
            Source::Operation | Source::Outcome => new = true,
            Source::Availability { .. } | Source::Window(_) => {}
            _ if values.measured(slot).is_some() => new = true,
            _ => unknown |= values.subject.and_then(|subject| subject.last(slot)).is_none(),
        }
    }
    !new && !unknown
}

fn judgement(values: &Values<'_>) -> Judgement {
    let minimum = values.guarantee.extras.as_ref().and_then(|extras| extras.minimum);
    if let Some((count, reading)) = minimum {
        let traffic =
            values.windows.get(usize::from(reading.window)).and_then(|window| window.read(Function::Count, 1));
        if traffic.is_none_or(|traffic| traffic < f64::from(count)) {
            return Judgement { verdict: Verdict::Undetermined, error: None, absent: false };
        }
    }
    match values.rule.expression.holds(values) {
        Ok(Verdict::Broken) if too_quiet(values) => {
            Judgement { verdict: Verdict::Undetermined, error: None, absent: false }
        }
        Ok(Verdict::Undetermined) => Judgement { verdict: Verdict::Undetermined, error: None, absent: true },
        Ok(verdict) => Judgement { verdict, error: None, absent: false },
        Err(error) => Judgement { verdict: Verdict::Undetermined, error: Some(error.to_string()), absent: false },
    }
}

/// `p95(x, 300) < 800 && count(x, 300) >= 10` promises nothing while there are fewer than ten: a lower bound of a count beside
/// conditions of another kind guards these. By itself, or among other counts, it is a promise.
pub(super) fn too_quiet(values: &Values<'_>) -> bool {
    let expression = &values.rule.expression;
    let is_guarded =
        !expression.variables().is_empty() || expression.calls().iter().any(|call| call.function != Function::Count);
    is_guarded
        && expression.calls().iter().enumerate().any(|(slot, call)| {
            let guard = expression
                .call_threshold(slot)
                .filter(|guard| call.function == Function::Count && guard.bound == Bound::Lower);
            let count = values.called(slot);
            guard
                .zip(count)
                .is_some_and(|(guard, count)| count < guard.value || count <= guard.value && !guard.inclusive)
        })
}

/// Missing data mean what the guarantee says; a mere warning counts as kept.
fn absence(judgement: Judgement, guarantee: &Guarantee) -> Judgement {
    let verdict = match guarantee.absent() {
        _ if !judgement.absent => judgement.verdict,
        Absent::Undetermined => judgement.verdict,
        Absent::Warning => Verdict::Kept,
        Absent::Violation => Verdict::Broken,
    };
    Judgement { verdict, ..judgement }
}

/// A judgement and whatever follows from it.
struct Case<'a> {
    agreement: &'a Agreement,
    guarantee: &'a Guarantee,
    rule: &'a Rule,
    moment: &'a Moment<'a>,
    /// It is about a window or the availability: broken once in each window at most.
    timed: bool,
}

impl Case<'_> {
    /// The instance that the case is about; empty where it is about all.
    fn who(&self) -> &str {
        if self.rule.trigger == Trigger::Window { "" } else { self.moment.instance.unwrap_or_default() }
    }

    /// The key of what the moment shows; none if it was shown before in this window.
    fn key(&self, what: &str, known: &mut Option<Broken>) -> Option<Key> {
        if !self.timed {
            let report = self.moment.report?;
            return Some(Book::key(self.agreement, self.guarantee, what, report.id, report.finished.nanos()));
        }
        let (at, window) = (self.moment.at, self.moment.at.div_euclid(self.rule.period()));
        if let Some(known) = known {
            // Of a breach that goes on, time alone makes no new one before there are new data.
            let by_time_alone = self.rule.trigger == Trigger::Window && self.moment.report.is_none();
            let goes_on = known.broken && (by_time_alone || at < known.at.saturating_add(self.rule.period()));
            known.broken = true;
            if goes_on || known.window >= window {
                return None;
            }
        }
        *known = Some(Broken { window, at, broken: true, restored: false });
        let end = i128::from(window + 1) * i128::from(self.rule.period());
        Some(Book::key(self.agreement, self.guarantee, what, self.who(), end))
    }

    fn recovered(&self, known: &mut Option<Broken>) {
        if let Some(known) = known.as_mut().filter(|known| !known.restored || self.moment.at > known.at) {
            known.broken = false;
            known.restored = false;
        }
    }

    fn broken(
        &self,
        standing: &mut Standing,
        subject: u64,
        mut violation: Violation,
        worst: Option<(Arc<str>, f64, Bound)>,
        out: &mut Vec<Finding>,
    ) {
        // What comes late is remembered by nobody.
        let mut nobody = Subject::default();
        let subject = if self.moment.late { &mut nobody } else { standing.subjects.enter(subject, self.who()) };
        let key = self.key("violation", &mut subject.broken);
        if let Some(key) = key {
            violation.key = key;
            let penalties = out.len();
            charge(self.agreement, self.guarantee, &mut standing.charged, &violation, out);
            out.insert(penalties, Finding::Violation(violation));
        }
        if !self.moment.late {
            let end = i128::from(self.moment.at);
            let key = key.unwrap_or_else(|| Book::key(self.agreement, self.guarantee, "violation", self.who(), end));
            let bad = Bad { key, at: self.moment.at, worst };
            subject.episode.bad(self.agreement, self.guarantee, self.who(), &bad, out);
        }
    }

    fn not_broken(
        &self,
        standing: &mut Standing,
        subject: u64,
        verdict: Verdict,
        why: Option<String>,
        warning: Option<Warned>,
        out: &mut Vec<Finding>,
    ) {
        if let Some(known) = standing.subjects.get_mut(subject) {
            self.recovered(&mut known.broken);
            if warning.is_none() {
                self.recovered(&mut known.warned);
            }
        }
        if let Some((constraint, values)) = warning {
            let mut nobody = None;
            let known = if self.timed { &mut standing.subjects.enter(subject, self.who()).warned } else { &mut nobody };
            if let Some(key) = self.key("warning", known) {
                out.push(Finding::Warning(self.warning(key, constraint, values)));
            }
        }
        if self.moment.late {
            return;
        }
        if verdict == Verdict::Kept {
            if let Some(known) = standing.subjects.get_mut(subject) {
                known.episode.good(self.agreement, self.guarantee, self.who(), self.moment.at, out);
            }
        } else if let Some(reason) = why {
            out.push(Finding::Undetermined { guarantee: Arc::clone(&self.guarantee.name), reason });
        }
    }

    fn warning(&self, key: Key, constraint: Arc<str>, values: Vec<(Arc<str>, f64)>) -> Warning {
        Warning {
            key,
            agreement: Arc::clone(&self.agreement.id),
            guarantee: Arc::clone(&self.guarantee.name),
            datetime: if self.moment.report.is_some() { self.moment.datetime } else { instant(self.moment.at) },
            constraint,
            values,
            report: self.moment.report.map(|report| report.id.to_owned()),
            instance: self.moment.instance.map(str::to_owned),
        }
    }

    /// Counts the measurement in the budget.
    fn spend(&self, standing: &mut Standing, verdict: Verdict, out: &mut Vec<Finding>) {
        let counts = self.moment.report.is_some() || self.rule.trigger == Trigger::Time;
        let (Some(slo), Some(budget)) = (self.guarantee.slo(), standing.budget.as_deref_mut()) else { return };
        if self.moment.late || !counts || verdict == Verdict::Undetermined {
            return;
        }
        budget.add(slo, self.moment.at, verdict == Verdict::Broken);
        budget.alarm(self.agreement, self.guarantee, slo, self.moment.at, out);
    }
}

/// Whether it is about windows, and nothing is in any of them: nobody can tell whether the breach goes on.
fn is_empty(values: &Values<'_>) -> bool {
    let holds = |window: usize| values.windows.get(window).and_then(|window| window.read(Function::Count, 1));
    values.rule.trigger == Trigger::Window
        && reads_windows(values.rule).all(|window| holds(window).is_none_or(|count| count <= 0.0))
}

/// Whether a rule reads any window of the agreement.
pub(super) fn reads_windows(rule: &Rule) -> impl Iterator<Item = usize> {
    let variables = rule.variables.iter().filter_map(|source| match source {
        Source::Window(reading) => Some(usize::from(reading.window)),
        _ => None,
    });
    let calls = rule.calls.iter().filter_map(|source| match source {
        CallSource::Window(reading) => Some(usize::from(reading.window)),
        CallSource::Availability { .. } => None,
    });
    variables.chain(calls)
}
