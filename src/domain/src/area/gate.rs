//! How many datagrams of others are looked at: so few that a flood costs nothing worth mentioning (vector D4).
//!
//! In all 64 in a quarter of a second, and of one address 32 in a second. What is more is dropped unread; when the quarter is
//! used up, nothing is taken from the socket until the next one begins, so that the system drops it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// How long a budget holds.
pub const WINDOW: Duration = Duration::from_millis(250);
/// Datagrams in one window.
pub const IN_ALL: u32 = 64;
/// Datagrams of one source in four windows.
pub const OF_A_SOURCE: u32 = 32;
/// Windows of one source's budget.
const WINDOWS: u64 = 4;
/// The most sources that are told apart.
const SOURCES: usize = 256;

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    window: u64,
    taken: u32,
    sources: BTreeMap<IpAddr, u32>,
}

impl Gate {
    /// Whether a datagram that came from a source is looked at. Times are those of [`crate::time::Clock::elapsed`].
    pub fn admit(&mut self, source: IpAddr, now: Duration) -> bool {
        self.turn(now);
        if self.taken >= IN_ALL {
            return false;
        }
        self.taken += 1;
        if self.sources.len() >= SOURCES && !self.sources.contains_key(&source) {
            return false;
        }
        let of_source = self.sources.entry(source).or_default();
        *of_source += 1;
        *of_source <= OF_A_SOURCE
    }

    /// How long nothing more is to be taken; none: not at all.
    pub fn rest(&mut self, now: Duration) -> Option<Duration> {
        self.turn(now);
        let next = WINDOW * u32::try_from(self.window + 1).unwrap_or(u32::MAX);
        (self.taken >= IN_ALL).then(|| next.saturating_sub(now))
    }

    fn turn(&mut self, now: Duration) {
        let window = u64::try_from(now.as_millis() / WINDOW.as_millis()).unwrap_or(u64::MAX);
        if window != self.window {
            if window / WINDOWS != self.window / WINDOWS {
                self.sources.clear();
            }
            (self.window, self.taken) = (window, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    #[test]
    fn d4_of_a_flood_a_fixed_number_is_looked_at_and_then_nothing_until_the_next_window() {
        let mut gate = Gate::default();
        let mut seen = 0;
        for tenth_of_millis in 0..10_000u64 {
            let now = Duration::from_micros(tenth_of_millis * 100);
            if gate.rest(now).is_none() {
                seen += u32::from(gate.admit(source(u8::try_from(tenth_of_millis % 200).unwrap()), now));
            }
        }
        assert_eq!(seen, 4 * IN_ALL);
        let now = Duration::from_millis(1001);
        assert_eq!(gate.rest(now), None);
        assert!((0..IN_ALL).filter(|_| gate.admit(source(1), now)).count() > 0);
        assert_eq!(gate.rest(now), Some(Duration::from_millis(249)));
    }

    #[test]
    fn a_loud_source_uses_up_its_share_in_a_second() {
        let mut gate = Gate::default();
        let heard = (0..100u64).filter(|number| gate.admit(source(1), Duration::from_millis(number * 10))).count();
        assert_eq!(heard, 32);
        assert!(gate.admit(source(2), Duration::from_millis(999)) && gate.admit(source(1), Duration::from_secs(1)));
    }
}
