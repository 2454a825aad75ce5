//! Own documents of which only the newest are kept, up to a number and an age: events, and what lost in conflicts. The oldest
//! are deleted like others by a client, so that copies elsewhere go too.
//!
//! The ids are read once, at the start; from then on each write tells what was added.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use mf2c_domain::id::ResourceId;
use mf2c_domain::time::{Clock, Timestamp};
use mf2c_store::{Document, Done, Store, Written};

/// Deletions that share a sync with what else is written: others do not wait long for them.
const AT_ONCE: usize = 128;
/// The longest time between two looks at the clock, which may be set.
const LOOK_EVERY: Duration = Duration::from_secs(3600);
/// The shortest pause, also after the store has failed.
const SOON: Duration = Duration::from_secs(1);
/// Documents that clients have deleted are left in the line, up to half of it and this many.
const SLACK: usize = 1024;

/// How much is kept of one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// The type.
    pub kind: &'static str,
    /// The most documents of it.
    pub most: usize,
    /// How long each is kept; none: as long as there is room.
    pub life: Option<Duration>,
}

/// See the module.
pub struct Retention {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    shelves: Vec<Shelf>,
    /// What is being deleted here.
    deleting: BTreeSet<ResourceId>,
}

/// The own documents of one type.
struct Shelf {
    bound: Bound,
    /// The oldest first; those that a client has deleted meanwhile are among them.
    documents: VecDeque<(Timestamp, ResourceId)>,
    /// How many there are.
    live: usize,
}

impl Retention {
    /// With what is stored now.
    #[must_use]
    pub fn new(bounds: &[Bound], store: &Arc<Store>, clock: Arc<dyn Clock>) -> Self {
        let now = clock.now();
        let own = |bound: &Bound| store.all(bound.kind).into_iter().filter(|document| document.origin().is_none());
        let shelf = |bound: &Bound| {
            let documents: VecDeque<_> =
                own(bound).map(|document| (made(&document, now), document.id.clone())).collect();
            Shelf { bound: *bound, live: documents.len(), documents }
        };
        let shelves = bounds.iter().map(shelf).collect();
        Self { store: Arc::clone(store), shelves, clock, deleting: BTreeSet::new() }
    }

    /// Takes note of what was added or deleted.
    pub(super) fn written(&mut self, done: &Done) {
        let Done::Written(Ok(Written { id, document })) = done else { return };
        let Some(shelf) = self.shelves.iter_mut().find(|shelf| shelf.bound.kind == id.kind()) else { return };
        match document {
            Some(document) if document.born == document.revision => {
                shelf.documents.push_back((made(document, self.clock.now()), id.clone()));
                shelf.live += 1;
            }
            None if !self.deleting.remove(id) => {
                shelf.live = shelf.live.saturating_sub(1);
                if shelf.documents.len() > 2 * shelf.live + SLACK {
                    shelf.documents.retain(|(_, id)| self.store.get(id.as_str()).is_some());
                }
            }
            _ => {}
        }
    }

    /// What is to be deleted now, as much as may be at a time.
    pub(super) fn due(&mut self) -> Vec<ResourceId> {
        let now = self.clock.now();
        let mut due = Vec::new();
        for shelf in &mut self.shelves {
            while due.len() < AT_ONCE
                && shelf.left(now).is_some_and(|left| left.is_zero())
                && let Some((_, id)) = shelf.documents.pop_front()
            {
                if self.store.get(id.as_str()).is_some() {
                    shelf.live = shelf.live.saturating_sub(1);
                    self.deleting.insert(id.clone());
                    due.push(id);
                }
            }
        }
        due
    }

    /// What could not be deleted is so later; what is not there any more need not be.
    pub(super) fn not_deleted(&mut self, id: ResourceId, is_gone: bool) {
        self.deleting.remove(&id);
        let shelf = self.shelves.iter_mut().find(|shelf| shelf.bound.kind == id.kind());
        if let Some(shelf) = shelf.filter(|_| !is_gone) {
            shelf.documents.push_front((Timestamp::default(), id));
            shelf.live += 1;
        }
    }

    /// The monotonic clock.
    pub(super) fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    /// When to look again.
    pub(super) fn pause(&self) -> Duration {
        let now = self.clock.now();
        let left = self.shelves.iter().filter_map(|shelf| shelf.left(now)).min();
        left.unwrap_or(LOOK_EVERY).clamp(SOON, LOOK_EVERY)
    }
}

impl Shelf {
    /// How long the oldest is kept yet; none where nothing ends that.
    fn left(&self, now: Timestamp) -> Option<Duration> {
        let (made, _) = self.documents.front()?;
        if self.live > self.bound.most {
            return Some(Duration::ZERO);
        }
        let age = u64::try_from((now.nanos() - made.nanos()).max(0)).unwrap_or(u64::MAX);
        Some(self.bound.life?.saturating_sub(Duration::from_nanos(age)))
    }
}

/// When a document was made; now, where that is not known.
fn made(document: &Document, now: Timestamp) -> Timestamp {
    Some(document.time().wall()).filter(|made| made.nanos() > 0).unwrap_or(now)
}
