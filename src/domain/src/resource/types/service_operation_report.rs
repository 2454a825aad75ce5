//! `service-operation-report`: how long an operation of a service took.

use serde_json::{Map, Value};

use crate::resource::kind::{Field, Fill, Kind, any_text, float, link, map, timestamp};
use crate::resource::spec::{Names, TypeSpec, USERS_MODIFY};
use crate::time::Timestamp;

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "service-operation-report",
        title: "ServiceOperationReport",
        tag: "serviceOperationReports",
        uri: "http://schemas.dmtf.org/cimi/2/ServiceOperationReport",
        about: "one operation of a running service and how long it took",
    },
    USERS_MODIFY,
    FIELDS,
)
.rework(numbers_are_metrics)
.travels();

const FIELDS: &[Field] = &[
    link("requesting_application_id").required("the service instance").also_called("serviceInstance"),
    any_text("operation_name").required("the operation").also_called("operation"),
    float("execution_length").required("how long it took").unit("s").also_called("execution_time"),
    any_text("operation_id").required("this one execution").or(Fill::RandomId),
    any_text("compute_node_id").required("where it ran; empty where it is not known").or(Fill::Text("")),
    timestamp("start_time").required("when it began").or(Fill::Computed(start_time)),
    timestamp("end_time").optional("when it ended, where that is not its start and its length"),
    timestamp("expected_end_time").required("when it should end").or(Fill::Now),
    any_text("result").required("what came of it").or(Fill::Text("")),
    map("metrics", &Kind::Float).optional("other measured values, by the names that constraints use"),
];

/// Reports are sent when an operation ends, so it began its length ago; never before 1970. The unit is for the agent's settings to
/// say, which a type does not know: whoever reads lengths in milliseconds takes a start that lies as many seconds back for this one.
fn start_time(report: &Map<String, Value>, now: Timestamp) -> Option<Value> {
    let seconds = report.get("execution_length")?.as_f64()?.max(0.0);
    let length = (seconds * 1e9) as i128;
    let start = now.nanos().saturating_sub(length).max(0);
    Some(Timestamp::from_nanos(start).to_string().into())
}

/// Any other number that was measured is a metric, wherever the client writes it, if constraints can name it: what they cannot is
/// refused like all that the type does not know.
fn numbers_are_metrics(report: &mut Map<String, Value>) {
    let is_known = |name: &str| {
        SPEC.attributes().any(|field| field.name == name || field.alias.is_some_and(|alias| alias.name == name))
    };
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.chars().all(|sign| sign.is_ascii_alphanumeric() || sign == '_')
    };
    let others = report.iter().filter(|(name, value)| value.is_number() && is_name(name) && !is_known(name));
    let others: Vec<String> = others.map(|(name, _)| name.clone()).collect();
    // What is no object is refused where the rest is checked.
    if others.is_empty() || report.get("metrics").is_some_and(|metrics| !metrics.is_object()) {
        return;
    }
    let mut moved = Map::new();
    for name in others {
        report.remove(&name).and_then(|value| moved.insert(name, value));
    }
    if let Value::Object(metrics) = report.entry("metrics").or_insert_with(|| Map::new().into()) {
        for (name, value) in moved {
            metrics.entry(name).or_insert(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_that_the_type_does_not_know_are_metrics() {
        let moved = |body: Value| {
            let mut body = body.as_object().unwrap().clone();
            numbers_are_metrics(&mut body);
            Value::from(body)
        };
        assert_eq!(
            moved(json!({"execution_time": 1, "operation": "x", "response_time": 7, "frames": 2.5, "colour": "red"})),
            json!({"execution_time": 1, "operation": "x", "colour": "red", "metrics": {"response_time": 7, "frames": 2.5}})
        );
        let unnamed = json!({"bad-field": 1, "1st": 2});
        assert_eq!(moved(unnamed.clone()), unnamed);
        let both = json!({"a": 1, "metrics": {"a": 2, "b": 3}});
        assert_eq!(moved(both), json!({"metrics": {"a": 2, "b": 3}}), "what is named a metric goes before");
        let wrong = json!({"a": 1, "metrics": 5});
        assert_eq!(moved(wrong.clone()), wrong);
    }
}
