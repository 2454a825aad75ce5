//! What becomes of instances when another agent comes to lead. Who leads decides for all; what it knows comes from the placements
//! of the one before, of which it holds copies. Each has the term of leadership in its name, so two never mean the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use actix::prelude::*;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource::types::placement;
use mf2c_store::{Document, StoreError};
use serde::Deserialize;

use super::LifecycleManager;
use super::charge::{Charge, Plan, node_name, plan_name};
use super::parcel::Handed;
use crate::resource_store::AddResource;

#[derive(Deserialize)]
struct Member {
    #[serde(default)]
    node: String,
    area: String,
}

impl LifecycleManager {
    /// Looks how the agent stands, and takes over or hands over accordingly.
    pub(super) fn look_around(&mut self, ctx: &mut Context<Self>) {
        let standing = self.standings.borrow_and_update().clone();
        let before = std::mem::replace(&mut self.standing, standing);
        if self.standing.leads() && !before.leads() {
            // It may have led before.
            self.recall_charges();
            self.take_charge(None, ctx);
        }
        let is_led = !self.standing.leads() && self.standing.area().is_some() && self.standing.leader.is_some();
        if is_led {
            self.hand_over();
        }
        let names: Vec<String> = self.charges.keys().cloned().collect();
        for name in names {
            self.reconcile(&name, ctx);
        }
    }

    /// Takes over what other agents of this area have conducted for several: all of it, or these placements of theirs. What was
    /// taken over already is deleted there, once that is possible: nobody shall find it later and take it for what counts.
    pub(super) fn take_charge(&mut self, which: Option<&BTreeSet<String>>, ctx: &mut Context<Self>) {
        let Some(area) = self.standing.area().map(str::to_owned) else { return };
        let documents: Vec<Arc<Document>> = match which {
            Some(ids) => ids.iter().filter_map(|id| self.store.get(id)).collect(),
            None => self.store.all("placement"),
        };
        let foreign: Vec<(Arc<Document>, String)> = documents
            .into_iter()
            .filter_map(|document| Some((Arc::clone(&document), node_name(&document.origin()?))))
            .collect();
        if foreign.is_empty() {
            return;
        }
        let members: Vec<Member> = self
            .store
            .all("area-member")
            .iter()
            .filter_map(|document| serde_json::from_slice(&self.store.body(document).ok()??).ok())
            .collect();
        let is_ours = |node: &str| members.iter().any(|member| member.node == node && member.area == area);
        let mut found: Vec<(Plan, Arc<Document>)> = foreign
            .into_iter()
            .filter_map(|(document, node)| {
                let plan = self.plan_of(&document)?;
                let spread = plan.parts.iter().chain(&plan.leaving).any(|part| part.node != node);
                (spread && is_ours(&node)).then_some((plan, document))
            })
            .collect();
        // Of several the one of the latest term.
        found.sort_by_key(|(plan, _)| std::cmp::Reverse(plan.term));
        for (plan, document) in found {
            match self.charges.get(plan.instance.trim_start_matches("service-instance/")) {
                None => self.adopt(plan, &document, ctx),
                Some(charge) if charge.saving => {}
                Some(_) => self.have_deleted(&document, ctx),
            }
        }
    }

    /// Has a placement deleted there where it was made. What fails is tried again when that agent is heard of.
    fn have_deleted(&self, document: &Document, ctx: &mut Context<Self>) {
        let deleted = self.write_anywhere(document.id.clone(), document.origin(), None);
        ctx.spawn(deleted.into_actor(self).map(|_, _, _| ()));
    }

    fn adopt(&mut self, mut plan: Plan, former: &Arc<Document>, ctx: &mut Context<Self>) {
        let name = plan.instance.strip_prefix("service-instance/").unwrap_or(&plan.instance).to_owned();
        plan.term = self.standing.term;
        let acl = self.store.get(&plan.instance).map(|document| (*document.acl).clone());
        let acl = acl.unwrap_or_else(|| mf2c_domain::acl::Acl::of_admin(&[]));
        let Ok(id) = ResourceId::new("placement", &plan_name(&name, plan.term, &self.node_name)) else { return };
        let mut charge = Charge::new(id.clone(), plan, acl.clone(), Handed::default(), false);
        self.hear_what_it_shall_do(&mut charge);
        let readers = acl.for_readers();
        let new = match self.new_document(&placement::SPEC, Some(id.name().to_owned()), charge.document(), readers) {
            Ok(new) => new,
            Err(error) => return tracing::error!(instance = name, error, "an instance cannot be taken over"),
        };
        tracing::info!(instance = name, "taking over an instance of the agent that led before");
        let stored = self.writer.send(AddResource(new));
        self.charges.insert(name.clone(), Charge { saving: true, unsaved: false, ..charge });
        let former = Arc::clone(former);
        ctx.spawn(stored.into_actor(self).map(move |stored, manager, ctx| {
            match stored.unwrap_or(Err(StoreError::Stopping)) {
                Ok(_) => {
                    if let Some(charge) = manager.charges.get_mut(&name) {
                        charge.saving = false;
                    }
                    manager.have_deleted(&former, ctx);
                    manager.reconcile(&name, ctx);
                }
                Err(error) => {
                    tracing::warn!(instance = name, %error, "an instance could not be taken over");
                    manager.charges.remove(&name);
                }
            }
        }));
    }

    /// Who does not lead any more leaves to who does what concerns other agents, which deletes the placements here when it has its own.
    fn hand_over(&mut self) {
        let spread = self.charges.iter().filter(|(_, charge)| charge.is_spread(&self.node_name));
        let gone: Vec<String> = spread.map(|(name, _)| name.clone()).collect();
        for name in gone {
            tracing::info!(instance = name, "another agent leads: it looks after this instance from now on");
            self.charges.remove(&name);
        }
    }
}
