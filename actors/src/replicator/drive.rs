//! Events into the state machines of a link, and their effects into the world.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use mf2c_fabric::replication::sink::{self, Change, Outcome, Verdict};
use mf2c_fabric::replication::source;
use mf2c_fabric::replication::words::Hold;
use mf2c_fabric::replication::{Origin, Point, StreamMessage};
use mf2c_fabric::wire::Notice;
use mf2c_store::StoreError;
use mf2c_store::replica::{Applied, InflowError};

use super::actor::Replicator;
use super::counters::add;
use super::digests::End;
use super::history::{inflow, point};
use super::judge::{Consequences, Due, Relation, is_outlived, judge};
use crate::resource_store::{ApplyInflow, ForgetOrigin, RenewIncarnation};

/// When a peer shall come back whose store cannot write, or who is not known yet.
const LATER: Duration = Duration::from_secs(1);
/// Times that are further ahead are noted: the peer's clock is wrong (`cluster.md` (g.4)).
const SKEW: u64 = 60_000;
/// Pause between two new lives of the store: a peer that claims to have more again and again gets nowhere.
const RENEWAL: Duration = Duration::from_secs(60);

impl Replicator {
    pub(super) fn heard(&mut self, number: u64, message: StreamMessage, ctx: &mut Context<Self>) {
        match message {
            StreamMessage::Follow(_)
            | StreamMessage::Ack(_)
            | StreamMessage::Hold(_)
            | StreamMessage::Buckets(_)
            | StreamMessage::Refused(_) => self.source_step(number, source::Event::Heard(message), ctx),
            StreamMessage::Offer(_)
            | StreamMessage::Batch(_)
            | StreamMessage::Piece(_)
            | StreamMessage::Part(_)
            | StreamMessage::Digests(_)
            | StreamMessage::Repair(_)
            | StreamMessage::End(_) => self.sink_step(number, sink::Event::Heard(message), ctx),
            StreamMessage::Unknown => {}
        }
    }

    pub(super) fn source_step(&mut self, number: u64, event: source::Event, ctx: &mut Context<Self>) {
        let now = self.now();
        let Some(ends) = self.links.get_mut(&number) else { return };
        let Some(source) = &mut ends.source else { return };
        let before = source.traffic();
        let effects = source.step(event, now, &self.shelf);
        let (after, wake) = (source.traffic(), source.wake());
        add(&self.counters.changes_out, after.changes - before.changes);
        add(&self.counters.bytes_out, after.bytes - before.bytes);
        add(&self.counters.snapshots, after.snapshots - before.snapshots);
        for effect in effects {
            self.source_effect(number, effect, ctx);
        }
        if let Some(at) = wake {
            self.wake_at(at, ctx);
        }
    }

    fn source_effect(&mut self, number: u64, effect: source::Effect, ctx: &mut Context<Self>) {
        match effect {
            source::Effect::Send(message) => self.say(number, Notice::Stream(message), ctx),
            source::Effect::Digest(origins) => self.ask_digests(number, End::Source, origins, ctx),
            source::Effect::Behind(origin) if origin == self.own => self.renew(ctx),
            source::Effect::Behind(_) => {}
            source::Effect::Refused { origin, id, why } => {
                let origin = super::bindings::hex(&origin);
                tracing::warn!(%origin, id = id.as_deref().unwrap_or("*"), %why, "a peer does not take changes");
            }
            source::Effect::Reconsider => {
                // Not within the step that asked for it.
                let later =
                    async {}.into_actor(self).map(move |(), replicator, ctx| replicator.owe(number, false, ctx));
                ctx.spawn(later);
            }
            source::Effect::Close(why) => self.net.close(number, why),
        }
    }

    pub(super) fn sink_step(&mut self, number: u64, event: sink::Event, ctx: &mut Context<Self>) {
        let now = self.now();
        let Some(ends) = self.links.get_mut(&number) else { return };
        let before = ends.sink.received();
        let effects = ends.sink.step(event, now, &self.shelf);
        let (after, wake) = (ends.sink.received(), ends.sink.wake());
        add(&self.counters.changes_in, after.changes - before.changes);
        add(&self.counters.bytes_in, after.bytes - before.bytes);
        add(&self.counters.gaps, after.gaps - before.gaps);
        for effect in effects {
            self.sink_effect(number, effect, ctx);
        }
        if let Some(at) = wake {
            self.wake_at(at, ctx);
        }
    }

    fn sink_effect(&mut self, number: u64, effect: sink::Effect, ctx: &mut Context<Self>) {
        match effect {
            sink::Effect::Send(message) => self.say(number, Notice::Stream(message), ctx),
            sink::Effect::Judge(generation, origins) => self.judge_offer(number, generation, &origins, ctx),
            sink::Effect::Apply { ticket, origin, incarnation, flow, changes } => {
                self.note_times(number, &changes);
                let here = self.store.progress_of(&origin).map(point);
                if let (Some(ends), Some(here)) = (self.links.get(&number), here)
                    && is_outlived(&ends.link, &origin, incarnation, here)
                {
                    // A newer life came in by another way since this one was offered.
                    let why = "a newer life of that store is here".to_owned();
                    self.sink_step(number, sink::Event::Applied(ticket, Outcome::Later(LATER, why)), ctx);
                    return self.sink_step(number, sink::Event::Rejudge, ctx);
                }
                let repair = matches!(flow, sink::Flow::Repair { .. });
                let applied = self.writer.send(ApplyInflow(inflow(origin, incarnation, flow, changes)));
                ctx.spawn(applied.into_actor(self).map(move |applied, replicator, ctx| {
                    let applied = applied.unwrap_or(Err(StoreError::Stopping));
                    replicator.begun_anew(here, &applied, ctx);
                    replicator.applied(number, ticket, repair, applied, ctx);
                }));
            }
            sink::Effect::Digest(origins) => self.ask_digests(number, End::Sink, origins, ctx),
            sink::Effect::Refused(origin, id, why) => {
                add(&self.counters.refused, 1);
                let origin = super::bindings::hex(&origin);
                tracing::warn!(%origin, %id, %why, "a document of another agent is not taken");
            }
            sink::Effect::Close(why) => self.net.close(number, why),
        }
    }

    /// Offers everything again where an origin has begun a new life here: who refused the old one takes the new one.
    fn begun_anew(&mut self, before: Option<Point>, applied: &Result<Applied, StoreError>, ctx: &mut Context<Self>) {
        if let (Some(before), Ok(applied)) = (before, applied)
            && applied.progress.incarnation > before.incarnation
        {
            self.owe_all(true, ctx);
        }
    }

    fn applied(
        &mut self,
        number: u64,
        ticket: u64,
        repair: bool,
        applied: Result<Applied, StoreError>,
        ctx: &mut Context<Self>,
    ) {
        let outcome = match applied {
            Ok(applied) => {
                if repair && applied.changed > 0 {
                    let changed = applied.changed as u64;
                    add(&self.counters.repaired, changed);
                    tracing::warn!(documents = changed, "replicas were not what their origin has, and were repaired");
                    if let Some(ends) = self.links.get_mut(&number) {
                        ends.repaired += changed;
                    }
                }
                let outcome = Outcome::Done(applied.misfits);
                if self.is_new(&applied.progress.origin) {
                    self.owe_all(false, ctx);
                }
                self.is_back(&applied.progress.origin, ctx);
                outcome
            }
            Err(StoreError::Inflow(InflowError::Own)) => Outcome::Own,
            Err(StoreError::Inflow(InflowError::Refused { id, reason })) => Outcome::Refused(id, reason),
            Err(StoreError::Inflow(InflowError::Forked { id })) => Outcome::Forked(id),
            Err(StoreError::Inflow(_)) => Outcome::Again,
            Err(error) => Outcome::Later(LATER, error.to_string()),
        };
        self.sink_step(number, sink::Event::Applied(ticket, outcome), ctx);
    }

    /// Whether somebody who gets everything was not offered this origin yet.
    fn is_new(&self, origin: &Origin) -> bool {
        self.links.values().any(|ends| {
            ends.due == Due::All
                && ends.source.as_ref().is_some_and(|source| !source.offers(origin))
                && ends.link.hello.origin.0 != *origin
        })
    }

    /// Decides which origins may come from a peer, and binds them to their devices before anything of them is taken.
    fn judge_offer(
        &mut self,
        number: u64,
        generation: u32,
        origins: &[(Origin, Point, String)],
        ctx: &mut Context<Self>,
    ) {
        let Some(ends) = self.links.get(&number) else { return };
        if ends.relation == Relation::None {
            let retry_after = u32::try_from(LATER.as_millis()).unwrap_or(1000);
            let hold = Hold { retry_after, why: "this agent does not lead yours, as far as it knows".to_owned() };
            return self.sink_step(number, sink::Event::Judged(generation, Err(hold)), ctx);
        }
        let (link, relation, own) = (&ends.link, ends.relation, self.own);
        let mut then = Consequences::default();
        let mut verdicts: Vec<Verdict> = Vec::with_capacity(origins.len());
        for offered in origins {
            let here = self.store.progress_of(&offered.0).map(point);
            verdicts.push(judge(link, relation, &own, offered, here, &mut self.bindings, &mut then));
        }
        let peer = link.peer.id.to_string();
        for (verdict, (origin, ..)) in verdicts.iter().zip(origins) {
            if let Err(why) = verdict
                && *origin != own
            {
                add(&self.counters.refused, 1);
                tracing::warn!(%peer, %why, "an origin is not taken");
            }
        }
        if then.keep.is_empty() && then.forget.is_empty() {
            self.sink_step(number, sink::Event::Judged(generation, Ok(verdicts)), ctx);
            return self.send_waiting(ctx);
        }
        for (_, device) in &then.forget {
            tracing::warn!(%device, "the store of a device was wiped: what the old one had is replaced");
            self.note_wiped(device, ctx);
        }
        let writer = self.writer.clone();
        let kept = async move {
            for keep in then.keep {
                writer.send(keep).await.unwrap_or(Err(StoreError::Stopping))?;
            }
            for (old, _) in then.forget {
                writer.send(ForgetOrigin(old)).await.unwrap_or(Err(StoreError::Stopping))?;
            }
            Ok::<(), StoreError>(())
        };
        ctx.spawn(kept.into_actor(self).map(move |kept, replicator, ctx| {
            let judged = kept.map(|()| verdicts).map_err(|error| Hold { retry_after: 1000, why: error.to_string() });
            replicator.sink_step(number, sink::Event::Judged(generation, judged), ctx);
            // What was forgotten is owed to nobody any more.
            replicator.owe_all(false, ctx);
            replicator.send_waiting(ctx);
        }));
    }

    fn note_times(&mut self, number: u64, changes: &[Change]) {
        let latest = self.world.clock.now().millis() + SKEW;
        let ahead = changes.iter().filter(|change| change.time >> 16 > latest).count();
        if ahead == 0 {
            return;
        }
        add(&self.counters.skewed, ahead as u64);
        if let Some(ends) = self.links.get_mut(&number)
            && !std::mem::replace(&mut ends.skewed, true)
        {
            let peer = &ends.link.peer.id;
            tracing::warn!(%peer, "clock_skew: changes come from more than a minute ahead; they are taken in their order, not by their time");
        }
    }

    pub(super) fn ask_digests(&mut self, number: u64, end: End, origins: Vec<Origin>, ctx: &mut Context<Self>) {
        if self.digests.ask(number, end, origins) {
            self.take_turn(ctx);
        }
    }

    /// Reads a little, and then lets others have their turn.
    fn take_turn(&mut self, ctx: &mut Context<Self>) {
        let turn = async {}.into_actor(self).map(|(), replicator, ctx| {
            let now = replicator.now();
            if let Some((number, end, digests)) = replicator.digests.turn(&replicator.store, now) {
                match end {
                    End::Source => replicator.source_step(number, source::Event::Digests(digests), ctx),
                    End::Sink => replicator.sink_step(number, sink::Event::Digests(digests), ctx),
                }
            }
            if !replicator.digests.is_empty() {
                replicator.take_turn(ctx);
            }
        });
        ctx.spawn(turn);
    }

    /// A peer has more of us than we have: the store has gone back in time.
    fn renew(&mut self, ctx: &mut Context<Self>) {
        let now = self.now();
        if self.renewed.is_some_and(|at| now < at + RENEWAL) {
            return;
        }
        self.renewed = Some(now);
        let renewed = self.writer.send(RenewIncarnation(Arc::clone(&self.world.entropy)));
        ctx.spawn(renewed.into_actor(self).map(|renewed, replicator, ctx| {
            match renewed.unwrap_or(Err(StoreError::Stopping)) {
                Ok(incarnation) => {
                    add(&replicator.counters.renewed, 1);
                    tracing::error!(
                        incarnation,
                        "this store has gone back in time, as after a restore: it begins a new life, and what it no longer has is removed elsewhere"
                    );
                    replicator.note_restored(ctx);
                    replicator.owe_all(true, ctx);
                }
                Err(error) => {
                    replicator.renewed = None;
                    tracing::warn!(%error, "the store cannot begin a new life yet");
                }
            }
        }));
    }
}
