//! Where a value came from, and what is wrong with a configuration: every problem at once, each with its place.

use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// A line of a configuration file, counted from 1.
    File(PathBuf, usize),
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl Origin {
    pub(super) fn line(path: &Path, text: &str, offset: usize) -> Self {
        let line = text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1;
        Self::File(path.to_owned(), line)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => to.write_str("default"),
            Self::File(path, line) => write!(to, "{}:{line}", path.display()),
            Self::Environment(name) => write!(to, "environment {name}"),
            Self::Flag(name) => write!(to, "flag {name}"),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Problem {
    /// The file is no TOML.
    #[error("{origin}: {message}")]
    Syntax {
        /// Where.
        origin: Origin,
        /// What the parser says.
        message: String,
    },
    /// A key that does not exist.
    #[error("{origin}: unknown key `{key}`{}", hint(suggestion, "remove it; config/agent.toml explains every key"))]
    UnknownKey {
        /// Where.
        origin: Origin,
        /// The key with its section.
        key: String,
        /// The known key that was probably meant.
        suggestion: Option<String>,
    },
    /// An environment variable that stands for no key.
    #[error("environment: unknown variable `{name}`{}", hint(suggestion, "unset it: MF2C_* is read as configuration"))]
    UnknownVariable {
        /// Its name.
        name: String,
        /// The variable that was probably meant.
        suggestion: Option<String>,
    },
    /// A value that cannot be.
    #[error("{origin}: `{key}`: {reason}")]
    Refused {
        /// Where the value came from.
        origin: Origin,
        /// The key.
        key: String,
        /// What is wrong, what was expected, what to do.
        reason: String,
    },
}

impl Problem {
    /// Sorts problems of a file by line.
    pub(super) fn line(&self) -> usize {
        match self {
            Self::Syntax { origin: Origin::File(_, line), .. }
            | Self::UnknownKey { origin: Origin::File(_, line), .. }
            | Self::Refused { origin: Origin::File(_, line), .. } => *line,
            _ => 0,
        }
    }
}

fn hint(suggestion: &Option<String>, otherwise: &str) -> String {
    match suggestion {
        Some(near) => format!("; did you mean `{near}`?"),
        None => format!("; {otherwise}"),
    }
}

/// Why there is no configuration to start with.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("failed to read the configuration file `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is too large to be one.
    #[error("`{}` is larger than {most} bytes; this is no configuration file", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The bound in bytes.
        most: u64,
    },
    /// Everything that is wrong, one line each.
    #[error("{}", lines(.0))]
    Refused(Vec<Problem>),
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    lines.join("\n")
}
