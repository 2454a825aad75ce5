//! What discovery needs of the world: a network to speak and listen in. Everything is a hint, so what is too much is
//! dropped, and nothing here waits.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;

use actix::prelude::*;
use mf2c_domain::area::beacon::Beacon;
use mf2c_domain::area::wifi::FoundLeader;
use thiserror::Error;

/// Datagrams to whoever is near, and from them.
pub trait Beacons: Send + Sync {
    /// Listens from now on, unless it does so already, and gives what is heard to `to`. What a flood has too much is dropped
    /// before this.
    ///
    /// # Errors
    /// Where the system does not let it.
    fn open(&self, to: Recipient<HeardDatagram>) -> io::Result<()>;

    /// Sends a datagram, if it listens and the system takes it now.
    fn tell(&self, datagram: &[u8]);

    /// Listens no more.
    fn close(&self);
}

/// A datagram was heard.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct HeardDatagram {
    /// All of it.
    pub bytes: Vec<u8>,
    /// Where it seems to come from.
    pub source: SocketAddr,
}

/// Services by mDNS and DNS-SD.
pub trait Mdns: Send + Sync {
    /// Looks for agents from now on, unless it does so already, and tells `to` of them.
    ///
    /// # Errors
    /// Where the system does not let it.
    fn open(&self, to: Recipient<HeardService>) -> io::Result<()>;

    /// Announces this agent from now on, instead of what was announced before; none takes it back.
    fn announce(&self, said: Option<Beacon>);

    /// Looks and announces no more.
    fn close(&self);
}

/// A service was heard of, or is there no more.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub enum HeardService {
    /// It is there.
    Found {
        /// What it says of itself.
        said: Box<Beacon>,
        /// Where it takes links, each `host:port`.
        addresses: Vec<String>,
    },
    /// It has taken leave, or was not heard for its time.
    Gone {
        /// The service's name: the beginning of a `deviceID`.
        instance: String,
    },
}

/// A Wi-Fi card that can span the network of a leader, or enter one.
pub trait Wifi: Send + Sync {
    /// Leaders that are heard. A network that this agent spans stays up.
    fn scan(&self, interface: &str) -> WifiAnswer<WifiScan>;

    /// Spans the network of a leader, which tells this; `interval` is the pause between two beacons in units of 1.024 ms.
    fn broadcast(&self, interface: &str, interval: u16, said: Beacon) -> WifiAnswer<()>;

    /// Spans it no more.
    fn end_broadcast(&self) -> WifiAnswer<()>;

    /// Enters the network of an access point.
    fn join(&self, interface: &str, bssid: &str) -> WifiAnswer<()>;

    /// Leaves it.
    fn leave(&self) -> WifiAnswer<()>;

    /// Whether the card is in a leader's network.
    fn is_connected(&self) -> WifiAnswer<bool>;

    /// The cards that are in the network that this agent spans.
    fn stations(&self) -> WifiAnswer<Vec<String>>;

    /// The address that the card has.
    fn own_address(&self) -> WifiAnswer<Option<Ipv4Addr>>;

    /// Gives out addresses in the network that this agent spans.
    fn serve_addresses(&self, interface: &str) -> WifiAnswer<()>;

    /// Gives out none any more.
    fn end_addresses(&self) -> WifiAnswer<()>;
}

/// What a scan found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WifiScan {
    /// The address of the card that listened.
    pub card: String,
    /// The leaders, the strongest first.
    pub leaders: Vec<FoundLeader>,
}

/// What a card answers, in a while.
pub type WifiAnswer<T> = Pin<Box<dyn Future<Output = Result<T, WifiError>> + Send>>;

/// Why a card does not do something.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WifiError {
    /// Nothing is configured.
    #[error("this agent uses no Wi-Fi: set `discovery.wifi` to the name of a card, such as `wlan0`")]
    Off,
    /// Another card.
    #[error("this agent uses the card `{own}`, not `{asked}`: ask for that, or change `discovery.wifi`")]
    OtherCard {
        /// What was asked for.
        asked: String,
        /// What is configured.
        own: String,
    },
    /// The card is not there.
    #[error("there is no network interface `{0}` on this machine")]
    NoCard(String),
    /// A program is not installed.
    #[error("`{0}` is not installed, or not in the agent's PATH")]
    NoProgram(&'static str),
    /// A program says no.
    #[error("`{program}` failed: {reason}")]
    Failed {
        /// Which.
        program: &'static str,
        /// What it said, as far as is worth telling.
        reason: String,
    },
    /// A program took too long.
    #[error("`{0}` gave no answer in time")]
    TimedOut(&'static str),
    /// It makes no sense now.
    #[error("{0}")]
    NotNow(String),
    /// What was given is wrong.
    #[error("{0}")]
    Wrong(String),
}
