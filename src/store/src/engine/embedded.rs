//! The engine on disk: `fjall`, with a lock that says who holds it, an audit before each start, and repair after errors.

use std::fs::{DirBuilder, File};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use fjall::compaction::Leveled;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable as _};
use parking_lot::RwLock;

use super::inspect::inspect;
use super::lock::lock;
use super::witness::Witness;
use super::{Batch, Engine, EngineError, Scan, Space, TABLE_ADVICE, Visit, Write, tables};

/// So many new tables are merged into the old ones at a time. Each merge may rewrite all that is there, as the keys of
/// documents are spread evenly: with `fjall`'s own 4 and small write buffers that took a third of the processor while much was
/// written. Reading passes through each of them; `fjall` slows writers down from 20 on.
const TABLES_TO_MERGE: u8 = 12;

/// What the embedded engine may use.
#[derive(Debug, Clone)]
pub struct EmbeddedOptions {
    /// Unsorted writes kept in memory per space before they go to a table, in bytes.
    pub write_buffer: u64,
    /// Cache of table blocks, in bytes. Reads come from the store's own memory, so it may be small.
    pub block_cache: u64,
    /// Below this much free space, in bytes, writes are refused while there is still room to recover.
    pub min_free: u64,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self { write_buffer: 2 << 20, block_cache: 1 << 20, min_free: 96 << 20 }
    }
}

/// A directory of `fjall` files.
pub struct EmbeddedEngine {
    directory: PathBuf,
    options: EmbeddedOptions,
    open: RwLock<Option<Open>>,
    witness: Witness,
    /// Whether a write has failed, after which `fjall` takes no more until it is opened again.
    stopped: AtomicBool,
    /// Bytes written since the system was asked for the free space.
    unasked: AtomicU64,
    _lock: File,
}

#[derive(Clone)]
struct Open {
    database: Database,
    documents: Keyspace,
    changes: Keyspace,
    meta: Keyspace,
}

impl Open {
    fn space(&self, space: Space) -> &Keyspace {
        match space {
            Space::Documents => &self.documents,
            Space::Changes => &self.changes,
            Space::Meta => &self.meta,
        }
    }
}

impl EmbeddedEngine {
    /// Opens the engine in `directory`, which is made if there is none.
    ///
    /// # Errors
    /// [`EngineError::InUse`] if another process has it open, [`EngineError::Damaged`] if acknowledged changes cannot
    /// be read any more, [`EngineError::Io`] otherwise.
    pub fn open(directory: &Path, options: EmbeddedOptions) -> Result<Self, EngineError> {
        let io_error = |action| move |source| EngineError::Io { action, path: directory.to_owned(), source };
        let private = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        private.map_err(io_error("make the data directory"))?;
        let lock = lock(directory)?;
        let witness = Witness::open(directory).map_err(io_error("open the file of the last acknowledged change"))?;
        inspect(directory, witness.read())?;
        Self::open_inspected(directory, options, lock, witness)
    }

    /// Opens the engine in a locked directory whose journals are known to be fit for it.
    pub(super) fn open_inspected(
        directory: &Path,
        options: EmbeddedOptions,
        lock: File,
        witness: Witness,
    ) -> Result<Self, EngineError> {
        let open = RwLock::new(Some(open_database(directory, &options)?));
        let (directory, stopped) = (directory.to_owned(), AtomicBool::new(false));
        // The first write asks.
        let unasked = AtomicU64::new(u64::MAX / 2);
        Ok(Self { directory, options, open, witness, stopped, unasked, _lock: lock })
    }

    fn current(&self) -> Result<Open, EngineError> {
        self.open.read().clone().ok_or_else(|| EngineError::Stopped {
            path: self.directory.clone(),
            detail: "it could not be opened again after an error".to_owned(),
        })
    }

    fn failed(&self, action: &'static str, error: fjall::Error) -> EngineError {
        engine_error(&self.directory, action, error)
    }

    /// Refuses a write while there is still room for the engine to finish what it has begun. The system is asked again
    /// when a small part of that room may have been used.
    fn check_free_space(&self, size: u64) -> Result<(), EngineError> {
        let step = (self.options.min_free / 16).min(4 << 20);
        if self.unasked.fetch_add(size, Ordering::Relaxed).saturating_add(size) < step {
            return Ok(());
        }
        let free = free_space(&self.directory).unwrap_or(u64::MAX);
        if free >= self.options.min_free {
            self.unasked.store(0, Ordering::Relaxed);
            return Ok(());
        }
        self.unasked.store(step, Ordering::Relaxed);
        let detail = format!("{} MiB are free, {} MiB are wanted", free >> 20, self.options.min_free >> 20);
        Err(EngineError::Full { path: self.directory.clone(), detail, untouched: true })
    }
}

/// Bytes that an ordinary user may still write below `directory`.
fn free_space(directory: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(directory).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn open_database(directory: &Path, options: &EmbeddedOptions) -> Result<Open, EngineError> {
    let failed = |error| engine_error(directory, "open its files", error);
    let database = Database::builder(directory)
        .cache_size(options.block_cache)
        .worker_threads(1)
        .manual_journal_persist(true)
        .max_journaling_size(192 << 20)
        .max_cached_files(Some(64))
        .open()
        .map_err(failed)?;
    let keyspace = |name| {
        let strategy = Arc::new(Leveled::default().with_l0_threshold(TABLES_TO_MERGE));
        let options =
            KeyspaceCreateOptions::default().max_memtable_size(options.write_buffer).compaction_strategy(strategy);
        database.keyspace(name, || options).map_err(failed)
    };
    let (documents, changes, meta) = (keyspace("documents")?, keyspace("changes")?, keyspace("meta")?);
    Ok(Open { database, documents, changes, meta })
}

fn engine_error(directory: &Path, action: &'static str, error: fjall::Error) -> EngineError {
    use fjall::Error::{Io, Poisoned, Storage};
    let source = match error {
        Io(source) | Storage(fjall::LsmError::Io(source)) if !tells_of_damage(&source) => source,
        fjall::Error::Locked => {
            let detail = "a reader still uses its files, perhaps a backup: it is opened again after that".to_owned();
            return EngineError::Stopped { path: directory.to_owned(), detail };
        }
        Poisoned => {
            let detail = "a write or sync failed before".to_owned();
            return EngineError::Stopped { path: directory.to_owned(), detail };
        }
        other => {
            let (file, offset) = tables::first_damaged_block(directory).unwrap_or_else(|| (directory.to_owned(), 0));
            return EngineError::Damaged { file, offset, what: other.to_string(), advice: TABLE_ADVICE };
        }
    };
    if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
    {
        return EngineError::Full { path: directory.to_owned(), detail: source.to_string(), untouched: false };
    }
    EngineError::Io { action, path: directory.to_owned(), source }
}

/// A file that ends too early or holds what no writer wrote.
fn tells_of_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData)
}

impl Scan for EmbeddedEngine {
    fn scan(&self, space: Space, from: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        let open = self.current()?;
        drain(open.space(space).range(from..), visit).map_err(|error| self.failed("read", error))
    }
}

fn drain(entries: impl Iterator<Item = fjall::Guard>, visit: Visit<'_>) -> Result<(), fjall::Error> {
    for entry in entries {
        let (key, value) = entry.into_inner()?;
        if visit(&key, &value) == ControlFlow::Break(()) {
            break;
        }
    }
    Ok(())
}

struct Instant {
    directory: PathBuf,
    open: Open,
    snapshot: fjall::Snapshot,
}

impl Scan for Instant {
    fn scan(&self, space: Space, from: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        drain(self.snapshot.range(self.open.space(space), from..), visit)
            .map_err(|error| engine_error(&self.directory, "read", error))
    }
}

impl Engine for EmbeddedEngine {
    fn commit(&self, batch: Batch) -> Result<(), EngineError> {
        self.check_free_space(batch.size())?;
        let open = self.current()?;
        let mut writes = fjall::OwnedWriteBatch::with_capacity(open.database.clone(), batch.writes.len())
            .durability(Some(PersistMode::SyncData));
        for write in batch.writes {
            match write {
                Write::Put(space, key, value) => writes.insert(open.space(space), &*key, value),
                Write::Delete(space, key) => writes.remove(open.space(space), &*key),
            }
        }
        writes.commit().map_err(|error| {
            self.stopped.store(true, Ordering::Release);
            self.failed("commit", error)
        })?;
        self.witness.note(batch.position).map_err(|source| EngineError::Io {
            action: "note the last acknowledged change",
            path: self.directory.clone(),
            source,
        })
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        let open = self.current()?;
        let value = open.space(space).get(key).map_err(|error| self.failed("read", error))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn snapshot(&self) -> Result<Box<dyn Scan + Send>, EngineError> {
        let open = self.current()?;
        let snapshot = open.database.snapshot();
        Ok(Box::new(Instant { directory: self.directory.clone(), open, snapshot }))
    }

    fn heal(&self) -> Result<(), EngineError> {
        self.check_free_space(u64::MAX / 2)?;
        if !self.stopped.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut slot = self.open.write();
        // The database must be gone before its files are opened again; closing it ends its threads.
        *slot = None;
        inspect(&self.directory, self.witness.read())?;
        *slot = Some(open_database(&self.directory, &self.options)?);
        self.stopped.store(false, Ordering::Release);
        Ok(())
    }

    fn acknowledged(&self) -> Option<u64> {
        self.witness.read()
    }

    fn close(&self) -> Result<(), EngineError> {
        let io_error = |source| EngineError::Io { action: "sync", path: self.directory.clone(), source };
        if let Ok(open) = self.current() {
            open.database.persist(PersistMode::SyncAll).map_err(|error| self.failed("sync", error))?;
        }
        self.witness.sync().map_err(io_error)
    }
}
