//! Agents in one process: each a store with the memory engine, its writer, and its replicator.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use actix::prelude::*;
use mf2c_actors::ports::{OpenLink, World};
use mf2c_actors::replicator::{Replicator, ReplicatorCounters, ReplicatorParts, ReplicatorSettings};
use mf2c_actors::resource_store::{AddResource, DeleteResource, EditResource, ResourceStore};
use mf2c_domain::area::spiffe::{SpiffeId, Subject};
use mf2c_domain::area::standing::{AreaPeer, AreaRole, Mandate, Standing};
use mf2c_domain::caller::Caller;
use mf2c_domain::entropy::Entropy;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource;
use mf2c_domain::time::{Clock, Timestamp};
use mf2c_fabric::wire::Hello;
use mf2c_fabric::wire::hello::Scope;
use mf2c_pki::area::{PeerIdentity, Serial};
use mf2c_store::engine::MemoryEngine;
use mf2c_store::{NewDocument, Store, StoreError, StoreOptions};
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::net::{End, NodeNet, Wire};

/// Virtual time, and how far this machine's wall clock is off.
pub(crate) struct Hands {
    start: Instant,
    off: AtomicI64,
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        let millis = i64::try_from(self.start.elapsed().as_millis()).unwrap() + self.off.load(Ordering::SeqCst);
        Timestamp::from_millis(1_700_000_000_000 + millis)
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

/// SplitMix64.
struct Seeded(AtomicU64);

impl Entropy for Seeded {
    fn fill(&self, buffer: &mut [u8]) {
        for part in buffer.chunks_mut(8) {
            let state = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            part.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes()[..part.len()]);
        }
    }
}

pub(crate) struct Node {
    pub(crate) id: SpiffeId,
    pub(crate) unit: &'static str,
    pub(crate) store: Arc<Store>,
    pub(crate) engine: Arc<MemoryEngine>,
    pub(crate) writer: Addr<ResourceStore>,
    pub(crate) replicator: Addr<Replicator>,
    pub(crate) counters: Arc<ReplicatorCounters>,
    pub(crate) standing: watch::Sender<Standing>,
    hands: Arc<Hands>,
    entropy: Arc<dyn Entropy>,
    options: StoreOptions,
    boot: u64,
    wire: Arc<Wire>,
}

pub(crate) fn spiffe(area: &str, device: &str) -> SpiffeId {
    let subject = Subject::Agent { area: area.to_owned(), device: device.to_owned() };
    SpiffeId { trust_domain: "fog.example".into(), subject }
}

pub(crate) fn peer(id: &SpiffeId) -> AreaPeer {
    AreaPeer { id: id.clone(), address: "127.0.0.1:1".into() }
}

pub(crate) fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn parts(
    engine: &Arc<MemoryEngine>,
    options: &StoreOptions,
    hands: &Arc<Hands>,
    entropy: &Arc<dyn Entropy>,
) -> (Arc<Store>, Addr<ResourceStore>) {
    let clock: Arc<dyn Clock> = Arc::<Hands>::clone(hands);
    let shared = Arc::<MemoryEngine>::clone(engine);
    let (store, writer) = Store::open(shared, options.clone(), clock, &**entropy).unwrap();
    (store, ResourceStore::new(writer, 1024).start())
}

impl Node {
    pub(crate) fn new(wire: &Arc<Wire>, area: &str, device: &str) -> Self {
        Self::with(wire, area, device, StoreOptions::default())
    }

    pub(crate) fn with(wire: &Arc<Wire>, area: &str, device: &str, options: StoreOptions) -> Self {
        let seed = device.bytes().fold(7u64, |seed, byte| seed.wrapping_mul(0x1_0000_01B3) ^ u64::from(byte)) << 20;
        let hands = Arc::new(Hands { start: Instant::now(), off: 0.into() });
        let entropy: Arc<dyn Entropy> = Arc::new(Seeded(seed.into()));
        let engine = Arc::new(MemoryEngine::new());
        let id = spiffe(area, device);
        let own = Standing { own: Some(id.clone()), ..Standing::default() };
        let (standing, _) = watch::channel(own);
        Self::start(wire, id, engine, options, hands, entropy, standing, 1)
    }

    #[expect(clippy::too_many_arguments, reason = "what survives a restart")]
    fn start(
        wire: &Arc<Wire>,
        id: SpiffeId,
        engine: Arc<MemoryEngine>,
        options: StoreOptions,
        hands: Arc<Hands>,
        entropy: Arc<dyn Entropy>,
        standing: watch::Sender<Standing>,
        boot: u64,
    ) -> Self {
        let (store, writer) = parts(&engine, &options, &hands, &entropy);
        let counters = Arc::new(ReplicatorCounters::default());
        let replicator = Replicator::new(ReplicatorParts {
            store: Arc::clone(&store),
            writer: writer.clone(),
            net: Arc::new(NodeNet(Arc::clone(wire))),
            world: World { clock: Arc::<Hands>::clone(&hands), entropy: Arc::clone(&entropy) },
            workshop: Arc::new(mf2c_actors::ports::OnTheSpot),
            standing: standing.subscribe(),
            boot,
            settings: ReplicatorSettings::default(),
            counters: Arc::clone(&counters),
        });
        let replicator = replicator.start();
        let wire = Arc::clone(wire);
        let unit = "agent";
        Self { id, unit, store, engine, writer, replicator, counters, standing, hands, entropy, options, boot, wire }
    }

    /// The same agent after its process was killed; links of the old process must be cut before.
    pub(crate) fn killed(self) -> Self {
        let engine = Arc::new(self.engine.after_crash());
        self.started_with(engine)
    }

    /// The same agent with another store behind it.
    pub(crate) fn started_with(self, engine: Arc<MemoryEngine>) -> Self {
        let Self { id, unit, hands, entropy, options, standing, boot, wire, .. } = self;
        Self { unit, ..Self::start(&wire, id, engine, options, hands, entropy, standing, boot + 1) }
    }

    /// The same agent and store as a member of another area.
    pub(crate) fn moved(self, area: &str) -> Self {
        let Subject::Agent { device, .. } = &self.id.subject else { unreachable!("all are agents") };
        let (id, engine) = (spiffe(area, device), Arc::clone(&self.engine));
        let (standing, _) = watch::channel(Standing { own: Some(id.clone()), ..Standing::default() });
        Self { id, standing, ..self }.started_with(engine)
    }

    pub(crate) fn device(&self) -> &str {
        self.id.device().unwrap()
    }

    /// Sets the wall clock forward or back.
    pub(crate) fn set_clock(&self, millis: i64) {
        self.hands.off.store(millis, Ordering::SeqCst);
    }

    pub(crate) fn stands(&self, change: impl FnOnce(&mut Standing)) {
        self.standing.send_modify(change);
    }

    /// Leads its area from now on.
    pub(crate) fn leads(&mut self, backups: &[&Node], upper: Option<&Node>) {
        self.unit = "leader";
        let (own, backups) = (peer(&self.id), backups.iter().map(|node| peer(&node.id)).collect());
        let upper = upper.map(|upper| peer(&upper.id));
        self.stands(|standing| {
            (standing.role, standing.mandate, standing.leader) = (AreaRole::Leader, Mandate::Full, Some(own));
            standing.term += 1;
            (standing.backups, standing.upper) = (backups, upper);
        });
    }

    /// Is led by another from now on.
    pub(crate) fn follows(&mut self, leader: &Node, role: AreaRole) {
        self.unit = "agent";
        let (leader_peer, term) = (peer(&leader.id), leader.standing.borrow().term);
        self.stands(|standing| {
            (standing.role, standing.mandate) = (role, Mandate::None);
            (standing.leader, standing.term) = (Some(leader_peer), term);
        });
    }

    fn hello(&self) -> Hello {
        Hello {
            v: vec![1],
            node: self.id.to_string(),
            area: self.id.area().unwrap().to_owned(),
            role: "agent".into(),
            term: 0,
            incarnation: self.store.identity().incarnation,
            boot: self.boot,
            origin: self.store.identity().node.to_vec().into(),
            listen: String::new(),
            clock: 0,
            features: vec![],
            max_frame: 1 << 20,
            trust: mf2c_fabric::wire::TrustNews::default(),
        }
    }

    /// This node as the other end of a link sees it.
    fn seen(&self, by: &Node, accepted: bool) -> OpenLink {
        let scope = if self.id.area() == by.id.area() { Scope::Area } else { Scope::Certification };
        let peer = PeerIdentity {
            id: self.id.clone(),
            unit: self.unit.to_owned(),
            serial: Serial::random(&*self.entropy),
            issuer: String::new(),
            authority: None,
            not_before: Timestamp::default(),
            not_after: Timestamp::default(),
            key: [0; 32],
        };
        let (peer, hello) = (Arc::new(peer), Arc::new(self.hello()));
        OpenLink { number: 0, peer, hello, address: "127.0.0.1:1".parse().unwrap(), accepted, scope }
    }

    /// Opens a link to another node; the numbers of the ends here and there.
    pub(crate) async fn link(&self, other: &Node) -> (u64, u64) {
        self.link_with(other, Duration::from_millis(1)).await
    }

    pub(crate) async fn link_with(&self, other: &Node, delay: Duration) -> (u64, u64) {
        let here = End { open: other.seen(self, false), replicator: self.replicator.clone() };
        let there = End { open: self.seen(other, true), replicator: other.replicator.clone() };
        self.wire.connect(here, there, delay).await
    }

    pub(crate) async fn add(&self, kind: &str, body: Value) -> ResourceId {
        let spec = resource::find(kind).unwrap();
        let draft = spec.prepare_add(map(body), self.hands.now(), &*self.entropy).unwrap();
        let new = NewDocument::new(spec, draft, &Caller::agent(), &*self.entropy).unwrap();
        self.writer.send(AddResource(new)).await.unwrap().unwrap().id
    }

    pub(crate) async fn edit(&self, id: &ResourceId, changes: Value) -> Result<(), StoreError> {
        let (id, changes, by) = (id.clone(), map(changes), Caller::agent());
        let edit = EditResource { id, changes, removed: vec![], if_match: None, by };
        self.writer.send(edit).await.unwrap().map(drop)
    }

    pub(crate) async fn delete(&self, id: &ResourceId) {
        let (id, by) = (id.clone(), Caller::agent());
        self.writer.send(DeleteResource { id, if_match: None, by }).await.unwrap().unwrap();
    }

    /// A document that travels: a name and as much text as one likes.
    pub(crate) async fn service(&self, name: &str) -> ResourceId {
        self.add("service", json!({"name": name, "exec": "x", "exec_type": "docker", "agent_type": "normal"})).await
    }

    pub(crate) fn body(&self, id: &ResourceId) -> Option<Value> {
        let document = self.store.get(id.as_str())?;
        let body = self.store.body(&document).unwrap()?;
        Some(serde_json::from_slice(&body).unwrap())
    }

    pub(crate) fn has(&self, id: &ResourceId) -> bool {
        self.store.get(id.as_str()).is_some()
    }

    /// Whether it has of `origin` exactly what `origin` has.
    pub(crate) fn equals(&self, origin: &Node) -> bool {
        let node = origin.store.identity().node;
        let theirs = origin.store.digests(&[node]).unwrap().remove(&node);
        let ours = self.store.digests(&[node]).unwrap().remove(&node);
        theirs.is_some() && theirs == ours
    }
}

pub(crate) fn wire() -> Arc<Wire> {
    tokio::time::pause();
    Arc::new(Wire::default())
}

/// Waits for a state, in virtual time.
pub(crate) async fn eventually(what: &str, within: Duration, mut reached: impl FnMut() -> bool) {
    let end = Instant::now() + within;
    while !reached() {
        assert!(Instant::now() < end, "{what} was not reached");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) const SOON: Duration = Duration::from_secs(5);

/// Lets virtual time pass.
pub(crate) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// A child of a leader, both linked.
pub(crate) async fn pair(wire: &Arc<Wire>) -> (Node, Node, (u64, u64)) {
    let mut leader = Node::new(wire, "a1", "leader");
    let mut child = Node::new(wire, "a1", "c1");
    leader.leads(&[], None);
    child.follows(&leader, AreaRole::Agent);
    let link = child.link(&leader).await;
    (leader, child, link)
}

/// A sample of a machine whose numbers are all the same, so that a mixture shows.
pub(crate) fn dynamic(round: u32) -> Value {
    let number = f64::from(round);
    json!({"device": {"href": "device/c1"}, "ramFree": number, "ramFreePercent": number, "storageFree": number,
        "storageFreePercent": number, "cpuFreePercent": number, "powerRemainingStatus": "unlimited",
        "powerRemainingStatusSeconds": "unlimited", "powerPlugged": true, "ethernetAddress": "a", "wifiAddress": "b",
        "ethernetThroughputInfo": [], "wifiThroughputInfo": [], "actuatorInfo": "none"})
}

/// Damages a replica on the disk, unseen by the store.
pub(crate) fn damage(node: &Node, id: &ResourceId) {
    use mf2c_store::engine::{Batch, Engine as _, Space};
    let key = id.as_str().as_bytes();
    let mut value = node.engine.get(Space::Documents, key).unwrap().unwrap();
    let last = value.len() - 20;
    value[last] ^= 1;
    let mut batch = Batch::default();
    batch.put(Space::Documents, key, value);
    batch.position = node.store.counters().position.load(Ordering::SeqCst);
    node.engine.commit(batch).unwrap();
}

/// A cloud, a leader below it, a backup and a child.
pub(crate) struct Area {
    pub(crate) cloud: Node,
    pub(crate) leader: Node,
    pub(crate) backup: Node,
    pub(crate) child: Node,
    pub(crate) child_link: (u64, u64),
    pub(crate) cloud_link: (u64, u64),
    wire: Arc<Wire>,
}

impl Area {
    pub(crate) async fn new(wire: &Arc<Wire>) -> Self {
        let mut cloud = Node::new(wire, "z", "cloud");
        let mut leader = Node::new(wire, "a1", "leader");
        let mut backup = Node::new(wire, "a1", "b1");
        let mut child = Node::new(wire, "a1", "c1");
        cloud.leads(&[], None);
        leader.leads(&[&backup], Some(&cloud));
        backup.follows(&leader, AreaRole::Backup);
        child.follows(&leader, AreaRole::Agent);
        let cloud_link = leader.link(&cloud).await;
        backup.link(&leader).await;
        let child_link = child.link(&leader).await;
        Self { cloud, leader, backup, child, child_link, cloud_link, wire: Arc::clone(wire) }
    }

    pub(crate) fn cut_child(&self) {
        self.wire.cut(self.child_link.0);
    }

    pub(crate) fn cut_cloud(&self) {
        self.wire.cut(self.cloud_link.0);
    }

    pub(crate) fn everywhere(&self, id: &ResourceId) -> bool {
        [&self.cloud, &self.leader, &self.backup, &self.child].iter().all(|node| node.has(id))
    }

    pub(crate) fn nowhere(&self, id: &ResourceId) -> bool {
        [&self.cloud, &self.leader, &self.backup, &self.child].iter().all(|node| !node.has(id))
    }
}
