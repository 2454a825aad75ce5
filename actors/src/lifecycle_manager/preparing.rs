//! What a request is about: the service, its compose file, and what it gets from credentials.

use actix::prelude::*;
use mf2c_domain::caller::Caller;
use mf2c_domain::entropy::uuid_v4;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource;
use mf2c_lifecycle::Probe;
use mf2c_lifecycle::service::{Mount, Service};
use mf2c_workload::Protocol;
use mf2c_workload::compose::Application;
use serde_json::{Map, Value};

use super::LifecycleManager;
use super::launch::{Answered, Prepared, read_service, ready};
use super::messages::{Source, Trouble, WorkError};
use super::parcel::Handed;

/// The port of a health check that leads nowhere.
fn unreachable(service: &Service, application: &Application) -> Option<u16> {
    let (Probe::Http { port, .. } | Probe::Tcp { port }) = service.health.as_ref()?.probe else { return None };
    let mut published = application.parts.values().flat_map(|part| &part.ports);
    (!published.any(|open| open.container == port && open.protocol == Protocol::Tcp)).then_some(port)
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
        if let Err(error) = self.may_use_datasets(&service, by) {
            return ready(Err(error));
        }
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
            let application = mf2c_workload::compose::read(&text, &service.environment, &names)
                .map_err(|error| WorkError::new(Trouble::Invalid, error.to_string()))?;
            if let Some(port) = unreachable(&service, &application) {
                let text = format!("health.port: {port}: expected one that a container of the compose file publishes");
                return Err(WorkError::new(Trouble::Invalid, text));
            }
            spec.insert("exec".to_owned(), text.into());
            let service = read_service(&id, &spec)?;
            Ok(Prepared { id, spec, service, handed })
        }))
    }

    /// Whether the caller may let a service work with the datasets that it names.
    fn may_use_datasets(&self, service: &Service, by: &Caller) -> Result<(), WorkError> {
        for volume in &service.volumes {
            let Mount::Dataset(name) = &volume.mount else { continue };
            let id = format!("flocker-dataset/{name}");
            let document = self.store.get(&id).ok_or_else(|| WorkError::not_found(&id))?;
            super::opening::may_modify(&document, by)?;
            let body = self.store.body(&document).ok().flatten();
            let body: Map<String, Value> = body.and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default();
            if body.get("deleted").and_then(Value::as_bool) != Some(false) {
                return Err(WorkError::new(Trouble::Conflict, format!("{id} has been deleted")));
            }
        }
        Ok(())
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
}
