//! What a book has told before a restart, taken from the documents that were made of it.
//!
//! Reports are read again after a restart, but the looks that time alone has caused are not repeated: without this, an episode that a
//! silence or an outage began would stay open for ever, and a second one would begin.

use std::sync::Arc;

use mf2c_domain::time::Timestamp;

use super::Book;
use super::episode::Breach;
use super::standing::Standing;
use super::subject::{Broken, digest};
use crate::agreement::{Agreement, Guarantee, Rule, Trigger};
use crate::expression::Verdict;
use crate::finding::Key;
use crate::window::millis;

/// An episode that goes on, as its `sla-episode` tells.
#[derive(Debug, Clone, PartialEq)]
pub struct EpisodeState {
    /// The key from which the name of its document was made, as far as that shows it: later findings about the episode carry it.
    pub key: Key,
    /// `instance`: the service instance; none where the promise is about all instances together.
    pub instance: Option<String>,
    /// `first_seen`.
    pub first_seen: Timestamp,
    /// `last_seen`: what was measured until then is in `count`, and is not counted again when reports are read again.
    pub last_seen: Timestamp,
    /// `count`.
    pub count: u64,
    /// `variable`.
    pub variable: Option<String>,
    /// `worst`.
    pub worst: Option<f64>,
}

/// A penalty that fell due, as its `sla-penalty` tells.
#[derive(Debug, Clone, PartialEq)]
pub struct PenaltyState {
    /// `definition/type`.
    pub kind: String,
    /// `definition/value`.
    pub value: f64,
    /// `definition/unit`.
    pub unit: String,
    /// Whether `definition/per` is `window`.
    pub per_window: bool,
    /// `datetime`.
    pub datetime: Timestamp,
    /// `amount`.
    pub amount: f64,
    /// The key of `violation`, as far as the name of its document shows it: at least the upper 64 bits.
    pub violation: Key,
}

impl Book {
    /// Takes in a penalty that is stored of the guarantee of this name: it counts towards the cap, and is not charged again. To be
    /// called like [`Book::restore`]; a penalty that is known already changes nothing.
    pub fn restore_penalty(&mut self, agreement: &Agreement, guarantee: &str, stored: &PenaltyState) {
        let mut all = agreement.guarantees.iter().zip(&mut self.standings);
        let Some((guarantee, standing)) = all.find(|(one, _)| *one.name == *guarantee) else { return };
        for (penalty, charged) in guarantee.penalties().iter().zip(&mut standing.charged) {
            let is_it = *penalty.kind == *stored.kind
                && *penalty.unit == *stored.unit
                && penalty.window.is_some() == stored.per_window
                && (penalty.value - stored.value).abs() <= f64::EPSILON * penalty.value.abs();
            // Of two penalties with one description each has its own.
            if is_it && charged.restore(penalty, millis(stored.datetime), stored.violation, stored.amount) {
                return;
            }
        }
    }

    /// Takes in an episode that is stored as `open`, of the guarantee of this name. To be called after [`Book::open`] and before the
    /// reports are read again with [`Book::report`]; all of the book's first ones, in any order. Of two open episodes of one guarantee
    /// and instance the one that began first goes on.
    ///
    /// False where the agreement has no such promise any more, or another episode goes on already: then nobody will ever end this
    /// one, and the caller writes that it is over. An instance that is no longer there is told by [`Book::gone`] afterwards, an
    /// agreement that is not started by [`Book::close`]; either ends the episode by a finding.
    pub fn restore(&mut self, agreement: &Agreement, guarantee: &str, stored: &EpisodeState) -> bool {
        let Some((rule, standing)) = self.find(agreement, guarantee) else { return false };
        let instance = subject_of(rule, stored.instance.as_deref());
        let subject = standing.subjects.enter(digest(instance), instance);
        let first = millis(stored.first_seen);
        if subject.episode.breach.as_deref().is_some_and(|known| known.first <= first) {
            return false;
        }
        let last = millis(stored.last_seen).max(first);
        subject.episode.breach = Some(Box::new(Breach {
            key: stored.key,
            first,
            last,
            count: stored.count,
            variable: stored.variable.as_deref().map(Arc::from),
            worst: stored.worst.filter(|worst| worst.is_finite()),
            told: true,
            counted: last,
        }));
        if is_timed(rule) {
            let known = subject.broken.filter(|known| known.at > last);
            let new = Broken { window: last.div_euclid(rule.period()), at: last, broken: true, restored: true };
            subject.broken = Some(known.unwrap_or(new));
        }
        standing.verdict = Some(Verdict::Broken);
        true
    }

    /// Takes in the newest violation that is stored of the guarantee of this name (and of this instance), so that it is not found again
    /// in the same window. To be called like [`Book::restore`], with the violation's `datetime`. It matters to promises about windows
    /// and availability; for others nothing happens.
    pub fn restore_violation(
        &mut self,
        agreement: &Agreement,
        guarantee: &str,
        instance: Option<&str>,
        datetime: Timestamp,
    ) {
        let Some((rule, standing)) = self.find(agreement, guarantee).filter(|(rule, _)| is_timed(rule)) else { return };
        let (instance, at) = (subject_of(rule, instance), millis(datetime));
        let subject = standing.subjects.enter(digest(instance), instance);
        let goes_on = subject.episode.told().is_some();
        match &mut subject.broken {
            // The window is that of the violation, and not that of the last look.
            Some(known) => known.window = known.window.max(at.div_euclid(rule.period())),
            none => {
                let window = at.div_euclid(rule.period());
                *none = Some(Broken { window, at, broken: goes_on, restored: true });
            }
        }
    }

    fn find<'a>(&'a mut self, agreement: &'a Agreement, name: &str) -> Option<(&'a Rule, &'a mut Standing)> {
        let mut all = agreement.guarantees.iter().zip(&mut self.standings);
        let (Guarantee { rule, .. }, standing) = all.find(|(guarantee, _)| *guarantee.name == *name)?;
        Some((rule.as_ref().ok()?, standing))
    }
}

fn is_timed(rule: &Rule) -> bool {
    matches!(rule.trigger, Trigger::Window | Trigger::Time)
}

/// Whose breach it is: a window is about all instances.
fn subject_of<'a>(rule: &Rule, instance: Option<&'a str>) -> &'a str {
    if rule.trigger == Trigger::Window { "" } else { instance.unwrap_or_default() }
}
