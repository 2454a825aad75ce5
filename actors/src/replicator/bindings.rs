//! Which store belongs to which device. A store once seen under a device is believed under no other (vector R23), and another
//! store of the same device takes the place of the one before it (R9).

use std::collections::BTreeMap;
use std::sync::Arc;

use mf2c_fabric::replication::Origin;
use mf2c_store::Store;
use serde::{Deserialize, Serialize};

use crate::resource_store::KeepState;

/// A store that belongs to a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bound {
    /// Its node in hexadecimal.
    node: String,
    /// The area of the agent that said so.
    pub(super) area: String,
}

/// Looked up in the store when they are first needed.
pub(super) struct Bindings {
    store: Arc<Store>,
    devices: BTreeMap<String, Option<Bound>>,
    owners: BTreeMap<Origin, Option<String>>,
}

pub(super) fn hex(origin: &Origin) -> String {
    format!("{:032x}", u128::from_be_bytes(*origin))
}

fn device_key(device: &str) -> String {
    format!("bind/{device}")
}

fn owner_key(origin: &Origin) -> String {
    format!("owner/{}", hex(origin))
}

impl Bound {
    pub(super) fn origin(&self) -> Option<Origin> {
        u128::from_str_radix(&self.node, 16).ok().map(u128::to_be_bytes)
    }
}

impl Bindings {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self { store, devices: BTreeMap::new(), owners: BTreeMap::new() }
    }

    /// The store of a device.
    pub(super) fn of_device(&mut self, device: &str) -> Option<Bound> {
        let store = &self.store;
        let read = || serde_json::from_slice(&store.state(&device_key(device)).ok()??).ok();
        self.devices.entry(device.to_owned()).or_insert_with(read).clone()
    }

    /// The device of a store.
    pub(super) fn owner_of(&mut self, origin: &Origin) -> Option<String> {
        let store = &self.store;
        let read = || String::from_utf8(store.state(&owner_key(origin)).ok()??).ok();
        self.owners.entry(*origin).or_insert_with(read).clone()
    }

    /// Binds a store to a device from now on; what must be kept for that.
    pub(super) fn bind(&mut self, device: &str, origin: Origin, area: &str) -> Vec<KeepState> {
        let mut keep = Vec::new();
        let bound = Bound { node: hex(&origin), area: area.to_owned() };
        let before = self.of_device(device);
        if before.as_ref() == Some(&bound) {
            return keep;
        }
        if let Some(old) = before.and_then(|bound| bound.origin()).filter(|old| *old != origin) {
            self.owners.insert(old, None);
            keep.push(KeepState { key: owner_key(&old), value: None });
        }
        keep.push(KeepState { key: device_key(device), value: serde_json::to_vec(&bound).ok() });
        if self.owner_of(&origin).as_deref() != Some(device) {
            keep.push(KeepState { key: owner_key(&origin), value: Some(device.as_bytes().to_vec()) });
        }
        self.devices.insert(device.to_owned(), Some(bound));
        self.owners.insert(origin, Some(device.to_owned()));
        keep
    }
}
