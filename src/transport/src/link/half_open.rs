//! Connections whose other end is not yet known: few, and the oldest gives way, so that nobody can fill the door.

use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::refusal::source;

#[derive(Debug)]
struct Slot {
    number: u64,
    source: IpAddr,
    /// Dropping it tells the connection that it has lost its place.
    _place: oneshot::Sender<()>,
}

#[derive(Debug, Default)]
struct Slots {
    /// The oldest first.
    taken: Vec<Slot>,
    next: u64,
}

/// All half-open connections of an agent.
#[derive(Debug)]
pub(super) struct HalfOpen {
    slots: Mutex<Slots>,
    most: usize,
    most_per_source: usize,
}

/// A place among them, free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    of: Arc<HalfOpen>,
    lost: oneshot::Receiver<()>,
}

impl HalfOpen {
    pub(super) fn new(most: usize, most_per_source: usize) -> Arc<Self> {
        Arc::new(Self { slots: Mutex::default(), most: most.max(1), most_per_source: most_per_source.max(1) })
    }

    /// Takes a place. The oldest connection of the same source makes way if that has too many, or else the oldest of all.
    pub(super) fn enter(self: &Arc<Self>, from: IpAddr) -> Place {
        let source = source(from);
        let (place, lost) = oneshot::channel();
        let mut slots = self.slots.lock();
        let mut same = slots.taken.iter().enumerate().filter(|(_, slot)| slot.source == source);
        let oldest_same = same.next().map(|(at, _)| at);
        let crowded = same.count() + 1 >= self.most_per_source;
        match oldest_same {
            Some(at) if crowded => drop(slots.taken.remove(at)),
            _ if slots.taken.len() >= self.most => drop(slots.taken.remove(0)),
            _ => {}
        }
        let number = slots.next;
        slots.next += 1;
        slots.taken.push(Slot { number, source, _place: place });
        Place { number, of: Arc::clone(self), lost }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.lock().taken.len()
    }
}

impl Place {
    /// Waits until a newcomer takes it.
    pub(super) async fn lost(&mut self) {
        let _ = (&mut self.lost).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.of.slots.lock().taken.retain(|slot| slot.number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn is_lost(place: &mut Place) -> bool {
        let mut waiting = Box::pin(place.lost());
        waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
    }

    #[test]
    fn the_oldest_of_a_source_that_has_too_many_makes_way() {
        let half_open = HalfOpen::new(64, 2);
        let other = [10, 0, 0, 9].into();
        let mut stranger = half_open.enter(other);
        let mut places: Vec<Place> = (0..4).map(|_| half_open.enter([10, 0, 0, 1].into())).collect();
        let lost: Vec<bool> = places.iter_mut().map(is_lost).collect();
        assert_eq!(lost, [true, true, false, false]);
        assert!(!is_lost(&mut stranger));
        assert_eq!(half_open.len(), 3);
        drop(places);
        assert_eq!(half_open.len(), 1);
    }

    #[test]
    fn the_oldest_of_all_makes_way_when_there_are_too_many() {
        let half_open = HalfOpen::new(3, 2);
        let mut places: Vec<Place> = (0..5).map(|last| half_open.enter([10, 0, 0, last].into())).collect();
        let lost: Vec<bool> = places.iter_mut().map(is_lost).collect();
        assert_eq!(lost, [true, true, false, false, false]);
        assert_eq!(half_open.len(), 3);
    }
}
