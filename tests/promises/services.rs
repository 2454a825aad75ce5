//! Services as plain processes: what is launched runs, what ends is started again, what is stopped stays stopped, and nothing is
//! started twice or forgotten, whenever the agent dies.

use std::path::Path;
use std::time::Duration;

use mf2c_tests::{Agent, Start, eventually, let_pass};
use serde_json::{Value, json};

/// So often an instance is looked at before it does not become what it should: for half a minute and more.
const LOOKS: usize = 2500;

/// An agent that describes its machine and runs processes.
pub(crate) fn start(data_dir: &Path) -> Agent {
    starting(data_dir).agent()
}

/// The same, before it is started.
pub(crate) fn starting(data_dir: &Path) -> Start {
    Start::new()
        .data_dir(data_dir)
        .environment("MF2C_DEVICE_ENABLED", "true")
        .environment("MF2C_SERVICES_PROCESS", "true")
        .environment("MF2C_SERVICES_DOCKER_SOCKET", "")
}

/// Registers a service; its id.
pub(crate) fn register(agent: &Agent, service: &Value) -> String {
    let made = agent.send("POST", "service", Some(&service.to_string())).expect(201).json();
    made["resource-id"].as_str().unwrap().to_owned()
}

/// A plain process.
pub(crate) fn process(name: &str, words: &[&str]) -> Value {
    json!({ "name": name, "exec": words[0], "command": &words[1..], "exec_type": "process", "agent_type": "normal" })
}

/// Asks the lifecycle endpoints.
pub(crate) fn lm(agent: &Agent, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
    let url = format!("{}/lm{path}", agent.http());
    let mut words = vec!["-sS", "-X", method, "-w", "\n%{http_code}", "-H", "slipstream-authn-info: super ADMIN"];
    let text = body.map(Value::to_string);
    if let Some(text) = &text {
        words.extend(["-H", "content-type: application/json", "-d", text]);
    }
    words.push(&url);
    let output = std::process::Command::new("curl").args(words).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let (body, code) = said.rsplit_once('\n').unwrap();
    (code.parse().unwrap(), serde_json::from_str(body).unwrap_or(Value::String(body.to_owned())))
}

/// Launches a service, as soon as there is a device for it; the instance's id.
pub(crate) fn launch(agent: &Agent, service: &str) -> String {
    let mut said = (0, Value::Null);
    eventually("a launch", || {
        said = lm(agent, "POST", "/service", Some(&json!({ "service_id": service })));
        said.0 == 200
    });
    said.1["service_instance"]["id"].as_str().unwrap_or_else(|| panic!("{said:?}")).to_owned()
}

/// The document of an instance.
pub(crate) fn instance(agent: &Agent, id: &str) -> Value {
    agent.send("GET", id, None).expect(200).json()
}

/// Waits until an instance has a status; its document.
pub(crate) fn becomes(agent: &Agent, id: &str, status: &str) -> Value {
    let mut last = instance(agent, id);
    for _ in 0..LOOKS {
        if last["status"] == status {
            return last;
        }
        let_pass(Duration::from_millis(10));
        last = instance(agent, id);
    }
    panic!("{id} does not become {status}; it is {last}");
}

/// The only workload of an instance.
pub(crate) fn workload(agent: &Agent, id: &str) -> Value {
    let list = agent.send("GET", &format!("workload?$filter=instance=\"{id}\""), None).expect(200).json();
    assert_eq!(list["workloads"].as_array().map(Vec::len), Some(1), "{list}");
    list["workloads"][0].clone()
}

#[test]
fn what_is_launched_runs_stops_starts_and_is_deleted_with_all_that_belongs_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let agent = start(folder.path());
    let service = register(&agent, &process("sleeper", &["/bin/sleep", "600"]));
    let id = launch(&agent, &service);
    let running = becomes(&agent, &id, "started");
    assert_eq!(
        (&running["desired"], &running["agents"][0]["status"]),
        (&json!("running"), &json!("started")),
        "{running}"
    );
    let pid = |agent: &Agent| workload(agent, &id)["container_id"].clone();
    assert!(pid(&agent).as_str().unwrap().starts_with("mf2c-"));
    let path = format!("/service-instances/{}", id.strip_prefix("service-instance/").unwrap());
    assert_eq!(lm(&agent, "PUT", &path, Some(&json!({ "operation": "stop" }))).0, 200);
    let _ = becomes(&agent, &id, "stopped");
    assert_eq!(lm(&agent, "PUT", &path, Some(&json!({ "operation": "start" }))).0, 200);
    let _ = becomes(&agent, &id, "started");
    assert_eq!(lm(&agent, "PUT", &path, Some(&json!({ "operation": "restart" }))).0, 200);
    eventually("it is started again", || {
        let events = workload(&agent, &id)["events"].clone();
        let started = events.as_array().unwrap().iter().filter(|event| event["code"] == "started").count();
        started == 3 && instance(&agent, &id)["status"] == "started"
    });
    assert_eq!(lm(&agent, "DELETE", &path, None).0, 200);
    eventually("it is gone", || agent.send("GET", &id, None).status == 404);
    for kind in ["workload", "placement"] {
        let left = agent.send("GET", kind, None).expect(200).json();
        assert_eq!(left["count"], 0, "{left}");
    }
}

#[test]
fn what_a_client_writes_as_desired_comes_true() {
    let folder = tempfile::tempdir().unwrap();
    let agent = start(folder.path());
    let service = register(&agent, &process("sleeper", &["/bin/sleep", "600"]));
    let id = launch(&agent, &service);
    let _ = becomes(&agent, &id, "started");
    let _ = agent.send("PUT", &id, Some(r#"{"desired":"stopped"}"#)).expect(200);
    let _ = becomes(&agent, &id, "stopped");
    let _ = agent.send("DELETE", &id, None).expect(200);
    eventually("its workload is gone", || agent.send("GET", "workload", None).json()["count"] == 0);
    eventually("its placement is gone", || agent.send("GET", "placement", None).json()["count"] == 0);
}

#[test]
fn what_crashes_is_started_again_with_pauses_until_it_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let agent = start(folder.path());
    let mut crashing = process("crashing", &["/bin/false"]);
    crashing["restart"] = json!({ "attempts": 2, "delay": 0.05 });
    let id = launch(&agent, &register(&agent, &crashing));
    let failed = becomes(&agent, &id, "error");
    assert_eq!(failed["agents"][0]["restarts"], 2, "{failed}");
    assert_eq!(failed["agents"][0]["exit_code"], 1.0, "{failed}");
    assert!(failed["detail"].as_str().unwrap().contains("failed 2 times"), "{failed}");
    let mut done = process("done", &["/bin/true"]);
    done["restart"] = json!({ "policy": "on-failure" });
    let id = launch(&agent, &register(&agent, &done));
    let ended = becomes(&agent, &id, "stopped");
    assert_eq!(ended["agents"][0]["exit_code"], 0.0, "{ended}");
    eventually("its run is reported", || {
        let filter = format!("service-operation-report?$filter=requesting_application_id/href=\"{id}\"");
        agent.send("GET", &filter, None).expect(200).json()["count"] == 1
    });
}

#[test]
fn a_kill_of_the_agent_at_any_moment_starts_nothing_twice_and_forgets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mark = format!("{}", 600_000 + std::process::id());
    let agent = start(folder.path());
    let service = register(&agent, &process("sleeper", &["/bin/sleep", &mark]));
    let ids: Vec<String> = (0..5).map(|_| launch(&agent, &service)).collect();
    // Some of them are on their way now.
    let _ = agent.kill();
    let agent = start(folder.path());
    for id in &ids {
        let _ = becomes(&agent, id, "started");
    }
    assert_eq!(processes(&mark), 5);
    let _ = agent.kill();
    let agent = start(folder.path());
    for id in &ids {
        let _ = becomes(&agent, id, "started");
        let restarts = instance(&agent, id)["agents"][0]["restarts"].clone();
        assert_eq!(restarts, 0);
    }
    assert_eq!(processes(&mark), 5);
    for id in &ids {
        let _ = agent.send("DELETE", id, None).expect(200);
    }
    eventually("all are gone", || processes(&mark) == 0);
}

/// How many processes sleep for so long.
fn processes(mark: &str) -> usize {
    let output =
        std::process::Command::new("pgrep").args(["-f", "-x", &format!("/bin/sleep {mark}")]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).lines().count()
}

#[test]
fn one_key_makes_one_instance_and_a_dry_run_none() {
    let folder = tempfile::tempdir().unwrap();
    let agent = start(folder.path());
    let service = register(&agent, &process("sleeper", &["/bin/sleep", "600"]));
    let first = launch(&agent, &service);
    let url = format!("{}/lm/service", agent.http());
    let body = json!({ "service_id": service }).to_string();
    let ask = || {
        let headers = ["-H", "slipstream-authn-info: super ADMIN", "-H", "content-type: application/json"];
        let output = std::process::Command::new("curl")
            .args(["-sS", "-X", "POST", "-H", "Idempotency-Key: one-and-only", "-d", &body, &url])
            .args(headers)
            .output()
            .unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["service_instance"]["id"].clone()
    };
    let (one, two) = (ask(), ask());
    assert!(one.is_string() && one == two && one != first.as_str(), "{one} {two}");
    let (status, explained) = lm(&agent, "POST", "/service?dryRun=true", Some(&json!({ "service_id": service })));
    assert_eq!(status, 200, "{explained}");
    assert_eq!(explained["explanation"]["devices"][0]["accepted"], true, "{explained}");
    let all = agent.send("GET", "service-instance", None).expect(200).json();
    assert_eq!(all["count"], 2, "{all}");
    for instance in all["serviceInstances"].as_array().unwrap() {
        let _ = agent.send("DELETE", instance["id"].as_str().unwrap(), None).expect(200);
    }
    eventually("all are gone", || agent.send("GET", "workload", None).json()["count"] == 0);
}

#[test]
fn what_cannot_be_is_refused_with_the_reason_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let agent = start(folder.path());
    let refused = |service: &Value, status: u16, text: &str| {
        let id = register(&agent, service);
        let mut said = (0, Value::Null);
        eventually(text, || {
            said = lm(&agent, "POST", "/service", Some(&json!({ "service_id": id })));
            said.0 == status && said.1["message"].as_str().is_some_and(|told| told.contains(text))
        });
        said.1
    };
    let (status, said) = lm(&agent, "POST", "/service", Some(&json!({ "service_id": "service/none" })));
    assert_eq!(status, 404, "{said}");
    let mut swarm = process("swarm", &["x"]);
    swarm["exec_type"] = json!("docker-swarm");
    let _ = refused(&swarm, 501, "docker-swarm");
    let mut container = process("container", &["x"]);
    container["exec_type"] = json!("docker");
    let said = refused(&container, 409, "docker");
    assert_eq!(said["explanation"]["devices"][0]["reasons"][0]["code"], "backend", "{said}");
    let mut arm = process("arm", &["/bin/sleep"]);
    arm["memory_min"] = json!(1_000_000_000);
    let _ = refused(&arm, 409, "memory");
    let mut compose = process("compose", &["services:\n  web:\n    image: x\n    nonsense: 1\n"]);
    compose["exec_type"] = json!("docker-compose");
    let _ = refused(&compose, 400, "nonsense");
    let all = agent.send("GET", "service-instance", None).expect(200).json();
    assert_eq!(all["count"], 0, "{all}");
}
