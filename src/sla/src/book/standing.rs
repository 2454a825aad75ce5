//! How one guarantee stands.

use super::budget::Budget;
use super::episode::Open;
use super::penalty::Charged;
use crate::agreement::Guarantee;
use crate::expression::Verdict;

/// What is remembered of one guarantee.
#[derive(Debug)]
pub(super) struct Standing {
    /// The last verdict; none before the first.
    pub(super) verdict: Option<Verdict>,
    /// When it was judged first and last, in milliseconds.
    pub(super) judged: Option<(i64, i64)>,
    /// The last value of each variable that has one, by slot.
    pub(super) values: Vec<Last>,
    pub(super) error: Option<Box<str>>,
    /// The last window that was broken, of a promise about windows; of one about availability for each instance.
    pub(super) broken: Vec<Broken>,
    /// The same of the warning.
    pub(super) warned: Vec<Broken>,
    pub(super) episode: Open,
    /// For each penalty.
    pub(super) charged: Box<[Charged]>,
    pub(super) budget: Option<Box<Budget>>,
}

/// The last window in which a promise was broken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Broken {
    /// A digest of the instance's id, or of nothing.
    pub(super) subject: u64,
    /// Its number.
    pub(super) window: i64,
    /// When, in milliseconds.
    pub(super) at: i64,
    /// Whether it still is.
    pub(super) broken: bool,
}

/// The last value of a variable.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Last {
    pub(super) slot: u16,
    pub(super) value: f64,
    pub(super) at: i64,
}

impl Standing {
    pub(super) fn new(guarantee: &Guarantee) -> Self {
        Self {
            verdict: None,
            judged: None,
            values: Vec::new(),
            error: guarantee.rule.as_ref().err().map(|fault| fault.to_string().into()),
            broken: Vec::new(),
            warned: Vec::new(),
            episode: Open::default(),
            charged: guarantee.penalties().iter().map(|_| Charged::default()).collect(),
            budget: guarantee.slo().map(|_| Box::default()),
        }
    }

    pub(super) fn last(&self, slot: usize) -> Option<f64> {
        self.values.iter().find(|last| usize::from(last.slot) == slot).map(|last| last.value)
    }

    pub(super) fn keep(&mut self, slot: usize, value: f64, at: i64) {
        let Ok(slot) = u16::try_from(slot) else { return };
        match self.values.iter_mut().find(|last| last.slot == slot) {
            Some(last) if last.at <= at => *last = Last { slot, value, at },
            Some(_) => {}
            None => {
                self.values.reserve_exact(1);
                self.values.push(Last { slot, value, at });
            }
        }
    }

    pub(super) fn touch(&mut self, now: i64) {
        let (first, last) = self.judged.unwrap_or((now, now));
        self.judged = Some((first, last.max(now)));
    }
}
