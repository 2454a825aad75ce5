//! What an agreement's `assessment` shows: as the original has it (`spec/sla.md` 1.5), with state, error and episode beside.

use serde_json::{Map, Value, json};

use super::Book;
use super::standing::Standing;
use crate::agreement::{Agreement, Guarantee};
use crate::expression::Verdict;
use crate::window::instant;

impl Book {
    /// The `assessment` of the agreement; none before the first time that it was assessed. Of guarantees with one name the last shows.
    #[must_use]
    pub fn assessment(&self, agreement: &Agreement) -> Option<Map<String, Value>> {
        let (first, last) = self.assessed?;
        let mut shown = times(first, last);
        let guarantees = agreement.guarantees.iter().zip(&self.standings);
        let guarantees: Map<String, Value> = guarantees
            .filter_map(|(guarantee, standing)| {
                Some((guarantee.name.to_string(), Value::Object(assessed(guarantee, standing, (first, last))?)))
            })
            .collect();
        shown.insert("guarantees".to_owned(), Value::Object(guarantees));
        if !self.stopped.is_empty() {
            let stopped = self.stopped.iter().map(|(from, to)| {
                let mut interval = Map::new();
                // The beginning of time is that of the agreement.
                let from = if *from == i64::MIN { agreement.creation } else { instant(*from) };
                interval.insert("from".to_owned(), from.to_string().into());
                if *to != i64::MAX {
                    interval.insert("to".to_owned(), instant(*to).to_string().into());
                }
                Value::Object(interval)
            });
            shown.insert("stopped".to_owned(), stopped.collect());
        }
        Some(shown)
    }
}

fn times(first: i64, last: i64) -> Map<String, Value> {
    let mut shown = Map::new();
    shown.insert("first_execution".to_owned(), instant(first).to_string().into());
    shown.insert("last_execution".to_owned(), instant(last).to_string().into());
    shown
}

fn assessed(guarantee: &Guarantee, standing: &Standing, all: (i64, i64)) -> Option<Map<String, Value>> {
    // A fault is seen without looking at anything.
    let (first, last) = standing.judged.or_else(|| guarantee.rule.is_err().then_some(all))?;
    let mut shown = times(first, last);
    if let Ok(rule) = &guarantee.rule {
        let names = rule.expression.variables();
        // JSON has no infinities, and a document with `null` in their place is refused.
        let values = standing.values.iter().filter(|last| last.value.is_finite()).filter_map(|last| {
            let name = names.get(usize::from(last.slot))?.to_string();
            let value = json!({ "key": name, "value": last.value, "datetime": instant(last.at).to_string() });
            Some((name, value))
        });
        shown.insert("last_values".to_owned(), Value::Object(values.collect()));
    }
    let state = match standing.verdict {
        _ if standing.is_broken() => "violated",
        Some(Verdict::Kept) => "fulfilled",
        Some(Verdict::Broken) => "violated",
        Some(Verdict::Undetermined) | None => "undetermined",
    };
    shown.insert("state".to_owned(), state.into());
    if let Some(error) = &standing.error {
        shown.insert("error".to_owned(), error.to_string().into());
    }
    // Of the episodes of several instances the one that was seen last.
    let told = standing.subjects.all().filter_map(|subject| subject.episode.told());
    if let Some(breach) = told.max_by_key(|breach| (breach.last, breach.count)) {
        let mut episode = Map::new();
        episode.insert("first_seen".to_owned(), instant(breach.first).to_string().into());
        episode.insert("last_seen".to_owned(), instant(breach.last).to_string().into());
        episode.insert("count".to_owned(), breach.count.into());
        if let Some(worst) = breach.worst.filter(|worst| worst.is_finite()) {
            episode.insert("worst".to_owned(), worst.into());
        }
        shown.insert("episode".to_owned(), Value::Object(episode));
    }
    Some(shown)
}
