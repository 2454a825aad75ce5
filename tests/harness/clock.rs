//! The clocks of single agents, turned while they run by a library that is loaded into them.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::skip::skip;

/// A clock for agents that are started with its environment.
pub struct Clock(TempDir);

impl Clock {
    /// A clock that is right as yet; none, and a word about it, where no C compiler can make the library.
    ///
    /// # Panics
    /// Without a place for temporary files.
    #[must_use]
    pub fn new() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/clock.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(folder.path().join("clock.so")).arg(source);
        if !compiler.output().is_ok_and(|output| output.status.success()) {
            skip("turning an agent's clock needs a C compiler, `cc`");
            return None;
        }
        let clock = Self(folder);
        fs::write(clock.0.path().join("seconds"), [0_u8; 16]).expect("a file");
        Some(clock)
    }

    /// From now on the clock is so many seconds ahead of the machine's.
    ///
    /// # Panics
    /// If the file of it cannot be written.
    pub fn turn(&self, seconds: i64) {
        self.write(0, seconds);
    }

    /// The same with the clock that only goes on, by which agents measure how long something takes. Threads that wait until
    /// a time wait longer by as much: so it is for single steps near the end of a test.
    ///
    /// # Panics
    /// If the file of it cannot be written.
    pub fn pass(&self, seconds: i64) {
        self.write(8, seconds);
    }

    fn write(&self, at: u64, seconds: i64) {
        // In place: the agents have it mapped.
        let file = OpenOptions::new().write(true).open(self.0.path().join("seconds"));
        file.and_then(|file| file.write_all_at(&seconds.to_ne_bytes(), at)).expect("the clock is turned");
    }

    /// What an agent with this clock needs in its environment.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, String); 2] {
        let path = |name: &str| self.0.path().join(name).display().to_string();
        [("LD_PRELOAD", path("clock.so")), ("CLOCK_FILE", path("seconds"))]
    }
}
