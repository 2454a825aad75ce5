//! What services get and may do: secrets from credentials, health, what the owner of a device lends, the original's first example.

use mf2c_tests::{Engine, Start, eventually};
use serde_json::{Value, json};

use crate::services::{becomes, instance, launch, lm, process, register, start, starting, workload};

fn path(id: &str) -> String {
    format!("/service-instances/{}", id.strip_prefix("service-instance/").unwrap())
}

#[test]
fn secrets_come_from_credentials_outlast_a_crash_and_are_in_no_document() {
    let folder = tempfile::tempdir().unwrap();
    let agent = start(folder.path());
    let secret = "correct-horse-battery-staple";
    let form = json!({
        "credentialTemplate": { "href": "credential-template/store-secret", "secret": secret }, "name": "token",
    });
    let made = agent.send("POST", "credential", Some(&form.to_string())).expect(201).json();
    let credential = made["resource-id"].as_str().unwrap();
    let script = "echo \"variable $TOKEN\"; echo \"file $(cat $MF2C_SECRETS/token)\"; sleep 600";
    let mut service = process("secretive", &["/bin/sh", "-c", script]);
    service["secrets"] = json!([
        { "credential": credential, "name": "TOKEN", "place": "environment" },
        { "credential": credential, "name": "token" },
    ]);
    let id = launch(&agent, &register(&agent, &service));
    let _ = becomes(&agent, &id, "started");
    let said = |agent: &mf2c_tests::Agent| lm(agent, "GET", &format!("{}/logs", path(&id)), None).1.to_string();
    let both = [format!("variable {secret}"), format!("file {secret}")];
    eventually("it has its secrets", || both.iter().all(|text| said(&agent).contains(text)));
    for kind in ["service", "service-instance", "workload", "placement", "credential", "event"] {
        let all = String::from_utf8(agent.send("GET", kind, None).expect(200).body).unwrap();
        assert!(!all.contains(secret), "{kind}");
    }
    assert!(!agent.log().contains(secret));
    let _ = agent.kill();
    let agent = start(folder.path());
    let (status, told) = lm(&agent, "PUT", &path(&id), Some(&json!({ "operation": "restart" })));
    assert_eq!(status, 200, "{told}");
    eventually("it has them again", || said(&agent).matches(&both[1]).count() == 2);
    let _ = agent.send("DELETE", &id, None).expect(200);
    eventually("it is gone", || agent.send("GET", "workload", None).json()["count"] == 0);
}

#[test]
fn what_is_not_well_is_told_and_started_anew_if_that_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let agent = start(folder.path());
    let mut service = process("ill", &["/bin/sleep", "600"]);
    let check = json!({ "type": "exec", "command": ["/bin/false"], "interval": 0.1, "retries": 2, "restart": false });
    service["health"] = check.clone();
    let id = launch(&agent, &register(&agent, &service));
    let ill = becomes(&agent, &id, "degraded");
    assert_eq!(ill["agents"][0]["health"], "unhealthy", "{ill}");
    assert_eq!(ill["agents"][0]["restarts"], 0, "{ill}");
    service["health"]["restart"] = json!(true);
    service["restart"] = json!({ "attempts": 2, "delay": 0.01 });
    let anew = launch(&agent, &register(&agent, &service));
    eventually("it was started anew", || workload(&agent, &anew)["restarts"].as_u64().is_some_and(|times| times >= 1));
    for id in [&id, &anew] {
        let _ = agent.send("DELETE", id, None).expect(200);
    }
    eventually("they are gone", || agent.send("GET", "workload", None).json()["count"] == 0);
}

#[test]
fn what_the_owner_lends_bounds_what_runs_before_and_after_it_was_started() {
    let folder = tempfile::tempdir().unwrap();
    let agent = starting(folder.path()).environment("MF2C_SERVICES_ON_VIOLATION", "stop-youngest").agent();
    let service = register(&agent, &process("sleeper", &["/bin/sleep", "600"]));
    let first = launch(&agent, &service);
    let _ = becomes(&agent, &first, "started");
    let second = launch(&agent, &service);
    let _ = becomes(&agent, &second, "started");
    let models = agent.send("GET", "sharing-model", None).expect(200).json();
    let model = models["sharingModels"][0]["id"].as_str().unwrap().to_owned();
    let _ = agent.send("PUT", &model, Some(r#"{"max_apps":1}"#)).expect(200);
    let held = becomes(&agent, &second, "stopped");
    assert!(held["detail"].as_str().unwrap().contains("allows 1 application"), "{held}");
    assert_eq!(held["desired"], "running", "it runs again as soon as it may");
    assert_eq!(instance(&agent, &first)["status"], "started");
    let (status, said) = lm(&agent, "POST", "/service", Some(&json!({ "service_id": service })));
    assert_eq!(status, 409, "{said}");
    let reasons = said["explanation"]["devices"][0]["reasons"].to_string();
    assert!(reasons.contains("policy_max_apps"), "{said}");
    let _ = agent.send("PUT", &model, Some(r#"{"max_apps":2}"#)).expect(200);
    let _ = becomes(&agent, &second, "started");
    for id in [&first, &second] {
        let _ = agent.send("DELETE", id, None).expect(200);
    }
    eventually("they are gone", || agent.send("GET", "workload", None).json()["count"] == 0);
}

/// The original's `hello-world.sh --micro`, step by step, as `lifecycle.md` G tells it.
#[test]
fn the_originals_hello_world_goes_through() {
    let Some(engine) = Engine::start() else { return };
    let Some(guest) = mf2c_tests::guest() else { return };
    engine.import(&guest, "hello-world");
    let folder = tempfile::tempdir().unwrap();
    let agent = Start::new()
        .data_dir(folder.path())
        .environment("MF2C_DEVICE_ENABLED", "true")
        .environment("MF2C_DEVICE_AGENT_TYPE", "micro")
        .environment("MF2C_SERVICES_DOCKER_SOCKET", engine.socket().to_str().unwrap())
        .agent();
    eventually("1: the machine is known", || {
        agent.send("GET", "device-dynamic", None).json()["deviceDynamics"][0]["id"].is_string()
    });
    let template = json!({
        "name": "hello-world", "state": "started",
        "details": {
            "type": "template", "name": "hello-world", "provider": { "id": "mf2c", "name": "mF2C Platform" },
            "client": { "id": "c02", "name": "A client" }, "creation": "2018-01-16T17:09:45.01Z",
            "guarantees": [{ "name": "*", "constraint": "execution_time < 10" }],
        },
    });
    let template = agent.send("POST", "sla-template", Some(&template.to_string())).expect(201).json();
    let service = json!({
        "name": "hello-world", "description": "Hello World Service", "exec": "hello-world", "exec_type": "docker",
        "sla_templates": [template["resource-id"]], "agent_type": "micro", "num_agents": "",
    });
    let service = agent.send("POST", "service", Some(&service.to_string())).expect(201).json();
    let optimal = || {
        let url = format!("{}/mf2c/optimal", agent.http().trim_end_matches("/api"));
        let output = std::process::Command::new("curl")
            .args(["-sS", "-X", "POST", "-H", "content-type: application/json", "-d", r#"{"name":"hello-world"}"#])
            .args(["-H", "slipstream-authn-info: super ADMIN", &url])
            .output()
            .unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default()
    };
    eventually("4: the recommender has a device", || {
        optimal()[0]["ipaddress"].as_str().is_some_and(|ip| !ip.is_empty())
    });
    let body = json!({ "service_id": service["resource-id"], "sla_template": template["resource-id"] });
    let (status, said) = lm(&agent, "POST", "/service", Some(&body));
    assert_eq!(status, 200, "{said}");
    assert!(said["service_instance"]["agents"][0]["url"].is_string(), "{said}");
    let id = said["service_instance"]["id"].as_str().unwrap();
    eventually("6: it is initialized", || instance(&agent, id)["status"] != "created-not-initialized");
    assert!(instance(&agent, id)["agreement"].as_str().unwrap().starts_with("agreement/"));
}
