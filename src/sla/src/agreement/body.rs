//! The shape of an agreement's document, as far as an assessment reads it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
pub(super) struct Body<'a> {
    #[serde(borrow, default)]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) state: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) created: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) updated: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) details: Details<'a>,
    #[serde(default)]
    pub(super) assessment: Option<AssessmentShape>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Details<'a> {
    #[serde(borrow, default)]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) client: Option<Party>,
    #[serde(borrow, default)]
    pub(super) creation: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) expiration: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) guarantees: Vec<GuaranteeShape<'a>>,
    #[serde(borrow, default)]
    pub(super) variables: Vec<VariableShape<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Party {
    #[serde(default)]
    pub(super) id: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct VariableShape<'a> {
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) metric: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) aggregation: Option<AggregationShape<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct AggregationShape<'a> {
    #[serde(borrow, rename = "type", default)]
    pub(super) kind: Cow<'a, str>,
    /// Seconds.
    #[serde(default)]
    pub(super) window: f64,
}

#[derive(Debug, Deserialize)]
pub(super) struct GuaranteeShape<'a> {
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) constraint: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) scope: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) warning: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) penalties: Vec<PenaltyShape>,
    #[serde(default)]
    pub(super) slo: Option<SloShape>,
    #[serde(default)]
    pub(super) exclusions: Vec<ExclusionShape>,
    #[serde(default)]
    pub(super) absent: Option<String>,
    #[serde(default)]
    pub(super) hysteresis: Option<HysteresisShape>,
    #[serde(default)]
    pub(super) minimum: Option<MinimumShape>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PenaltyShape {
    #[serde(rename = "type", default)]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) value: Value,
    #[serde(default)]
    pub(super) unit: String,
    #[serde(default)]
    pub(super) per: Option<String>,
    #[serde(default)]
    pub(super) window: Option<u32>,
    #[serde(default)]
    pub(super) cap: Option<f64>,
    #[serde(default)]
    pub(super) period: Option<u32>,
}

#[derive(Debug, Deserialize)]
pub(super) struct SloShape {
    pub(super) objective: f64,
    pub(super) window: String,
    #[serde(default)]
    pub(super) budgeting: Option<String>,
    #[serde(default)]
    pub(super) slice: Option<u32>,
    #[serde(default)]
    pub(super) slice_target: Option<f64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ExclusionShape {
    pub(super) start: String,
    pub(super) end: String,
    #[serde(default)]
    pub(super) every: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct HysteresisShape {
    #[serde(default)]
    pub(super) breach: Option<u32>,
    #[serde(default)]
    pub(super) recover: Option<u32>,
}

#[derive(Debug, Deserialize)]
pub(super) struct MinimumShape {
    pub(super) count: u32,
    /// Seconds.
    pub(super) window: u32,
}

/// What an earlier assessment left in the document: where to go on.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct AssessmentShape {
    #[serde(default)]
    pub(crate) first_execution: String,
    #[serde(default)]
    pub(crate) last_execution: String,
    #[serde(default)]
    pub(crate) stopped: Vec<StoppedShape>,
}

/// A time during which the agreement was stopped.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct StoppedShape {
    pub(crate) from: String,
    #[serde(default)]
    pub(crate) to: Option<String>,
}
