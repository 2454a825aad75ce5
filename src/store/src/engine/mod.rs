//! What the store asks of a storage engine: ordered keys in a few spaces, and atomic batches that are durable when
//! acknowledged.

mod audit;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod embedded;
mod inspect;
mod lock;
mod memory;
mod repair;
mod tables;
mod witness;

use std::ops::ControlFlow;
use std::path::PathBuf;

pub use embedded::{EmbeddedEngine, EmbeddedOptions};
pub use memory::{Fault, MemoryEngine};
pub use repair::{Repaired, repair};

/// A set of keys of one kind. An engine keeps each apart and in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// Resource id to document record.
    Documents,
    /// Position (big-endian u64) to change record.
    Changes,
    /// Node identity, cursors and keys.
    Meta,
}

/// One write of a batch.
#[derive(Debug, Clone)]
pub enum Write {
    /// Sets a key.
    Put(Space, Box<[u8]>, Vec<u8>),
    /// Removes a key; nothing happens if there is none.
    Delete(Space, Box<[u8]>),
}

/// Writes that become visible and durable together, or not at all.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// In order; a later write of a key wins.
    pub writes: Vec<Write>,
    /// The change-log position that the batch ends with.
    pub position: u64,
}

impl Batch {
    /// Adds a put.
    pub fn put(&mut self, space: Space, key: &[u8], value: Vec<u8>) {
        self.writes.push(Write::Put(space, key.into(), value));
    }

    /// How many bytes of keys and values it holds.
    #[must_use]
    pub fn size(&self) -> u64 {
        let size = |write: &Write| match write {
            Write::Put(_, key, value) => key.len() + value.len(),
            Write::Delete(_, key) => key.len(),
        };
        self.writes.iter().map(size).sum::<usize>() as u64
    }

    /// Adds a removal.
    pub fn delete(&mut self, space: Space, key: &[u8]) {
        self.writes.push(Write::Delete(space, key.into()));
    }
}

/// Called with each key and value of a scan, until it breaks.
pub type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

/// Something that can be scanned: an engine, or one instant of it.
pub trait Scan {
    /// Visits the keys of `space` from `from` on, in byte order.
    ///
    /// # Errors
    /// [`EngineError`] if the engine cannot read.
    fn scan(&self, space: Space, from: &[u8], visit: Visit<'_>) -> Result<(), EngineError>;
}

/// A storage engine.
pub trait Engine: Scan + Send + Sync {
    /// Applies a batch. When it returns `Ok`, the batch survives a crash of the process and of the machine.
    ///
    /// # Errors
    /// [`EngineError`]; the batch must then be taken for not applied, and [`Engine::heal`] called before the next one.
    fn commit(&self, batch: Batch) -> Result<(), EngineError>;

    /// The value of one key.
    ///
    /// # Errors
    /// [`EngineError`] if the engine cannot read.
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError>;

    /// The engine as it is at this instant, however it changes later.
    ///
    /// # Errors
    /// [`EngineError`] if the engine cannot read.
    fn snapshot(&self) -> Result<Box<dyn Scan + Send>, EngineError>;

    /// Makes the engine usable again after a failed commit.
    ///
    /// # Errors
    /// [`EngineError`] while the cause lasts.
    fn heal(&self) -> Result<(), EngineError>;

    /// The highest position that a commit has acknowledged, where the engine remembers it apart from the data: what is
    /// loaded must not end before it.
    fn acknowledged(&self) -> Option<u64> {
        None
    }

    /// Makes everything durable, including what helps the next start. Called once, at the end.
    ///
    /// # Errors
    /// [`EngineError`] if the disk refuses.
    fn close(&self) -> Result<(), EngineError>;
}

/// Why an engine could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Another process holds the data directory.
    #[error(
        "the data directory `{path}` is in use by another mf2c process{holder}: stop that one, or give this one its own with --data-dir"
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// ` (process 123)` where known.
        holder: String,
    },
    /// The disk is full, or nearly so.
    #[error("no space left for the data directory `{path}` ({detail}): free some space")]
    Full {
        /// The directory.
        path: PathBuf,
        /// How much is free and how much is wanted, or the system's words.
        detail: String,
        /// Whether nothing was written; otherwise the write may still be found on disk later.
        untouched: bool,
    },
    /// Stored bytes are not what was written.
    #[error("`{file}` is damaged at byte {offset}: {what}; {advice}")]
    Damaged {
        /// The file, or the folder if the file is not known.
        file: PathBuf,
        /// Where in the file.
        offset: u64,
        /// What was found.
        what: String,
        /// What to do now.
        advice: &'static str,
    },
    /// The operating system refused.
    #[error("the store cannot {action} in `{path}`")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The engine stopped after an earlier failure.
    #[error("the storage engine in `{path}` has stopped after a failure: {detail}")]
    Stopped {
        /// The directory.
        path: PathBuf,
        /// The engine's words.
        detail: String,
    },
}

/// What an operator can do about damage to the journals or the log.
pub(crate) const RESTORE_ADVICE: &str = "nothing was changed; move the data directory away and restore the latest \
     backup with `mf2c restore FILE`, or cut the damaged part off with `mf2c repair`, which says what is lost";

/// What an operator can do about damage to a table.
pub(crate) const TABLE_ADVICE: &str = "nothing was changed; move the data directory away and restore the latest backup \
     with `mf2c restore FILE`";
