//! `Inventory`: keeps the `agent`, `device` and `device-dynamic` documents of its own machine, and says once what it
//! shares.
//!
//! Each has the node's own name, so there is one of each for ever, also after restarts. They are written once and then
//! changed only where something changed.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource;
use mf2c_machine::{Declared, InterfaceKind, Machine, Publisher, Sample, primary_interface};
use mf2c_store::{NewDocument, Store, StoreError};
use serde_json::{Map, Value, json};

use crate::ports::World;
use crate::resource_store::{AddResource, EditResource, ResourceStore};
use crate::sharing::{self, Sharing};
use crate::supervisor::DeathNotice;

/// What the inventory is told at start.
pub struct InventorySettings {
    /// Pause between two samples.
    pub sample_every: Duration,
    /// Decides which changes are published when.
    pub publisher: Publisher,
    /// What the operator has declared about the machine.
    pub declared: Declared,
    /// Makes the device's identity at the first start.
    pub device_id: Box<dyn Fn(&str) -> String + Send>,
    /// What the device shares where nobody has said it yet; none to leave it unsaid.
    pub sharing: Option<Sharing>,
}

/// See the module.
pub struct Inventory {
    machine: Box<dyn Machine>,
    settings: InventorySettings,
    store: Arc<Store>,
    writer: Addr<ResourceStore>,
    world: World,
    /// The node's name in its documents' ids.
    name: String,
    /// The sample with which the machine was described, to be published next: two in quick succession would measure the
    /// load of nothing.
    first: Option<Sample>,
    /// Whether the last publication failed: only the first failure is worth a warning.
    failing: bool,
    /// Whether a publication is on its way; the next sample waits for it.
    publishing: bool,
    /// Whether it was looked whether somebody has said what the device shares. Once is enough: what is deleted while
    /// the agent runs stays so until the next start.
    shared: bool,
    _notice: DeathNotice,
}

/// Takes a sample and publishes what is worth it.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Tick;

/// Writes `agent` and `device`, or what changed in them.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Describe;

impl Inventory {
    /// An inventory of `machine` in `store`.
    #[must_use]
    pub fn new(
        machine: Box<dyn Machine>,
        settings: InventorySettings,
        store: Arc<Store>,
        writer: Addr<ResourceStore>,
        world: World,
        notice: DeathNotice,
    ) -> Self {
        let name = store.identity().name();
        Self {
            machine,
            settings,
            store,
            writer,
            world,
            name,
            first: None,
            failing: false,
            publishing: false,
            shared: false,
            _notice: notice,
        }
    }

    /// Tells of the first of several failures. At the end of the agent there is nothing to tell.
    fn failed(&mut self, error: &StoreError) {
        if !self.failing && !matches!(error, StoreError::Stopping) {
            tracing::warn!(%error, "what this machine is could not be published; it is tried again");
        }
        self.failing = true;
    }

    /// The attributes of one of our documents as they are stored.
    fn stored(&self, kind: &str) -> Option<Map<String, Value>> {
        let document = self.store.get(&format!("{kind}/{}", self.name))?;
        let body = self.store.body(&document).ok()??;
        serde_json::from_slice(&body).ok()
    }

    fn device_href(&self) -> String {
        format!("device/{}", self.name)
    }

    fn device(&mut self) -> Map<String, Value> {
        let facts = self.machine.facts();
        let stored = self.stored("device");
        let known = stored.as_ref().and_then(|device| device.get("deviceID")?.as_str().map(str::to_owned));
        let device_id = known.unwrap_or_else(|| (self.settings.device_id)(&self.name));
        let mut attributes = mf2c_machine::device_attributes(&device_id, &facts, &self.settings.declared);
        // Who leads is the categoriser's to say.
        if let Some(leads) = stored.and_then(|mut device| device.remove("isLeader")) {
            attributes.insert("isLeader".to_owned(), leads);
        }
        attributes
    }

    /// What an agent says of its place in the area is the categoriser's; a new document only begins with something.
    fn agent(&self, sample: &Sample) -> Map<String, Value> {
        let address = [InterfaceKind::Ethernet, InterfaceKind::Wifi, InterfaceKind::Other]
            .into_iter()
            .find_map(|kind| primary_interface(&sample.interfaces, kind)?.addresses.first().map(ToString::to_string));
        let own = json!({ "device_id": self.device_href(), "device_ip": address.unwrap_or_default() });
        let mut agent = own.as_object().cloned().unwrap_or_default();
        if self.stored("agent").is_none() {
            let leads = self.settings.declared.is_leader;
            let place = [("authenticated", false), ("connected", false), ("isLeader", leads)];
            agent.extend(place.map(|(name, value)| (name.to_owned(), value.into())));
        }
        agent
    }

    /// Adds our document of `kind`, or edits what differs. `whole` means that attributes not given are no more.
    fn put(
        &self,
        kind: &'static str,
        attributes: Map<String, Value>,
        whole: bool,
    ) -> ResponseFuture<Result<(), StoreError>> {
        let writer = self.writer.clone();
        let Some(current) = self.stored(kind) else {
            let new = self.new_document(kind, attributes);
            return Box::pin(async move {
                let Some(new) = new else { return Ok(()) };
                writer.send(AddResource(new)).await.map_err(|_| StoreError::Stopping)?.map(drop)
            });
        };
        let gone = |name: &String| {
            whole && !attributes.contains_key(name) && is_own(kind, name) && !OTHERS.contains(&name.as_str())
        };
        let mut removed: Vec<String> = current.keys().filter(|name| gone(name)).cloned().collect();
        removed.extend(attributes.iter().filter(|(_, value)| value.is_null()).map(|(name, _)| name.clone()));
        let changed = |name: &String, value: &Value| !value.is_null() && current.get(name) != Some(value);
        let changes: Map<String, Value> = attributes.into_iter().filter(|(name, value)| changed(name, value)).collect();
        let edit = ResourceId::new(kind, &self.name)
            .ok()
            .filter(|_| !changes.is_empty() || !removed.is_empty())
            .map(|id| EditResource { id, changes, removed, if_match: None, by: Caller::agent() });
        Box::pin(async move {
            let Some(edit) = edit else { return Ok(()) };
            writer.send(edit).await.map_err(|_| StoreError::Stopping)?.map(drop)
        })
    }

    /// Says what the device shares, where nobody has. The documents have the node's name: a crash makes no second ones.
    fn share(&mut self, ctx: &mut Context<Self>) {
        let Some(sharing) = self.settings.sharing.as_ref().filter(|_| !self.shared) else { return };
        self.shared = true;
        let unsaid = sharing.documents(&self.device_href());
        let unsaid = unsaid.into_iter().filter(|(kind, _)| !sharing::is_said(&self.store, kind, &self.name));
        let new: Vec<NewDocument> = unsaid.filter_map(|(kind, members)| self.new_document(kind, members)).collect();
        let writer = self.writer.clone();
        let said = async move {
            for document in new {
                match writer.send(AddResource(document)).await.map_err(|_| StoreError::Stopping)? {
                    Ok(_) | Err(StoreError::Conflict { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        };
        ctx.spawn(said.into_actor(self).map(|outcome, inventory, _| {
            if let Err(error) = outcome {
                inventory.failed(&error);
                inventory.shared = false;
            }
        }));
    }

    fn new_document(&self, kind: &'static str, attributes: Map<String, Value>) -> Option<NewDocument> {
        let spec = resource::find(kind)?;
        let (now, entropy) = (self.world.clock.now(), &*self.world.entropy);
        let made = spec.prepare_add(attributes, now, entropy).map_err(|error| error.to_string()).and_then(|draft| {
            let draft = resource::Draft { name: Some(self.name.clone()), ..draft };
            NewDocument::new(spec, draft, &Caller::agent(), entropy).map_err(|error| error.to_string())
        });
        made.inspect_err(|error| tracing::error!(kind, error, "this machine cannot be described")).ok()
    }
}

/// What others write into the documents of this machine: what it runs, and whether services are placed on it.
const OTHERS: [&str; 2] = ["backends", "scheduling"];

/// Whether the attribute is one that the inventory writes, and not the server or an operator.
fn is_own(kind: &str, name: &str) -> bool {
    resource::find(kind).is_some_and(|spec| spec.fields.iter().any(|field| field.name == name))
}

impl Actor for Inventory {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.notify(Describe);
        ctx.run_interval(self.settings.sample_every, |_, ctx| ctx.notify(Tick));
    }
}

impl Handler<Describe> for Inventory {
    type Result = ();

    fn handle(&mut self, _: Describe, ctx: &mut Context<Self>) {
        let device = self.device();
        let sample = self.machine.sample();
        self.first = Some(sample.clone());
        let (device, agent) = (self.put("device", device, true), self.put("agent", self.agent(&sample), false));
        let described = async move {
            device.await?;
            agent.await
        };
        ctx.wait(described.into_actor(self).map(|outcome, inventory, ctx| match outcome {
            // An agent document that somebody else has made is left alone.
            Ok(()) | Err(StoreError::Conflict { .. }) => ctx.notify(Tick),
            Err(error) => inventory.failed(&error),
        }));
    }
}

impl Handler<Tick> for Inventory {
    type Result = ();

    fn handle(&mut self, _: Tick, ctx: &mut Context<Self>) {
        if self.publishing {
            return;
        }
        if self.store.get(&self.device_href()).is_none() {
            // The first time, after a failure, or because somebody has deleted it.
            self.settings.publisher.restart();
            ctx.notify(Describe);
            return;
        }
        self.share(ctx);
        let sample = self.first.take().unwrap_or_else(|| self.machine.sample());
        let attributes = mf2c_machine::dynamic_attributes(&sample, &self.device_href(), &self.settings.declared);
        let count = attributes.len();
        // A partial change to a document that is gone would make no document: then the whole is written.
        let missing = self.store.get(&format!("device-dynamic/{}", self.name)).is_none();
        let whole = missing.then(|| attributes.clone());
        let Some(changes) = self.settings.publisher.observe(self.world.clock.elapsed(), attributes) else { return };
        let first = changes.len() == count;
        let publication = self.put("device-dynamic", whole.unwrap_or(changes), missing || first);
        self.publishing = true;
        ctx.spawn(publication.into_actor(self).map(|outcome, inventory, _| {
            inventory.publishing = false;
            match outcome {
                Ok(()) => inventory.failing = false,
                Err(error) => {
                    inventory.failed(&error);
                    inventory.settings.publisher.restart();
                }
            }
        }));
    }
}
