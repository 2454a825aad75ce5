//! Tells followers of the change log that there is more, each on a channel of its own and in the order in which they came,
//! and keeps the newest entries for them, so that those who keep up cost the engine no reading.
//!
//! One channel for all would wake them in an order that depends on chance (tokio spreads its waiters at random), and a
//! simulation would not repeat.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::store::Change;

/// The most entries that are kept.
const MOST: usize = 4_096;
/// About the most memory for them, in bytes. The JSON in them is mostly shared with the documents in memory.
const MOST_BYTES: usize = 2 << 20;

/// The readers' side. Clones share it.
#[derive(Clone)]
pub(crate) struct Feed(Arc<Mutex<State>>);

struct State {
    position: u64,
    recent: Recent,
    /// None once nobody announces any more.
    followers: Option<Vec<watch::Sender<u64>>>,
}

/// The writer's side. When it is dropped, followers learn that nothing comes any more.
pub(crate) struct Announcer(Feed);

/// Both sides of a log that ends with `position`.
pub(crate) fn feed(position: u64) -> (Announcer, Feed) {
    let state = State { position, recent: Recent::default(), followers: Some(Vec::new()) };
    let feed = Feed(Arc::new(Mutex::new(state)));
    (Announcer(feed.clone()), feed)
}

impl Feed {
    /// A follower from now on.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        let mut state = self.0.lock();
        let (follower, news) = watch::channel(state.position);
        if let Some(followers) = &mut state.followers {
            followers.push(follower);
        }
        news
    }

    /// The entries behind a position, at most so many and so many bytes of documents but for a first one that is larger;
    /// none where they are not all kept here any more, or none is.
    pub(crate) fn behind(&self, position: u64, limit: usize, bytes: usize) -> Option<Vec<Arc<Change>>> {
        self.0.lock().recent.behind(position, limit, bytes)
    }
}

impl Announcer {
    /// The log ends with `position` now, after these entries, and holds so many.
    pub(crate) fn announce(&self, position: u64, changes: Vec<Arc<Change>>, log: usize) {
        let mut state = self.0.0.lock();
        state.position = position;
        state.recent.add(changes, log);
        if let Some(followers) = &mut state.followers {
            followers.retain(|follower| follower.send(position).is_ok());
        }
    }
}

impl Drop for Announcer {
    fn drop(&mut self) {
        self.0.0.lock().followers = None;
    }
}

/// The newest entries, without holes.
#[derive(Default)]
struct Recent {
    changes: VecDeque<Arc<Change>>,
    bytes: usize,
}

impl Recent {
    fn add(&mut self, changes: Vec<Arc<Change>>, log: usize) {
        for change in changes {
            if self.changes.back().is_some_and(|newest| newest.position + 1 != change.position) {
                *self = Self::default();
            }
            self.bytes += size(&change);
            self.changes.push_back(change);
        }
        // What the log has let go of is not to be had from here either: all that is known of it comes from one place.
        while self.bytes > MOST_BYTES || self.changes.len() > MOST.min(log) {
            let Some(oldest) = self.changes.pop_front() else { break };
            self.bytes -= size(&oldest);
        }
    }

    fn behind(&self, position: u64, limit: usize, bytes: usize) -> Option<Vec<Arc<Change>>> {
        let oldest = self.changes.front()?.position;
        let from = usize::try_from(position.checked_add(1)?.checked_sub(oldest)?).ok()?;
        if from >= self.changes.len() || limit == 0 {
            return None;
        }
        let mut room = bytes;
        let fits = |(at, change): &(usize, &Arc<Change>)| {
            let size = change.document.len();
            let fits = *at == 0 || size <= room;
            room = room.saturating_sub(size);
            fits
        };
        let found = self.changes.range(from..).take(limit).enumerate().take_while(fits);
        Some(found.map(|(_, change)| Arc::clone(change)).collect())
    }
}

/// About how much memory an entry takes.
fn size(change: &Change) -> usize {
    let names = change.differs.iter().flatten().map(|name| name.len() + size_of::<String>()).sum::<usize>();
    size_of::<Change>() + change.document.len() + names
}

#[cfg(test)]
mod tests {
    use mf2c_domain::id::ResourceId;
    use mf2c_domain::time::HybridTime;
    use proptest::prelude::*;

    use super::*;
    use crate::record::ChangeKind;

    fn change(position: u64, size: usize) -> Arc<Change> {
        Arc::new(Change {
            position,
            origin: [1; 16],
            incarnation: 1,
            sequence: position,
            time: HybridTime::default(),
            id: ResourceId::parse("device/a").unwrap(),
            kind: ChangeKind::Edited,
            document: vec![b' '; size].into(),
            differs: None,
        })
    }

    fn positions(recent: &Recent, behind: u64, limit: usize, bytes: usize) -> Option<Vec<u64>> {
        Some(recent.behind(behind, limit, bytes)?.iter().map(|change| change.position).collect())
    }

    #[test]
    fn followers_hear_the_newest_position_those_that_left_are_forgotten_and_the_end_is_told() {
        let (announcer, feed) = feed(3);
        let (mut one, two) = (feed.subscribe(), feed.subscribe());
        assert_eq!(*one.borrow(), 3);
        drop(two);
        announcer.announce(4, vec![change(4, 1)], 4);
        assert_eq!(announcer.0.0.lock().followers.as_ref().unwrap().len(), 1);
        assert!(one.has_changed().unwrap());
        assert_eq!((*one.borrow_and_update(), *feed.subscribe().borrow()), (4, 4));
        assert_eq!(feed.behind(3, 9, 9).unwrap().len(), 1);
        drop(announcer);
        assert!(one.has_changed().is_err() && feed.subscribe().has_changed().is_err());
        assert_eq!(*feed.subscribe().borrow(), 4);
    }

    #[test]
    fn a_page_ends_before_what_does_not_fit_but_a_first_entry_comes_whole() {
        let mut recent = Recent::default();
        recent.add([(5, 10), (6, 10), (7, 1000), (8, 1)].map(|(at, size)| change(at, size)).into(), 9);
        assert_eq!(positions(&recent, 4, 9, 25), Some(vec![5, 6]));
        assert_eq!(positions(&recent, 6, 9, 25), Some(vec![7]));
        assert_eq!(positions(&recent, 4, 3, 9999), Some(vec![5, 6, 7]));
        assert_eq!((positions(&recent, 3, 9, 9), positions(&recent, 8, 9, 9)), (None, None));
        assert_eq!(positions(&recent, u64::MAX, 9, 9), None);
    }

    #[test]
    fn it_is_bounded_and_holds_nothing_that_the_log_has_let_go_of() {
        let mut recent = Recent::default();
        recent.add((1..=5_000).map(|at| change(at, 1)).collect(), 5_000);
        assert_eq!(recent.changes.front().unwrap().position, 905);
        recent.add(vec![change(5_001, MOST_BYTES / 2), change(5_002, MOST_BYTES / 2)], 5_002);
        assert!(recent.bytes <= MOST_BYTES && positions(&recent, 5_001, 9, 9) == Some(vec![5_002]));
        recent.add(vec![change(5_003, 1)], 1);
        assert_eq!((positions(&recent, 5_001, 9, 9), positions(&recent, 5_002, 9, 9)), (None, Some(vec![5_003])));
        // After a hole nothing from before it is of use.
        recent.add(vec![change(6_000, 1)], 100);
        assert_eq!(recent.changes.len(), 1);
    }

    proptest! {
        #[test]
        fn what_it_gives_is_what_follows_without_a_hole(
            sizes in proptest::collection::vec(1usize..2_000_000, 1..20), behind in 0u64..30, limit in 0usize..9, bytes: u32
        ) {
            let mut recent = Recent::default();
            let all: Vec<_> = sizes.iter().zip(3..).map(|(size, at)| change(at, *size)).collect();
            let newest = 2 + all.len() as u64;
            recent.add(all, 1000);
            if let Some(found) = positions(&recent, behind, limit, bytes as usize) {
                prop_assert!(!found.is_empty() && found.len() <= limit && found[found.len() - 1] <= newest);
                prop_assert!(found.iter().zip(behind + 1..).all(|(found, expected)| *found == expected));
            }
        }
    }
}
