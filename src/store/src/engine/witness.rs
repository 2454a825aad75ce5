//! A small file that remembers the last acknowledged position, so that a torn tail can be told from damage.
//!
//! It is written after each commit and not synced: after a crash of the process the kernel still has it, after a power
//! cut it may be older than the journal but never newer. It never goes back, so a batch without changes does not move it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use xxhash_rust::xxh3::xxh3_64;

const FILE_NAME: &str = "acknowledged";

/// The open file.
#[derive(Debug)]
pub(super) struct Witness {
    file: File,
    /// What the file says, so that it need not be read for every commit.
    noted: AtomicU64,
}

impl Witness {
    /// Opens or creates the file in `directory`.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(directory.join(FILE_NAME))?;
        let witness = Self { file, noted: AtomicU64::new(0) };
        witness.noted.store(witness.read().unwrap_or(0), Ordering::Relaxed);
        Ok(witness)
    }

    /// The position last noted; none if the file is new or unreadable, which only makes the check weaker.
    pub(super) fn read(&self) -> Option<u64> {
        let mut bytes = [0u8; 16];
        self.file.read_exact_at(&mut bytes, 0).ok()?;
        let (position, sum) = bytes.split_at(8);
        let sum = u64::from_le_bytes(sum.try_into().ok()?);
        (xxh3_64(position) == sum).then(|| u64::from_le_bytes(position.try_into().unwrap_or_default()))
    }

    /// Notes that everything up to `position` is durable.
    pub(super) fn note(&self, position: u64) -> io::Result<()> {
        if self.noted.load(Ordering::Relaxed) >= position { Ok(()) } else { self.reset(position) }
    }

    /// Sets the note to `position`, also backwards.
    pub(super) fn reset(&self, position: u64) -> io::Result<()> {
        let mut bytes = [0u8; 16];
        bytes[..8].copy_from_slice(&position.to_le_bytes());
        let sum = xxh3_64(&bytes[..8]);
        bytes[8..].copy_from_slice(&sum.to_le_bytes());
        self.file.write_all_at(&bytes, 0)?;
        self.noted.store(position, Ordering::Relaxed);
        Ok(())
    }

    /// Makes the note itself durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noted_position_is_read_back_and_a_torn_note_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let witness = Witness::open(directory.path()).unwrap();
        assert_eq!(witness.read(), None);
        witness.note(42).unwrap();
        witness.note(0).unwrap();
        assert_eq!(Witness::open(directory.path()).unwrap().read(), Some(42));
        witness.file.write_all_at(&[7], 3).unwrap();
        assert_eq!(witness.read(), None);
    }
}
