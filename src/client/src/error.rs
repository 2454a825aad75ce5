//! Why a command failed, and with which exit code it ends.

use std::io;
use std::path::PathBuf;

use mf2c_pki::{Fingerprint, PkiError};

/// What the process returns to its caller.
pub mod exit {
    /// Done.
    pub const DONE: u8 = 0;
    /// The command failed.
    pub const FAILED: u8 = 1;
    /// The command line, the configuration or the input is wrong.
    pub const USAGE: u8 = 2;
    /// Not signed in, or not allowed.
    pub const FORBIDDEN: u8 = 3;
    /// There is no such resource.
    pub const NOT_FOUND: u8 = 4;
    /// Somebody else was faster, or it is there already.
    pub const CONFLICT: u8 = 5;
    /// The agent cannot be reached or believed.
    pub const UNREACHABLE: u8 = 6;
    /// Ended by Ctrl-C: 128 and the signal's number, as shells count.
    pub const INTERRUPTED: u8 = 130;
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// What was asked for makes no sense.
    #[error("{0}")]
    Usage(String),
    /// It went wrong in a way that has no code of its own.
    #[error("{0}")]
    Failed(String),
    /// The agent refused.
    #[error("{message}{hint}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What the agent said, made safe to show.
        message: String,
        /// What to do, with what joins it to the message.
        hint: String,
    },
    /// There is nothing of that name.
    #[error("{0}")]
    Unknown(String),
    /// A program that was run for the caller has failed; it has said itself what went wrong.
    #[error("the program ended with {0}")]
    Ended(u8),
    /// Nobody is signed in.
    #[error("nobody is signed in to {url}: sign in with `mf2c login {url}`")]
    NotSignedIn {
        /// The agent.
        url: String,
    },
    /// Who had signed in is not any more.
    #[error(
        "the session at {url} is over (it has expired, or was ended by a sign-out or a new password): sign in again with \
         `mf2c login {url}`"
    )]
    SessionOver {
        /// The agent.
        url: String,
    },
    /// The agent does not take a header for an answer.
    #[error(
        "{url} does not believe --as (it is not in development mode, or the roles give no rights): sign in with \
         `mf2c login {url}`"
    )]
    NotBelieved {
        /// The agent.
        url: String,
    },
    /// The resource has changed since it was read.
    #[error("{0}")]
    Changed(String),
    /// The agent does not answer.
    #[error("cannot reach the agent at {url}: {reason}")]
    Unreachable {
        /// The agent.
        url: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The agent shows a certificate that nobody vouches for.
    #[error(
        "nobody known here vouches for the certificate of {url} ({reason}): compare its SHA-256 fingerprint with the one \
         in the agent's log, and accept it with `mf2c login {url} --fingerprint {fingerprint}`; an agent of an area \
         shows a certificate of its area: write the root with `mf2c ca show --pem` where the authority is, and name \
         that file with --ca"
    )]
    Untrusted {
        /// The agent.
        url: String,
        /// What it showed.
        fingerprint: Fingerprint,
        /// What is wrong with it.
        reason: String,
    },
    /// The agent shows another certificate than the one that was accepted.
    #[error(
        "{url} shows another certificate than the one that was accepted: its SHA-256 fingerprint is {fingerprint}, \
         expected {expected}; somebody may be in between, or the agent has a new certificate: compare it with the \
         agent's log, then sign in with `mf2c login {url} --fingerprint {fingerprint}`"
    )]
    OtherCertificate {
        /// The agent.
        url: String,
        /// What it showed.
        fingerprint: Fingerprint,
        /// What was accepted.
        expected: Fingerprint,
    },
    /// Whoever answers there is no mf2c.
    #[error("{url} does not answer as an mf2c agent does ({reason}): check the address")]
    NoAgent {
        /// The address.
        url: String,
        /// What was wrong with the answer.
        reason: String,
    },
    /// A certificate file or TLS itself.
    #[error("{error}{}", source_of(.error))]
    Trust {
        /// What is wrong.
        error: PkiError,
    },
    /// A file could not be read.
    #[error("failed to read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("failed to write `{}`: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Standard output cannot be written.
    #[error("failed to write to standard output: {source}")]
    Output {
        /// What the system said.
        source: io::Error,
    },
    /// The terminal or standard input cannot be read.
    #[error("failed to read {what}: {source}")]
    Input {
        /// What was read.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The system gives no event loop.
    #[error("failed to start: {source}")]
    Runtime {
        /// What the system said.
        source: io::Error,
    },
    /// Whoever read standard output has seen enough.
    #[error("nobody reads the output any more")]
    ReaderGone,
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

fn source_of(error: &PkiError) -> String {
    std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default()
}

impl ClientError {
    /// For the shell.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Refused { status: 400 | 406 | 413 | 415 | 422, .. } => exit::USAGE,
            Self::Refused { status: 401 | 403, .. }
            | Self::NotSignedIn { .. }
            | Self::SessionOver { .. }
            | Self::NotBelieved { .. } => exit::FORBIDDEN,
            Self::Refused { status: 404 | 410, .. } | Self::Unknown(_) => exit::NOT_FOUND,
            Self::Ended(code) => *code,
            Self::Refused { status: 409 | 412, .. } | Self::Changed(_) => exit::CONFLICT,
            Self::Unreachable { .. }
            | Self::Untrusted { .. }
            | Self::OtherCertificate { .. }
            | Self::NoAgent { .. } => exit::UNREACHABLE,
            Self::ReaderGone => exit::DONE,
            Self::Interrupted => exit::INTERRUPTED,
            Self::Failed(_)
            | Self::Refused { .. }
            | Self::Trust { .. }
            | Self::Read { .. }
            | Self::Write { .. }
            | Self::Output { .. }
            | Self::Input { .. }
            | Self::Runtime { .. } => exit::FAILED,
        }
    }

    /// Whether there is anything to tell a person.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        matches!(self, Self::ReaderGone | Self::Interrupted | Self::Ended(_))
    }
}

impl From<PkiError> for ClientError {
    fn from(error: PkiError) -> Self {
        Self::Trust { error }
    }
}
