//! From OpenSLO to agreements.

use std::collections::BTreeMap;

use mf2c_domain::time::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::shape::{Document, Metadata, Metric, Objective, Sli, Slo, TimeWindow};
use super::{CLIENT, CONSTRAINT, EXPIRATION, GUARANTEE, OpenSloError, PROVIDER, SCOPE, VERSION};
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
    let mut agreements: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for Document { metadata, spec, .. } in slos {
        let slo: Slo = read(&metadata.name, spec)?;
        if !slo.alert_policies.is_empty() {
            notes.push(format!(
                "SLO `{}`: its alert policies were passed over: alarms follow from the budget",
                metadata.name
            ));
        }
        let guarantees = guarantees(&metadata, &slo, &indicators, &mut notes)?;
        let agreement = agreements.entry(slo.service.clone()).or_insert_with(|| begun(&metadata, &slo.service, now));
        let kept = agreement.get_mut("details").and_then(|details| details.get_mut("guarantees"));
        if let Some(Value::Array(kept)) = kept {
            kept.extend(guarantees);
        }
    }
    if agreements.is_empty() {
        return Err(OpenSloError::Nothing);
    }
    Ok(Imported { agreements: agreements.into_values().collect(), notes })
}

fn read<T: DeserializeOwned>(name: &str, spec: Map<String, Value>) -> Result<T, OpenSloError> {
    serde_json::from_value(Value::Object(spec)).map_err(|error| wrong(name, error.to_string()))
}

fn wrong(name: &str, what: impl Into<String>) -> OpenSloError {
    OpenSloError::Slo { name: name.chars().take(80).collect(), what: what.into() }
}

fn begun(metadata: &Metadata, service: &str, now: Timestamp) -> Map<String, Value> {
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
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn guarantees(
    metadata: &Metadata,
    slo: &Slo,
    indicators: &BTreeMap<String, Sli>,
    notes: &mut Vec<String>,
) -> Result<Vec<Value>, OpenSloError> {
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
    for (at, objective) in slo.objectives.iter().enumerate() {
        let constraint = match metadata.annotations.get(CONSTRAINT).filter(|_| slo.objectives.len() == 1) {
            Some(constraint) => constraint.clone(),
            None => constraint(name, sli, objective)?,
        };
        let label = if at == 0 { label.clone() } else { format!("{label}-{}", at + 1) };
        let mut guarantee = json!({ "name": label, "constraint": constraint });
        // Without a word about operations the promise is about all of them, whatever its name.
        let scope = metadata.annotations.get(SCOPE).map_or("*", String::as_str);
        if scope != label {
            guarantee["scope"] = scope.into();
        }
        if let Some(budget) = budget(name, slo, objective, notes)? {
            guarantee["slo"] = budget;
        }
        made.push(guarantee);
    }
    Ok(made)
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
    match (ratio.and_then(|ratio| ratio.good.as_ref()), ratio.and_then(|ratio| ratio.bad.as_ref())) {
        (Some(good), _) => Ok(format!("[{}] > 0", variable(name, good)?)),
        (None, Some(bad)) => Ok(format!("[{}] == 0", variable(name, bad)?)),
        (None, None) => {
            Err(wrong(name, "its indicator has neither `thresholdMetric` nor a `ratioMetric` with good or bad"))
        }
    }
}

/// The number of a report that a metric is.
fn variable<'m>(name: &str, metric: &'m Metric) -> Result<&'m str, OpenSloError> {
    let spec = &metric.metric_source.spec;
    let given = ["metric", "query"].iter().find_map(|key| spec.get(*key)?.as_str());
    let is_name = |text: &&str| {
        !text.is_empty()
            && text.len() <= 128
            && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-'))
    };
    given.filter(is_name).ok_or_else(|| {
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
    let target = objective.target.or(objective.target_percent.map(|percent| percent / 100.0));
    let target = target.filter(|target| *target > 0.0 && *target <= 1.0);
    let target =
        target.ok_or_else(|| wrong(name, "an objective needs `target` above 0 and at most 1, or `targetPercent`"))?;
    if target >= 1.0 {
        return Ok(None);
    }
    let window = slo.time_window.first().ok_or_else(|| wrong(name, "it has no `timeWindow`: expected such as 28d"))?;
    if !window.is_rolling {
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
    if let Some(slice) = &objective.time_slice_window {
        let seconds = Period::parse(slice).map(|slice| slice.millis() / 1000).filter(|seconds| *seconds > 0);
        budget["slice"] = seconds.ok_or_else(|| wrong(name, "`timeSliceWindow` is no period such as 1m"))?.into();
    }
    if let Some(share) = objective.time_slice_target {
        budget["slice_target"] = share.into();
    }
    Ok(Some(budget))
}

/// OpenSLO's months, quarters and years are those of ISO 8601; what is smaller is written alike.
fn length(name: &str, window: &TimeWindow) -> Result<String, OpenSloError> {
    let text = window.duration.as_str();
    let long = |unit: char, months: u32| text.strip_suffix(unit)?.parse::<u32>().ok()?.checked_mul(months);
    let months = long('M', 1).or_else(|| long('Q', 3)).or_else(|| long('Y', 12));
    let written = months.map_or_else(|| text.to_owned(), |months| format!("P{months}M"));
    let good = Period::parse(&written).is_some();
    good.then_some(written).ok_or_else(|| wrong(name, "the `duration` of `timeWindow` is no period such as 28d or 1M"))
}
