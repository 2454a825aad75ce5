//! `/v1/configuration/containers`: which containers there shall be.

use actix_web::HttpResponse;
use mf2c_actors::flocker::documents::{CONTAINER, Container, DATASET, Dataset, Desired, Restart, read};
use mf2c_domain::resource::types::flocker::container;
use mf2c_store::Store;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::refusal::Refusal;
use super::{Answered, Call, Found, bodies};

impl Call<'_> {
    pub(super) fn containers(&self) -> HttpResponse {
        let shown: Vec<Value> = self.configured().iter().map(|found| shown(&found.is)).collect();
        HttpResponse::Ok().json(shown)
    }

    /// The containers that shall be, as far as the caller may see them, in the order of their names.
    pub(super) fn configured(&self) -> Vec<Found<Container>> {
        let mut found = self.seen::<Container>(CONTAINER);
        found.retain(|found| is_wanted(self.store(), &found.is));
        found.sort_by(|one, other| one.is.name.cmp(&other.is.name));
        found
    }

    pub(super) async fn add_container(&self, body: &Value) -> Answered {
        let mut new = bodies::container(body).map_err(Refusal::schema)?;
        self.may_add()?;
        let _turn = self.door.configuring.lock().await;
        let mut others = self.all::<Container>(CONTAINER);
        others.retain(|found| is_wanted(self.store(), &found.is));
        if others.iter().any(|other| other.is.name == new.name) {
            return Err(Refusal::conflict("The container name already exists."));
        }
        self.check_ports(&new, &others)?;
        check_links(&new)?;
        self.check_volumes(&new, &others)?;
        self.room_for(CONTAINER, "containers", |_: &Container| true)?;
        (new.user, new.trusted) = (self.who.name.clone(), self.who.trusted);
        self.add(&container::SPEC, None, &new).await?;
        tracing::info!(container = new.name, node = new.node, user = new.user, "a container is configured");
        Ok(HttpResponse::Created().json(shown(&new)))
    }

    fn check_ports(&self, new: &Container, others: &[Found<Container>]) -> Result<(), Refusal> {
        let mut taken: Vec<u16> = others.iter().flat_map(|other| &other.is.ports).map(|pair| pair.external).collect();
        for pair in &new.ports {
            if taken.contains(&pair.external) {
                return Err(Refusal::conflict("A specified external port is already in use."));
            }
            taken.push(pair.external);
        }
        Ok(())
    }

    fn check_volumes(&self, new: &Container, others: &[Found<Container>]) -> Result<(), Refusal> {
        for volume in &new.volumes {
            let missing = || Refusal::not_found("Dataset");
            let document = self.store().get(&format!("{DATASET}/{}", volume.dataset)).ok_or_else(missing)?;
            let dataset: Dataset = read(self.store(), &document).ok_or_else(missing)?;
            if dataset.deleted || !document.acl.can_view(self.caller()) {
                return Err(missing());
            }
            self.may_change(&document)?;
            if dataset.primary != new.node {
                return Err(Refusal::conflict("The dataset is on another node."));
            }
            if others.iter().any(|other| other.is.uses(&volume.dataset)) {
                return Err(Refusal::conflict("The dataset is being used by another container."));
            }
        }
        Ok(())
    }

    /// The container of this name, which the caller may see.
    fn container(&self, name: &str) -> Result<Found<Container>, Refusal> {
        let found = self.configured().into_iter().find(|found| found.is.name == name);
        found.ok_or_else(|| Refusal::not_found("Container"))
    }

    pub(super) async fn move_container(&self, name: &str, body: &Value) -> Answered {
        let node = bodies::moved(body, "node_uuid", true).map_err(Refusal::schema)?.unwrap_or_default();
        let _turn = self.door.configuring.lock().await;
        let mut found = self.container(name)?;
        self.may_change(&found.document)?;
        for volume in &found.is.volumes {
            let Some(document) = self.store().get(&format!("{DATASET}/{}", volume.dataset)) else { continue };
            self.may_change(&document)?;
            self.edit(&document.id, Map::from_iter([("primary".to_owned(), node.clone().into())]), &[]).await?;
        }
        self.edit(&found.document.id, Map::from_iter([("node".to_owned(), node.clone().into())]), &[]).await?;
        found.is.node = node;
        Ok(HttpResponse::Ok().json(shown(&found.is)))
    }

    pub(super) async fn remove_container(&self, name: &str) -> Answered {
        let _turn = self.door.configuring.lock().await;
        let found = self.container(name)?;
        self.may_change(&found.document)?;
        let changes = Map::from_iter([("desired".to_owned(), json!(Desired::Deleted))]);
        self.edit(&found.document.id, changes, &[]).await?;
        tracing::info!(container = name, user = self.who.name, "a container is to be removed");
        Ok(HttpResponse::Ok().json(Value::Null))
    }
}

fn check_links(new: &Container) -> Result<(), Refusal> {
    let (mut ports, mut aliases) = (vec![], vec![]);
    for link in &new.links {
        if ports.contains(&link.local_port) {
            return Err(Refusal::conflict("The local ports in a container's links must be unique."));
        }
        ports.push(link.local_port);
        // In the environment they are written in capitals.
        let alias = link.alias.to_lowercase();
        if aliases.contains(&alias) {
            return Err(Refusal::conflict("Link aliases must be unique."));
        }
        aliases.push(alias);
    }
    Ok(())
}

/// Whether a container shall be: nobody has deleted it here, nor its instance elsewhere.
pub(super) fn is_wanted(store: &Store, container: &Container) -> bool {
    #[derive(Deserialize)]
    struct Instance {
        #[serde(default)]
        desired: String,
    }
    if container.desired == Desired::Deleted {
        return false;
    }
    let stays = |id: &String| {
        let found = store.get(id).and_then(|document| read::<Instance>(store, &document));
        found.is_some_and(|found| found.desired != "deleted")
    };
    container.instance.as_ref().is_none_or(stays)
}

/// A container as its clients see it.
pub(super) fn shown(container: &Container) -> Value {
    let policy = match (container.restart, container.attempts) {
        (Restart::Never, _) => json!({ "name": "never" }),
        (Restart::Always, _) => json!({ "name": "always" }),
        (Restart::OnFailure, None) => json!({ "name": "on-failure" }),
        (Restart::OnFailure, Some(count)) => json!({ "name": "on-failure", "maximum_retry_count": count }),
    };
    let mut shown = json!({
        "name": container.name, "node_uuid": container.node, "image": container.image, "restart_policy": policy,
    });
    let volumes: Vec<Value> = container
        .volumes
        .iter()
        .map(|volume| json!({ "dataset_id": volume.dataset, "mountpoint": volume.mountpoint }))
        .collect();
    for (name, value, is_there) in [
        ("ports", json!(container.ports), !container.ports.is_empty()),
        ("environment", json!(container.environment), !container.environment.is_empty()),
        ("command_line", json!(container.command), !container.command.is_empty()),
        ("volumes", json!(volumes), !volumes.is_empty()),
        ("links", json!(container.links), !container.links.is_empty()),
        ("cpu_shares", json!(container.cpu_shares), container.cpu_shares.is_some()),
        ("memory_limit", json!(container.memory_limit), container.memory_limit.is_some()),
    ] {
        if is_there {
            shown[name] = value;
        }
    }
    shown
}
