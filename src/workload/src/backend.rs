//! The contract of all backends.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc::Sender;

use crate::error::BackendError;
use crate::observed::{BackendKind, Capability, EventStream, Handle, Inspection, Listed, LogOptions, LogStream, Stats};
use crate::spec::{SecretText, Spec};

/// What an operation answers, when it does.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, BackendError>>;

/// Runs workloads. Every operation is bounded in time and may be repeated: what is done already is no error.
///
/// The caller keeps the [`Handle`] on disk before it calls [`create`](Self::create), so that a crash loses nothing: the
/// handle follows from the spec alone.
pub trait ExecutionBackend: Send + Sync {
    /// Which one it is.
    fn kind(&self) -> BackendKind;

    /// What it can do here. A backend that is not there answers `available: false` and why, and is no error.
    fn probe(&self) -> Answer<'_, Capability>;

    /// Makes everything ready that takes long: pulls or loads images. What goes on is told to `progress`; where that is
    /// full, the news is dropped.
    fn prepare<'a>(&'a self, spec: &'a Spec, source: &'a Source, progress: Sender<Progress>) -> Answer<'a, ()>;

    /// Makes the workload without starting it. One that is there already and is ours is adopted as it is; its secrets
    /// are written again.
    fn create<'a>(&'a self, spec: &'a Spec) -> Answer<'a, Handle>;

    /// Starts it, unless it runs, and tells how: with the ports that are really bound.
    fn start<'a>(&'a self, handle: &'a Handle) -> Answer<'a, Inspection>;

    /// Lets a [`start`](Self::start) of it that waits for something end soon, and fail: nobody wants it any more.
    fn give_up(&self, _handle: &Handle) {}

    /// Asks it to end, and ends it after `grace`. One that does not run, or is not there, is stopped.
    fn stop<'a>(&'a self, handle: &'a Handle, grace: Duration) -> Answer<'a, ()>;

    /// Ends it at once. One that does not run, or is not there, is ended.
    fn kill<'a>(&'a self, handle: &'a Handle) -> Answer<'a, ()>;

    /// Removes it and its secrets; `force` ends it first, `volumes` removes its named volumes, too. One that is not
    /// there is removed.
    fn remove<'a>(&'a self, handle: &'a Handle, force: bool, volumes: bool) -> Answer<'a, ()>;

    /// How it is, or nothing if it is not there.
    fn inspect<'a>(&'a self, handle: &'a Handle) -> Answer<'a, Option<Inspection>>;

    /// All workloads of this agent here, whatever their state.
    fn list<'a>(&'a self, owner: &'a str) -> Answer<'a, Vec<Listed>>;

    /// What happens to the workloads of this agent. It begins with a list of all; that the engine is away is told, and when it
    /// is back, or where the reader was too slow, another list follows. It does not end.
    fn events<'a>(&'a self, owner: &'a str) -> Answer<'a, EventStream>;

    /// What it has said. Docker loses lines of those who follow while it changes files of the log, which are small
    /// where [`LogLimit`](crate::LogLimit) says so.
    fn logs<'a>(&'a self, handle: &'a Handle, options: LogOptions) -> Answer<'a, LogStream>;

    /// What it uses.
    fn stats<'a>(&'a self, handle: &'a Handle) -> Answer<'a, Stats>;

    /// Makes the volume of a dataset of this agent, unless it is there; where it is on the disk of the machine.
    fn keep_dataset<'a>(&'a self, _owner: &'a str, _dataset: &'a str) -> Answer<'a, String> {
        Box::pin(async { Err(BackendError::refused("what runs there has no volumes for datasets: Docker has")) })
    }

    /// Removes the volume of a dataset of this agent. Whether it is gone: it stays while a workload has it.
    fn drop_dataset<'a>(&'a self, _owner: &'a str, _dataset: &'a str) -> Answer<'a, bool> {
        Box::pin(async { Ok(true) })
    }

    /// Runs a program beside it, in its surroundings, for at most `limit`. No shell reads `argv`.
    fn exec<'a>(&'a self, handle: &'a Handle, argv: &'a [String], limit: Duration) -> Answer<'a, ExecOutcome>;
}

/// When an image is fetched from its registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PullPolicy {
    /// Before each start.
    Always,
    /// Where it is not here.
    #[default]
    IfNotPresent,
    /// Never: it must be here.
    Never,
}

/// Where images come from.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// When to ask the registry.
    pub policy: PullPolicy,
    /// Who asks it.
    pub login: Option<RegistryLogin>,
    /// A file as `docker save` writes it, loaded instead of asking a registry.
    pub tar: Option<PathBuf>,
}

/// A name and password at a registry.
#[derive(Clone)]
pub struct RegistryLogin {
    /// The name.
    pub user: String,
    /// The password or token.
    pub password: SecretText,
    /// The registry, `registry.example.org:5000`; nothing for the one that the image names.
    pub server: Option<String>,
}

impl fmt::Debug for RegistryLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryLogin").field("user", &self.user).field("server", &self.server).finish_non_exhaustive()
    }
}

/// What preparing has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The image that comes.
    pub image: String,
    /// Which part of it, as the registry names it; empty for the whole.
    pub layer: String,
    /// What happens to it, as the engine says it.
    pub status: String,
    /// Bytes that are here; 0 where unknown.
    pub current: u64,
    /// Bytes of the whole part; 0 where unknown.
    pub total: u64,
}

/// How a program that ran beside a workload ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutcome {
    /// Its exit code; 128 and the number of a signal that ended it.
    pub code: i64,
    /// What it wrote to both outputs, at most [`ExecOutcome::MOST_OUTPUT`] bytes of it.
    pub output: String,
    /// Whether it wrote more.
    pub is_cut: bool,
}

impl ExecOutcome {
    /// So many bytes of the output are kept.
    pub const MOST_OUTPUT: usize = 64 << 10;
}
