//! Founding an area's consensus anew, where its leader and all its backups are lost and an operator says who leads from now
//! on.

use std::time::Duration;

use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::AreaPeer;

use super::council::Council;
use super::event::{Effect, RoleError};
use super::group::Group;

/// So many are asked whether they hear of the leader.
const ASKED: usize = 8;
/// The time for their answers.
const ANSWER: Duration = Duration::from_secs(1);
/// A new foundation leaves so many terms out: should some of the old leaders come back together, they stay below it however often
/// they elect each other before they hear of it.
const TERMS_APART: u64 = 1 << 10;

/// A foundation for which others are asked still.
#[derive(Debug)]
pub(super) struct Foundation {
    ask: u64,
    at: Duration,
    leader: Option<SpiffeId>,
    /// Somebody hears the leader.
    refuted: bool,
}

impl Council {
    /// An operator wants this agent to lead, which does not lead.
    pub(super) fn refound(&mut self, ask: u64, effects: &mut Vec<Effect>) {
        let refused = self.refusal();
        let due = self.now + ANSWER;
        let Some(own) = &mut self.own else { return };
        if let Some(error) = refused {
            effects.push(Effect::Answer { ask, result: Err(error) });
            return;
        }
        let leader = own.area.known.leader.as_ref().map(|leader| leader.id.clone());
        if let Some(leader) = &leader {
            let asked = self.links.iter().take(ASKED);
            effects.extend(asked.map(|(link, _)| Effect::Probe { of: leader.clone(), through: *link }));
        }
        own.foundation = Some(Foundation { ask, at: due, leader, refuted: false });
    }

    /// Why this agent does not found its area anew now.
    fn refusal(&self) -> Option<RoleError> {
        let own = self.own.as_ref()?;
        let known = &own.area.known;
        let not_now = |text: &str| Some(RoleError::NotNow(text.to_owned()));
        let leader = known.leader.clone().filter(|leader| leader.id != own.membership.own);
        if leader.as_ref().is_some_and(|leader| self.link_to(&leader.id).is_some()) {
            return Some(RoleError::NotLeader(leader));
        }
        let lives = |peer: &AreaPeer| peer.id == own.membership.own || self.link_to(&peer.id).is_some();
        if known.backups.iter().any(lives) {
            return not_now("a backup of the area is there and takes over by itself: `mf2c area` tells how it goes");
        }
        if own.foundation.is_some() {
            return not_now(
                "it is being found out already whether anybody hears the leader: try again in some seconds",
            );
        }
        (!self.hears_nobody())
            .then(|| RoleError::NotNow("the leader was heard of a moment ago: try again in some seconds".to_owned()))
    }

    /// Whether nobody who leads has been heard of for the time of a suspicion. One that led before it was started anew, and hears
    /// of nobody, hears nobody at once.
    pub(super) fn hears_nobody(&self) -> bool {
        let Some(own) = &self.own else { return false };
        let group = own.area.group.as_ref();
        if group.is_some_and(Group::elected) {
            return false;
        }
        let silent_since = match own.area.known.leader.as_ref().filter(|leader| leader.id != own.membership.own) {
            Some(leader) if self.link_to(&leader.id).is_some() => return false,
            Some(leader) => self.gone_since(&leader.id).unwrap_or(own.began),
            None => own.led_until,
        };
        let heard = group.filter(|group| group.has_heard()).map_or(Duration::ZERO, Group::contact);
        let since = silent_since.max(heard);
        since.is_zero() || self.now.saturating_sub(since) >= self.settings.suspicion
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
            false => self.refusal(),
        };
        if let Some(error) = refused {
            effects.push(Effect::Answer { ask, result: Err(error) });
            return false;
        }
        let above = self.highest_told();
        let Some(own) = &mut self.own else { return false };
        let known = &own.area.known;
        let admitted = own.membership.admitted_by.clone();
        own.former = known.leader.iter().chain(&known.backups).chain(admitted.as_ref()).cloned().collect();
        let above = own.area.group.as_ref().map_or(0, Group::term).max(known.term).max(above);
        let (me, upper) = (own.me(), known.upper.clone().or_else(|| own.upper()));
        own.area.begin(me, upper, above + TERMS_APART, now);
        let keep = own.area.keep();
        effects.push(keep);
        let area = own.area.name.clone();
        let keys = if own.membership.has_authority {
            ""
        } else {
            "; it has not the keys of the authority: certificates are not renewed, and nobody is let in, until the `ca/` of the \
             old leader is restored here or a new area is made"
        };
        effects.push(Effect::Tell(format!("an operator had `{area}` founded anew: this agent leads it{keys}")));
        own.founder = Some((ask, above + TERMS_APART));
        true
    }

    /// Answers the operator when this agent leads.
    pub(super) fn answer_founder(&mut self, effects: &mut Vec<Effect>) {
        let standing = self.standing.clone();
        let Some(own) = self.own.as_mut().filter(|_| standing.leader.is_some()) else { return };
        let done = |founder: &mut (u64, u64)| standing.leads() || standing.term > founder.1;
        let Some((ask, _)) = own.founder.take_if(done) else { return };
        let result = if standing.leads() { Ok(Box::new(standing)) } else { Err(RoleError::NotLeader(standing.leader)) };
        effects.push(Effect::Answer { ask, result });
    }
}
