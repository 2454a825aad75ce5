//! When agreements were started and stopped, where the log that told of it is gone: the store adds an event for every such edit.

use std::collections::HashMap;
use std::sync::Arc;

use mf2c_domain::id::ResourceId;
use mf2c_domain::time::Timestamp;
use mf2c_sla::State;
use mf2c_store::Document;
use serde::Deserialize;
use serde_json::{Value, json};

use super::SlaAssessor;

/// An agreement came into another state.
struct Turn {
    agreement: String,
    state: State,
    at: Timestamp,
}

#[derive(Deserialize)]
struct Event {
    timestamp: String,
    content: Content,
}

#[derive(Deserialize)]
struct Content {
    resource: Link,
    state: String,
}

#[derive(Deserialize)]
struct Link {
    href: String,
}

impl Turn {
    /// What an event tells, if the store has made it: anybody may add events, but not under such a name.
    fn of(id: &ResourceId, body: &[u8]) -> Option<Self> {
        let is_hex = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        let (incarnation, position) = id.name().split_once('-')?;
        if !is_hex(incarnation) || !is_hex(position) {
            return None;
        }
        let event: Event = serde_json::from_slice(body).ok()?;
        let (agreement, state) = (event.content.resource.href, event.content.state);
        let is_one = agreement.starts_with("agreement/") && State::of(&state).as_str() == state;
        is_one.then_some(Self { agreement, state: State::of(&state), at: Timestamp::parse(&event.timestamp)? })
    }
}

impl SlaAssessor {
    /// The events since the cursor, each at its place.
    pub(super) fn turns(&self, cursor: u64) -> Vec<(u64, Arc<Document>)> {
        let events = self.store.all("event").into_iter().filter(|event| event.born > cursor);
        let is_turn = |event: &Document| {
            let body = self.store.body(event).ok().flatten();
            body.is_some_and(|body| Turn::of(&event.id, &body).is_some())
        };
        events.filter(|event| is_turn(event)).map(|event| (event.born, event)).collect()
    }

    /// The states in which agreements were before the first of these events.
    pub(super) fn before(&self, turns: &[(u64, Arc<Document>)]) -> HashMap<String, State> {
        let mut before = HashMap::new();
        for (_, event) in turns {
            let body = self.store.body(event).ok().flatten();
            let Some(turn) = body.and_then(|body| Turn::of(&event.id, &body)) else { continue };
            let state = if turn.state == State::Started { State::Stopped } else { State::Started };
            before.entry(turn.agreement).or_insert(state);
        }
        before
    }

    /// An agreement came into another state then, with the terms that are known of it.
    pub(super) fn turn(&mut self, id: &ResourceId, body: &[u8]) {
        let Some(turn) = Turn::of(id, body) else { return };
        let Some(agreement) = self.index.turn(&turn.agreement, turn.state, turn.at, &mut self.found) else { return };
        self.settle(&agreement);
        self.outdate(&agreement);
        self.replan(&agreement, None);
    }
}

/// The document of an agreement as it was when it was made, in this state.
pub(super) fn as_born(body: Vec<u8>, state: State) -> Vec<u8> {
    let Ok(mut read) = serde_json::from_slice::<Value>(&body) else { return body };
    read["state"] = json!(state.as_str());
    serde_json::to_vec(&read).unwrap_or(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_store_itself_tells_of_an_agreement_counts() {
        let event = |name: &str, href: &str, state: &str| {
            let body = json!({
                "timestamp": "2026-01-01T00:00:00Z", "type": "state", "severity": "low",
                "content": {"resource": {"href": href}, "state": state},
            });
            let id = ResourceId::new("event", name).unwrap();
            Turn::of(&id, body.to_string().as_bytes()).map(|turn| (turn.agreement, turn.state))
        };
        let expected = Some(("agreement/1".to_owned(), State::Started));
        assert_eq!(event("1f-2a", "agreement/1", "started"), expected);
        assert_eq!(event("01234567-89ab-4cde-8f00-111111111111", "agreement/1", "started"), None);
        assert_eq!(event("1f-2a", "agreement/1", "burns"), None);
        assert_eq!(event("1f-2a", "service-instance/1", "started"), None);
    }
}
