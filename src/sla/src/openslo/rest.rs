//! What OpenSLO has no place for, as JSON in annotations: so nothing is lost on the way out and back.

use mf2c_domain::resource::SERVER_OWNED;
use serde_json::{Map, Value};

/// What an agreement does not take along: it belongs to the agent that it was stored at.
const LEFT: [&str; 4] = ["acl", "state", "assessment", "details"];

/// What must be changed in `derived` to have `original`: null for what is not there.
pub(super) fn between(original: &Map<String, Value>, derived: &Map<String, Value>) -> Map<String, Value> {
    let names = original.keys().chain(derived.keys().filter(|name| !original.contains_key(*name)));
    let other = names.filter(|name| original.get(*name) != derived.get(*name));
    other.map(|name| (name.clone(), original.get(name).cloned().unwrap_or_default())).collect()
}

/// Makes these changes.
pub(super) fn put_back(rest: Map<String, Value>, into: &mut Map<String, Value>) {
    for (name, value) in rest {
        if value.is_null() {
            into.remove(&name);
        } else {
            into.insert(name, value);
        }
    }
}

/// As [`between`], of whole agreements without their guarantees and what belongs to the agent.
pub(super) fn of_agreement(original: &Map<String, Value>, derived: &Map<String, Value>) -> Map<String, Value> {
    let mut rest = between(&own(original), &own(derived));
    let details = between(&terms(original), &terms(derived));
    if !details.is_empty() {
        rest.insert("details".to_owned(), Value::Object(details));
    }
    rest
}

/// Makes the changes of [`of_agreement`].
pub(super) fn put_back_agreement(mut rest: Map<String, Value>, into: &mut Map<String, Value>) {
    let details = rest.remove("details");
    put_back(own(&rest), into);
    if let (Some(Value::Object(mut details)), Some(Value::Object(into))) = (details, into.get_mut("details")) {
        details.remove("guarantees");
        put_back(details, into);
    }
}

fn own(agreement: &Map<String, Value>) -> Map<String, Value> {
    let kept =
        agreement.iter().filter(|(name, _)| !SERVER_OWNED.contains(&name.as_str()) && !LEFT.contains(&name.as_str()));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn terms(agreement: &Map<String, Value>) -> Map<String, Value> {
    let details = agreement.get("details").and_then(Value::as_object).into_iter().flatten();
    details.filter(|(name, _)| *name != "guarantees").map(|(name, value)| (name.clone(), value.clone())).collect()
}
