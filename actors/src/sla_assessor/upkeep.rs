//! What agreements show of their assessment, written now and then: never more than once a second each.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use mf2c_domain::id::ResourceId;
use mf2c_sla::State;
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
    Episode,
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
        let is_due = !self.outdated.is_empty() || !self.expired.is_empty() || !self.episodes.is_empty();
        if is_due && !self.refreshing {
            self.refreshing = true;
            ctx.run_later(ROUND, |assessor, ctx| assessor.refresh(ctx));
        }
    }

    fn refresh(&mut self, ctx: &mut Context<Self>) {
        let mut round = self.expiries();
        while round.len() < MOST {
            let Some(agreement) = self.outdated.pop_front() else { break };
            self.waiting.remove(&agreement);
            round.extend(self.assessment_of(&agreement).map(|note| (Subject::Assessment(agreement), note)));
        }
        let changed: Vec<u128> = self.episodes.keys().copied().take(MOST.saturating_sub(round.len())).collect();
        for key in changed {
            let note = self.episodes.remove(&key).and_then(|episode| episode_edit(&episode, &self.node));
            round.extend(note.map(|note| (Subject::Episode, note)));
        }
        let sent: Vec<_> = round.into_iter().map(|(subject, note)| (subject, self.send(&note))).collect();
        let written = async move {
            let mut failed = Vec::new();
            for (subject, answer) in sent {
                if let Err(error) = answer.await {
                    failed.push((subject, error));
                }
            }
            failed
        };
        ctx.spawn(written.into_actor(self).map(|failed, assessor, ctx| {
            assessor.refreshing = false;
            for (subject, error) in failed {
                assessor.not_written(subject, &error);
            }
            assessor.plan_refresh(ctx);
        }));
    }

    /// Who edited the document meanwhile is heard of from the log, and so is who deleted it.
    fn not_written(&mut self, subject: Subject, error: &StoreError) {
        if !matches!(error, StoreError::Full { .. } | StoreError::Unavailable { .. }) {
            return;
        }
        match subject {
            Subject::Assessment(agreement) => self.outdate(&agreement),
            Subject::Expiry(agreement) => drop(self.expired.insert(agreement)),
            Subject::Episode => {}
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
