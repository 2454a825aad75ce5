//! The one writer: turns commands into change records and commits them together.

mod stage;

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mf2c_domain::acl::Acl;
use mf2c_domain::entropy::Entropy;
use mf2c_domain::id::ResourceId;
use mf2c_domain::time::{Clock, HybridTime};
use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::catalog::{Catalog, Published};
use crate::command::{Command, Written};
use crate::document::Document;
use crate::engine::{Batch, Engine, EngineError, RESTORE_ADVICE, Space};
use crate::error::StoreError;
use crate::load::Loaded;
use crate::record::{ChangeKind, ChangeRecord, DocumentRecord, NodeId};
use crate::replica::{Applied, Inflow};
use crate::store::{Counters, StoreOptions};
use stage::Stage;
pub(crate) use stage::assemble;

/// Pause between two attempts to bring a failed engine back.
const HEAL_PAUSE: Duration = Duration::from_secs(1);

/// Owns the order of changes. There is one for each store, and nobody else commits.
pub struct Writer {
    engine: Arc<dyn Engine>,
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
    options: StoreOptions,
    node: NodeId,
    incarnation: u64,
    /// The newest committed position.
    position: u64,
    time: HybridTime,
    /// The sizes of the log's entries, oldest first.
    log: VecDeque<u32>,
    log_bytes: u64,
    resident: u64,
    feed: watch::Sender<u64>,
    counters: Arc<Counters>,
    acls: Vec<Arc<Acl>>,
    /// The position with which the log may be empty.
    base: u64,
    failed: Option<Failed>,
}

/// An engine that has failed and not come back.
struct Failed {
    /// When it failed, or was last tried.
    at: Duration,
    /// Whether it was tried in vain already.
    tried: bool,
    error: EngineError,
}

impl Writer {
    pub(crate) fn new(
        engine: Arc<dyn Engine>,
        catalog: Arc<Catalog>,
        clock: Arc<dyn Clock>,
        options: StoreOptions,
        loaded: Loaded,
        feed: watch::Sender<u64>,
        counters: Arc<Counters>,
    ) -> Self {
        let log_bytes = loaded.log.iter().map(|size| u64::from(*size)).sum();
        Self {
            engine,
            catalog,
            clock,
            options,
            node: loaded.node,
            incarnation: loaded.incarnation,
            position: loaded.position,
            time: loaded.time,
            log: loaded.log,
            log_bytes,
            resident: loaded.resident,
            feed,
            counters,
            acls: Vec::new(),
            base: loaded.base,
            failed: None,
        }
    }

    /// Carries out commands as one batch. Each is answered on its own; all share one sync, and its failure.
    pub fn execute(&mut self, commands: Vec<Command>) -> Vec<Result<Written, StoreError>> {
        self.bring_back();
        if let Some(failed) = &self.failed {
            return commands.iter().map(|_| Err(StoreError::from_engine(&failed.error))).collect();
        }
        let mut stage = Stage::new(self);
        let mut answers: Vec<_> = commands.into_iter().map(|command| stage.take(command)).collect();
        let changes = stage.finish();
        if changes.is_empty() {
            return answers;
        }
        let (batch, time) = self.batch(&changes);
        let began = self.clock.elapsed();
        match self.engine.commit(batch) {
            Ok(()) => {
                let took = self.clock.elapsed().saturating_sub(began);
                self.counters.commit_micros.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
                self.counters.batch_changes.add(changes.len() as u64);
                self.committed(&changes, time);
            }
            Err(error) => {
                tracing::error!(error = %Chain(&error), "a commit failed; reads go on, writes are refused until it is mended");
                self.counters.failures.fetch_add(1, Ordering::Relaxed);
                for answer in answers.iter_mut().filter(|answer| answer.is_ok()) {
                    *answer = Err(StoreError::from_engine(&error));
                }
                self.failed = Some(Failed { at: self.clock.elapsed(), tried: false, error });
            }
        }
        answers
    }

    /// Stores how far followers of the change log have come, each by its name; none forgets one. It is no change, and
    /// nobody is told of it.
    ///
    /// # Errors
    /// [`StoreError`] if nothing can be written now.
    pub fn keep_cursors(&mut self, cursors: &[(String, Option<u64>)]) -> Result<(), StoreError> {
        self.bring_back();
        if let Some(failed) = &self.failed {
            return Err(StoreError::from_engine(&failed.error));
        }
        let mut batch = Batch { position: self.position, ..Batch::default() };
        for (name, position) in cursors {
            crate::cursors::put(&mut batch, name, self.incarnation, *position);
        }
        self.engine.commit(batch).map_err(|error| {
            let answer = StoreError::from_engine(&error);
            self.counters.failures.fetch_add(1, Ordering::Relaxed);
            self.failed = Some(Failed { at: self.clock.elapsed(), tried: false, error });
            answer
        })
    }

    /// Takes over changes of other agents, each flow as a whole or not at all; all share one sync.
    pub fn apply(&mut self, _flows: Vec<Inflow>) -> Vec<Result<Applied, StoreError>> {
        todo!("store builder")
    }

    /// Sets observed attributes ([`mf2c_domain::resource::TypeSpec::observed`]) of a replica. It is logged with the sequence
    /// 0 and does not travel.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Schema`] for an attribute that is not observed, and the failures of the engine.
    pub fn observe(&mut self, _id: &ResourceId, _seen: Map<String, Value>) -> Result<(), StoreError> {
        todo!("store builder")
    }

    /// Removes the copy of another agent's document. It is logged with the sequence 0 and does not travel.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], and the failures of the engine.
    pub fn let_go(&mut self, _id: &ResourceId) -> Result<(), StoreError> {
        todo!("store builder")
    }

    /// Removes all documents of another origin and what is known of its progress. It does not travel.
    ///
    /// # Errors
    /// The failures of the engine.
    pub fn forget(&mut self, _origin: &NodeId) -> Result<usize, StoreError> {
        todo!("store builder")
    }

    /// Begins a new life of this store: its history has forked, as after a restore from a backup.
    ///
    /// # Errors
    /// The failures of the engine.
    pub fn renew_incarnation(&mut self, _entropy: &dyn Entropy) -> Result<u64, StoreError> {
        todo!("store builder")
    }

    /// Keeps something small beside the documents, or removes it. It is no change, and nobody is told of it.
    ///
    /// # Errors
    /// The failures of the engine.
    pub fn keep_state(&mut self, _key: &str, _value: Option<Vec<u8>>) -> Result<(), StoreError> {
        todo!("store builder")
    }

    /// Makes everything durable before the process ends.
    ///
    /// # Errors
    /// [`EngineError`] if the disk refuses.
    pub fn close(&self) -> Result<(), EngineError> {
        self.engine.close()
    }

    /// The records of a batch: each document with its log entry, and the oldest log entries removed.
    fn batch(&mut self, changes: &[Change]) -> (Batch, HybridTime) {
        let mut batch = Batch { position: self.position + changes.len() as u64, ..Batch::default() };
        let mut time = self.time;
        for (position, change) in (self.position + 1..).zip(changes) {
            time = change.time;
            let key = position.to_be_bytes();
            let id = change.id();
            let record = ChangeRecord {
                origin: self.node,
                incarnation: self.incarnation,
                sequence: position,
                time,
                id,
                kind: change.kind(),
                document: change.document(),
            };
            let record = record.encode(&key);
            self.log.push_back(u32::try_from(record.len()).unwrap_or(u32::MAX));
            self.log_bytes += record.len() as u64;
            batch.put(Space::Changes, &key, record);
            match &change.new {
                Some(new) => {
                    let document = &new.document;
                    let record = DocumentRecord {
                        born: document.born,
                        revision: document.revision,
                        time,
                        origin: self.node,
                        body: new.body(),
                    };
                    batch.put(Space::Documents, id.as_bytes(), record.encode(id.as_bytes()));
                }
                None => batch.delete(Space::Documents, id.as_bytes()),
            }
        }
        self.trim_log(&mut batch, changes.len());
        (batch, time)
    }

    /// Removes what the log holds above its bound, a little more than was added so that it also shrinks. The newest entry
    /// always stays: it tells the position at the next start.
    fn trim_log(&mut self, batch: &mut Batch, added: usize) {
        let newest = batch.position;
        for _ in 0..2 * added + 16 {
            let entries = self.log.len();
            let above = entries > self.options.log_entries || self.log_bytes > self.options.log_bytes;
            if !above || entries <= added.max(1) {
                break;
            }
            let oldest = newest - entries as u64 + 1;
            batch.delete(Space::Changes, &oldest.to_be_bytes());
            self.log_bytes -= u64::from(self.log.pop_front().unwrap_or_default());
        }
    }

    fn committed(&mut self, changes: &[Change], time: HybridTime) {
        self.position += changes.len() as u64;
        self.time = time;
        for change in changes {
            let gone = change.old.as_ref().and_then(|old| old.bytes_in_memory().map(|bytes| bytes.len()));
            let come = change.new.as_ref().and_then(|new| new.document.bytes_in_memory().map(|bytes| bytes.len()));
            self.resident = self.resident + come.unwrap_or(0) as u64 - (gone.unwrap_or(0) as u64).min(self.resident);
        }
        self.catalog.publish(changes.iter().map(Change::published).collect());
        let counters = &self.counters;
        counters.commits.fetch_add(1, Ordering::Relaxed);
        counters.changes.fetch_add(changes.len() as u64, Ordering::Relaxed);
        counters.position.store(self.position, Ordering::Release);
        counters.log_entries.store(self.log.len() as u64, Ordering::Relaxed);
        counters.resident.store(self.resident, Ordering::Relaxed);
        self.feed.send_replace(self.position);
    }

    /// Tries to write again if the last commit failed. Somebody should call this now and then, for a store that nobody
    /// writes to would not notice that it could.
    pub fn mend(&mut self) {
        self.bring_back();
    }

    /// Whether the last commit failed and the engine has not come back.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Heals the engine after a failure, at once and then at most once per pause, and takes over what the failed batch
    /// left on disk.
    fn bring_back(&mut self) {
        let Some(failed) = &self.failed else { return };
        let (now, tried) = (self.clock.elapsed(), failed.tried);
        if tried && now.saturating_sub(failed.at) < HEAL_PAUSE {
            return;
        }
        match self.engine.heal().and_then(|()| self.adopt()) {
            Ok(()) => {
                self.failed = None;
                self.counters.failures.store(0, Ordering::Relaxed);
                tracing::info!(position = self.position, "the store writes again");
            }
            Err(error) => {
                self.counters.failures.fetch_add(1, Ordering::Relaxed);
                // The first time says it; the repetitions would fill the disk that is full.
                if tried {
                    tracing::debug!(error = %Chain(&error), "the store cannot write yet");
                } else {
                    tracing::warn!(error = %Chain(&error), "the store cannot write; it is tried again and again");
                }
                self.failed = Some(Failed { at: now, tried: true, error });
            }
        }
    }

    /// A batch whose sync failed may be on disk all the same, as it would be after a crash: then it counts.
    fn adopt(&mut self) -> Result<(), EngineError> {
        let mut left = Vec::new();
        // The failed batch had changed the sizes before its commit.
        let mut sizes = VecDeque::new();
        let mut newest = self.base;
        self.engine.scan(Space::Changes, &[], &mut |key, value| {
            newest = key.try_into().map(u64::from_be_bytes).unwrap_or_default();
            sizes.push_back(u32::try_from(value.len()).unwrap_or(u32::MAX));
            if newest > self.position {
                left.push((key.to_vec(), value.to_vec()));
            }
            ControlFlow::Continue(())
        })?;
        if newest < self.position {
            return Err(self.damaged(format!("it ends with change {newest}, but {} was acknowledged", self.position)));
        }
        self.log_bytes = sizes.iter().map(|size| u64::from(*size)).sum();
        self.log = sizes;
        for (key, value) in left {
            let record = ChangeRecord::decode(&key, &value).map_err(|error| self.damaged(error.to_string()))?;
            let follows = record.sequence == self.position + 1;
            let change = if follows { Stage::new(self).adopted(&record) } else { None };
            let Some(change) = change else {
                let what = format!("change {} for {} cannot be taken over", record.sequence, record.id);
                return Err(self.damaged(what));
            };
            self.committed(&[change], record.time);
        }
        Ok(())
    }

    fn damaged(&self, what: String) -> EngineError {
        let file = self.options.name.join("changes");
        EngineError::Damaged { file, offset: 0, what, advice: RESTORE_ADVICE }
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

/// A staged change to one document.
struct Change {
    old: Option<Arc<Document>>,
    new: Option<NewRevision>,
    /// The JSON of a document that is deleted; empty otherwise.
    last: Vec<u8>,
    time: HybridTime,
}

struct NewRevision {
    document: Arc<Document>,
    /// The JSON, where the document does not keep it in memory.
    elsewhere: Option<Vec<u8>>,
}

impl NewRevision {
    fn body(&self) -> &[u8] {
        match (&self.document.body, &self.elsewhere) {
            (crate::document::Body::Here(bytes), _) => bytes,
            (crate::document::Body::OnDisk, Some(bytes)) => bytes,
            (crate::document::Body::OnDisk, None) => &[],
        }
    }
}

impl Change {
    fn id(&self) -> &str {
        let new = self.new.as_ref().map(|new| &new.document);
        new.or(self.old.as_ref()).map_or("", |document| document.id.as_str())
    }

    fn kind(&self) -> ChangeKind {
        match (&self.old, &self.new) {
            (_, None) => ChangeKind::Deleted,
            (None, Some(_)) => ChangeKind::Created,
            (Some(_), Some(_)) => ChangeKind::Edited,
        }
    }

    fn document(&self) -> &[u8] {
        self.new.as_ref().map_or(&self.last, NewRevision::body)
    }

    fn published(&self) -> Published<'_> {
        Published { old: self.old.clone(), new: self.new.as_ref().map(|new| (Arc::clone(&new.document), new.body())) }
    }
}

/// An error with its causes, for the log.
struct Chain<'a>(&'a EngineError);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        std::error::Error::source(self.0).map_or(Ok(()), |source| write!(f, ": {source}"))
    }
}
