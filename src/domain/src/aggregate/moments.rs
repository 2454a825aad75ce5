//! Sums, extremes and spread of numbers.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::{Algorithm, json_number};
use crate::scalar::Number;

/// What is known of the numbers so far.
#[derive(Debug, Default)]
pub(super) struct Moments {
    count: u64,
    min: Option<Number>,
    max: Option<Number>,
    /// The whole numbers, summed without rounding.
    whole: i128,
    /// The others.
    rest: f64,
    /// Mean and sum of squared distances from it, kept by Welford's method, which does not cancel digits.
    mean: f64,
    squared_distances: f64,
    squares: f64,
}

impl Moments {
    pub(super) fn add(&mut self, number: Number) {
        self.count += 1;
        if self.min.is_none_or(|min| number.compare(min) == Some(Ordering::Less)) {
            self.min = Some(number);
        }
        if self.max.is_none_or(|max| number.compare(max) == Some(Ordering::Greater)) {
            self.max = Some(number);
        }
        match number {
            Number::Int(value) => self.whole += i128::from(value),
            Number::Float(value) => self.rest += value,
        }
        let value = number.as_f64();
        let distance = value - self.mean;
        self.mean += distance / self.count as f64;
        self.squared_distances += distance * (value - self.mean);
        self.squares += value * value;
    }

    pub(super) fn finish(&self, algorithm: Algorithm) -> Value {
        match algorithm {
            Algorithm::Min => json!({ "value": shown(self.min) }),
            Algorithm::Max => json!({ "value": shown(self.max) }),
            Algorithm::Sum => json!({ "value": self.sum() }),
            Algorithm::Avg => json!({ "value": self.average() }),
            Algorithm::ExtendedStats => self.extended(),
            _ => self.stats(),
        }
    }

    fn stats(&self) -> Value {
        json!({
            "count": self.count,
            "min": shown(self.min),
            "max": shown(self.max),
            "avg": self.average(),
            "sum": self.sum(),
        })
    }

    /// The variance is that of the numbers themselves, not an estimate from a sample; the bounds are two deviations off.
    fn extended(&self) -> Value {
        let mut stats = self.stats();
        let variance = self.squared_distances / self.count as f64;
        let deviation = variance.sqrt();
        stats["sum_of_squares"] = json_number(self.squares);
        stats["variance"] = json_number(variance);
        stats["std_deviation"] = json_number(deviation);
        stats["std_deviation_bounds"] = json!({
            "upper": json_number(self.mean + 2.0 * deviation),
            "lower": json_number(self.mean - 2.0 * deviation),
        });
        stats
    }

    fn sum(&self) -> Value {
        match i64::try_from(self.whole) {
            Ok(whole) if self.rest == 0.0 => json!(whole),
            _ => json_number(self.whole as f64 + self.rest),
        }
    }

    fn average(&self) -> Value {
        // Nothing divided by nothing is no number, which JSON writes as null.
        json_number((self.whole as f64 + self.rest) / self.count as f64)
    }
}

fn shown(number: Option<Number>) -> Value {
    match number {
        Some(Number::Int(value)) => json!(value),
        Some(Number::Float(value)) => json_number(value),
        None => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(numbers: &[Number]) -> Moments {
        let mut moments = Moments::default();
        numbers.iter().for_each(|number| moments.add(*number));
        moments
    }

    #[test]
    fn large_whole_numbers_are_summed_without_rounding() {
        let numbers = [
            Number::Int(i64::MAX),
            Number::Int(-1),
            Number::Int(9_007_199_254_740_993),
            Number::Int(-9_007_199_254_740_993),
        ];
        assert_eq!(moments(&numbers).finish(Algorithm::Sum), json!({ "value": i64::MAX - 1 }));
        assert_eq!(moments(&numbers).finish(Algorithm::Max), json!({ "value": i64::MAX }));
    }

    #[test]
    fn the_spread_is_exact_far_from_zero() {
        let numbers = [4, 7, 13, 16].map(|n| Number::Float(1e9 + f64::from(n)));
        let stats = moments(&numbers).finish(Algorithm::ExtendedStats);
        assert_eq!(stats["variance"], json!(22.5));
        assert_eq!(stats["std_deviation"], json!(22.5f64.sqrt()));
        let small = moments(&[Number::Int(1), Number::Int(3)]).finish(Algorithm::ExtendedStats);
        assert_eq!(small["std_deviation_bounds"], json!({"upper": 4, "lower": 0}));
        assert_eq!((&small["sum_of_squares"], &small["variance"]), (&json!(10), &json!(1)));
    }

    #[test]
    fn nothing_has_no_spread() {
        let stats = moments(&[]).finish(Algorithm::ExtendedStats);
        assert_eq!((&stats["count"], &stats["sum"], &stats["variance"]), (&json!(0), &json!(0), &Value::Null));
        assert_eq!(stats["std_deviation_bounds"]["upper"], Value::Null);
    }
}
