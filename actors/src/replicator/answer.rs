//! Proposals of others: carried out where the document belongs to this agent, handed on where it belongs to one below.

use std::sync::Arc;

use actix::prelude::*;
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource::{self, kept};
use mf2c_domain::time::HybridTime;
use mf2c_fabric::replication::Origin;
use mf2c_fabric::wire::{Answer, Code, Proposed, WireError};
use mf2c_pki::area::PeerIdentity;
use mf2c_store::engine::EngineError;
use mf2c_store::{IfMatch, StoreError, Written};
use serde_json::{Map, Value, json};

use super::AnswerProposal;
use super::actor::Replicator;
use super::agreements;
use super::counters::add;
use super::merge::{Late, Settled, Since, settle, since};
use super::propose::{away, node_name};
use crate::ports::LinkError;
use crate::resource_store::{AddResource, DeleteResource, EditResource};

/// Proposals that are remembered.
const REMEMBERED: usize = 1024;
/// Proposals that are handed on at a time.
const HANDED_ON: usize = 1024;

type Answered = Result<Answer, WireError>;

/// What a proposal asks for, read.
struct Asked {
    id: ResourceId,
    changes: Option<Map<String, Value>>,
    removed: Vec<String>,
    by: Caller,
    if_match: Option<IfMatch>,
}

/// The refusal of a store, for another agent.
pub(super) fn refusal(error: &StoreError) -> WireError {
    let code = match error {
        StoreError::NotFound { .. } => Code::NotFound,
        StoreError::Conflict { .. } | StoreError::Stale { .. } => Code::Conflict,
        StoreError::Forbidden { .. } => Code::Forbidden,
        StoreError::Schema(_) => Code::Invalid,
        StoreError::TooLarge { .. } => Code::TooLarge,
        StoreError::Full { .. } | StoreError::Unavailable { .. } | StoreError::Stopping => Code::Busy,
        _ => Code::Internal,
    };
    let retry_after = (code == Code::Busy).then_some(5000);
    WireError { retry_after, ..WireError::new(code, error.to_string()) }
}

impl Replicator {
    /// Whether this peer may propose to us: who leads us, who is above, and a backup, which holds the whole area.
    fn may_propose(&self, peer: &PeerIdentity, proposed: &Proposed) -> Result<(), WireError> {
        let standing = &self.standing;
        if standing.is_led_by(&peer.id) && !standing.leads() {
            if proposed.term < standing.term {
                let text = format!("the proposal is of term {}, this area is in term {}", proposed.term, standing.term);
                return Err(WireError::new(Code::StaleTerm, text));
            }
            return Ok(());
        }
        let backup = standing.backups.iter().any(|backup| backup.id == peer.id);
        let upper = standing.upper.as_ref().is_some_and(|upper| upper.id == peer.id);
        if standing.leads() && (backup || upper) {
            return Ok(());
        }
        Err(WireError::new(Code::Forbidden, "only the leader of an area, or who stands in for it, may propose edits"))
    }

    /// Whether a proposal is for something that is proposed at all: a document of this origin, of a type that travels, and no
    /// more than an administrator can do with it by the API. Users, credentials and the like belong to their agent alone,
    /// whoever asks on whose behalf.
    fn may_be_proposed(&self, proposed: &Proposed, origin: &Origin) -> Result<(), WireError> {
        let id = ResourceId::parse(&proposed.id).map_err(|error| WireError::new(Code::Invalid, error.to_string()))?;
        let forbidden = |text: String| Err(WireError::new(Code::Forbidden, text));
        let Some(spec) = resource::find(id.kind()).filter(|spec| spec.travels) else {
            return forbidden(format!(
                "{id} stays with its agent: only documents that are replicated can be proposed for"
            ));
        };
        let possible = if proposed.changes.is_some() { spec.verbs.edit } else { spec.verbs.delete };
        if !possible {
            return forbidden(format!("no client changes a {} in this way: the agent itself keeps it", spec.name));
        }
        // What is not here is not found, or not here yet: its origin knows.
        let held = self.store.get(id.as_str()).map(|document| document.origin().unwrap_or(self.own));
        match held {
            Some(holder) if holder != *origin => {
                forbidden(format!("{id} belongs to the store {}, not to {}", node_name(&holder), node_name(origin)))
            }
            _ => Ok(()),
        }
    }

    /// Hands a proposal on towards its origin.
    fn hand_on(&mut self, proposed: Proposed, origin: &Origin) -> ResponseActFuture<Self, Answered> {
        let key = proposed.key.clone();
        let busy = |text: &str| -> ResponseActFuture<Self, Answered> {
            Box::pin(actix::fut::ready(Err(WireError::new(Code::Busy, text))))
        };
        if self.under_way.len() >= HANDED_ON || !self.under_way.insert(key.clone()) {
            return busy("the proposal is under way here already, or too many are");
        }
        let Some(link) = self.route(origin) else {
            self.under_way.remove(&key);
            return Box::pin(actix::fut::ready(Err(away())));
        };
        // Each area has its own terms.
        let asked = self.ask(link, Proposed { term: self.standing.term, ..proposed });
        Box::pin(asked.into_actor(self).map(move |answer, replicator, _| {
            replicator.under_way.remove(&key);
            answer.map_err(|error| match error {
                LinkError::Refused(why) => why,
                _ => away(),
            })
        }))
    }

    /// Carries out a proposal for a document of this agent.
    fn carry_out(&mut self, proposed: Proposed, ctx: &mut Context<Self>) -> ResponseActFuture<Self, Answered> {
        let refused = |why| -> ResponseActFuture<Self, Answered> { Box::pin(actix::fut::ready(Err(why))) };
        if let Some((_, sequence)) = self.carried_out.iter().find(|(key, _)| *key == proposed.key) {
            let answer = Ok(Answer::Proposed { sequence: *sequence, document: None });
            return Box::pin(actix::fut::ready(answer));
        }
        let mut asked = match self.read(&proposed) {
            Ok(asked) => asked,
            Err(why) => return refused(why),
        };
        self.strip(&mut asked);
        if let Some((made, base)) = proposed.made {
            let writer = proposed.key.split('/').next().unwrap_or_default().to_owned();
            match self.settle_late(&mut asked, HybridTime::from_bits(made), base, &writer, ctx) {
                Ok(true) => {}
                // Nothing of it counts: that is done, too.
                Ok(false) => {
                    let sequence = self.store.progress_of(&self.own).map_or(0, |progress| progress.sequence);
                    return Box::pin(actix::fut::ready(Ok(Answer::Proposed { sequence, document: None })));
                }
                Err(why) => return refused(why),
            }
        }
        let (writer, key, made) = (self.writer.clone(), proposed.key, proposed.made);
        let (store, rules) = (Arc::clone(&self.store), self.settings.agreements);
        let written = async move {
            let Asked { id, changes, removed, by, if_match } = asked;
            match changes {
                Some(changes) => {
                    agreements::edit(store, writer, rules, EditResource { id, changes, removed, if_match, by }).await
                }
                None => {
                    let written = writer.send(DeleteResource { id, if_match, by }).await;
                    written.unwrap_or(Err(StoreError::Stopping)).map_err(|error| refusal(&error))
                }
            }
        };
        Box::pin(written.into_actor(self).map(move |written, replicator, _| replicator.written(key, made, written)))
    }

    fn written(&mut self, key: String, made: Option<(u64, u64)>, written: Result<Written, WireError>) -> Answered {
        let written = written?;
        add(&self.counters.proposals, 1);
        let sequence = match &written.document {
            Some(document) => document.sequence(),
            None => self.store.progress_of(&self.own).map_or(0, |progress| progress.sequence),
        };
        if let Some((made, _)) = made {
            self.late.push_back((sequence, HybridTime::from_bits(made)));
            if self.late.len() > REMEMBERED {
                self.late.pop_front();
            }
        }
        self.carried_out.push_back((key, sequence));
        if self.carried_out.len() > REMEMBERED {
            self.carried_out.pop_front();
        }
        let body = written.document.and_then(|document| Some(self.store.body(&document).ok()??.into_owned()));
        Ok(Answer::Proposed { sequence, document: body.map(Into::into) })
    }

    fn read(&self, proposed: &Proposed) -> Result<Asked, WireError> {
        let invalid = |text: String| WireError::new(Code::Invalid, text);
        let id = ResourceId::parse(&proposed.id).map_err(|error| invalid(error.to_string()))?;
        let changes = match &proposed.changes {
            None => None,
            Some(json) => Some(serde_json::from_slice(&json.0).map_err(|error| invalid(error.to_string()))?),
        };
        let (name, admin) = &proposed.by;
        let by = Caller::new(name, if *admin { ["ADMIN", "USER"].as_slice() } else { &["USER"] }.iter().copied());
        let if_match = match &proposed.if_match {
            None => None,
            Some(tags) => Some(self.same_since(&id, tags)?),
        };
        Ok(Asked { id, changes, removed: proposed.removed.clone(), by, if_match })
    }

    /// Takes out of an edit what clients of this agent could not write either: the other one may have looked at an old copy. What
    /// an agent itself proposes stays.
    fn strip(&self, asked: &mut Asked) {
        let kind = asked.id.kind();
        let agent = Caller::agent();
        if !kept::concerns(kind) || asked.by.is_admin() && asked.by.identity() == agent.identity() {
            return;
        }
        let Some(changes) = &mut asked.changes else { return };
        let document = self.store.get(asked.id.as_str());
        let body = document.and_then(|document| Some(self.store.body(&document).ok()??.into_owned()));
        let stored: Map<String, Value> = body.and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default();
        kept::strip(kept::in_stored(kind, &stored), changes);
        asked.removed.retain(|name| kept::may_remove(kind, &stored, name));
    }

    /// Where nothing was done with the document since, its present tag, which must still be the one when it is written.
    fn same_since(&self, id: &ResourceId, tags: &[String]) -> Result<IfMatch, WireError> {
        let base = tags.iter().find_map(|tag| tag.strip_prefix('@')?.parse().ok());
        let document = self.store.get(id.as_str());
        let same = base.is_some_and(|base| {
            let since = since(&self.store, self.own, id, base, |_| None);
            matches!(since, Ok(Since::Known(changed)) if changed.is_empty())
        });
        match document.filter(|_| same) {
            Some(document) => Ok(IfMatch::OneOf(vec![self.store.tag(&document)])),
            None => {
                let text = format!("{id} has changed: read it again and repeat the edit");
                Err(WireError::new(Code::Conflict, text))
            }
        }
    }

    /// Takes out of a late edit what does not count, and keeps what was lost. Whether anything is left.
    fn settle_late(
        &mut self,
        asked: &mut Asked,
        made: HybridTime,
        base: u64,
        writer: &str,
        ctx: &mut Context<Self>,
    ) -> Result<bool, WireError> {
        let made_of = |sequence: u64| self.late.iter().find(|(late, _)| *late == sequence).map(|(_, made)| *made);
        let failed = |error: EngineError| WireError::new(Code::Busy, error.to_string());
        // What was itself a late edit is told apart by a time that nothing else has.
        let by_own = |sequence: u64| made_of(sequence).map(|_| HybridTime::default());
        let by_own = since(&self.store, self.own, &asked.id, base, by_own).map_err(failed)?;
        let since = since(&self.store, self.own, &asked.id, base, made_of).map_err(failed)?;
        let own = node_name(&self.own);
        let Some(changes) = &asked.changes else {
            // To delete what was changed later would lose that.
            let later = match &since {
                Since::Known(changed) => changed.values().any(|at| *at >= made),
                Since::Unknown(at) => *at >= made,
            };
            if later {
                self.note(asked.id.as_str(), "medium", "a deletion came too late: it was changed meanwhile", ctx);
            }
            return Ok(!later);
        };
        let mut settled = settle(Late { changes, removed: &asked.removed, made, writer }, &own, &since);
        // Edits that waited together follow on each other: none of them has lost.
        settled.ours_lost.retain(|name| match &by_own {
            Since::Known(changed) => changed.get(name).is_some_and(|at| *at != HybridTime::default()),
            Since::Unknown(_) => true,
        });
        let document = self.store.get(asked.id.as_str());
        let body = document.and_then(|document| Some(self.store.body(&document).ok()??.into_owned()));
        let current: Map<String, Value> = body.and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default();
        let pick = |names: &[String], from: &Map<String, Value>| -> Map<String, Value> {
            let value = |name: &String| (name.clone(), from.get(name).cloned().unwrap_or(Value::Null));
            names.iter().map(value).collect()
        };
        let theirs = pick(&settled.theirs_lost, changes);
        let ours = pick(&settled.ours_lost, &current);
        let written = ours_at(&settled, &since);
        self.keep_lost(&asked.id, theirs, (writer, made), &own, ctx);
        self.keep_lost(&asked.id, ours, (&own, written), writer, ctx);
        let anything = !settled.changes.is_empty() || !settled.removed.is_empty();
        (asked.changes, asked.removed) = (Some(settled.changes), settled.removed);
        Ok(anything)
    }

    /// Keeps values that did not count as a `conflict`, the newest of each document only, and tells of it.
    fn keep_lost(
        &mut self,
        id: &ResourceId,
        lost: Map<String, Value>,
        (writer, written): (&str, HybridTime),
        winner: &str,
        ctx: &mut Context<Self>,
    ) {
        if lost.is_empty() {
            return;
        }
        let conflict = json!({
            "resource": id.as_str(),
            "lost": lost,
            "writer": writer,
            "written": written.wall().to_string(),
            "winner": winner,
        });
        let Some(new) = self.document("conflict", conflict) else { return };
        add(&self.counters.conflicts, 1);
        let store = Arc::clone(&self.store);
        let of_it = store.all("conflict").into_iter().filter(|document| {
            let body = store.body(document).ok().flatten();
            let body: Option<Value> = body.and_then(|body| serde_json::from_slice(&body).ok());
            body.is_some_and(|body| body["resource"] == id.as_str() && store.origin_of(document.id.as_str()).is_none())
        });
        let mut kept: Vec<_> = of_it.map(|document| (document.born, document.id.clone())).collect();
        kept.sort();
        let above = (kept.len() + 1).saturating_sub(self.settings.a_document);
        let writer = self.writer.clone();
        let stored = async move {
            for (_, id) in kept.into_iter().take(above) {
                let _ = writer.send(DeleteResource { id, if_match: None, by: Caller::agent() }).await;
            }
            writer.send(AddResource(new)).await.unwrap_or(Err(StoreError::Stopping))
        };
        ctx.spawn(stored.into_actor(self).map(|stored, _, _| {
            if let Err(error) = stored {
                tracing::warn!(%error, "what lost in a conflict could not be kept");
            }
        }));
        self.note(
            id.as_str(),
            "medium",
            "two agents had changed the same attribute; what lost is kept as a conflict",
            ctx,
        );
    }
}

/// When the newest of our own changes was made that did not count.
fn ours_at(settled: &Settled, since: &Since) -> HybridTime {
    match since {
        Since::Known(changed) => settled.ours_lost.iter().filter_map(|name| changed.get(name)).max().copied(),
        Since::Unknown(at) => Some(*at),
    }
    .unwrap_or_default()
}

impl Handler<AnswerProposal> for Replicator {
    type Result = ResponseActFuture<Self, Answered>;

    fn handle(
        &mut self,
        AnswerProposal { link_peer, proposed }: AnswerProposal,
        ctx: &mut Context<Self>,
    ) -> Self::Result {
        let allowed = self.may_propose(&link_peer, &proposed);
        let origin = Origin::try_from(proposed.origin.0.as_slice());
        match (allowed, origin) {
            (Err(why), _) => Box::pin(actix::fut::ready(Err(why))),
            (_, Err(_)) => Box::pin(actix::fut::ready(Err(WireError::new(Code::BadFrame, "an origin has 16 bytes")))),
            (Ok(()), Ok(origin)) => match self.may_be_proposed(&proposed, &origin) {
                Err(why) => Box::pin(actix::fut::ready(Err(why))),
                Ok(()) if origin == self.own => self.carry_out(proposed, ctx),
                Ok(()) => self.hand_on(proposed, &origin),
            },
        }
    }
}
