//! Services as containers of a real engine.
//!
//! Where no engine can be started, these say so and prove nothing.

use mf2c_tests::{Agent, Engine, Start, eventually};
use serde_json::{Value, json};

use crate::services::{becomes, instance, launch, lm, register, workload};

/// An agent that uses this engine.
fn start(engine: &Engine, data_dir: &std::path::Path) -> Agent {
    Start::new()
        .data_dir(data_dir)
        .environment("MF2C_DEVICE_ENABLED", "true")
        .environment("MF2C_SERVICES_DOCKER_SOCKET", engine.socket().to_str().unwrap())
        .agent()
}

/// A container of the tests' own image.
fn container(name: &str, words: &[&str]) -> Value {
    let words: Vec<&str> = words.to_vec();
    json!({
        "name": name, "exec": "test/web:1", "exec_type": "docker", "agent_type": "normal", "pull": "never",
        "entrypoint": ["/guest"], "command": words,
    })
}

fn containers(engine: &Engine, all: bool) -> Vec<String> {
    let words: &[&str] = if all { &["ps", "-aq"] } else { &["ps", "-q"] };
    engine.docker(words).lines().map(str::to_owned).collect()
}

#[test]
fn a_container_runs_is_reached_heard_and_entered_and_an_end_is_noticed() {
    let Some(engine) = Engine::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let agent = start(&engine, folder.path());
    let mut service = container("web", &["say", "hello", "env", "serve", "8080"]);
    service["exec_ports"] = json!([8080]);
    service["environment"] = json!({ "GREETING": "good day" });
    service["health"] = json!({ "type": "tcp", "interval": 0.2 });
    service["limits"] = json!({ "memory": 64, "cpus": 0.5, "pids": 64 });
    service["restart"] = json!({ "delay": 0.01 });
    let id = launch(&agent, &register(&agent, &service));
    let running = becomes(&agent, &id, "started");
    let part = &running["agents"][0];
    assert_eq!(part["health"], "healthy", "{running}");
    let port = part["ports"][0].as_u64().unwrap();
    assert_ne!(port, 8080, "low ports are not taken from the machine");
    assert!(std::net::TcpStream::connect(("127.0.0.1", u16::try_from(port).unwrap())).is_ok());
    let path = format!("/service-instances/{}", id.strip_prefix("service-instance/").unwrap());
    // What a container says reaches its log some time after it is well.
    eventually("its words are in its log", || {
        let (status, said) = lm(&agent, "GET", &format!("{path}/logs"), None);
        let words = ["hello".to_owned(), "GREETING=good day".to_owned(), format!("MF2C_INSTANCE={id}")];
        status == 200 && words.iter().all(|word| said.to_string().contains(word))
    });
    let run = json!({ "command": ["/guest", "say", "inside", "exit", "3"] });
    let (status, said) = lm(&agent, "POST", &format!("{path}/exec"), Some(&run));
    assert_eq!((status, &said["code"]), (200, &json!(3)), "{said}");
    assert!(said["output"].as_str().unwrap().contains("inside"), "{said}");
    // It dies.
    let _ = engine.docker(&["kill", part["container_id"].as_str().unwrap()]);
    eventually("it is started again", || {
        let now = instance(&agent, &id);
        now["status"] == "started" && now["agents"][0]["restarts"] == 1
    });
    eventually("both of its containers are measured", || {
        agent.send("GET", "service-container-metric", None).expect(200).json()["count"] == 2
    });
    assert_eq!(lm(&agent, "DELETE", &path, None).0, 200);
    eventually("it is gone", || containers(&engine, true).is_empty());
}

#[test]
fn after_a_reboot_without_network_everything_that_should_run_runs() {
    let Some(engine) = Engine::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let agent = start(&engine, folder.path());
    let runs = register(&agent, &container("runs", &["polite", "say", "here", "sleep"]));
    let ids: Vec<String> = (0..3).map(|_| launch(&agent, &runs)).collect();
    let stopped = launch(&agent, &runs);
    for id in ids.iter().chain([&stopped]) {
        let _ = becomes(&agent, id, "started");
    }
    let _ = agent.send("PUT", &stopped, Some(r#"{"desired":"stopped"}"#)).expect(200);
    let _ = becomes(&agent, &stopped, "stopped");
    // The engine's list is behind its own news for a moment.
    eventually("three are left", || containers(&engine, false).len() == 3);
    // The machine goes down: the agent and all containers die at one blow.
    let _ = agent.kill();
    let running = containers(&engine, false);
    let mut words = vec!["kill"];
    words.extend(running.iter().map(String::as_str));
    let _ = engine.docker(&words);
    let agent = start(&engine, folder.path());
    for id in &ids {
        let _ = becomes(&agent, id, "started");
    }
    eventually("three run", || containers(&engine, false).len() == 3);
    assert_eq!(instance(&agent, &stopped)["status"], "stopped");
    assert_eq!(containers(&engine, true).len(), 4, "nothing is made twice");
}

#[test]
fn the_engine_may_go_and_come_back() {
    let Some(mut engine) = Engine::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let agent = start(&engine, folder.path());
    let id = launch(&agent, &register(&agent, &container("runs", &["polite", "sleep"])));
    let _ = becomes(&agent, &id, "started");
    let offered = || agent.send("GET", "device", None).expect(200).json()["devices"][0]["backends"].clone();
    assert_eq!(offered(), json!(["compose", "docker"]));
    engine.stop();
    let away = becomes(&agent, &id, "??");
    assert_eq!(away["agents"][0]["status"], "??", "{away}");
    assert!(away["detail"].as_str().unwrap().contains("docker.sock"), "{away}");
    eventually("nothing is offered any more", || offered() == json!([]));
    let (status, said) = lm(&agent, "POST", "/service", Some(&json!({ "service_id": away["service"] })));
    assert_eq!((status, &said["explanation"]["devices"][0]["reasons"][0]["code"]), (409, &json!("backend")), "{said}");
    engine.start_again();
    eventually("it runs again", || containers(&engine, false).len() == 1);
    let _ = becomes(&agent, &id, "started");
    eventually("all is offered again", || offered() == json!(["compose", "docker"]));
    assert_eq!(containers(&engine, true).len(), 1);
    // One that hangs breaks nothing off, and is noticed all the same.
    engine.hang(true);
    let _ = becomes(&agent, &id, "??");
    engine.hang(false);
    let back = becomes(&agent, &id, "started");
    assert_eq!((&back["agents"][0]["restarts"], &back["detail"]), (&json!(0), &json!("")), "{back}");
}

/// Deletes an instance, until nothing is left of it.
fn delete(agent: &Agent, engine: &Engine, id: &str) {
    let _ = agent.send("DELETE", id, None).expect(200);
    eventually("its workload is gone", || agent.send("GET", "workload", None).json()["count"] == 0);
    eventually("nothing is left of it", || containers(engine, true).is_empty());
}

#[test]
fn a_delete_waits_neither_for_an_image_nor_for_what_never_becomes_healthy() {
    let Some(engine) = Engine::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let agent = start(&engine, folder.path());
    // A registry that takes connections and never says a word.
    let registry = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    registry.set_nonblocking(true).unwrap();
    let mut slow = container("slow", &["sleep"]);
    (slow["exec"], slow["pull"]) = (json!(format!("{}/slow:1", registry.local_addr().unwrap())), json!("always"));
    let id = launch(&agent, &register(&agent, &slow));
    let mut asked = vec![];
    eventually("the image is asked for", || {
        registry.accept().is_ok_and(|line| {
            asked.push(line);
            true
        })
    });
    let _ = becomes(&agent, &id, "deploying");
    delete(&agent, &engine, &id);
    // A part that is never well, and one that waits for it: for five minutes, if nobody wants anything else.
    let file = "services:\n  db:\n    image: test/web:1\n    entrypoint: [/guest]\n    command: [polite, sleep]\n    \
                healthcheck: {test: [CMD, /guest, exit, '0'], interval: 1h}\n  \
                web:\n    image: test/web:1\n    entrypoint: [/guest]\n    command: [polite, sleep]\n    \
                depends_on: {db: {condition: service_healthy}}\n";
    let service = json!({
        "name": "waits", "exec": file, "exec_type": "docker-compose", "agent_type": "normal", "pull": "never",
    });
    let service = register(&agent, &service);
    let id = launch(&agent, &service);
    eventually("one part runs", || containers(&engine, false).len() == 1);
    let _ = agent.send("PUT", &id, Some(r#"{"desired":"stopped"}"#)).expect(200);
    let stopped = becomes(&agent, &id, "stopped");
    assert_eq!(stopped["detail"], "", "what nobody wants any more is no trouble: {stopped}");
    eventually("what ran of it is stopped", || containers(&engine, false).is_empty());
    let _ = agent.send("PUT", &id, Some(r#"{"desired":"running"}"#)).expect(200);
    eventually("one part runs again", || containers(&engine, false).len() == 1);
    delete(&agent, &engine, &id);
}

#[test]
fn a_volume_belongs_to_its_service_and_that_of_a_compose_file_to_its_instance() {
    let Some(engine) = Engine::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let agent = start(&engine, folder.path());
    let volumes = || {
        let all = engine.docker(&["volume", "ls", "-q"]);
        all.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let mut service = container("camera", &["polite", "sleep"]);
    service["volumes"] = json!(["frames:/var/frames"]);
    let service = register(&agent, &service);
    let ids = [launch(&agent, &service), launch(&agent, &service)];
    for id in &ids {
        let _ = becomes(&agent, id, "started");
    }
    let shared = format!("mf2c-{}-frames", service.strip_prefix("service/").unwrap());
    assert_eq!(volumes(), std::slice::from_ref(&shared), "both have the same one");
    for id in &ids {
        let _ = agent.send("DELETE", id, None).expect(200);
    }
    eventually("both are gone", || containers(&engine, true).is_empty());
    assert_eq!(volumes(), std::slice::from_ref(&shared), "it outlives them");
    let file = "services:\n  db:\n    image: test/web:1\n    entrypoint: [/guest]\n    command: [polite, sleep]\n    \
                volumes: ['data:/data']\nvolumes: {data: }\n";
    let application = json!({
        "name": "shop", "exec": file, "exec_type": "docker-compose", "agent_type": "normal", "pull": "never",
        "update": { "healthy_for": 0.1 },
    });
    let application = register(&agent, &application);
    let id = launch(&agent, &application);
    let _ = becomes(&agent, &id, "started");
    let name = id.strip_prefix("service-instance/").unwrap();
    let mut both = vec![shared.clone(), format!("mf2c-{name}-data")];
    both.sort();
    let all = || {
        let mut all = volumes();
        all.sort();
        all
    };
    assert_eq!(all(), both);
    // A new version of it finds what the old one has stored.
    let _ = agent.send("PUT", &application, Some(r#"{"environment":{"A":"1"}}"#)).expect(200);
    let path = format!("/service-instances/{name}");
    assert_eq!(lm(&agent, "PUT", &path, Some(&json!({ "operation": "update" }))).0, 200);
    eventually("the second version runs alone", || {
        let now = instance(&agent, &id);
        now["status"] == "started" && now["agents"][0]["version"] == 2 && containers(&engine, true).len() == 1
    });
    assert_eq!(all(), both);
    let _ = agent.send("DELETE", &id, None).expect(200);
    eventually("its volume goes with it", || all() == [shared.clone()]);
}

#[test]
fn an_image_that_is_not_there_is_an_error_that_is_told_and_no_agreement_is_started() {
    let Some(engine) = Engine::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let agent = start(&engine, folder.path());
    let template = json!({
        "name": "t", "state": "started",
        "details": {
            "type": "template", "name": "t", "provider": { "id": "mf2c", "name": "mF2C" },
            "client": { "id": "c02", "name": "A client" }, "creation": "2018-01-16T17:09:45.01Z",
            "guarantees": [{ "name": "TestGuarantee", "constraint": "execution_time < 10" }],
        },
    });
    let template = agent.send("POST", "sla-template", Some(&template.to_string())).expect(201).json();
    let template = template["resource-id"].as_str().unwrap().to_owned();
    let mut missing = container("missing", &["sleep"]);
    missing["exec"] = json!("test/missing:1");
    let launched = |service: &str| {
        let mut said = (0, Value::Null);
        eventually("a launch", || {
            said = lm(&agent, "POST", "/service", Some(&json!({ "service_id": service, "sla_template": template })));
            said.0 == 200
        });
        said.1["service_instance"]["id"].as_str().unwrap().to_owned()
    };
    let id = launched(&register(&agent, &missing));
    let failed = becomes(&agent, &id, "error");
    assert!(failed["detail"].as_str().unwrap().contains("test/missing:1"), "{failed}");
    assert!(workload(&agent, &id)["events"].to_string().contains("trouble"));
    let agreement = failed["agreement"].as_str().unwrap();
    assert_eq!(agent.send("GET", agreement, None).expect(200).json()["state"], "stopped");
    // One that starts has its agreement watched, and it ends with the instance.
    let id = launched(&register(&agent, &container("runs", &["polite", "sleep"])));
    let running = becomes(&agent, &id, "started");
    let agreement = running["agreement"].as_str().unwrap().to_owned();
    let state = || agent.send("GET", &agreement, None).expect(200).json()["state"].clone();
    eventually("the agreement is watched", || state() == "started");
    let _ = agent.send("DELETE", &id, None).expect(200);
    eventually("the agreement has ended", || state() == "terminated");
}

#[test]
fn compose_files_run_beside_each_other() {
    let Some(engine) = Engine::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let agent = start(&engine, folder.path());
    let file = "services:\n  one:\n    image: test/web:1\n    entrypoint: [/guest]\n    command: [say, first, env, serve, '8080']\n    ports: ['8080']\n  \
                two:\n    image: test/web:1\n    entrypoint: [/guest]\n    command: [say, second, sleep]\n    depends_on: [one]\n";
    // The original's clients send ports with compose files as well; here they say which is asked for health.
    let mut service = json!({
        "name": "both", "exec": file, "exec_type": "docker-compose", "agent_type": "normal", "pull": "never",
        "exec_ports": [8080], "health": { "type": "tcp", "interval": 0.2 },
    });
    let mut odd = service.clone();
    (odd["command"], odd["volumes"]) = (json!(["x"]), json!(["a:/b"]));
    let refused = agent.send("POST", "service", Some(&odd.to_string())).expect(400).json();
    let told = refused["message"].as_str().unwrap();
    assert!(told.contains("`command`") && told.contains("`volumes`") && !told.contains("`exec_ports`"), "{told}");
    service["health"]["port"] = json!(8081);
    let closed = register(&agent, &service);
    eventually("a port that no container publishes is refused", || {
        let (status, said) = lm(&agent, "POST", "/service", Some(&json!({ "service_id": closed })));
        status == 400 && said.to_string().contains("health.port")
    });
    service["health"]["port"] = json!(8080);
    let service = register(&agent, &service);
    let ids = [launch(&agent, &service), launch(&agent, &service)];
    for id in &ids {
        let running = becomes(&agent, id, "started");
        assert!(running["agents"][0]["ports"][0].is_u64(), "{running}");
        assert_eq!(running["agents"][0]["health"], "healthy", "{running}");
    }
    assert_eq!(containers(&engine, false).len(), 4);
    let path = format!("/service-instances/{}", ids[0].strip_prefix("service-instance/").unwrap());
    eventually("both parts' words are in the log", || {
        let (_, said) = lm(&agent, "GET", &format!("{path}/logs"), None);
        let words = ["first".to_owned(), "second".to_owned(), format!("MF2C_INSTANCE={}", ids[0])];
        words.iter().all(|word| said.to_string().contains(word))
    });
    // Somebody removes one of them.
    let lost =
        engine.docker(&["ps", "-q", "--filter", &format!("name={}-0-1-two", &ids[0]["service-instance/".len()..])]);
    let _ = engine.docker(&["rm", "-f", lost.trim()]);
    eventually("it is made again", || {
        let there = containers(&engine, false);
        there.len() == 4 && !there.iter().any(|id| id == lost.trim())
    });
    let _ = becomes(&agent, &ids[0], "started");
    let _ = agent.send("DELETE", &ids[0], None).expect(200);
    eventually("one is left", || containers(&engine, true).len() == 2);
    let _ = becomes(&agent, &ids[1], "started");
}

#[test]
fn an_update_goes_agent_by_agent_and_what_fails_gives_way_to_what_was_well() {
    let Some(engine) = Engine::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let agent = start(&engine, folder.path());
    let mut service = container("web", &["say", "one", "polite", "sleep"]);
    service["update"] = json!({ "healthy_for": 5, "within": 60 });
    service["restart"] = json!({ "policy": "never" });
    let name = register(&agent, &service);
    let id = launch(&agent, &name);
    let _ = becomes(&agent, &id, "started");
    let path = format!("/service-instances/{}", id.strip_prefix("service-instance/").unwrap());
    let update = |words: &[&str]| {
        let _ = agent.send("PUT", &name, Some(&json!({ "command": words }).to_string())).expect(200);
        let (status, said) = lm(&agent, "PUT", &path, Some(&json!({ "operation": "update" })));
        assert_eq!(status, 200, "{said}");
    };
    let logs = || lm(&agent, "GET", &format!("{path}/logs"), None).1.to_string();
    update(&["say", "two", "polite", "sleep"]);
    eventually("the second runs", || {
        let now = instance(&agent, &id);
        now["status"] == "started" && now["version"] == 2 && now["agents"][0]["version"] == 2 && logs().contains("two")
    });
    eventually("the update has ended", || instance(&agent, &id)["update"]["done"] == 1);
    eventually("and may be followed by another", || {
        agent.send("GET", "placement", None).json()["placements"][0]["updating"] == false
    });
    update(&["say", "three", "exit", "1"]);
    eventually("the second is back", || {
        let now = instance(&agent, &id);
        now["update"]["trouble"].as_str().is_some_and(|said| said.contains("failed")) && now["status"] == "started"
    });
    eventually("its words", || logs().contains("two"));
    eventually("one container is left", || containers(&engine, true).len() == 1);
}
