//! Events into the state machines of a link, and their effects into the world.

use std::time::Duration;

use actix::prelude::*;
use mf2c_fabric::replication::sink::{self, Change, Outcome};
use mf2c_fabric::replication::source;
use mf2c_fabric::replication::{Origin, Point, StreamMessage};
use mf2c_fabric::wire::Notice;
use mf2c_store::StoreError;
use mf2c_store::replica::{Applied, InflowError};

use super::actor::Replicator;
use super::counters::add;
use super::digests::End;
use super::history::{inflow, point};
use super::judge::{Due, is_outlived};
use crate::resource_store::ApplyInflow;

/// When a peer shall come back whose store cannot write, or who is not known yet.
const LATER: Duration = Duration::from_secs(1);
/// Times that are further ahead are noted: the peer's clock is wrong (`cluster.md` (g.4)).
const SKEW: u64 = 60_000;

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
            | StreamMessage::Lag(_)
            | StreamMessage::End(_) => {
                self.is_alive(number, ctx);
                self.sink_step(number, sink::Event::Heard(message), ctx);
            }
            StreamMessage::Homes(homes) => self.hear_homes(number, homes, ctx),
            StreamMessage::Term(term) => self.hear_term(number, term, ctx),
            StreamMessage::Near(near) => self.hear_near(number, &near, ctx),
            StreamMessage::Stamp(stamp) => self.hear_stamp(number, stamp, ctx),
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
        self.tell_lag(number, ctx);
        if let Some(at) = wake {
            self.wake_at(at, ctx);
        }
    }

    fn source_effect(&mut self, number: u64, effect: source::Effect, ctx: &mut Context<Self>) {
        match effect {
            source::Effect::Send(message) => self.say(number, Notice::Stream(message), ctx),
            source::Effect::Digest(origins) => self.ask_digests(number, End::Source, origins, ctx),
            source::Effect::Behind(origin) if origin == self.own => self.renew(0, ctx),
            source::Effect::Behind(_) => {}
            source::Effect::Refused { origin, id, why } => {
                let origin = super::bindings::hex(&origin);
                tracing::warn!(%origin, id = id.as_deref().unwrap_or("*"), %why, "a peer does not take changes");
            }
            source::Effect::Held(why) => {
                let Some(ends) = self.links.get_mut(&number) else { return };
                let peer = &ends.link.peer.id;
                if ends.held.replace(why.clone()).as_ref() == Some(&why) {
                    tracing::debug!(%peer, %why, "a peer takes no changes for a while");
                } else {
                    tracing::warn!(%peer, %why, "a peer takes no changes for a while");
                }
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
                if here.is_some_and(|here| is_outlived(incarnation, here)) {
                    // A newer life came in by another way since this one was offered.
                    let why = "a newer life of that store is here".to_owned();
                    self.sink_step(number, sink::Event::Applied(ticket, Outcome::Later(LATER, why)), ctx);
                    return self.sink_step(number, sink::Event::Rejudge, ctx);
                }
                let repair = matches!(flow, sink::Flow::Repair { .. });
                let applied = self.writer.send(ApplyInflow(inflow(origin, incarnation, flow, changes)));
                ctx.spawn(applied.into_actor(self).map(move |applied, replicator, ctx| {
                    let applied = applied.unwrap_or(Err(StoreError::Stopping));
                    replicator.begun_anew(number, here, &applied, ctx);
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
    fn begun_anew(
        &mut self,
        number: u64,
        before: Option<Point>,
        applied: &Result<Applied, StoreError>,
        ctx: &mut Context<Self>,
    ) {
        if let (Some(before), Ok(applied)) = (before, applied)
            && applied.progress.incarnation > before.incarnation
        {
            self.note_renewed(number, &applied.progress.origin, ctx);
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
                self.marks.travels();
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
}
