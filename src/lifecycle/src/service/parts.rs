//! The parts of a service that are more than a word.

use std::time::Duration;

/// What a workload may use. Nothing said is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limits {
    /// Memory in bytes.
    pub memory: Option<u64>,
    /// Processors; half a one is 0.5.
    pub cpus: Option<f64>,
    /// Its weight among others where processors are short, from 2.
    pub cpu_shares: Option<u32>,
    /// Processes and threads.
    pub pids: Option<u32>,
    /// Bytes that are kept of each of its logs.
    pub log: Option<u64>,
}

/// When an image is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pull {
    /// Before each creation.
    Always,
    /// Where it is not there.
    #[default]
    IfNotPresent,
    /// Never.
    Never,
}

/// A secret that comes from a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// The credential's id.
    pub credential: String,
    /// Which of its attributes.
    pub key: String,
    /// The variable or the file.
    pub name: String,
    /// How it is handed over.
    pub place: SecretPlace,
}

/// How a secret is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SecretPlace {
    /// In a file in memory.
    #[default]
    File,
    /// In a variable of the environment.
    Environment,
}

/// A part of the disk that a workload sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// What is seen.
    pub mount: Mount,
    /// Where: an absolute path.
    pub target: String,
    /// Whether it can only be read.
    pub read_only: bool,
}

/// What a volume is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mount {
    /// A volume of the engine, by name.
    Named(String),
    /// A folder or file of the machine: an absolute path.
    Bind(String),
    /// A volume that belongs to no service and outlives them all: the name of a `flocker-dataset`.
    Dataset(String),
}

/// What becomes of an instance on an agent that is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reschedule {
    /// It waits for the agent.
    #[default]
    Never,
    /// It is started elsewhere when the agent was away for so long.
    After(Duration),
}

/// How a new version takes the place of an old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Update {
    /// On so many agents at a time.
    pub parallel: u32,
    /// It must run and be healthy for so long before the next one.
    pub healthy_for: Duration,
    /// One that is not healthy after so long has failed.
    pub within: Duration,
    /// Whether the last healthy version comes back when the new one has failed.
    pub revert: bool,
}

impl Default for Update {
    fn default() -> Self {
        Self { parallel: 1, healthy_for: Duration::from_secs(5), within: Duration::from_secs(120), revert: true }
    }
}
