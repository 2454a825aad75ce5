//! Nodes, as Flocker calls them: the devices of agents that are in touch.
//!
//! The id of a node is that of its device in the shape of a random UUID: two digits of the device's are set to those of version 4
//! where they are others. The era of a node is the boot id of its machine.

use std::net::Ipv4Addr;
use std::sync::Arc;

use mf2c_store::{Document, Store, node_name};
use serde::Deserialize;

use super::documents::read;

/// A device that an agent runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The id of the device: `device/0a1b…`.
    pub device: String,
    /// The name of the agent's node.
    pub name: String,
    /// Its id for Flocker's clients.
    pub uuid: String,
    /// The address of its agent, where that is one of IPv4.
    pub host: Option<Ipv4Addr>,
    /// Whether its agent is in touch.
    pub is_live: bool,
    /// What distinguishes this start of the machine.
    pub era: Option<String>,
    /// Which kind of agent it is.
    pub agent_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Device {
    #[serde(default)]
    agent_type: String,
    #[serde(default)]
    boot: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dynamic {
    status: String,
    #[serde(default)]
    interfaces: Vec<Interface>,
}

#[derive(Deserialize)]
struct Interface {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    addresses: Vec<String>,
}

#[derive(Deserialize)]
struct Agent {
    #[serde(default)]
    device_ip: String,
}

/// The id that Flocker's clients know a node by.
#[must_use]
pub fn uuid_of(name: &str) -> String {
    let shaped = name.char_indices().map(|(at, digit)| match (at, digit) {
        (14, _) => '4',
        (19, '8' | '9' | 'a' | 'b') => digit,
        // The two lower bits stay what they are.
        (19, other) => match other.to_digit(16).unwrap_or(0) & 3 {
            0 => '8',
            1 => '9',
            2 => 'a',
            _ => 'b',
        },
        _ => digit,
    });
    shaped.collect()
}

/// All nodes, in the order of their ids.
#[must_use]
pub fn nodes(store: &Store) -> Vec<Node> {
    let mut nodes: Vec<Node> = store.all("device").iter().filter_map(|document| node(store, document)).collect();
    nodes.sort_by(|one, other| one.uuid.cmp(&other.uuid));
    nodes
}

/// The node of this id.
#[must_use]
pub fn node_by_uuid(store: &Store, uuid: &str) -> Option<Node> {
    let found = store.all("device").into_iter().find(|document| uuid_of(document.id.name()) == uuid)?;
    node(store, &found)
}

/// None for what somebody has only written down: the device of an agent has the name of its node.
fn node(store: &Store, document: &Arc<Document>) -> Option<Node> {
    let name = document.origin().map_or_else(|| store.identity().name(), |origin| node_name(&origin));
    if document.id.name() != name {
        return None;
    }
    let device: Device = read(store, document)?;
    let dynamic = store.get(&format!("device-dynamic/{name}")).and_then(|found| read::<Dynamic>(store, &found));
    let is_live = dynamic.as_ref().is_some_and(|dynamic| dynamic.status == "connected");
    let agent = store.get(&format!("agent/{name}")).and_then(|found| read::<Agent>(store, &found));
    let told = agent.and_then(|agent| agent.device_ip.parse().ok());
    Some(Node {
        device: document.id.as_str().to_owned(),
        uuid: uuid_of(&name),
        host: told.or_else(|| address(&dynamic?.interfaces)),
        name,
        is_live,
        era: device.boot,
        agent_type: if device.agent_type.is_empty() { "normal".to_owned() } else { device.agent_type },
    })
}

/// The first address of IPv4, at best of a network that others are in too.
fn address(interfaces: &[Interface]) -> Option<Ipv4Addr> {
    let of = |kind: &&str| {
        let some = interfaces.iter().filter(|interface| interface.kind == **kind);
        some.flat_map(|interface| &interface.addresses).find_map(|text| text.split('/').next()?.parse().ok())
    };
    ["ethernet", "wifi", "other", "loopback"].iter().find_map(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_nodes_have_the_shape_of_random_uuids_and_stay_the_same() {
        for (name, uuid) in [
            ("ad0a05dd-a1ed-449f-b44b-e1e2757bda00", "ad0a05dd-a1ed-449f-b44b-e1e2757bda00"),
            ("ad0a05dd-a1ed-f49f-0445-e1e2757bda00", "ad0a05dd-a1ed-449f-8445-e1e2757bda00"),
            ("ad0a05dd-a1ed-049f-7445-e1e2757bda00", "ad0a05dd-a1ed-449f-b445-e1e2757bda00"),
        ] {
            assert_eq!(uuid_of(name), uuid);
        }
    }

    #[test]
    fn the_address_of_a_node_is_one_that_others_reach_if_there_is_one() {
        let interface = |kind: &str, addresses: &[&str]| Interface {
            kind: kind.to_owned(),
            addresses: addresses.iter().map(|text| (*text).to_owned()).collect(),
        };
        let bridge = interface("other", &["172.20.0.1"]);
        let (near, far) =
            (interface("loopback", &["127.0.0.1", "::1"]), interface("ethernet", &["fe80::1", "10.0.0.7/24"]));
        assert_eq!(address(&[bridge, near, far]), Some(Ipv4Addr::new(10, 0, 0, 7)));
        assert_eq!(address(&[interface("loopback", &["127.0.0.1"])]), Some(Ipv4Addr::LOCALHOST));
        assert_eq!(address(&[]), None);
    }
}
