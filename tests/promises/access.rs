//! Who may see and change what: the header that names a caller, access control lists, and what lists and counts show.

use std::thread;

use mf2c_tests::{Agent, Answer, Start, curl, eventually};
use serde_json::{Value, json};

const ADMIN: Option<&str> = Some("internal ADMIN");
const JANE: Option<&str> = Some("jane USER");
const JOE: Option<&str> = Some("joe USER");
const NOBODY: Option<&str> = None;

fn ask(agent: &Agent, url: &str, headers: &[&str]) -> Answer {
    let mut arguments = vec!["-k".to_owned(), "-g".to_owned(), url.replace("{api}", agent.api())];
    arguments.extend(headers.iter().flat_map(|header| ["-H".to_owned(), (*header).to_owned()]));
    curl(arguments)
}

#[test]
fn the_header_counts_in_development_and_straight_from_this_machine_only() {
    let agent = Start::new().agent();
    let url = "{api}/service";
    let admin = "slipstream-authn-info: internal ADMIN";
    assert_eq!(ask(&agent, url, &[admin]).status, 200);
    assert_eq!(ask(&agent, url, &["Slipstream-Authn-Info:internal   ADMIN"]).status, 200);
    assert_eq!(ask(&agent, &format!("http://{}/api/service", agent.http()), &[admin]).status, 200);
    for header in ["slipstream-authn-info;", "slipstream-authn-info: ADMIN", "slipstream-authn-info: internal admin"] {
        assert_eq!(ask(&agent, url, &[header]).status, 403, "{header}");
    }
    for proxy in ["x-forwarded-for: 10.0.0.1", "forwarded: for=10.0.0.1", "x-real-ip: 10.0.0.1", "via: 1.1 proxy"] {
        let answer = ask(&agent, url, &[admin, proxy]).expect(403);
        assert_eq!(answer.message(), "credentials required", "{proxy}");
        let entry =
            ask(&agent, "{api}/cloud-entry-point", &[admin, proxy, "x-forwarded-host: evil.example"]).expect(200);
        assert_eq!(entry.json()["baseURI"], format!("{}/", agent.api()), "{proxy}");
        assert!(entry.json().get("operations").is_none(), "{proxy}");
    }
    eventually("its log", || agent.log().contains("ignored the header"));
}

#[test]
fn without_development_mode_the_header_is_ignored() {
    let agent = Start::new().plain().agent();
    for path in ["service", "device", "configuration"] {
        let answer = agent.send("GET", path, None).expect(403);
        assert_eq!(answer.message(), "credentials required", "{path}");
    }
    assert_eq!(agent.send("POST", "service", Some("{}")).status, 403);
    assert_eq!(agent.send("PUT", "cloud-entry-point", Some("{}")).status, 403);
    let entry_point = agent.send("GET", "cloud-entry-point", None).expect(200).json();
    assert!(entry_point.get("operations").is_none());
}

fn event(acl: Option<Value>, state: &str) -> String {
    let mut event = json!({"timestamp": "2015-01-16T08:05:00.0Z", "type": "state", "severity": "low",
        "content": {"resource": {"href": "run/1"}, "state": state}});
    if let Some(acl) = acl {
        event["acl"] = acl;
    }
    event.to_string()
}

fn owned(kind: &str, principal: &str, rules: &[(&str, &str, &str)]) -> Option<Value> {
    let rules: Vec<Value> = rules
        .iter()
        .map(|(kind, principal, right)| json!({"type": kind, "principal": principal, "right": right}))
        .collect();
    let mut acl = json!({"owner": {"type": kind, "principal": principal}});
    if !rules.is_empty() {
        acl["rules"] = json!(rules);
    }
    Some(acl)
}

/// The states, as names of the events, that somebody's list shows; the count must agree.
fn listed(agent: &Agent, who: Option<&str>, query: &str) -> Vec<String> {
    let list = agent.send_as(who, "GET", &format!("event?$orderby=content/state&{query}"), None).expect(200).json();
    let names: Vec<String> = list["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["content"]["state"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(list["count"], names.len(), "{who:?} {query}");
    let count = agent.send_as(who, "GET", &format!("event?$last=0&{query}"), None).expect(200).json();
    assert_eq!(count["count"], names.len(), "{who:?} {query}");
    names
}

#[test]
fn lists_and_counts_show_each_caller_what_he_may_see() {
    let agent = Start::new().agent();
    for (who, acl, name) in [
        (ADMIN, None, "a-admin"),
        (JANE, None, "b-jane"),
        (JOE, None, "c-joe"),
        (JANE, owned("USER", "jane", &[("USER", "joe", "VIEW")]), "d-jane-and-joe"),
        (ADMIN, owned("ROLE", "ADMIN", &[("ROLE", "USER", "MODIFY")]), "e-users"),
        (NOBODY, owned("ROLE", "ANON", &[]), "f-anon"),
        (ADMIN, owned("ROLE", "ADMIN", &[("ROLE", "ANON", "VIEW")]), "g-all"),
        (ADMIN, owned("ROLE", "ADMIN", &[("ROLE", "session/1234", "VIEW")]), "h-session"),
        (ADMIN, owned("ROLE", "garden", &[]), "i-garden"),
    ] {
        let answer = agent.send_as(who, "POST", "event", Some(&event(acl, name)));
        assert_eq!(answer.status, 201, "{name}: {}", answer.text());
    }
    let rows: [(Option<&str>, &[&str]); 7] = [
        (NOBODY, &["f-anon", "g-all"]),
        (JANE, &["b-jane", "d-jane-and-joe", "e-users", "f-anon", "g-all"]),
        (JOE, &["c-joe", "d-jane-and-joe", "e-users", "f-anon", "g-all"]),
        (Some("jane"), &["b-jane", "d-jane-and-joe", "f-anon", "g-all"]),
        (Some("joe USER session/1234"), &["c-joe", "d-jane-and-joe", "e-users", "f-anon", "g-all", "h-session"]),
        (Some("eve garden"), &["f-anon", "g-all", "i-garden"]),
        // A name is no role.
        (Some("garden"), &["f-anon", "g-all"]),
    ];
    for (who, names) in rows {
        assert_eq!(listed(&agent, who, ""), names, "{who:?}");
        let without: Vec<&str> = names.iter().copied().filter(|name| *name != "g-all").collect();
        assert_eq!(listed(&agent, who, "$filter=content/state!='g-all'"), without, "{who:?}");
        assert!(listed(&agent, who, "$filter=content/state='a-admin'").is_empty(), "{who:?}");
        let aggregated = agent.send_as(who, "GET", "event?$aggregation=count:type&$last=0", None).expect(200).json();
        assert_eq!(aggregated["aggregations"]["count:type"]["value"], names.len(), "{who:?}");
    }
    assert_eq!(listed(&agent, ADMIN, "").len(), 9);
}

#[test]
fn rights_on_a_document_decide_over_reading_changing_and_deleting_it() {
    let agent = Start::new().agent();
    let service = |acl: Option<Value>| {
        let body = json!({"name": "s", "exec": "e", "exec_type": "docker", "agent_type": "normal", "acl": acl});
        agent.send("POST", "service", Some(&body.to_string())).expect(201).id()
    };
    let shared = |right: &str| service(owned("ROLE", "ADMIN", &[("USER", "jane", right)]));
    let statuses = |id: &str, who: Option<&str>| {
        let read = agent.send_as(who, "GET", id, None).status;
        let edited = agent.send_as(who, "PUT", id, Some(r#"{"description":"x"}"#)).status;
        let deleted = agent.send_as(who, "DELETE", id, None).status;
        (read, edited, deleted)
    };
    for (right, expected) in [
        ("VIEW", (200, 403, 403)),
        ("MODIFY", (200, 200, 200)),
        ("ALL", (200, 200, 200)),
        ("EDIT_DATA", (403, 403, 403)),
        ("VIEW_META", (403, 403, 403)),
    ] {
        let id = shared(right);
        assert_eq!(statuses(&id, JOE), (403, 403, 403), "{right}");
        assert_eq!(statuses(&id, NOBODY), (403, 403, 403), "{right}");
        assert_eq!(statuses(&id, JANE), expected, "{right}");
    }
    // Operations are offered to those alone who may carry them out.
    let id = shared("VIEW");
    assert!(agent.send_as(JANE, "GET", &id, None).expect(200).json().get("operations").is_none());
    let list = agent.send_as(JANE, "GET", "service", None).expect(200).json();
    let entry = list["services"].as_array().unwrap().iter().find(|entry| entry["id"] == id).unwrap();
    assert!(entry.get("operations").is_none(), "{entry}");
    assert_eq!(list["operations"], json!([{"rel": "add", "href": "service"}]));

    // Who may edit may hand on, and an owner keeps everything.
    let id = shared("MODIFY");
    let acl = json!({"acl": owned("USER", "jane", &[("USER", "joe", "VIEW")])}).to_string();
    let given = agent.send_as(JANE, "PUT", &id, Some(&acl)).expect(200).json();
    assert_eq!(given["acl"]["owner"]["principal"], "jane");
    assert_eq!(statuses(&id, JOE), (200, 403, 403));
    assert_eq!(statuses(&id, JANE), (200, 200, 200));
}

#[test]
fn an_access_list_that_means_nothing_is_refused() {
    let agent = Start::new().agent();
    for (acl, hint) in [
        (json!("jane"), "an object"),
        (json!(null), "an object"),
        (json!([{"type": "USER", "principal": "x"}]), "an object"),
        (json!({"owner": ["jane", "USER"]}), "`acl.owner`"),
        (json!({"owner": {"type": "USER", "principal": "x"}, "rules": [["y", "USER", "ALL"]]}), "`acl.rules`"),
        (json!({}), "owner"),
        (json!({"owner": {"type": "USER"}}), "principal"),
        (json!({"owner": {"type": "GROUP", "principal": "x"}}), "ROLE"),
        (json!({"owner": {"type": "USER", "principal": " "}}), "blank"),
        (
            json!({"owner": {"type": "USER", "principal": "x"}, "rules": [{"type": "USER", "principal": "y", "right": "READ"}]}),
            "VIEW",
        ),
        (json!({"owner": {"type": "USER", "principal": "x"}, "extra": 1}), "extra"),
    ] {
        let answer = agent.send("POST", "event", Some(&event(Some(acl.clone()), "x"))).expect(400);
        assert!(answer.message().contains("acl") && answer.message().contains(hint), "{acl}: {}", answer.message());
    }
    // Nobody owns what nobody sends.
    let answer = agent.send_as(NOBODY, "POST", "event", Some(&event(None, "x"))).expect(403);
    assert_eq!(answer.message(), "credentials required");
    assert_eq!(agent.send("GET", "event", None).expect(200).json()["count"], 0);
}

#[test]
fn rights_hold_while_they_are_changed() {
    let agent = Start::new().agent();
    let acl = owned("ROLE", "ADMIN", &[("USER", "jane", "VIEW")]);
    let id = {
        let body = json!({"name": "s", "exec": "e", "exec_type": "docker", "agent_type": "normal", "acl": acl});
        agent.send("POST", "service", Some(&body.to_string())).expect(201).id()
    };
    let closed = json!({"acl": owned("ROLE", "ADMIN", &[]), "description": "secret"}).to_string();
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(agent.send("PUT", &id, Some(&closed)).status, 200));
        // However the two meet, jane never sees what was written for others.
        for _ in 0..10 {
            let answer = agent.send_as(JANE, "GET", &id, None);
            assert!(answer.status == 403 || answer.json().get("description").is_none(), "{}", answer.text());
        }
    });
    assert_eq!(agent.send_as(JANE, "GET", &id, None).status, 403);
    assert_eq!(agent.send_as(JANE, "GET", "service?$filter=description='secret'", None).expect(200).json()["count"], 0);
}
