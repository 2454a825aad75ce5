//! Makes a damaged store usable again with what can still be read of it, and keeps what cannot beside it.

use std::io;
use std::path::{Path, PathBuf};

use mf2c_domain::entropy::Entropy;

use super::inspect::{Verdict, cut, judge, keep, number_of};
use super::lock::lock;
use super::witness::Witness;
use super::{EmbeddedEngine, EmbeddedOptions, Engine as _, EngineError};
use crate::identity::Identity;

/// What a repair has cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// The journal that was damaged.
    pub file: PathBuf,
    /// Where the part that cannot be read began, in bytes.
    pub offset: u64,
    /// How many bytes were cut off, from there on and of later journals.
    pub bytes: u64,
    /// Where they are now.
    pub kept_as: Vec<PathBuf>,
    /// The newest change that could still be read in the journals, if they hold one.
    pub last_position: Option<u64>,
    /// The newest change that had been acknowledged, where known: those between the two are lost.
    pub acknowledged: Option<u64>,
}

/// Cuts off the part of the journals that is damaged, keeping it beside them as `lost-<journal>-<offset>.bin`, and lets
/// the store begin a new life with the documents that are left: a new incarnation and an empty change log, behind all
/// positions that were ever given out. None if the journals are undamaged; nothing is changed then.
///
/// Tables may be ahead of what is left of the journals, so a document can be newer than others of the same batch.
///
/// # Errors
/// [`EngineError`]; a damaged table is not mended by this, and named again.
pub fn repair(directory: &Path, entropy: &dyn Entropy) -> Result<Option<Repaired>, EngineError> {
    let io_error = |action| move |source| EngineError::Io { action, path: directory.to_owned(), source };
    let lock = lock(directory)?;
    let witness = Witness::open(directory).map_err(io_error("open the file of the last acknowledged change"))?;
    let acknowledged = witness.read();
    let (audit, verdict) = judge(directory, acknowledged)?;
    let mut repaired = match verdict {
        Verdict::Damaged { file, offset, .. } => {
            Some(cut_off(&audit.files, file, offset).map_err(io_error("cut off the damaged part"))?)
        }
        Verdict::Whole | Verdict::Torn(_) => None,
    };
    if let Some(repaired) = &mut repaired {
        repaired.last_position = audit.last_position;
        repaired.acknowledged = acknowledged;
    }
    let engine = EmbeddedEngine::open_inspected(directory, EmbeddedOptions::default(), lock, witness)?;
    let newest = Identity::newest_position(&engine)?;
    if repaired.is_none() && acknowledged.is_some_and(|acknowledged| acknowledged > newest) {
        let (file, offset) = (directory.to_owned(), 0);
        let last_position = Some(newest);
        repaired = Some(Repaired { file, offset, bytes: 0, kept_as: Vec::new(), last_position, acknowledged });
    }
    if repaired.is_some() {
        Identity::fork(&engine, entropy, acknowledged.unwrap_or(0))?;
    }
    engine.close()?;
    Ok(repaired)
}

/// Keeps and removes everything from `offset` of `file` on, and all later journals.
fn cut_off(journals: &[PathBuf], file: PathBuf, offset: u64) -> io::Result<Repaired> {
    let mut repaired =
        Repaired { offset, bytes: 0, kept_as: Vec::new(), last_position: None, acknowledged: None, file };
    let first = number_of(&repaired.file);
    for journal in journals.iter().filter(|journal| first.is_some() && number_of(journal) >= first) {
        let from = if *journal == repaired.file { offset } else { 0 };
        let length = journal.metadata()?.len().saturating_sub(from);
        if length > 0 {
            repaired.bytes += length;
            repaired.kept_as.push(keep(journal, from, length)?);
        }
        if *journal == repaired.file {
            cut(journal, offset)?;
        } else {
            std::fs::remove_file(journal)?;
        }
    }
    Ok(repaired)
}
