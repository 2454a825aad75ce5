//! `[link]` and `[pki]`: where other agents call, and how long certificates hold.

use std::net::IpAddr;

use mf2c_domain::area::token::check_address;
use serde::{Deserialize, Serialize};

use super::address::ListenAddress;
use super::check::Check;
use super::quantity::HumanDuration;
use super::settings::Config;

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// `[link]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Link {
    /// Where an agent that holds an authority listens for other agents.
    pub listen: ListenAddress,
    /// The `host:port` by which they find it, which tokens carry; empty: made from `listen`.
    pub advertise: String,
}

/// `[pki]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pki {
    /// How long the certificate of a member holds.
    pub leaf_life: HumanDuration,
    /// Whether a member may renew a certificate within seven days after its end.
    pub renew_after_expiry: bool,
    /// Whether members are refused while the list of revoked certificates is out of date.
    pub strict_revocation: bool,
    /// How long two roots are believed while the root changes.
    pub overlap: HumanDuration,
    /// Pause between two lists of revoked certificates.
    pub list_every: HumanDuration,
    /// How long such a list holds.
    pub list_life: HumanDuration,
}

impl Default for Link {
    fn default() -> Self {
        Self { listen: ListenAddress(([127, 0, 0, 1], 8444).into()), advertise: String::new() }
    }
}

impl Default for Pki {
    fn default() -> Self {
        Self {
            leaf_life: HumanDuration::from_secs(DAY),
            renew_after_expiry: false,
            strict_revocation: false,
            overlap: HumanDuration::from_secs(2 * DAY),
            list_every: HumanDuration::from_secs(15 * MINUTE),
            list_life: HumanDuration::from_secs(HOUR),
        }
    }
}

impl Check<'_> {
    pub(super) fn link(&mut self, config: &Config) {
        let Link { listen, advertise } = &config.link;
        let others = [("api.listen", Some(config.api.listen)), ("api.http", config.api.http)];
        for (key, _) in others.into_iter().filter(|(_, other)| other.is_some_and(|other| other.collides(*listen))) {
            self.refuse("link.listen", format!("other agents cannot share {listen} with `{key}`; choose another port"));
        }
        if advertise.is_empty() {
            return;
        }
        let shown: String = advertise.chars().take(60).collect();
        let host = advertise.rsplit_once(':').map_or("", |(host, _)| host.trim_matches(['[', ']']));
        if check_address(advertise).is_err() {
            let reason = format!("`{shown}` is not HOST:PORT; write for example `fog.example.org:8444`");
            self.refuse("link.advertise", reason);
        } else if host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified()) {
            let reason = format!("`{shown}` stands for every address of this machine; name the one that others call");
            self.refuse("link.advertise", reason);
        }
    }

    pub(super) fn pki(&mut self, config: &Config) {
        let pki = &config.pki;
        self.time("pki.leaf_life", pki.leaf_life, 5000, 7 * DAY);
        self.time("pki.overlap", pki.overlap, 1000, 90 * DAY);
        self.time("pki.list_every", pki.list_every, 1000, DAY);
        self.time("pki.list_life", pki.list_life, 2000, 7 * DAY);
        if pki.list_every >= pki.list_life {
            let reason = format!(
                "{} is not less than `pki.list_life` ({}): a list would end before the next one is there",
                pki.list_every, pki.list_life
            );
            self.refuse("pki.list_every", reason);
        }
    }
}

/// What is no mistake, but deserves a word at the start.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let unreachable = !config.link.listen.is_loopback() && {
        let host = config.link.advertise.rsplit_once(':').map_or("", |(host, _)| host.trim_matches(['[', ']']));
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    };
    let text = format!(
        "`link.advertise` is {}, where other machines find themselves: tokens made here let in agents of this machine only",
        config.link.advertise
    );
    unreachable.then_some(text).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use crate::config::{Overrides, load};

    fn outcome(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.toml");
        std::fs::write(&path, text).unwrap();
        let home = [("HOME".to_owned(), "/home/ada".to_owned())];
        match load(Some(&path), home.into_iter(), Overrides::default()) {
            Ok(loaded) => loaded.warnings.join("\n"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn an_address_to_be_called_is_a_host_and_a_port_that_others_can_reach() {
        for good in ["fog.example.org:8444", "10.0.0.5:1", "[2001:db8::1]:8444", "localhost:8444", "127.0.0.1:8444"] {
            assert_eq!(outcome(&format!("[link]\nadvertise = '{good}'")), "", "{good}");
        }
        for bad in ["fog.example.org", ":8444", "https://fog:8444", "fog:0", "fog:99999", "fo g:1", "a/b:1"] {
            let said = outcome(&format!("[link]\nadvertise = '{bad}'"));
            assert!(said.contains(&format!("`{bad}` is not HOST:PORT")), "{said}");
        }
        for wild in ["0.0.0.0:8444", "[::]:8444"] {
            let said = outcome(&format!("[link]\nadvertise = '{wild}'"));
            assert!(said.contains("name the one that others call"), "{said}");
        }
        let said = outcome("[link]\nlisten = '0.0.0.0:8444'\nadvertise = 'localhost:8444'");
        assert!(said.contains("agents of this machine only"), "{said}");
    }

    #[test]
    fn links_and_the_api_do_not_share_a_port() {
        let said = outcome("[api]\nlisten = '0.0.0.0:8444'");
        assert!(said.contains("`link.listen`") && said.contains("`api.listen`"), "{said}");
        let said = outcome("[api]\nhttp = '127.0.0.1:9'\n[link]\nlisten = '127.0.0.1:9'");
        assert!(said.contains("`api.http`"), "{said}");
        assert_eq!(outcome("[api]\nlisten = '127.0.0.1:0'\n[link]\nlisten = '127.0.0.1:0'"), "");
    }

    #[test]
    fn lives_have_bounds_and_a_list_is_renewed_before_it_ends() {
        for (text, expected) in [
            ("leaf_life = '4s'", "expected 5s to 7d"),
            ("leaf_life = '8d'", "expected 5s to 7d"),
            ("overlap = '999ms'", "expected 1s to 90d"),
            ("list_every = '1h'", "`pki.list_every`: 1h is not less than `pki.list_life` (1h)"),
            ("list_life = '1s'\nlist_every = '1s'", "expected 2s to 7d"),
            ("renew_after_expiry = 'yes'", "expected true or false"),
        ] {
            let said = outcome(&format!("[pki]\n{text}"));
            assert!(said.contains(expected), "{text}: {said}");
        }
        let good = "leaf_life = '5s'\noverlap = '1s'\nlist_every = '1s'\nlist_life = '2s'\nstrict_revocation = true";
        assert_eq!(outcome(&format!("[pki]\n{good}")), "");
    }
}
