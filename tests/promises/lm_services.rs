//! Services by the original's lifecycle endpoints, as plain processes: launched, watched, stopped, started, restarted, deleted.

use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use mf2c_tests::{Agent, Start, eventually, let_pass};
use serde_json::{Value, json};

use crate::lm_rest::{ADMIN, JANE, add, ask, ask_as, ask_with, refused};

/// An agent that runs plain processes, which outlive it: they are stopped when the test ends, however it ends.
pub(crate) struct Runner(Agent);

impl Runner {
    /// An agent whose owner lends its device.
    pub(crate) fn start(data_dir: &Path) -> Self {
        let start = Start::new().data_dir(data_dir).environment("MF2C_DEVICE_ENABLED", "true");
        let runner = Self(
            start.environment("MF2C_SERVICES_PROCESS", "true").environment("MF2C_SERVICES_DOCKER_SOCKET", "").agent(),
        );
        let mut device = Value::Null;
        eventually("a device that runs processes", || {
            device = ask_as(&runner, ADMIN, "GET", "/lm/devices", None).expect(200).json()["devices"][0].clone();
            device["status"] == "connected" && device["backends"] == json!(["process"])
        });
        let profile = json!({ "service_consumer": true, "resource_contributor": true });
        let limits = ["max_cpu_usage", "max_memory_usage", "max_storage_usage", "max_bandwidth_usage"];
        let mut sharing = json!({ "gps_allowed": false, "battery_limit": 1, "max_apps": 100 });
        limits.iter().for_each(|limit| sharing[limit] = 90.into());
        for (kind, mut body) in [("user-profile", profile), ("sharing-model", sharing)] {
            // Whoever makes them at the start has made them by now, or does not.
            if runner.send_as(Some(ADMIN), "GET", &format!("{kind}?$last=0"), None).json()["count"] == 0 {
                body["device_id"] = device["id"].clone();
                let _ = runner.send_as(Some(ADMIN), "POST", kind, Some(&body.to_string())).expect(201);
            }
        }
        runner
    }
}

impl Deref for Runner {
    type Target = Agent;

    fn deref(&self) -> &Agent {
        &self.0
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        let admin = Some(ADMIN);
        for _ in 0..100 {
            let _ = ask_as(self, ADMIN, "DELETE", "/lm/service-instances/all", None);
            if self.send_as(admin, "GET", "workload?$last=0", None).json()["count"] == 0 {
                return;
            }
            let_pass(Duration::from_millis(100));
        }
    }
}

pub(crate) fn process(agent: &Agent, name: &str, exec: &str, command: &[&str]) -> String {
    let body =
        json!({ "name": name, "exec": exec, "exec_type": "process", "command": command, "agent_type": "normal" });
    add(agent, "service", &body)
}

pub(crate) fn bare(document: &Value) -> String {
    document["id"].as_str().unwrap().trim_start_matches("service-instance/").to_owned()
}

pub(crate) fn becomes(agent: &Agent, name: &str, status: &str) {
    eventually(&format!("{name} is {status}"), || {
        let one = ask(agent, "GET", &format!("/lm/service-instances/{name}"), None).expect(200).json();
        one["service_instance"]["status"] == status
    });
}

/// Starts a service; what is answered.
pub(crate) fn launched(agent: &Agent, body: &Value) -> Value {
    ask(agent, "POST", "/lm/service", Some(body)).expect(200).json()
}

#[test]
fn a_service_is_launched_stopped_started_restarted_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Runner::start(folder.path());
    let id = process(&agent, "sleeper", "/bin/sleep", &["600"]);
    let told = launched(&agent, &json!({ "service_id": id }));
    let name = bare(&told["service_instance"]);
    let text = format!("Service deployment operation is being processed [service-instance/{name}]...");
    assert_eq!((&told["error"], &told["message"]), (&false.into(), &text.into()));
    becomes(&agent, &name, "started");
    let path = format!("/lm/service-instances/{name}");
    for (word, status) in [("stop", "stopped"), ("start", "started"), ("restart", "started")] {
        let told = ask(&agent, "PUT", &path, Some(&json!({ "operation": word }))).expect(200).json();
        assert_eq!(told["message"], format!("Service {word} operation is being processed ..."));
        becomes(&agent, &name, status);
    }
    let events = ask(&agent, "GET", &format!("{path}/events"), None).expect(200).json();
    assert!(events["events"].as_array().unwrap().len() > 2, "{events}");
    assert!(ask(&agent, "GET", &format!("{path}/usage"), None).expect(200).json()["usage"].is_array());
    assert_eq!(ask_as(&agent, ADMIN, "GET", "/lm/devices", None).json()["devices"][0]["workloads"], 1);
    let told = ask(&agent, "DELETE", &path, None).expect(200).json();
    assert_eq!(told["message"], "Service stop-and-terminate operation is being processed ...");
    eventually("it is gone", || ask(&agent, "GET", &path, None).status == 404);
}

#[test]
fn logs_are_read_to_their_end_and_followed_and_programs_run_beside() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Runner::start(folder.path());
    let script = "echo one; echo two >&2; exec sleep 600";
    let id = process(&agent, "talker", "/bin/sh", &["-c", script]);
    let name = bare(&launched(&agent, &json!({ "service_id": id }))["service_instance"]);
    becomes(&agent, &name, "started");
    let path = format!("/lm/service-instances/{name}/logs");
    eventually("both lines", || ask(&agent, "GET", &path, None).expect(200).text().lines().count() == 2);
    // Two pipes: which of the lines comes first is not said.
    let text = ask(&agent, "GET", &format!("{path}?tail=1"), None).expect(200).text();
    assert!(text.lines().count() == 1 && text.contains(" [0] "), "{text}");
    let lines = ask_with(&agent, JANE, "GET", &path, &["accept: application/x-ndjson"], None).expect(200).text();
    let mut lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.sort_by_key(|line| line["stream"].to_string());
    let told = |line: &Value| (line["stream"].clone(), line["text"].clone(), line["index"].clone());
    assert_eq!(told(&lines[0]), ("stderr".into(), "two".into(), 0.into()));
    assert_eq!(told(&lines[1]), ("stdout".into(), "one".into(), 0.into()));
    let exec = json!({ "command": ["/bin/echo", "hello"] });
    let told = ask(&agent, "POST", &format!("/lm/service-instances/{name}/exec"), Some(&exec)).expect(200).json();
    assert_eq!(told, json!({ "code": 0, "output": "hello\n", "cut": false }));
    let seen = ask_as(&agent, "joe USER", "GET", &path, None);
    let _ = refused(seen, 403);
    // Who follows hears of the end, when the instance is stopped.
    std::thread::scope(|scope| {
        let followed = scope.spawn(|| ask(&agent, "GET", &format!("{path}?follow=true"), None));
        let _ = ask(&agent, "PUT", &format!("/lm/service-instances/{name}"), Some(&json!({ "operation": "stop" })))
            .expect(200);
        assert!(followed.join().unwrap().expect(200).text().contains("[0] one"));
    });
}

#[test]
fn a_dry_run_stores_nothing_and_one_key_makes_one_instance() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Runner::start(folder.path());
    let id = process(&agent, "sleeper", "/bin/sleep", &["600"]);
    let body = json!({ "service_id": id });
    let dry = ask(&agent, "POST", "/lm/service?dryRun=true", Some(&body)).expect(200).json();
    assert_eq!(dry["explanation"]["service"], id.as_str());
    assert_eq!(agent.send("GET", "service-instance", None).json()["count"], 0);
    let name = bare(&launched(&agent, &body)["service_instance"]);
    let again =
        || ask_with(&agent, JANE, "POST", "/lm/service", &["idempotency-key: k1"], Some(&body.to_string())).expect(200);
    let (first, second) = (again(), again());
    assert_eq!(bare(&first.json()["service_instance"]), bare(&second.json()["service_instance"]));
    assert_ne!(bare(&first.json()["service_instance"]), name);
    assert_eq!(second.header("idempotency-replayed").as_deref(), Some("true"));
    assert_eq!(agent.send("GET", "service-instance", None).json()["count"], 2);
    let _ = refused(ask(&agent, "POST", "/lm/service", Some(&json!({ "service_id": "service/unknown" }))), 404);
    let found = ask(&agent, "POST", "/mf2c/optimal", Some(&json!({ "name": "sleeper" }))).expect(200).json();
    assert!(found[0]["ipaddress"].is_string() && found[0]["score"].is_number(), "{found}");
    let all = ask(&agent, "DELETE", "/lm/service-instances/all", None).expect(200).json();
    assert_eq!((&all["result"], &all["deleted"]), (&"True".into(), &2.into()));
    eventually("all are gone", || agent.send("GET", "service-instance", None).json()["count"] == 0);
}

#[test]
fn where_no_device_fits_each_is_explained_and_no_document_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Runner::start(folder.path());
    let body = json!({
        "name": "huge", "exec": "/bin/sleep", "exec_type": "process", "command": ["600"], "agent_type": "normal",
        "memory_min": 1_000_000_000,
    });
    let id = add(&agent, "service", &body);
    let answer = ask(&agent, "POST", "/lm/service", Some(&json!({ "service_id": id }))).expect(409).json();
    assert!(answer["error"] == true && answer["explanation"]["devices"].is_array(), "{answer}");
    assert_eq!(agent.send("GET", "service-instance", None).json()["count"], 0);
    let told = ask(&agent, "GET", &format!("/lm/explain/{id}"), None).expect(200).json();
    assert_eq!(told["explanation"]["service"], id.as_str());
}
