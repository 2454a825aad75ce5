//! Routine: heartbeats and their answers, several a second and agent, which change nothing but times. After them not everything
//! is looked at anew, but only whether that is so, and at the latest when a time has come that counts for more.

use std::time::Duration;

use raft::StateRole;

use super::LeadershipMessage;
use super::council::Council;
use super::event::{Effect, Event};
use super::group::Group;

/// What was found when everything was looked at last.
#[derive(Debug, Default)]
pub(super) struct Rest {
    /// Nothing depends on time alone before.
    until: Duration,
    /// What the rest depends on.
    of: Option<Found>,
    /// Whether it hears nobody, or will where nothing comes: for as long as it rests that takes a link, or a lead.
    silent: bool,
}

/// All that a message of the consensus, or a tick of it, can change.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    gist: Gist,
    /// Whether what the consensus heard of its leader counts.
    counts: bool,
    hears_nobody: bool,
}

/// What others than the consensus itself go by, but for times.
#[derive(Debug, PartialEq, Eq)]
struct Gist {
    term: u64,
    leader: u64,
    state: StateRole,
    committed: u64,
    applied: u64,
    arranged: u64,
    founded: u64,
    changing: bool,
    mandate: bool,
    /// How far each seat is, as far as is known here, all in one number.
    progress: u64,
    answered: usize,
}

/// Whether an event may be routine.
pub(super) fn may_be(event: &Event) -> bool {
    matches!(event, Event::Tick | Event::Heard { message: LeadershipMessage::Raft { .. }, .. })
}

impl Council {
    /// Lets the consensus of the own area go on after an event that may be routine; whether it was.
    pub(super) fn was_routine(&mut self, effects: &mut Vec<Effect>) -> bool {
        let now = self.now;
        let Some(own) = self.own.as_mut().filter(|_| now < self.rest.until) else { return false };
        let Some(group) = own.area.group.as_mut() else { return false };
        group.tick(now);
        let outcome = own.area.pump(now, effects);
        if own.led {
            own.led_until = now;
        }
        if !outcome.posts.is_empty() {
            let name = own.area.name.clone();
            self.dispatch(&name, outcome.posts, effects);
        }
        let same = self.rest.of.is_some() && self.found() == self.rest.of;
        same && !outcome.reseated && effects.iter().all(|effect| matches!(effect, Effect::Send { .. }))
    }

    /// Everything was looked at: notes on what that depends.
    pub(super) fn rests(&mut self) {
        let lease = self.own.as_ref().and_then(|own| own.area.group.as_ref());
        let lease = lease.filter(|group| group.has_mandate(self.now)).and_then(Group::lease_end);
        let dues = [lease, self.duty_wake(), self.suspicion_wake(), self.foundation_wake(), self.vigil_wake()];
        let next = dues.into_iter().chain([self.repeat_wake()]).flatten().min();
        let busy = self.own.as_ref().is_none_or(|own| own.wish.is_some() || own.founder.is_some());
        self.rest.until = if busy { Duration::ZERO } else { next.unwrap_or(Duration::MAX) };
        self.rest.silent = self.silent_since().is_some();
        self.rest.of = self.found();
    }

    fn found(&self) -> Option<Found> {
        let own = self.own.as_ref()?;
        let group = own.area.group.as_ref()?;
        let counts = group.contact() > own.claimed;
        Some(Found { gist: group.gist(self.now), counts, hears_nobody: self.rest.silent && self.hears_nobody() })
    }
}

impl Group {
    /// What others go by now.
    fn gist(&self, now: Duration) -> Gist {
        let raft = &self.raw.raft;
        // The seats in no order that counts.
        let progress = raft.prs().iter().fold(0, |sum: u64, (seat, progress)| {
            let parts = [*seat, progress.matched, progress.committed_index];
            sum.wrapping_add(parts.into_iter().fold(0, |all: u64, part| all.rotate_left(21).wrapping_mul(31) ^ part))
        });
        Gist {
            term: raft.term,
            leader: raft.leader_id,
            state: raft.state,
            committed: raft.raft_log.committed,
            applied: raft.raft_log.applied,
            arranged: self.arrangement(),
            founded: self.founded(),
            changing: self.is_changing(),
            mandate: self.has_mandate(now),
            progress,
            answered: self.acks.len(),
        }
    }
}
