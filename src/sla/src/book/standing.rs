//! How one guarantee stands.

use super::budget::Budget;
use super::penalty::Charged;
use super::subject::{Subject, Subjects};
use crate::agreement::{Agreement, Guarantee, Source};
use crate::expression::Verdict;
use crate::finding::Finding;

/// What is remembered of one guarantee.
#[derive(Debug)]
pub(super) struct Standing {
    /// The last verdict, of whatever instance; none before the first.
    pub(super) verdict: Option<Verdict>,
    /// When it was judged first and last, in milliseconds.
    pub(super) judged: Option<(i64, i64)>,
    /// The last value of each variable that has one, by slot, of whatever instance: what is shown.
    pub(super) values: Vec<Last>,
    pub(super) error: Option<Box<str>>,
    pub(super) subjects: Subjects,
    /// For each penalty.
    pub(super) charged: Box<[Charged]>,
    pub(super) budget: Option<Box<Budget>>,
}

/// The last value of a variable.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Last {
    pub(super) slot: u16,
    pub(super) value: f64,
    pub(super) at: i64,
}

/// Keeps a value, unless a later one is known.
pub(super) fn keep(values: &mut Vec<Last>, slot: usize, value: f64, at: i64) {
    let Ok(slot) = u16::try_from(slot) else { return };
    match values.iter_mut().find(|last| last.slot == slot) {
        Some(last) if last.at <= at => *last = Last { slot, value, at },
        Some(_) => {}
        None => {
            values.reserve_exact(1);
            values.push(Last { slot, value, at });
        }
    }
}

impl Standing {
    pub(super) fn new(guarantee: &Guarantee) -> Self {
        Self {
            verdict: None,
            judged: None,
            values: Vec::new(),
            error: guarantee.rule.as_ref().err().map(|fault| fault.to_string().into()),
            subjects: Subjects::default(),
            charged: guarantee.penalties().iter().map(|_| Charged::default()).collect(),
            budget: guarantee.slo().map(|_| Box::default()),
        }
    }

    /// Keeps what was measured of a slot of an instance.
    pub(super) fn keep(&mut self, slot: usize, source: &Source, (digest, instance): (u64, &str), value: f64, at: i64) {
        keep(&mut self.values, slot, value, at);
        // All else is in every report.
        if matches!(source, Source::Metric(_)) {
            keep(&mut self.subjects.enter(digest, instance).values, slot, value, at);
        }
    }

    pub(super) fn touch(&mut self, now: i64) {
        let (first, last) = self.judged.unwrap_or((now, now));
        self.judged = Some((first, last.max(now)));
    }

    /// Whether any instance breaks the promise.
    pub(super) fn is_broken(&self) -> bool {
        self.subjects.all().any(Subject::is_broken)
    }

    /// Ends all breaches: the agreement was stopped, has expired, or is gone.
    pub(super) fn end(&mut self, agreement: &Agreement, guarantee: &Guarantee, at: i64, out: &mut Vec<Finding>) {
        for subject in self.subjects.all_mut() {
            subject.episode.end(agreement, guarantee, &subject.instance, at, out);
        }
    }

    /// Ends the breaches of instances that do not stay, and forgets these. What only they broke is not known any more.
    pub(super) fn leave(
        &mut self,
        agreement: &Agreement,
        guarantee: &Guarantee,
        stays: impl Fn(u64) -> bool,
        at: i64,
        out: &mut Vec<Finding>,
    ) {
        let gone = self.subjects.leave(stays);
        let was_broken = gone.iter().any(Subject::is_broken);
        for mut subject in gone {
            subject.episode.end(agreement, guarantee, &subject.instance, at, out);
        }
        if was_broken && self.verdict == Some(Verdict::Broken) && !self.is_broken() {
            self.verdict = Some(Verdict::Undetermined);
        }
    }

    /// The clock was set back to `now`: nothing was later than that.
    pub(super) fn set_back(&mut self, guarantee: &Guarantee, now: i64) {
        self.values.iter_mut().for_each(|last| last.at = last.at.min(now));
        let window = guarantee.rule.as_ref().map_or(now, |rule| now.div_euclid(rule.period()));
        for subject in self.subjects.all_mut() {
            subject.values.iter_mut().for_each(|last| last.at = last.at.min(now));
            for known in [&mut subject.broken, &mut subject.warned].into_iter().flatten() {
                (known.at, known.window) = (known.at.min(now), known.window.min(window));
            }
            if let Some(breach) = &mut subject.episode.breach {
                (breach.first, breach.last) = (breach.first.min(now), breach.last.min(now));
                breach.counted = breach.counted.min(now);
            }
        }
        if let (Some(slo), Some(budget)) = (guarantee.slo(), self.budget.as_deref_mut()) {
            budget.set_back(slo, now);
        }
    }

    /// Forgets the instances that are too many.
    pub(super) fn crowd(&mut self, agreement: &Agreement, guarantee: &Guarantee, at: i64, out: &mut Vec<Finding>) {
        for mut subject in self.subjects.crowd() {
            subject.episode.end(agreement, guarantee, &subject.instance, at, out);
        }
    }
}
