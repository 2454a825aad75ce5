//! A small disk, to be filled.

#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A disk of its own below a directory, gone with this value.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Of this size, at this directory; none where this process may not mount one.
    ///
    /// # Panics
    /// Where the directory cannot be made.
    #[must_use]
    pub fn mount(at: &Path, mebibytes: u32) -> Option<Self> {
        fs::create_dir_all(at).expect("a directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m,mode=0700"), "tmpfs"]).arg(at);
        if mount.output().is_ok_and(|output| output.status.success()) {
            return Some(Self(at.to_owned()));
        }
        println!("skipped: mounting a small disk needs root");
        None
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Fills the disk but for so many bytes; removing the file makes room again.
    ///
    /// # Panics
    /// Where it cannot be written at all.
    #[must_use]
    pub fn fill(&self, but: u64) -> PathBuf {
        let ballast = self.path().join("ballast");
        let mut file = File::create(&ballast).expect("a file");
        while file.write_all(&[7; 4096]).is_ok() {}
        let length = file.metadata().expect("a file").len();
        file.set_len(length.saturating_sub(but)).expect("a shorter file");
        ballast
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
