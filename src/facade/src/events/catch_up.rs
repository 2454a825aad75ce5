//! Changes for a reader who is behind the ring, from the change log, within a bound for all such readers together.

use std::collections::VecDeque;
use std::sync::Arc;

use actix_web::web::block;
use mf2c_store::Changes;
use tokio::sync::OwnedSemaphorePermit;

use super::Events;
use super::event::Event;

/// What one reader takes at a time, in bytes, unless the next change alone is larger.
pub(super) const UNIT: usize = 64 << 10;
/// How many units there are for all: 32 MiB.
pub(super) const UNITS: usize = 512;
/// Readings of the log that go on at the same time.
pub(super) const TURNS: usize = 2;
/// The most changes read at a time.
const PAGE: usize = 128;

/// Some changes in a row, and the memory that they take.
#[derive(Debug)]
pub(super) struct Batch {
    events: VecDeque<Arc<Event>>,
    _memory: OwnedSemaphorePermit,
}

/// What the log has for a reader.
pub(super) enum Found {
    /// The next changes.
    Batch(Batch),
    /// Nothing behind his place.
    Nothing,
    /// It no longer goes back that far.
    Trimmed,
}

impl Batch {
    /// The change at a position, and lets go of those before it.
    pub(super) fn at(&mut self, position: u64) -> Option<Arc<Event>> {
        while self.events.front().is_some_and(|event| event.position < position) {
            self.events.pop_front();
        }
        self.events.front().filter(|event| event.position == position).cloned()
    }
}

impl Events {
    /// Reads the changes behind `position`.
    pub(super) async fn catch_up(self: &Arc<Self>, position: u64) -> Result<Found, String> {
        let mut units = 1;
        loop {
            let memory =
                Arc::clone(&self.catch_up).acquire_many_owned(units).await.map_err(|error| error.to_string())?;
            let found = self.read_behind(position).await?;
            let Some(events) = found else { return Ok(Found::Trimmed) };
            if events.is_empty() {
                return Ok(Found::Nothing);
            }
            let size: usize = events.iter().map(|event| event.size()).sum();
            let needed = u32::try_from(size.div_ceil(UNIT).min(UNITS)).unwrap_or(1);
            if needed <= units {
                return Ok(Found::Batch(Batch { events: events.into(), _memory: memory }));
            }
            // Larger than a unit: it is let go of while the memory for it is waited for.
            units = needed;
        }
    }

    async fn read_behind(self: &Arc<Self>, position: u64) -> Result<Option<Vec<Arc<Event>>>, String> {
        let _turn = self.turns.acquire().await.map_err(|error| error.to_string())?;
        let store = Arc::clone(&self.store);
        let read = block(move || {
            let incarnation = store.identity().incarnation;
            // Half a unit of documents leaves room for what each event adds to its document.
            store.changes_within(position, PAGE, UNIT / 2).map(|changes| match changes {
                Changes::Next(changes) => {
                    Some(changes.iter().map(|change| Arc::new(Event::of(change, incarnation))).collect())
                }
                Changes::Trimmed { .. } => None,
            })
        });
        read.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }
}
