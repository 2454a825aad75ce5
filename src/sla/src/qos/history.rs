//! What is remembered of the runs of one service on one device: the newest of them, each good or bad, and how long they took.

use std::collections::VecDeque;
use std::fmt::Write as _;

use mf2c_domain::time::Timestamp;

use super::fingerprint;
use super::posterior::Posterior;

/// How much the newest run counts in the average of latencies.
const NEWEST: f64 = 0.2;
/// A run in text: eight hexadecimal digits.
const DIGITS: usize = 8;
/// The highest bit of a run in text: it was bad.
const BAD: u32 = 1 << 31;

/// One run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Which, in 31 bits: enough to tell it from the few others that are remembered.
    report: u32,
    bad: bool,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct History {
    runs: VecDeque<Run>,
    /// The moving average of how long a run takes, in seconds.
    latency: Option<f64>,
    /// When the newest run ended.
    last: Option<Timestamp>,
}

fn mark(report: &str) -> u32 {
    let whole = fingerprint(report);
    ((whole >> 32) ^ whole) as u32 & !BAD
}

impl History {
    /// What was kept of a history: its runs as [`History::text`] wrote them. What cannot be read of them is left out.
    #[must_use]
    pub fn restore(text: &str, latency: Option<f64>, last: Option<Timestamp>) -> Self {
        let run = |digits: &[u8]| {
            let number = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
            Some(Run { report: number & !BAD, bad: number & BAD != 0 })
        };
        let runs = text.as_bytes().chunks_exact(DIGITS).filter_map(run).collect();
        Self { runs, latency: latency.filter(|seconds| seconds.is_finite()), last }
    }

    /// Its runs in text, the oldest first.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(self.runs.len() * DIGITS);
        for run in &self.runs {
            let _ = write!(text, "{:08x}", run.report | if run.bad { BAD } else { 0 });
        }
        text
    }

    /// Takes in a run that has ended, of which no more is known than how long it took, in seconds. The oldest goes where there
    /// are more than `window`. False where the run is remembered already.
    pub fn record(&mut self, report: &str, seconds: f64, ended: Timestamp, window: usize) -> bool {
        let report = mark(report);
        if self.runs.iter().any(|run| run.report == report) {
            return false;
        }
        self.runs.push_back(Run { report, bad: false });
        while self.runs.len() > window.max(1) {
            self.runs.pop_front();
        }
        if seconds.is_finite() {
            self.latency = Some(self.latency.map_or(seconds, |average| average + NEWEST * (seconds - average)));
        }
        self.last = self.last.max(Some(ended));
        true
    }

    /// The run of this report has broken a promise. None where it is not remembered, false where it was bad before.
    pub fn breach(&mut self, report: &str) -> Option<bool> {
        let report = mark(report);
        let run = self.runs.iter_mut().find(|run| run.report == report)?;
        Some(!std::mem::replace(&mut run.bad, true))
    }

    /// The newest run that was good so far has broken a promise, whichever it was. False where there is none.
    pub fn breach_newest(&mut self) -> bool {
        let found = self.runs.iter_mut().rev().find(|run| !run.bad);
        found.map(|run| run.bad = true).is_some()
    }

    /// How many runs are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.runs.len()
    }

    /// Whether no run is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// How many of the newest runs were good, one after the other.
    #[must_use]
    pub fn streak(&self) -> usize {
        self.runs.iter().rev().take_while(|run| !run.bad).count()
    }

    /// What the runs say about the next one.
    #[must_use]
    pub fn posterior(&self) -> Posterior {
        let bad = self.runs.iter().filter(|run| run.bad).count();
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX / 4);
        Posterior { good: number(self.runs.len() - bad), bad: number(bad) }
    }

    /// The moving average of how long a run takes, in seconds.
    #[must_use]
    pub fn latency(&self) -> Option<f64> {
        self.latency
    }

    /// When the newest run ended.
    #[must_use]
    pub fn last(&self) -> Option<Timestamp> {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    #[test]
    fn a_run_counts_once_and_is_bad_once() {
        let mut history = History::default();
        assert!(history.record("service-operation-report/a", 2.0, NOW, 10));
        assert!(!history.record("service-operation-report/a", 2.0, NOW, 10));
        assert_eq!(history.breach("service-operation-report/a"), Some(true));
        assert_eq!(history.breach("service-operation-report/a"), Some(false));
        assert_eq!(history.breach("service-operation-report/b"), None);
        assert_eq!(history.posterior(), Posterior { good: 0, bad: 1 });
        assert!(!history.breach_newest());
    }

    #[test]
    fn the_average_follows_the_newest_runs() {
        let mut history = History::default();
        for run in 0..100 {
            let seconds = if run < 50 { 1.0 } else { 5.0 };
            assert!(history.record(&format!("r{run}"), seconds, NOW, 200));
        }
        assert!((history.latency().unwrap() - 5.0).abs() < 0.001);
    }

    proptest! {
        #[test]
        fn a_history_remembers_the_newest_runs_and_is_the_same_when_it_is_read_back(
            bad in proptest::collection::vec(any::<bool>(), 0..300), window in 1usize..120,
        ) {
            let mut history = History::default();
            for (number, bad) in bad.iter().enumerate() {
                let report = format!("service-operation-report/{number}");
                history.record(&report, number as f64, NOW, window);
                if *bad {
                    prop_assert_eq!(history.breach(&report), Some(true));
                }
            }
            let kept = &bad[bad.len().saturating_sub(window)..];
            let expected = kept.iter().filter(|bad| **bad).count();
            prop_assert_eq!(history.len(), kept.len());
            prop_assert_eq!(history.posterior().bad as usize, expected);
            prop_assert_eq!(history.streak(), kept.iter().rev().take_while(|bad| !**bad).count());
            prop_assert_eq!(&History::restore(&history.text(), history.latency(), history.last()), &history);
        }

        #[test]
        fn whatever_was_kept_is_read_without_a_panic(text in ".{0,64}") {
            let _ = History::restore(&text, Some(f64::NAN), None);
        }
    }
}
