//! Health checks of plain processes, and updates of what ends by itself.

use std::time::Duration;

use mf2c_tests::{eventually, free_address, let_pass};
use serde_json::json;

use crate::services::{becomes, instance, launch, lm, process, register, start, workload};

#[test]
fn a_process_is_asked_at_the_port_that_its_health_check_names() {
    let Some(guest) = mf2c_tests::guest() else { return };
    let folder = tempfile::tempdir().unwrap();
    let agent = start(folder.path());
    let port: u16 = free_address().rsplit_once(':').unwrap().1.parse().unwrap();
    let mut serving = process("serving", &[guest.to_str().unwrap(), "serve", &port.to_string()]);
    serving["health"] = json!({ "type": "tcp", "port": port, "interval": 0.1, "retries": 300 });
    let id = launch(&agent, &register(&agent, &serving));
    let running = becomes(&agent, &id, "started");
    let part = &running["agents"][0];
    assert_eq!((&part["health"], &part["restarts"]), (&json!("healthy"), &json!(0)), "{running}");
    // That of a container leads nowhere where it is not opened.
    serving["exec_type"] = json!("docker");
    let refused = agent.send("POST", "service", Some(&serving.to_string())).expect(400).json();
    assert!(refused["message"].as_str().unwrap().contains("`health.port`"), "{refused}");
    let _ = agent.send("DELETE", &id, None).expect(200);
    eventually("it is gone", || agent.send("GET", "workload", None).json()["count"] == 0);
}

#[test]
fn each_run_that_ends_for_bad_health_is_measured_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let agent = start(folder.path());
    let mut sick = process("sick", &["/bin/sleep", "600"]);
    sick["health"] = json!({ "type": "exec", "command": ["/bin/false"], "interval": 0.1, "retries": 1 });
    sick["restart"] = json!({ "attempts": 100, "delay": 0.01, "max_delay": 0.01 });
    let id = launch(&agent, &register(&agent, &sick));
    let metrics = || {
        let list = agent.send("GET", "service-container-metric", None).expect(200).json();
        list["serviceContainerMetrics"].as_array().cloned().unwrap_or_default()
    };
    eventually("it was started four times", || metrics().len() >= 4);
    let _ = agent.send("PUT", &id, Some(r#"{"desired":"stopped"}"#)).expect(200);
    let _ = becomes(&agent, &id, "stopped");
    eventually("all of its runs have an end", || metrics().iter().all(|run| run["stop_time"].is_string()));
    let (runs, restarts) = (metrics().len(), workload(&agent, &id)["restarts"].as_u64().unwrap());
    assert!(usize::try_from(restarts).unwrap() <= runs, "one restart for each end: {restarts} of {runs} runs");
    let _ = agent.send("DELETE", &id, None).expect(200);
    eventually("it is gone", || agent.send("GET", "workload", None).json()["count"] == 0);
}

#[test]
fn what_is_never_started_again_stays_degraded_in_bad_health() {
    let folder = tempfile::tempdir().unwrap();
    let agent = start(folder.path());
    let mut sick = process("sick", &["/bin/sleep", "600"]);
    sick["health"] = json!({ "type": "exec", "command": ["/bin/false"], "interval": 0.1, "retries": 1 });
    sick["restart"] = json!({ "policy": "never", "delay": 0.01 });
    let id = launch(&agent, &register(&agent, &sick));
    let _ = becomes(&agent, &id, "degraded");
    let started = workload(&agent, &id)["started"].clone();
    let_pass(Duration::from_secs(1));
    let now = workload(&agent, &id);
    assert_eq!((&now["status"], &now["restarts"], &now["started"]), (&json!("degraded"), &json!(0), &started), "{now}");
    let _ = agent.send("DELETE", &id, None).expect(200);
    eventually("it is gone", || agent.send("GET", "workload", None).json()["count"] == 0);
}

#[test]
fn what_has_done_its_work_is_well_after_an_update() {
    let folder = tempfile::tempdir().unwrap();
    let agent = start(folder.path());
    let service = register(&agent, &process("done", &["/bin/true"]));
    let id = launch(&agent, &service);
    let _ = becomes(&agent, &id, "stopped");
    let path = format!("/service-instances/{}", id.strip_prefix("service-instance/").unwrap());
    let update = |change: &str| {
        let _ = agent.send("PUT", &service, Some(change)).expect(200);
        let (status, said) = lm(&agent, "PUT", &path, Some(&json!({ "operation": "update" })));
        assert_eq!(status, 200, "{said}");
    };
    let ended = || agent.send("GET", "placement", None).json()["placements"][0]["updating"] == false;
    update(r#"{"environment":{"A":"1"}}"#);
    eventually("the second version has done its work", || {
        let now = instance(&agent, &id);
        now["agents"][0]["version"] == 2 && now["status"] == "stopped" && ended()
    });
    assert_eq!(agent.send("GET", "placement", None).json()["placements"][0]["trouble"], "");
    // One that fails gives way to it.
    update(r#"{"exec":"/bin/false","restart":{"policy":"never"}}"#);
    eventually("the second version is back", || {
        let now = instance(&agent, &id);
        now["update"]["trouble"].as_str().is_some_and(|said| said.contains("version 3 failed")) && ended()
    });
}
