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
.travels();

const FIELDS: &[Field] = &[
    link("requesting_application_id").required("the service instance").also_called("serviceInstance"),
    any_text("operation_name").required("the operation").also_called("operation"),
    float("execution_length").required("how long it took").unit("s").also_called("execution_time"),
    any_text("operation_id").required("this one execution").or(Fill::RandomId),
    any_text("compute_node_id").required("where it ran; empty where it is not known").or(Fill::Text("")),
    timestamp("start_time").required("when it began").or(Fill::Computed(start_time)),
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
