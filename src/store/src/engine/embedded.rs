//! The engine on disk: `fjall`, with a lock that says who holds it, an audit before each start, and repair after errors.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable as _};
use parking_lot::RwLock;

use super::witness::Witness;
use super::{Audit, Batch, Engine, EngineError, RESTORE_ADVICE, Scan, Space, Visit, Write, audit_journals, tables};
use crate::record;

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
        Self { write_buffer: 8 << 20, block_cache: 2 << 20, min_free: 96 << 20 }
    }
}

/// A directory of `fjall` files.
pub struct EmbeddedEngine {
    directory: PathBuf,
    options: EmbeddedOptions,
    open: RwLock<Option<Open>>,
    witness: Witness,
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
        std::fs::create_dir_all(directory).map_err(io_error("make the data directory"))?;
        let lock = lock(directory)?;
        let witness = Witness::open(directory).map_err(io_error("open the file of the last acknowledged change"))?;
        inspect(directory, witness.read())?;
        let open = open_database(directory, &options)?;
        let engine =
            Self { directory: directory.to_owned(), options, open: RwLock::new(Some(open)), witness, _lock: lock };
        engine.check_newest_change()?;
        Ok(engine)
    }

    /// The journals may all have been turned into tables: then the log itself tells whether the newest change is there.
    fn check_newest_change(&self) -> Result<(), EngineError> {
        let open = self.current()?;
        let newest = match open.changes.last_key_value() {
            Some(entry) => entry.key().map_err(|error| self.failed("read the change log", error))?,
            None => return Ok(()),
        };
        let newest = newest.as_ref().try_into().map(u64::from_be_bytes).unwrap_or_default();
        match self.witness.read() {
            Some(acknowledged) if acknowledged > newest => Err(EngineError::Damaged {
                file: self.directory.clone(),
                offset: 0,
                what: format!("the change log ends with change {newest}, but change {acknowledged} was acknowledged"),
                advice: RESTORE_ADVICE,
            }),
            _ => Ok(()),
        }
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

    /// Refuses a write while there is still room for the engine to finish what it has begun.
    fn check_free_space(&self) -> Result<(), EngineError> {
        let free = free_space(&self.directory).unwrap_or(u64::MAX);
        if free >= self.options.min_free {
            return Ok(());
        }
        let detail = format!("{} MiB are free, {} MiB are wanted", free >> 20, self.options.min_free >> 20);
        Err(EngineError::Full { path: self.directory.clone(), detail })
    }
}

/// Bytes that an ordinary user may still write below `directory`.
fn free_space(directory: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(directory).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Takes the lock on the directory for as long as the file is open.
fn lock(directory: &Path) -> Result<File, EngineError> {
    let path = directory.join("mf2c.lock");
    let io_error = |source| EngineError::Io { action: "lock the data directory", path: directory.to_owned(), source };
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(io_error)?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0).map_err(io_error)?;
            file.rewind().map_err(io_error)?;
            write!(file, "{}", std::process::id()).map_err(io_error)?;
            Ok(file)
        }
        Err(std::fs::TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let known = file.read_to_string(&mut holder).is_ok() && holder.trim().parse::<u32>().is_ok();
            let holder = if known { format!(" (process {})", holder.trim()) } else { String::new() };
            Err(EngineError::InUse { path: directory.to_owned(), holder })
        }
        Err(std::fs::TryLockError::Error(source)) => Err(io_error(source)),
    }
}

/// Looks for damage before the engine opens its files; cuts off a torn tail, which nobody was promised.
fn inspect(directory: &Path, acknowledged: Option<u64>) -> Result<(), EngineError> {
    let audit = audit_journals(directory, &record::change_position).map_err(|(path, source)| EngineError::Io {
        action: "read the journal",
        path,
        source,
    })?;
    let Audit { last_position, broken: Some((file, offset, length)), more_behind } = audit else { return Ok(()) };
    let lost = match (last_position, acknowledged) {
        (Some(last), Some(acknowledged)) if acknowledged > last => {
            Some(format!("changes {} to {acknowledged} were acknowledged and cannot be read", last + 1))
        }
        _ if more_behind => Some("whole changes follow a part that cannot be read".to_owned()),
        _ => None,
    };
    if let Some(what) = lost {
        return Err(EngineError::Damaged { file, offset, what, advice: RESTORE_ADVICE });
    }
    tracing::warn!(file = %file.display(), offset, bytes = length, "dropped a torn tail: a write that was never acknowledged");
    cut(&file, offset).map_err(|source| EngineError::Io {
        action: "cut the torn tail off the journal",
        path: file,
        source,
    })
}

/// Cuts a journal off at `offset`, durably.
pub(crate) fn cut(file: &Path, offset: u64) -> io::Result<()> {
    let file = File::options().write(true).open(file)?;
    file.set_len(offset)?;
    file.sync_all()
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
        let buffer = options.write_buffer;
        database.keyspace(name, || KeyspaceCreateOptions::default().max_memtable_size(buffer)).map_err(failed)
    };
    let (documents, changes, meta) = (keyspace("documents")?, keyspace("changes")?, keyspace("meta")?);
    Ok(Open { database, documents, changes, meta })
}

fn engine_error(directory: &Path, action: &'static str, error: fjall::Error) -> EngineError {
    use fjall::Error::{Io, Poisoned, Storage};
    let source = match error {
        Io(source) | Storage(fjall::LsmError::Io(source)) => source,
        Poisoned => {
            let detail = "a write or sync failed before".to_owned();
            return EngineError::Stopped { path: directory.to_owned(), detail };
        }
        other => {
            let (file, offset) = tables::first_damaged_block(directory).unwrap_or_else(|| (directory.to_owned(), 0));
            return EngineError::Damaged { file, offset, what: other.to_string(), advice: RESTORE_ADVICE };
        }
    };
    if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
    {
        return EngineError::Full { path: directory.to_owned(), detail: source.to_string() };
    }
    EngineError::Io { action, path: directory.to_owned(), source }
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
        self.check_free_space()?;
        let open = self.current()?;
        let mut writes = fjall::OwnedWriteBatch::with_capacity(open.database.clone(), batch.writes.len())
            .durability(Some(PersistMode::SyncData));
        for write in batch.writes {
            match write {
                Write::Put(space, key, value) => writes.insert(open.space(space), &*key, value),
                Write::Delete(space, key) => writes.remove(open.space(space), &*key),
            }
        }
        writes.commit().map_err(|error| self.failed("commit", error))?;
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
        self.check_free_space()?;
        let mut slot = self.open.write();
        // The database must be gone before its files are opened again; closing it ends its threads.
        *slot = None;
        inspect(&self.directory, self.witness.read())?;
        *slot = Some(open_database(&self.directory, &self.options)?);
        Ok(())
    }

    fn close(&self) -> Result<(), EngineError> {
        let io_error = |source| EngineError::Io { action: "sync", path: self.directory.clone(), source };
        if let Ok(open) = self.current() {
            open.database.persist(PersistMode::SyncAll).map_err(|error| self.failed("sync", error))?;
        }
        self.witness.sync().map_err(io_error)
    }
}
