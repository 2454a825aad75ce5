//! What is offered: which of it may come from whom, and what follows from that.

use actix::prelude::*;
use mf2c_fabric::replication::sink::{Event as SinkEvent, Verdict};
use mf2c_fabric::replication::words::Hold;
use mf2c_fabric::replication::{Origin, Point};
use mf2c_store::StoreError;

use super::actor::Replicator;
use super::counters::add;
use super::history::point;
use super::judge::{Consequences, Judge, Relation};
use crate::resource_store::ForgetOrigin;

/// An origin in an offer: what there is of it, and the device of its agent as it was told.
type Offered = (Origin, Point, String);

impl Replicator {
    /// Decides which origins may come from a peer, and binds them to their devices before anything of them is taken.
    pub(super) fn judge_offer(&mut self, number: u64, generation: u32, origins: &[Offered], ctx: &mut Context<Self>) {
        if let Some(hold) = self.holds_off(number).or_else(|| self.is_second(number)) {
            return self.sink_step(number, SinkEvent::Judged(generation, Err(hold)), ctx);
        }
        if !self.bindings.are_read() {
            let why = "it cannot be read here to whom these stores belong".to_owned();
            return self.judged(number, generation, Err(Hold { retry_after: 1000, why }), ctx);
        }
        let Some(ends) = self.links.get(&number) else { return };
        let mut judge = Judge::new(&ends.link, ends.relation, &self.own, &ends.homes, &mut self.bindings);
        let store = &self.store;
        let verdict = |offered: &Offered| {
            let here = store.progress_of(&offered.0).map(point);
            let held = here.is_some() || store.partial_of(&offered.0).is_some();
            judge.verdict(offered, here, held)
        };
        let verdicts: Vec<Verdict> = origins.iter().map(verdict).collect();
        let then = judge.then;
        self.note_verdicts(number, origins, &verdicts, &then);
        self.say_stamp(number, origins, ctx);
        if then.keep.is_empty() && then.forget.is_empty() {
            return self.judged(number, generation, Ok(verdicts), ctx);
        }
        for (_, device) in &then.forget {
            tracing::warn!(%device, "the store of a device was wiped: what the old one had is replaced");
            self.note_wiped(device, ctx);
        }
        let Consequences { keep, forget, moved, told, .. } = then;
        let writer = self.writer.clone();
        let kept = async move {
            for keep in keep {
                writer.send(keep).await.unwrap_or(Err(StoreError::Stopping))?;
            }
            for (old, _) in forget {
                writer.send(ForgetOrigin(old)).await.unwrap_or(Err(StoreError::Stopping))?;
            }
            Ok::<(), StoreError>(())
        };
        ctx.spawn(kept.into_actor(self).map(move |kept, replicator, ctx| {
            let judged = kept.map(|()| verdicts).map_err(|error| Hold { retry_after: 1000, why: error.to_string() });
            replicator.tell_homes(&told, ctx);
            replicator.have_moved(number, &moved, ctx);
            replicator.judged(number, generation, judged, ctx);
            // What was forgotten is owed to nobody any more.
            replicator.owe_all(false, ctx);
        }));
    }

    fn judged(&mut self, number: u64, generation: u32, verdicts: Result<Vec<Verdict>, Hold>, ctx: &mut Context<Self>) {
        let good = verdicts.is_ok();
        self.sink_step(number, SinkEvent::Judged(generation, verdicts), ctx);
        if good {
            self.tell_near(number, ctx);
            self.send_waiting(ctx);
        }
    }

    fn note_verdicts(&mut self, number: u64, origins: &[Offered], verdicts: &[Verdict], then: &Consequences) {
        let Some(ends) = self.links.get_mut(&number) else { return };
        let peer = &ends.link.peer.id;
        for (verdict, (origin, ..)) in verdicts.iter().zip(origins) {
            match verdict {
                // It is known to the store now.
                Ok(()) => drop(ends.homes.remove(origin)),
                Err(_) if *origin == self.own => {}
                Err(why) if then.left_behind.contains(origin) => {
                    tracing::debug!(%peer, %why, "what a store left behind when it moved is not taken");
                }
                Err(why) => {
                    add(&self.counters.refused, 1);
                    tracing::warn!(%peer, %why, "an origin is not taken");
                }
            }
        }
        for origin in &then.moved {
            let store = super::bindings::hex(origin);
            tracing::info!(%peer, store, "a store has moved to the area of this peer, and has shown that");
        }
    }

    /// A child is there again: whoever has something that waits for it hears of that.
    fn tell_near(&mut self, number: u64, ctx: &mut Context<Self>) {
        let Some(ends) = self.links.get(&number).filter(|ends| ends.relation == Relation::Child) else { return };
        let Ok(origin) = Origin::try_from(ends.link.hello.origin.0.as_slice()) else { return };
        let near = ends.sink.origins().any(|(offered, _)| offered == origin);
        if near {
            self.pass_on_near(number, &[origin], 0, ctx);
        }
    }
}
