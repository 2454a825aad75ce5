//! What peers say: messages of the consensus, claims to lead, and news of a later term. Each is taken only from those who
//! may say it, by their certificates.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::AreaPeer;

use super::area::{Area, Known};
use super::council::Council;
use super::event::Effect;
use super::guard;
use super::heirs::MOST_HEIRS;
use super::roster::{LONGEST_ADDRESS, MOST_SEATS};
use super::{LeadClaim, LeadershipMessage};
use crate::wire::{Bytes, Code, WireError};

/// The most areas below one agent.
const MOST_AREAS: usize = 4096;
/// No area sees so many changes of leaders; a claim from further ahead is a lie.
const LEAP: u64 = 1 << 32;

impl Council {
    pub(super) fn hear(&mut self, link: u64, message: LeadershipMessage, effects: &mut Vec<Effect>) {
        let heard = match message {
            LeadershipMessage::Raft { area, message, stamp } => self.hear_raft(link, &area, &message, stamp, effects),
            LeadershipMessage::Lead(claim) => self.hear_lead(link, claim, effects),
            LeadershipMessage::Stale { area, term, leader } => {
                let leader = leader.filter(|leader| {
                    leader.address.len() <= LONGEST_ADDRESS && leader.id.area() == Some(area.as_str())
                });
                self.hear_stale(link, &area, term, leader, effects);
                Ok(())
            }
        };
        if let Err(text) = heard {
            effects.push(Effect::Close { link, why: WireError::new(Code::BadFrame, text) });
        }
    }

    fn hear_raft(
        &mut self,
        link: u64,
        name: &str,
        bytes: &Bytes,
        stamp: u64,
        effects: &mut Vec<Effect>,
    ) -> Result<(), &'static str> {
        let Some(from) = self.links.get(&link) else { return Ok(()) };
        let (peer, seat, leads) = (from.facts.peer.clone(), from.seat, from.facts.leader);
        let message = guard::decode(&bytes.0)?;
        if message.from != seat {
            return Ok(());
        }
        let now = self.now;
        let below = self.below.get(name);
        let led = |claim: &LeadClaim| claim.leader.id == peer || claim.backups.iter().any(|backup| backup.id == peer);
        let trusts = leads || below.is_some_and(led);
        let Some(area) = self.area(name, &peer, trusts, effects) else { return Ok(()) };
        if guard::form(&message, area.seat).is_err() {
            return Ok(());
        }
        let trusted = trusts || area.knows(&peer);
        let seated = area.group.as_ref().is_some_and(|group| group.is_voter(seat) || group.learners().contains(&seat));
        if !seated {
            // A leader may invite; nobody else has anything to say to those who do not know it.
            if !guard::from_leader(&message) || !trusted || peer.area() != Some(name) {
                return Ok(());
            }
            if message.term < area.known.term {
                let (term, leader) = (area.known.term, area.known.leader.clone());
                let stale = LeadershipMessage::Stale { area: name.to_owned(), term, leader };
                effects.push(Effect::Send { link, message: stale });
                return Ok(());
            }
        }
        let mut kept = Vec::new();
        let stepped = catch_unwind(AssertUnwindSafe(|| {
            let group = area.joined(now)?;
            let _ = group.step(message, stamp, now);
            Some(area.pump(now, &mut kept))
        }));
        effects.append(&mut kept);
        match stepped {
            Ok(outcome) => self.dispatch(name, outcome.map(|outcome| outcome.posts).unwrap_or_default(), effects),
            Err(_) => self.revive(name, &peer, effects),
        }
        Ok(())
    }

    /// The area of a message, if this agent has to do with it.
    fn area(&mut self, name: &str, peer: &SpiffeId, trusts: bool, effects: &mut Vec<Effect>) -> Option<&mut Area> {
        if self.own.as_ref()?.area.name == name {
            let own = self.own.as_mut()?;
            // Of other areas, only the witness speaks here, and it has a seat.
            return Some(&mut own.area);
        }
        if peer.area() != Some(name) {
            return None;
        }
        if !self.witnessed.contains_key(name) {
            let seat = self.own.as_ref()?.area.seat;
            if self.witnessed.len() >= MOST_AREAS {
                return None;
            }
            let kept = self.memory.recall(name);
            let area = kept.and_then(|kept| {
                // Only who leads, or may, begins something new here.
                let known = kept.is_some() || trusts;
                let area = Area::restore(name, seat, true, kept.as_deref(), &self.settings, self.now);
                area.map(|area| known.then_some(area))
            });
            match area {
                Ok(area) => self.witnessed.insert(name.to_owned(), area?),
                Err(error) => {
                    let text = format!("what was kept of the leadership of `{name}` cannot be used: {error}");
                    effects.push(Effect::Tell(text));
                    return None;
                }
            };
        }
        self.witnessed.get_mut(name)
    }

    /// Begins again from what is kept, as after a crash.
    fn revive(&mut self, name: &str, peer: &SpiffeId, effects: &mut Vec<Effect>) {
        effects
            .push(Effect::Tell(format!("a message of {peer} contradicts the consensus of `{name}`: it was not taken")));
        let kept = self.memory.recall(name).ok().flatten();
        let (settings, now) = (self.settings.clone(), self.now);
        let area = match &mut self.own {
            Some(own) if own.area.name == name => Some((&mut own.area, false)),
            _ => self.witnessed.get_mut(name).map(|area| (area, true)),
        };
        let Some((area, witness)) = area else { return };
        area.group = None;
        match Area::restore(name, area.seat, witness, kept.as_deref(), &settings, now) {
            Ok(restored) => area.resume(restored),
            Err(error) => effects.push(Effect::Tell(format!("the consensus of `{name}` cannot go on: {error}"))),
        }
    }

    fn hear_lead(&mut self, link: u64, claim: LeadClaim, effects: &mut Vec<Effect>) -> Result<(), &'static str> {
        let Some(from) = self.links.get(&link) else { return Ok(()) };
        let (peer, leads, told) = (from.facts.peer.clone(), from.facts.leader, from.facts.term);
        let long = |address: &str| address.len() > LONGEST_ADDRESS;
        if claim.leader.id != peer || peer.area() != Some(claim.area.as_str()) {
            return Err("a claim to lead by somebody else than its sender, or in another area than the sender's");
        }
        let elsewhere = |peer: &AreaPeer| long(&peer.address) || peer.id.area() != Some(claim.area.as_str());
        if claim.backups.len() > MOST_SEATS
            || claim.heirs.len() > MOST_HEIRS
            || claim.backups.iter().chain(&claim.heirs).any(elsewhere)
            || long(&claim.leader.address)
            || claim.upper.as_ref().is_some_and(|upper| long(&upper.address))
        {
            return Err("a claim to lead with backups or addresses that cannot be");
        }
        let Some(own) = &self.own else { return Ok(()) };
        if own.area.name != claim.area {
            self.hear_below(link, claim, leads, effects);
            return Ok(());
        }
        let known = own.area.known.clone();
        let heir = claim.full && claim.term > known.term && known.heirs.iter().any(|heir| heir.id == peer);
        let orphaned = heir && self.hears_nobody();
        if heir && !orphaned && self.standing.leads() && told <= known.term {
            // An heir founds where nobody hears this agent. It is believed when it comes back with that term, and not before.
            let why = WireError::new(Code::StaleTerm, "an heir that has not been away: come again with that term");
            effects.push(Effect::Close { link, why });
            return Ok(());
        }
        let anew = orphaned || (heir && self.standing.leads());
        if !(leads || own.area.knows(&peer) || anew) || claim.term > known.term.saturating_add(LEAP) {
            return Ok(());
        }
        if claim.term < known.term {
            let stale = LeadershipMessage::Stale { area: claim.area, term: known.term, leader: known.leader };
            effects.push(Effect::Send { link, message: stale });
            return Ok(());
        }
        let later = (claim.term, claim.founded) > (known.term, known.founded);
        if claim.term > known.term || (claim.full && later) || self.gives_way(&claim) {
            self.follow(claim, effects);
        }
        Ok(())
    }

    /// Whether a claim of the term that is known here takes the place of what is known.
    fn gives_way(&self, claim: &LeadClaim) -> bool {
        let Some(own) = &self.own else { return false };
        let known = &own.area.known;
        if self.standing.leads() {
            // Two without a majority: the one further up in the line goes on.
            let ahead = || self.place(&claim.leader.id) < self.place(&own.membership.own);
            return own.caretaker && (claim.full || ahead());
        }
        match &known.leader {
            None => true,
            Some(leader) if leader.id == claim.leader.id => true,
            Some(leader) => {
                let silent = self.link_to(&leader.id).is_none();
                (claim.full && !known.full)
                    || silent
                    || (!known.full && self.place(&claim.leader.id) < self.place(&leader.id))
            }
        }
    }

    /// Where an agent is in the line of those who may lead; ids break ties.
    pub(super) fn place(&self, agent: &SpiffeId) -> (usize, SpiffeId) {
        let own = self.own.as_ref();
        let group = own.and_then(|own| own.area.group.as_ref());
        let seat = group.and_then(|group| group.roster().agents().position(|seat| seat.peer.id == *agent));
        let listed =
            || own.and_then(|own| own.area.known.backups.iter().position(|peer| peer.id == *agent).map(|at| at + 1));
        (seat.or_else(listed).unwrap_or(usize::MAX), agent.clone())
    }

    /// Follows a leader from now on.
    fn follow(&mut self, claim: LeadClaim, effects: &mut Vec<Effect>) {
        let now = self.now;
        let Some(own) = &mut self.own else { return };
        own.caretaker = false;
        own.led = false;
        own.claimed = now;
        if let Some(group) =
            own.area.group.as_mut().filter(|group| claim.term > group.term() || claim.founded > group.roster().founded)
        {
            group.step_down(claim.term, now);
        }
        // The log stays, also where the seat is lost: a seat that the consensus has not let go yet counts, and one without
        // its log would vote for anybody.
        own.suspicion.clear();
        let LeadClaim { term, leader, full, backups, upper, heirs, founded, .. } = claim;
        let known = Known { term, leader: Some(leader), full, backups, upper, heirs, founded };
        if own.area.known != known {
            own.area.known = known;
            let keep = own.area.keep();
            effects.push(keep);
        }
    }

    /// A claim in an area below, or in the one above.
    fn hear_below(&mut self, link: u64, claim: LeadClaim, leads: bool, effects: &mut Vec<Effect>) {
        let before = self.below.get(&claim.area);
        let known = before.is_some_and(|before| {
            before.leader.id == claim.leader.id || before.backups.iter().any(|backup| backup.id == claim.leader.id)
        });
        let term = before.map_or(0, |before| before.term);
        let silent = |peer: &AreaPeer| {
            let since = self.gone_since(&peer.id).map_or(Duration::ZERO, |gone| self.now.saturating_sub(gone));
            self.link_to(&peer.id).is_none() && since >= self.settings.suspicion
        };
        let anew = before.is_some_and(|before| {
            claim.full
                && claim.term > before.term
                && before.heirs.iter().any(|heir| heir.id == claim.leader.id)
                && silent(&before.leader)
                && !before.backups.iter().any(|backup| self.link_to(&backup.id).is_some())
        });
        if !(leads || known || anew) || (before.is_none() && self.below.len() >= MOST_AREAS) {
            return;
        }
        if claim.term < term {
            let leader = before.map(|before| before.leader.clone());
            effects.push(Effect::Send { link, message: LeadershipMessage::Stale { area: claim.area, term, leader } });
            return;
        }
        let other = before.is_some_and(|before| before.full && before.leader.id != claim.leader.id);
        if claim.term == term && other && !claim.full || claim.term > term.saturating_add(LEAP) {
            return;
        }
        if before != Some(&claim) {
            effects.push(Effect::Below(claim.clone()));
            self.below.insert(claim.area.clone(), claim);
        }
    }

    /// Somebody knows of a later term. Who leads with a majority knows better; who does not, leads no more.
    fn hear_stale(&mut self, link: u64, area: &str, term: u64, leader: Option<AreaPeer>, effects: &mut Vec<Effect>) {
        let Some(from) = self.links.get(&link) else { return };
        let (peer, leads) = (from.facts.peer.clone(), from.facts.leader);
        let upper = self.upper().is_some_and(|upper| upper.id == peer);
        let now = self.now;
        let Some(own) = self.own.as_mut().filter(|own| own.area.name == area) else { return };
        let full = own.area.group.as_ref().is_some_and(|group| group.has_mandate(now)) && !own.caretaker;
        let bounded = (own.area.known.term + 1..=own.area.known.term.saturating_add(LEAP)).contains(&term);
        if !bounded || full || !(own.area.knows(&peer) || leads || upper) {
            return;
        }
        let other = leader.filter(|leader| leader.id != own.membership.own);
        if own.caretaker || own.led {
            effects.push(Effect::Tell(format!("`{area}` is in term {term} already: this agent leads it no more")));
            own.caretaker = false;
            own.led = false;
            own.area.known.leader = None;
            if let Some(group) = &mut own.area.group {
                group.step_down(0, now);
            }
        }
        if let Some(other) = other {
            // It is believed when it says so itself; until then it is called.
            own.area.known.leader = Some(other);
            own.area.known.full = false;
            own.claimed = now;
        }
    }
}
