//! What is promised of the resource types: the guide's and the specification's documents, refusals, edits, laws.

mod edits;
mod laws;
mod published;
mod refusals;

use serde_json::{Map, Value, json};

use super::{Draft, SchemaError, TypeSpec, all, find};
use crate::entropy::Entropy;
use crate::time::Timestamp;

/// The bodies of the developer guide, and those of `spec/cimi-resources.md`.
const GUIDE: &str = include_str!("guide.json");
const EXAMPLES: &str = include_str!("examples.json");

const NOW: Timestamp = Timestamp::from_millis(1_560_535_584_203);

struct Ones;

impl Entropy for Ones {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0xFF);
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => panic!("{other} is no object"),
    }
}

fn bodies(text: &str) -> Vec<(&'static TypeSpec, Map<String, Value>)> {
    let cases: Vec<Value> = serde_json::from_str(text).unwrap();
    cases
        .into_iter()
        .map(|case| (find(case["type"].as_str().unwrap()).unwrap(), object(case["body"].clone())))
        .collect()
}

fn add(spec: &TypeSpec, body: Map<String, Value>) -> Result<Draft, SchemaError> {
    spec.prepare_add(body, NOW, &Ones)
}

fn add_json(name: &str, body: Value) -> Result<Draft, SchemaError> {
    add(find(name).unwrap(), object(body))
}

/// One acceptable body for each type.
fn specimens() -> Vec<(&'static TypeSpec, Map<String, Value>)> {
    all()
        .iter()
        .map(|spec| {
            let built_in = (spec.documents)().into_iter().next().map(|document| (*spec, document.attributes));
            let body = bodies(EXAMPLES).into_iter().find(|(kind, _)| kind.name == spec.name).or(built_in);
            body.unwrap_or_else(|| panic!("there is no specimen of {}", spec.name))
        })
        .collect()
}

/// The document as the server would store and show it.
fn stored(spec: &TypeSpec, draft: &Draft) -> Map<String, Value> {
    let id = format!("{}/{}", spec.name, draft.name.as_deref().unwrap_or("0a-1"));
    let mut document = draft.attributes.clone();
    document.extend(object(json!({
        "id": id, "resourceURI": spec.uri, "created": NOW.to_string(), "updated": NOW.to_string(),
        "acl": {"owner": {"principal": "ADMIN", "type": "ROLE"}},
        "operations": [{"rel": "edit", "href": id}],
    })));
    document
}

#[test]
fn every_body_of_the_guide_is_accepted() {
    for (spec, body) in bodies(GUIDE) {
        let shown = format!("{} {body:?}", spec.name);
        if let Err(error) = add(spec, body) {
            panic!("{shown}: {error}");
        }
    }
}

#[test]
fn every_example_of_the_specification_is_accepted() {
    for (spec, body) in specimens().into_iter().chain(bodies(EXAMPLES)) {
        if let Err(error) = add(spec, body) {
            panic!("{}: {error}", spec.name);
        }
    }
}

#[test]
fn the_servers_attributes_are_dropped_from_a_body_whatever_they_hold() {
    for (spec, body) in specimens() {
        let mut burdened = body.clone();
        for name in super::SERVER_OWNED {
            burdened.insert(name.to_owned(), json!({"any": [1, null]}));
        }
        assert_eq!(add(spec, burdened).unwrap().attributes, add(spec, body).unwrap().attributes, "{}", spec.name);
    }
}

#[test]
fn what_a_new_resource_lacks_is_filled() {
    let service = json!({"name": "a", "exec": "b", "exec_type": "docker", "agent_type": "normal", "num_agents": "2",
        "sla_templates": ["sla-template/x"], "category": {"cpu": "low"}});
    let service = add_json("service", service).unwrap().attributes;
    assert_eq!(service["category"], 0);
    for name in ["cpu_recommended", "memory_recommended", "disk_recommended", "network_recommended"] {
        assert_eq!(service[name], json!(0.0));
    }
    assert_eq!(service["num_agents"], 2);
    assert_eq!(service["sla_templates"], json!([{"href": "sla-template/x"}]));

    let report = json!({"serviceInstance": {"href": "service-instance/a"}, "operation": "op", "execution_time": 50});
    let report = add_json("service-operation-report", report).unwrap().attributes;
    assert_eq!(report["start_time"], "2019-06-14T18:05:34.203Z");
    assert_eq!(report["expected_end_time"], "2019-06-14T18:06:24.203Z");
    assert_eq!((&report["compute_node_id"], &report["result"]), (&json!(""), &json!("")));
    assert_eq!(report["operation_id"].as_str().unwrap().len(), 36);
}

#[test]
fn both_names_of_a_report_are_stored_whichever_was_sent() {
    for name in ["serviceInstance", "requesting_application_id"] {
        let mut report = object(json!({"operation": "op", "execution_length": 1.5}));
        report.insert(name.to_owned(), json!({"href": "service-instance/a"}));
        let report = add(find("service-operation-report").unwrap(), report).unwrap().attributes;
        assert_eq!(report["serviceInstance"], report["requesting_application_id"]);
        assert_eq!((&report["operation_name"], &report["execution_time"]), (&json!("op"), &json!(1.5)));
    }
}

#[test]
fn older_names_and_whole_floats_take_their_present_form() {
    let (spec, mut body) = bodies(GUIDE).into_iter().find(|(spec, _)| spec.name == "service-instance").unwrap();
    body["agents"][0]["num_cpus"] = json!(7.0);
    let agent = &add(spec, body).unwrap().attributes["agents"][0];
    assert_eq!((&agent["master_compss"], agent.get("master_comps")), (&json!(true), None));
    assert_eq!(agent["num_cpus"].as_u64(), Some(7));
}

#[test]
fn ids_are_derived_where_the_type_says_so() {
    let inside = json!({"configurationTemplate": {"href": "configuration-template/slipstream", "mailPort": 465}});
    let named = add_json("configuration", inside).unwrap();
    assert_eq!(named.name.as_deref(), Some("slipstream"));
    assert_eq!(named.attributes["mailPort"], 465);
    let second = add_json("configuration", json!({"service": "mail", "instance": "b2"})).unwrap();
    assert_eq!(second.name.as_deref(), Some("mail-b2"));
    let email = add_json("email", json!({"address": "user@example.com"})).unwrap();
    assert_eq!(email.name.as_deref(), Some("b58996c504c5638798eb6b511e6f49af"));
    assert_eq!(add_json("user-profile", specimen("user-profile")).unwrap().name, None);
}

fn specimen(name: &str) -> Value {
    specimens().into_iter().find(|(spec, _)| spec.name == name).unwrap().1.into()
}

#[test]
fn an_access_list_in_a_body_is_read_and_a_missing_one_is_left_to_the_caller() {
    let event = add_json("event", specimen("event")).unwrap();
    assert_eq!(event.acl.unwrap().owner.principal, "joe");
    assert!(!event.attributes.contains_key("acl"));
    assert!(add_json("user-profile", specimen("user-profile")).unwrap().acl.is_none());
    let shared = add_json("user-identifier", specimen("user-identifier")).unwrap().acl.unwrap();
    assert_eq!(shared.rules().len(), 1);
}
