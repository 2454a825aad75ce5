//! `[discovery]`: how agents nearby are found, and what this one tells them.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;

use mf2c_domain::area::addresses::{address, addresses};
use mf2c_domain::area::beacon::{Level, Service, ServiceKind};
use mf2c_domain::area::wifi::check_interface;
use serde::{Deserialize, Serialize};

use super::address::{ListenAddress, empty_is_none};
use super::check::Check;
use super::quantity::HumanDuration;
use super::settings::Config;
use super::words::{Offer, Urgency};

/// `[discovery]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Discovery {
    /// Whether a member of an area sends beacons and listens for them.
    pub beacon: bool,
    /// Whether it does the same by mDNS.
    pub mdns: bool,
    /// The multicast group and port of beacons.
    pub group: String,
    /// The IPv4 address of the network card for beacons and mDNS; empty: that of `link.listen`.
    pub interface: String,
    /// The pause between two beacons of a leader.
    pub interval: HumanDuration,
    /// Where the leader is said to be, `host:port`.
    pub leader: String,
    /// Where children are said to be, `host:port;host:port`.
    pub children: String,
    /// A file with lines `LEADER_DC=` and `CHILDREN_DC=`, which count where the two keys above are empty.
    #[serde(with = "empty_is_none")]
    pub env_file: Option<PathBuf>,
    /// What a leader says that it offers.
    pub service: Offer,
    /// What it says that it pays, in EUR.
    pub reward: u8,
    /// How much it says that it wants others to come.
    pub urgency: Urgency,
    /// Where the original's REST interface of discovery listens, if at all; its own port is 46040.
    #[serde(with = "empty_is_none")]
    pub listen: Option<ListenAddress>,
    /// The Wi-Fi card that may be used; empty: none.
    pub wifi: String,
}

impl Default for Discovery {
    fn default() -> Self {
        Self {
            beacon: true,
            mdns: false,
            group: "239.255.46.40:46040".to_owned(),
            interface: String::new(),
            interval: HumanDuration::from_secs(1),
            leader: String::new(),
            children: String::new(),
            env_file: None,
            service: Offer::default(),
            reward: 5,
            urgency: Urgency::default(),
            listen: None,
            wifi: String::new(),
        }
    }
}

impl Discovery {
    /// The group of beacons; none where it is none.
    #[must_use]
    pub fn group(&self) -> Option<SocketAddrV4> {
        self.group.parse().ok().filter(|group: &SocketAddrV4| group.ip().is_multicast() && group.port() > 0)
    }

    /// The network card: the one of `interface`, else the one where links are taken. Whoever takes links on this machine
    /// only neither tells nor hears others.
    #[must_use]
    pub fn card(&self, link: ListenAddress) -> Ipv4Addr {
        let near = if link.is_loopback() { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED };
        self.interface.parse().unwrap_or(match link.0.ip() {
            std::net::IpAddr::V4(address) if !link.is_loopback() => address,
            _ => near,
        })
    }

    /// What a leader offers.
    #[must_use]
    pub const fn offer(&self) -> Service {
        let (level, kind) = match self.service {
            Offer::HighStorage => (Level::High, ServiceKind::Storage),
            Offer::MediumStorage => (Level::Medium, ServiceKind::Storage),
            Offer::LowStorage => (Level::Low, ServiceKind::Storage),
            Offer::HighBandwidth => (Level::High, ServiceKind::Bandwidth),
            Offer::MediumBandwidth => (Level::Medium, ServiceKind::Bandwidth),
            Offer::LowBandwidth => (Level::Low, ServiceKind::Bandwidth),
            Offer::HighProcessing => (Level::High, ServiceKind::Processing),
            Offer::MediumProcessing => (Level::Medium, ServiceKind::Processing),
            Offer::LowProcessing => (Level::Low, ServiceKind::Processing),
        };
        Service { level, kind }
    }

    /// How much it wants others to come.
    #[must_use]
    pub const fn level(&self) -> Level {
        match self.urgency {
            Urgency::High => Level::High,
            Urgency::Medium => Level::Medium,
            Urgency::Low => Level::Low,
        }
    }
}

impl Check<'_> {
    pub(super) fn discovery(&mut self, config: &Config) {
        let discovery = &config.discovery;
        self.time("discovery.interval", discovery.interval, 100, 60);
        if discovery.group().is_none() {
            let shown: String = discovery.group.chars().take(60).collect();
            let reason = format!("`{shown}` is no multicast group; write for example `239.255.46.40:46040`");
            self.refuse("discovery.group", reason);
        }
        if !discovery.interface.is_empty() && discovery.interface.parse::<Ipv4Addr>().is_err() {
            let shown: String = discovery.interface.chars().take(60).collect();
            let reason = format!("`{shown}` is no IPv4 address of a network card; write for example `192.168.1.5`");
            self.refuse("discovery.interface", reason);
        }
        if !discovery.leader.is_empty()
            && let Err(error) = address(&discovery.leader)
        {
            self.refuse("discovery.leader", error.to_string());
        }
        if let Err(error) = addresses(&discovery.children) {
            self.refuse("discovery.children", error.to_string());
        }
        if !discovery.wifi.is_empty()
            && let Err(error) = check_interface(&discovery.wifi)
        {
            self.refuse("discovery.wifi", error.to_string());
        }
        self.door_of_discovery(config);
    }

    fn door_of_discovery(&mut self, config: &Config) {
        self.alone(config, "discovery.listen");
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use crate::config::{Config, Overrides, load};

    fn loaded(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.toml");
        std::fs::write(&path, text).unwrap();
        let home = [("HOME", "/home/ada")];
        let environment = home.iter().chain(environment).map(|(name, value)| ((*name).into(), (*value).into()));
        load(Some(&path), environment, Overrides::default())
            .map(|loaded| loaded.config)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_names_of_the_guide_set_the_two_lists_and_ours_win_over_them() {
        let old = [("LEADER_DC", "10.0.0.5:8444"), ("CHILDREN_DC", "host1:1;[::1]:2")];
        let config = loaded("[discovery]\nleader = 'a:1'", &old).unwrap();
        assert_eq!(config.discovery.leader, "10.0.0.5:8444");
        assert_eq!(config.discovery.children, "host1:1;[::1]:2");
        let both = [old[0], ("MF2C_DISCOVERY_LEADER", "b:2")];
        assert_eq!(loaded("", &both).unwrap().discovery.leader, "b:2");
        let said = loaded("", &[("CHILDREN_DC", "host1:1;host2")]).unwrap_err();
        assert!(said.contains("environment CHILDREN_DC") && said.contains("address 2, `host2`"), "{said}");
        let said = loaded("", &[("LEADER_DC", "host1")]).unwrap_err();
        assert!(said.contains("`discovery.leader`: `host1` is not HOST:PORT"), "{said}");
    }

    #[test]
    fn who_takes_links_on_this_machine_only_is_not_told_of_elsewhere() {
        let card = |text: &str| {
            let config = loaded(text, &[]).unwrap();
            config.discovery.card(config.link.listen)
        };
        assert_eq!(card(""), Ipv4Addr::LOCALHOST);
        assert_eq!(card("[link]\nlisten = '[::1]:8444'"), Ipv4Addr::LOCALHOST);
        assert_eq!(card("[link]\nlisten = '0.0.0.0:8444'"), Ipv4Addr::UNSPECIFIED);
        assert_eq!(card("[link]\nlisten = '[::]:8444'"), Ipv4Addr::UNSPECIFIED);
        assert_eq!(card("[link]\nlisten = '10.0.0.5:8444'"), Ipv4Addr::new(10, 0, 0, 5));
        assert_eq!(card("[discovery]\ninterface = '10.0.0.6'"), Ipv4Addr::new(10, 0, 0, 6));
    }

    #[test]
    fn what_is_wrong_is_named_with_what_was_expected() {
        for (text, expected) in [
            ("group = '10.0.0.1:46040'", "is no multicast group"),
            ("group = '239.1.1.1:0'", "is no multicast group"),
            ("group = '239.1.1.1'", "is no multicast group"),
            ("interface = 'eth0'", "`eth0` is no IPv4 address"),
            ("interval = '99ms'", "expected 100ms to 1m"),
            ("wifi = '-i'", "no name of a network interface"),
            ("reward = 256", "discovery.reward"),
            ("service = 'high-strage'", "did you mean `high-storage`?"),
            ("urgency = 'very'", "is none of high, medium, low"),
            ("listen = '127.0.0.1:8443'", "taken by `api.listen`"),
            ("listen = '127.0.0.1:46050'\n[legacy]\npolicies = '127.0.0.1:46050'", "taken by `legacy.policies`"),
            (
                "listen = '127.0.0.1:46070'\n[legacy]\ncategorisation = '127.0.0.1:46070'",
                "taken by `legacy.categorisation`",
            ),
        ] {
            let said = loaded(&format!("[discovery]\n{text}"), &[]).unwrap_err();
            assert!(said.contains(expected), "{text}: {said}");
        }
    }
}
