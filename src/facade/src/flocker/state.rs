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
/// States of a part that runs, also against what it should.
const RUNNING: [&str; 4] = ["started", "degraded", "stopping", "error-stopping"];

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
    #[serde(default)]
    exit_code: Option<f64>,
}

impl Part {
    /// Whether the engine has something of it. What has failed was there if it has ended: otherwise it never was, for its image could
    /// not be had, for example.
    fn is_there(&self) -> bool {
        let is_missing = ABSENT.contains(&self.status.as_str()) || self.status == "error" && self.exit_code.is_none();
        !is_missing
    }

    fn runs(&self) -> bool {
        RUNNING.contains(&self.status.as_str())
    }
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
                let there = instance.agents.iter().filter(|part| part.is_there());
                for (part, node) in there.filter_map(|part| Some((part, nodes.get(part.device_id.as_str())?))) {
                    let mut state = shown(&found.is);
                    state["node_uuid"] = node.uuid.clone().into();
                    state["running"] = part.runs().into();
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
            let mut state = json!({ "dataset_id": id, "primary": node.uuid, "path": place.path });
            if let Some(size) = found.is.maximum_size {
                state["maximum_size"] = size.into();
            }
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

#[cfg(test)]
mod tests {
    use mf2c_lifecycle::AgentStatus as A;

    use super::*;

    #[test]
    fn what_the_engine_has_is_told_from_what_it_never_had() {
        let told = |status: A, exit: Value| {
            let part: Part = serde_json::from_value(json!({ "status": status.name(), "exit_code": exit })).unwrap();
            (part.is_there(), part.runs())
        };
        for status in [A::Created, A::Deploying, A::Waiting, A::Terminated, A::Unknown, A::Error] {
            assert_eq!(told(status, Value::Null), (false, false), "{status:?}");
        }
        assert_eq!(told(A::Error, json!(1.0)), (true, false));
        for status in [A::Started, A::Degraded, A::Stopping, A::ErrorStopping] {
            assert_eq!(told(status, Value::Null), (true, true), "{status:?}");
        }
        for status in [A::Stopped, A::Starting, A::Terminating] {
            assert_eq!(told(status, json!(0.0)), (true, false), "{status:?}");
        }
    }
}
