//! One reader of the stream: his place in the changes, and what he is sent next.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::web::block;
use bytes::Bytes;
use mf2c_domain::caller::Caller;
use mf2c_domain::filter::Filter;
use tokio::sync::watch;
use tokio::time::timeout;

use super::ask::Ask;
use super::catch_up::{Batch, Found};
use super::event::Event;
use super::kinds::Kinds;
use super::mark::Mark;
use super::ring::Look;
use super::{Events, Place};
use crate::caller::StillAllowed;
use crate::front::Departure;

/// How much is handed to the connection at a time, which copies it: more of a large event waits until it has been sent.
const PIECE: usize = 16 << 10;
/// How often at most it is asked whether the caller may go on.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// What looking at a change costs at least, in bytes of JSON looked through.
const GLANCE: usize = 4 << 10;
/// After looking through so many bytes for one reader, others have their turn.
const TURN: usize = 256 << 10;
/// A filter that looks through more for one change does so on another thread.
const HEAVY: usize = 1 << 20;
/// How long a client is asked to wait before it connects again.
const RETRY: &str = "retry: 2000\n\n";

/// Why a reader must read anew.
#[derive(Debug, Clone, Copy)]
enum Reset {
    /// The id is of another store, or of this one before it was restored.
    Foreign,
    /// The log no longer goes back that far.
    Trimmed,
}

impl Reset {
    const fn reason(self) -> &'static str {
        match self {
            Self::Foreign => "the id is of another store, or of this one before it was restored",
            Self::Trimmed => "the change log no longer goes back to the id",
        }
    }
}

/// See the module.
pub(super) struct Reader {
    place: Place,
    wake: watch::Receiver<()>,
    caller: Caller,
    kinds: Kinds,
    filter: Option<Arc<Filter>>,
    /// How often the filter goes through a document.
    passes: usize,
    still_allowed: StillAllowed,
    departure: Departure,
    /// What he is sent first.
    opening: Option<Bytes>,
    /// The position of the change that is next for him.
    next: u64,
    /// How many bytes of it he has been sent.
    offset: usize,
    /// The position of the last id that he was sent.
    told: u64,
    /// Changes from the log, while he is behind the ring.
    batch: Option<Batch>,
    sent_at: Duration,
    checked_at: Duration,
    /// Whether it was not asked the last time, because it was too soon.
    unchecked: bool,
    /// How much has been looked through since others had their turn.
    work: usize,
}

impl Reader {
    pub(super) fn new(
        place: Place,
        ask: Ask,
        caller: Caller,
        still_allowed: StillAllowed,
        departure: Departure,
    ) -> Self {
        let events = &place.0;
        // Before the position is read, so that what follows it wakes this reader.
        let wake = events.wake.subscribe();
        let now = events.now();
        let (after, opening) = match ask.after {
            None => (now, ready(now)),
            Some(mark) if mark.incarnation == now.incarnation && mark.position <= now.position => (mark, String::new()),
            Some(_) => {
                events.counters.resets.fetch_add(1, Ordering::Relaxed);
                (now, reset(now, Reset::Foreign))
            }
        };
        let at = events.clock.elapsed();
        Self {
            wake,
            caller,
            kinds: ask.kinds,
            passes: ask.filter.as_ref().map_or(0, |filter| filter.comparisons().len()),
            filter: ask.filter.map(Arc::new),
            still_allowed,
            departure,
            opening: Some(format!("{RETRY}{opening}").into()),
            next: after.position + 1,
            offset: 0,
            told: after.position,
            batch: None,
            sent_at: at,
            checked_at: at,
            unchecked: false,
            work: 0,
            place,
        }
    }

    /// The next bytes to send; none at the end of the stream.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        if let Some(opening) = self.opening.take() {
            return Some(opening);
        }
        loop {
            let now = self.events().clock.elapsed();
            if self.events().is_closed() || self.departure.is_seen() || !self.may_go_on(now) {
                return None;
            }
            if self.offset == 0 && now.saturating_sub(self.sent_at) >= self.events().settings.heartbeat {
                self.sent_at = now;
                return Some(self.heartbeat());
            }
            match self.look() {
                Look::Here(event) if self.offset > 0 || self.wants(&event).await => {
                    self.sent_at = now;
                    return self.piece(&event);
                }
                Look::Here(_) => self.next += 1,
                Look::Gone => {
                    let events = Arc::clone(self.events());
                    match events.catch_up(self.next - 1).await {
                        Ok(Found::Batch(batch)) => self.batch = Some(batch),
                        // Half an event cannot be made whole: the client comes again and is told then.
                        Ok(Found::Trimmed) if self.offset > 0 => return None,
                        Ok(Found::Trimmed) => return Some(self.begin_anew()),
                        Ok(Found::Nothing) => self.wait().await?,
                        Err(error) => {
                            tracing::error!(%error, "the change log cannot be read; a reader of the events is let go");
                            return None;
                        }
                    }
                }
                Look::NotYet => self.wait().await?,
            }
        }
    }

    fn events(&self) -> &Arc<Events> {
        &self.place.0
    }

    /// Waits for news. Who has come with a certificate does not wait past the next look at it: the change that ends the
    /// certificate may have come too soon after the last one.
    async fn wait(&mut self) -> Option<()> {
        if !self.unchecked || self.caller.certificate().is_none() {
            return self.wake.changed().await.ok();
        }
        timeout(CHECK_EVERY, self.wake.changed()).await.unwrap_or(Ok(())).ok()
    }

    fn may_go_on(&mut self, now: Duration) -> bool {
        self.unchecked = now.saturating_sub(self.checked_at) < CHECK_EVERY;
        if self.unchecked {
            return true;
        }
        self.checked_at = now;
        (self.still_allowed)()
    }

    /// The change that is next: in the ring, or among those from the log.
    fn look(&mut self) -> Look {
        let look = self.place.0.look(self.next);
        if !matches!(look, Look::Gone) {
            self.batch = None;
            return look;
        }
        let found = self.batch.as_mut().and_then(|batch| batch.at(self.next));
        if found.is_none() {
            self.batch = None;
        }
        found.map_or(Look::Gone, Look::Here)
    }

    /// Whether a change is for this reader.
    async fn wants(&mut self, event: &Event) -> bool {
        self.work += GLANCE;
        if self.work > TURN {
            self.work = 0;
            tokio::task::yield_now().await;
        }
        if !event.is_for(&self.caller, self.kinds) {
            return false;
        }
        let Some(filter) = &self.filter else { return true };
        let document = event.document();
        let cost = document.len().saturating_mul(self.passes);
        if cost <= HEAVY {
            self.work += cost;
            return filter.matches(&document);
        }
        let filter = Arc::clone(filter);
        block(move || filter.matches(&document)).await.unwrap_or(false)
    }

    /// What is next to send of a change.
    fn piece(&mut self, event: &Event) -> Option<Bytes> {
        let text = event.text()?;
        let end = text.len().min(self.offset + PIECE);
        let piece = text.slice(self.offset..end);
        if end < text.len() {
            self.offset = end;
        } else {
            (self.told, self.next, self.offset) = (self.next, self.next + 1, 0);
            self.events().counters.sent.fetch_add(1, Ordering::Relaxed);
        }
        Some(piece)
    }

    /// A comment. Where changes have passed that were not for this reader, an id without data comes with it, which
    /// clients remember without telling anybody: so their place does not fall behind the log.
    fn heartbeat(&mut self) -> Bytes {
        if self.told + 1 == self.next {
            return Bytes::from_static(b": \n\n");
        }
        self.told = self.next - 1;
        let mark = Mark { incarnation: self.events().store.identity().incarnation, position: self.told };
        format!(": \nid: {mark}\n\n").into()
    }

    fn begin_anew(&mut self) -> Bytes {
        let now = self.events().now();
        self.events().counters.resets.fetch_add(1, Ordering::Relaxed);
        (self.next, self.told, self.batch) = (now.position + 1, now.position, None);
        reset(now, Reset::Trimmed).into()
    }
}

fn ready(mark: Mark) -> String {
    format!("id: {mark}\nevent: ready\ndata: {{\"position\":{}}}\n\n", mark.position)
}

fn reset(mark: Mark, why: Reset) -> String {
    let (position, reason) = (mark.position, why.reason());
    format!("id: {mark}\nevent: reset\ndata: {{\"position\":{position},\"reason\":\"{reason}\"}}\n\n")
}
