//! When what has ended is started again.

use std::collections::VecDeque;
use std::time::Duration;

/// Which ends are followed by a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RestartWhen {
    /// None: the workload runs once.
    Never,
    /// Those with an exit code other than 0, by a signal, for want of memory, or because it was unhealthy.
    #[default]
    OnFailure,
    /// All.
    Always,
}

/// How often, and how soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartPolicy {
    /// Which ends count.
    pub when: RestartWhen,
    /// The most starts within `window`; after that the workload has failed.
    pub attempts: u32,
    /// See `attempts`.
    pub window: Duration,
    /// The pause before the first of them. Each further one is twice as long.
    pub delay: Duration,
    /// The longest pause.
    pub max_delay: Duration,
}

impl Default for RestartPolicy {
    /// Ten failures in ten minutes, with pauses from half a second to half a minute.
    fn default() -> Self {
        Self {
            when: RestartWhen::OnFailure,
            attempts: 10,
            window: Duration::from_secs(600),
            delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(30),
        }
    }
}

/// Longer memories than this are not kept, whatever the policy says.
const MOST_REMEMBERED: usize = 1000;

/// The starts that were made again so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restarts {
    recent: VecDeque<Duration>,
    total: u64,
}

impl Restarts {
    /// How often it was started again since it was created.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Goes on with a count that was kept.
    #[must_use]
    pub fn kept(total: u64) -> Self {
        Self { recent: VecDeque::new(), total }
    }

    /// Asks for one more start; the pause before it, or none if there were too many. `jitter` is 0 to 1, from chance: a
    /// quarter of the pause at the most is added by it, so that what fails together does not start together.
    pub fn next(&mut self, policy: &RestartPolicy, now: Duration, jitter: f64) -> Option<Duration> {
        while self.recent.front().is_some_and(|at| now.saturating_sub(*at) > policy.window) {
            self.recent.pop_front();
        }
        let attempts = usize::try_from(policy.attempts).unwrap_or(usize::MAX).min(MOST_REMEMBERED);
        if self.recent.len() >= attempts {
            return None;
        }
        let doubled = u32::try_from(self.recent.len()).unwrap_or(u32::MAX).min(30);
        let pause = policy.delay.saturating_mul(1 << doubled).min(policy.max_delay);
        let jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 0.0 };
        self.recent.push_back(now);
        self.total = self.total.saturating_add(1);
        Some(pause + pause.mul_f64(jitter / 4.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_end_with_the_attempts() {
        let policy = RestartPolicy { attempts: 8, ..RestartPolicy::default() };
        let mut restarts = Restarts::default();
        let now = Duration::from_secs(1);
        let pauses: Vec<u128> =
            std::iter::from_fn(|| restarts.next(&policy, now, 0.0)).map(|pause| pause.as_millis()).collect();
        assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        assert_eq!(restarts.total(), 8);
        let later = now + policy.window + Duration::from_secs(1);
        assert_eq!(restarts.next(&policy, later, 1.0), Some(Duration::from_millis(625)), "the window has passed");
    }

    proptest! {
        #[test]
        fn never_more_than_the_attempts_in_any_window(
            steps in prop::collection::vec(0_u64..400, 1..300), attempts in 0_u32..20, window in 1_u64..900,
        ) {
            let policy = RestartPolicy { attempts, window: Duration::from_secs(window), ..RestartPolicy::default() };
            let (mut restarts, mut now, mut made) = (Restarts::default(), Duration::ZERO, Vec::new());
            for step in steps {
                now += Duration::from_secs(step);
                if restarts.next(&policy, now, 0.5).is_some() {
                    made.push(now);
                }
                let within = made.iter().filter(|at| now - **at <= policy.window).count();
                prop_assert!(within <= attempts as usize);
            }
        }
    }
}
