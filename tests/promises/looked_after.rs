//! What clients may say about services and instances: an instance that an agent looks after is told what to do, and not
//! what it is.

use mf2c_tests::{Start, eventually};
use serde_json::{Value, json};

use crate::lm_rest::{JANE, add};
use crate::lm_services::{Runner, bare, becomes, launched, process};

#[test]
fn a_client_makes_no_instance_that_an_agent_would_look_after() {
    let agent = Start::new().agent();
    let kept = json!({ "desired": "running", "conductor": "me", "version": 4, "detail": "d",
        "update": { "to": 5, "done": 0 } });
    let mut sent = json!({ "user": "jane", "service": "service/s", "status": "started", "agents": [] });
    sent.as_object_mut().unwrap().extend(kept.as_object().unwrap().clone());
    let id = add(&agent, "service-instance", &sent);
    let jane = |method: &str, path: &str, body: Option<&Value>| {
        agent.send_as(Some(JANE), method, path, body.map(Value::to_string).as_deref()).expect(200).json()
    };
    let none_of_it = |document: &Value| kept.as_object().unwrap().keys().all(|name| document.get(name).is_none());
    assert!(none_of_it(&jane("GET", &id, None)));
    let _ = agent.send("PUT", &id, Some(&kept.to_string())).expect(200);
    // The rest is as free as it always was.
    let changed = jane("PUT", &id, Some(&json!({ "desired": "stopped", "status": "stopped", "device_id": "d" })));
    assert!(none_of_it(&changed), "{changed}");
    assert_eq!((&changed["status"], &changed["device_id"]), (&json!("stopped"), &json!("d")));
    assert!(jane("PUT", &format!("{id}?$select=device_id"), Some(&json!({}))).get("device_id").is_none());
}

#[test]
fn an_instance_that_is_looked_after_does_what_a_client_desires_and_is_what_the_agent_says() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Runner::start(folder.path());
    let id = process(&agent, "sleeper", "/bin/sleep", &["600"]);
    let name = bare(&launched(&agent, &json!({ "service_id": id }))["service_instance"]);
    becomes(&agent, &name, "started");
    let path = format!("service-instance/{name}");
    let before = agent.send("GET", &path, None).expect(200).json();
    let sent = json!({ "status": "error", "agents": [], "conductor": "me", "version": 9, "user": "eve",
        "service": "service/x", "agreement": "agreement/x", "sla_template": "y", "detail": "d",
        "service_type": "docker", "device_ip": "10.0.0.1", "description": "mine" });
    for who in [JANE, "super ADMIN"] {
        let after = agent.send_as(Some(who), "PUT", &path, Some(&sent.to_string())).expect(200).json();
        assert_eq!(after["description"], "mine");
        for kept in ["agents", "conductor", "version", "service", "user", "sla_template", "service_type", "device_ip"] {
            assert_eq!(after.get(kept), before.get(kept), "{kept} of {who}");
        }
        let removed = format!("{path}?$select=desired,agents,conductor,status");
        let after = agent.send_as(Some(who), "PUT", &removed, Some("{}")).expect(200).json();
        for kept in ["desired", "agents", "conductor"] {
            assert_eq!(after.get(kept), before.get(kept), "{kept} of {who}");
        }
    }
    let desire = |what: &str| {
        let body = json!({ "desired": what }).to_string();
        let _ = agent.send_as(Some(JANE), "PUT", &path, Some(&body)).expect(200);
    };
    desire("stopped");
    becomes(&agent, &name, "stopped");
    desire("running");
    becomes(&agent, &name, "started");
    desire("deleted");
    eventually("it is gone", || agent.send("GET", &path, None).status == 404);
}

#[test]
fn a_service_is_taken_as_scripts_send_it_and_refused_where_nobody_could_run_it() {
    let agent = Start::new().agent();
    // hello-world.sh.
    let sent = json!({ "name": "hello-world", "description": "Hello World Service", "exec": "hello-world",
        "exec_type": "docker", "sla_templates": ["sla-template/x"], "agent_type": "micro", "num_agents": "",
        "memory_min": "1000", "disk": 5 });
    let id = add(&agent, "service", &sent);
    let stored = agent.send("GET", &id, None).expect(200).json();
    assert!(stored.get("num_agents").is_none(), "{stored}");
    assert_eq!(stored["sla_templates"], json!([{ "href": "sla-template/x" }]));
    assert_eq!((&stored["memory_min"], &stored["disk"], &stored["category"]), (&json!(1000), &json!(5), &json!(0)));

    let faulty = json!({ "health": { "type": "http" }, "environment": { "1A": "x" }, "volumes": ["../x:/y"] });
    let named =
        |message: String| ["`health.port`", "`environment`", "`volumes`"].iter().all(|name| message.contains(name));
    assert!(named(agent.send("PUT", &id, Some(&faulty.to_string())).expect(400).message()));
    let mut new = sent.clone();
    new.as_object_mut().unwrap().extend(faulty.as_object().unwrap().clone());
    assert!(named(agent.send("POST", "service", Some(&new.to_string())).expect(400).message()));
    for name in ["a; rm -rf /", "$(id)", "`id`", "'\"|&"] {
        let mut odd = sent.clone();
        odd["name"] = name.into();
        let id = add(&agent, "service", &odd);
        assert_eq!(agent.send("GET", &id, None).expect(200).json()["name"], name);
    }
    let _ = agent.send("PUT", &id, Some(r#"{"exec_ports": [80], "health": {"type": "tcp", "port": 80}}"#)).expect(200);
}
