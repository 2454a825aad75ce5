//! The one task that follows the store and fills the ring; it also has the one timer of all streams.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use actix_web::web::block;
use mf2c_store::Changes;
use tokio::time::MissedTickBehavior;

use super::Events;
use super::event::Event;
use super::ring::Ring;

/// The most changes read at a time.
const PAGE: usize = 256;
/// Pause after the log could not be read.
const PAUSE: Duration = Duration::from_secs(1);

/// Fills the ring as long as there are readers; without them, nothing is read and no timer runs.
pub(super) async fn feed(events: Arc<Events>) {
    let mut news = events.store.subscribe();
    // A reader is at most this much late with a sign of life.
    let pause = (events.settings.heartbeat / 8).max(Duration::from_millis(10));
    let mut ticks = tokio::time::interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !events.is_closed() {
        if events.counters.readers.load(Ordering::Acquire) == 0 {
            events.begin_anew();
            events.called.notified().await;
            events.begin_anew();
            continue;
        }
        // Marked as seen before it is read, so that what comes meanwhile is not missed.
        news.borrow_and_update();
        match events.read_next().await {
            Ok(true) => {}
            Ok(false) => {
                tokio::select! {
                    changed = news.changed() => if changed.is_err() { return },
                    () = events.called.notified() => {}
                    _ = ticks.tick() => events.wake_readers(),
                }
            }
            Err(error) => {
                tracing::error!(%error, "the change log cannot be read; readers of the events wait");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

impl Events {
    /// An empty ring for what comes from now on; the rest is in the log.
    fn begin_anew(&self) {
        let ring = Ring::starting_at(self.now().position + 1);
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = ring;
    }

    /// Puts the next changes into the ring; false if there are none.
    async fn read_next(self: &Arc<Self>) -> Result<bool, String> {
        let last = self.ring.read().unwrap_or_else(PoisonError::into_inner).next() - 1;
        let store = Arc::clone(&self.store);
        let read = block(move || {
            let incarnation = store.identity().incarnation;
            store.changes_after(last, PAGE).map(|changes| match changes {
                Changes::Next(changes) => {
                    Some(changes.iter().map(|change| Arc::new(Event::of(change, incarnation))).collect::<Vec<_>>())
                }
                Changes::Trimmed { .. } => None,
            })
        });
        let read = read.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        let Some(found) = read else {
            // The log was cut before it was read; the readers notice that they are behind.
            self.begin_anew();
            self.wake_readers();
            return Ok(true);
        };
        if found.is_empty() {
            return Ok(false);
        }
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        found.into_iter().for_each(|event| ring.push(event));
        drop(ring);
        self.wake_readers();
        Ok(true)
    }
}
