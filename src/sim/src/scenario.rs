//! What is simulated: topology, lines, load and faults, as a TOML file says it or as flags do.

use mf2c_domain::quantity::HumanDuration;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::places::{self, AreaSpec};
use crate::script::FaultSpec;

/// The most agents of one run.
pub const MOST_AGENTS: usize = 10_000;

/// A scenario. Every key has a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// How long it lasts, in virtual time.
    pub duration: HumanDuration,
    /// Who is there.
    pub topology: Topology,
    /// The lines between them.
    pub network: Lines,
    /// How areas are led.
    pub leadership: Leading,
    /// What agents write.
    pub load: Load,
    /// What goes wrong.
    pub faults: Faults,
    /// The areas one by one, where they are not all alike.
    #[serde(deserialize_with = "places::list", skip_serializing_if = "Vec::is_empty")]
    pub area: Vec<AreaSpec>,
    /// Faults that do not come by chance.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fault: Vec<FaultSpec>,
}

/// Who is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Topology {
    /// Agents in all areas together, leaders among them, without the cloud.
    pub agents: usize,
    /// Areas, each with a leader; agents are spread evenly.
    pub areas: usize,
    /// Whether there is a cloud agent above the areas.
    pub cloud: bool,
}

/// The lines between agents, while nothing disturbs them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lines {
    /// Between agents of one area.
    pub near: LineSpec,
    /// Between areas and the cloud.
    pub far: LineSpec,
}

/// One kind of line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LineSpec {
    /// One way.
    pub latency: HumanDuration,
    /// The most that is added to it.
    pub jitter: HumanDuration,
    /// Packets that are lost, in percent.
    pub loss_percent: f64,
    /// Kilobytes a second in each direction of a connection; 0 is without bound.
    pub kilobytes_per_second: u64,
}

/// How areas are led.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Leading {
    /// Between two heartbeats of a leader.
    pub heartbeat: HumanDuration,
    /// A leader silent for this long is replaced.
    pub election: HumanDuration,
}

/// What agents write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Load {
    /// Between two samples of an agent's machine.
    pub sample: HumanDuration,
    /// Between two publications of all that changed in it.
    pub publish: HumanDuration,
    /// Between two writes of other documents at an agent, on average: half of them edits, the rest new ones and deletions.
    pub write: HumanDuration,
    /// Between two edits that a leader makes of documents of its children, on average in each area; `0s` is never.
    pub edit_from_above: HumanDuration,
    /// Documents of an agent besides those of its machine: above, the oldest is deleted.
    pub documents: usize,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Which kinds.
    pub kinds: Vec<FaultKind>,
    /// Between the beginnings of two faults in an area, on average.
    pub every: HumanDuration,
    /// How long one lasts, on average; at most ten times that.
    pub lasts: HumanDuration,
    /// How long faults go on before everything is mended.
    pub storm: HumanDuration,
    /// How long all agents then have until they must agree.
    pub calm: HumanDuration,
}

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FaultKind {
    /// Latency, loss, partitions, one-way links, resets.
    Network,
    /// Processes killed, machines without power, all at once too.
    Crash,
    /// Wall clocks that jump and drift.
    Clock,
    /// Disks that are full or fail.
    Disk,
    /// Readers that take little, processes that stand still.
    Slow,
}

impl FaultKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Network, Self::Crash, Self::Clock, Self::Disk, Self::Slow];

    /// Reads `none`, `all`, or a list such as `network,crash`.
    ///
    /// # Errors
    /// [`ScenarioError::Kind`].
    pub fn list(text: &str) -> Result<Vec<Self>, ScenarioError> {
        match text.trim() {
            "none" => return Ok(vec![]),
            "all" => return Ok(Self::ALL.to_vec()),
            _ => {}
        }
        let mut kinds = vec![];
        for word in text.split(',') {
            let kind = Self::ALL.into_iter().find(|kind| kind.as_str() == word.trim());
            kinds.push(kind.ok_or_else(|| ScenarioError::Kind(word.trim().to_owned()))?);
        }
        kinds.sort();
        kinds.dedup();
        Ok(kinds)
    }

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Crash => "crash",
            Self::Clock => "clock",
            Self::Disk => "disk",
            Self::Slow => "slow",
        }
    }
}

/// Why there is no scenario.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScenarioError {
    /// The file is no TOML, or has a key or value that is not known.
    #[error("{0}")]
    Syntax(String),
    /// A value is out of its bounds.
    #[error("`{key}` is {value}: {expected}")]
    Value {
        /// Which.
        key: String,
        /// What it is.
        value: String,
        /// What it should be.
        expected: String,
    },
    /// No such kind of fault.
    #[error("there are no faults of the kind `{0}`: expected none, all, or some of network, crash, clock, disk, slow")]
    Kind(String),
}

const fn secs(seconds: u64) -> HumanDuration {
    HumanDuration::from_secs(seconds)
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            duration: secs(3600),
            topology: Topology::default(),
            network: Lines::default(),
            leadership: Leading::default(),
            load: Load::default(),
            faults: Faults::default(),
            area: vec![],
            fault: vec![],
        }
    }
}

impl Default for Topology {
    fn default() -> Self {
        Self { agents: 20, areas: 2, cloud: true }
    }
}

impl Default for Lines {
    fn default() -> Self {
        let far = LineSpec {
            latency: HumanDuration::from_millis(20),
            jitter: HumanDuration::from_millis(10),
            ..LineSpec::default()
        };
        Self { near: LineSpec::default(), far }
    }
}

impl Default for LineSpec {
    fn default() -> Self {
        let (latency, jitter) = (HumanDuration::from_millis(2), HumanDuration::from_millis(2));
        Self { latency, jitter, loss_percent: 0.0, kilobytes_per_second: 0 }
    }
}

impl Default for Leading {
    fn default() -> Self {
        Self { heartbeat: HumanDuration::from_millis(200), election: HumanDuration::from_millis(1600) }
    }
}

impl Default for Load {
    fn default() -> Self {
        Self { sample: secs(5), publish: secs(30), write: secs(60), edit_from_above: secs(120), documents: 50 }
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self { kinds: vec![], every: secs(60), lasts: secs(20), storm: secs(360), calm: secs(240) }
    }
}

impl Scenario {
    /// Reads a scenario file.
    ///
    /// # Errors
    /// [`ScenarioError`].
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let wrong = |error: toml::de::Error| ScenarioError::Syntax(error.to_string().trim_end().to_owned());
        let mut scenario: Self = toml::from_str(text).map_err(wrong)?;
        places::count(&mut scenario, &toml::from_str(text).map_err(wrong)?);
        scenario.check()?;
        Ok(scenario)
    }

    /// As a file would say it.
    #[must_use]
    pub fn print(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_reads_what_it_prints_and_every_key_has_a_default() {
        let scenario = Scenario::default();
        assert_eq!(Scenario::parse(&scenario.print()).unwrap(), scenario);
        assert_eq!(Scenario::parse("").unwrap(), scenario);
    }

    #[test]
    fn a_misspelt_key_a_duration_without_unit_and_a_value_out_of_bounds_are_named() {
        let refused = |text: &str| Scenario::parse(text).unwrap_err().to_string();
        assert!(refused("[topology]\nagent = 3").contains("unknown field `agent`"));
        assert!(refused("duration = '90'").contains("has no unit"));
        assert!(refused("[faults]\nkinds = ['flood']").contains("unknown variant `flood`"));
        assert!(refused("[topology]\nagents = 2\nareas = 3").contains("`topology.areas` is 3"));
        assert!(refused("[network.near]\nloss_percent = 80.0").contains("expected 0 to 50"));
        assert!(refused("[leadership]\nheartbeat = '1s'").contains("a third of"));
        assert!(refused("[network.far]\nlatency = '2m'").contains("`network.far.latency` is 2m"));
        assert!(refused("[network.near]\nlatency = '1s'").contains("`leadership.election` is 1600ms"));
        assert!(refused("[network.far]\nkilobytes_per_second = 18446744073709551615").contains("expected at most"));
        assert!(refused("[load]\ndocuments = 0").contains("`load.documents` is 0"));
        assert!(refused("[load]\nwrite = '900d'").contains("expected `100ms` to `366d`"));
    }

    #[test]
    fn kinds_of_faults_are_none_all_or_a_list() {
        assert_eq!(FaultKind::list("none").unwrap(), []);
        assert_eq!(FaultKind::list("all").unwrap(), FaultKind::ALL);
        assert_eq!(FaultKind::list("disk, network,disk").unwrap(), [FaultKind::Network, FaultKind::Disk]);
        assert!(FaultKind::list("fire").unwrap_err().to_string().contains("`fire`"));
    }
}
