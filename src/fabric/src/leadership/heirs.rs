//! Who may found an area anew, and in which order: its last leader, its backups, and some of its other agents, the heirs, whom
//! the leader names while all is well. A foundation by anybody else is not believed.

use std::time::Duration;

use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::AreaPeer;

use super::council::{Council, Link, Own};
use super::roles::Wish;

/// The most heirs that are told.
pub(super) const MOST_HEIRS: usize = 8;
/// So many of them shall be there. The others were there once, and may have gone on for themselves.
const THERE: usize = 4;
/// Who founded an area by itself, without its keys, waits so long for them before another shall lead.
const KEYS: Duration = Duration::from_secs(30);

impl Council {
    /// The heirs that this agent names where it leads: backups that are none any more, then those that were heirs before,
    /// then agents that have been connected longest.
    pub(super) fn heirs(&self) -> Vec<AreaPeer> {
        let Some(own) = &self.own else { return vec![] };
        let Some(group) = own.area.group.as_ref().filter(|group| group.leads()) else { return vec![] };
        let backups = group.roster().backups(own.area.seat);
        let known = &own.area.known;
        let may = |id: &SpiffeId| {
            *id != own.membership.own && !own.unwanted.contains(id) && backups.iter().all(|backup| backup.id != *id)
        };
        let mut heirs: Vec<AreaPeer> = Vec::new();
        for peer in known.backups.iter().chain(&known.leader).chain(&known.heirs).filter(|peer| may(&peer.id)) {
            let link = self.link_to(&peer.id);
            let takes_links = link.is_none_or(|link| link.facts.address.is_some());
            if takes_links && heirs.iter().all(|heir| heir.id != peer.id) {
                let address = link.and_then(|link| link.facts.address.clone()).unwrap_or_else(|| peer.address.clone());
                heirs.push(AreaPeer { id: peer.id.clone(), address });
            }
        }
        let there = heirs.iter().filter(|heir| self.is_there(&heir.id)).count();
        if there < THERE {
            let new = self.newcomers(own, |id| may(id) && heirs.iter().all(|heir| heir.id != *id));
            heirs.extend(new.into_iter().take(THERE - there));
        }
        while heirs.len() > MOST_HEIRS {
            let lost = heirs.iter().rposition(|heir| !self.is_there(&heir.id));
            heirs.remove(lost.unwrap_or(heirs.len() - 1));
        }
        heirs
    }

    /// Whether an agent is connected, or was a moment ago.
    pub(super) fn is_there(&self, agent: &SpiffeId) -> bool {
        let lately = |gone: Duration| self.now.saturating_sub(gone) < self.settings.drop_after;
        self.link_to(agent).is_some() || self.gone_since(agent).is_some_and(lately)
    }

    fn newcomers(&self, own: &Own, may: impl Fn(&SpiffeId) -> bool) -> Vec<AreaPeer> {
        let waited = |link: &Link| self.now.saturating_sub(link.since) >= self.settings.choose_after;
        let mut links: Vec<&Link> =
            self.links.values().filter(|link| self.is_of_area(&link.facts) && waited(link)).collect();
        links.sort_by_key(|link| (link.since.as_secs(), &link.facts.peer));
        let mut new: Vec<AreaPeer> = Vec::new();
        for link in links {
            let id = &link.facts.peer;
            let Some(address) = link.facts.address.clone().filter(|_| may(id) && *id != own.membership.own) else {
                continue;
            };
            if new.iter().all(|peer| peer.id != *id) {
                new.push(AreaPeer { id: id.clone(), address });
            }
        }
        new
    }

    /// Those who may found the area anew, as this agent knows them, in this order.
    pub(super) fn line_of_founders(&self) -> Vec<SpiffeId> {
        let Some(own) = &self.own else { return vec![] };
        let known = &own.area.known;
        let mut line: Vec<SpiffeId> = Vec::new();
        for peer in known.leader.iter().chain(&known.backups).chain(&known.heirs) {
            if !line.contains(&peer.id) {
                line.push(peer.id.clone());
            }
        }
        line
    }

    /// This agent's place in that line, from 0.
    pub(super) fn place_of_founder(&self) -> Option<usize> {
        let own = self.own.as_ref()?;
        self.line_of_founders().iter().position(|id| *id == own.membership.own)
    }

    /// One that founded the area by itself, and has not its keys, hands the lead over to one who has them.
    pub(super) fn give_back(&mut self) {
        let now = self.now;
        let Some(own) = self.own.as_ref().filter(|own| own.stands_in && own.wish.is_none()) else { return };
        let keys = own.membership.has_authority;
        let waits = now < own.leads_since + KEYS;
        let holder = |link: &&Link| {
            let facts = &link.facts;
            let waited = now.saturating_sub(link.since) >= self.settings.choose_after;
            facts.leader && facts.address.is_some() && waited && self.is_of_area(facts)
        };
        let holder = self.links.values().find(holder).map(|link| link.facts.peer.clone());
        let Some(own) = &mut self.own else { return };
        own.stands_in = !keys;
        if let Some(holder) = holder.filter(|holder| !keys && !waits && !own.unwanted.contains(holder)) {
            own.wish = Some(Wish::unasked(holder, now));
        }
    }
}
