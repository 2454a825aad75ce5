//! How agents nearby are heard: by UDP beacons, by mDNS and by Wi-Fi.

mod beacons;
mod mdns;
mod programs;
mod wifi;

pub use beacons::{BeaconSettings, UdpBeacons};
pub use mdns::MdnsServices;
pub use wifi::{NoWifi, WifiCard, has_card};
