//! What the `area-member` and `fog-area` documents here say, of whichever leader, and which of them are out of date.

use std::collections::{BTreeMap, BTreeSet};

use mf2c_domain::area::presence::Status;
use mf2c_domain::time::Timestamp;
use serde::Deserialize;

use super::graves::Grave;
use super::ledger::Node;

/// An `area-member` document, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) agent: String,
    device: String,
    pub(super) area: String,
    pub(super) node: Node,
    pub(super) address: String,
    pub(super) role: String,
    /// Of which term its leadership is, where it leads.
    pub(super) term: u64,
    status: String,
    last_contact: Option<String>,
    pub(super) expected: bool,
    pub(super) trouble: String,
    forgotten_at: Option<String>,
    life: String,
    changes: u64,
    /// The leader that has written it.
    #[serde(skip)]
    pub(super) by: Node,
}

impl Record {
    pub(super) fn read(body: &[u8], by: &str) -> Option<Self> {
        let record: Self = serde_json::from_slice(body).ok()?;
        Some(Self { by: by.to_owned(), ..record })
    }

    /// Whether its writer writes about itself, as the leader.
    fn is_of_leader(&self) -> bool {
        self.role == "leader" && self.node == self.by
    }

    /// What it says of an agent that is forgotten, if that is what it tells.
    pub(super) fn grave(&self) -> Option<Grave> {
        if self.status != "forgotten" || self.node.is_empty() {
            return None;
        }
        let Self { agent, device, node, changes, .. } = self.clone();
        let since = self.forgotten_at.as_deref().and_then(Timestamp::parse).unwrap_or_default();
        Some(Grave { agent, device, node, life: self.life.parse().ok()?, changes, since })
    }

    pub(super) fn status(&self) -> Status {
        Status::of(&self.status).unwrap_or(Status::Unavailable)
    }

    pub(super) fn last_contact(&self) -> Option<Timestamp> {
        Timestamp::parse(self.last_contact.as_deref()?)
    }
}

/// All of them.
#[derive(Default)]
pub(super) struct Records {
    members: BTreeMap<String, Record>,
    by_node: BTreeMap<Node, BTreeSet<String>>,
    /// Who says that it leads an area, and since which term.
    leaders: BTreeMap<String, BTreeSet<(u64, Node)>>,
    /// The areas of `fog-area` documents, and who has written them.
    sums: BTreeMap<String, (String, Node)>,
}

impl Records {
    /// What an `area-member` says now; none where there is none any more. What it said before.
    pub(super) fn member(&mut self, id: &str, record: Option<Record>) -> Option<Record> {
        if let Some(record) = &record {
            self.by_node.entry(record.node.clone()).or_default().insert(id.to_owned());
        }
        let node = record.as_ref().map(|record| record.node.clone());
        let led = record.as_ref().filter(|record| record.is_of_leader()).map(|record| record.area.clone());
        let old = match record {
            Some(record) => self.members.insert(id.to_owned(), record),
            None => self.members.remove(id),
        };
        let was_led = old.as_ref().filter(|old| old.is_of_leader()).map(|old| old.area.clone());
        for area in led.into_iter().chain(was_led) {
            self.find_leader(area);
        }
        if let Some(old) = old.as_ref().filter(|old| node.as_ref() != Some(&old.node))
            && let Some(ids) = self.by_node.get_mut(&old.node)
        {
            ids.remove(id);
            if ids.is_empty() {
                self.by_node.remove(&old.node);
            }
        }
        old
    }

    /// Which area a `fog-area` is about, and who has written it; none where there is none any more.
    pub(super) fn sum(&mut self, id: &str, about: Option<(String, Node)>) {
        match about {
            Some(about) => drop(self.sums.insert(id.to_owned(), about)),
            None => drop(self.sums.remove(id)),
        }
    }

    /// The records about agents of an area.
    pub(super) fn of_area<'a>(&'a self, area: &'a str) -> impl Iterator<Item = (&'a String, &'a Record)> {
        self.members.iter().filter(move |(_, record)| record.area == area)
    }

    /// What this leader has written of agents.
    pub(super) fn by<'a>(&'a self, leader: &'a str) -> impl Iterator<Item = &'a Record> {
        self.members.values().filter(move |record| record.by == leader)
    }

    /// What the leaders say of the agent with this node.
    pub(super) fn of_node(&self, node: &str) -> impl Iterator<Item = &Record> + Clone {
        self.by_node.get(node).into_iter().flatten().filter_map(|id| self.members.get(id))
    }

    /// All documents: their ids, areas and writers.
    pub(super) fn all(&self) -> impl Iterator<Item = (&String, &str, &Node)> {
        let members = self.members.iter().map(|(id, record)| (id, record.area.as_str(), &record.by));
        members.chain(self.sums.iter().map(|(id, (area, by))| (id, area.as_str(), by)))
    }

    /// The area and the writer of one document.
    pub(super) fn about(&self, id: &str) -> Option<(&str, &Node)> {
        let member = self.members.get(id).map(|record| (record.area.as_str(), &record.by));
        member.or_else(|| self.sums.get(id).map(|(area, by)| (area.as_str(), by)))
    }

    /// Who leads an area by the records: who says so of itself, in the highest term. Who takes care of an area without a
    /// majority does so in the term of the leader that is gone: of the two, the one in touch counts.
    pub(super) fn leader_of(&self, area: &str, in_touch: impl Fn(&Node) -> bool) -> Option<&Node> {
        let claims = self.leaders.get(area)?.iter();
        claims.max_by_key(|(term, node)| (*term, in_touch(node), node)).map(|(_, node)| node)
    }

    /// Whether this node says of itself that it leads the area, in no earlier term than anybody.
    pub(super) fn may_lead(&self, area: &str, node: &Node) -> bool {
        let claims = self.leaders.get(area);
        claims.is_some_and(|all| all.last().is_some_and(|(newest, _)| all.contains(&(*newest, node.clone()))))
    }

    /// Whether this node says of itself that it leads the area, in whichever term.
    pub(super) fn is_leader(&self, area: &str, node: &Node) -> bool {
        self.leaders.get(area).is_some_and(|leaders| leaders.iter().any(|(_, leader)| leader == node))
    }

    /// Looks who leads an area, after a record about a leader has changed. That is rare.
    fn find_leader(&mut self, area: String) {
        let leaders = self.of_area(&area).filter(|(_, record)| record.is_of_leader());
        let found: BTreeSet<_> = leaders.map(|(_, record)| (record.term, record.by.clone())).collect();
        if found.is_empty() {
            self.leaders.remove(&area);
        } else {
            self.leaders.insert(area, found);
        }
    }

    /// The node of the agent that an `area-member` is about.
    pub(super) fn node_of(&self, id: &str) -> Option<Node> {
        self.members.get(id).map(|record| record.node.clone())
    }
}
