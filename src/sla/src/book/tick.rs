//! What follows from the passing of time: expiry, windows that empty, availability, alarms that end.

use std::collections::BTreeSet;

use mf2c_domain::time::Timestamp;

use super::judge::{Moment, reads_windows};
use super::subject::digest;
use super::{Book, watches_time};
use crate::agreement::{Absent, Agreement, Guarantee, Trigger};
use crate::finding::Finding;
use crate::state::State;
use crate::window::{instant, millis};

/// How often availability is looked at, in milliseconds: ten times in its window, and at least this often.
const SELDOM: i64 = 60_000;
const OFTEN: i64 = 10_000;

impl Book {
    /// What follows from its being `now`. Only for a book that has caught up with the reports. Tells whether it looked at promises:
    /// then what the agreement shows is out of date, even if nothing was found.
    pub fn tick(&mut self, agreement: &Agreement, now: Timestamp, out: &mut Vec<Finding>) -> bool {
        if self.expired || self.state == State::Terminated {
            return false;
        }
        let now = millis(now);
        self.follow_clock(agreement, now);
        if agreement.expiration.is_some_and(|expiration| millis(expiration) < now) {
            self.expired = true;
            for (guarantee, standing) in agreement.guarantees.iter().zip(&mut self.standings) {
                standing.end(agreement, guarantee, now, out);
            }
            out.push(Finding::Expired);
            return true;
        }
        if self.state != State::Started {
            return false;
        }
        for (window, spec) in self.windows.iter_mut().zip(&agreement.windows) {
            window.advance(spec.length, now);
        }
        let look = now >= self.next_look;
        for (place, guarantee) in agreement.guarantees.iter().enumerate() {
            if !guarantee.excludes(now) {
                self.look(agreement, (place, guarantee), now, look, out);
            }
            if let (Some(slo), Some(standing)) = (guarantee.slo(), self.standings.get_mut(place))
                && let Some(budget) = standing.budget.as_deref_mut()
            {
                budget.close_slice(slo, now);
                budget.alarm(agreement, guarantee, slo, now, out);
            }
        }
        if look {
            self.touch(now);
            self.plan(agreement, instant(now));
        }
        look
    }

    fn look(
        &mut self,
        agreement: &Agreement,
        (place, guarantee): (usize, &Guarantee),
        now: i64,
        look: bool,
        out: &mut Vec<Finding>,
    ) {
        let Ok(rule) = &guarantee.rule else { return };
        let moment =
            Moment { at: now, datetime: instant(now), now, report: None, instance: None, late: false, skewed: false };
        // What is silent since its beginning is so only when a whole window has passed.
        let waited = now >= self.began.saturating_add(rule.period());
        match rule.trigger {
            Trigger::Window => {
                let known = self.standings.get(place).is_some_and(|standing| standing.verdict.is_some());
                if known || look && waited && guarantee.absent() != Absent::Undetermined {
                    self.judge(agreement, place, guarantee, &moment, out);
                }
            }
            Trigger::Time if look => {
                let instances: Vec<Box<str>> = self.runs.all().iter().map(|run| run.instance.clone()).collect();
                if let Some(standing) = self.standings.get_mut(place) {
                    let mut there: BTreeSet<u64> = instances.iter().map(|instance| digest(instance)).collect();
                    if instances.is_empty() {
                        there.insert(digest(""));
                    }
                    standing.leave(agreement, guarantee, |known| there.contains(&known), now, out);
                }
                if instances.is_empty() && guarantee.absent() != Absent::Undetermined && waited {
                    self.judge(agreement, place, guarantee, &moment, out);
                }
                for instance in &instances {
                    self.judge(agreement, place, guarantee, &Moment { instance: Some(instance), ..moment }, out);
                }
            }
            _ => {}
        }
    }

    /// The clock was set back: what was planned by it is planned anew, and what is further ahead than reports may be late is no
    /// measure of time any more.
    pub(super) fn follow_clock(&mut self, agreement: &Agreement, now: i64) {
        if self.next_look != i64::MAX && self.next_look > now.saturating_add(SELDOM) {
            self.plan(agreement, instant(now));
        }
        if self.watermark <= now.saturating_add(agreement.lateness.max(agreement.skew)) {
            return;
        }
        self.watermark = now;
        self.seen.set_back(now);
        for (window, spec) in self.windows.iter_mut().zip(&agreement.windows) {
            window.retreat(spec.length, now);
        }
        for (guarantee, standing) in agreement.guarantees.iter().zip(&mut self.standings) {
            standing.set_back(guarantee, now);
        }
    }

    /// Sets when time-driven promises are looked at next.
    pub(super) fn plan(&mut self, agreement: &Agreement, now: Timestamp) {
        let timed = watches_time(agreement) && !self.runs.all().is_empty();
        let looked_at = agreement.guarantees.iter().filter(|guarantee| timed || guarantee.waits_for_absence());
        let rules = looked_at.flat_map(Guarantee::rules);
        let step = rules.filter(|rule| matches!(rule.trigger, Trigger::Time | Trigger::Window));
        let step = step.map(|rule| if rule.span == 0 { SELDOM } else { (rule.span / 10).clamp(OFTEN, SELDOM) }).min();
        self.next_look = step.map_or(i64::MAX, |step| (millis(now).div_euclid(step) + 1) * step);
    }

    /// When to tick next: at the expiry, when a window changes, when availability is looked at, when an alarm may end. None: never.
    #[must_use]
    pub fn due(&self, agreement: &Agreement) -> Option<Timestamp> {
        if self.expired || self.state == State::Terminated {
            return None;
        }
        let mut due = agreement.expiration.map_or(i64::MAX, |expiration| millis(expiration).saturating_add(1));
        if self.state == State::Started {
            due = due.min(self.next_look);
            if !self.windows.is_empty() {
                due = due.min(self.next_window_change(agreement));
            }
            let budgets = self.standings.iter().filter_map(|standing| standing.budget.as_deref());
            due = budgets.filter_map(super::budget::Budget::due).fold(due, i64::min);
        }
        (due != i64::MAX).then(|| instant(due))
    }

    fn next_window_change(&self, agreement: &Agreement) -> i64 {
        let rules = agreement.guarantees.iter().filter_map(|guarantee| guarantee.rule.as_ref().ok());
        let read = rules.filter(|rule| rule.trigger == Trigger::Window).flat_map(reads_windows);
        let changes =
            read.filter_map(|place| self.windows.get(place)?.next_change(agreement.windows.get(place)?.length));
        changes.min().unwrap_or(i64::MAX)
    }
}
