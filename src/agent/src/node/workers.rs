//! Starts those actors that nobody asks: each is built anew by its supervisor.

use std::sync::Arc;

use actix::{Actor as _, Addr, Arbiter, Recipient};
use mf2c_actors::inventory::{Inventory, InventorySettings};
use mf2c_actors::leadership::Standings;
use mf2c_actors::ports::{BlockingThreads, World};
use mf2c_actors::qos_provider::{CheckDevices, QosProvider};
use mf2c_actors::replicator::Replicator;
use mf2c_actors::resource_store::ResourceStore;
use mf2c_actors::sla_assessor::{SlaAssessor, SlaCounters};
use mf2c_actors::supervisor::Supervisor;
use mf2c_actors::webhook_dispatcher::{WebhookCounters, WebhookDispatcher, WebhookSettings};
use mf2c_facade::lm::Manager;
use mf2c_facade::qos::Qos;
use mf2c_facade::sla::Assessor;
use mf2c_machine::{Declared, DeclaredSensor, Publisher, Roots, SystemMachine};
use mf2c_store::Store;
use mf2c_transport::webhook::HttpWebhooks;
use parking_lot::Mutex;

use crate::config::{Config, Role};

pub(super) fn start_inventory(
    config: &Config,
    device_id: String,
    arbiter: &Arbiter,
    store: &Arc<Store>,
    writer: &Addr<ResourceStore>,
    world: &World,
) {
    let device = &config.device;
    let (sample_every, declared) = (device.sample_every.get(), declared(config));
    let publisher = Publisher::new(device.publish_every.get(), device.threshold_percent);
    let (store, writer, world) = (Arc::clone(store), writer.clone(), world.clone());
    let (data_dir, sharing) = (config.data_dir.clone(), config.sharing.settings());
    let clock = Arc::clone(&world.clock);
    let build = move |notice| {
        let device_id = device_id.clone();
        let settings = InventorySettings {
            sample_every,
            publisher: publisher.clone(),
            declared: declared.clone(),
            device_id: Box::new(move |_| device_id.clone()),
            sharing: Some(sharing.clone()),
        };
        let machine = Box::new(SystemMachine::new(Roots::default(), &data_dir));
        Inventory::new(machine, settings, Arc::clone(&store), writer.clone(), world.clone(), notice)
    };
    let supervisor = Supervisor::new("inventory", clock, Box::new(build));
    Supervisor::start_in_arbiter(&arbiter.handle(), move |_| supervisor);
}

pub(super) fn start_webhooks(
    config: &Config,
    arbiter: &Arbiter,
    transport: HttpWebhooks,
    store: &Arc<Store>,
    writer: &Addr<ResourceStore>,
    world: &World,
) -> Arc<WebhookCounters> {
    let settings =
        WebhookSettings { attempts: config.webhooks.attempts, first_pause: config.webhooks.first_pause.get() };
    let (store, writer, world) = (Arc::clone(store), writer.clone(), world.clone());
    let (clock, transport) = (Arc::clone(&world.clock), Arc::new(transport));
    let counters = Arc::new(WebhookCounters::default());
    let shared = Arc::clone(&counters);
    let build = move |notice| {
        let (store, writer, world) = (Arc::clone(&store), writer.clone(), world.clone());
        WebhookDispatcher::new(store, writer, transport.clone(), world, settings, Arc::clone(&shared), notice)
    };
    let supervisor = Supervisor::new("webhooks", clock, Box::new(build));
    Supervisor::start_in_arbiter(&arbiter.handle(), move |_| supervisor);
    counters
}

/// It has a thread of its own: a storm of reports holds up nobody else.
pub(super) fn start_assessor(
    config: &Config,
    arbiter: &Arbiter,
    (standings, replicator): (&Standings, &Addr<Replicator>),
    store: &Arc<Store>,
    writer: &Addr<ResourceStore>,
    world: &World,
) -> (Arc<SlaCounters>, Assessor) {
    let counters = Arc::new(SlaCounters::default());
    let current: Arc<Mutex<Option<Addr<SlaAssessor>>>> = Arc::default();
    let shown = Arc::clone(&current);
    let assessor = Arc::new(move || current.lock().clone().map(Addr::recipient));
    if !config.sla.enabled {
        return (counters, assessor);
    }
    let (settings, standings, replicator) = (config.sla.settings(), standings.clone(), replicator.clone());
    let (store, writer, world) = (Arc::clone(store), writer.clone(), world.clone());
    let (clock, shared) = (Arc::clone(&world.clock), Arc::clone(&counters));
    let build = move |notice| {
        let (store, writer, world) = (Arc::clone(&store), writer.clone(), world.clone());
        let assessor = SlaAssessor::new(settings, store, writer, standings.clone(), world, Arc::clone(&shared), notice);
        assessor.asking(replicator.clone().recipient())
    };
    let tell = move |worker| *shown.lock() = Some(worker);
    let supervisor = Supervisor::new("sla assessor", clock, Box::new(build)).telling(Box::new(tell));
    Supervisor::start_in_arbiter(&arbiter.handle(), move |_| supervisor);
    (counters, assessor)
}

pub(super) fn start_qos(
    config: &Config,
    manager: Manager,
    arbiter: &Arbiter,
    store: &Arc<Store>,
    writer: &Addr<ResourceStore>,
    world: &World,
) -> (Qos, Quality) {
    let mut chance = [0; 8];
    world.entropy.fill(&mut chance);
    let settings = config.qos.settings(config.sla.settings().unit, u64::from_le_bytes(chance));
    let (store, writer, world) = (Arc::clone(store), writer.clone(), world.clone());
    let clock = Arc::clone(&world.clock);
    let build = move |notice| {
        let (settings, workshop) = (settings.clone(), Arc::new(BlockingThreads));
        QosProvider::new(settings, Arc::clone(&store), writer.clone(), workshop, world.clone(), notice)
    };
    let current: Arc<Mutex<Option<Addr<QosProvider>>>> = Arc::default();
    let shown = Arc::clone(&current);
    let tell = move |worker| *shown.lock() = Some(worker);
    let supervisor = Supervisor::new("quality of service", clock, Box::new(build)).telling(Box::new(tell));
    Supervisor::start_in_arbiter(&arbiter.handle(), move |_| supervisor);
    let asked = Arc::clone(&current);
    let quality: Quality = Arc::new(move || asked.lock().clone().map(Addr::recipient));
    let provider = Arc::new(move || current.lock().clone().map(Addr::recipient));
    (Qos { provider, high: config.qos.high(), manager, anonymous: config.qos.anonymous }, quality)
}

/// The way to who knows which devices keep the promises made for a service.
pub(super) type Quality = Arc<dyn Fn() -> Option<Recipient<CheckDevices>> + Send + Sync>;

pub(super) fn declared(config: &Config) -> Declared {
    let sensors = config.device.sensors.iter().map(|sensor| DeclaredSensor {
        kinds: sensor.kinds.clone(),
        model: sensor.model.clone(),
        connection: serde_json::to_value(&sensor.connection)
            .ok()
            .and_then(|value| serde_json::from_value(value).ok())
            .unwrap_or_default(),
    });
    Declared {
        agent_type: config.device.agent_type.as_str().to_owned(),
        sensors: sensors.collect(),
        actuators: config.device.actuators.clone(),
        is_leader: config.role == Role::Leader,
    }
}
