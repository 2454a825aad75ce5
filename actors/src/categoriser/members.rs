//! What `area-member` documents say: how they are read, and what is written into them.

use std::net::IpAddr;

use mf2c_domain::area::name;
use mf2c_domain::area::presence::{Presence, Status};
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::{AreaRole, Standing};
use mf2c_domain::time::Timestamp;
use serde_json::{Map, Value, json};

use super::ledger::Node;
use super::records::Record;
use crate::ports::OpenLink;

/// So many characters of a `deviceID` name a member.
const NAME_LENGTH: usize = 32;
/// Clocks that differ by more are noted, in milliseconds.
const NOTED_SKEW: u64 = 60_000;

/// What a leader calls an agent: the beginning of its `deviceID`.
pub(super) fn member_name(id: &SpiffeId) -> Option<String> {
    name_of(id.device()?)
}

/// The same of a `deviceID`.
pub(super) fn name_of(device: &str) -> Option<String> {
    let name: String = device.chars().take(NAME_LENGTH).map(|c| c.to_ascii_lowercase()).collect();
    let name = name.trim_matches(['-', '_']);
    (!name.is_empty()).then(|| name.to_owned())
}

/// What a leader calls somebody of whom only the address is known.
pub(super) fn expected_name(address: &str) -> String {
    let plain: String = address.chars().take(100).map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    format!("expected-{}", plain.trim_matches('-').to_ascii_lowercase()).trim_end_matches('-').to_owned()
}

/// The id of the `area-member` about an agent. Each leader's documents have ids of their own: while the leadership moves,
/// those of the former one and of the new one travel at the same time.
pub(super) fn document_id(name: &str, leader: &str) -> String {
    let leader: String = leader.chars().take(8).collect();
    format!("area-member/{name}-{leader}")
}

/// An agent of the area, as its leader knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) id: SpiffeId,
    pub(super) node: Option<Node>,
    /// What people call it.
    pub(super) name: Option<String>,
    /// Where it takes links, `host:port`; empty where it takes none.
    pub(super) address: String,
    /// The address that it comes from.
    pub(super) ip: Option<IpAddr>,
    /// How far its clock differs, in milliseconds, where that is worth a note.
    pub(super) skew: Option<u64>,
    pub(super) trouble: Option<String>,
}

impl Member {
    /// Who is at the other end of a link.
    pub(super) fn of(link: &OpenLink, now: Timestamp) -> Self {
        let skew = now.millis().abs_diff(link.hello.clock);
        Self {
            id: link.peer.id.clone(),
            node: node_of(&link.hello.origin.0),
            name: name::of_features(&link.hello.features).map(str::to_owned),
            address: address_of(link),
            ip: Some(link.address.ip().to_canonical()),
            skew: (skew > NOTED_SKEW).then_some(skew),
            trouble: None,
        }
    }

    /// Who an earlier record tells of.
    pub(super) fn recalled(record: &Record) -> Option<Self> {
        Some(Self {
            id: record.agent.parse().ok()?,
            node: Some(record.node.clone()).filter(|node| !node.is_empty()),
            name: Some(record.name.clone()).filter(|name| name::check(name).is_ok()),
            address: record.address.clone(),
            ip: None,
            skew: None,
            trouble: Some(record.trouble.clone()).filter(|trouble| !trouble.is_empty()),
        })
    }

    /// The attributes of its `area-member`.
    pub(super) fn attributes(&self, presence: &Presence, standing: &Standing) -> Map<String, Value> {
        let role = role_of(&self.id, standing);
        let device = self.id.device().unwrap_or_default();
        let mut all = json!({
            "name": self.name.as_deref().unwrap_or_else(|| name::short(device)),
            "agent": self.id.to_string(),
            "device": device,
            "area": self.id.area().unwrap_or_default(),
            "address": self.address,
            "role": role.as_str(),
            "status": presence.status().as_str(),
        });
        // Within the first seconds it may be calling again: nothing is said yet.
        if let Some(contact) = presence.last_contact().filter(|_| presence.status() != Status::Connected) {
            all["lastContact"] = contact.to_string().into();
            all["staleSince"] = contact.to_string().into();
        }
        if role == AreaRole::Leader {
            all["term"] = standing.term.into();
        }
        if let Some(node) = &self.node {
            all["node"] = node.as_str().into();
        }
        if let Some(skew) = self.skew {
            all["clockSkewMillis"] = skew.into();
        }
        if let Some(trouble) = &self.trouble {
            all["trouble"] = trouble.as_str().into();
        }
        object(all)
    }
}

/// The attributes of the `area-member` of somebody who is looked for and has not come.
pub(super) fn expected_attributes(address: &str, area: &str) -> Map<String, Value> {
    object(json!({
        "name": address, "agent": "unknown", "device": "unknown", "area": area, "address": address,
        "role": "agent", "status": "unavailable", "expected": true,
    }))
}

/// What an agent is in the area.
fn role_of(id: &SpiffeId, standing: &Standing) -> AreaRole {
    if standing.is_led_by(id) {
        AreaRole::Leader
    } else if standing.backups.iter().any(|backup| backup.id == *id) {
        AreaRole::Backup
    } else {
        AreaRole::Agent
    }
}

/// The name of the node whose 16 bytes a Hello holds.
pub(super) fn node_of(origin: &[u8]) -> Option<Node> {
    origin.try_into().ok().map(|node| mf2c_store::node_name(&node))
}

/// Where the other end of a link takes links itself. What it says of its port counts, what it says of its host only where
/// it is a name.
fn address_of(link: &OpenLink) -> String {
    if !link.accepted {
        return link.address.to_string();
    }
    let listen = link.hello.listen.trim();
    if let Ok(port) = listen.parse::<u16>() {
        return std::net::SocketAddr::new(link.address.ip().to_canonical(), port).to_string();
    }
    let good = mf2c_domain::area::token::check_address(listen).is_ok();
    if good { listen.to_owned() } else { String::new() }
}

/// The host of an address: what stands before its port, without brackets.
pub(super) fn host(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(attributes) => attributes,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(device: &str) -> SpiffeId {
        format!("spiffe://d/area/a1/agent/{device}").parse().unwrap()
    }

    #[test]
    fn a_member_is_named_by_the_beginning_of_its_device() {
        assert_eq!(member_name(&id(&"AB12".repeat(32))).unwrap(), "ab12".repeat(8));
        assert_eq!(member_name(&id("edge-7")).unwrap(), "edge-7");
        assert_eq!(member_name(&id("_x-")).unwrap(), "x");
        assert_eq!(member_name(&id("--")), None);
        assert_eq!(member_name(&"spiffe://d".parse().unwrap()), None);
        assert_eq!(expected_name("[2001:db8::1]:8444"), "expected-2001-db8--1--8444");
    }

    #[test]
    fn the_host_of_an_address_is_what_stands_before_the_port() {
        for (address, expected) in
            [("10.0.0.1:8444", "10.0.0.1"), ("[::1]:1", "::1"), ("fog.example.org:8444", "fog.example.org"), ("x", "x")]
        {
            assert_eq!(host(address), expected);
        }
    }
}
