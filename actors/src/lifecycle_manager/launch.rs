//! From a request to an instance: what is to be run, where it fits, and what is written down before anybody is told.

use actix::prelude::*;
use mf2c_domain::acl::{Acl, Principal};
use mf2c_domain::caller::Caller;
use mf2c_domain::entropy::uuid_v4;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource;
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
use super::parcel::{Desired, Handed, MOST_HOPS, Parcel, Request};
use super::{Kept, LifecycleManager};
use crate::qos_provider::CheckDevices;
use crate::replicator::Far;
use crate::resource_store::{AddResource, DeleteResource, KeepState};

/// So many agents an instance runs on at most.
pub(super) const MOST_AGENTS: usize = 1000;
/// So long a launch may take at the agents above.
const ABOVE: std::time::Duration = std::time::Duration::from_secs(20);

/// A service that is ready to be placed.
#[derive(Clone)]
pub(super) struct Prepared {
    pub(super) id: String,
    pub(super) spec: Map<String, Value>,
    pub(super) service: Service,
    pub(super) handed: Handed,
}

/// What a launch shall become.
struct Draft {
    prepared: Prepared,
    by: Caller,
    acl: Acl,
    name: String,
    document: Map<String, Value>,
    devices: Option<Vec<String>>,
    template: Option<String>,
}

/// Where parts go: device, node and address of each.
type Places = Vec<(String, String, String)>;
type Answered<T> = ResponseActFuture<LifecycleManager, Result<T, WorkError>>;

fn ready<T: 'static>(result: Result<T, WorkError>) -> Answered<T> {
    Box::pin(actix::fut::ready(result))
}

impl LifecycleManager {
    /// The document of a service that the caller may see.
    ///
    /// # Errors
    /// [`Trouble::NotFound`].
    pub(super) fn service_of(&self, source: Source, by: &Caller) -> Result<(String, Map<String, Value>), WorkError> {
        match source {
            Source::Body(body) => {
                let id = body.get("id").and_then(Value::as_str).map(str::to_owned);
                if let Some(id) = id {
                    let id =
                        ResourceId::parse(&id).map_err(|error| WorkError::new(Trouble::Invalid, error.to_string()))?;
                    return self.service_of(Source::Id(id), by);
                }
                // One that is stored nowhere.
                let spec = resource::find("service").ok_or_else(|| WorkError::not_found("the type of services"))?;
                let now = self.world.clock.now();
                let draft = spec
                    .prepare_add(body, now, &*self.world.entropy)
                    .map_err(|error| WorkError::new(Trouble::Invalid, error.to_string()))?;
                Ok((format!("service/{}", uuid_v4(&*self.world.entropy)), draft.attributes))
            }
            Source::Id(id) => {
                let document = self.store.get(id.as_str()).filter(|document| document.acl.can_view(by));
                let document = document.filter(|document| document.id.kind() == "service");
                let document = document.ok_or_else(|| WorkError::not_found(id.as_str()))?;
                let body =
                    self.store.body(&document).ok().flatten().ok_or_else(|| WorkError::not_found(id.as_str()))?;
                let spec: Result<Map<String, Value>, _> = serde_json::from_slice(&body);
                let mut spec = spec.map_err(|error| WorkError::new(Trouble::Failed, error.to_string()))?;
                // What it is, and not whose it is, or when it was stored.
                let others = ["id", "acl", "operations", "resourceURI", "created", "updated"];
                spec.retain(|name, _| !others.contains(&name.as_str()));
                Ok((id.as_str().to_owned(), spec))
            }
        }
    }

    /// Makes a service ready to be placed: compose files are fetched and read, secrets are looked up.
    pub(super) fn prepare(&mut self, source: Source, by: &Caller) -> Answered<Prepared> {
        let (id, mut spec) = match self.service_of(source, by) {
            Ok(found) => found,
            Err(error) => return ready(Err(error)),
        };
        let service = match read_service(&id, &spec) {
            Ok(service) => service,
            Err(error) => return ready(Err(error)),
        };
        let handed = match self.handed(&service, by) {
            Ok(handed) => handed,
            Err(error) => return ready(Err(error)),
        };
        if service.backend != mf2c_lifecycle::service::Backend::Compose {
            return ready(Ok(Prepared { id, spec, service, handed }));
        }
        let names: Vec<String> =
            handed.secrets.iter().filter(|(_, _, variable)| *variable).map(|(name, ..)| name.clone()).collect();
        let text = super::compose::text(service.exec.clone(), std::sync::Arc::clone(&self.fetcher));
        Box::pin(text.into_actor(self).map(move |text, _, _| {
            let text = text.map_err(|why| WorkError::new(Trouble::Invalid, format!("exec: {why}")))?;
            mf2c_workload::compose::read(&text, &service.environment, &names)
                .map_err(|error| WorkError::new(Trouble::Invalid, error.to_string()))?;
            spec.insert("exec".to_owned(), text.into());
            let service = read_service(&id, &spec)?;
            Ok(Prepared { id, spec, service, handed })
        }))
    }

    /// What a service gets from credentials of the caller's.
    fn handed(&self, service: &Service, by: &Caller) -> Result<Handed, WorkError> {
        let mut handed = Handed::default();
        for secret in &service.secrets {
            let credential = self.credential(&secret.credential, by)?;
            let value = credential.get(&secret.key).and_then(Value::as_str).ok_or_else(|| {
                let text = format!("{}: it has no text in `{}`", secret.credential, secret.key);
                WorkError::new(Trouble::Invalid, text)
            })?;
            handed.secrets.push((secret.name.clone(), value.to_owned(), super::specs::is_variable(secret.place)));
        }
        if let Some(registry) = &service.registry {
            let credential = self.credential(registry, by)?;
            let text = |name: &str| credential.get(name).and_then(Value::as_str).map(str::to_owned);
            let (Some(user), Some(password)) = (text("username"), text("password")) else {
                let text = format!(
                    "{registry}: it is no login of a registry: expected one made by credential-template/store-registry"
                );
                return Err(WorkError::new(Trouble::Invalid, text));
            };
            handed.login = Some((user, password, text("server")));
        }
        Ok(handed)
    }

    /// A credential that the caller may see. What makes sessions is none that a service gets.
    fn credential(&self, id: &str, by: &Caller) -> Result<Map<String, Value>, WorkError> {
        let document = self.store.get(id).filter(|document| document.acl.can_view(by));
        let document = document.filter(|document| document.id.kind() == "credential");
        let document = document.ok_or_else(|| WorkError::not_found(id))?;
        let body = self.store.body(&document).ok().flatten().ok_or_else(|| WorkError::not_found(id))?;
        let body: Map<String, Value> = serde_json::from_slice(&body).unwrap_or_default();
        match body.get("type").and_then(Value::as_str) {
            Some("secret" | "registry") => Ok(body),
            _ => {
                let text = format!("{id}: it signs users in, and is not given to services: expected a stored secret");
                Err(WorkError::new(Trouble::Invalid, text))
            }
        }
    }

    /// Who is kept away from a service by what it has learned of them.
    fn blocked(&self, service: &str, needed: usize) -> ResponseFuture<Vec<String>> {
        let provider = (self.quality)();
        let devices = self.store.all("device").iter().map(|document| document.id.as_str().to_owned()).collect();
        let service = service.to_owned();
        Box::pin(async move {
            let Some(provider) = provider else { return Vec::new() };
            provider.send(CheckDevices { service, devices, needed }).await.unwrap_or_default()
        })
    }

    fn places(
        &self,
        prepared: &Prepared,
        devices: Option<&[String]>,
        requester: Option<&str>,
        blocked: &[String],
    ) -> Result<Places, WorkError> {
        let field = self.field(&prepared.id, &prepared.spec, devices);
        let field = field.ok_or_else(|| WorkError::new(Trouble::Invalid, "the service makes no sense"))?;
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
        let document = self.first_document(&draft, &charge);
        let stored = self.store_launch(&draft, &charge, Some(document), ctx);
        let (name, by) = (draft.name.clone(), draft.by);
        Box::pin(stored.map(move |stored, manager, ctx| {
            match stored {
                Ok(()) => {}
                Err(StoreError::Conflict { .. }) => return manager.found_again(&name, &by),
                Err(error) => return Err(store_error(&error)),
            }
            charge.seen = true;
            manager.charges.insert(name.clone(), charge);
            let launched = manager.launched(&name, false);
            manager.reconcile(&name, ctx);
            launched
        }))
    }

    fn charge(&self, draft: &Draft, places: &Places) -> Result<Charge, WorkError> {
        let term = self.standing.term;
        let id = ResourceId::new("placement", &format!("{}-{term}", draft.name))
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
            parts: Vec::new(),
            leaving: Vec::new(),
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
    fn store_launch(
        &self,
        draft: &Draft,
        charge: &Charge,
        instance: Option<Map<String, Value>>,
        _: &mut Context<Self>,
    ) -> ResponseActFuture<Self, Result<(), StoreError>> {
        let kept = Kept { handed: draft.prepared.handed.clone(), admin: draft.by.is_admin() };
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
    fn launched(&self, name: &str, forwarded: bool) -> Result<Launched, WorkError> {
        let id = format!("service-instance/{name}");
        let document = self.store.get(&id).ok_or_else(|| WorkError::not_found(&id))?;
        let body = self.store.body(&document).ok().flatten().ok_or_else(|| WorkError::not_found(&id))?;
        let body = serde_json::from_slice(&body).unwrap_or_default();
        Ok(Launched { id: document.id.clone(), document: body, forwarded, again: false })
    }

    /// The instance that a key was used for before.
    fn found_again(&self, name: &str, by: &Caller) -> Result<Launched, WorkError> {
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
        let acl = if by.is_admin() {
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
            return ready(self.found_again(&name, &launch.by));
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

    /// Whether somebody above can be asked.
    fn has_above(&self) -> bool {
        let led = !self.standing.leads() && self.standing.leader.is_some() && self.standing.own.is_some();
        self.far.is_some() && (led || self.standing.leads() && self.standing.upper.is_some())
    }

    /// Asks above, with the instance on disk here: there is one under one id, whatever happens.
    fn climb(&mut self, draft: Draft, shortage: WorkError, _: &mut Context<Self>) -> Answered<Launched> {
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
    pub(super) fn launch_for(&mut self, request: Request, ctx: &mut Context<Self>) -> Answered<Value> {
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
        let places = self.places(&prepared, request.devices.as_deref(), request.requester.as_deref(), &[]);
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
        let charge = match self.charge(&draft, &places) {
            Ok(charge) => charge,
            Err(error) => return ready(Err(error)),
        };
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
    Service::read(id, &body).map_err(|faults| WorkError::new(Trouble::Invalid, faults.to_string()))
}

/// Refuses what no agent runs.
fn runnable(prepared: Prepared) -> Result<Prepared, WorkError> {
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
