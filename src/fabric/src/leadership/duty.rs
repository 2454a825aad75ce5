//! What a leader does for its area: it looks who is there, chooses backups, gives up those that are gone, and hands over.

use std::time::Duration;

use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::AreaPeer;
use raft::eraftpb::{ConfChangeSingle, ConfChangeType, ConfChangeV2};

use super::council::{Council, Link, Own};
use super::event::Effect;
use super::group::Group;
use super::roles::Goal;
use super::roster::{Roster, Seat, SeatKind};

/// A seat that is new gets so long to catch up before the area goes on without it.
const CATCH_UP: Duration = Duration::from_secs(5);
/// A witness that was lost has to be connected for so long before it is one again: a way that comes and goes helps nobody.
const PROBATION: Duration = Duration::from_secs(20);
/// How often a leader looks after its area, if nothing happens.
const ROUND: Duration = Duration::from_secs(1);
/// The most backups, also by an operator's wish.
const MOST_BACKUPS: usize = 7;
/// Agents that lack more changes than this are chosen only where no others are.
const FAR_BEHIND: u64 = 256;

/// An arrangement of seats.
#[derive(Debug, PartialEq)]
struct Arrangement {
    voters: Vec<u64>,
    learners: Vec<u64>,
    roster: Roster,
}

impl Council {
    /// Does what is due of the above; whether anything was proposed.
    pub(super) fn do_duty(&mut self, effects: &mut Vec<Effect>) -> bool {
        let now = self.now;
        let Some(own) = &mut self.own else { return false };
        let Some(group) = own.area.group.as_ref().filter(|group| group.has_mandate(now)) else { return false };
        for seat in group.roster().seats.iter().map(|seat| seat.number) {
            own.seated.entry(seat).or_insert(now);
        }
        self.hand_authority(effects);
        self.give_back();
        let Some(own) = &self.own else { return false };
        let Some(group) = own.area.group.as_ref().filter(|group| !group.is_changing()) else { return false };
        let arrangement = self.arrange(own, group);
        let change = difference(group, &arrangement);
        let as_is = arrangement.roster == *group.roster();
        let arranged = change.is_none().then(|| group.arrangement());
        if let Some(own) = &mut self.own {
            own.arranged = arranged;
        }
        if change.is_none() && as_is {
            return self.hand_over();
        }
        self.propose(change, arrangement.roster)
    }

    fn propose(&mut self, change: Option<ConfChangeV2>, roster: Roster) -> bool {
        let (now, patience) = (self.now, self.settings.patience());
        let Some(own) = &mut self.own else { return false };
        let witness = |roster: &Roster| roster.seats.iter().any(|seat| seat.kind == SeatKind::Witness);
        let had = own.area.group.as_ref().is_some_and(|group| witness(group.roster()));
        own.witness_lost |= had && !witness(&roster);
        let again = own.proposed.as_ref().is_some_and(|(before, at)| *before == roster && now < *at + patience);
        if again && change.is_none() {
            return false;
        }
        let Some(group) = own.area.group.as_mut() else { return false };
        let proposed = group.propose(change, &roster);
        own.proposed = Some((roster, now));
        proposed
    }

    /// Gives the keys of the authority to each new backup that can be reached.
    fn hand_authority(&mut self, effects: &mut Vec<Effect>) {
        let Some(own) = self.own.as_ref().filter(|own| own.membership.has_authority) else { return };
        let Some(group) = own.area.group.as_ref() else { return };
        let open: Vec<Seat> = group
            .roster()
            .agents()
            .filter(|seat| seat.number != own.area.seat && !own.handed.contains(&seat.number))
            .filter(|seat| self.link_to(&seat.peer.id).is_some_and(|link| link.seat == seat.number))
            .cloned()
            .collect();
        let Some(own) = &mut self.own else { return };
        for seat in open {
            own.handed.insert(seat.number);
            effects.push(Effect::HandAuthority(seat.peer));
        }
    }

    /// Hands the lead over where that is wished for and the other is ready.
    fn hand_over(&mut self) -> bool {
        let now = self.now;
        let Some(own) = &mut self.own else { return false };
        let Some(goal) = own.wish.as_ref().filter(|wish| wish.goal == Goal::Lead).map(|wish| wish.agent.clone()) else {
            return false;
        };
        let Some(group) = own.area.group.as_mut().filter(|group| !group.is_handing_over()) else { return false };
        let seat = group.roster().agents().find(|seat| seat.peer.id == goal).map(|seat| seat.number);
        let Some(seat) = seat.filter(|seat| group.is_voter(*seat) && group.is_caught_up(*seat)) else { return false };
        group.hand_over(seat, now);
        true
    }

    pub(super) fn duty_wake(&self) -> Option<Duration> {
        let own = self.own.as_ref()?;
        let group = own.area.group.as_ref()?;
        let busy = group.roster().seats.len() > 1 || !self.links.is_empty() || own.wish.is_some();
        (own.wish.is_some() || (busy && group.elected())).then(|| self.now + ROUND.min(self.settings.choose_after))
    }

    /// The next arrangement of seats on the way to what the area should have.
    fn arrange(&self, own: &Own, group: &Group) -> Arrangement {
        let me = own.area.seat;
        let line = self.line(own, group);
        let witness = self.witness(own, group, line.len());
        let wish = own.wish.as_ref().filter(|wish| wish.goal == Goal::Lead).map(|wish| &wish.agent);
        let wanted: Vec<u64> = match (line.as_slice(), &witness) {
            ([first, second, ..], _) => vec![me, first.number, second.number],
            ([only], Some(witness)) => vec![me, only.number, witness.number],
            ([only], None) if wish == Some(&only.peer.id) => vec![me, only.number],
            _ => vec![me],
        };
        let (voting, learning) = (group.voters(), group.learners());
        let ready =
            |seat: &u64| *seat == me || voting.contains(seat) || (learning.contains(seat) && group.is_caught_up(*seat));
        let mut voters: Vec<u64> = wanted.iter().copied().filter(ready).collect();
        let fresh = |seat: &u64| own.seated.get(seat).is_none_or(|since| self.now < *since + CATCH_UP);
        let mut leaving = Vec::new();
        if voters.len() < wanted.len() {
            if wanted.iter().any(|seat| !ready(seat) && fresh(seat)) {
                // As long as somebody new is catching up, nobody leaves.
                voters.clone_from(&voting);
                leaving = voting.iter().chain(&learning).copied().collect();
            } else if voters.len().is_multiple_of(2) {
                voters.pop();
            }
        }
        let mut seats = vec![Seat { number: me, peer: own.me(), kind: SeatKind::Agent }];
        seats.extend(line);
        seats.extend(witness);
        for seat in leaving.iter().filter_map(|number| group.roster().seat(*number)) {
            if seats.iter().all(|other| other.number != seat.number) {
                seats.push(Seat { kind: SeatKind::Leaving, ..seat.clone() });
            }
        }
        let learners = seats.iter().map(|seat| seat.number).filter(|seat| !voters.contains(seat)).collect();
        let upper = own.upper().or_else(|| group.roster().upper.clone());
        let mut retired = group.roster().retired.clone();
        retired.retain(|agent| *agent != own.membership.own && !own.wanted.contains(agent) && Some(agent) != wish);
        if wish.is_some() {
            retired.push(own.membership.own.clone());
        }
        let founded = group.roster().founded;
        Arrangement { voters, learners, roster: Roster { seats, upper, retired, founded } }
    }

    /// Who takes over, in this order.
    fn line(&self, own: &Own, group: &Group) -> Vec<Seat> {
        let me = own.area.seat;
        let wish = own.wish.as_ref().filter(|wish| wish.goal == Goal::Lead).map(|wish| &wish.agent);
        let retired = |id: &SpiffeId| group.roster().retired.contains(id) && !own.wanted.contains(id);
        let staying: Vec<Seat> = group
            .roster()
            .agents()
            .filter(|seat| seat.number != me && seat.peer.id != own.membership.own)
            .filter(|seat| self.is_alive(own, group, seat) && !own.unwanted.contains(&seat.peer.id))
            .map(|seat| self.with_address(seat))
            .collect();
        let candidates = self.candidates(own, &staying);
        let count = self.agents(own, &staying);
        let target = if count >= 3 { self.settings.backups } else { self.settings.backups.min(1) };
        let mut line: Vec<Seat> = Vec::new();
        let (last, mut first): (Vec<Seat>, Vec<Seat>) = staying.into_iter().partition(|seat| retired(&seat.peer.id));
        // Whose silence has made this agent the leader comes last: who hangs may hang again.
        first.sort_by_key(|seat| (Some(&seat.peer.id) != wish, own.deposed.as_ref() == Some(&seat.peer.id)));
        let asked_for = |seat: &Seat| own.wanted.contains(&seat.peer.id) || wish == Some(&seat.peer.id);
        let (asked, others): (Vec<Seat>, Vec<Seat>) = candidates.into_iter().partition(asked_for);
        let (late, early): (Vec<Seat>, Vec<Seat>) = others.into_iter().partition(|seat| retired(&seat.peer.id));
        let wished = asked.iter().position(|seat| wish == Some(&seat.peer.id));
        line.extend(wished.map(|at| asked[at].clone()));
        line.extend(first);
        line.extend(asked.into_iter().enumerate().filter(|(at, _)| Some(*at) != wished).map(|(_, seat)| seat));
        for seat in early.into_iter().chain(last).chain(late) {
            if line.len() < target {
                line.push(seat);
            }
        }
        let bound = target + line.iter().filter(|seat| asked_for(seat)).count();
        line.truncate(bound.min(MOST_BACKUPS));
        line
    }

    /// Agents that could be backups and are not: those that have been connected longest first, ids break ties.
    fn candidates(&self, own: &Own, staying: &[Seat]) -> Vec<Seat> {
        let mut newest: Vec<&Link> = Vec::new();
        for link in self.links.values().rev().filter(|link| self.is_of_area(&link.facts)) {
            let id = &link.facts.peer;
            let taken = staying.iter().any(|seat| seat.peer.id == *id) || *id == own.membership.own;
            if !taken && !own.unwanted.contains(id) && newest.iter().all(|other| other.facts.peer != *id) {
                newest.push(link);
            }
        }
        newest.retain(|link| {
            let waited = self.now.saturating_sub(link.since) >= self.settings.choose_after;
            let wished = own.wish.as_ref().is_some_and(|wish| wish.agent == link.facts.peer);
            link.facts.address.is_some() && (waited || wished || own.wanted.contains(&link.facts.peer))
        });
        let behind = |id: &SpiffeId| own.behind.get(id).copied().unwrap_or(0) > FAR_BEHIND;
        newest.sort_by(|a, b| {
            let key = |link: &Link| (behind(&link.facts.peer), link.since.as_secs());
            key(a).cmp(&key(b)).then_with(|| a.facts.peer.cmp(&b.facts.peer))
        });
        newest.truncate(MOST_BACKUPS * 2);
        newest.into_iter().map(|link| link.seat_as(SeatKind::Agent)).collect()
    }

    /// How many agents the area has at least, this one and those staying among them.
    fn agents(&self, own: &Own, staying: &[Seat]) -> usize {
        let mut others: Vec<&SpiffeId> = staying.iter().map(|seat| &seat.peer.id).collect();
        for link in self.links.values().filter(|link| self.is_of_area(&link.facts)) {
            if !others.contains(&&link.facts.peer) && link.facts.peer != own.membership.own {
                others.push(&link.facts.peer);
            }
            if others.len() >= 2 {
                break;
            }
        }
        others.len() + 1
    }

    /// The agent above, where its vote is needed and it is there.
    fn witness(&self, own: &Own, group: &Group, backups: usize) -> Option<Seat> {
        if backups != 1 {
            return None;
        }
        let before = group.roster().seats.iter().find(|seat| seat.kind == SeatKind::Witness);
        if let Some(seat) = before
            && self.is_alive(own, group, seat)
        {
            return Some(seat.clone());
        }
        let upper = own.upper().or_else(|| group.roster().upper.clone())?;
        let link = self.link_to(&upper.id)?;
        let probation = if own.witness_lost || before.is_some() { PROBATION } else { self.settings.choose_after };
        (self.now.saturating_sub(link.since) >= probation)
            .then(|| Seat { peer: upper, ..link.seat_as(SeatKind::Witness) })
    }

    /// Whether a seat has answered lately, and is not that of an earlier life of its agent.
    fn is_alive(&self, own: &Own, group: &Group, seat: &Seat) -> bool {
        let seated = own.seated.get(&seat.number).copied().unwrap_or(self.now);
        let last = group.ack(seat.number).map_or(seated, |ack| ack.max(seated));
        let another = self.link_to(&seat.peer.id).is_some_and(|link| link.seat != seat.number);
        !another && self.now.saturating_sub(last) <= self.settings.drop_after
    }

    fn with_address(&self, seat: &Seat) -> Seat {
        let told = self.link_to(&seat.peer.id).and_then(|link| link.facts.address.clone());
        let address = told.unwrap_or_else(|| seat.peer.address.clone());
        Seat { peer: AreaPeer { id: seat.peer.id.clone(), address }, ..seat.clone() }
    }
}

impl Link {
    fn seat_as(&self, kind: SeatKind) -> Seat {
        let address = self.facts.address.clone().unwrap_or_default();
        Seat { number: self.seat, peer: AreaPeer { id: self.facts.peer.clone(), address }, kind }
    }
}

/// What has to change for an arrangement; none where nothing has.
fn difference(group: &Group, wanted: &Arrangement) -> Option<ConfChangeV2> {
    let (voters, learners) = (group.voters(), group.learners());
    let single = |kind: ConfChangeType, node: u64| {
        let mut change = ConfChangeSingle { node_id: node, ..ConfChangeSingle::default() };
        change.set_change_type(kind);
        change
    };
    let mut changes = Vec::new();
    for seat in wanted.voters.iter().filter(|seat| !voters.contains(seat)) {
        changes.push(single(ConfChangeType::AddNode, *seat));
    }
    for seat in wanted.learners.iter().filter(|seat| !learners.contains(seat)) {
        changes.push(single(ConfChangeType::AddLearnerNode, *seat));
    }
    for seat in voters.iter().chain(&learners) {
        if !wanted.voters.contains(seat) && !wanted.learners.contains(seat) {
            changes.push(single(ConfChangeType::RemoveNode, *seat));
        }
    }
    if changes.is_empty() {
        return None;
    }
    let mut change = ConfChangeV2::default();
    change.set_changes(changes.into());
    Some(change)
}
