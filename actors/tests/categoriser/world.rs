//! Agents with stores in memory under paused time, whose changes travel when they are told to.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::prelude::*;
use mf2c_actors::categoriser::{Categoriser, CategoriserSettings, LinkClosed, LinkOpened};
use mf2c_actors::ports::{OpenLink, World};
use mf2c_actors::resource_store::{AddResource, ApplyInflow, EditResource, ResourceStore};
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::{AreaPeer, AreaRole, Mandate, Standing};
use mf2c_domain::caller::Caller;
use mf2c_domain::entropy::Entropy;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource::{self, Draft};
use mf2c_domain::time::{Clock, Timestamp};
use mf2c_fabric::wire::hello::Scope;
use mf2c_fabric::wire::{Hello, TrustNews};
use mf2c_pki::area::{PeerIdentity, Serial};
use mf2c_store::engine::MemoryEngine;
use mf2c_store::replica::{Content, Incoming, Inflow, InflowKind};
use mf2c_store::{Changes, NewDocument, Store, StoreOptions};
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::task::LocalSet;
use tokio::time::Instant;

/// The clock that the paused time drives.
struct Paused(Instant);

impl Clock for Paused {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + i64::try_from(self.0.elapsed().as_millis()).unwrap())
    }
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
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

/// Runs a story under paused time.
pub(crate) fn story(told: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, told);
}

/// Lets so much time pass, and everybody do what is his turn.
pub(crate) async fn pass(time: Duration) {
    let until = Instant::now() + time;
    settle().await;
    while Instant::now() < until {
        tokio::time::advance((until - Instant::now()).min(Duration::from_millis(100))).await;
        settle().await;
    }
}

pub(crate) async fn seconds(seconds: u64) {
    pass(Duration::from_secs(seconds)).await;
}

async fn settle() {
    for _ in 0..60 {
        tokio::task::yield_now().await;
    }
}

/// An agent.
pub(crate) struct Agent {
    pub(crate) id: SpiffeId,
    pub(crate) node: String,
    address: SocketAddr,
    pub(crate) store: Arc<Store>,
    pub(crate) writer: Addr<ResourceStore>,
    world: World,
    standing: watch::Sender<Standing>,
    pub(crate) categoriser: Addr<Categoriser>,
    /// How far the changes of others have come here.
    taken: RefCell<BTreeMap<String, u64>>,
}

static NUMBERS: AtomicU64 = AtomicU64::new(1);

impl Agent {
    /// An agent of an area, on a machine that is described.
    pub(crate) async fn start(area: &str, number: u8) -> Self {
        let device = format!("{number:02x}").repeat(64);
        let id: SpiffeId = format!("spiffe://fog/area/{area}/agent/{device}").parse().unwrap();
        let seed = NUMBERS.fetch_add(1, Ordering::SeqCst) << 40 | u64::from(number);
        let world = World { clock: Arc::new(Paused(Instant::now())), entropy: Arc::new(Seeded(seed.into())) };
        let (engine, clock) = (Arc::new(MemoryEngine::new()), Arc::clone(&world.clock));
        let (store, writer) = Store::open(engine, StoreOptions::default(), clock, &*world.entropy).unwrap();
        let writer = ResourceStore::new(writer, 1024).start();
        let (standing, standings) = watch::channel(Standing::default());
        let settings = CategoriserSettings::default();
        let categoriser =
            Categoriser::new(settings, Arc::clone(&store), writer.clone(), standings, world.clone(), None).start();
        let (address, node) = (SocketAddr::from(([10, 0, 0, number], 40_000)), store.identity().name());
        let agent = Self { id, node, address, store, writer, world, standing, categoriser, taken: RefCell::default() };
        agent.describe(number).await;
        agent
    }

    async fn describe(&self, number: u8) {
        let device = json!({
            "deviceID": self.id.device(), "isLeader": false, "os": "linux", "arch": "x86_64", "cpuManufacturer": "any",
            "physicalCores": number, "logicalCores": 2 * u32::from(number), "cpuClockSpeed": "1 GHz", "memory": 1024.0 * f64::from(number),
            "storage": 1000.5, "agentType": "normal", "networkingStandards": "eth0", "hwloc": "", "cpuinfo": "",
        });
        self.add("device", device).await;
        self.add("device-dynamic", dynamic(&self.node, 50.0)).await;
        let agent = json!({"device_id": format!("device/{}", self.node), "device_ip": "", "authenticated": false,
            "connected": false, "isLeader": false});
        self.add("agent", agent).await;
    }

    /// Stores a document under the node's own name.
    pub(crate) async fn add(&self, kind: &str, attributes: Value) {
        let spec = resource::find(kind).unwrap();
        let attributes = object(attributes);
        let draft = spec.prepare_add(attributes, self.world.clock.now(), &*self.world.entropy).unwrap();
        let draft = Draft { name: Some(self.node.clone()), ..draft };
        let new = NewDocument::new(spec, draft, &Caller::agent(), &*self.world.entropy).unwrap();
        self.writer.send(AddResource(new)).await.unwrap().unwrap();
    }

    pub(crate) async fn edit(&self, kind: &str, changes: Value) {
        let id = ResourceId::new(kind, &self.node).unwrap();
        let edit = EditResource { id, changes: object(changes), removed: vec![], if_match: None, by: Caller::agent() };
        self.writer.send(edit).await.unwrap().unwrap();
    }

    pub(crate) fn peer(&self) -> AreaPeer {
        AreaPeer { id: self.id.clone(), address: format!("{}:8444", self.address.ip()) }
    }

    /// What the agent is from now on.
    pub(crate) fn stands(&self, role: AreaRole, term: u64, leader: Option<&Self>, backups: &[&Self]) {
        let mandate = if role == AreaRole::Leader { Mandate::Full } else { Mandate::None };
        let backups = backups.iter().map(|backup| backup.peer()).collect();
        let (own, leader) = (Some(self.id.clone()), leader.map(Self::peer));
        self.standing.send_replace(Standing { own, role, term, mandate, leader, backups, ..Standing::default() });
    }

    /// Opens a link to another agent; its number.
    pub(crate) async fn call(&self, other: &Self) -> u64 {
        let number = NUMBERS.fetch_add(1, Ordering::SeqCst);
        let scope = if self.id.area() == other.id.area() { Scope::Area } else { Scope::Certification };
        other.categoriser.send(LinkOpened(self.link(number, true, scope))).await.unwrap();
        self.categoriser.send(LinkOpened(other.link(number, false, scope))).await.unwrap();
        number
    }

    /// Ends a link at both ends.
    pub(crate) async fn hang_up(&self, other: &Self, number: u64) {
        other.categoriser.send(LinkClosed(number)).await.unwrap();
        self.categoriser.send(LinkClosed(number)).await.unwrap();
    }

    pub(crate) fn link(&self, number: u64, accepted: bool, scope: Scope) -> OpenLink {
        let role = self.standing.borrow().role.as_str().to_owned();
        let now = self.world.clock.now();
        let hello = Hello {
            v: vec![1],
            node: self.id.to_string(),
            area: self.id.area().unwrap().to_owned(),
            role,
            term: 0,
            incarnation: 0,
            boot: 0,
            origin: self.store.identity().node.to_vec().into(),
            listen: "8444".into(),
            clock: now.millis(),
            features: vec![format!("name=boat-{}", self.address.ip().to_string().rsplit('.').next().unwrap())],
            max_frame: 1 << 20,
            trust: TrustNews::default(),
        };
        let peer = PeerIdentity {
            id: self.id.clone(),
            unit: "agent".into(),
            serial: Serial::from_bytes(&[1]),
            issuer: String::new(),
            authority: None,
            not_before: now,
            not_after: now,
            key: [0; 32],
        };
        OpenLink { number, peer: Arc::new(peer), hello: Arc::new(hello), address: self.address, accepted, scope }
    }

    /// Takes over what others have changed of their own since the last time.
    pub(crate) async fn hear(&self, others: &[&Self]) {
        self.hear_some(others, usize::MAX).await;
    }

    /// The same, of no more changes than this each; whether there were any.
    pub(crate) async fn hear_some(&self, others: &[&Self], most: usize) -> bool {
        let mut any = false;
        for other in others {
            let identity = other.store.identity().clone();
            let from = self.taken.borrow().get(&other.node).copied().unwrap_or_default();
            let Changes::Next(changes) = other.store.changes_after(from, most.min(100_000)).unwrap() else {
                panic!("trimmed")
            };
            let Some(last) = changes.last().map(|change| change.position) else { continue };
            self.taken.borrow_mut().insert(other.node.clone(), last);
            any = true;
            let own = changes.into_iter().filter(|change| change.origin == identity.node && change.sequence > 0);
            let changes: Vec<Incoming> = own
                .map(|change| Incoming {
                    sequence: change.sequence,
                    time: change.time,
                    id: change.id.clone(),
                    content: change.body().map_or(Content::Deleted, |body| Content::Whole(body.to_vec())),
                })
                .collect();
            let (Some(first), Some(last)) = (changes.first(), changes.last()) else { continue };
            let kind = InflowKind::Tail { after: first.sequence - 1, upto: last.sequence };
            let flow = Inflow { origin: identity.node, incarnation: identity.incarnation, kind, changes };
            self.writer.send(ApplyInflow(flow)).await.unwrap().unwrap();
        }
        any
    }

    /// A document; null where there is none.
    pub(crate) fn get(&self, id: &str) -> Value {
        let Some(document) = self.store.get(id) else { return Value::Null };
        serde_json::from_slice(&self.store.body(&document).unwrap().unwrap()).unwrap()
    }

    /// What this leader says of another agent.
    pub(crate) fn member(&self, other: &Self) -> Value {
        self.get(&format!("area-member/{}-{}", &other.id.device().unwrap()[..32], &self.node[..8]))
    }

    pub(crate) fn sums(&self) -> Value {
        self.get(&format!("fog-area/{}", self.node))
    }

    pub(crate) fn own(&self) -> Value {
        self.get(&format!("agent/{}", self.node))
    }

    /// The status of another agent's device, as it is seen here.
    pub(crate) fn sees(&self, other: &Self) -> String {
        self.get(&format!("device-dynamic/{}", other.node))["status"].as_str().unwrap_or_default().to_owned()
    }

    /// What events here tell of.
    pub(crate) fn told(&self) -> Vec<String> {
        let all = self.store.all("event").into_iter();
        let state = |event: Value| event["content"]["state"].as_str().unwrap().to_owned();
        all.map(|event| state(self.get(event.id.as_str()))).collect()
    }
}

pub(crate) fn dynamic(node: &str, idle: f64) -> Value {
    json!({
        "device": {"href": format!("device/{node}")}, "ramFree": 1.0, "ramFreePercent": 1.0, "storageFree": 1.0,
        "storageFreePercent": 1.0, "cpuFreePercent": idle, "powerRemainingStatus": "unlimited",
        "powerRemainingStatusSeconds": "unlimited", "powerPlugged": true, "ethernetAddress": "Empty", "wifiAddress": "Empty",
        "ethernetThroughputInfo": [], "wifiThroughputInfo": [], "actuatorInfo": "none",
    })
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}
