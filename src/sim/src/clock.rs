//! The clocks of agents: virtual time, seen through a wall clock that may be wrong, jump and drift.

use std::time::Duration;

use mf2c_domain::time::{Clock, Timestamp};
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio::time::Instant as Virtual;

/// When every run begins: 2027-01-15T08:00:00Z.
const BEGINNING: i64 = 1_800_000_000_000;

/// The clock of one agent. It outlives crashes.
#[derive(Debug)]
pub struct SkewedClock {
    start: Instant,
    wall: Mutex<Wall>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Wall {
    /// Nanoseconds that it is ahead, but for the drift.
    ahead: i128,
    /// Nanoseconds that it gains each second.
    drift: i64,
    /// Since when it drifts.
    since: Duration,
}

impl SkewedClock {
    /// A clock that is right. `start` is the beginning of the run.
    #[must_use]
    pub fn new(start: Instant) -> Self {
        Self { start, wall: Mutex::default() }
    }

    /// Sets the wall clock so many milliseconds ahead, or back where it is negative.
    pub fn jump(&self, millis: i64) {
        self.wall.lock().ahead += i128::from(millis) * 1_000_000;
    }

    /// Lets the wall clock gain so many microseconds a second from now on, or lose where it is negative.
    pub fn drift(&self, micros: i64) {
        let now = self.elapsed();
        let mut wall = self.wall.lock();
        wall.ahead = wall.ahead(now);
        (wall.since, wall.drift) = (now, micros * 1000);
    }

    /// What a time service does: the clock is right again.
    pub fn set_right(&self) {
        *self.wall.lock() = Wall::default();
    }
}

impl Wall {
    fn ahead(&self, now: Duration) -> i128 {
        let drifting = now.saturating_sub(self.since).as_nanos() as i128;
        self.ahead + drifting * i128::from(self.drift) / 1_000_000_000
    }
}

impl Clock for SkewedClock {
    fn now(&self) -> Timestamp {
        let elapsed = self.elapsed();
        let right = i128::from(BEGINNING) * 1_000_000 + elapsed.as_nanos() as i128;
        Timestamp::from_nanos(right + self.wall.lock().ahead(elapsed))
    }

    fn elapsed(&self) -> Duration {
        elapsed(self.start)
    }
}

/// The present instant of virtual time: the runtime's clock, which is never the machine's.
#[must_use]
pub fn instant() -> Instant {
    Virtual::now()
}

/// Virtual time since `start`.
#[must_use]
pub fn elapsed(start: Instant) -> Duration {
    start.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_clock_jumps_drifts_and_is_set_right_while_its_other_hand_goes_on() {
        let clock = SkewedClock::new(Instant::now());
        let right = clock.now().nanos();
        clock.jump(-3_600_000);
        assert_eq!(right - clock.now().nanos(), 3_600_000_000_000);
        clock.set_right();
        clock.drift(200);
        tokio::time::advance(Duration::from_secs(1000)).await;
        assert_eq!(clock.elapsed(), Duration::from_secs(1000));
        assert_eq!(clock.now().nanos() - right, 1_000_200_000_000);
        clock.set_right();
        assert_eq!(clock.now().nanos() - right, 1_000_000_000_000);
    }
}
