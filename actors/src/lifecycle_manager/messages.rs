//! What the lifecycle manager is asked, and what it answers.

use std::fmt;
use std::time::Duration;

use actix::prelude::*;
use futures_util::stream::BoxStream;
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_workload::{ExecOutcome, LogOptions};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What went wrong, as a caller can act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    /// What was asked makes no sense.
    Invalid,
    /// The caller may not.
    Forbidden,
    /// There is no such thing, or the caller may not know of it.
    NotFound,
    /// It is in a state that does not allow it.
    Conflict,
    /// A key was used for another request before.
    Reused,
    /// Too few devices fit; [`WorkError::details`] explains each.
    NoRoom,
    /// No agent does that.
    Unsupported,
    /// Not now: somebody who is needed cannot be reached.
    Unavailable,
    /// It was tried, and failed.
    Failed,
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[error("{text}")]
pub struct WorkError {
    /// What kind of thing went wrong.
    pub trouble: Trouble,
    /// A sentence for people: what was wrong, and what was expected.
    pub text: String,
    /// More of it: for [`Trouble::NoRoom`] the explanation by device (`mf2c_placement::explain`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Box<Value>>,
}

impl WorkError {
    /// An error without details.
    #[must_use]
    pub fn new(trouble: Trouble, text: impl Into<String>) -> Self {
        Self { trouble, text: text.into(), details: None }
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(Trouble::NotFound, format!("{what} not found"))
    }

    pub(crate) fn stopping() -> Self {
        Self::new(Trouble::Unavailable, "this agent is stopping: ask again later")
    }
}

/// Which service.
#[derive(Debug, Clone)]
pub enum Source {
    /// The one of this id.
    Id(ResourceId),
    /// This one: a whole document, as it is stored, or as it could be.
    Body(Map<String, Value>),
}

/// Starts a service: finds devices for it, stores the instance, and tells whom it is placed on. Answered when the
/// intent is on disk; what becomes of it, the instance's document tells.
#[derive(Debug, Message)]
#[rtype(result = "Result<Launched, WorkError>")]
pub struct Launch {
    /// The service.
    pub service: Source,
    /// Who asks. The instance is his.
    pub by: Caller,
    /// Whether an administrator asks in the name of somebody else, whom `by` names: the instance is that one's.
    pub for_another: bool,
    /// The template of the agreement: `sla-template/...`.
    pub template: Option<String>,
    /// An agreement that is there already.
    pub agreement: Option<String>,
    /// The only devices that may run it: ids of devices, or addresses of agents; none for all that there are.
    pub devices: Option<Vec<String>>,
    /// The name of the instance among its owner's, for people.
    pub name: Option<String>,
    /// The same key and the same caller make one instance, however often it is asked for.
    pub key: Option<String>,
}

/// See [`Launch`].
#[derive(Debug, Clone)]
pub struct Launched {
    /// The instance.
    pub id: ResourceId,
    /// Its document.
    pub document: Map<String, Value>,
    /// Whether the leader was asked, because too few devices fit here.
    pub forwarded: bool,
    /// Whether it was there already: the key was used before.
    pub again: bool,
}

/// Tells for each device whether it would run a service, and why or why not; see `mf2c_placement::explain`.
#[derive(Debug, Message)]
#[rtype(result = "Result<Value, WorkError>")]
pub struct Explain {
    /// The service.
    pub service: Source,
    /// Who asks.
    pub by: Caller,
    /// As in [`Launch::devices`].
    pub devices: Option<Vec<String>>,
    /// In the words of the original's recommender (`POST /mf2c/optimal`): a list of the devices that fit.
    pub as_optimal: bool,
}

/// What is done with an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// It shall run.
    Start,
    /// It shall stop.
    Stop,
    /// It is stopped and started.
    Restart,
    /// It takes over the service as it is stored now, agent by agent.
    Update,
    /// It is stopped and removed, with its document.
    Delete,
}

/// Does something with an instance. Answered when the intent is on disk.
#[derive(Debug, Message)]
#[rtype(result = "Result<Map<String, Value>, WorkError>")]
pub struct Operate {
    /// The instance.
    pub instance: ResourceId,
    /// What.
    pub operation: Operation,
    /// Who asks.
    pub by: Caller,
}

/// Which part of an instance: its index; the first that there is where nothing is said.
pub type PartIndex = Option<u32>;

/// Reads what an instance has said.
#[derive(Debug, Message)]
#[rtype(result = "Result<Lines, WorkError>")]
pub struct ReadLogs {
    /// The instance.
    pub instance: ResourceId,
    /// Which part of it; all where nothing is said.
    pub index: PartIndex,
    /// Which lines.
    pub options: LogOptions,
    /// Who asks.
    pub by: Caller,
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Which part of the instance.
    pub index: u32,
    /// Which container of it, where it is an application of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// `stdout` or `stderr`.
    pub stream: String,
    /// When, in RFC 3339.
    pub time: String,
    /// What.
    pub text: String,
}

/// Lines as they come.
pub struct Lines(pub BoxStream<'static, Result<Line, WorkError>>);

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lines")
    }
}

/// Runs a program beside a part of an instance.
#[derive(Debug, Message)]
#[rtype(result = "Result<ExecOutcome, WorkError>")]
pub struct Exec {
    /// The instance.
    pub instance: ResourceId,
    /// Which part of it.
    pub index: PartIndex,
    /// The program and its arguments; no shell reads them.
    pub argv: Vec<String>,
    /// It is ended after so long.
    pub limit: Duration,
    /// Who asks.
    pub by: Caller,
}

/// What the parts of an instance use: a list of objects.
#[derive(Debug, Message)]
#[rtype(result = "Result<Value, WorkError>")]
pub struct Usage {
    /// The instance.
    pub instance: ResourceId,
    /// Who asks.
    pub by: Caller,
}

/// Keeps the volume of a dataset on a device, or removes it. The agent alone asks that: whose dataset it is, is decided before.
#[derive(Debug, Message)]
#[rtype(result = "Result<Tended, WorkError>")]
pub struct Tend {
    /// The name of the node of the agent there.
    pub node: String,
    /// The dataset.
    pub dataset: String,
    /// Whether it shall be there.
    pub wanted: bool,
}

/// See [`Tend`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tended {
    /// Whether the volume is there.
    pub there: bool,
    /// Where it is on the disk of the device.
    #[serde(default)]
    pub path: String,
}

/// Whether services are placed on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheduling {
    /// Yes.
    Open,
    /// No new ones.
    Cordoned,
    /// No, and what runs there moves away.
    Draining,
}

/// Says whether services are placed on a device.
#[derive(Debug, Message)]
#[rtype(result = "Result<Map<String, Value>, WorkError>")]
pub struct Schedule {
    /// The device.
    pub device: ResourceId,
    /// What holds from now on.
    pub to: Scheduling,
    /// Who asks.
    pub by: Caller,
}

/// Asks whether this device may run one more service for others: `{"allowed", "reasons", "apps_running", "sharing_model",
/// "user_profile"}`, with the documents or null.
#[derive(Debug, Message)]
#[rtype(result = "Result<Value, WorkError>")]
pub struct CheckPolicy;

/// What this agent can run: an object by backend, each with `available`, `version`, `features`, `why_not`.
#[derive(Debug, Message)]
#[rtype(result = "Result<Value, WorkError>")]
pub struct Backends;

/// Starts a job of an instance of COMPSs; the answer is the name of the job there.
#[derive(Debug, Message)]
#[rtype(result = "Result<String, WorkError>")]
pub struct StartJob {
    /// The instance.
    pub instance: ResourceId,
    /// `ceiClass`, `className`, `hasResult`, `methodName`, `parameters` (a fragment of XML).
    pub job: Map<String, Value>,
    /// Who asks.
    pub by: Caller,
}
