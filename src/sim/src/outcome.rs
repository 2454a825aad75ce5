//! What comes of a run.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use thiserror::Error;

use crate::host::Host;
use crate::judge::Breach;
use crate::lag::Peak;
use crate::net::Figures;
use crate::plan::Fault;
use crate::reign::Reign;
use crate::timeline::Timeline;
use crate::trace::Remark;

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// Virtual time that has passed.
    pub lasted: Duration,
    /// The faults that happened.
    pub faults: Vec<Fault>,
    /// The first broken promise.
    pub breach: Option<Breach>,
    /// One number for everything that happened, and of how many events.
    pub trace: (u64, u64),
    /// What the network carried.
    pub network: Figures,
    /// Promises that were looked at.
    pub checks: u64,
    /// Calms at whose end everybody agreed.
    pub agreements: u64,
    /// The longest time that agreement took after a storm.
    pub slowest_agreement: Duration,
    /// Changes of leaders, the first of each area among them.
    pub elections: u64,
    /// Writes of users that were acknowledged.
    pub acknowledged: u64,
    /// Edits that leaders made of documents of their children, and that were acknowledged.
    pub edits_from_above: u64,
    /// Writes of users that were refused, or lost their agent.
    pub failed: u64,
    /// Changes seen in all stores.
    pub changes: u64,
    /// What replicators have done.
    pub deeds: Deeds,
    /// How each area was led.
    pub reigns: Vec<Reign>,
    /// The oldest change that a leader lacked.
    pub lag_at_leaders: Peak,
    /// The oldest change that the cloud lacked; none where there is no cloud.
    pub lag_at_cloud: Option<Peak>,
    /// Who led, who was cut off, who lagged.
    pub timeline: Timeline,
    /// What was remarkable before the end, or before the breach: the last of it.
    pub remarks: Vec<Remark>,
}

/// What replicators have done, over all lives of all agents.
#[derive(Debug, Clone, Copy, Default)]
pub struct Deeds {
    /// Proposals that were carried out for others.
    pub proposals: u64,
    /// Edits that lost against a later one.
    pub conflicts: u64,
    /// Documents that anti-entropy has repaired.
    pub repaired: u64,
    /// Snapshots that were begun.
    pub snapshots: u64,
}

impl Deeds {
    /// Adds those of an agent's present life.
    pub(crate) fn add(&mut self, host: &Host) {
        host.with(|running| {
            let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            let counters = &running.counters;
            self.proposals += read(&counters.proposals);
            self.conflicts += read(&counters.conflicts);
            self.repaired += read(&counters.repaired);
            self.snapshots += read(&counters.snapshots);
        });
    }
}

/// Why there is no outcome.
#[derive(Debug, Error)]
pub enum RunError {
    /// The system gives no runtime.
    #[error("the system gives no runtime")]
    Runtime(#[from] std::io::Error),
    /// The simulation has panicked, not one of its agents.
    #[error("the simulation itself has failed, which is a bug: {what}")]
    Itself {
        /// What it said.
        what: String,
    },
    /// A fault was to be kept that the plan does not have.
    #[error("there is no fault {number} in a plan of {planned} faults: `--json FILE` lists them with their numbers")]
    NoFault {
        /// Which.
        number: usize,
        /// How many there are.
        planned: usize,
    },
}
