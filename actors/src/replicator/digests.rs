//! What documents come to: asked for by both ends of streams, found a few origins at a time so that nothing else waits long,
//! and remembered for a while.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use mf2c_fabric::replication::{Digest, Origin};
use mf2c_store::Store;

use super::history;

/// How long a digest is good, if the origin has not moved on.
const FRESH: Duration = Duration::from_secs(30);
/// Origins that are read at a time.
const AT_ONCE: usize = 8;
/// Digests that are remembered.
const REMEMBERED: usize = 1024;

/// Which end of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Source,
    Sink,
}

struct Asked {
    link: u64,
    end: End,
    origins: VecDeque<Origin>,
    found: BTreeMap<Origin, Digest>,
}

/// The questions that wait, and what is remembered.
#[derive(Default)]
pub(super) struct DigestQueue {
    asked: VecDeque<Asked>,
    known: BTreeMap<Origin, (Duration, Digest)>,
}

impl DigestQueue {
    /// Whether it was empty, so that somebody must take turns.
    pub(super) fn ask(&mut self, link: u64, end: End, origins: Vec<Origin>) -> bool {
        let idle = self.asked.is_empty();
        self.asked.push_back(Asked { link, end, origins: origins.into(), found: BTreeMap::new() });
        idle
    }

    /// Nobody waits for these any more.
    pub(super) fn closed(&mut self, link: u64) {
        self.asked.retain(|asked| asked.link != link);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    /// Reads a few; an answer, if one is complete.
    pub(super) fn turn(&mut self, store: &Store, now: Duration) -> Option<(u64, End, BTreeMap<Origin, Digest>)> {
        let asked = self.asked.front_mut()?;
        let mut reads = 0;
        while let Some(origin) = asked.origins.front() {
            let here = store.progress_of(origin).map(history::point);
            let known = self.known.get(origin).filter(|(at, digest)| now < *at + FRESH && Some(digest.at) == here);
            if known.is_none() && reads == AT_ONCE {
                return None;
            }
            let digest = match known {
                Some((_, digest)) => Some(digest.clone()),
                None => {
                    reads += 1;
                    // What cannot be read is not compared.
                    history::digests(store, &[*origin]).unwrap_or_default().remove(origin)
                }
            };
            if let Some(digest) = digest {
                if reads > 0 {
                    self.known.retain(|_, (at, _)| now < *at + FRESH);
                    if self.known.len() < REMEMBERED {
                        self.known.insert(*origin, (now, digest.clone()));
                    }
                }
                asked.found.insert(*origin, digest);
            }
            asked.origins.pop_front();
        }
        self.asked.pop_front().map(|asked| (asked.link, asked.end, asked.found))
    }
}
