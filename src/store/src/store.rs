//! The readers' side of the store. Nothing here waits for the writer or, within the memory budget, for the disk.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mf2c_domain::caller::Caller;
use mf2c_domain::entropy::Entropy;
use mf2c_domain::filter::Filter;
use mf2c_domain::id::ResourceId;
use mf2c_domain::path::Path;
use mf2c_domain::query::{OrderKey, Query};
use mf2c_domain::resource::TypeSpec;
use mf2c_domain::time::{Clock, HybridTime};
use tokio::sync::watch;

use crate::built_in;
use crate::catalog::{Bodies, Catalog, Found, Reader};
use crate::cursors;
use crate::document::{Body, Document};
use crate::engine::{Engine, EngineError, Scan, Space};
use crate::error::StoreError;
use crate::feed::{self, Feed};
use crate::identity::Identity;
use crate::load::load;
use crate::measure::Histogram;
use crate::origins::Origins;
use crate::record::{ChangeKind, ChangeRecord, DocumentRecord, NodeId};
use crate::writer::Writer;

/// Bounds of a store.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Names the store in messages: its directory.
    pub name: PathBuf,
    /// The most bytes of JSON kept in memory; above, documents are read from disk, and only columns stay in memory.
    pub memory_budget: u64,
    /// The most entries of the change log; the oldest go first.
    pub log_entries: usize,
    /// The most bytes of the change log.
    pub log_bytes: u64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { name: "store".into(), memory_budget: 1 << 30, log_entries: 100_000, log_bytes: 64 << 20 }
    }
}

/// The upper bounds of commit times, in microseconds: from a disk with a battery to one that is about to fail.
const COMMIT_MICROS: [u64; 13] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 10_000_000];
/// The upper bounds of the changes in one batch.
const BATCH_CHANGES: [u64; 10] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 1024];

/// What the store has done since its start.
#[derive(Debug)]
pub struct Counters {
    /// Batches committed.
    pub commits: AtomicU64,
    /// Changes in them.
    pub changes: AtomicU64,
    /// Commits that failed since the last good one.
    pub failures: AtomicU64,
    /// The newest position.
    pub position: AtomicU64,
    /// Entries in the change log.
    pub log_entries: AtomicU64,
    /// Bytes of JSON in memory.
    pub resident: AtomicU64,
    /// How long batches took to be on disk, in microseconds.
    pub commit_micros: Histogram,
    /// How many changes shared a batch, and so a sync.
    pub batch_changes: Histogram,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            commits: AtomicU64::default(),
            changes: AtomicU64::default(),
            failures: AtomicU64::default(),
            position: AtomicU64::default(),
            log_entries: AtomicU64::default(),
            resident: AtomicU64::default(),
            commit_micros: Histogram::new(&COMMIT_MICROS),
            batch_changes: Histogram::new(&BATCH_CHANGES),
        }
    }
}

/// The committed documents. A read sees every write that was acknowledged before it began.
pub struct Store {
    catalog: Arc<Catalog>,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) origins: Arc<Origins>,
    feed: Feed,
    counters: Arc<Counters>,
    /// How many documents of the catalog are not stored.
    built_in: usize,
}

/// One entry of the change log, as subscribers get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its place in this store's log, without holes.
    pub position: u64,
    /// The agent whose change it is.
    pub origin: NodeId,
    /// Which life of that agent's store.
    pub incarnation: u64,
    /// Its number among the origin's changes; 0 if it does not travel, or is known to followers by a snapshot alone.
    pub sequence: u64,
    /// When, in hybrid time.
    pub time: HybridTime,
    /// The resource.
    pub id: ResourceId,
    /// What was done to it.
    pub kind: ChangeKind,
    /// The whole document: the new one, or the last one if it was deleted.
    pub document: Arc<[u8]>,
    /// For an edit, the top-level attributes that differ from the revision before; none where that is not known.
    pub differs: Option<Vec<String>>,
}

impl Change {
    /// The new document; none if it was deleted.
    #[must_use]
    pub fn body(&self) -> Option<&[u8]> {
        (self.kind != ChangeKind::Deleted).then_some(&*self.document)
    }
}

/// The most bytes of documents in one answer of [`Store::changes_after`], but for a first entry that is larger.
const PAGE_BYTES: usize = 4 << 20;

/// What a subscriber finds behind its last position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changes {
    /// The next entries, in order.
    Next(Vec<Arc<Change>>),
    /// The log no longer goes back that far: take a snapshot and go on from `oldest`.
    Trimmed {
        /// The oldest position that is still there.
        oldest: u64,
    },
}

impl Store {
    /// Reads and checks what the engine holds. The writer that comes with the store is the only way to change it.
    ///
    /// # Errors
    /// [`EngineError`]; damage is named.
    pub fn open(
        engine: Arc<dyn Engine>,
        options: StoreOptions,
        clock: Arc<dyn Clock>,
        entropy: &dyn Entropy,
    ) -> Result<(Arc<Self>, Writer), EngineError> {
        let identity = Identity::load_or_make(&*engine, entropy)?;
        let catalog = Arc::new(Catalog::new());
        let built_in = built_in::publish(&catalog, clock.now());
        let origins = Arc::new(Origins::new(identity));
        let loaded = load(&*engine, &catalog, &options, &origins, clock.now())?;
        let counters = Arc::new(Counters::default());
        counters.position.store(loaded.position, Ordering::Release);
        counters.log_entries.store(loaded.log.len() as u64, Ordering::Relaxed);
        counters.resident.store(loaded.resident, Ordering::Relaxed);
        let (announce, feed) = feed::feed(loaded.position);
        let store = Arc::new(Self {
            catalog: Arc::clone(&catalog),
            engine: Arc::clone(&engine),
            origins: Arc::clone(&origins),
            feed,
            counters: Arc::clone(&counters),
            built_in,
        });
        let writer = Writer::new(engine, catalog, origins, clock, options, loaded, announce, counters);
        Ok((store, writer))
    }

    /// The current revision of a document.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Arc<Document>> {
        self.catalog.get(id)
    }

    /// The JSON of a document; none if it has been deleted meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if it is on disk and the disk fails.
    pub fn body<'d>(&self, document: &'d Document) -> Result<Option<Cow<'d, [u8]>>, StoreError> {
        match document.bytes_in_memory() {
            Some(bytes) => Ok(Some(bytes)),
            None => read_from_engine(&*self.engine, &document.id)
                .map(|bytes| bytes.map(Cow::Owned))
                .map_err(|error| StoreError::from_engine(&error)),
        }
    }

    /// Answers a query on the documents of one type with what `caller` may see. The type's secrets count as absent.
    ///
    /// # Errors
    /// [`StoreError::Cursor`] if the query's cursor does not fit, [`StoreError::Unavailable`] if a document cannot be read.
    pub fn find(&self, spec: &TypeSpec, query: &Query, caller: &Caller) -> Result<Found, StoreError> {
        let Some(collection) = self.catalog.collection(spec.name) else { return Ok(Found::default()) };
        let secrets: Vec<&str> = spec.secrets().collect();
        let blind = (!secrets.is_empty()).then(|| query.clone().without(&secrets));
        let query = blind.as_ref().unwrap_or(query);
        let own_order = spec
            .default_order
            .and_then(|(path, descending)| Path::parse(path).map(|path| vec![OrderKey { path, descending }]));
        let order = match (query.order.as_slice(), &own_order) {
            ([], Some(own)) => own,
            (asked, _) => asked,
        };
        let read = Reader::new(self);
        let found = collection.find(query, order, caller, &read);
        read.fault().map_or(Ok(found?), Err)
    }

    /// Whether a query needs no more than a moment: false where it must first read through a large collection.
    #[must_use]
    pub fn is_prepared(&self, spec: &TypeSpec, query: &Query) -> bool {
        let Some(collection) = self.catalog.collection(spec.name) else { return true };
        let mut paths = query.filter.iter().flat_map(Filter::paths).chain(query.order.iter().map(|key| &key.path));
        collection.is_small() || query.aggregations.is_empty() && paths.all(|path| collection.has_column(path))
    }

    /// All documents of one type, in their natural order.
    #[must_use]
    pub fn all(&self, kind: &str) -> Vec<Arc<Document>> {
        self.catalog.collection(kind).map(|collection| collection.documents()).unwrap_or_default()
    }

    /// The entity tag of a revision, without quotes. It differs between revisions, also across a restore.
    #[must_use]
    pub fn tag(&self, document: &Document) -> String {
        entity_tag(self.identity().incarnation, document)
    }

    /// The entries of the change log behind `position`, at most `limit` and about 4 MiB of them.
    ///
    /// # Errors
    /// [`EngineError`] if the log cannot be read.
    pub fn changes_after(&self, position: u64, limit: usize) -> Result<Changes, EngineError> {
        self.changes_within(position, limit, PAGE_BYTES)
    }

    /// As [`Store::changes_after`], with no more than `bytes` of documents, but for a first entry that is larger.
    ///
    /// # Errors
    /// [`EngineError`] if the log cannot be read.
    pub fn changes_within(&self, position: u64, limit: usize, bytes: usize) -> Result<Changes, EngineError> {
        if let Some(recent) = self.feed.behind(position, limit, bytes) {
            return Ok(Changes::Next(recent));
        }
        let newest = self.counters.position.load(Ordering::Acquire);
        let mut found: Vec<Arc<Change>> = Vec::new();
        let mut fault = None;
        let mut next = position.saturating_add(1);
        let mut oldest = None;
        let mut room = bytes;
        self.engine.scan(Space::Changes, &next.to_be_bytes(), &mut |key, value| {
            let at = key.try_into().map(u64::from_be_bytes).unwrap_or_default();
            oldest.get_or_insert(at);
            // The engine may already hold a batch that is not published yet: that is for the next call.
            if at > newest || at != next || found.len() >= limit || (value.len() > room && !found.is_empty()) {
                return ControlFlow::Break(());
            }
            room = room.saturating_sub(value.len());
            next += 1;
            match change(at, key, value) {
                Ok(change) => found.push(Arc::new(change)),
                Err(what) => {
                    fault = Some(damaged("changes", format!("change {at}: {what}")));
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })?;
        if let Some(fault) = fault {
            return Err(fault);
        }
        match oldest {
            Some(oldest) if oldest > position.saturating_add(1) => Ok(Changes::Trimmed { oldest }),
            // Nothing is left of the log, as after a restore.
            None if position < newest => Ok(Changes::Trimmed { oldest: newest + 1 }),
            _ => Ok(Changes::Next(found)),
        }
    }

    /// Tells when there is a new position. It never misses the newest one, however slow the subscriber.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.feed.subscribe()
    }

    /// The cursors that followers of the change log have kept under names that begin with `prefix`, in the order of
    /// their names. Those of another life of the store are left out: its log has forked since.
    ///
    /// # Errors
    /// [`EngineError`] if they cannot be read.
    pub fn cursors(&self, prefix: &str) -> Result<Vec<(String, u64)>, EngineError> {
        cursors::read(&*self.engine, prefix, self.identity().incarnation)
    }

    /// Who this store is. Its incarnation may change while it is open.
    #[must_use]
    pub fn identity(&self) -> Arc<Identity> {
        self.origins.identity()
    }

    /// What the store has done since its start.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The number of documents of one type.
    #[must_use]
    pub fn count(&self, kind: &str) -> usize {
        self.catalog.collection(kind).map_or(0, |collection| collection.len())
    }

    /// The number of stored documents.
    #[must_use]
    pub fn len(&self) -> usize {
        self.catalog.len() - self.built_in
    }

    /// Whether there is no document.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of documents of each type.
    #[must_use]
    pub fn sizes(&self) -> Vec<(&'static str, usize)> {
        self.catalog.sizes()
    }

    /// The whole store at this instant, for a backup.
    ///
    /// # Errors
    /// [`EngineError`] if the engine cannot read.
    pub fn snapshot(&self) -> Result<Box<dyn Scan + Send>, EngineError> {
        self.engine.snapshot()
    }
}

impl Bodies for Store {
    fn body<'d>(&self, document: &'d Document) -> Result<Option<Cow<'d, [u8]>>, StoreError> {
        Self::body(self, document)
    }
}

fn change(position: u64, key: &[u8], value: &[u8]) -> Result<Change, String> {
    let record = ChangeRecord::decode(key, value).map_err(|error| error.to_string())?;
    Ok(Change {
        position,
        origin: record.origin,
        incarnation: record.incarnation,
        sequence: record.sequence,
        time: record.time,
        id: ResourceId::parse(record.id).map_err(|error| error.to_string())?,
        kind: record.kind,
        document: record.document.into(),
        differs: record.differs.map(|names| names.into_iter().map(str::to_owned).collect()),
    })
}

pub(crate) fn damaged(space: &str, what: String) -> EngineError {
    EngineError::Damaged { file: space.into(), offset: 0, what, advice: crate::engine::RESTORE_ADVICE }
}

pub(crate) fn entity_tag(incarnation: u64, document: &Document) -> String {
    match (document.revision, &document.body) {
        // What is not stored has no revision: it changes when the program does.
        (0, Body::Here(body)) => format!("b.{:x}", xxhash_rust::xxh3::xxh3_64(body)),
        (revision, _) => format!("{incarnation:x}.{revision:x}"),
    }
}

/// The JSON of a document that is not kept in memory.
pub(crate) fn read_from_engine(engine: &dyn Engine, id: &ResourceId) -> Result<Option<Vec<u8>>, EngineError> {
    let key = id.as_str().as_bytes();
    let Some(value) = engine.get(Space::Documents, key)? else { return Ok(None) };
    match DocumentRecord::decode(key, &value) {
        Ok(record) => Ok(Some(record.body.to_vec())),
        Err(error) => Err(damaged("documents", format!("document {id}: {error}"))),
    }
}
