//! Edits of documents that belong to other agents: the way to the origin, and the wait until the edit is visible here.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::area::standing::AreaRole;
use mf2c_domain::entropy::uuid_v4;
use mf2c_fabric::replication::Origin;
use mf2c_fabric::wire::{Answer, Ask, Code, Proposed, WireError};
use mf2c_store::Store;

use super::actor::Replicator;
use super::judge::Relation;
use super::{Proposal, Propose};
use crate::ports::{LinkAnswer, LinkError};

/// The name of a node as it stands in ids: [`mf2c_store::Identity::name`].
pub(super) fn node_name(origin: &Origin) -> String {
    let digits = super::bindings::hex(origin);
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

/// The entity tag that stands for "as of this change of the origin". Tags of one store mean nothing at another.
pub(super) fn tag_of(sequence: u64) -> String {
    format!("@{sequence}")
}

/// The agent that orders the edits is away.
pub(super) fn away() -> WireError {
    WireError { retry_after: Some(5000), ..WireError::new(Code::Busy, "the agent that it belongs to is away") }
}

impl Replicator {
    /// Why nobody may edit another agent's document here, if that is so: this agent holds what is left of a time when it led or
    /// was a backup, or what is about to be removed.
    fn holds_no_more(&self, propose: &Propose) -> Option<WireError> {
        if self.standing.role != AreaRole::Agent {
            return None;
        }
        let leader = self.standing.leader.as_ref()?;
        let text = format!(
            "{} is a copy that is not kept up here: ask the agent that leads the area, {} at {}",
            propose.id,
            leader.id.device().unwrap_or_default(),
            leader.address
        );
        Some(WireError::new(Code::NotLeader, text))
    }

    /// The link that leads to an origin: its own, or the one it came by, or the one to our leader.
    pub(super) fn route(&self, origin: &Origin) -> Option<u64> {
        let known = |relation: &[Relation]| {
            let mut links = self.links.iter().filter(|(_, ends)| relation.contains(&ends.relation));
            links
                .find(|(_, ends)| ends.sink.origins().any(|(offered, _)| offered == *origin))
                .map(|(number, _)| *number)
        };
        let to_leader = || {
            let mut links = self.links.iter();
            links.find(|(_, ends)| ends.relation == Relation::Leader).map(|(number, _)| *number)
        };
        known(&[Relation::Child]).or_else(|| known(&[Relation::Below, Relation::Leader])).or_else(to_leader)
    }

    pub(super) fn ask(&self, link: u64, proposed: Proposed) -> LinkAnswer<Answer> {
        self.net.ask_over(link, Ask::Propose(proposed), self.settings.proposal_deadline)
    }

    fn proposed(&self, propose: &Propose) -> Result<Proposed, WireError> {
        let if_match = match &propose.if_match {
            None => None,
            Some(tags) => {
                let document = self.store.get(propose.id.as_str());
                let current = document.map(|document| self.store.tag(&document));
                if !current.is_some_and(|current| tags.iter().any(|tag| *tag == current || tag == "*")) {
                    let text = format!("{} has changed: read it again and repeat the edit", propose.id);
                    return Err(WireError::new(Code::Conflict, text));
                }
                let here = self.store.progress_of(&propose.origin).map_or(0, |progress| progress.sequence);
                Some(vec![tag_of(here)])
            }
        };
        Ok(Proposed {
            term: self.standing.term,
            id: propose.id.as_str().to_owned(),
            origin: propose.origin.to_vec().into(),
            changes: propose.changes.as_ref().map(|changes| serde_json::to_vec(changes).unwrap_or_default().into()),
            removed: propose.removed.clone(),
            if_match,
            by: propose.by.clone(),
            made: None,
            key: format!("{}/{}", node_name(&self.own), uuid_v4(&*self.world.entropy)),
        })
    }
}

/// Waits until a store has come to a sequence of an origin.
async fn visible(store: Arc<Store>, origin: Origin, sequence: u64, within: Duration) -> Result<Proposal, WireError> {
    let mut feed = store.subscribe();
    let reached = async {
        while store.progress_of(&origin).is_none_or(|progress| progress.sequence < sequence) {
            if feed.changed().await.is_err() {
                return false;
            }
        }
        true
    };
    match tokio::time::timeout(within, reached).await {
        Ok(true) => Ok(Proposal::Done),
        _ => {
            let text = "the edit was made where the document belongs, and is not here yet: read it later";
            Err(WireError { retry_after: Some(1000), ..WireError::new(Code::Gap, text) })
        }
    }
}

impl Handler<Propose> for Replicator {
    type Result = ResponseActFuture<Self, Result<Proposal, WireError>>;

    fn handle(&mut self, propose: Propose, _: &mut Context<Self>) -> Self::Result {
        let (origin, may_wait) = (propose.origin, propose.may_wait);
        if let Some(error) = self.holds_no_more(&propose) {
            return Box::pin(actix::fut::ready(Err(error)));
        }
        let proposed = match self.proposed(&propose) {
            Ok(proposed) => proposed,
            Err(error) => return Box::pin(actix::fut::ready(Err(error))),
        };
        let asked = self.route(&origin).map(|link| self.ask(link, proposed));
        let (store, within) = (Arc::clone(&self.store), self.settings.proposal_deadline);
        let done = async move {
            match asked {
                None => Err(away()),
                Some(asked) => match asked.await {
                    Ok(Answer::Proposed { sequence, .. }) => visible(store, origin, sequence, within).await,
                    Ok(_) => Err(WireError::new(Code::Internal, "an answer to another question")),
                    Err(LinkError::Refused(why)) => Err(why),
                    Err(_) => Err(away()),
                },
            }
        };
        Box::pin(done.into_actor(self).then(move |done, replicator, ctx| match done {
            Err(why) if may_wait && why == away() => replicator.let_wait(&propose, ctx),
            done => Box::pin(actix::fut::ready(done)),
        }))
    }
}
