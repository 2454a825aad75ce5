//! The sums of an area counted anew from a store, to be held against its `fog-area`.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use actix::prelude::*;
use mf2c_store::{Store, StoreError, node_name};
use serde_json::{Map, Value};

use super::Categoriser;
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
    let members = all(store, "area-member")?;
    let live: BTreeSet<String> = members
        .iter()
        .filter(|(_, by, _)| *by == own)
        .filter_map(|(_, by, body)| Record::read(body, by))
        .filter(|record| record.status() == Status::Connected)
        .map(|record| record.node)
        .collect();
    counted(store, &live)
}

/// Documents of a kind, as ids, nodes and bodies.
type Read = Vec<(String, String, Vec<u8>)>;

fn all(store: &Store, kind: &str) -> Result<Read, StoreError> {
    let own = store.identity().name();
    let mut found = Vec::new();
    for document in store.all(kind) {
        let Some(body) = store.body(&document)? else { continue };
        let node = store.origin_of(document.id.as_str()).map_or_else(|| own.clone(), |node| node_name(&node));
        found.push((document.id.as_str().to_owned(), node, body.into_owned()));
    }
    Ok(found)
}

fn counted(store: &Store, live: &BTreeSet<String>) -> Result<Option<Map<String, Value>>, StoreError> {
    let (devices, dynamics) = (all(store, "device")?, all(store, "device-dynamic")?);
    let devices = devices.iter().map(|(id, _, body)| (id.as_str(), body.as_slice()));
    let dynamics = dynamics.iter().map(|(id, node, body)| (id.as_str(), node.as_str(), body.as_slice()));
    Ok(recount(&store.identity().name(), devices, dynamics, |node| live.contains(node)))
}

/// Asks a categoriser for what it has summed up, and for what that must be. None where it does not lead, or has not read
/// everything that is in its store, or the store cannot be read.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Option<Recounted>")]
pub struct Recount;

/// The sums of an area at one change of its leader's store.
#[derive(Debug, Clone, PartialEq)]
pub struct Recounted {
    /// The newest change that is in both.
    pub position: u64,
    /// As they are kept, change by change.
    pub kept: Option<Map<String, Value>>,
    /// As a recount of all documents gives them.
    pub counted: Option<Map<String, Value>>,
}

impl Handler<Recount> for Categoriser {
    type Result = Option<Recounted>;

    fn handle(&mut self, Recount: Recount, _: &mut Context<Self>) -> Self::Result {
        let position = self.store.counters().position.load(Ordering::Relaxed);
        if self.cursor != position || !self.standing.leads() {
            return None;
        }
        let counted = counted(&self.store, &self.ledger.live()).ok()?;
        Some(Recounted { position, kept: self.ledger.sums(), counted })
    }
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
