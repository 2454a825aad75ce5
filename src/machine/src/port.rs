//! The port [`Machine`] and the typed readings that come through it.

use std::cmp::Reverse;
use std::net::IpAddr;

/// The machine an agent runs on. Production reads the real one; a simulation makes one up.
pub trait Machine: Send {
    /// What hardly ever changes. May start a program and wait seconds for it: call it off the arbiter, at start.
    fn facts(&mut self) -> Facts;

    /// What moves. Cheap enough to be called every few seconds.
    fn sample(&mut self) -> Sample;
}

/// What a machine is. Texts that could not be found out are empty; numbers are 0.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// Operating system with kernel and distribution: `Linux-6.1.0-x86_64-with-debian-12`.
    pub os: String,
    /// Processor architecture: `x86_64`, `aarch64`.
    pub arch: String,
    /// The processor's full name, or its maker's.
    pub cpu_manufacturer: String,
    /// Nominal clock with unit: `2.4000 GHz`.
    pub cpu_clock_speed: String,
    /// Cores, without hyper-threads.
    pub physical_cores: u64,
    /// Hardware threads.
    pub logical_cores: u64,
    /// Main memory in MiB.
    pub memory_mib: f64,
    /// Size in MiB of the disk that holds the agent's data.
    pub storage_mib: f64,
    /// Topology as hwloc's XML, empty where hwloc is not installed.
    pub hwloc: String,
    /// The kernel's description of the processors, without its momentary clock.
    pub cpuinfo: String,
    /// Network interfaces, by name. Their counters are of no interest here.
    pub interfaces: Vec<Interface>,
}

/// How a machine is doing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// Memory in MiB that programs can still get without swapping.
    pub memory_free_mib: f64,
    /// Main memory in MiB.
    pub memory_total_mib: f64,
    /// The disk that holds the agent's data; `None` where no mount could be told.
    pub storage: Option<Storage>,
    /// Idle share of all processors since the sample before, 0 to 100. The first sample tells it since boot.
    /// `None` where that is unknown.
    pub cpu_free_percent: Option<f64>,
    /// Runnable tasks, averaged over 1, 5 and 15 minutes.
    pub load_average: [f64; 3],
    /// Network interfaces, by name.
    pub interfaces: Vec<Interface>,
    /// Where the energy comes from.
    pub power: Power,
}

/// Space on a disk, in MiB.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Storage {
    /// Size of the file system.
    pub total_mib: f64,
    /// What a program without privileges can still write.
    pub free_mib: f64,
}

/// One network interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interface {
    /// The kernel's name: `eth0`.
    pub name: String,
    /// What it is made of.
    pub kind: InterfaceKind,
    /// Hardware address, six hex pairs with colons; all zero where it has none.
    pub mac: String,
    /// Addresses: IPv4 first, link-local ones last.
    pub addresses: Vec<IpAddr>,
    /// Whether the default route leaves through it.
    pub default_route: bool,
    /// Totals since the interface came up.
    pub counters: Counters,
}

/// What an interface is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum InterfaceKind {
    /// A wire, or what looks like one from inside a container.
    Ethernet,
    /// A radio.
    Wifi,
    /// The machine itself.
    Loopback,
    /// Tunnels, container bridges and the like.
    #[default]
    Other,
}

impl InterfaceKind {
    /// The word used in documents.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ethernet => "ethernet",
            Self::Wifi => "wifi",
            Self::Loopback => "loopback",
            Self::Other => "other",
        }
    }
}

/// Totals of one interface since it came up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Bytes out.
    pub bytes_sent: u64,
    /// Bytes in.
    pub bytes_received: u64,
    /// Packets out.
    pub packets_sent: u64,
    /// Packets in.
    pub packets_received: u64,
    /// Faulty packets in.
    pub errors_in: u64,
    /// Faulty packets out.
    pub errors_out: u64,
    /// Packets in that were thrown away.
    pub drops_in: u64,
    /// Packets out that were thrown away.
    pub drops_out: u64,
}

/// Where the energy comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Power {
    /// All system batteries taken together; `None` without one.
    pub battery: Option<Battery>,
    /// Whether there is power from outside. A machine without a battery always has it.
    pub plugged: bool,
}

impl Default for Power {
    fn default() -> Self {
        Self { battery: None, plugged: true }
    }
}

/// The state of the batteries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Battery {
    /// Charge, 0 to 100.
    pub percent: f64,
    /// What it is doing.
    pub state: BatteryState,
    /// Time until empty at the present rate, only while discharging and where the battery tells its rate.
    pub seconds_left: Option<u64>,
}

/// What a battery is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatteryState {
    /// Energy flows in.
    Charging,
    /// Energy flows out.
    Discharging,
    /// Nothing flows, it is full.
    Full,
    /// Nothing flows, it is held below full.
    Idle,
    /// The battery does not say.
    Unknown,
}

impl BatteryState {
    /// The word used in documents.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Charging => "charging",
            Self::Discharging => "discharging",
            Self::Full => "full",
            Self::Idle => "idle",
            Self::Unknown => "unknown",
        }
    }
}

/// The interface that stands for a whole `kind`: the one with the default route, else one with an address, else the first.
#[must_use]
pub fn primary_interface(interfaces: &[Interface], kind: InterfaceKind) -> Option<&Interface> {
    interfaces.iter().filter(|interface| interface.kind == kind).min_by_key(|interface| {
        (Reverse(interface.default_route), interface.addresses.first().map_or(u8::MAX, address_rank))
    })
}

/// Orders addresses by how useful they are to a peer: IPv4, then IPv6, then those that never leave the link.
pub(crate) fn address_rank(address: &IpAddr) -> u8 {
    match address {
        IpAddr::V4(v4) if v4.is_link_local() => 2,
        IpAddr::V4(_) => 0,
        IpAddr::V6(v6) if v6.is_unicast_link_local() => 3,
        IpAddr::V6(_) => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(name: &str, addresses: &[&str], default_route: bool) -> Interface {
        Interface {
            name: name.into(),
            kind: InterfaceKind::Ethernet,
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            default_route,
            ..Interface::default()
        }
    }

    #[test]
    fn the_default_route_then_the_better_address_makes_an_interface_primary() {
        let bare = wire("eth0", &[], false);
        let link_local = wire("eth1", &["fe80::1"], false);
        let routed = wire("eth2", &["10.0.0.2"], false);
        let default = wire("eth3", &["2001:db8::1"], true);
        let all = [bare, link_local, routed, default];
        let primary = |interfaces: &[Interface]| {
            primary_interface(interfaces, InterfaceKind::Ethernet).map(|interface| interface.name.clone())
        };
        assert_eq!(primary(&all).as_deref(), Some("eth3"));
        assert_eq!(primary(&all[..3]).as_deref(), Some("eth2"));
        assert_eq!(primary(&all[..2]).as_deref(), Some("eth1"));
        assert_eq!(primary(&all[..1]).as_deref(), Some("eth0"));
        assert_eq!(primary_interface(&all, InterfaceKind::Wifi), None);
    }
}
