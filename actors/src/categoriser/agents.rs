//! Agents of the area and leaders below it, as they come, go and come back.

use actix::prelude::*;
use mf2c_domain::area::presence::Status;
use mf2c_domain::area::standing::Standing;
use mf2c_fabric::wire::hello::Scope;

use super::ledger::Node;
use super::members::{Member, document_id, expected_name, member_name, node_of};
use super::records::Record;
use super::{Categoriser, Link, MOST_MEMBERS, news};
use crate::ports::OpenLink;
use crate::resource_store::AddResource;

impl Categoriser {
    /// A link was opened.
    pub(super) fn linked(&mut self, link: &OpenLink, ctx: &mut Context<Self>) {
        let node = node_of(&link.hello.origin.0);
        let peer = link.peer.id.clone();
        self.links.insert(link.number, Link { peer: peer.clone(), node: node.clone() });
        if link.scope == Scope::Certification {
            if let Some(node) = node.filter(|_| link.accepted) {
                if self.leaders.opened(&node, link.number) {
                    self.review_leader(&node);
                }
                self.leads_elsewhere(&node);
                self.below.insert(node.clone(), peer.area().unwrap_or_default().to_owned());
                self.heed(&node);
            }
        } else if peer.area() == self.standing.area() || self.standing.own.is_none() {
            self.met(link, ctx);
        }
        self.review_own();
        // Who leads has a node now that tells whose documents are out of date.
        if self.standing.is_led_by(&peer)
            && let Some(area) = self.standing.area().map(str::to_owned)
        {
            self.review_area(&area);
            if let Some(node) = node_of(&link.hello.origin.0) {
                self.heed(&node);
            }
        }
    }

    /// An agent of the area is in touch.
    fn met(&mut self, link: &OpenLink, ctx: &mut Context<Self>) {
        let Some(name) = member_name(&link.peer.id) else { return };
        let new = Member::of(link, self.world.clock.now());
        let known = self.members.get(&name);
        if known.is_some_and(|known| known.id != new.id) || (known.is_none() && self.members.len() >= MOST_MEMBERS) {
            tracing::warn!(agent = %new.id, "not listed among the agents of the area: too many, or another of that name");
            return;
        }
        let joined = known.is_none();
        let (trouble, address) = known.map(|known| (known.trouble.clone(), known.address.clone())).unwrap_or_default();
        let address = if new.address.is_empty() { address } else { new.address.clone() };
        self.has_come(&name, &new);
        self.rise(&name);
        self.enter(&name, Member { trouble, address, ..new });
        if joined {
            self.newcomers.insert(name.clone());
        }
        if self.roll.opened(&name, link.number) && !joined {
            self.changed_status(&name, "connected", ctx);
        }
        self.greet(ctx);
        self.review(&name);
    }

    /// Tells of those who have joined, where this agent leads. Who is in the records of a leader has joined before.
    fn greet(&mut self, ctx: &mut Context<Self>) {
        if !self.standing.leads() {
            return;
        }
        for name in std::mem::take(&mut self.newcomers) {
            let Some(id) = self.members.get(&name).map(|member| member.id.to_string()) else { continue };
            let is = |record: &Record| record.agent == id;
            let known =
                self.standing.area().is_some_and(|area| self.records.of_area(area).any(|(_, record)| is(record)));
            if !known {
                self.changed_status(&name, "joined", ctx);
            }
        }
    }

    /// Puts an agent on the list, in place of what was known of it.
    pub(super) fn enter(&mut self, name: &str, member: Member) {
        let node = member.node.clone();
        let old = self.members.insert(name.to_owned(), member);
        if let Some(old) = old.and_then(|old| old.node).filter(|old| Some(old) != node.as_ref()) {
            // Its store is another one: what the former one held is not live any more.
            self.nodes.remove(&old);
            self.ledger.set_live(&old, false);
        }
        if let Some(node) = node {
            self.nodes.insert(node, name.to_owned());
        }
    }

    /// Somebody who was expected may have come.
    fn has_come(&mut self, name: &str, member: &Member) {
        if let Some(expected) = self.expected.come(name, member) {
            self.chores.add(&document_id(&expected_name(&expected), &self.own));
        }
    }

    /// Those who are there already may be some that are expected.
    pub(super) fn have_come(&mut self) {
        let own = self.standing.own.as_ref().and_then(member_name);
        let others = self.members.iter().filter(|(name, _)| own.as_ref() != Some(*name));
        for (name, member) in others.map(|(name, member)| (name.clone(), member.clone())).collect::<Vec<_>>() {
            self.has_come(&name, &member);
        }
    }

    /// A link has ended.
    pub(super) fn unlinked(&mut self, number: u64) {
        let now = self.now();
        self.links.remove(&number);
        self.leaders.closed(number, now);
        self.roll.closed(number, now);
        self.review_own();
    }

    /// Lets time pass for all who are silent.
    pub(super) fn let_time_pass(&mut self, ctx: &mut Context<Self>) {
        let now = self.now();
        for name in self.roll.advance(now) {
            let status = self.roll.get(&name).map_or("", |presence| presence.status().as_str());
            self.changed_status(&name, status, ctx);
            self.review(&name);
        }
        for node in self.leaders.advance(now) {
            self.review_leader(&node);
        }
        let over: Vec<String> =
            self.troubles.iter().filter(|(_, until)| **until <= now.elapsed).map(|(name, _)| name.clone()).collect();
        for name in over {
            self.troubles.remove(&name);
            if let Some(member) = self.members.get_mut(&name) {
                member.trouble = None;
            }
            self.review(&name);
        }
    }

    /// An agent of the area is or may be another than before: all that tells of it is looked at.
    pub(super) fn review(&mut self, name: &str) {
        self.chores.add(&document_id(name, &self.own));
        let up = self.roll.get(name).is_some_and(|presence| presence.status() == Status::Connected);
        if let Some(node) = self.members.get(name).and_then(|member| member.node.clone()) {
            if node != self.own && self.standing.leads() && self.ledger.set_live(&node, up) {
                self.chores.add(&format!("fog-area/{}", self.own));
            }
            self.review_node(&node);
        }
        self.review_own();
    }

    /// The own documents are looked at.
    pub(super) fn review_own(&mut self) {
        self.chores.add(&format!("agent/{}", self.own));
    }

    /// The leader of an area below has come or gone: what it says of its agents counts more or less.
    fn review_leader(&mut self, leader: &Node) {
        let areas: Vec<String> =
            self.records.all().filter(|(_, _, by)| *by == leader).map(|(_, area, _)| area.to_owned()).collect();
        let areas: std::collections::BTreeSet<String> = areas.into_iter().collect();
        areas.iter().for_each(|area| self.review_area(area));
    }

    /// The role, the leader or the backups have changed.
    pub(super) fn stand(&mut self, standing: Standing, ctx: &mut Context<Self>) {
        let before = std::mem::replace(&mut self.standing, standing);
        if before.area() != self.standing.area() {
            self.leave(&before);
        }
        self.drop_strangers();
        if self.standing.leads() {
            if !before.leads() {
                self.take_over();
            }
            self.greet(ctx);
            self.enter_self();
            self.tell_of_leadership(ctx);
        } else if before.leads() {
            self.ledger.bury_all();
        }
        let names: Vec<String> = self.members.keys().cloned().collect();
        names.iter().for_each(|name| self.review(name));
        for area in before.area().into_iter().chain(self.standing.area()).map(str::to_owned).collect::<Vec<_>>() {
            self.review_area(&area);
        }
        if let Some(leader) = self.standing.area().and_then(|area| self.leader_of(area)) {
            self.heed(&leader);
        }
        for kind in ["device", "fog-area"] {
            self.chores.add(&format!("{kind}/{}", self.own));
        }
        for expected in self.expected.waiting() {
            self.chores.add(&document_id(&expected_name(expected), &self.own));
        }
        self.review_own();
    }

    /// Takes the agents over that the former leader, or this agent in an earlier life, has written of.
    fn take_over(&mut self) {
        let Some(area) = self.standing.area() else { return };
        let now = self.now();
        let written: Vec<_> = self.records.of_area(area).map(|(_, record)| record.clone()).collect();
        let former = self.leader_by_records(area);
        let graves = written.iter().filter(|record| former.as_ref() == Some(&record.by)).filter_map(Record::grave);
        graves.collect::<Vec<_>>().into_iter().for_each(|grave| self.bury(grave));
        for record in written.iter().filter(|record| !record.expected && record.grave().is_none()) {
            let Some(member) = Member::recalled(record) else { continue };
            let Some(name) = member_name(&member.id).filter(|name| !self.members.contains_key(name)) else { continue };
            self.enter(&name, member);
            self.roll.recall(&name, record.status(), record.last_contact(), now);
        }
    }

    /// The leader is an agent of the area itself, and always in touch.
    fn enter_self(&mut self) {
        let Some(id) = self.standing.own.clone() else { return };
        let Some(name) = member_name(&id) else { return };
        let address = self.standing.leader.as_ref().map(|leader| leader.address.clone()).unwrap_or_default();
        let node = Some(self.own.clone());
        self.enter(
            &name,
            Member { id, node, name: self.settings.name.clone(), address, ip: None, skew: None, trouble: None },
        );
        self.roll.opened(&name, u64::MAX);
    }

    fn tell_of_leadership(&mut self, ctx: &mut Context<Self>) {
        if self.told_term == Some(self.standing.term) {
            return;
        }
        self.told_term = Some(self.standing.term);
        let Some(name) = self.standing.own.as_ref().and_then(member_name) else { return };
        let state = format!("leads in term {}", self.standing.term);
        if let Some(state) = self.news.of("the leadership", &state, self.world.clock.elapsed()) {
            self.tell(&document_id(&name, &self.own), &state, "medium", ctx);
        }
    }

    /// Tells of an agent's new state, where this one leads.
    fn changed_status(&mut self, name: &str, state: &str, ctx: &mut Context<Self>) {
        if !self.standing.leads() {
            return;
        }
        let Some(state) = self.news.of(name, state, self.world.clock.elapsed()) else { return };
        let severity = if state.starts_with("unavailable") { "high" } else { "medium" };
        self.tell(&document_id(name, &self.own), &state, severity, ctx);
    }

    pub(super) fn tell(&self, id: &str, state: &str, severity: &str, ctx: &mut Context<Self>) {
        tracing::info!(agent = id, state, "an agent of the area");
        let Some(event) = news::event(id, state, severity, &self.world) else { return };
        let writer = self.writer.clone();
        let told = async move { writer.send(AddResource(event)).await };
        ctx.spawn(told.into_actor(self).map(|told, _, _| {
            if let Ok(Err(error)) = told {
                tracing::debug!(%error, "an event of the area could not be written");
            }
        }));
    }
}
