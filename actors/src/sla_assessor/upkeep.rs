//! What agreements show of their assessment, written now and then: never more than once a second each.

use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::id::ResourceId;
use mf2c_sla::{Episode, Key, State};
use mf2c_store::{IfMatch, StoreError};
use serde_json::{Map, Value, json};

use super::SlaAssessor;
use super::documents::episode_edit;
use super::notes::Note;

/// Pause between two rounds.
const ROUND: Duration = Duration::from_secs(1);
/// The most writes of one round: what reports find goes first.
const MOST: usize = 256;

/// What one write of a round is about.
enum Subject {
    Assessment(Arc<str>),
    Expiry(Arc<str>),
    Episode(Box<Episode>),
}

/// Episodes whose documents are out of date.
#[derive(Default)]
pub(super) struct Changed {
    episodes: BTreeMap<u128, Episode>,
    /// Those that are being written.
    writing: HashSet<u128>,
    /// They take turns: the next is the one behind this.
    last: u128,
}

impl Changed {
    pub(super) fn len(&self) -> usize {
        self.episodes.len()
    }

    /// An episode goes on.
    pub(super) fn changed(&mut self, episode: Episode) {
        self.episodes.insert(episode.key.0, episode);
    }

    /// An episode is over, which is written elsewhere: nothing older may be written after it.
    pub(super) fn ended(&mut self, key: Key) {
        self.episodes.remove(&key.0);
        self.writing.remove(&key.0);
    }

    /// The next to be written.
    fn next(&mut self) -> Option<Episode> {
        let behind = self.episodes.range((Bound::Excluded(self.last), Bound::Unbounded)).next();
        let key = behind.or_else(|| self.episodes.first_key_value()).map(|(key, _)| *key)?;
        self.last = key;
        self.writing.insert(key);
        self.episodes.remove(&key)
    }

    /// One was written, or is to be tried again.
    fn written(&mut self, episode: Episode, again: bool) {
        let key = episode.key.0;
        if self.writing.remove(&key) && again {
            self.episodes.entry(key).or_insert(episode);
        }
    }
}

impl SlaAssessor {
    /// What an agreement shows is out of date. Others keep their own agreements.
    pub(super) fn outdate(&mut self, agreement: &Arc<str>) {
        let entry = self.index.agreements.get(agreement);
        let has_book = entry.is_some_and(|entry| entry.origin == self.node && entry.book.is_some());
        if has_book && self.waiting.insert(Arc::clone(agreement)) {
            self.outdated.push_back(Arc::clone(agreement));
        }
    }

    pub(super) fn plan_refresh(&mut self, ctx: &mut Context<Self>) {
        let is_due = !self.outdated.is_empty() || !self.expired.is_empty() || self.episodes.len() > 0;
        if is_due && !self.refreshing {
            self.refreshing = true;
            ctx.run_later(ROUND, |assessor, ctx| assessor.refresh(ctx));
        }
    }

    fn refresh(&mut self, ctx: &mut Context<Self>) {
        let mut round = self.expiries();
        let room = MOST.saturating_sub(round.len());
        // Each of the two has half of the room, and what the other leaves.
        let episodes = self.episodes.len().min((room / 2).max(room.saturating_sub(self.outdated.len())));
        for _ in episodes..room {
            let Some(agreement) = self.outdated.pop_front() else { break };
            self.waiting.remove(&agreement);
            round.extend(self.assessment_of(&agreement).map(|note| (Subject::Assessment(agreement), note)));
        }
        for _ in 0..episodes {
            let Some(episode) = self.episodes.next() else { break };
            let note = episode_edit(&episode, &self.node);
            round.extend(note.map(|note| (Subject::Episode(Box::new(episode)), note)));
        }
        let sent: Vec<_> = round.into_iter().map(|(subject, note)| (subject, self.send(&note))).collect();
        let written = async move {
            let mut outcome = Vec::new();
            for (subject, answer) in sent {
                outcome.push((subject, answer.await.err()));
            }
            outcome
        };
        ctx.spawn(written.into_actor(self).map(|outcome, assessor, ctx| {
            assessor.refreshing = false;
            for (subject, error) in outcome {
                assessor.was_written(subject, error.as_ref());
            }
            assessor.plan_refresh(ctx);
        }));
    }

    fn was_written(&mut self, subject: Subject, error: Option<&StoreError>) {
        let again = match error {
            None => false,
            Some(StoreError::Full { .. } | StoreError::Unavailable { .. }) => true,
            // Its beginning may wait to be stored, because the store was full.
            Some(StoreError::NotFound { .. }) => self.pages.waiting > 0,
            // Who edited the document meanwhile is heard of from the log, and so is who deleted it.
            Some(
                StoreError::Stale { .. }
                | StoreError::Conflict { .. }
                | StoreError::Elsewhere { .. }
                | StoreError::Stopping,
            ) => false,
            Some(error) => {
                self.is_refused(&subject, error);
                false
            }
        };
        match subject {
            Subject::Assessment(agreement) => {
                if error.is_none() {
                    self.refused.remove(&agreement);
                }
                if again {
                    self.outdate(&agreement);
                }
            }
            Subject::Expiry(agreement) if again => drop(self.expired.insert(agreement)),
            Subject::Expiry(_) => {}
            Subject::Episode(episode) => self.episodes.written(*episode, again),
        }
    }

    /// The store does not take something. That is said once of each agreement, until it takes it.
    fn is_refused(&mut self, subject: &Subject, error: &StoreError) {
        self.counters.errors.fetch_add(1, Ordering::Relaxed);
        match subject {
            Subject::Assessment(agreement) | Subject::Expiry(agreement) => {
                if self.refused.insert(Arc::clone(agreement)) {
                    tracing::error!(%agreement, %error, "how an agreement stands cannot be written into its document");
                }
            }
            Subject::Episode(episode) => {
                tracing::error!(agreement = %episode.agreement, %error, "how an episode stands cannot be written");
            }
        }
    }

    fn assessment_of(&self, agreement: &Arc<str>) -> Option<Note> {
        let entry = self.index.agreements.get(agreement)?;
        let assessment = entry.book.as_ref()?.assessment(&entry.agreement)?;
        let changes: Map<String, Value> = [("assessment".to_owned(), Value::Object(assessment))].into_iter().collect();
        Some(Note::Edit { id: ResourceId::parse(agreement).ok()?, changes, if_match: None })
    }

    /// Agreements that have expired become terminated, unless somebody edits them meanwhile.
    fn expiries(&mut self) -> Vec<(Subject, Note)> {
        let mut round = Vec::new();
        let mut later = std::collections::BTreeSet::new();
        while let Some(agreement) = self.expired.pop_first() {
            let Some(entry) = self.index.agreements.get(&agreement) else { continue };
            let (Some(document), Ok(id)) = (self.store.get(&agreement), ResourceId::parse(&agreement)) else {
                continue;
            };
            if entry.agreement.state() == State::Terminated || document.origin().is_some() {
                continue;
            }
            if document.revision > self.read || round.len() >= MOST {
                later.insert(agreement);
                continue;
            }
            let if_match = Some(IfMatch::OneOf(vec![self.store.tag(&document)]));
            let changes: Map<String, Value> =
                [("state".to_owned(), json!(State::Terminated.as_str()))].into_iter().collect();
            round.push((Subject::Expiry(agreement), Note::Edit { id, changes, if_match }));
        }
        self.expired = later;
        round
    }
}

#[cfg(test)]
mod tests {
    use mf2c_domain::time::Timestamp;

    use super::*;

    fn episode(key: u128, count: u64) -> Episode {
        Episode { key: Key(key), count, ..blank() }
    }

    fn blank() -> Episode {
        let then = Timestamp::default();
        Episode {
            key: Key(0),
            agreement: "agreement/1".into(),
            guarantee: "*".into(),
            instance: None,
            constraint: "".into(),
            first_seen: then,
            last_seen: then,
            resolved_at: None,
            count: 0,
            variable: None,
            worst: None,
        }
    }

    #[test]
    fn episodes_take_turns_and_what_could_not_be_written_is_tried_again_unless_it_is_out_of_date() {
        let mut changed = Changed::default();
        (1..=3).for_each(|key| changed.changed(episode(key, 1)));
        let first = changed.next().unwrap();
        changed.changed(episode(1, 2));
        let second = changed.next().unwrap();
        assert_eq!((first.key, second.key), (Key(1), Key(2)), "a busy one does not go before the others");
        changed.ended(Key(2));
        changed.written(first, true);
        changed.written(second, true);
        let left =
            [changed.next(), changed.next(), changed.next()].map(|next| next.map(|next| (next.key.0, next.count)));
        assert_eq!(left, [Some((3, 1)), Some((1, 2)), None]);
    }
}
