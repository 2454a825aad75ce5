//! Carrying out what supervisors order, and asking after health.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use mf2c_lifecycle::service::Backend;
use mf2c_lifecycle::{Input, Order, Probe, Seen, Trouble};
use mf2c_workload::{
    BackendError, BackendKind, ExecutionBackend, Handle, Inspection, Progress, SecretPlace, Source, Spec,
};
use tokio::sync::mpsc;

use super::sightings::{fetches, seen};
use super::specs::{self, kind_of};
use super::{LifecycleManager, Progressed};

/// So much news of a fetch waits; the rest is dropped.
const PROGRESS_AHEAD: usize = 16;

type Outcome = Result<Option<Inspection>, BackendError>;

impl LifecycleManager {
    pub(super) fn carry_out(&mut self, handle: &Handle, order: Order, ctx: &mut Context<Self>) {
        let Some(run) = self.runs.get(handle) else { return };
        let kind = kind_of(run.service.backend);
        let Some(backend) = kind.and_then(|kind| self.backends.get(&kind)).cloned() else {
            let text = format!(
                "this agent does not run services of type {}: see `services` in its configuration",
                kind.map_or("swarm or kubernetes", |kind| match kind {
                    BackendKind::Docker => "docker",
                    BackendKind::Compose => "docker-compose",
                    BackendKind::Process => "process",
                })
            );
            return self.refused(handle, order, text, ctx);
        };
        if let Some(why) = kind.and_then(|kind| self.lost.get(&kind)) {
            // It would have to be waited for, order by order.
            let (handle, reason) = (handle.clone(), why.clone());
            ctx.spawn(std::future::ready(()).into_actor(self).map(move |(), manager, ctx| {
                manager.step(&handle, Input::Done(order, Err(Trouble { reason, lasting: false })), ctx);
            }));
            return;
        }
        let spec = match self.spec_of(handle) {
            Ok(spec) => spec,
            Err(text) => return self.refused(handle, order, text, ctx),
        };
        let Some(run) = self.runs.get(handle) else { return };
        let source = specs::source(&run.service, &run.handed, &self.settings);
        let (progress, told) = mpsc::channel(PROGRESS_AHEAD);
        if order == Order::Prepare {
            let of = handle.clone();
            ctx.add_stream(futures_util::stream::unfold(
                (told, of),
                |(mut told, of): (mpsc::Receiver<Progress>, Handle)| async {
                    let progress = told.recv().await?;
                    Some((Progressed { of: of.clone(), progress }, (told, of)))
                },
            ));
        }
        // Volumes of a service stay, those of an application go with their instance.
        let volumes = run.for_good && kind == Some(BackendKind::Compose);
        let done = do_it(backend, order, (spec, volumes), source, progress);
        let of = handle.clone();
        let under_way =
            ctx.spawn(done.into_actor(self).map(move |outcome, manager, ctx| manager.done(&of, order, outcome, ctx)));
        if let Some(run) = self.runs.get_mut(handle).filter(|_| order == Order::Prepare) {
            run.fetching = Some(under_way);
        }
    }

    /// Gives up what is done for a workload that is to stop: nobody waits for an image of hours, or for what never becomes healthy.
    pub(super) fn give_up(&mut self, handle: &Handle, ctx: &mut Context<Self>) {
        let Some(run) = self.runs.get_mut(handle) else { return };
        match run.supervisor.in_vain() {
            Some(Order::Prepare) => {
                let Some(fetching) = run.fetching.take() else { return };
                ctx.cancel_future(fetching);
                run.progress = None;
                let trouble = Trouble { reason: "it is not wanted any more".to_owned(), lasting: false };
                self.step(handle, Input::Done(Order::Prepare, Err(trouble)), ctx);
            }
            Some(Order::Start) => {
                let Some((backend, handle)) = self.backend_of(handle) else { return };
                backend.give_up(&handle);
            }
            _ => {}
        }
    }

    /// Something that cannot be done here. Told later, so that it is no answer to itself.
    fn refused(&mut self, handle: &Handle, order: Order, text: String, ctx: &mut Context<Self>) {
        let handle = handle.clone();
        // There is nothing of it where nothing could be made; else it can be forgotten only when it is looked at.
        let missing = order == Order::Inspect;
        ctx.spawn(std::future::ready(()).into_actor(self).map(move |(), manager, ctx| {
            if missing {
                manager.step(&handle, Input::Seen(Seen::Missing), ctx);
                return manager.step(&handle, Input::Done(order, Ok(())), ctx);
            }
            manager.step(&handle, Input::Done(order, Err(Trouble { reason: text, lasting: true })), ctx);
        }));
    }

    fn spec_of(&mut self, handle: &Handle) -> Result<Arc<Spec>, String> {
        let node = self.node_name.clone();
        let Some(run) = self.runs.get_mut(handle) else { return Err("it is gone".to_owned()) };
        if let Some(spec) = &run.spec {
            return Ok(Arc::clone(spec));
        }
        let spec = Arc::new(specs::spec(run, &node, &self.settings)?);
        run.spec = Some(Arc::clone(&spec));
        Ok(spec)
    }

    fn done(&mut self, handle: &Handle, order: Order, outcome: Outcome, ctx: &mut Context<Self>) {
        if let Some(run) = self.runs.get_mut(handle).filter(|_| order == Order::Prepare) {
            run.fetching = None;
        }
        match outcome {
            Ok(found) => {
                if let Some(inspection) = &found {
                    self.take_in(handle, inspection);
                }
                if order == Order::Inspect {
                    let seen = match &found {
                        Some(inspection) => self.seen_of(handle, inspection),
                        None => Some(Seen::Missing),
                    };
                    let Some(seen) = seen else {
                        let trouble = Trouble { reason: "the engine cannot say how it is".to_owned(), lasting: false };
                        return self.step(handle, Input::Done(order, Err(trouble)), ctx);
                    };
                    self.step(handle, Input::Seen(seen), ctx);
                }
                self.step(handle, Input::Done(order, Ok(())), ctx);
                let state = found.map(|inspection| inspection.state).filter(|_| order == Order::Start);
                // It may have ended before anybody looked.
                if let Some(seen @ Seen::Exited(_)) = state.as_ref().and_then(seen) {
                    self.step(handle, Input::Seen(seen), ctx);
                }
            }
            Err(error) => {
                let no_image = matches!(error, BackendError::NoImage { .. }) && fetches(order);
                let passing = error.is_passing() || matches!(error, BackendError::Missing { .. });
                let trouble = Trouble { reason: error.to_string(), lasting: !passing };
                self.step(handle, Input::Done(order, Err(trouble)), ctx);
                if no_image {
                    self.ask_again(handle, ctx);
                }
            }
        }
    }

    /// Asks a workload whether it is well.
    pub(super) fn probe(&mut self, handle: &Handle, ctx: &mut Context<Self>) {
        let Some(run) = self.runs.get(handle) else { return };
        let Some(check) = run.service.health.clone() else { return };
        let on_this_machine = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        let is_process = run.service.backend == Backend::Process;
        let bound = |port: u16| {
            // It opens its ports itself, whether its service says so or not.
            if is_process {
                return Some(on_this_machine(port));
            }
            let found = run.bindings.iter().find(|binding| binding.container == port && binding.protocol == "tcp");
            found.map(|binding| on_this_machine(binding.host))
        };
        let backend = kind_of(run.service.backend).and_then(|kind| self.backends.get(&kind)).cloned();
        let prober = Arc::clone(&self.prober);
        let (asked, within) = (handle.clone(), check.timeout);
        let address = match &check.probe {
            Probe::Http { port, .. } | Probe::Tcp { port } => bound(*port),
            Probe::Exec { .. } => None,
        };
        let answer = async move {
            match (check.probe, address, backend) {
                (Probe::Http { path, .. }, Some(address), _) => prober.http(address, &path, within).await,
                (Probe::Tcp { .. }, Some(address), _) => prober.tcp(address, within).await,
                (Probe::Exec { command }, _, Some(backend)) => {
                    backend.exec(&asked, &command, within).await.is_ok_and(|outcome| outcome.code == 0)
                }
                _ => false,
            }
        };
        let handle = handle.clone();
        ctx.spawn(
            answer.into_actor(self).map(move |good, manager, ctx| manager.step(&handle, Input::Probed(good), ctx)),
        );
    }
}

async fn do_it(
    backend: Arc<dyn ExecutionBackend>,
    order: Order,
    (spec, volumes): (Arc<Spec>, bool),
    source: Source,
    progress: mpsc::Sender<Progress>,
) -> Outcome {
    let handle = Handle::of(&spec);
    match order {
        Order::Inspect => backend.inspect(&handle).await,
        Order::Prepare => backend.prepare(&spec, &source, progress).await.map(|()| None),
        Order::Create => backend.create(&spec).await.map(|_| None),
        Order::Start => {
            // Secrets in memory are gone after a restart of the machine, and somebody may have removed a part of an application: what is
            // there already is made no second time.
            let in_memory = spec.secrets.iter().any(|secret| secret.place == SecretPlace::File);
            if in_memory || backend.kind() == BackendKind::Compose {
                backend.create(&spec).await?;
            }
            backend.start(&handle).await.map(Some)
        }
        Order::Stop => backend.stop(&handle, spec.stop_grace).await.map(|()| None),
        Order::Remove => backend.remove(&handle, true, volumes).await.map(|()| None),
    }
}

/// How long news of a fetch is kept to itself: each costs a write.
pub(super) const PROGRESS_PAUSE: Duration = Duration::from_millis(500);
