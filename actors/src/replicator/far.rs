//! Questions for other agents that are not about changes: the replicator knows which link leads to whom.

use std::time::Duration;

use actix::prelude::*;
use mf2c_fabric::wire::{Answer, Ask, WireError};
use mf2c_store::record::NodeId;

use super::actor::Replicator;
use super::judge::Relation;
use super::propose::away;
use crate::ports::LinkError;

/// Whom to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Far {
    /// The agent of this store, which is somewhere below.
    Below(NodeId),
    /// Who leads this agent: its area's leader, or the agent above where it leads itself.
    Above,
}

/// Asks another agent.
#[derive(Debug, Message)]
#[rtype(result = "Result<Answer, WireError>")]
pub struct AskFar {
    /// Whom.
    pub whom: Far,
    /// What.
    pub ask: Ask,
    /// For how long an answer is waited for.
    pub within: Duration,
}

impl Replicator {
    fn link_to(&self, whom: Far) -> Option<u64> {
        let related = |wanted: &[Relation]| {
            let mut links = self.links.iter();
            links.find(|(_, ends)| wanted.contains(&ends.relation)).map(|(number, _)| *number)
        };
        match whom {
            Far::Below(origin) => self.route(&origin).filter(|link| {
                let relation = self.links.get(link).map(|ends| ends.relation);
                matches!(relation, Some(Relation::Child | Relation::Below))
            }),
            Far::Above if self.standing.leads() => {
                let upper = self.standing.upper.as_ref()?;
                self.links.iter().find(|(_, ends)| ends.link.peer.id == upper.id).map(|(number, _)| *number)
            }
            Far::Above => related(&[Relation::Leader]),
        }
    }
}

impl Handler<AskFar> for Replicator {
    type Result = ResponseFuture<Result<Answer, WireError>>;

    fn handle(&mut self, far: AskFar, _: &mut Context<Self>) -> Self::Result {
        let Some(link) = self.link_to(far.whom) else { return Box::pin(std::future::ready(Err(away()))) };
        let asked = self.net.ask_over(link, far.ask, far.within);
        Box::pin(async move {
            asked.await.map_err(|error| match error {
                LinkError::Refused(why) => why,
                _ => away(),
            })
        })
    }
}
