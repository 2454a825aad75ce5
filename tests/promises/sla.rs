//! Agreements are assessed the moment a report is committed: by the binary and curl alone. The names A1 to A39 are those of the
//! vectors in the specification.

use mf2c_tests::{Agent, Start, eventually};
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
    let body = json!({"user": "testuser1", "status": "started", "service": "service/1", "agreement": agreement, "agents": []});
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
    let quiet = || agent.metric("mf2c_sla_lag") == 0 && agent.metric("mf2c_sla_queue") == 0;
    // What is stored is read again, so it is looked at twice.
    eventually("everything is assessed", || quiet() && quiet());
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
