//! The agreement of an instance: made before it is started, watched while it runs, ended with it.

use actix::prelude::*;
use mf2c_domain::acl::Acl;
use mf2c_domain::caller::Caller;
use mf2c_domain::entropy::uuid_v4;
use mf2c_domain::resource::types::agreement;
use mf2c_sla::{State, generate};
use mf2c_store::NewDocument;
use serde_json::{Map, Value, json};

use super::LifecycleManager;
use super::messages::{Trouble, WorkError};
use super::parcel::Desired;
use super::writing::Unwritten;

impl LifecycleManager {
    /// A new agreement from a template that the caller may see, and its id. It is stopped until the instance has started.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn new_agreement(
        &self,
        template: &str,
        by: &Caller,
        acl: &Acl,
    ) -> Result<(String, NewDocument), WorkError> {
        let template = if template.contains('/') { template.to_owned() } else { format!("sla-template/{template}") };
        let document = self.store.get(&template).filter(|document| document.acl.can_view(by));
        let document = document.filter(|document| document.id.kind() == "sla-template");
        let document = document.ok_or_else(|| WorkError::not_found(&template))?;
        let body = self.store.body(&document).ok().flatten();
        let body: Map<String, Value> =
            body.and_then(|body| serde_json::from_slice(&body).ok()).ok_or_else(|| WorkError::not_found(&template))?;
        let (now, name) = (self.world.clock.now(), uuid_v4(&*self.world.entropy));
        let user = by.identity().unwrap_or_default();
        let parameters = [("user".to_owned(), Value::from(user))].into_iter().collect();
        let invalid = |text: String| WorkError::new(Trouble::Invalid, format!("{template}: {text}"));
        let mut made = generate(&body, &parameters, now, &name).map_err(|error| invalid(error.to_string()))?;
        made.insert("state".to_owned(), State::Stopped.as_str().into());
        made.retain(|name, _| name == "name" || agreement::SPEC.fields.iter().any(|field| field.name == *name));
        made.remove("assessment");
        let new = self.new_document(&agreement::SPEC, Some(name.clone()), made, acl.clone()).map_err(invalid)?;
        Ok((format!("agreement/{name}"), new))
    }

    /// Starts and stops the watching of an agreement with its instance.
    pub(super) fn settle_agreement(&mut self, name: &str, ctx: &mut Context<Self>) {
        let Some(charge) = self.charges.get(name).filter(|charge| !charge.plan.agreement.is_empty()) else { return };
        let wanted = match charge.plan.desired {
            Desired::Running => {
                let statuses: Vec<bool> = charge
                    .plan
                    .parts
                    .iter()
                    .filter_map(|part| self.record(charge, part))
                    .map(|record| record.status() == mf2c_lifecycle::AgentStatus::Started)
                    .collect();
                // Once it has run it is watched, whatever becomes of it: that is what agreements are for.
                if statuses.is_empty()
                    || !statuses.iter().all(|started| *started)
                    || statuses.len() < charge.plan.parts.len()
                {
                    return;
                }
                "started"
            }
            Desired::Stopped => "stopped",
            Desired::Deleted => return,
        };
        let agreement = charge.plan.agreement.clone();
        let Some(written) = self.agreement_becomes(&agreement, wanted) else { return };
        let name = name.to_owned();
        ctx.spawn(written.into_actor(self).map(move |written, _, ctx| {
            if let Err(Unwritten::Later(pause)) = written {
                ctx.run_later(pause, move |manager, ctx| manager.settle_agreement(&name, ctx));
            }
        }));
    }

    /// Brings an agreement into a state; none where it is in it, or can no more be.
    pub(super) fn agreement_becomes(
        &self,
        agreement: &str,
        state: &str,
    ) -> Option<ResponseFuture<Result<(), Unwritten>>> {
        let document = self.store.get(agreement)?;
        let body = self.store.body(&document).ok()??;
        let body: Map<String, Value> = serde_json::from_slice(&body).ok()?;
        let now = State::of(body.get("state").and_then(Value::as_str).unwrap_or_default());
        if now == State::Terminated || now.as_str() == state {
            return None;
        }
        let changes = json!({ "state": state }).as_object().cloned();
        Some(self.write_anywhere(document.id.clone(), document.origin(), changes))
    }
}
