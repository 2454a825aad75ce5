//! `[legacy]`: the doors of the original's agent authentication. All are shut unless an address is given.

use std::path::PathBuf;

use mf2c_domain::area::token::check_address;
use serde::{Deserialize, Serialize};

use super::address::{ListenAddress, empty_is_none};
use super::check::Check;
use super::settings::Config;
use super::words::{CauGeneration, KeyLabel};

/// The names that the original gave some of the keys in its `docker-compose.yml` and `.env`; `MF2C_*` wins over them.
pub(super) const OLD_NAMES: [(&str, &str); 4] = [
    ("CAU_URL", "legacy.cau_url"),
    ("LCAU_URL", "legacy.lcau_url"),
    ("LEADER_DC", "discovery.leader"),
    ("CHILDREN_DC", "discovery.children"),
];

/// `[legacy]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Legacy {
    /// Whether the eight certificate authorities answer at the API's address.
    pub certauths: bool,
    /// Where the regional CAU listens, if at all.
    #[serde(with = "empty_is_none")]
    pub cau: Option<ListenAddress>,
    /// Where the leader's CAU listens, if at all.
    #[serde(with = "empty_is_none")]
    pub leader_cau: Option<ListenAddress>,
    /// Where cau-client waits for its trigger, if at all.
    #[serde(with = "empty_is_none")]
    pub trigger: Option<ListenAddress>,
    /// Where identification answers, if at all.
    #[serde(with = "empty_is_none")]
    pub identification: Option<ListenAddress>,
    /// Where policies answer besides at the API's address, if anywhere.
    #[serde(with = "empty_is_none")]
    pub policies: Option<ListenAddress>,
    /// Where categorisation answers, if at all.
    #[serde(with = "empty_is_none")]
    pub categorisation: Option<ListenAddress>,
    /// Whether the doors without authentication or encryption may listen on a network.
    pub open: bool,
    /// The regional CAU that cau-client asks, `host:port`.
    pub cau_url: String,
    /// The leader's CAU that it shows its certificate to, `host:port`.
    pub lcau_url: String,
    /// How it talks to the regional CAU.
    pub cau_generation: CauGeneration,
    /// A PEM file with those who vouch for both CAUs; none: this agent's own authorities.
    #[serde(with = "empty_is_none")]
    pub cau_ca: Option<PathBuf>,
    /// A PEM file with authorities whose agents the leader's CAU admits besides this agent's own.
    #[serde(with = "empty_is_none")]
    pub leader_ca: Option<PathBuf>,
    /// The file whose first line is the join token that cau-client sends along.
    #[serde(with = "empty_is_none")]
    pub cau_token_file: Option<PathBuf>,
    /// Where cau-client keeps key, certificate and identifier.
    pub pkidata: PathBuf,
    /// How public keys are labelled in PEM.
    pub public_key_label: KeyLabel,
    /// Whose device this is.
    pub user: String,
}

impl Default for Legacy {
    fn default() -> Self {
        Self {
            certauths: false,
            cau: None,
            leader_cau: None,
            trigger: None,
            identification: None,
            policies: None,
            categorisation: None,
            open: false,
            cau_url: String::new(),
            lcau_url: String::new(),
            cau_generation: CauGeneration::default(),
            cau_ca: None,
            leader_ca: None,
            cau_token_file: None,
            pkidata: PathBuf::from("/pkidata"),
            public_key_label: KeyLabel::default(),
            user: String::new(),
        }
    }
}

impl Legacy {
    /// The doors that are open, with their keys.
    fn doors(&self) -> impl Iterator<Item = (&'static str, ListenAddress)> {
        let doors = [
            ("legacy.cau", self.cau),
            ("legacy.leader_cau", self.leader_cau),
            ("legacy.trigger", self.trigger),
            ("legacy.identification", self.identification),
            ("legacy.policies", self.policies),
            ("legacy.categorisation", self.categorisation),
        ];
        doors.into_iter().filter_map(|(key, address)| Some((key, address?)))
    }
}

impl Check<'_> {
    pub(super) fn legacy(&mut self, config: &Config) {
        let legacy = &config.legacy;
        let others = [
            ("api.listen", Some(config.api.listen)),
            ("api.http", config.api.http),
            ("link.listen", Some(config.link.listen)),
        ];
        let mut taken: Vec<(&str, ListenAddress)> =
            others.into_iter().filter_map(|(key, address)| Some((key, address?))).collect();
        for (key, address) in legacy.doors() {
            if let Some((other, _)) = taken.iter().find(|(_, other)| other.collides(address)) {
                self.refuse(key, format!("{address} is taken by `{other}`; choose another port"));
            }
            taken.push((key, address));
            if let Some(fault) = fault(key).filter(|_| !legacy.open && !address.is_loopback()) {
                let reason = format!(
                    "this door {fault}, and {address} can be reached from outside; listen on \
                     127.0.0.1, or set `legacy.open = true` where a firewall keeps others away"
                );
                self.refuse(key, reason);
            }
        }
        for (key, address) in [("legacy.cau_url", &legacy.cau_url), ("legacy.lcau_url", &legacy.lcau_url)] {
            if !address.is_empty() && check_address(address).is_err() {
                let shown: String = address.chars().take(60).collect();
                self.refuse(key, format!("`{shown}` is not HOST:PORT; write for example `10.0.0.129:46400`"));
            }
        }
        if legacy.trigger.is_some() && legacy.pkidata.as_os_str().is_empty() {
            let reason = "is empty; `legacy.trigger` keeps its key and certificate there: \"/pkidata\"";
            self.refuse("legacy.pkidata", reason.to_owned());
        }
    }
}

/// Why a door should not be reached from outside.
fn fault(key: &str) -> Option<&'static str> {
    match key {
        "legacy.trigger" | "legacy.identification" => Some("asks nobody who they are"),
        "legacy.policies" | "legacy.categorisation" => Some("takes passwords in clear text"),
        _ => None,
    }
}

/// What is no mistake, but deserves a word at the start.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let legacy = &config.legacy;
    let mut warnings = vec![];
    if legacy.trigger.is_some() && legacy.cau_url.is_empty() {
        warnings.push(
            "`legacy.trigger` is set and `legacy.cau_url` is not: cau-client can get no certificate, and every trigger \
             is answered with err1"
                .into(),
        );
    }
    if legacy.identification.is_some() && legacy.user.is_empty() {
        warnings.push(
            "`legacy.identification` is set and `legacy.user` is not: registerDevice does not know whose device this is"
                .into(),
        );
    }
    for (key, address) in legacy.doors().filter(|(_, address)| legacy.open && !address.is_loopback()) {
        if let Some(fault) = fault(key) {
            warnings.push(format!("`{key}` on {address} {fault}: keep others away with a firewall"));
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Overrides, load};

    fn loaded(text: &str, environment: &[(&str, &str)]) -> Result<(Config, String), String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.toml");
        std::fs::write(&path, text).unwrap();
        let home = [("HOME", "/home/ada")];
        let environment = home.iter().chain(environment).map(|(name, value)| ((*name).into(), (*value).into()));
        load(Some(&path), environment, Overrides::default())
            .map(|loaded| (loaded.config, loaded.warnings.join("\n")))
            .map_err(|error| error.to_string())
    }

    fn refused(text: &str) -> String {
        loaded(&format!("[legacy]\n{text}"), &[]).unwrap_err()
    }

    #[test]
    fn every_door_is_shut_by_default() {
        let (config, warnings) = loaded("", &[]).unwrap();
        assert_eq!((config.legacy.doors().count(), warnings.as_str()), (0, ""));
    }

    #[test]
    fn doors_without_authentication_open_to_this_machine_only_unless_told_otherwise() {
        for key in ["trigger", "identification"] {
            let said = refused(&format!("{key} = '0.0.0.0:46065'"));
            assert!(said.contains(&format!("`legacy.{key}`")) && said.contains("legacy.open"), "{said}");
            let (_, warnings) = loaded(&format!("[legacy]\n{key} = '0.0.0.0:46065'\nopen = true"), &[]).unwrap();
            assert!(warnings.contains("asks nobody who they are"), "{warnings}");
        }
        for key in ["policies", "categorisation"] {
            let said = refused(&format!("{key} = '0.0.0.0:46050'"));
            assert!(said.contains(&format!("`legacy.{key}`")) && said.contains("in clear text"), "{said}");
        }
        assert!(loaded("[legacy]\ncau = '0.0.0.0:46400'\nleader_cau = '0.0.0.0:46410'", &[]).is_ok());
    }

    #[test]
    fn two_doors_do_not_share_a_port() {
        assert!(refused("cau = '127.0.0.1:1'\nleader_cau = '0.0.0.0:1'").contains("taken by `legacy.cau`"));
        assert!(refused("cau = '127.0.0.1:8443'").contains("taken by `api.listen`"));
        assert!(refused("trigger = '127.0.0.1:8444'").contains("taken by `link.listen`"));
    }

    #[test]
    fn the_names_of_the_original_set_the_two_addresses_and_ours_win_over_them() {
        let old = [("CAU_URL", "10.0.0.129:46400"), ("LCAU_URL", "10.0.0.129:46410")];
        let (config, _) = loaded("[legacy]\ncau_url = 'a:1'", &old).unwrap();
        assert_eq!(
            (config.legacy.cau_url.as_str(), config.legacy.lcau_url.as_str()),
            ("10.0.0.129:46400", "10.0.0.129:46410")
        );
        let both = [old[0], ("MF2C_LEGACY_CAU_URL", "b:2")];
        assert_eq!(loaded("", &both).unwrap().0.legacy.cau_url, "b:2");
        for bad in ["10.0.0.129", "https://10.0.0.129:46400", "a:0"] {
            assert!(loaded("", &[("CAU_URL", bad)]).unwrap_err().contains("is not HOST:PORT"), "{bad}");
        }
    }
}
