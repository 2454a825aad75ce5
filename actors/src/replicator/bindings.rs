//! Which store belongs to which device and area. A store once seen under a device is believed under no other (vector R23), another
//! store of the same device in the same area takes the place of the one before it (R9), and a store that came by way of one area
//! comes by way of another only when it says itself that it has moved (R24).

use std::collections::BTreeMap;
use std::sync::Arc;

use mf2c_domain::area::token;
use mf2c_fabric::replication::Origin;
use mf2c_fabric::replication::beside::Claim;
use mf2c_fabric::replication::bounds::MOST_ORIGINS;
use mf2c_store::Store;
use serde::{Deserialize, Serialize};

use crate::resource_store::KeepState;

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

/// Looked up in the store when they are first needed.
pub(super) struct Bindings {
    store: Arc<Store>,
    devices: BTreeMap<String, Option<Origin>>,
    owners: BTreeMap<Origin, Option<Owner>>,
}

pub(super) fn hex(origin: &Origin) -> String {
    format!("{:032x}", u128::from_be_bytes(*origin))
}

fn origin_of(name: &str) -> Option<Origin> {
    u128::from_str_radix(name, 16).ok().map(u128::to_be_bytes)
}

fn device_key(area: &str, device: &str) -> String {
    format!("bind/{area}/{device}")
}

fn owner_key(origin: &Origin) -> String {
    format!("owner/{}", hex(origin))
}

impl Bindings {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self { store, devices: BTreeMap::new(), owners: BTreeMap::new() }
    }

    /// The store of a device in an area.
    pub(super) fn store_of(&mut self, area: &str, device: &str) -> Option<Origin> {
        let key = device_key(area, device);
        if let Some(known) = self.devices.get(&key) {
            return *known;
        }
        let read = || origin_of(&String::from_utf8(self.store.state(&key).ok()??).ok()?);
        let found = read();
        if self.devices.len() < MOST_ORIGINS {
            self.devices.insert(key, found);
        }
        found
    }

    /// To whom a store belongs, if that is known.
    pub(super) fn owner_of(&mut self, origin: &Origin) -> Option<Owner> {
        if let Some(known) = self.owners.get(origin) {
            return known.clone();
        }
        let read = || serde_json::from_slice::<Owner>(&self.store.state(&owner_key(origin)).ok()??).ok();
        let found = read();
        if self.owners.len() < MOST_ORIGINS {
            self.owners.insert(*origin, found.clone());
        }
        found
    }

    fn point(&mut self, key: String, origin: Option<Origin>) -> KeepState {
        self.devices.insert(key.clone(), origin);
        KeepState { key, value: origin.map(|origin| hex(&origin).into_bytes()) }
    }

    /// Binds a store to its device and area from now on; what must be kept for that.
    pub(super) fn bind(&mut self, origin: Origin, owner: Owner) -> Vec<KeepState> {
        let mut keep = Vec::new();
        let before = self.owner_of(&origin);
        let known = owner.device.is_empty() || self.store_of(&owner.area, &owner.device) == Some(origin);
        if known && before.as_ref() == Some(&owner) {
            return keep;
        }
        if let Some(before) = before.filter(|before| (&before.area, &before.device) != (&owner.area, &owner.device))
            && self.store_of(&before.area, &before.device) == Some(origin)
        {
            keep.push(self.point(device_key(&before.area, &before.device), None));
        }
        if !owner.device.is_empty() {
            if let Some(old) = self.store_of(&owner.area, &owner.device).filter(|old| *old != origin) {
                self.owners.insert(old, None);
                keep.push(KeepState { key: owner_key(&old), value: None });
            }
            keep.push(self.point(device_key(&owner.area, &owner.device), Some(origin)));
        }
        keep.push(KeepState { key: owner_key(&origin), value: serde_json::to_vec(&owner).ok() });
        self.owners.insert(origin, Some(owner));
        keep
    }
}
