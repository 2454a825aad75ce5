//! What becomes of instances when another agent comes to lead. Who leads decides for all; what it knows comes from the placements
//! of the one before, of which it holds copies. Each has the term of leadership in its name, so two never mean the same.

use actix::prelude::*;
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource::types::placement;
use mf2c_store::{Document, StoreError};
use serde::Deserialize;

use super::LifecycleManager;
use super::charge::{Charge, Plan, node_name, plan_name};
use super::parcel::Handed;
use crate::resource_store::{AddResource, DeleteResource};

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
            self.take_charge(ctx);
        }
        let is_led = !self.standing.leads() && self.standing.area().is_some() && self.standing.leader.is_some();
        if is_led {
            self.hand_over(ctx);
        }
        let names: Vec<String> = self.charges.keys().cloned().collect();
        for name in names {
            self.reconcile(&name, ctx);
        }
    }

    /// Takes over what other agents of this area have conducted for several.
    fn take_charge(&mut self, ctx: &mut Context<Self>) {
        let Some(area) = self.standing.area().map(str::to_owned) else { return };
        let members: Vec<Member> = self
            .store
            .all("area-member")
            .iter()
            .filter_map(|document| serde_json::from_slice(&self.store.body(document).ok()??).ok())
            .collect();
        let is_ours = |node: &str| members.iter().any(|member| member.node == node && member.area == area);
        let mut found: Vec<(Plan, String)> = self
            .store
            .all("placement")
            .iter()
            .filter_map(|document| {
                let node = node_name(&document.origin()?);
                let plan: Plan = serde_json::from_slice(&self.store.body(document).ok()??).ok()?;
                let spread = plan.parts.iter().chain(&plan.leaving).any(|part| part.node != node);
                (spread && is_ours(&node)).then_some((plan, node))
            })
            .collect();
        // Of several the one of the latest term.
        found.sort_by_key(|(plan, _)| std::cmp::Reverse(plan.term));
        for (plan, _) in found {
            self.adopt(plan, ctx);
        }
    }

    fn adopt(&mut self, mut plan: Plan, ctx: &mut Context<Self>) {
        let name = plan.instance.strip_prefix("service-instance/").unwrap_or(&plan.instance).to_owned();
        if self.charges.contains_key(&name) {
            return;
        }
        plan.term = self.standing.term;
        let acl = self.store.get(&plan.instance).map(|document: std::sync::Arc<Document>| (*document.acl).clone());
        let acl = acl.unwrap_or_else(|| mf2c_domain::acl::Acl::of_admin(&[]));
        let Ok(id) = ResourceId::new("placement", &plan_name(&name, plan.term, &self.node_name)) else { return };
        let charge = Charge::new(id.clone(), plan, acl.clone(), Handed::default(), false);
        let readers = acl.for_readers();
        let new = match self.new_document(&placement::SPEC, Some(id.name().to_owned()), charge.document(), readers) {
            Ok(new) => new,
            Err(error) => return tracing::error!(instance = name, error, "an instance cannot be taken over"),
        };
        tracing::info!(instance = name, "taking over an instance of the agent that led before");
        let stored = self.writer.send(AddResource(new));
        self.charges.insert(name.clone(), Charge { saving: true, ..charge });
        ctx.spawn(stored.into_actor(self).map(move |stored, manager, ctx| {
            match stored.unwrap_or(Err(StoreError::Stopping)) {
                Ok(_) => {
                    if let Some(charge) = manager.charges.get_mut(&name) {
                        charge.saving = false;
                    }
                    manager.reconcile(&name, ctx);
                }
                Err(error) => {
                    tracing::warn!(instance = name, %error, "an instance could not be taken over");
                    manager.charges.remove(&name);
                }
            }
        }));
    }

    /// Who does not lead any more leaves to who does what concerns other agents.
    fn hand_over(&mut self, ctx: &mut Context<Self>) {
        let spread = self.charges.iter().filter(|(_, charge)| charge.is_spread(&self.node_name));
        let gone: Vec<(String, ResourceId)> = spread.map(|(name, charge)| (name.clone(), charge.id.clone())).collect();
        for (name, id) in gone {
            tracing::info!(instance = name, "another agent leads: it looks after this instance from now on");
            self.charges.remove(&name);
            let deleted = self.writer.send(DeleteResource { id, if_match: None, by: Caller::agent() });
            ctx.spawn(deleted.into_actor(self).map(|_, _, _| ()));
        }
    }
}
