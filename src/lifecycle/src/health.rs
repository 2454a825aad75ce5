//! Whether what runs also works.

use std::time::Duration;

/// What is asked of a workload that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// GET of a path on a port: any status from 200 to 399 is well.
    Http {
        /// The port as the workload calls it.
        port: u16,
        /// Begins with a slash.
        path: String,
    },
    /// A connection to a port.
    Tcp {
        /// The port as the workload calls it.
        port: u16,
    },
    /// A command inside: exit code 0 is well.
    Exec {
        /// The program and its arguments.
        command: Vec<String>,
    },
}

/// How health is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is asked.
    pub probe: Probe,
    /// From one question to the next.
    pub interval: Duration,
    /// No answer for this long is a bad one.
    pub timeout: Duration,
    /// So many bad answers in a row make it unhealthy.
    pub retries: u32,
    /// Bad answers do not count for so long after a start.
    pub start_period: Duration,
    /// Whether an unhealthy workload is stopped and started again, by its restart policy: never where that is `never`.
    pub restart: bool,
}

/// What is known of the health of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Health {
    /// It is not checked.
    #[default]
    Unchecked,
    /// No good answer yet since the start.
    Starting,
    /// The last answers were good.
    Healthy,
    /// Too many bad answers in a row.
    Unhealthy,
}

/// The answers since the last start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answers {
    bad: u32,
    health: Health,
}

impl Answers {
    /// It was started just now.
    #[must_use]
    pub fn at_start(check: Option<&HealthCheck>) -> Self {
        let health = if check.is_some() { Health::Starting } else { Health::Unchecked };
        Self { bad: 0, health }
    }

    /// What they say.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health
    }

    /// Takes one in, `age` after the start.
    pub fn take(&mut self, check: &HealthCheck, good: bool, age: Duration) -> Health {
        if good {
            (self.bad, self.health) = (0, Health::Healthy);
        } else if self.health != Health::Starting || age >= check.start_period {
            self.bad = self.bad.saturating_add(1);
            if self.bad >= check.retries.max(1) {
                self.health = Health::Unhealthy;
            }
        }
        self.health
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_answers_count_after_the_start_period_and_a_good_one_ends_them() {
        let check = HealthCheck {
            probe: Probe::Tcp { port: 80 },
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            retries: 3,
            start_period: Duration::from_secs(10),
            restart: true,
        };
        let mut answers = Answers::at_start(Some(&check));
        let mut take = |good, age| answers.take(&check, good, Duration::from_secs(age));
        let early: Vec<Health> = (0..9).map(|age| take(false, age)).collect();
        assert!(early.iter().all(|health| *health == Health::Starting));
        assert_eq!([take(false, 10), take(false, 11), take(false, 12)].last(), Some(&Health::Unhealthy));
        assert_eq!(take(true, 13), Health::Healthy);
        assert_eq!([take(false, 14), take(false, 15)], [Health::Healthy; 2], "two are not three");
        assert_eq!(take(false, 16), Health::Unhealthy);
        assert_eq!(Answers::at_start(None).health(), Health::Unchecked);
    }
}
