//! What a breach costs: once for each violation or once a window, and never more than the cap.

use super::Book;
use crate::agreement::{Agreement, Guarantee, Penalty};
use crate::finding::{Finding, Key, PenaltyDue, Violation};
use crate::window::millis;

/// What was charged of one penalty.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Charged {
    /// The number of the last window that was charged.
    window: Option<i64>,
    /// The number of the cap's period, and what was charged in it.
    period: Option<i64>,
    total: f64,
}

impl Charged {
    /// The amount of a violation at this time; none if its window was charged, or the cap is reached.
    fn amount(&mut self, penalty: &Penalty, at: i64) -> Option<f64> {
        let window = penalty.window.map(|window| at.div_euclid(window));
        if window.is_some() && window <= self.window {
            return None;
        }
        let period = penalty.period.map(|period| at.div_euclid(period));
        if period > self.period {
            (self.period, self.total) = (period, 0.0);
        }
        let left = penalty.cap.map_or(f64::INFINITY, |cap| cap - self.total);
        let amount = penalty.value.min(left);
        if amount <= 0.0 {
            return None;
        }
        self.window = window;
        self.total += amount;
        Some(amount)
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
        let Some(amount) = charged.amount(penalty, at) else { continue };
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
        let amounts: Vec<_> = [0, 1, 2, 3, 99, 100].into_iter().map(|at| charged.amount(&penalty, at)).collect();
        assert_eq!(amounts, [Some(10.0), Some(10.0), Some(5.0), None, None, Some(10.0)]);
    }

    proptest! {
        #[test]
        fn a_window_is_charged_once_and_a_cap_is_never_passed(mut times in proptest::collection::vec(0i64..10_000, 1..100)) {
            times.sort_unstable();
            let (once, mut charged) = (penalty(Some(1000), None, None), Charged::default());
            let count = times.iter().filter(|at| charged.amount(&once, **at).is_some()).count();
            let windows: std::collections::BTreeSet<_> = times.iter().map(|at| at / 1000).collect();
            prop_assert_eq!(count, windows.len());
            let (capped, mut charged) = (penalty(None, Some(33.0), None), Charged::default());
            let total: f64 = times.iter().filter_map(|at| charged.amount(&capped, *at)).sum();
            prop_assert!(total <= 33.0 + 1e-9);
        }
    }
}
