//! Events in the store, for people and programs to notice.

use actix::prelude::*;
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::caller::Caller;
use mf2c_domain::resource;
use mf2c_store::{NewDocument, StoreError};
use serde_json::json;

use super::actor::Replicator;
use crate::categoriser::told_in;
use crate::ports::OpenLink;
use crate::resource_store::AddResource;

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

    pub(super) fn note_clone(&mut self, link: &OpenLink, ctx: &mut Context<Self>) {
        let about = self.about(&link.peer.id);
        self.note(&about, "critical", "two agents run under this identity", ctx);
    }

    pub(super) fn note_wiped(&mut self, device: &str, ctx: &mut Context<Self>) {
        let linked = self.links.values().map(|ends| &ends.link.peer.id).find(|id| id.device() == Some(device));
        let about = match linked.cloned() {
            Some(id) => self.about(&id),
            None => format!("agent/{}", self.store.identity().name()),
        };
        self.note(&about, "high", "its store was wiped, and its old documents are replaced", ctx);
    }

    /// The document in which this agent tells of another one as its leader.
    fn about(&self, agent: &SpiffeId) -> String {
        let own = self.store.identity().name();
        told_in(agent, &own).unwrap_or_else(|| format!("agent/{own}"))
    }

    pub(super) fn note_restored(&mut self, ctx: &mut Context<Self>) {
        let about = format!("device/{}", self.store.identity().name());
        self.note(&about, "critical", "its store has gone back in time, as after a restore from a backup", ctx);
    }
}
