//! Merging changes into stored documents.

use serde_json::{Map, Value, json};

use super::{add, object, specimens, stored};
use crate::id::ResourceId;
use crate::resource::{Draft, SchemaError, TypeSpec, find};

fn edit(name: &str, changes: Value, removed: &[&str]) -> Result<Draft, SchemaError> {
    let (spec, current) = current(name);
    let removed: Vec<String> = removed.iter().map(|name| (*name).to_owned()).collect();
    spec.prepare_edit(current, object(changes), &removed, true)
}

fn current(name: &str) -> (&'static TypeSpec, Map<String, Value>) {
    let (spec, body) = specimens().into_iter().find(|(spec, _)| spec.name == name).unwrap();
    let draft = add(spec, body).unwrap();
    (spec, stored(spec, &draft))
}

#[test]
fn a_document_sent_back_as_it_was_read_is_accepted_and_changes_nothing() {
    for (spec, body) in specimens() {
        let draft = add(spec, body).unwrap();
        let document = stored(spec, &draft);
        let edited = spec.prepare_edit(document.clone(), document, &[], true).unwrap();
        assert_eq!(edited.attributes, draft.attributes, "{}", spec.name);
        assert!(edited.acl.is_some());
    }
}

#[test]
fn changes_replace_whole_attributes_and_keep_the_others() {
    let edited = edit("user-profile", json!({"service_consumer": false, "properties": {"a": "b"}}), &[]).unwrap();
    let expected = json!({"service_consumer": false, "resource_contributor": false, "device_id": "some-device",
        "properties": {"a": "b"}});
    assert_eq!(Value::from(edited.attributes), expected);
    assert!(edited.acl.is_none());
}

#[test]
fn attributes_named_for_removal_go_unless_required_or_sent() {
    let names = ["description", "id", "acl", "created", "nonsense", "exec_ports"];
    let edited = edit("service", json!({"exec_ports": [1]}), &names).unwrap();
    assert!(!edited.attributes.contains_key("description"));
    assert_eq!(edited.attributes["exec_ports"], json!([1]));
    let refused = edit("service", json!({}), &["exec"]).unwrap_err().to_string();
    assert!(refused.contains("`exec` is missing"), "{refused}");
}

#[test]
fn the_servers_attributes_cannot_be_edited() {
    let changes = json!({"id": "device/other", "resourceURI": 1, "created": null, "updated": [], "operations": {}});
    let edited = edit("device", changes, &[]).unwrap();
    assert_eq!(edited.attributes, edit("device", json!({}), &[]).unwrap().attributes);
}

#[test]
fn an_edit_of_either_name_of_a_report_changes_both() {
    for changes in [
        json!({"execution_time": 7}),
        json!({"execution_length": 7}),
        json!({"execution_time": 7, "execution_length": 99.9}),
        json!({"execution_time": 99.9, "execution_length": 7}),
        json!({"execution_time": 7.0, "execution_length": 7}),
    ] {
        let edited = edit("service-operation-report", changes.clone(), &[]).unwrap().attributes;
        assert_eq!(edited["execution_time"].as_f64(), Some(7.0), "{changes}");
        assert_eq!(edited["execution_length"], edited["execution_time"], "{changes}");
    }
    let torn = edit("service-operation-report", json!({"execution_time": 7, "execution_length": 8}), &[]);
    assert!(torn.unwrap_err().to_string().contains("has another value"));
    let gone = edit("service-operation-report", json!({}), &["operation"]).unwrap_err().to_string();
    assert!(gone.contains("`operation_name` is missing"), "{gone}");
}

#[test]
fn what_the_id_is_made_of_stays() {
    assert!(edit("configuration", json!({"mailPort": 25, "service": "slipstream"}), &[]).is_ok());
    for (changes, removed) in
        [(json!({"service": "b"}), vec![]), (json!({"instance": "b"}), vec![]), (json!({}), vec!["service"])]
    {
        let text = edit("configuration", changes, &removed).unwrap_err().to_string();
        assert!(text.contains("it cannot be changed, because the id is made of it"), "{text}");
    }
}

#[test]
fn the_event_of_a_deletion_satisfies_its_own_description() {
    let id = ResourceId::parse("device/5f0c").unwrap();
    let event = TypeSpec::deletion_event(&id, super::NOW);
    assert_eq!(event["content"], json!({"resource": {"href": "device/5f0c"}, "state": "DELETED"}));
    assert_eq!(add(find("event").unwrap(), event.clone()).unwrap().attributes, event);
}
