//! What an edit of an agreement or a template must leave whole, whoever makes it and wherever: constraints that can be assessed, and
//! states in their order. Clients' edits are checked at the door, and those that other agents propose where the document is.

use mf2c_domain::id::ResourceId;
use serde_json::{Map, Value};

use crate::agreement::{Problem, check, check_template};
use crate::expression::{Grammar, TimeUnit};
use crate::expressions::Expressions;
use crate::state::{State, TransitionError};

/// The most problems that one text names.
const MAX_SHOWN: usize = 10;

/// How strictly agreements are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Whether a constraint with a fault is refused.
    pub strict: bool,
    /// The unit of `execution_time`.
    pub unit: TimeUnit,
}

impl Default for Rules {
    fn default() -> Self {
        Self { strict: true, unit: TimeUnit::Seconds }
    }
}

/// Why an agreement is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Something in it cannot be assessed.
    #[error("{}", told(.0))]
    Problems(Vec<Problem>),
    /// Its state cannot follow.
    #[error(transparent)]
    State(#[from] TransitionError),
}

fn told(problems: &[Problem]) -> String {
    let shown: Vec<String> =
        problems.iter().take(MAX_SHOWN).map(|problem| format!("`{}`: {}", problem.place, problem.message)).collect();
    let more = problems.len().saturating_sub(MAX_SHOWN);
    let rest = if more == 0 { String::new() } else { format!("; and {more} more") };
    format!("{}{rest}", shown.join("; "))
}

impl Rules {
    /// Whether documents of this type hold promises.
    #[must_use]
    pub fn concern(kind: &str) -> bool {
        matches!(kind, "agreement" | "sla-template")
    }

    /// Whether an edit of a document needs a look at what is stored.
    #[must_use]
    pub fn concern_edit(id: &ResourceId, changes: &Map<String, Value>, removed: &[String]) -> bool {
        let touches = |name: &str| changes.contains_key(name) || removed.iter().any(|gone| gone == name);
        Self::concern(id.kind()) && ["details", "state"].into_iter().any(touches)
    }

    /// Refuses a new agreement or template, as `kind` says, with what cannot be assessed.
    ///
    /// # Errors
    /// [`Refusal::Problems`].
    pub fn check_new(self, kind: &str, attributes: &Map<String, Value>) -> Result<(), Refusal> {
        self.judge(kind, attributes, |_| true)
    }

    /// Refuses an edit that leaves a promise with a constraint that cannot be assessed, or that brings back a terminated agreement. `stored`
    /// is the document as it is.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn check_edit(
        self,
        id: &ResourceId,
        stored: &Map<String, Value>,
        changes: &Map<String, Value>,
        removed: &[String],
    ) -> Result<(), Refusal> {
        if let Some(details) = changes.get("details").filter(|details| stored.get("details") != Some(details)) {
            let edited = Map::from_iter([("details".to_owned(), details.clone())]);
            // What has another shape is refused by the description of the type, in its words.
            self.judge(id.kind(), &edited, |problem| problem.place != "details")?;
        }
        if id.kind() != "agreement" {
            return Ok(());
        }
        let now = State::of(stored.get("state").and_then(Value::as_str).unwrap_or_default());
        let wanted = changes.get("state").and_then(Value::as_str);
        let wanted = wanted.or_else(|| removed.iter().any(|name| name == "state").then_some("stopped"));
        // Clients send whole documents back: the state that it has is no change.
        match wanted.map(State::of).filter(|wanted| *wanted != now) {
            Some(wanted) => Ok(now.transition(wanted, &id.to_string()).map(drop)?),
            None => Ok(()),
        }
    }

    fn judge(
        self,
        kind: &str,
        attributes: &Map<String, Value>,
        counts: impl Fn(&Problem) -> bool,
    ) -> Result<(), Refusal> {
        let mut shared = Expressions::new(Grammar::Extended, self.unit);
        let check = if kind == "sla-template" { check_template } else { check };
        let mut problems = check(attributes, &mut shared);
        problems.retain(|problem| counts(problem) && (self.strict || problem.fault.is_none()));
        if problems.is_empty() { Ok(()) } else { Err(Refusal::Problems(problems)) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    fn edited(stored: Value, changes: Value, removed: &[&str]) -> Result<(), String> {
        let removed: Vec<String> = removed.iter().map(|&name| name.to_owned()).collect();
        let id = ResourceId::parse("agreement/1").unwrap();
        Rules::default()
            .check_edit(&id, &object(stored), &object(changes), &removed)
            .map_err(|refusal| refusal.to_string())
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
            { "name": "g", "constraint": "a LT 1" },
            { "name": "h", "constraint": "a < 1", "slo": { "objective": 7, "window": "1d" } },
        ] } }));
        let loose = Rules { strict: false, ..Rules::default() };
        let text = loose.check_new("agreement", &body).unwrap_err().to_string();
        assert!(text.contains("guarantees[1].slo") && !text.contains("guarantees[0]"), "{text}");
        assert!(Rules::default().check_new("agreement", &body).unwrap_err().to_string().contains("guarantees[0]"));
    }

    #[test]
    fn placeholders_are_for_templates_and_bounds_hold_for_edits_too() {
        let body = object(json!({ "details": { "guarantees": [{ "name": "g", "constraint": "a < {{.N}}" }] } }));
        assert_eq!(Rules::default().check_new("sla-template", &body), Ok(()));
        let text = Rules::default().check_new("agreement", &body).unwrap_err().to_string();
        assert!(text.contains("`details.guarantees[0].constraint`: an agreement has no placeholders"), "{text}");
        let variables: Vec<Value> = (0..257).map(|at| json!({ "name": format!("v{at}") })).collect();
        let crowd = json!({ "details": { "guarantees": [], "variables": variables } });
        assert!(
            edited(json!({}), crowd, &[]).unwrap_err().contains("257 variables are too many, expected at most 256")
        );
    }

    #[test]
    fn a_long_list_of_problems_is_cut() {
        let guarantees: Vec<Value> = (0..12).map(|_| json!({ "name": "g", "constraint": "a LT 1" })).collect();
        let body = object(json!({ "details": { "guarantees": guarantees } }));
        assert!(Rules::default().check_new("agreement", &body).unwrap_err().to_string().ends_with("; and 2 more"));
    }
}
