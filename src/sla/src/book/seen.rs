//! Which reports were assessed already.
//!
//! Only those of as much event time as a report may be late need remembering: older ones are late, and what is late counts in nothing but its
//! own violation, whose key is the same each time.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::document::Report;

/// The most reports remembered of one agreement; the oldest go first.
const MAX_SEEN: usize = 1 << 18;

/// Digests of reports, in the order of their arrival.
#[derive(Debug, Default)]
pub(super) struct Seen {
    known: HashSet<u64, BuildHasherDefault<Same>>,
    order: VecDeque<(u64, i64)>,
}

/// The digests are evenly spread already.
#[derive(Debug, Default)]
pub(super) struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |digest, byte| digest.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, digest: u64) {
        self.0 = digest;
    }
}

impl Seen {
    /// Remembers a report of this time; false if it was known. One that ended at another time is another report.
    pub(super) fn insert(&mut self, report: &Report<'_>, at: i64) -> bool {
        let ended = report.finished.nanos();
        let digest = xxh3_64_with_seed(report.id.as_bytes(), (ended ^ (ended >> 64)) as u64);
        if !self.known.insert(digest) {
            return false;
        }
        self.order.push_back((digest, at));
        if self.order.len() > MAX_SEEN {
            self.pop();
        }
        true
    }

    /// Forgets reports from before this time, and gives back memory that a storm took.
    pub(super) fn forget(&mut self, before: i64) {
        while self.order.front().is_some_and(|(_, at)| *at < before) {
            self.pop();
        }
        if self.order.capacity() > 1024 && self.order.len() < self.order.capacity() / 8 {
            self.order.shrink_to(self.order.len() * 2);
            self.known.shrink_to(self.known.len() * 2);
        }
    }

    /// The clock was set back to `now`: none of them is from later.
    pub(super) fn set_back(&mut self, now: i64) {
        self.order.iter_mut().for_each(|(_, at)| *at = (*at).min(now));
    }

    fn pop(&mut self) {
        if let Some((digest, _)) = self.order.pop_front() {
            self.known.remove(&digest);
        }
    }
}
