//! What a backend tells: how workloads are, what happens to them, what they say and use.

use std::collections::BTreeSet;
use std::fmt;

use futures_util::stream::BoxStream;
use mf2c_domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::BackendError;
use crate::spec::{Protocol, Spec};

/// The three backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackendKind {
    /// One container of Docker.
    Docker,
    /// Several containers of Docker, from a compose file.
    Compose,
    /// A process.
    Process,
}

/// Which workload: enough to find it again after a crash. It is written down before the workload is created.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Handle {
    /// The instance that it belongs to: the name of a `service-instance`.
    pub instance: String,
    /// Which of the instance's workloads on this agent.
    pub index: u32,
    /// Which attempt at it.
    pub generation: u64,
}

impl Handle {
    /// The handle of what this spec describes.
    #[must_use]
    pub fn of(spec: &Spec) -> Self {
        Self { instance: spec.instance.clone(), index: spec.index, generation: spec.generation }
    }

    /// The name that the engine knows the workload by: `mf2c-<instance>-<index>-<generation>`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("mf2c-{}-{}-{}", self.instance, self.index, self.generation)
    }

    /// The handle, if its parts make a name that engines and file systems take.
    pub(crate) fn checked(&self) -> Result<String, BackendError> {
        crate::check::check_id("the instance", &self.instance)?;
        Ok(self.name())
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// What a workload is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It is there and was never started.
    Created,
    /// It runs.
    Running,
    /// It ran.
    Exited {
        /// Its exit code; nothing where nobody was there to see it.
        code: Option<i64>,
        /// Whether it used more memory than it may and was ended for that.
        oom: bool,
        /// The signal that ended it.
        signal: Option<i32>,
    },
    /// The engine says something else.
    Unknown,
}

/// What a health check of the engine says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Too early to say.
    Starting,
    /// The last check succeeded.
    Healthy,
    /// As many checks failed as may.
    Unhealthy,
}

/// A port of the machine that leads to the workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundPort {
    /// The port inside.
    pub container: u16,
    /// The port of this machine.
    pub host: u16,
    /// Which transport.
    pub protocol: Protocol,
}

/// How a workload is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// What it is doing.
    pub state: State,
    /// When it was started last.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The ports that are really bound, in order.
    pub ports: Vec<BoundPort>,
    /// What the engine's own health check says, if there is one.
    pub health: Option<Health>,
    /// Its first process.
    pub pid: Option<u32>,
    /// What it was made from, as the engine identifies it.
    pub image: Option<String>,
    /// Its parts, where it is an application of several.
    pub parts: Vec<Part>,
}

impl Inspection {
    /// One of which only the state is known.
    pub(crate) const fn of(state: State) -> Self {
        Self {
            state,
            started_at: None,
            finished_at: None,
            ports: vec![],
            health: None,
            pid: None,
            image: None,
            parts: vec![],
        }
    }
}

/// One part of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What the compose file calls it.
    pub name: String,
    /// How it is.
    pub inspection: Inspection,
}

/// A workload that is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Which one.
    pub handle: Handle,
    /// The service that it serves.
    pub service: String,
    /// How it is.
    pub inspection: Inspection,
}

/// News about the workloads of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// All that are here now. What was told before may be old.
    Listed(Vec<Listed>),
    /// What runs them does not answer. Nothing is known of them until the next list.
    Lost {
        /// Why, for the operator.
        why: String,
    },
    /// Something happened to one.
    Changed {
        /// Which one.
        handle: Handle,
        /// The part of it, where it is an application of several.
        part: Option<String>,
        /// When.
        at: Timestamp,
        /// What.
        change: Change,
    },
}

/// What happened to a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It runs.
    Started,
    /// It ended, in this [`State::Exited`].
    Exited(State),
    /// The kernel ended a process of it that wanted too much memory. What becomes of the whole comes as its own event.
    OutOfMemory,
    /// Its health changed.
    Health(Health),
    /// It is no longer there.
    Removed,
}

/// News as they come.
pub type EventStream = BoxStream<'static, Event>;

/// Which lines of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogOptions {
    /// Only so many of the last; all there are where nothing is said.
    pub tail: Option<usize>,
    /// Only later ones.
    pub since: Option<Timestamp>,
    /// Whether to go on with new ones until the workload ends.
    pub follow: bool,
}

/// Where a line was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The part that said it, where the workload is an application of several.
    pub part: Option<String>,
    /// Where it was written.
    pub stream: Stream,
    /// When.
    pub time: Timestamp,
    /// What, without the end of the line. Very long lines come in pieces.
    pub text: String,
}

/// Lines as they come.
pub type LogStream = BoxStream<'static, Result<LogLine, BackendError>>;

/// What a workload uses. All are 0 where the engine does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// CPU time since its start, in nanoseconds: the difference between two looks is the load.
    pub cpu_nanos: u64,
    /// Memory in use, in bytes, without what the kernel only keeps for later.
    pub memory_bytes: u64,
    /// The most it may use, in bytes; 0 where there is no limit.
    pub memory_limit: u64,
    /// Bytes received from networks.
    pub received_bytes: u64,
    /// Bytes sent to networks.
    pub sent_bytes: u64,
    /// Bytes read from disks.
    pub read_bytes: u64,
    /// Bytes written to disks.
    pub written_bytes: u64,
    /// Processes.
    pub processes: u64,
}

impl Stats {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            cpu_nanos: self.cpu_nanos.saturating_add(other.cpu_nanos),
            memory_bytes: self.memory_bytes.saturating_add(other.memory_bytes),
            memory_limit: self.memory_limit.saturating_add(other.memory_limit),
            received_bytes: self.received_bytes.saturating_add(other.received_bytes),
            sent_bytes: self.sent_bytes.saturating_add(other.sent_bytes),
            read_bytes: self.read_bytes.saturating_add(other.read_bytes),
            written_bytes: self.written_bytes.saturating_add(other.written_bytes),
            processes: self.processes.saturating_add(other.processes),
        }
    }
}

/// Something that not every backend can do everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    /// A limit on memory.
    MemoryLimit,
    /// A limit on CPU time.
    CpuLimit,
    /// A limit on the number of processes.
    ProcessLimit,
    /// Health checks by the engine.
    EngineHealth,
    /// Volumes.
    Volumes,
    /// Ports of the machine that lead to other ports inside.
    PortMapping,
    /// Secrets that are never on a disk.
    Secrets,
    /// Applications of several parts.
    Parts,
}

/// What a backend can do on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capability {
    /// Whether it can be used.
    pub available: bool,
    /// What does the work, and its version.
    pub version: String,
    /// What it can do.
    pub features: BTreeSet<Feature>,
    /// Which control groups there are: 1, 2, or none that can be used.
    pub cgroups: Option<u8>,
    /// Why it, or some of its features, cannot be used.
    pub why_not: Option<String>,
}
