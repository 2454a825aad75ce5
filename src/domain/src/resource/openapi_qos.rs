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
    paths.insert("/sm/api/service-management/qos/{name}".to_owned(), get("checkQosAtServiceManager"));
    paths.extend(service_manager());
    paths
}

/// What else the original's service manager answers.
fn service_manager() -> Map<String, Value> {
    let told = |about: &str, status: &str, more: &Value| {
        let schema = json!({
            "allOf": [reference("schemas", "Message")], "properties": more,
        });
        json!({ (status): { "description": about, "content": { "application/json": { "schema": schema } } } })
    };
    let asked = |id: &str, summary: &str, answer: Value, refused: &[(&str, &str)]| {
        let mut responses = answer;
        for (status, name) in refused {
            responses[*status] = reference("responses", name);
        }
        json!({ "tags": ["service-manager"], "operationId": id, "summary": summary, "responses": responses })
    };
    let sent = |mut operation: Value| {
        let schema = json!({ "type": "object", "description": "a service" });
        operation["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": schema } } });
        operation
    };
    let launched = |mut operation: Value| {
        let text = json!({ "type": "string" });
        let schema = json!({
            "type": "object", "required": ["service_id"],
            "properties": { "service_id": { "type": "string", "examples": ["service/x"] }, "sla_template": text },
        });
        operation["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": schema } } });
        operation
    };
    let (forbidden, busy) = (("403", "Forbidden"), ("503", "Busy"));
    let (bad, missing) = (("400", "BadRequest"), ("404", "NotFound"));
    let body = [bad, forbidden, ("409", "Conflict"), ("413", "TooLarge"), busy, ("507", "DiskFull")];
    let of = |kind: &str| json!({ "service": reference("schemas", kind) });
    let all = |name: &str, kind: &str| json!({ (name): { "type": "array", "items": reference("schemas", kind) } });
    let categorised = json!({ "service": { "type": "object" } });
    let name = json!([reference("parameters", "name")]);
    let paths = json!({
        "/sm/api": {
            "get": asked("listServicesOfServiceManager", "lists services",
                told("those that the caller may see", "200", &all("services", "Service")), &[forbidden, busy]),
            "post": sent(asked("categoriseService", "tells the category of a service, and stores nothing",
                told("the service with its category", "201", &categorised), &body)),
        },
        "/sm/api/service/{name}": {
            "parameters": name,
            "get": asked("readServiceOfServiceManager", "reads a service",
                told("the service", "200", &of("Service")), &[bad, forbidden, missing, busy]),
        },
        "/sm/api/gui": {
            "post": sent(asked("registerService", "stores a service", told("it is stored", "201", &json!({})), &body)),
        },
        "/sm/api/gui/service-instance": {
            "post": launched(asked("launchServiceOfServiceManager", "starts a service",
                told("the instance, which is being started", "200", &json!({ "service-instance": { "type": "object" } })),
                &[bad, forbidden, missing, ("409", "Conflict"), ("413", "TooLarge"), busy])),
        },
        "/sm/api/gui/service/{name}": {
            "parameters": name,
            "delete": asked("unregisterService", "deletes a service",
                told("it is gone", "200", &json!({})), &[bad, forbidden, missing, busy, ("507", "DiskFull")]),
        },
        "/sm/api/gui/sla-template": {
            "get": asked("listTemplatesOfServiceManager", "lists templates",
                told("those that the caller may see", "200", &all("templates", "SlaTemplate")), &[forbidden, busy]),
        },
    });
    paths.as_object().cloned().unwrap_or_default()
}
