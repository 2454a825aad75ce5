//! Agents that do not come back: what is here of them is removed, and does not come again as a copy that somebody else kept.

use actix::prelude::*;
use mf2c_fabric::replication::sink::Event as SinkEvent;
use mf2c_fabric::replication::{Origin, Point};
use mf2c_store::StoreError;
use mf2c_store::record::NodeId;

use super::actor::Replicator;
use super::bindings::{Gone, is_behind};
use super::history::point;
use crate::resource_store::{ForgetOrigin, KeepState};

/// Removes the copies of an agent's documents, and whose they were; copies of others are not taken from then on. The agent
/// itself is, should it come back.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Forgotten, StoreError>")]
pub struct Forget {
    /// The agent's store.
    pub origin: NodeId,
    /// Its `deviceID`.
    pub device: String,
    /// The life and the newest change that somebody else has forgotten. Where more of it is here it has been back since, and
    /// it stays. None forgets all that is here.
    pub upto: Option<(u64, u64)>,
    /// The area below whose leader says so: it may say that of what comes by way of that area alone.
    pub below: Option<String>,
}

/// What was forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Forgotten {
    /// Whether it is forgotten, now or before.
    pub is_forgotten: bool,
    /// Documents that were removed.
    pub documents: usize,
    /// The life of the store.
    pub life: u64,
    /// The newest change of it that was here.
    pub changes: u64,
}

/// An agent that somebody has forgotten is back.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Remember(pub NodeId);

/// The devices whose stores are known here.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Vec<KnownStore>")]
pub struct KnownStores;

/// See [`KnownStores`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownStore {
    /// The `deviceID`.
    pub device: String,
    /// The area of the agent that said so.
    pub area: String,
    /// The store.
    pub origin: NodeId,
}

type Outcome = ResponseActFuture<Replicator, Result<Forgotten, StoreError>>;

impl Replicator {
    /// Whether the agent with this store is linked to this one, or is this one.
    fn is_here(&self, origin: &Origin) -> bool {
        *origin == self.own || self.links.values().any(|ends| ends.link.hello.origin.0 == *origin)
    }

    fn forget(&mut self, forget: &Forget) -> Outcome {
        let Forget { origin, device, upto, below } = forget;
        let here = self.store.progress_of(origin).map(point).unwrap_or_default();
        let told = upto.map(|(incarnation, sequence)| Point { incarnation, sequence });
        let has_been_back = told.is_some_and(|told| is_behind(here, told) || self.is_here(origin));
        let upto = told.unwrap_or(here);
        let known = self.bindings.gone(origin).is_some_and(|gone| !is_behind(upto, gone.upto()));
        let is_forgotten = told.is_some() && known && here == Point::default();
        let area = self.bindings.owner_of(origin).map(|owner| owner.area);
        let is_foreign = !known && below.as_ref().is_some_and(|below| area.as_ref() != Some(below));
        if *origin == self.own || has_been_back || is_foreign || is_forgotten {
            return Box::pin(actix::fut::ready(Ok(Forgotten { is_forgotten, ..Forgotten::default() })));
        }
        let keep = self.bindings.forget(*origin, Gone::new(device, upto, self.world.clock.now()));
        let (writer, origin) = (self.writer.clone(), *origin);
        let removed = async move {
            for keep in keep {
                writer.send(keep).await.unwrap_or(Err(StoreError::Stopping))?;
            }
            writer.send(ForgetOrigin(origin)).await.unwrap_or(Err(StoreError::Stopping))
        };
        Box::pin(removed.into_actor(self).map(move |removed, replicator, ctx| {
            let documents = removed?;
            // It is owed to nobody any more, and taken from nobody.
            replicator.owe_all(false, ctx);
            replicator.judge_anew(ctx);
            Ok(Forgotten { is_forgotten: true, documents, life: upto.incarnation, changes: upto.sequence })
        }))
    }

    /// Judges again what peers offer.
    fn judge_anew(&mut self, ctx: &mut Context<Self>) {
        let numbers: Vec<u64> = self.links.keys().copied().collect();
        for number in numbers {
            self.sink_step(number, SinkEvent::Rejudge, ctx);
        }
    }

    fn keep(&mut self, keep: KeepState, ctx: &mut Context<Self>) {
        let kept = self.writer.send(keep).into_actor(self).map(|kept, _, _| {
            if let Err(error) = kept.unwrap_or(Err(StoreError::Stopping)) {
                tracing::warn!(%error, "that an agent is back could not be written; it is seen again at its next change");
            }
        });
        ctx.spawn(kept);
    }
}

impl Handler<Forget> for Replicator {
    type Result = Outcome;

    fn handle(&mut self, forget: Forget, _: &mut Context<Self>) -> Self::Result {
        self.forget(&forget)
    }
}

impl Handler<Remember> for Replicator {
    type Result = ();

    fn handle(&mut self, Remember(origin): Remember, ctx: &mut Context<Self>) {
        if let Some(keep) = self.bindings.remember(&origin) {
            self.keep(keep, ctx);
            self.judge_anew(ctx);
        }
    }
}

impl Handler<KnownStores> for Replicator {
    type Result = MessageResult<KnownStores>;

    fn handle(&mut self, _: KnownStores, _: &mut Context<Self>) -> Self::Result {
        let known = self.bindings.all().filter(|(_, owner)| !owner.device.is_empty());
        let known = known.map(|(origin, owner)| KnownStore {
            device: owner.device.clone(),
            area: owner.area.clone(),
            origin: *origin,
        });
        MessageResult(known.collect())
    }
}
