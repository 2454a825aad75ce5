//! From OpenSLO to agreements.

use std::collections::BTreeMap;

use mf2c_domain::time::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::export::{SingleBound, bound, budget as written, is_metric};
use super::shape::{Document, Metadata, Metric, Objective, Sli, Slo, TimeWindow};
use super::{
    AGREEMENT, CLIENT, CONSTRAINT, EXPIRATION, GUARANTEE, OpenSloError, PROVIDER, REST, SCOPE, VERSION, duration, rest,
};
use crate::period::Period;

/// The most text that is read.
pub(super) const MAX_BYTES: usize = 4 << 20;

/// What was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// Bodies of agreements, stopped, one for each service.
    pub agreements: Vec<Map<String, Value>>,
    /// What has no counterpart here and was passed over, for people.
    pub notes: Vec<String>,
}

/// Reads OpenSLO v1 documents, in YAML or JSON. The agreements hold from `now` on.
///
/// # Errors
/// [`OpenSloError`] with the document and what was expected.
pub fn import(text: &str, now: Timestamp) -> Result<Imported, OpenSloError> {
    if text.len() > MAX_BYTES {
        return Err(OpenSloError::TooLarge(text.len()));
    }
    let first = |text: String| text.lines().next().unwrap_or_default().to_owned();
    let documents: Vec<Document> =
        serde_saphyr::from_multiple(text).map_err(|error| OpenSloError::Malformed(first(error.to_string())))?;
    let mut indicators = BTreeMap::new();
    let (mut slos, mut notes) = (vec![], vec![]);
    for (at, document) in documents.into_iter().enumerate() {
        if document.api_version != VERSION {
            return Err(OpenSloError::Version { at: at + 1, found: document.api_version.chars().take(40).collect() });
        }
        match document.kind.as_str() {
            "SLO" => slos.push(document),
            "SLI" => {
                let sli: Sli = read(&document.metadata.name, document.spec)?;
                indicators.insert(document.metadata.name, sli);
            }
            // They name things that the agreement's own parties and reports stand for.
            "Service" | "DataSource" => {}
            kind => notes
                .push(format!("{kind} `{}` was passed over: alarms follow from the budget", document.metadata.name)),
        }
    }
    let mut agreements: BTreeMap<String, (Map<String, Value>, Option<String>)> = BTreeMap::new();
    for Document { metadata, spec, .. } in slos {
        let slo: Slo = read(&metadata.name, spec)?;
        if !slo.alert_policies.is_empty() {
            notes.push(format!(
                "SLO `{}`: its alert policies were passed over: alarms follow from the budget",
                metadata.name
            ));
        }
        let guarantees = guarantees(&metadata, &slo, &indicators, &mut notes)?;
        let about = metadata.annotations.get(AGREEMENT).cloned();
        if !agreements.contains_key(&slo.service) {
            let begun = (begun(&metadata, &slo.service, now)?, about.clone());
            agreements.insert(slo.service.clone(), begun);
        }
        let Some((agreement, first)) = agreements.get_mut(&slo.service) else { continue };
        if *first != about {
            notes.push(format!(
                "SLO `{}`: its annotation `{AGREEMENT}` was passed over: that of the first SLO of the service holds",
                metadata.name
            ));
        }
        let kept = agreement.get_mut("details").and_then(|details| details.get_mut("guarantees"));
        if let Some(Value::Array(kept)) = kept {
            kept.extend(guarantees.into_iter().map(Value::Object));
        }
    }
    if agreements.is_empty() {
        return Err(OpenSloError::Nothing);
    }
    Ok(Imported { agreements: agreements.into_values().map(|(agreement, _)| agreement).collect(), notes })
}

fn read<T: DeserializeOwned>(name: &str, spec: Map<String, Value>) -> Result<T, OpenSloError> {
    serde_json::from_value(Value::Object(spec)).map_err(|error| wrong(name, error.to_string()))
}

fn wrong(name: &str, what: impl Into<String>) -> OpenSloError {
    OpenSloError::Slo { name: name.chars().take(80).collect(), what: what.into() }
}

/// What is in a document without the annotations that hold the rest.
pub(super) struct ReadBack {
    pub(super) agreement: Map<String, Value>,
    pub(super) guarantee: Map<String, Value>,
}

/// Reads what was just written, to see what it does not tell.
///
/// # Errors
/// [`OpenSloError::Slo`]; what is written can be read.
pub(super) fn read_back(document: &Value) -> Result<ReadBack, OpenSloError> {
    let malformed = |error: serde_json::Error| OpenSloError::Malformed(error.to_string());
    let Document { metadata, spec, .. } = serde_json::from_value(document.clone()).map_err(malformed)?;
    let slo: Slo = read(&metadata.name, spec)?;
    let guarantee = guarantees(&metadata, &slo, &BTreeMap::new(), &mut vec![])?.pop().unwrap_or_default();
    Ok(ReadBack { agreement: begun(&metadata, &slo.service, Timestamp::default())?, guarantee })
}

/// The JSON object of an annotation.
fn annotated(metadata: &Metadata, annotation: &str) -> Result<Map<String, Value>, OpenSloError> {
    let Some(text) = metadata.annotations.get(annotation) else { return Ok(Map::new()) };
    serde_json::from_str(text)
        .map_err(|error| wrong(&metadata.name, format!("its annotation `{annotation}` is no JSON object: {error}")))
}

fn begun(metadata: &Metadata, service: &str, now: Timestamp) -> Result<Map<String, Value>, OpenSloError> {
    let party = |annotation: &str| {
        let name = metadata.annotations.get(annotation).map_or(service, String::as_str);
        json!({ "id": name, "name": name })
    };
    let mut details = json!({
        "id": service,
        "type": "agreement",
        "name": service,
        "provider": party(PROVIDER),
        "client": party(CLIENT),
        "creation": now.to_string(),
        "guarantees": [],
    });
    if let Some(expiration) = metadata.annotations.get(EXPIRATION) {
        details["expiration"] = expiration.as_str().into();
    }
    let members = [("name", service.into()), ("state", "stopped".into()), ("details", details)];
    let mut agreement = members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    rest::put_back_agreement(annotated(metadata, AGREEMENT)?, &mut agreement);
    Ok(agreement)
}

fn guarantees(
    metadata: &Metadata,
    slo: &Slo,
    indicators: &BTreeMap<String, Sli>,
    notes: &mut Vec<String>,
) -> Result<Vec<Map<String, Value>>, OpenSloError> {
    let name = &metadata.name;
    let sli = match (&slo.indicator, &slo.indicator_ref) {
        (Some(inline), _) => Some(&inline.spec),
        (None, Some(reference)) => {
            let missing = || wrong(name, format!("there is no SLI `{reference}`: put it into the same file"));
            Some(indicators.get(reference).ok_or_else(missing)?)
        }
        (None, None) => None,
    };
    let label = metadata.annotations.get(GUARANTEE).unwrap_or(name);
    let mut made = vec![];
    let single = slo.objectives.len() == 1;
    for (at, objective) in slo.objectives.iter().enumerate() {
        if objective.composite_weight.is_some() || objective.indicator.is_some() || objective.indicator_ref.is_some() {
            return Err(wrong(name, "composite objectives are not known here: write one SLO for each indicator"));
        }
        let told = metadata.annotations.get(CONSTRAINT).filter(|_| single);
        let constraint = match told {
            Some(told) => told_or_said(name, told, sli, objective, notes),
            None => constraint(name, sli, objective)?,
        };
        let label = if at == 0 { label.clone() } else { format!("{label}-{}", at + 1) };
        // Without a word about operations the promise is about all of them, whatever its name.
        let scope = metadata.annotations.get(SCOPE).map_or("*", String::as_str);
        let mut guarantee = Map::new();
        if scope != label {
            guarantee.insert("scope".to_owned(), scope.into());
        }
        guarantee.insert("name".to_owned(), label.into());
        guarantee.insert("constraint".to_owned(), constraint.into());
        if let Some(budget) = budget(name, slo, objective, notes)? {
            guarantee.insert("slo".to_owned(), budget);
        }
        let mut rest = annotated(metadata, REST)?;
        if !single {
            rest.clear();
        }
        if rest.get("slo").is_some_and(|exact| !is_as_written(exact, slo, objective)) {
            rest.remove("slo");
            notes.push(format!(
                "SLO `{name}`: its budget is another than in the annotation `{REST}`: that of the SLO was taken"
            ));
        }
        rest::put_back(rest, &mut guarantee);
        made.push(guarantee);
    }
    Ok(made)
}

/// The constraint of the annotation, unless it is a single bound and the objective has another one of the same metric by now.
fn told_or_said(name: &str, told: &str, sli: Option<&Sli>, objective: &Objective, notes: &mut Vec<String>) -> String {
    let threshold = sli.filter(|sli| sli.threshold_metric.is_some());
    let said = threshold.and_then(|_| constraint(name, sli, objective).ok());
    let bounds = (bound(told), said.as_deref().and_then(bound));
    match (bounds, said) {
        ((Some(was), Some(is)), Some(said)) if was.metric == is.metric && differ(&was, &is) => {
            notes.push(format!(
                "SLO `{name}`: its objective says `{said}` and its annotation `{told}`: the objective was taken"
            ));
            said
        }
        _ => told.to_owned(),
    }
}

fn differ(one: &SingleBound, other: &SingleBound) -> bool {
    one.op != other.op || (one.value - other.value).abs() > f64::EPSILON * one.value.abs()
}

/// Whether the document still says of its budget what was written for this `slo`; null stands for none.
fn is_as_written(exact: &Value, slo: &Slo, objective: &Objective) -> bool {
    let written = written(Some(exact).filter(|exact| !exact.is_null()));
    let is = |share: Option<f64>, written: f64| share.is_some_and(|share| (share - written).abs() < 1e-12);
    let window = slo.time_window.first().is_some_and(|window| window.duration == written.window);
    let slice = objective.time_slice_window.as_ref().and_then(Value::as_str) == written.slice.as_deref();
    let slice_target = match written.slice_target {
        Some(target) => is(objective.time_slice_target, target),
        None => objective.time_slice_target.is_none(),
    };
    let method = slo.budgeting_method.as_deref() == Some(written.method);
    method && window && slice && slice_target && is(objective.target, written.target)
}

fn constraint(name: &str, sli: Option<&Sli>, objective: &Objective) -> Result<String, OpenSloError> {
    let sli = sli.ok_or_else(|| wrong(name, "it has neither `indicator` nor `indicatorRef`"))?;
    if let Some(metric) = &sli.threshold_metric {
        let op = match objective.op.as_deref() {
            Some("lt") => "<",
            Some("lte") => "<=",
            Some("gt") => ">",
            Some("gte") => ">=",
            _ => return Err(wrong(name, "an objective with a threshold needs `op`: one of lt, lte, gt and gte")),
        };
        let value = objective.value.filter(|value| value.is_finite());
        let value = value.ok_or_else(|| wrong(name, "an objective with a threshold needs a number as `value`"))?;
        return Ok(format!("[{}] {op} {value}", variable(name, metric)?));
    }
    let ratio = sli.ratio_metric.as_ref();
    let whole = ratio.and_then(|ratio| ratio.good.as_ref()?.metric_source.spec.get("constraint")?.as_str());
    if let Some(whole) = whole {
        return Ok(whole.to_owned());
    }
    match (ratio.and_then(|ratio| ratio.good.as_ref()), ratio.and_then(|ratio| ratio.bad.as_ref())) {
        (Some(good), _) => Ok(format!("[{}] > 0", variable(name, good)?)),
        (None, Some(bad)) => Ok(format!("[{}] == 0", variable(name, bad)?)),
        (None, None) if ratio.is_some_and(|ratio| ratio.raw.is_some()) => Err(wrong(
            name,
            "a `raw` ratio is computed elsewhere: expected `good` or `bad` with a number of the reports",
        )),
        (None, None) => {
            Err(wrong(name, "its indicator has neither `thresholdMetric` nor a `ratioMetric` with good or bad"))
        }
    }
}

/// The number of a report that a metric is.
fn variable<'m>(name: &str, metric: &'m Metric) -> Result<&'m str, OpenSloError> {
    let spec = &metric.metric_source.spec;
    let given = ["metric", "query"].iter().find_map(|key| spec.get(*key)?.as_str());
    given.filter(|given| is_metric(given)).ok_or_else(|| {
        let what = "a metric must be a number of the reports: write its name, such as `execution_time`, as `metric` \
                    in `metricSource.spec`, or the whole constraint as annotation `mf2c.eu/constraint`";
        wrong(name, what)
    })
}

/// The `slo` of a guarantee; none for a target of 1.
fn budget(
    name: &str,
    slo: &Slo,
    objective: &Objective,
    notes: &mut Vec<String>,
) -> Result<Option<Value>, OpenSloError> {
    if objective.target.is_some() && objective.target_percent.is_some() {
        return Err(wrong(name, "an objective has both `target` and `targetPercent`, expected one of them"));
    }
    let target = objective.target.or(objective.target_percent.map(|percent| percent / 100.0));
    let target = target.filter(|target| *target > 0.0 && *target <= 1.0);
    let target =
        target.ok_or_else(|| wrong(name, "an objective needs `target` above 0 and at most 1, or `targetPercent`"))?;
    if target >= 1.0 {
        return Ok(None);
    }
    if slo.time_window.len() > 1 {
        return Err(wrong(name, format!("it has {} time windows, expected one", slo.time_window.len())));
    }
    let window = slo.time_window.first().ok_or_else(|| wrong(name, "it has no `timeWindow`: expected such as 28d"))?;
    if !window.is_rolling() {
        notes.push(format!("SLO `{name}`: its calendar window is taken as a rolling one"));
    }
    let mut budget = json!({ "objective": target, "window": length(name, window)? });
    budget["budgeting"] = match slo.budgeting_method.as_deref() {
        None | Some("Occurrences") => "occurrences",
        Some("Timeslices") => "timeslices",
        Some("RatioTimeslices") => "ratio_timeslices",
        Some(_) => {
            return Err(wrong(name, "`budgetingMethod` is none of Occurrences, Timeslices and RatioTimeslices"));
        }
    }
    .into();
    let sliced = budget["budgeting"] != "occurrences";
    match &objective.time_slice_window {
        Some(slice) => budget["slice"] = slice_of(name, slice)?.into(),
        None if sliced => {
            notes.push(format!("SLO `{name}`: it has slices without `timeSliceWindow`: they are one minute long"));
        }
        None => {}
    }
    if let Some(share) = objective.time_slice_target {
        if !(share > 0.0 && share <= 1.0) {
            return Err(wrong(name, format!("`timeSliceTarget` is {share}, expected a number above 0, and at most 1")));
        }
        budget["slice_target"] = share.into();
    }
    Ok(Some(budget))
}

/// The length of a slice in seconds: a shorthand, or a number of minutes.
fn slice_of(name: &str, slice: &Value) -> Result<i64, OpenSloError> {
    let seconds = match slice {
        Value::String(text) => duration::period(text).and_then(|text| Some(Period::parse(&text)?.millis() / 1000)),
        Value::Number(number) => number.as_f64().map(|minutes| (minutes * 60.0).round() as i64),
        _ => None,
    };
    let shown: String = slice.to_string().chars().take(40).collect();
    let what = format!("`timeSliceWindow` is {shown}, expected a period such as 1m, or a number of minutes");
    seconds.filter(|seconds| (1..=i64::from(u32::MAX)).contains(seconds)).ok_or_else(|| wrong(name, what))
}

fn length(name: &str, window: &TimeWindow) -> Result<String, OpenSloError> {
    let shown: String = window.duration.chars().take(40).collect();
    let what = format!("the `duration` of `timeWindow` is `{shown}`, which is no period such as 28d or 1M");
    duration::period(&window.duration).ok_or_else(|| wrong(name, what))
}
