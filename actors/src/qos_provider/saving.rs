//! Stores what was learned: each model once a second at most, and then how far the log is taken in.

use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::acl::Acl;
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource::{self, Draft};
use mf2c_store::NewDocument;

use super::QosProvider;
use super::feed::CURSOR;
use crate::resource_store::{AddResource, EditResource, KeepCursors};

/// Pause between two stores.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// The cursor is stored where so many changes that meant nothing were passed over.
const FAR: u64 = 10_000;
/// The most models that are stored at once.
const AT_ONCE: usize = 256;
/// Models tell of the devices of all users.
const ADMINISTRATORS: Acl = Acl::of_admin(&[]);

/// A model on its way to the store.
enum Step {
    Add(Box<NewDocument>),
    Edit(EditResource),
}

impl QosProvider {
    /// The id of this agent's model of a service. Each agent has one of its own, of what it has seen itself.
    pub(super) fn document_of(&self, service: &str) -> Option<ResourceId> {
        let (_, name) = service.split_once('/')?;
        ResourceId::new("qos-model", &format!("{name}-{}", self.store.identity().name())).ok()
    }

    pub(super) fn plan_save(&mut self, ctx: &mut Context<Self>) {
        let due = self.cursor.saturating_sub(self.saved) >= FAR || self.models.values().any(|model| model.dirty);
        if due && !self.saving {
            self.saving = true;
            ctx.run_later(SAVE_EVERY, |provider, ctx| provider.save(ctx));
        }
    }

    fn save(&mut self, ctx: &mut Context<Self>) {
        let cursor = self.cursor;
        let dirty = self.models.iter().filter(|(_, model)| model.dirty).map(|(service, _)| service.clone());
        let mut services: Vec<String> = dirty.collect();
        // What is not stored yet must be read again after a crash.
        let all = services.len() <= AT_ONCE;
        services.truncate(AT_ONCE);
        let steps: Vec<(String, Step)> = services
            .into_iter()
            .filter_map(|service| {
                let step = self.step(&service, cursor);
                self.models.get_mut(&service)?.dirty = false;
                Some((service, step?))
            })
            .collect();
        let writer = self.writer.clone();
        let stored = async move {
            let sent: Vec<_> = steps
                .into_iter()
                .map(|(service, step)| {
                    let writer = writer.clone();
                    let written = async move {
                        match step {
                            Step::Add(new) => writer.send(AddResource(*new)).await,
                            Step::Edit(edit) => writer.send(edit).await,
                        }
                    };
                    (service, actix::spawn(written))
                })
                .collect();
            let mut failed = Vec::new();
            for (service, written) in sent {
                match written.await {
                    Ok(Ok(Ok(_))) => {}
                    Ok(Ok(Err(error))) => {
                        tracing::warn!(service, %error, "what was learned of a service cannot be stored; it is tried again");
                        failed.push(service);
                    }
                    _ => failed.push(service),
                }
            }
            let kept = failed.is_empty() && all;
            let kept =
                kept && matches!(writer.send(KeepCursors(vec![(CURSOR.to_owned(), Some(cursor))])).await, Ok(Ok(())));
            (failed, kept.then_some(cursor))
        };
        ctx.spawn(stored.into_actor(self).map(|(failed, kept), provider, ctx| {
            provider.saving = false;
            provider.saved = kept.unwrap_or(provider.saved);
            for service in failed {
                if let Some(model) = provider.models.get_mut(&service) {
                    model.dirty = true;
                }
            }
            provider.plan_save(ctx);
        }));
    }

    fn step(&self, service: &str, position: u64) -> Option<Step> {
        let id = self.document_of(service)?;
        let incarnation = self.store.identity().incarnation;
        let attributes = self.models.get(service)?.attributes(service, incarnation, position);
        if self.store.get(id.as_str()).is_some() {
            let (removed, by) = (Vec::new(), Caller::agent());
            return Some(Step::Edit(EditResource { id, changes: attributes, removed, if_match: None, by }));
        }
        let (now, entropy) = (self.world.clock.now(), &*self.world.entropy);
        let spec = resource::find(id.kind())?;
        let made = spec.prepare_add(attributes, now, entropy).map_err(|error| error.to_string()).and_then(|draft| {
            let draft = Draft { name: Some(id.name().to_owned()), acl: Some(ADMINISTRATORS), ..draft };
            NewDocument::new(spec, draft, &Caller::agent(), entropy).map_err(|error| error.to_string())
        });
        let made =
            made.inspect_err(|error| tracing::error!(%id, error, "what was learned of a service makes no document"));
        made.ok().map(|new| Step::Add(Box::new(new)))
    }
}
