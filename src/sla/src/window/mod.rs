//! What was measured in the last so many seconds.
//!
//! A window is cut into [`PARTS`] equal parts of event time, aligned to the epoch. It holds the part of the present and the
//! `PARTS - 1` before it: between 98.3 % and 100 % of its length, and what it holds is counted exactly. Sums are added up anew when
//! a part leaves, so that no rounding error stays.

mod sketch;

use std::collections::VecDeque;

use mf2c_domain::time::Timestamp;

use crate::expression::Function;
use sketch::Sketch;

/// How many parts a window has.
pub(crate) const PARTS: i64 = 60;

/// Whole milliseconds since the epoch, rounded down.
pub(crate) fn millis(at: Timestamp) -> i64 {
    i64::try_from(at.nanos().div_euclid(1_000_000)).unwrap_or(if at.nanos() < 0 { i64::MIN } else { i64::MAX })
}

/// The instant of milliseconds since the epoch.
pub(crate) fn instant(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// A window over one metric; without memory until something is measured.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// By their numbers, oldest first; parts without measurements are not there.
    parts: VecDeque<Part>,
    whole: Totals,
    sketch: Sketch,
}

#[derive(Debug)]
struct Part {
    number: i64,
    totals: Totals,
    sketch: Sketch,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Totals {
    count: u64,
    /// How many were not 0.
    hits: u64,
    sum: f64,
    min: f64,
    max: f64,
    last: f64,
    last_at: i64,
}

impl Default for Totals {
    fn default() -> Self {
        Self {
            count: 0,
            hits: 0,
            sum: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            last: f64::NAN,
            last_at: i64::MIN,
        }
    }
}

impl Totals {
    fn add(&mut self, number: f64, at: i64) {
        self.merge(&Self {
            count: 1,
            hits: u64::from(number != 0.0),
            sum: number,
            min: number,
            max: number,
            last: number,
            last_at: at,
        });
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.hits += other.hits;
        // Beyond the greatest number there is none: an infinity would say nothing, and never go away.
        self.sum = (self.sum + other.sum).clamp(f64::MIN, f64::MAX);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        if other.last_at >= self.last_at {
            (self.last, self.last_at) = (other.last, other.last_at);
        }
    }
}

/// The length of a part, in milliseconds.
pub(crate) fn part_length(window: i64) -> i64 {
    (window / PARTS).max(1)
}

impl Window {
    /// Takes in a number measured at `at`, unless that is before the window as it stands.
    pub(crate) fn add(&mut self, length: i64, sketch: bool, at: i64, number: f64) {
        let number_of_part = at.div_euclid(part_length(length));
        let newest = self.parts.back().map_or(number_of_part, |part| part.number);
        if number_of_part <= newest - PARTS {
            return;
        }
        self.advance(length, at);
        let place = match self.parts.binary_search_by_key(&number_of_part, |part| part.number) {
            Ok(place) => place,
            Err(place) => {
                let part = Part { number: number_of_part, totals: Totals::default(), sketch: Sketch::default() };
                self.parts.insert(place, part);
                place
            }
        };
        let Some(part) = self.parts.get_mut(place) else { return };
        part.totals.add(number, at);
        self.whole.add(number, at);
        if sketch {
            part.sketch.add(number);
            self.sketch.add(number);
        }
    }

    /// Lets go of what is older than the window at `now`.
    pub(crate) fn advance(&mut self, length: i64, now: i64) {
        let oldest = now.div_euclid(part_length(length)) - PARTS;
        let before = self.parts.len();
        while let Some(part) = self.parts.pop_front_if(|part| part.number <= oldest) {
            self.sketch.subtract(&part.sketch);
        }
        self.recount(before);
    }

    /// Lets go of what is later than `now`: the clock was set back.
    pub(crate) fn retreat(&mut self, length: i64, now: i64) {
        let newest = now.div_euclid(part_length(length));
        let before = self.parts.len();
        while let Some(part) = self.parts.pop_back_if(|part| part.number > newest) {
            self.sketch.subtract(&part.sketch);
        }
        self.recount(before);
    }

    /// Adds up what is left, if it were `before` parts.
    fn recount(&mut self, before: usize) {
        if self.parts.len() != before {
            self.whole = Totals::default();
            for part in &self.parts {
                self.whole.merge(&part.totals);
            }
        }
    }

    /// When the oldest part leaves, in milliseconds.
    pub(crate) fn next_change(&self, length: i64) -> Option<i64> {
        self.parts.front().map(|part| (part.number + PARTS) * part_length(length))
    }

    /// A function of what is in it. Of an empty window only the count and the rate are known: nothing happened.
    pub(crate) fn read(&self, function: Function, length: i64) -> Option<f64> {
        let whole = &self.whole;
        let count = whole.count as f64;
        match function {
            Function::Count => return Some(count),
            Function::Rate => return Some(count / (length as f64 / 1000.0)),
            _ if whole.count == 0 => return None,
            _ => {}
        }
        Some(match function {
            Function::Average => whole.sum / count,
            Function::Sum => whole.sum,
            Function::Min => whole.min,
            Function::Max => whole.max,
            Function::Last => whole.last,
            Function::Ratio => whole.hits as f64 / count,
            Function::Percentile(rank) => self.percentile(rank)?,
            Function::Count | Function::Rate => count,
        })
    }

    /// The least number that so many percent of all do not exceed (nearest rank).
    fn percentile(&self, percent: f64) -> Option<f64> {
        // Without the small step back, rounding would make the 95th of 100 the 96th for some ranks.
        let rank = (percent * self.whole.count as f64 / 100.0 - 1e-9).ceil().max(1.0) as u64;
        Some(self.sketch.at_rank(rank)?.clamp(self.whole.min, self.whole.max))
    }
}
