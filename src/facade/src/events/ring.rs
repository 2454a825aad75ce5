//! The newest changes, shared by all readers: each has only a place in it. Who falls out goes on from the change log.

use std::collections::VecDeque;
use std::sync::Arc;

use super::event::Event;

/// The most changes held.
const MAX_EVENTS: usize = 4096;
/// About the most memory held, in bytes; the newest change always stays.
const MAX_BYTES: usize = 16 << 20;

/// Changes without a hole between them, the oldest first.
#[derive(Debug)]
pub(super) struct Ring {
    events: VecDeque<Arc<Event>>,
    /// The position behind the newest.
    next: u64,
    bytes: usize,
}

/// What a reader finds at his place.
#[derive(Debug)]
pub(super) enum Look {
    /// The change.
    Here(Arc<Event>),
    /// It has not happened yet, or is not in the ring yet.
    NotYet,
    /// It is older than what the ring holds.
    Gone,
}

impl Ring {
    /// An empty ring whose first change will be the one at `next`.
    pub(super) const fn starting_at(next: u64) -> Self {
        Self { events: VecDeque::new(), next, bytes: 0 }
    }

    /// The position of the change that it waits for.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// Adds the next change and lets go of the oldest above the bounds. One from elsewhere begins the ring anew.
    pub(super) fn push(&mut self, event: Arc<Event>) {
        if event.position != self.next {
            *self = Self::starting_at(event.position);
        }
        self.next += 1;
        self.bytes += event.size();
        self.events.push_back(event);
        while self.events.len() > MAX_EVENTS || (self.bytes > MAX_BYTES && self.events.len() > 1) {
            self.bytes -= self.events.pop_front().map_or(0, |oldest| oldest.size());
        }
    }

    /// The change at a position.
    pub(super) fn look(&self, position: u64) -> Look {
        let oldest = self.next - self.events.len() as u64;
        if position >= self.next {
            return Look::NotYet;
        }
        let index = position.checked_sub(oldest).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| self.events.get(index)).map_or(Look::Gone, |event| Look::Here(Arc::clone(event)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::tests::change;
    use super::*;
    use mf2c_store::ChangeKind;
    use proptest::prelude::*;
    use serde_json::json;

    fn event(position: u64, size: usize) -> Arc<Event> {
        let body = json!({"name": "x".repeat(size)});
        Arc::new(Event::of(&change(position, "service/a", ChangeKind::Created, &body), 1))
    }

    fn position(ring: &Ring, at: u64) -> Option<u64> {
        match ring.look(at) {
            Look::Here(event) => Some(event.position),
            Look::NotYet | Look::Gone => None,
        }
    }

    #[test]
    fn a_reader_finds_each_change_at_its_place_waits_for_the_next_and_hears_when_he_is_too_late() {
        let mut ring = Ring::starting_at(5);
        assert!(matches!(ring.look(5), Look::NotYet) && matches!(ring.look(4), Look::Gone));
        (5..8).for_each(|at| ring.push(event(at, 1)));
        assert_eq!([5, 6, 7].map(|at| position(&ring, at)), [Some(5), Some(6), Some(7)]);
        assert!(matches!(ring.look(8), Look::NotYet) && matches!(ring.look(0), Look::Gone));
        assert!(matches!(ring.look(u64::MAX), Look::NotYet));
    }

    #[test]
    fn it_is_bounded_in_number_and_in_bytes_but_keeps_the_newest() {
        let mut ring = Ring::starting_at(1);
        (1..=MAX_EVENTS as u64 + 3).for_each(|at| ring.push(event(at, 1)));
        assert!(matches!(ring.look(3), Look::Gone) && position(&ring, 4) == Some(4));
        let next = ring.next();
        ring.push(event(next, MAX_BYTES + 1));
        assert!(matches!(ring.look(next - 1), Look::Gone) && position(&ring, next) == Some(next));
        ring.push(event(next + 1, 1));
        assert!(matches!(ring.look(next), Look::Gone) && position(&ring, next + 1) == Some(next + 1));
    }

    #[test]
    fn after_a_gap_it_begins_anew() {
        let mut ring = Ring::starting_at(1);
        ring.push(event(1, 1));
        ring.push(event(9, 1));
        assert!(matches!(ring.look(1), Look::Gone) && matches!(ring.look(8), Look::Gone));
        assert_eq!((position(&ring, 9), ring.next()), (Some(9), 10));
    }

    proptest! {
        #[test]
        fn whatever_is_here_stands_at_its_own_position(from in 1u64..100, count in 0u64..50, at in 0u64..200) {
            let mut ring = Ring::starting_at(from);
            (from..from + count).for_each(|at| ring.push(event(at, 1)));
            let expected = (from..from + count).contains(&at).then_some(at);
            prop_assert_eq!(position(&ring, at), expected);
            prop_assert_eq!(matches!(ring.look(at), Look::Gone), at < from);
        }
    }
}
