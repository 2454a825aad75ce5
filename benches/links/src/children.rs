//! Children that describe their machines and replicate it to their leader: the agent's own store, writer, replicator and
//! links, with the store in memory.

use std::io::Read as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use actix::prelude::*;
use mf2c_actors::ports::{AreaNet, LinkReply, LinkService, OpenLink};
use mf2c_actors::replicator::{
    HeardStream, LinkClosed, LinkOpened, Replicator, ReplicatorCounters, ReplicatorParts, ReplicatorSettings,
};
use mf2c_actors::resource_store::{AddResource, EditResource, ResourceStore};
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::{AreaPeer, AreaRole, Standing};
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource;
use mf2c_fabric::wire::{Ask, Code, Notice, WireError};
use mf2c_pki::area::PeerIdentity;
use mf2c_store::engine::MemoryEngine;
use mf2c_store::{NewDocument, Store, StoreOptions};
use mf2c_transport::link::LinkSettings;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::member::{Member, world};
use crate::{Outcome, read, say};

/// Joins with each token of a file; each child then changes its `device-dynamic` once in `period`, spread evenly, until
/// standard input ends. Says what it sends.
pub(crate) fn run(tokens: &str, period: Duration) -> Outcome<()> {
    let tokens = read(tokens)?;
    System::new().block_on(async move {
        let mut children = vec![];
        for token in &tokens {
            children.push(Child::join(token).await?);
        }
        say("ready", children.len())?;
        let (end, mut ended) = watch::channel(false);
        std::thread::spawn(move || {
            let _ = std::io::stdin().read_to_end(&mut vec![]);
            end.send_replace(true);
        });
        let before = sums(&children);
        let started = Instant::now();
        let mut round = 0_u64;
        loop {
            for (number, child) in children.iter().enumerate() {
                let due = started + period * u32::try_from(round)? + period * u32::try_from(number)? / u32::try_from(children.len())?;
                tokio::select! {
                    _ = ended.changed() => {
                        let (changes, bytes) = sums(&children);
                        say("seconds", started.elapsed().as_secs_f64())?;
                        say("changes", changes - before.0)?;
                        return say("bytes", bytes - before.1);
                    }
                    () = tokio::time::sleep_until(due.into()) => child.measure(round).await?,
                }
            }
            round += 1;
        }
    })
}

fn sums(children: &[Child]) -> (u64, u64) {
    use std::sync::atomic::Ordering::Relaxed;
    let add = |sum: (u64, u64), child: &Child| {
        (sum.0 + child.counters.changes_out.load(Relaxed), sum.1 + child.counters.bytes_out.load(Relaxed))
    };
    children.iter().fold((0, 0), add)
}

struct Child {
    writer: Addr<ResourceStore>,
    dynamic: ResourceId,
    counters: Arc<ReplicatorCounters>,
    _member: Member,
}

/// What its links hear goes to the replicator.
struct Ears(OnceLock<Addr<Replicator>>);

impl LinkService for Ears {
    fn answer(&self, _: Ask, _: Option<Arc<PeerIdentity>>, _: IpAddr) -> LinkReply {
        Box::pin(async { Err(WireError::new(Code::Forbidden, "a child of a measurement answers nothing")) })
    }

    fn notice(&self, _: Notice, _: Arc<PeerIdentity>) {}

    fn opened(&self, link: OpenLink) {
        let _ = self.0.get().map(|replicator| replicator.try_send(LinkOpened(link)));
    }

    fn closed(&self, number: u64) {
        let _ = self.0.get().map(|replicator| replicator.try_send(LinkClosed(number)));
    }

    fn cloned(&self, _: &SpiffeId, _: [SocketAddr; 2]) {}

    fn heard(&self, link: u64, notice: Notice) -> Result<(), WireError> {
        if let (Notice::Stream(message), Some(replicator)) = (notice, self.0.get()) {
            let _ = replicator.try_send(HeardStream { link, message });
        }
        Ok(())
    }
}

impl Child {
    async fn join(token: &str) -> Outcome<Self> {
        let world = world();
        let engine = Arc::new(MemoryEngine::new());
        let (store, writer) = Store::open(engine, StoreOptions::default(), Arc::clone(&world.clock), &*world.entropy)?;
        let writer = ResourceStore::new(writer, 1024).start();
        let name = store.identity().name();
        let settings = LinkSettings {
            incarnation: store.identity().incarnation,
            origin: store.identity().node.to_vec(),
            ..LinkSettings::new("agent")
        };
        let ears = Arc::new(Ears(OnceLock::new()));
        let member = Member::join_as(token, settings, Arc::clone(&ears) as Arc<dyn LinkService>, false).await?;
        let own = member.credentials.membership().map(|membership| membership.own.id.clone());
        let leader = AreaPeer { id: member.leader.clone(), address: member.address.clone() };
        let standing =
            Standing { own, role: AreaRole::Agent, term: 1, leader: Some(leader), ..Standing::default() };
        let (_, standing) = watch::channel(standing);
        let counters = Arc::new(ReplicatorCounters::default());
        let net: Arc<dyn AreaNet> = Arc::new(member.links.clone());
        let parts = ReplicatorParts {
            store: Arc::clone(&store),
            writer: writer.clone(),
            net,
            world: world.clone(),
            workshop: Arc::new(mf2c_actors::ports::BlockingThreads),
            standing,
            boot: 1,
            settings: ReplicatorSettings::default(),
            counters: Arc::clone(&counters),
        };
        let _ = ears.0.set(Replicator::new(parts).start());
        member.lead();
        let child = Self { writer, dynamic: ResourceId::new("device-dynamic", &name)?, counters, _member: member };
        child.describe(&name, &world).await?;
        Ok(child)
    }

    /// The documents of its machine, once.
    async fn describe(&self, name: &str, world: &mf2c_actors::ports::World) -> Outcome<()> {
        let device = json!({
            "deviceID": name, "isLeader": false, "os": "Linux", "arch": "x86_64", "cpuManufacturer": "bench",
            "physicalCores": 4, "logicalCores": 8, "cpuClockSpeed": "1.8 GHz", "memory": 8192.0, "storage": 65536.0,
            "agentType": "normal", "networkingStandards": "WiFi", "hwloc": "x".repeat(2000), "cpuinfo": "y".repeat(2000),
        });
        let traffic = ["1", "2", "3", "4", "0", "0", "0", "0"];
        let dynamic = json!({
            "device": {"href": format!("device/{name}")}, "ramFree": 4096.0, "ramFreePercent": 50.0,
            "storageFree": 32768.0, "storageFreePercent": 50.0, "cpuFreePercent": 90.0,
            "powerRemainingStatus": "unlimited", "powerRemainingStatusSeconds": "unlimited", "powerPlugged": true,
            "ethernetAddress": "10.0.0.1", "wifiAddress": "10.0.1.1", "ethernetThroughputInfo": traffic,
            "wifiThroughputInfo": traffic, "actuatorInfo": "none",
        });
        for (kind, body) in [("device", device), ("device-dynamic", dynamic)] {
            let spec = resource::find(kind).ok_or("no such type")?;
            let Value::Object(body) = body else { return Err("no object".into()) };
            let draft = spec.prepare_add(body, world.clock.now(), &*world.entropy)?;
            let draft = resource::Draft { name: Some(name.to_owned()), ..draft };
            let new = NewDocument::new(spec, draft, &Caller::agent(), &*world.entropy)?;
            self.writer.send(AddResource(new)).await??;
        }
        Ok(())
    }

    /// Four attributes change, as a sample of a machine changes them.
    async fn measure(&self, round: u64) -> Outcome<()> {
        let changes = json!({
            "ramFree": 4000.0 + f64::from(u32::try_from(round % 90)?), "ramFreePercent": 48.0,
            "cpuFreePercent": 10.0 + f64::from(u32::try_from(round * 7 % 80)?), "loadAverage": [0.1, 0.2, 0.3],
        });
        let Value::Object(changes) = changes else { return Err("no object".into()) };
        let edit =
            EditResource { id: self.dynamic.clone(), changes, removed: vec![], if_match: None, by: Caller::agent() };
        self.writer.send(edit).await??;
        Ok(())
    }
}
