//! The part of the OpenAPI document for the original's lifecycle endpoints, below `/lm`, and its recommender, below `/mf2c`. Their
//! refusals are in the original's form.

use serde_json::{Map, Value, json};

use super::openapi_parts::{json_content, parameters, reference};

/// What is refused, in the original's form.
const REFUSALS: [(&str, &str); 10] = [
    ("400", "a mistake in the request"),
    ("403", "the caller may not do it"),
    ("404", "there is no such object"),
    ("406", "something is missing that is needed, as the original has it"),
    ("409", "its state does not allow it, or too few devices fit: `explanation` tells why"),
    ("413", "the body is too large"),
    ("415", "the body is of another type"),
    ("500", "it was tried, and failed"),
    ("501", "no agent does that"),
    ("503", "not now: somebody who is needed cannot be reached"),
];

/// How a request to the lifecycle manager may be refused.
const ASKING: [&str; 5] = ["403", "404", "500", "501", "503"];
/// The same with a body.
const SENDING: [&str; 10] = ["400", "403", "404", "406", "409", "413", "415", "500", "501", "503"];

/// Where the endpoints are at the address of the API.
const PREFIX: &str = "/lm";

/// The schemas that are of no resource type.
pub(super) fn schemas() -> Map<String, Value> {
    let text = json!({ "type": "string" });
    let truth = json!({ "type": "boolean" });
    let any = json!({ "type": "object" });
    let mut schemas = Map::new();
    let mut add = |name: &str, schema: Value| schemas.insert(name.to_owned(), schema);
    add(
        "LifecycleRefusal",
        json!({
            "type": "object", "description": "a refusal in the original's form", "required": ["error", "message"],
            "properties": { "error": truth, "message": text, "explanation": any },
        }),
    );
    add(
        "LifecycleAnswer",
        json!({
            "type": "object", "description": "what became of a request, with more by the name of what it is about",
            "required": ["error", "message"],
            "properties": {
                "error": truth, "message": text, "service_instance": any, "service_instance_id": text,
                "explanation": any,
            },
        }),
    );
    add("LifecycleFacts", json!({ "type": "object", "description": "facts by name" }));
    schemas
}

/// The paths at the address of the API.
pub(super) fn paths() -> Map<String, Value> {
    let mut paths = described(PREFIX);
    paths.insert("/mf2c/optimal".to_owned(), optimal());
    paths
}

/// The OpenAPI 3.1 document of the lifecycle endpoints alone, below a prefix; `version` is the program's.
#[must_use]
pub fn openapi_of_lifecycle(version: &str, prefix: &str) -> Value {
    let parameters = parameters();
    let used = |name: &str| (name.to_owned(), parameters[name].clone());
    let parameters: Map<String, Value> = ["name", "idempotencyKey"].map(used).into_iter().collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "mF2C lifecycle management",
            "summary": "Starts services, and looks after them",
            "version": version,
            "license": { "name": "Apache 2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "this agent" }],
        "paths": described(prefix),
        "components": { "schemas": schemas(), "parameters": parameters },
    })
}

fn described(prefix: &str) -> Map<String, Value> {
    let mut paths = Paths { prefix, found: Map::new() };
    paths.general();
    paths.services();
    paths.instances();
    paths.inside();
    paths.devices();
    paths.found
}

struct Paths<'p> {
    prefix: &'p str,
    found: Map<String, Value>,
}

impl Paths<'_> {
    fn add(&mut self, path: &str, operations: Value) {
        let mut item = Map::new();
        if path.contains("{name}") {
            item.insert("parameters".to_owned(), json!([reference("parameters", "name")]));
        }
        if let Value::Object(operations) = operations {
            item.extend(operations);
        }
        self.found.insert(format!("{}{path}", self.prefix), item.into());
    }

    fn general(&mut self) {
        let description = asked("describeLifecycle", "this description; a page for browsers", facts(), &[]);
        let note = object(
            &["type", "data"],
            &json!({
                "type": { "type": "string", "enum": ["sla_notification", "um_warning", "qos_enforcement"] },
                "data": { "type": "object" },
            }),
        );
        let noted = asked("noteToLifecycle", "takes a note of another module, and logs it", answer(), &SENDING);
        self.add("", json!({ "get": description, "post": sent(noted, &note) }));
        let facts = |id: &str, about: &str, refused: &[&str]| json!({ "get": asked(id, about, facts(), refused) });
        self.add("/agent-config", facts("readLifecycleConfig", "what the agent is, and what it can run", &["403"]));
        let about = "whether this device may run one more service, and why not";
        self.add("/check-agent-um", facts("checkPolicy", about, &["403", "503"]));
        let about = "whether this agent runs services of Docker Swarm: no";
        self.add("/check-agent-swarm", facts("checkSwarm", about, &["403"]));
        let about = "the user profile and the sharing model of this device";
        self.add("/agent-um", facts("readSharing", about, &["403", "503"]));
        self.add("/isumalive", facts("isLifecycleAlive", "whether the lifecycle manager is there", &["503"]));
    }

    fn services(&mut self) {
        let (text, any) = (json!({ "type": "string" }), json!({ "type": "object" }));
        let mut wanted = object(
            &[],
            &json!({
                "service_id": { "type": "string", "description": "the service; or it is in `service`" },
                "service": { "type": "object", "description": "a whole service" },
                "sla_template": text, "agreement_id": text, "name": text,
                "user_id": { "type": "string", "description": "whose it is; counts for administrators" },
                "agents_list": { "type": "array", "items": any, "description": "the only devices: `agent_ip` or `device_id`" },
            }),
        );
        wanted["examples"] = json!([{ "service_id": "service/nobody-has-this" }]);
        let mut launch = sent(asked("launchService", "starts a service", answer(), &SENDING), &wanted);
        let about = "whether nothing is started, and only told where it would run";
        launch["parameters"] =
            json!([query("dryRun", &json!({ "type": "boolean" }), about), reference("parameters", "idempotencyKey")]);
        self.add("/service", json!({ "post": launch }));
        let about = "tells for each device whether it would run a service, and why or why not";
        self.add("/explain/{name}", json!({ "get": asked("explainService", about, answer(), &ASKING) }));
    }

    fn instances(&mut self) {
        let list = asked("listInstancesOfLifecycle", "lists instances", answer(), &["403", "503"]);
        let all = asked("deleteAllInstances", "stops and deletes all that the caller may change", answer(), &ASKING);
        self.add("/service-instances/all", json!({ "get": list, "delete": with_conflict(all) }));
        let read = asked("readInstanceOfLifecycle", "reads one", answer(), &["403", "404", "503"]);
        let words = ["start", "stop", "restart", "update"];
        let operate = asked("operateInstance", "starts, stops, restarts or updates one", answer(), &SENDING);
        let delete = with_conflict(asked("deleteInstance", "stops and deletes one", answer(), &ASKING));
        let put = sent(operate, &operation(&words));
        self.add("/service-instances/{name}", json!({ "get": read, "put": put, "delete": delete }));
        let text = json!({ "type": "string" });
        let names = ["operation", "ceiClass", "className", "hasResult", "methodName", "parameters"];
        let job = object(
            &names,
            &json!({
                "operation": { "type": "string", "enum": ["start-job"] },
                "ceiClass": text, "className": text, "hasResult": { "type": "boolean" }, "methodName": text,
                "parameters": { "type": "string", "description": "a fragment of XML" },
            }),
        );
        let start = asked("startJob", "starts a job of COMPSs", answer(), &SENDING);
        self.add("/service-instances/{name}/der", json!({ "put": sent(start, &job) }));
        let report =
            asked("readReportOfInstance", "the newest report of an operation", answer(), &["403", "404", "503"]);
        self.add("/service-instances/{name}/report", json!({ "get": report }));
    }

    fn inside(&mut self) {
        let lines = json!({
            "description": "lines as they come",
            "content": {
                "text/plain": { "schema": { "type": "string", "description": "`time [index] text`" } },
                "application/x-ndjson": { "schema": { "type": "string", "description": "one JSON object a line" } },
            },
        });
        let refused = ["400", "403", "404", "409", "500", "501", "503"];
        let mut logs = asked("readLogsOfInstance", "what it has said", lines, &refused);
        let number = json!({ "type": "integer", "minimum": 0 });
        logs["parameters"] = json!([
            query("index", &number, "which part of it"),
            query("tail", &number, "only so many of the last lines"),
            query("since", &json!({ "type": "string" }), "only later ones: a time, or how long ago, such as 10m"),
            query("follow", &json!({ "type": "boolean" }), "whether to go on with new ones"),
        ]);
        self.add("/service-instances/{name}/logs", json!({ "get": logs }));
        let program = object(
            &["command"],
            &json!({
                "command": { "type": "array", "minItems": 1, "maxItems": 256, "items": { "type": "string", "minLength": 1 } },
                "index": number,
                "timeout": { "type": "integer", "minimum": 1, "maximum": 300, "description": "seconds; 10 where nothing is said" },
            }),
        );
        let exec = asked("execInInstance", "runs a program beside it: `code`, `output`, `cut`", facts(), &SENDING);
        self.add("/service-instances/{name}/exec", json!({ "post": sent(exec, &program) }));
        let usage = with_conflict(asked("readUsageOfInstance", "what its parts use", answer(), &ASKING));
        self.add("/service-instances/{name}/usage", json!({ "get": usage }));
        let events = asked("readEventsOfInstance", "what has happened to it", answer(), &["403", "404", "503"]);
        self.add("/service-instances/{name}/events", json!({ "get": events }));
    }

    fn devices(&mut self) {
        let about = "lists devices, with whether services are placed on them, and how many are there";
        self.add("/devices", json!({ "get": asked("listDevicesOfLifecycle", about, answer(), &["403", "503"]) }));
        let schedule = asked("scheduleDevice", "says whether services are placed on a device", answer(), &SENDING);
        let schedule = sent(schedule, &operation(&["cordon", "uncordon", "drain"]));
        self.add("/devices/{name}", json!({ "put": schedule }));
    }
}

fn optimal() -> Value {
    let text = json!({ "type": "string" });
    let order = json!({ "type": "array", "items": { "type": "string", "enum": ["cpu", "memory", "network", "disk"] } });
    let mut wanted = object(
        &[],
        &json!({
            "service_id": text, "name": text, "device_id": text, "project": text, "sort_order": order,
            "telemetry_filter": { "type": "boolean" },
        }),
    );
    wanted["examples"] = json!([{ "service_id": "service/nobody-has-this" }]);
    let found = json!({
        "description": "the devices that fit, the best first",
        "content": { "application/json": { "schema": { "type": "array", "items": { "type": "object" } } } },
    });
    let ask = |id: &str| asked(id, "tells which devices would run a service, the best first", found.clone(), &SENDING);
    let mut get = ask("readOptimal");
    get["parameters"] = json!([
        query("service_id", &text, "the service"),
        query("name", &text, "the newest service of this name, the caller's own before others'"),
        query("device_id", &text, "only this device"),
    ]);
    json!({ "get": get, "post": sent(ask("findOptimal"), &wanted) })
}

fn query(name: &str, schema: &Value, about: &str) -> Value {
    json!({ "name": name, "in": "query", "required": false, "schema": schema, "description": about })
}

/// A body that says what to do.
pub(super) fn operation(words: &[&str]) -> Value {
    object(&["operation"], &json!({ "operation": { "type": "string", "enum": words } }))
}

pub(super) fn object(required: &[&str], properties: &Value) -> Value {
    let mut object = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        object["required"] = required.into();
    }
    object
}

pub(super) fn answer() -> Value {
    json!({ "description": "done, or being done", "content": json_content("LifecycleAnswer") })
}

fn facts() -> Value {
    json!({ "description": "the facts", "content": json_content("LifecycleFacts") })
}

/// An operation with its answers.
pub(super) fn asked(id: &str, summary: &str, answer: Value, refused: &[&str]) -> Value {
    let mut answers = Map::new();
    answers.insert("200".to_owned(), answer);
    for status in refused {
        answers.insert((*status).to_owned(), refusal(status));
    }
    json!({ "tags": ["lifecycle"], "operationId": id, "summary": summary, "responses": answers })
}

fn refusal(status: &str) -> Value {
    let about = REFUSALS.iter().find(|(known, _)| *known == status).map_or("", |(_, about)| about);
    json!({ "description": about, "content": json_content("LifecycleRefusal") })
}

/// The same for what its state may not allow.
fn with_conflict(mut operation: Value) -> Value {
    operation["responses"]["409"] = refusal("409");
    operation
}

/// The same with a body.
pub(super) fn sent(mut operation: Value, schema: &Value) -> Value {
    operation["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    operation
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn the_document_of_the_lifecycle_endpoints_stands_alone() {
        let document = openapi_of_lifecycle("1.0.0", "/api/v2/lm");
        let mut found = vec![];
        references(&document, &mut found);
        assert!(!found.is_empty());
        for reference in found {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
        let paths = document["paths"].as_object().unwrap();
        assert!(paths.keys().all(|path| path.starts_with("/api/v2/lm")) && paths.len() > 15);
        assert!(paths.values().flat_map(|item| item.as_object().unwrap()).all(|(method, operation)| {
            method == "parameters" || operation["responses"]["200"]["description"].is_string()
        }));
    }
}
