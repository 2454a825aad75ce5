//! Who leads the areas below: what an agent offers that led one before is not taken while a later leader is known (P2, (g.5)).

use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_fabric::replication::StreamMessage;
use mf2c_fabric::replication::beside::Term;
use mf2c_fabric::replication::sink::Event as SinkEvent;
use mf2c_fabric::replication::words::Hold;
use mf2c_fabric::wire::Notice;

use super::actor::Replicator;
use super::counters::add;
use super::judge::{Due, Relation};
use super::links::Ends;

/// How long a later term counts after its leader was last in touch. An area that was founded anew begins to count anew, too.
const COUNTS: Duration = Duration::from_secs(600);
/// Areas below of which that is known.
const MOST_AREAS: usize = 4096;
/// When an agent that was deposed may ask again.
const LATER: u32 = 10_000;

/// The latest leadership of an area below.
pub(super) struct Latest {
    term: u64,
    leader: SpiffeId,
    /// When its link was closed last.
    seen: Duration,
}

impl Replicator {
    /// What the peer of a link is to this agent now.
    pub(super) fn relation(&self, ends: &Ends) -> Relation {
        match Relation::of(&ends.link, &self.standing) {
            Relation::Below if self.is_deposed(ends) => Relation::Deposed,
            relation => relation,
        }
    }

    fn is_deposed(&self, ends: &Ends) -> bool {
        let peer = &ends.link.peer.id;
        let latest = peer.area().and_then(|area| self.terms.get(area));
        let Some(latest) = latest.filter(|latest| latest.term > ends.term && latest.leader != *peer) else {
            return false;
        };
        self.links.values().any(|other| other.link.peer.id == latest.leader) || self.now() < latest.seen + COUNTS
    }

    /// Tells of which term the leadership is under which everything is offered.
    pub(super) fn say_term(&mut self, number: u64, ctx: &mut Context<Self>) {
        let term = self.standing.term;
        let Some(ends) = self.links.get_mut(&number) else { return };
        if ends.due == Due::All && self.standing.leads() && ends.told_term.replace(term) != Some(term) {
            self.say(number, Notice::Stream(StreamMessage::Term(Term { term })), ctx);
        }
    }

    /// The peer of a link leads in this term.
    pub(super) fn hear_term(&mut self, number: u64, Term { term }: Term, ctx: &mut Context<Self>) {
        let now = self.now();
        let Some(ends) = self.links.get_mut(&number) else { return };
        ends.term = term;
        if Relation::of(&ends.link, &self.standing) != Relation::Below {
            return;
        }
        let peer = ends.link.peer.id.clone();
        let Some(area) = peer.area().map(str::to_owned) else { return };
        let known = self.terms.get(&area);
        let later = known.is_none_or(|known| term > known.term || known.leader == peer);
        if later && (known.is_some() || self.terms.len() < MOST_AREAS) {
            self.terms.insert(area.clone(), Latest { term, leader: peer, seen: now });
        }
        self.look_again(&area, ctx);
    }

    /// The link of a leader below was closed.
    pub(super) fn leader_left(&mut self, peer: &SpiffeId) {
        let now = self.now();
        let latest = peer.area().and_then(|area| self.terms.get_mut(area));
        if let Some(latest) = latest.filter(|latest| latest.leader == *peer) {
            latest.seen = now;
        }
    }

    /// Who of an area below may offer is judged anew where that has changed.
    fn look_again(&mut self, area: &str, ctx: &mut Context<Self>) {
        let of_area = |ends: &Ends| ends.link.peer.id.area() == Some(area);
        let numbers: Vec<u64> =
            self.links.iter().filter(|(_, ends)| of_area(ends)).map(|(number, _)| *number).collect();
        for number in numbers {
            self.relate(number, ctx);
        }
    }

    /// Looks what the peer of a link is now, and judges anew what it offers where that has changed.
    pub(super) fn relate(&mut self, number: u64, ctx: &mut Context<Self>) {
        let Some(relation) = self.links.get(&number).map(|ends| self.relation(ends)) else { return };
        let Some(ends) = self.links.get_mut(&number) else { return };
        if std::mem::replace(&mut ends.relation, relation) != relation {
            self.sink_step(number, SinkEvent::Rejudge, ctx);
        }
    }

    /// Why nothing is taken from a peer now; none where it is.
    pub(super) fn holds_off(&mut self, number: u64) -> Option<Hold> {
        let relation = self.links.get(&number).map(|ends| self.relation(ends))?;
        let ends = self.links.get_mut(&number)?;
        ends.relation = relation;
        match relation {
            Relation::None => {
                let why = "this agent does not lead yours, as far as it knows".to_owned();
                Some(Hold { retry_after: 1000, why })
            }
            Relation::Deposed => {
                let (peer, term) = (ends.link.peer.id.clone(), ends.term);
                let area = peer.area().unwrap_or_default();
                let latest = self.terms.get(area);
                let (now_led, latest) =
                    (latest.map(|latest| latest.leader.to_string()), latest.map_or(0, |latest| latest.term));
                let leader = now_led.unwrap_or_default();
                add(&self.counters.refused, 1);
                tracing::warn!(%peer, term, latest, %leader, "stale_term: another agent leads that area now; what the one before offers is not taken");
                let why =
                    format!("stale_term: the area {area} is led in term {latest} by {leader}, this is term {term}");
                Some(Hold { retry_after: LATER, why })
            }
            _ => None,
        }
    }
}
