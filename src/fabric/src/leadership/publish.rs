//! What the others get to know: how this agent stands, whom it must reach, and that it leads, or no more.

use std::time::Duration;

use mf2c_domain::area::standing::{AreaPeer, AreaRole, Mandate, Standing};

use super::council::{Council, Link};
use super::event::Effect;
use super::group::Group;
use super::{LeadClaim, LeadershipMessage};

/// How often a claim to lead is said again: what did not fit into a link is lost.
const REPEAT: Duration = Duration::from_secs(30);
/// How often an agent that led says that another does.
const CORRECTIONS: u32 = 10;

impl Council {
    /// Tells how the agent stands, if that has changed.
    pub(super) fn publish(&mut self, effects: &mut Vec<Effect>) {
        let standing = self.stand();
        let targets = self.targets(&standing);
        if standing != self.standing {
            let moved = standing.term > self.standing.term && standing.leader.is_some() && !standing.leads();
            self.standing = standing;
            if let Some(own) = self.own.as_mut().filter(|_| moved) {
                // Not everybody who has to know it can be reached by the new leader, or believes it.
                own.corrections = own.corrections.max(2);
                own.repeat_at = self.now;
            }
            effects.push(Effect::Publish(Box::new(self.standing.clone())));
        }
        if self.kept_links.as_ref() != Some(&targets) {
            self.kept_links = Some(targets.clone());
            effects.push(Effect::KeepLinks(targets));
        }
        self.claim(effects);
        self.answer(effects);
        self.answer_founder(effects);
    }

    fn stand(&self) -> Standing {
        let Some(own) = &self.own else { return Standing::default() };
        let known = &own.area.known;
        let mut standing = Standing {
            own: Some(own.membership.own.clone()),
            term: known.term,
            leader: known.leader.clone(),
            backups: known.backups.clone(),
            upper: known.upper.clone(),
            ..Standing::default()
        };
        let group = own.area.group.as_ref();
        if group.is_some_and(Group::leads) || own.caretaker {
            standing.role = AreaRole::Leader;
            let full = !own.caretaker && group.is_some_and(|group| group.has_mandate(self.now));
            standing.mandate = if full { Mandate::Full } else { Mandate::Degraded };
            standing.degraded = !full;
            standing.leader = Some(own.me());
            standing.upper = group.map_or_else(|| own.upper(), |group| group.roster().upper.clone());
            standing.backups = match group {
                Some(group) if group.leads() => own.backups(group),
                Some(group) => group.roster().backups(own.area.seat),
                None => vec![],
            };
        } else if known.backups.iter().any(|peer| peer.id == own.membership.own) {
            standing.role = AreaRole::Backup;
        } else if known.leader.is_some() {
            standing.role = AreaRole::Agent;
        }
        if !standing.leads() {
            // It led, and has not found out yet who does now.
            standing.leader = standing.leader.filter(|leader| leader.id != own.membership.own);
            standing.degraded = standing.leader.is_some() && (!known.full || self.hears_nobody());
        }
        standing.backups.retain(|peer| standing.leader.as_ref() != Some(peer));
        standing
    }

    /// To whom links must be kept: everybody to the backups; leader and backups to each other and to the one above.
    fn targets(&self, standing: &Standing) -> Vec<AreaPeer> {
        let Some(own) = &self.own else { return vec![] };
        let mut targets = standing.backups.clone();
        if matches!(standing.role, AreaRole::Leader | AreaRole::Backup) {
            let seated = own.area.group.iter().flat_map(|group| group.roster().agents());
            targets.extend(seated.map(|seat| seat.peer.clone()));
            targets.extend(standing.upper.clone());
            targets.extend(own.former.iter().filter(|_| standing.leads()).cloned());
        }
        let heirs = own.area.known.heirs.iter();
        if self.hears_nobody() {
            // One of them may come to lead.
            targets.extend(heirs.cloned());
        } else if standing.leads() {
            // Those that were lost may have founded the area anew for themselves, and be back.
            let kept = |heir: &AreaPeer| self.kept_links.iter().flatten().any(|kept| kept.id == heir.id);
            targets.extend(heirs.filter(|heir| kept(heir) || !self.is_there(&heir.id)).cloned());
        }
        targets.retain(|peer| {
            let leads = standing.leader.as_ref().is_some_and(|leader| leader.id == peer.id);
            peer.id != own.membership.own && !leads && !peer.address.is_empty()
        });
        targets.sort_by(|a, b| a.id.cmp(&b.id).then_with(|| a.address.cmp(&b.address)));
        targets.dedup_by(|a, b| a.id == b.id);
        targets
    }

    /// Makes a lead known to the area and above.
    fn claim(&mut self, effects: &mut Vec<Effect>) {
        let standing = &self.standing;
        let claim = standing.leader.clone().filter(|_| standing.leads()).and_then(|leader| {
            Some(LeadClaim {
                area: standing.area()?.to_owned(),
                term: standing.term,
                leader,
                full: standing.mandate == Mandate::Full,
                backups: standing.backups.clone(),
                upper: standing.upper.clone(),
                heirs: self.own.as_ref()?.area.known.heirs.clone(),
                founded: self.own.as_ref()?.area.known.founded,
            })
        });
        let due = self.now + REPEAT;
        let Some(own) = &mut self.own else { return };
        if own.claim == claim && self.now < own.repeat_at {
            return;
        }
        let Some(claim) = claim else {
            if own.claim.take_if(|_| self.standing.leader.is_some()).is_some() {
                own.corrections = CORRECTIONS;
            } else if own.corrections == 0 || self.now < own.repeat_at {
                return;
            }
            own.corrections -= 1;
            own.repeat_at = due;
            let others = |link: &Link| self.is_of_area(&link.facts) && !self.standing.is_led_by(&link.facts.peer);
            let area = self.links.iter().filter(|(_, link)| others(link));
            let sent = area.filter_map(|(link, _)| Some(Effect::Send { link: *link, message: self.correction()? }));
            effects.extend(sent);
            return;
        };
        own.claim = Some(claim.clone());
        own.repeat_at = due;
        let upper = self.upper().map(|upper| upper.id);
        for (number, link) in &self.links {
            if self.is_of_area(&link.facts) || upper.as_ref() == Some(&link.facts.peer) {
                effects.push(Effect::Send { link: *number, message: LeadershipMessage::Lead(claim.clone()) });
            }
        }
    }

    /// When the claim, or that it is over, is said again.
    pub(super) fn repeat_wake(&self) -> Option<Duration> {
        let own = self.own.as_ref()?;
        let speaks = own.corrections > 0 || (own.claim.is_some() && self.standing.leads());
        (speaks && !self.links.is_empty()).then_some(own.repeat_at)
    }
}
