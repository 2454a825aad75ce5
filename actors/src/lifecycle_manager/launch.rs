//! From a request to an instance: what is to be run, where it fits, and what is written down before anybody is told.

use actix::prelude::*;
use mf2c_domain::acl::{Acl, Principal};
use mf2c_domain::caller::Caller;
use mf2c_domain::entropy::uuid_v4;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource::types::{placement, service_instance};
use mf2c_lifecycle::AgentStatus;
use mf2c_lifecycle::service::Service;
use mf2c_placement::explain::explain;
use mf2c_placement::select::{Rule, Wanted, select};
use mf2c_sla::qos::fingerprint;
use mf2c_store::{NewDocument, StoreError};
use serde_json::{Map, Value, json};

use super::charge::{Charge, Plan};
use super::conduct::plan_key;
use super::field::Field;
use super::messages::{Explain, Launch, Launched, Source, Trouble, WorkError};
use super::parcel::{Desired, Handed};
use super::{Kept, LifecycleManager};
use crate::resource_store::{AddResource, KeepState};

/// So many agents an instance runs on at most.
pub(super) const MOST_AGENTS: usize = 1000;
/// A service that is ready to be placed.
#[derive(Clone)]
pub(super) struct Prepared {
    pub(super) id: String,
    pub(super) spec: Map<String, Value>,
    pub(super) service: Service,
    pub(super) handed: Handed,
}

/// What a launch shall become.
pub(super) struct Draft {
    pub(super) prepared: Prepared,
    pub(super) by: Caller,
    pub(super) acl: Acl,
    pub(super) name: String,
    pub(super) document: Map<String, Value>,
    pub(super) devices: Option<Vec<String>>,
    pub(super) template: Option<String>,
}

/// Where parts go: device, node and address of each.
pub(super) type Places = Vec<(String, String, String)>;
pub(super) type Answered<T> = ResponseActFuture<LifecycleManager, Result<T, WorkError>>;

pub(super) fn ready<T: 'static>(result: Result<T, WorkError>) -> Answered<T> {
    Box::pin(actix::fut::ready(result))
}

impl LifecycleManager {
    pub(super) fn places(
        &self,
        prepared: &Prepared,
        devices: Option<&[String]>,
        requester: Option<&str>,
        blocked: &[String],
    ) -> Result<Places, WorkError> {
        let field = self.field(&prepared.id, &prepared.spec, devices);
        let mut field = field.ok_or_else(|| WorkError::new(Trouble::Invalid, "the service makes no sense"))?;
        if !self.may_begin() {
            // Of those that the caller has named as well.
            let own = format!("device/{}", self.node_name);
            field.found.retain(|found| found.id == own);
        }
        let wanted = wanted(&field);
        field.rank(&[], requester, blocked, |ranking, found| {
            let outcome = select(ranking, wanted, Rule::of(&field.service, wanted));
            match outcome {
                Ok(chosen) => {
                    let chosen = chosen.iter().filter_map(|best| found.get(best.index));
                    Ok(chosen.take(MOST_AGENTS).map(|it| (it.id.clone(), it.node.clone(), it.url.clone())).collect())
                }
                Err(shortage) => {
                    let text = if found.is_empty() { nothing_known(devices) } else { shortage.to_string() };
                    let explained = serde_json::to_value(explain(&field.service, ranking, wanted, &Err(shortage)));
                    let details = explained.ok().map(Box::new);
                    Err(WorkError { trouble: Trouble::NoRoom, text, details })
                }
            }
        })
    }

    /// Stores the documents of a launch.
    fn begin(&mut self, draft: Draft, places: Places, ctx: &mut Context<Self>) -> Answered<Launched> {
        let mut charge = match self.charge(&draft, &places) {
            Ok(charge) => charge,
            Err(error) => return ready(Err(error)),
        };
        // It is written with its document, or not at all.
        charge.plan.seen = true;
        let document = self.first_document(&draft, &charge);
        let stored = self.store_launch(&draft, &charge, Some(document), ctx);
        let (name, by) = (draft.name.clone(), draft.by);
        Box::pin(stored.map(move |stored, manager, ctx| {
            match stored {
                Ok(()) => {}
                Err(StoreError::Conflict { .. }) => return manager.found_again(&name, &by),
                Err(error) => return Err(store_error(&error)),
            }
            manager.charges.insert(name.clone(), charge);
            let launched = manager.launched(&name, false);
            manager.reconcile(&name, ctx);
            launched
        }))
    }

    pub(super) fn charge(&self, draft: &Draft, places: &Places) -> Result<Charge, WorkError> {
        let term = self.standing.term;
        let id = ResourceId::new("placement", &super::charge::plan_name(&draft.name, term, &self.node_name))
            .map_err(|error| WorkError::new(Trouble::Invalid, error.to_string()))?;
        let text = |name: &str| draft.document.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let plan = Plan {
            instance: format!("service-instance/{}", draft.name),
            service: draft.prepared.id.clone(),
            user: text("user"),
            term,
            desired: Desired::Running,
            last: 0,
            version: 1,
            spec: draft.prepared.spec.clone(),
            before: None,
            agreement: text("agreement"),
            trouble: String::new(),
            updating: false,
            updated_at: None,
            devices: draft.devices.clone(),
            parts: Vec::new(),
            leaving: Vec::new(),
            seen: false,
        };
        let admin = draft.by.is_admin();
        let mut charge = Charge::new(id, plan, draft.acl.clone(), draft.prepared.handed.clone(), admin);
        for (index, (device, node, url)) in (0_u32..).zip(places) {
            charge.place(index, device, node, url);
        }
        charge.unsaved = false;
        Ok(charge)
    }

    /// The instance as it is before anything runs.
    fn first_document(&self, draft: &Draft, charge: &Charge) -> Map<String, Value> {
        let looks: Vec<super::charge::Look<'_>> =
            charge.plan.parts.iter().map(|part| super::charge::Look { part, record: None, is_lost: false }).collect();
        let exec_type = draft.prepared.spec.get("exec_type").and_then(Value::as_str).unwrap_or_default();
        let mut document = draft.document.clone();
        document.extend(super::charge::fold(charge, &looks, exec_type));
        document.insert("conductor".to_owned(), self.node_name.clone().into());
        if let Some(agreement) = draft.document.get("agreement") {
            document.insert("agreement".to_owned(), agreement.clone());
        }
        document
    }

    /// Puts everything into the store's mailbox at once: it shares one sync.
    pub(super) fn store_launch(
        &self,
        draft: &Draft,
        charge: &Charge,
        instance: Option<Map<String, Value>>,
        _: &mut Context<Self>,
    ) -> ResponseActFuture<Self, Result<(), StoreError>> {
        let kept =
            Kept { handed: draft.prepared.handed.clone(), before: Handed::default(), admin: draft.by.is_admin() };
        let kept = (!kept.is_usual()).then(|| serde_json::to_vec(&kept).unwrap_or_default());
        let kept = kept.map(|value| self.writer.send(KeepState { key: plan_key(&draft.name), value: Some(value) }));
        let failed = |error: String| {
            tracing::error!(error, "an instance cannot be described");
            StoreError::Stopping
        };
        let instance = instance.map(|document| {
            let name = Some(draft.name.clone());
            self.new_document(&service_instance::SPEC, name, document, draft.acl.clone()).map_err(failed)
        });
        let plan_name = Some(charge.id.name().to_owned());
        let plan =
            self.new_document(&placement::SPEC, plan_name, charge.document(), draft.acl.for_readers()).map_err(failed);
        let (instance, plan) = match (instance.transpose(), plan) {
            (Ok(instance), Ok(plan)) => (instance, plan),
            (Err(error), _) | (_, Err(error)) => return Box::pin(actix::fut::ready(Err(error))),
        };
        let instance = instance.map(|new| self.writer.send(AddResource(new)));
        let plan = self.writer.send(AddResource(plan));
        let all = async move {
            if let Some(kept) = kept {
                kept.await.unwrap_or(Err(StoreError::Stopping))?;
            }
            let instance = match instance {
                Some(instance) => instance.await.unwrap_or(Err(StoreError::Stopping)).map(drop),
                None => Ok(()),
            };
            let plan = plan.await.unwrap_or(Err(StoreError::Stopping)).map(drop);
            instance.and(plan)
        };
        Box::pin(all.into_actor(self))
    }

    /// The answer to a launch.
    pub(super) fn launched(&self, name: &str, forwarded: bool) -> Result<Launched, WorkError> {
        let id = format!("service-instance/{name}");
        let document = self.store.get(&id).ok_or_else(|| WorkError::not_found(&id))?;
        let body = self.store.body(&document).ok().flatten().ok_or_else(|| WorkError::not_found(&id))?;
        let body = serde_json::from_slice(&body).unwrap_or_default();
        Ok(Launched { id: document.id.clone(), document: body, forwarded, again: false })
    }

    /// The instance that a key was used for before.
    pub(super) fn found_again(&self, name: &str, by: &Caller) -> Result<Launched, WorkError> {
        let launched = self.launched(name, false)?;
        let may = self.store.get(launched.id.as_str()).is_some_and(|document| document.acl.can_view(by));
        if may {
            Ok(Launched { again: true, ..launched })
        } else {
            Err(WorkError::new(Trouble::Conflict, "the key is in use"))
        }
    }

    fn draft(&self, prepared: Prepared, launch: &Launch, name: String) -> Result<Draft, WorkError> {
        let by = launch.by.clone();
        let Some(identity) = by.identity().map(str::to_owned) else {
            return Err(WorkError::new(Trouble::Forbidden, "credentials required"));
        };
        let acl = if launch.for_another {
            Acl::new(Principal::user(&identity), Vec::new()).with_admin()
        } else if by.is_admin() {
            Acl::default_for(&by).unwrap_or_else(|| Acl::of_admin(&[]))
        } else {
            Acl::new(Principal::user(&identity), Vec::new())
        };
        let own = format!("device/{}", self.node_name);
        let mut document = json!({
            "user": identity,
            "service": prepared.id,
            "agreement": launch.agreement.clone().unwrap_or_default(),
            "status": AgentStatus::Created.name(),
            "service_type": prepared.spec.get("exec_type"),
            "agents": [],
            "desired": "running",
            "name": launch.name.clone().unwrap_or_else(|| prepared.service.name.clone()),
        });
        if self.store.get(&own).is_some() {
            document["device_id"] = own.into();
            let address = self.address_of(&self.node_name, None);
            if !address.is_empty() {
                document["device_ip"] = address.into();
            }
        }
        let document = document.as_object().cloned().unwrap_or_default();
        Ok(Draft {
            prepared,
            by,
            acl,
            name,
            document,
            devices: launch.devices.clone(),
            template: launch.template.clone(),
        })
    }

    /// Adds the agreement of a draft, and names it there.
    fn agree(&mut self, draft: &mut Draft) -> Result<Option<NewDocument>, WorkError> {
        let Some(template) = draft.template.take().filter(|template| !template.is_empty()) else {
            let named = draft.document.get("agreement").and_then(Value::as_str).unwrap_or_default();
            let visible = |id: &str| self.store.get(id).is_some_and(|document| document.acl.can_view(&draft.by));
            if !named.is_empty() && !visible(named) {
                return Err(WorkError::not_found(named));
            }
            return Ok(None);
        };
        let (id, new) = self.new_agreement(&template, &draft.by, &draft.acl)?;
        draft.document.insert("sla_template".to_owned(), template.into());
        draft.document.insert("agreement".to_owned(), id.into());
        Ok(Some(new))
    }

    pub(super) fn launch(&mut self, launch: Launch) -> Answered<Launched> {
        let Some(identity) = launch.by.identity() else {
            return ready(Err(WorkError::new(Trouble::Forbidden, "credentials required")));
        };
        let name = match &launch.key {
            Some(key) => name_by(identity, key),
            None => uuid_v4(&*self.world.entropy),
        };
        if self.store.get(&format!("service-instance/{name}")).is_some() {
            return ready(self.found_again(&name, &launch.by).and_then(|found| same_request(found, &launch)));
        }
        let prepared = self.prepare(launch.service.clone(), &launch.by);
        Box::pin(prepared.then(move |prepared, manager, _| -> Answered<Launched> {
            let prepared = match prepared.and_then(runnable) {
                Ok(prepared) => prepared,
                Err(error) => return ready(Err(error)),
            };
            let needed = prepared.service.num_agents.unwrap_or(1) as usize;
            let blocked = manager.blocked(&prepared.id, needed);
            Box::pin(
                blocked
                    .into_actor(manager)
                    .then(move |blocked, manager, ctx| manager.launch_prepared(prepared, &launch, name, &blocked, ctx)),
            )
        }))
    }

    fn launch_prepared(
        &mut self,
        prepared: Prepared,
        launch: &Launch,
        name: String,
        blocked: &[String],
        ctx: &mut Context<Self>,
    ) -> Answered<Launched> {
        let places = self.places(&prepared, launch.devices.as_deref(), None, blocked);
        let draft = self.draft(prepared, launch, name);
        let (places, mut draft) = match (places, draft) {
            (_, Err(error)) => return ready(Err(error)),
            (Err(error), Ok(_)) if !self.has_above() || error.trouble != Trouble::NoRoom => return ready(Err(error)),
            (places, Ok(draft)) => (places, draft),
        };
        let agreement = match self.agree(&mut draft) {
            Ok(agreement) => agreement,
            Err(error) => return ready(Err(error)),
        };
        let agreed = agreement.map(|new| self.writer.send(AddResource(new)));
        match places {
            Ok(places) => {
                // The agreement is in the mailbox before the instance: it is there when that is.
                if let Some(agreed) = agreed {
                    ctx.spawn(agreed.into_actor(self).map(|_, _, _| ()));
                }
                self.begin(draft, places, ctx)
            }
            Err(shortage) => {
                let wait = async move {
                    if let Some(agreed) = agreed {
                        let _ = agreed.await;
                    }
                };
                Box::pin(wait.into_actor(self).then(move |(), manager, ctx| manager.climb(draft, shortage, ctx)))
            }
        }
    }

    pub(super) fn explain(&mut self, ask: Explain) -> Answered<Value> {
        let Explain { service, by, devices, as_optimal } = ask;
        let prepared = self.prepare(service, &by);
        Box::pin(prepared.then(move |prepared, manager, _| -> Answered<Value> {
            let prepared = match prepared {
                Ok(prepared) => prepared,
                Err(error) => return ready(Err(error)),
            };
            let needed = prepared.service.num_agents.unwrap_or(1) as usize;
            let blocked = manager.blocked(&prepared.id, needed);
            Box::pin(blocked.into_actor(manager).map(move |blocked, manager, _| {
                let field = manager.field(&prepared.id, &prepared.spec, devices.as_deref());
                let field = field.ok_or_else(|| WorkError::new(Trouble::Invalid, "the service makes no sense"))?;
                if as_optimal {
                    return Ok(field.optimal());
                }
                let wanted = wanted(&field);
                Ok(field.rank(&[], None, &blocked, |ranking, _| {
                    let outcome = select(ranking, wanted, Rule::of(&field.service, wanted));
                    serde_json::to_value(explain(&field.service, ranking, wanted, &outcome)).unwrap_or_default()
                }))
            }))
        }))
    }
}

fn wanted(field: &Field) -> Wanted {
    Wanted::of(&field.service)
}

pub(super) fn read_service(id: &str, spec: &Map<String, Value>) -> Result<Service, WorkError> {
    let body = serde_json::to_vec(spec).unwrap_or_default();
    Service::accept(id, &body).map_err(|faults| WorkError::new(Trouble::Invalid, faults.to_string()))
}

/// Refuses what no agent runs.
pub(super) fn runnable(prepared: Prepared) -> Result<Prepared, WorkError> {
    if prepared.service.backend.capability().is_some() {
        return Ok(prepared);
    }
    let kind = prepared.spec.get("exec_type").and_then(Value::as_str).unwrap_or_default();
    let text = format!("no agent runs services of type `{kind}`: use docker, docker-compose, compss or process");
    Err(WorkError::new(Trouble::Unsupported, text))
}

fn nothing_known(devices: Option<&[String]>) -> String {
    match devices {
        Some(devices) => format!("this agent knows none of the devices {}", devices.join(", ")),
        None => "this agent knows no device that could run anything: see `device` in its configuration".to_owned(),
    }
}

/// Refuses a key that was used for something else, as far as its instance tells.
fn same_request(found: Launched, launch: &Launch) -> Result<Launched, WorkError> {
    let service = match &launch.service {
        Source::Id(id) => Some(id.as_str()),
        Source::Body(_) => None,
    };
    let template = launch.template.as_deref().filter(|template| !template.is_empty());
    let told = [("service", service), ("name", launch.name.as_deref()), ("sla_template", template)];
    let other = told.into_iter().find(|(attribute, asked)| {
        asked.is_some_and(|asked| found.document.get(*attribute).and_then(Value::as_str) != Some(asked))
    });
    let Some((attribute, _)) = other else { return Ok(found) };
    let text = format!(
        "this `Idempotency-Key` was used with another `{attribute}`, and made {}: use a new key for a new request",
        found.id
    );
    Err(WorkError::new(Trouble::Reused, text))
}

/// The name that an instance gets by a key: the same for the same caller.
fn name_by(identity: &str, key: &str) -> String {
    let half = |salt: &str| fingerprint(&format!("{salt}\u{0}{identity}\u{0}{key}"));
    let (a, b) = (half("launch-a"), half("launch-b"));
    let digits = format!("{a:016x}{b:016x}");
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    format!("{}-{}-8{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

pub(super) fn store_error(error: &StoreError) -> WorkError {
    let trouble = match error {
        StoreError::Full { .. } | StoreError::Unavailable { .. } | StoreError::Stopping => Trouble::Unavailable,
        StoreError::Conflict { .. } | StoreError::Stale { .. } => Trouble::Conflict,
        StoreError::NotFound { .. } => Trouble::NotFound,
        StoreError::Forbidden { .. } => Trouble::Forbidden,
        StoreError::Schema(_) | StoreError::TooLarge { .. } => Trouble::Invalid,
        _ => Trouble::Failed,
    };
    WorkError::new(trouble, error.to_string())
}
