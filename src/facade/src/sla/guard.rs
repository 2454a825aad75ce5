//! What agreements must hold at every door, CIMI's as well: constraints that compile, and states in their order.

use mf2c_actors::resource_store::EditResource;
use mf2c_domain::resource::TypeSpec;
use mf2c_domain::time::Timestamp;
use mf2c_sla::expression::Grammar;
use mf2c_sla::{Expressions, Problem, State, check};
use mf2c_store::{Document, IfMatch, StoreError, Written};
use serde_json::{Map, Value};

use super::SlaRules;
use crate::cimi::Exchange;
use crate::error::ApiError;

/// An assessment may change an agreement between the look at its state and the write; so often in a row it does not.
const ATTEMPTS: usize = 16;
/// The most problems that one answer names.
const MAX_SHOWN: usize = 10;

/// Whether documents of this type hold promises.
fn promises(kind: &str) -> bool {
    matches!(kind, "agreement" | "sla-template")
}

/// Refuses a new agreement whose constraints cannot be assessed.
///
/// # Errors
/// 400 with the place in the document, the place in the constraint, what was expected there and a hint.
pub(crate) fn check_new(rules: &SlaRules, spec: &TypeSpec, attributes: &Map<String, Value>) -> Result<(), ApiError> {
    if !promises(spec.name) {
        return Ok(());
    }
    let mut shared = Expressions::new(Grammar::Extended, rules.unit);
    let mut problems = check(attributes, &mut shared);
    problems.retain(|problem| rules.strict || problem.fault.is_none());
    if problems.is_empty() { Ok(()) } else { Err(refused(&problems)) }
}

fn refused(problems: &[Problem]) -> ApiError {
    let mut text = String::new();
    for problem in problems.iter().take(MAX_SHOWN) {
        let separator = if text.is_empty() { "" } else { "; " };
        text.push_str(&format!("{separator}`{}`: {}", problem.place, problem.message));
    }
    if problems.len() > MAX_SHOWN {
        text.push_str(&format!("; and {} more", problems.len() - MAX_SHOWN));
    }
    ApiError::bad_request(text)
}

/// What is odd about a new agreement that is taken all the same: it has expired already.
pub(crate) fn warning(spec: &TypeSpec, attributes: &Map<String, Value>, now: Timestamp) -> Option<String> {
    let expiration = attributes.get("details").filter(|_| spec.name == "agreement")?.get("expiration")?.as_str()?;
    let past = Timestamp::parse(expiration).is_some_and(|expiration| expiration < now);
    past.then(|| {
        format!("the agreement expired at {expiration}: it is stored, and will be terminated without being assessed")
    })
}

/// Refuses an edit that leaves an agreement with a constraint that cannot be assessed, or that brings back a terminated one.
fn check_edit(
    rules: &SlaRules,
    body: &Map<String, Value>,
    (id, changes, removed): (&str, &Map<String, Value>, &[String]),
) -> Result<(), ApiError> {
    let details = changes.get("details").filter(|details| body.get("details") != Some(details));
    if let Some(details) = details {
        let edited = Map::from_iter([("details".to_owned(), details.clone())]);
        let mut shared = Expressions::new(Grammar::Extended, rules.unit);
        let mut problems = check(&edited, &mut shared);
        // What has another shape is refused by the description of the type, in its words.
        problems.retain(|problem| {
            problem.place.starts_with("details.guarantees[") && (rules.strict || problem.fault.is_none())
        });
        if !problems.is_empty() {
            return Err(refused(&problems).about(id));
        }
    }
    if !id.starts_with("agreement/") {
        return Ok(());
    }
    let now = State::of(body.get("state").and_then(Value::as_str).unwrap_or_default());
    let wanted = changes.get("state").and_then(Value::as_str);
    let wanted = wanted.or_else(|| removed.iter().any(|name| name == "state").then_some("stopped"));
    // Clients of CIMI send whole documents back: the state that it has is no change.
    match wanted.map(State::of).filter(|wanted| *wanted != now) {
        Some(wanted) => now.transition(wanted, id).map(drop).map_err(|error| ApiError::bad_request(error.to_string())),
        None => Ok(()),
    }
}

/// Whether an edit needs a look at what is stored.
fn matters(changes: &Map<String, Value>, removed: &[String]) -> bool {
    ["details", "state"].iter().any(|name| changes.contains_key(*name) || removed.iter().any(|gone| gone == name))
}

/// As [`check_edit`], against the document as it is stored here.
///
/// # Errors
/// 400 with the reason.
pub(crate) fn check_stored(
    exchange: &Exchange<'_>,
    document: &Document,
    changes: &Map<String, Value>,
    removed: &[String],
) -> Result<(), ApiError> {
    if !promises(document.id.kind()) || !matters(changes, removed) {
        return Ok(());
    }
    let Some(body) = exchange.api.store.body(document)? else { return Ok(()) };
    let body: Map<String, Value> = serde_json::from_slice(&body).unwrap_or_default();
    check_edit(&exchange.api.settings.sla, &body, (document.id.as_str(), changes, removed))
}

/// Edits a document. Between the look at an agreement's state and the write nobody else's write comes.
///
/// # Errors
/// What CIMI answers to the edit; 400 for an agreement that is terminated, and for constraints with faults.
pub(crate) async fn edit(exchange: &Exchange<'_>, edit: EditResource) -> Result<Written, ApiError> {
    let (api, store) = (exchange.api, &exchange.api.store);
    if !promises(edit.id.kind()) || !matters(&edit.changes, &edit.removed) {
        return Ok(api.writer.send(edit).await.map_err(|_| StoreError::Stopping)??);
    }
    let EditResource { id, changes, removed, if_match, by } = edit;
    let mut last = StoreError::Stopping;
    for _ in 0..ATTEMPTS {
        let document = store.get(id.as_str()).ok_or_else(|| ApiError::not_found(id.as_str()))?;
        check_stored(exchange, &document, &changes, &removed)?;
        let seen = store.tag(&document);
        let asked = matches!(if_match, Some(IfMatch::OneOf(_)));
        let if_match = match if_match.clone() {
            Some(IfMatch::OneOf(tags)) => IfMatch::OneOf(tags),
            Some(IfMatch::Any) | None => IfMatch::OneOf(vec![seen.clone()]),
        };
        let attempt = EditResource {
            id: id.clone(),
            changes: changes.clone(),
            removed: removed.clone(),
            if_match: Some(if_match),
            by: by.clone(),
        };
        match api.writer.send(attempt).await.map_err(|_| StoreError::Stopping)? {
            Err(error @ StoreError::Stale { .. }) if !asked => last = error,
            other => return Ok(other?),
        }
    }
    Err(last.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    fn edited(body: Value, changes: Value, removed: &[&str]) -> Result<(), String> {
        let removed: Vec<String> = removed.iter().map(|&name| name.to_owned()).collect();
        check_edit(&SlaRules::default(), &object(body), ("agreement/1", &object(changes), &removed))
            .map_err(|error| error.document()["message"].as_str().unwrap_or_default().to_owned())
    }

    #[test]
    fn nothing_follows_terminated_but_what_leaves_it_so() {
        let ended = json!({ "state": "terminated" });
        for state in ["started", "stopped"] {
            let refused = edited(ended.clone(), json!({ "state": state }), &[]).unwrap_err();
            let expected = format!("Not valid transition from terminated to {state} for agreement agreement/1");
            assert_eq!(refused, expected);
        }
        assert!(edited(ended.clone(), json!({}), &["state"]).is_err());
        assert_eq!(edited(ended, json!({ "state": "terminated", "name": "n" }), &[]), Ok(()));
        assert_eq!(edited(json!({ "state": "stopped" }), json!({ "state": "started" }), &[]), Ok(()));
    }

    #[test]
    fn an_edit_answers_for_the_constraints_that_it_brings_and_not_for_those_that_were_there() {
        let with =
            |constraint: &str| json!({ "details": { "guarantees": [{ "name": "g", "constraint": constraint }] } });
        let refused = edited(with("a < 1"), with("a LT 1"), &[]).unwrap_err();
        assert!(refused.starts_with("`details.guarantees[0].constraint`: "), "{refused}");
        assert!(refused.contains("line 1, column 3") && refused.contains("expected"), "{refused}");
        assert_eq!(edited(with("a LT 1"), with("a LT 1"), &[]), Ok(()));
        assert_eq!(edited(with("a < 1"), json!({ "details": 5 }), &[]), Ok(()), "the schema says it better");
    }

    #[test]
    fn without_strictness_only_constraints_may_have_faults() {
        let body = object(json!({ "details": { "guarantees": [
            { "name": "g", "constraint": "a LT 1" }, { "name": "h", "constraint": "a < 1", "slo": { "objective": 7, "window": "1d" } },
        ] } }));
        let loose = SlaRules { strict: false, ..SlaRules::default() };
        let refused = check_new(&loose, mf2c_domain::resource::find("agreement").unwrap(), &body).unwrap_err();
        let text = refused.document()["message"].to_string();
        assert!(text.contains("guarantees[1].slo") && !text.contains("guarantees[0]"), "{text}");
    }
}
