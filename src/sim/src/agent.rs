//! One whole agent: the real actors over the real store and the real links, given a simulated machine, disk, clock and network.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::*;
use mf2c_actors::categoriser::{Categoriser, CategoriserSettings};
use mf2c_actors::inventory::{Inventory, InventorySettings};
use mf2c_actors::leadership::{Leadership, StoreMemory, Surroundings};
use mf2c_actors::ports::{AreaNet, LinkError, World};
use mf2c_actors::replicator::{Replicator, ReplicatorCounters, ReplicatorParts, ReplicatorSettings};
use mf2c_actors::resource_store::ResourceStore;
use mf2c_actors::sla_assessor::{SlaAssessor, SlaSettings};
use mf2c_actors::supervisor::{DeathNotice, GiveUp, Supervisor};
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::Standing;
use mf2c_domain::time::Timestamp;
use mf2c_machine::{Declared, Publisher};
use mf2c_pki::area::{PeerIdentity, Serial};
use mf2c_store::engine::MemoryEngine;
use mf2c_store::record::NodeId;
use mf2c_store::{Store, StoreOptions};
use mf2c_transport::link::{Connected, Connecting, Connector, LinkNet, LinkSettings};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::fleet::Fleet;
use crate::machine::MadeUpMachine;
use crate::net::Network;
use crate::peers::{Ears, Peers};
use crate::scenario::{Leading, Scenario};
use crate::steward::{Papers, Shown, Steward};

/// A part that has panicked does not end the process, which is that of all agents: the run hears of the panic and ends.
const LIVE_ON: GiveUp = |_| ();
/// Edits of a document that are remembered.
const MOST_EDITS: usize = 16;
/// An edit that was not acknowledged is done or given up after so many milliseconds.
const EDIT_TAKES: u64 = 10_000;
/// Writes that may wait for the store.
const MAILBOX: usize = 1024;

/// What all agents of a run share.
pub struct Commons {
    /// What is simulated.
    pub scenario: Scenario,
    /// Who is there.
    pub fleet: Fleet,
    /// The lines.
    pub network: Network,
    /// What each host keeps of its area's authority.
    pub papers: Mutex<Vec<Papers>>,
    /// What leaders wrote into documents of their children, as far as it was acknowledged: the newest of each.
    pub edits: Mutex<BTreeMap<String, FromAbove>>,
}

/// Acknowledged edits that leaders made of another agent's document.
#[derive(Debug, Clone)]
pub struct FromAbove {
    /// Whose document it is.
    pub origin: NodeId,
    /// What was written, which is when it was asked for, and when it was acknowledged, in milliseconds of the run: the last
    /// ones.
    pub edits: BTreeMap<u64, u64>,
}

impl FromAbove {
    /// An edit was acknowledged.
    pub fn add(&mut self, number: u64, acknowledged: u64) {
        self.edits.insert(number, acknowledged);
        if self.edits.len() > MOST_EDITS {
            self.edits.pop_first();
        }
    }

    /// The newest edit, if what is there was acknowledged before that was asked for. Of two that were under way at one time
    /// either may be the last.
    #[must_use]
    pub fn lost(&self, here: u64) -> Option<u64> {
        let (&newest, _) = self.edits.last_key_value()?;
        let over = self.edits.get(&here).copied().unwrap_or(here + EDIT_TAKES);
        (here < newest && over < newest).then_some(newest)
    }
}

/// What an agent keeps between two lives of its process.
pub struct Belongings {
    /// Its number.
    pub host: usize,
    /// What all share.
    pub commons: Arc<Commons>,
    /// Its time and chance.
    pub world: World,
    /// Its disk.
    pub engine: Arc<MemoryEngine>,
}

/// A running agent, as others than agents see it.
pub struct Running {
    /// Its documents.
    pub store: Arc<Store>,
    /// Who writes them.
    pub writer: Addr<ResourceStore>,
    /// How it stands.
    pub standings: watch::Receiver<Standing>,
    /// The same for somebody else: no two wait at one channel.
    pub more: watch::Receiver<Standing>,
    /// Who says so.
    pub leadership: Addr<Leadership>,
    /// Who carries changes.
    pub replicator: Addr<Replicator>,
    /// Who sums up what its area has.
    pub categoriser: Slotted<Categoriser>,
    /// What it has carried.
    pub counters: Arc<ReplicatorCounters>,
    /// Its links.
    pub links: LinkNet,
}

/// Where a running agent is put, once it runs.
pub type Slot = Rc<RefCell<Option<Running>>>;

/// Calls other hosts over the simulated network.
struct Caller {
    host: usize,
    commons: Arc<Commons>,
    shown: Shown,
}

impl Connector for Caller {
    fn connect(&self, address: &str, expected: &SpiffeId) -> Connecting {
        let (host, commons, expected) = (self.host, Arc::clone(&self.commons), expected.clone());
        let shown = Arc::clone(&self.shown);
        let address = address.to_owned();
        Box::pin(async move {
            let unreachable = |reason: String| LinkError::Unreachable { address: address.clone(), reason };
            let socket: SocketAddr = address.parse().map_err(|_| unreachable("no address".to_owned()))?;
            let stream = commons.network.dial(host, socket).await.map_err(|error| unreachable(error.to_string()))?;
            let peer = identity(&commons, stream.peer());
            let seated = commons.papers.lock().get(host).is_some_and(|papers| papers.seated);
            shown.lock().insert(expected.clone(), seated);
            if peer.id != expected {
                return Err(LinkError::Untrusted { address, reason: format!("it is {}", peer.id) });
            }
            Ok(Connected { stream: Box::new(stream), peer, address: socket })
        })
    }
}

/// Whom the certificate of a host would name now.
pub fn identity(commons: &Commons, host: usize) -> Arc<PeerIdentity> {
    let seated = commons.papers.lock().get(host).is_some_and(|papers| papers.seated);
    let far = Timestamp::from_millis(4_000_000_000_000);
    Arc::new(PeerIdentity {
        id: commons.fleet.id(host),
        unit: if seated { "leader" } else { "agent" }.to_owned(),
        serial: Serial::from_bytes(&(host as u64 + 1).to_be_bytes()),
        issuer: "00".repeat(20),
        authority: None,
        not_before: Timestamp::default(),
        not_after: far,
        key: [0; 32],
    })
}

/// Starts the agent in the present set of tasks, and puts it into its slot. The store must be readable.
///
/// # Errors
/// What the store says.
pub fn start(own: &Belongings, slot: &Slot) -> Result<(), mf2c_store::engine::EngineError> {
    let (commons, world, host) = (&own.commons, &own.world, own.host);
    let options =
        StoreOptions { name: format!("store of agent {host}").into(), log_entries: 4000, ..StoreOptions::default() };
    let engine = Arc::clone(&own.engine);
    let (store, writer) = Store::open(engine, options, Arc::clone(&world.clock), &*world.entropy)?;
    let writer = ResourceStore::new(writer, MAILBOX).giving_up(LIVE_ON).start();
    let counters = Arc::<ReplicatorCounters>::default();
    let (tell, relay) = Relay::new();
    let shown = Shown::default();
    let links = LinkNet::with_connector(
        world.clone(),
        identity(commons, host),
        link_settings(own, &store),
        Arc::new(Caller { host, commons: Arc::clone(commons), shown: Arc::clone(&shown) }),
    );
    inventory(own, &store, &writer);
    let leadership = Leadership::new(Surroundings {
        settings: leading(commons, host),
        incarnation: store.identity().incarnation,
        cloud: commons.fleet.cloud() == Some(host),
        clock: Arc::clone(&world.clock),
        net: Arc::new(links.clone()) as Arc<dyn AreaNet>,
        memory: Arc::new(StoreMemory(Arc::clone(&store))),
        keep: writer.clone().recipient(),
        standings: tell,
        authority: None,
        below: None,
        news: None,
    })
    .start();
    let categoriser = categoriser(own, &store, &writer, relay.follow());
    assessor(own, &store, &writer, relay.follow());
    let replicator = Replicator::new(ReplicatorParts {
        store: Arc::clone(&store),
        writer: writer.clone(),
        net: Arc::new(links.clone()) as Arc<dyn AreaNet>,
        world: world.clone(),
        workshop: Arc::new(mf2c_actors::ports::OnTheSpot),
        standing: relay.follow(),
        boot: 0,
        settings: ReplicatorSettings { give_up: LIVE_ON, ..ReplicatorSettings::default() },
        counters: Arc::clone(&counters),
    })
    .start();
    let ears =
        Ears { leadership: leadership.clone(), replicator: replicator.clone(), categoriser: Arc::clone(&categoriser) };
    let service = Peers::new(ears, host, Arc::clone(commons));
    links.serve(Arc::new(service));
    actix::spawn(accept(Arc::clone(commons), host, links.clone()));
    let steward = Steward {
        host,
        commons: Arc::clone(commons),
        links: links.clone(),
        shown,
        standings: relay.follow(),
        leadership: leadership.clone(),
        replicator: replicator.clone(),
    };
    let (standings, more) = (relay.follow(), relay.follow());
    actix::spawn(relay.run());
    actix::spawn(steward.run());
    *slot.borrow_mut() =
        Some(Running { store, writer, standings, more, leadership, replicator, categoriser, counters, links });
    Ok(())
}

/// How the area of a host is led.
fn leading(commons: &Commons, host: usize) -> mf2c_actors::leadership::Settings {
    let (Leading { heartbeat, election }, usual) = (&commons.scenario.leadership, Default::default());
    let area = commons.fleet.area_of(host).and_then(|area| commons.scenario.area.get(area));
    let mut settings =
        mf2c_actors::leadership::Settings { heartbeat: heartbeat.get(), election: election.get(), ..usual };
    settings.backups = area.map_or(settings.backups, |area| area.backups);
    settings
}

fn link_settings(own: &Belongings, store: &Store) -> LinkSettings {
    let (fleet, host) = (&own.commons.fleet, own.host);
    let identity = store.identity();
    let role = match fleet.cloud() == Some(host) {
        true => "cloud",
        false if fleet.first_leader_of(host) == host => "leader",
        false => "agent",
    };
    LinkSettings {
        incarnation: identity.incarnation,
        origin: identity.node.to_vec(),
        advertise: Some(fleet.address(host).to_string()),
        local: true,
        ..LinkSettings::new(role)
    }
}

/// Tells each follower how the agent stands on a channel of its own, in the order in which they came: tokio wakes those who wait
/// at one channel in an order that depends on chance.
struct Relay {
    from: watch::Receiver<Standing>,
    to: RefCell<Vec<watch::Sender<Standing>>>,
}

impl Relay {
    fn new() -> (watch::Sender<Standing>, Self) {
        let (tell, from) = watch::channel(Standing::default());
        (tell, Self { from, to: RefCell::default() })
    }

    fn follow(&self) -> watch::Receiver<Standing> {
        let (follower, standings) = watch::channel(self.from.borrow().clone());
        self.to.borrow_mut().push(follower);
        standings
    }

    async fn run(mut self) {
        while self.from.changed().await.is_ok() {
            let standing = self.from.borrow_and_update().clone();
            self.to.borrow().iter().for_each(|follower| drop(follower.send_replace(standing.clone())));
        }
    }
}

/// Where the present worker of a supervisor is.
pub type Slotted<W> = Arc<Mutex<Option<Addr<W>>>>;

/// Stands in for a worker whose address others need: the supervisor keeps its own to itself.
struct Stand;

impl Actor for Stand {
    type Context = Context<Self>;
}

/// A worker that is built anew when it fails.
fn supervised<W: Actor<Context = Context<W>>>(
    name: &'static str,
    own: &Belongings,
    build: impl Fn(DeathNotice) -> W + Send + 'static,
) -> Slotted<W> {
    let slot = Slotted::default();
    let place = Arc::clone(&slot);
    let build = move |notice| {
        *place.lock() = Some(build(notice).start());
        Stand
    };
    Supervisor::new(name, Arc::clone(&own.world.clock), Box::new(build)).giving_up(LIVE_ON).start();
    slot
}

fn inventory(own: &Belongings, store: &Arc<Store>, writer: &Addr<ResourceStore>) {
    let (world, host, commons) = (own.world.clone(), own.host, Arc::clone(&own.commons));
    let (store, writer) = (Arc::clone(store), writer.clone());
    supervised("inventory", own, move |notice| {
        let load = &commons.scenario.load;
        let device = commons.fleet.device(host);
        let settings = InventorySettings {
            sample_every: load.sample.get(),
            publisher: Publisher::new(load.publish.get(), mf2c_machine::DEFAULT_THRESHOLD_PERCENT),
            declared: Declared { is_leader: commons.fleet.first_leader_of(host) == host, ..Declared::default() },
            device_id: Box::new(move |_| device.clone()),
            // Nothing is run there.
            sharing: None,
        };
        let address: IpAddr = commons.fleet.address(host).ip();
        let machine = MadeUpMachine::new(host, address, Arc::clone(&world.clock), Arc::clone(&world.entropy));
        Inventory::new(Box::new(machine), settings, Arc::clone(&store), writer.clone(), world.clone(), notice)
    });
}

fn categoriser(
    own: &Belongings,
    store: &Arc<Store>,
    writer: &Addr<ResourceStore>,
    standings: watch::Receiver<Standing>,
) -> Slotted<Categoriser> {
    let (world, store, writer, standings) = (own.world.clone(), Arc::clone(store), writer.clone(), standings.clone());
    let declared_leader = own.commons.fleet.first_leader_of(own.host) == own.host;
    supervised("categoriser", own, move |notice| {
        let settings = CategoriserSettings { declared_leader, ..CategoriserSettings::default() };
        Categoriser::new(settings, Arc::clone(&store), writer.clone(), standings.clone(), world.clone(), notice)
    })
}

fn assessor(own: &Belongings, store: &Arc<Store>, writer: &Addr<ResourceStore>, standings: watch::Receiver<Standing>) {
    let (world, store, writer) = (own.world.clone(), Arc::clone(store), writer.clone());
    supervised("sla assessor", own, move |notice| {
        let (store, writer, standings, world) = (Arc::clone(&store), writer.clone(), standings.clone(), world.clone());
        SlaAssessor::new(SlaSettings::default(), store, writer, standings, world, Arc::default(), notice)
    });
}

/// Lets callers in.
async fn accept(commons: Arc<Commons>, host: usize, links: LinkNet) {
    let mut listener = commons.network.listen(host, commons.fleet.address(host));
    loop {
        let (stream, from) = listener.accept().await;
        let peer = identity(&commons, stream.peer());
        links.admit(Box::new(stream), peer, from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_edits_at_one_time_either_may_be_the_last_and_an_earlier_one_may_not() {
        let mut edits = FromAbove { origin: NodeId::default(), edits: BTreeMap::new() };
        edits.add(20_000, 20_100);
        edits.add(40_000, 40_300);
        edits.add(40_200, 40_250);
        assert_eq!([40_200, 40_000, 50_000].map(|here| edits.lost(here)), [None; 3]);
        assert_eq!([20_000, 0].map(|here| edits.lost(here)), [Some(40_200); 2]);
        assert_eq!(edits.lost(39_900), None, "it was not acknowledged, and may have been under way");
    }
}
