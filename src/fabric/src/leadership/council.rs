//! `Council`: an agent's whole part in who leads what. It takes [`Event`]s with the time at which they happened and gives
//! [`Effect`]s; it has no clock and no chance of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::{AreaPeer, Standing};

use super::area::Area;
use super::caretaker::Suspicion;
use super::event::{Effect, Event, LinkFacts, Membership, Memory};
use super::group::{Group, Posted};
use super::refound::Foundation;
use super::roles::Wish;
use super::roster::{Roster, seat_number};
use super::routine::{self, Rest};
use super::settings::Settings;
use super::{LeadClaim, LeadershipMessage};

/// The most links that are looked after; agents beyond are served, but are told nothing of leadership.
const MOST_LINKS: usize = 16 << 10;
/// The most agents whose last contact is remembered.
const MOST_GONE: usize = 1024;

/// An open link.
pub(super) struct Link {
    pub(super) facts: LinkFacts,
    /// The number of the peer's seat, if it had one.
    pub(super) seat: u64,
    pub(super) since: Duration,
}

/// What concerns the area to which this agent belongs.
pub(super) struct Own {
    pub(super) membership: Membership,
    pub(super) area: Area,
    /// It leads without a majority: nobody is known who has one.
    pub(super) caretaker: bool,
    /// Whether it led with a majority when it was looked at last.
    pub(super) led: bool,
    /// Since when it leads in this term.
    pub(super) leads_since: Duration,
    pub(super) began: Duration,
    /// When a claim to lead was followed last: what the consensus heard before is older.
    pub(super) claimed: Duration,
    pub(super) suspicion: Suspicion,
    pub(super) wish: Option<Wish>,
    /// A foundation of the area; when it is done, the operator's question if there was one, and its term.
    pub(super) foundation: Option<Foundation>,
    pub(super) founder: Option<(Option<u64>, u64)>,
    /// Not before this time does it think of a foundation by itself.
    pub(super) vigil_from: Duration,
    /// It founded the area by itself, without the keys of the authority: who has them shall lead when he is back.
    pub(super) stands_in: bool,
    /// Who led when this agent took over: of all backups the last in the line.
    pub(super) deposed: Option<SpiffeId>,
    /// Who led before, or might have, when the area was founded anew: they must hear of it when they return.
    pub(super) former: Vec<AreaPeer>,
    /// When it led last with a majority; zero where it has not since the start.
    pub(super) led_until: Duration,
    /// Agents that an operator wants as backups, or not.
    pub(super) wanted: BTreeSet<SpiffeId>,
    pub(super) unwanted: BTreeSet<SpiffeId>,
    /// Those of them that do not want it themselves, and may want it again.
    pub(super) resting: BTreeSet<SpiffeId>,
    /// How many changes others lack.
    pub(super) behind: BTreeMap<SpiffeId, u64>,
    /// Since when each seat has its place, for seats that have never answered.
    pub(super) seated: BTreeMap<u64, Duration>,
    /// Seats that know of the arrangement in which they have their place: those of others are no backups yet.
    pub(super) secured: BTreeSet<u64>,
    /// The arrangement in which all seats that shall vote do.
    pub(super) arranged: Option<u64>,
    /// Whether a witness was let go once.
    pub(super) witness_lost: bool,
    /// The roster that was proposed last, and when.
    pub(super) proposed: Option<(Roster, Duration)>,
    /// Backups that were given the authority's keys in this term.
    pub(super) handed: BTreeSet<u64>,
    pub(super) claim: Option<LeadClaim>,
    /// How often it is still said that another leads.
    pub(super) corrections: u32,
    /// When either is said again.
    pub(super) repeat_at: Duration,
}

/// See the module.
pub struct Council {
    pub(super) settings: Settings,
    incarnation: u64,
    pub(super) memory: Box<dyn Memory + Send>,
    pub(super) now: Duration,
    pub(super) own: Option<Own>,
    pub(super) links: BTreeMap<u64, Link>,
    /// When the last link to an agent ended.
    gone: BTreeMap<SpiffeId, Duration>,
    /// Areas below whose consensus this agent witnesses.
    pub(super) witnessed: BTreeMap<String, Area>,
    /// The newest leadership of areas below.
    pub(super) below: BTreeMap<String, LeadClaim>,
    pub(super) standing: Standing,
    pub(super) kept_links: Option<Vec<AreaPeer>>,
    pub(super) rest: Rest,
}

impl Council {
    /// An agent that belongs to no area. `incarnation` is that of its store, which its Hello tells.
    #[must_use]
    pub fn new(settings: Settings, incarnation: u64, memory: Box<dyn Memory + Send>) -> Self {
        Self {
            settings,
            incarnation,
            memory,
            now: Duration::ZERO,
            own: None,
            links: BTreeMap::new(),
            gone: BTreeMap::new(),
            witnessed: BTreeMap::new(),
            below: BTreeMap::new(),
            standing: Standing::default(),
            kept_links: None,
            rest: Rest::default(),
        }
    }

    /// How the agent stands since the last event.
    #[must_use]
    pub const fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Takes an event that happens at `now`, a time since some start which never goes backwards.
    #[must_use]
    pub fn step(&mut self, event: Event, now: Duration) -> Vec<Effect> {
        self.now = self.now.max(now);
        let mut effects = Vec::new();
        let mut routine = routine::may_be(&event);
        match event {
            Event::Tick => {}
            Event::Membership(membership) => self.belong(membership, &mut effects),
            Event::LinkUp(facts) => self.link_up(facts, &mut effects),
            Event::LinkDown(link) => self.link_down(link),
            Event::Heard { link, message } => self.hear(link, message, &mut effects),
            Event::Kept { area, number } => self.kept(&area, number, &mut effects),
            Event::ChangeRole { ask, agent, role, by } => self.change_role(ask, agent, role, &by, &mut effects),
            Event::Probed { of, ago } => {
                self.refuted(&of, ago);
                self.probed(&of, ago);
            }
            Event::Behind { agent, changes } => routine = !self.behind(agent, changes),
        }
        if !(routine && self.was_routine(&mut effects)) {
            self.run(&mut effects);
            self.rests();
        }
        effects
    }

    /// When [`Event::Tick`] is due next, if nothing else happens before.
    #[must_use]
    pub fn next_wake(&self) -> Option<Duration> {
        let own = self.own.as_ref()?;
        let group = own.area.group.as_ref();
        let lease = group.filter(|group| group.has_mandate(self.now)).and_then(Group::lease_end);
        let wakes = [
            group.and_then(Group::next_wake),
            lease,
            self.duty_wake(),
            self.suspicion_wake(),
            self.foundation_wake(),
            self.vigil_wake(),
            self.repeat_wake(),
        ];
        wakes.into_iter().flatten().min().map(|wake| wake.max(self.now + Duration::from_millis(1)))
    }

    /// How long ago an agent was heard of here: not at all while a link to it is open.
    #[must_use]
    pub fn heard_of(&self, agent: &SpiffeId, now: Duration) -> Option<Duration> {
        if self.own.as_ref().is_some_and(|own| own.membership.own == *agent) || self.link_to(agent).is_some() {
            return Some(Duration::ZERO);
        }
        self.gone.get(agent).map(|gone| now.saturating_sub(*gone))
    }

    /// When the last link to an agent ended.
    pub(super) fn gone_since(&self, agent: &SpiffeId) -> Option<Duration> {
        self.gone.get(agent).copied()
    }

    fn belong(&mut self, membership: Option<Membership>, effects: &mut Vec<Effect>) {
        let Some(membership) = membership else {
            self.own = None;
            self.witnessed.clear();
            return;
        };
        if let Some(own) = self.own.as_mut().filter(|own| own.membership.own == membership.own) {
            own.membership = membership;
            return;
        }
        let Some(name) = membership.own.area().map(str::to_owned) else { return };
        let seat = seat_number(&membership.own, self.incarnation);
        self.witnessed.clear();
        let kept = self.memory.recall(&name);
        let area = kept.and_then(|kept| Area::restore(&name, seat, false, kept.as_deref(), &self.settings, self.now));
        let mut area = match area {
            Ok(area) => area,
            Err(error) => {
                effects
                    .push(Effect::Tell(format!("what was kept of the leadership of `{name}` cannot be used: {error}")));
                return;
            }
        };
        let leader = membership.admitted_by.as_ref().filter(|peer| peer.id.area() == Some(name.as_str()));
        if area.known.leader.is_none() && !membership.has_authority {
            area.known.leader = leader.cloned();
        }
        let founds = membership.has_authority
            && area.group.is_none()
            && area.known.leader.as_ref().is_none_or(|leader| leader.id == membership.own);
        self.own = Some(Own {
            membership,
            area,
            caretaker: founds,
            led: false,
            leads_since: self.now,
            began: self.now,
            claimed: Duration::ZERO,
            suspicion: Suspicion::default(),
            wish: None,
            foundation: None,
            founder: None,
            vigil_from: Duration::ZERO,
            stands_in: false,
            deposed: None,
            former: vec![],
            led_until: Duration::ZERO,
            wanted: BTreeSet::new(),
            unwanted: BTreeSet::new(),
            resting: BTreeSet::new(),
            behind: BTreeMap::new(),
            seated: BTreeMap::new(),
            secured: BTreeSet::new(),
            arranged: None,
            witness_lost: false,
            proposed: None,
            handed: BTreeSet::new(),
            claim: None,
            corrections: 0,
            repeat_at: Duration::ZERO,
        });
    }

    fn link_up(&mut self, facts: LinkFacts, effects: &mut Vec<Effect>) {
        if self.links.len() >= MOST_LINKS {
            return;
        }
        let (number, seat) = (facts.number, seat_number(&facts.peer, facts.incarnation));
        self.gone.remove(&facts.peer);
        let claim = self.own.as_ref().and_then(|own| own.claim.clone()).filter(|_| self.standing.leads());
        let stale = self.correction().filter(|_| self.is_of_area(&facts) && facts.term < self.standing.term);
        let wants = self.is_of_area(&facts) || self.upper().is_some_and(|upper| upper.id == facts.peer);
        self.links.insert(number, Link { facts, seat, since: self.now });
        if let Some(claim) = claim.filter(|_| wants) {
            effects.push(Effect::Send { link: number, message: LeadershipMessage::Lead(claim) });
        } else if let Some(message) = stale {
            effects.push(Effect::Send { link: number, message });
        }
    }

    /// What to tell those who follow a leader of the past: that it is over, and who leads now.
    pub(super) fn correction(&self) -> Option<LeadershipMessage> {
        let standing = &self.standing;
        let leader = standing.leader.clone().filter(|_| !standing.leads())?;
        let area = standing.area()?.to_owned();
        Some(LeadershipMessage::Stale { area, term: standing.term, leader: Some(leader) })
    }

    fn link_down(&mut self, number: u64) {
        let Some(link) = self.links.remove(&number) else { return };
        if self.link_to(&link.facts.peer).is_none() {
            if self.gone.len() >= MOST_GONE {
                self.gone.pop_first();
            }
            self.gone.insert(link.facts.peer, self.now);
        }
        if let Some(group) = self.own.as_mut().and_then(|own| own.area.group.as_mut()) {
            group.unreachable(link.seat);
        }
    }

    fn kept(&mut self, area: &str, number: u64, effects: &mut Vec<Effect>) {
        let posts = match &mut self.own {
            Some(own) if own.area.name == area => own.area.kept(number),
            _ => self.witnessed.get_mut(area).map(|area| area.kept(number)).unwrap_or_default(),
        };
        self.dispatch(area, posts, effects);
        // What was agreed on meanwhile can be applied now.
        self.pump_witnessed(area, effects);
    }

    /// Notes how far somebody is behind; whether that is news.
    fn behind(&mut self, agent: Option<SpiffeId>, changes: u64) -> bool {
        let Some(own) = &mut self.own else { return false };
        match agent {
            Some(agent) if own.behind.len() < MOST_GONE || own.behind.contains_key(&agent) => {
                own.behind.insert(agent, changes) != Some(changes)
            }
            Some(_) => false,
            None => own.area.group.as_mut().is_some_and(|group| {
                let handicap = if changes > 0 { 2 } else { 0 };
                std::mem::replace(&mut group.handicap, handicap) != handicap
            }),
        }
    }

    pub(super) fn pump_witnessed(&mut self, name: &str, effects: &mut Vec<Effect>) {
        if let Some(area) = self.witnessed.get_mut(name) {
            let outcome = area.pump(self.now, effects);
            self.dispatch(name, outcome.posts, effects);
        }
    }

    /// Sends what the consensus of an area has to say. What has no way is lost: the crate repeats it.
    pub(super) fn dispatch(&self, area: &str, posts: Vec<Posted>, effects: &mut Vec<Effect>) {
        for Posted { to, bytes, stamp, founded } in posts {
            let link = self.links.iter().rev().find(|(_, link)| link.seat == to);
            if let Some((&link, _)) = link {
                let message = LeadershipMessage::Raft { area: area.to_owned(), message: bytes, stamp, founded };
                effects.push(Effect::Send { link, message });
            }
        }
    }

    /// Lets the own area go on until nothing is left to do now, and tells what has changed.
    fn run(&mut self, effects: &mut Vec<Effect>) {
        // Each round can lead to the next: elected, alone, agreed, a backup proposed. More than a few mean a fault.
        for _ in 0..8 {
            let muted = self.is_passed_over();
            let Some(own) = self.own.as_mut() else { break };
            if let Some(group) = own.area.group.as_mut() {
                group.muted = muted;
                group.over = group.founded() < own.area.known.founded;
                group.tick(self.now);
            }
            let outcome = own.area.pump(self.now, effects);
            let (name, moved) = (own.area.name.clone(), outcome.reseated || !outcome.posts.is_empty());
            self.dispatch(&name, outcome.posts, effects);
            self.look(effects);
            self.suspect(effects);
            self.keep_vigil(effects);
            let acted = self.found_anew(effects) || self.do_duty(effects);
            if !moved && !acted {
                break;
            }
        }
        self.publish(effects);
    }

    /// Whether a leader with a majority is there that has given this agent's seat away.
    fn is_passed_over(&self) -> bool {
        let Some(own) = &self.own else { return false };
        let known = &own.area.known;
        let another = known.leader.as_ref().filter(|leader| known.full && leader.id != own.membership.own);
        let listed = known.backups.iter().any(|backup| backup.id == own.membership.own);
        another.is_some_and(|leader| !listed && self.link_to(&leader.id).is_some())
    }

    /// Takes over what the consensus knows.
    fn look(&mut self, effects: &mut Vec<Effect>) {
        let heirs = self.heirs();
        let Some(own) = self.own.as_mut() else { return };
        let Some(group) = own.area.group.as_ref() else { return };
        let before = own.area.known.clone();
        let me = own.area.seat;
        let leads = group.leads();
        if leads {
            if !own.led {
                own.leads_since = self.now;
                own.handed.clear();
                own.seated.clear();
                own.deposed = before.leader.as_ref().map(|leader| leader.id.clone());
                own.secured = group.roster().agents().map(|seat| seat.number).collect();
            }
            let seats: Vec<u64> = group.roster().agents().map(|seat| seat.number).collect();
            own.secured.retain(|seat| seats.contains(seat));
            let arranged = own.arranged == Some(group.arrangement());
            let secured = |seat: &u64| (arranged || group.is_voter(*seat)) && group.knows_arrangement(*seat);
            own.secured.extend(seats.into_iter().filter(secured));
            own.caretaker = false;
            own.led_until = self.now;
            own.area.known.term = group.term();
            own.area.known.leader = Some(own.me());
            own.area.known.full = true;
            own.area.known.backups = own.backups(group);
            own.area.known.upper.clone_from(&group.roster().upper);
            own.area.known.heirs = heirs;
            own.area.known.founded = group.roster().founded;
        } else if own.led && group.leader().is_none() && !own.is_led_by_another() {
            // The majority is gone, and nobody else has it as far as this agent knows.
            own.caretaker = true;
            effects
                .push(Effect::Tell(format!("no majority of `{}` answers: its lead is a degraded one", own.area.name)));
        } else if let Some(leader) =
            group.leader().filter(|leader| *leader != me && group.term() >= before.term && !group.over)
            && (group.contact() > own.claimed || group.term() > before.term)
            && let Some(seat) = group.roster().seat(leader)
        {
            own.caretaker = false;
            own.area.known.term = group.term();
            own.area.known.leader = Some(seat.peer.clone());
            own.area.known.full = true;
            own.area.known.founded = group.roster().founded;
            own.area.known.backups = group.roster().backups(leader);
            own.area.known.upper.clone_from(&group.roster().upper);
        }
        own.led = leads;
        if before != own.area.known {
            let keep = own.area.keep();
            effects.push(keep);
        }
    }

    pub(super) fn upper(&self) -> Option<AreaPeer> {
        let own = self.own.as_ref()?;
        own.area.known.upper.clone().or_else(|| own.upper())
    }

    pub(super) fn is_of_area(&self, facts: &LinkFacts) -> bool {
        self.own.as_ref().is_some_and(|own| facts.peer.area() == Some(own.area.name.as_str()))
    }

    pub(super) fn link_to(&self, peer: &SpiffeId) -> Option<&Link> {
        self.links.values().rev().find(|link| link.facts.peer == *peer)
    }
}

impl Own {
    /// This agent as others call it.
    pub(super) fn me(&self) -> AreaPeer {
        let address = self.membership.address.clone().unwrap_or_default();
        AreaPeer { id: self.membership.own.clone(), address }
    }

    /// Those who take over from this agent, which leads.
    pub(super) fn backups(&self, group: &Group) -> Vec<AreaPeer> {
        let secured = group.roster().agents().filter(|seat| self.secured.contains(&seat.number));
        secured.filter(|seat| seat.number != self.area.seat).map(|seat| seat.peer.clone()).collect()
    }

    /// The one above, as this agent was told when it became a member.
    pub(super) fn upper(&self) -> Option<AreaPeer> {
        self.membership.admitted_by.clone().filter(|peer| peer.id.area() != self.membership.own.area())
    }

    pub(super) fn is_led_by_another(&self) -> bool {
        self.area.known.leader.as_ref().is_some_and(|leader| leader.id != self.membership.own)
    }
}
