//! Events in the store, for people and programs to notice.

use std::net::SocketAddr;
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::caller::Caller;
use mf2c_domain::resource;
use mf2c_fabric::replication::Origin;
use mf2c_store::{NewDocument, StoreError};
use serde_json::json;

use super::actor::Replicator;
use super::counters::add;
use super::judge::device_of;
use crate::categoriser::told_in;
use crate::ports::OpenLink;
use crate::resource_store::AddResource;

/// Pause between two events about one clone.
const CLONE_PAUSE: Duration = Duration::from_secs(600);
/// The most clones that are told of in that time.
const MOST_CLONES: usize = 64;

impl Replicator {
    /// Writes an event about a resource of this agent or another.
    pub(super) fn note(&mut self, resource: &str, severity: &str, state: &str, ctx: &mut Context<Self>) {
        let now = self.world.clock.now();
        let event = json!({
            "timestamp": now.to_string(),
            "type": "alarm",
            "severity": severity,
            "content": { "resource": { "href": resource }, "state": state },
        });
        let Some(new) = self.document("event", event) else { return };
        let added = self.writer.send(AddResource(new));
        ctx.spawn(added.into_actor(self).map(|added, _, _| {
            if let Err(error) = added.unwrap_or(Err(StoreError::Stopping)) {
                tracing::warn!(%error, "an event could not be written");
            }
        }));
    }

    /// A document of our own, if it satisfies its type.
    pub(super) fn document(&self, kind: &str, body: serde_json::Value) -> Option<NewDocument> {
        let (spec, entropy) = (resource::find(kind)?, &*self.world.entropy);
        let serde_json::Value::Object(attributes) = body else { return None };
        let draft = spec.prepare_add(attributes, self.world.clock.now(), entropy);
        let new = draft.map_err(|error| error.to_string()).and_then(|draft| {
            NewDocument::new(spec, draft, &Caller::agent(), entropy).map_err(|error| error.to_string())
        });
        new.inspect_err(|error| tracing::error!(kind, %error, "a document of this agent's own is not valid")).ok()
    }

    /// Two agents show one identity: in the log and in an event, with where they were seen.
    pub(super) fn tell_clone(&mut self, link: &OpenLink, seen: &[SocketAddr], ctx: &mut Context<Self>) {
        add(&self.counters.clones, 1);
        if !self.is_news_of_clone(link) {
            return;
        }
        let seen: Vec<String> = seen.iter().map(ToString::to_string).collect();
        let seen = seen.join(" and ");
        tracing::error!(peer = %link.peer.id, seen, "two agents run under one identity: stop one, and give it an identity of its own");
        let about = self.member(device_of(link));
        self.note(&about, "critical", &format!("two agents run under this identity, seen at {seen}"), ctx);
    }

    /// Whether nothing was told of this clone lately: both call again and again.
    fn is_news_of_clone(&mut self, link: &OpenLink) -> bool {
        let now = self.now();
        self.cloned.retain(|_, told| now < *told + CLONE_PAUSE);
        let news = self.cloned.len() < MOST_CLONES && !self.cloned.contains_key(device_of(link));
        if news {
            self.cloned.insert(device_of(link).to_owned(), now);
        }
        news
    }

    /// The document in which this agent tells of another one as its leader.
    fn member(&self, device: &str) -> String {
        let own = self.store.identity().name();
        told_in(device, &own).unwrap_or_else(|| format!("agent/{own}"))
    }

    /// The store of the peer of a link has begun a new life: it was put back to an earlier state.
    pub(super) fn note_renewed(&mut self, number: u64, origin: &Origin, ctx: &mut Context<Self>) {
        let Some(ends) = self.links.get(&number).filter(|ends| ends.link.hello.origin.0 == *origin) else { return };
        tracing::warn!(peer = %ends.link.peer.id, "the store of an agent was put back to an earlier state and has begun a new life");
        let about = self.member(device_of(&ends.link));
        let state = "its store was put back to an earlier state, as from a backup, and has begun a new life: what it no longer has is removed here";
        self.note(&about, "high", state, ctx);
    }

    pub(super) fn note_wiped(&mut self, device: &str, ctx: &mut Context<Self>) {
        self.note(&self.member(device), "high", "its store was wiped, and its old documents are replaced", ctx);
    }

    pub(super) fn note_restored(&mut self, ctx: &mut Context<Self>) {
        let about = format!("device/{}", self.store.identity().name());
        self.note(&about, "critical", "its store has gone back in time, as after a restore from a backup or in a copy of the agent, and has begun a new life", ctx);
    }
}
