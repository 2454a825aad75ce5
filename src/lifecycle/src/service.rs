//! What a `service` says of how it runs, read from its document once it is accepted. The original's attributes stand beside those
//! that are new here; what is missing has the value that harms least.

mod faults;
mod parts;
mod shape;

use std::collections::BTreeMap;
use std::time::Duration;

pub use faults::{Fault, Faults};
pub use parts::{Limits, Mount, Pull, Reschedule, Secret, SecretPlace, Update, Volume};

use crate::health::HealthCheck;
use crate::restart::RestartPolicy;

/// What runs a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Backend {
    /// One container.
    Docker,
    /// A container that answers as a worker of COMPSs.
    Compss,
    /// Containers by a compose file.
    Compose,
    /// A program of the machine.
    Process,
    /// Not supported by any agent: known so that the answer can say so.
    Swarm,
    /// Not supported either.
    Kubernetes,
}

impl Backend {
    /// Reads an `exec_type`.
    #[must_use]
    pub fn read(exec_type: &str) -> Option<Self> {
        Some(match exec_type {
            "docker" => Self::Docker,
            "compss" => Self::Compss,
            "docker-compose" => Self::Compose,
            "process" => Self::Process,
            "docker-swarm" | "docker-compose-swarm" => Self::Swarm,
            "kubernetes" | "K8s" => Self::Kubernetes,
            _ => return None,
        })
    }

    /// What a device must offer for it, in the words of its capabilities; none where nobody does.
    #[must_use]
    pub fn capability(self) -> Option<&'static str> {
        match self {
            Self::Docker | Self::Compss => Some("docker"),
            Self::Compose => Some("compose"),
            Self::Process => Some("process"),
            Self::Swarm | Self::Kubernetes => None,
        }
    }
}

/// A service that can be run.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Its id.
    pub id: String,
    /// The name under which people choose it.
    pub name: String,
    /// What runs it.
    pub backend: Backend,
    /// An image, a program, or where a compose file is.
    pub exec: String,
    /// The ports inside that are published.
    pub ports: Vec<u16>,
    /// Ports inside with the ports of the machine where they are reached.
    pub publish: Vec<(u16, u16)>,
    /// On how many agents; none: one, or all for COMPSs.
    pub num_agents: Option<u32>,
    /// Replaces the image's entry point.
    pub entrypoint: Option<Vec<String>>,
    /// Arguments.
    pub command: Vec<String>,
    /// The environment.
    pub environment: BTreeMap<String, String>,
    /// From credentials.
    pub secrets: Vec<Secret>,
    /// What it sees of the disk.
    pub volumes: Vec<Volume>,
    /// Devices of the machine, by their paths.
    pub devices: Vec<String>,
    /// Whom it runs as.
    pub user: Option<String>,
    /// Where it starts.
    pub working_dir: Option<String>,
    /// When it is started again.
    pub restart: RestartPolicy,
    /// How its health is checked.
    pub health: Option<HealthCheck>,
    /// What it may use.
    pub limits: Limits,
    /// When its image is fetched.
    pub pull: Pull,
    /// The credential for the registry.
    pub registry: Option<String>,
    /// A file to load the image from, below the agent's folder for such.
    pub archive: Option<String>,
    /// How long it may take to end.
    pub stop_grace: Duration,
    /// What becomes of it when its agent is lost.
    pub reschedule: Reschedule,
    /// How a new version takes the place of an old one.
    pub update: Update,
}

#[cfg(test)]
mod tests;
