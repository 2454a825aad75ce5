//! `SlaAssessor`: holds reports against agreements as soon as they are committed, and writes down what it finds.
//!
//! It follows the change log by a cursor that the store keeps. Whatever a page of the log shows is written with names that follow from
//! what was found, and the cursor moves only when it is stored: so a crash neither loses nor doubles anything. What is remembered
//! beside (windows, episodes, when an agreement was stopped) is read from the store at the start.

mod actor;
mod assess;
mod availability;
mod backlog;
mod documents;
mod doubles;
mod feed;
mod index;
mod load;
mod names;
mod notes;
mod upkeep;
mod writing;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::area::standing::Standing;
use mf2c_sla::expression::{Grammar, TimeUnit};
use mf2c_sla::{Episode, Expressions, Finding};
use mf2c_store::Store;
use mf2c_store::record::NodeId;
use tokio::sync::watch;

use crate::leadership::Standings;
use crate::ports::World;
use crate::resource_store::ResourceStore;
use crate::supervisor::DeathNotice;
use backlog::Backlog;
use index::Index;
use notes::Note;
use writing::Pages;

/// What the assessor is told at start.
#[derive(Debug, Clone, Copy, Default)]
pub struct SlaSettings {
    /// The unit of `execution_time` in reports and constraints.
    pub unit: TimeUnit,
}

/// What the assessor has done since the start of the agent, and how it stands.
#[derive(Debug, Default)]
pub struct SlaCounters {
    /// Agreements that it knows.
    pub agreements: AtomicU64,
    /// Reports held against an agreement.
    pub reports: AtomicU64,
    /// Violations found.
    pub violations: AtomicU64,
    /// Warnings found.
    pub warnings: AtomicU64,
    /// Changes that it has not read yet.
    pub lag: AtomicU64,
    /// Documents that wait to be stored.
    pub queue: AtomicU64,
    /// Everything up to this position of the log is assessed, and what follows from it is stored.
    pub position: AtomicU64,
    /// What it could not do: agreements that cannot be read, documents that the store refuses.
    pub errors: AtomicU64,
}

/// Goes on with what there is to do.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct Wake;

/// See the module.
pub struct SlaAssessor {
    store: Arc<Store>,
    writer: Addr<ResourceStore>,
    world: World,
    settings: SlaSettings,
    counters: Arc<SlaCounters>,
    standings: Standings,
    standing: Standing,
    node: NodeId,
    feed: watch::Receiver<u64>,
    /// Everything up to here is read.
    read: u64,
    /// Documents that are read before the log is.
    backlogs: VecDeque<Backlog>,
    /// Nothing is read before; the log could not be.
    not_before: Option<Duration>,
    expressions: Expressions,
    index: Index,
    /// When agreements are looked at by the clock, in nanoseconds since 1970.
    due: BTreeSet<(i128, Arc<str>)>,
    /// What was found and is not written down yet.
    found: Vec<Finding>,
    /// What is to be written for the present page.
    notes: Vec<Note>,
    pages: Pages,
    /// Agreements whose `assessment` is to be written, in the order in which that came up.
    outdated: VecDeque<Arc<str>>,
    waiting: HashSet<Arc<str>>,
    /// Episodes that have changed.
    episodes: BTreeMap<u128, Episode>,
    /// Agreements that have expired, and whose documents do not say so yet.
    expired: BTreeSet<Arc<str>>,
    refreshing: bool,
    /// Other nodes that have written findings.
    writers: BTreeSet<NodeId>,
    /// Which instances a container runs for, where that matters.
    containers: HashMap<Box<str>, BTreeSet<Box<str>>>,
    wake: Option<(Duration, SpawnHandle)>,
    /// Whether a turn is planned already.
    notified: bool,
    _notice: Option<DeathNotice>,
}

impl SlaAssessor {
    /// An assessor of the reports in `store`.
    #[must_use]
    pub fn new(
        settings: SlaSettings,
        store: Arc<Store>,
        writer: Addr<ResourceStore>,
        standings: Standings,
        world: World,
        counters: Arc<SlaCounters>,
        notice: impl Into<Option<DeathNotice>>,
    ) -> Self {
        Self {
            feed: store.subscribe(),
            node: store.identity().node,
            store,
            writer,
            world,
            settings,
            counters,
            standings,
            standing: Standing::default(),
            read: 0,
            backlogs: VecDeque::new(),
            not_before: None,
            expressions: Expressions::new(Grammar::Extended, settings.unit),
            index: Index::default(),
            due: BTreeSet::new(),
            found: Vec::new(),
            notes: Vec::new(),
            pages: Pages::default(),
            outdated: VecDeque::new(),
            waiting: HashSet::new(),
            episodes: BTreeMap::new(),
            expired: BTreeSet::new(),
            refreshing: false,
            writers: BTreeSet::new(),
            containers: HashMap::new(),
            wake: None,
            notified: false,
            _notice: notice.into(),
        }
    }
}
