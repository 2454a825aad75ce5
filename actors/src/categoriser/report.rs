//! What others of this agent have noticed and people should know of: events, as many as help.

use actix::prelude::*;
use mf2c_domain::area::spiffe::SpiffeId;

use super::Categoriser;
use super::members::{document_id, member_name, name_of};

/// Something was noticed. It becomes an event, unless the same matter came up too often lately.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct Report {
    /// What it belongs to. A matter that comes up again and again hides no other.
    pub matter: String,
    /// Which agent it is about; none means this one. An agent that is no member of the area that this one leads is told of as
    /// something about this one.
    pub about: Option<SpiffeId>,
    /// What is so now.
    pub state: String,
    /// `low`, `medium`, `high` or `critical`.
    pub severity: &'static str,
}

impl Handler<Report> for Categoriser {
    type Result = ();

    fn handle(&mut self, report: Report, ctx: &mut Context<Self>) {
        let member = report.about.as_ref().and_then(member_name);
        let member = member.filter(|name| self.standing.leads() && self.members.contains_key(name));
        let about = member.map_or_else(|| format!("agent/{}", self.own), |name| document_id(&name, &self.own));
        if let Some(state) = self.news.of(&report.matter, &report.state, self.world.clock.elapsed()) {
            self.tell(&about, &state, report.severity, ctx);
        }
    }
}

/// The id of the document in which the leader with this node tells of a device; none where the device has no name for one.
pub(crate) fn told_in(device: &str, leader: &str) -> Option<String> {
    name_of(device).map(|name| document_id(&name, leader))
}
