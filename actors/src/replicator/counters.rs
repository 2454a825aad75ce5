//! What the replicator has done, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// Since the start of the agent.
#[derive(Debug, Default)]
pub struct ReplicatorCounters {
    /// Changes and documents that came in.
    pub changes_in: AtomicU64,
    /// Changes and documents that went out.
    pub changes_out: AtomicU64,
    /// About the bytes of those that came in.
    pub bytes_in: AtomicU64,
    /// About the bytes of those that went out.
    pub bytes_out: AtomicU64,
    /// Documents that anti-entropy has repaired here. More than none in a quiet area is an alarm.
    pub repaired: AtomicU64,
    /// Snapshots that were begun for others.
    pub snapshots: AtomicU64,
    /// How often something was missing on the way in, so that it was asked for anew.
    pub gaps: AtomicU64,
    /// Documents and origins of others that were not taken.
    pub refused: AtomicU64,
    /// Changes whose time was more than a minute ahead.
    pub skewed: AtomicU64,
    /// How often the own store had gone back in time and began a new life.
    pub renewed: AtomicU64,
    /// How often two agents were found under one identity.
    pub clones: AtomicU64,
    /// Streams that are open, both ways.
    pub flows: AtomicU64,
    /// Changes that were not acknowledged by a leader, backup or the agent above when it was last looked at.
    pub behind: AtomicU64,
    /// Proposals that were made for others and carried out.
    pub proposals: AtomicU64,
    /// Edits that lost against a later one and are kept as a `conflict`.
    pub conflicts: AtomicU64,
}

pub(super) fn add(counter: &AtomicU64, count: u64) {
    if count > 0 {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}
