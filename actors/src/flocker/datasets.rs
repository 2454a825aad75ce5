//! Datasets: their volumes are made where they shall be, and removed when they shall be gone and nobody has them.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _};
use mf2c_domain::acl::Principal;
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_store::Document;
use serde_json::{Map, Value, json};

use super::documents::{CONTAINER, Container, DATASET, Dataset, Desired, LEASE, Lease, Place, read};
use super::{KeeperParts, Left, forget, nodes};
use crate::lifecycle_manager::{Tend, Tended};
use crate::resource_store::EditResource;

/// So many are tended at a time.
const TOGETHER: usize = 8;
/// So many that are gone are remembered of each owner, the newest.
const REMEMBERED: usize = 1000;

/// Brings all datasets of this agent nearer to what they shall be.
pub(super) async fn tend(parts: &KeeperParts, unsure: bool) -> Left {
    let documents = parts.store.all(DATASET).into_iter().filter(|document| document.origin().is_none());
    let datasets: Vec<(ResourceId, Dataset)> =
        documents.filter_map(|document| Some((document.id.clone(), read(&parts.store, &document)?))).collect();
    if datasets.is_empty() {
        return Left::Nothing;
    }
    let containers = containers(parts);
    let containers = &containers;
    let tended = datasets.into_iter().map(|(id, dataset)| async move {
        if dataset.deleted {
            remove(parts, &id, dataset, containers).await
        } else {
            keep(parts, &id, dataset, unsure).await
        }
    });
    let all = |all: Left, one: Left| async move { all.max(one) };
    let left = stream::iter(tended).buffer_unordered(TOGETHER).fold(Left::Nothing, all).await;
    let forgotten = too_many_gone(parts);
    let forgotten = forgotten.iter().map(|document| async move { forget(parts, document).await });
    stream::iter(forgotten).buffer_unordered(TOGETHER).fold(left, all).await
}

/// Documents of datasets that are gone, beyond those that are remembered.
fn too_many_gone(parts: &KeeperParts) -> Vec<Arc<Document>> {
    let mut gone: HashMap<Principal, Vec<Arc<Document>>> = HashMap::new();
    for document in parts.store.all(DATASET) {
        let is_gone = || read::<Dataset>(&parts.store, &document).is_some_and(|dataset| dataset.is_gone());
        if document.origin().is_none() && is_gone() {
            gone.entry(document.acl.owner.clone()).or_default().push(document);
        }
    }
    let oldest = gone.into_values().flat_map(|mut of_one| {
        of_one.sort_by_key(|document| Reverse(document.revision));
        of_one.split_off(of_one.len().min(REMEMBERED))
    });
    oldest.collect()
}

/// All containers that are there in any way.
fn containers(parts: &KeeperParts) -> Vec<Container> {
    parts.store.all(CONTAINER).into_iter().filter_map(|document| read(&parts.store, &document)).collect()
}

/// The lease of a dataset that still holds.
pub(super) fn lease_of(parts: &KeeperParts, dataset: &str) -> Option<Lease> {
    let document = parts.store.get(&format!("{LEASE}/{dataset}"))?;
    read::<Lease>(&parts.store, &document).filter(|lease| lease.holds(parts.world.clock.now()))
}

async fn keep(parts: &KeeperParts, id: &ResourceId, mut dataset: Dataset, unsure: bool) -> Left {
    let Some(node) = nodes::node_by_uuid(&parts.store, &dataset.primary) else {
        return told(parts, id, &dataset, "this agent knows no such node").await;
    };
    let known = dataset.places.iter().position(|place| place.device == node.device);
    if known.is_some() && !unsure {
        return Left::Nothing;
    }
    match asked(parts, &node.name, id.name(), true).await {
        Ok(Tended { path, .. }) => {
            let place = Place { device: node.device, path };
            match known.and_then(|at| dataset.places.get_mut(at)) {
                Some(old) if *old == place && dataset.detail.is_none() => return Left::Nothing,
                Some(old) => *old = place,
                None => dataset.places.push(place),
            }
            placed(parts, id, &dataset).await
        }
        Err(why) => told(parts, id, &dataset, &why).await,
    }
}

async fn remove(parts: &KeeperParts, id: &ResourceId, mut dataset: Dataset, containers: &[Container]) -> Left {
    if dataset.places.is_empty() {
        return Left::Nothing;
    }
    let name = id.name();
    let has_it = |container: &&Container| {
        container.uses(name) && (container.desired == Desired::Running || container.instance.is_some())
    };
    if let Some(user) = containers.iter().find(has_it) {
        return told(parts, id, &dataset, &format!("the container `{}` uses it", user.name)).await;
    }
    if let Some(lease) = lease_of(parts, name) {
        return told(parts, id, &dataset, &format!("the node {} holds it", lease.node)).await;
    }
    let mut why = None;
    for place in std::mem::take(&mut dataset.places) {
        let node = place.device.strip_prefix("device/").unwrap_or(&place.device).to_owned();
        match asked(parts, &node, name, false).await {
            Ok(Tended { there: false, .. }) => {}
            Ok(_) => {
                why = Some("a container there still has it".to_owned());
                dataset.places.push(place);
            }
            Err(text) => {
                why = Some(text);
                dataset.places.push(place);
            }
        }
    }
    let Some(why) = why else { return placed(parts, id, &dataset).await };
    let _ = placed(parts, id, &dataset).await;
    told(parts, id, &dataset, &why).await
}

async fn asked(parts: &KeeperParts, node: &str, dataset: &str, wanted: bool) -> Result<Tended, String> {
    let manager = (parts.manager)().ok_or("there is no lifecycle manager: `services.enabled` is off, or it starts")?;
    let tend = Tend { node: node.to_owned(), dataset: dataset.to_owned(), wanted };
    manager.send(tend).await.map_err(|error| error.to_string())?.map_err(|error| error.text)
}

/// Writes down where it is.
async fn placed(parts: &KeeperParts, id: &ResourceId, dataset: &Dataset) -> Left {
    let changes = Map::from_iter([("places".to_owned(), json!(dataset.places))]);
    edit(parts, id, changes, &["detail"]).await
}

/// Writes down why it is not where it shall be.
async fn told(parts: &KeeperParts, id: &ResourceId, dataset: &Dataset, why: &str) -> Left {
    if dataset.detail.as_deref() != Some(why) {
        tracing::warn!(dataset = %id, why, "a dataset is not where it shall be");
        let _ = edit(parts, id, Map::from_iter([("detail".to_owned(), Value::from(why))]), &[]).await;
    }
    Left::Stuck
}

/// Changes a document of this agent.
pub(super) async fn edit(parts: &KeeperParts, id: &ResourceId, changes: Map<String, Value>, removed: &[&str]) -> Left {
    let removed = removed.iter().map(|name| (*name).to_owned()).collect();
    let edit = EditResource { id: id.clone(), changes, removed, if_match: None, by: Caller::agent() };
    match parts.writer.send(edit).await {
        Ok(Ok(_)) => Left::Nothing,
        Ok(Err(error)) => {
            tracing::warn!(%id, %error, "what became of a container or dataset cannot be stored; it is tried again");
            Left::Stuck
        }
        Err(_) => Left::Nothing,
    }
}
