//! Who led, who was cut off and who lagged, over time.

use std::time::Duration;

use mf2c_domain::area::standing::{AreaRole, Mandate};

use crate::fleet::Fleet;
use crate::host::Host;
use crate::judge::Judge;
use crate::lag::Lags;
use crate::plan::Fault;

/// Samples that are kept; more are thinned out.
const SAMPLES: u32 = 480;

/// How one agent was at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// It did not run.
    #[default]
    Down,
    /// It stood still.
    Stopped,
    /// It knew no leader.
    Alone,
    /// A child.
    Agent,
    /// A backup.
    Backup,
    /// It led without a majority.
    Degraded,
    /// It led.
    Leader,
}

/// One agent at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sample {
    /// How it was.
    pub state: State,
    /// Seconds that something was behind: see [`Lags::rows`].
    pub lag: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Timeline {
    /// The area of each host; the cloud has none.
    pub areas: Vec<Option<usize>>,
    /// Instants of samples.
    pub at: Vec<Duration>,
    /// Samples of all hosts, one row an instant.
    pub rows: Vec<Vec<Sample>>,
    /// Faults with the hosts that they met.
    pub faults: Vec<(Fault, Vec<usize>)>,
    every: Duration,
    worst: Vec<Duration>,
}

impl Timeline {
    /// Of a run of this length.
    #[must_use]
    pub fn new(fleet: &Fleet, length: Duration) -> Self {
        let every = (length / SAMPLES).max(Duration::from_secs(1));
        Self { areas: (0..fleet.len()).map(|host| fleet.area_of(host)).collect(), every, ..Self::default() }
    }

    /// A fault has begun.
    pub fn fault(&mut self, fault: &Fault, who: &[usize]) {
        self.faults.push((fault.clone(), who.to_vec()));
    }

    /// Looks at all hosts, if it is time to.
    pub fn sample(&mut self, at: Duration, hosts: &[Host], judge: &Judge, lags: &Lags) {
        // What was worst between two samples is not thinned out.
        self.worst.resize(hosts.len(), Duration::ZERO);
        for (worst, lag) in self.worst.iter_mut().zip(&lags.rows) {
            *worst = (*worst).max(*lag);
        }
        if self.at.last().is_some_and(|last| at < *last + self.every) {
            return;
        }
        self.at.push(at);
        let lags = self.worst.iter().map(|lag| u32::try_from(lag.as_secs()).unwrap_or(u32::MAX));
        self.rows.push(hosts.iter().zip(lags).map(|(host, lag)| Sample { state: state(host, judge), lag }).collect());
        self.worst.fill(Duration::ZERO);
    }
}

fn state(host: &Host, judge: &Judge) -> State {
    if !host.is_up() {
        return State::Down;
    }
    if host.is_stopped() {
        return State::Stopped;
    }
    judge.standing(host.number).map_or(State::Alone, |standing| match (standing.role, standing.mandate) {
        (AreaRole::Alone, _) => State::Alone,
        (AreaRole::Agent, _) => State::Agent,
        (AreaRole::Backup, _) => State::Backup,
        (AreaRole::Leader, Mandate::Full) => State::Leader,
        (AreaRole::Leader, _) => State::Degraded,
    })
}
