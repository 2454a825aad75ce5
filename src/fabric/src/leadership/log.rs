//! The consensus' log of an area in memory, as the `raft` crate reads it, and the form in which it is kept on disk. It is
//! short: it holds changes of seats, and what is agreed on is put into its base soon.

use protobuf::Message as _;
use raft::eraftpb::{ConfState, Entry, HardState, Snapshot};
use raft::{Error, GetEntriesContext, RaftState, Storage, StorageError};
use serde::{Deserialize, Serialize};

use super::roster::Roster;
use crate::wire::Bytes;

/// So many entries that were agreed on are put into the base at once.
const LONG: usize = 32;

/// What must not be forgotten of the consensus of an area.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct KeptLog {
    /// Term, vote, agreed index.
    hard: (u64, u64, u64),
    /// Index and term of the base.
    base: (u64, u64),
    /// Who votes at the base, in the crate's own encoding.
    conf: Bytes,
    /// Who sits at the base.
    roster: Roster,
    entries: Vec<Bytes>,
}

impl KeptLog {
    /// The newest term in which it took part.
    pub(super) const fn term(&self) -> u64 {
        self.hard.0
    }
}

/// What follows a base that all of it agreed on.
pub(super) struct Log {
    hard: HardState,
    base: (u64, u64),
    base_conf: ConfState,
    base_roster: Roster,
    entries: Vec<Entry>,
    applied: u64,
    pub(super) conf: ConfState,
    pub(super) roster: Roster,
}

impl Log {
    /// Of an agent that knows nothing yet.
    pub(super) fn empty() -> Self {
        Self::at((0, 0), (0, 0), ConfState::default(), Roster::default())
    }

    /// Of an area that begins with these voters.
    pub(super) fn begin(index: u64, term: u64, voters: Vec<u64>, roster: Roster) -> Self {
        Self::at((index, term), (term, 0), ConfState { voters, ..ConfState::default() }, roster)
    }

    fn at(base: (u64, u64), (term, vote): (u64, u64), conf: ConfState, roster: Roster) -> Self {
        let hard = HardState { term, vote, commit: base.0, ..HardState::default() };
        let (base_conf, base_roster) = (conf.clone(), roster.clone());
        Self { hard, base, base_conf, base_roster, entries: vec![], applied: base.0, conf, roster }
    }

    /// None where what was kept contradicts itself.
    pub(super) fn restore(kept: &KeptLog) -> Option<Self> {
        let conf = ConfState::parse_from_bytes(&kept.conf.0).ok()?;
        let mut log = Self::at(kept.base, (kept.hard.0, kept.hard.1), conf, kept.roster.clone());
        for bytes in &kept.entries {
            let entry = Entry::parse_from_bytes(&bytes.0).ok()?;
            if entry.index != log.last() + 1 || entry.term < log.term_of(log.last())? || entry.term > kept.hard.0 {
                return None;
            }
            log.entries.push(entry);
        }
        log.hard.commit = kept.hard.2;
        (kept.base.0..=log.last()).contains(&kept.hard.2).then_some(log)
    }

    pub(super) fn keep(&self) -> KeptLog {
        let bytes = |written: protobuf::ProtobufResult<Vec<u8>>| Bytes(written.unwrap_or_default());
        KeptLog {
            hard: (self.hard.term, self.hard.vote, self.hard.commit.clamp(self.base.0, self.last())),
            base: self.base,
            conf: bytes(self.base_conf.write_to_bytes()),
            roster: self.base_roster.clone(),
            entries: self.entries.iter().map(|entry| bytes(entry.write_to_bytes())).collect(),
        }
    }

    pub(super) fn base_index(&self) -> u64 {
        self.base.0
    }

    pub(super) fn last(&self) -> u64 {
        self.entries.last().map_or(self.base.0, |entry| entry.index)
    }

    fn term_of(&self, index: u64) -> Option<u64> {
        if index == self.base.0 {
            return Some(self.base.1);
        }
        let at = index.checked_sub(self.base.0 + 1)?;
        self.entries.get(usize::try_from(at).ok()?).map(|entry| entry.term)
    }

    pub(super) fn set_hard(&mut self, hard: &HardState) {
        self.hard = hard.clone();
    }

    /// Entries that follow on what is here or take the place of its end.
    pub(super) fn append(&mut self, entries: &[Entry]) {
        let Some(first) = entries.first() else { return };
        if first.index <= self.base.0 || first.index > self.last() + 1 {
            return;
        }
        let keep = usize::try_from(first.index - self.base.0 - 1).unwrap_or(0);
        self.entries.truncate(keep);
        self.entries.extend_from_slice(entries);
    }

    /// The whole state from another agent.
    pub(super) fn take(&mut self, snapshot: &Snapshot, roster: Roster) {
        let meta = snapshot.get_metadata();
        let conf = meta.get_conf_state().clone();
        let vote = (self.hard.term.max(meta.term), self.hard.vote);
        *self = Self::at((meta.index, meta.term), vote, conf, roster);
    }

    /// What was agreed on up to `index` is in `conf` and `roster` now.
    pub(super) fn applied(&mut self, index: u64) {
        self.applied = index;
        // Between two configurations there is no base: the crate would have to be told of both.
        if self.entries.len() < LONG || index <= self.base.0 || is_joint(&self.conf) {
            return;
        }
        let Some(term) = self.term_of(index) else { return };
        let gone = usize::try_from(index - self.base.0).unwrap_or(0).min(self.entries.len());
        self.entries.drain(..gone);
        self.base = (index, term);
        self.base_conf = self.conf.clone();
        self.base_roster = self.roster.clone();
        self.hard.commit = self.hard.commit.max(index);
    }
}

/// Whether two configurations count at once.
pub(super) fn is_joint(conf: &ConfState) -> bool {
    !conf.voters_outgoing.is_empty()
}

impl Storage for Log {
    fn initial_state(&self) -> raft::Result<RaftState> {
        Ok(RaftState::new(self.hard.clone(), self.base_conf.clone()))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        if low <= self.base.0 {
            return Err(Error::Store(StorageError::Compacted));
        }
        let at = |index: u64| usize::try_from(index - self.base.0 - 1).ok();
        let wanted = at(low).zip(at(high)).and_then(|(low, high)| self.entries.get(low..high));
        let mut entries = wanted.ok_or(Error::Store(StorageError::Unavailable))?.to_vec();
        raft::util::limit_size(&mut entries, max_size.into());
        Ok(entries)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        let missing = if index < self.base.0 { StorageError::Compacted } else { StorageError::Unavailable };
        self.term_of(index).ok_or(Error::Store(missing))
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.base.0 + 1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last())
    }

    fn snapshot(&self, request_index: u64, _: u64) -> raft::Result<Snapshot> {
        let term = self.term_of(self.applied).filter(|_| self.applied >= request_index && !is_joint(&self.conf));
        let term = term.ok_or(Error::Store(StorageError::SnapshotTemporarilyUnavailable))?;
        let mut snapshot = Snapshot { data: self.roster.encode().into(), ..Snapshot::default() };
        let meta = snapshot.mut_metadata();
        meta.index = self.applied;
        meta.term = term;
        meta.set_conf_state(self.conf.clone());
        Ok(snapshot)
    }
}
