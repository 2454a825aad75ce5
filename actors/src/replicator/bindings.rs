//! Which store belongs to which device, and which were forgotten. A store once seen under a device is believed under no other
//! (vector R23), and another store of the same device takes the place of the one before it (R9). What an operator has
//! forgotten does not come back with copies of others: only with the agent itself, or with something newer of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mf2c_domain::time::Timestamp;
use mf2c_fabric::replication::{Origin, Point};
use mf2c_store::Store;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::resource_store::KeepState;

/// The most devices whose stores are known: as many as a store keeps origins.
const MOST_BOUND: usize = 1 << 16;
/// The most forgotten stores that are remembered; the oldest give way.
const MOST_GONE: usize = 4096;
/// How long a forgotten store is remembered: whoever is away for longer may bring copies of it back.
const GONE_FOR: Duration = Duration::from_secs(90 * 86_400);

const DEVICES: &str = "bind/";
const OWNERS: &str = "owner/";
const GONE: &str = "gone/";

/// A store that belongs to a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bound {
    /// Its node in hexadecimal.
    node: String,
    /// The area of the agent that said so.
    pub(super) area: String,
}

/// A store that was forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Gone {
    /// Whose it was; nothing where that was not known.
    pub(super) device: String,
    incarnation: u64,
    sequence: u64,
    /// When it was forgotten, in milliseconds since 1970.
    at: i64,
}

/// Too many devices are known already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

/// All of them; the store keeps them.
pub(super) struct Bindings {
    store: Arc<Store>,
    devices: BTreeMap<String, Bound>,
    owners: BTreeMap<Origin, String>,
    gone: BTreeMap<Origin, Gone>,
    most: usize,
}

pub(super) fn hex(origin: &Origin) -> String {
    format!("{:032x}", u128::from_be_bytes(*origin))
}

fn unhex(digits: &str) -> Option<Origin> {
    u128::from_str_radix(digits, 16).ok().map(u128::to_be_bytes)
}

fn keep(prefix: &str, name: &str, value: Option<Vec<u8>>) -> KeepState {
    KeepState { key: format!("{prefix}{name}"), value }
}

impl Bound {
    pub(super) fn origin(&self) -> Option<Origin> {
        unhex(&self.node)
    }
}

impl Gone {
    pub(super) fn new(device: &str, at: Point, now: Timestamp) -> Self {
        let device = device.to_owned();
        let at_millis = i64::try_from(now.millis()).unwrap_or(i64::MAX);
        Self { device, incarnation: at.incarnation, sequence: at.sequence, at: at_millis }
    }

    /// Up to where it is forgotten.
    pub(super) fn upto(&self) -> Point {
        Point { incarnation: self.incarnation, sequence: self.sequence }
    }
}

/// Whether something is behind a point of the same store: of a later life, or later in the same one.
pub(super) fn is_behind(point: Point, upto: Point) -> bool {
    (point.incarnation, point.sequence) > (upto.incarnation, upto.sequence)
}

impl Bindings {
    pub(super) fn new(store: Arc<Store>) -> Self {
        let mut owners = BTreeMap::new();
        for (key, value) in states(&store, OWNERS) {
            if let (Some(origin), Ok(device)) = (unhex(&key), String::from_utf8(value)) {
                owners.insert(origin, device);
            }
        }
        let devices = read(&store, DEVICES).collect();
        let gone = read(&store, GONE).filter_map(|(key, gone)| Some((unhex(&key)?, gone))).collect();
        Self { store, devices, owners, gone, most: MOST_BOUND }
    }

    /// The store of a device.
    pub(super) fn of_device(&self, device: &str) -> Option<&Bound> {
        self.devices.get(device)
    }

    /// The device of a store.
    pub(super) fn owner_of(&self, origin: &Origin) -> Option<&str> {
        self.owners.get(origin).map(String::as_str)
    }

    /// Every device with its store.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &Bound)> {
        self.devices.iter().map(|(device, bound)| (device.as_str(), bound))
    }

    /// Binds a store to a device from now on; what must be kept for that.
    pub(super) fn bind(&mut self, device: &str, origin: Origin, area: &str) -> Result<Vec<KeepState>, Full> {
        let mut kept = Vec::new();
        let bound = Bound { node: hex(&origin), area: area.to_owned() };
        if self.devices.get(device) == Some(&bound) && self.owner_of(&origin) == Some(device) {
            return Ok(kept);
        }
        if !self.devices.contains_key(device) && self.devices.len() >= self.most {
            kept.extend(self.make_room()?);
        }
        let before = self.devices.get(device).and_then(Bound::origin).filter(|old| *old != origin);
        if let Some(old) = before {
            self.owners.remove(&old);
            kept.push(keep(OWNERS, &hex(&old), None));
        }
        kept.push(keep(DEVICES, device, serde_json::to_vec(&bound).ok()));
        kept.push(keep(OWNERS, &hex(&origin), Some(device.as_bytes().to_vec())));
        self.devices.insert(device.to_owned(), bound);
        self.owners.insert(origin, device.to_owned());
        Ok(kept)
    }

    /// Lets go of a device of whose store nothing is here.
    fn make_room(&mut self) -> Result<Vec<KeepState>, Full> {
        let empty = |bound: &Bound| bound.origin().is_none_or(|origin| self.store.progress_of(&origin).is_none());
        let (device, bound) = self.devices.iter().find(|(_, bound)| empty(bound)).ok_or(Full)?;
        let (device, origin) = (device.clone(), bound.origin());
        self.devices.remove(&device);
        let mut kept = vec![keep(DEVICES, &device, None)];
        if let Some(origin) = origin {
            self.owners.remove(&origin);
            kept.push(keep(OWNERS, &hex(&origin), None));
        }
        Ok(kept)
    }

    /// Forgets whose a store is, and remembers that; what must be kept for that.
    pub(super) fn forget(&mut self, origin: Origin, gone: Gone) -> Vec<KeepState> {
        let latest = gone.at;
        let old = i64::try_from(GONE_FOR.as_millis()).unwrap_or(i64::MAX);
        let mut over: Vec<Origin> =
            self.gone.iter().filter(|(_, gone)| latest.saturating_sub(gone.at) > old).map(|(node, _)| *node).collect();
        if self.gone.len() - over.len() >= MOST_GONE {
            over.extend(self.gone.iter().min_by_key(|(_, gone)| gone.at).map(|(node, _)| *node));
        }
        let mut kept = vec![keep(GONE, &hex(&origin), serde_json::to_vec(&gone).ok())];
        self.gone.insert(origin, gone);
        for node in over.into_iter().filter(|node| *node != origin) {
            self.gone.remove(&node);
            kept.push(keep(GONE, &hex(&node), None));
        }
        if let Some(device) = self.owners.remove(&origin) {
            kept.push(keep(OWNERS, &hex(&origin), None));
            if self.devices.get(&device).and_then(Bound::origin) == Some(origin) {
                self.devices.remove(&device);
                kept.push(keep(DEVICES, &device, None));
            }
        }
        kept
    }

    /// What is known of a store that was forgotten.
    pub(super) fn gone(&self, origin: &Origin) -> Option<&Gone> {
        self.gone.get(origin)
    }

    /// The agent is back; what must be kept for that, if it was forgotten.
    pub(super) fn remember(&mut self, origin: &Origin) -> Option<KeepState> {
        self.gone.remove(origin).map(|_| keep(GONE, &hex(origin), None))
    }
}

/// What is kept under keys that begin so, by the rest of the key.
fn states(store: &Store, prefix: &'static str) -> impl Iterator<Item = (String, Vec<u8>)> {
    let read = store.states(prefix).unwrap_or_else(|error| {
        tracing::error!(%error, prefix, "what is known of the stores of others cannot be read");
        vec![]
    });
    read.into_iter().filter_map(move |(key, value)| Some((key.strip_prefix(prefix)?.to_owned(), value)))
}

fn read<T: DeserializeOwned>(store: &Store, prefix: &'static str) -> impl Iterator<Item = (String, T)> {
    states(store, prefix).filter_map(|(key, value)| Some((key, serde_json::from_slice(&value).ok()?)))
}
