//! Runs `mf2c` to its end, as a shell does, or listens to it while it runs.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::agent::{agent_binary, eventually};

/// What a command that has ended left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// The same, if it ended with this code.
    ///
    /// # Panics
    /// If it ended otherwise.
    #[must_use]
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "out: {}\nerr: {}", self.out, self.err);
        self
    }

    /// Asserts that standard error has every one of `words`.
    ///
    /// # Panics
    /// If one is missing.
    #[track_caller]
    pub fn tells(&self, words: &[&str]) {
        for word in words {
            assert!(self.err.contains(word), "`{word}` is missing in: {}", self.err);
        }
    }
}

/// Runs `mf2c` with these arguments and nothing in its environment.
#[must_use]
pub fn mf2c(arguments: &[&str]) -> Ran {
    mf2c_with(&[], arguments)
}

/// Runs `mf2c` with these environment variables and arguments.
#[must_use]
pub fn mf2c_with(environment: &[(&str, &str)], arguments: &[&str]) -> Ran {
    let mut command = Command::new(agent_binary());
    command.env_clear().envs(environment.iter().copied()).args(arguments);
    run(command)
}

/// Runs `mf2c` with these environment variables and arguments, and this on its standard input.
///
/// # Panics
/// If the input cannot be kept in a file.
#[must_use]
pub fn mf2c_fed(environment: &[(&str, &str)], arguments: &[&str], input: &str) -> Ran {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(input.as_bytes()).and_then(|()| file.rewind()).expect("the input is kept");
    let mut command = Command::new(agent_binary());
    command.env_clear().envs(environment.iter().copied()).args(arguments);
    run_fed(command, file.into())
}

/// Runs a command to its end.
///
/// # Panics
/// If it does not start, or does not end in time.
#[must_use]
pub fn run(command: Command) -> Ran {
    run_fed(command, Stdio::null())
}

fn run_fed(mut command: Command, input: Stdio) -> Ran {
    let (mut out, mut err) = (tempfile::tempfile().expect("a file"), tempfile::tempfile().expect("a file"));
    let copy = |file: &File| Stdio::from(file.try_clone().expect("a file can be shared"));
    let mut child = command.stdin(input).stdout(copy(&out)).stderr(copy(&err)).spawn().expect("the command starts");
    let mut status = None;
    eventually("the end of a command", || {
        status = child.try_wait().expect("a child can be waited for");
        status.is_some()
    });
    Ran { code: status.and_then(|status| status.code()), out: text(&mut out), err: text(&mut err) }
}

fn text(file: &mut File) -> String {
    let mut bytes = vec![];
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).expect("the output is read");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `mf2c` that goes on until it ends by itself, is told to, or is dropped.
#[derive(Debug)]
pub struct Following {
    child: Child,
    folder: TempDir,
}

impl Following {
    /// Starts `mf2c` with these arguments and nothing in its environment.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn begin(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let file = |name: &str| Stdio::from(File::create(folder.path().join(name)).expect("a file"));
        let mut command = Command::new(agent_binary());
        command.env_clear().args(arguments).stdin(Stdio::null()).stdout(file("out")).stderr(file("err"));
        let child = command.spawn().expect("the command starts");
        Self { child, folder }
    }

    /// Its standard output so far.
    #[must_use]
    pub fn printed(&self) -> String {
        self.written("out")
    }

    /// Its standard error so far.
    #[must_use]
    pub fn said(&self) -> String {
        self.written("err")
    }

    fn written(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).expect("the output is read")
    }

    /// Waits until it has printed a line with every one of `words`.
    ///
    /// # Panics
    /// If it does not in time.
    #[track_caller]
    pub fn waits_for(&self, words: &[&str]) {
        let prints = || self.printed().lines().any(|line| words.iter().all(|word| line.contains(word)));
        eventually(&format!("{words:?}"), prints);
    }

    /// Ctrl-C; its exit code, none if a signal ended it.
    ///
    /// # Panics
    /// If it does not end in time.
    #[must_use]
    pub fn interrupt(&mut self) -> Option<i32> {
        let sent = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "the signal is sent");
        self.end()
    }

    /// Waits for its end; its exit code, none if a signal ended it.
    ///
    /// # Panics
    /// If it does not end in time.
    #[must_use]
    pub fn end(&mut self) -> Option<i32> {
        let mut status = None;
        eventually("the end of a command", || {
            status = self.child.try_wait().expect("a child can be waited for");
            status.is_some()
        });
        status.and_then(|status| status.code())
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
