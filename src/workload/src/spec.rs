//! What to run, resolved: a backend needs nothing else to know.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The label of the agent that a workload belongs to.
pub(crate) const LABEL_AGENT: &str = "mf2c.agent";
/// The label of the instance.
pub(crate) const LABEL_INSTANCE: &str = "mf2c.instance";
/// The label of the service.
pub(crate) const LABEL_SERVICE: &str = "mf2c.service";
/// The label of the place among the instance's workloads.
pub(crate) const LABEL_INDEX: &str = "mf2c.index";
/// The label of a dataset's volume.
pub(crate) const LABEL_DATASET: &str = "mf2c.dataset";
/// The label of the attempt.
pub(crate) const LABEL_GENERATION: &str = "mf2c.generation";

/// Everything that a backend needs to know of one workload.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The agent that it belongs to.
    pub agent: String,
    /// The instance that it is a part of: the name of a `service-instance`, a UUID.
    pub instance: String,
    /// The service that it serves: the name of a `service`.
    pub service: String,
    /// Which of the instance's workloads on this agent.
    pub index: u32,
    /// Which attempt at it.
    pub generation: u64,
    /// What to run.
    pub program: Program,
    /// Replaces the entry point of the image.
    pub entrypoint: Option<Vec<String>>,
    /// Arguments: they replace those of the image.
    pub command: Vec<String>,
    /// The environment.
    pub environment: BTreeMap<String, String>,
    /// What nobody else may see.
    pub secrets: Vec<Secret>,
    /// What it sees of the disk.
    pub volumes: Vec<Volume>,
    /// Devices of the machine that it may use.
    pub devices: Vec<Device>,
    /// Whom it runs as: `user`, `user:group`, or numbers.
    pub user: Option<String>,
    /// Where it starts.
    pub working_dir: Option<String>,
    /// Ports that it is reached by.
    pub ports: Vec<Port>,
    /// What it may use.
    pub limits: Limits,
    /// A check that the engine does itself, for those that can.
    pub health: Option<HealthCheck>,
    /// How long it may take to end when it is asked to.
    pub stop_grace: Duration,
}

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// An image, by name and tag or digest.
    Image(String),
    /// A program of the machine with its arguments; no shell reads them.
    Argv(Vec<String>),
    /// A compose file: its text.
    Compose(String),
}

/// A text that shows itself to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// Keeps a text to itself.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Something that only the workload may see. It is in no label, log or error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// The variable or the file.
    pub name: String,
    /// What it holds.
    pub value: SecretText,
    /// How it is handed over.
    pub place: SecretPlace,
}

/// How a secret is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretPlace {
    /// A variable of the environment. Docker keeps those in its own files: a file is safer.
    Environment,
    /// A file in memory: `/run/secrets/<name>` in a container, `$MF2C_SECRETS/<name>` for a process.
    File,
}

/// A part of the disk that the workload sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// What is seen.
    pub mount: Mount,
    /// Where it is seen: an absolute path.
    pub target: String,
    /// Whether it can only be read.
    pub read_only: bool,
}

/// What a volume is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mount {
    /// A volume of the engine that belongs to the instance, by its name; made where it is not there.
    Named(String),
    /// A volume of the engine that all instances of the service on the machine have together, by its name; made where it is not
    /// there, and never removed.
    Shared(String),
    /// A volume of the engine that outlives all instances, by the name of its dataset; made where it is not there.
    Dataset(String),
    /// A folder or file of the machine, below one of the configured roots.
    Bind(PathBuf),
}

/// A device of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its path on the machine, below `/dev`.
    pub host: String,
    /// Its path for the workload.
    pub container: String,
    /// What may be done with it: some of `r`, `w` and `m` (make).
    pub permissions: String,
}

/// Which transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// A port that the workload is reached by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Port {
    /// The port inside.
    pub container: u16,
    /// The port wanted of this machine; 0 for any.
    pub host: u16,
    /// Which transport.
    pub protocol: Protocol,
}

/// What a workload may use. Nothing said is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Limits {
    /// Memory in bytes.
    pub memory: Option<u64>,
    /// Processors; half a one is 0.5.
    pub cpus: Option<f64>,
    /// Its weight among others where processors are short.
    pub cpu_shares: Option<u32>,
    /// Processes and threads.
    pub pids: Option<u32>,
    /// What is kept of its outputs.
    pub log: LogLimit,
}

/// What is kept of the outputs of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLimit {
    /// A file is full at so many bytes.
    pub file_bytes: u64,
    /// So many files are kept.
    pub files: u32,
}

impl Default for LogLimit {
    /// Three files of 1 MiB: a thousand workloads need 3 GiB at worst.
    fn default() -> Self {
        Self { file_bytes: 1 << 20, files: 3 }
    }
}

/// A health check that an engine does itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// The program that is run inside; 0 is healthy.
    pub argv: Vec<String>,
    /// Between two checks.
    pub interval: Duration,
    /// How long one may take.
    pub timeout: Duration,
    /// So many failures in a row are unhealthy.
    pub retries: u32,
    /// Failures do not count for so long.
    pub start_period: Duration,
}

impl Spec {
    /// The smallest one: this program, with everything else as it is by default.
    #[must_use]
    pub fn new(agent: &str, instance: &str, service: &str, program: Program) -> Self {
        Self {
            agent: agent.to_owned(),
            instance: instance.to_owned(),
            service: service.to_owned(),
            index: 0,
            generation: 1,
            program,
            entrypoint: None,
            command: vec![],
            environment: BTreeMap::new(),
            secrets: vec![],
            volumes: vec![],
            devices: vec![],
            user: None,
            working_dir: None,
            ports: vec![],
            limits: Limits::default(),
            health: None,
            stop_grace: Duration::from_secs(10),
        }
    }

    /// The labels that everything made for it bears.
    #[must_use]
    pub fn labels(&self) -> BTreeMap<String, String> {
        [
            (LABEL_AGENT, self.agent.clone()),
            (LABEL_INSTANCE, self.instance.clone()),
            (LABEL_SERVICE, self.service.clone()),
            (LABEL_INDEX, self.index.to_string()),
            (LABEL_GENERATION, self.generation.to_string()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }
}
