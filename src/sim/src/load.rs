//! The users and services of simulated agents: they do what [`crate::workload`] says, and those of leaders edit documents of
//! children.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::*;
use mf2c_actors::ports::World;
use mf2c_actors::replicator::{Proposal, Propose, Replicator};
use mf2c_actors::resource_store::{AddResource, DeleteResource, EditResource, ResourceStore};
use mf2c_domain::area::standing::Standing;
use mf2c_domain::caller::Caller;
use mf2c_domain::resource;
use mf2c_store::{NewDocument, Store, StoreError, Written};
use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::agent::{Commons, FromAbove};
use crate::dice::Dice;
use crate::workload::{self, Answer, Deed, KIND, Ledger};

/// The attribute that only leaders write: a number that grows.
pub const EDITED_ABOVE: &str = "parent_device_ip";

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
    for number in 1.. {
        tokio::time::sleep(dice.pause(load.write.get())).await;
        let deed = ledger.borrow_mut().next(&mut dice, load.documents);
        let answer = carry_out(&deed, number, &writer, &world).await;
        ledger.borrow_mut().answered(&deed, answer);
    }
}

async fn carry_out(deed: &Deed, number: u64, writer: &Addr<ResourceStore>, world: &World) -> Answer {
    let (if_match, by) = (None, Caller::agent());
    let done = match deed.clone() {
        Deed::Add => match new_document(number, world) {
            Some(new) => writer.send(AddResource(new)).await,
            None => return Answer::Failed,
        },
        Deed::Edit(id) => {
            let changes = workload::changes(number);
            writer.send(EditResource { id, changes, removed: vec![], if_match, by }).await
        }
        Deed::Delete(id) => writer.send(DeleteResource { id, if_match, by }).await,
    };
    match (deed, done) {
        (Deed::Delete(_), Ok(Ok(_))) => Answer::Deleted,
        (_, Ok(Ok(Written { document: Some(document), .. }))) => {
            Answer::Written(document.id.clone(), document.revision)
        }
        (_, Ok(Err(StoreError::NotFound { .. }))) => Answer::Missing,
        _ => Answer::Failed,
    }
}

fn new_document(number: u64, world: &World) -> Option<NewDocument> {
    let (now, entropy) = (world.clock.now(), &*world.entropy);
    let spec = resource::find(KIND)?;
    let draft = spec.prepare_add(workload::body(number), now, entropy).ok();
    let new = draft.and_then(|draft| NewDocument::new(spec, draft, &Caller::agent(), entropy).ok());
    if new.is_none() {
        tracing::error!("the load of the simulation is no document any more");
    }
    new
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
                let edit = edits.entry(id.as_str().to_owned()).or_insert(FromAbove { origin, number });
                (edit.origin, edit.number) = (origin, number.max(edit.number));
            }
        }
    }
}
