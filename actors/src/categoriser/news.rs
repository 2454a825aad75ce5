//! The events that tell of the area: who has joined, who is gone, who is back, who leads.

use std::collections::BTreeMap;
use std::time::Duration;

use mf2c_domain::acl::{Acl, Right, Rule};
use mf2c_domain::caller::Caller;
use mf2c_domain::resource::{self, Draft};
use mf2c_store::NewDocument;
use serde_json::json;

use super::members::object;
use crate::ports::World;

/// So many events about one agent may come in a row.
const BURST: u32 = 6;
/// Then one in this time: an agent whose link comes and goes all day is not news each time.
const PAUSE: Duration = Duration::from_secs(600);
/// Users see what becomes of the area.
const READERS: &[Rule] = &[Rule::role("USER", Right::View)];
/// Whoever sees an area's sums.
pub(super) const USERS_SEE: Acl = Acl::of_admin(READERS);

/// How much was told of each agent.
#[derive(Default)]
pub(super) struct News {
    told: BTreeMap<String, Told>,
}

#[derive(Clone, Copy)]
struct Told {
    left: u32,
    /// Since when the next one is saved up.
    since: Duration,
    unsaid: u32,
}

impl News {
    /// What to tell of a change of an agent's state; none where enough was told of it lately.
    pub(super) fn of(&mut self, agent: &str, state: &str, now: Duration) -> Option<String> {
        let told = self.told.entry(agent.to_owned()).or_insert(Told { left: BURST, since: now, unsaid: 0 });
        while told.left < BURST && now.saturating_sub(told.since) >= PAUSE {
            told.left += 1;
            told.since += PAUSE;
        }
        if told.left == BURST {
            told.since = now;
        }
        if told.left == 0 {
            told.unsaid = told.unsaid.saturating_add(1);
            return None;
        }
        told.left -= 1;
        Some(match std::mem::take(&mut told.unsaid) {
            0 => state.to_owned(),
            unsaid => format!("{state}, after {unsaid} more changes"),
        })
    }

    /// Nobody asks about this agent any more.
    pub(super) fn forget(&mut self, agent: &str) {
        self.told.remove(agent);
    }
}

/// The event that tells what became of a document.
pub(super) fn event(id: &str, state: &str, severity: &str, world: &World) -> Option<NewDocument> {
    let now = world.clock.now();
    let attributes = object(json!({
        "timestamp": now.to_string(),
        "type": "state",
        "severity": severity,
        "content": {"resource": {"href": id}, "state": state},
    }));
    let spec = resource::find("event")?;
    let draft = spec.prepare_add(attributes, now, &*world.entropy).ok()?;
    let draft = Draft { acl: Some(USERS_SEE), ..draft };
    NewDocument::new(spec, draft, &Caller::agent(), &*world.entropy).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_that_comes_and_goes_all_day_is_told_of_now_and_then_and_nothing_is_hidden() {
        let mut news = News::default();
        let mut told = vec![];
        for flap in 0..8640_u64 {
            let state = if flap % 2 == 0 { "disconnected" } else { "connected" };
            told.extend(news.of("c1", state, Duration::from_secs(10 * flap)));
        }
        assert!((100..=150).contains(&told.len()), "{}", told.len());
        assert_eq!(told[..6], ["disconnected", "connected", "disconnected", "connected", "disconnected", "connected"]);
        assert!(told[6].ends_with("more changes"), "{}", told[6]);
        assert!(news.of("c2", "joined", Duration::ZERO).is_some(), "others are told of");
        let later = Duration::from_secs(200_000);
        assert!(news.of("c1", "disconnected", later).unwrap().contains("after"));
        assert_eq!(news.of("c1", "connected", later).unwrap(), "connected");
    }
}
