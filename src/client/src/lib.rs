//! The command-line client of mf2c: signs in to an agent, reads and writes its documents, and follows their changes.
//!
//! [`args`] says what can be asked for, [`run`] does it. The client knows agents by their API alone; from the other rooms it
//! takes the words of the domain and the rules of trust.

pub mod args;

mod assign;
mod attributes;
mod commands;
mod complete;
mod error;
mod follow;
mod live;
mod output;
mod profile;
mod progress;
mod prompt;
mod remote;
mod session;
mod sse;
mod terminal;

use std::collections::BTreeMap;
use std::sync::Arc;

use mf2c_domain::entropy::Entropy;
use mf2c_domain::time::{Clock, Timestamp};
use serde_json::Value;

pub use args::ClientCommand;
pub use error::{ClientError, exit};
pub use live::Live;
pub use prompt::Secret;

/// The environment variables that the client reads besides those of the configuration.
pub const VARIABLES: [&str; 3] = ["MF2C_PROFILE", "MF2C_API_KEY", "MF2C_API_SECRET"];

/// Other variables that say where things are and how people like them.
pub const PLACES: [&str; 10] = [
    "XDG_CONFIG_HOME",
    "HOME",
    "TMPDIR",
    "VISUAL",
    "EDITOR",
    "NO_COLOR",
    "HTTPS_PROXY",
    "https_proxy",
    "NO_PROXY",
    "no_proxy",
];

/// What surrounds a command.
pub struct Surroundings {
    /// The environment, as far as [`VARIABLES`] and [`PLACES`] name it.
    pub variables: BTreeMap<String, String>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random numbers.
    pub entropy: Arc<dyn Entropy>,
    /// The whole command line, for completions.
    pub program: fn() -> clap::Command,
}

impl Surroundings {
    /// A variable that is set to something.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// Asks for a new password: twice at a terminal, else one line of standard input, and only if `from_stdin`.
///
/// # Errors
/// [`ClientError`], which tells its exit code.
pub fn new_password(from_stdin: bool, surroundings: &Surroundings) -> Result<Secret, ClientError> {
    commands::new_password(terminal::Terminal::look(surroundings), from_stdin)
}

/// Writes one document to standard output, as the client's own commands do.
///
/// # Errors
/// [`ClientError`]; that nobody reads it is one without words.
pub fn show(document: &Value, format: args::Format, surroundings: &Surroundings) -> Result<(), ClientError> {
    terminal::print(&output::one(document, format, terminal::Terminal::look(surroundings)))
}

/// Writes a list of documents to standard output; a table and CSV show these columns.
///
/// # Errors
/// [`ClientError`]; that nobody reads it is one without words.
pub fn show_list(
    documents: &[Value],
    columns: &[&str],
    format: args::Format,
    surroundings: &Surroundings,
) -> Result<(), ClientError> {
    let columns: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
    terminal::print(&output::list(documents, &columns, format, terminal::Terminal::look(surroundings)))
}

/// A list of documents as people see it at their terminal.
#[must_use]
pub fn table(documents: &[Value], columns: &[&str], surroundings: &Surroundings) -> String {
    let columns: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
    output::list(documents, &columns, args::Format::Table, terminal::Terminal::look(surroundings))
}

/// A document as JSON on one line, with nothing in it that a terminal would obey.
#[must_use]
pub fn json_line(document: &Value) -> String {
    output::json_line(document)
}

/// Writes a text to standard output, at once.
///
/// # Errors
/// [`ClientError`]; that nobody reads it is one without words.
pub fn write(text: &str) -> Result<(), ClientError> {
    terminal::print(text)
}

/// How far an instant is away, roughly: `in 90 s`, `3 days ago`.
#[must_use]
pub fn span(now: Timestamp, then: Timestamp) -> String {
    commands::span(now, then)
}

/// Adds documents of one type one after another; gives the agent's answers.
///
/// # Errors
/// [`ClientError`], which tells its exit code. What came before the first refusal was added.
pub fn add(
    connection: &args::ConnectionArgs,
    kind: &str,
    documents: Vec<serde_json::Map<String, Value>>,
    surroundings: &Surroundings,
) -> Result<Vec<Value>, ClientError> {
    blocking(commands::documents::add(connection, kind, documents, surroundings))
}

/// Reads one document.
///
/// # Errors
/// [`ClientError`], which tells its exit code.
pub fn read(connection: &args::ConnectionArgs, id: &str, surroundings: &Surroundings) -> Result<Value, ClientError> {
    blocking(commands::documents::read(connection, id, surroundings))
}

fn blocking<T>(work: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|source| ClientError::Runtime { source })?.block_on(work)
}

/// Does what a command says.
///
/// # Errors
/// [`ClientError`], which tells its exit code. A reader of standard output that has gone away is no error.
pub fn run(command: ClientCommand, surroundings: &Surroundings) -> Result<(), ClientError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(commands::run(command, surroundings)),
        Err(source) => Err(ClientError::Runtime { source }),
    };
    match outcome {
        Err(ClientError::ReaderGone) => Ok(()),
        other => other,
    }
}
