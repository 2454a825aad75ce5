//! Containers of a real engine, by way of Flocker's door and seen by the others.
//!
//! Where no engine can be started, these say so and prove nothing.

use std::net::TcpStream;

use mf2c_tests::{Engine, Fog, eventually, free_address};
use serde_json::{Value, json};

use super::place::{Cluster, D, Door, M, Place, install, port, user};
use crate::services::lm;
use crate::services_area::device;

const C: &str = "/v1/configuration/containers";
const DATASETS: &str = "/v1/configuration/datasets";
const RUNNING: &str = "/v1/state/containers";

/// An agent that uses this engine, and its node.
pub(super) fn open(engine: &Engine) -> (Door, String) {
    let socket = engine.socket();
    let door = Door::open_with(&["u"], |start| {
        start
            .environment("MF2C_DEVICE_ENABLED", "true")
            .environment("MF2C_SERVICES_DOCKER_SOCKET", socket.to_str().unwrap())
    });
    let mut node = None;
    eventually("a node", || {
        let nodes = door.get("u", "/v1/state/nodes").json();
        node = nodes[0]["uuid"].as_str().map(str::to_owned);
        node.is_some()
    });
    (door, node.unwrap())
}

fn free_port() -> u16 {
    free_address().rsplit_once(':').unwrap().1.parse().unwrap()
}

/// Waits until the container runs; its state.
fn runs(door: &Cluster, name: &str) -> Value {
    let mut last = Value::Null;
    eventually("it runs", || {
        last = door.get("u", RUNNING).expect(200).json();
        last.as_array().is_some_and(|all| all.iter().any(|one| one["name"] == name && one["running"] == true))
    });
    last
}

/// The only instance that there is, with its id.
fn instance(door: &Door) -> (String, Value) {
    let list = door.agent.send("GET", "service-instance", None).expect(200).json();
    assert_eq!(list["count"], 1, "{list}");
    let instance = list["serviceInstances"][0].clone();
    (instance["id"].as_str().unwrap().to_owned(), instance)
}

fn instances(door: &Door) -> Vec<Value> {
    let list = door.agent.send("GET", "service-instance", None).expect(200).json();
    list["serviceInstances"].as_array().cloned().unwrap_or_default()
}

fn logs(door: &Door) -> String {
    let id = instance(door).0;
    let name = id.strip_prefix("service-instance/").unwrap();
    lm(&door.agent, "GET", &format!("/service-instances/{name}/logs"), None).1.to_string()
}

fn count(door: &Door, kind: &str) -> Value {
    door.agent.send("GET", kind, None).expect(200).json()["count"].clone()
}

#[test]
fn a_container_runs_as_it_was_told_is_an_instance_everywhere_and_goes_from_every_door() {
    let Some(engine) = Engine::start() else { return };
    let (door, node) = open(&engine);
    let volumes = || engine.docker(&["volume", "ls", "-q"]);
    let _ =
        door.post("u", DATASETS, &json!({"primary": node, "dataset_id": D, "maximum_size": 67_108_864})).expect(201);
    let port = free_port();
    let web = json!({
        "node_uuid": node, "name": "web", "image": "test/web:1", "ports": [{"internal": 8080, "external": port}],
        "environment": {"GREETING": "good day"}, "cpu_shares": 512, "memory_limit": 67_108_864,
        "command_line": ["touch", "/data/kept", "env", "serve", "8080"],
        "restart_policy": {"name": "on-failure", "maximum_retry_count": 3},
        "volumes": [{"dataset_id": D, "mountpoint": "/data"}],
        "links": [{"alias": "db", "local_port": 5432, "remote_port": 15432}],
    });
    let _ = door.post("u", C, &web).expect(201);
    let state = runs(&door, "web");
    let mut expected = web.clone();
    expected["running"] = true.into();
    assert_eq!(state, json!([expected]));
    eventually("it serves", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    let there = door.get("u", "/v1/state/datasets").expect(200).json();
    assert_eq!((&there[0]["dataset_id"], &there[0]["primary"]), (&json!(D), &json!(node)));
    assert_eq!(there[0]["maximum_size"], 67_108_864);
    // Its port is open before it runs.
    let kept = std::path::Path::new(there[0]["path"].as_str().unwrap()).join("kept");
    eventually("what it keeps", || kept.exists());

    let (id, document) = instance(&door);
    assert_eq!(
        (&document["user"], &document["name"], &document["status"]),
        (&json!("u"), &json!("web"), &json!("started"))
    );
    let words = ["GREETING=good day", "DB_PORT_5432_TCP_PORT=15432", "DB_PORT_5432_TCP=tcp://"];
    eventually("its words", || {
        let said = logs(&door);
        words.iter().all(|word| said.contains(word))
    });
    let container = engine.docker(&["ps", "-q"]);
    let told = engine.docker(&["inspect", "-f", "{{.HostConfig.Memory}} {{.HostConfig.CpuShares}}", &container]);
    assert_eq!(told, "67108864 512");

    // What is deleted by CIMI is gone from here at once, and its dataset stays.
    let _ = door.agent.send_as(Some("u USER"), "PUT", &id, Some(r#"{"desired":"deleted"}"#)).expect(200);
    eventually("it is gone from here", || door.get("u", C).json() == json!([]));
    eventually("it is gone from the engine", || engine.docker(&["ps", "-aq"]).is_empty());
    eventually("nothing is left of it", || count(&door, "flocker-container") == 0 && count(&door, "service") == 0);
    assert!(volumes().contains(D), "{}", volumes());

    // And the other way round, with the same dataset, name and port.
    let mut again = web.clone();
    again["command_line"] = json!(["cat", "/data/kept", "say", "again", "sleep"]);
    let _ = door.post("u", C, &again).expect(201);
    let _ = runs(&door, "web");
    eventually("it has said something", || logs(&door).contains("again"));
    assert!(!logs(&door).contains("no /data/kept"), "{}", logs(&door));
    let _ = door.delete("u", &format!("{DATASETS}/{D}")).expect(200);
    let (id, _) = instance(&door);
    let _ = door.delete("u", &format!("{C}/web")).expect(200);
    assert_eq!(door.get("u", C).json(), json!([]));
    eventually("its instance is gone", || door.agent.send("GET", &id, None).status == 404);
    eventually("the engine has nothing", || engine.docker(&["ps", "-aq"]).is_empty() && volumes().is_empty());
    eventually("the state tells it", || door.get("u", "/v1/state/datasets").json() == json!([]));
    eventually("no document is left", || count(&door, "flocker-container") == 0 && count(&door, "service") == 0);
}

#[test]
fn what_is_moved_to_a_node_that_is_not_there_stops_and_runs_again_when_it_comes_back() {
    let Some(engine) = Engine::start() else { return };
    let (door, node) = open(&engine);
    // One that nobody can carry out yet is taken, and says why.
    let body = json!({"node_uuid": M, "name": "web", "image": "test/web:1", "command_line": ["polite", "sleep"]});
    let _ = door.post("u", C, &body).expect(201);
    let detail = || door.agent.send("GET", "flocker-container", None).json()["flockerContainers"][0]["detail"].clone();
    eventually("it says why not", || detail() == "this agent knows no such node");
    let _ = door.post("u", &format!("{C}/web"), &json!({"node_uuid": node})).expect(200);
    let _ = runs(&door, "web");
    assert_eq!(detail(), Value::Null);
    let _ = door.post("u", &format!("{C}/web"), &json!({"node_uuid": M})).expect(200);
    eventually("it has stopped", || engine.docker(&["ps", "-aq"]).is_empty() && count(&door, "service-instance") == 0);
    assert_eq!(door.get("u", C).json()[0]["node_uuid"], M);
    assert_eq!(door.get("u", RUNNING).json(), json!([]));
    let _ = door.post("u", &format!("{C}/web"), &json!({"node_uuid": node})).expect(200);
    let _ = runs(&door, "web");
    // One that is drained stays: it is configured for this node, and for no other.
    let first = instance(&door).0;
    let device = door.agent.send("GET", "device", None).json()["devices"][0]["id"].as_str().unwrap().to_owned();
    let name = device.strip_prefix("device/").unwrap();
    let _ = lm(&door.agent, "PUT", &format!("/devices/{name}"), Some(&json!({"operation": "drain"})));
    eventually("it says that there is no other place", || {
        instance(&door).1["detail"].as_str().is_some_and(|detail| !detail.is_empty())
    });
    assert_eq!(instance(&door).0, first);
    let _ = lm(&door.agent, "PUT", &format!("/devices/{name}"), Some(&json!({"operation": "uncordon"})));
    let _ = door.delete("u", &format!("{C}/web")).expect(200);
    eventually("it is gone", || engine.docker(&["ps", "-aq"]).is_empty());
}

#[test]
fn what_never_began_to_run_is_not_there_and_says_why() {
    let Some(engine) = Engine::start() else { return };
    let (door, node) = open(&engine);
    let body = json!({"node_uuid": node, "name": "web", "image": "127.0.0.1:1/none:1"});
    let _ = door.post("u", C, &body).expect(201);
    let detail = || door.agent.send("GET", "flocker-container", None).json()["flockerContainers"][0]["detail"].clone();
    eventually("it says why not", || detail().as_str().is_some_and(|detail| detail.contains("127.0.0.1:1/none:1")));
    assert_eq!(door.get("u", RUNNING).json(), json!([]));
    // What ran and failed is there, and does not run.
    let failing = json!({"node_uuid": node, "name": "two", "image": "test/web:1", "command_line": ["exit", "3"]});
    let _ = door.post("u", C, &failing).expect(201);
    let mut state = Value::Null;
    eventually("it has failed", || {
        state = door.get("u", RUNNING).json();
        state[0]["running"] == false
            && instances(&door).iter().any(|one| one["status"] == "error" && one["name"] == "two")
    });
    assert_eq!((state.as_array().unwrap().len(), &state[0]["name"]), (1, &json!("two")));
}

#[test]
fn a_container_moves_to_another_agent_of_the_area_and_finds_its_dataset_there() {
    let Some(engine) = Engine::start() else { return };
    let place = Place::with_cluster();
    place.makes(&["create-control-certificate", "127.0.0.1"]);
    let mut fog = Fog::new()
        .with("MF2C_DEVICE_ENABLED", "true")
        .with("MF2C_DEVICE_SAMPLE_EVERY", "1s")
        .with("MF2C_AREA_BACKUP", "false")
        .with("MF2C_SERVICES_DOCKER_SOCKET", engine.socket().to_str().unwrap());
    fog.set("lead", "MF2C_FLOCKER_LISTEN", "127.0.0.1:0");
    fog.set("lead", "MF2C_FLOCKER_CERTIFICATES", install(&place, "control-127.0.0.1").to_str().unwrap());
    fog.found("lead", "dock");
    fog.add("kid", "lead");
    let door = Cluster { place, port: port(fog.agent("lead")) };
    door.certify("u");
    user(fog.agent("lead"), "u");
    let mut nodes = vec![];
    eventually("two nodes", || {
        let told = door.get("u", "/v1/state/nodes").json();
        nodes = told.as_array().unwrap().iter().map(|node| node["uuid"].as_str().unwrap().to_owned()).collect();
        nodes.len() == 2
    });
    let node = |name: &str| {
        let device = device(&fog, name);
        let begins = &device["device/".len()..][..13];
        nodes.iter().find(|uuid| uuid.starts_with(begins)).unwrap().clone()
    };
    let (kid, lead) = (node("kid"), node("lead"));
    let _ = door.post("u", DATASETS, &json!({"primary": kid, "dataset_id": D})).expect(201);
    let body = json!({
        "node_uuid": kid, "name": "web", "image": "test/web:1", "command_line": ["polite", "sleep"],
        "volumes": [{"dataset_id": D, "mountpoint": "/data"}],
    });
    let _ = door.post("u", C, &body).expect(201);
    assert_eq!(runs(&door, "web")[0]["node_uuid"], kid);
    let primary = || door.get("u", "/v1/state/datasets").json()[0]["primary"].clone();
    eventually("its dataset is there", || primary() == kid);
    let _ = door.post("u", &format!("{C}/web"), &json!({"node_uuid": lead})).expect(200);
    eventually("it runs there", || {
        let state = door.get("u", RUNNING).json();
        state.as_array().unwrap().len() == 1 && state[0]["node_uuid"] == lead && state[0]["running"] == true
    });
    eventually("its dataset is there", || primary() == lead);
    assert_eq!(engine.docker(&["ps", "-aq"]).lines().count(), 1, "it is one container");
    assert_eq!(engine.docker(&["volume", "ls", "-q"]).lines().count(), 2, "what it left is kept");
    let _ = door.delete("u", &format!("{C}/web")).expect(200);
    let _ = door.delete("u", &format!("{DATASETS}/{D}")).expect(200);
    eventually("nothing is left", || {
        engine.docker(&["ps", "-aq"]).is_empty() && engine.docker(&["volume", "ls", "-q"]).is_empty()
    });
}
