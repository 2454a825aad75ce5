//! Reading the change log, page by page.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::acl::{Principal, PrincipalKind};
use mf2c_domain::id::ResourceId;
use mf2c_domain::time::Timestamp;
use mf2c_sla::{Agreement, Instance};
use mf2c_store::record::NodeId;
use mf2c_store::{Change, ChangeKind, Changes, IfMatch};
use serde_json::{Map, json};

use super::SlaAssessor;
use super::index::{ADMIN, Entry, Known, Owner};
use super::notes::Note;
use super::writing::MOST_WAITING;

/// Changes that are read at a time: the thread is not held for longer.
const PAGE: usize = 512;
/// Bytes of them.
const PAGE_BYTES: usize = 1 << 20;
/// Pause after the log could not be read.
pub(super) const LOG_PAUSE: Duration = Duration::from_secs(1);
/// Attributes that an assessment writes, and the store beside them: an edit of nothing else is no news.
const OURS: [&str; 2] = ["assessment", "updated"];

impl SlaAssessor {
    /// Whether there is something to read, and room for what may come of it.
    pub(super) fn may_read(&self) -> bool {
        let pauses = self.not_before.is_some_and(|then| self.world.clock.elapsed() < then);
        let has_room = self.loaded && self.pages.waiting < MOST_WAITING;
        !pauses && has_room && (self.read < *self.feed.borrow() || !self.backlogs.is_empty())
    }

    /// Whether all that was committed is read.
    pub(super) fn has_caught_up(&self) -> bool {
        self.loaded && self.backlogs.is_empty() && self.read >= *self.feed.borrow()
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
                    self.place = change.position;
                    self.changed(change);
                    self.look_back();
                    self.read = change.position;
                    if self.notes.len() >= MOST_WAITING {
                        break;
                    }
                }
                let mark = self.mark();
                self.close_page(mark, ctx);
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
                    None => self.forget_agreement(id, at),
                }
            }
            "service-instance" => self.take_instance(id, body, change.origin, at),
            "service-operation-report" => {
                if let Some(body) = body {
                    self.report(id, body, change.origin, at, None);
                }
            }
            "service" => self.rename_service(id, body, at),
            "service-container-metric" => {
                self.container(body.unwrap_or(&change.document), id, at, body.is_some());
            }
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
                return self.forget_agreement(id, at);
            }
        };
        let (id, owner) = (Arc::clone(agreement.id()), owner_in(body));
        let near = self.held(self.index.near(&agreement, &owner));
        let attached = self.index.agreement(agreement, (origin, owner), at, &mut self.found);
        self.settle(&id);
        // What is told without any report needs a book before there is one.
        let is_told = |entry: &&mut Entry| entry.agreement.is_faulty() || entry.agreement.waits_for_absence();
        if let Some(entry) = self.index.agreements.get_mut(&id).filter(is_told) {
            entry.book();
        }
        let entry = self.index.agreements.get(&id);
        if entry.and_then(|entry| entry.book.as_ref()).is_some_and(|book| book.is_expired()) {
            self.expired.insert(Arc::clone(&id));
        }
        self.outdate(&id);
        self.replan(&id, None);
        self.moved(near, at);
        for instance in attached {
            if self.index.unlinked.contains(&instance) {
                self.link(&instance);
            }
            self.attached.push((instance, i128::MIN));
        }
        self.counters.agreements.store(self.index.agreements.len() as u64, Ordering::Relaxed);
    }

    fn forget_agreement(&mut self, id: &ResourceId, at: Timestamp) {
        self.pages.matters = true;
        let left = self.held(self.index.instances_of(id.as_str()));
        self.close(id.as_str(), at);
        if let Some(planned) = self.index.no_agreement(id.as_str()) {
            self.due.remove(&(planned, id.as_str().into()));
        }
        self.expired.remove(id.as_str());
        self.refused.remove(id.as_str());
        self.moved(left, at);
        self.counters.agreements.store(self.index.agreements.len() as u64, Ordering::Relaxed);
    }

    /// Takes in an instance as it was at that time.
    pub(super) fn take_instance(&mut self, id: &ResourceId, body: Option<&[u8]>, origin: NodeId, at: Timestamp) {
        self.pages.matters = true;
        let Some(instance) = body.and_then(|body| Instance::read(id.as_str(), body)) else {
            let held = self.held(vec![id.as_str().into()]);
            self.index.no_instance(id.as_str());
            self.moved(held, at);
            self.index.unlinked.remove(id.as_str());
            return;
        };
        let (called, provider) = self.service_called(&instance.service);
        let known = Known {
            called: called.into(),
            owner: body.map_or_else(|| ADMIN.into(), owner_in),
            provider,
            link: instance.agreement.into(),
            service: instance.service.into(),
        };
        let is_unlinked = known.link.is_empty() && origin == self.node;
        let since = if self.index.knows(id.as_str()) { self.not_long_before(at) } else { i128::MIN };
        let held = self.held(vec![id.as_str().into()]);
        if self.index.instance(id.as_str(), known) {
            self.attached.push((id.as_str().into(), since));
        }
        if is_unlinked {
            self.index.unlinked.insert(id.as_str().into());
            self.link(id.as_str());
        } else {
            self.index.unlinked.remove(id.as_str());
        }
        self.moved(held, at);
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

    /// The name of a service, and who offers it.
    fn service_called(&self, service: &str) -> (String, Owner) {
        let id = if service.contains('/') { service.to_owned() } else { format!("service/{service}") };
        let document = self.store.get(&id);
        let body = document.as_ref().and_then(|document| self.store.body(document).ok().flatten());
        let named = body.map(|body| (name_in(&body).unwrap_or_default(), owner_in(&body)));
        named.unwrap_or_else(|| (String::new(), ADMIN.into()))
    }

    fn rename_service(&mut self, id: &ResourceId, body: Option<&[u8]>, at: Timestamp) {
        let Some((name, provider)) = body.and_then(|body| Some((name_in(body)?, owner_in(body)))) else { return };
        let since = self.not_long_before(at);
        let near = self.held(self.index.of_service(id.as_str()));
        let attached = self.index.service(id.as_str(), &name, &provider);
        self.attached.extend(attached.into_iter().map(|instance| (instance, since)));
        self.moved(near, at);
    }

    /// What is reported about may be known by so much later, in nanoseconds.
    pub(super) fn not_long_before(&self, at: Timestamp) -> i128 {
        at.nanos() - self.settings.tolerance.lateness.as_nanos().cast_signed()
    }
}

/// Who owns a document; the administrators where it does not say.
fn owner_in(body: &[u8]) -> Owner {
    #[derive(serde::Deserialize)]
    struct Owned {
        acl: Owns,
    }
    #[derive(serde::Deserialize)]
    struct Owns {
        owner: Principal,
    }
    let found = serde_json::from_slice::<Owned>(body).ok().map(|body| body.acl.owner);
    found.map_or_else(
        || ADMIN.into(),
        |owner| match owner.kind {
            PrincipalKind::User => format!("USER {}", owner.principal).into(),
            PrincipalKind::Role => format!("ROLE {}", owner.principal).into(),
        },
    )
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
