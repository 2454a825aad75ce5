//! The part of the OpenAPI document for who asks which agents may run an instance.

use serde_json::{Map, Value, json};

use super::openapi_parts::reference;

/// The two paths at the address of the API.
pub(super) fn paths() -> Map<String, Value> {
    let number = json!({ "type": "number" });
    let count = json!({ "type": "integer", "minimum": 0 });
    let text = json!({ "type": "string" });
    let device = json!({
        "type": "object", "required": ["allow", "n", "violations", "p", "bound", "reason", "reasons"],
        "properties": {
            "allow": { "type": "boolean" }, "n": count, "violations": count, "p": number, "bound": number,
            "latency": number, "reason": text, "reasons": { "type": "array", "items": text },
        },
    });
    let answer = json!({
        "type": "object", "required": ["status", "message", "resource-id", "service-instance", "qos"],
        "properties": {
            "status": { "type": "integer" }, "message": text, "resource-id": text,
            "service-instance": reference("schemas", "ServiceInstance"),
            "qos": { "type": "object", "description": "by device", "additionalProperties": device },
        },
    });
    let answer = json!({
        "description": "the instance, with who may run it, and why",
        "content": { "application/json": { "schema": answer } },
    });
    let get = |id: &str| {
        json!({
            "parameters": [reference("parameters", "name")],
            "get": {
                "tags": ["service-instance"], "operationId": id, "summary": "tells which agents may run an instance",
                "responses": {
                    "200": answer, "400": reference("responses", "BadRequest"),
                    "403": reference("responses", "Forbidden"), "404": reference("responses", "NotFound"),
                    "503": reference("responses", "Busy"),
                },
            },
        })
    };
    let mut paths = Map::new();
    paths.insert("/api/service-management/qos/{name}".to_owned(), get("checkQos"));
    paths.insert("/sm/api/service-instance/{name}".to_owned(), get("checkQosOfServiceManager"));
    paths
}
