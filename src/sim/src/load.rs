//! What the users and services of an agent do: they write documents, change them and delete them, and remember what was
//! acknowledged.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::*;
use mf2c_actors::ports::World;
use mf2c_actors::replicator::{Proposal, Propose, Replicator};
use mf2c_actors::resource_store::{AddResource, DeleteResource, EditResource, ResourceStore};
use mf2c_domain::area::standing::Standing;
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource;
use mf2c_store::{NewDocument, Store};
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::agent::Commons;
use crate::dice::Dice;

/// What an agent's users write.
const KIND: &str = "service-instance";
/// The attribute that only leaders write: a number that grows.
pub const EDITED_ABOVE: &str = "parent_device_ip";

/// A document whose last write was acknowledged.
#[derive(Debug, Clone)]
pub struct Known {
    /// Which.
    pub id: ResourceId,
    /// The position of the acknowledged change.
    pub revision: u64,
    /// Whether it may be gone all the same: its removal was asked for and not answered.
    pub leaving: bool,
}

/// What was acknowledged to the users of one agent. It outlives the agent's crashes.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Documents that must be there, oldest first.
    pub known: Vec<Known>,
    /// The newest acknowledged position.
    pub position: u64,
    /// Acknowledged writes.
    pub written: u64,
    /// Edits of other agents' documents that were acknowledged here.
    pub edits_from_above: u64,
    /// Writes that were refused or not answered.
    pub failed: u64,
    /// Removals that were acknowledged, the newest last: they must not come back.
    pub gone: Vec<ResourceId>,
}

/// Removals that are remembered.
const GONE: usize = 64;

/// A ledger and who writes into it.
pub type SharedLedger = Rc<RefCell<Ledger>>;

/// Writes now and then, for ever.
pub async fn write(
    commons: Arc<Commons>,
    writer: Addr<ResourceStore>,
    world: World,
    ledger: SharedLedger,
    mut dice: Dice,
) {
    let load = commons.scenario.load.clone();
    let mut count = 0u64;
    loop {
        tokio::time::sleep(dice.pause(load.write.get())).await;
        let known = ledger.borrow().known.len();
        count += 1;
        match dice.below(10) {
            _ if known == 0 => add(&writer, &world, &ledger, count).await,
            _ if known >= load.documents.max(1) => delete(&writer, &ledger, 0).await,
            0..=4 => edit(&writer, &ledger, dice.index(known), count).await,
            5..=7 => add(&writer, &world, &ledger, count).await,
            _ => delete(&writer, &ledger, dice.index(known)).await,
        }
    }
}

async fn add(writer: &Addr<ResourceStore>, world: &World, ledger: &SharedLedger, count: u64) {
    let body = json!({
        "user": "user/operator", "service": "service/compressor", "agreement": "agreement/usual", "status": "waiting",
        "service_type": "docker", "device_ip": count.to_string(), "agents": [],
    });
    let attributes = body.as_object().cloned().unwrap_or_default();
    let (now, entropy) = (world.clock.now(), &*world.entropy);
    let Some(spec) = resource::find(KIND) else { return };
    let draft = spec.prepare_add(attributes, now, entropy).ok();
    let Some(new) = draft.and_then(|draft| NewDocument::new(spec, draft, &Caller::agent(), entropy).ok()) else {
        tracing::error!("the load of the simulation is no document any more");
        return;
    };
    let id = new.id().clone();
    let answer = writer.send(AddResource(new)).await;
    let mut ledger = ledger.borrow_mut();
    match answer {
        Ok(Ok(written)) => {
            let revision = written.document.map_or(0, |document| document.revision);
            ledger.acknowledge(revision);
            ledger.known.push(Known { id, revision, leaving: false });
        }
        _ => ledger.failed += 1,
    }
}

async fn edit(writer: &Addr<ResourceStore>, ledger: &SharedLedger, at: usize, count: u64) {
    let Some(id) = ledger.borrow().known.get(at).map(|known| known.id.clone()) else { return };
    let mut changes = Map::new();
    changes.insert("status".into(), Value::String(["started", "stopped", "error"][count as usize % 3].into()));
    changes.insert("device_ip".into(), Value::String(count.to_string()));
    let edit = EditResource { id: id.clone(), changes, removed: vec![], if_match: None, by: Caller::agent() };
    let answer = writer.send(edit).await;
    let mut ledger = ledger.borrow_mut();
    match answer {
        Ok(Ok(written)) => {
            let revision = written.document.map_or(0, |document| document.revision);
            ledger.acknowledge(revision);
            if let Some(known) = ledger.known.iter_mut().find(|known| known.id == id) {
                known.revision = revision;
            }
        }
        _ => ledger.failed += 1,
    }
}

async fn delete(writer: &Addr<ResourceStore>, ledger: &SharedLedger, at: usize) {
    let id = ledger.borrow_mut().known.get_mut(at).map(|known| {
        known.leaving = true;
        known.id.clone()
    });
    let Some(id) = id else { return };
    let answer = writer.send(DeleteResource { id: id.clone(), if_match: None, by: Caller::agent() }).await;
    let mut ledger = ledger.borrow_mut();
    let is_gone = matches!(&answer, Ok(Ok(_)) | Ok(Err(mf2c_store::StoreError::NotFound { .. })));
    if is_gone {
        let acknowledged = matches!(&answer, Ok(Ok(_)));
        ledger.known.retain(|known| known.id != id);
        ledger.written += u64::from(acknowledged);
        ledger.gone.push(id);
        if ledger.gone.len() > GONE {
            ledger.gone.remove(0);
        }
    } else {
        ledger.failed += 1;
    }
}

impl Ledger {
    fn acknowledge(&mut self, revision: u64) {
        self.written += 1;
        self.position = self.position.max(revision);
    }
}

/// What people do at a leader: they edit documents of its children.
pub struct Above {
    /// What all agents share.
    pub commons: Arc<Commons>,
    /// The leader's copies.
    pub store: Arc<Store>,
    /// The way to the children.
    pub replicator: Addr<Replicator>,
    /// Whether it leads.
    pub standings: watch::Receiver<Standing>,
    /// Where it is counted.
    pub ledger: SharedLedger,
}

impl Above {
    /// Edits now and then, for ever, while the agent leads.
    pub async fn edit(mut self, mut dice: Dice) {
        let every = self.commons.scenario.load.edit_from_above.get();
        loop {
            if !self.standings.borrow_and_update().leads() {
                if self.standings.changed().await.is_err() {
                    return;
                }
                continue;
            }
            tokio::time::sleep(dice.pause(every)).await;
            let own = self.store.identity().node;
            let all = self.store.all(KIND);
            let Some(document) = all.get(dice.index(all.len())) else { continue };
            let Some(origin) = self.store.origin_of(document.id.as_str()).filter(|origin| *origin != own) else {
                continue;
            };
            let number = self.commons.network.now().as_millis() as u64;
            let mut changes = Map::new();
            changes.insert(EDITED_ABOVE.into(), Value::String(number.to_string()));
            let (id, by) = (document.id.clone(), ("operator".to_owned(), true));
            let propose = Propose {
                id: id.clone(),
                origin,
                changes: Some(changes),
                removed: vec![],
                if_match: None,
                by,
                may_wait: false,
            };
            if let Ok(Ok(Proposal::Done)) = self.replicator.send(propose).await {
                self.ledger.borrow_mut().edits_from_above += 1;
                let mut edits = self.commons.edits.lock();
                let newest = edits.entry(id.as_str().to_owned()).or_default();
                *newest = number.max(*newest);
            }
        }
    }
}
