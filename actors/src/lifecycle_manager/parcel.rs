//! What agents say to each other about services: JSON in [`mf2c_fabric::wire::Work`].

use std::fmt;

use mf2c_domain::acl::Acl;
use mf2c_workload::Handle;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::messages::WorkError;

/// A request climbs so many agents at most.
pub(super) const MOST_HOPS: u8 = 4;

/// One question.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub(super) enum Parcel {
    /// To run a part of an instance. Answered by [`Taken`].
    Assign(Box<Assignment>),
    /// What a part shall do now. Answered by [`Taken`].
    Desire(Wish),
    /// To find devices for a service, and to start it there. Answered by nothing.
    Launch(Box<Request>),
    /// What a part has said. Answered by [`Page`].
    Logs(LogsWish),
    /// To run a program beside a part. Answered by [`Outcome`].
    Exec(ExecWish),
    /// What a part uses. Answered by an object.
    Usage(Handle),
    /// To keep the volume of a dataset, or to remove it. Answered by [`Tended`](super::messages::Tended).
    Tend(TendWish),
}

/// A part of an instance for one agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Assignment {
    pub(super) handle: Handle,
    pub(super) wish: Goal,
    /// The id of the service.
    pub(super) service: String,
    pub(super) version: u64,
    /// The name of the conductor's node.
    pub(super) conductor: String,
    pub(super) term: u64,
    /// The document of the service.
    pub(super) spec: Map<String, Value>,
    #[serde(default)]
    pub(super) handed: Handed,
    pub(super) acl: Acl,
    /// Whether an administrator started it.
    #[serde(default)]
    pub(super) admin: bool,
}

/// What a part shall do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Goal {
    pub(super) desired: Desired,
    /// How often it was asked to start anew.
    pub(super) restarts: u64,
}

/// The same for a part that the agent has.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Wish {
    pub(super) handle: Handle,
    pub(super) goal: Goal,
    pub(super) term: u64,
    /// Whether the whole instance goes, and with it what belongs to it and outlives its parts: its volumes.
    #[serde(default)]
    pub(super) for_good: bool,
}

/// What an instance, or a part of one, shall do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Desired {
    Running,
    Stopped,
    Deleted,
}

impl Desired {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Deleted => "deleted",
        }
    }
}

impl From<Desired> for mf2c_lifecycle::Desired {
    fn from(desired: Desired) -> Self {
        match desired {
            Desired::Running => Self::Running,
            Desired::Stopped => Self::Stopped,
            Desired::Deleted => Self::Deleted,
        }
    }
}

/// What an agent says to an assignment or a wish.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Taken {
    /// Whether there is no such part any more.
    pub(super) gone: bool,
}

/// Secrets and logins that a part gets from credentials. They are kept beside the documents, and never travel with those.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Handed {
    /// Name, value, and whether it is a variable of the environment and not a file.
    #[serde(default)]
    pub(super) secrets: Vec<(String, String, bool)>,
    /// Name, password and registry.
    #[serde(default)]
    pub(super) login: Option<(String, String, Option<String>)>,
}

impl Handed {
    pub(super) fn is_empty(&self) -> bool {
        self.secrets.is_empty() && self.login.is_none()
    }
}

impl fmt::Debug for Handed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handed").field("secrets", &self.secrets.len()).finish_non_exhaustive()
    }
}

/// A launch that found too few devices below.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Request {
    /// The name of the instance: it is the same at each agent.
    pub(super) instance: String,
    /// The instance's document, without what the server adds.
    pub(super) document: Map<String, Value>,
    /// The id of the service, and its document.
    pub(super) service: String,
    pub(super) spec: Map<String, Value>,
    #[serde(default)]
    pub(super) handed: Handed,
    pub(super) acl: Acl,
    /// The name of who asks, and whether he is an administrator.
    pub(super) by: (String, bool),
    /// The device where it was asked for.
    pub(super) requester: Option<String>,
    /// The only devices that may run it.
    #[serde(default)]
    pub(super) devices: Option<Vec<String>>,
    /// How many agents it has climbed.
    pub(super) hops: u8,
}

/// Asks for lines of a log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct LogsWish {
    pub(super) handle: Handle,
    #[serde(default)]
    pub(super) tail: Option<usize>,
    /// Only later ones, in RFC 3339.
    #[serde(default)]
    pub(super) since: Option<String>,
    /// Waits for so long for a first line, in milliseconds.
    #[serde(default)]
    pub(super) wait: u64,
}

/// Lines of a log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Page {
    pub(super) lines: Vec<super::messages::Line>,
    /// Whether more can come.
    pub(super) goes_on: bool,
}

/// What shall become of a dataset's volume.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TendWish {
    pub(super) dataset: String,
    pub(super) wanted: bool,
}

/// Asks to run a program.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ExecWish {
    pub(super) handle: Handle,
    pub(super) argv: Vec<String>,
    /// In milliseconds.
    pub(super) limit: u64,
}

/// How a program ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Outcome {
    pub(super) code: i64,
    pub(super) output: String,
    pub(super) cut: bool,
}

/// What stands in [`mf2c_fabric::wire::Answer::Work`].
pub(super) type Reply = Result<Value, WorkError>;
