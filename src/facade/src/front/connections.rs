//! Counts the connections of clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many connections there are and were. Connections are rare beside requests, so one counter does for all workers.
#[derive(Debug, Clone, Default)]
pub struct Connections(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    accepted: AtomicU64,
    closed: AtomicU64,
}

/// A connection; it is counted as closed when this goes.
#[derive(Debug)]
pub(super) struct Connected(Arc<Counts>);

impl Connections {
    pub(super) fn accept(&self) -> Connected {
        self.0.accepted.fetch_add(1, Ordering::Relaxed);
        Connected(Arc::clone(&self.0))
    }

    /// Open ones.
    #[must_use]
    pub fn open(&self) -> u64 {
        let closed = self.0.closed.load(Ordering::Relaxed);
        self.accepted().saturating_sub(closed)
    }

    /// All since the start.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.0.accepted.load(Ordering::Relaxed)
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.closed.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_counts_until_it_goes() {
        let connections = Connections::default();
        let (first, second) = (connections.accept(), connections.accept());
        drop(first);
        assert_eq!((connections.open(), connections.accepted()), (1, 2));
        drop(second);
        assert_eq!((connections.open(), connections.accepted()), (0, 2));
    }
}
