//! Starts those who keep an area together: leadership, replication, the area's documents, and discovery.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::{Actor as _, Addr, ArbiterHandle};
use mf2c_actors::ca_client::CaClient;
use mf2c_actors::categoriser::{Bury, Categoriser, CategoriserSettings, ChildrenAre, Copies, ExpectChildren};
use mf2c_actors::certificate_authority::CertificateAuthority;
use mf2c_actors::leadership::{self, Leadership, Settings, Standings, StoreMemory};
use mf2c_actors::ports::AreaNet;
use mf2c_actors::post::post;
use mf2c_actors::replicator::{Replicator, ReplicatorCounters, ReplicatorParts, ReplicatorSettings};
use mf2c_actors::supervisor::Supervisor;
use mf2c_domain::area::role::FOUNDER;
use mf2c_domain::area::standing::Standing;
use mf2c_facade::monitor::Flowed;
use mf2c_pki::area::Credentials;
use tokio::sync::watch;

use super::AreaRooms;
use super::herald::Herald;
use super::links::Links;
use mf2c_actors::lifecycle_manager::LifecycleManager;

use super::peers::{Crew, Current, OpenLinks, publish};
use super::steward::{Household, Steward};
use crate::config::{Config, Role};
use crate::discovery::{self, Discovered, DiscoveryRooms};

/// How long the address of a name is waited for.
const RESOLVE: Duration = Duration::from_secs(5);
/// The most addresses of one name that are looked at.
const MOST_IPS: usize = 16;

/// Those who keep the area together, for everybody else.
#[derive(Clone)]
pub(crate) struct Fog {
    pub(crate) standings: Standings,
    pub(crate) leadership: Addr<Leadership>,
    pub(crate) replicator: Addr<Replicator>,
    pub(crate) discovery: Arc<Discovered>,
    /// Who runs services, as soon as it is there.
    pub(crate) lifecycle: Current<LifecycleManager>,
    categoriser: Current<Categoriser>,
    counters: Arc<ReplicatorCounters>,
    leaders: Arc<AtomicU64>,
}

/// Whom they meet besides.
pub(super) struct Neighbours<'a> {
    pub(super) links: &'a Arc<Links>,
    pub(super) open: &'a OpenLinks,
    pub(super) authority: &'a Addr<CertificateAuthority>,
    pub(super) client: &'a Addr<CaClient>,
    pub(super) credentials: &'a Credentials,
    /// The thread for what is told over links.
    pub(super) thread: ArbiterHandle,
}

/// Starts them. They do nothing while the agent belongs to no area.
pub(super) fn start(config: &Config, rooms: &AreaRooms<'_>, near: &Neighbours<'_>) -> (Fog, Crew) {
    // What the agent is a member of is known before leadership says it. Who had it for a stranger meanwhile would remove the
    // documents of its area.
    let own = near.credentials.membership().filter(|membership| membership.own.unit != FOUNDER);
    let own = own.map(|membership| membership.own.id.clone());
    let (told, standings) = watch::channel(Standing { own, ..Standing::default() });
    let counters = Arc::new(ReplicatorCounters::default());
    let replicator = start_replicator(config, rooms, near, (&standings, Arc::clone(&counters)));
    let categoriser = start_categoriser(config, rooms, near, &standings, &replicator);
    let clock = Arc::clone(&rooms.world.clock);
    let herald = Herald::new(Arc::clone(&categoriser), replicator.clone(), standings.clone(), clock);
    let herald = Herald::start_in_arbiter(&rooms.arbiter.handle(), move |_| herald);
    let leadership = start_leadership(config, rooms, near, (told, herald));
    let discovery = start_discovery(config, rooms, near, &standings);
    let leaders = Arc::new(AtomicU64::new(0));
    let household = Household {
        client: near.client.clone(),
        authority: near.authority.clone(),
        leadership: leadership.clone(),
        replicator: replicator.clone(),
        links: Arc::clone(near.links),
        open: Arc::clone(near.open),
        standings: standings.clone(),
        advertise: config.link.advertise.clone(),
        leaders: Arc::clone(&leaders),
    };
    let steward = Steward::start_in_arbiter(&rooms.arbiter.handle(), move |_| Steward::new(household));
    let told = Arc::clone(&categoriser);
    let lifecycle = Current::default();
    let crew = Crew {
        leadership: leadership.clone(),
        replicator: replicator.clone(),
        categoriser: told,
        steward,
        lifecycle: Arc::clone(&lifecycle),
    };
    (Fog { standings, leadership, replicator, discovery, lifecycle, categoriser, counters, leaders }, crew)
}

fn start_leadership(
    config: &Config,
    rooms: &AreaRooms<'_>,
    near: &Neighbours<'_>,
    (standings, herald): (watch::Sender<Standing>, Addr<Herald>),
) -> Addr<Leadership> {
    let around = leadership::Surroundings {
        settings: settings(config),
        incarnation: rooms.store.identity().incarnation,
        cloud: config.role == Role::Cloud,
        clock: Arc::clone(&rooms.world.clock),
        net: Arc::clone(near.links) as Arc<dyn AreaNet>,
        memory: Arc::new(StoreMemory(Arc::clone(rooms.store))),
        keep: rooms.writer.clone().recipient(),
        standings,
        // The steward looks after that.
        authority: None,
        below: Some(herald.clone().recipient()),
        news: Some(herald.recipient()),
    };
    Leadership::start_in_arbiter(&near.thread, move |_| Leadership::new(around))
}

/// The times of the area.
fn settings(config: &Config) -> Settings {
    let area = &config.area;
    let profile = area.usual();
    let election = area.election_timeout();
    // Who waits longer for a leader suspects it later, and waits longer for a backup, by as much as the profile does.
    let scaled = |time: Duration| time.mul_f64(election.as_secs_f64() / profile.election.as_secs_f64());
    Settings {
        heartbeat: area.heartbeat(),
        election,
        suspicion: scaled(profile.suspicion),
        drop_after: area.drop_after.map_or_else(|| scaled(profile.drop_after), |time| time.get()),
        backups: area.backups,
        found_after: area.found_after(),
        ..profile
    }
}

fn start_replicator(
    config: &Config,
    rooms: &AreaRooms<'_>,
    near: &Neighbours<'_>,
    (standings, counters): (&Standings, Arc<ReplicatorCounters>),
) -> Addr<Replicator> {
    let mut boot = [0; 8];
    rooms.world.entropy.fill(&mut boot);
    let parts = ReplicatorParts {
        store: Arc::clone(rooms.store),
        writer: rooms.writer.clone(),
        net: Arc::clone(near.links) as Arc<dyn AreaNet>,
        world: rooms.world.clone(),
        workshop: Arc::new(mf2c_actors::ports::BlockingThreads),
        standing: standings.clone(),
        boot: u64::from_le_bytes(boot).max(1),
        settings: ReplicatorSettings { agreements: config.sla.agreements(), ..ReplicatorSettings::default() },
        counters,
    };
    Replicator::start_in_arbiter(&near.thread, move |_| Replicator::new(parts))
}

fn start_categoriser(
    config: &Config,
    rooms: &AreaRooms<'_>,
    near: &Neighbours<'_>,
    standings: &Standings,
    replicator: &Addr<Replicator>,
) -> Current<Categoriser> {
    let settings = CategoriserSettings {
        patience: super::patience(config),
        declared_leader: config.role != Role::Agent,
        name: super::own_name(config),
    };
    let (store, writer, world) = (Arc::clone(rooms.store), rooms.writer.clone(), rooms.world.clone());
    let (clock, standings) = (Arc::clone(&world.clock), standings.clone());
    let copies = Copies { forget: replicator.clone().recipient(), remember: replicator.clone().recipient() };
    let build = move |notice| {
        let (settings, standings) = (settings.clone(), standings.clone());
        Categoriser::new(settings, Arc::clone(&store), writer.clone(), standings, world.clone(), notice)
            .keeping(copies.clone())
    };
    let current = Current::default();
    let (shared, open) = (Arc::clone(&current), Arc::clone(near.open));
    let children = discovery::settings(config).children;
    let tell = move |worker: Addr<Categoriser>| {
        if !children.is_empty() {
            let _ = worker.try_send(ExpectChildren(children.clone()));
            actix::spawn(resolve(worker.clone(), children.clone()));
        }
        publish(&shared, &open, worker);
    };
    let supervisor = Supervisor::new("categoriser", clock, Box::new(build)).telling(Box::new(tell));
    Supervisor::start_in_arbiter(&rooms.arbiter.handle(), move |_| supervisor);
    current
}

/// Tells what the names of expected children stand for. What has no answer is known by what the child says of itself alone.
async fn resolve(worker: Addr<Categoriser>, children: Vec<String>) {
    let mut resolved = vec![];
    for child in children {
        let found = tokio::time::timeout(RESOLVE, tokio::net::lookup_host(child.clone())).await;
        let ips = found.ok().and_then(Result::ok).map(|found| found.take(MOST_IPS).map(|it| it.ip().to_canonical()));
        resolved.extend(ips.map(|ips| (child, ips.collect())));
    }
    let _ = worker.try_send(ChildrenAre(resolved));
}

fn start_discovery(
    config: &Config,
    rooms: &AreaRooms<'_>,
    near: &Neighbours<'_>,
    standings: &Standings,
) -> Arc<Discovered> {
    let bound = Arc::clone(near.links);
    let around = DiscoveryRooms {
        arbiter: rooms.arbiter,
        world: rooms.world,
        credentials: near.credentials,
        standing: standings.clone(),
        net: Arc::clone(near.links) as Arc<dyn AreaNet>,
        bound: Arc::new(move || bound.bound()),
    };
    Arc::new(discovery::start(config, around))
}

impl Fog {
    /// Has the area told that an agent is forgotten.
    pub(super) fn bury(&self) -> Arc<dyn Fn(Bury) + Send + Sync> {
        let current = Arc::clone(&self.categoriser);
        Arc::new(move |bury| {
            if let Some(categoriser) = &*current.lock() {
                // A command waits for each.
                post(categoriser, bury);
            }
        })
    }

    /// How often another agent has come to lead.
    pub(super) fn leaders(&self) -> u64 {
        self.leaders.load(Ordering::Relaxed)
    }

    /// What went over all streams.
    pub(super) fn flowed(&self) -> Flowed {
        let counters = &self.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Flowed {
            changes: [read(&counters.changes_in), read(&counters.changes_out)],
            bytes: [read(&counters.bytes_in), read(&counters.bytes_out)],
            repaired: read(&counters.repaired),
        }
    }
}
