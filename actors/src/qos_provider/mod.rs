//! `QosProvider`: learns from reports and violations which devices keep the promises made for a service, and tells who may run
//! it next. It keeps the `category` of services and how many agents an instance should have, too.
//!
//! What it has learned is kept in `qos-model` documents, one for each service, each with the place in the change log up to which
//! it counts. The place of the whole is kept behind that, so that a crash makes no run count twice and loses none.

mod actor;
mod checking;
mod enforcing;
mod facts;
mod feed;
mod index;
mod learning;
mod model;
mod saving;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::id::ResourceId;
use mf2c_sla::expression::TimeUnit;
use mf2c_sla::qos::{Decision, Leanings, Policy};
use mf2c_store::{Store, StoreError};
use tokio::sync::watch;

use crate::ports::{Workshop, World};
use crate::resource_store::ResourceStore;
use crate::supervisor::DeathNotice;
use enforcing::Agreements;
use feed::Backlog;
use index::Index;
use learning::Early;
use model::Model;

/// What the provider is told at start.
#[derive(Debug, Clone)]
pub struct QosSettings {
    /// How it decides who may run a service.
    pub policy: Policy,
    /// From which numbers on a service leans on a resource.
    pub high: Leanings,
    /// Whether it says how many agents an instance should have.
    pub enforcement: bool,
    /// For how long half as many agents must have done before they are said to be enough.
    pub shrink_after: Duration,
    /// The unit of `execution_time` in constraints.
    pub unit: TimeUnit,
}

/// Asks which agents of an instance may run it.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<QosAnswer, QosError>")]
pub struct CheckQos(pub ResourceId);

/// Asks which of these devices are kept away from a service by what was learned of them. While what was learned is being read, none.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Vec<String>")]
pub struct CheckDevices {
    /// The service.
    pub service: String,
    /// The devices.
    pub devices: Vec<String>,
    /// How many are needed.
    pub needed: usize,
}

/// See [`CheckQos`].
#[derive(Debug, Clone, PartialEq)]
pub struct QosAnswer {
    /// The service that the instance runs.
    pub service: String,
    /// One for each agent of the instance, in its order.
    pub agents: Vec<AgentAnswer>,
}

/// What is said of one agent of an instance.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentAnswer {
    /// The device, or what else it is known by; empty where it has no name.
    pub device: String,
    /// Whether it may run the service, and what that follows from.
    pub decision: Decision,
    /// Why, for people.
    pub because: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum QosError {
    /// There is no such instance, or what is there is none.
    #[error("service-instance not found")]
    NoInstance,
    /// The service that it runs is gone.
    #[error("service not found")]
    NoService,
    /// The agent was started a moment ago.
    #[error("what was learned is still being read: try again in a second")]
    Starting,
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Looks for what has changed.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct Look;

/// See the module.
pub struct QosProvider {
    store: Arc<Store>,
    writer: Addr<ResourceStore>,
    /// Where the log is read.
    workshop: Arc<dyn Workshop>,
    world: World,
    settings: QosSettings,
    index: Index,
    /// What was learned, by service.
    models: BTreeMap<String, Model>,
    /// Violations that came before their reports.
    early: Early,
    agreements: Agreements,
    feed: watch::Receiver<u64>,
    /// Everything up to here is taken in.
    cursor: u64,
    /// The cursor that is stored.
    saved: u64,
    /// What is left of the collections, where the log did not go back far enough.
    backlog: Option<Backlog>,
    loaded: bool,
    reading: bool,
    saving: bool,
    _notice: Option<DeathNotice>,
}

impl QosProvider {
    /// A provider for the services in `store`.
    #[must_use]
    pub fn new(
        settings: QosSettings,
        store: Arc<Store>,
        writer: Addr<ResourceStore>,
        workshop: Arc<dyn Workshop>,
        world: World,
        notice: impl Into<Option<DeathNotice>>,
    ) -> Self {
        Self {
            feed: store.subscribe(),
            store,
            writer,
            workshop,
            world,
            agreements: Agreements::new(settings.unit),
            settings,
            index: Index::default(),
            models: BTreeMap::new(),
            early: Early::default(),
            cursor: 0,
            saved: 0,
            backlog: None,
            loaded: false,
            reading: false,
            saving: false,
            _notice: notice.into(),
        }
    }
}
