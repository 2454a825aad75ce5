//! Agents in one process: real leadership actors over real stores, with links of memory, in paused time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use actix::prelude::*;
use mf2c_actors::leadership::{
    HandAuthority, Heard, Leadership, LinkClosed, LinkOpened, MembershipChanged, PeerChangesRole, PeerProbes, Settings,
    StoreMemory, Surroundings,
};
use mf2c_actors::ports::{AreaNet, Introduction, LinkAnswer, LinkError, OpenLink, SendError};
use mf2c_actors::resource_store::ResourceStore;
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::{AreaPeer, Standing};
use mf2c_domain::entropy::Entropy;
use mf2c_domain::time::{Clock, Timestamp};
use mf2c_fabric::wire::hello::Scope;
use mf2c_fabric::wire::{
    Answer, Ask, Code, Hello, Message as Framed, Notice, PROTOCOL_VERSION, WireError, decode, encode,
};
use mf2c_pki::area::{PeerIdentity, Serial};
use mf2c_store::engine::MemoryEngine;
use mf2c_store::{Store, StoreOptions};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

const FRAME: u32 = 1 << 20;
const LATENCY: Duration = Duration::from_millis(2);

struct Virtual(Instant);

impl Clock for Virtual {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + i64::try_from(self.elapsed().as_millis()).unwrap())
    }
    fn elapsed(&self) -> Duration {
        Duration::from_secs(100) + self.0.elapsed()
    }
}

struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, buffer: &mut [u8]) {
        for part in buffer.chunks_mut(8) {
            let bytes = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed).to_le_bytes();
            part.copy_from_slice(&bytes[..part.len()]);
        }
    }
}

/// Takes what is meant for the authority.
pub(crate) struct Authority(pub(crate) mpsc::UnboundedSender<AreaPeer>);

impl Actor for Authority {
    type Context = Context<Self>;
}

impl Handler<HandAuthority> for Authority {
    type Result = ();
    fn handle(&mut self, HandAuthority(backup): HandAuthority, _: &mut Context<Self>) {
        let _ = self.0.send(backup);
    }
}

/// One agent; its store outlives its process.
pub(crate) struct Agent {
    pub(crate) id: SpiffeId,
    engine: Arc<MemoryEngine>,
    membership: MembershipChanged,
    pub(crate) leadership: Option<Addr<Leadership>>,
    writer: Option<Addr<ResourceStore>>,
    pub(crate) standing: watch::Receiver<Standing>,
    keep: Vec<AreaPeer>,
    pub(crate) introduced: Introduction,
    pub(crate) handed: mpsc::UnboundedReceiver<AreaPeer>,
    hands: mpsc::UnboundedSender<AreaPeer>,
}

struct Wire {
    ends: [usize; 2],
    /// To each end.
    ways: [mpsc::UnboundedSender<Vec<u8>>; 2],
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) agents: Vec<Agent>,
    wires: BTreeMap<u64, Wire>,
    last: u64,
    cuts: Vec<(usize, usize)>,
}

/// All agents and the links among them.
#[derive(Clone)]
pub(crate) struct Fog {
    state: Arc<Mutex<State>>,
    clock: Arc<Virtual>,
}

/// The links as one agent uses them.
struct Net {
    fog: Fog,
    agent: usize,
}

impl AreaNet for Net {
    fn keep(&self, targets: Vec<AreaPeer>) {
        self.fog.lock().agents[self.agent].keep = targets;
    }

    fn introduce(&self, introduction: Introduction) {
        self.fog.lock().agents[self.agent].introduced = introduction;
    }

    fn send(&self, link: u64, notice: &Notice) -> Result<(), SendError> {
        let state = self.fog.lock();
        let wire = state.wires.get(&link).ok_or(SendError::Gone)?;
        let to = usize::from(wire.ends[0] == self.agent);
        // What travels is what the wire holds.
        let frame = encode(&Framed::Notice(notice.clone()), FRAME).map_err(|_| SendError::TooLarge(0))?;
        wire.ways[to].send(frame).map_err(|_| SendError::Gone)
    }

    fn ask_over(&self, link: u64, ask: Ask, _: Duration) -> LinkAnswer<Answer> {
        let fog = self.fog.clone();
        let agent = self.agent;
        Box::pin(async move {
            let other = fog.lock().wires.get(&link).map(|wire| wire.ends[usize::from(wire.ends[0] == agent)]);
            let asked = other.and_then(|other| fog.lock().agents[other].leadership.clone());
            let gone = || LinkError::Unreachable { address: String::new(), reason: "gone".into() };
            let Some(asked) = asked else { return Err(gone()) };
            sleep(LATENCY).await;
            let peer = fog.lock().agents[agent].id.clone();
            Ok(match ask {
                Ask::Probe { of } => asked.send(PeerProbes { of }).await.map_err(|_| gone())??,
                Ask::ChangeRole(change) => asked.send(PeerChangesRole { peer, change }).await.map_err(|_| gone())??,
                _ => return Err(gone()),
            })
        })
    }

    fn close(&self, link: u64, why: WireError) {
        assert_ne!(why.code, Code::BadFrame, "an honest agent is hung up on: {why}");
        self.fog.hang_up(link);
    }

    fn hint(&self, _: &SpiffeId, _: String) {}
}

pub(crate) fn id(area: &str, name: &str) -> SpiffeId {
    format!("spiffe://d/area/{area}/agent/{name}").parse().unwrap()
}

fn peer(id: &SpiffeId) -> AreaPeer {
    AreaPeer { id: id.clone(), address: "127.0.0.1:7".into() }
}

impl Fog {
    /// A leader `L` and others of one area, below a cloud agent `Z` if there is one. Time stands still but when all wait.
    pub(crate) fn start(cloud: bool, others: &[&str]) -> Self {
        tokio::time::pause();
        let fog = Self { state: Arc::default(), clock: Arc::new(Virtual(Instant::now())) };
        let above = cloud.then(|| peer(&id("sky", "Z")));
        fog.add(id("a1", "L"), above, true);
        for name in others {
            fog.add(id("a1", name), Some(peer(&id("a1", "L"))), false);
        }
        if cloud {
            fog.add(id("sky", "Z"), None, true);
        }
        let calling = fog.clone();
        actix::spawn(async move {
            loop {
                calling.call();
                sleep(Duration::from_millis(100)).await;
            }
        });
        fog
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn add(&self, own: SpiffeId, admitted_by: Option<AreaPeer>, has_authority: bool) {
        let (hands, handed) = mpsc::unbounded_channel();
        let address = Some(peer(&own).address);
        let at = {
            let mut state = self.lock();
            state.agents.push(Agent {
                engine: Arc::new(MemoryEngine::default()),
                membership: MembershipChanged { own: Some(own.clone()), admitted_by, has_authority, address },
                id: own,
                leadership: None,
                writer: None,
                standing: watch::channel(Standing::default()).1,
                keep: vec![],
                introduced: Introduction::default(),
                handed,
                hands,
            });
            state.agents.len() - 1
        };
        self.run(at);
    }

    fn run(&self, at: usize) {
        let mut state = self.lock();
        let agent = &mut state.agents[at];
        let clock: Arc<dyn Clock> = self.clock.clone();
        let entropy = Counter((at as u64 + 1).into());
        let (store, writer) =
            Store::open(agent.engine.clone(), StoreOptions::default(), clock.clone(), &entropy).unwrap();
        let writer = ResourceStore::new(writer, 64).start();
        let (standings, standing) = watch::channel(Standing::default());
        let leadership = Leadership::new(Surroundings {
            settings: Settings::default(),
            incarnation: 1,
            cloud: agent.id.area() == Some("sky"),
            clock,
            net: Arc::new(Net { fog: self.clone(), agent: at }),
            memory: Arc::new(StoreMemory(store)),
            keep: writer.clone().recipient(),
            standings,
            authority: Some(Authority(agent.hands.clone()).start().recipient()),
            below: None,
            news: None,
        })
        .start();
        leadership.try_send(agent.membership.clone()).unwrap();
        agent.leadership = Some(leadership);
        agent.writer = Some(writer);
        agent.standing = standing;
    }

    pub(crate) fn index(&self, name: &str) -> usize {
        self.lock().agents.iter().position(|agent| agent.id.device() == Some(name)).unwrap()
    }

    pub(crate) fn leadership(&self, name: &str) -> Addr<Leadership> {
        let at = self.index(name);
        self.lock().agents[at].leadership.clone().unwrap()
    }

    pub(crate) fn standing(&self, name: &str) -> Standing {
        let at = self.index(name);
        let state = self.lock();
        if state.agents[at].leadership.is_some() {
            state.agents[at].standing.borrow().clone()
        } else {
            Standing::default()
        }
    }

    /// Ends an agent; its store keeps what was synced.
    pub(crate) fn kill(&self, name: &str) {
        let at = self.index(name);
        let links: Vec<u64> = {
            let mut state = self.lock();
            state.agents[at].leadership = None;
            state.agents[at].writer = None;
            state.agents[at].keep.clear();
            state.wires.iter().filter(|(_, wire)| wire.ends.contains(&at)).map(|(link, _)| *link).collect()
        };
        links.into_iter().for_each(|link| self.hang_up(link));
    }

    pub(crate) fn restart(&self, name: &str) {
        self.run(self.index(name));
    }

    /// Nobody reaches this agent.
    pub(crate) fn isolate(&self, name: &str) {
        let at = self.index(name);
        let mut state = self.lock();
        state.cuts = (0..state.agents.len()).map(|other| (at.min(other), at.max(other))).collect();
        let links: Vec<u64> =
            state.wires.iter().filter(|(_, wire)| wire.ends.contains(&at)).map(|(link, _)| *link).collect();
        drop(state);
        links.into_iter().for_each(|link| self.hang_up(link));
    }

    pub(crate) fn heal(&self) {
        self.lock().cuts.clear();
    }

    /// Lets virtual time pass until something holds; how much has passed.
    pub(crate) async fn until(&self, most: Duration, what: impl Fn(&Self) -> bool) -> Duration {
        let begin = Instant::now();
        while !what(self) {
            let standings: Vec<_> = self.lock().agents.iter().map(|agent| agent.standing.borrow().clone()).collect();
            assert!(begin.elapsed() < most, "it does not hold: {standings:#?}");
            sleep(Duration::from_millis(10)).await;
        }
        begin.elapsed()
    }

    fn call(&self) {
        let count = self.lock().agents.len();
        for one in 0..count {
            let wanted: Vec<SpiffeId> = {
                let state = self.lock();
                let agent = &state.agents[one];
                if agent.leadership.is_none() {
                    continue;
                }
                let standing = agent.standing.borrow();
                let leader = standing.leader.clone().or_else(|| agent.membership.admitted_by.clone());
                leader.into_iter().chain(agent.keep.iter().cloned()).map(|peer| peer.id).collect()
            };
            for other in 0..count {
                if other != one && wanted.contains(&self.lock().agents[other].id.clone()) {
                    self.open(one, other);
                }
            }
        }
    }

    fn open(&self, one: usize, other: usize) {
        let mut state = self.lock();
        let linked = state.wires.values().any(|wire| wire.ends.contains(&one) && wire.ends.contains(&other));
        let cut = state.cuts.contains(&(one.min(other), one.max(other)));
        if linked || cut || state.agents[other].leadership.is_none() {
            return;
        }
        state.last += 1;
        let link = state.last;
        let ways = [one, other].map(|end| {
            let far = if end == one { other } else { one };
            let facts = open_link(link, &state.agents[far], end == other);
            let to = state.agents[end].leadership.clone().unwrap();
            let (way, frames) = mpsc::unbounded_channel();
            actix::spawn(deliver(to, facts, frames));
            way
        });
        state.wires.insert(link, Wire { ends: [one, other], ways });
    }

    fn hang_up(&self, link: u64) {
        self.lock().wires.remove(&link);
    }
}

/// Carries frames to one end, in order and with the latency of a network.
async fn deliver(to: Addr<Leadership>, open: OpenLink, mut frames: mpsc::UnboundedReceiver<Vec<u8>>) {
    let link = open.number;
    sleep(LATENCY).await;
    let _ = to.send(LinkOpened(open)).await;
    while let Some(frame) = frames.recv().await {
        sleep(LATENCY).await;
        if let Framed::Notice(Notice::Leadership(message)) = decode(&frame[4..]).unwrap() {
            let _ = to.send(Heard { link, message }).await;
        }
    }
    let _ = to.send(LinkClosed(link)).await;
}

fn open_link(number: u64, far: &Agent, accepted: bool) -> OpenLink {
    let identity = PeerIdentity {
        id: far.id.clone(),
        unit: if far.membership.has_authority { "leader" } else { "agent" }.into(),
        serial: Serial::from_bytes(&[1]),
        issuer: "00".into(),
        authority: None,
        not_before: Timestamp::default(),
        not_after: Timestamp::from_millis(i64::MAX / 2_000_000),
        key: [0; 32],
    };
    let hello = Hello {
        v: vec![PROTOCOL_VERSION],
        node: far.id.to_string(),
        area: far.id.area().unwrap().into(),
        role: far.introduced.role.clone(),
        term: far.introduced.term,
        incarnation: 1,
        boot: 1,
        origin: vec![].into(),
        listen: "7".into(),
        clock: 0,
        features: vec![],
        max_frame: FRAME,
        trust: mf2c_fabric::wire::TrustNews::default(),
    };
    OpenLink {
        number,
        peer: Arc::new(identity),
        hello: Arc::new(hello),
        address: ([127, 0, 0, 1], 4321).into(),
        accepted,
        scope: Scope::Area,
    }
}
