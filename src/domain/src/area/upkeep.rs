//! What an agent does about its own certificate, and when.
//!
//! When a certificate ends is a question for the wall clock, which may jump. How long to wait after a failure is one for
//! the clock that never does: no jump makes agents knock without pause.

use std::time::Duration;

use super::renewal::{LONGEST_PAUSE, pause_after, renew_at};
use crate::entropy::Entropy;
use crate::time::Timestamp;

/// The longest time between two looks at the clock.
pub const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How far authorities date certificates back.
const BACKDATED: Duration = Duration::from_secs(300);
/// The shortest pause; also the least time between a certificate and the next.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing for so long, at most [`LOOK_EVERY`].
    Wait(Duration),
    /// Ask for a new certificate in place of one that holds.
    Renew,
    /// Ask for a new certificate in place of one that holds no longer.
    RenewExpired,
}

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Nobody there, or a fault: it may go better next time.
    Passing,
    /// Not before so long, says who was asked.
    Busy(Duration),
    /// Refused for good, or by somebody who is not to be trusted: only people can help.
    Final,
}

/// When the certificate of this agent is renewed.
#[derive(Debug, Clone)]
pub struct Upkeep {
    life: Duration,
    renews: Timestamp,
    until: Timestamp,
    failures: u32,
    is_final: bool,
    /// On the clock that never goes back.
    not_before: Duration,
}

impl Upkeep {
    /// For a certificate that has just come, valid in these bounds.
    #[must_use]
    pub fn new(from: Timestamp, until: Timestamp, elapsed: Duration, entropy: &dyn Entropy) -> Self {
        let issued = Timestamp::from_nanos(from.nanos() + nanos(BACKDATED)).min(until);
        let renews = renew_at(issued, until, entropy);
        let life = since(issued, until);
        Self { life, renews, until, failures: 0, is_final: false, not_before: elapsed + SHORTEST_PAUSE }
    }

    /// For a certificate of an earlier start. One that is due is not renewed at once: after a power cut a thousand agents
    /// start together.
    #[must_use]
    pub fn at_start(from: Timestamp, until: Timestamp, elapsed: Duration, entropy: &dyn Entropy) -> Self {
        let new = Self::new(from, until, elapsed, entropy);
        Self { not_before: elapsed + new.pause(1, entropy), ..new }
    }

    /// What to do, by both clocks.
    #[must_use]
    pub fn next(&self, now: Timestamp, elapsed: Duration) -> Step {
        if now < self.renews {
            return Step::Wait(since(now, self.renews).min(LOOK_EVERY));
        }
        match self.not_before.checked_sub(elapsed) {
            Some(left) if !left.is_zero() => Step::Wait(left.min(LOOK_EVERY)),
            _ if self.has_expired(now) => Step::RenewExpired,
            _ => Step::Renew,
        }
    }

    /// Plans the next attempt after one that failed.
    pub fn failed(&mut self, failure: Failure, now: Timestamp, elapsed: Duration, entropy: &dyn Entropy) {
        self.failures = self.failures.saturating_add(1);
        self.is_final = failure == Failure::Final;
        let pause = match failure {
            // A certificate that holds may be renewed yet, if whoever refuses mends what is wrong.
            Failure::Final if self.has_expired(now) => LONGEST_PAUSE,
            Failure::Final | Failure::Passing => self.pause(self.failures, entropy),
            Failure::Busy(least) => self.pause(self.failures, entropy).max(least.min(LONGEST_PAUSE)),
        };
        self.not_before = elapsed + pause;
    }

    /// Takes note that only people can help, whatever the dates say.
    pub fn give_up(&mut self) {
        self.is_final = true;
    }

    /// Takes back [`Upkeep::give_up`]: who said so says otherwise.
    pub fn take_heart(&mut self) {
        self.is_final = false;
    }

    /// Whether it holds no longer.
    #[must_use]
    pub fn has_expired(&self, now: Timestamp) -> bool {
        now >= self.until
    }

    /// Whether another join may take the place of this membership: only where it is of no more use.
    #[must_use]
    pub fn may_be_replaced(&self, now: Timestamp) -> bool {
        self.is_final || self.has_expired(now)
    }

    /// When it is to be renewed.
    #[must_use]
    pub fn renews(&self) -> Timestamp {
        self.renews
    }

    /// The usual pause; for certificates of minutes so short that some attempts fit into what is left of them.
    fn pause(&self, failures: u32, entropy: &dyn Entropy) -> Duration {
        pause_after(failures, entropy).min((self.life / 20).max(SHORTEST_PAUSE))
    }
}

/// Pauses between attempts at something that has no end of its own.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    failures: u32,
    not_before: Duration,
}

impl Pace {
    /// Whether it is time for an attempt.
    #[must_use]
    pub fn is_due(&self, elapsed: Duration) -> bool {
        elapsed >= self.not_before
    }

    /// An attempt begins: the next one is not before so long, however this one goes.
    pub fn begin(&mut self, elapsed: Duration, pause: Duration) {
        self.not_before = elapsed + pause;
    }

    /// Plans the next attempt after one that failed.
    pub fn failed(&mut self, elapsed: Duration, entropy: &dyn Entropy) {
        self.failures = self.failures.saturating_add(1);
        self.not_before = elapsed + pause_after(self.failures, entropy);
    }

    /// An attempt went well.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }
}

fn nanos(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

/// The time from one instant to a later one; nothing to an earlier one.
fn since(from: Timestamp, until: Timestamp) -> Duration {
    Duration::from_nanos(u64::try_from((until.nanos() - from.nanos()).max(0)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use proptest::prelude::*;

    use super::*;

    const DAY: u64 = 86_400;

    struct Counter(AtomicU64);
    impl Entropy for Counter {
        fn fill(&self, buffer: &mut [u8]) {
            let next = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
            buffer.copy_from_slice(&next.rotate_left(17).to_le_bytes()[..buffer.len()]);
        }
    }

    fn entropy(seed: u64) -> Counter {
        Counter(AtomicU64::new(seed))
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(i64::try_from(seconds * 1000).unwrap())
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Issued at the second 1000 for so long.
    fn issued(life: u64, entropy: &Counter) -> Upkeep {
        Upkeep::new(at(700), at(1000 + life), Duration::ZERO, entropy)
    }

    #[test]
    fn a_certificate_is_renewed_around_two_thirds_of_its_life_and_the_clock_is_looked_at_every_minute() {
        for seed in 0..200 {
            let upkeep = issued(DAY, &entropy(seed << 32));
            let share = (upkeep.renews().millis() / 1000 - 1000) * 100 / DAY;
            assert!((56..=77).contains(&share), "{share} %");
            assert_eq!(upkeep.next(at(1000), secs(1)), Step::Wait(LOOK_EVERY));
            assert_eq!(upkeep.next(at(1000 + DAY - 10), secs(1)), Step::Renew);
            assert_eq!(upkeep.next(at(1000 + DAY), secs(1)), Step::RenewExpired);
        }
    }

    #[test]
    fn a_certificate_of_seconds_is_not_renewed_as_soon_as_it_comes() {
        for seed in 0..200 {
            let upkeep = issued(5, &entropy(seed << 32));
            let Step::Wait(wait) = upkeep.next(at(1000), Duration::ZERO) else { panic!("at once") };
            assert!(wait >= secs(2) && wait < secs(4), "{wait:?}");
        }
    }

    #[test]
    fn with_the_authority_away_from_two_thirds_to_95_percent_it_is_renewed_in_time() {
        for (seed, life) in [(1, DAY), (2, 3600), (3, 60)] {
            let entropy = entropy(seed);
            let mut upkeep = issued(life, &entropy);
            let (mut passed, mut attempts) = (Duration::ZERO, 0);
            let back = secs(life).mul_f64(0.95);
            let renewed = loop {
                match upkeep.next(Timestamp::from_nanos(at(1000).nanos() + nanos(passed)), passed) {
                    Step::Wait(wait) => passed += wait,
                    Step::Renew if passed < back => {
                        attempts += 1;
                        upkeep.failed(Failure::Passing, at(1000), passed, &entropy);
                    }
                    step => break step,
                }
            };
            assert_eq!(renewed, Step::Renew, "still valid after {passed:?} of {life} s");
            assert!(attempts < 400, "{attempts} attempts in {life} s");
        }
    }

    #[test]
    fn after_the_end_attempts_become_rare_and_those_refused_for_good_rarest() {
        let entropy = entropy(7);
        let mut upkeep = issued(DAY, &entropy);
        let end = at(1000 + DAY);
        let attempts = |failure, upkeep: &mut Upkeep| {
            let (mut passed, mut attempts) = (secs(DAY), 0);
            while passed < secs(2 * DAY) {
                match upkeep.next(end, passed) {
                    Step::Wait(wait) => passed += wait,
                    step => {
                        assert_eq!(step, Step::RenewExpired);
                        attempts += 1;
                        upkeep.failed(failure, end, passed, &entropy);
                    }
                }
            }
            attempts
        };
        // Half of five minutes on average, but for the first few.
        assert!((500..800).contains(&attempts(Failure::Passing, &mut upkeep)));
        let mut upkeep = Upkeep::new(at(700), end, Duration::ZERO, &super::tests::entropy(8));
        assert_eq!(attempts(Failure::Final, &mut upkeep), DAY / 300);
        assert!(upkeep.may_be_replaced(end));
    }

    #[test]
    fn a_thousand_agents_that_start_after_the_end_do_not_knock_at_once() {
        let mut seconds = [0; 6];
        for seed in 0..1000u64 {
            let entropy = entropy(seed.wrapping_mul(0xD134_2543_DE82_EF95));
            let upkeep = Upkeep::at_start(at(700), at(1000 + DAY), secs(3), &entropy);
            let Step::Wait(wait) = upkeep.next(at(1000 + 2 * DAY), secs(3)) else { panic!("at once") };
            seconds[usize::try_from(wait.as_secs()).unwrap()] += 1;
        }
        assert!(seconds.iter().all(|agents| *agents < 350), "{seconds:?}");
    }

    #[test]
    fn who_is_asked_may_ask_for_patience_but_not_for_ever() {
        let entropy = entropy(9);
        let mut upkeep = issued(DAY, &entropy);
        let late = at(1000 + DAY - 1000);
        upkeep.failed(Failure::Busy(secs(40)), late, secs(100), &entropy);
        assert!(matches!(upkeep.next(late, secs(100)), Step::Wait(wait) if wait >= secs(40)));
        upkeep.failed(Failure::Busy(secs(9_999_999)), late, secs(100), &entropy);
        assert_eq!(upkeep.next(late, secs(100 + 301)), Step::Renew);
        assert!(!upkeep.may_be_replaced(late));
        upkeep.failed(Failure::Final, late, secs(600), &entropy);
        assert!(upkeep.may_be_replaced(late));
    }

    #[test]
    fn attempts_that_fail_become_rarer_until_one_goes_well() {
        let entropy = entropy(5);
        let (mut pace, mut passed, mut attempts) = (Pace::default(), Duration::ZERO, 0);
        while passed < secs(DAY) {
            if pace.is_due(passed) {
                attempts += 1;
                pace.begin(passed, secs(1));
                pace.failed(passed, &entropy);
            }
            passed += secs(1);
        }
        assert!((400..800).contains(&attempts), "{attempts}");
        pace.succeeded();
        pace.failed(passed, &entropy);
        assert!(pace.is_due(passed + secs(5)));
    }

    proptest! {
        #[test]
        fn however_the_wall_clock_jumps_there_is_a_pause_between_attempts(walls in proptest::collection::vec(0u64..10 * DAY, 1..60)) {
            let entropy = entropy(11);
            let mut upkeep = issued(DAY, &entropy);
            let (mut passed, mut last) = (secs(1), None::<Duration>);
            for wall in walls {
                match upkeep.next(at(wall), passed) {
                    Step::Wait(wait) => {
                        prop_assert!(wait <= LOOK_EVERY);
                        passed += wait;
                    }
                    _ => {
                        prop_assert!(last.is_none_or(|last| passed - last >= SHORTEST_PAUSE));
                        last = Some(passed);
                        upkeep.failed(Failure::Passing, at(wall), passed, &entropy);
                    }
                }
            }
        }
    }
}
