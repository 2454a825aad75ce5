//! A book from its beginning through the edits of its agreement: when it was stopped, and what an edit leaves untouched.

use mf2c_domain::time::Timestamp;

use super::penalty::Charged;
use super::standing::Standing;
use super::{Book, Seen};
use crate::agreement::{Agreement, Guarantee};
use crate::availability::Runs;
use crate::finding::Finding;
use crate::state::State;
use crate::window::{Window, millis};

/// The most intervals remembered in which an agreement was stopped. Older ones are forgotten, with the reports from them.
const MAX_STOPPED: usize = 64;

impl Book {
    /// The book of an agreement: a new one, or one that goes on where the document's `assessment` ends. What reports say is found
    /// by reading them again.
    #[must_use]
    pub fn open(agreement: &Agreement, now: Timestamp) -> Self {
        let assessed = agreement.assessed.as_deref();
        let time = |text: &str| Timestamp::parse(text).map(millis);
        let last =
            assessed.and_then(|assessed| Some((time(&assessed.first_execution)?, time(&assessed.last_execution)?)));
        let stopped = assessed.iter().flat_map(|assessed| &assessed.stopped);
        let stopped = stopped.filter_map(|interval| {
            let to = interval.to.as_deref().map_or(Some(i64::MAX), time)?;
            Some((time(&interval.from)?, to))
        });
        let mut book = Self {
            state: agreement.state,
            expired: false,
            assessed: last,
            watermark: i64::MIN,
            began: i64::MIN,
            next_look: i64::MAX,
            stopped: stopped.take(MAX_STOPPED).collect(),
            seen: Seen::default(),
            windows: agreement.windows.iter().map(|_| Window::default()).collect(),
            standings: agreement.guarantees.iter().map(Standing::new).collect(),
            runs: Runs::default(),
        };
        let goes_on = book.stopped.last().is_some_and(|(_, to)| *to == i64::MAX);
        // What happened while nobody looked happened with the document's last change.
        let changed = agreement.updated.map(millis);
        match (agreement.state, last) {
            (State::Started, _) => book.start(changed.unwrap_or(millis(now))),
            _ if goes_on => {}
            // What was never assessed was, as far as is known, never started.
            (_, None) => book.stop(i64::MIN),
            (_, Some((_, last))) => book.stop(changed.unwrap_or(last)),
        }
        // A document that was never assessed was started with its last change, as far as is known.
        let started = if last.is_none() { changed } else { None };
        book.begin(agreement, started.unwrap_or(i64::MIN));
        book.show_faults(agreement, now);
        book.plan(agreement, now);
        book
    }

    /// The agreement came into another state at `now`.
    pub fn turn(&mut self, agreement: &mut Agreement, state: State, now: Timestamp, out: &mut Vec<Finding>) {
        self.turned(agreement, state, now, out);
        agreement.state = state;
        self.begin(agreement, self.began);
        self.plan(agreement, now);
    }

    /// The agreement was edited at `now`: notes when it is started and stopped, and keeps what the edit does not touch. Guarantees
    /// are known by name and constraint, windows by what they measure.
    pub fn follow(&mut self, before: &Agreement, after: &Agreement, now: Timestamp, out: &mut Vec<Finding>) {
        self.turned(before, after.state, now, out);
        if before.expiration != after.expiration {
            self.expired = false;
        }
        let same = |old: &Guarantee, new: &Guarantee| {
            old.name == new.name && old.namesake == new.namesake && old.constraint == new.constraint
        };
        // What was charged stays charged, however the constraint is put now.
        let charges: Vec<_> = after.guarantees.iter().map(|new| self.charged(before, new)).collect();
        let mut old: Vec<Option<Standing>> = std::mem::take(&mut self.standings).into_iter().map(Some).collect();
        let mut kept = |new: &Guarantee| {
            let place = before.guarantees.iter().position(|old| same(old, new))?;
            let mut standing = old.get_mut(place)?.take()?;
            let fresh = Standing::new(new);
            standing.charged = fresh.charged;
            if before.guarantees.get(place).and_then(Guarantee::slo) != new.slo() {
                standing.budget = fresh.budget;
            }
            Some(standing)
        };
        self.standings = after.guarantees.iter().map(|new| kept(new).unwrap_or_else(|| Standing::new(new))).collect();
        for (standing, charged) in self.standings.iter_mut().zip(charges) {
            standing.charged = charged.unwrap_or_else(|| std::mem::take(&mut standing.charged));
        }
        // Nobody looks any more at the promises that the edit has taken away.
        for (guarantee, standing) in before.guarantees.iter().zip(old) {
            standing.into_iter().for_each(|mut standing| standing.end(before, guarantee, millis(now), out));
        }
        let mut windows: Vec<Option<Window>> = std::mem::take(&mut self.windows).into_iter().map(Some).collect();
        let mut kept = |spec| windows.get_mut(before.windows.iter().position(|old| old == spec)?)?.take();
        self.windows = after.windows.iter().map(|spec| kept(spec).unwrap_or_default()).collect();
        self.begin(after, self.began);
        self.show_faults(after, now);
        self.plan(after, now);
    }

    /// What was charged so far of a guarantee with this name and these penalties.
    fn charged(&self, before: &Agreement, new: &Guarantee) -> Option<Box<[Charged]>> {
        let is_it = |old: &Guarantee| {
            old.name == new.name && old.namesake == new.namesake && old.penalties() == new.penalties()
        };
        let place = before.guarantees.iter().position(is_it)?;
        Some(self.standings.get(place)?.charged.clone())
    }

    fn turned(&mut self, agreement: &Agreement, state: State, now: Timestamp, out: &mut Vec<Finding>) {
        match (self.state, state) {
            (State::Started, State::Stopped | State::Terminated) => {
                for (guarantee, standing) in agreement.guarantees.iter().zip(&mut self.standings) {
                    standing.end(agreement, guarantee, millis(now), out);
                }
                self.stop(millis(now));
            }
            (State::Stopped, State::Started) => self.start(millis(now)),
            _ => {}
        }
        if self.state != State::Terminated {
            self.state = state;
        }
    }

    /// A constraint with a fault is looked at as soon as it is known: no report is needed to tell that it cannot be kept.
    fn show_faults(&mut self, agreement: &Agreement, now: Timestamp) {
        if self.assessed.is_none() && agreement.is_faulty() {
            self.assessed = Some((millis(now), millis(now)));
        }
    }

    /// Whether the agreement has expired, as a tick found.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.expired
    }

    /// Notes from when on silence counts: the creation, or the last start.
    fn begin(&mut self, agreement: &Agreement, least: i64) {
        let started = self.stopped.last().map_or(i64::MIN, |(_, to)| *to);
        self.began = least.max(millis(agreement.creation)).max(if started == i64::MAX { i64::MIN } else { started });
    }

    fn stop(&mut self, at: i64) {
        if self.stopped.len() == MAX_STOPPED {
            self.stopped.remove(0);
        }
        self.stopped.push((at, i64::MAX));
    }

    fn start(&mut self, at: i64) {
        if let Some((_, to)) = self.stopped.last_mut().filter(|(_, to)| *to == i64::MAX) {
            *to = at;
        }
    }
}
