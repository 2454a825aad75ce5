//! When a certificate is renewed, and how long to wait after an attempt that failed.

use std::time::Duration;

use crate::entropy::Entropy;
use crate::time::Timestamp;

/// The first pause between attempts; it doubles from one to the next.
pub const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// How long after its end a certificate may still be renewed, where the authority allows it at all.
pub const GRACE: Duration = Duration::from_secs(7 * 24 * 3600);

/// When to renew a certificate: at two thirds of its life, moved by up to a tenth of it either way, so that agents that
/// were admitted together do not come back together.
#[must_use]
pub fn renew_at(from: Timestamp, until: Timestamp, entropy: &dyn Entropy) -> Timestamp {
    let life = (until.nanos() - from.nanos()).max(0);
    // In millionths, so that nothing is lost to floating point.
    let moved = i128::from(below(entropy, 200_001)) - 100_000;
    let share = 666_667 + moved;
    Timestamp::from_nanos(from.nanos() + life / 1_000_000 * share)
}

/// How long to wait after so many failed attempts in a row: a random time up to 5 s, 10 s, 20 s … 5 min, and at least a
/// tenth of it, so that a thousand agents whose certificates expired do not knock at once, and none knocks without pause.
#[must_use]
pub fn pause_after(failures: u32, entropy: &dyn Entropy) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16));
    let most = u64::try_from(doubled.min(LONGEST_PAUSE).as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis((most / 10).max(below(entropy, most + 1)))
}

/// A random number below `bound`.
fn below(entropy: &dyn Entropy, bound: u64) -> u64 {
    let mut bytes = [0; 8];
    entropy.fill(&mut bytes);
    // The bias is under one in 2^40 for the bounds of this file.
    u64::from_le_bytes(bytes) % bound.max(1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicU64, Ordering};

    use proptest::prelude::*;

    use super::*;

    /// SplitMix64: a fair generator from a seed.
    struct Seeded(AtomicU64);

    impl Entropy for Seeded {
        fn fill(&self, buffer: &mut [u8]) {
            for part in buffer.chunks_mut(8) {
                let state = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
                let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
                part.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes()[..part.len()]);
            }
        }
    }

    fn seeded(seed: u64) -> Seeded {
        Seeded(seed.into())
    }

    const DAY: i64 = 86_400_000;

    #[test]
    fn of_a_thousand_agents_admitted_together_no_second_sees_more_than_three_in_a_hundred() {
        let entropy = seeded(7);
        let from = Timestamp::from_millis(1_700_000_000_000);
        let until = Timestamp::from_millis(1_700_000_000_000 + DAY);
        let mut seconds = BTreeMap::<u64, u32>::new();
        for _ in 0..1000 {
            *seconds.entry(renew_at(from, until, &entropy).millis() / 1000).or_default() += 1;
        }
        assert!(seconds.values().all(|agents| *agents <= 30));
        // Spread over nearly all of the fifth of the day that is there for it.
        let (first, last) = (seconds.keys().next().unwrap(), seconds.keys().last().unwrap());
        assert!(last - first > 16_000, "{first}..{last}");
    }

    #[test]
    fn of_a_thousand_agents_that_failed_together_at_most_three_in_a_hundred_come_back_in_one_second() {
        let entropy = seeded(11);
        let mut seconds = BTreeMap::<u64, u32>::new();
        for _ in 0..1000 {
            *seconds.entry(pause_after(10, &entropy).as_secs()).or_default() += 1;
        }
        // The least pause gathers those that would come back at once.
        let most = seconds.iter().filter(|(second, _)| **second > 30).map(|(_, agents)| *agents).max();
        assert!(most.unwrap() <= 30);
    }

    #[test]
    fn a_certificate_without_life_is_renewed_at_once() {
        let now = Timestamp::from_millis(5);
        assert_eq!(renew_at(now, now, &seeded(1)), now);
        assert_eq!(renew_at(now, Timestamp::from_millis(4), &seeded(1)), now);
    }

    proptest! {
        #[test]
        fn a_renewal_is_at_two_thirds_of_the_life_give_or_take_a_tenth(
            seed: u64, from in 0..4_000_000_000_000_i64, life in 1000..800 * DAY,
        ) {
            let start = Timestamp::from_millis(from);
            let at = renew_at(start, Timestamp::from_millis(from + life), &seeded(seed)).nanos() - start.nanos();
            let life = i128::from(life) * 1_000_000;
            prop_assert!(at >= life * 566 / 1000 && at <= life * 767 / 1000, "{at} of {life}");
        }

        #[test]
        fn a_pause_is_never_long_and_never_nothing(seed: u64, failures: u32) {
            let pause = pause_after(failures, &seeded(seed));
            let most = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(6)).min(LONGEST_PAUSE);
            prop_assert!(pause <= most && pause >= most / 10, "{pause:?} of {most:?}");
        }
    }
}
