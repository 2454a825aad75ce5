//! From an agreement to OpenSLO.

use serde_json::{Map, Value, json};

use super::{
    AGREEMENT, CLIENT, CONSTRAINT, EXPIRATION, GUARANTEE, OpenSloError, PROVIDER, REST, SCOPE, VERSION, duration,
    import, rest,
};
use crate::expression::{Bound, Expression, Grammar};

/// The longest name of an OpenSLO document.
const MAX_NAME: usize = 63;
/// What is put behind the name of a document to name its indicator.
const INDICATOR: &str = "-indicator";
/// The longest description, in characters.
const MAX_DESCRIPTION: usize = 1050;
/// The window of a promise that has none, for a place that must be filled.
const WINDOW: &str = "28d";
/// A target of a promise about each single measurement: one of 1 is not allowed.
const ALWAYS: f64 = 0.999_999;
/// The length of a slice that names none, in seconds.
const SLICE: u64 = 60;

/// What was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Exported {
    /// One document for each guarantee.
    pub documents: Vec<Value>,
    /// What OpenSLO has no place for, and where it went, for people.
    pub notes: Vec<String>,
}

/// Writes an agreement as OpenSLO v1 documents, one for each guarantee.
///
/// # Errors
/// [`OpenSloError::Empty`] where it promises nothing.
pub fn export(agreement: &Map<String, Value>) -> Result<Exported, OpenSloError> {
    let nothing = Map::new();
    let details = agreement.get("details").and_then(Value::as_object).unwrap_or(&nothing);
    let guarantees = details.get("guarantees").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let (mut documents, mut notes) = (vec![], vec![]);
    for (at, guarantee) in guarantees.iter().filter_map(Value::as_object).enumerate() {
        let mut made = document(details, guarantee, at, &mut notes);
        let derived = import::read_back(&made)?;
        let mut annotate = |name: &str, rest: Map<String, Value>| {
            if !rest.is_empty() {
                made["metadata"]["annotations"][name] = Value::Object(rest).to_string().into();
            }
        };
        let about = rest::of_agreement(agreement, &derived.agreement);
        let own = rest::between(guarantee, &derived.guarantee);
        if at == 0 {
            notes.extend(told("the agreement", &about, AGREEMENT));
        }
        notes.extend(told(&format!("guarantee `{}`", text(guarantee, "name")), &own, REST));
        annotate(AGREEMENT, about);
        annotate(REST, own);
        documents.push(made);
    }
    if documents.is_empty() { Err(OpenSloError::Empty) } else { Ok(Exported { documents, notes }) }
}

/// What of it OpenSLO has no place for.
fn told(what: &str, rest: &Map<String, Value>, annotation: &str) -> Option<String> {
    let inner = rest.get("details").and_then(Value::as_object).into_iter().flatten();
    let all = rest.iter().filter(|(name, _)| *name != "details").chain(inner).filter(|(_, value)| !value.is_null());
    let mut names: Vec<String> = all.map(|(name, _)| format!("`{name}`")).collect();
    names.dedup();
    (!names.is_empty()).then(|| {
        let names = names.join(", ");
        format!("{what}: OpenSLO has no place for {names}: it stands in the annotation `{annotation}`, as JSON")
    })
}

fn text<'m>(members: &'m Map<String, Value>, name: &str) -> &'m str {
    members.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn document(details: &Map<String, Value>, guarantee: &Map<String, Value>, at: usize, notes: &mut Vec<String>) -> Value {
    let (service, name, constraint) = (text(details, "name"), text(guarantee, "name"), text(guarantee, "constraint"));
    let party = |role: &str| details.get(role).and_then(|party| party["id"].as_str()).unwrap_or_default().to_owned();
    let scope = Some(text(guarantee, "scope")).filter(|scope| !scope.is_empty()).unwrap_or(name);
    let mut annotations = json!({ CONSTRAINT: constraint, GUARANTEE: name, SCOPE: scope });
    let others = [(PROVIDER, party("provider")), (CLIENT, party("client"))];
    let expiration = (EXPIRATION, text(details, "expiration").to_owned());
    for (name, value) in others.into_iter().chain([expiration]).filter(|(_, value)| !value.is_empty()) {
        annotations[name] = value.into();
    }
    let budget = budget(guarantee.get("slo"));
    if guarantee.get("slo").is_none() {
        notes.push(format!("guarantee `{name}`: a promise about each measurement became a target of {ALWAYS}, as one of 1 is not allowed"));
    }
    let mut objective = json!({ "displayName": name, "target": budget.target });
    if let Some(slice) = &budget.slice {
        objective["timeSliceWindow"] = slice.as_str().into();
    }
    if let Some(target) = budget.slice_target {
        objective["timeSliceTarget"] = target.into();
    }
    let declared = details.get("variables").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let bound = bound(constraint).filter(|bound| !declared.iter().any(|variable| variable["name"] == *bound.metric));
    if bound.is_none() {
        notes.push(format!(
            "guarantee `{name}`: its constraint is no single bound, so other programs see a share of good measurements"
        ));
    }
    let label = label(&format!("{service}-{name}"), &format!("-{}", at + 1));
    json!({
        "apiVersion": VERSION,
        "kind": "SLO",
        "metadata": { "name": label, "displayName": name, "annotations": annotations },
        "spec": {
            "description": constraint.chars().take(MAX_DESCRIPTION).collect::<String>(),
            "service": if is_name(service) { service.to_owned() } else { self::label(service, "") },
            "indicator": {
                "metadata": { "name": format!("{label}{INDICATOR}") }, "spec": indicator(constraint, bound, &mut objective),
            },
            "timeWindow": [{ "duration": budget.window, "isRolling": true }],
            "budgetingMethod": budget.method,
            "objectives": [objective],
        },
    })
}

/// What a document says of a budget.
#[derive(Debug, PartialEq)]
pub(super) struct Budget {
    pub(super) method: &'static str,
    pub(super) window: String,
    pub(super) target: f64,
    pub(super) slice: Option<String>,
    pub(super) slice_target: Option<f64>,
}

/// How the `slo` of a guarantee is written.
pub(super) fn budget(slo: Option<&Value>) -> Budget {
    let share = |name: &str| slo?.get(name)?.as_f64().filter(|share| *share > 0.0 && *share <= 1.0);
    let target = share("objective").filter(|target| *target < 1.0).unwrap_or(ALWAYS);
    let method = match slo.and_then(|slo| slo["budgeting"].as_str()) {
        Some("timeslices") => "Timeslices",
        Some("ratio_timeslices") => "RatioTimeslices",
        _ => "Occurrences",
    };
    let seconds = slo.and_then(|slo| slo["slice"].as_u64()).unwrap_or(SLICE);
    let slice = duration::minutes(i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX));
    let sliced = method != "Occurrences";
    Budget {
        method,
        window: slo.and_then(|slo| duration::shorthand(slo["window"].as_str()?)).unwrap_or_else(|| WINDOW.to_owned()),
        target,
        slice: sliced.then_some(slice),
        slice_target: (method == "Timeslices").then(|| share("slice_target").unwrap_or(target)),
    }
}

/// A constraint that is one bound of one number, as a threshold has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SingleBound {
    pub(super) metric: String,
    pub(super) op: &'static str,
    pub(super) value: f64,
}

pub(super) fn bound(constraint: &str) -> Option<SingleBound> {
    let read = Expression::constraint(constraint, Grammar::Extended).ok()?;
    let metric = read.variables().first().filter(|name| read.calls().is_empty() && is_metric(name))?;
    let threshold = read.threshold(metric)?;
    let (op, symbol, mirrored) = match (threshold.bound, threshold.inclusive) {
        (Bound::Upper, false) => ("lt", "<", ">"),
        (Bound::Upper, true) => ("lte", "<=", ">="),
        (Bound::Lower, false) => ("gt", ">", "<"),
        (Bound::Lower, true) => ("gte", ">=", "<="),
    };
    let value = threshold.value;
    // Nothing else may stand beside it.
    let whole = [format!("[{metric}] {symbol} {value}"), format!("{value} {mirrored} [{metric}]")];
    let same = |text: &String| Expression::constraint(text, Grammar::Extended).is_ok_and(|other| other == read);
    whole.iter().any(same).then(|| SingleBound { metric: metric.to_string(), op, value })
}

/// Whether a number of the reports can have this name in a document.
pub(super) fn is_metric(name: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-');
    !name.is_empty() && name.len() <= 128 && name.chars().all(fits)
}

/// A single bound as a threshold, which goes into the objective; anything else as the share of good measurements.
fn indicator(constraint: &str, bound: Option<SingleBound>, objective: &mut Value) -> Value {
    let source = |spec: Value| json!({ "metricSource": { "type": "mf2c", "spec": spec } });
    match bound {
        Some(SingleBound { metric, op, value }) => {
            objective["op"] = op.into();
            objective["value"] = value.into();
            json!({ "thresholdMetric": source(json!({ "metric": metric })) })
        }
        None => json!({ "ratioMetric": {
            "counter": true,
            "good": source(json!({ "constraint": constraint })),
            "total": source(json!({ "metric": "count" })),
        } }),
    }
}

/// Whether a text is a name as RFC 1123 has them.
fn is_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() <= MAX_NAME
        && !text.is_empty()
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// A name as RFC 1123 has them, small letters, digits and dashes, with room for that of an indicator.
fn label(text: &str, ending: &str) -> String {
    let plain = text.to_lowercase();
    let plain: String = plain.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let words: Vec<&str> = plain.split('-').filter(|word| !word.is_empty()).collect();
    let plain = if words.is_empty() { "agreement".to_owned() } else { words.join("-") };
    let room = MAX_NAME.saturating_sub(INDICATOR.len() + ending.len());
    let short: String = plain.chars().take(room).collect();
    format!("{}{ending}", short.trim_end_matches('-'))
}
