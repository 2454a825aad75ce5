//! Copies that an agent has kept from the time when it led or stood by to lead: removed when the agent that leads has all that
//! is here of them, and never before.

use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::area::standing::AreaRole;
use mf2c_fabric::replication::{Origin, Point};
use mf2c_fabric::wire::{Answer, Ask, Bytes, Code, WireError};
use mf2c_store::StoreError;

use super::actor::Replicator;
use super::bindings::is_behind;
use super::history::point;
use super::judge::Relation;
use crate::ports::LinkError;
use crate::resource_store::ForgetOrigin;

/// How long an agent is an ordinary one before it looks for the first time: who leads may be about to appoint it again.
const SETTLED: Duration = Duration::from_secs(10);
/// Pause before it looks again for what could not be removed.
const AGAIN: Duration = Duration::from_secs(60);
/// The most stores of which is asked at a time.
const AT_ONCE: usize = 1024;
/// How long an answer may take.
const WITHIN: Duration = Duration::from_secs(10);

/// A peer asks how far this agent has come with the stores of others: [`Ask::Holds`].
#[derive(Debug, Message)]
#[rtype(result = "Result<Answer, WireError>")]
pub struct AnswerHolds(pub Vec<Bytes>);

impl Replicator {
    /// Whether copies of others have no place here any more, and who leads is there to be asked.
    fn to_ask(&self) -> Option<u64> {
        let is_ordinary = self.standing.role == AreaRole::Agent && self.standing.leader.is_some();
        let leader = || self.links.iter().find(|(_, ends)| ends.relation == Relation::Leader);
        is_ordinary.then(leader).flatten().map(|(number, _)| *number)
    }

    fn copies(&self) -> Vec<(Origin, Point)> {
        let others = self.store.progress().into_iter().filter(|progress| progress.origin != self.own);
        others.map(|progress| (progress.origin, point(progress))).take(AT_ONCE).collect()
    }

    /// Plans the look for copies, where there may be some.
    pub(super) fn plan_shedding(&mut self, ctx: &mut Context<Self>) {
        if self.to_ask().is_none() {
            if let Some(planned) = self.shedding.take() {
                ctx.cancel_future(planned);
            }
        } else if self.shedding.is_none() {
            self.shed_in(SETTLED, ctx);
        }
    }

    fn shed_in(&mut self, pause: Duration, ctx: &mut Context<Self>) {
        self.shedding = Some(ctx.run_later(pause, Self::shed));
    }

    fn shed(&mut self, ctx: &mut Context<Self>) {
        self.shedding = None;
        let copies = self.copies();
        let Some(link) = self.to_ask().filter(|_| !copies.is_empty()) else {
            // Whatever makes it necessary again changes the standing or the link.
            return;
        };
        let ask = Ask::Holds { origins: copies.iter().map(|(origin, _)| origin.to_vec().into()).collect() };
        let asked = self.net.ask_over(link, ask, WITHIN);
        ctx.spawn(asked.into_actor(self).map(move |answer, replicator, ctx| match answer {
            Ok(Answer::Holds { upto }) => replicator.compare_copies(copies, &upto, ctx),
            // It may be of an earlier version, or lead no more.
            Ok(_) | Err(LinkError::Refused(_)) => replicator.shed_in(AGAIN, ctx),
            Err(_) => replicator.shed_in(SETTLED, ctx),
        }));
    }

    fn compare_copies(&mut self, copies: Vec<(Origin, Point)>, upto: &[(u64, u64)], ctx: &mut Context<Self>) {
        if self.to_ask().is_none() {
            return;
        }
        let has_all = |(here, there): (&(Origin, Point), &(u64, u64))| {
            let there = Point { incarnation: there.0, sequence: there.1 };
            (!is_behind(here.1, there)).then_some(here.0)
        };
        let known: Vec<Origin> = copies.iter().zip(upto).filter_map(has_all).collect();
        let kept = copies.len() - known.len();
        if kept > 0 {
            tracing::warn!(
                agents = kept,
                "this agent has changes of others that its leader does not have; it keeps them until that has"
            );
        }
        let writer = self.writer.clone();
        let removed = async move {
            let mut documents = 0;
            for origin in known {
                documents += writer.send(ForgetOrigin(origin)).await.unwrap_or(Err(StoreError::Stopping))?;
            }
            Ok::<usize, StoreError>(documents)
        };
        ctx.spawn(removed.into_actor(self).map(move |removed, replicator, ctx| {
            match removed {
                Ok(documents) if documents > 0 => tracing::info!(
                    documents,
                    "removed copies of other agents' documents: this agent leads no more, and is no backup"
                ),
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "copies of other agents' documents could not be removed"),
            }
            // What is left, and what did not fit into the question.
            replicator.shed_in(if kept > 0 { AGAIN } else { SETTLED }, ctx);
        }));
    }

    /// How far this agent has come with stores; what it has forgotten it needs no more of.
    fn holds(&self, origins: &[Bytes]) -> Result<Answer, WireError> {
        if !self.standing.leads() {
            return Err(WireError::new(Code::NotLeader, "this agent leads no area: ask the one that leads"));
        }
        let upto = origins.iter().take(AT_ONCE).map(|origin| {
            let Ok(origin) = Origin::try_from(origin.0.as_slice()) else { return (0, 0) };
            let here = self.store.progress_of(&origin).map(point).unwrap_or_default();
            let here = if origin == self.own { Point { incarnation: u64::MAX, sequence: u64::MAX } } else { here };
            let gone = self.bindings.gone(&origin).map(super::bindings::Gone::upto).unwrap_or_default();
            let most = if is_behind(gone, here) { gone } else { here };
            (most.incarnation, most.sequence)
        });
        Ok(Answer::Holds { upto: upto.collect() })
    }
}

impl Handler<AnswerHolds> for Replicator {
    type Result = Result<Answer, WireError>;

    fn handle(&mut self, AnswerHolds(origins): AnswerHolds, _: &mut Context<Self>) -> Self::Result {
        self.holds(&origins)
    }
}
