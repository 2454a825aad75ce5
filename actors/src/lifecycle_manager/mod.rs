//! `LifecycleManager`: makes services run, and keeps them running.
//!
//! It has two parts. The *conductor* decides where the parts of an instance run; what it has decided stands in a `placement` before
//! anybody is told. The *runner* looks after the parts that this agent was given; each stands in a `workload` before what runs it is
//! called. A part goes the same way whether the agent is this one or another: the parcels of [`parcel`] go over links, or are opened
//! here. So a crash at any moment leaves behind documents from which everything is found again.
//!
//! What an instance shall do is the attribute `desired` of its document, wherever that is changed. What it does is told there by
//! the conductor, from the workloads of all agents, which come to it as all documents of an area do.

mod actor;
mod agreeing;
mod blocks;
mod charge;
mod climbing;
mod compose;
mod conduct;
mod feed;
mod field;
mod jobs;
mod launch;
mod measuring;
mod messages;
mod moves;
mod opening;
mod operating;
mod orders;
mod owners;
mod parcel;
mod preparing;
mod run;
mod runner;
mod sightings;
mod specs;
mod taking_over;
mod tending;
mod updating;
mod writing;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::area::standing::Standing;
use mf2c_placement::policy::Measure;
use mf2c_store::Store;
use mf2c_workload::{BackendKind, Capability, ExecutionBackend, Handle, Progress};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::leadership::Standings;
use crate::ports::{Fetcher, Prober, World};
use crate::qos_provider::CheckDevices;
use crate::replicator::{AskFar, Propose};
use crate::resource_store::ResourceStore;
use crate::supervisor::DeathNotice;
use blocks::Blocks;
use charge::Charge;
pub use messages::{
    Backends, CheckPolicy, Exec, Explain, Launch, Launched, Line, Lines, Operate, Operation, PartIndex, ReadLogs,
    Schedule, Scheduling, Source, StartJob, Tend, Tended, Trouble, Usage, WorkError,
};
use moves::Failures;
pub use opening::AnswerWork;
use parcel::{Handed, LogsWish};
use run::Run;

/// What the lifecycle manager is told at start.
#[derive(Debug, Clone, Default)]
pub struct LifecycleSettings {
    /// Devices of the machine that services may use: paths, with `*` at the end for all that begin so.
    pub devices: Vec<String>,
    /// Whom plain processes run as, where that is not the agent's own user.
    pub process_user: Option<String>,
    /// Where images are that services name as `archive`.
    pub archives: PathBuf,
    /// What is done when what runs here is more than the owner of the device lends.
    pub on_violation: Measure,
    /// What services are told of the agent.
    pub around: Surroundings,
    /// What distinguishes this start of the machine from others.
    pub boot: String,
}

/// What services are told of the agent.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Its address.
    pub address: String,
    /// The URL of its API.
    pub api: String,
}

/// What the lifecycle manager works with.
#[derive(Clone)]
pub struct LifecycleParts {
    /// The committed documents.
    pub store: Arc<Store>,
    /// Their one writer.
    pub writer: Addr<ResourceStore>,
    /// Time and randomness.
    pub world: World,
    /// How the agent stands.
    pub standings: Standings,
    /// The way to documents of other agents.
    pub elsewhere: Option<Recipient<Propose>>,
    /// The way to other agents.
    pub far: Option<Recipient<AskFar>>,
    /// The way to who has learned which devices keep their promises; none while it is built anew.
    pub quality: Arc<dyn Fn() -> Option<Recipient<CheckDevices>> + Send + Sync>,
    /// What runs services.
    pub backends: BTreeMap<BackendKind, Arc<dyn ExecutionBackend>>,
    /// Asks services whether they are well.
    pub prober: Arc<dyn Prober>,
    /// Fetches what services name by a URL.
    pub fetcher: Arc<dyn Fetcher>,
}

/// What is kept of an instance, and of each of its parts, beside the documents.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Kept {
    #[serde(default)]
    handed: Handed,
    /// What the version before was given, while a new one comes.
    #[serde(default, skip_serializing_if = "Handed::is_empty")]
    before: Handed,
    /// Whether an administrator started it.
    #[serde(default)]
    admin: bool,
}

impl Kept {
    /// Whether it is what holds where nothing is kept.
    fn is_usual(&self) -> bool {
        self.handed.is_empty() && self.before.is_empty() && !self.admin
    }
}

/// Tells the streams of backends apart.
#[derive(Debug, Clone, Copy)]
struct News {
    kind: BackendKind,
}

/// How far the fetching of an image has come.
struct Progressed {
    of: Handle,
    progress: Progress,
}

/// More lines of a part of another agent.
#[derive(Message)]
#[rtype(result = "parcel::Reply")]
struct NextPage {
    node: String,
    wish: LogsWish,
}

/// See the module.
pub struct LifecycleManager {
    store: Arc<Store>,
    writer: Addr<ResourceStore>,
    world: World,
    settings: LifecycleSettings,
    standings: Standings,
    standing: Standing,
    node_name: String,
    elsewhere: Option<Recipient<Propose>>,
    far: Option<Recipient<AskFar>>,
    quality: Arc<dyn Fn() -> Option<Recipient<CheckDevices>> + Send + Sync>,
    backends: BTreeMap<BackendKind, Arc<dyn ExecutionBackend>>,
    capabilities: BTreeMap<BackendKind, Capability>,
    prober: Arc<dyn Prober>,
    fetcher: Arc<dyn Fetcher>,
    feed: watch::Receiver<u64>,
    /// Everything up to here is read.
    read: u64,
    runs: BTreeMap<Handle, Run>,
    charges: BTreeMap<String, Charge>,
    failures: Failures,
    blocks: Blocks,
    /// When instances are looked at by the clock.
    planned: BTreeMap<String, Duration>,
    /// Backends that have told what there is.
    met: BTreeSet<BackendKind>,
    /// Backends that do not answer, and how often they did not.
    away: BTreeMap<BackendKind, u32>,
    /// The same, and why: nothing is known of what they run, and nothing is asked of them.
    lost: BTreeMap<BackendKind, String>,
    /// Whether the machine was started anew since what is stored was written.
    booted: bool,
    /// What was told of the owner's limits last.
    warned: String,
    _notice: Option<DeathNotice>,
}

impl LifecycleManager {
    /// A manager of what the store in `parts` knows.
    #[must_use]
    pub fn new(settings: LifecycleSettings, parts: LifecycleParts, notice: impl Into<Option<DeathNotice>>) -> Self {
        Self {
            feed: parts.store.subscribe(),
            node_name: parts.store.identity().name(),
            store: parts.store,
            writer: parts.writer,
            world: parts.world,
            settings,
            standing: Standing::default(),
            standings: parts.standings,
            elsewhere: parts.elsewhere,
            far: parts.far,
            quality: parts.quality,
            backends: parts.backends,
            capabilities: BTreeMap::new(),
            prober: parts.prober,
            fetcher: parts.fetcher,
            read: 0,
            runs: BTreeMap::new(),
            charges: BTreeMap::new(),
            failures: Failures::default(),
            blocks: Blocks::default(),
            planned: BTreeMap::new(),
            met: BTreeSet::new(),
            away: BTreeMap::new(),
            lost: BTreeMap::new(),
            booted: false,
            warned: String::new(),
            _notice: notice.into(),
        }
    }
}
