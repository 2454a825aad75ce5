//! One workload of this agent: what it shall do, what it does, and its document.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix::SpawnHandle;
use mf2c_domain::acl::Acl;
use mf2c_domain::id::ResourceId;
use mf2c_domain::time::Timestamp;
use mf2c_lifecycle::service::Service;
use mf2c_lifecycle::{AgentStatus, Exit, Health, Supervisor};
use mf2c_workload::{BoundPort, Handle, Progress, Spec};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::parcel::{Assignment, Desired, Goal, Handed};

/// So many events of a workload are kept.
const EVENTS: usize = 24;

/// The name of the document of a workload.
pub(super) fn name_of(handle: &Handle) -> String {
    format!("{}-{}-{}", handle.instance, handle.index, handle.generation)
}

/// The id of the document of a workload.
pub(super) fn id_of(handle: &Handle) -> String {
    format!("workload/{}", name_of(handle))
}

/// What is kept beside the document: nobody else sees it.
pub(super) fn handed_key(handle: &Handle) -> String {
    format!("handed/{}", name_of(handle))
}

/// What the document of a workload says.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Record {
    pub(super) instance: String,
    pub(super) service: String,
    pub(super) device_id: String,
    pub(super) index: u32,
    pub(super) generation: u64,
    pub(super) desired: Desired,
    #[serde(default)]
    pub(super) restart_asked: u64,
    #[serde(default)]
    pub(super) spec: Map<String, Value>,
    pub(super) status: String,
    #[serde(default)]
    pub(super) detail: String,
    #[serde(default)]
    pub(super) container_id: String,
    #[serde(default)]
    pub(super) bindings: Vec<Binding>,
    #[serde(default)]
    pub(super) health: Option<String>,
    #[serde(default)]
    pub(super) restarts: u64,
    #[serde(default)]
    pub(super) exit_code: Option<f64>,
    #[serde(default)]
    pub(super) oom: Option<bool>,
    #[serde(default)]
    pub(super) started: Option<String>,
    #[serde(default)]
    pub(super) events: VecDeque<Happening>,
    #[serde(default)]
    pub(super) held_back: Option<String>,
    #[serde(default)]
    pub(super) evicted: bool,
    #[serde(default)]
    pub(super) acl: Option<Acl>,
}

impl Record {
    /// Reads a document; none where it is none of ours.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    pub(super) fn handle(&self) -> Handle {
        let instance = self.instance.strip_prefix("service-instance/").unwrap_or(&self.instance);
        Handle { instance: instance.to_owned(), index: self.index, generation: self.generation }
    }

    pub(super) fn status(&self) -> AgentStatus {
        AgentStatus::read(&self.status)
    }
}

/// Which port inside is reached at which of the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Binding {
    pub(super) container: u16,
    pub(super) host: u16,
    pub(super) protocol: String,
}

impl From<&BoundPort> for Binding {
    fn from(port: &BoundPort) -> Self {
        Self { container: port.container, host: port.host, protocol: port.protocol.to_string() }
    }
}

/// Something that happened to a workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Happening {
    pub(super) time: String,
    pub(super) code: String,
    pub(super) text: String,
}

/// One workload of this agent.
pub(super) struct Run {
    pub(super) id: ResourceId,
    pub(super) handle: Handle,
    pub(super) service: Arc<Service>,
    pub(super) device: String,
    pub(super) acl: Acl,
    pub(super) goal: Goal,
    /// Whether the owner's limits let it run.
    pub(super) held_back: Option<String>,
    /// Whether it shall go to another device for that.
    pub(super) evicted: bool,
    pub(super) supervisor: Supervisor,
    pub(super) handed: Handed,
    pub(super) admin: bool,
    /// Made when it is first needed.
    pub(super) spec: Option<Arc<Spec>>,
    pub(super) bindings: Vec<Binding>,
    pub(super) started: Option<Timestamp>,
    pub(super) exit: Option<Exit>,
    pub(super) events: VecDeque<Happening>,
    pub(super) progress: Option<Progress>,
    pub(super) wake: Option<(Duration, SpawnHandle)>,
    /// How often an image was asked for in vain.
    pub(super) missed: u32,
    pub(super) shown: Map<String, Value>,
    pub(super) writing: bool,
    pub(super) dirty: bool,
    /// Whether it stops to be started again.
    pub(super) restarting: bool,
    /// Whether its run is being measured: its end is to be written.
    pub(super) measured: bool,
    /// Whether its last end has just been heard of.
    pub(super) is_news: bool,
    /// Whether its instance goes with it.
    pub(super) for_good: bool,
    /// What it needs is being fetched.
    pub(super) fetching: Option<SpawnHandle>,
    /// When it ended last, by the monotonic clock.
    pub(super) ended: Option<Duration>,
}

impl Run {
    /// Takes over what a document says.
    pub(super) fn recall(document: &Map<String, Value>, handed: Handed, admin: bool) -> Option<Self> {
        let record: Record = serde_json::from_value(Value::Object(document.clone())).ok()?;
        let handle = record.handle();
        let id = ResourceId::parse(&id_of(&handle)).ok()?;
        let body = serde_json::to_vec(&record.spec).ok()?;
        let service = Arc::new(Service::read(&record.service, &body).ok()?);
        let is_alive = AgentStatus::read(&record.status).is_alive();
        let is_held =
            record.desired == Desired::Running && record.held_back.as_ref().is_some_and(|why| !why.is_empty());
        let desired = if is_held { Desired::Stopped } else { record.desired }.into();
        let supervisor = Supervisor::new(service.restart, service.health.clone(), desired, record.restarts);
        let run = Self {
            id,
            handle,
            device: record.device_id,
            acl: record.acl.unwrap_or_else(|| Acl::of_admin(&[])),
            goal: Goal { desired: record.desired, restarts: record.restart_asked },
            held_back: record.held_back.filter(|why| !why.is_empty()),
            evicted: record.evicted,
            supervisor,
            handed,
            admin,
            spec: None,
            bindings: record.bindings,
            // Of what has ended the next start counts.
            started: record.started.filter(|_| is_alive).as_deref().and_then(Timestamp::parse),
            exit: record.exit_code.map(|code| Exit {
                code: Some(code as i64),
                oom: record.oom.unwrap_or_default(),
                interrupted: false,
            }),
            events: record.events,
            progress: None,
            wake: None,
            missed: 0,
            shown: document.clone(),
            writing: false,
            dirty: false,
            restarting: false,
            is_news: false,
            for_good: false,
            fetching: None,
            ended: None,
            measured: is_alive,
            service,
        };
        Some(run)
    }

    /// The attributes of the document of a new assignment.
    pub(super) fn document(assignment: &Assignment, device: &str) -> Map<String, Value> {
        let Assignment { handle, wish, .. } = assignment;
        let exec_type = assignment.spec.get("exec_type").cloned().unwrap_or_else(|| "docker".into());
        let mut spec = assignment.spec.clone();
        for gone in ["id", "acl", "operations", "resourceURI", "created", "updated"] {
            spec.remove(gone);
        }
        let attributes = json!({
            "instance": format!("service-instance/{}", handle.instance),
            "service": assignment.service,
            "device_id": device,
            "conductor": assignment.conductor,
            "term": assignment.term,
            "index": handle.index,
            "generation": handle.generation,
            "version": assignment.version,
            "desired": wish.desired.as_str(),
            "restart_asked": wish.restarts,
            "exec_type": exec_type,
            "spec": spec,
            "status": AgentStatus::Created.name(),
        });
        attributes.as_object().cloned().unwrap_or_default()
    }

    /// Notes that something happened.
    pub(super) fn happened(&mut self, now: Timestamp, code: &str, text: impl Into<String>) {
        self.events.push_back(Happening { time: now.to_string(), code: code.to_owned(), text: text.into() });
        while self.events.len() > EVENTS {
            self.events.pop_front();
        }
        self.dirty = true;
    }

    /// Why it does what it does.
    fn detail(&self) -> String {
        if let Some(why) = &self.held_back {
            return why.clone();
        }
        if let Some(trouble) = self.supervisor.trouble() {
            return trouble.reason.clone();
        }
        match (self.supervisor.status(), self.exit) {
            (AgentStatus::Error | AgentStatus::Stopped | AgentStatus::Starting, Some(exit)) => exit.to_string(),
            (AgentStatus::Degraded, _) => "its health check fails".to_owned(),
            _ => String::new(),
        }
    }

    /// What the document shall say of how it is.
    pub(super) fn state(&self) -> Map<String, Value> {
        let health = match self.supervisor.health() {
            Health::Unchecked => "unchecked",
            Health::Starting => "starting",
            Health::Healthy => "healthy",
            Health::Unhealthy => "unhealthy",
        };
        let mut state = json!({
            "desired": self.goal.desired.as_str(),
            "restart_asked": self.goal.restarts,
            "status": self.supervisor.status().name(),
            "detail": self.detail(),
            "container_id": if self.supervisor.is_gone() { String::new() } else { self.handle.name() },
            "bindings": self.bindings,
            "health": health,
            "restarts": self.supervisor.restarts(),
            "events": self.events,
            "held_back": self.held_back.as_deref().unwrap_or_default(),
            "evicted": self.evicted,
        });
        if let Some(exit) = self.exit {
            state["oom"] = exit.oom.into();
            if let Some(code) = exit.code {
                state["exit_code"] = json!(code as f64);
            }
        }
        if let Some(started) = self.started {
            state["started"] = started.to_string().into();
        }
        if let Some(progress) = &self.progress {
            state["progress"] = json!({
                "image": progress.image, "status": progress.status,
                "current": progress.current, "total": progress.total,
            });
        }
        state.as_object().cloned().unwrap_or_default()
    }

    /// What has changed since the document was written; none where nothing has.
    pub(super) fn changes(&self) -> Option<Map<String, Value>> {
        let changed = |(name, value): &(String, Value)| self.shown.get(name) != Some(value);
        let changes: Map<String, Value> = self.state().into_iter().filter(changed).collect();
        (!changes.is_empty()).then_some(changes)
    }
}
