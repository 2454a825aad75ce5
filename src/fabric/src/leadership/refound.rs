//! Founding an area's consensus anew, where nobody is left who could be elected, and an operator, or the line of founders, says
//! who leads from now on.

use std::time::Duration;

use mf2c_domain::area::spiffe::SpiffeId;

use super::council::{Council, Link};
use super::event::{Effect, RoleError};
use super::group::Group;

/// So many are asked whether they hear of the leader.
const ASKED: usize = 8;
/// The time for their answers.
const ANSWER: Duration = Duration::from_secs(1);
/// A new foundation leaves so many terms out, as a power of two: should some of the old leaders come back together, they stay
/// below it however often they elect each other before they hear of it.
const TERMS_APART: u32 = 16;
/// Of these the upper four bits tell the founder's place in the line, so that of two foundations that do not know of each other
/// that of the first in the line is the later term; the others make terms of two founders in the same place differ.
const PLACE: u32 = 12;

/// A foundation for which others are asked still.
#[derive(Debug)]
pub(super) struct Foundation {
    /// An operator's question; none where it is founded without one.
    ask: Option<u64>,
    at: Duration,
    leader: Option<SpiffeId>,
    /// Somebody hears the leader.
    refuted: bool,
}

impl Council {
    /// An operator wants this agent to lead, which does not lead, or not with a majority.
    pub(super) fn refound(&mut self, ask: u64, effects: &mut Vec<Effect>) {
        match self.refusal(false) {
            Some(error) => effects.push(Effect::Answer { ask, result: Err(error) }),
            None => self.ask_around(Some(ask), effects),
        }
    }

    /// Asks others whether they hear the leader. What they answer in time counts.
    pub(super) fn ask_around(&mut self, ask: Option<u64>, effects: &mut Vec<Effect>) {
        let due = self.now + ANSWER;
        let Some(own) = &mut self.own else { return };
        let leader = own.area.known.leader.as_ref().map(|leader| leader.id.clone());
        if let Some(leader) = leader.as_ref().filter(|leader| **leader != own.membership.own) {
            // The agent above is among those that are asked: links to other areas first.
            let other = |link: &&Link| link.facts.peer.area() != own.membership.own.area();
            let (above, area): (Vec<_>, Vec<_>) = self.links.iter().partition(|(_, link)| other(link));
            let asked = above.into_iter().chain(area).take(ASKED);
            effects.extend(asked.map(|(link, _)| Effect::Probe { of: leader.clone(), through: *link }));
        }
        own.foundation = Some(Foundation { ask, at: due, leader, refuted: false });
    }

    /// Why this agent does not found its area anew now. By itself it leaves that to all who are before it in the line.
    pub(super) fn refusal(&self, unasked: bool) -> Option<RoleError> {
        let own = self.own.as_ref()?;
        let known = &own.area.known;
        let not_now = |text: &str| Some(RoleError::NotNow(text.to_owned()));
        let leader = known.leader.clone().filter(|leader| leader.id != own.membership.own);
        if leader.as_ref().is_some_and(|leader| self.link_to(&leader.id).is_some()) {
            return Some(RoleError::NotLeader(leader));
        }
        let Some(place) = self.place_of_founder() else {
            let heirs: Vec<&str> = known.heirs.iter().filter_map(|heir| heir.id.device()).collect();
            return not_now(&format!(
                "this agent is not among the heirs that the lost leader has named, so that nobody would follow it: let one of \
                 them lead ({}), or make a new area",
                heirs.join(", ")
            ));
        };
        let holders = 1 + known.backups.len();
        let before = match unasked {
            true => place,
            // An operator's choice among those who hold the area is free; others have less than they.
            false if place < holders => 0,
            false => holders,
        };
        if self.line_of_founders().iter().take(before).any(|id| self.link_to(id).is_some()) {
            return not_now(
                "a backup of the area is there and holds all of it: it leads by itself, or is told to lead there",
            );
        }
        if self.may_elect() {
            return not_now("there are enough for an election: they choose by themselves in some seconds");
        }
        if unasked && self.upper().is_some_and(|upper| self.link_to(&upper.id).is_none()) {
            return not_now("the agent above is not there: this agent may be the one that is cut off");
        }
        if own.foundation.is_some() {
            return not_now(
                "it is being found out already whether anybody hears the leader: try again in some seconds",
            );
        }
        (!self.hears_nobody())
            .then(|| RoleError::NotNow("the leader was heard of a moment ago: try again in some seconds".to_owned()))
    }

    /// Whether so many voters are there, as far as their links tell, that they can choose a leader.
    fn may_elect(&self) -> bool {
        let Some(own) = &self.own else { return false };
        let known = &own.area.known;
        let id = &own.membership.own;
        let seated = known.leader.iter().chain(&known.backups).any(|peer| peer.id == *id);
        let Some(group) = own.area.group.as_ref().filter(|group| seated && !group.over) else { return false };
        let voters = group.voters();
        let is_there = |seat: u64| seat == own.area.seat || self.links.values().any(|link| link.seat == seat);
        voters.iter().filter(|seat| is_there(**seat)).count() * 2 > voters.len()
    }

    /// Whether nobody who leads has been heard of for the time of a suspicion. One that led before it was started anew, and hears
    /// of nobody, hears nobody at once.
    pub(super) fn hears_nobody(&self) -> bool {
        let long = |since: Duration| since.is_zero() || self.now.saturating_sub(since) >= self.settings.suspicion;
        self.silent_since().is_some_and(long)
    }

    /// Since when nobody who leads is heard of; none where somebody is, or where this agent was elected.
    pub(super) fn silent_since(&self) -> Option<Duration> {
        let own = self.own.as_ref()?;
        let group = own.area.group.as_ref();
        if group.is_some_and(Group::elected) {
            return None;
        }
        let silent_since = match own.area.known.leader.as_ref().filter(|leader| leader.id != own.membership.own) {
            Some(leader) if self.link_to(&leader.id).is_some() => return None,
            Some(leader) => self.gone_since(&leader.id).unwrap_or(own.began),
            None => own.led_until,
        };
        let heard = group.filter(|group| group.has_heard() && !group.over).map_or(Duration::ZERO, Group::contact);
        Some(silent_since.max(heard))
    }

    /// An answer to the question when somebody has heard of the leader last.
    pub(super) fn refuted(&mut self, of: &SpiffeId, ago: Option<Duration>) {
        let patience = self.settings.suspicion;
        let foundation = self.own.as_mut().and_then(|own| own.foundation.as_mut());
        if let Some(foundation) = foundation.filter(|foundation| foundation.leader.as_ref() == Some(of)) {
            foundation.refuted |= ago.is_some_and(|ago| ago < patience);
        }
    }

    pub(super) fn foundation_wake(&self) -> Option<Duration> {
        self.own.as_ref()?.foundation.as_ref().map(|foundation| foundation.at)
    }

    /// Founds the area anew when nobody has contradicted; whether it did.
    pub(super) fn found_anew(&mut self, effects: &mut Vec<Effect>) -> bool {
        let now = self.now;
        let Some(own) = &mut self.own else { return false };
        let Some(foundation) = own.foundation.take_if(|foundation| now >= foundation.at) else { return false };
        let ask = foundation.ask;
        let refused = match foundation.refuted {
            true => Some(RoleError::NotLeader(own.area.known.leader.clone())),
            false => self.refusal(ask.is_none()),
        };
        if let Some(error) = refused {
            effects.extend(ask.map(|ask| Effect::Answer { ask, result: Err(error) }));
            return false;
        }
        let (above, place) = (self.highest_told(), self.place_of_founder().unwrap_or(usize::MAX));
        let Some(own) = &mut self.own else { return false };
        let known = &own.area.known;
        let known_backup = known.backups.iter().any(|backup| backup.id == own.membership.own);
        let admitted = own.membership.admitted_by.clone();
        let others = known.leader.iter().chain(&known.backups).chain(&known.heirs).chain(admitted.as_ref());
        own.former = others.cloned().collect();
        let above = own.area.group.as_ref().map_or(0, Group::term).max(known.term).max(above);
        let (me, upper) = (own.me(), known.upper.clone().or_else(|| own.upper()));
        let term = term_of_foundation(above, place, own.area.seat);
        own.area.begin(me, upper, term - 1, now);
        own.stands_in = ask.is_none() && !own.membership.has_authority;
        let keep = own.area.keep();
        effects.push(keep);
        let area = own.area.name.clone();
        let keys = if own.membership.has_authority || known_backup {
            ""
        } else {
            "; it has not the keys of the authority: certificates are not renewed, and nobody is let in, until the `ca/` of the \
             old leader is restored here, one who has the keys leads, or a new area is made"
        };
        let who = if ask.is_some() { "an operator had" } else { "nobody led any more, and the configuration had" };
        effects.push(Effect::Tell(format!("{who} `{area}` founded anew: this agent leads it{keys}")));
        own.founder = Some((ask, term - 1));
        true
    }

    /// Answers the operator when this agent leads.
    pub(super) fn answer_founder(&mut self, effects: &mut Vec<Effect>) {
        let Some(own) = self.own.as_mut().filter(|own| own.founder.is_some() && self.standing.leader.is_some()) else {
            return;
        };
        let standing = self.standing.clone();
        let done = |founder: &mut (Option<u64>, u64)| standing.leads() || standing.term > founder.1;
        let Some((ask, _)) = own.founder.take_if(done) else { return };
        let result = if standing.leads() { Ok(Box::new(standing)) } else { Err(RoleError::NotLeader(standing.leader)) };
        effects.extend(ask.map(|ask| Effect::Answer { ask, result }));
    }
}

/// The term of a foundation: above `above`, with room for the elections of those who do not know of it.
fn term_of_foundation(above: u64, place: usize, seat: u64) -> u64 {
    let place = 15 - u64::try_from(place).unwrap_or(15).min(15);
    (((above >> TERMS_APART) + 2) << TERMS_APART) | (place << PLACE) | (seat & ((1 << PLACE) - 1))
}
