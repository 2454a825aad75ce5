//! What finds no place here is asked for above, under the same id; and what was asked for below finds one here, or above.

use actix::prelude::*;
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource::types::service_instance;
use mf2c_store::StoreError;
use serde_json::Value;

use super::LifecycleManager;
use super::launch::{Answered, Draft, Places, Prepared, read_service, ready, runnable, store_error};
use super::messages::{Launched, Trouble, WorkError};
use super::parcel::{MOST_HOPS, Parcel, Request};
use crate::replicator::Far;
use crate::resource_store::{AddResource, DeleteResource};

/// So long a launch may take at the agents above.
const ABOVE: std::time::Duration = std::time::Duration::from_secs(20);

impl LifecycleManager {
    /// Whether somebody above can be asked.
    pub(super) fn has_above(&self) -> bool {
        let led = !self.standing.leads() && self.standing.leader.is_some() && self.standing.own.is_some();
        self.far.is_some() && (led || self.standing.leads() && self.standing.upper.is_some())
    }

    /// Asks above, with the instance on disk here: there is one under one id, whatever happens.
    pub(super) fn climb(&mut self, draft: Draft, shortage: WorkError, _: &mut Context<Self>) -> Answered<Launched> {
        let mut document = draft.document.clone();
        document.insert("detail".to_owned(), "too few devices fit here: the agents above are asked".into());
        let name = Some(draft.name.clone());
        let new = match self.new_document(&service_instance::SPEC, name, document, draft.acl.clone()) {
            Ok(new) => new,
            Err(error) => return ready(Err(WorkError::new(Trouble::Invalid, error))),
        };
        let stored = self.writer.send(AddResource(new));
        Box::pin(stored.into_actor(self).then(move |stored, manager, _| -> Answered<Launched> {
            match stored.unwrap_or(Err(StoreError::Stopping)) {
                Ok(_) => {}
                Err(StoreError::Conflict { .. }) => return ready(manager.found_again(&draft.name, &draft.by)),
                Err(error) => return ready(Err(store_error(&error))),
            }
            let request = Request {
                instance: draft.name.clone(),
                document: draft.document.clone(),
                service: draft.prepared.id.clone(),
                spec: draft.prepared.spec.clone(),
                handed: draft.prepared.handed.clone(),
                acl: draft.acl.clone(),
                by: (draft.by.identity().unwrap_or_default().to_owned(), draft.by.is_admin()),
                requester: Some(format!("device/{}", manager.node_name)),
                devices: draft.devices.clone(),
                hops: 1,
            };
            let asked = manager.ask_far(Far::Above, Vec::new(), &Parcel::Launch(Box::new(request)), ABOVE);
            Box::pin(asked.then(move |answer, manager, _| manager.came_back(draft, answer.map(drop), shortage)))
        }))
    }

    fn came_back(&mut self, draft: Draft, answer: Result<(), WorkError>, shortage: WorkError) -> Answered<Launched> {
        let error = match answer {
            Ok(()) => return ready(self.launched(&draft.name, true)),
            Err(error) => error,
        };
        // Whoever took it after all hears of the deletion.
        let gone = ResourceId::new("service-instance", &draft.name)
            .map(|id| self.writer.send(DeleteResource { id, if_match: None, by: Caller::agent() }));
        let agreement = draft
            .document
            .get("agreement")
            .and_then(Value::as_str)
            .filter(|_| draft.document.contains_key("sla_template"));
        let agreement = agreement
            .and_then(|id| ResourceId::parse(id).ok())
            .map(|id| self.writer.send(DeleteResource { id, if_match: None, by: Caller::agent() }));
        let text = format!("{}; asked above: {}", shortage.text, error.text);
        let details = error.details.or(shortage.details);
        let trouble = if error.trouble == Trouble::Unavailable { Trouble::Unavailable } else { Trouble::NoRoom };
        let cleared = async move {
            if let Ok(gone) = gone {
                let _ = gone.await;
            }
            if let Some(agreement) = agreement {
                let _ = agreement.await;
            }
        };
        Box::pin(cleared.into_actor(self).map(move |(), _, _| Err(WorkError { trouble, text, details })))
    }

    /// A launch from below.
    pub(super) fn launch_for(&mut self, request: Request) -> Answered<Value> {
        if self.charges.contains_key(&request.instance) {
            return ready(Ok(Value::Null));
        }
        let prepared = read_service(&request.service, &request.spec).map(|service| Prepared {
            id: request.service.clone(),
            spec: request.spec.clone(),
            service,
            handed: request.handed.clone(),
        });
        let prepared = match prepared.and_then(runnable) {
            Ok(prepared) => prepared,
            Err(error) => return ready(Err(error)),
        };
        let needed = prepared.service.num_agents.unwrap_or(1) as usize;
        let blocked = self.blocked(&prepared.id, needed).into_actor(self);
        Box::pin(
            blocked.then(move |blocked, manager, ctx| manager.launch_prepared_for(request, prepared, &blocked, ctx)),
        )
    }

    fn launch_prepared_for(
        &mut self,
        request: Request,
        prepared: Prepared,
        blocked: &[String],
        ctx: &mut Context<Self>,
    ) -> Answered<Value> {
        if self.charges.contains_key(&request.instance) {
            return ready(Ok(Value::Null));
        }
        let places = self.places(&prepared, request.devices.as_deref(), request.requester.as_deref(), blocked);
        let (name, admin) = &request.by;
        let by = Caller::new(name, if *admin { ["ADMIN", "USER"].as_slice() } else { &["USER"] }.iter().copied());
        let draft = Draft {
            prepared,
            by,
            acl: request.acl.clone(),
            name: request.instance.clone(),
            document: request.document.clone(),
            devices: request.devices.clone(),
            template: None,
        };
        match places {
            Ok(places) => self.take_over(draft, places, ctx),
            Err(shortage) if shortage.trouble != Trouble::NoRoom || !self.has_above() || request.hops >= MOST_HOPS => {
                ready(Err(shortage))
            }
            Err(shortage) => {
                let request = Request { hops: request.hops + 1, ..request };
                let asked = self.ask_far(Far::Above, Vec::new(), &Parcel::Launch(Box::new(request)), ABOVE);
                Box::pin(asked.map(move |answer, _, _| {
                    answer.map_err(|error| WorkError {
                        text: format!("{}; asked above: {}", shortage.text, error.text),
                        details: error.details.or(shortage.details),
                        trouble: error.trouble,
                    })
                }))
            }
        }
    }

    fn take_over(&mut self, draft: Draft, places: Places, ctx: &mut Context<Self>) -> Answered<Value> {
        let mut charge = match self.charge(&draft, &places) {
            Ok(charge) => charge,
            Err(error) => return ready(Err(error)),
        };
        // The document is on its way from the agent where it was launched.
        charge.plan.seen = self.store.get(&charge.plan.instance).is_some();
        let stored = self.store_launch(&draft, &charge, None, ctx);
        Box::pin(stored.map(move |stored, manager, ctx| match stored {
            Ok(()) | Err(StoreError::Conflict { .. }) => {
                let name = charge.name.clone();
                manager.charges.entry(name.clone()).or_insert(charge);
                manager.reconcile(&name, ctx);
                Ok(Value::Null)
            }
            Err(error) => Err(store_error(&error)),
        }))
    }
}
