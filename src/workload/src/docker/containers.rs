//! What is done to single containers, by their names. Whatever is done already is no error.

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::{ContainerCreateBody, ContainerInspectResponse, ContainerSummary, VolumeCreateRequest};
use bollard::query_parameters::{
    CreateContainerOptions, KillContainerOptions, ListContainersOptions, ListVolumesOptions, RemoveContainerOptions,
    RemoveVolumeOptions, StopContainerOptions,
};

use super::create::{dataset_name, seconds};
use super::engine::{Engine, is_conflict, is_done};
use crate::bounded::within;
use crate::error::BackendError;
use crate::spec::{
    LABEL_AGENT, LABEL_DATASET, LABEL_GENERATION, LABEL_INDEX, LABEL_INSTANCE, LABEL_SERVICE, Mount, Spec,
};

/// A look at one thing.
pub(crate) const LOOK: Duration = Duration::from_secs(10);
/// A look at all of them, on a slow machine with many.
pub(crate) const LIST: Duration = Duration::from_secs(30);
/// Making, starting and removing wait for the disk.
pub(crate) const WORK: Duration = Duration::from_secs(60);

impl Engine {
    /// Makes a container, or adopts the one of this name if all our labels agree.
    pub(crate) async fn create(&self, name: &str, image: &str, body: ContainerCreateBody) -> Result<(), BackendError> {
        let wanted = body.labels.clone().unwrap_or_default();
        within("creating the container", WORK, async {
            let client = self.client().await?;
            let options = CreateContainerOptions { name: Some(name.to_owned()), ..CreateContainerOptions::default() };
            match client.create_container(Some(options), body).await {
                Ok(_) => Ok(()),
                Err(error) if is_conflict(&error) => self.adopt(name, &wanted).await,
                // One that is there needs no image any more.
                Err(error) if is_missing(&error) && self.adopt(name, &wanted).await.is_ok() => Ok(()),
                Err(error) => Err(self.fault("creating the container", image, &error)),
            }
        })
        .await
    }

    async fn adopt(&self, name: &str, wanted: &HashMap<String, String>) -> Result<(), BackendError> {
        let there = self.inspect(name).await?;
        let labels = there.and_then(|there| there.config?.labels).unwrap_or_default();
        let ours =
            [LABEL_AGENT, LABEL_INSTANCE, LABEL_SERVICE, LABEL_INDEX, LABEL_GENERATION, super::create::LABEL_PART];
        if ours.iter().all(|label| labels.get(*label) == wanted.get(*label)) {
            return Ok(());
        }
        Err(BackendError::conflict(name, "a container that is not ours has this name: remove or rename it"))
    }

    pub(crate) async fn start(&self, name: &str) -> Result<(), BackendError> {
        within("starting the container", WORK, async {
            match self.client().await?.start_container(name, None).await {
                Err(error) if is_done(&error) && !is_missing(&error) => Ok(()),
                outcome => outcome.map_err(|error| self.fault("starting the container", name, &error)),
            }
        })
        .await
    }

    pub(crate) async fn stop(&self, name: &str, grace: Duration) -> Result<(), BackendError> {
        let t = i32::try_from(seconds(grace)).unwrap_or(i32::MAX);
        let limit = grace.saturating_add(WORK);
        within("stopping the container", limit, async {
            let options = StopContainerOptions { t: Some(t), ..StopContainerOptions::default() };
            match self.client().await?.stop_container(name, Some(options)).await {
                Err(error) if is_done(&error) => Ok(()),
                outcome => outcome.map_err(|error| self.fault("stopping the container", name, &error)),
            }
        })
        .await
    }

    pub(crate) async fn kill(&self, name: &str) -> Result<(), BackendError> {
        within("killing the container", WORK, async {
            let options = KillContainerOptions { signal: "KILL".to_owned() };
            match self.client().await?.kill_container(name, Some(options)).await {
                // 409: it does not run.
                Err(error) if is_done(&error) || is_conflict(&error) => Ok(()),
                outcome => outcome.map_err(|error| self.fault("killing the container", name, &error)),
            }
        })
        .await
    }

    pub(crate) async fn remove(&self, name: &str, force: bool) -> Result<(), BackendError> {
        within("removing the container", WORK, async {
            // `v`: volumes without a name are nobody's afterwards.
            let options = RemoveContainerOptions { v: true, force, link: false };
            match self.client().await?.remove_container(name, Some(options)).await {
                Err(error) if is_done(&error) => Ok(()),
                Err(error) if is_conflict(&error) && error.to_string().contains("already in progress") => Ok(()),
                outcome => outcome.map_err(|error| self.fault("removing the container", name, &error)),
            }
        })
        .await
    }

    /// A container, or nothing if it is not there.
    pub(crate) async fn inspect(&self, name: &str) -> Result<Option<ContainerInspectResponse>, BackendError> {
        within("looking at the container", LOOK, async {
            match self.client().await?.inspect_container(name, None).await {
                Ok(container) => Ok(Some(container)),
                Err(error) if is_done(&error) => Ok(None),
                Err(error) => Err(self.fault("looking at the container", name, &error)),
            }
        })
        .await
    }

    /// All containers that bear these labels, running or not.
    pub(crate) async fn containers(&self, labels: Vec<String>) -> Result<Vec<ContainerSummary>, BackendError> {
        within("listing the containers", LIST, async {
            let filters = Some(HashMap::from([("label".to_owned(), labels)]));
            let options = ListContainersOptions { all: true, filters, ..ListContainersOptions::default() };
            let listed = self.client().await?.list_containers(Some(options)).await;
            listed.map_err(|error| self.fault("listing the containers", "", &error))
        })
        .await
    }

    /// Makes the named volumes of a workload, with our labels. One that is there stays as it is.
    pub(crate) async fn create_volumes(&self, spec: &Spec) -> Result<(), BackendError> {
        for volume in &spec.volumes {
            let mut labels = vec![(LABEL_AGENT, &spec.agent), (LABEL_SERVICE, &spec.service)];
            let (owner, name) = match &volume.mount {
                Mount::Named(name) => {
                    // By this it is found when its instance is removed.
                    labels.push((LABEL_INSTANCE, &spec.instance));
                    (&spec.instance, name)
                }
                Mount::Shared(name) => (&spec.service, name),
                Mount::Dataset(name) => {
                    self.make_dataset(&spec.agent, name).await?;
                    continue;
                }
                Mount::Bind(_) => continue,
            };
            let labels = labels.into_iter().map(|(name, value)| (name.to_owned(), value.clone()));
            let request = VolumeCreateRequest {
                name: Some(super::create::volume_name(owner, name)),
                labels: Some(labels.collect()),
                ..VolumeCreateRequest::default()
            };
            within("making a volume", WORK, async {
                let made = self.client().await?.create_volume(request).await;
                made.map(drop).map_err(|error| self.fault("making a volume", name, &error))
            })
            .await?;
        }
        Ok(())
    }

    /// Makes the volume of a dataset, unless it is there; where it is on the disk of the machine.
    pub(crate) async fn make_dataset(&self, agent: &str, dataset: &str) -> Result<String, BackendError> {
        let labels = [(LABEL_AGENT, agent), (LABEL_DATASET, dataset)];
        let request = VolumeCreateRequest {
            name: Some(dataset_name(agent, dataset)),
            labels: Some(labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect()),
            ..VolumeCreateRequest::default()
        };
        within("making the volume of a dataset", WORK, async {
            let made = self.client().await?.create_volume(request).await;
            let made = made.map_err(|error| self.fault("making the volume of a dataset", dataset, &error))?;
            Ok(made.mountpoint)
        })
        .await
    }

    /// Removes the volume of a dataset. Whether it is gone: it stays while a container has it.
    pub(crate) async fn remove_dataset(&self, agent: &str, dataset: &str) -> Result<bool, BackendError> {
        within("removing the volume of a dataset", WORK, async {
            let client = self.client().await?;
            match client.remove_volume(&dataset_name(agent, dataset), None::<RemoveVolumeOptions>).await {
                Err(error) if is_conflict(&error) => Ok(false),
                Err(error) if is_done(&error) => Ok(true),
                outcome => {
                    let fault = |error| self.fault("removing the volume of a dataset", dataset, &error);
                    outcome.map(|()| true).map_err(fault)
                }
            }
        })
        .await
    }

    /// Removes the named volumes of an instance that no container uses any more.
    pub(crate) async fn remove_volumes(&self, instance: &str) -> Result<(), BackendError> {
        within("removing the volumes", WORK, async {
            let client = self.client().await?;
            let labels = vec![format!("{LABEL_INSTANCE}={instance}")];
            let options = ListVolumesOptions { filters: Some(HashMap::from([("label".to_owned(), labels)])) };
            let fault = |error| self.fault("removing the volumes", instance, &error);
            let volumes = client.list_volumes(Some(options)).await.map_err(fault)?.volumes.unwrap_or_default();
            for volume in volumes {
                match client.remove_volume(&volume.name, None::<RemoveVolumeOptions>).await {
                    // 409: another workload of the instance uses it.
                    Err(error) if is_done(&error) || is_conflict(&error) => {}
                    outcome => outcome.map_err(fault)?,
                }
            }
            Ok(())
        })
        .await
    }
}

fn is_missing(error: &bollard::errors::Error) -> bool {
    matches!(error, bollard::errors::Error::DockerResponseServerError { status_code: 404, .. })
}
