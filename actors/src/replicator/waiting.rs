//! Proposals that wait for an agent that is away: documents of the type `proposal`, sent in their order when it is back.

use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_domain::time::{HybridTime, Timestamp};
use mf2c_fabric::replication::beside::{MOST_HOPS, Near};
use mf2c_fabric::replication::bounds::ORIGINS_A_MESSAGE;
use mf2c_fabric::replication::{Origin, StreamMessage};
use mf2c_fabric::wire::{Answer, Code, Notice, Proposed, WireError};
use mf2c_store::StoreError;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::actor::Replicator;
use super::answer::refusal;
use super::judge::{Due, Relation};
use super::propose::node_name;
use super::{Proposal, Propose};
use crate::ports::LinkError;
use crate::resource_store::{AddResource, DeleteResource, EditResource};

/// Pause between two looks at what waits, where nothing else gives a reason to look.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// What is read of a `proposal`.
#[derive(Debug, Deserialize)]
struct Waiting {
    id: ResourceId,
    resource: String,
    origin: String,
    operation: String,
    #[serde(default)]
    changes: Map<String, Value>,
    #[serde(default)]
    removed: Vec<String>,
    by: String,
    time: String,
    base: u64,
    state: String,
    #[serde(default)]
    expires: Option<String>,
}

/// How a sent proposal ended.
enum Sent {
    Done,
    Refused(WireError),
    Later,
}

impl Waiting {
    fn node(&self) -> Option<Origin> {
        u128::from_str_radix(&self.origin.replace('-', ""), 16).ok().map(u128::to_be_bytes)
    }

    fn has_expired(&self, now: Timestamp) -> bool {
        self.expires.as_deref().and_then(Timestamp::parse).is_some_and(|end| end <= now)
    }
}

impl Replicator {
    fn waiting(&self) -> Vec<Waiting> {
        let documents = self.store.all("proposal");
        let read = |document: &std::sync::Arc<mf2c_store::Document>| {
            let body = self.store.body(document).ok()??;
            serde_json::from_slice::<Waiting>(&body).ok()
        };
        let mut waiting: Vec<Waiting> = documents.iter().filter_map(read).collect();
        waiting.sort_by_cached_key(|waiting| (waiting.time.parse::<u64>().unwrap_or(0), waiting.id.clone()));
        waiting
    }

    /// Keeps an edit until the agent that it is for is back.
    pub(super) fn let_wait(
        &mut self,
        propose: &Propose,
        ctx: &mut Context<Self>,
    ) -> ResponseActFuture<Self, Result<Proposal, WireError>> {
        let refused =
            |why| -> ResponseActFuture<Self, Result<Proposal, WireError>> { Box::pin(actix::fut::ready(Err(why))) };
        let waiting = self.waiting();
        let same = waiting.iter().filter(|waiting| waiting.resource == propose.id.as_str()).count();
        if waiting.len() >= self.settings.proposals || same >= self.settings.a_document {
            let text = "too many edits wait for that agent, or for this document: delete some of `proposal`, or try again later";
            return refused(WireError { retry_after: Some(60_000), ..WireError::new(Code::Busy, text) });
        }
        let now = self.world.clock.now();
        // Of two edits that wait the second is later, whatever the clock does meanwhile.
        let newest = waiting.last().and_then(|waiting| waiting.time.parse().ok()).unwrap_or(0);
        self.stamped = self.stamped.max(HybridTime::from_bits(newest)).next(now);
        let life = i128::try_from(self.settings.proposal_life.as_nanos()).unwrap_or(i128::MAX);
        let (name, admin) = &propose.by;
        let mut body = json!({
            "resource": propose.id.as_str(),
            "origin": node_name(&propose.origin),
            "operation": if propose.changes.is_some() { "edit" } else { "delete" },
            "removed": propose.removed,
            "by": format!("{}:{name}", if *admin { "admin" } else { "user" }),
            "time": self.stamped.bits().to_string(),
            "base": self.store.progress_of(&propose.origin).map_or(0, |progress| progress.sequence),
            "expires": Timestamp::from_nanos(now.nanos().saturating_add(life)).to_string(),
        });
        if let (Some(changes), Some(body)) = (&propose.changes, body.as_object_mut()) {
            body.insert("changes".into(), Value::Object(changes.clone()));
        }
        let Some(new) = self.document("proposal", body) else {
            return refused(WireError::new(Code::Invalid, "the edit cannot be kept"));
        };
        self.look_later(ctx);
        let added = self.writer.send(AddResource(new));
        Box::pin(added.into_actor(self).map(|added, _, _| match added.unwrap_or(Err(StoreError::Stopping)) {
            Ok(written) => Ok(Proposal::Waiting(written.id)),
            Err(error) => Err(refusal(&error)),
        }))
    }

    fn look_later(&mut self, ctx: &mut Context<Self>) {
        if !std::mem::replace(&mut self.looking, true) {
            ctx.run_later(LOOK_EVERY, |replicator, ctx| {
                replicator.looking = false;
                replicator.send_waiting(ctx);
            });
        }
    }

    /// Sends what waits for agents that are back, one after the other, and gives up what waited too long.
    pub(super) fn send_waiting(&mut self, ctx: &mut Context<Self>) {
        if self.sending || self.store.count("proposal") == 0 {
            return;
        }
        self.look_later(ctx);
        self.still_away.clear();
        self.send_next(ctx);
    }

    /// Changes of an agent have come: what waits for it finds it there now.
    pub(super) fn is_back(&mut self, origin: &Origin, ctx: &mut Context<Self>) {
        // The round that goes on finds it there, too.
        self.still_away.remove(origin);
        if !self.sending
            && self.store.count("proposal") > 0
            && self.waiting().iter().any(|waiting| waiting.node().as_ref() == Some(origin))
        {
            self.send_waiting(ctx);
        }
    }

    /// Agents can be reached again by way of a peer: what waits for them is sent, and others hear of it.
    pub(super) fn hear_near(&mut self, number: u64, near: &Near, ctx: &mut Context<Self>) {
        let Some(ends) = self.links.get(&number) else { return };
        if !matches!(ends.relation, Relation::Below | Relation::Leader) {
            return;
        }
        let origins = near.of.iter().take(ORIGINS_A_MESSAGE);
        let origins: Vec<Origin> = origins.filter_map(|name| Origin::try_from(name.0.as_slice()).ok()).collect();
        for origin in &origins {
            self.is_back(origin, ctx);
        }
        if near.hops < MOST_HOPS {
            self.pass_on_near(number, &origins, near.hops + 1, ctx);
        }
    }

    /// Tells all who get everything that these agents can be reached by way of this one, but not the one that said so.
    pub(super) fn pass_on_near(&mut self, from: u64, origins: &[Origin], hops: u8, ctx: &mut Context<Self>) {
        for number in self.sources().into_iter().filter(|number| *number != from) {
            let Some(ends) = self.links.get(&number).filter(|ends| ends.due == Due::All) else { continue };
            let Some(source) = &ends.source else { continue };
            let known = origins.iter().filter(|origin| source.offers(origin));
            let of: Vec<_> = known.map(|origin| origin.to_vec().into()).collect();
            if !of.is_empty() {
                self.say(number, Notice::Stream(StreamMessage::Near(Near { of, hops })), ctx);
            }
        }
    }

    /// The next one of this round. Who said "later" in it is not asked again, and holds nobody else's up.
    fn send_next(&mut self, ctx: &mut Context<Self>) {
        let now = self.world.clock.now();
        let waiting = self.waiting();
        if let Some(old) = waiting.iter().find(|waiting| waiting.has_expired(now)) {
            return self.settle_waiting(old.id.clone(), Sent::Done, ctx);
        }
        let next = waiting.into_iter().filter(|waiting| waiting.state == "WAITING").find_map(|waiting| {
            // One agent that is away holds up what is for it, and nothing else.
            let node = waiting.node().filter(|node| !self.still_away.contains(node))?;
            let link = self.route(&node)?;
            Some((link, waiting))
        });
        let Some((link, waiting)) = next else { return };
        let Some(origin) = waiting.node() else { return };
        let (rank, name) = waiting.by.split_once(':').unwrap_or(("user", &waiting.by));
        let changes = serde_json::to_vec(&waiting.changes).unwrap_or_default();
        let proposed = Proposed {
            term: self.standing.term,
            id: waiting.resource.clone(),
            origin: origin.to_vec().into(),
            changes: (waiting.operation == "edit").then(|| changes.into()),
            removed: waiting.removed.clone(),
            if_match: None,
            by: (name.to_owned(), rank == "admin"),
            made: Some((waiting.time.parse().unwrap_or(0), waiting.base)),
            key: format!("{}/{}", node_name(&self.own), waiting.id.name()),
        };
        self.sending = true;
        let asked = self.ask(link, proposed);
        ctx.spawn(asked.into_actor(self).map(move |answer, replicator, ctx| {
            replicator.sending = false;
            let sent = match answer {
                Ok(Answer::Proposed { .. }) => Sent::Done,
                Ok(_) => Sent::Later,
                Err(LinkError::Refused(why)) if matches!(why.code, Code::Busy | Code::StaleTerm | Code::NotLeader) => {
                    Sent::Later
                }
                Err(LinkError::Refused(why)) => Sent::Refused(why),
                Err(_) => Sent::Later,
            };
            if matches!(sent, Sent::Later) {
                replicator.still_away.insert(origin);
                return replicator.send_next(ctx);
            }
            replicator.settle_waiting(waiting.id, sent, ctx);
        }));
    }

    fn settle_waiting(&mut self, id: ResourceId, sent: Sent, ctx: &mut Context<Self>) {
        let by = Caller::agent();
        let writer = self.writer.clone();
        self.sending = true;
        let settled = async move {
            let settled = match sent {
                Sent::Later => return true,
                Sent::Done => writer.send(DeleteResource { id, if_match: None, by }).await,
                Sent::Refused(why) => {
                    let text: String = why.to_string().chars().take(400).collect();
                    let changes = json!({"state": "REFUSED", "reason": text}).as_object().cloned().unwrap_or_default();
                    writer.send(EditResource { id, changes, removed: vec![], if_match: None, by }).await
                }
            };
            matches!(settled, Ok(Ok(_)))
        };
        ctx.spawn(settled.into_actor(self).map(|go_on, replicator, ctx| {
            replicator.sending = false;
            if go_on {
                replicator.send_next(ctx);
            }
        }));
    }
}
