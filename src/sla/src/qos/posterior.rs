//! What so many good and bad runs say about the next one: the Beta distribution over a uniform prior.

/// Halvings of the interval that a quantile is looked for in: more than the digits of an `f64` can tell apart.
const HALVINGS: u32 = 50;

/// The posterior of the share of good runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posterior {
    /// Runs that kept every promise.
    pub good: u32,
    /// Runs that broke one.
    pub bad: u32,
}

impl Posterior {
    /// The expected share of good runs, from 0 to 1; a half where nothing is known.
    #[must_use]
    pub fn mean(self) -> f64 {
        f64::from(self.good + 1) / f64::from(self.good + self.bad + 2)
    }

    /// The share that is reached with this confidence, from 0 to 1: the true one is below it with the probability
    /// `1 - confidence`.
    #[must_use]
    pub fn lower_bound(self, confidence: f64) -> f64 {
        let wanted = 1.0 - confidence.clamp(0.0, 1.0);
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(low, high);
            if self.probability_below(middle) < wanted {
                low = middle;
            } else {
                high = middle;
            }
        }
        f64::midpoint(low, high)
    }

    /// How probable it is that the share is below `share`, between 0 and 1.
    ///
    /// For whole numbers the incomplete beta function is the tail of a binomial distribution: of `good + bad + 1` draws at most
    /// `bad` miss. In logarithms, because the single terms underflow.
    fn probability_below(self, share: f64) -> f64 {
        let draws = f64::from(self.good + self.bad + 1);
        let (hit, miss) = (share.ln(), (1.0 - share).ln());
        let mut ways = 0.0;
        let mut sum = 0.0;
        for misses in 0..=self.bad {
            let misses = f64::from(misses);
            if misses > 0.0 {
                ways += ((draws - misses + 1.0) / misses).ln();
            }
            sum += (ways + misses * miss + (draws - misses) * hit).exp();
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_mean_is_the_one_of_laplace() {
        assert!((Posterior { good: 9, bad: 31 }.mean() - 10.0 / 42.0).abs() < 1e-12);
        assert!((Posterior { good: 0, bad: 0 }.mean() - 0.5).abs() < 1e-12);
    }

    #[test]
    fn the_lower_bound_is_the_quantile_of_the_beta_distribution() {
        // Without a miss the distribution function is x^(n+1).
        let flawless = Posterior { good: 40, bad: 0 }.lower_bound(0.95);
        assert!((flawless - 0.05_f64.powf(1.0 / 41.0)).abs() < 1e-9, "{flawless}");
        // By symmetry the median of as many good as bad runs is a half.
        assert!((Posterior { good: 7, bad: 7 }.lower_bound(0.5) - 0.5).abs() < 1e-9);
        // Beta(2, 2) has the distribution function 3x^2 - 2x^3.
        let bound = Posterior { good: 1, bad: 1 }.lower_bound(0.9);
        assert!((3.0 * bound * bound - 2.0 * bound.powi(3) - 0.1).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn more_confidence_and_more_bad_runs_lower_the_bound_and_more_good_ones_raise_it(
            good in 0u32..1000, bad in 0u32..1000, confidence in 0.5f64..0.99,
        ) {
            let bound = Posterior { good, bad }.lower_bound(confidence);
            prop_assert!((0.0..=1.0).contains(&bound));
            let surer = Posterior { good, bad }.lower_bound(confidence + 0.005);
            let worse = Posterior { good, bad: bad + 1 }.lower_bound(confidence);
            let better = Posterior { good: good + 1, bad }.lower_bound(confidence);
            prop_assert!(surer <= bound + 1e-9 && worse <= bound + 1e-9 && better >= bound - 1e-9);
        }
    }
}
