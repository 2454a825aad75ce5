//! All that is remembered of the assessment of one agreement, and what follows from each report and from the passing of time.
//!
//! Time is event time: that of the latest report, the watermark. So whoever reads the same reports in the same order finds the same,
//! whenever that is. `now` drives [`Book::tick`], and keeps clocks that are wrong from spoiling the others' time: what would be heard
//! of later than `now` is heard of now, and a watermark that lies further ahead than reports may be late goes back to `now`. A book
//! must have caught up with the reports before it is ticked: a tick lets go of what is older than its windows.
//!
//! After a restart the windows, episodes and budgets come back by reading the stored reports again. What is found then was found
//! before, or under terms that have since been edited: whoever reads again throws away the findings of reports that were assessed.
//! A report that is delivered again later in event time than it may be late is late: its violation has the same key, and its penalty
//! is not charged again.
//!
//! What time alone has found (a silence, an outage) does not come back from reports: [`Book::restore`] takes it from the stored
//! documents.

mod budget;
mod episode;
mod evidence;
mod follow;
mod judge;
mod penalty;
mod published;
mod restore;
mod scope;
mod seen;
mod standing;
mod subject;
mod tick;

use mf2c_domain::time::Timestamp;

use crate::agreement::{Agreement, Guarantee, Trigger};
use crate::availability::Runs;
use crate::document::{ContainerMetric, Instance, Report};
use crate::finding::{Finding, Key};
use crate::state::State;
use crate::window::{Window, millis};
pub use budget::{BurnRate, SloReport};
use judge::Moment;
pub use restore::{EpisodeState, PenaltyState};
use seen::Seen;
use standing::Standing;

/// All that is remembered of the assessment of one agreement.
#[derive(Debug)]
pub struct Book {
    state: State,
    expired: bool,
    /// When it was assessed first and last, in milliseconds; none before the first time.
    assessed: Option<(i64, i64)>,
    /// The latest end of a report, in milliseconds.
    watermark: i64,
    /// From when on silence counts, in milliseconds.
    began: i64,
    /// When time-driven promises are looked at next; [`i64::MAX`] without any.
    next_look: i64,
    /// When it was not assessed, in milliseconds, in order; the last may go on ([`i64::MAX`]).
    stopped: Vec<(i64, i64)>,
    seen: Seen,
    windows: Box<[Window]>,
    standings: Box<[Standing]>,
    runs: Runs,
}

impl Book {
    /// Holds a report against all promises that are about its operation. A report that was held against them before changes nothing.
    ///
    /// `now` is the present by the clock of whoever assesses, when the report is read for the first time. A report that claims to
    /// have arrived later than that, on a machine whose clock is fast, arrives now. Of reports that are read again after a restart
    /// those from later than the present are better left out, because when they came is not known any more.
    pub fn report(&mut self, agreement: &Agreement, report: &Report<'_>, now: Timestamp, out: &mut Vec<Finding>) {
        self.follow_clock(agreement, millis(now));
        let received = report.received.unwrap_or(now);
        let arrival = if millis(received) > millis(now).saturating_add(agreement.skew) { now } else { received };
        let skewed = millis(report.finished) > millis(arrival).saturating_add(agreement.skew);
        let datetime = if skewed { arrival } else { report.finished };
        let at = millis(datetime);
        let old = at < millis(arrival).saturating_sub(agreement.lateness);
        if !self.covers(agreement, at) || !self.seen.insert(report, at.max(self.watermark)) {
            return;
        }
        let late = old || at < self.watermark.saturating_sub(agreement.lateness);
        self.watermark = self.watermark.max(at);
        self.seen.forget(self.watermark.saturating_sub(agreement.lateness));
        let moment = Moment {
            at,
            datetime,
            now: millis(arrival),
            report: Some(report),
            instance: Some(&report.instance),
            late,
            skewed,
        };
        if !late {
            self.fill_windows(agreement, report, at);
        }
        for (place, guarantee) in agreement.guarantees.iter().enumerate() {
            if guarantee.filter.takes(&report.operation) && !guarantee.excludes(at) {
                self.judge(agreement, place, guarantee, &moment, out);
            }
        }
        self.touch(millis(arrival));
    }

    /// Takes in what is known of a service instance that is held against the agreement: where it runs, and when its containers ran.
    /// What was known of the instance before is replaced. Only agreements that watch availability need it.
    pub fn run(&mut self, agreement: &Agreement, instance: &Instance, containers: &[ContainerMetric], now: Timestamp) {
        if agreement.watches_availability() {
            self.runs.set(instance, containers);
            self.plan(agreement, now);
        }
    }

    /// Forgets a service instance that is gone, or is held against another agreement now. Its breaches are over; what only it broke
    /// is not known to be kept or broken any more.
    pub fn gone(&mut self, agreement: &Agreement, instance: &str, now: Timestamp, out: &mut Vec<Finding>) {
        self.runs.remove(instance);
        let gone = subject::digest(instance);
        for (guarantee, standing) in agreement.guarantees.iter().zip(&mut self.standings) {
            standing.leave(agreement, guarantee, |known| known != gone, millis(now), out);
        }
        self.plan(agreement, now);
    }

    /// Ends all breaches: the agreement is deleted, or somebody else assesses it from now on.
    pub fn close(&mut self, agreement: &Agreement, now: Timestamp, out: &mut Vec<Finding>) {
        for (guarantee, standing) in agreement.guarantees.iter().zip(&mut self.standings) {
            standing.leave(agreement, guarantee, |_| false, millis(now), out);
        }
    }

    /// Whether what happened at this time is assessed: after the creation, not after the expiry, and not while it was stopped.
    fn covers(&self, agreement: &Agreement, at: i64) -> bool {
        at >= millis(agreement.creation)
            && agreement.expiration.is_none_or(|expiration| at <= millis(expiration))
            && !self.stopped.iter().any(|(from, to)| (*from..*to).contains(&at))
    }

    fn fill_windows(&mut self, agreement: &Agreement, report: &Report<'_>, at: i64) {
        for (window, spec) in self.windows.iter_mut().zip(&agreement.windows) {
            if spec.takes(&report.operation, at)
                && let Some(number) = report.metric(&spec.metric)
            {
                window.add(spec.length, spec.sketch, at, number);
            }
        }
        // Those whose reports these are not move on, too.
        for (window, spec) in self.windows.iter_mut().zip(&agreement.windows) {
            window.advance(spec.length, self.watermark);
        }
    }

    fn touch(&mut self, now: i64) {
        let (first, last) = self.assessed.unwrap_or((now, now));
        self.assessed = Some((first, last.max(now)));
    }

    /// The key of what one report shows of one guarantee.
    fn key(agreement: &Agreement, guarantee: &Guarantee, what: &str, subject: &str, time: i128) -> Key {
        let namesake = guarantee.namesake.to_be_bytes();
        Key::of(&[
            what.as_bytes(),
            agreement.id.as_bytes(),
            guarantee.name.as_bytes(),
            &namesake,
            subject.as_bytes(),
            &time.to_be_bytes(),
        ])
    }
}

/// Whether any promise depends on the passing of time, beside windows.
fn watches_time(agreement: &Agreement) -> bool {
    agreement.guarantees.iter().any(|guarantee| guarantee.rules().any(|rule| rule.trigger == Trigger::Time))
}

#[cfg(test)]
mod tests;
