//! From an agreement to OpenSLO.

use serde_json::{Map, Value, json};

use super::{CLIENT, CONSTRAINT, EXPIRATION, GUARANTEE, OpenSloError, PROVIDER, SCOPE, VERSION};
use crate::expression::{Bound, Expression, Grammar};
use crate::period::Period;

/// The longest name of an OpenSLO document.
const MAX_NAME: usize = 63;
/// The window of a promise that has none, for a place that must be filled.
const WINDOW: &str = "28d";

/// Writes an agreement as OpenSLO v1 documents, one for each guarantee.
///
/// # Errors
/// [`OpenSloError::Empty`] where it promises nothing.
pub fn export(agreement: &Map<String, Value>) -> Result<Vec<Value>, OpenSloError> {
    let nothing = Map::new();
    let details = agreement.get("details").and_then(Value::as_object).unwrap_or(&nothing);
    let guarantees = details.get("guarantees").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let documents: Vec<Value> = guarantees
        .iter()
        .filter_map(Value::as_object)
        .enumerate()
        .map(|(at, guarantee)| document(details, guarantee, at))
        .collect();
    if documents.is_empty() { Err(OpenSloError::Empty) } else { Ok(documents) }
}

fn text<'m>(members: &'m Map<String, Value>, name: &str) -> &'m str {
    members.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn document(details: &Map<String, Value>, guarantee: &Map<String, Value>, at: usize) -> Value {
    let (service, name, constraint) = (text(details, "name"), text(guarantee, "name"), text(guarantee, "constraint"));
    let party = |role: &str| details.get(role).and_then(|party| party["id"].as_str()).unwrap_or_default().to_owned();
    let scope = Some(text(guarantee, "scope")).filter(|scope| !scope.is_empty()).unwrap_or(name);
    let mut annotations = json!({
        CONSTRAINT: constraint,
        GUARANTEE: name,
        SCOPE: scope,
        PROVIDER: party("provider"),
        CLIENT: party("client"),
    });
    if let Some(expiration) = details.get("expiration") {
        annotations[EXPIRATION] = expiration.clone();
    }
    let slo = guarantee.get("slo");
    let mut objective =
        json!({ "displayName": name, "target": slo.map_or(json!(1.0), |slo| slo["objective"].clone()) });
    let label = label(service, name, at);
    let indicator = indicator(constraint, &mut objective);
    if let Some(slice) = slo.and_then(|slo| slo.get("slice")) {
        objective["timeSliceWindow"] = format!("{slice}s").into();
    }
    if let Some(share) = slo.and_then(|slo| slo.get("slice_target")) {
        objective["timeSliceTarget"] = share.clone();
    }
    let method = match slo.and_then(|slo| slo["budgeting"].as_str()) {
        Some("timeslices") => "Timeslices",
        Some("ratio_timeslices") => "RatioTimeslices",
        _ => "Occurrences",
    };
    json!({
        "apiVersion": VERSION,
        "kind": "SLO",
        "metadata": { "name": label, "displayName": name, "annotations": annotations },
        "spec": {
            "description": constraint,
            "service": service,
            "indicator": { "metadata": { "name": format!("{label}-indicator") }, "spec": indicator },
            "timeWindow": [{ "duration": window(slo.and_then(|slo| slo["window"].as_str())), "isRolling": true }],
            "budgetingMethod": method,
            "objectives": [objective],
        },
    })
}

/// A simple bound as a threshold, which goes into the objective; anything else as the share of good measurements.
fn indicator(constraint: &str, objective: &mut Value) -> Value {
    let source = |spec: Value| json!({ "metricSource": { "type": "mf2c", "spec": spec } });
    let read = Expression::constraint(constraint, Grammar::Extended).ok();
    let simple = read.filter(|read| read.calls().is_empty() && read.variables().len() == 1);
    if let Some(read) = simple
        && let Some(variable) = read.variables().first()
        && let Some(threshold) = read.threshold(variable)
    {
        objective["op"] = match (threshold.bound, threshold.inclusive) {
            (Bound::Upper, false) => "lt",
            (Bound::Upper, true) => "lte",
            (Bound::Lower, false) => "gt",
            (Bound::Lower, true) => "gte",
        }
        .into();
        objective["value"] = threshold.value.into();
        return json!({ "thresholdMetric": source(json!({ "metric": variable })) });
    }
    json!({ "ratioMetric": {
        "counter": true,
        "good": source(json!({ "constraint": constraint })),
        "total": source(json!({ "metric": "count" })),
    } })
}

/// OpenSLO has no ISO 8601.
fn window(window: Option<&str>) -> String {
    let Some(period) = window.and_then(Period::parse) else { return WINDOW.to_owned() };
    match window {
        Some(plain) if !plain.starts_with('P') => plain.to_owned(),
        _ => match period.millis() / 60_000 {
            minutes if minutes % 1440 == 0 => format!("{}d", minutes / 1440),
            minutes => format!("{}m", minutes.max(1)),
        },
    }
}

/// A name as Kubernetes takes them: small letters, digits and dashes, made distinct by the guarantee's place.
fn label(service: &str, name: &str, at: usize) -> String {
    let plain = format!("{service}-{name}").to_lowercase();
    let plain: String = plain.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let words: Vec<&str> = plain.split('-').filter(|word| !word.is_empty()).collect();
    let plain = if words.is_empty() { "agreement".to_owned() } else { words.join("-") };
    let short: String = plain.chars().take(MAX_NAME - 8).collect();
    format!("{}-{}", short.trim_end_matches('-'), at + 1)
}
