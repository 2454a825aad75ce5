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
