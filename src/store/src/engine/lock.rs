//! The lock on a data directory, which also tells who holds it.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use super::EngineError;

/// Takes the lock on the directory for as long as the file is open.
pub(super) fn lock(directory: &Path) -> Result<File, EngineError> {
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
