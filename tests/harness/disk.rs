//! A small disk of a test's own, to be filled.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::skip::skip;

/// A mounted file system in memory, gone with this value.
pub struct SmallDisk {
    path: PathBuf,
    /// Removed after it, where it is not somebody else's.
    own: Option<TempDir>,
}

impl SmallDisk {
    /// A disk of this size in MiB. None, and a word about it, where this process may not mount one.
    ///
    /// # Panics
    /// Without a place for temporary files.
    #[must_use]
    pub fn mount(mebibytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let mut disk = Self::mount_at(folder.path(), mebibytes)?;
        disk.own = Some(folder);
        Some(disk)
    }

    /// The same at a directory, which is made.
    ///
    /// # Panics
    /// If the directory cannot be made.
    #[must_use]
    pub fn mount_at(path: &Path, mebibytes: u32) -> Option<Self> {
        fs::create_dir_all(path).expect("a directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("mode=700,size={mebibytes}m"), "tmpfs"]).arg(path);
        if mount.output().is_ok_and(|output| output.status.success()) {
            return Some(Self { path: path.to_owned(), own: None });
        }
        skip("mounting a small disk needs root");
        None
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Fills the disk but for so many bytes; removing the file makes room again.
    ///
    /// # Panics
    /// If the file cannot be made.
    #[must_use]
    pub fn fill(&self, but: u64) -> PathBuf {
        let ballast = self.path.join("ballast");
        let mut file = File::create(&ballast).expect("a file");
        while file.write_all(&[7; 4096]).is_ok() {}
        let length = file.metadata().expect("its length").len();
        file.set_len(length - but).expect("a shorter file");
        ballast
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
        drop(self.own.take());
    }
}
