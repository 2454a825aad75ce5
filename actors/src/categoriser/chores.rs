//! What is to be written: ids whose documents may have to be changed, and when.
//!
//! A document is looked at when its turn comes, so however often something changes meanwhile, it is written once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::id::ResourceId;
use mf2c_store::StoreError;

use super::Categoriser;
use super::plan::Step;
use crate::resource_store::{AddResource, DeleteResource, EditResource, LetGo, Observe, ResourceStore};

/// The most writes on their way at a time.
const IN_FLIGHT: usize = 64;
/// Pause after the store has failed.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// The documents that sum up are written once in this time at most.
const PACE: Duration = Duration::from_secs(1);

/// A copy of what another leader says is let go of when it has been out of date for so long, where that leader may be a new
/// one. Its documents may be heard before it is heard of, and what is let go of does not come again by itself.
const OUT_OF_DATE: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Default)]
pub(super) struct Chores {
    due: BTreeSet<ResourceId>,
    in_flight: BTreeSet<ResourceId>,
    /// Deletions of our own that the log has not told of yet.
    deleting: BTreeSet<ResourceId>,
    /// When the documents that sum up were last looked at.
    paced: BTreeMap<ResourceId, Duration>,
    /// When copies that are out of date are looked at again.
    outdated: BTreeMap<ResourceId, Duration>,
    /// Nothing is written before; the store has failed.
    not_before: Option<Duration>,
    failing: bool,
}

/// Whether a document sums up what many others say.
fn is_paced(id: &ResourceId) -> bool {
    matches!(id.kind(), "fog-area" | "agent")
}

impl Chores {
    /// A document may have to be changed.
    pub(super) fn add(&mut self, id: &str) {
        if let Ok(id) = ResourceId::parse(id) {
            self.due.insert(id);
        }
    }

    /// The same, of a document that is named again and again.
    pub(super) fn add_again(&mut self, id: &ResourceId) {
        if !self.due.contains(id) {
            self.due.insert(id.clone());
        }
    }

    /// A document is gone. Whether that was our own doing.
    pub(super) fn is_own_deletion(&mut self, id: &ResourceId) -> bool {
        self.deleting.remove(id)
    }

    /// The next one whose turn has come.
    fn next(&mut self, now: Duration) -> Option<ResourceId> {
        if self.in_flight.len() >= IN_FLIGHT || self.not_before.is_some_and(|then| now < then) {
            return None;
        }
        let free = |id: &&ResourceId| !self.in_flight.contains(*id) && self.turn(id).is_none_or(|turn| turn <= now);
        let id = self.due.iter().find(free)?.clone();
        self.due.remove(&id);
        if is_paced(&id) {
            self.paced.insert(id.clone(), now);
        }
        Some(id)
    }

    fn turn(&self, id: &ResourceId) -> Option<Duration> {
        self.outdated.get(id).copied().or_else(|| self.paced.get(id).map(|last| *last + PACE))
    }

    /// Whether a copy has been out of date for long enough. If not, its turn comes again then.
    fn is_let_go(&mut self, id: &ResourceId, now: Duration) -> bool {
        if self.outdated.remove(id).is_some() {
            return true;
        }
        self.outdated.insert(id.clone(), now + OUT_OF_DATE);
        self.due.insert(id.clone());
        false
    }

    /// When the next turn comes, if that is known.
    pub(super) fn next_turn(&self) -> Option<Duration> {
        if self.due.is_empty() {
            return None;
        }
        let paced = self.due.iter().filter(|id| !self.in_flight.contains(*id)).filter_map(|id| self.turn(id)).min();
        self.not_before.or(paced)
    }
}

impl Categoriser {
    /// Writes what differs, as far as it may now.
    pub(super) fn work(&mut self, ctx: &mut Context<Self>) {
        let now = self.world.clock.elapsed();
        if self.chores.not_before.is_some_and(|then| then <= now) {
            self.chores.not_before = None;
        }
        while let Some(id) = self.chores.next(now) {
            let step = self.plan(&id);
            if matches!(step, Some(Step::LetGo(_))) && self.may_be_of_new_leader(&id) {
                if !self.chores.is_let_go(&id, now) {
                    continue;
                }
            } else {
                self.chores.outdated.remove(&id);
            }
            let Some(step) = step else { continue };
            if let Step::Delete(id) = &step {
                self.chores.deleting.insert(id.clone());
            }
            self.chores.in_flight.insert(id.clone());
            let written = carry_out(step, self.writer.clone());
            ctx.spawn(
                written.into_actor(self).map(move |outcome, categoriser, ctx| categoriser.written(id, outcome, ctx)),
            );
        }
    }

    /// Whether who leads may be heard of after this. In the own area that comes on another way than the document; of other
    /// areas it is known from what a leader says of itself, which is one document among others.
    fn may_be_of_new_leader(&self, id: &ResourceId) -> bool {
        let is_own = |area: &str| self.standing.area() == Some(area);
        self.records.about(id.as_str()).is_some_and(|(area, by)| is_own(area) || !self.records.is_leader(area, by))
    }

    fn written(&mut self, id: ResourceId, outcome: Result<(), StoreError>, ctx: &mut Context<Self>) {
        self.chores.in_flight.remove(&id);
        if outcome.is_err() {
            self.chores.deleting.remove(&id);
        }
        match outcome {
            Ok(()) => self.chores.failing = false,
            // Somebody else was quicker: it is looked at again.
            Err(StoreError::NotFound { .. } | StoreError::Conflict { .. } | StoreError::Elsewhere { .. }) => {}
            Err(StoreError::Stopping) => return,
            Err(error @ StoreError::Schema(_)) => {
                tracing::error!(%id, %error, "a document of the area cannot be written")
            }
            Err(error) => {
                if !std::mem::replace(&mut self.chores.failing, true) {
                    tracing::warn!(%id, %error, "what is known of the area could not be written; it is tried again");
                }
                self.chores.not_before = Some(self.world.clock.elapsed() + STORE_PAUSE);
                self.chores.due.insert(id);
            }
        }
        self.go_on(ctx);
    }
}

fn carry_out(step: Step, writer: Addr<ResourceStore>) -> ResponseFuture<Result<(), StoreError>> {
    use mf2c_domain::caller::Caller;
    let by = Caller::agent();
    let if_match = None;
    Box::pin(async move {
        match step {
            Step::Add(new) => writer.send(AddResource(new)).await.map(|outcome| outcome.map(drop)),
            Step::Edit { id, changes, removed } => {
                let edit = EditResource { id, changes, removed, if_match, by };
                writer.send(edit).await.map(|outcome| outcome.map(drop))
            }
            Step::Delete(id) => writer.send(DeleteResource { id, if_match, by }).await.map(|outcome| outcome.map(drop)),
            Step::Observe { id, seen } => writer.send(Observe { id, seen }).await,
            Step::LetGo(id) => writer.send(LetGo(id)).await,
        }
        .unwrap_or(Err(StoreError::Stopping))
    })
}
