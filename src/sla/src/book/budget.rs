//! The budget of errors of a guarantee with an `slo`, and how fast it burns (`spec/sla.md` 8.1).
//!
//! The burn rate is the error rate over what the objective allows: at 1 the budget is used up exactly when its period ends. An alarm
//! sounds when a long and a short window, a twelfth of it, both pass a factor: 14.4 in 1/720 of the period (an hour of 30 days), 6 in
//! 1/120, and 1 in 1/10. Counts are kept in cells of 1/43200 of the period (a minute of 30 days) for the shorter windows and of 1/720
//! (an hour) for the longer, so that a look back is exact within a cell.

use std::collections::VecDeque;

use serde::Serialize;

use super::Book;
use crate::agreement::{Agreement, Budgeting, Guarantee, Slo};
use crate::finding::{Burn, Finding, Severity};
use crate::window::instant;

/// Urgency, factor, and which part of the period the long window is.
const TIERS: [(Severity, f64, i64); 3] =
    [(Severity::Fast, 14.4, 720), (Severity::Medium, 6.0, 120), (Severity::Slow, 1.0, 10)];
/// The short window is this part of the long one.
const SHORT: i64 = 12;
/// Counts must not be kept in cells shorter than this, in milliseconds.
const SHORTEST_CELL: i64 = 1000;
/// Rounding must not silence an alarm at the very factor.
const SLACK: f64 = 1e-9;

/// What was good and bad in the period.
#[derive(Debug, Default, Clone)]
pub(super) struct Budget {
    fine: VecDeque<Cell>,
    coarse: VecDeque<Cell>,
    /// The slice that goes on, of a budget of slices.
    slice: Option<Cell>,
    /// Which alarms sound.
    burning: [bool; 3],
    /// When an alarm may end or a slice does, in milliseconds; 0 if none.
    look: i64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Cell {
    number: i64,
    total: f64,
    bad: f64,
}

/// How a budget of errors stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SloReport {
    /// The promise, by name.
    pub guarantee: String,
    /// The share that must hold.
    pub objective: f64,
    /// Its period, in seconds.
    pub window: f64,
    /// How many measurements, or slices, there were in the period.
    pub total: f64,
    /// How many of them were bad.
    pub bad: f64,
    /// The share that was bad; 0 without measurements.
    pub error_rate: f64,
    /// Error rate over what the objective allows, in the whole period.
    pub burn_rate: f64,
    /// The share of the budget that is left; below 0 if it is overdrawn.
    pub budget_remaining: f64,
    /// The shorter windows.
    pub burn_rates: Vec<BurnRate>,
}

/// How fast a budget burns in one pair of windows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BurnRate {
    /// The factor that makes an alarm.
    pub factor: f64,
    /// Seconds.
    pub long_window: f64,
    /// Seconds.
    pub short_window: f64,
    /// The rate in the long window.
    pub long: f64,
    /// The rate in the short window.
    pub short: f64,
    /// Whether the alarm sounds.
    pub burning: bool,
}

fn fine(slo: &Slo) -> i64 {
    (slo.window / 43_200).max(SHORTEST_CELL)
}

fn slice(slo: &Slo) -> Option<i64> {
    match slo.budgeting {
        Budgeting::Occurrences => None,
        Budgeting::Timeslices { slice, .. } | Budgeting::RatioTimeslices { slice } => Some(slice),
    }
}

fn coarse(slo: &Slo) -> i64 {
    (slo.window / 720).max(SHORTEST_CELL)
}

fn put(cells: &mut VecDeque<Cell>, number: i64, total: f64, bad: f64, keep: i64) {
    match cells.binary_search_by_key(&number, |cell| cell.number) {
        Ok(place) => {
            if let Some(cell) = cells.get_mut(place) {
                cell.total += total;
                cell.bad += bad;
            }
        }
        Err(place) => cells.insert(place, Cell { number, total, bad }),
    }
    let newest = cells.back().map_or(number, |cell| cell.number);
    while cells.front().is_some_and(|cell| cell.number <= newest - keep) {
        cells.pop_front();
    }
}

impl Budget {
    /// Counts a measurement.
    pub(super) fn add(&mut self, slo: &Slo, at: i64, bad: bool) {
        let bad = f64::from(u8::from(bad));
        let slice = match slo.budgeting {
            Budgeting::Occurrences => return self.count(slo, at, 1.0, bad),
            Budgeting::Timeslices { slice, .. } | Budgeting::RatioTimeslices { slice } => slice,
        };
        self.close_slice(slo, at);
        let number = at.div_euclid(slice);
        let open = self.slice.get_or_insert(Cell { number, total: 0.0, bad: 0.0 });
        open.total += 1.0;
        open.bad += bad;
    }

    /// The clock was set back to `now`: nothing was counted later than that.
    pub(super) fn set_back(&mut self, slo: &Slo, now: i64) {
        for (cells, length) in [(&mut self.fine, fine(slo)), (&mut self.coarse, coarse(slo))] {
            while cells.pop_back_if(|cell| cell.number > now.div_euclid(length)).is_some() {}
        }
        if let (Some(open), Some(slice)) = (&mut self.slice, slice(slo)) {
            open.number = open.number.min(now.div_euclid(slice));
        }
        self.plan(slo, now);
    }

    /// Sets when it is looked at next: when the slice that goes on is over, and while an alarm sounds at each cell's end.
    fn plan(&mut self, slo: &Slo, now: i64) {
        let over = self.slice.zip(slice(slo)).map(|(open, slice)| (open.number + 1) * slice);
        let cell = (self.burning != [false; 3]).then(|| (now.div_euclid(fine(slo)) + 1) * fine(slo));
        self.look = over.into_iter().chain(cell).min().unwrap_or(0);
    }

    /// Counts the slice that goes on, if it is over at `now`. What comes late for it counts in the next one.
    pub(super) fn close_slice(&mut self, slo: &Slo, now: i64) {
        let (slice, target) = match slo.budgeting {
            Budgeting::Occurrences => return,
            Budgeting::Timeslices { slice, target } => (slice, Some(target)),
            Budgeting::RatioTimeslices { slice } => (slice, None),
        };
        let Some(done) = self.slice.take_if(|open| open.number < now.div_euclid(slice)) else { return };
        let bad = match target {
            Some(target) => f64::from(u8::from((done.total - done.bad) / done.total < target)),
            None => done.bad / done.total,
        };
        // It counts when it is over: what it was is known then, and short windows see it.
        self.count(slo, (done.number + 1) * slice - 1, 1.0, bad);
    }

    fn count(&mut self, slo: &Slo, at: i64, total: f64, bad: f64) {
        // The longest look back on fine cells is 1/120 of the period, and one cell more that has begun.
        put(&mut self.fine, at.div_euclid(fine(slo)), total, bad, slo.window / 120 / fine(slo) + 1);
        put(&mut self.coarse, at.div_euclid(coarse(slo)), total, bad, slo.window / coarse(slo));
    }

    /// Total and bad of the last so many milliseconds.
    fn sum(&self, slo: &Slo, back: i64, now: i64) -> (f64, f64) {
        let (cells, length) =
            if back <= slo.window / 120 { (&self.fine, fine(slo)) } else { (&self.coarse, coarse(slo)) };
        let newest = now.div_euclid(length);
        let oldest = newest - (back / length).max(1);
        let within = cells.iter().rev().take_while(|cell| cell.number > oldest).filter(|cell| cell.number <= newest);
        within.fold((0.0, 0.0), |(total, bad), cell| (total + cell.total, bad + cell.bad))
    }

    fn rate(&self, slo: &Slo, back: i64, now: i64) -> f64 {
        let (total, bad) = self.sum(slo, back, now);
        if total == 0.0 { 0.0 } else { bad / total / (1.0 - slo.objective) }
    }

    /// Tells of alarms that begin and that end. Too little traffic makes none begin.
    pub(super) fn alarm(
        &mut self,
        agreement: &Agreement,
        guarantee: &Guarantee,
        slo: &Slo,
        now: i64,
        out: &mut Vec<Finding>,
    ) {
        self.plan(slo, now);
        let least =
            guarantee.extras.as_ref().and_then(|extras| extras.minimum).map_or(1.0, |(count, _)| f64::from(count));
        // Nothing bad in the longest window: no rate is above 0.
        if self.burning == [false; 3] && self.sum(slo, slo.window / 10, now).1 == 0.0 {
            return;
        }
        for (place, (severity, factor, part)) in TIERS.into_iter().enumerate() {
            let long = slo.window / part;
            let (total, _) = self.sum(slo, long, now);
            let rates = (self.rate(slo, long, now), self.rate(slo, long / SHORT, now));
            let burns = rates.0 >= factor - SLACK && rates.1 >= factor - SLACK && (total >= least || self.burns(place));
            if burns == self.burns(place) {
                continue;
            }
            if let Some(burning) = self.burning.get_mut(place) {
                *burning = burns;
            }
            let edge = format!("{severity:?} {}", if burns { "begins" } else { "ends" });
            out.push(Finding::Burn(Burn {
                key: Book::key(agreement, guarantee, "burn", &edge, i128::from(now.div_euclid(fine(slo)))),
                agreement: agreement.id.clone(),
                guarantee: guarantee.name.clone(),
                severity,
                burning: burns,
                long: rates.0,
                short: rates.1,
                remaining: 1.0 - self.rate(slo, slo.window, now),
                datetime: instant(now),
            }));
        }
        self.plan(slo, now);
    }

    fn burns(&self, place: usize) -> bool {
        self.burning.get(place).is_some_and(|burning| *burning)
    }

    /// When it must be looked at again, in milliseconds.
    pub(super) fn due(&self) -> Option<i64> {
        (self.look != 0).then_some(self.look)
    }

    fn report(&self, name: &str, slo: &Slo, now: i64) -> SloReport {
        let (total, bad) = self.sum(slo, slo.window, now);
        let error_rate = if total == 0.0 { 0.0 } else { bad / total };
        let burn_rate = error_rate / (1.0 - slo.objective);
        let burn_rates = TIERS.into_iter().enumerate().map(|(place, (_, factor, part))| BurnRate {
            factor,
            long_window: (slo.window / part) as f64 / 1000.0,
            short_window: (slo.window / part / SHORT) as f64 / 1000.0,
            long: self.rate(slo, slo.window / part, now),
            short: self.rate(slo, slo.window / part / SHORT, now),
            burning: self.burns(place),
        });
        SloReport {
            guarantee: name.to_owned(),
            objective: slo.objective,
            window: slo.window as f64 / 1000.0,
            total,
            bad,
            error_rate,
            burn_rate,
            budget_remaining: 1.0 - burn_rate,
            burn_rates: burn_rates.collect(),
        }
    }
}

impl Book {
    /// How the budgets of the guarantees with an `slo` stand at `now`.
    #[must_use]
    pub fn slo(&self, agreement: &Agreement, now: mf2c_domain::time::Timestamp) -> Vec<SloReport> {
        let now = crate::window::millis(now).max(self.watermark);
        let budgets = agreement.guarantees.iter().zip(&self.standings);
        let budgets = budgets.filter_map(|(guarantee, standing)| {
            let slo = guarantee.slo()?;
            // A slice that is over counts, whether or not somebody has looked since.
            let mut budget = standing.budget.as_deref()?.clone();
            budget.close_slice(slo, now);
            Some(budget.report(&guarantee.name, slo, now))
        });
        budgets.collect()
    }
}
