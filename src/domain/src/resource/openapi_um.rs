//! The part of the OpenAPI document for the original's user management, below `/um`. Its refusals are those of the
//! lifecycle endpoints.

use serde_json::{Map, Value, json};

use super::openapi_lifecycle::{answer, asked, object, operation, sent};
use super::openapi_parts::reference;

/// How a look may be refused.
const READING: [&str; 3] = ["403", "404", "503"];
/// How a change may be refused.
const CHANGING: [&str; 7] = ["400", "403", "404", "409", "413", "415", "503"];

/// The paths at the address of the API.
pub(super) fn paths() -> Map<String, Value> {
    let mut paths = Paths(Map::new());
    paths.general();
    paths.users();
    paths.policies("user-profile", "UserProfile", "UserProfileOfUm");
    paths.policies("sharing-model", "SharingModel", "SharingModelOfUm");
    paths.0
}

struct Paths(Map<String, Value>);

impl Paths {
    fn add(&mut self, path: &str, operations: Value) {
        let mut item = Map::new();
        if path.contains("{name}") {
            item.insert("parameters".to_owned(), json!([reference("parameters", "name")]));
        }
        if let Value::Object(operations) = operations {
            item.extend(operations);
        }
        self.0.insert(format!("/um{path}"), item.into());
    }

    fn general(&mut self) {
        self.add("", json!({ "get": tagged(asked("describeUm", "what answers here", answer(), &[])) }));
        let about = "the device that answers: `user`, `device` or `all`";
        self.add("/current/{name}", json!({ "get": tagged(asked("readCurrent", about, answer(), &READING)) }));
        let about = "whether this device may run one more service, and why not";
        self.add("/check", json!({ "get": tagged(asked("checkPolicyOfUm", about, answer(), &["403", "503"])) }));
        let read =
            asked("readAssessment", "whether what runs is held against what is shared: always", answer(), &["403"]);
        let refused = ["400", "403", "406", "409", "413", "415", "501"];
        let set = asked("setAssessment", "starts it; it is never stopped", answer(), &refused);
        let set = sent(set, &operation(&["start", "stop"]));
        self.add("/assesment", json!({ "get": tagged(read), "put": tagged(set) }));
    }

    fn users(&mut self) {
        let read = asked("readUserOfUm", "reads a user", answer(), &READING);
        self.add("/user/{name}", json!({ "get": tagged(read) }));
        let user = object(&["user_id"], &json!({ "user_id": { "type": "string" } }));
        let refused = ["400", "403", "404", "406", "409", "413", "415", "500", "501", "503"];
        let about = "deletes a user with his sharing models, profiles, services and instances, which are stopped";
        let delete = written(sent(asked("deleteUserOfUm", about, answer(), &refused), &user));
        self.add("/user", json!({ "delete": tagged(delete) }));
    }

    fn policies(&mut self, kind: &str, schema: &str, id: &str) {
        let own = asked(&format!("readOwn{id}"), "that of this device", answer(), &READING);
        let mut operations = json!({ "get": tagged(own) });
        if kind == "sharing-model" {
            let count = object(&["apps_running"], &json!({ "apps_running": { "type": "integer" } }));
            let about = "takes how many more or fewer run, and keeps nothing of it: what runs is counted";
            let nothing = json!({
                "description": "heard", "content": { "application/json": { "schema": { "type": "null" } } },
            });
            let refused = ["400", "403", "406", "413", "415"];
            operations["put"] = tagged(sent(asked("countAppsRunning", about, nothing, &refused), &count));
        }
        self.add(&format!("/{kind}"), operations);
        let read = asked(&format!("read{id}"), "reads one", answer(), &READING);
        let put = asked(&format!("put{id}"), "changes the attributes that the body names", answer(), &CHANGING);
        let put = sent(put, &json!({ "type": "object", "description": format!("attributes of {schema}") }));
        let delete = asked(&format!("delete{id}"), "deletes one", answer(), &["400", "403", "404", "409", "503"]);
        self.add(
            &format!("/{kind}/{{name}}"),
            json!({ "get": tagged(read), "put": tagged(matched(put)), "delete": tagged(matched(delete)) }),
        );
    }
}

fn tagged(mut operation: Value) -> Value {
    operation["tags"] = json!(["um"]);
    operation
}

/// The same for what is written, here or at another agent.
fn written(mut operation: Value) -> Value {
    operation["responses"]["507"] = refusal("the disk is full");
    operation
}

/// The same for what may have changed meanwhile.
fn matched(operation: Value) -> Value {
    let mut operation = written(operation);
    operation["parameters"] = json!([reference("parameters", "ifMatch")]);
    operation["responses"]["202"] = reference("responses", "Waiting");
    operation["responses"]["412"] = refusal("it is not as `If-Match` says");
    operation
}

fn refusal(about: &str) -> Value {
    json!({ "description": about, "content": super::openapi_parts::json_content("LifecycleRefusal") })
}
