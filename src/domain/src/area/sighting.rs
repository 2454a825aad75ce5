//! What was heard of an agent nearby. Nothing of it is proved.

use serde::{Serialize, Serializer};

use super::beacon::{Beacon, Level, Role, Service};
use super::token::hex;
use crate::time::Timestamp;

/// One agent that says it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sighting {
    /// Its `deviceID`, in lower-case hexadecimal or as it says; empty where only an address is known.
    pub device: String,
    /// Its area, if it says one.
    pub area: Option<String>,
    /// What it says that it is.
    #[serde(serialize_with = "words")]
    pub role: Option<Role>,
    /// The term of leadership that it claims.
    pub term: u64,
    /// Where it takes links, as `host:port`.
    pub address: Option<String>,
    /// SHA-256 of its root certificate, if it says.
    #[serde(serialize_with = "digits")]
    pub root: Option<[u8; 32]>,
    /// What it offers.
    #[serde(serialize_with = "words")]
    pub service: Option<Service>,
    /// What it pays, in EUR.
    pub reward: Option<u8>,
    /// How much it wants somebody to come.
    #[serde(serialize_with = "words")]
    pub urgency: Option<Level>,
    /// By which way it was heard: `mdns`, `beacon`, `list` or `wifi`.
    pub by: &'static str,
    /// When it was heard last.
    pub heard: Timestamp,
}

impl Sighting {
    /// What a beacon says, heard by a way at a time from an agent that takes links at an address; none where it names no
    /// device.
    #[must_use]
    pub fn of(beacon: &Beacon, address: Option<String>, by: &'static str, heard: Timestamp) -> Option<Self> {
        Some(Self {
            device: beacon.device()?,
            area: beacon.area.clone(),
            role: beacon.role,
            term: beacon.term.unwrap_or_default(),
            address,
            root: beacon.root,
            service: beacon.service,
            reward: beacon.reward,
            urgency: beacon.urgency,
            by,
            heard,
        })
    }

    /// An address of which nothing else is known: one of a list.
    #[must_use]
    pub fn listed(address: String, role: Role, heard: Timestamp) -> Self {
        Self {
            device: String::new(),
            area: None,
            role: Some(role),
            term: 0,
            address: Some(address),
            root: None,
            service: None,
            reward: None,
            urgency: None,
            by: "list",
            heard,
        }
    }
}

fn words<T: std::fmt::Display, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}

fn digits<S: Serializer>(value: &Option<[u8; 32]>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(|bytes| hex(&bytes)).serialize(serializer)
}
