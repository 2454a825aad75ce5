//! What the documents of the door for Flocker's clients say.

use std::collections::BTreeMap;

use mf2c_domain::time::Timestamp;
use mf2c_store::{Document, Store};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The type of containers.
pub const CONTAINER: &str = "flocker-container";
/// The type of datasets.
pub const DATASET: &str = "flocker-dataset";
/// The type of leases.
pub const LEASE: &str = "flocker-lease";

/// What shall become of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Desired {
    /// It shall run, once.
    Running,
    /// It shall be gone: nobody is shown it any more.
    Deleted,
}

/// When a container is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Never.
    #[default]
    Never,
    /// When it has failed.
    OnFailure,
    /// Whenever it has ended.
    Always,
}

/// A `flocker-container`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// The node that it shall run on.
    pub node: String,
    /// The image, with its tag.
    pub image: String,
    /// Ports inside, with those of the node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortPair>,
    /// Variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// When it is started again.
    #[serde(default)]
    pub restart: Restart,
    /// So often at most, after failures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u64>,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Its weight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_shares: Option<u64>,
    /// Main memory in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<u64>,
    /// The dataset that it works with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Volume>,
    /// Ports of others that it is told of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// Whose it is.
    pub user: String,
    /// Whether he has no account here, and is trusted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trusted: bool,
    /// What shall become of it.
    pub desired: Desired,
    /// How often it was launched.
    pub launches: u64,
    /// The service instance that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The node that the instance was launched for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placed: Option<String>,
    /// The instance that it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaving: Option<String>,
    /// Why it is not carried out, or does not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A port inside with the one of the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortPair {
    /// Inside.
    pub internal: u16,
    /// Of the node.
    pub external: u16,
}

/// A dataset in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Which.
    pub dataset: String,
    /// Where.
    pub mountpoint: String,
}

/// A port of another container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// What the other is called.
    pub alias: String,
    /// The port that variables speak of.
    pub local_port: u16,
    /// The external port of the other.
    pub remote_port: u16,
}

impl Container {
    /// Whether it works with a dataset.
    #[must_use]
    pub fn uses(&self, dataset: &str) -> bool {
        self.volumes.iter().any(|volume| volume.dataset == dataset)
    }

    /// Whether nothing may be begun that is like it before it is gone: both would want the same.
    #[must_use]
    pub fn is_in_the_way_of(&self, other: &Self) -> bool {
        let port = |pair: &PortPair| other.ports.iter().any(|its| its.external == pair.external);
        self.name == other.name
            || self.ports.iter().any(port)
            || self.volumes.iter().any(|volume| other.uses(&volume.dataset))
    }
}

/// A `flocker-dataset`. Its id is the name of the document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dataset {
    /// The node that it shall be on.
    pub primary: String,
    /// The client's own.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// How large it may become, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_size: Option<u64>,
    /// Whether it shall be gone.
    pub deleted: bool,
    /// Where it is.
    #[serde(default)]
    pub places: Vec<Place>,
    /// Why it is not where it shall be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Dataset {
    /// Whether it is deleted and has no volume anywhere: what is left of it says no more than that it was.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.deleted && self.places.is_empty()
    }
}

/// Where a dataset is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The device.
    pub device: String,
    /// The folder on its disk.
    #[serde(default)]
    pub path: String,
}

/// A `flocker-lease`. The dataset is the name of the document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who holds it.
    pub node: String,
    /// When it ends; never where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

impl Lease {
    /// The end; none where there is none.
    #[must_use]
    pub fn end(&self) -> Option<Timestamp> {
        self.until.as_deref().and_then(Timestamp::parse)
    }

    /// Whether it still holds.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.end().is_none_or(|end| now < end)
    }
}

/// Reads a document; none if it is gone, or something else.
#[must_use]
pub fn read<T: DeserializeOwned>(store: &Store, document: &Document) -> Option<T> {
    serde_json::from_slice(&store.body(document).ok()??).ok()
}

/// What is to be stored.
#[must_use]
pub fn attributes<T: Serialize>(of: &T) -> Map<String, Value> {
    serde_json::to_value(of).ok().and_then(|value| value.as_object().cloned()).unwrap_or_default()
}
