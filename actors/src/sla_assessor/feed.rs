//! Reading the change log, page by page.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::id::ResourceId;
use mf2c_domain::time::Timestamp;
use mf2c_sla::{Agreement, Instance};
use mf2c_store::record::NodeId;
use mf2c_store::{Change, ChangeKind, Changes, IfMatch};
use serde_json::{Map, json};

use super::SlaAssessor;
use super::index::Known;
use super::notes::Note;
use super::writing::MOST_WAITING;

/// Changes that are read at a time: the thread is not held for longer.
const PAGE: usize = 512;
/// Bytes of them.
const PAGE_BYTES: usize = 1 << 20;
/// Pause after the log could not be read.
const LOG_PAUSE: Duration = Duration::from_secs(1);
/// Attributes that an assessment writes, and the store beside them: an edit of nothing else is no news.
const OURS: [&str; 2] = ["assessment", "updated"];

impl SlaAssessor {
    /// Whether there is something to read, and room for what may come of it.
    pub(super) fn may_read(&self) -> bool {
        let pauses = self.not_before.is_some_and(|then| self.world.clock.elapsed() < then);
        !pauses && self.pages.waiting < MOST_WAITING && (self.read < *self.feed.borrow() || !self.backlogs.is_empty())
    }

    /// Whether all that was committed is read.
    pub(super) fn has_caught_up(&self) -> bool {
        self.backlogs.is_empty() && self.read >= *self.feed.borrow()
    }

    /// Reads one page.
    pub(super) fn read_page(&mut self, ctx: &mut Context<Self>) {
        self.not_before = None;
        if self.work_off(ctx) {
            return;
        }
        match self.store.changes_within(self.read, PAGE, PAGE_BYTES) {
            Ok(Changes::Next(changes)) => {
                for change in &changes {
                    self.changed(change);
                    self.read = change.position;
                    if self.notes.len() >= MOST_WAITING {
                        break;
                    }
                }
                self.close_page(self.read, ctx);
            }
            Ok(Changes::Trimmed { .. }) => {
                tracing::warn!("the change log has moved on; reports are read from their collection");
                self.start_over();
            }
            Err(error) => {
                tracing::warn!(%error, "the change log cannot be read for agreements; it is tried again");
                self.not_before = Some(self.world.clock.elapsed() + LOG_PAUSE);
            }
        }
    }

    fn changed(&mut self, change: &Change) {
        let (id, body, at) = (&change.id, change.body(), change.time.wall());
        match id.kind() {
            "agreement" => {
                let only_ours = |names: &Vec<String>| names.iter().all(|name| OURS.contains(&name.as_str()));
                let is_news = change.kind != ChangeKind::Edited || !change.differs.as_ref().is_some_and(only_ours);
                match body {
                    Some(body) if is_news => self.take_agreement(id, body, change.origin, at),
                    Some(_) => {}
                    None => self.forget_agreement(id),
                }
            }
            "service-instance" => self.take_instance(id, body, change.origin, at),
            "service-operation-report" => {
                if let Some(body) = body {
                    self.report(id, body, change.origin, at, None);
                }
            }
            "service" => self.rename_service(id, body),
            "service-container-metric" => self.container(body.unwrap_or(&change.document), id, at),
            "sla-violation" | "sla-warning" | "sla-penalty" | "sla-episode" if change.origin != self.node => {
                self.heard_of(id, &change.origin, body.is_some());
            }
            _ => {}
        }
    }

    /// Takes in an agreement as it was at that time.
    pub(super) fn take_agreement(&mut self, id: &ResourceId, body: &[u8], origin: NodeId, at: Timestamp) {
        self.pages.matters = true;
        let agreement = match Agreement::read(id.as_str(), body, &mut self.expressions) {
            Ok(agreement) => agreement,
            Err(error) => {
                tracing::warn!(%id, error = %Reasons(&error), "the agreement cannot be assessed");
                self.counters.errors.fetch_add(1, Ordering::Relaxed);
                return self.forget_agreement(id);
            }
        };
        let (id, watches) = (Arc::clone(agreement.id()), agreement.watches_availability());
        self.index.agreement(agreement, origin, at, &mut self.found);
        self.settle(&id);
        let entry = self.index.agreements.get(&id);
        if entry.and_then(|entry| entry.book.as_ref()).is_some_and(|book| book.is_expired()) {
            self.expired.insert(Arc::clone(&id));
        }
        self.outdate(&id);
        self.replan(&id, None);
        if watches {
            for instance in self.index.instances_of(&id) {
                self.watch(&instance, at);
            }
        }
        for instance in self.index.unlinked.iter().cloned().collect::<Vec<_>>() {
            self.link(&instance);
        }
        self.counters.agreements.store(self.index.agreements.len() as u64, Ordering::Relaxed);
    }

    fn forget_agreement(&mut self, id: &ResourceId) {
        self.pages.matters = true;
        if let Some(planned) = self.index.no_agreement(id.as_str()) {
            self.due.remove(&(planned, id.as_str().into()));
        }
        self.expired.remove(id.as_str());
        self.counters.agreements.store(self.index.agreements.len() as u64, Ordering::Relaxed);
    }

    /// Takes in an instance as it was at that time.
    pub(super) fn take_instance(&mut self, id: &ResourceId, body: Option<&[u8]>, origin: NodeId, at: Timestamp) {
        self.pages.matters = true;
        let Some(instance) = body.and_then(|body| Instance::read(id.as_str(), body)) else {
            self.unwatch(id.as_str(), at);
            self.index.instances.remove(id.as_str());
            self.index.unlinked.remove(id.as_str());
            return;
        };
        let known = Known {
            called: self.name_of_service(&instance.service).into(),
            link: instance.agreement.into(),
            service: instance.service.into(),
        };
        let is_unlinked = known.link.is_empty() && origin == self.node;
        self.index.instances.insert(id.as_str().into(), known);
        if is_unlinked {
            self.index.unlinked.insert(id.as_str().into());
            self.link(id.as_str());
        } else {
            self.index.unlinked.remove(id.as_str());
        }
        self.watch(id.as_str(), at);
    }

    /// Writes the agreement that was found for an instance into it, where none stands there.
    pub(super) fn link(&mut self, instance: &str) {
        let Some(agreement) = self.index.agreement_of(instance) else { return };
        let (Some(document), Ok(id)) = (self.store.get(instance), ResourceId::parse(instance)) else { return };
        let if_match = Some(IfMatch::OneOf(vec![self.store.tag(&document)]));
        // Somebody may have named one meanwhile, which the log tells of later.
        let body = self.store.body(&document).ok().flatten().and_then(|body| Instance::read(instance, &body));
        if body.is_none_or(|body| !body.agreement.is_empty()) {
            return;
        }
        let changes: Map<_, _> = [("agreement".to_owned(), json!(&*agreement))].into_iter().collect();
        self.notes.push(Note::Edit { id, changes, if_match });
    }

    fn name_of_service(&self, service: &str) -> String {
        let id = if service.contains('/') { service.to_owned() } else { format!("service/{service}") };
        let Some(document) = self.store.get(&id) else { return String::new() };
        self.store.body(&document).ok().flatten().and_then(|body| name_in(&body)).unwrap_or_default()
    }

    fn rename_service(&mut self, id: &ResourceId, body: Option<&[u8]>) {
        let Some(name) = body.and_then(name_in) else { return };
        let of = |known: &&mut Known| *known.service == *id.as_str() || *known.service == *id.name();
        for known in self.index.instances.values_mut().filter(of) {
            known.called = name.as_str().into();
        }
    }
}

fn name_in(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Named {
        name: Option<String>,
    }
    serde_json::from_slice::<Named>(body).ok()?.name
}

/// An error with what led to it.
struct Reasons<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for Reasons<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        self.0.source().map_or(Ok(()), |source| write!(f, ": {source}"))
    }
}
