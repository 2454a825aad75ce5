//! What documents come to: asked for by both ends of streams, found a few origins at a time where that holds nobody up, and
//! remembered for a while.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use mf2c_fabric::replication::{Digest, Origin, sink, source};
use parking_lot::Mutex;

use super::actor::Replicator;
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
    /// Whether somebody reads.
    reading: bool,
}

impl DigestQueue {
    /// Nobody waits for these any more.
    pub(super) fn closed(&mut self, link: u64) {
        self.asked.retain(|asked| asked.link != link);
    }

    /// Answers what is remembered, and says what must be read for the first question: none where it is answered.
    fn next(
        &mut self,
        here: impl Fn(&Origin) -> Option<mf2c_fabric::replication::Point>,
        now: Duration,
    ) -> Vec<Origin> {
        let Some(asked) = self.asked.front_mut() else { return vec![] };
        let mut wanted = Vec::new();
        asked.origins.retain(|origin| {
            let known = self.known.get(origin);
            let known = known.filter(|(at, digest)| now < *at + FRESH && Some(digest.at) == here(origin));
            if let Some((_, digest)) = known {
                asked.found.insert(*origin, digest.clone());
                return false;
            }
            if wanted.len() < AT_ONCE {
                wanted.push(*origin);
            }
            true
        });
        wanted
    }

    /// What was read. What could not be is not compared.
    fn read(&mut self, wanted: &[Origin], found: BTreeMap<Origin, Digest>, now: Duration) {
        self.known.retain(|_, (at, _)| now < *at + FRESH);
        for (origin, digest) in &found {
            if self.known.len() < REMEMBERED {
                self.known.insert(*origin, (now, digest.clone()));
            }
        }
        // Whoever asked first may have gone meanwhile; then it is of use to the others.
        if let Some(asked) = self.asked.front_mut() {
            asked.origins.retain(|origin| !wanted.contains(origin));
            asked.found.extend(found);
        }
    }
}

impl Replicator {
    pub(super) fn ask_digests(&mut self, link: u64, end: End, origins: Vec<Origin>, ctx: &mut Context<Self>) {
        self.digests.asked.push_back(Asked { link, end, origins: origins.into(), found: BTreeMap::new() });
        if !self.digests.reading {
            self.take_turn(ctx);
        }
    }

    /// Has a little read, and then lets others have their turn.
    fn take_turn(&mut self, ctx: &mut Context<Self>) {
        let store = &self.store;
        let wanted =
            self.digests.next(|origin| store.progress_of(origin).map(history::point), self.world.clock.elapsed());
        self.digests.reading = true;
        let found = Arc::new(Mutex::new(BTreeMap::new()));
        let read: std::pin::Pin<Box<dyn Future<Output = ()>>> = if wanted.is_empty() {
            Box::pin(std::future::ready(()))
        } else {
            let (store, of, to) = (Arc::clone(&self.store), wanted.clone(), Arc::clone(&found));
            let work = move || *to.lock() = history::digests(&store, &of).unwrap_or_default();
            self.workshop.work(Box::new(work))
        };
        ctx.spawn(read.into_actor(self).map(move |(), replicator, ctx| {
            replicator.digests.reading = false;
            let now = replicator.now();
            replicator.digests.read(&wanted, std::mem::take(&mut *found.lock()), now);
            let done = replicator.digests.asked.front().is_some_and(|asked| asked.origins.is_empty());
            if let Some(Asked { link, end, found, .. }) = replicator.digests.asked.pop_front_if(|_| done) {
                match end {
                    End::Source => replicator.source_step(link, source::Event::Digests(found), ctx),
                    End::Sink => replicator.sink_step(link, sink::Event::Digests(found), ctx),
                }
            }
            if !replicator.digests.asked.is_empty() && !replicator.digests.reading {
                replicator.take_turn(ctx);
            }
        }));
    }
}
