//! The network, the disks and the clocks of some agents, and what must hold at every instant.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::{AreaPeer, AreaRole, Mandate, Standing};
use mf2c_fabric::leadership::{Council, Demand, Effect, Event, LeadershipMessage, LinkFacts, Membership, Settings};
use mf2c_fabric::wire::Code;

use crate::node::{Disk, Node, Stored, Wire};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);
/// A link over which nothing comes dies after this.
const SILENCE: Duration = Duration::from_secs(5);
/// How often agents look whom they should call.
const CALLS: Duration = Duration::from_millis(250);

#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "most of them are events")]
pub(crate) enum What {
    Event(Event),
    Kept(String, u64, Vec<u8>),
    Wake,
}

/// All of them.
pub(crate) struct World {
    pub(crate) now: Duration,
    pub(crate) nodes: Vec<Node>,
    settings: Settings,
    queue: BTreeMap<(Duration, u64), (usize, Option<u64>, What)>,
    sequence: u64,
    wires: BTreeMap<u64, Wire>,
    /// The earliest time for the next message on a link, to keep the order.
    arrivals: BTreeMap<(u64, usize), Duration>,
    cuts: BTreeSet<(usize, usize)>,
    seed: u64,
    /// Of a thousand messages so many are lost.
    pub(crate) loss: u64,
    pub(crate) delay: (u64, u64),
    next_call: Duration,
    /// Who led with a majority in each term.
    pub(crate) terms: BTreeMap<u64, SpiffeId>,
    pub(crate) leads: Vec<(Duration, SpiffeId)>,
    asks: u64,
    /// Two agents may lead fully at once, in different terms: the area may be founded anew by itself, or an operator errs.
    pub(crate) apart: bool,
    /// Backups that were given the keys show a leader's certificate once they lead.
    pub(crate) keys: bool,
}

pub(crate) fn id(area: &str, name: &str) -> SpiffeId {
    format!("spiffe://d/area/{area}/agent/{name}").parse().unwrap()
}

fn peer(id: &SpiffeId) -> AreaPeer {
    AreaPeer { id: id.clone(), address: format!("{}:1", id.device().unwrap()) }
}

impl World {
    /// A leader L and others in one area, below a cloud agent Z if there is one.
    pub(crate) fn new(seed: u64, cloud: bool, others: &[&str]) -> Self {
        Self::with(seed, cloud, others, Settings::default())
    }

    pub(crate) fn with(seed: u64, cloud: bool, others: &[&str], settings: Settings) -> Self {
        let by_itself = settings.found_after.is_some();
        let mut world = Self {
            now: Duration::from_secs(1000),
            nodes: vec![],
            settings,
            queue: BTreeMap::new(),
            sequence: 0,
            wires: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            cuts: BTreeSet::new(),
            seed: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            loss: 0,
            delay: (1, 3),
            next_call: Duration::ZERO,
            terms: BTreeMap::new(),
            leads: vec![],
            asks: 0,
            apart: by_itself,
            keys: by_itself,
        };
        let leader = id("a1", "L");
        let above = cloud.then(|| peer(&id("sky", "Z")));
        world.add(leader.clone(), above, true);
        for name in others {
            world.add(id("a1", name), Some(peer(&leader)), false);
        }
        if cloud {
            world.add(id("sky", "Z"), None, true);
        }
        for node in 0..world.nodes.len() {
            world.start(node);
        }
        world
    }

    fn add(&mut self, id: SpiffeId, admitted_by: Option<AreaPeer>, has_authority: bool) {
        let address = Some(peer(&id).address);
        self.nodes.push(Node {
            membership: Membership { own: id.clone(), admitted_by, has_authority, address },
            id,
            council: None,
            disk: Disk::default(),
            incarnation: 1,
            keep: vec![],
            paused: false,
            backlog: vec![],
            standing: Standing::default(),
            handed: vec![],
            told: vec![],
            answers: BTreeMap::new(),
            wakes: BTreeSet::new(),
        });
    }

    pub(crate) fn index(&self, name: &str) -> usize {
        self.nodes.iter().position(|node| node.id.device() == Some(name)).unwrap()
    }

    pub(crate) fn standing(&self, name: &str) -> &Standing {
        &self.nodes[self.index(name)].standing
    }

    pub(crate) fn chance(&mut self, below: u64) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed >> 11) % below.max(1)
    }

    pub(crate) fn start(&mut self, node: usize) {
        let it = &mut self.nodes[node];
        let memory = Box::new(Stored(Arc::clone(&it.disk)));
        it.council = Some(Council::new(self.settings.clone(), it.incarnation, memory));
        it.standing = Standing::default();
        it.paused = false;
        let membership = it.membership.clone();
        self.happen(node, None, What::Event(Event::Membership(Some(membership))));
    }

    /// The process is gone; what was not on disk is lost; the others notice at once.
    pub(crate) fn kill(&mut self, name: &str) {
        let node = self.index(name);
        self.nodes[node].council = None;
        self.nodes[node].standing = Standing::default();
        self.nodes[node].keep.clear();
        self.nodes[node].wakes.clear();
        self.nodes[node].backlog.clear();
        self.nodes[node].paused = false;
        self.queue.retain(|_, (to, _, _)| *to != node);
        let links: Vec<u64> = self.wires.iter().filter(|(_, wire)| wire.has(node)).map(|(link, _)| *link).collect();
        links.into_iter().for_each(|link| self.hang_up(link));
    }

    pub(crate) fn is_up(&self, node: usize) -> bool {
        self.nodes[node].council.is_some()
    }

    pub(crate) fn restart(&mut self, name: &str) {
        if !self.is_up(self.index(name)) {
            self.start(self.index(name));
        }
    }

    /// The disk is empty, and so the store begins another life.
    pub(crate) fn wipe(&mut self, name: &str) {
        let node = self.index(name);
        self.nodes[node].disk.lock().unwrap().clear();
        self.nodes[node].incarnation += 1;
    }

    pub(crate) fn pause(&mut self, name: &str) {
        let node = self.index(name);
        self.nodes[node].paused = true;
    }

    pub(crate) fn resume(&mut self, name: &str) {
        let node = self.index(name);
        self.nodes[node].paused = false;
        self.happen(node, None, What::Wake);
        for what in std::mem::take(&mut self.nodes[node].backlog) {
            self.happen(node, None, what);
        }
    }

    pub(crate) fn cut(&mut self, one: &str, other: &str) {
        let (a, b) = (self.index(one), self.index(other));
        self.cuts.insert((a.min(b), a.max(b)));
    }

    pub(crate) fn mend(&mut self, one: &str, other: &str) {
        let (a, b) = (self.index(one), self.index(other));
        self.cuts.remove(&(a.min(b), a.max(b)));
    }

    /// Nobody of these reaches anybody else.
    pub(crate) fn part(&mut self, some: &[&str]) {
        for one in 0..self.nodes.len() {
            for other in one + 1..self.nodes.len() {
                let inside = |node: usize| some.contains(&self.nodes[node].id.device().unwrap());
                if inside(one) != inside(other) {
                    self.cuts.insert((one, other));
                }
            }
        }
    }

    pub(crate) fn heal(&mut self) {
        self.cuts.clear();
    }

    pub(crate) fn change_role(&mut self, name: &str, agent: Option<&str>, role: AreaRole, by: Demand) -> u64 {
        self.asks += 1;
        let ask = self.asks;
        let event = Event::ChangeRole { ask, agent: agent.map(str::to_owned), role, by };
        self.happen(self.index(name), None, What::Event(event));
        ask
    }

    pub(crate) fn event(&mut self, name: &str, event: Event) {
        self.happen(self.index(name), None, What::Event(event));
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.advance(end) {}
        self.now = end;
    }

    /// Lets time pass until something holds; how long it took.
    pub(crate) fn until(&mut self, most: Duration, what: impl Fn(&Self) -> bool) -> Duration {
        let (begin, end) = (self.now, self.now + most);
        while !what(self) {
            assert!(self.advance(end), "it does not hold after {most:?}: {}", self.describe());
        }
        self.now - begin
    }

    pub(crate) fn describe(&self) -> String {
        let mut text = String::new();
        for node in &self.nodes {
            let standing = &node.standing;
            let name = |peer: &AreaPeer| peer.id.device().unwrap_or_default().to_owned();
            let backups: Vec<String> = standing.backups.iter().map(name).collect();
            let leader = standing.leader.as_ref().map(name);
            text += &format!(
                "\n{} {:?} {:?} term {} led by {leader:?} with {backups:?} up {} told {:?}",
                node.id.device().unwrap(),
                standing.role,
                standing.mandate,
                standing.term,
                node.council.is_some(),
                node.told,
            );
        }
        text
    }

    fn advance(&mut self, end: Duration) -> bool {
        let next = self.queue.keys().next().map(|(at, _)| *at);
        let call = self.next_call;
        if next.is_none_or(|next| call <= next) {
            if call > end {
                return false;
            }
            self.now = self.now.max(call);
            self.next_call = self.now + CALLS;
            self.calls();
            return true;
        }
        let Some(first) = self.queue.first_entry().filter(|first| first.key().0 <= end) else { return false };
        let ((at, _), (node, link, what)) = first.remove_entry();
        self.now = self.now.max(at);
        self.happen(node, link, what);
        true
    }

    fn at(&mut self, at: Duration, node: usize, link: Option<u64>, what: What) {
        self.sequence += 1;
        self.queue.insert((at, self.sequence), (node, link, what));
    }

    fn happen(&mut self, node: usize, link: Option<u64>, what: What) {
        if link.is_some_and(|link| !self.wires.contains_key(&link)) {
            return;
        }
        let it = &mut self.nodes[node];
        if it.paused {
            if !matches!(what, What::Wake) {
                it.backlog.push(what);
            }
            return;
        }
        let Some(council) = &mut it.council else { return };
        let event = match what {
            What::Event(event) => event,
            What::Kept(area, number, state) => {
                it.disk.lock().unwrap().insert(area.clone(), state);
                Event::Kept { area, number }
            }
            What::Wake => {
                it.wakes.retain(|wake| *wake > self.now);
                Event::Tick
            }
        };
        let effects = council.step(event, self.now);
        let wake = council.next_wake();
        for effect in effects {
            self.act(node, effect);
        }
        if let Some(wake) = wake {
            assert!(wake > self.now, "no wake in the past");
            // As the actor does: an alarm that is set is not moved back.
            if self.nodes[node].wakes.first().is_none_or(|set| wake < *set) {
                self.nodes[node].wakes.insert(wake);
                self.at(wake, node, None, What::Wake);
            }
        }
        self.check();
    }

    fn act(&mut self, node: usize, effect: Effect) {
        match effect {
            Effect::Send { link, message } => self.send(node, link, message),
            Effect::Keep { area, number, state } => {
                let wait = MILLI * (1 + u32::try_from(self.chance(5)).unwrap());
                // One disk: what is written first is there first.
                let at = self.arrivals.get(&(u64::MAX, node)).copied().unwrap_or_default().max(self.now + wait);
                self.arrivals.insert((u64::MAX, node), at);
                self.at(at, node, None, What::Kept(area, number, state));
            }
            Effect::Publish(standing) => {
                let it = &mut self.nodes[node];
                if standing.leads() && standing.mandate == Mandate::Full && it.id.area() == Some("a1") {
                    let before = self.terms.entry(standing.term).or_insert_with(|| it.id.clone());
                    assert_eq!(*before, it.id, "two leaders of term {}", standing.term);
                    if self.leads.last().is_none_or(|(_, last)| *last != it.id) {
                        self.leads.push((self.now, it.id.clone()));
                    }
                }
                it.standing = *standing;
                self.take_seat(node);
            }
            Effect::KeepLinks(targets) => self.nodes[node].keep = targets,
            Effect::Probe { of, through } => {
                let Some(wire) = self.wires.get(&through) else { return };
                let other = wire.other(node);
                let known = self.nodes[other].council.as_ref().filter(|_| !self.nodes[other].paused);
                let cut = self.cuts.contains(&(node.min(other), node.max(other)));
                if let Some(council) = known.filter(|_| !cut) {
                    let ago = council.heard_of(&of, self.now);
                    self.at(self.now + MILLI * 5, node, None, What::Event(Event::Probed { of, ago }));
                }
            }
            Effect::HandAuthority(backup) => self.nodes[node].handed.push(backup.id),
            Effect::Below(_) => {}
            Effect::Answer { ask, result } => {
                self.nodes[node].answers.insert(ask, result);
            }
            Effect::Close { link, why } if why.code == Code::StaleTerm => self.hang_up(link),
            Effect::Close { why, .. } => panic!("an honest agent is hung up on: {why}"),
            Effect::Tell(text) => {
                assert!(!text.contains("contradicts"), "honest agents do not contradict each other: {text}");
                self.nodes[node].told.push(text);
            }
        }
    }

    /// Who leads and was given the keys holds the authority, as the keeper of the certificate sees to it.
    fn take_seat(&mut self, node: usize) {
        let (id, leads) = (self.nodes[node].id.clone(), self.nodes[node].standing.leads());
        let given = self.nodes.iter().any(|other| other.handed.contains(&id));
        if self.keys && leads && given && !self.nodes[node].membership.has_authority {
            self.nodes[node].membership.has_authority = true;
            let membership = self.nodes[node].membership.clone();
            self.at(self.now + SECOND, node, None, What::Event(Event::Membership(Some(membership))));
        }
    }

    /// The link between two, if there is one.
    pub(crate) fn link(&self, one: &str, other: &str) -> Option<u64> {
        let (one, other) = (self.index(one), self.index(other));
        let both = |wire: &Wire| wire.has(one) && wire.has(other);
        self.wires.iter().find(|(_, wire)| both(wire)).map(|(link, _)| *link)
    }

    fn send(&mut self, node: usize, link: u64, message: LeadershipMessage) {
        let Some(wire) = self.wires.get(&link).filter(|wire| wire.up) else { return };
        let other = wire.other(node);
        let lost = self.chance(1000) < self.loss || self.cuts.contains(&(node.min(other), node.max(other)));
        if lost {
            return;
        }
        let wait = self.delay.0 + self.chance(self.delay.1 - self.delay.0 + 1);
        let at = self.now + Duration::from_millis(wait);
        let at = self.arrivals.get(&(link, other)).map_or(at, |last| at.max(*last));
        self.arrivals.insert((link, other), at);
        self.at(at, other, Some(link), What::Event(Event::Heard { link, message }));
    }

    /// Ends links that are dead, and calls those who should be called.
    fn calls(&mut self) {
        let now = self.now;
        let mut dead = Vec::new();
        for (number, wire) in &mut self.wires {
            let (a, b) = wire.ends;
            let quiet = self.cuts.contains(&(a.min(b), a.max(b))) || self.nodes[a].paused || self.nodes[b].paused;
            match wire.cut_since {
                _ if !quiet => wire.cut_since = None,
                None => wire.cut_since = Some(now),
                Some(since) if now >= since + SILENCE => dead.push(*number),
                Some(_) => {}
            }
        }
        dead.into_iter().for_each(|link| self.hang_up(link));
        for node in 0..self.nodes.len() {
            if !self.is_up(node) || self.nodes[node].paused {
                continue;
            }
            let it = &self.nodes[node];
            let leader = it.standing.leader.clone().filter(|leader| leader.id != it.id);
            let admitted = it.membership.admitted_by.clone().filter(|_| it.standing.leader.is_none());
            let wanted: Vec<SpiffeId> =
                leader.into_iter().chain(admitted).chain(it.keep.clone()).map(|p| p.id).collect();
            for target in wanted {
                if let Some(other) = self.nodes.iter().position(|other| other.id == target) {
                    self.call(node, other);
                }
            }
        }
    }

    fn call(&mut self, node: usize, other: usize) {
        let cut = self.cuts.contains(&(node.min(other), node.max(other)));
        let linked = self.wires.values().any(|wire| wire.has(node) && wire.has(other));
        if cut || linked || node == other || !self.is_up(other) || self.nodes[other].paused {
            return;
        }
        self.sequence += 1;
        let link = self.sequence;
        self.wires.insert(link, Wire { ends: (node, other), cut_since: None, up: true });
        for (end, far) in [(node, other), (other, node)] {
            let it = &self.nodes[far];
            let facts = LinkFacts {
                number: link,
                peer: it.id.clone(),
                leader: it.membership.has_authority,
                incarnation: it.incarnation,
                term: it.standing.term,
                address: Some(peer(&it.id).address),
            };
            self.at(self.now + MILLI * 10, end, Some(link), What::Event(Event::LinkUp(facts)));
            self.arrivals.insert((link, end), self.now + MILLI * 10);
        }
    }

    /// One finds the other, as by the beacons of leaders.
    pub(crate) fn meet(&mut self, one: &str, other: &str) {
        self.call(self.index(one), self.index(other));
    }

    fn hang_up(&mut self, link: u64) {
        let Some(wire) = self.wires.remove(&link) else { return };
        for end in [wire.ends.0, wire.ends.1] {
            self.happen(end, None, What::Event(Event::LinkDown(link)));
        }
    }

    /// At most one agent of the area has a full mandate at any instant. One that is stopped decides nothing.
    fn check(&self) {
        if self.apart {
            return;
        }
        let mut full = self.nodes.iter().filter(|node| {
            node.id.area() == Some("a1")
                && node.standing.leads()
                && node.standing.mandate == Mandate::Full
                && !node.paused
        });
        if let (Some(one), Some(other)) = (full.next(), full.next()) {
            panic!("{} and {} lead at once at {:?}: {}", one.id, other.id, self.now, self.describe());
        }
    }
}
