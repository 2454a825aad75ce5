//! What somebody has been told will be done is done, whatever happens in between: deletions and stops, updates that are taken back,
//! what the owner of a device has said.

use std::process::Command;

use mf2c_tests::{Agent, Fog, eventually};
use serde_json::{Value, json};

use crate::services::{becomes, instance, launch, lm, process, register, start, starting, workload};

fn path(id: &str) -> String {
    format!("/service-instances/{}", id.strip_prefix("service-instance/").unwrap())
}

fn sleepers(mark: &str) -> usize {
    let found = Command::new("pgrep").args(["-f", "-x", &format!("/bin/sleep {mark}")]).output().unwrap();
    String::from_utf8_lossy(&found.stdout).lines().count()
}

/// Has the only sharing model say something else.
fn lends(agent: &Agent, changes: &Value) {
    let models = agent.send("GET", "sharing-model", None).expect(200).json();
    let model = models["sharingModels"][0]["id"].as_str().unwrap().to_owned();
    let _ = agent.send("PUT", &model, Some(&changes.to_string())).expect(200);
}

/// What an instance shall do stands in its document; nobody hears of that who dies at that moment.
#[test]
fn what_was_deleted_or_stopped_right_before_a_crash_is_so_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let mark = format!("{}", 1_300_000 + std::process::id());
    let mut agent = start(folder.path());
    let service = register(&agent, &process("sleeper", &["/bin/sleep", &mark]));
    for round in 0..4 {
        let ids: Vec<String> = (0..6).map(|_| launch(&agent, &service)).collect();
        for id in &ids {
            let _ = becomes(&agent, id, "started");
        }
        let (deleted, stopped) = ids.split_at(3);
        std::thread::scope(|scope| {
            for id in deleted {
                let agent = &agent;
                let _ = scope.spawn(move || agent.send("DELETE", id, None).expect(200));
            }
            for id in stopped {
                let agent = &agent;
                let _ = scope.spawn(move || agent.send("PUT", id, Some(r#"{"desired":"stopped"}"#)).expect(200));
            }
        });
        let _ = agent.kill();
        agent = start(folder.path());
        eventually(&format!("round {round}: nothing runs"), || sleepers(&mark) == 0);
        for id in stopped {
            let _ = becomes(&agent, id, "stopped");
            let _ = agent.send("DELETE", id, None).expect(200);
        }
        for kind in ["workload", "placement", "service-instance"] {
            eventually(kind, || agent.send("GET", kind, None).json()["count"] == 0);
        }
    }
}

#[test]
fn an_agent_that_is_told_to_end_while_it_deletes_ends_and_goes_on_with_it_later() {
    let folder = tempfile::tempdir().unwrap();
    let mark = format!("{}", 1_400_000 + std::process::id());
    let mut agent = start(folder.path());
    let service = register(&agent, &process("sleeper", &["/bin/sleep", &mark]));
    for _ in 0..3 {
        let ids: Vec<String> = (0..6).map(|_| launch(&agent, &service)).collect();
        for id in &ids {
            let _ = becomes(&agent, id, "started");
        }
        for id in &ids {
            let _ = agent.send("DELETE", id, None).expect(200);
        }
        assert!(agent.stop("TERM").success());
        agent = start(folder.path());
        eventually("nothing runs", || sleepers(&mark) == 0);
        eventually("nothing is left", || agent.send("GET", "placement", None).json()["count"] == 0);
    }
}

#[test]
fn a_version_that_comes_back_has_the_credentials_that_it_had() {
    let folder = tempfile::tempdir().unwrap();
    let agent = start(folder.path());
    let credential = |secret: &str| {
        let form = json!({
            "credentialTemplate": { "href": "credential-template/store-secret", "secret": secret }, "name": secret,
        });
        let made = agent.send("POST", "credential", Some(&form.to_string())).expect(201).json();
        made["resource-id"].as_str().unwrap().to_owned()
    };
    let [old, new] = ["first-secret", "second-secret"].map(credential);
    let version = |credential: &str, end: &str| {
        let mut service = process("secretive", &["/bin/sh", "-c", &format!("echo has $TOKEN; {end}")]);
        service["secrets"] = json!([{ "credential": credential, "name": "TOKEN", "place": "environment" }]);
        service["restart"] = json!({ "policy": "never" });
        service["update"] = json!({ "healthy_for": 5, "within": 60 });
        service
    };
    let service = register(&agent, &version(&old, "exec sleep 600"));
    let id = launch(&agent, &service);
    let _ = becomes(&agent, &id, "started");
    let _ = agent.send("PUT", &service, Some(&version(&new, "exit 7").to_string())).expect(200);
    let (status, said) = lm(&agent, "PUT", &path(&id), Some(&json!({ "operation": "update" })));
    assert_eq!(status, 200, "{said}");
    eventually("version 1 is back", || {
        let now = instance(&agent, &id);
        now["version"] == 3 && now["status"] == "started" && now["update"]["trouble"].is_string()
    });
    let said = || lm(&agent, "GET", &format!("{}/logs", path(&id)), None).1.to_string();
    eventually("with what it had", || said().contains("has first-secret"));
    assert!(!said().contains("second-secret"), "{}", said());
    let _ = agent.send("DELETE", &id, None).expect(200);
    eventually("it is gone", || agent.send("GET", "workload", None).json()["count"] == 0);
}

#[test]
fn parts_that_are_on_their_way_count_once_and_what_an_owner_stops_stays_so_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let begin = || starting(folder.path()).environment("MF2C_SERVICES_ON_VIOLATION", "stop-youngest").agent();
    let agent = begin();
    let service = register(&agent, &process("sleeper", &["/bin/sleep", "600"]));
    eventually("a model", || agent.send("GET", "sharing-model", None).json()["count"] == 1);
    lends(&agent, &json!({ "max_apps": 3 }));
    let ids: Vec<String> = (0..3).map(|_| launch(&agent, &service)).collect();
    let (status, said) = lm(&agent, "POST", "/service", Some(&json!({ "service_id": service })));
    assert!(status == 409 && said.to_string().contains("and there are 3"), "{said}");
    for id in &ids {
        let _ = becomes(&agent, id, "started");
    }
    lends(&agent, &json!({ "max_apps": 2 }));
    let held = || ids.iter().filter(|id| instance(&agent, id)["status"] == "stopped").cloned().collect::<Vec<_>>();
    eventually("one is held back", || held().len() == 1);
    let held = held().remove(0);
    let before = workload(&agent, &held);
    let _ = agent.kill();
    let agent = begin();
    eventually("everything has been looked at", || agent.log().contains("looked at all that runs here"));
    for id in ids.iter().filter(|id| **id != held) {
        let _ = becomes(&agent, id, "started");
    }
    let after = workload(&agent, &held);
    assert_eq!((&after["status"], &after["events"]), (&json!("stopped"), &before["events"]), "{after}");
    lends(&agent, &json!({ "max_apps": 3 }));
    let _ = becomes(&agent, &held, "started");
    for id in &ids {
        let _ = agent.send("DELETE", id, None).expect(200);
    }
    eventually("they are gone", || agent.send("GET", "workload", None).json()["count"] == 0);
}

#[test]
fn what_an_owner_puts_out_goes_elsewhere_as_soon_as_there_is_a_place_and_who_may_not_ask_may_not_by_naming_devices() {
    let mut fog = Fog::new()
        .with("MF2C_DEVICE_ENABLED", "true")
        .with("MF2C_DEVICE_SAMPLE_EVERY", "1s")
        .with("MF2C_AREA_BACKUP", "false")
        .with("MF2C_SERVICES_PROCESS", "true")
        .with("MF2C_SERVICES_ON_VIOLATION", "move")
        .with("MF2C_SERVICES_DOCKER_SOCKET", "");
    fog.found("lead", "dock");
    fog.add("anna", "lead");
    let mark = format!("{}", 1_500_000 + std::process::id());
    let lead = fog.agent("lead");
    let devices = || lead.send("GET", "device", None).json()["devices"].as_array().cloned().unwrap_or_default();
    let named = |name: &str| {
        let own = fog.device(name);
        let found = devices().into_iter().find(|device| device["deviceID"] == own.as_str());
        found.map(|device| device["id"].as_str().unwrap().to_owned())
    };
    eventually("both devices are known", || named("anna").is_some() && named("lead").is_some());
    let (anna, own) = (named("anna").unwrap(), named("lead").unwrap());
    let service = register(lead, &process("sleeper", &["/bin/sleep", &mark]));
    let on = |device: &str| {
        let body = json!({ "service_id": service, "agents_list": [device] });
        lm(lead, "POST", "/service", Some(&body))
    };
    let launched = |device: &str| {
        let mut said = (0, Value::Null);
        eventually("a launch", || {
            said = on(device);
            said.0 == 200
        });
        said.1["service_instance"]["id"].as_str().unwrap().to_owned()
    };
    let schedule = |device: &str, operation: &str| {
        let path = device.replacen("device/", "/devices/", 1);
        assert_eq!(lm(lead, "PUT", &path, Some(&json!({ "operation": operation }))).0, 200);
    };
    schedule(&own, "cordon");
    let ids: Vec<String> = (0..2).map(|_| launched(&anna)).collect();
    for id in &ids {
        let _ = becomes(lead, id, "started");
    }
    // Anywhere: it is on the other agent because this one is closed. It is the youngest there.
    let free = launch(lead, &service);
    let _ = becomes(lead, &free, "started");
    assert_eq!(instance(lead, &free)["agents"][0]["device_id"], anna.as_str());
    lends(fog.agent("anna"), &json!({ "max_apps": 2 }));
    let held = becomes(lead, &free, "stopped");
    assert!(held["detail"].as_str().unwrap().contains("allows 2"), "{held}");
    schedule(&own, "uncordon");
    eventually("it has moved", || {
        let now = instance(lead, &free);
        now["status"] == "started" && now["agents"][0]["device_id"] == own.as_str()
    });
    assert_eq!(sleepers(&mark), 3);

    let profiles = lead.send("GET", "user-profile", None).expect(200).json();
    let profiles = profiles["userProfiles"].as_array().unwrap();
    let profile = profiles.iter().find(|profile| profile["device_id"] == own.as_str()).unwrap();
    let _ = lead.send("PUT", profile["id"].as_str().unwrap(), Some(r#"{"service_consumer":false}"#)).expect(200);
    lends(fog.agent("anna"), &json!({ "max_apps": 9 }));
    let plain = || lm(lead, "POST", "/service", Some(&json!({ "service_id": service })));
    eventually("nobody may ask here", || plain().0 == 409);
    let (status, said) = on(&anna);
    assert_eq!(status, 409, "{said}");
    for id in ids.iter().chain([&free]) {
        let _ = lead.send("DELETE", id, None).expect(200);
    }
    eventually("all are gone", || sleepers(&mark) == 0);
    eventually("nothing is left", || lead.send("GET", "placement", None).json()["count"] == 0);
}

#[test]
fn one_key_is_for_one_request_and_what_is_launched_for_somebody_is_his() {
    let folder = tempfile::tempdir().unwrap();
    let agent = start(folder.path());
    let [one, two] = ["one", "two"].map(|name| register(&agent, &process(name, &["/bin/sleep", "600"])));
    let ask = |service: &str, more: &Value| {
        let mut body = json!({ "service_id": service });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let url = format!("{}/lm/service", agent.http());
        agent.curl([
            "-X",
            "POST",
            "-H",
            "slipstream-authn-info: super ADMIN",
            "-H",
            "content-type: application/json",
            "-H",
            "idempotency-key: k-1",
            "-d",
            &body.to_string(),
            &url,
        ])
    };
    eventually("a launch", || ask(&one, &json!({})).status == 200);
    let id = ask(&one, &json!({})).expect(200).json()["service_instance"]["id"].as_str().unwrap().to_owned();
    let other = ask(&two, &json!({})).expect(422).json();
    assert!(other["message"].as_str().unwrap().contains("another `service`"), "{other}");

    let body = json!({ "service_id": one, "user_id": "user/bob" });
    let (status, said) = lm(&agent, "POST", "/service", Some(&body));
    assert_eq!(status, 200, "{said}");
    let bobs = said["service_instance"]["id"].as_str().unwrap();
    assert_eq!(agent.send_as(Some("bob USER"), "GET", bobs, None).expect(200).json()["user"], "bob");
    assert_eq!(agent.send_as(Some("jane USER"), "GET", bobs, None).status, 403);
    assert_eq!(agent.send_as(Some("bob USER"), "GET", &id, None).status, 403);
    for id in [id.as_str(), bobs] {
        let _ = agent.send("DELETE", id, None).expect(200);
    }
    eventually("they are gone", || agent.send("GET", "workload", None).json()["count"] == 0);
}

#[test]
fn an_update_that_does_not_become_well_is_taken_back_by_an_agent_that_was_killed_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let mut agent = start(folder.path());
    let version = |end: &str| {
        let mut service = process("changing", &["/bin/sh", "-c", end]);
        service["restart"] = json!({ "delay": 0.2, "attempts": 100 });
        service["update"] = json!({ "healthy_for": 2, "within": 20 });
        service
    };
    let service = register(&agent, &version("exec sleep 600"));
    let id = launch(&agent, &service);
    let _ = becomes(&agent, &id, "started");
    let _ = agent.send("PUT", &service, Some(&version("exit 4").to_string())).expect(200);
    let (status, said) = lm(&agent, "PUT", &path(&id), Some(&json!({ "operation": "update" })));
    assert_eq!(status, 200, "{said}");
    eventually("the new version has failed", || {
        let part = instance(&agent, &id)["agents"][0].clone();
        part["version"] == 2 && part["restarts"].as_u64().is_some_and(|times| times > 1)
    });
    let _ = agent.kill();
    agent = start(folder.path());
    eventually("the old version is back", || {
        let now = instance(&agent, &id);
        now["version"] == 3 && now["status"] == "started" && now["update"]["trouble"].is_string()
    });
    eventually("the bad version is gone", || agent.send("GET", "workload", None).json()["count"] == 1);
    // A wanted restart is no crash.
    let before = workload(&agent, &id);
    assert_eq!(before["restarts"], 0, "{before}");
    let (status, said) = lm(&agent, "PUT", &path(&id), Some(&json!({ "operation": "restart" })));
    assert_eq!(status, 200, "{said}");
    eventually("it was restarted", || {
        let now = workload(&agent, &id);
        now["status"] == "started" && now["started"] != before["started"]
    });
    let after = workload(&agent, &id);
    let codes: Vec<&str> =
        after["events"].as_array().unwrap().iter().filter_map(|event| event["code"].as_str()).collect();
    assert!(!codes.contains(&"restarting") && after["restarts"] == 0, "{after}");
    let _ = agent.send("DELETE", &id, None).expect(200);
    eventually("it is gone", || agent.send("GET", "workload", None).json()["count"] == 0);
}
