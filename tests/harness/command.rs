//! Runs `mf2c` to its end, as a shell does.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::process::{Command, Stdio};

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
