//! `Discovery`: finds leaders, or children, by mDNS, by its own beacons, by lists of addresses and by Wi-Fi. What it finds are
//! hints and never trust.
//!
//! While the agent is a member of an area it listens, and says that it is there: leaders and backups every second, others
//! every ten. Where somebody is heard whom the area's links look for, the address is passed on as a hint; whoever answers
//! there must still show the right certificate. Where nobody is there who leads the area, those who say that they lead it are
//! called, and the address that the operator has listed (see `mf2c_domain::area::search`). Where there is a Wi-Fi card, a leader
//! spans its network, and who has lost its leader listens for such networks.

mod actor;
pub mod ports;
mod wifi;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::area::beacon::{Beacon, Level, Service};
use mf2c_domain::area::sighting::Sighting;
use mf2c_domain::area::standing::Standing;
use tokio::sync::watch;

pub use actor::{Discovery, Read, read};

use crate::ports::{AreaNet, World};
use ports::{Beacons, Mdns, Wifi};

/// How much longer the beacons of others than leaders and backups are apart.
pub const CALM: u32 = 10;

/// What discovery is told at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoverySettings {
    /// The pause between two beacons of a leader or a backup; it is changed by up to a tenth each time.
    pub interval: Duration,
    /// Whether this agent is the root of the tree of areas.
    pub is_cloud: bool,
    /// What it offers as a leader.
    pub service: Option<Service>,
    /// What it pays, in EUR.
    pub reward: Option<u8>,
    /// How much it wants others to come.
    pub urgency: Option<Level>,
    /// Where the operator says that the leader is: `LEADER_DC`.
    pub leader: Option<String>,
    /// Where he says that children are: `CHILDREN_DC`.
    pub children: Vec<String>,
}

impl Default for DiscoverySettings {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            is_cloud: false,
            service: None,
            reward: None,
            urgency: None,
            leader: None,
            children: vec![],
        }
    }
}

/// Whom discovery meets.
#[derive(Clone)]
pub struct Surroundings {
    /// Time and randomness.
    pub world: World,
    /// How the agent stands in its area.
    pub standing: watch::Receiver<Standing>,
    /// SHA-256 of the root certificates that it believes.
    pub roots: Arc<dyn Fn() -> Vec<[u8; 32]> + Send + Sync>,
    /// Where it takes links, if it does.
    pub bound: Arc<dyn Fn() -> Option<SocketAddr> + Send + Sync>,
    /// Where hints go.
    pub net: Arc<dyn AreaNet>,
    /// Beacons, if they are on.
    pub beacons: Option<Arc<dyn Beacons>>,
    /// mDNS, if it is on.
    pub mdns: Option<Arc<dyn Mdns>>,
    /// A Wi-Fi card with its name, if one may be used.
    pub wifi: Option<(String, Arc<dyn Wifi>)>,
    /// Where it is told whether the networks that are on can be used.
    pub works: Arc<AtomicBool>,
}

/// What is heard of others now, the best first (see `mf2c_domain::area::choice`); behind them the addresses that the operator
/// has listed.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Vec<Sighting>")]
pub struct Sightings;

/// What this agent says of itself, as a beacon; none while it is a member of no area.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Option<Beacon>")]
pub struct OwnBeacon;

/// Tells of what a Wi-Fi card has heard.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct HeardWifi {
    /// The leaders.
    pub leaders: Vec<Beacon>,
}
