//! Tells followers of the change log that there is more, each on a channel of its own and in the order in which they came.
//!
//! One channel for all would wake them in an order that depends on chance (tokio spreads its waiters at random), and a
//! simulation would not repeat.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

/// The readers' side. Clones share it.
#[derive(Clone)]
pub(crate) struct Feed(Arc<Mutex<State>>);

struct State {
    position: u64,
    /// None once nobody announces any more.
    followers: Option<Vec<watch::Sender<u64>>>,
}

/// The writer's side. When it is dropped, followers learn that nothing comes any more.
pub(crate) struct Announcer(Feed);

/// Both sides of a log that ends with `position`.
pub(crate) fn feed(position: u64) -> (Announcer, Feed) {
    let feed = Feed(Arc::new(Mutex::new(State { position, followers: Some(Vec::new()) })));
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
}

impl Announcer {
    /// The log ends with `position` now.
    pub(crate) fn announce(&self, position: u64) {
        let mut state = self.0.0.lock();
        state.position = position;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn followers_hear_the_newest_position_those_that_left_are_forgotten_and_the_end_is_told() {
        let (announcer, feed) = feed(3);
        let (mut one, two) = (feed.subscribe(), feed.subscribe());
        assert_eq!(*one.borrow(), 3);
        drop(two);
        announcer.announce(4);
        assert_eq!(announcer.0.0.lock().followers.as_ref().unwrap().len(), 1);
        assert!(one.has_changed().unwrap());
        assert_eq!((*one.borrow_and_update(), *feed.subscribe().borrow()), (4, 4));
        drop(announcer);
        assert!(one.has_changed().is_err() && feed.subscribe().has_changed().is_err());
        assert_eq!(*feed.subscribe().borrow(), 4);
    }
}
