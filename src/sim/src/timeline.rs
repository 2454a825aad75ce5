//! Who led, who was cut off and who lagged, over time.

use std::time::Duration;

use mf2c_domain::area::standing::{AreaRole, Mandate};

use crate::fleet::Fleet;
use crate::host::Host;
use crate::judge::Judge;
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
    /// Its changes that its leader did not have.
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
    pub fn sample(&mut self, at: Duration, hosts: &[Host], judge: &Judge) {
        if self.at.last().is_some_and(|last| at < *last + self.every) {
            return;
        }
        self.at.push(at);
        self.rows.push(
            hosts
                .iter()
                .map(|host| sample(host, hosts, judge, self.areas.get(host.number).copied().flatten()))
                .collect(),
        );
    }

    /// The largest lag of any agent.
    #[must_use]
    pub fn largest_lag(&self) -> u32 {
        self.rows.iter().flatten().map(|sample| sample.lag).max().unwrap_or_default()
    }
}

fn sample(host: &Host, hosts: &[Host], judge: &Judge, area: Option<usize>) -> Sample {
    if !host.is_up() {
        return Sample::default();
    }
    if host.is_stopped() {
        return Sample { state: State::Stopped, lag: 0 };
    }
    let state = judge.standing(host.number).map_or(State::Alone, |standing| match (standing.role, standing.mandate) {
        (AreaRole::Alone, _) => State::Alone,
        (AreaRole::Agent, _) => State::Agent,
        (AreaRole::Backup, _) => State::Backup,
        (AreaRole::Leader, Mandate::Full) => State::Leader,
        (AreaRole::Leader, _) => State::Degraded,
    });
    let own = host.with(|running| running.store.progress_of(&running.store.identity().node)).flatten();
    let leader = area.and_then(|area| judge.leader(area)).filter(|leader| *leader != host.number);
    let there = own.and_then(|own| hosts.get(leader?)?.with(|it| it.store.progress_of(&own.origin))?);
    let lag = match (own, leader, there) {
        (Some(own), Some(_), Some(there)) if there.incarnation == own.incarnation => {
            own.sequence.saturating_sub(there.sequence)
        }
        (Some(own), Some(_), _) => own.sequence,
        _ => 0,
    };
    Sample { state, lag: u32::try_from(lag).unwrap_or(u32::MAX) }
}
