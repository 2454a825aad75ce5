//! Containers: each is launched as a service instance on its node, moved there, and removed.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use futures_util::stream::{self, StreamExt as _};
use mf2c_domain::acl::Acl;
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_domain::people::account::Account;
use mf2c_domain::resource::Draft;
use mf2c_domain::resource::types::service as service_type;
use mf2c_store::{Document, NewDocument, StoreError};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::datasets::{edit, lease_of};
use super::documents::{CONTAINER, Container, DATASET, Dataset, Desired, read};
use super::nodes::{self, Node};
use super::service::service;
use super::{KeeperParts, Left};
use crate::lifecycle_manager::{Launch, Operate, Operation, Source};
use crate::resource_store::{AddResource, DeleteResource, EditResource};

/// So many are tended at a time.
const TOGETHER: usize = 8;

/// What the document of an instance says of whether it stays, and how it is.
#[derive(Deserialize)]
struct Instance {
    #[serde(default)]
    desired: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    detail: String,
}

/// States of an instance whose explanation is no fault: it runs, has come to its end, or goes.
const CONTENT: [&str; 5] = ["started", "stopped", "stopping", "terminating", "terminated"];

/// One container with all others.
struct Charge<'a> {
    parts: &'a KeeperParts,
    id: ResourceId,
    acl: Acl,
    is: Container,
    all: &'a BTreeMap<String, Container>,
}

/// Brings all containers of this agent nearer to what they shall be.
pub(super) async fn tend(parts: &KeeperParts) -> Left {
    let documents: Vec<_> =
        parts.store.all(CONTAINER).into_iter().filter(|document| document.origin().is_none()).collect();
    if documents.is_empty() {
        return Left::Nothing;
    }
    let is = |document: &Document| read::<Container>(&parts.store, document);
    let all: BTreeMap<String, Container> =
        documents.iter().filter_map(|document| Some((document.id.as_str().to_owned(), is(document)?))).collect();
    let all = &all;
    let charges = documents.iter().filter_map(|document| {
        let is = all.get(document.id.as_str())?.clone();
        Some(Charge { parts, id: document.id.clone(), acl: (*document.acl).clone(), is, all })
    });
    let tended = stream::iter(charges).map(|charge| async move { charge.tend().await });
    tended.buffer_unordered(TOGETHER).fold(Left::Nothing, |left, one| async move { left.max(one) }).await
}

impl Charge<'_> {
    async fn tend(&self) -> Left {
        match self.is.desired {
            Desired::Deleted => self.remove().await,
            Desired::Running => self.run().await,
        }
    }

    async fn run(&self) -> Left {
        if let Some(instance) = &self.is.instance {
            if self.is.placed.as_ref() != Some(&self.is.node) {
                let changes = Map::from_iter([("leaving".to_owned(), instance.clone().into())]);
                let _ = edit(self.parts, &self.id, changes, &["instance", "placed", "detail"]).await;
                return Left::UnderWay;
            }
            if let Some(known) = self.known(instance).filter(|known| known.desired != "deleted") {
                return self.tell_of(known).await;
            }
            tracing::info!(container = self.is.name, instance, "a container goes with its instance");
            let _ = edit(self.parts, &self.id, desired(Desired::Deleted), &[]).await;
            return Left::UnderWay;
        }
        if let Some(leaving) = &self.is.leaving {
            return match self.gone(leaving).await {
                Ok(true) => {
                    let _ = edit(self.parts, &self.id, Map::new(), &["leaving"]).await;
                    Left::UnderWay
                }
                Ok(false) => Left::UnderWay,
                Err(why) => self.told(&why).await,
            };
        }
        match self.launch().await {
            Ok(()) => Left::Nothing,
            Err(why) => self.told(&why).await,
        }
    }

    /// Stops and removes what runs, and forgets it.
    async fn remove(&self) -> Left {
        for instance in [&self.is.instance, &self.is.leaving].into_iter().flatten() {
            match self.gone(instance).await {
                Ok(true) => {}
                Ok(false) => return Left::UnderWay,
                Err(why) => return self.told(&why).await,
            }
        }
        let service = ResourceId::new("service", self.id.name());
        for id in service.into_iter().chain([self.id.clone()]) {
            let delete = DeleteResource { id, if_match: None, by: Caller::agent() };
            match self.parts.writer.send(delete).await.unwrap_or(Err(StoreError::Stopping)) {
                Ok(_) | Err(StoreError::NotFound { .. } | StoreError::Stopping) => {}
                Err(error) => return self.told(&error.to_string()).await,
            }
        }
        Left::Nothing
    }

    /// What the document of an instance says; none where there is none.
    fn known(&self, instance: &str) -> Option<Instance> {
        let store = &self.parts.store;
        store.get(instance).and_then(|document| read(store, &document))
    }

    /// Writes down what keeps its instance from running, or that nothing does any more.
    async fn tell_of(&self, instance: Instance) -> Left {
        let is_fault = !CONTENT.contains(&instance.status.as_str()) && !instance.detail.is_empty();
        let why = is_fault.then_some(instance.detail);
        if why == self.is.detail {
            return Left::Nothing;
        }
        let changes = why.map(|why| ("detail".to_owned(), Value::from(why)));
        let removed: &[&str] = if changes.is_none() { &["detail"] } else { &[] };
        edit(self.parts, &self.id, changes.into_iter().collect(), removed).await
    }

    /// Whether an instance is gone; if it is not, it shall be.
    async fn gone(&self, instance: &str) -> Result<bool, String> {
        if self.parts.store.get(instance).is_none() {
            return Ok(true);
        }
        if self.known(instance).is_some_and(|known| known.desired != "deleted") {
            let manager = (self.parts.manager)().ok_or(ABSENT)?;
            let id = ResourceId::parse(instance).map_err(|error| error.to_string())?;
            let operate = Operate { instance: id, operation: Operation::Delete, by: Caller::agent() };
            let done = manager.send(operate).await.map_err(|error| error.to_string())?;
            done.map(drop).map_err(|error| error.text)?;
        }
        Ok(false)
    }

    async fn launch(&self) -> Result<(), String> {
        let others = self.all.iter().filter(|(id, _)| id.as_str() != self.id.as_str()).map(|(_, other)| other);
        let mut going = others.filter(|other| other.desired == Desired::Deleted || other.leaving.is_some());
        if let Some(going) = going.find(|going| going.is_in_the_way_of(&self.is)) {
            return Err(format!(
                "the container `{}`, which has the same name, port or dataset, is being stopped",
                going.name
            ));
        }
        let node = nodes::node_by_uuid(&self.parts.store, &self.is.node).ok_or("this agent knows no such node")?;
        self.have_datasets(&node)?;
        let by = self.owner()?;
        let source = self.described(&node).await?;
        let launch = Launch {
            service: Source::Id(source),
            by,
            for_another: false,
            template: None,
            agreement: None,
            devices: Some(vec![node.device]),
            name: Some(self.is.name.clone()),
            key: Some(format!("{}/{}", self.id, self.is.launches)),
        };
        let manager = (self.parts.manager)().ok_or(ABSENT)?;
        let launched = manager.send(launch).await.map_err(|error| error.to_string())?;
        let launched = launched.map_err(|error| error.text)?;
        let changes = json!({
            "instance": launched.id.as_str(), "placed": self.is.node, "launches": self.is.launches + 1,
        });
        let changes = changes.as_object().cloned().unwrap_or_default();
        let _ = edit(self.parts, &self.id, changes, &["detail"]).await;
        Ok(())
    }

    /// Whether its datasets are there, and nobody else holds them.
    fn have_datasets(&self, node: &Node) -> Result<(), String> {
        for volume in &self.is.volumes {
            let store = &self.parts.store;
            let dataset = store.get(&format!("{DATASET}/{}", volume.dataset));
            let dataset = dataset.and_then(|document| read::<Dataset>(store, &document));
            let there = dataset.is_some_and(|dataset| {
                !dataset.deleted && dataset.places.iter().any(|place| place.device == node.device)
            });
            if !there {
                return Err(format!("the dataset {} is not on the node", volume.dataset));
            }
            if let Some(lease) = lease_of(self.parts, &volume.dataset).filter(|lease| lease.node != node.uuid) {
                return Err(format!("the node {} holds the dataset {}", lease.node, volume.dataset));
            }
        }
        Ok(())
    }

    /// With whose rights it is carried out: those that its user has now.
    fn owner(&self) -> Result<Caller, String> {
        let (store, user) = (&self.parts.store, &self.is.user);
        if self.is.trusted {
            let trusted = self.parts.trusts_any_user;
            let trusted = trusted.then(|| Caller::new(user, ["ADMIN", "USER"]));
            return trusted.ok_or_else(|| format!("`{user}` has no account here: see `flocker.trust_any_user_cert`"));
        }
        let account = store
            .get(&format!("user/{user}"))
            .and_then(|document| store.body(&document).ok().flatten().and_then(|body| Account::read(&body)));
        let account =
            account.filter(Account::may_sign_in).ok_or_else(|| format!("`{user}` has no active account here"))?;
        Ok(Caller::new(user, account.roles()))
    }

    /// Stores the service that it is; its id.
    async fn described(&self, node: &Node) -> Result<ResourceId, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let body = service(&self.is, &node.agent_type, |port| self.reached(port, node));
        let id = ResourceId::new("service", self.id.name()).map_err(|error| text(&error))?;
        let (entropy, now) = (&*self.parts.world.entropy, self.parts.world.clock.now());
        let draft = service_type::SPEC.prepare_add(body.clone(), now, entropy).map_err(|error| text(&error))?;
        let attributes = draft.attributes.clone();
        if let Some(document) = self.parts.store.get(id.as_str()) {
            let known: Map<String, Value> = read(&self.parts.store, &document).unwrap_or_default();
            let told = |name: &String| attributes.get(name).is_none_or(|value| known.get(name) == Some(value));
            if body.keys().all(told) {
                return Ok(id);
            }
        }
        let draft = Draft { name: Some(id.name().to_owned()), acl: Some(self.acl.clone()), attributes };
        let new =
            NewDocument::new(&service_type::SPEC, draft, &Caller::agent(), entropy).map_err(|error| text(&error))?;
        let stopping = |_| "this agent is stopping".to_owned();
        match self.parts.writer.send(AddResource(new)).await.map_err(stopping)? {
            Ok(_) => {}
            Err(StoreError::Conflict { .. }) => {
                let (by, id) = (Caller::agent(), id.clone());
                let edit = EditResource { id, changes: body, removed: vec![], if_match: None, by };
                let _ = self.parts.writer.send(edit).await.map_err(stopping)?.map_err(|error| text(&error))?;
            }
            Err(error) => return Err(text(&error)),
        }
        Ok(id)
    }

    /// Where an external port is reached: at the node of the container that has it; or else at this one.
    fn reached(&self, port: u16, node: &Node) -> Option<Ipv4Addr> {
        let has = |other: &&Container| {
            other.desired == Desired::Running && other.ports.iter().any(|pair| pair.external == port)
        };
        let there = self.all.values().find(has).and_then(|other| nodes::node_by_uuid(&self.parts.store, &other.node));
        there.and_then(|there| there.host).or(node.host)
    }

    /// Writes down why it is not carried out.
    async fn told(&self, why: &str) -> Left {
        if self.is.detail.as_deref() != Some(why) {
            tracing::warn!(container = self.is.name, why, "a container is not carried out yet");
            let changes = Map::from_iter([("detail".to_owned(), Value::from(why))]);
            let _ = edit(self.parts, &self.id, changes, &[]).await;
        }
        Left::Stuck
    }
}

const ABSENT: &str = "there is no lifecycle manager: it starts, or `services.enabled` is off";

fn desired(desired: Desired) -> Map<String, Value> {
    Map::from_iter([("desired".to_owned(), json!(desired))])
}
