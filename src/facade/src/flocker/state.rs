//! `/v1/state`: what is there, as agents tell it.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use mf2c_actors::flocker::documents::{CONTAINER, Container, DATASET, Dataset, read};
use mf2c_actors::flocker::nodes::{Node, nodes};
use serde::Deserialize;
use serde_json::{Value, json};

use super::containers::shown;
use super::refusal::Refusal;
use super::{Answered, Call};

/// States of a part that there is nothing of.
const ABSENT: [&str; 5] = ["created-not-initialized", "deploying", "waiting", "terminated", "??"];
/// States of a part that runs.
const RUNNING: [&str; 3] = ["started", "degraded", "stopping"];

#[derive(Deserialize)]
struct Instance {
    #[serde(default)]
    agents: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    device_id: String,
    #[serde(default)]
    status: String,
}

impl Call<'_> {
    /// The containers that are there, also those that shall not be any more.
    pub(super) fn running_containers(&self) -> HttpResponse {
        let (nodes, store) = (self.live_nodes(), self.store());
        let mut all: Vec<(String, Value)> = vec![];
        for found in self.seen::<Container>(CONTAINER) {
            for instance in [&found.is.instance, &found.is.leaving].into_iter().flatten() {
                let document = store.get(instance).filter(|document| document.acl.can_view(self.caller()));
                let Some(instance) = document.and_then(|document| read::<Instance>(store, &document)) else { continue };
                let there = instance.agents.iter().filter(|part| !ABSENT.contains(&part.status.as_str()));
                for (part, node) in there.filter_map(|part| Some((part, nodes.get(part.device_id.as_str())?))) {
                    let mut state = shown(&found.is);
                    state["node_uuid"] = node.uuid.clone().into();
                    state["running"] = RUNNING.contains(&part.status.as_str()).into();
                    all.push((found.is.name.clone(), state));
                }
            }
        }
        all.sort_by(|one, other| one.0.cmp(&other.0));
        HttpResponse::Ok().json(all.into_iter().map(|(_, state)| state).collect::<Vec<_>>())
    }

    /// The datasets whose volumes are there.
    pub(super) fn present_datasets(&self) -> HttpResponse {
        let nodes = self.live_nodes();
        let mut all: Vec<(String, Value)> = vec![];
        for found in self.seen::<Dataset>(DATASET) {
            let places = || found.is.places.iter().filter_map(|place| Some((place, nodes.get(place.device.as_str())?)));
            let primary = places().find(|(_, node)| node.uuid == found.is.primary);
            let Some((place, node)) = primary.or_else(|| places().next_back()) else { continue };
            let id = found.document.id.name().to_owned();
            let state = json!({ "dataset_id": id, "primary": node.uuid, "path": place.path });
            all.push((id, state));
        }
        all.sort_by(|one, other| one.0.cmp(&other.0));
        HttpResponse::Ok().json(all.into_iter().map(|(_, state)| state).collect::<Vec<_>>())
    }

    /// Everybody is told where containers can be put, as by the explanations of the lifecycle manager.
    pub(super) fn nodes(&self) -> HttpResponse {
        let nodes = nodes(self.store());
        let live = nodes.iter().filter(|node| node.is_live);
        let shown = live.filter_map(|node| Some(json!({ "host": node.host?.to_string(), "uuid": node.uuid })));
        HttpResponse::Ok().json(shown.collect::<Vec<Value>>())
    }

    pub(super) fn node_by_era(&self, era: &str) -> Answered {
        let nodes = nodes(self.store());
        let is_it = |node: &&Node| node.era.as_ref().is_some_and(|known| known.eq_ignore_ascii_case(era));
        let found = nodes.iter().filter(|node| node.is_live).find(is_it);
        let found = found.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "No node found with given era."))?;
        Ok(HttpResponse::Ok().json(json!({ "uuid": found.uuid })))
    }

    /// The nodes that are in touch, by their devices.
    fn live_nodes(&self) -> BTreeMap<String, Node> {
        let live = nodes(self.store()).into_iter().filter(|node| node.is_live);
        live.map(|node| (node.device.clone(), node)).collect()
    }
}
