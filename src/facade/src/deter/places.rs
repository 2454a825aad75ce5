//! How many requests of one user are answered at a time. A large answer keeps its place until the client has read it, so that nobody fills
//! the memory by asking often and reading slowly; others do not feel it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::fault::Fault;

/// So many requests of one user are answered at a time; others of his wait.
const AT_ONCE: usize = 4;
/// Answers that are larger are written in pieces of this size, and keep their places.
pub(super) const LARGE: usize = 64 << 10;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<BTreeMap<String, Weak<Semaphore>>>);

impl Places {
    /// Waits for a place of a user, or of a network; no name of a user holds a space.
    ///
    /// # Errors
    /// A fault where the agent is stopping.
    pub(super) async fn take(&self, user: &str) -> Result<OwnedSemaphorePermit, Fault> {
        let own = self.of(user);
        own.acquire_owned().await.map_err(|_| Fault::internal("the agent is stopping"))
    }

    fn of(&self, user: &str) -> Arc<Semaphore> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = all.get(user).and_then(Weak::upgrade) {
            return own;
        }
        all.retain(|_, places| places.strong_count() > 0);
        let own = Arc::new(Semaphore::new(AT_ONCE));
        let _ = all.insert(user.to_owned(), Arc::downgrade(&own));
        own
    }
}

/// An answer on its way, in pieces, with the place of its user.
pub(super) struct Sent {
    rest: Bytes,
    _place: Option<OwnedSemaphorePermit>,
}

impl Sent {
    /// `place` is given back now where the answer is small ([`LARGE`]), else when it has been read.
    pub(super) fn new(answer: String, place: Option<OwnedSemaphorePermit>) -> Self {
        let place = place.filter(|_| answer.len() > LARGE);
        Self { rest: answer.into(), _place: place }
    }
}

impl MessageBody for Sent {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.rest.len() as u64)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let rest = &mut self.get_mut().rest;
        let piece = rest.split_to(rest.len().min(LARGE));
        Poll::Ready((!piece.is_empty()).then_some(Ok(piece)))
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::task::Waker;

    use super::*;

    fn taken(places: &Places, user: &str) -> Option<OwnedSemaphorePermit> {
        let mut take = Box::pin(places.take(user));
        match take.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(place) => place.ok(),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_user_has_so_many_places_and_a_large_answer_keeps_one_until_it_is_read() {
        let places = Places::default();
        let mut held: Vec<_> = (0..AT_ONCE).map(|_| taken(&places, "ann").unwrap()).collect();
        assert!(taken(&places, "ann").is_none() && taken(&places, "kim").is_some());
        let small = Sent::new("x".repeat(LARGE), held.pop());
        held.push(taken(&places, "ann").unwrap());
        let mut large = Sent::new("x".repeat(LARGE + 1), held.pop());
        assert!(taken(&places, "ann").is_none());
        let mut sizes = vec![];
        while let Poll::Ready(Some(Ok(piece))) = Pin::new(&mut large).poll_next(&mut Context::from_waker(Waker::noop()))
        {
            sizes.push(piece.len());
        }
        assert_eq!((sizes, small.size()), (vec![LARGE, 1], BodySize::Sized(LARGE as u64)));
        assert!(taken(&places, "ann").is_none());
        drop(large);
        assert!(taken(&places, "ann").is_some());
        drop(held);
        let _ = places.of("kim");
        assert_eq!(places.0.lock().unwrap().len(), 1, "who has no places taken is forgotten");
    }
}
