//! The backup file: every document of one instant, checked as a whole before anything is restored from it.
//!
//! `"mf2c backup 1\n"`, then frames `key length u32, value length u32, key, value` (integers little-endian): the first
//! holds the identity as JSON under the key `identity`, the others the document records. A frame with key length
//! `0xFFFF_FFFF` ends the file with the number of documents and the xxh3-64 of all bytes before it.

use std::io::{self, Read, Seek, Write};
use std::ops::ControlFlow;

use mf2c_domain::entropy::Entropy;
use xxhash_rust::xxh3::Xxh3Default;

use crate::engine::{Batch, Engine, EngineError, RESTORE_ADVICE, Scan, Space};
use crate::identity::{Identity, is_used, later, next_incarnation};
use crate::record::{ChangeRecord, DocumentRecord};
use crate::store::Store;

const MAGIC: &[u8] = b"mf2c backup 1\n";
const END: u32 = u32::MAX;
/// No key or value is longer; a damaged length must not ask for memory.
const MAX_FRAME: u32 = 16 << 20;
/// So many bytes of documents are restored at once.
const CHUNK: usize = 4 << 20;
/// Stored while a restore is under way, so that one that was interrupted can be done again.
const RESTORING: &[u8] = b"restoring";

/// Gets each document's key and record.
type Take<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<(), BackupError>;

/// A key and its value.
type Entry = (Vec<u8>, Vec<u8>);

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupSummary {
    /// Documents in it.
    pub documents: u64,
    /// The position of the newest change in it.
    pub position: u64,
    /// The file's size, in bytes.
    pub bytes: u64,
}

/// Why a backup could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store's reason.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The file's or connection's reason.
    #[error("the backup file cannot be read or written")]
    Io(#[from] io::Error),
    /// Not what a backup looks like.
    #[error("this is no whole mf2c backup: {0}; nothing was restored")]
    Damaged(String),
    /// There are documents already.
    #[error("the data directory already holds documents: restore into an empty one, nothing was changed")]
    NotEmpty,
}

/// Counts and sums what passes through.
struct Summed<W> {
    inner: W,
    hash: Xxh3Default,
    bytes: u64,
}

impl<W: Write> Summed<W> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.inner.write_all(bytes)
    }

    fn frame(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).map_err(io::Error::other);
        self.put(&length(key)?.to_le_bytes())?;
        self.put(&length(value)?.to_le_bytes())?;
        self.put(key)?;
        self.put(value)
    }
}

/// Writes the store as it is at this instant, while others go on writing to it.
///
/// # Errors
/// [`BackupError`] if the store cannot be read or `to` not be written.
pub fn write_backup(store: &Store, to: impl Write) -> Result<BackupSummary, BackupError> {
    let snapshot = store.snapshot()?;
    let mut out = Summed { inner: to, hash: Xxh3Default::new(), bytes: 0 };
    let identity = identity_at(store, &*snapshot)?;
    out.put(MAGIC)?;
    out.frame(b"identity", &serde_json::to_vec(&identity).map_err(io::Error::other)?)?;
    let mut documents = 0;
    let mut failed: Option<BackupError> = None;
    snapshot.scan(Space::Documents, &[], &mut |key, value| {
        let written = match DocumentRecord::decode(key, value) {
            Ok(_) => out.frame(key, value).map_err(BackupError::from),
            Err(error) => Err(unreadable("documents", format!("document {}: {error}", String::from_utf8_lossy(key)))),
        };
        match written {
            Ok(()) => {
                documents += 1;
                ControlFlow::Continue(())
            }
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    out.put(&END.to_le_bytes())?;
    let sum = out.hash.digest();
    out.put(&u64::to_le_bytes(documents))?;
    out.put(&sum.to_le_bytes())?;
    out.inner.flush()?;
    Ok(BackupSummary { documents, position: identity.base, bytes: out.bytes })
}

/// A backup must not be made of what is damaged: it might replace a good one.
fn unreadable(space: &str, what: String) -> BackupError {
    EngineError::Damaged { file: space.into(), offset: 0, what, advice: RESTORE_ADVICE }.into()
}

/// The identity with the snapshot's own newest position, from which a restored store goes on. How far it has come with
/// others is no part of a backup: they are read anew.
fn identity_at(store: &Store, snapshot: &dyn Scan) -> Result<Identity, BackupError> {
    let mut identity = (*store.identity()).clone();
    let mut failed = None;
    snapshot.scan(Space::Changes, &[], &mut |key, value| {
        identity.base = key.try_into().map(u64::from_be_bytes).unwrap_or_default();
        match ChangeRecord::decode(key, value) {
            Ok(record) if record.origin == identity.node => {
                identity.sequence = identity.sequence.max(record.sequence);
                identity.time = identity.time.max(record.time);
                ControlFlow::Continue(())
            }
            Ok(_) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(unreadable("changes", format!("change {}: {error}", identity.base)));
                ControlFlow::Break(())
            }
        }
    })?;
    let own = store.progress_of(&identity.node).map_or(0, |progress| progress.sequence);
    identity.sequence = identity.sequence.max(own);
    failed.map_or(Ok(identity), Err)
}

/// Reads a backup and checks all of it, giving each document's key and record to `take`.
///
/// # Errors
/// [`BackupError::Damaged`] if anything in it is not what was written.
pub fn read_backup(from: impl Read, take: Take<'_>) -> Result<(Identity, BackupSummary), BackupError> {
    let mut input = Input { inner: from, hash: Xxh3Default::new(), bytes: 0 };
    if input.take(MAGIC.len())? != MAGIC {
        return Err(BackupError::Damaged("it does not begin as one of format 1".to_owned()));
    }
    let (_, identity) = input.frame()?.ok_or_else(|| BackupError::Damaged("it has no identity".to_owned()))?;
    let identity: Identity = serde_json::from_slice(&identity)
        .map_err(|error| BackupError::Damaged(format!("its identity cannot be read: {error}")))?;
    let mut documents = 0;
    while let Some((key, value)) = input.frame()? {
        DocumentRecord::decode(&key, &value)
            .map_err(|error| BackupError::Damaged(format!("document {}: {error}", String::from_utf8_lossy(&key))))?;
        take(&key, &value)?;
        documents += 1;
    }
    let sum = input.hash.digest();
    let (counted, summed) = (input.number()?, input.number()?);
    if counted != documents || summed != sum {
        return Err(BackupError::Damaged("its end does not fit what comes before".to_owned()));
    }
    if input.inner.read(&mut [0])? != 0 {
        return Err(BackupError::Damaged("something follows its end".to_owned()));
    }
    let summary = BackupSummary { documents, position: identity.base, bytes: input.bytes };
    Ok((identity, summary))
}

/// Fills an empty engine from a backup, after all of it was read once and found whole. The store gets a new incarnation,
/// because what happened after the backup is gone.
///
/// # Errors
/// [`BackupError::NotEmpty`] if the engine holds documents; those of a restore that was interrupted do not count.
pub fn restore(
    engine: &dyn Engine,
    mut from: impl Read + Seek,
    entropy: &dyn Entropy,
) -> Result<BackupSummary, BackupError> {
    let interrupted = engine.get(Space::Meta, RESTORING)?.is_some();
    if !interrupted && is_used(engine)? {
        return Err(BackupError::NotEmpty);
    }
    let start = from.stream_position()?;
    read_backup(&mut from, &mut |_, _| Ok(()))?;
    from.seek(io::SeekFrom::Start(start))?;
    if interrupted {
        remove_documents(engine)?;
    }
    let mut batch = Batch::default();
    batch.put(Space::Meta, RESTORING, Vec::new());
    let mut size = 0;
    let (identity, summary) = read_backup(from, &mut |key, value| {
        batch.put(Space::Documents, key, value.to_vec());
        size += value.len();
        if size > CHUNK {
            size = 0;
            engine.commit(std::mem::take(&mut batch))?;
        }
        Ok(())
    })?;
    let identity = Identity {
        incarnation: next_incarnation(identity.incarnation, entropy),
        time: later(identity.time),
        ..identity
    };
    identity.put(&mut batch);
    batch.delete(Space::Meta, RESTORING);
    batch.position = identity.base;
    engine.commit(batch)?;
    Ok(summary)
}

/// Removes what an interrupted restore has left.
fn remove_documents(engine: &dyn Engine) -> Result<(), EngineError> {
    let mut batch = Batch::default();
    engine.scan(Space::Documents, &[], &mut |key, _| {
        batch.delete(Space::Documents, key);
        ControlFlow::Continue(())
    })?;
    engine.commit(batch)
}

struct Input<R> {
    inner: R,
    hash: Xxh3Default,
    bytes: u64,
}

impl<R: Read> Input<R> {
    fn take(&mut self, count: usize) -> Result<Vec<u8>, BackupError> {
        let mut bytes = vec![0; count];
        self.inner.read_exact(&mut bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => BackupError::Damaged("it ends too early".to_owned()),
            _ => error.into(),
        })?;
        self.hash.update(&bytes);
        self.bytes += count as u64;
        Ok(bytes)
    }

    fn length(&mut self) -> Result<u32, BackupError> {
        let bytes = self.take(4)?;
        Ok(bytes.try_into().map(u32::from_le_bytes).unwrap_or(END))
    }

    fn number(&mut self) -> Result<u64, BackupError> {
        let bytes = self.take(8)?;
        Ok(bytes.try_into().map(u64::from_le_bytes).unwrap_or_default())
    }

    /// The next frame; none at the end mark.
    fn frame(&mut self) -> Result<Option<Entry>, BackupError> {
        let key = self.length()?;
        if key == END {
            return Ok(None);
        }
        let value = self.length()?;
        if key > MAX_FRAME || value > MAX_FRAME {
            return Err(BackupError::Damaged("a length in it is out of range".to_owned()));
        }
        Ok(Some((self.take(key as usize)?, self.take(value as usize)?)))
    }
}
