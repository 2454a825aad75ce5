//! Decides before each start whether the journals are whole, have a torn tail, or have lost what was acknowledged.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::audit::{Audit, Broken, audit_journals};
use super::{EngineError, RESTORE_ADVICE, tables};
use crate::identity::position_in;

/// The engine's file that says that its directory is complete; it is the last one made.
const VERSION_FILE: &str = "version";

/// What was found.
pub(super) enum Verdict {
    /// Nothing is wrong with the journals.
    Whole,
    /// The last write was not finished, and nobody was promised it.
    Torn(Broken),
    /// Acknowledged changes are lost from here on.
    Damaged { file: PathBuf, offset: u64, what: String },
}

/// Reads the journals and judges them by the last acknowledged position.
pub(super) fn judge(directory: &Path, acknowledged: Option<u64>) -> Result<(Audit, Verdict), EngineError> {
    let mut audit = audit_journals(directory, &position_in).map_err(|(path, source)| EngineError::Io {
        action: "read the journal",
        path,
        source,
    })?;
    let verdict = match missing_file(directory, &audit) {
        Some((file, what)) => Verdict::Damaged { file, offset: 0, what },
        None => match audit.broken.take() {
            Some(broken) => judge_broken(&audit, broken, acknowledged),
            None => judge_end(&audit, acknowledged),
        },
    };
    Ok((audit, verdict))
}

fn judge_broken(audit: &Audit, broken: Broken, acknowledged: Option<u64>) -> Verdict {
    let acknowledged = acknowledged.unwrap_or(0);
    let what = match (audit.last_position, broken.position) {
        (Some(last), _) if acknowledged > last => {
            format!("changes {} to {acknowledged} were acknowledged and cannot be read", last + 1)
        }
        (_, Some(position)) if acknowledged >= position => {
            format!("changes {position} to {acknowledged} were acknowledged and cannot be read")
        }
        _ if broken.more_behind => "whole changes follow a part that cannot be read".to_owned(),
        _ => return Verdict::Torn(broken),
    };
    Verdict::Damaged { file: audit.files[broken.file].clone(), offset: broken.offset, what }
}

/// While any journal holds a position, the newest one is in a journal too.
fn judge_end(audit: &Audit, acknowledged: Option<u64>) -> Verdict {
    match (audit.last_position, acknowledged) {
        (Some(last), Some(acknowledged)) if acknowledged > last => Verdict::Damaged {
            file: audit.files.get(audit.end.0).cloned().unwrap_or_default(),
            offset: audit.end.1,
            what: format!("it ends here, but changes {} to {acknowledged} were acknowledged", last + 1),
        },
        _ => Verdict::Whole,
    }
}

/// A file that must be there and is not, and what that means.
fn missing_file(directory: &Path, audit: &Audit) -> Option<(PathBuf, String)> {
    let numbers: Vec<u64> = audit.files.iter().filter_map(|path| number_of(path)).collect();
    let hole = numbers.windows(2).find(|pair| pair[1] != pair[0] + 1);
    if let Some(pair) = hole {
        return Some((directory.join(format!("{}.jnl", pair[0] + 1)), "this journal is missing".to_owned()));
    }
    match (directory.join(VERSION_FILE).exists(), numbers.is_empty()) {
        (true, true) => Some((directory.to_owned(), "all journals are missing".to_owned())),
        (false, false) if audit.last_position.is_some() || audit.broken.is_some() => {
            Some((directory.join(VERSION_FILE), "this file is missing beside journals in use".to_owned()))
        }
        _ => None,
    }
}

/// The number in a journal's name, which is its age.
pub(super) fn number_of(journal: &Path) -> Option<u64> {
    journal.file_name()?.to_str()?.strip_suffix(".jnl")?.parse().ok()
}

/// Looks for damage before the engine opens its files; cuts off a torn tail, which nobody was promised.
pub(super) fn inspect(directory: &Path, acknowledged: Option<u64>) -> Result<(), EngineError> {
    let (audit, verdict) = judge(directory, acknowledged)?;
    let broken = match verdict {
        Verdict::Whole => return remove_unfinished_start(directory, &audit, acknowledged),
        Verdict::Damaged { file, offset, what } => {
            return Err(EngineError::Damaged { file, offset, what, advice: RESTORE_ADVICE });
        }
        Verdict::Torn(broken) => broken,
    };
    let file = &audit.files[broken.file];
    let io_error = |source| EngineError::Io { action: "cut the torn tail off the journal", path: file.clone(), source };
    // Alone in the journals and not readable, it cannot be told from an acknowledged change: it is kept for later.
    if audit.last_position.is_none() && acknowledged.is_some_and(|position| position > 0) {
        keep(file, broken.offset, broken.length).map_err(io_error)?;
    }
    tracing::warn!(
        file = %file.display(), offset = broken.offset, bytes = broken.length,
        "dropped a torn tail: a write that was never acknowledged"
    );
    cut(file, broken.offset).map_err(io_error)
}

/// A first start that was interrupted has left files that the engine would neither open nor replace.
fn remove_unfinished_start(directory: &Path, audit: &Audit, acknowledged: Option<u64>) -> Result<(), EngineError> {
    let finished = std::fs::metadata(directory.join(VERSION_FILE)).is_ok_and(|version| version.len() >= 4);
    if finished || acknowledged.is_some() || audit.last_position.is_some() || audit.end.1 > 0 || tables::any(directory)
    {
        return Ok(());
    }
    let io_error =
        |source| EngineError::Io { action: "remove an interrupted first start", path: directory.to_owned(), source };
    for file in audit.files.iter().cloned().chain([directory.join(VERSION_FILE)]) {
        absent_is_fine(std::fs::remove_file(file)).map_err(io_error)?;
    }
    absent_is_fine(std::fs::remove_dir_all(directory.join("keyspaces"))).map_err(io_error)
}

fn absent_is_fine(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Copies `length` bytes of a journal from `offset` on to a file beside it, durably, and returns the copy's path.
pub(super) fn keep(file: &Path, offset: u64, length: u64) -> io::Result<PathBuf> {
    use std::io::{Read as _, Seek as _};
    let number = number_of(file).unwrap_or_default();
    let kept = file.with_file_name(format!("lost-{number}-{offset}.bin"));
    let mut from = File::open(file)?;
    from.seek(io::SeekFrom::Start(offset))?;
    let mut to = File::create(&kept)?;
    io::copy(&mut from.take(length), &mut to)?;
    to.sync_all()?;
    Ok(kept)
}

/// Cuts a journal off at `offset`, durably.
pub(super) fn cut(file: &Path, offset: u64) -> io::Result<()> {
    let file = File::options().write(true).open(file)?;
    file.set_len(offset)?;
    file.sync_all()
}
