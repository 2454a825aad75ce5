//! Conducting: every instance that was placed here gets its parts to where they shall be, and its document tells how they are.

use std::collections::BTreeMap;
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::area::standing::Mandate;
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_fabric::wire::{Answer, Ask, Code, WireError, Work};
use mf2c_store::record::NodeId;
use mf2c_store::{Document, StoreError};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::charge::{Charge, Look, Part, Plan, fold, node_of};
use super::messages::{Trouble, WorkError};
use super::parcel::{Assignment, Desired, Goal, Parcel, Reply, Taken, Wish};
use super::run::{Record, id_of};
use super::runner::STORE_PAUSE;
use super::writing::Unwritten;
use super::{Kept, LifecycleManager};
use crate::replicator::{AskFar, Far};
use crate::resource_store::{DeleteResource, EditResource, KeepState};

/// So long another agent may take for an answer.
pub(super) const ANSWER: Duration = Duration::from_secs(10);
/// Pauses before an agent that could not be reached is asked again: the first, and the longest.
pub(super) const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

impl LifecycleManager {
    /// Reads what this agent conducts, and does not know of.
    pub(super) fn recall_charges(&mut self) {
        let (own, foreign): (Vec<_>, Vec<_>) =
            self.store.all("placement").into_iter().partition(|document| document.origin().is_none());
        let mut taken: BTreeMap<String, u64> = BTreeMap::new();
        for document in foreign {
            let Some(plan) = self.plan_of(&document) else { continue };
            let term = taken.entry(plan.instance).or_default();
            *term = plan.term.max(*term);
        }
        for document in own {
            let Some(plan) = self.plan_of(&document) else {
                tracing::error!(id = %document.id, "a placement cannot be read, and its instance is not looked after");
                continue;
            };
            // What somebody has taken over since is his.
            if taken.get(&plan.instance).is_some_and(|term| *term > plan.term) {
                continue;
            }
            let mut charge = Charge::new(
                document.id.clone(),
                plan,
                (*document.acl).clone(),
                super::parcel::Handed::default(),
                false,
            );
            let kept = self.store.state(&plan_key(&charge.name)).ok().flatten();
            let kept: Kept = kept.and_then(|kept| serde_json::from_slice(&kept).ok()).unwrap_or_default();
            (charge.handed, charge.handed_before, charge.admin) = (kept.handed, kept.before, kept.admin);
            charge.acl = self.acl_of(&charge).unwrap_or(charge.acl);
            self.hear_what_it_shall_do(&mut charge);
            self.charges.entry(charge.name.clone()).or_insert(charge);
        }
    }

    pub(super) fn plan_of(&self, document: &Document) -> Option<Plan> {
        serde_json::from_slice(&self.store.body(document).ok()??).ok()
    }

    /// Takes from the instance's document what it shall do: it may have been written while nobody heard of it.
    pub(super) fn hear_what_it_shall_do(&self, charge: &mut Charge) {
        #[derive(Deserialize)]
        struct Said {
            desired: Option<Desired>,
        }
        let wanted = match self.store.get(&charge.plan.instance) {
            None => charge.plan.seen.then_some(Desired::Deleted),
            Some(document) => {
                let body = self.store.body(&document).ok().flatten();
                body.and_then(|body| serde_json::from_slice::<Said>(&body).ok()?.desired)
            }
        };
        charge.wish(wanted);
    }

    /// The access rules of an instance are those of its document.
    fn acl_of(&self, charge: &Charge) -> Option<mf2c_domain::acl::Acl> {
        Some((*self.store.get(&charge.plan.instance)?.acl).clone())
    }

    /// Whether this agent may decide for others now.
    pub(super) fn decides(&self, charge: &Charge) -> bool {
        self.standing.area().is_none() || self.standing.leads() || !charge.is_spread(&self.node_name)
    }

    /// Whether this agent may begin something on other agents: who leads without a majority does not, for somebody else may lead with
    /// one, and both would give out the same generations.
    pub(super) fn may_begin(&self) -> bool {
        !self.standing.leads() || self.standing.mandate == Mandate::Full
    }

    /// Brings an instance nearer to what it shall be. It may be called at any time.
    pub(super) fn reconcile(&mut self, name: &str, ctx: &mut Context<Self>) {
        let Some(charge) = self.charges.get(name) else { return };
        if !self.decides(charge) {
            return;
        }
        self.empty_if_deleted(name);
        self.scale(name, ctx);
        self.move_what_is_lost(name, ctx);
        self.go_on_with_update(name, ctx);
        self.save(name, ctx);
        let Some(charge) = self.charges.get(name).filter(|charge| !charge.saving && !charge.unsaved) else { return };
        if self.is_finished(charge) {
            return self.finish(name, ctx);
        }
        self.tell_parts(name, ctx);
        self.show(name, ctx);
        self.settle_agreement(name, ctx);
    }

    /// Writes the plan down, if that has to be.
    pub(super) fn save(&mut self, name: &str, ctx: &mut Context<Self>) {
        let Some(charge) = self.charges.get_mut(name).filter(|charge| charge.unsaved && !charge.saving) else { return };
        (charge.unsaved, charge.saving) = (false, true);
        let mut changes = charge.document();
        let optional = ["before", "updated_at", "devices"].into_iter().filter(|name| !changes.contains_key(*name));
        let removed: Vec<String> = optional.map(str::to_owned).collect();
        changes.remove("instance");
        let edit = EditResource { id: charge.id.clone(), changes, removed, if_match: None, by: Caller::agent() };
        let (written, name) = (self.writer.send(edit), name.to_owned());
        ctx.spawn(written.into_actor(self).map(move |written, manager, ctx| {
            let Some(charge) = manager.charges.get_mut(&name) else { return };
            charge.saving = false;
            match written.unwrap_or(Err(StoreError::Stopping)) {
                Ok(_) => manager.reconcile(&name, ctx),
                Err(StoreError::Stopping) => {}
                Err(error) => {
                    tracing::warn!(instance = name, %error, "where an instance runs cannot be stored; it is tried again");
                    charge.unsaved = true;
                    ctx.run_later(STORE_PAUSE, move |manager, ctx| manager.reconcile(&name, ctx));
                }
            }
        }));
    }

    /// What is known of a part.
    pub(super) fn record(&self, charge: &Charge, part: &Part) -> Option<Record> {
        let document = self.store.get(&id_of(&charge.handle(part)))?;
        Record::read(&self.store.body(&document).ok()??)
    }

    fn empty_if_deleted(&mut self, name: &str) {
        let Some(charge) = self.charges.get_mut(name) else { return };
        if charge.plan.desired == Desired::Deleted && !charge.plan.parts.is_empty() {
            let parts = std::mem::take(&mut charge.plan.parts);
            charge.plan.leaving.extend(parts);
            charge.unsaved = true;
        }
    }

    fn is_finished(&self, charge: &Charge) -> bool {
        charge.plan.desired == Desired::Deleted && charge.plan.parts.is_empty() && charge.plan.leaving.is_empty()
    }

    /// Tells agents what they do not know yet.
    fn tell_parts(&mut self, name: &str, ctx: &mut Context<Self>) {
        let now = self.world.clock.elapsed();
        let Some(charge) = self.charges.get(name) else { return };
        let mut parcels: Vec<(Part, Parcel)> = Vec::new();
        for part in &charge.plan.parts {
            if let Some(parcel) = self.parcel_for(charge, part) {
                parcels.push((part.clone(), parcel));
            }
        }
        let gone = Goal { desired: Desired::Deleted, restarts: 0 };
        for part in &charge.plan.leaving {
            let for_good = charge.plan.desired == Desired::Deleted;
            let wish = Wish { handle: charge.handle(part), goal: gone, term: self.standing.term, for_good };
            parcels.push((part.clone(), Parcel::Desire(wish)));
        }
        let waits = charge.not_before > now;
        for (part, parcel) in parcels {
            let key = (part.index, part.generation);
            let near = part.node == self.node_name;
            let Some(charge) = self.charges.get_mut(name) else { return };
            if (waits && !near) || !charge.asking.insert(key) {
                continue;
            }
            self.ask_part(name, part, parcel, ctx);
        }
    }

    fn parcel_for(&self, charge: &Charge, part: &Part) -> Option<Parcel> {
        let (handle, goal) = (charge.handle(part), charge.goal(part));
        let record = self.record(charge, part);
        let here = part.node == self.node_name;
        let is_known = part.taken && (record.is_some() || !here);
        if !is_known {
            return Some(Parcel::Assign(Box::new(Assignment {
                handle,
                wish: goal,
                service: charge.plan.service.clone(),
                version: part.version,
                conductor: self.node_name.clone(),
                term: self.standing.term,
                spec: charge.spec_of(part.version).clone(),
                handed: charge.handed_of(part.version).clone(),
                acl: charge.acl.clone(),
                admin: charge.admin,
            })));
        }
        let known = record.map(|record| Goal { desired: record.desired, restarts: record.restart_asked });
        // What is not here yet was told when it was taken.
        let is_told = known.is_none_or(|known| known == goal);
        (!is_told).then_some(Parcel::Desire(Wish { handle, goal, term: self.standing.term, for_good: false }))
    }

    fn ask_part(&mut self, name: &str, part: Part, parcel: Parcel, ctx: &mut Context<Self>) {
        let answer = self.ask_node(&part.node, parcel, ANSWER, ctx);
        let name = name.to_owned();
        ctx.spawn(answer.map(move |answer, manager, ctx| {
            let key = (part.index, part.generation);
            let now = manager.world.clock.elapsed();
            let Some(charge) = manager.charges.get_mut(&name) else { return };
            charge.asking.remove(&key);
            match answer.and_then(read::<Taken>) {
                Ok(taken) => {
                    charge.failures = 0;
                    manager.was_taken(&name, key, taken, ctx);
                }
                Err(error) if error.trouble == Trouble::Unavailable => {
                    let pause = (PAUSES.0 * 2_u32.pow(charge.failures.min(8))).min(PAUSES.1);
                    charge.failures = charge.failures.saturating_add(1);
                    charge.not_before = now + pause;
                    ctx.run_later(pause, move |manager, ctx| manager.reconcile(&name, ctx));
                }
                Err(error) => manager.was_refused(&name, key, &error, ctx),
            }
        }));
    }

    fn was_taken(&mut self, name: &str, key: (u32, u64), taken: Taken, ctx: &mut Context<Self>) {
        let Some(charge) = self.charges.get_mut(name) else { return };
        let is_it = |part: &Part| (part.index, part.generation) == key;
        if let Some(part) = charge.plan.parts.iter_mut().find(|part| is_it(part)) {
            if part.taken == taken.gone {
                part.taken = !taken.gone;
                charge.unsaved = true;
            }
        } else if taken.gone {
            charge.plan.leaving.retain(|part| !is_it(part));
            charge.unsaved = true;
        } else if charge.plan.leaving.iter().any(is_it) {
            // It is being removed there; its document tells when it is gone, or another question does.
            let name = name.to_owned();
            ctx.run_later(PAUSES.1 / 6, move |manager, ctx| manager.reconcile(&name, ctx));
            return;
        }
        self.reconcile(name, ctx);
    }

    /// An agent does not take a part: it goes elsewhere, if there is such a place.
    fn was_refused(&mut self, name: &str, key: (u32, u64), error: &WorkError, ctx: &mut Context<Self>) {
        tracing::warn!(instance = name, index = key.0, %error, "an agent does not take a part of an instance");
        let now = self.world.clock.now();
        let Some(charge) = self.charges.get_mut(name) else { return };
        let Some(part) = charge.plan.parts.iter().find(|part| (part.index, part.generation) == key).cloned() else {
            charge.plan.leaving.retain(|part| (part.index, part.generation) != key);
            charge.unsaved = true;
            return self.reconcile(name, ctx);
        };
        charge.shortage = error.text.clone();
        let service = charge.plan.service.clone();
        self.failures.note(&service, &part.device, now);
        if self.move_part(name, part.index) {
            return self.reconcile(name, ctx);
        }
        // There is no other place: the same agent is asked again later.
        if let Some(charge) = self.charges.get_mut(name) {
            charge.not_before = self.world.clock.elapsed() + PAUSES.1;
        }
        let again = name.to_owned();
        ctx.run_later(PAUSES.1, move |manager, ctx| manager.reconcile(&again, ctx));
        self.show(name, ctx);
    }

    /// Asks the lifecycle manager of an agent, which may be this one.
    pub(super) fn ask_node(
        &mut self,
        node: &str,
        parcel: Parcel,
        within: Duration,
        ctx: &mut Context<Self>,
    ) -> ResponseActFuture<Self, Reply> {
        if node == self.node_name {
            return self.open(parcel, ctx);
        }
        let Some(node) = node_of(node) else {
            let error = WorkError::new(Trouble::Failed, format!("`{node}` is no name of a node"));
            return Box::pin(actix::fut::ready(Err(error)));
        };
        self.ask_far(Far::Below(node), node.to_vec(), &parcel, within)
    }

    /// Asks another agent.
    pub(super) fn ask_far(
        &self,
        whom: Far,
        to: Vec<u8>,
        parcel: &Parcel,
        within: Duration,
    ) -> ResponseActFuture<Self, Reply> {
        let Some(far) = self.far.clone() else {
            let error = WorkError::new(Trouble::Unavailable, "this agent takes part in no area");
            return Box::pin(actix::fut::ready(Err(error)));
        };
        let body = serde_json::to_vec(parcel).unwrap_or_default();
        let ask = Ask::Work(Work { to: to.into(), term: self.standing.term, body: body.into() });
        let asked = far.send(AskFar { whom, ask, within });
        let answered = async move {
            match asked.await {
                Ok(Ok(Answer::Work { body })) => serde_json::from_slice::<Reply>(&body.0).unwrap_or_else(|error| {
                    Err(WorkError::new(Trouble::Failed, format!("an answer makes no sense: {error}")))
                }),
                Ok(Ok(_)) => Err(WorkError::new(Trouble::Failed, "an answer to another question")),
                Ok(Err(error)) => Err(far_away(&error)),
                Err(_) => Err(WorkError::stopping()),
            }
        };
        Box::pin(answered.into_actor(self))
    }

    /// Has the instance's document say how it is.
    pub(super) fn show(&mut self, name: &str, ctx: &mut Context<Self>) {
        let Some(charge) = self.charges.get(name).filter(|charge| !charge.writing) else { return };
        let Some(document) = self.store.get(&charge.plan.instance) else { return };
        let Some(body) = self.store.body(&document).ok().flatten() else { return };
        let Ok(shown) = serde_json::from_slice::<Map<String, Value>>(&body) else { return };
        let records: Vec<Option<Record>> = charge.plan.parts.iter().map(|part| self.record(charge, part)).collect();
        let lost: Vec<bool> = charge.plan.parts.iter().map(|part| self.lost_since(&part.node).is_some()).collect();
        let looks: Vec<Look<'_>> = charge
            .plan
            .parts
            .iter()
            .zip(&records)
            .zip(&lost)
            .map(|((part, record), is_lost)| Look { part, record: record.as_ref(), is_lost: *is_lost })
            .collect();
        let exec_type = charge.plan.spec.get("exec_type").and_then(Value::as_str).unwrap_or_default();
        let mut told = fold(charge, &looks, exec_type);
        keep_jobs(&mut told, &shown);
        let updating = told.contains_key("update");
        let mut changes: Map<String, Value> =
            told.into_iter().filter(|(name, value)| shown.get(name) != Some(value)).collect();
        // What a client wants is taken over when it is heard of, and not written over.
        changes.remove("desired");
        let ended = shown.contains_key("update") && !updating;
        let removed: Vec<String> = ended.then(|| "update".to_owned()).into_iter().collect();
        if changes.is_empty() && removed.is_empty() {
            return;
        }
        let (id, origin) = (document.id.clone(), document.origin());
        if let Some(charge) = self.charges.get_mut(name) {
            charge.writing = true;
        }
        self.edit(id, origin, (changes, removed), name, ctx);
    }

    fn edit(
        &mut self,
        id: ResourceId,
        origin: Option<NodeId>,
        (changes, removed): (Map<String, Value>, Vec<String>),
        name: &str,
        ctx: &mut Context<Self>,
    ) {
        let name = name.to_owned();
        let written = self.change_anywhere(id, origin, Some(changes), removed);
        ctx.spawn(written.into_actor(self).map(move |written, manager, ctx| {
            let Some(charge) = manager.charges.get_mut(&name) else { return };
            charge.writing = false;
            match written {
                Ok(()) => manager.show(&name, ctx),
                Err(Unwritten::Later(pause)) => {
                    ctx.run_later(pause, move |manager, ctx| manager.show(&name, ctx));
                }
                Err(Unwritten::Stopping) => {}
            }
        }));
    }

    /// The last of an instance: its agreement ends, and its documents go.
    fn finish(&mut self, name: &str, ctx: &mut Context<Self>) {
        let Some(charge) = self.charges.get_mut(name).filter(|charge| !charge.writing) else { return };
        charge.writing = true;
        let (plan_id, instance) = (charge.id.clone(), charge.plan.instance.clone());
        let agreement = charge.plan.agreement.clone();
        let ended = self.agreement_becomes(&agreement, "terminated");
        let document = self.store.get(&instance);
        let gone = document.map(|document| self.write_anywhere(document.id.clone(), document.origin(), None));
        let forgotten = self.writer.send(KeepState { key: plan_key(name), value: None });
        let plan = self.writer.send(DeleteResource { id: plan_id, if_match: None, by: Caller::agent() });
        let name = name.to_owned();
        let all = async move {
            if let Some(ended) = ended {
                ended.await?;
            }
            if let Some(gone) = gone {
                gone.await?;
            }
            let _ = forgotten.await;
            match plan.await.unwrap_or(Err(StoreError::Stopping)) {
                Ok(_) | Err(StoreError::NotFound { .. }) => Ok(()),
                Err(StoreError::Stopping) => Err(Unwritten::Stopping),
                Err(_) => Err(Unwritten::Later(STORE_PAUSE)),
            }
        };
        ctx.spawn(all.into_actor(self).map(move |done, manager, ctx| match done {
            Ok(()) => drop(manager.charges.remove(&name)),
            Err(Unwritten::Stopping) => {}
            Err(Unwritten::Later(pause)) => {
                if let Some(charge) = manager.charges.get_mut(&name) {
                    charge.writing = false;
                }
                ctx.run_later(pause, move |manager, ctx| manager.reconcile(&name, ctx));
            }
        }));
    }
}

/// The last job of each part stands in the document alone.
fn keep_jobs(told: &mut Map<String, Value>, shown: &Map<String, Value>) {
    let Some(Value::Array(agents)) = told.get_mut("agents") else { return };
    let before = shown.get("agents").and_then(Value::as_array);
    for agent in agents {
        let same = before.into_iter().flatten().find(|other| {
            other.get("index") == agent.get("index") && other.get("generation") == agent.get("generation")
        });
        if let Some(job) = same.and_then(|other| other.get("compss_app_id")) {
            agent["compss_app_id"] = job.clone();
        }
    }
}

/// What is kept beside the placement of an instance.
pub(super) fn plan_key(name: &str) -> String {
    format!("handed/{name}")
}

pub(super) fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, WorkError> {
    serde_json::from_value(value)
        .map_err(|error| WorkError::new(Trouble::Failed, format!("an answer makes no sense: {error}")))
}

/// What a refusal over a link means.
fn far_away(error: &WireError) -> WorkError {
    let trouble = match error.code {
        Code::Forbidden | Code::Auth => Trouble::Forbidden,
        Code::NotFound => Trouble::NotFound,
        Code::Invalid | Code::BadFrame | Code::TooLarge => Trouble::Invalid,
        Code::Version => Trouble::Unsupported,
        _ => Trouble::Unavailable,
    };
    WorkError::new(trouble, error.msg.clone())
}
