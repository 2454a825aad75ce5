//! The sums of an area counted anew from a store, to be held against its `fog-area`.

use std::collections::BTreeSet;

use mf2c_store::{Store, StoreError, node_name};
use serde_json::{Map, Value};

use super::ledger::recount;
use super::records::Record;
use mf2c_domain::area::presence::Status;

/// What the `fog-area` of the leader with this store must say, by the `area-member` documents that it has written and
/// those of all devices. It reads them all.
///
/// # Errors
/// [`StoreError`] where a document cannot be read.
pub fn expected_sums(store: &Store) -> Result<Option<Map<String, Value>>, StoreError> {
    let own = store.identity().name();
    let all = |kind: &str| -> Result<Vec<(String, String, Vec<u8>)>, StoreError> {
        let mut found = Vec::new();
        for document in store.all(kind) {
            let Some(body) = store.body(&document)? else { continue };
            let node = store.origin_of(document.id.as_str()).map_or_else(|| own.clone(), |node| node_name(&node));
            found.push((document.id.as_str().to_owned(), node, body.into_owned()));
        }
        Ok(found)
    };
    let members = all("area-member")?;
    let live: BTreeSet<String> = members
        .iter()
        .filter(|(_, by, _)| *by == own)
        .filter_map(|(_, by, body)| Record::read(body, by))
        .filter(|record| record.status() == Status::Connected)
        .map(|record| record.node)
        .collect();
    let (devices, dynamics) = (all("device")?, all("device-dynamic")?);
    let devices = devices.iter().map(|(id, _, body)| (id.as_str(), body.as_slice()));
    let dynamics = dynamics.iter().map(|(id, node, body)| (id.as_str(), node.as_str(), body.as_slice()));
    Ok(recount(&own, devices, dynamics, |node| live.contains(node)))
}

/// The numbers that the store's own `fog-area` tells; none where there is none.
///
/// # Errors
/// [`StoreError`] where it cannot be read.
pub fn told_sums(store: &Store) -> Result<Option<Map<String, Value>>, StoreError> {
    let Some(document) = store.get(&format!("fog-area/{}", store.identity().name())) else { return Ok(None) };
    let Some(body) = store.body(&document)? else { return Ok(None) };
    let mut all: Map<String, Value> = serde_json::from_slice(&body).unwrap_or_default();
    let spec = mf2c_domain::resource::find("fog-area");
    let is_number = |name: &str| spec.is_some_and(|spec| spec.fields.iter().any(|field| field.name == name));
    all.retain(|name, _| is_number(name) && name != "leaderDevice");
    Ok(Some(all))
}
