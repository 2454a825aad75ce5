//! The engine part of an application: networks, and the containers that are its parts.

use std::collections::HashMap;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::{NetworkConnectRequest, NetworkCreateRequest};
use bollard::query_parameters::ListNetworksOptions;

use super::application::Condition;
use super::plan::{LABEL_PARTS, Made, container_name, in_order, needs, together};
use crate::bounded::within;
use crate::docker::DockerBackend;
use crate::docker::containers::{LIST, LOOK, WORK};
use crate::docker::create::endpoint;
use crate::docker::engine::{is_conflict, is_done};
use crate::docker::inspect;
use crate::error::BackendError;
use crate::observed::{Handle, Health, Inspection, Part, State};
use crate::spec::{LABEL_GENERATION, LABEL_INDEX, LABEL_INSTANCE, Spec};

/// A part that others wait for has so long to become healthy.
const HEALTHY: Duration = Duration::from_secs(300);
/// It is looked at so often: the engine itself runs its check.
const GLANCE: Duration = Duration::from_millis(100);

/// The labels by which all of a workload is found.
fn filters(handle: &Handle) -> Vec<String> {
    vec![
        format!("{LABEL_INSTANCE}={}", handle.instance),
        format!("{LABEL_INDEX}={}", handle.index),
        format!("{LABEL_GENERATION}={}", handle.generation),
    ]
}

impl DockerBackend {
    /// Makes a network, unless it is there and ours.
    pub(super) async fn make_network(&self, name: &str, spec: &Spec) -> Result<(), BackendError> {
        let labels: HashMap<String, String> = spec.labels().into_iter().collect();
        within("making a network", WORK, async {
            let client = self.engine.client().await?;
            let fault = |error: Error| self.engine.fault("making a network", name, &error);
            match client.inspect_network(name, None).await {
                Ok(there) if there.labels.as_ref() == Some(&labels) => return Ok(()),
                Ok(_) => return Err(BackendError::conflict(name, "a network that is not ours has this name")),
                Err(error) if is_done(&error) => {}
                Err(error) => return Err(fault(error)),
            }
            let wanted =
                NetworkCreateRequest { name: name.to_owned(), labels: Some(labels), ..NetworkCreateRequest::default() };
            client.create_network(wanted).await.map(drop).map_err(fault)
        })
        .await
    }

    /// Puts a container into further networks: some engines take only one when it is made.
    pub(super) async fn connect(
        &self,
        container: &str,
        networks: &[(String, Vec<String>)],
    ) -> Result<(), BackendError> {
        for (network, aliases) in networks {
            within("joining a network", WORK, async {
                let client = self.engine.client().await?;
                let wanted =
                    NetworkConnectRequest { container: container.to_owned(), endpoint_config: Some(endpoint(aliases)) };
                match client.connect_network(network, wanted).await {
                    Err(Error::DockerResponseServerError { message, .. })
                        if message.contains("already exists in network") =>
                    {
                        Ok(())
                    }
                    outcome => outcome.map_err(|error| self.engine.fault("joining a network", network, &error)),
                }
            })
            .await?;
        }
        Ok(())
    }

    /// Removes the networks of a workload.
    pub(super) async fn remove_networks(&self, handle: &Handle) -> Result<(), BackendError> {
        within("removing the networks", WORK, async {
            let client = self.engine.client().await?;
            let fault = |error: Error| self.engine.fault("removing the networks", &handle.name(), &error);
            let options = ListNetworksOptions { filters: Some(HashMap::from([("label".to_owned(), filters(handle))])) };
            for network in client.list_networks(Some(options)).await.map_err(fault)? {
                let name = network.id.or(network.name).unwrap_or_default();
                match client.remove_network(&name).await {
                    // 403 and 409: a container that is not ours was put into it.
                    Err(error) if is_done(&error) || is_conflict(&error) => {}
                    Err(Error::DockerResponseServerError { status_code: 403, .. }) => {}
                    outcome => outcome.map_err(fault)?,
                }
            }
            Ok(())
        })
        .await
    }

    /// The parts of a workload, in the order in which they start.
    pub(super) async fn parts(&self, handle: &Handle) -> Result<Vec<Made>, BackendError> {
        handle.checked()?;
        let found = self.engine.containers(filters(handle)).await?;
        let made = found.into_iter().filter_map(|it| Made::of(it.id?, it.labels.unwrap_or_default()));
        Ok(in_order(made.collect()))
    }

    /// How a workload is, or nothing if none of its parts is there.
    pub(super) async fn whole(&self, parts: Vec<Made>) -> Result<Option<Inspection>, BackendError> {
        let Some(first) = parts.first() else { return Ok(None) };
        let expected = first.labels.get(LABEL_PARTS).and_then(|count| count.parse().ok()).unwrap_or(parts.len());
        let mut looked = vec![];
        for made in parts {
            // One that is removed meanwhile is missing.
            if let Some(container) = within("looking at the parts", LIST, self.engine.inspect(&made.id)).await? {
                looked.push(Part { name: made.part, inspection: inspect::inspection(&container) });
            }
        }
        Ok(Some(together(looked, expected)))
    }

    /// Starts the parts one after the other, as long as that is wanted; each waits for what it depends on.
    pub(super) async fn start_parts(
        &self,
        handle: &Handle,
        parts: &[Made],
        is_wanted: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<(), BackendError> {
        for made in parts {
            for (other, condition) in needs(&made.labels) {
                if condition == Condition::Healthy {
                    let name = container_name(handle, &other);
                    let healthy = self.wait_for_health(&name, &other, is_wanted);
                    within("waiting for a healthy part", HEALTHY, healthy).await?;
                }
            }
            if !is_wanted() {
                return Err(unwanted());
            }
            self.begin(&made.id).await?;
        }
        Ok(())
    }

    async fn wait_for_health(
        &self,
        name: &str,
        part: &str,
        is_wanted: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<(), BackendError> {
        while is_wanted() {
            let container = within("looking at a part", LOOK, self.engine.inspect(name)).await?;
            let seen = container.map(|container| inspect::inspection(&container));
            let failed = |why: &str| BackendError::Failed {
                what: "starting the application",
                why: format!("its part `{part}` {why}"),
            };
            match seen {
                None => return Err(failed("is gone")),
                Some(seen) if seen.health == Some(Health::Healthy) => return Ok(()),
                Some(seen) if seen.health == Some(Health::Unhealthy) => return Err(failed("is unhealthy")),
                Some(seen) if matches!(seen.state, State::Exited { .. }) => return Err(failed("has ended")),
                Some(_) => tokio::time::sleep(GLANCE).await,
            }
        }
        Err(unwanted())
    }
}

fn unwanted() -> BackendError {
    BackendError::Failed { what: "starting the application", why: "nobody wants it any more".to_owned() }
}
