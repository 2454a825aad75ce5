//! Agreements are assessed the moment a report is committed: by the binary and curl alone. The names A1 to A40 are those of the
//! vectors in the specification.

use std::collections::BTreeSet;
use std::thread::scope;
use std::time::Duration;

use mf2c_tests::{Agent, Connection, EventStream, Receiver, Start, eventually};
use serde_json::{Value, json};

/// An agreement that holds until 2099, with these promises: `(name, constraint)`.
pub(crate) fn terms(name: &str, state: &str, promises: &[(&str, &str)]) -> Value {
    let guarantees: Vec<Value> =
        promises.iter().map(|(name, constraint)| json!({"name": name, "constraint": constraint})).collect();
    json!({
        "name": name,
        "state": state,
        "details": {
            "id": "a", "type": "agreement", "name": name,
            "provider": {"id": "mf2c", "name": "mF2C Platform"},
            "client": {"id": "c02", "name": "A client"},
            "creation": "2018-01-16T17:09:45.01Z",
            "expiration": "2099-01-17T17:09:45.01Z",
            "guarantees": guarantees,
        },
    })
}

fn post(agent: &Agent, kind: &str, body: &Value) -> String {
    agent.send("POST", kind, Some(&body.to_string())).expect(201).id()
}

/// A running instance that is held against this agreement.
fn instance(agent: &Agent, agreement: &str) -> String {
    let body =
        json!({"user": "testuser1", "status": "started", "service": "service/1", "agreement": agreement, "agents": []});
    post(agent, "service-instance", &body)
}

fn report(agent: &Agent, instance: &str, operation: &str, seconds: f64) -> String {
    let body = json!({"serviceInstance": {"href": instance}, "operation": operation, "execution_time": seconds});
    post(agent, "service-operation-report", &body)
}

/// All violations of an agreement.
fn violations(agent: &Agent, agreement: &str) -> Vec<Value> {
    let path = format!("sla-violation?$filter=agreement_id/href='{agreement}'");
    agent.send("GET", &path, None).expect(200).json()["slaViolations"].as_array().unwrap().clone()
}

/// The violations of an agreement as soon as there are `count`; and no more follow from what was sent so far.
#[track_caller]
fn exactly(agent: &Agent, agreement: &str, count: usize) -> Vec<Value> {
    assessed(agent);
    let found = violations(agent, agreement);
    assert_eq!(found.len(), count, "{found:#?}");
    found
}

/// Waits until everything sent so far is assessed and stored.
#[track_caller]
fn assessed(agent: &Agent) {
    let sent = agent.metric("mf2c_store_position");
    eventually("everything is assessed", || agent.metric("mf2c_sla_position") >= sent);
}

fn state(agent: &Agent, agreement: &str) -> String {
    agent.send("GET", agreement, None).expect(200).json()["state"].as_str().unwrap().to_owned()
}

fn set_state(agent: &Agent, agreement: &str, state: &str) {
    let _ = agent.send("PUT", agreement, Some(&json!({"state": state}).to_string())).expect(200);
}

#[test]
fn a1_a_promise_about_all_operations_is_broken_once_for_each_bad_report() {
    let agent = Start::new().agent();
    let agreement = post(&agent, "agreement", &terms("*", "started", &[("*", "[execution_time] < 1000")]));
    let instance = instance(&agent, &agreement);
    let bad = report(&agent, &instance, "op1", 1500.0);
    report(&agent, &instance, "op2", 1000.0);
    report(&agent, &instance, "op3", 999.0);
    let found = exactly(&agent, &agreement, 2);
    let first = found.iter().find(|each| each["report"]["href"] == *bad).unwrap();
    assert_eq!(first["values"], json!({"execution_time": 1500.0}));
    assert_eq!((&first["guarantee"], &first["constraint"]), (&json!("*"), &json!("[execution_time] < 1000")));
    assert_eq!((&first["agreement_id"], &first["instance"]), (&json!({"href": agreement}), &json!({"href": instance})));
}

#[test]
fn the_default_agreement_of_the_guide_gives_a_violation_that_the_event_stream_tells() {
    let agent = Start::new().agent();
    // Section 2.2.5 as printed, but for the expiry.
    let agreement = r#"{
      "name": "*",
      "details": {
        "id": "2018-000234", "type": "agreement", "name": "*",
        "provider": { "id": "mf2c", "name": "mF2C Platform" },
        "client": { "id": "a-client", "name": "A client" },
        "creation": "2018-01-16T17:09:45Z",
        "expiration": "2099-01-17T17:09:45Z",
        "guarantees": [ { "name": "*", "constraint": "[execution_time] < 1000" } ]
      }
    }"#;
    let agreement = agent.send("POST", "agreement", Some(agreement)).expect(201).id();
    assert_eq!(state(&agent, &agreement), "stopped");
    set_state(&agent, &agreement, "started");
    let query = "/events?types=sla-violation";
    let mut stream = EventStream::open(&agent.http(), query, &["slipstream-authn-info: internal ADMIN"]).unwrap();
    assert_eq!(stream.event().name, "ready");
    // The agreement is found by its name.
    let body = json!({"user": "u", "status": "started", "service": "service/1", "agents": []});
    let instance = post(&agent, "service-instance", &body);
    eventually("the instance names it", || agent.send("GET", &instance, None).json()["agreement"] == *agreement);
    report(&agent, &instance, "dijkstra", 1500.0);
    let event = stream.event();
    let found = exactly(&agent, &agreement, 1);
    assert_eq!(event.what(), ("created", found[0]["id"].as_str().unwrap()));
    let shown = || agent.send("GET", &agreement, None).json()["assessment"]["guarantees"]["*"].clone();
    eventually("the agreement shows it", || shown()["state"] == "violated");
    assert_eq!(shown()["last_values"]["execution_time"]["value"], 1500.0);
    assert_eq!(agent.metric("mf2c_sla_violations_total"), 1);
}

#[test]
fn a_webhook_is_told_of_a_violation_signed_and_whole() {
    let agent = Start::new().environment("MF2C_WEBHOOKS_ALLOW_PRIVATE", "true").agent();
    let receiver = Receiver::willing();
    let body = json!({"url": receiver.url(), "types": ["sla-violation"], "filter": "guarantee='*'"}).to_string();
    let secret = agent.send("POST", "webhook", Some(&body)).expect(201).json()["secret"].as_str().unwrap().to_owned();
    let agreement = post(&agent, "agreement", &terms("*", "started", &[("*", "execution_time < 10")]));
    report(&agent, &instance(&agent, &agreement), "op", 50.0);
    let came = receiver.first(1).remove(0);
    assert_eq!(came.header("webhook-signature"), crate::webhooks::signature(&secret, &came));
    let (told, stored) = (came.json(), exactly(&agent, &agreement, 1).remove(0));
    assert_eq!((&told["type"], &told["data"]["id"]), (&json!("sla-violation.created"), &stored["id"]));
    for name in ["agreement_id", "guarantee", "constraint", "values", "datetime", "report", "instance"] {
        assert!(!stored[name].is_null() && told["data"]["resource"][name] == stored[name], "{name}: {told:#}");
    }
}

#[test]
fn the_first_commands_of_the_guide_about_quality_lead_to_a_violation() {
    let shell = crate::guide::Shell::with(Start::new().agent());
    let mut ids: Vec<String> = Vec::new();
    for step in ["201 agreement", "201 service-instance", "201 service-operation-report"] {
        let all = include_str!("guide.txt");
        let command = all.split("\n## ").find_map(|part| part.strip_prefix(step)?.strip_prefix('\n')).unwrap();
        let command =
            command.replace("2019-01-17", "2099-01-17").replace("<service with all optional fields>", "service/1");
        let command = command.replace("<agreement>", ids.first().map_or("", String::as_str));
        let command = command.replace("<service-instance>", ids.last().map_or("", String::as_str));
        let (status, body) = shell.run(&command);
        assert_eq!(status, 201, "{step}: {body}");
        ids.push(body["resource-id"].as_str().unwrap().to_owned());
    }
    let found = exactly(shell.agent(), &ids[0], 1);
    assert_eq!(found[0]["guarantee"], "TestGuarantee");
    assert_eq!(found[0]["values"], json!({"execution_time": 50.0}));
}

#[test]
fn a2_a3_a_promise_is_about_its_operation_and_the_one_about_all_is_broken_beside_it() {
    let agent = Start::new().agent();
    let one = post(&agent, "agreement", &terms("A2", "started", &[("TestGuarantee", "execution_time < 10.0")]));
    let two = terms("A3", "started", &[("dijkstra", "execution_time < 100"), ("*", "execution_time < 100")]);
    let two = post(&agent, "agreement", &two);
    let (first, second) = (instance(&agent, &one), instance(&agent, &two));
    report(&agent, &first, "TestGuarantee", 50.0);
    report(&agent, &first, "Other", 50.0);
    report(&agent, &second, "dijkstra", 100.0);
    report(&agent, &second, "dijkstra", 99.0);
    assert_eq!(exactly(&agent, &one, 1)[0]["guarantee"], "TestGuarantee");
    let broken: BTreeSet<String> = exactly(&agent, &two, 2).iter().map(|each| each["guarantee"].to_string()).collect();
    assert_eq!(broken, ["\"*\"", "\"dijkstra\""].map(str::to_owned).into());
}

#[test]
fn a19_a20_a38_what_ends_while_an_agreement_is_stopped_does_not_count_and_nothing_starts_it_again() {
    let agent = Start::new().agent();
    let agreement = post(&agent, "agreement", &terms("A19", "stopped", &[("*", "execution_time < 0.1")]));
    let instance = instance(&agent, &agreement);
    report(&agent, &instance, "op", 0.5);
    exactly(&agent, &agreement, 0);
    assert!(agent.send("GET", &agreement, None).json().get("assessment").is_none());
    set_state(&agent, &agreement, "started");
    exactly(&agent, &agreement, 0);
    report(&agent, &instance, "op", 0.5);
    exactly(&agent, &agreement, 1);
    set_state(&agent, &agreement, "stopped");
    report(&agent, &instance, "op", 0.5);
    exactly(&agent, &agreement, 1);
    // What is written of the assessment leaves the user's state alone.
    let shown = || agent.send("GET", &agreement, None).json();
    eventually("the assessment tells of it", || shown()["assessment"]["stopped"][1].is_object());
    assert_eq!(shown()["state"], "stopped");
    assert!(shown()["assessment"]["stopped"][1].get("to").is_none(), "{:#}", shown());
    let stopped = agent.kill();
    let agent = Start::new().data_dir(&stopped.0).agent();
    set_state(&agent, &agreement, "started");
    exactly(&agent, &agreement, 1);
    report(&agent, &instance, "op", 0.5);
    exactly(&agent, &agreement, 2);
}

#[test]
fn a38_who_stops_an_agreement_while_reports_are_assessed_finds_it_stopped_each_time() {
    let agent = Start::new().agent();
    let agreement = post(&agent, "agreement", &terms("A38", "started", &[("*", "execution_time < 0.001")]));
    let instance = instance(&agent, &agreement);
    let (address, stop) = (agent.http(), std::sync::atomic::AtomicBool::new(false));
    let body = json!({"serviceInstance": {"href": instance}, "operation": "op", "execution_time": 0.01}).to_string();
    scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                let mut connection = Connection::open(&address).unwrap();
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let sent = connection.send("POST", "/api/service-operation-report", &body).unwrap();
                    assert_eq!(sent.0, 201);
                    mf2c_tests::let_pass(Duration::from_millis(10));
                }
            });
        }
        // An assessment is written each second: each of these is met by one.
        for round in 1..=6 {
            set_state(&agent, &agreement, "stopped");
            eventually("an assessment that knows of it", || {
                let shown = agent.send("GET", &agreement, None).expect(200).json();
                assert_eq!(shown["state"], "stopped");
                let stopped = shown["assessment"]["stopped"].as_array().map_or(&[][..], Vec::as_slice);
                stopped.len() == round && stopped[round - 1].get("to").is_none()
            });
            assessed(&agent);
            assert_eq!(state(&agent, &agreement), "stopped");
            set_state(&agent, &agreement, "started");
            let before = violations(&agent, &agreement).len();
            eventually("that it goes on", || violations(&agent, &agreement).len() > before);
        }
        set_state(&agent, &agreement, "stopped");
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assessed(&agent);
    assert_eq!(state(&agent, &agreement), "stopped");
    // What ended while it was stopped breaks nothing; what did before does, once each.
    let mut shown = Value::Null;
    eventually("the last stop is shown", || {
        shown = agent.send("GET", &agreement, None).expect(200).json();
        shown["assessment"]["stopped"].as_array().unwrap().len() == 7
    });
    let all = |kind: &str, tag: &str| agent.send("GET", &format!("{kind}?$last=10000"), None).json()[tag].clone();
    let told: Vec<Value> = all("sla-violation", "slaViolations").as_array().unwrap().clone();
    let reports: BTreeSet<&str> = told.iter().map(|each| each["report"]["href"].as_str().unwrap()).collect();
    assert_eq!(reports.len(), told.len());
    let millis = |at: &Value| mf2c_domain::time::Timestamp::parse(at.as_str()?).map(|at| at.nanos() / 1_000_000);
    let within = |at: &Value| {
        shown["assessment"]["stopped"].as_array().unwrap().iter().any(|interval| {
            let to = millis(&interval["to"]).unwrap_or(i128::MAX);
            millis(&interval["from"]) < millis(at) && millis(at) < Some(to)
        })
    };
    assert!(told.iter().all(|each| !within(&each["datetime"])));
}

#[test]
fn a21_an_agreement_is_terminated_when_it_expires() {
    let agent = Start::new().agent();
    let mut old = terms("A21", "started", &[("*", "execution_time < 10")]);
    old["details"]["expiration"] = json!("2019-01-17T17:09:45Z");
    let mut idle = terms("idle", "stopped", &[("*", "execution_time < 10")]);
    let soon = mf2c_domain::time::Timestamp::from_millis(i64::try_from(mf2c_tests::wall_clock()).unwrap() + 2000);
    idle["details"]["expiration"] = json!(soon.to_string());
    let (old, idle) = (post(&agent, "agreement", &old), post(&agent, "agreement", &idle));
    let instance = instance(&agent, &old);
    report(&agent, &instance, "op", 50.0);
    exactly(&agent, &old, 0);
    eventually("the old one is terminated", || state(&agent, &old) == "terminated");
    eventually("its time comes by the clock", || state(&agent, &idle) == "terminated");
}

#[test]
fn a24_a_report_that_is_edited_is_assessed_once() {
    let agent = Start::new().agent();
    let agreement = post(&agent, "agreement", &terms("A24", "started", &[("*", "execution_time < 10")]));
    let instance = instance(&agent, &agreement);
    let id = report(&agent, &instance, "op", 50.0);
    exactly(&agent, &agreement, 1);
    let _ = agent.send("PUT", &id, Some(r#"{"result":"done"}"#)).expect(200);
    exactly(&agent, &agreement, 1);
    // An operation that runs is not assessed, and is when it has ended.
    let running = report(&agent, &instance, "op", 0.0);
    exactly(&agent, &agreement, 1);
    let _ = agent.send("PUT", &running, Some(r#"{"execution_length": 11.5}"#)).expect(200);
    exactly(&agent, &agreement, 2);
}

#[test]
fn a27_what_ended_before_an_agreement_was_terminated_is_assessed() {
    let agent = Start::new().agent();
    let agreement = post(&agent, "agreement", &terms("A27", "started", &[("*", "execution_time < 0.01")]));
    let instance = instance(&agent, &agreement);
    report(&agent, &instance, "op", 0.05);
    let _ = agent.send("DELETE", &instance, None).expect(200);
    set_state(&agent, &agreement, "terminated");
    exactly(&agent, &agreement, 1);
    eventually("its assessment is shown", || agent.send("GET", &agreement, None).json()["assessment"].is_object());
    assert_eq!(state(&agent, &agreement), "terminated");
}

#[test]
fn a39_an_instance_without_an_agreement_gets_the_one_named_like_its_service_or_the_star() {
    let agent = Start::new().agent();
    let service = json!({"name": "foo", "exec": "x", "exec_type": "docker", "agent_type": "normal"});
    let service = post(&agent, "service", &service);
    let run = |agent: &Agent| {
        let body = json!({"user": "u", "status": "started", "service": service, "agents": []});
        post(agent, "service-instance", &body)
    };
    let link = |instance: &str| agent.send("GET", instance, None).expect(200).json()["agreement"].clone();
    let early = run(&agent);
    let star = post(&agent, "agreement", &terms("*", "started", &[("*", "execution_time < 10")]));
    eventually("the star is found", || link(&early) == *star);
    let own = post(&agent, "agreement", &terms("foo", "started", &[("*", "execution_time < 10")]));
    let late = run(&agent);
    eventually("its own is found", || link(&late) == *own);
    report(&agent, &early, "op", 50.0);
    report(&agent, &late, "op", 50.0);
    exactly(&agent, &own, 1);
    exactly(&agent, &star, 1);
    let named = instance(&agent, &star);
    assessed(&agent);
    assert_eq!(link(&named), *star, "what somebody has named stays");
}

#[test]
fn a_report_that_comes_before_its_instance_and_its_agreement_is_assessed_when_both_are_there_whatever_happens_between()
{
    let start =
        |folder: &std::path::Path| Start::new().environment("MF2C_SLA_EXTERNAL_IDS", "false").data_dir(folder).agent();
    let folder = tempfile::tempdir().unwrap();
    let mut agent = start(folder.path());
    let instance = instance(&agent, "agreement/later");
    let bad: BTreeSet<String> = (0..3).map(|_| report(&agent, &instance, "op", 50.0)).collect();
    report(&agent, &instance, "op", 5.0);
    report(&agent, "service-instance/nobody", "op", 50.0);
    assessed(&agent);
    assert_eq!(agent.metric("mf2c_sla_unattached_reports_total"), 5);
    assert_eq!(agent.metric("mf2c_sla_reports_total"), 0);
    for _ in 0..2 {
        let _ = agent.kill();
        agent = start(folder.path());
    }
    let mut terms = terms("later", "started", &[("*", "execution_time < 10")]);
    terms["id"] = json!("later");
    let url = format!("{}/sla/agreements", agent.http().trim_end_matches("/api"));
    let (who, kind) = ("slipstream-authn-info: internal ADMIN", "content-type: application/json");
    let _ = mf2c_tests::curl(["-H", who, "-H", kind, "-d", &terms.to_string(), &url]).expect(201);
    let told = |agent: &Agent| {
        let found = exactly(agent, "agreement/later", 3);
        found.iter().map(|each| each["report"]["href"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    assert_eq!(told(&agent), bad);
    let _ = agent.kill();
    agent = start(folder.path());
    assert_eq!(told(&agent), bad, "and once");
}

#[test]
fn a_storm_of_bad_reports_that_outruns_the_log_loses_nothing() {
    let agent = Start::new().environment("MF2C_STORE_LOG_ENTRIES", "200").agent();
    let agreement = post(&agent, "agreement", &terms("storm", "started", &[("*", "execution_time < 10")]));
    let instance = instance(&agent, &agreement);
    let batch: Vec<Value> = (0..3000)
        .map(|_| json!({"serviceInstance": {"href": instance}, "operation": "op", "execution_time": 50.0}))
        .collect();
    let address = agent.http();
    scope(|threads| {
        for part in batch.chunks(300) {
            let address = &address;
            threads.spawn(move || {
                let mut connection = Connection::open(address).unwrap();
                for body in part {
                    let path = "/api/service-operation-report";
                    let _ = connection.send("POST", path, &body.to_string()).unwrap();
                }
            });
        }
    });
    assessed(&agent);
    assert_eq!(violations(&agent, &agreement).len(), 3000);
}

#[test]
fn a_cap_and_the_last_values_are_known_after_a_crash_and_any_number_is_a_metric() {
    let agent = Start::new().agent();
    let mut capped = terms("capped", "started", &[("*", "execution_time < 10")]);
    capped["details"]["guarantees"][0]["penalties"] =
        json!([{"type": "discount", "value": 10, "unit": "%", "cap": 15}]);
    let capped = post(&agent, "agreement", &capped);
    let joined = terms("joined", "started", &[("*", "execution_time < 10 && temperature < 40")]);
    let joined = post(&agent, "agreement", &joined);
    let (first, second) = (instance(&agent, &capped), instance(&agent, &joined));
    let measured = |agent: &Agent, more: Value| {
        let mut body = json!({"serviceInstance": {"href": second}, "operation": "op", "execution_time": 1});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        post(agent, "service-operation-report", &body)
    };
    for seconds in [50.0, 50.0, 5.0] {
        report(&agent, &first, "op", seconds);
    }
    let hot = measured(&agent, json!({"temperature": 60}));
    assert_eq!(agent.send("GET", &hot, None).json()["metrics"]["temperature"], 60);
    exactly(&agent, &joined, 1);
    exactly(&agent, &capped, 2);
    eventually("two penalties", || agent.send("GET", "sla-penalty", None).json()["count"] == 2);
    let (directory, _held) = agent.kill();
    let agent = Start::new().data_dir(&directory).agent();
    measured(&agent, json!({}));
    exactly(&agent, &joined, 2);
    for _ in 0..2 {
        report(&agent, &first, "op", 50.0);
    }
    exactly(&agent, &capped, 4);
    let penalties = agent.send("GET", "sla-penalty", None).json();
    let amounts = penalties["slaPenalties"].as_array().unwrap().iter().map(|due| due["amount"].as_f64().unwrap());
    assert_eq!(amounts.sum::<f64>(), 15.0, "{penalties:#}");
}
