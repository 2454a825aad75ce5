//! Agents that are no agents of the area any more: taken off the list by an operator, of another area, or leading one.

use mf2c_domain::area::presence::Status;
use mf2c_domain::area::standing::Standing;
use mf2c_domain::id::ResourceId;

use super::Categoriser;
use super::ledger::Node;
use super::members::{Member, document_id, expected_name, member_name};
use super::records::Record;

impl Categoriser {
    /// Takes an agent off the list.
    pub(super) fn take_off(&mut self, name: &str) -> Option<Member> {
        let member = self.members.remove(name)?;
        self.roll.forget(name);
        self.news.forget(name);
        self.troubles.remove(name);
        self.newcomers.remove(name);
        self.chores.add(&document_id(name, &self.own));
        if let Some(node) = &member.node {
            if self.nodes.get(node).is_some_and(|of| of == name) {
                self.nodes.remove(node);
            }
            self.ledger.set_live(node, false);
            self.chores.add(&format!("fog-area/{}", self.own));
            self.review_node(node);
        }
        self.review_own();
        Some(member)
    }

    /// This agent is of another area now.
    pub(super) fn leave(&mut self, before: &Standing) {
        if before.area().is_none() {
            return;
        }
        self.ledger.bury_all();
        for name in std::mem::take(&mut self.members).into_keys() {
            self.roll.forget(&name);
        }
        self.nodes.clear();
        self.newcomers.clear();
        self.graves.clear();
    }

    /// Takes those off the list who were met before it was known which area this agent is of, and are of another; and what an
    /// earlier start has written of such.
    pub(super) fn drop_strangers(&mut self) {
        let Some(area) = self.standing.area().map(str::to_owned) else { return };
        let stranger = |member: &Member| member.id.area() != Some(&area);
        let strangers: Vec<String> =
            self.members.iter().filter(|(_, member)| stranger(member)).map(|(name, _)| name.clone()).collect();
        for name in strangers {
            self.take_off(&name);
        }
        let written: Vec<String> = self
            .records
            .all()
            .filter(|(_, of, by)| *of != area && **by == self.own)
            .map(|(id, ..)| id.clone())
            .collect();
        written.iter().for_each(|id| self.chores.add(id));
    }

    /// Whoever leads an area below is no agent of this one.
    pub(super) fn leads_elsewhere(&mut self, node: &Node) {
        if let Some(name) = self.nodes.get(node).filter(|_| *node != self.own).cloned()
            && let Some(member) = self.take_off(&name)
        {
            tracing::info!(agent = %member.id, "an agent of this area leads another one now");
        }
    }

    /// An agent that is not in touch here is in touch with the leader of another area: it has gone there.
    pub(super) fn is_elsewhere(&mut self, record: &Record) {
        let Some(name) = self.nodes.get(&record.node).filter(|_| record.node != self.own).cloned() else { return };
        let is_here = self.roll.get(&name).is_none_or(|presence| presence.status() == Status::Connected);
        if self.standing.leads()
            && !is_here
            && self.standing.area() != Some(&record.area)
            && let Some(member) = self.take_off(&name)
        {
            tracing::info!(agent = %member.id, area = record.area, "an agent of this area is one of another now");
        }
    }

    /// Somebody else has deleted a document. An agent whose record an operator deletes is not listed until it comes again.
    pub(super) fn was_forgotten(&mut self, id: &ResourceId) {
        let Some(name) = self.member_of(id).filter(|_| self.standing.leads() && id.kind() == "area-member") else {
            return;
        };
        let own = self.standing.own.as_ref().and_then(member_name);
        if own.as_ref() == Some(&name) {
            return;
        }
        self.expected.forget(|expected| expected_name(expected) == name);
        self.graves.remove(&name);
        if let Some(member) = self.take_off(&name) {
            tracing::info!(agent = %member.id, "an operator has taken this agent off the list of the area");
        }
    }
}
