//! `[qos]`: who may run a service next, by what was learned of its runs.

use mf2c_actors::qos_provider::QosSettings;
use mf2c_sla::expression::TimeUnit;
use mf2c_sla::qos::{Leanings, Policy};
use serde::{Deserialize, Serialize};

use super::address::{ListenAddress, empty_is_none};
use super::check::Check;
use super::quantity::HumanDuration;
use super::settings::Config;

const DAY: u64 = 24 * 3600;

/// `[qos]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Qos {
    /// Where the original's interface of the service manager listens besides at the API's address, if anywhere.
    #[serde(with = "empty_is_none")]
    pub listen: Option<ListenAddress>,
    /// Whether programs on this machine need not say there who they are to ask for the quality of service.
    pub anonymous: bool,
    /// The share of runs that must keep every promise.
    pub acceptance_ratio: f64,
    /// How sure it must be that a device reaches it.
    pub confidence: f64,
    /// A device with fewer runs is not judged.
    pub min_runs: usize,
    /// How many of the newest runs count.
    pub window: usize,
    /// How long a device rests once it is blocked.
    pub cooldown: HumanDuration,
    /// How many of the checks try a device again that has rested.
    pub exploration: f64,
    /// So many good runs in a row admit a device again.
    pub recovery: usize,
    /// How many checks of a service change nothing.
    pub warmup: u64,
    /// Where chance begins; 0: somewhere else at each start.
    pub seed: u64,
    /// Whether instances are told how many agents they should have.
    pub enforcement: bool,
    /// For how long half as many must have done before fewer are said to be enough.
    pub shrink_after: HumanDuration,
    /// From which recommended processor on a service leans on it.
    pub high_cpu: f64,
    /// The same for memory.
    pub high_memory: f64,
    /// The same for disk.
    pub high_disk: f64,
    /// The same for the network.
    pub high_network: f64,
}

impl Default for Qos {
    fn default() -> Self {
        Self {
            listen: None,
            anonymous: false,
            acceptance_ratio: 0.8,
            confidence: 0.9,
            min_runs: 20,
            window: 100,
            cooldown: HumanDuration::from_secs(600),
            exploration: 0.1,
            recovery: 10,
            warmup: 0,
            seed: 0,
            enforcement: true,
            shrink_after: HumanDuration::from_secs(60),
            high_cpu: 0.7,
            high_memory: 0.7,
            high_disk: 0.7,
            high_network: 0.7,
        }
    }
}

impl Qos {
    /// What the actor is told; `chance` is the seed where none is set.
    #[must_use]
    pub fn settings(&self, unit: TimeUnit, chance: u64) -> QosSettings {
        let policy = Policy {
            acceptance_ratio: self.acceptance_ratio,
            confidence: self.confidence,
            min_runs: self.min_runs,
            window: self.window,
            cooldown: self.cooldown.get(),
            exploration: self.exploration,
            recovery: self.recovery,
            warmup: self.warmup,
            seed: if self.seed == 0 { chance } else { self.seed },
        };
        let shrink_after = self.shrink_after.get();
        QosSettings { policy, high: self.high(), enforcement: self.enforcement, shrink_after, unit }
    }

    /// From which numbers on a service leans on a resource.
    #[must_use]
    pub fn high(&self) -> Leanings {
        Leanings { cpu: self.high_cpu, memory: self.high_memory, disk: self.high_disk, network: self.high_network }
    }
}

impl Check<'_> {
    pub(super) fn qos(&mut self, config: &Config) {
        let qos = &config.qos;
        self.range("qos.acceptance_ratio", qos.acceptance_ratio, 0.0, 1.0);
        self.range("qos.confidence", qos.confidence, 0.5, 0.999);
        self.range("qos.window", qos.window, 1, 1000);
        self.range("qos.min_runs", qos.min_runs, 1, qos.window.max(1));
        self.time("qos.cooldown", qos.cooldown, 0, 30 * DAY);
        self.time("qos.shrink_after", qos.shrink_after, 0, DAY);
        self.range("qos.exploration", qos.exploration, 0.0, 1.0);
        self.range("qos.recovery", qos.recovery, 1, qos.window.max(1));
        let high = [
            ("qos.high_cpu", qos.high_cpu),
            ("qos.high_memory", qos.high_memory),
            ("qos.high_disk", qos.high_disk),
            ("qos.high_network", qos.high_network),
        ];
        for (key, value) in high {
            self.range(key, value, 0.0, 1.0);
        }
        let Some(listen) = qos.listen else { return };
        self.alone(config, "qos.listen");
        if !config.legacy.open && !listen.is_loopback() {
            let reason = format!(
                "this door takes cookies in clear text, and {listen} can be reached from outside; listen on 127.0.0.1, or \
                 set `legacy.open = true` where a firewall keeps others away"
            );
            self.refuse("qos.listen", reason);
        }
    }
}
