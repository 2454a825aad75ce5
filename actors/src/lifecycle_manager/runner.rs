//! What this agent runs: each workload does what its supervisor says.

use std::collections::BTreeSet;
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::caller::Caller;
use mf2c_domain::time::Timestamp;
use mf2c_lifecycle::{AgentStatus, Exit, Input, Note, Seen};
use mf2c_store::StoreError;
use mf2c_workload::{BackendKind, Capability, Change, Event, Handle, Inspection, Listed, State};

use super::parcel::{Desired, Goal};
use super::run::{self, Run};
use super::sightings::{interrupted, seen};
use super::specs::kind_of;
use super::{LifecycleManager, News};
use crate::resource_store::{DeleteResource, EditResource, KeepState};

/// Pause after the store has failed.
pub(super) const STORE_PAUSE: Duration = Duration::from_secs(1);
/// Pauses before an engine that is away is asked again: the first, which doubles, and the longest.
const ENGINE_PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// What ended so shortly before an engine was away was ended by the engine.
const GOING_DOWN: Duration = Duration::from_secs(60);
/// Pause before an image that could not be had is asked for again; it doubles, up to ten minutes.
const IMAGE_PAUSE: Duration = Duration::from_secs(30);

impl LifecycleManager {
    /// Gives a workload something to think of, and does what it says.
    pub(super) fn step(&mut self, handle: &Handle, input: Input, ctx: &mut Context<Self>) {
        let (now, wall) = (self.world.clock.elapsed(), self.world.clock.now());
        let jitter = self.chance();
        let Some(run) = self.runs.get_mut(handle) else { return };
        let step = run.supervisor.step(input, now, jitter);
        run.dirty = true;
        for note in step.notes {
            self.note(handle, note, wall, ctx);
        }
        if self.runs.get(handle).is_some_and(|run| run.measured && run.supervisor.is_at_rest()) {
            self.metric_ends(handle, wall, ctx);
        }
        if let Some(order) = step.order {
            self.carry_out(handle, order, ctx);
        }
        if step.probe {
            self.probe(handle, ctx);
        }
        self.wake_at(handle, step.wake, ctx);
        self.give_up(handle, ctx);
        self.settle(handle, ctx);
        // While it is being stopped its end may be known already, and would count as a crash if it should run again.
        let stopped = |run: &&mut Run| {
            run.restarting && !run.supervisor.is_busy() && run.supervisor.status() == AgentStatus::Stopped
        };
        if let Some(run) = self.runs.get_mut(handle).filter(stopped) {
            run.restarting = false;
            self.step(handle, Input::Desire(mf2c_lifecycle::Desired::Running), ctx);
        }
    }

    fn chance(&self) -> f64 {
        let mut bytes = [0; 4];
        self.world.entropy.fill(&mut bytes);
        f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
    }

    fn wake_at(&mut self, handle: &Handle, at: Option<Duration>, ctx: &mut Context<Self>) {
        let now = self.world.clock.elapsed();
        let Some(run) = self.runs.get_mut(handle) else { return };
        if run.wake.as_ref().map(|(planned, _)| *planned) == at {
            return;
        }
        if let Some((_, timer)) = run.wake.take() {
            ctx.cancel_future(timer);
        }
        let Some(at) = at else { return };
        let handle = handle.clone();
        let timer = ctx.run_later(at.saturating_sub(now) + Duration::from_millis(1), move |manager, ctx| {
            if let Some(run) = manager.runs.get_mut(&handle) {
                run.wake = None;
            }
            manager.step(&handle, Input::Tick, ctx);
        });
        run.wake = Some((at, timer));
    }

    /// What a note of a supervisor means for others.
    fn note(&mut self, handle: &Handle, note: Note, wall: Timestamp, ctx: &mut Context<Self>) {
        let elapsed = self.world.clock.elapsed();
        let Some(run) = self.runs.get_mut(handle) else { return };
        match note {
            Note::Created => run.happened(wall, "created", ""),
            Note::Started => {
                (run.started, run.progress, run.missed) = (Some(wall), None, 0);
                run.happened(wall, "started", "");
                self.metric_begins(handle, wall, ctx);
            }
            // What was over when the agent ended is no news.
            Note::Exited(exit) if !run.measured => run.exit = Some(exit),
            Note::Exited(exit) => {
                (run.exit, run.is_news) = (Some(exit), true);
                run.ended = Some(elapsed);
                run.happened(wall, if exit.oom { "out-of-memory" } else { "exited" }, exit.to_string());
                self.metric_ends(handle, wall, ctx);
            }
            Note::Restarting(pause) => {
                // The next start has a time of its own, which may be seen before its start is acknowledged.
                run.started = None;
                run.happened(wall, "restarting", format!("in {} s", (pause.as_secs_f64() * 10.0).round() / 10.0));
            }
            Note::Finished if !std::mem::take(&mut run.is_news) => {}
            Note::Finished => {
                run.happened(wall, "finished", "");
                self.report_run(handle, wall, ctx);
            }
            Note::Healthy => run.happened(wall, "healthy", ""),
            Note::Unhealthy => run.happened(wall, "unhealthy", "its health check failed too often"),
            Note::Stopped => {
                run.happened(wall, "stopped", "");
                self.metric_ends(handle, wall, ctx);
            }
            // What follows is told by itself.
            Note::Recycled => self.metric_ends(handle, wall, ctx),
            Note::Removed => run.happened(wall, "removed", ""),
            Note::Troubled(order, trouble) => {
                let repeated = run.events.back().is_some_and(|last| last.text == trouble.reason);
                if !repeated {
                    tracing::warn!(workload = %handle, ?order, reason = trouble.reason, "a workload has trouble");
                    run.happened(wall, "trouble", trouble.reason);
                }
            }
            Note::GivenUp(_) => run.happened(wall, "given-up", ""),
        }
    }

    /// Sees to it that the document says how the workload is; a workload that is gone loses its document.
    pub(super) fn settle(&mut self, handle: &Handle, ctx: &mut Context<Self>) {
        let Some(run) = self.runs.get_mut(handle).filter(|run| run.dirty && !run.writing) else { return };
        run.dirty = false;
        if run.supervisor.is_gone() {
            run.writing = true;
            return self.bury(handle, ctx);
        }
        let Some(changes) = run.changes() else { return };
        run.writing = true;
        let by = Caller::agent();
        let edit = EditResource { id: run.id.clone(), changes: changes.clone(), removed: vec![], if_match: None, by };
        let (written, handle) = (self.writer.send(edit), handle.clone());
        ctx.spawn(written.into_actor(self).map(move |written, manager, ctx| {
            let Some(run) = manager.runs.get_mut(&handle) else { return };
            run.writing = false;
            match written.unwrap_or(Err(StoreError::Stopping)) {
                Ok(_) => run.shown.extend(changes),
                // Whoever has taken the document away wants the workload away.
                Err(StoreError::NotFound { .. }) => {
                    return manager.aim(&handle, Goal { desired: Desired::Deleted, restarts: 0 }, ctx);
                }
                Err(StoreError::Stopping) => return,
                Err(error) => {
                    tracing::warn!(workload = %handle, %error, "how a workload is cannot be stored; it is tried again");
                    run.dirty = true;
                    ctx.run_later(STORE_PAUSE, move |manager, ctx| manager.settle(&handle, ctx));
                    return;
                }
            }
            manager.settle(&handle, ctx);
        }));
    }

    fn bury(&mut self, handle: &Handle, ctx: &mut Context<Self>) {
        let Some(run) = self.runs.get(handle) else { return };
        let deleted = self.writer.send(DeleteResource { id: run.id.clone(), if_match: None, by: Caller::agent() });
        let forgotten = self.writer.send(KeepState { key: run::handed_key(handle), value: None });
        let handle = handle.clone();
        let both = async move { (deleted.await, forgotten.await) };
        ctx.spawn(both.into_actor(self).map(move |(deleted, _), manager, ctx| {
            match deleted.unwrap_or(Err(StoreError::Stopping)) {
                Ok(_) | Err(StoreError::NotFound { .. }) => {
                    if let Some(run) = manager.runs.remove(&handle)
                        && let Some((_, timer)) = run.wake
                    {
                        ctx.cancel_future(timer);
                    }
                    manager.reconcile(&handle.instance, ctx);
                }
                Err(StoreError::Stopping) => {}
                Err(error) => {
                    tracing::warn!(workload = %handle, %error, "a workload that is gone is still in the store");
                    ctx.run_later(STORE_PAUSE, move |manager, ctx| manager.bury(&handle, ctx));
                }
            }
        }));
    }

    /// What a workload shall do from now on.
    pub(super) fn aim(&mut self, handle: &Handle, goal: Goal, ctx: &mut Context<Self>) {
        let Some(run) = self.runs.get_mut(handle) else { return };
        if goal == run.goal && run.restarting {
            // The same wish once more, while it stops for it.
            return;
        }
        let anew = goal.restarts > run.goal.restarts && goal.desired == Desired::Running;
        let was = run.goal.desired;
        run.goal = goal;
        run.dirty = true;
        let held_back = run.held_back.is_some() && goal.desired == Desired::Running;
        let desired = if held_back { Desired::Stopped } else { goal.desired };
        if anew && was == Desired::Running && !held_back {
            // What stops for a restart is started when it has stopped.
            run.restarting = true;
            return self.step(handle, Input::Desire(mf2c_lifecycle::Desired::Stopped), ctx);
        }
        run.restarting = false;
        self.step(handle, Input::Desire(desired.into()), ctx);
    }

    /// Listens to a backend, again and again until it is there.
    pub(super) fn listen(&mut self, kind: BackendKind, ctx: &mut Context<Self>) {
        let Some(backend) = self.backends.get(&kind).cloned() else { return };
        let owner = self.node_name.clone();
        let stream = async move { backend.events(&owner).await };
        ctx.spawn(stream.into_actor(self).map(move |stream, manager, ctx| match stream {
            Ok(stream) => {
                let listened = News { kind };
                ctx.add_stream(futures_util::StreamExt::map(stream, move |event| (listened, event)));
                manager.probe_backend(kind, ctx);
            }
            Err(error) => {
                let tries = manager.away.entry(kind).or_default();
                *tries += 1;
                let pause = (ENGINE_PAUSES.0 * 2_u32.pow((*tries).min(8))).min(ENGINE_PAUSES.1);
                if *tries > 1 {
                    tracing::debug!(?kind, %error, "what runs services is still away");
                } else if manager.runs.values().any(|run| kind_of(run.service.backend) == Some(kind)) {
                    tracing::warn!(?kind, %error, "what runs services does not answer; it is asked again and again");
                }
                if *tries == 1 {
                    manager.lose(kind, error.to_string(), ctx);
                }
                manager.probe_backend(kind, ctx);
                ctx.run_later(pause, move |manager, ctx| manager.listen(kind, ctx));
            }
        }));
    }

    pub(super) fn heard(&mut self, kind: BackendKind, event: Event, ctx: &mut Context<Self>) {
        match event {
            Event::Listed(all) => self.listed(kind, all, ctx),
            Event::Lost { why } => {
                tracing::warn!(backend = super::actor::name_of(kind), why, "what runs services is away");
                let (version, features) = (String::new(), BTreeSet::new());
                let why_not = Some(why.clone());
                let capability = Capability { available: false, version, features, cgroups: None, why_not };
                self.capabilities.insert(kind, capability);
                self.lose(kind, why, ctx);
                self.advertise(ctx);
            }
            Event::Changed { handle, part: Some(_), change: Change::Removed, .. } => self.lacks_a_part(&handle, ctx),
            Event::Changed { handle, part: Some(_), .. } => self.look_at(&handle, ctx),
            Event::Changed { handle, part: None, change, at } => self.changed(&handle, change, at, ctx),
        }
    }

    /// Nothing is known any more of what a backend runs.
    fn lose(&mut self, kind: BackendKind, why: String, ctx: &mut Context<Self>) {
        self.lost.insert(kind, why);
        for handle in self.runs_of(kind) {
            self.step(&handle, Input::EngineLost, ctx);
        }
    }

    fn runs_of(&self, kind: BackendKind) -> Vec<Handle> {
        let runs = self.runs.values().filter(|run| kind_of(run.service.backend) == Some(kind));
        runs.map(|run| run.handle.clone()).collect()
    }

    /// Somebody else has removed a part of an application that should run: it is made again, and the others run on.
    fn lacks_a_part(&mut self, handle: &Handle, ctx: &mut Context<Self>) {
        let should = |run: &&Run| run.goal.desired == Desired::Running && run.held_back.is_none();
        match self.runs.get(handle).filter(should) {
            Some(run) if !run.supervisor.is_busy() => self.step(handle, Input::Seen(Seen::Created), ctx),
            _ => self.look_at(handle, ctx),
        }
    }

    fn changed(&mut self, handle: &Handle, change: Change, at: Timestamp, ctx: &mut Context<Self>) {
        let Some(run) = self.runs.get_mut(handle) else { return };
        match change {
            Change::Started => self.look_at(handle, ctx),
            Change::Exited(state) => {
                if let Some(seen) = seen(&state) {
                    self.step(handle, Input::Seen(seen), ctx);
                }
            }
            Change::OutOfMemory => {
                run.happened(at, "out-of-memory", "the kernel ended a process of it");
                self.settle(handle, ctx);
            }
            Change::Health(_) => {}
            Change::Removed => self.step(handle, Input::Seen(Seen::Missing), ctx),
        }
    }

    /// All that there is of a backend: at its start, and after it was away.
    fn listed(&mut self, kind: BackendKind, all: Vec<Listed>, ctx: &mut Context<Self>) {
        let first = self.met.insert(kind);
        self.away.remove(&kind);
        let is_back = self.lost.remove(&kind).is_some();
        if is_back {
            self.probe_backend(kind, ctx);
        }
        let gap = !first || self.booted;
        let mine = self.runs_of(kind);
        let mut there: std::collections::BTreeMap<Handle, Inspection> =
            all.into_iter().map(|listed| (listed.handle, listed.inspection)).collect();
        let mine_count = mine.len();
        for handle in mine {
            if is_back {
                self.step(&handle, Input::EngineBack, ctx);
            }
            match there.remove(&handle) {
                Some(inspection) => {
                    let Some(seen) = self.seen_of(&handle, &inspection) else {
                        self.step(&handle, Input::Tick, ctx);
                        continue;
                    };
                    self.take_in(&handle, &inspection);
                    self.resume(&handle, seen, gap, ctx);
                }
                None => self.step(&handle, Input::Seen(Seen::Missing), ctx),
            }
        }
        tracing::info!(backend = super::actor::name_of(kind), workloads = mine_count, "looked at all that runs here");
        // What nobody knows of is what a delete has left behind, or a store that was restored.
        there.retain(|handle, _| !self.runs.contains_key(handle));
        for handle in there.into_keys() {
            tracing::warn!(workload = %handle, "removing a workload that no document speaks of");
            self.remove_orphan(kind, handle, ctx);
        }
    }

    /// Takes over what was found of a workload. What has ended while nobody watched may have been ended by what kept others from
    /// watching; what had ended before was not.
    fn resume(&mut self, handle: &Handle, seen: Seen, gap: bool, ctx: &mut Context<Self>) {
        let now = self.world.clock.elapsed();
        let Some(run) = self.runs.get_mut(handle) else { return };
        if run.measured {
            return self.step(handle, Input::Seen(interrupted(seen, gap)), ctx);
        }
        self.step(handle, Input::Seen(seen), ctx);
        let Some(run) = self.runs.get_mut(handle) else { return };
        // An engine that goes down ends all it runs first, and that was heard.
        let lately = gap && run.ended.take().is_some_and(|ended| now.saturating_sub(ended) < GOING_DOWN);
        let runs = run.goal.desired == Desired::Running && run.held_back.is_none();
        let by_itself = matches!(seen, Seen::Exited(Exit { code: Some(0 | 137 | 143), oom: false, .. }));
        if lately && runs && by_itself {
            self.step(handle, Input::Desire(mf2c_lifecycle::Desired::Stopped), ctx);
            self.step(handle, Input::Desire(mf2c_lifecycle::Desired::Running), ctx);
        }
    }

    fn remove_orphan(&mut self, kind: BackendKind, handle: Handle, ctx: &mut Context<Self>) {
        let Some(backend) = self.backends.get(&kind).cloned() else { return };
        ctx.spawn(
            async move {
                if let Err(error) = backend.remove(&handle, true, false).await {
                    tracing::warn!(workload = %handle, %error, "it could not be removed");
                }
            }
            .into_actor(self),
        );
    }

    /// Takes over what a look at a workload shows besides its state.
    pub(super) fn take_in(&mut self, handle: &Handle, inspection: &Inspection) {
        let Some(run) = self.runs.get_mut(handle) else { return };
        if inspection.state == State::Running {
            run.bindings = inspection.ports.iter().map(Into::into).collect();
            // The time of its start is the one that its metric is named after, if that was written.
            if run.started.is_none() {
                run.started = inspection.started_at;
            }
        }
        run.dirty = true;
    }

    /// What a look means for the supervisor of a workload. Where some parts of an application run and others do not, it has not
    /// come up, or is no longer whole; but what should not run runs as long as any part does.
    pub(super) fn seen_of(&self, handle: &Handle, inspection: &Inspection) -> Option<Seen> {
        let is_wanted =
            self.runs.get(handle).is_none_or(|run| run.supervisor.desired() == mf2c_lifecycle::Desired::Running);
        let any_runs = inspection.parts.iter().any(|part| part.inspection.state == State::Running);
        if any_runs && !is_wanted { Some(Seen::Running) } else { seen(&inspection.state) }
    }

    /// Looks how a workload is.
    fn look_at(&mut self, handle: &Handle, ctx: &mut Context<Self>) {
        let Some(run) = self.runs.get(handle) else { return };
        let backend = kind_of(run.service.backend).and_then(|kind| self.backends.get(&kind)).cloned();
        let (Some(backend), handle) = (backend, handle.clone()) else { return };
        let asked = handle.clone();
        let look = async move { backend.inspect(&asked).await };
        ctx.spawn(look.into_actor(self).map(move |found, manager, ctx| {
            let Ok(found) = found else { return };
            let seen = match &found {
                Some(inspection) => manager.seen_of(&handle, inspection),
                None => Some(Seen::Missing),
            };
            if let Some(inspection) = &found {
                manager.take_in(&handle, inspection);
            }
            // A look may be older than what is known of a start.
            let runs = |run: &Run| matches!(run.supervisor.status(), AgentStatus::Started | AgentStatus::Starting);
            let is_old = seen == Some(Seen::Created) && manager.runs.get(&handle).is_some_and(runs);
            if let Some(seen) = seen.filter(|_| !is_old) {
                manager.step(&handle, Input::Seen(seen), ctx);
            }
        }));
    }

    /// Asks for an image again later that could not be had.
    pub(super) fn ask_again(&mut self, handle: &Handle, ctx: &mut Context<Self>) {
        let Some(run) = self.runs.get_mut(handle) else { return };
        let pause = IMAGE_PAUSE * 2_u32.pow(run.missed.min(5));
        run.missed += 1;
        let handle = handle.clone();
        ctx.run_later(pause.min(Duration::from_secs(600)), move |manager, ctx| {
            let waits =
                |run: &&Run| run.goal.desired == Desired::Running && run.supervisor.status() == AgentStatus::Error;
            if manager.runs.get(&handle).filter(waits).is_some() {
                manager.step(&handle, Input::Desire(mf2c_lifecycle::Desired::Stopped), ctx);
                manager.step(&handle, Input::Desire(mf2c_lifecycle::Desired::Running), ctx);
            }
        });
    }

    /// Begins to look after what the store knows.
    pub(super) fn recall(&mut self) {
        for document in self.store.all("workload").into_iter().filter(|document| document.origin().is_none()) {
            let body = self.store.body(&document).ok().flatten();
            let read =
                body.as_deref().and_then(|body| Some((run::Record::read(body)?, serde_json::from_slice(body).ok()?)));
            let Some((record, whole)) = read else {
                tracing::error!(id = %document.id, "a workload cannot be read, and is not looked after");
                continue;
            };
            let handle = record.handle();
            let kept = self.store.state(&run::handed_key(&handle)).ok().flatten();
            let kept: super::Kept = kept.and_then(|kept| serde_json::from_slice(&kept).ok()).unwrap_or_default();
            match Run::recall(&whole, kept.handed, kept.admin) {
                Some(run) => drop(self.runs.insert(handle, run)),
                None => tracing::error!(id = %document.id, "a workload makes no sense, and is not looked after"),
            }
        }
    }
}
