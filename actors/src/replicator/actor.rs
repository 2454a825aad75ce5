//! The actor: what it holds, how it starts, and what wakes it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::Standing;
use mf2c_domain::time::HybridTime;
use mf2c_fabric::replication::source::Event as SourceEvent;
use mf2c_fabric::replication::{Bounds, Origin};
use mf2c_store::Store;
use tokio::sync::watch;

use super::bindings::Bindings;
use super::counters::ReplicatorCounters;
use super::digests::DigestQueue;
use super::fence::Latest;
use super::history::Shelf;
use super::homes::OwnClaim;
use super::lag::{Marks, Parted};
use super::links::Ends;
use crate::leadership::Standings;
use crate::ports::{AreaNet, Workshop, World};
use crate::resource_store::ResourceStore;
use crate::supervisor::{GiveUp, end_the_process};

/// How many words of peers may wait. A link that has more is closed and goes on later; streams are bounded by themselves.
const MAILBOX: usize = 4096;

/// What the replicator is told at start.
#[derive(Debug, Clone, Copy)]
pub struct ReplicatorSettings {
    /// The bounds of each stream; the largest frame is the one of its link.
    pub bounds: Bounds,
    /// How long a proposal may take on its way to the origin and back.
    pub proposal_deadline: Duration,
    /// How long a proposal waits for an agent that is away before it is given up.
    pub proposal_life: Duration,
    /// What proposed edits of agreements must hold.
    pub agreements: mf2c_sla::Rules,
    /// The most proposals that wait.
    pub proposals: usize,
    /// The most proposals that wait for one document, and the most conflicts that are kept of one.
    pub a_document: usize,
    /// What follows where the replicator has panicked: everybody holds its address, and without it nothing that is written
    /// here would ever leave this machine.
    pub give_up: GiveUp,
}

impl Default for ReplicatorSettings {
    fn default() -> Self {
        Self {
            bounds: Bounds::default(),
            proposal_deadline: Duration::from_secs(10),
            proposal_life: Duration::from_secs(7 * 86_400),
            agreements: mf2c_sla::Rules::default(),
            proposals: 1024,
            a_document: 16,
            give_up: end_the_process,
        }
    }
}

/// What the replicator works with.
pub struct ReplicatorParts {
    /// The committed documents.
    pub store: Arc<Store>,
    /// Their one writer.
    pub writer: Addr<ResourceStore>,
    /// The links.
    pub net: Arc<dyn AreaNet>,
    /// Time and randomness.
    pub world: World,
    /// Where much is read.
    pub workshop: Arc<dyn Workshop>,
    /// How the agent stands.
    pub standing: Standings,
    /// The number of this start of the process, as in every Hello.
    pub boot: u64,
    /// What may be changed.
    pub settings: ReplicatorSettings,
    /// What it has done.
    pub counters: Arc<ReplicatorCounters>,
}

/// See the module.
pub struct Replicator {
    pub(super) store: Arc<Store>,
    pub(super) shelf: Shelf,
    pub(super) own: Origin,
    pub(super) writer: Addr<ResourceStore>,
    pub(super) net: Arc<dyn AreaNet>,
    pub(super) world: World,
    pub(super) workshop: Arc<dyn Workshop>,
    pub(super) standings: Standings,
    pub(super) standing: Standing,
    pub(super) boot: u64,
    pub(super) settings: ReplicatorSettings,
    pub(super) counters: Arc<ReplicatorCounters>,
    pub(super) feed: watch::Receiver<u64>,
    pub(super) links: BTreeMap<u64, Ends>,
    /// Those of them that have a source: few, also where a leader has many children.
    pub(super) sourcing: BTreeSet<u64>,
    pub(super) bindings: Bindings,
    pub(super) digests: DigestQueue,
    /// The start of the process of each device, the last ones, to find clones.
    pub(super) boots: BTreeMap<String, Vec<u64>>,
    /// The devices that were told of lately to run twice.
    pub(super) cloned: BTreeMap<String, Duration>,
    /// When the store began a new life; it does so rarely.
    pub(super) renewed: Option<Duration>,
    /// Proposals on their way through this agent, by their keys: none goes in circles.
    pub(super) under_way: BTreeSet<String>,
    /// Proposals that were carried out here lately, with the sequences that came out: none is carried out twice.
    pub(super) carried_out: VecDeque<(String, u64)>,
    /// Own changes that were late edits of others, by their sequences, and when they were made.
    pub(super) late: VecDeque<(u64, HybridTime)>,
    /// Whether proposals that waited are being sent, and whether another look at them is planned.
    pub(super) sending: bool,
    /// Agents that were found to be away since what waits was last looked through.
    pub(super) still_away: BTreeSet<Origin>,
    pub(super) looking: bool,
    /// When the last proposal that waits was made: no other is made at the same time or before.
    pub(super) stamped: HybridTime,
    /// The look for copies that have no place here any more.
    pub(super) shedding: Option<SpawnHandle>,
    /// Whether it is to do so again when it may.
    pub(super) renewing_later: bool,
    /// What the own store says of where it belongs.
    pub(super) claim: OwnClaim,
    /// Who leads the areas below.
    pub(super) terms: BTreeMap<String, Latest>,
    /// When what travels was committed.
    pub(super) marks: Marks,
    /// What those had to whom there is no link any more.
    pub(super) parted: BTreeMap<SpiffeId, Parted>,
    /// When the next timer fires.
    pub(super) alarm: Option<(Duration, SpawnHandle)>,
}

impl Replicator {
    /// A replicator of the changes in a store.
    #[must_use]
    pub fn new(parts: ReplicatorParts) -> Self {
        let ReplicatorParts { store, writer, net, world, workshop, standing: standings, boot, settings, counters } =
            parts;
        let feed = store.subscribe();
        let own = store.identity().node;
        let standing = standings.borrow().clone();
        let (newest, now) = (*feed.borrow(), world.clock.elapsed());
        Self {
            shelf: Shelf(Arc::clone(&store)),
            own,
            bindings: Bindings::new(Arc::clone(&store)),
            store,
            writer,
            net,
            world,
            workshop,
            standing,
            standings,
            boot,
            settings,
            counters,
            feed,
            links: BTreeMap::new(),
            sourcing: BTreeSet::new(),
            digests: DigestQueue::default(),
            boots: BTreeMap::new(),
            cloned: BTreeMap::new(),
            renewed: None,
            under_way: BTreeSet::new(),
            carried_out: VecDeque::new(),
            late: VecDeque::new(),
            sending: false,
            still_away: BTreeSet::new(),
            looking: false,
            stamped: HybridTime::default(),
            shedding: None,
            renewing_later: false,
            claim: OwnClaim::None,
            terms: BTreeMap::new(),
            marks: Marks::new(newest, now),
            parted: BTreeMap::new(),
            alarm: None,
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.world.clock.elapsed()
    }

    /// Waits for the next commit, again and again. What came meanwhile is one piece of news.
    fn follow_commits(&mut self, ctx: &mut Context<Self>) {
        let mut feed = self.feed.clone();
        let news = async move { feed.changed().await.map(|()| feed) };
        ctx.spawn(news.into_actor(self).map(|news, replicator, ctx| {
            let Ok(feed) = news else { return };
            replicator.feed = feed;
            replicator.committed(ctx);
            replicator.follow_commits(ctx);
        }));
    }

    fn committed(&mut self, ctx: &mut Context<Self>) {
        let position = *self.feed.borrow_and_update();
        self.mark(position);
        for number in self.sources() {
            self.source_step(number, SourceEvent::Committed(position), ctx);
        }
    }

    /// Waits for another standing, again and again.
    fn follow_standing(&mut self, ctx: &mut Context<Self>) {
        let mut standings = self.standings.clone();
        let news = async move { standings.changed().await.map(|()| standings) };
        ctx.spawn(news.into_actor(self).map(|news, replicator, ctx| {
            let Ok(standings) = news else { return };
            replicator.standings = standings;
            replicator.stand(ctx);
            replicator.follow_standing(ctx);
        }));
    }

    pub(super) fn sources(&self) -> Vec<u64> {
        self.sourcing.iter().copied().collect()
    }

    /// Wakes this actor at `at`, if nothing does so earlier.
    pub(super) fn wake_at(&mut self, at: Duration, ctx: &mut Context<Self>) {
        if self.alarm.is_some_and(|(planned, _)| planned <= at) {
            return;
        }
        if let Some((_, handle)) = self.alarm.take() {
            ctx.cancel_future(handle);
        }
        let pause = at.saturating_sub(self.now()).max(Duration::from_millis(1));
        self.alarm = Some((
            at,
            ctx.run_later(pause, |replicator, ctx| {
                replicator.alarm = None;
                replicator.tick(ctx);
            }),
        ));
    }
}

impl Actor for Replicator {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        self.follow_commits(ctx);
        self.follow_standing(ctx);
        self.stand(ctx);
        self.send_waiting(ctx);
    }
}

impl Drop for Replicator {
    fn drop(&mut self) {
        if std::thread::panicking() {
            (self.settings.give_up)("replicator");
        }
    }
}
