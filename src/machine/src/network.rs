//! Network interfaces: names and addresses from the system, kinds from `/sys/class/net`, counters from `/proc/net`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

use sysinfo::Networks;

use crate::port::{Counters, Interface, InterfaceKind, address_rank};
use crate::roots::{Roots, read_number, read_text};

/// Interfaces kept; a host with hundreds of containers has more, one per container.
const INTERFACE_LIMIT: usize = 64;
/// Addresses kept per interface.
const ADDRESS_LIMIT: usize = 16;
/// Bytes read of `/proc/net/dev` and `/proc/net/route`.
const TABLE_LIMIT: u64 = 256 * 1024;
/// ARPHRD_ETHER, the link type of wires, radios and what imitates them (linux/if_arp.h).
const LINK_ETHERNET: f64 = 1.0;
/// ARPHRD_LOOPBACK.
const LINK_LOOPBACK: f64 = 772.0;
/// RTF_UP | RTF_GATEWAY, the flags of a route that leads out (linux/route.h).
const ROUTE_LEADS_OUT: u32 = 0x3;

/// The interfaces the system lists, without what only files tell.
pub(crate) fn listed(networks: &Networks) -> Vec<Interface> {
    networks
        .iter()
        .map(|(name, data)| Interface {
            name: name.to_string_lossy().into_owned(),
            mac: data.mac_address().to_string(),
            addresses: data.ip_networks().iter().map(|network| network.addr).collect(),
            counters: Counters {
                bytes_sent: data.total_transmitted(),
                bytes_received: data.total_received(),
                packets_sent: data.total_packets_transmitted(),
                packets_received: data.total_packets_received(),
                errors_in: data.total_errors_on_received(),
                errors_out: data.total_errors_on_transmitted(),
                ..Counters::default()
            },
            ..Interface::default()
        })
        .collect()
}

/// Completes `listed` with kinds, default routes and all counters, adds interfaces only the kernel's table knows, sorts
/// by name, and keeps the most useful where there are too many.
pub(crate) fn complete(listed: Vec<Interface>, roots: &Roots) -> Vec<Interface> {
    let table = read_text(&roots.proc.join("net/dev"), TABLE_LIMIT).unwrap_or_default();
    let routes = read_text(&roots.proc.join("net/route"), TABLE_LIMIT).unwrap_or_default();
    let routes = default_routes(&routes);
    let mut by_name: BTreeMap<String, Interface> =
        listed.into_iter().map(|interface| (interface.name.clone(), interface)).collect();
    for (name, counters) in parse_table(&table) {
        let interface = by_name.entry(name.to_owned()).or_insert_with(|| Interface {
            name: name.to_owned(),
            mac: "00:00:00:00:00:00".to_owned(),
            ..Interface::default()
        });
        interface.counters = counters;
    }
    let mut interfaces: Vec<Interface> = by_name.into_values().collect();
    for interface in &mut interfaces {
        interface.default_route = routes.contains(interface.name.as_str());
        interface.kind = kind(&interface.name, &interface.addresses, interface.default_route, &roots.sys);
        order(&mut interface.addresses);
    }
    if interfaces.len() > INTERFACE_LIMIT {
        interfaces.sort_by_key(|interface| (interface.kind, interface.addresses.is_empty()));
        interfaces.truncate(INTERFACE_LIMIT);
        interfaces.sort_by(|left, right| left.name.cmp(&right.name));
    }
    interfaces
}

fn order(addresses: &mut Vec<IpAddr>) {
    addresses.sort_by_key(|address| (address_rank(address), *address));
    addresses.dedup();
    addresses.truncate(ADDRESS_LIMIT);
}

fn kind(name: &str, addresses: &[IpAddr], default_route: bool, sys: &Path) -> InterfaceKind {
    let directory = sys.join("class/net").join(name);
    let link = read_number(&directory.join("type"));
    if name == "lo" || link == Some(LINK_LOOPBACK) || addresses.iter().any(IpAddr::is_loopback) {
        return InterfaceKind::Loopback;
    }
    if directory.join("wireless").exists() || directory.join("phy80211").exists() {
        return InterfaceKind::Wifi;
    }
    match link {
        Some(LINK_ETHERNET) => {
            let carries_containers = directory.join("bridge").exists() || name.starts_with("veth");
            // Below some bridges lies the machine's own wire: then the default route leaves through the bridge.
            if carries_containers && !default_route { InterfaceKind::Other } else { InterfaceKind::Ethernet }
        }
        Some(_) => InterfaceKind::Other,
        // Without /sys the names must do (predictable interface names, systemd.net-naming-scheme(7)).
        None if name.starts_with("wl") => InterfaceKind::Wifi,
        None if name.starts_with("en") || name.starts_with("eth") => InterfaceKind::Ethernet,
        None => InterfaceKind::Other,
    }
}

/// Reads `/proc/net/dev`: two lines of headings, then `name: 8 counters in, 8 counters out`.
fn parse_table(table: &str) -> impl Iterator<Item = (&str, Counters)> {
    table.lines().skip(2).filter_map(|line| {
        let (name, numbers) = line.rsplit_once(':')?;
        let numbers =
            numbers.split_ascii_whitespace().take(16).map(str::parse).collect::<Result<Vec<u64>, _>>().ok()?;
        let at = |index: usize| numbers.get(index).copied();
        let counters = Counters {
            bytes_received: at(0)?,
            packets_received: at(1)?,
            errors_in: at(2)?,
            drops_in: at(3)?,
            bytes_sent: at(8)?,
            packets_sent: at(9)?,
            errors_out: at(10)?,
            drops_out: at(11)?,
        };
        Some((name.trim(), counters))
    })
}

/// Names in `/proc/net/route` (hexadecimal, IPv4) whose destination and mask are all zero.
fn default_routes(routes: &str) -> BTreeSet<&str> {
    let leads_out = |fields: &[&str]| {
        u32::from_str_radix(fields[3], 16).is_ok_and(|flags| flags & ROUTE_LEADS_OUT == ROUTE_LEADS_OUT)
            && fields[1] == "00000000"
            && fields[7] == "00000000"
    };
    routes
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().take(8).collect();
            (fields.len() == 8 && leads_out(&fields)).then(|| fields[0])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roots::fixture::Tree;

    const TABLE: &str = "Inter-|   Receive  |  Transmit\n face |bytes packets\n\
        eth0: 100 10 1 2 0 0 0 0 200 20 3 4 0 0 0 0\n wlan0:300 30 0 0 0 0 0 0 400 40 0 0 0 0 0 0\n\
        lo: 5 1 0 0 0 0 0 0 5 1 0 0 0 0 0 0\n broken: 1 2 3\nnonsense\n";
    const ROUTES: &str = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n\
        wlan0 00000000 010200C0 0003 0 0 600 00000000 0 0 0\neth0 000200C0 00000000 0001 0 0 0 00FFFFFF 0 0 0\nx\n";

    fn named(name: &str, addresses: &[&str]) -> Interface {
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        Interface { name: name.into(), addresses, ..Interface::default() }
    }

    #[test]
    fn kinds_routes_and_counters_come_from_the_files_and_land_with_the_right_interface() {
        let tree = Tree::new(&[
            ("proc/net/dev", TABLE),
            ("proc/net/route", ROUTES),
            ("sys/class/net/eth0/type", "1\n"),
            ("sys/class/net/wlan0/type", "1\n"),
            ("sys/class/net/wlan0/wireless/status", "0\n"),
            ("sys/class/net/lo/type", "772\n"),
        ]);
        let listed = vec![named("wlan0", &["fe80::1", "10.0.0.7"]), named("eth0", &[])];
        let found = complete(listed, &tree.roots());
        let kinds: Vec<_> = found.iter().map(|i| (i.name.as_str(), i.kind, i.default_route)).collect();
        assert_eq!(
            kinds,
            [
                ("eth0", InterfaceKind::Ethernet, false),
                ("lo", InterfaceKind::Loopback, false),
                ("wlan0", InterfaceKind::Wifi, true),
            ]
        );
        let wire = Counters {
            bytes_sent: 200,
            bytes_received: 100,
            packets_sent: 20,
            packets_received: 10,
            errors_in: 1,
            errors_out: 3,
            drops_in: 2,
            drops_out: 4,
        };
        assert_eq!(found[0].counters, wire);
        assert_eq!(found[2].counters.bytes_sent, 400);
        assert_eq!(found[2].addresses[0].to_string(), "10.0.0.7");
    }

    #[test]
    fn container_bridges_and_tunnels_are_other_but_a_bridge_to_the_world_is_a_wire() {
        let tree = Tree::new(&[
            ("sys/class/net/docker0/type", "1"),
            ("sys/class/net/docker0/bridge/bridge_id", "x"),
            ("sys/class/net/veth12/type", "1"),
            ("sys/class/net/wg0/type", "65534"),
        ]);
        let sys = tree.roots().sys;
        for name in ["docker0", "veth12", "wg0"] {
            assert_eq!(kind(name, &[], false, &sys), InterfaceKind::Other, "{name}");
        }
        assert_eq!(kind("docker0", &[], true, &sys), InterfaceKind::Ethernet);
    }

    #[test]
    fn without_any_file_names_tell_the_kind_and_the_systems_counters_stay() {
        let mut listed: Vec<Interface> = ["eth0", "wlp2s0", "lo", "tun0"].map(|name| named(name, &[])).into();
        listed[0].counters.bytes_sent = 9;
        let found = complete(listed, &Tree::new(&[]).roots());
        let kinds: Vec<_> = found.iter().map(|i| i.kind.as_str()).collect();
        assert_eq!(kinds, ["ethernet", "loopback", "other", "wifi"]);
        assert_eq!(found[0].counters.bytes_sent, 9);
    }

    #[test]
    fn of_too_many_interfaces_the_containers_go_first() {
        let mut listed: Vec<Interface> = (0..200).map(|n| named(&format!("cali{n}"), &[])).collect();
        listed.push(named("wlan0", &[]));
        let found = complete(listed, &Tree::new(&[]).roots());
        assert_eq!(found.len(), INTERFACE_LIMIT);
        assert!(found.iter().any(|interface| interface.name == "wlan0"));
        assert!(found.is_sorted_by(|left, right| left.name < right.name));
    }
}
