//! Services in an area: the leader places them on its children, a child asks the leader for what finds no place on it, and what ran on
//! an agent that is lost runs elsewhere, once.

use mf2c_tests::{Fog, eventually};
use serde_json::{Value, json};

use crate::services::{becomes, instance, launch, lm, process, register};

/// A leader and two children, whose processes are told apart by how long they sleep.
fn area(names: &[&str]) -> Fog {
    let mut fog = Fog::new()
        .with("MF2C_DEVICE_ENABLED", "true")
        .with("MF2C_DEVICE_SAMPLE_EVERY", "1s")
        .with("MF2C_AREA_BACKUP", "false")
        .with("MF2C_AREA_PROFILE", "lan")
        .with("MF2C_SERVICES_PROCESS", "true")
        .with("MF2C_SERVICES_DOCKER_SOCKET", "");
    fog.found("lead", "dock");
    for name in names {
        fog.add(name, "lead");
    }
    fog
}

/// The document of an agent's device.
pub(crate) fn device(fog: &Fog, name: &str) -> String {
    let own = fog.device(name);
    let mut found = None;
    eventually(&format!("the device of {name}"), || {
        let devices = fog.agent(name).send("GET", "device", None).expect(200).json();
        let own = devices["devices"].as_array().unwrap().iter().find(|device| device["deviceID"] == own.as_str());
        found = own.map(|device| device["id"].as_str().unwrap().to_owned());
        found.is_some()
    });
    found.unwrap()
}

/// Waits until the leader would place services on these agents, and on no others.
fn offers(fog: &Fog, at: &str, service: &str, names: &[&str]) {
    let mut expected: Vec<String> = names.iter().map(|name| device(fog, name)).collect();
    expected.sort();
    let mut said = Value::Null;
    let name = service.strip_prefix("service/").unwrap();
    eventually(&format!("{at} offers {names:?}"), || {
        said = lm(fog.agent(at), "GET", &format!("/explain/{name}"), None).1;
        let devices = said["explanation"]["devices"].as_array().cloned().unwrap_or_default();
        let accepted = devices.iter().filter(|device| device["accepted"] == true);
        let mut found: Vec<String> = accepted.map(|device| device["device"].as_str().unwrap().to_owned()).collect();
        found.sort();
        found == expected
    });
}

fn schedule(fog: &Fog, name: &str, operation: &str) {
    let path = device(fog, name).replacen("device/", "/devices/", 1);
    let (status, said) = lm(fog.agent("lead"), "PUT", &path, Some(&json!({ "operation": operation })));
    assert_eq!(status, 200, "{said}");
}

/// How many processes sleep for so long.
fn sleepers(mark: &str) -> usize {
    let output =
        std::process::Command::new("pgrep").args(["-f", "-x", &format!("/bin/sleep {mark}")]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).lines().count()
}

/// On which agents the parts of an instance run.
fn places(document: &Value) -> Vec<String> {
    let agents = document["agents"].as_array().unwrap().iter();
    let mut places: Vec<String> = agents.map(|agent| agent["device_id"].as_str().unwrap().to_owned()).collect();
    places.sort();
    places
}

#[test]
fn an_area_launches_on_two_children_and_moves_what_ran_on_the_one_that_is_lost() {
    let mut fog = area(&["anna", "ben"]);
    let mark = format!("{}", 700_000 + std::process::id());
    let mut service = process("sleeper", &["/bin/sleep", &mark]);
    service["num_agents"] = json!(2);
    service["reschedule"] = json!({ "policy": "after", "grace": 5 });
    let service = register(fog.agent("lead"), &service);
    offers(&fog, "lead", &service, &["anna", "ben", "lead"]);
    schedule(&fog, "lead", "cordon");
    offers(&fog, "lead", &service, &["anna", "ben"]);
    let id = launch(fog.agent("lead"), &service);
    let running = becomes(fog.agent("lead"), &id, "started");
    let mut children = vec![device(&fog, "anna"), device(&fog, "ben")];
    children.sort();
    assert_eq!(places(&running), children);
    assert_eq!(sleepers(&mark), 2);

    schedule(&fog, "lead", "uncordon");
    let (own, lost) = (device(&fog, "lead"), device(&fog, "ben"));
    // The agent dies; what it ran goes on running, as it does on a machine that is cut off.
    fog.kill("ben");
    let mut moved = Value::Null;
    eventually("the part has moved", || {
        moved = instance(fog.agent("lead"), &id);
        moved["status"] == "started" && !places(&moved).contains(&lost)
    });
    assert!(places(&moved).contains(&own), "{moved}");
    assert_eq!(sleepers(&mark), 3, "the one on the lost agent is out of reach");

    fog.start("ben");
    eventually("the old one is stopped", || sleepers(&mark) == 2);
    eventually("ben's workload is gone", || fog.agent("ben").send("GET", "workload", None).json()["count"] == 0);
    assert_eq!(places(&instance(fog.agent("lead"), &id)), places(&moved), "nothing has moved again");

    let _ = fog.agent("lead").send("DELETE", &id, None).expect(200);
    eventually("all are gone", || sleepers(&mark) == 0);
    eventually("the document is gone", || fog.agent("lead").send("GET", "placement", None).json()["count"] == 0);
}

#[test]
fn what_finds_no_place_on_a_child_is_placed_by_the_leader_under_one_id() {
    let fog = area(&["anna", "ben"]);
    let mark = format!("{}", 800_000 + std::process::id());
    let mut service = process("sleeper", &["/bin/sleep", &mark]);
    service["num_agents"] = json!(3);
    let at_lead = register(fog.agent("lead"), &service);
    offers(&fog, "lead", &at_lead, &["anna", "ben", "lead"]);
    let service = register(fog.agent("anna"), &service);
    let id = launch(fog.agent("anna"), &service);
    let running = becomes(fog.agent("anna"), &id, "started");
    assert_eq!(places(&running).len(), 3, "{running}");
    eventually("the leader knows it", || fog.agent("lead").send("GET", &id, None).json()["status"] == "started");
    assert_eq!(sleepers(&mark), 3);
    // Whoever has launched it says what becomes of it.
    let _ = fog.agent("anna").send("PUT", &id, Some(r#"{"desired":"stopped"}"#)).expect(200);
    let _ = becomes(fog.agent("anna"), &id, "stopped");
    assert_eq!(sleepers(&mark), 0);
    let path = format!("/service-instances/{}", id.strip_prefix("service-instance/").unwrap());
    assert_eq!(lm(fog.agent("anna"), "DELETE", &path, None).0, 200);
    eventually("it is gone", || fog.agent("anna").send("GET", &id, None).status == 404);
    for name in ["anna", "ben", "lead"] {
        eventually("its workload is gone", || fog.agent(name).send("GET", "workload", None).json()["count"] == 0);
    }
}

#[test]
fn a_launch_that_fits_nowhere_says_so_for_each_device_and_leaves_nothing() {
    let fog = area(&["anna"]);
    let mut service = process("sleeper", &["/bin/sleep", "600"]);
    service["num_agents"] = json!(3);
    let id = register(fog.agent("anna"), &service);
    let at_lead = register(fog.agent("lead"), &service);
    offers(&fog, "lead", &at_lead, &["anna", "lead"]);
    let mut said = Value::Null;
    eventually("the refusal of both", || {
        let (status, answer) = lm(fog.agent("anna"), "POST", "/service", Some(&json!({ "service_id": id })));
        said = answer;
        // While there is no link to the leader it is another one.
        status == 409
    });
    assert!(said["message"].as_str().unwrap().contains("asked above"), "{said}");
    assert_eq!(fog.agent("anna").send("GET", "service-instance", None).json()["count"], 0);
    eventually("nothing at the leader", || {
        fog.agent("lead").send("GET", "service-instance", None).json()["count"] == 0
    });
    assert_eq!(fog.agent("lead").send("GET", "placement", None).json()["count"], 0);
}

#[test]
fn a_delete_waits_for_an_agent_that_is_away_and_a_launch_does_not_wait_for_a_leader_that_is() {
    let mut fog = area(&["anna"]);
    let mark = format!("{}", 900_000 + std::process::id());
    let mut service = process("sleeper", &["/bin/sleep", &mark]);
    let at_lead = register(fog.agent("lead"), &service);
    offers(&fog, "lead", &at_lead, &["anna", "lead"]);
    schedule(&fog, "lead", "cordon");
    offers(&fog, "lead", &at_lead, &["anna"]);
    let id = launch(fog.agent("lead"), &at_lead);
    let _ = becomes(fog.agent("lead"), &id, "started");
    fog.kill("anna");
    let _ = fog.agent("lead").send("PUT", &id, Some(r#"{"desired":"deleted"}"#)).expect(200);
    let _ = becomes(fog.agent("lead"), &id, "terminating");
    assert_eq!(sleepers(&mark), 1);
    fog.start("anna");
    eventually("it is removed there", || sleepers(&mark) == 0);
    eventually("and its document here", || fog.agent("lead").send("GET", &id, None).status == 404);

    service["num_agents"] = json!(2);
    let at_anna = register(fog.agent("anna"), &service);
    offers(&fog, "anna", &at_anna, &["anna"]);
    fog.kill("lead");
    let mut said = (0, Value::Null);
    eventually("the refusal", || {
        said = lm(fog.agent("anna"), "POST", "/service", Some(&json!({ "service_id": at_anna })));
        said.0 == 503
    });
    assert!(said.1["message"].as_str().unwrap().contains("asked above"), "{said:?}");
    assert_eq!(fog.agent("anna").send("GET", "service-instance", None).json()["count"], 0);
}

#[test]
fn who_comes_to_lead_looks_after_what_the_leader_before_had_placed() {
    let mut fog = Fog::new()
        .with("MF2C_DEVICE_ENABLED", "true")
        .with("MF2C_DEVICE_SAMPLE_EVERY", "1s")
        .with("MF2C_AREA_PROFILE", "lan")
        .with("MF2C_SERVICES_PROCESS", "true")
        .with("MF2C_SERVICES_DOCKER_SOCKET", "");
    // Two that may lead are a majority of three.
    fog.set("kid", "MF2C_AREA_BACKUP", "false");
    fog.found("lead", "dock");
    for name in ["spare", "other", "kid"] {
        fog.add(name, "lead");
    }
    fog.backed_up("lead", &["spare", "other"]);
    let mark = format!("{}", 1_000_000 + std::process::id());
    let mut service = process("sleeper", &["/bin/sleep", &mark]);
    service["reschedule"] = json!({ "policy": "after", "grace": 5 });
    let service = register(fog.agent("lead"), &service);
    offers(&fog, "lead", &service, &["kid", "lead", "other", "spare"]);
    for name in ["lead", "spare", "other"] {
        schedule(&fog, name, "cordon");
    }
    offers(&fog, "lead", &service, &["kid"]);
    let id = launch(fog.agent("lead"), &service);
    let _ = becomes(fog.agent("lead"), &id, "started");
    for name in ["spare", "other"] {
        eventually("the backup knows of it", || fog.agent(name).send("GET", "placement", None).json()["count"] == 1);
    }
    fog.kill("lead");
    eventually("a backup leads", || ["spare", "other"].iter().any(|name| fog.role(name) == "leader"));
    let next = fog.leader_of(&["spare", "other"]).to_owned();
    eventually("it has taken over", || {
        // Its own, beside the copy of the one before.
        fog.agent(&next).send("GET", "placement", None).json()["count"] == 2
    });
    assert_eq!(sleepers(&mark), 1, "nothing is started twice");
    let own = device(&fog, &next).replacen("device/", "/devices/", 1);
    let (status, said) = lm(fog.agent(&next), "PUT", &own, Some(&json!({ "operation": "uncordon" })));
    assert_eq!(status, 200, "{said}");
    fog.kill("kid");
    eventually("the part has moved", || sleepers(&mark) == 2);
    fog.start("kid");
    eventually("the old one is gone", || sleepers(&mark) == 1);
    eventually("kid has none", || fog.agent("kid").send("GET", "workload", None).json()["count"] == 0);
}
