//! `Categoriser`: keeps the documents that tell of the area as a whole: `area-member`, `fog-area`, `agent.childrenIPs` and the
//! status of devices, from the change feed and the links, never by scanning.
//!
//! It keeps in memory what the documents of devices and leaders say, and follows the change log by a cursor. The collections
//! are read once at the start, and again only where the log no longer holds what comes next. What a document should say is
//! compared with what it says, and only a difference is written.

mod actor;
mod agents;
mod chores;
mod expecting;
mod feed;
mod graves;
mod leaving;
mod ledger;
mod members;
mod news;
mod own;
mod plan;
mod records;
mod recounting;
mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::area::presence::{Moment, Patience, Roll, Status};
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::Standing;
use mf2c_domain::id::ResourceId;
use mf2c_store::Store;
use tokio::sync::watch;

use crate::leadership::Standings;
pub use crate::leadership::{LinkClosed, LinkOpened};
use crate::ports::World;
use crate::resource_store::ResourceStore;
use crate::supervisor::DeathNotice;
use chores::Chores;
use expecting::Expected;
use graves::Grave;
pub use graves::{Bury, Copies};
pub use ledger::recount;
use ledger::{Ledger, Node};
use members::Member;
use news::News;
use records::Records;
pub use recounting::{Recount, Recounted, expected_sums, told_sums};
pub use report::Report;
pub(crate) use report::told_in;

/// What the categoriser is told at start.
#[derive(Debug, Clone, Default)]
pub struct CategoriserSettings {
    /// How long silence of an agent is put up with.
    pub patience: Patience,
    /// Whether the configuration calls this agent a leader. It counts while the agent belongs to no area.
    pub declared_leader: bool,
    /// What people call this agent, if anything.
    pub name: Option<String>,
}

/// The agents that should be in the area, as `host:port`: those that have not come are listed. It replaces an earlier list.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct ExpectChildren(pub Vec<String>);

/// What the names of hosts in such addresses stand for.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct ChildrenAre(pub Vec<(String, Vec<IpAddr>)>);

/// Two machines speak for one agent.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Cloned {
    /// Which.
    pub agent: SpiffeId,
    /// Where they are.
    pub addresses: [SocketAddr; 2],
}

/// Time has passed.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub(crate) struct Wake;

/// The most agents of one area that are listed.
const MOST_MEMBERS: usize = 10_000;
/// The most expected addresses.
const MOST_EXPECTED: usize = 1_000;
/// How long trouble is told of after it was last seen.
const TROUBLE_LASTS: Duration = Duration::from_secs(600);

/// See the module.
pub struct Categoriser {
    store: Arc<Store>,
    writer: Addr<ResourceStore>,
    world: World,
    settings: CategoriserSettings,
    standings: Standings,
    /// What was last seen there.
    standing: Standing,
    /// The own node.
    own: Node,
    /// The own `fog-area`.
    own_sums: Option<ResourceId>,
    feed: watch::Receiver<u64>,
    /// Everything up to here is read.
    cursor: u64,
    /// When the log was last read; it is read some times a second at most.
    read_at: Option<Duration>,
    unread: bool,
    ledger: Ledger,
    records: Records,
    /// The agents of the area, by the name that [`members::member_name`] gives them.
    members: BTreeMap<String, Member>,
    /// Which of them has which node.
    nodes: BTreeMap<Node, String>,
    roll: Roll,
    /// Those of whom no leader has told yet that they have joined.
    newcomers: BTreeSet<String>,
    /// The leaders of areas below, by their nodes.
    leaders: Roll,
    links: BTreeMap<u64, Link>,
    expected: Expected,
    /// Agents that are forgotten, by the names that they had as members.
    graves: BTreeMap<String, Grave>,
    copies: Option<Copies>,
    /// What leaders have said of agents that are forgotten, and has not been looked at.
    said: Vec<(Node, Grave)>,
    /// The areas of the leaders below, by their nodes.
    below: BTreeMap<Node, String>,
    /// Whether all documents are being read, and not what changes.
    building: bool,
    /// Until when the trouble of members is told of.
    troubles: BTreeMap<String, Duration>,
    news: News,
    /// The term whose leadership was told of.
    told_term: Option<u64>,
    chores: Chores,
    wake: Option<(Duration, SpawnHandle)>,
    _notice: Option<DeathNotice>,
}

/// A link that is open.
struct Link {
    peer: SpiffeId,
    node: Option<Node>,
}

impl Categoriser {
    /// A categoriser of the documents in `store`. Whoever builds another one after a failure, on `notice`, tells it of the links
    /// that are open.
    #[must_use]
    pub fn new(
        settings: CategoriserSettings,
        store: Arc<Store>,
        writer: Addr<ResourceStore>,
        standings: Standings,
        world: World,
        notice: impl Into<Option<DeathNotice>>,
    ) -> Self {
        let (own, patience) = (store.identity().name(), settings.patience);
        Self {
            feed: store.subscribe(),
            store,
            writer,
            world,
            settings,
            standings,
            standing: Standing::default(),
            cursor: 0,
            read_at: None,
            unread: false,
            ledger: Ledger::new(own.clone()),
            own_sums: ResourceId::new("fog-area", &own).ok(),
            own,
            records: Records::default(),
            members: BTreeMap::new(),
            nodes: BTreeMap::new(),
            roll: Roll::new(patience),
            newcomers: BTreeSet::new(),
            leaders: Roll::new(patience),
            links: BTreeMap::new(),
            expected: Expected::default(),
            graves: BTreeMap::new(),
            copies: None,
            said: Vec::new(),
            below: BTreeMap::new(),
            building: false,
            troubles: BTreeMap::new(),
            news: News::default(),
            told_term: None,
            chores: Chores::default(),
            wake: None,
            _notice: notice.into(),
        }
    }

    fn now(&self) -> Moment {
        Moment { wall: self.world.clock.now(), elapsed: self.world.clock.elapsed() }
    }

    /// Whether the agent has a link to this one.
    fn is_linked(&self, agent: &SpiffeId) -> bool {
        self.links.values().any(|link| link.peer == *agent)
    }

    /// The node of the agent that leads an area, as far as it is known.
    fn leader_of(&self, area: &str) -> Option<Node> {
        if self.standing.area() != Some(area) {
            return self.leader_by_records(area);
        }
        if self.standing.leads() {
            return Some(self.own.clone());
        }
        let leader = &self.standing.leader.as_ref()?.id;
        self.links.values().find(|link| link.peer == *leader)?.node.clone()
    }

    /// The same, by what leaders say of themselves alone.
    fn leader_by_records(&self, area: &str) -> Option<Node> {
        let in_touch = |node: &Node| self.leaders.get(node).is_some_and(|leader| leader.status() == Status::Connected);
        self.records.leader_of(area, in_touch).cloned()
    }

    /// The addresses of the agents that this one leads and is in touch with.
    fn children(&self) -> BTreeSet<IpAddr> {
        let connected = |(name, member): (&String, &Member)| {
            let up = self.roll.get(name)?.status() == Status::Connected;
            member.ip.filter(|_| up && Some(&member.id) != self.standing.own.as_ref())
        };
        self.members.iter().filter_map(connected).collect()
    }
}
