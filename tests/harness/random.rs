//! Chance for tests, from a seed that a failing test can print.

use std::hash::{BuildHasher as _, RandomState};

/// Numbers by `splitmix64`: good enough to choose moments and actions.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// From a seed that nobody has chosen.
    #[must_use]
    pub fn new() -> Self {
        Self(RandomState::new().hash_one("seed"))
    }

    /// From this seed.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    /// What [`Random::from_seed`] takes to repeat what follows.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.0
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }
}

impl Default for Random {
    fn default() -> Self {
        Self::new()
    }
}
