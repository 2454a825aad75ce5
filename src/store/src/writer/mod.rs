//! The one writer: turns commands and the changes of other agents into change records and commits them together.

mod change;
mod commit;
mod heal;
mod inflow;
mod patching;
mod stage;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use mf2c_domain::acl::Acl;
use mf2c_domain::entropy::Entropy;
use mf2c_domain::id::ResourceId;
use mf2c_domain::time::{Clock, HybridTime};
use serde_json::{Map, Value};

use crate::catalog::Catalog;
use crate::command::{Command, Written};
use crate::document::Life;
use crate::engine::{Batch, Engine, EngineError};
use crate::error::StoreError;
use crate::feed::Announcer;
use crate::identity::next_incarnation;
use crate::load::Loaded;
use crate::origins::{self, Known, Origins, Reached};
use crate::record::NodeId;
use crate::replica::{Applied, Incoming, Inflow};
use crate::store::{Counters, StoreOptions};
use crate::{cursors, state};
use heal::Failed;
use stage::Stage;
pub(crate) use stage::assemble;

/// Owns the order of changes. There is one for each store, and nobody else commits.
pub struct Writer {
    engine: Arc<dyn Engine>,
    catalog: Arc<Catalog>,
    origins: Arc<Origins>,
    clock: Arc<dyn Clock>,
    options: StoreOptions,
    node: NodeId,
    incarnation: u64,
    /// The newest committed position.
    position: u64,
    /// The newest committed own change that travels.
    sequence: u64,
    time: HybridTime,
    /// The sizes of the log's entries, oldest first.
    log: VecDeque<u32>,
    log_bytes: u64,
    resident: u64,
    feed: Announcer,
    counters: Arc<Counters>,
    acls: Vec<Arc<Acl>>,
    /// The newest life of each origin, which its documents share.
    lives: BTreeMap<NodeId, Arc<Life>>,
    /// The position with which the log may be empty.
    base: u64,
    failed: Option<Failed>,
}

/// Something to be written; several share one sync.
#[derive(Debug)]
pub enum Work {
    /// A change to this agent's own documents.
    Command(Command),
    /// Changes of another agent, all or none.
    Inflow(Inflow),
    /// What this agent observes of another's document.
    Observe {
        /// Which document.
        id: ResourceId,
        /// The attributes.
        seen: Map<String, Value>,
    },
}

/// What became of [`Work`].
#[derive(Debug)]
pub enum Done {
    /// Of a command.
    Written(Result<Written, StoreError>),
    /// Of changes of another agent.
    Applied(Result<Applied, StoreError>),
    /// Of an observation.
    Observed(Result<(), StoreError>),
}

impl Work {
    /// About how many bytes of documents it brings.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Command(Command::Add(new)) => new.tail.len(),
            Self::Inflow(flow) => flow.changes.iter().map(Incoming::size).sum(),
            Self::Command(_) | Self::Observe { .. } => 0,
        }
    }

    fn refused(&self, error: StoreError) -> Done {
        match self {
            Self::Command(_) => Done::Written(Err(error)),
            Self::Inflow(_) => Done::Applied(Err(error)),
            Self::Observe { .. } => Done::Observed(Err(error)),
        }
    }
}

impl Done {
    /// After the commit has failed, only what was refused anyway keeps its answer.
    fn fail(&mut self, error: impl FnOnce() -> StoreError) {
        match self {
            Self::Written(answer @ Ok(_)) => *answer = Err(error()),
            Self::Applied(answer @ Ok(_)) => *answer = Err(error()),
            Self::Observed(answer @ Ok(())) => *answer = Err(error()),
            _ => {}
        }
    }
}

impl Writer {
    #[expect(clippy::too_many_arguments, reason = "they are the parts of the store, which makes the one writer")]
    pub(crate) fn new(
        engine: Arc<dyn Engine>,
        catalog: Arc<Catalog>,
        origins: Arc<Origins>,
        clock: Arc<dyn Clock>,
        options: StoreOptions,
        loaded: Loaded,
        feed: Announcer,
        counters: Arc<Counters>,
    ) -> Self {
        let log_bytes = loaded.log.iter().map(|size| u64::from(*size)).sum();
        let identity = origins.identity();
        let own = origins.known(&identity.node).and_then(|known| known.reached);
        Self {
            engine,
            catalog,
            origins,
            clock,
            options,
            node: identity.node,
            incarnation: identity.incarnation,
            position: loaded.position,
            sequence: own.unwrap_or_default().sequence,
            time: loaded.time,
            log: loaded.log,
            log_bytes,
            resident: loaded.resident,
            feed,
            counters,
            acls: Vec::new(),
            lives: BTreeMap::new(),
            base: loaded.base,
            failed: None,
        }
    }

    /// Carries out commands as one batch. Each is answered on its own; all share one sync, and its failure.
    pub fn execute(&mut self, commands: Vec<Command>) -> Vec<Result<Written, StoreError>> {
        let done = self.carry_out(commands.into_iter().map(Work::Command).collect());
        let written = |done| if let Done::Written(answer) = done { Some(answer) } else { None };
        done.into_iter().filter_map(written).collect()
    }

    /// Takes over changes of other agents, each flow as a whole or not at all; all share one sync.
    pub fn apply(&mut self, flows: Vec<Inflow>) -> Vec<Result<Applied, StoreError>> {
        let done = self.carry_out(flows.into_iter().map(Work::Inflow).collect());
        let applied = |done| if let Done::Applied(answer) = done { Some(answer) } else { None };
        done.into_iter().filter_map(applied).collect()
    }

    /// Sets observed attributes ([`mf2c_domain::resource::TypeSpec::observed`]) of a replica. It is logged with the sequence
    /// 0 and does not travel.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such replica, [`StoreError::Schema`] for an attribute that is not observed,
    /// and the failures of the engine.
    pub fn observe(&mut self, id: &ResourceId, seen: Map<String, Value>) -> Result<(), StoreError> {
        match self.carry_out(vec![Work::Observe { id: id.clone(), seen }]).pop() {
            Some(Done::Observed(answer)) => answer,
            _ => Ok(()),
        }
    }

    /// Carries out several kinds of work as one batch. Each is answered on its own, in order; all share one sync, and its
    /// failure.
    pub fn carry_out(&mut self, work: Vec<Work>) -> Vec<Done> {
        self.bring_back();
        if let Some(failed) = &self.failed {
            return work.iter().map(|work| work.refused(StoreError::from_engine(&failed.error))).collect();
        }
        let mut stage = Stage::new(self);
        let mut done: Vec<_> = work
            .into_iter()
            .map(|work| match work {
                Work::Command(command) => Done::Written(stage.take(command)),
                Work::Inflow(flow) => Done::Applied(stage.flow(flow)),
                Work::Observe { id, seen } => Done::Observed(stage.observe(&id, &seen)),
            })
            .collect();
        let staged = stage.finish();
        if let Err(error) = self.commit(staged) {
            done.iter_mut().for_each(|done| done.fail(|| StoreError::from_engine(&error)));
            self.fail(error);
        }
        done
    }

    /// Removes one replica, which its origin may still have: it is out of date. It does not travel.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such replica, and the failures of the engine.
    pub fn let_go(&mut self, id: &ResourceId) -> Result<(), StoreError> {
        self.ready()?;
        let mut stage = Stage::new(self);
        if !stage.let_replica_go(id) {
            return Err(StoreError::NotFound { id: id.to_string() });
        }
        let staged = stage.finish();
        self.commit(staged).map_err(|error| self.fail(error))
    }

    /// Removes all documents of another origin and what is known of its progress; the number of documents. It does not
    /// travel.
    ///
    /// # Errors
    /// The failures of the engine.
    pub fn forget(&mut self, origin: &NodeId) -> Result<usize, StoreError> {
        self.ready()?;
        if *origin == self.node {
            return Err(crate::replica::InflowError::Own.into());
        }
        let mut stage = Stage::new(self);
        let count = stage.forget(origin);
        let staged = stage.finish();
        self.commit(staged).map(|()| count).map_err(|error| self.fail(error))
    }

    /// Begins a new life of this store: its history has forked, as after a restore from a backup. Its log goes on, and its
    /// documents and sequences stay; followers need a snapshot.
    ///
    /// # Errors
    /// The failures of the engine.
    pub fn renew_incarnation(&mut self, entropy: &dyn Entropy) -> Result<u64, StoreError> {
        self.renew_incarnation_above(0, entropy)
    }

    /// The same, with an incarnation that is greater than `above` too: others know of such a life already.
    ///
    /// # Errors
    /// [`StoreError`] if nothing can be written now.
    pub fn renew_incarnation_above(&mut self, above: u64, entropy: &dyn Entropy) -> Result<u64, StoreError> {
        self.ready()?;
        let (sequence, time) = (self.sequence, HybridTime::default());
        let incarnation = next_incarnation(self.incarnation.max(above), entropy);
        let mut identity = (*self.origins.identity()).clone();
        identity.incarnation = incarnation;
        identity.sequence = sequence;
        let reached = Reached { incarnation, sequence, time, floor: sequence };
        let known = Known { reached: Some(reached), partial: None };
        let mut batch = Batch { position: self.position, ..Batch::default() };
        identity.put(&mut batch);
        origins::put(&mut batch, &self.node, Some(&known));
        let kept = cursors::read(&*self.engine, "", self.incarnation);
        for (name, position) in kept.map_err(|error| StoreError::from_engine(&error))? {
            cursors::put(&mut batch, &name, incarnation, Some(position));
        }
        self.engine.commit(batch).map_err(|error| self.fail(error))?;
        self.incarnation = incarnation;
        self.origins.set_identity(identity);
        self.origins.publish([(self.node, Some(known))].into(), std::iter::empty(), std::iter::empty());
        self.feed.announce(self.position, Vec::new(), self.log.len());
        Ok(incarnation)
    }

    /// Stores how far followers of the change log have come, each by its name; none forgets one. It is no change, and
    /// nobody is told of it.
    ///
    /// # Errors
    /// [`StoreError`] if nothing can be written now.
    pub fn keep_cursors(&mut self, cursors: &[(String, Option<u64>)]) -> Result<(), StoreError> {
        self.ready()?;
        let mut batch = Batch { position: self.position, ..Batch::default() };
        for (name, position) in cursors {
            cursors::put(&mut batch, name, self.incarnation, *position);
        }
        self.engine.commit(batch).map_err(|error| self.fail(error))
    }

    /// Keeps something small beside the documents, or removes it: up to 256 KiB under a key of up to 200 bytes. It is no
    /// change, and nobody is told of it.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`], and the failures of the engine.
    pub fn keep_state(&mut self, key: &str, value: Option<Vec<u8>>) -> Result<(), StoreError> {
        self.ready()?;
        let mut batch = Batch { position: self.position, ..Batch::default() };
        state::put(&mut batch, key, value.as_deref())?;
        self.engine.commit(batch).map_err(|error| self.fail(error))
    }

    /// Makes everything durable before the process ends.
    ///
    /// # Errors
    /// [`EngineError`] if the disk refuses.
    pub fn close(&self) -> Result<(), EngineError> {
        self.engine.close()
    }

    /// The one copy of an access control list that documents share.
    fn shared(&mut self, acl: Acl) -> Arc<Acl> {
        if acl.is_of_one_session() {
            return Arc::new(acl);
        }
        if let Some(known) = self.acls.iter().find(|known| ***known == acl) {
            return Arc::clone(known);
        }
        // A short list of the most recent ones finds nearly all: most documents have the default list of few owners.
        if self.acls.len() >= 64 {
            self.acls.remove(0);
        }
        let acl = Arc::new(acl);
        self.acls.push(Arc::clone(&acl));
        acl
    }
}
