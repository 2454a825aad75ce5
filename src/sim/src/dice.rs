//! Chance: one seed, split into independent streams by purpose, so that more draws for one do not change another.

use std::time::Duration;

use mf2c_domain::entropy::Entropy;
use parking_lot::Mutex;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use xxhash_rust::xxh3::Xxh3Default;

/// A stream of chance.
#[derive(Debug, Clone)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream of `purpose` and `number` of a run.
    #[must_use]
    pub fn new(seed: u64, purpose: &str, number: u64) -> Self {
        let mut key = [0; 32];
        for (at, part) in key.chunks_exact_mut(8).enumerate() {
            let mut hash = Xxh3Default::new();
            hash.update(&(at as u64).to_le_bytes());
            hash.update(&seed.to_le_bytes());
            hash.update(purpose.as_bytes());
            hash.update(&number.to_le_bytes());
            part.copy_from_slice(&hash.digest().to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// A number below `end`; 0 where `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        // The upper half of the product: the bias is below one in 2^32 for what is drawn here.
        ((u128::from(self.0.next_u64()) * u128::from(end)) >> 64) as u64
    }

    /// An index into something of this length.
    pub fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    /// From 0 up to 1, without 1.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Whether something of this probability happens.
    pub fn hits(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.unit() < probability
    }

    /// A duration between two, in whole milliseconds.
    pub fn between(&mut self, from: Duration, to: Duration) -> Duration {
        let (from, to) = (from.as_millis() as u64, to.as_millis() as u64);
        Duration::from_millis(from + self.below(to.saturating_sub(from) + 1))
    }

    /// The pause to the next of events that come on average every `mean`, at most ten times that.
    pub fn pause(&mut self, mean: Duration) -> Duration {
        mean.mul_f64((-(1.0 - self.unit()).ln()).min(10.0))
    }

    /// Random bytes.
    pub fn fill(&mut self, buffer: &mut [u8]) {
        self.0.fill_bytes(buffer);
    }
}

/// The randomness of one agent.
pub struct SeededEntropy(Mutex<Dice>);

impl SeededEntropy {
    /// Draws from this stream.
    #[must_use]
    pub fn new(dice: Dice) -> Self {
        Self(Mutex::new(dice))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        self.0.lock().fill(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ_by_seed_purpose_and_number() {
        let first = |seed, purpose, number| Dice::new(seed, purpose, number).below(u64::MAX);
        assert_eq!(first(1, "load", 2), first(1, "load", 2));
        for other in [first(2, "load", 2), first(1, "faults", 2), first(1, "load", 3)] {
            assert_ne!(first(1, "load", 2), other);
        }
    }

    #[test]
    fn draws_stay_within_their_bounds() {
        let mut dice = Dice::new(7, "test", 0);
        for _ in 0..1000 {
            assert!(dice.below(3) < 3);
            assert!((0.0..1.0).contains(&dice.unit()));
            let between = dice.between(Duration::from_millis(5), Duration::from_millis(9));
            assert!((5..=9).contains(&between.as_millis()));
        }
        assert_eq!(dice.below(0), 0);
        assert!(!dice.hits(0.0));
    }
}
