//! `DockerBackend`: each workload a container of the engine of this machine.
//!
//! The engine is told what to do and never decides by itself: its own restart policy is always `no`. It may be
//! away, come back, or be exchanged for another version at any time.

pub(crate) mod containers;
pub(crate) mod create;
pub(crate) mod engine;
mod events;
mod images;
pub(crate) mod inspect;
mod output;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bollard::models::{ContainerSummary, SystemInfoCgroupVersionEnum};
use futures_util::stream::{self, StreamExt as _};
use mf2c_domain::time::Clock;
use tokio::sync::mpsc::Sender;

use crate::backend::{Answer, ExecOutcome, ExecutionBackend, Progress, Source};
use crate::bounded::{aside, within};
use crate::error::BackendError;
use crate::observed::{
    BackendKind, Capability, EventStream, Feature, Handle, Inspection, Listed, LogOptions, LogStream, Stats,
};
use crate::place::BindRoots;
use crate::secrets;
use crate::spec::{LABEL_AGENT, LABEL_SERVICE, Program, SecretPlace, Spec};
use containers::LOOK;
use create::{Extra, LABEL_PART};
use engine::Engine;
pub(crate) use events::{Listener, Lister};

/// So many containers are looked at together.
const TOGETHER: usize = 8;

/// How to reach Docker, and what containers may see.
#[derive(Debug, Clone)]
pub struct DockerConfig {
    /// Its socket: `/var/run/docker.sock`.
    pub socket: PathBuf,
    /// Where secrets are that containers get as files: a folder of a tmpfs.
    pub secrets_dir: PathBuf,
    /// What of the machine's disk may be bound into containers.
    pub bind_roots: BindRoots,
}

/// Runs containers.
#[derive(Clone)]
pub struct DockerBackend {
    pub(crate) engine: Arc<Engine>,
    pub(crate) config: DockerConfig,
    pub(crate) clock: Arc<dyn Clock>,
}

impl DockerBackend {
    /// A backend for the engine behind a socket. Whether it is there shows at each call.
    #[must_use]
    pub fn new(config: DockerConfig, clock: Arc<dyn Clock>) -> Self {
        Self { engine: Arc::new(Engine::new(config.socket.clone())), config, clock }
    }

    /// Makes a container of this name.
    pub(crate) async fn make(&self, name: &str, spec: &Spec, extra: &Extra) -> Result<(), BackendError> {
        spec.check()?;
        let Program::Image(image) = &spec.program else {
            return Err(BackendError::refused(
                "a container runs an image, neither a program of the machine nor a compose file",
            ));
        };
        let place = self.config.secrets_dir.join(name);
        let (spec_aside, extra_aside, roots) = (spec.clone(), extra.clone(), self.config.bind_roots.clone());
        let body = aside(move || {
            let files: Vec<_> = spec_aside.secrets.iter().filter(|it| it.place == SecretPlace::File).cloned().collect();
            let body = create::body(&spec_aside, &extra_aside, &place, &roots)?;
            if !files.is_empty() {
                secrets::write(&place, &files, None, true)?;
            }
            Ok(body)
        })
        .await?;
        self.engine.create_volumes(spec).await?;
        self.engine.create(name, image, body).await
    }

    /// Starts a container, unless what it would see of the machine's disk has become something else since it was made.
    pub(crate) async fn begin(&self, name: &str) -> Result<(), BackendError> {
        let container = self.engine.inspect(name).await?;
        let container = container.ok_or_else(|| BackendError::Missing { name: name.to_owned() })?;
        let bound: Vec<PathBuf> = inspect::bound_paths(&container).into_iter().map(PathBuf::from).collect();
        let (roots, own) = (self.config.bind_roots.clone(), self.config.secrets_dir.clone());
        aside(move || {
            bound.iter().filter(|path| !path.starts_with(&own)).try_for_each(|path| {
                let same = roots.resolve(path)? == *path;
                let why = || format!("`{}` leads elsewhere since the container was made", path.display());
                if same { Ok(()) } else { Err(BackendError::refused(why())) }
            })
        })
        .await?;
        self.engine.start(name).await
    }

    /// Removes a container of this name and its secrets.
    pub(crate) async fn unmake(&self, name: &str, force: bool) -> Result<(), BackendError> {
        self.engine.remove(name, force).await?;
        let place = self.config.secrets_dir.join(name);
        aside(move || secrets::remove(&place)).await
    }

    /// How a container is, with its labels.
    async fn listed(&self, summary: ContainerSummary) -> Result<Option<Listed>, BackendError> {
        let labels = summary.labels.unwrap_or_default();
        let (Some(handle), Some(id)) = (inspect::handle(&labels), summary.id) else { return Ok(None) };
        // One that is removed meanwhile is none.
        let Some(container) = self.engine.inspect(&id).await? else { return Ok(None) };
        let service = labels.get(LABEL_SERVICE).cloned().unwrap_or_default();
        Ok(Some(Listed { handle, service, inspection: inspect::inspection(&container) }))
    }

    async fn all(&self, owner: &str) -> Result<Vec<Listed>, BackendError> {
        let found = self.engine.containers(vec![format!("{LABEL_AGENT}={owner}")]).await?;
        let own =
            found.into_iter().filter(|it| !it.labels.as_ref().is_some_and(|labels| labels.contains_key(LABEL_PART)));
        let looks = stream::iter(own).map(|summary| self.listed(summary)).buffer_unordered(TOGETHER);
        let looks: Vec<Result<Option<Listed>, BackendError>> = looks.collect().await;
        let mut all: Vec<Listed> = looks.into_iter().filter_map(Result::transpose).collect::<Result<_, _>>()?;
        all.sort_by(|one, other| one.handle.cmp(&other.handle));
        Ok(all)
    }

    /// What the engine can do.
    pub(crate) async fn capability(&self) -> Result<Capability, BackendError> {
        let info = within("asking Docker what it can do", LOOK, async {
            let info = self.engine.client().await?.info().await;
            info.map_err(|error| self.engine.fault("asking Docker what it can do", "", &error))
        })
        .await;
        let info = match info {
            Ok(info) => info,
            Err(error) => {
                let why_not = Some(error.to_string());
                let (version, features) = (String::new(), BTreeSet::new());
                return Ok(Capability { available: false, version, features, cgroups: None, why_not });
            }
        };
        let given = [
            (Feature::MemoryLimit, info.memory_limit),
            (Feature::CpuLimit, info.cpu_cfs_quota),
            (Feature::ProcessLimit, info.pids_limit),
            (Feature::EngineHealth, Some(true)),
            (Feature::Volumes, Some(true)),
            (Feature::PortMapping, Some(true)),
            (Feature::Secrets, Some(secrets::is_in_memory(&self.config.secrets_dir))),
        ];
        Ok(Capability {
            available: true,
            version: info.server_version.unwrap_or_default(),
            features: given.into_iter().filter(|(_, is)| *is == Some(true)).map(|(feature, _)| feature).collect(),
            cgroups: match info.cgroup_version {
                Some(SystemInfoCgroupVersionEnum::_1) => Some(1),
                Some(SystemInfoCgroupVersionEnum::_2) => Some(2),
                _ => None,
            },
            why_not: None,
        })
    }
}

impl ExecutionBackend for DockerBackend {
    fn kind(&self) -> BackendKind {
        BackendKind::Docker
    }

    fn probe(&self) -> Answer<'_, Capability> {
        Box::pin(self.capability())
    }

    fn prepare<'a>(&'a self, spec: &'a Spec, source: &'a Source, progress: Sender<Progress>) -> Answer<'a, ()> {
        Box::pin(async move {
            spec.check()?;
            let Program::Image(image) = &spec.program else {
                return Err(BackendError::refused("containers need an image, and nothing else"));
            };
            self.engine.prepare(image, source, &progress).await
        })
    }

    fn create<'a>(&'a self, spec: &'a Spec) -> Answer<'a, Handle> {
        Box::pin(async move {
            let handle = Handle::of(spec);
            self.make(&handle.checked()?, spec, &Extra::default()).await?;
            Ok(handle)
        })
    }

    fn start<'a>(&'a self, handle: &'a Handle) -> Answer<'a, Inspection> {
        Box::pin(async move {
            let name = handle.checked()?;
            self.begin(&name).await?;
            let container = self.engine.inspect(&name).await?;
            container.map(|it| inspect::inspection(&it)).ok_or(BackendError::Missing { name })
        })
    }

    fn stop<'a>(&'a self, handle: &'a Handle, grace: Duration) -> Answer<'a, ()> {
        Box::pin(async move { self.engine.stop(&handle.checked()?, grace).await })
    }

    fn kill<'a>(&'a self, handle: &'a Handle) -> Answer<'a, ()> {
        Box::pin(async move { self.engine.kill(&handle.checked()?).await })
    }

    fn remove<'a>(&'a self, handle: &'a Handle, force: bool, volumes: bool) -> Answer<'a, ()> {
        Box::pin(async move {
            self.unmake(&handle.checked()?, force).await?;
            if volumes { self.engine.remove_volumes(&handle.instance).await } else { Ok(()) }
        })
    }

    fn keep_dataset<'a>(&'a self, owner: &'a str, dataset: &'a str) -> Answer<'a, String> {
        Box::pin(self.engine.make_dataset(owner, dataset))
    }

    fn drop_dataset<'a>(&'a self, owner: &'a str, dataset: &'a str) -> Answer<'a, bool> {
        Box::pin(self.engine.remove_dataset(owner, dataset))
    }

    fn inspect<'a>(&'a self, handle: &'a Handle) -> Answer<'a, Option<Inspection>> {
        Box::pin(async move {
            let container = self.engine.inspect(&handle.checked()?).await?;
            Ok(container.map(|it| inspect::inspection(&it)))
        })
    }

    fn list<'a>(&'a self, owner: &'a str) -> Answer<'a, Vec<Listed>> {
        Box::pin(self.all(owner))
    }

    fn events<'a>(&'a self, owner: &'a str) -> Answer<'a, EventStream> {
        let (backend, of) = (self.clone(), owner.to_owned());
        let list: Lister = Arc::new(move || {
            let (backend, of) = (backend.clone(), of.clone());
            Box::pin(async move { backend.all(&of).await })
        });
        let (engine, clock) = (Arc::clone(&self.engine), Arc::clone(&self.clock));
        Box::pin(Listener { engine, clock, owner: owner.to_owned(), parts: false, list }.listen())
    }

    fn logs<'a>(&'a self, handle: &'a Handle, options: LogOptions) -> Answer<'a, LogStream> {
        Box::pin(async move { self.engine.logs(&handle.checked()?, None, options).await })
    }

    fn stats<'a>(&'a self, handle: &'a Handle) -> Answer<'a, Stats> {
        Box::pin(async move { self.engine.stats(&handle.checked()?).await })
    }

    fn exec<'a>(&'a self, handle: &'a Handle, argv: &'a [String], limit: Duration) -> Answer<'a, ExecOutcome> {
        Box::pin(async move { self.engine.exec(&handle.checked()?, argv, limit).await })
    }
}
