//! `Histogram`: how values are spread, counted without locks.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts values by bounds that are given once. Any thread may add a value; a reader sees each bucket as it is at that
/// moment, so the parts of one reading may be a few values apart.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One for each bound, and one for what lies above the last.
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// A reading of a histogram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spread {
    /// The upper bounds, each included in its bucket.
    pub bounds: &'static [u64],
    /// Values in each bucket alone; the last one holds those above every bound.
    pub counts: Vec<u64>,
    /// The sum of all values.
    pub sum: u64,
}

impl Histogram {
    /// An empty one. `bounds` rise.
    #[must_use]
    pub fn new(bounds: &'static [u64]) -> Self {
        Self { bounds, buckets: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(), sum: AtomicU64::new(0) }
    }

    /// Counts a value.
    pub fn add(&self, value: u64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        if let Some(bucket) = self.buckets.get(at) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// What has been counted so far.
    #[must_use]
    pub fn read(&self) -> Spread {
        Spread {
            bounds: self.bounds,
            counts: self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect(),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

impl Spread {
    /// Takes in what another histogram with the same bounds has counted.
    pub fn join(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.sum = self.sum.wrapping_add(other.sum);
    }

    /// How many values there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_is_counted_below_it_and_a_large_one_in_the_last_bucket() {
        let histogram = Histogram::new(&[10, 20]);
        for value in [0, 10, 11, 20, 21, 1000] {
            histogram.add(value);
        }
        let mut read = histogram.read();
        assert_eq!((read.counts.as_slice(), read.sum, read.count()), ([2, 2, 2].as_slice(), 1062, 6));
        read.join(&histogram.read());
        assert_eq!((read.count(), read.sum), (12, 2124));
    }
}
