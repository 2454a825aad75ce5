//! The protocol that clients of the original speak: which request gets which status, message and document.

use mf2c_tests::{Agent, Answer, Start, curl};
use serde_json::{Value, json};

const ADMIN: Option<&str> = Some("internal ADMIN");
const JANE: Option<&str> = Some("jane USER ANON");
const NOBODY: Option<&str> = None;

const DEVICE: &str = r#"{"deviceID":"d1","isLeader":false,"os":"Linux","arch":"x86_64","cpuManufacturer":"Intel",
    "physicalCores":4,"logicalCores":8,"cpuClockSpeed":"1.8 GHz","memory":7873.5,"storage":195865.0,
    "agentType":"Fog agent","networkingStandards":"['eth0']","hwloc":"none","cpuinfo":"none"}"#;

/// A request and what must come back: status, and message.
type Row<'a> = (&'a str, Option<&'a str>, &'a str, &'a str, Option<&'a str>, u16, &'a str);

fn check(agent: &Agent, rows: &[Row<'_>]) {
    for (name, who, method, path, body, status, message) in rows {
        let answer = agent.send_as(*who, method, path, *body);
        assert_eq!(answer.status, *status, "{name}: {method} {path}: {}", answer.text());
        if *status >= 400 || *method == "POST" || *method == "DELETE" {
            is_message_document(&answer);
        }
        if !message.is_empty() {
            assert_eq!(answer.message(), *message, "{name}");
        }
    }
}

/// Every refusal is a JSON object with the status, a sentence, and the resource if one is known.
fn is_message_document(answer: &Answer) {
    let document = answer.json();
    assert_eq!(document["status"], answer.status, "{document}");
    assert!(document["message"].as_str().is_some_and(|text| !text.is_empty()), "{document}");
    let known = ["status", "message", "resource-id"];
    assert!(document.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())), "{document}");
    let kind = answer.header("content-type").unwrap_or_default();
    assert!(kind.starts_with("application/json"), "{kind}");
}

fn rels(document: &Value) -> Vec<&str> {
    document["operations"].as_array().into_iter().flatten().filter_map(|operation| operation["rel"].as_str()).collect()
}

#[test]
fn the_entry_point_is_for_all_to_read_and_for_administrators_to_edit() {
    let agent = Start::new().agent();
    let shown = agent.send_as(NOBODY, "GET", "cloud-entry-point", None).expect(200).json();
    assert_eq!(shown["baseURI"], format!("{}/", agent.api()), "T01");
    assert!(shown.get("operations").is_none(), "T01: {shown}");
    assert_eq!(rels(&agent.send("GET", "cloud-entry-point", None).expect(200).json()), ["edit"], "T02");
    let dummy = Some(r#"{"name":"dummy"}"#);
    let refused = "credentials required";
    check(
        &agent,
        &[
            ("T03", JANE, "PUT", "cloud-entry-point", dummy, 403, refused),
            ("T03", NOBODY, "PUT", "cloud-entry-point", dummy, 403, refused),
            (
                "T05",
                NOBODY,
                "POST",
                "cloud-entry-point",
                dummy,
                405,
                "invalid method (post) for /api/cloud-entry-point",
            ),
            ("T05", NOBODY, "DELETE", "cloud-entry-point", None, 405, ""),
            ("T05", NOBODY, "OPTIONS", "cloud-entry-point", None, 405, ""),
        ],
    );
    let edited = agent.send("PUT", "cloud-entry-point", dummy).expect(200).json();
    assert_eq!((&edited["name"], rels(&edited)), (&json!("dummy"), vec!["edit"]), "T04");
    // Clients send back what they were given.
    let mut whole = edited.clone();
    whole["description"] = json!("a fog");
    let again = agent.send("PUT", "cloud-entry-point", Some(&whole.to_string())).expect(200).json();
    assert_eq!((&again["name"], &again["description"]), (&json!("dummy"), &json!("a fog")));
    assert_eq!(again["created"], shown["created"]);

    // Clients take each object with an `href` for a collection.
    let collections: Vec<(&String, &str)> = shown
        .as_object()
        .unwrap()
        .iter()
        .filter_map(|(tag, value)| Some((tag, value.get("href")?.as_str().unwrap())))
        .collect();
    assert!(collections.contains(&(&"templates".to_owned(), "sla-template")));
    assert!(collections.contains(&(&"qos-models".to_owned(), "qos-model")));
    for (tag, name) in collections {
        let collection = agent.send("GET", name, None).expect(200).json();
        assert_eq!(collection["id"], name);
        assert!(collection[tag].is_array(), "{tag}: {collection}");
        assert_eq!(
            collection["resourceURI"].as_str().map(|uri| uri.ends_with("Collection")),
            Some(true),
            "{collection}"
        );
    }
}

#[test]
fn paths_methods_and_rights_are_judged_as_the_original_judges_them() {
    let agent = Start::new().agent();
    let refused = "credentials required";
    check(
        &agent,
        &[
            ("T06", NOBODY, "GET", "credential", None, 403, refused),
            ("T07", NOBODY, "GET", "invalid-collection", None, 405, "invalid method (get) for /api/invalid-collection"),
            ("T07", ADMIN, "POST", "invalid-collection", Some("{}"), 405, ""),
            ("T07", ADMIN, "DELETE", "invalid-collection/x", None, 405, ""),
            ("T07", ADMIN, "GET", "Device", None, 405, "invalid method (get) for /api/Device"),
            ("T07", ADMIN, "GET", "device--dynamic", None, 405, ""),
            ("T08", ADMIN, "GET", "user/unknown", None, 404, "user/unknown not found"),
            (
                "T10",
                ADMIN,
                "GET",
                "event/x/foo",
                None,
                404,
                "undefined action (get, [\"event\" \"foo\"]) for /api/event/x/foo",
            ),
            ("T11", ADMIN, "OPTIONS", "user", None, 405, ""),
            ("T11", ADMIN, "DELETE", "user", None, 405, ""),
            ("T11", ADMIN, "OPTIONS", "user/x", None, 405, ""),
            ("T11", ADMIN, "POST", "user/x", None, 405, ""),
            ("T11", ADMIN, "PATCH", "device/x", Some("{}"), 405, "invalid method (patch) for /api/device/x"),
            ("T12", JANE, "PUT", "event/x", Some("{}"), 405, "invalid method (put) for /api/event/x"),
            ("T12", JANE, "PUT", "session/x", Some("{}"), 405, ""),
            ("T12", JANE, "PUT", "callback/x", Some("{}"), 405, ""),
            ("T12", JANE, "PUT", "email/x", Some("{}"), 405, ""),
            ("T12", ADMIN, "POST", "resource-metadata", Some("{}"), 405, ""),
            ("T12", ADMIN, "POST", "credential-template", Some("{}"), 405, ""),
            ("T12", ADMIN, "POST", "configuration-template", Some("{}"), 405, ""),
            ("T20", NOBODY, "GET", "service-instance", None, 403, refused),
            ("T21", JANE, "GET", "agreement", None, 200, ""),
            ("T26", ADMIN, "POST", "device", Some("{\"deviceID\":"), 400, ""),
        ],
    );
    let root = agent.api().trim_end_matches("/api");
    let nothing = curl(["-k", &format!("{root}/nothing")]).expect(404);
    assert_eq!(nothing.message(), "unknown resource", "T09");
    is_message_document(&nothing);
    let text = ["-k", "-H", "slipstream-authn-info: internal ADMIN", "-H", "content-type: text/plain", "-d", DEVICE];
    let answer = curl(text.into_iter().chain([format!("{}/device", agent.api()).as_str()])).expect(415);
    assert!(answer.message().contains("application/json"), "T27: {}", answer.text());
    let none = agent.send("GET", r#"user?$filter=id="user/nonExistent""#, None).expect(200).json();
    assert_eq!((&none["count"], &none["users"]), (&json!(0), &json!([])), "T28");
    assert_eq!(agent.send("GET", "event", None).expect(200).json()["count"], 0, "nothing was stored");
}

#[test]
fn a_resource_lives_as_it_does_in_the_original() {
    let agent = Start::new().agent();
    let sent = r#"{"service_consumer":true,"resource_contributor":false,"device_id":"some-device"}"#;
    let created = agent.send("POST", "user-profile", Some(sent)).expect(201);
    let id = created.id();
    assert_eq!(created.header("location").as_deref(), Some(id.as_str()), "T13");
    assert_eq!(created.message(), format!("{id} created"), "T13");
    assert!(id.strip_prefix("user-profile/").is_some_and(|uuid| uuid.len() == 36), "T13: {id}");

    let before = agent.send("GET", &id, None).expect(200).json();
    assert_eq!(before["acl"]["owner"], json!({"principal": "ADMIN", "type": "ROLE"}));
    let all = json!({"type": "ROLE", "principal": "ADMIN", "right": "ALL"});
    assert!(before["acl"]["rules"].as_array().unwrap().contains(&all), "T30");
    assert_eq!(rels(&before), ["edit", "delete"]);

    let flipped = r#"{"service_consumer":false,"resource_contributor":true,"device_id":"some-device"}"#;
    let after = agent.send("PUT", &id, Some(flipped)).expect(200).json();
    assert_eq!((&after["service_consumer"], &after["resource_contributor"]), (&json!(false), &json!(true)), "T14");
    assert_eq!(after["created"], before["created"], "T14");
    assert!(after["updated"].as_str() > before["updated"].as_str(), "T14");
    assert_eq!(rels(&after), ["edit", "delete"]);

    let part = agent.send("PUT", &id, Some(r#"{"service_consumer":true}"#)).expect(200).json();
    assert_eq!((&part["service_consumer"], &part["device_id"]), (&json!(true), &json!("some-device")), "T15");

    let bad = agent.send("PUT", &id, Some(r#"{"bad-field":1}"#)).expect(400).message();
    assert!(bad.starts_with("resource does not satisfy defined schema") && bad.contains("bad-field"), "T16: {bad}");

    let _ = agent.send("PUT", &id, Some(r#"{"description":"short-lived"}"#)).expect(200);
    let cut = agent.send("PUT", &format!("{id}?$select=description"), Some("{}")).expect(200).json();
    assert!(cut.get("description").is_none(), "T17: {cut}");
    // What is the server's stays, whatever the client says.
    let kept = agent.send("PUT", &format!("{id}?$select=id,acl,created"), Some(r#"{"id":"user-profile/x"}"#));
    let kept = kept.expect(200).json();
    assert_eq!((&kept["id"], &kept["acl"], &kept["created"]), (&json!(id), &before["acl"], &before["created"]));

    let refused = "credentials required";
    check(
        &agent,
        &[
            ("T19", JANE, "GET", &id, None, 403, refused),
            ("T19", JANE, "PUT", &id, Some("{}"), 403, refused),
            ("T19", JANE, "DELETE", &id, None, 403, refused),
            ("T19", NOBODY, "DELETE", &id, None, 403, refused),
            ("T18", ADMIN, "DELETE", &id, None, 200, &format!("{id} deleted")),
            ("T18", ADMIN, "DELETE", &id, None, 404, &format!("{id} not found")),
            ("T18", ADMIN, "GET", &id, None, 404, &format!("{id} not found")),
            ("T18", ADMIN, "PUT", &id, Some("{}"), 404, &format!("{id} not found")),
        ],
    );
}

#[test]
fn a_collection_can_be_queried_by_put() {
    let agent = Start::new().agent();
    let id = agent.send("POST", "device", Some(DEVICE)).expect(201).id();
    let put = |query: &str, arguments: &[&str]| {
        let url = format!("{}/device{query}", agent.api());
        let who = ["-k", "-g", "-X", "PUT", "-H", "slipstream-authn-info: internal ADMIN", &url];
        curl(who.iter().chain(arguments)).expect(200).json()
    };
    let form = "content-type: application/x-www-form-urlencoded";
    let json_type = "content-type: application/json";
    assert_eq!(put("", &["-H", json_type, "-d", "{}"])["count"], 1, "T22");
    assert_eq!(put("", &["-H", json_type, "-d", r#"{"$filter":"os='none'"}"#])["count"], 1, "a JSON body is ignored");
    assert_eq!(put("", &[])["devices"][0]["id"], id, "T23");
    let none = put("", &["-H", form, "-d", "$last=0"]);
    assert_eq!((&none["count"], &none["devices"]), (&json!(1), &json!([])), "T24");
    assert_eq!(rels(&none), ["add"], "T24");
    assert_eq!(put("", &["-H", form, "--data-raw", r#"$filter=os="Linux"&$select=os"#])["count"], 1);
    assert_eq!(put("?$filter=os='Linux'", &["-H", form, "--data-urlencode", "$filter=memory<100"])["count"], 0);
    assert_eq!(
        put("", &["-H", "content-type: application/x-www-form-urlencoded; charset=utf-8", "-d", "$last=0"])["count"],
        1
    );
}

#[test]
fn what_a_client_sends_for_the_server_is_dropped_and_its_access_list_kept() {
    let agent = Start::new().agent();
    let agreement = json!({
        "id": "a02", "created": {"odd": true}, "updated": 5, "resourceURI": "x", "operations": [], "name": "A",
        "details": {"id": "a02", "type": "agreement", "name": "A", "provider": {"id": "p", "name": "P"},
            "client": {"id": "c", "name": "C"}, "creation": "2018-01-16T17:09:45Z", "guarantees": []},
    });
    let id = agent.send("POST", "agreement", Some(&agreement.to_string())).expect(201).id();
    assert!(id.len() == "agreement/".len() + 36 && !id.ends_with("a02"), "T25: {id}");
    let stored = agent.send("GET", &id, None).expect(200).json();
    assert_eq!(stored["resourceURI"], "http://schemas.dmtf.org/cimi/2/Agreement", "T25");
    assert_eq!(stored["details"]["id"], "a02", "T25");
    for stamp in ["created", "updated"] {
        let text = stored[stamp].as_str().unwrap();
        assert!(text.len() == "2019-06-14T18:06:24.203Z".len() && text.ends_with('Z'), "{stamp}: {text}");
    }

    let acl = json!({"owner": {"principal": "jane", "type": "USER"},
        "rules": [{"principal": "joe", "type": "USER", "right": "VIEW"}]});
    let service = json!({"name": "s", "exec": "e", "exec_type": "docker", "agent_type": "normal", "acl": acl});
    let id = agent.send_as(JANE, "POST", "service", Some(&service.to_string())).expect(201).id();
    let stored = agent.send_as(JANE, "GET", &id, None).expect(200).json();
    assert_eq!(stored["acl"]["owner"], acl["owner"], "T29");
    let rules = stored["acl"]["rules"].as_array().unwrap();
    assert!(rules.contains(&acl["rules"][0]), "T29: {rules:?}");
    assert!(rules.contains(&json!({"principal": "ADMIN", "type": "ROLE", "right": "ALL"})), "T29: {rules:?}");
    assert_eq!(rules.len(), 2, "T29: {rules:?}");
}
