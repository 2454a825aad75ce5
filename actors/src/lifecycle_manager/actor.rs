//! What wakes the lifecycle manager.

use std::collections::BTreeSet;
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_lifecycle::Input;
use mf2c_placement::{Backend, Backends as Offered};
use mf2c_store::StoreError;
use mf2c_workload::{BackendKind, Event, ExecOutcome, Handle};
use serde_json::{Map, Value, json};

use super::orders::PROGRESS_PAUSE;
use super::parcel::Reply;
use super::specs::kind_of;
use super::{
    Backends, CheckPolicy, Exec, Explain, Launch, Launched, LifecycleManager, Lines, News, NextPage, Operate,
    Progressed, ReadLogs, Schedule, StartJob, Tend, Tended, Usage, WorkError,
};
use crate::resource_store::{EditResource, KeepState};

/// How many questions may wait.
const MAILBOX: usize = 1024;
/// What distinguishes the start of the machine at which the agent ran last.
const BOOT: &str = "lifecycle/boot";
/// Pause before what could not be advertised is told again.
const AGAIN: Duration = Duration::from_secs(5);

impl LifecycleManager {
    fn await_feed(&self, ctx: &mut Context<Self>) {
        let mut feed = self.feed.clone();
        let news = async move { feed.changed().await.is_ok().then_some(feed) };
        ctx.spawn(news.into_actor(self).map(|feed, manager, ctx| {
            // Without a feed the agent is stopping.
            if let Some(feed) = feed {
                manager.feed = feed;
                manager.catch_up(ctx);
                manager.await_feed(ctx);
            }
        }));
    }

    fn await_standing(&self, ctx: &mut Context<Self>) {
        let mut standings = self.standings.clone();
        let news = async move { standings.changed().await.is_ok().then_some(standings) };
        ctx.spawn(news.into_actor(self).map(|standings, manager, ctx| {
            if let Some(standings) = standings {
                manager.standings = standings;
                manager.look_around(ctx);
                manager.await_standing(ctx);
            }
        }));
    }

    /// Whether the machine was started anew since the agent ran last.
    fn note_boot(&mut self, ctx: &mut Context<Self>) {
        let known = self.store.state(BOOT).ok().flatten();
        let now = self.settings.boot.clone().into_bytes();
        self.booted = known.is_some_and(|known| known != now);
        let kept = self.writer.send(KeepState { key: BOOT.to_owned(), value: Some(now) });
        ctx.spawn(kept.into_actor(self).map(|_, _, _| ()));
    }

    /// Asks what a backend can do.
    pub(super) fn probe_backend(&mut self, kind: BackendKind, ctx: &mut Context<Self>) {
        let Some(backend) = self.backends.get(&kind).cloned() else { return };
        let probe = async move { backend.probe().await };
        ctx.spawn(probe.into_actor(self).map(move |probed, manager, ctx| {
            let Ok(capability) = probed else { return };
            // It has gone since.
            if capability.available && manager.lost.contains_key(&kind) {
                return;
            }
            if manager.capabilities.get(&kind) != Some(&capability) {
                tracing::info!(
                    backend = name_of(kind),
                    available = capability.available,
                    version = capability.version,
                    why_not = capability.why_not,
                    "what runs services"
                );
                manager.capabilities.insert(kind, capability);
                manager.advertise(ctx);
            }
        }));
    }

    /// What this agent runs. Until a backend has been asked it counts as there.
    pub(super) fn offered(&self) -> Offered {
        let offers = |kind: &&BackendKind| self.capabilities.get(kind).is_none_or(|capability| capability.available);
        self.backends
            .keys()
            .filter(offers)
            .map(|kind| match kind {
                BackendKind::Docker => Backend::Docker,
                BackendKind::Compose => Backend::Compose,
                BackendKind::Process => Backend::Process,
            })
            .collect()
    }

    /// Says in the own device's document what this agent runs.
    pub(super) fn advertise(&mut self, ctx: &mut Context<Self>) {
        let Some(document) = self.store.get(&format!("device/{}", self.node_name)) else { return };
        if self.backends.keys().any(|kind| !self.capabilities.contains_key(kind)) {
            return;
        }
        let offered: BTreeSet<&str> = [Backend::Docker, Backend::Compose, Backend::Process]
            .into_iter()
            .filter(|backend| self.offered().has(*backend))
            .map(Backend::as_str)
            .collect();
        let body = self.store.body(&document).ok().flatten();
        let told = body.and_then(|body| serde_json::from_slice::<Map<String, Value>>(&body).ok()).unwrap_or_default();
        let boot = self.settings.boot.clone();
        let mut changes = Map::from_iter([("backends".to_owned(), json!(offered))]);
        if !boot.is_empty() {
            changes.insert("boot".to_owned(), boot.into());
        }
        if changes.iter().all(|(name, value)| told.get(name) == Some(value)) {
            return;
        }
        let Ok(id) = ResourceId::new("device", &self.node_name) else { return };
        let edit = EditResource { id, changes, removed: vec![], if_match: None, by: Caller::agent() };
        let written = self.writer.send(edit);
        ctx.spawn(written.into_actor(self).map(|written, _, ctx| {
            if let Ok(Err(error)) = written
                && !matches!(error, StoreError::NotFound { .. } | StoreError::Stopping)
            {
                ctx.run_later(AGAIN, |manager, ctx| manager.advertise(ctx));
            }
        }));
    }
}

/// The word for a backend.
pub(super) const fn name_of(kind: BackendKind) -> &'static str {
    match kind {
        BackendKind::Docker => "docker",
        BackendKind::Compose => "compose",
        BackendKind::Process => "process",
    }
}

impl Actor for LifecycleManager {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        self.feed.mark_unchanged();
        self.read = *self.feed.borrow();
        self.standing = self.standings.borrow_and_update().clone();
        self.note_boot(ctx);
        self.recall();
        self.recall_charges();
        for kind in self.backends.keys().copied().collect::<Vec<_>>() {
            self.listen(kind, ctx);
        }
        // Those that nothing here runs say so.
        let runs = self.runs.values();
        let stranded =
            runs.filter(|run| kind_of(run.service.backend).is_none_or(|kind| !self.backends.contains_key(&kind)));
        for handle in stranded.map(|run| run.handle.clone()).collect::<Vec<Handle>>() {
            self.step(&handle, Input::Tick, ctx);
        }
        self.await_feed(ctx);
        self.await_standing(ctx);
        self.look_around(ctx);
        // Without backends nobody is asked, and the device may have been described before.
        self.advertise(ctx);
    }
}

impl StreamHandler<(News, Event)> for LifecycleManager {
    fn handle(&mut self, (news, event): (News, Event), ctx: &mut Context<Self>) {
        self.heard(news.kind, event, ctx);
    }

    // The default ends the actor.
    fn finished(&mut self, _: &mut Context<Self>) {}
}

impl StreamHandler<Progressed> for LifecycleManager {
    fn handle(&mut self, progressed: Progressed, ctx: &mut Context<Self>) {
        let Progressed { of, progress } = progressed;
        let Some(run) = self.runs.get_mut(&of) else { return };
        let first = run.progress.replace(progress).is_none();
        run.dirty = true;
        if first {
            return self.settle(&of, ctx);
        }
        ctx.run_later(PROGRESS_PAUSE, move |manager, ctx| manager.settle(&of, ctx));
    }

    fn finished(&mut self, _: &mut Context<Self>) {}
}

type Answered<T> = ResponseActFuture<LifecycleManager, Result<T, WorkError>>;

macro_rules! answers {
    ($($message:ty => $answer:ty: |$manager:ident, $ask:ident, $ctx:ident| $body:expr;)*) => {$(
        impl Handler<$message> for LifecycleManager {
            type Result = Answered<$answer>;

            fn handle(&mut self, $ask: $message, $ctx: &mut Context<Self>) -> Self::Result {
                let $manager = self;
                $body
            }
        }
    )*};
}

answers! {
    Launch => Launched: |manager, ask, _ctx| manager.launch(ask);
    Explain => Value: |manager, ask, _ctx| manager.explain(ask);
    Operate => Map<String, Value>: |manager, ask, ctx| manager.operate(ask, ctx);
    ReadLogs => Lines: |manager, ask, ctx| manager.logs(ask, ctx);
    Exec => ExecOutcome: |manager, ask, ctx| manager.exec(ask, ctx);
    Usage => Value: |manager, ask, ctx| manager.usage(ask, ctx);
    Schedule => Map<String, Value>: |manager, ask, _ctx| manager.schedule(ask);
    CheckPolicy => Value: |manager, _ask, _ctx| Box::pin(actix::fut::ready(Ok(manager.check_policy())));
    Backends => Value: |manager, _ask, _ctx| Box::pin(actix::fut::ready(Ok(manager.told_backends())));
    Tend => Tended: |manager, ask, ctx| manager.tend(ask, ctx);
    StartJob => String: |manager, ask, _ctx| manager.start_job(ask);
}

impl Handler<NextPage> for LifecycleManager {
    type Result = ResponseActFuture<Self, Reply>;

    fn handle(&mut self, ask: NextPage, ctx: &mut Context<Self>) -> Self::Result {
        self.next_page(ask, ctx)
    }
}

impl LifecycleManager {
    /// See [`Backends`].
    fn told_backends(&self) -> Value {
        let told = self.backends.keys().map(|kind| {
            let capability = self.capabilities.get(kind);
            let features = capability.map(|capability| json!(capability.features)).unwrap_or_default();
            let told = json!({
                "available": capability.is_some_and(|capability| capability.available),
                "version": capability.map(|capability| capability.version.clone()).unwrap_or_default(),
                "features": features,
                "why_not": capability.and_then(|capability| capability.why_not.clone()),
            });
            (name_of(*kind).to_owned(), told)
        });
        Value::Object(told.collect())
    }
}
