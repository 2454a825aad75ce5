//! `SlaAssessor`: holds reports against agreements as soon as they are committed, and writes down what it finds.
//!
//! It follows the change log by a cursor that the store keeps. Whatever a page of the log shows is written with names that follow from
//! what was found, and the cursor moves only when it is stored: so a crash neither loses nor doubles anything. What is remembered
//! beside (windows, episodes, when an agreement was stopped) is read from the store at the start.

mod actor;
mod asking;
mod assess;
mod availability;
mod backlog;
mod documents;
mod doubles;
mod early;
mod episodes;
mod feed;
mod index;
mod load;
mod moves;
mod names;
mod notes;
mod penalties;
mod turns;
mod upkeep;
mod writing;

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::area::standing::Standing;
use mf2c_sla::expression::{Grammar, TimeUnit};
use mf2c_sla::{Expressions, Finding, Tolerance};
use mf2c_store::Store;
use mf2c_store::record::NodeId;
use tokio::sync::watch;

use crate::leadership::Standings;
use crate::ports::World;
use crate::replicator::Propose;
use crate::resource_store::ResourceStore;
use crate::supervisor::DeathNotice;
use asking::Questions;
pub use asking::{AskSlo, SloError};
use availability::Watch;
use backlog::Backlog;
use early::Early;
use index::Index;
use notes::Note;
use upkeep::Changed;
use writing::Pages;

/// What the assessor is told at start.
#[derive(Debug, Clone, Copy, Default)]
pub struct SlaSettings {
    /// The unit of `execution_time` in reports and constraints.
    pub unit: TimeUnit,
    /// How far the times of reports may be off.
    pub tolerance: Tolerance,
}

/// Which reports an agent assesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Scope {
    /// None.
    Off = 0,
    /// All that it has: it belongs to no area.
    Everything = 1,
    /// Those of its area: it leads.
    Area = 2,
    /// Its own against its own agreements: the others are for its leader.
    Own = 3,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Off, Self::Everything, Self::Area, Self::Own];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Everything => "alone",
            Self::Area => "leader",
            Self::Own => "not_leader",
        }
    }
}

impl SlaCounters {
    /// Which reports the agent assesses now.
    #[must_use]
    pub fn scope(&self) -> Scope {
        let now = self.scope.load(Ordering::Relaxed);
        Scope::ALL.into_iter().find(|scope| *scope as u8 == now).unwrap_or(Scope::Off)
    }
}

/// What the assessor has done since the start of the agent, and how it stands.
#[derive(Debug, Default)]
pub struct SlaCounters {
    /// Agreements that it knows.
    pub agreements: AtomicU64,
    /// Reports held against an agreement.
    pub reports: AtomicU64,
    /// Reports about instances without a known agreement.
    pub unattached: AtomicU64,
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
    /// A [`Scope`].
    pub(crate) scope: AtomicU8,
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
    /// The way to documents of other agents.
    elsewhere: Option<Recipient<Propose>>,
    feed: watch::Receiver<u64>,
    /// Whether what is stored is read.
    loaded: bool,
    /// Everything up to here is read.
    read: u64,
    /// What is being read stands here in the log.
    place: u64,
    /// The cursor stays here as long as a backlog is being read.
    held: Option<u64>,
    /// Documents that are read before the log is.
    backlogs: VecDeque<Backlog>,
    /// Nothing is read before; the log could not be.
    not_before: Option<Duration>,
    expressions: Expressions,
    index: Index,
    early: Early,
    /// Whether a cursor tells that there were such reports.
    early_is_kept: bool,
    /// Instances that were held against no agreement and are now, and from when on their reports are about it, in nanoseconds.
    attached: Vec<(Arc<str>, i128)>,
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
    episodes: Changed,
    /// Agreements whose `assessment` the store does not take.
    refused: HashSet<Arc<str>>,
    /// Agreements that have expired, and whose documents do not say so yet.
    expired: BTreeSet<Arc<str>>,
    refreshing: bool,
    /// Other nodes that have written findings.
    writers: BTreeSet<NodeId>,
    /// Where instances run, where that matters.
    watched: Watch,
    questions: Questions,
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
            elsewhere: None,
            loaded: false,
            read: 0,
            place: 0,
            held: None,
            backlogs: VecDeque::new(),
            not_before: None,
            expressions: Expressions::new(Grammar::Extended, settings.unit).tolerating(settings.tolerance),
            index: Index::default(),
            early: Early::default(),
            early_is_kept: false,
            attached: Vec::new(),
            due: BTreeSet::new(),
            found: Vec::new(),
            notes: Vec::new(),
            pages: Pages::default(),
            outdated: VecDeque::new(),
            waiting: HashSet::new(),
            episodes: Changed::default(),
            refused: HashSet::new(),
            expired: BTreeSet::new(),
            refreshing: false,
            writers: BTreeSet::new(),
            watched: Watch::default(),
            questions: Questions::default(),
            wake: None,
            notified: false,
            _notice: notice.into(),
        }
    }

    /// The same, which asks other agents to remove what they have found twice.
    #[must_use]
    pub fn asking(self, elsewhere: Recipient<Propose>) -> Self {
        Self { elsewhere: Some(elsewhere), ..self }
    }
}
