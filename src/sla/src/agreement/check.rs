//! What is wrong with an agreement or a template that a client sent, before it is stored. The constraints are held against more than
//! an assessment needs: what can never be of use is refused while somebody is there to mend it.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::body::{Body, Details, GuaranteeShape, VariableShape};
use super::guarantee::Filter;
use super::limits;
use super::read::{amount, exclusion, exclusions_of, filter, slo};
use super::rule::{Binder, aggregation};
use super::{Problem, Sort};
use crate::expression::{Expression, Fault, Function};
use crate::expressions::Expressions;

/// What an exclusion should be.
const EXCLUSION: &str = "this is not a time from `start` to a later `end`, perhaps again `every` period such as 7d, which is an hour \
                         and its own length at least";

fn problem(place: impl Into<String>, message: impl Into<String>) -> Problem {
    Problem { place: place.into(), message: message.into(), fault: None }
}

pub(super) fn check(body: &Map<String, Value>, sort: Sort, shared: &mut Expressions) -> Vec<Problem> {
    let Ok(text) = serde_json::to_vec(body) else { return Vec::new() };
    let shape: Body<'_> = match serde_json::from_slice(&text) {
        Ok(shape) => shape,
        Err(error) => return vec![problem("details", error.to_string())],
    };
    let details = shape.details;
    let excesses = limits::excesses(&details);
    if !excesses.is_empty() {
        return excesses.iter().map(|excess| problem(&*excess.place, excess.message())).collect();
    }
    let mut found = variables(&details);
    let mut binder = Binder::new(shared, &details.variables);
    for (at, shape) in details.guarantees.iter().enumerate() {
        let place = format!("details.guarantees[{at}]");
        let filter = filter(shape, &mut binder);
        binder.exclusions = exclusions_of(shape);
        let warning = shape.warning.as_ref().filter(|warning| !warning.trim().is_empty());
        for (field, text) in [("constraint", Some(&shape.constraint)), ("warning", warning)] {
            let Some(text) = text.filter(|text| sort == Sort::Agreement || !text.contains("{{")) else { continue };
            if let Err(fault) = binder.checked(text, &filter) {
                let place = format!("{place}.{field}");
                found.push(Problem { place, message: fault.to_string(), fault: Some(fault) });
            }
        }
        extras(shape, &place, &mut binder, &filter, &mut found);
    }
    found
}

/// The constraint as an agreement without variables would have it.
pub(super) fn constraint(text: &str, shared: &mut Expressions) -> Result<Arc<Expression>, Arc<Fault>> {
    Binder::new(shared, &[]).checked(text, &Filter::All).map(|rule| rule.expression)
}

fn variables(details: &Details<'_>) -> Vec<Problem> {
    let unknown = |variable: &VariableShape<'_>| {
        let kind = &variable.aggregation.as_ref()?.kind;
        aggregation(kind).is_err().then(|| {
            let kind: String = kind.chars().take(40).collect();
            format!(
                "`{kind}` is no aggregation: expected one of none, average, sum, count, min, max, last, rate, ratio, or a \
                 percentile such as p95"
            )
        })
    };
    let found = details.variables.iter().enumerate().filter_map(|(at, variable)| Some((at, unknown(variable)?)));
    found.map(|(at, message)| problem(format!("details.variables[{at}].aggregation.type"), message)).collect()
}

fn extras(shape: &GuaranteeShape<'_>, place: &str, binder: &mut Binder<'_>, filter: &Filter, found: &mut Vec<Problem>) {
    if let Some(Err(why)) = shape.slo.as_ref().map(slo) {
        found.push(problem(format!("{place}.slo"), why));
    }
    for (at, shape) in shape.penalties.iter().enumerate().filter(|(_, shape)| amount(&shape.value).is_none()) {
        let why = format!("{} is not an amount: a number of at least 0, such as \"10\"", shape.value);
        found.push(problem(format!("{place}.penalties[{at}].value"), why));
    }
    for (at, shape) in shape.penalties.iter().enumerate().filter(|(_, shape)| shape.cap.is_some_and(|cap| cap <= 0.0)) {
        let why =
            format!("{} is not the most that a penalty comes to: a number above 0", shape.cap.unwrap_or_default());
        found.push(problem(format!("{place}.penalties[{at}].cap"), why));
    }
    for (at, _) in shape.exclusions.iter().enumerate().filter(|(_, shape)| exclusion(shape).is_none()) {
        found.push(problem(format!("{place}.exclusions[{at}]"), EXCLUSION));
    }
    if let Some(minimum) = &shape.minimum
        && let Err(why) = binder.window("execution_time", i64::from(minimum.window) * 1000, Function::Count, filter)
    {
        found.push(problem(format!("{place}.minimum"), why));
    }
}
