//! `[services]`: where the original's endpoints for services listen besides at the API's address.

use serde::{Deserialize, Serialize};

use super::address::ListenAddress;
use super::check::Check;
use super::settings::Config;

/// `[services]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Services {
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

impl Services {
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
