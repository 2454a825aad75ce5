//! `ComposeBackend`: an application of several containers as one workload.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use mf2c_domain::time::Clock;
use parking_lot::Mutex;
use tokio::sync::mpsc::Sender;

use super::parse::read;
use super::plan::{Made, network_name, plan};
use super::{AppPart, Application};
use crate::backend::{Answer, ExecOutcome, ExecutionBackend, Progress, Source};
use crate::docker::inspect;
use crate::docker::{DockerBackend, DockerConfig, Listener, Lister};
use crate::error::BackendError;
use crate::observed::{
    BackendKind, Capability, EventStream, Feature, Handle, Inspection, Listed, LogLine, LogOptions, LogStream, Stats,
};
use crate::spec::{LABEL_AGENT, LABEL_SERVICE, Program, SecretPlace, Spec};

/// Runs applications.
///
/// A program beside one is told its part by a first word such as `@db`, which can be left out where there is one part.
#[derive(Clone)]
pub struct ComposeBackend {
    docker: DockerBackend,
    /// One application is made at a time: engines take two networks of one name.
    making: Arc<tokio::sync::Mutex<()>>,
    /// Those whose start is not wanted any more.
    given_up: Arc<Mutex<BTreeSet<Handle>>>,
}

impl ComposeBackend {
    /// A backend for the engine behind a socket. Whether it is there shows at each call.
    #[must_use]
    pub fn new(config: DockerConfig, clock: Arc<dyn Clock>) -> Self {
        Self { docker: DockerBackend::new(config, clock), making: Arc::default(), given_up: Arc::default() }
    }

    async fn make(&self, spec: &Spec) -> Result<Handle, BackendError> {
        let application = application(spec)?;
        let handle = Handle::of(spec);
        handle.checked()?;
        let planned = plan(spec, &application)?;
        let _turn = self.making.lock().await;
        for (name, external) in application.networks.iter().filter(|(_, external)| external.is_none()) {
            self.docker.make_network(&network_name(&handle, name, external.as_ref()), spec).await?;
        }
        for part in &planned {
            self.docker.make(&part.name, &part.spec, &part.extra).await?;
            self.docker.connect(&part.name, part.extra.networks.get(1..).unwrap_or_default()).await?;
        }
        Ok(handle)
    }

    /// The parts of a workload that must be there.
    async fn parts(&self, handle: &Handle) -> Result<Vec<Made>, BackendError> {
        let parts = self.docker.parts(handle).await?;
        if parts.is_empty() { Err(BackendError::Missing { name: handle.name() }) } else { Ok(parts) }
    }

    async fn all(&self, owner: &str) -> Result<Vec<Listed>, BackendError> {
        let found = self.docker.engine.containers(vec![format!("{LABEL_AGENT}={owner}")]).await?;
        let mut groups: BTreeMap<Handle, Vec<Made>> = BTreeMap::new();
        for container in found {
            let labels = container.labels.unwrap_or_default();
            let handle = inspect::handle(&labels);
            let made = container.id.and_then(|id| Made::of(id, labels));
            if let (Some(handle), Some(made)) = (handle, made) {
                groups.entry(handle).or_default().push(made);
            }
        }
        let mut all = vec![];
        for (handle, parts) in groups {
            let service = parts.iter().find_map(|made| made.labels.get(LABEL_SERVICE)).cloned().unwrap_or_default();
            let whole = self.docker.whole(super::plan::in_order(parts)).await?;
            all.extend(whole.map(|inspection| Listed { handle, service, inspection }));
        }
        Ok(all)
    }

    async fn merged_logs(&self, handle: &Handle, options: LogOptions) -> Result<LogStream, BackendError> {
        let mut streams = vec![];
        for made in self.parts(handle).await? {
            streams.push(self.docker.engine.logs(&made.id, Some(made.part), options).await?);
        }
        if options.follow {
            return Ok(stream::select_all(streams).boxed());
        }
        let merged = by_time(streams).await;
        let Some(tail) = options.tail else { return Ok(merged) };
        // Each part gave so many of its last.
        let all: Vec<_> = merged.collect().await;
        let first = all.len().saturating_sub(tail);
        Ok(stream::iter(all.into_iter().skip(first)).boxed())
    }

    async fn beside(&self, handle: &Handle, argv: &[String], limit: Duration) -> Result<ExecOutcome, BackendError> {
        let parts = self.parts(handle).await?;
        let named = argv.first().and_then(|word| word.strip_prefix('@'));
        let (part, argv) = match named {
            Some(name) => (parts.iter().find(|made| made.part == name), &argv[1..]),
            None => (parts.first().filter(|_| parts.len() == 1), argv),
        };
        let Some(part) = part else {
            let names: Vec<String> = parts.iter().map(|made| format!("@{}", made.part)).collect();
            return Err(BackendError::invalid(format!(
                "say first in which part it should run: one of {}",
                names.join(", ")
            )));
        };
        self.docker.engine.exec(&part.id, argv, limit).await
    }
}

/// What the compose file of a workload asks for.
fn application(spec: &Spec) -> Result<Application, BackendError> {
    spec.check()?;
    let Program::Compose(text) = &spec.program else {
        return Err(BackendError::refused("applications are made from a compose file"));
    };
    let beside = spec.entrypoint.is_some()
        || spec.health.is_some()
        || spec.user.is_some()
        || spec.working_dir.is_some()
        || !(spec.command.is_empty() && spec.volumes.is_empty() && spec.devices.is_empty() && spec.ports.is_empty());
    if beside {
        return Err(BackendError::invalid(
            "an application has commands, volumes, devices, ports, users and health checks in its compose file only",
        ));
    }
    let variables = spec.secrets.iter().filter(|secret| secret.place == SecretPlace::Environment);
    let secrets: Vec<String> = variables.map(|secret| secret.name.clone()).collect();
    read(text, &spec.environment, &secrets).map_err(|error| BackendError::invalid(error.to_string()))
}

/// Lines of several logs, each in order, as one in order.
async fn by_time(streams: Vec<LogStream>) -> LogStream {
    type Head = Option<Result<LogLine, BackendError>>;
    let mut heads: Vec<(Head, LogStream)> = vec![];
    for mut lines in streams {
        heads.push((lines.next().await, lines));
    }
    stream::unfold(heads, |mut heads| async {
        heads.retain(|(head, _)| head.is_some());
        // An error first: it is the end of its stream.
        let key = |head: &Head| head.as_ref().and_then(|head| head.as_ref().ok()).map(|line| line.time);
        let (head, lines) = heads.iter_mut().min_by_key(|(head, _)| key(head))?;
        let next = lines.next().await;
        let line = std::mem::replace(head, next)?;
        Some((line, heads))
    })
    .boxed()
}

impl ExecutionBackend for ComposeBackend {
    fn kind(&self) -> BackendKind {
        BackendKind::Compose
    }

    fn probe(&self) -> Answer<'_, Capability> {
        Box::pin(async {
            let mut capability = self.docker.capability().await?;
            if capability.available {
                capability.features.insert(Feature::Parts);
            }
            Ok(capability)
        })
    }

    fn prepare<'a>(&'a self, spec: &'a Spec, source: &'a Source, progress: Sender<Progress>) -> Answer<'a, ()> {
        Box::pin(async move {
            let application = application(spec)?;
            let mut images: Vec<&str> = application.parts.values().map(|part: &AppPart| part.image.as_str()).collect();
            images.sort_unstable();
            images.dedup();
            for image in images {
                self.docker.engine.prepare(image, source, &progress).await?;
            }
            Ok(())
        })
    }

    fn create<'a>(&'a self, spec: &'a Spec) -> Answer<'a, Handle> {
        Box::pin(self.make(spec))
    }

    fn start<'a>(&'a self, handle: &'a Handle) -> Answer<'a, Inspection> {
        Box::pin(async move {
            self.given_up.lock().remove(handle);
            let parts = self.parts(handle).await?;
            let is_wanted = || !self.given_up.lock().contains(handle);
            self.docker.start_parts(handle, &parts, &is_wanted).await?;
            let whole = self.docker.whole(parts).await?;
            whole.ok_or_else(|| BackendError::Missing { name: handle.name() })
        })
    }

    fn give_up(&self, handle: &Handle) {
        self.given_up.lock().insert(handle.clone());
    }

    fn stop<'a>(&'a self, handle: &'a Handle, grace: Duration) -> Answer<'a, ()> {
        Box::pin(async move {
            // Those that depend on others first.
            for made in self.docker.parts(handle).await?.iter().rev() {
                self.docker.engine.stop(&made.id, grace).await?;
            }
            Ok(())
        })
    }

    fn kill<'a>(&'a self, handle: &'a Handle) -> Answer<'a, ()> {
        Box::pin(async move {
            let parts = self.docker.parts(handle).await?;
            let kills = parts.iter().rev().map(|made| self.docker.engine.kill(&made.id));
            join_all(kills).await.into_iter().collect()
        })
    }

    fn remove<'a>(&'a self, handle: &'a Handle, force: bool, volumes: bool) -> Answer<'a, ()> {
        Box::pin(async move {
            for made in self.docker.parts(handle).await?.iter().rev() {
                self.docker.unmake(&super::plan::container_name(handle, &made.part), force).await?;
            }
            self.docker.remove_networks(handle).await?;
            self.given_up.lock().remove(handle);
            if volumes { self.docker.engine.remove_volumes(&handle.instance).await } else { Ok(()) }
        })
    }

    fn inspect<'a>(&'a self, handle: &'a Handle) -> Answer<'a, Option<Inspection>> {
        Box::pin(async move { self.docker.whole(self.docker.parts(handle).await?).await })
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
        let (engine, clock) = (Arc::clone(&self.docker.engine), Arc::clone(&self.docker.clock));
        Box::pin(Listener { engine, clock, owner: owner.to_owned(), parts: true, list }.listen())
    }

    fn logs<'a>(&'a self, handle: &'a Handle, options: LogOptions) -> Answer<'a, LogStream> {
        Box::pin(self.merged_logs(handle, options))
    }

    fn stats<'a>(&'a self, handle: &'a Handle) -> Answer<'a, Stats> {
        Box::pin(async move {
            let parts = self.parts(handle).await?;
            let looks = join_all(parts.iter().map(|made| self.docker.engine.stats(&made.id))).await;
            looks.into_iter().try_fold(Stats::default(), |sum, look| Ok(sum.plus(look?)))
        })
    }

    fn exec<'a>(&'a self, handle: &'a Handle, argv: &'a [String], limit: Duration) -> Answer<'a, ExecOutcome> {
        Box::pin(self.beside(handle, argv, limit))
    }
}
