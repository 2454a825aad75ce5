//! How many agents an instance needs to keep a promise about the length of its operations (`spec` 3.8). The answer is about that
//! instance: the service in the catalogue is shared by all, and stays as it is.

use std::time::Duration;

use mf2c_domain::time::Timestamp;

use crate::expression::{Bound, Expression};

/// No instance is spread over more agents than this (the original's bound).
pub const MOST_AGENTS: usize = 16;
/// The variable that constraints call the length of an operation.
const LENGTH: &str = "execution_time";

/// The longest that an operation may take by one guarantee.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// The name of the guarantee.
    pub guarantee: String,
    /// How long, in seconds.
    pub seconds: f64,
}

/// Whether a guarantee is about an operation: by its scope, with `*` for any part of a name, else by its own name or `*`.
#[must_use]
pub fn governs(name: &str, scope: Option<&str>, operation: &str) -> bool {
    match scope.filter(|scope| !scope.is_empty()) {
        Some(pattern) => matches(pattern, operation),
        None => name == "*" || name == operation,
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let Some(last) = parts.pop() else { return true };
    for part in parts {
        let Some((_, behind)) = left.split_once(part) else { return false };
        left = behind;
    }
    left.ends_with(last)
}

/// The bound that a constraint sets to the length of operations from above, if it is as simple as that.
#[must_use]
pub fn limit(guarantee: &str, constraint: &Expression) -> Option<Limit> {
    let threshold = constraint.threshold(LENGTH).filter(|threshold| threshold.bound == Bound::Upper)?;
    (threshold.value > 0.0).then(|| Limit { guarantee: guarantee.to_owned(), seconds: threshold.value })
}

/// An instance at the moment of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crew {
    /// How many agents run it.
    pub has: usize,
    /// How many it was said to need, if anything was said.
    pub said: Option<usize>,
}

/// How the operations of one instance have kept their limits so far.
///
/// More agents are asked for at once, fewer only when all operations of some time would have been in time with half as many too, which
/// take twice as long at the most. Without that a load that is right for two agents would be too much for one and too little for two,
/// for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Steadiness {
    /// When an operation was expected to take too long for the last time.
    strained: Option<Timestamp>,
    /// Since when half as many agents would do, and half of how many: each halving is waited for anew.
    easy: Option<(Timestamp, usize)>,
}

impl Steadiness {
    /// How many agents an instance should have where an operation is expected to take so many seconds: twice as many where that is above
    /// the limit; half as many where they would have done for `hold`; else as many as it has. Always 1 to [`MOST_AGENTS`]. An
    /// instance that has as many as that already is let alone.
    pub fn wanted(&mut self, expected: f64, limit: &Limit, crew: Crew, hold: Duration, now: Timestamp) -> usize {
        let Crew { has, said } = crew;
        let said = said.unwrap_or(has);
        if has == 0 || has >= MOST_AGENTS || !expected.is_finite() {
            return said;
        }
        if expected > limit.seconds {
            (self.strained, self.easy) = (Some(now), None);
            return said.max((2 * has).min(MOST_AGENTS));
        }
        let half = (has / 2).max(1);
        let would_do = half < has && expected * has as f64 <= limit.seconds * half as f64;
        // A clock that was set back must not make it wait for the old time.
        let easy = self.easy.filter(|(_, of)| *of == has).map_or(now, |(since, _)| since.min(now));
        self.easy = would_do.then_some((easy, has));
        self.strained = self.strained.map(|strained| strained.min(now));
        let held = |since: Timestamp| now.nanos().saturating_sub(since.nanos()) >= hold.as_nanos().cast_signed();
        let wanted = if self.easy.is_some_and(|(since, _)| held(since)) { half } else { has };
        if wanted >= said || self.strained.is_none_or(held) { wanted } else { said }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::expression::Grammar;

    fn of(constraint: &str) -> Option<f64> {
        let compiled = Expression::constraint(constraint, Grammar::Extended).unwrap();
        limit("main", &compiled).map(|limit| limit.seconds)
    }

    const HOLD: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + i64::try_from(seconds).unwrap() * 1000)
    }

    /// What is wanted after reports that say the same for so many seconds, one each second.
    fn wanted(expected: f64, constraint: &str, has: usize, seconds: u64) -> usize {
        let limit = Limit { guarantee: "main".to_owned(), seconds: of(constraint).unwrap() };
        let (mut steadiness, mut said) = (Steadiness::default(), None);
        for second in 0..=seconds {
            said = Some(steadiness.wanted(expected, &limit, Crew { has, said }, HOLD, at(second)));
        }
        said.unwrap()
    }

    #[test]
    fn the_vectors_of_the_original_hold_but_for_its_reading_of_digits_and_its_haste() {
        for (vector, expected, constraint, has, seconds, want) in [
            ("F1", 60.0, "execution_time < 5", 2, 0, 4),
            (
                "F2 [N]: the original halved at once, and doubled at the next report",
                5.0,
                "execution_time < 5",
                2,
                600,
                2,
            ),
            ("F2 [N]: not before it has held", 2.5, "execution_time < 5", 2, 59, 2),
            ("F2 [N]: half as many would do", 2.5, "execution_time < 5", 2, 60, 1),
            ("F3 [N]: the original gave up on the dot", 60.0, "execution_time < 10.0", 2, 0, 4),
            ("F5", 60.0, "execution_time < 5", 16, 600, 16),
            ("F6", 5.0, "execution_time < 5", 1, 600, 1),
            ("never more than sixteen", 60.0, "execution_time < 5", 12, 0, 16),
            ("a third of three", 2.5, "execution_time < 5", 3, 600, 3),
        ] {
            assert_eq!(wanted(expected, constraint, has, seconds), want, "{vector}");
        }
        assert!(governs("*", None, "main"), "F4 [N]: the original knew no `*`");
    }

    #[test]
    fn what_was_asked_for_is_taken_back_only_when_no_operation_was_too_long_for_a_while() {
        let limit = Limit { guarantee: "main".to_owned(), seconds: 5.0 };
        let mut steadiness = Steadiness::default();
        let mut say = |expected: f64, said: usize, second: u64| {
            steadiness.wanted(expected, &limit, Crew { has: 2, said: Some(said) }, HOLD, at(second))
        };
        assert_eq!(say(60.0, 2, 0), 4);
        assert_eq!(say(4.0, 4, 30), 4, "it was too long half a minute ago");
        assert_eq!(say(4.0, 4, 61), 2, "it has as many as it needs");
        assert_eq!(say(1.0, 2, 100), 2);
        assert_eq!(say(1.0, 2, 160), 1);
        assert_eq!(say(4.0, 1, 161), 2, "more at once");
        assert_eq!(say(1.0, 2, 10), 2, "the clock was set back");
        assert_eq!(say(1.0, 2, 70), 1);
    }

    #[test]
    fn each_halving_is_waited_for_anew() {
        let limit = Limit { guarantee: "main".to_owned(), seconds: 5.0 };
        let mut steadiness = Steadiness::default();
        let mut say =
            |has: usize, second: u64| steadiness.wanted(0.0, &limit, Crew { has, said: Some(has) }, HOLD, at(second));
        assert_eq!([say(8, 0), say(8, 59), say(8, 60)], [8, 8, 4]);
        assert_eq!([say(4, 61), say(4, 120), say(4, 121)], [4, 4, 2]);
    }

    proptest! {
        /// Operations of several kinds, each with a part that more agents share and one that they do not, come again and again within the
        /// hold; the instance has what it is said to need, or it never changes.
        #[test]
        fn a_constant_load_never_makes_it_alternate(
            kinds in prop::collection::vec((0.0..20.0_f64, 0.0..100.0_f64), 1..5),
            limit in 0.5..50.0_f64, start in 1..16_usize, gap in 1..15_u64, follows: bool,
        ) {
            let limit = Limit { guarantee: "main".to_owned(), seconds: limit };
            let (mut steadiness, mut has, mut said) = (Steadiness::default(), start, None);
            let mut turns = 0;
            let mut rose: Option<bool> = None;
            for (number, second) in (0..2000_u64).map(|second| second * gap).enumerate() {
                let (alone, shared) = kinds[number % kinds.len()];
                let expected = alone + shared / has as f64;
                let before = said.unwrap_or(has);
                let now = steadiness.wanted(expected, &limit, Crew { has, said }, HOLD, at(second));
                if now != before {
                    turns += u32::from(rose.is_some_and(|rose| rose != (now > before)));
                    rose = Some(now > before);
                }
                said = Some(now);
                if follows {
                    has = now;
                }
            }
            prop_assert_eq!(turns, 0);
        }
    }

    #[test]
    fn only_a_bound_from_above_on_the_length_is_a_limit() {
        assert_eq!(of("execution_time < 5 && a1 > 3"), Some(5.0));
        assert_eq!(of("10 >= execution_time"), Some(10.0));
        for other in ["execution_time > 5", "a1 < 5", "execution_time < 5 || a1 > 3", "execution_time < -1"] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn a_guarantee_governs_by_name_by_star_or_by_scope() {
        assert!(governs("main", None, "main") && !governs("main", None, "other"));
        assert!(governs("label", Some("es.bsc.*"), "es.bsc.Test.main"));
        assert!(!governs("main", Some("es.bsc.*"), "main"), "with a scope the name is a label");
        assert!(governs("x", Some("a*b*c"), "a1b2c") && !governs("x", Some("a*b*c"), "a1c2b"));
        assert!(governs("x", Some("a"), "a") && !governs("x", Some("a*a"), "a"));
    }

    #[test]
    fn a_length_that_is_no_number_changes_nothing() {
        assert_eq!(wanted(f64::NAN, "execution_time < 5", 2, 600), 2);
        assert_eq!(wanted(60.0, "execution_time < 5", 0, 0), 0);
    }
}
