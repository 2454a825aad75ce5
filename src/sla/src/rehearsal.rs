//! An agreement held against reports of the past, with a clock that goes from one to the next and stops wherever time alone shows
//! something: windows that empty, silence, alarms that end, the expiry. What comes out is what an agent would have found to whom
//! the reports had come at these times.

use mf2c_domain::time::Timestamp;

use crate::agreement::Agreement;
use crate::book::Book;
use crate::document::Report;
use crate::finding::Finding;

/// The least time between two looks at an agreement without a report in between, as an agent has it, in nanoseconds.
const BREATH: i128 = 1_000_000_000;
/// The most looks by the clock: three years of one every ten seconds.
const MAX_LOOKS: u64 = 10_000_000;
/// In nanoseconds.
const MILLISECOND: i128 = 1_000_000;

/// Reports that lie too far apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("between the reports lies more time than is gone through, {MAX_LOOKS} looks by the clock: try them in parts")]
pub struct TooLong;

/// See the module.
#[derive(Debug)]
pub struct Rehearsal<'a> {
    agreement: &'a Agreement,
    book: Book,
    /// When the latest report came or the clock looked last; none before the first report.
    clock: Option<i128>,
    /// Not before this does the clock look again.
    least: i128,
    looks: u64,
    found: Vec<Finding>,
}

impl<'a> Rehearsal<'a> {
    /// Before the first report.
    #[must_use]
    pub fn new(agreement: &'a Agreement) -> Self {
        let book = Book::open(agreement, agreement.creation());
        Self { agreement, book, clock: None, least: i128::MIN, looks: 0, found: vec![] }
    }

    /// When a report comes: when its document was stored; of one that never was, when its operation ended.
    #[must_use]
    pub fn arrival(report: &Report<'_>) -> Timestamp {
        report.received.unwrap_or(report.finished)
    }

    /// A report comes. They must come in the order of [`Rehearsal::arrival`]; one that does not comes with the one before it.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn report(&mut self, report: &Report<'_>) -> Result<(), TooLong> {
        let arrival = Self::arrival(report).nanos().max(self.clock.unwrap_or(i128::MIN));
        // What comes at the very time at which the clock looks comes first.
        self.look_while(|due| due < arrival)?;
        self.clock = Some(arrival);
        self.least = i128::MIN;
        self.book.report(self.agreement, report, Timestamp::from_nanos(arrival), &mut self.found);
        Ok(())
    }

    /// Nothing more comes before this time; and what was found. Of an earlier time than that of the last report nothing follows.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn until(mut self, end: Timestamp) -> Result<Vec<Finding>, TooLong> {
        self.look_while(|due| due <= end.nanos())?;
        Ok(self.found)
    }

    fn look_while(&mut self, within: impl Fn(i128) -> bool) -> Result<(), TooLong> {
        while let Some(due) = self.due().filter(|due| within(*due)) {
            if self.looks == MAX_LOOKS {
                return Err(TooLong);
            }
            self.looks += 1;
            self.book.tick(self.agreement, Timestamp::from_nanos(due), &mut self.found);
            self.least = due.saturating_add(BREATH);
            self.clock = self.clock.map(|_| due);
        }
        Ok(())
    }

    /// When the clock looks next.
    fn due(&self) -> Option<i128> {
        let Some(clock) = self.clock else {
            // An agent knows of nothing to look at before the first report, but for the end.
            let end = self.agreement.expiration().filter(|_| !self.book.is_expired())?;
            return Some(end.nanos().saturating_add(MILLISECOND));
        };
        Some(self.book.due(self.agreement)?.nanos().max(clock).max(self.least))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::Expressions;

    const START: i64 = 1_800_000_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(START + seconds * 1000)
    }

    fn agreement(guarantee: &Value, expiration: Option<i64>) -> Agreement {
        let mut body = json!({ "state": "started", "updated": at(0).to_string(), "details": {
            "type": "agreement", "name": "n", "creation": at(0).to_string(),
            "provider": { "id": "p", "name": "P" }, "client": { "id": "c", "name": "C" }, "guarantees": [guarantee],
        } });
        if let Some(expiration) = expiration {
            body["details"]["expiration"] = at(expiration).to_string().into();
        }
        Agreement::read("agreement/1", body.to_string().as_bytes(), &mut Expressions::default()).unwrap()
    }

    /// What is found of reports of so many seconds, each stored at its second, until the end: a word and the second.
    fn found(agreement: &Agreement, reports: &[(i64, f64)], end: i64) -> Vec<(&'static str, i64)> {
        let mut rehearsal = Rehearsal::new(agreement);
        for (second, length) in reports {
            let (id, text) = report(*second, *length);
            rehearsal.report(&Report::read(&id, text.as_bytes()).unwrap()).unwrap();
        }
        told(&rehearsal.until(at(end)).unwrap())
    }

    /// A report's id and document.
    fn report(second: i64, length: f64) -> (String, String) {
        let body = json!({
            "requesting_application_id": "service-instance/1", "operation_name": "op", "execution_length": length,
            "end_time": at(second).to_string(), "created": at(second).to_string(),
        });
        (format!("r{second}"), body.to_string())
    }

    fn told(findings: &[Finding]) -> Vec<(&'static str, i64)> {
        let second = |time: Timestamp| i64::try_from(time.nanos() / 1_000_000_000).unwrap() - START / 1000;
        let told = findings.iter().filter_map(|finding| match finding {
            Finding::Violation(violation) => Some(("violation", second(violation.datetime))),
            Finding::EpisodeEnded(episode) => Some(("recovery", second(episode.resolved_at?))),
            Finding::Expired => Some(("expiry", 0)),
            _ => None,
        });
        told.collect()
    }

    proptest! {
        #[test]
        fn it_finds_what_a_clock_finds_that_looks_every_second(
            gaps in prop::collection::vec((0..200_i64, 1.0..20.0_f64), 1..20), absent in prop::sample::select(vec!["undetermined", "violation"]),
        ) {
            let mut second = 0;
            let reports: Vec<(i64, f64)> = gaps.iter().map(|(gap, length)| { second += gap; (second, *length) }).collect();
            let rule = json!({ "name": "*", "constraint": "avg(execution_time, 60) < 10", "absent": absent });
            let agreement = agreement(&rule, None);
            let mut book = Book::open(&agreement, at(0));
            let mut all = vec![];
            let mut waiting = reports.iter().peekable();
            let begin = reports[0].0;
            for second in begin..=second + 100 {
                while let Some((due, length)) = waiting.next_if(|(due, _)| *due == second) {
                    let (id, text) = report(*due, *length);
                    book.report(&agreement, &Report::read(&id, text.as_bytes()).unwrap(), at(*due), &mut all);
                }
                book.tick(&agreement, at(second), &mut all);
            }
            prop_assert_eq!(found(&agreement, &reports, second + 100), told(&all));
        }
    }

    #[test]
    fn silence_is_noticed_between_two_reports_and_after_the_last() {
        let silent = agreement(
            &json!({ "name": "*", "constraint": "avg(execution_time, 60) < 10", "absent": "violation" }),
            None,
        );
        let all = found(&silent, &[(100, 1.0), (400, 1.0)], 1000);
        assert_eq!(all.iter().map(|(what, _)| *what).collect::<Vec<_>>(), ["violation", "recovery", "violation"]);
        let seconds: Vec<i64> = all.iter().map(|(_, second)| *second).collect();
        assert!((155..=170).contains(&seconds[0]) && seconds[1] == 400, "{seconds:?}");
        assert!((455..=470).contains(&seconds[2]), "{seconds:?}");
        assert_eq!(found(&silent, &[(100, 1.0), (400, 1.0)], 410).len(), 2);
    }

    #[test]
    fn a_window_that_empties_ends_the_breach() {
        let quick = agreement(&json!({ "name": "*", "constraint": "count(execution_time, 60) < 2" }), None);
        let all = found(&quick, &[(100, 1.0), (101, 1.0)], 1000);
        assert_eq!(all[0], ("violation", 101));
        assert!(matches!(all[1..], [("recovery", 155..=162)]), "{all:?}");
    }

    #[test]
    fn the_expiry_ends_it_and_what_ends_later_does_not_count() {
        let short = agreement(&json!({ "name": "*", "constraint": "execution_time < 10" }), Some(200));
        assert_eq!(
            found(&short, &[(100, 50.0), (300, 50.0)], 300),
            [("violation", 100), ("recovery", 200), ("expiry", 0)]
        );
        assert_eq!(found(&short, &[(300, 50.0)], 300), [("expiry", 0)]);
        assert_eq!(found(&short, &[], 100), []);
    }
}
