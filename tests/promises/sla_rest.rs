//! The original's SLA endpoints (`spec/sla.md` 7.3): its codes, bodies and texts, over the documents and rights of CIMI.

use mf2c_tests::{Agent, Answer, Start, curl, eventually};
use serde_json::{Value, json};

use crate::discovery::door_of;

const MISSING: &str = r#"{"code":"404","message":"Can't find object"}"#;

/// An agent whose clients choose the ids, as those of the vectors.
fn agent() -> Agent {
    Start::new().environment("MF2C_SLA_EXTERNAL_IDS", "false").agent()
}

fn ask_as(agent: &Agent, who: Option<&str>, method: &str, path: &str, body: Option<&str>) -> Answer {
    let url = format!("{}{path}", agent.http().trim_end_matches("/api"));
    let header = who.map(|who| format!("slipstream-authn-info: {who}"));
    let mut arguments = vec!["-g", "-X", method, &url];
    if let Some(header) = &header {
        arguments.extend(["-H", header]);
    }
    if let Some(body) = body {
        arguments.extend(["-H", "content-type: application/json", "--data-binary", body]);
    }
    curl(arguments)
}

fn ask(agent: &Agent, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let body = body.map(Value::to_string);
    ask_as(agent, Some("jane USER"), method, &format!("/sla{path}"), body.as_deref())
}

/// An agreement as the original's clients send it.
fn agreement(id: &str, constraint: &str) -> Value {
    json!({ "id": id, "name": "n", "details": details("agreement", "n", constraint) })
}

fn details(kind: &str, name: &str, constraint: &str) -> Value {
    json!({
        "id": "d1", "type": kind, "name": name,
        "provider": { "id": "p", "name": "P" }, "client": { "id": "c", "name": "C" },
        "creation": "2026-01-16T17:09:45.01Z", "expiration": "2099-01-17T17:09:45Z",
        "guarantees": [{ "name": "*", "constraint": constraint }],
    })
}

#[track_caller]
fn refused(answer: Answer, code: u16, text: &str) {
    let found = answer.expect(code).json();
    assert_eq!(found, json!({ "code": code.to_string(), "message": text }));
}

#[test]
fn r1_to_r6_agreements_are_taken_once_and_only_whole() {
    let agent = agent();
    let index = ask(&agent, "GET", "/", None).expect(200);
    assert!(index.header("content-type").unwrap().starts_with("text/plain"), "{}", index.head);
    assert_eq!(index.json().as_object().unwrap().len(), 3);
    assert_eq!(index.json()["providers"]["Path"], "/providers");
    assert_eq!(ask(&agent, "GET", "/agreements", None).expect(200).text(), "[]");
    let a1 = agreement("a1", "execution_time < 10");
    let created = ask(&agent, "POST", "/agreements", Some(&a1)).expect(201).json();
    assert_eq!((&created["id"], &created["state"]), (&"agreement/a1".into(), &"stopped".into()));
    assert_eq!((created.get("assessment"), &created["details"]["name"]), (None, &"n".into()));
    refused(ask(&agent, "POST", "/agreements", Some(&a1)), 409, "Object already exist");
    let eight = "Agreement.Id is  empty. Text.Id is empty. Text.Name is empty. Provider.Id is  empty. Provider.Name is empty. \
                 Client.Id is  empty. Client.Name is empty. Agreement.Name and Agreement.Details.Name do not match. ";
    refused(ask(&agent, "POST", "/agreements", Some(&json!({ "name": "n" }))), 400, eight);
    let mut other = agreement("a2", "execution_time < 10");
    other["name"] = "other".into();
    let text = "Agreement.Name and Agreement.Details.Name do not match. ";
    refused(ask(&agent, "POST", "/agreements", Some(&other)), 400, text);
    // What is stored is the document of CIMI.
    assert_eq!(agent.send("GET", "agreement/a1", None).expect(200).json()["details"], created["details"]);
    assert_eq!(ask(&agent, "GET", "/agreements/a1", None).expect(200).json(), created);
    assert_eq!(ask(&agent, "GET", "/agreements/agreement/a1/details", None).expect(200).json(), created["details"]);
    assert_eq!(ask(&agent, "GET", "/agreements/a1/assessment", None).expect(200).text(), "{}");
}

#[test]
fn r7_to_r10_bad_bodies_are_refused_unknown_keys_passed_over_and_what_is_missing_is_not_found() {
    let agent = agent();
    let post = |body: &str| ask_as(&agent, Some("jane USER"), "POST", "/sla/agreements", Some(body));
    assert_eq!(post("{bad").expect(400).json()["code"], "400");
    let empty = ask_as(&agent, Some("jane USER"), "POST", "/sla/agreements", None);
    refused(empty, 400, "EOF");
    let mut undated = agreement("a1", "execution_time < 10");
    undated["details"]["creation"] = "not a date".into();
    assert!(ask(&agent, "POST", "/agreements", Some(&undated)).expect(400).message().contains("creation"));
    let mut odd = agreement("a1", "execution_time < 10");
    (odd["surprise"], odd["state"], odd["details"]["surprise"]) = (1.into(), "weird".into(), 2.into());
    let created = ask(&agent, "POST", "/agreements", Some(&odd)).expect(201).json();
    assert_eq!(created["state"], "stopped");
    assert!(created.get("surprise").is_none() && created["details"].get("surprise").is_none());
    for (method, path) in [("GET", "/agreements/x"), ("GET", "/agreements/x/details"), ("PUT", "/agreements/x/start")] {
        assert_eq!(ask(&agent, method, path, None).expect(404).text(), MISSING, "{path}");
    }
    assert_eq!(ask(&agent, "DELETE", "/agreements/x", None).expect(404).text(), MISSING, "R19");
}

#[test]
fn r11_to_r13_a_terminated_agreement_stays_so_at_every_door() {
    let agent = agent();
    let a1 = agreement("a1", "execution_time < 10");
    ask(&agent, "POST", "/agreements", Some(&a1)).expect(201);
    let state = || ask(&agent, "GET", "/agreements/a1", None).json()["state"].clone();
    assert!(ask(&agent, "PUT", "/agreements/a1/start", None).expect(204).body.is_empty());
    assert_eq!(state(), "started");
    assert_eq!(ask(&agent, "GET", "/agreements?active=false", None).json().as_array().unwrap().len(), 1);
    let put = ask(&agent, "PUT", "/agreements/a1", Some(&json!({ "state": "bogus", "name": "x" }))).expect(200).json();
    assert_eq!((&put["state"], &put["name"]), (&"stopped".into(), &"n".into()));
    assert_eq!(ask(&agent, "GET", "/agreements?active=true", None).text(), "[]");
    let _ = agent.send("PUT", "agreement/a1", Some(r#"{"state": "started"}"#)).expect(200);
    ask(&agent, "PUT", "/agreements/a1/terminate", None).expect(204);
    let text = |to: &str| format!("Not valid transition from terminated to {to} for agreement agreement/a1");
    refused(ask(&agent, "PUT", "/agreements/a1/terminate", None), 400, &text("terminated"));
    refused(ask(&agent, "PUT", "/agreements/a1/start", None), 400, &text("started"));
    refused(ask(&agent, "PUT", "/agreements/a1", Some(&json!({ "state": "stopped" }))), 400, &text("stopped"));
    let cimi = agent.send("PUT", "agreement/a1", Some(r#"{"state": "started"}"#)).expect(400);
    assert_eq!((cimi.message(), state()), (text("started"), "terminated".into()));
    // CIMI's clients send back whole documents.
    let whole = agent.send("GET", "agreement/a1", None).json().to_string();
    let _ = agent.send("PUT", "agreement/a1", Some(&whole)).expect(200);
    assert!(ask(&agent, "DELETE", "/agreements/a1", None).expect(204).body.is_empty());
    let _ = agent.send("GET", "agreement/a1", None).expect(404);
}

#[test]
fn r14_r15_and_r20_other_methods_paths_and_slashes_are_answered_as_by_the_originals_router() {
    let agent = agent();
    let patched = ask(&agent, "PATCH", "/agreements/a1", None).expect(405);
    assert!(patched.body.is_empty());
    assert_eq!(patched.header("allow").unwrap(), "GET, PUT, DELETE");
    // R15 asks for `/violations`, which the original has not; here it is there.
    let nothing = ask(&agent, "GET", "/else", None).expect(404);
    assert_eq!(nothing.text(), "404 page not found\n");
    assert!(nothing.header("content-type").unwrap().starts_with("text/plain"));
    let moved = ask(&agent, "GET", "/providers/?a=b", None).expect(301);
    assert_eq!(moved.header("location").unwrap(), "/sla/providers?a=b");
    let _ = ask(&agent, "GET", "//evil.example/", None).expect(404);
}

#[test]
fn r16_and_r17_agreements_are_made_from_templates() {
    let agent = agent();
    let t1 = |kind: &str| json!({ "id": "t1", "name": "T", "state": "started", "details": details(kind, "{{.name}}", "execution_time < {{.N}}") });
    let text = "Template.Details.Type must be equal to 'template'. ";
    refused(ask(&agent, "POST", "/templates", Some(&t1("agreement"))), 400, text);
    ask(&agent, "POST", "/templates", Some(&t1("template"))).expect(201);
    assert_eq!(ask(&agent, "GET", "/templates/t1", None).expect(200).json()["id"], "sla-template/t1");
    assert_eq!(ask(&agent, "GET", "/templates", None).expect(200).json().as_array().unwrap().len(), 1);
    for path in ["/create-agreement", "/mf2c/create-agreement"] {
        let make = |parameters: Value| {
            ask(&agent, "POST", path, Some(&json!({ "template_id": "t1", "parameters": parameters })))
        };
        let made = make(json!({ "N": 10_000_000, "name": "svc", "extra": true })).expect(201).json();
        assert_eq!((&made["template_id"], &made["parameters"]["extra"]), (&"t1".into(), &true.into()));
        let id = made["agreement_id"].as_str().unwrap();
        let stored = agent.send("GET", id, None).expect(200).json();
        assert_eq!(stored["details"]["guarantees"][0]["constraint"], "execution_time < 10000000");
        assert_eq!((&stored["name"], &stored["state"]), (&"svc".into(), &"started".into()));
        assert_eq!(
            (&stored["details"]["type"], format!("agreement/{}", stored["details"]["id"].as_str().unwrap())),
            (&"agreement".into(), id.to_owned())
        );
        let missing = make(json!({ "name": "svc" })).expect(400).message();
        assert!(
            missing.starts_with("Found non-replaced placeholder at index ") && missing.contains("<no value>"),
            "{missing}"
        );
        refused(make(json!({ "N": 1, "name": "" })), 400, "Agreement.Name is empty. Text.Name is empty. ");
        let unknown = json!({ "template_id": "t9", "parameters": {} });
        assert_eq!(ask(&agent, "POST", path, Some(&unknown)).expect(404).text(), MISSING);
        // A parameter is a value: it adds nothing to a constraint.
        let _ = make(json!({ "N": "1 || true", "name": "svc" })).expect(400);
    }
}

#[test]
fn r18_as_released_the_agent_makes_the_ids_and_a_body_brings_none() {
    let agent = Start::new().agent();
    let mut body = agreement("a1", "execution_time < 10");
    refused(ask(&agent, "POST", "/agreements", Some(&body)), 400, "Agreement.Id is not empty. ");
    body.as_object_mut().unwrap().remove("id");
    let created = ask(&agent, "POST", "/agreements", Some(&body)).expect(201).json();
    assert_eq!(created["id"].as_str().unwrap().len(), "agreement/".len() + 36);
}

#[test]
fn providers_outlast_a_restart_and_belong_to_who_added_them() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Start::new().data_dir(folder.path()).agent();
    let provider = json!({ "id": "p1", "name": "P" });
    let post = || ask(&agent, "POST", "/providers", Some(&provider));
    assert_eq!(post().expect(201).json(), provider);
    refused(post(), 409, "Object already exist");
    refused(
        ask(&agent, "POST", "/providers", Some(&json!({}))),
        400,
        "Provider.Id is  empty. Provider.Name is empty. ",
    );
    drop(agent);
    let agent = Start::new().data_dir(folder.path()).agent();
    assert_eq!(ask(&agent, "GET", "/providers", None).expect(200).json(), json!([provider]));
    let _ = ask_as(&agent, None, "GET", "/sla/providers", None).expect(403);
    let _ = ask_as(&agent, Some("joe USER"), "DELETE", "/sla/providers/p1", None).expect(403);
    ask(&agent, "DELETE", "/providers/p1", None).expect(204);
    refused(ask(&agent, "GET", "/providers/p1", None), 404, "Can't find object");
}

#[test]
fn who_may_do_what_is_what_cimi_says() {
    let agent = agent();
    ask(&agent, "POST", "/agreements", Some(&agreement("a1", "execution_time < 10"))).expect(201);
    let as_who = |who: Option<&str>, method: &str, path: &str, body: Option<&str>| {
        ask_as(&agent, who, method, &format!("/sla{path}"), body).status
    };
    for path in [
        "/agreements",
        "/agreements/a1",
        "/agreements/a1/details",
        "/agreements/a1/slo",
        "/templates",
        "/violations",
        "/penalties",
    ] {
        assert_eq!(as_who(None, "GET", path, None), 403, "{path}");
    }
    let expression = r#"{"expression": "a < 1"}"#;
    assert_eq!(as_who(None, "POST", "/expressions/validate", Some(expression)), 403);
    let new = agreement("a2", "execution_time < 10").to_string();
    assert_eq!(as_who(None, "POST", "/agreements", Some(&new)), 403);
    let joe = Some("joe USER");
    for (method, path) in [
        ("GET", "/agreements/a1"),
        ("PUT", "/agreements/a1/start"),
        ("DELETE", "/agreements/a1"),
        ("GET", "/agreements/a1/slo"),
    ] {
        assert_eq!(as_who(joe, method, path, None), 403, "{method} {path}");
        let cimi = agent.send_as(joe, if method == "DELETE" { "DELETE" } else { "GET" }, "agreement/a1", None).status;
        assert_eq!(cimi, 403);
    }
    assert_eq!(ask_as(&agent, joe, "GET", "/sla/agreements", None).expect(200).text(), "[]");
    // A page in somebody's browser says so, and is not taken for a program.
    let url = format!("{}/sla/agreements", agent.http().trim_end_matches("/api"));
    let page = [
        "-H",
        "slipstream-authn-info: jane USER",
        "-H",
        "origin: https://evil.example",
        "-H",
        "content-type: text/plain",
        "-d",
        &new,
        &url,
    ];
    let _ = curl(page).expect(415);
}

#[test]
fn a_constraint_with_a_fault_is_refused_with_its_place_and_a_hint_at_every_door_unless_that_is_switched_off() {
    let agent = agent();
    let bad = agreement("a1", "execution_time LT 10");
    let said = ask(&agent, "POST", "/agreements", Some(&bad)).expect(400).message();
    for word in ["`details.guarantees[0].constraint`", "line 1, column 16", "expected"] {
        assert!(said.contains(word), "{said}");
    }
    let cimi = json!({ "state": "stopped", "details": bad["details"] }).to_string();
    assert_eq!(agent.send("POST", "agreement", Some(&cimi)).expect(400).message(), said);
    let list = agent.send("POST", "agreement", Some(&format!("[{cimi}]"))).expect(200).json();
    assert_eq!(list["results"][0]["status"], 400);
    let never = json!({ "state": "stopped", "details": details("agreement", "n", "execution_time * 2") }).to_string();
    let _ = agent.send("POST", "agreement", Some(&never)).expect(400);
    ask(&agent, "POST", "/agreements", Some(&agreement("a1", "execution_time < 10"))).expect(201);
    let edit = json!({ "details": bad["details"] }).to_string();
    assert!(agent.send("PUT", "agreement/a1", Some(&edit)).expect(400).message().contains("column 16"));
    drop(agent);
    let start = Start::new().environment("MF2C_SLA_STRICT_EXPRESSIONS", "false");
    let agent = start.environment("MF2C_SLA_EXTERNAL_IDS", "false").agent();
    ask(&agent, "POST", "/agreements", Some(&bad)).expect(201);
    let _ = agent.send("POST", "agreement", Some(&cimi)).expect(201);
}

#[test]
fn an_agreement_that_has_expired_is_taken_with_a_warning() {
    let agent = agent();
    let mut old = agreement("a1", "execution_time < 10");
    old["details"]["expiration"] = "2020-01-17T17:09:45Z".into();
    let answer = ask(&agent, "POST", "/agreements", Some(&old)).expect(201);
    assert!(answer.header("warning").unwrap().contains("expired at 2020-01-17T17:09:45Z"), "{}", answer.head);
    let cimi = json!({ "state": "started", "details": old["details"] }).to_string();
    let answer = agent.send("POST", "agreement", Some(&cimi)).expect(201).json();
    assert!(answer["warning"].as_str().unwrap().contains("expired"), "{answer}");
    // Of many each is told of by itself; who repeats a request is told again.
    let mut good: Value = serde_json::from_str(&cimi).unwrap();
    good["details"]["expiration"] = "2199-01-17T17:09:45Z".into();
    let many = agent.send("POST", "agreement", Some(&format!("[{cimi}, {good}]"))).expect(200).json();
    let warned: Vec<bool> =
        many["results"].as_array().unwrap().iter().map(|result| result.get("warning").is_some()).collect();
    assert_eq!(warned, [true, false], "{many}");
    for _ in 0..2 {
        let url = format!("http://{}/api/agreement", agent.http());
        let who = "slipstream-authn-info: super ADMIN";
        let json = "content-type: application/json";
        let once = curl(["-H", who, "-H", json, "-H", "idempotency-key: k1", "-d", &cimi, &url]).expect(201).json();
        assert!(once["warning"].as_str().unwrap().contains("expired"), "{once}");
    }
}

#[test]
fn states_change_only_from_the_revision_that_the_caller_has_seen_if_he_says_which() {
    let agent = agent();
    ask(&agent, "POST", "/agreements", Some(&agreement("a1", "execution_time < 10"))).expect(201);
    let tag = || ask(&agent, "GET", "/agreements/a1", None).expect(200).header("etag").unwrap().to_owned();
    let change = |method: &str, path: &str, tag: &str, body: &str| {
        let url = format!("https://{}/sla{path}", agent.https());
        let (who, matches) = ("slipstream-authn-info: super ADMIN", format!("if-match: {tag}"));
        let json = "content-type: application/json";
        curl(["-k", "-X", method, "-H", who, "-H", &matches, "-H", json, "-d", body, &url])
    };
    let old = tag();
    let _ = change("PUT", "/agreements/a1/start", &old, "").expect(204);
    assert_ne!(tag(), old);
    for (method, path, body) in [
        ("PUT", "/agreements/a1/stop", ""),
        ("PUT", "/agreements/a1/terminate", ""),
        ("PUT", "/agreements/a1", r#"{"state": "stopped"}"#),
        ("DELETE", "/agreements/a1", ""),
    ] {
        let refused = change(method, path, &old, body).expect(412).json();
        assert_eq!(refused["code"], "412", "{refused}");
    }
    assert_eq!(ask(&agent, "GET", "/agreements/a1", None).json()["state"], "started");
    let _ = change("PUT", "/agreements/a1", &tag(), r#"{"state": "stopped"}"#).expect(200);
    let _ = change("PUT", "/agreements/a1/terminate", "*", "").expect(204);
    let _ = change("DELETE", "/agreements/a1", &tag(), "").expect(204);
}

#[test]
fn expressions_are_judged_before_anybody_depends_on_them() {
    let agent = agent();
    let judge = |body: Value| ask(&agent, "POST", "/expressions/validate", Some(&body));
    let good = judge(json!({ "expression": "[execution_time]<800ms and p95(x, 300) < 5" })).expect(200).json();
    assert_eq!((&good["valid"], &good["variables"]), (&true.into(), &json!(["execution_time"])));
    assert_eq!(good["calls"].as_array().unwrap().len(), 1);
    let bad = judge(json!({ "expression": "execution_time LT 10" })).expect(400).json();
    assert_eq!((&bad["code"], &bad["fault"]["position"]), (&"400".into(), &15.into()));
    for part in ["expected", "message", "line", "column"] {
        assert!(bad["fault"].get(part).is_some(), "{bad}");
    }
    let _ = judge(json!({ "expression": "a and b", "grammar": "original" })).expect(400);
    let _ = judge(json!({ "expression": 5 })).expect(400);
    // What is refused here is refused when an agreement is created, and the other way round.
    for (number, constraint) in [
        "p95(availability, 60) > 9",
        "count(x, 250ms) > 1",
        "operation < 5",
        "avg(result, 60) < 1",
        "m",
        "false",
        "m < {{.N}}",
    ]
    .into_iter()
    .enumerate()
    {
        let fault = judge(json!({ "expression": constraint })).expect(400).json()["fault"].clone();
        assert!(fault["hint"].is_string(), "{constraint}: {fault}");
        let made = agreement(&format!("refused-{number}"), constraint);
        let refused = ask(&agent, "POST", "/agreements", Some(&made)).expect(400).message();
        assert!(refused.contains("details.guarantees[0].constraint"), "{constraint}: {refused}");
    }
    let _ = judge(json!({ "expression": "(".repeat(10_000) })).expect(400);
}

#[test]
fn violations_and_penalties_are_listed_by_agreement_promise_and_time() {
    let agent = agent();
    let add = |kind: &str, agreement: &str, guarantee: &str, day: u32| {
        let mut body = json!({
            "agreement_id": { "href": agreement }, "guarantee": guarantee, "datetime": format!("2026-05-{day:02}T00:00:00Z"),
        });
        match kind {
            "sla-violation" => (body["constraint"], body["values"]) = ("a < 1".into(), json!({ "a": 2 })),
            _ => {
                (body["definition"], body["amount"]) = (json!({ "type": "fine", "value": 5, "unit": "EUR" }), 5.into())
            }
        }
        let _ = agent.send_as(Some("jane USER"), "POST", kind, Some(&body.to_string())).expect(201);
    };
    for kind in ["sla-violation", "sla-penalty"] {
        add(kind, "agreement/a1", "it's", 3);
        add(kind, "agreement/a1", "*", 1);
        add(kind, "agreement/a2", "*", 2);
    }
    assert_eq!(ask(&agent, "GET", "/healthz", None).expect(200).json()["status"], "ok");
    let figures = ask(&agent, "GET", "/metrics", None).expect(200).text();
    assert!(figures.contains("mf2c_sla_violations_total 0\n") && !figures.contains("mf2c_store"), "{figures}");
    let _ = ask_as(&agent, None, "GET", "/sla/metrics", None).expect(200);
    for path in ["/violations", "/penalties"] {
        let days = |query: &str| {
            let found = ask(&agent, "GET", &format!("{path}{query}"), None).expect(200).json();
            let day = |record: &Value| record["datetime"].as_str().unwrap()[8..10].to_owned();
            found.as_array().unwrap().iter().map(day).collect::<Vec<_>>().join(" ")
        };
        for (query, expected) in [
            ("", "01 02 03"),
            ("?agreement=a1", "01 03"),
            ("?agreement=agreement/a1&guarantee=*", "01"),
            ("?guarantee=it%27s", "03"),
            ("?guarantee=%27%20or%20%27a%27=%27a", ""),
            ("?from=2026-05-02T00:00:00Z", "02 03"),
            ("?from=2026-05-02T00:00:00%2B00:00&to=2026-05-03T00:00:00Z", "02"),
            ("?first=2&last=2", "02"),
        ] {
            assert_eq!(days(query), expected, "{path}{query}");
        }
        for (query, told) in [
            ("?from=yesterday", "`from` is `yesterday`: expected a time"),
            ("?to=5%2F5", "`to` is `5/5`: expected a time"),
            ("?from=2026-05-02T00:00:00Z&to=2026-05-02T00:00:00Z", "does not lie before `to`"),
            ("?agreement=a/b/c", "`agreement` is `a/b/c`: expected the id"),
            ("?first=one", "`first` is `one`: expected the number"),
            ("?last=-1", "`last` is `-1`: expected the number"),
            ("?guarantee=a&guarantee=b", "several `guarantee`"),
            ("?colour=red", "unknown parameter `colour`: there are agreement"),
        ] {
            let message = ask(&agent, "GET", &format!("{path}{query}"), None).expect(400).json()["message"].clone();
            assert!(message.as_str().unwrap().contains(told), "{query}: {message}");
        }
        assert_eq!(ask_as(&agent, Some("joe USER"), "GET", &format!("/sla{path}"), None).expect(200).text(), "[]");
    }
}

#[test]
fn budgets_are_counted_from_the_reports_of_the_agreements_instances_however_these_are_attached() {
    let agent = agent();
    let mut promised = agreement("a1", "execution_time < 10");
    promised["state"] = "started".into();
    promised["details"]["guarantees"][0]["slo"] = json!({ "objective": 0.5, "window": "28d" });
    ask(&agent, "POST", "/agreements", Some(&promised)).expect(201);
    let add = |kind: &str, body: &Value| {
        agent.send_as(Some("jane USER"), "POST", kind, Some(&body.to_string())).expect(201).id()
    };
    let run = |agreement: &str, service: &str| {
        add(
            "service-instance",
            &json!({ "agreement": agreement, "service": service, "user": "jane", "status": "started", "agents": [] }),
        )
    };
    let counted = |id: &str, instance: &str| {
        for length in [50.0, 5.0, 5.0, 5.0] {
            let report =
                json!({ "serviceInstance": { "href": instance }, "operation": "op", "execution_time": length });
            add("service-operation-report", &report);
        }
        let slo = ask(&agent, "GET", &format!("/agreements/{id}/slo"), None).expect(200).json();
        (slo[0]["total"].clone(), slo[0]["bad"].clone(), slo[0]["budget_remaining"].clone())
    };
    let expected = (4.0.into(), 1.0.into(), 0.5.into());
    assert_eq!(counted("a1", &run("agreement/a1", "service/s")), expected);
    // The same of what the instance does not name: the agreement called like its service, and the one for all.
    let service = add("service", &json!({ "name": "foo", "exec": "x", "exec_type": "docker", "agent_type": "normal" }));
    for (id, name) in [("foo", "foo"), ("star", "*")] {
        (promised["id"], promised["name"], promised["details"]["name"]) = (id.into(), name.into(), name.into());
        ask(&agent, "POST", "/agreements", Some(&promised)).expect(201);
    }
    assert_eq!(counted("foo", &run("", &service)), expected);
    assert_eq!(counted("star", &run("", "service/other")), expected);
    ask(&agent, "POST", "/agreements", Some(&agreement("a2", "execution_time < 10"))).expect(201);
    assert_eq!(ask(&agent, "GET", "/agreements/a2/slo", None).expect(200).text(), "[]");
}

#[test]
fn the_same_endpoints_answer_at_the_root_of_a_door_of_their_own_where_it_is_switched_on() {
    let agent = Start::new().environment("MF2C_SLA_LISTEN", "127.0.0.1:0").agent();
    let at = door_of(&agent, "sla.listen");
    let url = |path: &str| format!("http://{at}{path}");
    assert_eq!(curl([&url("/")]).expect(200).json().as_object().unwrap().len(), 3);
    eventually("that it assesses all", || {
        curl([&url("/healthz")]).expect(200).json() == json!({ "status": "ok", "assessment": "alone" })
    });
    let _ = curl([&url("/agreements")]).expect(403);
    let jane = "slipstream-authn-info: jane USER";
    assert_eq!(curl(["-H", jane, &url("/agreements")]).expect(200).text(), "[]");
    assert_eq!(curl([&url("/providers/")]).expect(301).header("location").unwrap(), "/providers");
    let _ = curl([&url("/sla/agreements")]).expect(404);
    let _ = curl([&url("/api/agreement")]).expect(404);
    let provider = json!({ "id": "p", "name": "P" }).to_string();
    // As the original's programs send it: with curl's own content type.
    let _ = curl(["-H", jane, "-d", &provider, &url("/providers")]).expect(201);
    assert_eq!(ask(&agent, "GET", "/providers/p", None).expect(200).json()["name"], "P");
}
