//! `[services]`: what runs services here, and where the original's endpoints for them listen besides at the API's address.

use std::path::PathBuf;

use mf2c_placement::policy::Measure;
use serde::{Deserialize, Serialize};

use super::address::{ListenAddress, empty_is_none};
use super::check::Check;
use super::settings::Config;
use super::words::OnViolation;

/// `[services]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Services {
    /// Whether services are run and placed by this agent.
    pub enabled: bool,
    /// The socket of Docker, which runs containers and applications of compose files; empty for none.
    #[serde(with = "empty_is_none")]
    pub docker_socket: Option<PathBuf>,
    /// Whether plain processes are run, which nothing isolates from the rest of the machine.
    pub process: bool,
    /// Whom plain processes run as, where that is not the agent's own user: `user`, `user:group`, or numbers.
    pub process_user: String,
    /// The folders below which services may have paths of the machine bound into them.
    pub bind_roots: Vec<PathBuf>,
    /// The devices that services may use: paths, with `*` at the end for all that begin so.
    pub devices: Vec<String>,
    /// Where images are that services name as `archive`; `archives` in the data directory where nothing is said.
    #[serde(with = "empty_is_none")]
    pub archives: Option<PathBuf>,
    /// Where secrets of services are, a folder of a tmpfs; one is found where nothing is said.
    #[serde(with = "empty_is_none")]
    pub secrets_dir: Option<PathBuf>,
    /// Whether compose files are fetched from addresses that are not on the public Internet.
    pub fetch_private: bool,
    /// What is done when what runs is more than the owner of the device lends.
    pub on_violation: OnViolation,
    /// Where the lifecycle endpoints answer besides below `/lm`, if anywhere; the original's port is 46000.
    #[serde(with = "near_is_usual")]
    pub lm_listen: Option<ListenAddress>,
    /// Where user management answers besides below `/um`, if anywhere; the original's port is 46300.
    #[serde(with = "near_is_usual")]
    pub um_listen: Option<ListenAddress>,
    /// Where the recommender answers besides below `/mf2c`, if anywhere; the original's port is 46020.
    #[serde(with = "near_is_usual")]
    pub optimal_listen: Option<ListenAddress>,
}

impl Default for Services {
    fn default() -> Self {
        Self {
            enabled: true,
            docker_socket: Some("/var/run/docker.sock".into()),
            process: false,
            process_user: String::new(),
            bind_roots: vec![],
            devices: vec![],
            archives: None,
            secrets_dir: None,
            fetch_private: false,
            on_violation: OnViolation::default(),
            lm_listen: None,
            um_listen: None,
            optimal_listen: None,
        }
    }
}

impl Services {
    /// What is done when what runs is more than the owner lends.
    #[must_use]
    pub const fn measure(&self) -> Measure {
        match self.on_violation {
            OnViolation::Warn => Measure::Warn,
            OnViolation::StopYoungest => Measure::StopYoungest,
            OnViolation::Move => Measure::Move,
        }
    }

    /// Where there are listeners, by key.
    pub(super) fn doors(&self) -> [(&'static str, Option<ListenAddress>); 3] {
        [
            ("services.lm_listen", self.lm_listen),
            ("services.um_listen", self.um_listen),
            ("services.optimal_listen", self.optimal_listen),
        ]
    }
}

impl Check<'_> {
    pub(super) fn services(&mut self, config: &Config) {
        for (key, _) in config.services.doors() {
            self.alone(config, key);
        }
        for root in config.services.bind_roots.iter().filter(|root| !root.is_absolute()) {
            self.refuse(
                "services.bind_roots",
                format!("`{}` is no absolute path: write it from `/` on", root.display()),
            );
        }
        for device in config.services.devices.iter().filter(|device| !device.starts_with("/dev/")) {
            self.refuse("services.devices", format!("`{device}` is no device: expected a path such as /dev/video0"));
        }
    }
}

/// Reads and writes an address and a port; a port alone is one of 127.0.0.1, and an empty text none.
mod near_is_usual {
    use std::net::Ipv4Addr;

    use serde::de::{Deserializer, Error};
    use serde::{Deserialize as _, Serializer};

    use super::ListenAddress;
    use crate::config::address::empty_is_none;

    pub(super) fn serialize<S: Serializer>(value: &Option<ListenAddress>, to: S) -> Result<S::Ok, S::Error> {
        empty_is_none::serialize(value, to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<ListenAddress>, D::Error> {
        let text = String::deserialize(from)?;
        match text.trim() {
            "" => Ok(None),
            text => match text.parse::<u16>() {
                Ok(port) => Ok(Some(ListenAddress((Ipv4Addr::LOCALHOST, port).into()))),
                Err(_) => text.parse().map(Some).map_err(D::Error::custom),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Services, String> {
        toml::from_str(text).map_err(|error: toml::de::Error| error.message().to_owned())
    }

    #[test]
    fn a_port_alone_is_one_of_this_machine_and_nothing_listens_unless_told() {
        assert_eq!(read("").unwrap().doors().map(|(_, address)| address), [None; 3]);
        let services = read("lm_listen = '46000'\num_listen = ''\noptimal_listen = '[::1]:46020'").unwrap();
        let shown = services.doors().map(|(_, address)| address.map(|address| address.to_string()));
        assert_eq!(shown, [Some("127.0.0.1:46000".to_owned()), None, Some("[::1]:46020".to_owned())]);
        assert!(read("lm_listen = '99999'").unwrap_err().contains("not an address and a port"));
        let written = toml::to_string(&services).unwrap();
        assert_eq!(read(&written).unwrap(), services);
    }
}
