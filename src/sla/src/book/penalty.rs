//! What a breach costs: once for each violation or once a window, and never more than the cap.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Book;
use crate::agreement::{Agreement, Guarantee, Penalty};
use crate::finding::{Finding, Key, PenaltyDue, Violation};
use crate::window::millis;

/// The periods of a cap that are remembered; what falls into an older one is not charged any more.
const MOST_PERIODS: usize = 16;
/// The charges remembered of one period; the oldest go first.
const MOST_CHARGES: usize = 4096;

/// What was charged of one penalty, by the number of the cap's period.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Charged {
    periods: BTreeMap<Option<i64>, Spent>,
}

/// What was charged in one period of the cap.
#[derive(Debug, Default, Clone, PartialEq)]
struct Spent {
    total: f64,
    /// What for: windows by their numbers, or violations by digests of their keys.
    known: BTreeSet<i64>,
    /// The same in the order of their charging.
    order: VecDeque<i64>,
    /// Windows up to this one are not charged any more.
    floor: Option<i64>,
}

impl Charged {
    /// The amount of a violation at this time; none if it or its window was charged, or the cap is reached.
    fn amount(&mut self, penalty: &Penalty, at: i64, violation: Key) -> Option<f64> {
        // Without cap or window each violation costs the same, and a second charge has the key of the first.
        if !penalty.is_counted() {
            return (penalty.value > 0.0).then_some(penalty.value);
        }
        let (spent, subject) = self.spent(penalty, at, violation)?;
        let left = penalty.cap.map_or(f64::INFINITY, |cap| cap - spent.total);
        let amount = penalty.value.min(left);
        if amount <= 0.0 {
            return None;
        }
        self.charge(penalty, subject, at, amount);
        Some(amount)
    }

    /// Notes what was charged before; false if it is known, or too old to matter.
    pub(super) fn restore(&mut self, penalty: &Penalty, at: i64, violation: Key, amount: f64) -> bool {
        let known = if penalty.is_counted() { self.spent(penalty, at, violation) } else { None };
        let Some((_, subject)) = known.filter(|_| amount > 0.0 && amount.is_finite()) else { return false };
        self.charge(penalty, subject, at, amount);
        true
    }

    fn charge(&mut self, penalty: &Penalty, subject: i64, at: i64, amount: f64) {
        let spent = self.periods.entry(penalty.period.map(|period| at.div_euclid(period))).or_default();
        spent.total += amount;
        spent.remember(subject, penalty.window.is_some());
        if self.periods.len() > MOST_PERIODS {
            self.periods.pop_first();
        }
    }

    /// What was spent in the period of the cap, and what a violation is charged for; none if it was charged.
    fn spent(&mut self, penalty: &Penalty, at: i64, violation: Key) -> Option<(&Spent, i64)> {
        let period = penalty.period.map(|period| at.div_euclid(period));
        let is_old =
            self.periods.len() >= MOST_PERIODS && self.periods.first_key_value().is_some_and(|(old, _)| period < *old);
        if is_old {
            return None;
        }
        let spent = self.periods.entry(period).or_default();
        let subject = penalty.window.map_or((violation.0 >> 64) as i64, |window| at.div_euclid(window));
        if spent.known.contains(&subject) || penalty.window.is_some() && Some(subject) <= spent.floor {
            return None;
        }
        Some((spent, subject))
    }
}

impl Spent {
    fn remember(&mut self, subject: i64, windows: bool) {
        self.known.insert(subject);
        if windows {
            if self.known.len() > MOST_CHARGES {
                self.floor = self.known.pop_first();
            }
            return;
        }
        self.order.push_back(subject);
        if self.order.len() > MOST_CHARGES
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

/// The penalties of a violation.
pub(super) fn charge(
    agreement: &Agreement,
    guarantee: &Guarantee,
    charged: &mut [Charged],
    violation: &Violation,
    out: &mut Vec<Finding>,
) {
    let at = millis(violation.datetime);
    for (place, (penalty, charged)) in guarantee.penalties().iter().zip(charged).enumerate() {
        let Some(amount) = charged.amount(penalty, at, violation.key) else { continue };
        let key = match penalty.window {
            Some(window) => {
                let end = i128::from((at.div_euclid(window) + 1) * window);
                Book::key(agreement, guarantee, "penalty", &place.to_string(), end)
            }
            None => Key::of(&[b"penalty", &violation.key.0.to_be_bytes(), &place.to_be_bytes()]),
        };
        out.push(Finding::Penalty(PenaltyDue {
            key,
            agreement: agreement.id.clone(),
            guarantee: guarantee.name.clone(),
            datetime: violation.datetime,
            kind: penalty.kind.clone(),
            value: penalty.value,
            unit: penalty.unit.clone(),
            per_window: penalty.window.is_some(),
            amount,
            violation: violation.key,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn penalty(window: Option<i64>, cap: Option<f64>, period: Option<i64>) -> Penalty {
        Penalty { kind: "discount".into(), value: 10.0, unit: "%".into(), window, cap, period }
    }

    #[test]
    fn the_last_amount_is_what_is_left_below_the_cap_until_its_period_is_over() {
        let (penalty, mut charged) = (penalty(None, Some(25.0), Some(100)), Charged::default());
        let mut amount = |at: i64| charged.amount(&penalty, at, Key::of(&[&at.to_be_bytes()]));
        let amounts: Vec<_> = [0, 1, 2, 3, 99, 100].into_iter().map(&mut amount).collect();
        assert_eq!(amounts, [Some(10.0), Some(10.0), Some(5.0), None, None, Some(10.0)]);
        // What comes late for an older period counts there.
        assert_eq!([98, 101, 102].map(amount), [None, Some(10.0), Some(5.0)]);
    }

    #[test]
    fn a_violation_that_is_found_again_costs_nothing_more() {
        let (penalty, mut charged) = (penalty(None, Some(25.0), None), Charged::default());
        let amounts: Vec<_> =
            [1, 1, 2, 1, 3].map(|key: u8| charged.amount(&penalty, 0, Key::of(&[&[key]]))).into_iter().collect();
        assert_eq!(amounts, [Some(10.0), None, Some(10.0), None, Some(5.0)]);
    }

    #[test]
    fn a_window_is_charged_although_a_later_one_was_and_memory_has_a_bound() {
        let (penalty, mut charged) = (penalty(Some(60), None, None), Charged::default());
        assert_eq!(
            [130, 70, 71, 131].map(|at| charged.amount(&penalty, at, Key(0))),
            [Some(10.0), Some(10.0), None, None]
        );
        for at in 0..10_000 {
            charged.amount(&penalty, at * 60, Key(0));
        }
        assert_eq!(charged.periods.values().map(|spent| spent.known.len()).sum::<usize>(), MOST_CHARGES);
        assert_eq!(charged.amount(&penalty, 0, Key(0)), None);
    }

    proptest! {
        #[test]
        fn a_window_is_charged_once_and_a_cap_is_never_passed(times in proptest::collection::vec(0i64..10_000, 1..100)) {
            let (once, mut charged) = (penalty(Some(1000), None, None), Charged::default());
            let count = times.iter().filter(|at| charged.amount(&once, **at, Key(0)).is_some()).count();
            let windows: std::collections::BTreeSet<_> = times.iter().map(|at| at / 1000).collect();
            prop_assert_eq!(count, windows.len());
            let (capped, mut charged) = (penalty(None, Some(33.0), None), Charged::default());
            let key = |at: i64| Key::of(&[&at.to_be_bytes()]);
            let total: f64 = times.iter().filter_map(|at| charged.amount(&capped, *at, key(*at))).sum();
            prop_assert!(total <= 33.0 + 1e-9);
        }
    }
}
