//! Stores that have gone back in time, and agents that were copied: noticed by what both ends have under one number, and named.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use mf2c_fabric::replication::beside::Stamp;
use mf2c_fabric::replication::sink::Event as SinkEvent;
use mf2c_fabric::replication::words::Hold;
use mf2c_fabric::replication::{Origin, Point, StreamMessage};
use mf2c_fabric::wire::Notice;
use mf2c_store::StoreError;

use super::actor::Replicator;
use super::counters::add;
use super::history::point;
use super::links::Ends;
use crate::resource_store::RenewIncarnation;

/// Pause between two new lives of the store: a peer that claims to have more again and again gets nowhere.
const RENEWAL: Duration = Duration::from_secs(60);
/// No store has lived so often that others could know of a life so far ahead.
const LIVES_AHEAD: u64 = 1 << 48;
/// Who speaks so long after another process of the same agent had come was not only restarted.
const SETTLED: Duration = Duration::from_secs(2);
/// When the second of two processes with one identity may ask again.
const LATER: u32 = 5000;

impl Replicator {
    /// Tells the peer what is here of its own store, ahead of the answer to its offer.
    pub(super) fn say_stamp(&mut self, number: u64, origins: &[(Origin, Point, String)], ctx: &mut Context<Self>) {
        let Some(ends) = self.links.get(&number) else { return };
        let first_hand = origins.iter().find(|(origin, ..)| ends.link.hello.origin.0 == *origin);
        let Some((origin, ..)) = first_hand else { return };
        let Some(Point { incarnation, sequence }) = self.store.progress_of(origin).map(point) else { return };
        let time = self.store.newest_time(origin).map_or(0, |time| time.bits());
        let stamp = Stamp { incarnation, sequence, time };
        self.say(number, Notice::Stream(StreamMessage::Stamp(stamp)), ctx);
    }

    /// A peer tells what it has of this store. Should it know of a later life, or should it have another change by a number
    /// that was given here, then this store has gone back in time, or a copy of it runs elsewhere.
    pub(super) fn hear_stamp(&mut self, number: u64, stamp: Stamp, ctx: &mut Context<Self>) {
        let Some(ends) = self.links.get(&number).filter(|ends| ends.source.is_some()) else { return };
        let own = self.store.identity().incarnation;
        let forked = if stamp.incarnation == own {
            stamp.time != 0
                && self.store.time_of_own(stamp.sequence).ok().flatten().is_some_and(|time| time.bits() != stamp.time)
        } else {
            stamp.incarnation > own && stamp.incarnation - own < LIVES_AHEAD
        };
        if forked {
            let peer = &ends.link.peer.id;
            tracing::error!(
                %peer, sequence = stamp.sequence,
                "a peer has something else of this store than it has itself: it was put back to an earlier state, or a copy of this agent runs elsewhere"
            );
            self.renew(stamp.incarnation, ctx);
        }
    }

    /// The store has gone back in time: it begins a life above this one.
    pub(super) fn renew(&mut self, above: u64, ctx: &mut Context<Self>) {
        let now = self.now();
        if let Some(at) = self.renewed.filter(|at| now < *at + RENEWAL) {
            // Whoever found out is asked again then.
            if !std::mem::replace(&mut self.renewing_later, true) {
                ctx.run_later((at + RENEWAL).saturating_sub(now), |replicator, ctx| {
                    replicator.renewing_later = false;
                    replicator.owe_all(true, ctx);
                });
            }
            return;
        }
        self.renewed = Some(now);
        let renewed = self.writer.send(RenewIncarnation(Arc::clone(&self.world.entropy), above));
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

    /// A peer speaks on a stream. Where another process of the same agent has come since, both are alive.
    pub(super) fn is_alive(&mut self, number: u64, ctx: &mut Context<Self>) {
        let now = self.now();
        let Some(second) = self.links.get(&number).and_then(|ends| ends.rival) else { return };
        let Some(ends) = self.links.get_mut(&second).filter(|ends| now > ends.opened_at + SETTLED) else { return };
        if !std::mem::replace(&mut ends.second, true) {
            self.name_clone(number, second, ctx);
            self.sink_step(second, SinkEvent::Rejudge, ctx);
        }
    }

    /// A link was opened: the others of the same agent that are of another process know it.
    pub(super) fn meet(&mut self, number: u64) {
        let Some(new) = self.links.get(&number).map(|ends| ends.link.clone()) else { return };
        let is_rival = |other: &Ends| {
            let boots = [other.link.hello.boot, new.hello.boot];
            other.link.peer.id == new.peer.id && boots[0] != boots[1] && !boots.contains(&0)
        };
        for other in self.links.values_mut().filter(|other| is_rival(other)) {
            other.rival = Some(number);
        }
    }

    /// Nothing is taken from the second of two processes with one identity, as long as the first is there.
    pub(super) fn is_second(&self, number: u64) -> Option<Hold> {
        let ends = self.links.get(&number).filter(|ends| ends.second)?;
        let first = self.links.values().find(|other| {
            other.link.number != number
                && other.link.peer.id == ends.link.peer.id
                && other.link.hello.boot != ends.link.hello.boot
        })?;
        let why = format!(
            "another agent shows this identity, at {}: stop one of them, and give it an identity of its own",
            first.link.address
        );
        Some(Hold { retry_after: LATER, why })
    }

    /// Says in the log and in an event that two agents show one identity, and where both are.
    fn name_clone(&mut self, first: u64, second: u64, ctx: &mut Context<Self>) {
        let (Some(one), Some(other)) = (self.links.get(&first), self.links.get(&second)) else { return };
        let (link, first, second) = (one.link.clone(), one.link.address, other.link.address);
        self.tell_clone(&link, &[first, second], ctx);
    }
}
