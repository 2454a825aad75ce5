//! Percentiles within one percent, from counts of numbers in buckets whose borders grow by a constant factor (the idea of DDSketch,
//! Masson and others 2019). Counts are whole numbers, so that what was added can be taken away again without a trace.

/// The relative error.
const ERROR: f64 = 0.01;
/// The logarithm of the factor between borders, (1 + error) / (1 - error).
const STEP: f64 = 0.020_000_666_706_669_54;
/// Smaller sizes count as 0, greater ones as this: what lies beyond has a greater error, and memory has a bound.
const LEAST: f64 = 1e-9;
const GREATEST: f64 = 1e15;
/// Keeps the buckets of positive numbers above 0 and those of negative ones below.
const SHIFT: i32 = 2000;

/// How many numbers fell in each bucket, in the order of the buckets; buckets without numbers are not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sketch {
    buckets: Vec<(i32, u32)>,
}

impl Sketch {
    pub(crate) fn add(&mut self, number: f64) {
        self.change(bucket(number), |count| count.saturating_add(1));
    }

    /// Takes away what `other` has; it must have been added before.
    pub(crate) fn subtract(&mut self, other: &Self) {
        for (bucket, count) in &other.buckets {
            self.change(*bucket, |known| known.saturating_sub(*count));
        }
        self.buckets.retain(|(_, count)| *count > 0);
    }

    fn change(&mut self, bucket: i32, change: impl Fn(u32) -> u32) {
        match self.buckets.binary_search_by_key(&bucket, |(known, _)| *known) {
            Ok(at) => {
                if let Some((_, count)) = self.buckets.get_mut(at) {
                    *count = change(*count);
                }
            }
            Err(at) => self.buckets.insert(at, (bucket, change(0))),
        }
    }

    /// The number at this rank, counted from 1 in ascending order.
    pub(crate) fn at_rank(&self, rank: u64) -> Option<f64> {
        let mut seen = 0u64;
        let found = self.buckets.iter().find(|(_, count)| {
            seen += u64::from(*count);
            seen >= rank
        });
        found.map(|(bucket, _)| middle(*bucket))
    }
}

fn bucket(number: f64) -> i32 {
    let size = number.abs();
    if size < LEAST || number.is_nan() {
        return 0;
    }
    let place = (size.min(GREATEST).ln() / STEP).ceil() as i32 + SHIFT;
    if number < 0.0 { -place } else { place }
}

/// The number of a bucket that is nowhere further off than [`ERROR`].
fn middle(bucket: i32) -> f64 {
    if bucket == 0 {
        return 0.0;
    }
    let upper = (f64::from(bucket.abs() - SHIFT) * STEP).exp();
    (upper * (1.0 - ERROR)).copysign(f64::from(bucket))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_step_is_the_logarithm_of_the_factor() {
        assert!((((1.0 + ERROR) / (1.0 - ERROR)).ln() - STEP).abs() < 1e-15);
        assert!((LEAST.ln() / STEP).abs() < f64::from(SHIFT));
    }

    proptest! {
        #[test]
        fn a_number_is_known_within_one_percent(number in prop_oneof![-1e12..1e12f64, -1.0..1.0f64]) {
            let close = (middle(bucket(number)) - number).abs() <= number.abs() * ERROR * 1.000_001 + LEAST;
            prop_assert!(close, "{number} {}", middle(bucket(number)));
        }

        #[test]
        fn buckets_keep_the_order_of_numbers(a in -1e9..1e9f64, b in -1e9..1e9f64) {
            prop_assert!(bucket(a.min(b)) <= bucket(a.max(b)));
        }

        #[test]
        fn what_is_taken_away_leaves_no_trace(kept in proptest::collection::vec(-1e3..1e3f64, 0..50), gone in proptest::collection::vec(-1e3..1e3f64, 0..50)) {
            let (mut both, mut only, mut other) = (Sketch::default(), Sketch::default(), Sketch::default());
            kept.iter().for_each(|number| { both.add(*number); only.add(*number); });
            gone.iter().for_each(|number| { both.add(*number); other.add(*number); });
            both.subtract(&other);
            prop_assert_eq!(both, only);
        }
    }
}
