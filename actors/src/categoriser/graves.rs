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
use crate::replicator::{Forget, Forgotten, Remember};

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
        *by != self.own && (self.is_led_by(by) || self.below.contains_key(by))
    }

    fn is_led_by(&self, node: &Node) -> bool {
        !self.standing.leads() && self.standing.area().and_then(|area| self.leader_of(area)).as_ref() == Some(node)
    }

    /// Does what a leader says of agents that are forgotten.
    pub(super) fn heed(&mut self, by: &Node) {
        if !self.may_bury(by) {
            return;
        }
        let said = self.records.by(by).filter_map(Record::grave).map(|grave| (by.clone(), grave));
        self.said.extend(said);
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
            Some(grave) if self.may_bury(&record.by) => self.said.push((record.by.clone(), grave)),
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

    /// Has removed what leaders have said is forgotten.
    pub(super) fn heed_all(&mut self, ctx: &mut Context<Self>) {
        for (by, grave) in std::mem::take(&mut self.said) {
            let Some(origin) = node_id(&grave.node).filter(|_| grave.node != self.own) else { continue };
            // It may have said something else since.
            if !self.records.of_node(&grave.node).any(|it| it.by == by && it.grave().as_ref() == Some(&grave)) {
                continue;
            }
            let is_here = self.nodes.get(&grave.node).and_then(|name| self.roll.get(name));
            if is_here.is_some_and(|presence| presence.status() == Status::Connected) {
                continue;
            }
            let Some(copies) = &self.copies else {
                self.forgotten(grave);
                continue;
            };
            let below = self.below.get(&by).filter(|_| !self.is_led_by(&by)).cloned();
            let (device, upto) = (grave.device.clone(), Some((grave.life, grave.changes)));
            let asked = copies.forget.send(Forget { origin, device, upto, below });
            ctx.spawn(asked.into_actor(self).map(move |done, categoriser, ctx| match done {
                Ok(Ok(Forgotten { is_forgotten: true, .. })) => {
                    categoriser.forgotten(grave);
                    categoriser.go_on(ctx);
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "what is forgotten could not be removed; it is tried at the next link")
                }
                _ => {}
            }));
        }
    }

    /// An agent is forgotten here, because of what a leader has said. Who is in touch with a leader by now has gone there or
    /// is back: that one's copies are taken.
    fn forgotten(&mut self, grave: Grave) {
        let Some(name) = name_of(&grave.device) else { return };
        let is_there = |record: &Record| {
            record.status() == Status::Connected && self.is_by_leader(record) && record.grave().is_none()
        };
        let is_elsewhere = self.records.of_node(&grave.node).any(is_there);
        if self.members.get(&name).is_some_and(|member| member.node.as_ref() == Some(&grave.node)) {
            self.take_off(&name);
        }
        self.bury(grave);
        if is_elsewhere {
            self.rise(&name);
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
