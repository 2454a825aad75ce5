//! What is on disk of a process: what to run, what runs, and how it ended. One folder each, named after the workload.
//!
//! `record.json` is written by the backend, `run.json` and `exit.json` by the shim, each under another name first
//! and then renamed, so that a reader sees a whole one or none. `lock` is held by the shim for as long as it lives.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::proc::Identity;
use crate::observed::{Handle, State};
use crate::spec::{Limits, Port};

/// What to run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) agent: String,
    pub(crate) service: String,
    pub(crate) handle: Handle,
    pub(crate) argv: Vec<String>,
    /// The whole environment but what is secret.
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) working_dir: PathBuf,
    pub(crate) user: Option<Account>,
    pub(crate) ports: Vec<Port>,
    pub(crate) limits: Limits,
    /// Folders of control groups that it joins.
    pub(crate) cgroups: Vec<PathBuf>,
    /// Where its secrets are, if it has any.
    pub(crate) secrets: Option<PathBuf>,
    /// The greatest number of open files, where nothing else is said: the one of the agent before it raised its own.
    pub(crate) open_files: u64,
}

/// Whom a process runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// What runs, or ran last. Written before the program gets its turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// The boot of the machine in which it was started.
    pub(crate) boot: String,
    /// Its process, which leads a session and a group of its own.
    pub(crate) process: Identity,
    /// The shim that waits for it.
    pub(crate) shim: Identity,
    /// When it was started, in nanoseconds since 1970.
    pub(crate) at: i128,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Exit {
    /// Which of its processes: the folder may be used again.
    pub(crate) process: Identity,
    pub(crate) code: i64,
    pub(crate) signal: Option<i32>,
    pub(crate) oom: bool,
    /// When, in nanoseconds since 1970.
    pub(crate) at: i128,
}

/// How the process of a folder is, as far as can be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Observed {
    Created,
    Running(Run),
    /// The exit is missing where nobody was there to see it: the shim was killed, or the machine went down.
    Exited(Run, Option<Exit>),
}

impl Observed {
    pub(crate) fn state(&self) -> State {
        match self {
            Self::Created => State::Created,
            Self::Running(_) => State::Running,
            Self::Exited(_, exit) => State::Exited {
                code: exit.as_ref().map(|exit| exit.code),
                oom: exit.as_ref().is_some_and(|exit| exit.oom),
                signal: exit.as_ref().and_then(|exit| exit.signal),
            },
        }
    }
}

/// The folder of one process.
#[derive(Debug, Clone)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn record(&self) -> Option<Record> {
        read(&self.0.join("record.json"))
    }

    pub(crate) fn write_record(&self, record: &Record) -> io::Result<()> {
        private_folder(&self.0)?;
        write(&self.0.join("record.json"), record)
    }

    pub(crate) fn run(&self) -> Option<Run> {
        read(&self.0.join("run.json"))
    }

    pub(crate) fn write_run(&self, run: &Run) -> io::Result<()> {
        write(&self.0.join("run.json"), run)
    }

    pub(crate) fn exit(&self, run: &Run) -> Option<Exit> {
        read(&self.0.join("exit.json")).filter(|exit: &Exit| exit.process == run.process)
    }

    pub(crate) fn write_exit(&self, exit: &Exit) -> io::Result<()> {
        write(&self.0.join("exit.json"), exit)
    }

    /// The lock of the shim, or nothing while another one holds it.
    pub(crate) fn lock(&self) -> io::Result<Option<fs::File>> {
        let path = self.0.join("lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// How its process is. `boot` is the present boot of the machine.
    pub(crate) fn observe(&self, boot: &str) -> Observed {
        let Some(run) = self.run() else { return Observed::Created };
        if let Some(exit) = self.exit(&run) {
            return Observed::Exited(run, Some(exit));
        }
        // While the shim lives, it is about to write the exit of what has ended.
        if run.boot == boot && (run.process.is_alive() || run.shim.is_alive()) {
            return Observed::Running(run);
        }
        let exit = self.exit(&run);
        Observed::Exited(run, exit)
    }

    /// Removes it, the record first: what has none is a leftover.
    pub(crate) fn remove(&self) -> io::Result<()> {
        absent_is_fine(fs::remove_file(self.0.join("record.json")))?;
        absent_is_fine(fs::remove_dir_all(&self.0))
    }
}

/// Makes a folder that only its owner can look into, with those above it.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

pub(crate) fn absent_is_fine(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

/// A file that cannot be read as what it should be is none: a torn one of before a power cut.
fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn write<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(&serde_json::to_vec(value)?)?;
    fs::rename(new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(pid: i32, start: u64) -> Run {
        let process = Identity { pid, start };
        Run { boot: "now".to_owned(), process, shim: process, at: 0 }
    }

    #[test]
    fn a_process_is_what_its_files_and_the_kernel_say() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path().join("it"));
        private_folder(folder.path()).unwrap();
        assert_eq!(folder.observe("now"), Observed::Created);
        let own = Identity::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        let live = run(own.pid, own.start);
        folder.write_run(&live).unwrap();
        assert_eq!(folder.observe("now"), Observed::Running(live.clone()));
        assert_eq!(folder.observe("later"), Observed::Exited(live.clone(), None), "another boot, another process");
        // Its number was given to another process.
        let dead = run(own.pid, own.start + 1);
        folder.write_run(&dead).unwrap();
        assert_eq!(folder.observe("now"), Observed::Exited(dead.clone(), None));
        let exit = Exit { process: dead.process, code: 3, signal: None, oom: false, at: 1 };
        folder.write_exit(&exit).unwrap();
        assert_eq!(folder.observe("now"), Observed::Exited(dead, Some(exit)));
        // An exit of an earlier process of the same folder does not count.
        folder.write_run(&live).unwrap();
        assert_eq!(folder.observe("now"), Observed::Running(live));
        fs::write(folder.path().join("run.json"), "{\"boot\":").unwrap();
        assert_eq!(folder.observe("now"), Observed::Created, "a torn file is none");
    }

    #[test]
    fn one_lock_at_a_time() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path().to_owned());
        let first = folder.lock().unwrap();
        assert!(first.is_some() && folder.lock().unwrap().is_none());
        drop(first);
        assert!(folder.lock().unwrap().is_some());
    }
}
