//! Brings a failed engine back, and takes over what the failed batch has left on disk.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Stage, Writer};
use crate::engine::{EngineError, RESTORE_ADVICE, Space};
use crate::error::StoreError;
use crate::identity::Identity;
use crate::origins::{self, Known, Moved};
use crate::record::{ChangeRecord, NodeId};

/// Pause between two attempts to bring a failed engine back.
const HEAL_PAUSE: Duration = Duration::from_secs(1);

/// An engine that has failed and not come back.
pub(super) struct Failed {
    /// When it failed, or was last tried.
    at: Duration,
    /// Whether it was tried in vain already.
    tried: bool,
    pub(super) error: EngineError,
}

impl Writer {
    /// Remembers that a commit failed; what is answered.
    pub(super) fn fail(&mut self, error: EngineError) -> StoreError {
        tracing::error!(error = %Chain(&error), "a commit failed; reads go on, writes are refused until it is mended");
        self.counters.failures.fetch_add(1, Ordering::Relaxed);
        let answer = StoreError::from_engine(&error);
        self.failed = Some(Failed { at: self.clock.elapsed(), tried: false, error });
        answer
    }

    /// Whether there is any use in trying to write.
    pub(super) fn ready(&mut self) -> Result<(), StoreError> {
        self.bring_back();
        self.failed.as_ref().map_or(Ok(()), |failed| Err(StoreError::from_engine(&failed.error)))
    }

    /// Tries to write again if the last commit failed. Somebody should call this now and then, for a store that nobody
    /// writes to would not notice that it could.
    pub fn mend(&mut self) {
        self.bring_back();
    }

    /// Whether the last commit failed and the engine has not come back.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Heals the engine after a failure, at once and then at most once per pause, and takes over what the failed batch
    /// left on disk.
    pub(super) fn bring_back(&mut self) {
        let Some(failed) = &self.failed else { return };
        let (now, tried) = (self.clock.elapsed(), failed.tried);
        if tried && now.saturating_sub(failed.at) < HEAL_PAUSE {
            return;
        }
        match self.engine.heal().and_then(|()| self.adopt()) {
            Ok(()) => {
                self.failed = None;
                self.counters.failures.store(0, Ordering::Relaxed);
                tracing::info!(position = self.position, "the store writes again");
            }
            Err(error) => {
                self.counters.failures.fetch_add(1, Ordering::Relaxed);
                // The first time says it; the repetitions would fill the disk that is full.
                if tried {
                    tracing::debug!(error = %Chain(&error), "the store cannot write yet");
                } else {
                    tracing::warn!(error = %Chain(&error), "the store cannot write; it is tried again and again");
                }
                self.failed = Some(Failed { at: now, tried: true, error });
            }
        }
    }

    /// A batch whose sync failed may be on disk all the same, as it would be after a crash: then it counts.
    fn adopt(&mut self) -> Result<(), EngineError> {
        let mut left = Vec::new();
        // The failed batch had changed the sizes before its commit.
        let mut sizes = VecDeque::new();
        let mut newest = self.base;
        self.engine.scan(Space::Changes, &[], &mut |key, value| {
            newest = key.try_into().map(u64::from_be_bytes).unwrap_or_default();
            sizes.push_back(u32::try_from(value.len()).unwrap_or(u32::MAX));
            if newest > self.position {
                left.push((key.to_vec(), value.to_vec()));
            }
            ControlFlow::Continue(())
        })?;
        if newest < self.position {
            return Err(self.damaged(format!("it ends with change {newest}, but {} was acknowledged", self.position)));
        }
        self.log_bytes = sizes.iter().map(|size| u64::from(*size)).sum();
        self.log = sizes;
        if let Some(identity) = Identity::read(&*self.engine)?.filter(|found| found.incarnation != self.incarnation) {
            self.incarnation = identity.incarnation;
            self.origins.set_identity(identity);
        }
        for (key, value) in left {
            let position = key.as_slice().try_into().map(u64::from_be_bytes).unwrap_or_default();
            let record = ChangeRecord::decode(&key, &value).map_err(|error| self.damaged(error.to_string()))?;
            let follows = position == self.position + 1;
            let staged = if follows { Stage::new(self).adopted(position, &record)? } else { None };
            let Some(staged) = staged else {
                let what = format!("change {position} for {} cannot be taken over", record.id);
                return Err(self.damaged(what));
            };
            self.committed(staged);
        }
        self.adopt_origins()
    }

    /// How far the other origins were read, as the disk has it now.
    fn adopt_origins(&mut self) -> Result<(), EngineError> {
        let mut stored: BTreeMap<NodeId, Known> = origins::read(&*self.engine)?;
        let own = stored.remove(&self.node).and_then(|known| known.reached);
        let mut moved: Moved = stored.into_iter().map(|(origin, known)| (origin, Some(known))).collect();
        let gone = self.origins.progress().into_iter().map(|progress| progress.origin);
        for origin in gone.filter(|origin| *origin != self.node) {
            moved.entry(origin).or_insert(None);
        }
        let mut reached = self.origins.known(&self.node).and_then(|known| known.reached).unwrap_or_default();
        reached.incarnation = self.incarnation;
        reached.sequence = self.sequence;
        reached.floor =
            reached.floor.max(own.filter(|own| own.incarnation == self.incarnation).map_or(0, |own| own.floor));
        moved.insert(self.node, Some(Known { reached: Some(reached), partial: None }));
        self.origins.publish(moved, std::iter::empty(), std::iter::empty());
        self.feed.announce(self.position, Vec::new(), self.log.len());
        Ok(())
    }

    fn damaged(&self, what: String) -> EngineError {
        let file = self.options.name.join("changes");
        EngineError::Damaged { file, offset: 0, what, advice: RESTORE_ADVICE }
    }
}

/// An error with its causes, for the log.
struct Chain<'a>(&'a EngineError);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        std::error::Error::source(self.0).map_or(Ok(()), |source| write!(f, ": {source}"))
    }
}
