//! Episodes that were open when the agent was stopped: they go on, and those that nobody would ever end are over.

use std::sync::Arc;

use mf2c_domain::time::Timestamp;
use mf2c_sla::{EpisodeState, State};
use mf2c_store::StoreError;
use serde_json::{Map, Value, json};

use super::SlaAssessor;
use super::names::key_of;
use super::notes::Note;

/// What was measured so long before an episode was seen last is in its document, in nanoseconds: reports come a little later than
/// what they tell of.
const MARGIN: i128 = 10_000_000_000;

/// What the document of an episode tells, if it is open.
fn open(body: &[u8]) -> Option<(String, String, EpisodeState)> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let text = |path: &str| body.pointer(path).and_then(Value::as_str);
    let time = |path: &str| text(path).and_then(Timestamp::parse);
    let state = EpisodeState {
        key: mf2c_sla::Key(0),
        instance: text("/instance/href").map(str::to_owned),
        first_seen: time("/first_seen")?,
        last_seen: time("/last_seen")?,
        count: body.get("count")?.as_u64()?,
        variable: text("/variable").map(str::to_owned),
        worst: body.get("worst").and_then(Value::as_f64),
    };
    let is_open = text("/state") == Some("open");
    is_open.then_some((text("/agreement_id/href")?.to_owned(), text("/guarantee")?.to_owned(), state))
}

impl SlaAssessor {
    /// Takes in this agent's open episodes. The agreements with some, and from when on reports count beside them, in nanoseconds.
    pub(super) fn restore(&mut self, now: Timestamp) -> Result<Vec<(Arc<str>, i128)>, StoreError> {
        let mut restored = Vec::new();
        for document in self.store.all("sla-episode") {
            let Some(key) = key_of(document.id.name(), &self.node).filter(|_| document.origin().is_none()) else {
                continue;
            };
            let body = self.store.body(&document)?;
            let Some((agreement, guarantee, state)) = body.and_then(|body| open(&body)) else { continue };
            let state = EpisodeState { key, ..state };
            let entry = self.index.agreements.get_mut(agreement.as_str());
            let goes_on = entry.is_some_and(|entry| {
                let (terms, book) = entry.book();
                book.restore(terms, &guarantee, &state)
            });
            if goes_on {
                let agreement: Arc<str> = agreement.into();
                self.tell_what_went(&agreement, state.instance.as_deref(), now);
                restored.push((agreement, state.last_seen.nanos() - MARGIN));
            // What another agent may still tell of is not over.
            } else if self.store.get(&agreement).is_none() || self.index.agreements.contains_key(agreement.as_str()) {
                let changes = json!({"state": "resolved", "resolved_at": state.last_seen.to_string()});
                let changes: Map<String, Value> = changes.as_object().cloned().unwrap_or_default();
                self.notes.push(Note::Edit { id: document.id.clone(), changes, if_match: None });
            }
        }
        Ok(restored)
    }

    /// Tells a book with a restored episode if what that is about has gone meanwhile.
    fn tell_what_went(&mut self, agreement: &Arc<str>, instance: Option<&str>, now: Timestamp) {
        let is_started =
            self.index.agreements.get(agreement).is_some_and(|entry| entry.agreement.state() == State::Started);
        if !is_started {
            self.close(agreement, now);
        }
        if let Some(instance) = instance
            && self.index.agreement_of(instance).as_ref() != Some(agreement)
        {
            self.leaves(instance, agreement, now);
        }
    }
}
