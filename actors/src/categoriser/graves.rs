//! Agents that an operator has forgotten. Their leader says so in their `area-member` for a while, so that its backups and
//! those above forget them too, also where they were away at that moment. Who leads an area below is believed in that, and
//! said after; a member of the own area is not.

use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::area::presence::Status;
use mf2c_domain::time::Timestamp;
use mf2c_store::record::NodeId;
use serde_json::{Map, Value, json};

use super::Categoriser;
use super::ledger::Node;
use super::members::{document_id, name_of, object};
use super::records::Record;
use crate::replicator::{Forget, Remember};

/// How long it is said: as long as the replicator remembers it.
const SAID_FOR: Duration = Duration::from_secs(90 * 86_400);
/// The most agents of which it is said; the oldest give way.
const MOST: usize = 1_000;

/// An agent that is forgotten from now on. Only a leader says so to others.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Bury {
    /// Whom its certificate named: a SPIFFE ID; nothing where that is not known.
    pub agent: String,
    /// Its `deviceID`.
    pub device: String,
    /// Its node, as in ids.
    pub node: String,
    /// The life of its store that is forgotten.
    pub life: u64,
    /// The newest change in it that is.
    pub changes: u64,
}

/// Who removes copies, and takes them again.
#[derive(Clone)]
pub struct Copies {
    /// Removes them.
    pub forget: Recipient<Forget>,
    /// Takes them again.
    pub remember: Recipient<Remember>,
}

/// What is said of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grave {
    pub(super) agent: String,
    pub(super) device: String,
    pub(super) node: Node,
    pub(super) life: u64,
    pub(super) changes: u64,
    pub(super) since: Timestamp,
}

impl Grave {
    /// The attributes of its `area-member`. It is one of the area whose leader says so.
    pub(super) fn attributes(&self, area: &str) -> Map<String, Value> {
        let agent = if self.agent.is_empty() { "unknown" } else { &self.agent };
        object(json!({
            "agent": agent, "device": self.device, "area": area, "node": self.node, "role": "agent",
            "status": "forgotten", "forgottenAt": self.since.to_string(), "life": self.life.to_string(),
            "changes": self.changes,
        }))
    }
}

/// A node from its name in ids: a UUID.
fn node_id(name: &str) -> Option<NodeId> {
    let digits: String = name.chars().filter(|c| *c != '-').collect();
    (digits.len() == 32).then(|| u128::from_str_radix(&digits, 16).ok().map(u128::to_be_bytes))?
}

impl Categoriser {
    /// With somebody who removes the copies of agents that are forgotten.
    #[must_use]
    pub fn keeping(self, copies: Copies) -> Self {
        Self { copies: Some(copies), ..self }
    }

    /// Says of an agent that it is forgotten.
    pub(super) fn bury(&mut self, grave: Grave) {
        let Some(name) = name_of(&grave.device).filter(|name| !self.members.contains_key(name)) else { return };
        let now = self.world.clock.now();
        let old = i128::try_from(SAID_FOR.as_nanos()).unwrap_or(i128::MAX);
        let mut over: Vec<String> = self
            .graves
            .iter()
            .filter(|(_, it)| now.nanos() - it.since.nanos() > old)
            .map(|(name, _)| name.clone())
            .collect();
        if self.graves.len() - over.len() >= MOST {
            over.extend(self.graves.iter().min_by_key(|(_, it)| it.since).map(|(name, _)| name.clone()));
        }
        for name in over {
            self.graves.remove(&name);
            self.chores.add(&document_id(&name, &self.own));
        }
        self.chores.add(&document_id(&name, &self.own));
        self.graves.insert(name, grave);
    }

    /// An agent is back.
    pub(super) fn rise(&mut self, name: &str) {
        let Some(grave) = self.graves.remove(name) else { return };
        self.chores.add(&document_id(name, &self.own));
        if let (Some(copies), Some(node)) = (&self.copies, node_id(&grave.node))
            && copies.remember.try_send(Remember(node)).is_err()
        {
            tracing::debug!(device = grave.device, "that an agent is back was not told: too much at once");
        }
    }

    /// Whether this node may say that agents are forgotten: it leads the own area, or one below.
    fn may_bury(&self, by: &Node) -> bool {
        let leader = self.standing.area().and_then(|area| self.leader_of(area));
        *by != self.own && (leader.as_ref() == Some(by) || self.leaders.get(by).is_some())
    }

    /// Does what a leader says of agents that are forgotten.
    pub(super) fn heed(&mut self, by: &Node) {
        if !self.may_bury(by) {
            return;
        }
        let said: Vec<Grave> = self.records.by(by).filter_map(Record::grave).collect();
        said.into_iter().for_each(|grave| self.forget(grave));
    }

    /// Takes note of what a record says.
    pub(super) fn hear_of(&mut self, record: &Record) {
        if self.building {
            // What others say is heeded when it is known who they are.
            if let Some(grave) = record.grave().filter(|_| record.by == self.own) {
                self.bury(grave);
            }
            return;
        }
        if record.by == self.own {
            return;
        }
        match record.grave() {
            Some(grave) if self.may_bury(&record.by) => self.forget(grave),
            Some(_) => {}
            None if record.status() == Status::Connected && self.is_by_leader(record) => {
                self.is_elsewhere(record);
                let back = self.graves.iter().find(|(_, grave)| grave.node == record.node);
                if let Some(name) = back.map(|(name, _)| name.clone()) {
                    self.rise(&name);
                }
            }
            None => {}
        }
    }

    fn forget(&mut self, grave: Grave) {
        let Some(name) = name_of(&grave.device) else { return };
        let Some(node) = node_id(&grave.node).filter(|_| grave.node != self.own) else { return };
        let is_here = self.nodes.get(&grave.node).and_then(|name| self.roll.get(name));
        if is_here.is_some_and(|presence| presence.status() == Status::Connected) {
            return;
        }
        let known =
            self.graves.get(&name).is_some_and(|known| known.node == grave.node && known.changes >= grave.changes);
        if !known {
            self.take_off(&name);
            self.bury(grave.clone());
        }
        let Some(copies) = &self.copies else { return };
        let forget = Forget { origin: node, device: grave.device, upto: Some((grave.life, grave.changes)) };
        if copies.forget.try_send(forget).is_err() {
            tracing::debug!("what is forgotten was not removed: too much at once; it is done at the next link");
        }
    }
}

impl Handler<Bury> for Categoriser {
    type Result = ();

    fn handle(&mut self, bury: Bury, ctx: &mut Context<Self>) {
        let Bury { agent, device, node, life, changes } = bury;
        if self.standing.leads() {
            if let Some(name) = name_of(&device) {
                self.take_off(&name);
            }
            self.bury(Grave { agent, device, node, life, changes, since: self.world.clock.now() });
        }
        self.go_on(ctx);
    }
}
