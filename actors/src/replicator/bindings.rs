//! Which store belongs to which device and area. A store once seen under a device is believed under no other (vector R23), another
//! store of the same device in the same area takes the place of the one before it (R9), and a store that came by way of one area
//! comes by way of another only when it says itself that it has moved (R24). What an operator has forgotten does not come back
//! with copies of others: only with the agent itself, or with something newer of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mf2c_domain::area::token;
use mf2c_domain::time::Timestamp;
use mf2c_fabric::replication::beside::Claim;
use mf2c_fabric::replication::bounds::MOST_ORIGINS;
use mf2c_fabric::replication::{Origin, Point};
use mf2c_store::Store;
use mf2c_store::engine::EngineError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::resource_store::KeepState;

/// The most forgotten stores that are remembered; the oldest give way.
const MOST_GONE: usize = 4096;
/// How long a forgotten store is remembered: whoever is away for longer may bring copies of it back.
const GONE_FOR: Duration = Duration::from_secs(90 * 86_400);

const DEVICES: &str = "bind/";
const OWNERS: &str = "owner/";
const GONE: &str = "gone/";

/// To whom a store belongs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Owner {
    /// The `deviceID`; empty where nobody knows it.
    pub(super) device: String,
    /// The area by way of which it comes; empty where any may be.
    pub(super) area: String,
    /// What the store itself has shown.
    #[serde(default)]
    pub(super) shown: Option<Shown>,
}

/// A [`Claim`] as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shown {
    pub(super) area: String,
    pub(super) since: u64,
    pub(super) key: String,
    signature: String,
}

impl Shown {
    pub(super) fn of(claim: &Claim) -> Self {
        let (key, signature) = (token::hex(&claim.key.0), token::hex(&claim.signature.0));
        Self { area: claim.area.clone(), since: claim.since, key, signature }
    }

    pub(super) fn claim(&self) -> Option<Claim> {
        let (key, signature) = (bytes(&self.key)?, bytes(&self.signature)?);
        Some(Claim { area: self.area.clone(), since: self.since, key: key.into(), signature: signature.into() })
    }
}

/// Bytes from their hexadecimal digits.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|digit| digit.try_into().ok())).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

/// A store that was forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Gone {
    /// Whose it was; nothing where that was not known.
    pub(super) device: String,
    incarnation: u64,
    sequence: u64,
    /// When it was forgotten, in milliseconds since 1970.
    at: u64,
}

impl Gone {
    pub(super) fn new(device: &str, upto: Point, now: Timestamp) -> Self {
        let Point { incarnation, sequence } = upto;
        Self { device: device.to_owned(), incarnation, sequence, at: now.millis() }
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

/// Too many stores are known already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

/// All of them, as the store keeps them.
pub(super) struct Bindings {
    store: Arc<Store>,
    devices: BTreeMap<String, Origin>,
    owners: BTreeMap<Origin, Owner>,
    gone: BTreeMap<Origin, Gone>,
    /// Whether they could be read.
    loaded: bool,
}

pub(super) fn hex(origin: &Origin) -> String {
    format!("{:032x}", u128::from_be_bytes(*origin))
}

fn origin_of(name: &str) -> Option<Origin> {
    u128::from_str_radix(name, 16).ok().map(u128::to_be_bytes)
}

fn device_key(area: &str, device: &str) -> String {
    format!("{DEVICES}{area}/{device}")
}

fn owner_key(origin: &Origin) -> String {
    format!("{OWNERS}{}", hex(origin))
}

fn gone_key(origin: &Origin) -> String {
    format!("{GONE}{}", hex(origin))
}

/// What is kept under keys that begin so and go on with a store.
fn by_origin<T: DeserializeOwned>(store: &Store, prefix: &str) -> Result<BTreeMap<Origin, T>, EngineError> {
    let read = |(key, value): (String, Vec<u8>)| {
        Some((origin_of(key.strip_prefix(prefix)?)?, serde_json::from_slice(&value).ok()?))
    };
    Ok(store.states(prefix)?.into_iter().filter_map(read).collect())
}

impl Bindings {
    pub(super) fn new(store: Arc<Store>) -> Self {
        let (devices, owners, gone) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut bindings = Self { store, devices, owners, gone, loaded: false };
        bindings.load();
        bindings
    }

    /// Reads them, where that has not succeeded before.
    fn load(&mut self) {
        if self.loaded {
            return;
        }
        match self.read() {
            Ok(()) => self.loaded = true,
            Err(error) => tracing::error!(%error, "what is known of the stores of others cannot be read"),
        }
    }

    fn read(&mut self) -> Result<(), EngineError> {
        let device = |(key, value): (String, Vec<u8>)| Some((key, origin_of(std::str::from_utf8(&value).ok()?)?));
        let devices = self.store.states(DEVICES)?.into_iter().filter_map(device).collect();
        let (owners, gone) = (by_origin(&self.store, OWNERS)?, by_origin(&self.store, GONE)?);
        (self.devices, self.owners, self.gone) = (devices, owners, gone);
        Ok(())
    }

    /// Whether they are here. Where the disk failed it is tried again: who knows nothing of a store must not judge it, nor
    /// offer it under no device.
    pub(super) fn are_read(&mut self) -> bool {
        self.load();
        self.loaded
    }

    /// The store of a device in an area.
    pub(super) fn store_of(&self, area: &str, device: &str) -> Option<Origin> {
        self.devices.get(&device_key(area, device)).copied()
    }

    /// To whom a store belongs, if that is known.
    pub(super) fn owner_of(&self, origin: &Origin) -> Option<Owner> {
        self.owners.get(origin).cloned()
    }

    /// Every store with its owner.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Origin, &Owner)> {
        self.owners.iter()
    }

    fn point(&mut self, key: String, origin: Option<Origin>) -> KeepState {
        match origin {
            Some(origin) => drop(self.devices.insert(key.clone(), origin)),
            None => drop(self.devices.remove(&key)),
        }
        KeepState { key, value: origin.map(|origin| hex(&origin).into_bytes()) }
    }

    /// Binds a store to its device and area from now on; what must be kept for that.
    pub(super) fn bind(&mut self, origin: Origin, owner: Owner) -> Result<Vec<KeepState>, Full> {
        let mut keep = Vec::new();
        let before = self.owner_of(&origin);
        let known = owner.device.is_empty() || self.store_of(&owner.area, &owner.device) == Some(origin);
        if known && before.as_ref() == Some(&owner) {
            return Ok(keep);
        }
        if before.is_none() && self.owners.len() >= MOST_ORIGINS {
            keep.extend(self.make_room()?);
        }
        if let Some(before) = before.filter(|before| (&before.area, &before.device) != (&owner.area, &owner.device))
            && self.store_of(&before.area, &before.device) == Some(origin)
        {
            keep.push(self.point(device_key(&before.area, &before.device), None));
        }
        if !owner.device.is_empty() {
            if let Some(old) = self.store_of(&owner.area, &owner.device).filter(|old| *old != origin) {
                self.owners.remove(&old);
                keep.push(KeepState { key: owner_key(&old), value: None });
            }
            keep.push(self.point(device_key(&owner.area, &owner.device), Some(origin)));
        }
        keep.push(KeepState { key: owner_key(&origin), value: serde_json::to_vec(&owner).ok() });
        self.owners.insert(origin, owner);
        Ok(keep)
    }

    /// Lets go of a store of which nothing is here.
    fn make_room(&mut self) -> Result<Vec<KeepState>, Full> {
        let is_empty = |origin: &Origin| self.store.progress_of(origin).is_none();
        let origin = *self.owners.keys().find(|origin| is_empty(origin)).ok_or(Full)?;
        Ok(self.release(&origin))
    }

    fn release(&mut self, origin: &Origin) -> Vec<KeepState> {
        let Some(owner) = self.owners.remove(origin) else { return vec![] };
        let mut keep = vec![KeepState { key: owner_key(origin), value: None }];
        if self.store_of(&owner.area, &owner.device) == Some(*origin) {
            keep.push(self.point(device_key(&owner.area, &owner.device), None));
        }
        keep
    }

    /// Forgets whose a store is, and remembers that; what must be kept for that.
    pub(super) fn forget(&mut self, origin: Origin, gone: Gone) -> Vec<KeepState> {
        let (latest, old) = (gone.at, u64::try_from(GONE_FOR.as_millis()).unwrap_or(u64::MAX));
        let is_over = |gone: &Gone| latest.saturating_sub(gone.at) > old;
        let mut over: Vec<Origin> =
            self.gone.iter().filter(|(_, gone)| is_over(gone)).map(|(origin, _)| *origin).collect();
        if self.gone.len() - over.len() >= MOST_GONE {
            over.extend(self.gone.iter().min_by_key(|(_, gone)| gone.at).map(|(origin, _)| *origin));
        }
        let mut keep = vec![KeepState { key: gone_key(&origin), value: serde_json::to_vec(&gone).ok() }];
        self.gone.insert(origin, gone);
        for old in over.into_iter().filter(|old| *old != origin) {
            keep.extend(self.remember(&old));
        }
        keep.extend(self.release(&origin));
        keep
    }

    /// What is known of a store that was forgotten.
    pub(super) fn gone(&self, origin: &Origin) -> Option<&Gone> {
        self.gone.get(origin)
    }

    /// The agent is back; what must be kept for that, if it was forgotten.
    pub(super) fn remember(&mut self, origin: &Origin) -> Option<KeepState> {
        self.gone.remove(origin).map(|_| KeepState { key: gone_key(origin), value: None })
    }
}
