//! `[legacy]`: the doors of the original's agent authentication. All are shut unless an address is given.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mf2c_domain::area::token::check_address;
use serde::{Deserialize, Serialize};
use toml::Value;

use super::address::{ListenAddress, empty_is_none};
use super::check::Check;
use super::error::Origin;
use super::quantity::HumanDuration;
use super::settings::Config;
use super::words::{CauGeneration, KeyLabel};

/// The names that the original gave some of the keys in its `docker-compose.yml` and `.env`; `MF2C_*` wins over them.
pub(super) const OLD_NAMES: [(&str, &str); 7] = [
    ("CAU_URL", "legacy.cau_url"),
    ("LCAU_URL", "legacy.lcau_url"),
    ("LEADER_DC", "discovery.leader"),
    ("CHILDREN_DC", "discovery.children"),
    ("MINIMUM_BACKUPS", "area.backups"),
    ("MAX_TTL", "area.drop_after"),
    (ATTEMPTS, ELECTION_TIMEOUT),
];
/// How many keepalives to a leader may fail before a backup takes over (`cluster.md` (d.1)): here, how many heartbeats may.
const ATTEMPTS: &str = "MAX_RETRY_ATTEMPTS";
const ELECTION_TIMEOUT: &str = "area.election_timeout";
/// The most of them: above it `area.election_timeout` is out of its range with any heartbeat.
const MOST_ATTEMPTS: u32 = 30_000;

/// Reads one of [`OLD_NAMES`] as the value of its key. None where it follows from another key: see [`settle_attempts`].
///
/// # Errors
/// What was expected instead.
pub(super) fn old_value(name: &str, text: &str) -> Result<Option<Value>, String> {
    let number = |what: &str| {
        let shown: String = text.chars().take(60).collect();
        text.parse::<u32>().map_err(|_| format!("expected {what} as a whole number, found `{shown}`"))
    };
    Ok(match name {
        "MINIMUM_BACKUPS" => Some(Value::Integer(number("how many backups")?.into())),
        "MAX_TTL" => Some(Value::String(format!("{}s", number("seconds")?))),
        ATTEMPTS => {
            let _ = attempts(number("how many heartbeats")?)?;
            None
        }
        _ => Some(Value::String(text.to_owned())),
    })
}

fn attempts(number: u32) -> Result<u32, String> {
    let reason = || format!("{number} is out of range; expected 3 to {MOST_ATTEMPTS} heartbeats");
    (3..=MOST_ATTEMPTS).contains(&number).then_some(number).ok_or_else(reason)
}

/// So many heartbeats are the election timeout, unless that is set.
pub(super) fn settle_attempts(
    config: &mut Config,
    origins: &mut BTreeMap<String, Origin>,
    environment: &BTreeMap<String, String>,
) {
    let wanted: Option<u32> = environment.get(ATTEMPTS).and_then(|text| text.trim().parse().ok());
    if let Some(number) = wanted.filter(|_| config.area.election_timeout.is_none()) {
        let millis = config.area.heartbeat().as_millis().saturating_mul(number.into());
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        config.area.election_timeout = Some(HumanDuration::from_millis(millis));
        origins.insert(ELECTION_TIMEOUT.to_owned(), Origin::Environment(ATTEMPTS.to_owned()));
    }
}

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
    pub(super) fn doors(&self) -> impl Iterator<Item = (&'static str, ListenAddress)> {
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
        for (key, address) in legacy.doors() {
            self.alone(config, key);
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
    fn the_names_of_the_original_say_how_many_backups_there_are_and_when_somebody_is_missed() {
        let old = [("MINIMUM_BACKUPS", "1"), ("MAX_TTL", "10"), ("MAX_RETRY_ATTEMPTS", "20")];
        let area = |text: &str, environment: &[(&str, &str)]| loaded(text, environment).unwrap().0.area;
        let found = area("", &old);
        assert_eq!((found.backups, found.drop_after.map(|time| time.get().as_secs())), (1, Some(10)));
        // Twenty heartbeats of 200 ms, or of a second.
        assert_eq!(found.election_timeout().as_millis(), 4000);
        assert_eq!(area("[area]\nheartbeat = '1s'", &[old[2]]).election_timeout().as_millis(), 20_000);
        // What is said in the words of today counts.
        assert_eq!(area("[area]\nelection_timeout = '3s'", &[old[2]]).election_timeout().as_millis(), 3000);
        let ours = [old[0], old[1], ("MF2C_AREA_BACKUPS", "3"), ("MF2C_AREA_DROP_AFTER", "20s")];
        let found = area("", &ours);
        assert_eq!((found.backups, found.drop_after.map(|time| time.get().as_secs())), (3, Some(20)));
        for (name, bad, said) in [
            ("MINIMUM_BACKUPS", "two", "expected how many backups as a whole number, found `two`"),
            ("MINIMUM_BACKUPS", "7", "expected 0 to 6"),
            ("MAX_TTL", "10s", "expected seconds as a whole number"),
            ("MAX_TTL", "0", "expected 1s to 1h"),
            ("MAX_RETRY_ATTEMPTS", "2", "expected 3 to 30000 heartbeats"),
            ("MAX_RETRY_ATTEMPTS", "-1", "expected how many heartbeats"),
            ("MAX_RETRY_ATTEMPTS", "30000", "expected 100ms to 10m"),
        ] {
            let refusal = loaded("", &[(name, bad)]).unwrap_err();
            assert!(refusal.contains(said) && refusal.contains(name), "{name}={bad}: {refusal}");
        }
        assert!(loaded("", &[("MAX_TTL", " ")]).is_ok());
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
