//! `ProcessBackend`: plain processes of this machine, without isolation, which outlive the agent.
//!
//! Each has a [shim] that keeps its log and writes down how it ended, and a folder with all that is known of it, so
//! that an agent that comes back finds them all. Its end is told by the kernel, not looked for.

mod account;
mod cgroups;
mod folder;
mod launch;
mod operations;
mod proc;
mod ready;
pub mod shim;
mod sink;
mod start;
mod tail;
mod watch;

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use mf2c_domain::time::{Clock, Timestamp};
use parking_lot::Mutex;
use rustix::process::{Resource, Rlimit};
use tokio::sync::broadcast;
use tokio::task::JoinSet;

use crate::bounded::{aside, within};
use crate::error::BackendError;
use crate::observed::{BoundPort, Change, Event, EventStream, Handle, Inspection, Listed, State};
use cgroups::Cgroups;
pub(crate) use folder::{Account, absent_is_fine, private_folder};
use folder::{Folder, Observed, Record, Run};

/// So many news wait for a slow reader; then it gets a list.
const EVENTS_AHEAD: usize = 1024;
/// Changes of one workload wait for each other, and none takes so long.
const TURN: Duration = Duration::from_secs(20);
/// Each process that is watched takes one descriptor of the agent.
const OPEN_FILES: u64 = 65_536;

/// Where a [`ProcessBackend`] keeps things, and what it starts processes with.
#[derive(Debug, Clone)]
pub struct ProcessConfig {
    /// The program whose subcommand calls [`shim::main`], and the words before what that gets: `/usr/bin/mf2c`, `shim`.
    pub shim: Vec<OsString>,
    /// Where it writes down what runs, with the logs. One agent has it.
    pub state_dir: PathBuf,
    /// Where secrets are: a folder of a tmpfs.
    pub secrets_dir: PathBuf,
    /// Where control groups are mounted: `/sys/fs/cgroup`.
    pub cgroup_mount: PathBuf,
    /// What its own group is called there.
    pub cgroup_name: String,
    /// What processes get for `PATH`, where their service says nothing.
    pub path: String,
}

/// Runs processes.
#[derive(Clone)]
pub struct ProcessBackend(Arc<Inner>);

struct Inner {
    config: ProcessConfig,
    clock: Arc<dyn Clock>,
    cgroups: Cgroups,
    boot: String,
    /// What a process may open: what this one might, before it raised its own limit.
    open_files: u64,
    events: broadcast::Sender<(String, Event)>,
    /// One change of a workload at a time.
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    watchers: Mutex<JoinSet<()>>,
}

impl ProcessBackend {
    /// Opens the folder of states, adopts all processes that run, and watches them.
    ///
    /// # Errors
    /// [`BackendError::Failed`] if the folder cannot be made or read.
    pub async fn open(mut config: ProcessConfig, clock: Arc<dyn Clock>) -> Result<Self, BackendError> {
        let open_files = raise_open_files();
        let backend = aside(move || {
            // Shims and processes start elsewhere: what is relative to the agent's folder is nowhere for them.
            for place in [&mut config.state_dir, &mut config.secrets_dir] {
                *place = std::path::absolute(&place)
                    .map_err(|error| BackendError::failed("finding the agent's own folder", &error))?;
            }
            folder::private_folder(&config.state_dir)
                .map_err(|error| BackendError::failed("the folder of states", &error))?;
            let cgroups = Cgroups::detect(&config.cgroup_mount, &config.cgroup_name);
            let (events, _) = broadcast::channel(EVENTS_AHEAD);
            let boot = proc::boot_id();
            let (turns, watchers) = (Mutex::default(), Mutex::default());
            Ok(Self(Arc::new(Inner { config, clock, cgroups, boot, open_files, events, turns, watchers })))
        })
        .await?;
        let again = backend.clone();
        let found = aside(move || again.scan(true)).await?;
        for (folder, record, observed) in found {
            if let Observed::Running(run) = observed {
                backend.watch(&folder, &record, run);
            }
        }
        Ok(backend)
    }

    fn folder(&self, name: &str) -> Folder {
        Folder::new(self.0.config.state_dir.join(name))
    }

    fn secrets(&self, name: &str) -> PathBuf {
        self.0.config.secrets_dir.join(name)
    }

    /// All that is in the folder of states. What has no record was being made or removed when the agent ended; it is
    /// `cleared` at a start.
    fn scan(&self, cleared: bool) -> Result<Vec<(Folder, Record, Observed)>, BackendError> {
        let failed = |error: std::io::Error| BackendError::failed("reading the folder of states", &error);
        let mut found = vec![];
        for entry in std::fs::read_dir(&self.0.config.state_dir).map_err(failed)? {
            let folder = Folder::new(entry.map_err(failed)?.path());
            match folder.record() {
                Some(record) => {
                    let observed = folder.observe(&self.0.boot);
                    found.push((folder, record, observed));
                }
                None if cleared => {
                    let _ = folder.remove();
                }
                None => {}
            }
        }
        Ok(found)
    }

    /// Waits until no other change of this workload is under way.
    async fn turn(&self, name: &str) -> Result<tokio::sync::OwnedMutexGuard<()>, BackendError> {
        let turn = {
            let mut turns = self.0.turns.lock();
            // Those that nobody waits for are not kept.
            if turns.len() > 4096 {
                turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            }
            Arc::clone(turns.entry(name.to_owned()).or_default())
        };
        within("waiting for another change of it", TURN, async { Ok(turn.lock_owned().await) }).await
    }

    /// Tells when this run is over.
    fn watch(&self, folder: &Folder, record: &Record, run: Run) {
        let folder = folder.clone();
        let (agent, handle) = (record.agent.clone(), record.handle.clone());
        let (events, clock) = (self.0.events.clone(), Arc::clone(&self.0.clock));
        let mut watchers = self.0.watchers.lock();
        while watchers.try_join_next().is_some() {}
        watchers.spawn(async move {
            watch::over(&run).await;
            let exit = aside(move || Ok(folder.exit(&run).map(|exit| (exit.at, Observed::Exited(run, Some(exit))))));
            let (at, observed) = match exit.await {
                Ok(Some((at, observed))) => (Timestamp::from_nanos(at), observed.state()),
                _ => (clock.now(), State::Exited { code: None, oom: false, signal: None }),
            };
            let _ = events.send((agent, Event::Changed { handle, part: None, at, change: Change::Exited(observed) }));
        });
    }

    fn tell(&self, record: &Record, at: Timestamp, change: Change) {
        let event = Event::Changed { handle: record.handle.clone(), part: None, at, change };
        // Nobody listens: then nobody missed it.
        let _ = self.0.events.send((record.agent.clone(), event));
    }

    async fn listed(&self, owner: &str) -> Result<Vec<Listed>, BackendError> {
        let (again, owner) = (self.clone(), owner.to_owned());
        aside(move || {
            let own = again.scan(false)?.into_iter().filter(|(_, record, _)| record.agent == owner);
            let mut listed: Vec<Listed> = own
                .map(|(_, record, observed)| Listed {
                    inspection: inspection(&record, &observed),
                    handle: record.handle,
                    service: record.service,
                })
                .collect();
            listed.sort_by(|one, other| one.handle.cmp(&other.handle));
            Ok(listed)
        })
        .await
    }

    async fn stream(&self, owner: &str) -> Result<EventStream, BackendError> {
        // Before the list, so that nothing is missed between them.
        let receiver = self.0.events.subscribe();
        let first = Event::Listed(self.listed(owner).await?);
        let state = (self.clone(), owner.to_owned(), receiver);
        let later = stream::unfold(state, |(backend, owner, mut receiver)| async move {
            let event = loop {
                match receiver.recv().await {
                    Ok((agent, event)) if agent == owner => break event,
                    Ok(_) => {}
                    Err(broadcast::error::RecvError::Lagged(_)) => {
                        if let Ok(all) = backend.listed(&owner).await {
                            break Event::Listed(all);
                        }
                    }
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            };
            Some((event, (backend, owner, receiver)))
        });
        Ok(stream::once(async { first }).chain(later).boxed())
    }

    /// The record of a workload and how it is.
    async fn look(&self, handle: &Handle) -> Result<Option<(Folder, Record, Observed)>, BackendError> {
        let (folder, boot) = (self.folder(&handle.checked()?), self.0.boot.clone());
        aside(move || {
            let Some(record) = folder.record() else { return Ok(None) };
            let observed = folder.observe(&boot);
            Ok(Some((folder, record, observed)))
        })
        .await
    }
}

fn inspection(record: &Record, observed: &Observed) -> Inspection {
    let mut inspection = Inspection::of(observed.state());
    let ports = || {
        record.ports.iter().map(|port| BoundPort {
            container: port.container,
            host: port.container,
            protocol: port.protocol,
        })
    };
    match observed {
        Observed::Created => {}
        Observed::Running(run) => {
            inspection.started_at = Some(Timestamp::from_nanos(run.at));
            inspection.pid = u32::try_from(run.process.pid).ok();
            inspection.ports = ports().collect();
        }
        Observed::Exited(run, exit) => {
            inspection.started_at = Some(Timestamp::from_nanos(run.at));
            inspection.finished_at = exit.as_ref().map(|exit| Timestamp::from_nanos(exit.at));
        }
    }
    inspection.image = record.argv.first().cloned();
    inspection
}

/// Lets this process open as many files as it may, and tells what it might before.
fn raise_open_files() -> u64 {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let most = limit.maximum.map_or(OPEN_FILES, |most| most.min(OPEN_FILES));
    if limit.current.is_some_and(|current| current < most) {
        // Where that fails, processes are looked at now and then instead.
        let _ = rustix::process::setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: limit.maximum });
    }
    limit.current.unwrap_or(OPEN_FILES)
}
