//! The table of types, and the documents made from it.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{add, specimens};
use crate::caller::Caller;
use crate::id::is_type_name;
use crate::resource::kind::{Field, Kind};
use crate::resource::{Served, Verbs, all, find, metadata, openapi};

#[test]
fn each_type_is_found_by_its_name_and_all_names_agree() {
    assert_eq!(all().len(), 50);
    for spec in all() {
        assert_eq!(find(spec.name).map(|found| found.name), Some(spec.name));
        assert!(is_type_name(spec.name));
        assert_eq!(spec.title.to_lowercase(), spec.name.replace('-', ""));
        assert!(spec.uri.rsplit(['/', ':']).next() == Some(spec.title));
        assert_eq!(spec.collection_uri(), format!("{}Collection", spec.uri));
        assert!(!spec.about.is_empty() && spec.attributes().all(|field| !field.about.is_empty()));
    }
    let tags: HashSet<_> = all().iter().map(|spec| spec.tag).collect();
    assert_eq!(tags.len(), all().len());
    assert!(tags.is_superset(&["templates", "qos-models", "userParam", "deviceDynamics", "resourceMetadatas"].into()));
    assert!(find("cloud-entry-point").is_some() && find("").is_none());
}

#[test]
fn no_object_describes_a_member_twice() {
    fn visit(fields: &[Field], place: &str) {
        let mut names = HashSet::new();
        for field in fields {
            assert!(names.insert(field.name), "{place} has {} twice", field.name);
            assert!(field.alias.is_none_or(|alias| names.insert(alias.name)), "{place}: the alias of {}", field.name);
            inside(field.kind, field.name);
        }
    }
    fn inside(kind: Kind, place: &str) {
        match kind {
            Kind::Object(fields) => visit(fields, place),
            Kind::List(list) => inside(*list.of, place),
            Kind::Map(of) => inside(*of, place),
            _ => {}
        }
    }
    all().iter().for_each(|spec| visit(spec.fields, spec.name));
}

#[test]
fn users_reach_the_fog_types_and_strangers_only_what_is_open() {
    let (user, stranger) = (Caller::new("jane", ["USER"]), Caller::anonymous());
    for name in ["agent", "device", "service", "service-instance", "agreement", "qos-model", "user-profile", "email"] {
        let acl = &find(name).unwrap().collection_acl;
        assert!(acl.can_modify(&user) && !acl.can_view(&stranger), "{name}");
    }
    let of = |name: &str| &find(name).unwrap().collection_acl;
    assert!(of("event").can_modify(&stranger) && of("session").can_modify(&stranger));
    assert!(of("session-template").can_view(&stranger) && !of("session-template").can_modify(&user));
    assert!(of("resource-metadata").can_view(&stranger));
    assert!(!of("callback").can_view(&user) && !of("configuration").can_view(&user));
    assert!(!of("credential").can_view(&stranger) && of("credential").can_modify(&user));
}

#[test]
fn what_is_particular_about_a_type_is_said() {
    assert!(find("agent").unwrap().one_per_node);
    assert_eq!(find("event").unwrap().default_order, Some(("timestamp", true)));
    assert_eq!(find("event").unwrap().verbs, Verbs::ADD_DELETE);
    let logged: Vec<_> = all().iter().filter(|spec| spec.delete_is_logged).map(|spec| spec.name).collect();
    assert_eq!(logged, ["device", "device-dynamic"]);
    let mut stated: Vec<_> = all().iter().filter_map(|spec| Some((spec.name, spec.logged_state?))).collect();
    stated.sort_unstable();
    let expected =
        [("agreement", "state"), ("device-dynamic", "status"), ("service-instance", "status"), ("user", "state")];
    assert_eq!(stated, expected);
    for (name, attribute) in stated {
        assert!(find(name).unwrap().attributes().any(|field| field.name == attribute), "{name}");
    }
    let built_in: Vec<_> = all().iter().filter(|spec| spec.served == Served::BuiltIn).map(|spec| spec.name).collect();
    assert_eq!(built_in, ["configuration-template", "credential-template", "resource-metadata"]);
    assert_eq!(find("credential").unwrap().secrets().collect::<Vec<_>>(), ["digest", "secret", "password"]);
}

#[test]
fn the_metadata_of_each_type_names_its_attributes_and_satisfies_its_own_description() {
    let described = find("resource-metadata").unwrap();
    for spec in all() {
        let body = metadata(spec);
        assert_eq!(body["typeURI"], spec.uri);
        let names: HashSet<_> =
            body["attributes"].as_array().unwrap().iter().map(|each| each["name"].as_str().unwrap()).collect();
        assert!(spec.attributes().all(|field| names.contains(field.name)) && names.contains("acl"));
        if let Err(error) = add(described, body) {
            panic!("{}: {error}", spec.name);
        }
    }
    assert_eq!((described.documents)().len(), all().len());
    let device = Value::Object(metadata(find("device").unwrap()));
    let memory = device["attributes"].as_array().unwrap().iter().find(|each| each["name"] == "memory").unwrap();
    let expected = json!({"name": "memory", "type": "double", "unit": "MiB", "mandatory": true,
        "consumerWritable": true, "description": "main memory"});
    assert_eq!(memory, &expected);
}

/// Every `$ref` of the document.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn the_openapi_document_has_every_path_and_every_reference_leads_somewhere() {
    let document = openapi("1.2.3");
    assert_eq!(document["info"]["version"], "1.2.3");
    for spec in all() {
        let collection = &document["paths"][format!("/api/{}", spec.name)];
        assert!(collection["get"].is_object() && collection["put"].is_object(), "{}", spec.name);
        assert_eq!(collection["post"].is_object(), spec.verbs.add);
        let member = &document["paths"][format!("/api/{}/{{name}}", spec.name)];
        assert!(member["get"].is_object());
        assert_eq!((member["put"].is_object(), member["delete"].is_object()), (spec.verbs.edit, spec.verbs.delete));
        let schema = &document["components"]["schemas"][format!("{}Attributes", spec.title)]["properties"];
        assert!(spec.attributes().all(|field| schema.get(field.name).is_some()));
        let whole = &document["components"]["schemas"][spec.title]["required"];
        assert!(spec.secrets().all(|secret| !whole.as_array().unwrap().contains(&json!(secret))), "{}", spec.name);
        let part = &document["components"]["schemas"][format!("{}Part", spec.title)];
        assert_eq!(part["required"], json!(["id", "resourceURI", "acl"]));
    }
    assert!(document["paths"]["/api/cloud-entry-point"]["get"].is_object());
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 500);
    for reference in found {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference} leads nowhere");
    }
}

#[test]
fn each_status_of_the_openapi_document_has_its_own_description() {
    let document = openapi("1");
    let mut statuses = HashSet::new();
    for path in document["paths"].as_object().unwrap().values() {
        for operation in path.as_object().unwrap().values().filter_map(|each| each.get("responses")) {
            statuses.extend(operation.as_object().unwrap().keys().map(String::as_str));
        }
    }
    let expected = [
        "200", "201", "202", "204", "303", "304", "400", "403", "404", "405", "406", "409", "412", "413", "415", "422",
        "429", "500", "501", "503", "507",
    ];
    assert_eq!(statuses, expected.into());
}

#[test]
fn each_type_has_a_specimen() {
    assert_eq!(specimens().len(), all().len());
}
