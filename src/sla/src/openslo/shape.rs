//! The shape of OpenSLO documents, as far as it matters here. Other keys are passed over: there are many dialects.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    #[serde(default)]
    pub(super) api_version: String,
    #[serde(default)]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) metadata: Metadata,
    #[serde(default)]
    pub(super) spec: Map<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Metadata {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Slo {
    pub(super) service: String,
    #[serde(default)]
    pub(super) indicator: Option<Inline>,
    #[serde(default)]
    pub(super) indicator_ref: Option<String>,
    #[serde(default)]
    pub(super) time_window: Vec<TimeWindow>,
    #[serde(default)]
    pub(super) budgeting_method: Option<String>,
    pub(super) objectives: Vec<Objective>,
    #[serde(default)]
    pub(super) alert_policies: Vec<Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Inline {
    pub(super) spec: Sli,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sli {
    #[serde(default)]
    pub(super) threshold_metric: Option<Metric>,
    #[serde(default)]
    pub(super) ratio_metric: Option<Ratio>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Ratio {
    #[serde(default)]
    pub(super) good: Option<Metric>,
    #[serde(default)]
    pub(super) bad: Option<Metric>,
    #[serde(default)]
    pub(super) raw: Option<Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metric {
    pub(super) metric_source: MetricSource,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct MetricSource {
    #[serde(default)]
    pub(super) spec: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TimeWindow {
    #[serde(default)]
    pub(super) duration: String,
    #[serde(default)]
    is_rolling: Option<bool>,
    #[serde(default)]
    calendar: Option<Value>,
}

impl TimeWindow {
    /// Beside a calendar it is false if it is missing.
    pub(super) fn is_rolling(&self) -> bool {
        self.is_rolling.unwrap_or(self.calendar.is_none())
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Objective {
    #[serde(default)]
    pub(super) op: Option<String>,
    #[serde(default)]
    pub(super) value: Option<f64>,
    #[serde(default)]
    pub(super) target: Option<f64>,
    #[serde(default)]
    pub(super) target_percent: Option<f64>,
    #[serde(default)]
    pub(super) time_slice_target: Option<f64>,
    #[serde(default)]
    pub(super) time_slice_window: Option<Value>,
    #[serde(default)]
    pub(super) composite_weight: Option<Value>,
    #[serde(default)]
    pub(super) indicator: Option<Value>,
    #[serde(default)]
    pub(super) indicator_ref: Option<Value>,
}
