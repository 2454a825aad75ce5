//! How many agents an instance needs to keep a promise about the length of its operations (`spec` 3.8). The answer is about that
//! instance: the service in the catalogue is shared by all, and stays as it is.

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

/// What an instance should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enforcement {
    /// As many agents as it has.
    Enough,
    /// More: operations are expected to take too long.
    More(usize),
    /// Fewer: operations are expected to end in time.
    Fewer(usize),
}

impl Enforcement {
    /// How many agents that is for an instance that has so many.
    #[must_use]
    pub fn agents(self, now: usize) -> usize {
        match self {
            Self::Enough => now,
            Self::More(agents) | Self::Fewer(agents) => agents,
        }
    }
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

/// How many agents an instance with `agents` of them should have where an operation is expected to take so many seconds: twice as
/// many where that is above the limit, half as many where it is not, and always 1 to [`MOST_AGENTS`]. An instance that has as many
/// as that already is let alone.
#[must_use]
pub fn agents_wanted(expected: f64, limit: &Limit, agents: usize) -> Enforcement {
    if agents == 0 || agents >= MOST_AGENTS || !expected.is_finite() {
        return Enforcement::Enough;
    }
    if expected > limit.seconds {
        return Enforcement::More((2 * agents).min(MOST_AGENTS));
    }
    match (agents / 2).max(1) {
        half if half < agents => Enforcement::Fewer(half),
        _ => Enforcement::Enough,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Grammar;

    fn of(constraint: &str) -> Option<f64> {
        let compiled = Expression::constraint(constraint, Grammar::Extended).unwrap();
        limit("main", &compiled).map(|limit| limit.seconds)
    }

    fn wanted(expected: f64, constraint: &str, agents: usize) -> usize {
        let limit = Limit { guarantee: "main".to_owned(), seconds: of(constraint).unwrap() };
        agents_wanted(expected, &limit, agents).agents(agents)
    }

    #[test]
    fn the_vectors_of_the_original_hold_but_for_its_reading_of_digits() {
        assert_eq!(wanted(60.0, "execution_time < 5", 2), 4, "F1");
        assert_eq!(wanted(5.0, "execution_time < 5", 2), 1, "F2");
        assert_eq!(wanted(60.0, "execution_time < 10.0", 2), 4, "F3: the original gave up on the dot");
        assert!(governs("*", None, "main"), "F4: the original knew no `*`");
        assert_eq!(wanted(60.0, "execution_time < 5", 16), 16, "F5");
        assert_eq!(wanted(5.0, "execution_time < 5", 1), 1, "F6");
        assert_eq!(wanted(60.0, "execution_time < 5", 12), 16, "never more than sixteen");
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
        let limit = Limit { guarantee: "g".to_owned(), seconds: 5.0 };
        assert_eq!(agents_wanted(f64::NAN, &limit, 2), Enforcement::Enough);
        assert_eq!(agents_wanted(60.0, &limit, 0), Enforcement::Enough);
    }
}
