//! The quality of service: what runs and violations teach, who may run an instance next, and why. The letters and numbers are
//! those of the specification's vectors; where the original's answer was a fault of its own, ours stands here.

use mf2c_tests::{Agent, Answer, Start, curl, eventually};
use serde_json::{Value, json};

use crate::discovery::door_of;
use crate::guide::Shell;

/// The guide's 2.2.6 with a date that is still to come.
const AGREEMENT: &str = r#"cat >agreement.json <<EOF
{
  "name": "AGREEMENT 1",
  "state": "started",
  "details":{
    "id": "agreement",
    "type": "agreement",
    "name": "AGREEMENT 1",
    "provider": { "id": "mf2c", "name": "mF2C Platform" },
    "client": { "id": "c02", "name": "A client" },
    "creation": "2018-01-16T17:09:45.01Z",
    "expiration": "2199-01-17T17:09:45.01Z",
    "guarantees": [
      {
        "name": "TestGuarantee",
        "constraint": "execution_time < 10.0"
      }
    ]
  }
}
EOF
curl -XPOST -k https://cimi/api/agreement -d @agreement.json -H "Content-type: application/json" -H 'slipstream-authn-info: super ADMIN'"#;

/// Without the comma and the brace that the page break left in it.
const INSTANCE: &str = r#"cat >service-instance.json <<EOF
{
  "service" : "<service>",
  "status" : "not-defined",
  "agreement" : "<agreement>",
  "agents" : [ {
    "agent" : {
      "href" : "agent/default-value"
    },
    "allow" : true,
    "ports" : [ 46100, 46101, 46102, 46103 ],
    "status" : "not-defined",
    "agent_param" : "not-defined",
    "url" : "192.168.252.41",
    "container_id" : "-",
    "master_comps" : true,
    "num_cpus" : 7
  } ],
  "user" : "testuser"
}
EOF
curl -XPOST -k https://cimi/api/service-instance -d @service-instance.json -H "Content-type: application/json" -H 'slipstream-authn-info: super ADMIN'"#;

const REPORT: &str = r#"cat >service-operation-report.json <<EOF
{
  "serviceInstance": {"href": "<service-instance>"},
  "operation": "TestGuarantee",
  "execution_time": 50.0
}
EOF
curl -XPOST -k https://cimi/api/service-operation-report -d @service-operation-report.json -H "Content-type: application/json" -H 'slipstream-authn-info: super ADMIN'"#;

const CHECK: &str =
    "curl -XGET http://<door>/api/service-management/qos/<service-instance> -H 'slipstream-authn-info: super ADMIN'";

fn add(agent: &Agent, kind: &str, body: &Value) -> String {
    agent.send("POST", kind, Some(&body.to_string())).expect(201).id()
}

/// `body` with what `more` holds besides.
fn with(mut body: Value, more: &Value) -> Value {
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn service(agent: &Agent, more: &Value) -> String {
    let body = json!({"name": "hello", "exec": "hello:1", "exec_type": "docker", "agent_type": "normal"});
    add(agent, "service", &with(body, more))
}

fn agreement(agent: &Agent, guarantee: &str, constraint: &str) -> String {
    let party = json!({"id": "p", "name": "P"});
    let details = json!({
        "type": "agreement", "name": "a", "provider": party, "client": party, "creation": "2018-01-16T17:09:45Z",
        "guarantees": [{"name": guarantee, "constraint": constraint}],
    });
    add(agent, "agreement", &json!({"name": "a", "state": "started", "details": details}))
}

fn instance(agent: &Agent, service: &str, agreement: &str, devices: &[&str]) -> String {
    let agents = devices.iter().map(|device| {
        json!({
            "device_id": device, "url": format!("10.0.0.{}", device.len()), "ports": [8080], "container_id": "c",
            "status": "started", "allow": true, "app_type": "docker", "agent_param": "kept",
        })
    });
    let body = json!({
        "user": "user/jane", "service": service, "agreement": agreement, "status": "started",
        "agents": agents.collect::<Value>(),
    });
    add(agent, "service-instance", &body)
}

/// So many runs on a device, the last of them with violations that name their reports.
fn runs(agent: &Agent, instance: &str, agreement: &str, device: &str, (count, bad): (usize, usize)) {
    let all = |kind: &str, bodies: &[Value]| -> Vec<Value> {
        let answer = agent.send("POST", kind, Some(&json!(bodies).to_string())).expect(200).json();
        answer["results"].as_array().unwrap().clone()
    };
    let report = json!({
        "requesting_application_id": {"href": instance}, "operation_name": "main", "compute_node_id": device,
        "execution_length": 2.0,
    });
    let reports = all("service-operation-report", &vec![report; count]);
    let of = |report: &Value| {
        let more = json!({"report": {"href": report["resource-id"]}, "instance": {"href": instance}});
        violation(agreement, &more)
    };
    let violations: Vec<Value> = reports.iter().skip(count - bad).map(of).collect();
    if bad > 0 {
        assert_eq!(all("sla-violation", &violations).len(), bad);
    }
}

fn violation(agreement: &str, more: &Value) -> Value {
    let body = json!({
        "agreement_id": {"href": agreement}, "guarantee": "hand", "datetime": "2026-01-01T00:00:00Z",
        "constraint": "x < 1", "values": {"x": 2.0},
    });
    with(body, more)
}

fn check(agent: &Agent, id: &str) -> Value {
    agent.send("GET", &format!("service-management/qos/{id}"), None).expect(200).json()
}

/// Asks below the root and not below `/api/`.
fn ask(agent: &Agent, method: &str, path: &str, body: Option<&str>) -> Answer {
    let url = format!("https://{}{path}", agent.https());
    let mut arguments = vec!["-k", "-X", method, "-H", "slipstream-authn-info: super ADMIN", &url];
    if let Some(body) = body {
        arguments.extend(["-H", "content-type: application/json", "-d", body]);
    }
    curl(arguments)
}

/// Asks until the counts of a device are these; the whole answer.
fn learned(agent: &Agent, id: &str, device: &str, (runs, violations): (usize, usize)) -> Value {
    let mut answer = Value::Null;
    eventually(&format!("{runs} runs on {device}, {violations} of them bad"), || {
        answer = agent.send("GET", &format!("service-management/qos/{id}"), None).json();
        let said = &answer["qos"][device];
        said["n"] == runs && said["violations"] == violations
    });
    answer
}

#[test]
fn the_guides_check_of_the_quality_of_service_tells_of_its_violation() {
    let agent = Start::new().environment("MF2C_QOS_LISTEN", "127.0.0.1:0").agent();
    let door = door_of(&agent, "qos.listen");
    let service = service(&agent, &json!({}));
    let shell = Shell::with(agent);
    let id = |answer: (u16, Value)| {
        assert_eq!(answer.0, 201, "{:#}", answer.1);
        answer.1["resource-id"].as_str().unwrap().to_owned()
    };
    let agreement = id(shell.run(AGREEMENT));
    let instance = id(shell.run(&INSTANCE.replace("<service>", &service).replace("<agreement>", &agreement)));
    let fill = |text: &str| text.replace("<service-instance>", &instance).replace("<door>", &door);
    let (status, first) = shell.run(&fill(CHECK));
    assert_eq!((status, &first["status"]), (200, &json!(200)), "Q16: {first:#}");
    let said = &first["qos"]["agent/default-value"];
    assert_eq!((&said["n"], &said["allow"], &said["reason"]), (&json!(0), &json!(true), &json!("unknown")), "Q15");
    let shown = &first["service-instance"];
    let few = (&shown["id"], &shown["user"], &shown["agents"][0]["num_cpus"]);
    assert_eq!(few, (&json!(instance), &json!("testuser"), &json!(7)));

    let report = id(shell.run(&fill(REPORT)));
    let filter = format!("agreement_id/href=\"{agreement}\"");
    let violations = format!("mf2c-curl-get 'https://localhost/api/sla-violation?$filter={filter}'");
    let mut found = Value::Null;
    eventually("that the agreement is assessed", || {
        found = shell.run(&violations).1;
        found["count"] == 1
    });
    let found = &found["slaViolations"][0];
    let told = (&found["guarantee"], &found["values"]["execution_time"], &found["report"]["href"]);
    assert_eq!(told, (&json!("TestGuarantee"), &json!(50.0), &json!(report)), "{found:#}");
    // Twice the same breach, as where two guarantees are broken, is one bad run.
    let again = json!({
        "agreement_id": {"href": agreement}, "guarantee": "TestGuarantee", "datetime": "2026-01-01T00:00:00Z",
        "constraint": "execution_time < 10.0", "values": {"execution_time": 50.0},
        "report": {"href": report}, "instance": {"href": instance},
    });
    let _ = id(shell.run(&format!("mf2c-curl-post https://localhost/api/sla-violation -d '{again}'")));
    let mut answer = Value::Null;
    eventually("that the violation counts", || {
        answer = shell.run(&fill(CHECK)).1;
        answer["qos"]["agent/default-value"]["violations"] == 1
    });
    let said = &answer["qos"]["agent/default-value"];
    assert_eq!((&said["n"], &said["latency"]), (&json!(1), &json!(50.0)), "{answer:#}");
    // Q6: the only agent stays, but now the violation is told of.
    assert_eq!((&said["allow"], &said["reason"]), (&json!(true), &json!("too-few-runs")));
}

#[test]
fn a_device_that_breaks_promises_is_blocked_with_reasons_also_after_a_crash_and_never_are_all() {
    let agent = Start::new().agent();
    let (service, agreement) = (service(&agent, &json!({})), agreement(&agent, "main", "execution_time < 100"));
    let both = instance(&agent, &service, &agreement, &["x", "device/yy"]);
    let alone = instance(&agent, &service, &agreement, &["device/x"]);
    runs(&agent, &both, &agreement, "x", (40, 31));
    runs(&agent, &both, &agreement, "device/yy", (40, 0));
    let _ = learned(&agent, &both, "device/yy", (40, 0));
    let answer = learned(&agent, &both, "device/x", (40, 31));
    let said = &answer["qos"]["device/x"];
    let found = (&said["allow"], &said["p"], &said["reason"]);
    assert_eq!(found, (&json!(false), &json!(0.2381), &json!("unreliable")), "Q13");
    assert!(said["reasons"][0].as_str().unwrap().contains("31 of its last 40 runs"), "{said:#}");
    assert_eq!(answer["qos"]["device/yy"]["allow"], true);

    // The answer is the whole instance, in which nothing but `allow` differs, and what is stored stays as it is.
    let mut stored = agent.send("GET", &both, None).expect(200).json();
    assert_eq!(stored["agents"][0]["allow"], true);
    stored["agents"][0]["allow"] = false.into();
    assert_eq!(check(&agent, &both)["service-instance"], stored);

    let only = check(&agent, &alone);
    assert_eq!(only["qos"]["device/x"]["reason"], "best-of-all", "Q14: {only:#}");
    assert_eq!(only["service-instance"]["agents"][0]["allow"], true);

    let kept = || agent.send("GET", "qos-model", None).expect(200).json();
    eventually("that it is kept", || {
        let model = &kept()["qos-models"][0];
        model["num_service_failures"] == 31 && model["num_service_instances"] == 80
    });
    assert_eq!(kept()["qos-models"][0]["service"]["href"], json!(service));
    assert_eq!(agent.send_as(Some("jane USER"), "GET", "qos-model", None).expect(200).json()["count"], 0);
    let (directory, _held) = agent.kill();
    let agent = Start::new().data_dir(&directory).agent();
    let again = learned(&agent, &both, "device/x", (40, 31));
    assert_eq!(again["qos"]["device/yy"]["n"], 40, "{again:#}");
    runs(&agent, &both, &agreement, "x", (1, 1));
    let _ = learned(&agent, &both, "device/x", (41, 32));

    // What was learned goes with its service.
    let _ = agent.send("DELETE", &service, None).expect(200);
    let gone = agent.send("GET", &format!("service-management/qos/{both}"), None).expect(404);
    assert_eq!(gone.message(), "service not found", "Q2");
    eventually("the end of the model", || agent.send("GET", "qos-model", None).json()["count"] == 0);
}

#[test]
fn a_violation_that_names_no_report_is_about_the_newest_run_of_its_instance_or_agreement() {
    let agent = Start::new().agent();
    let (service, agreement) = (service(&agent, &json!({})), agreement(&agent, "main", "execution_time < 100"));
    let id = instance(&agent, &service, &agreement, &["x"]);
    let violate = |more: &Value| add(&agent, "sla-violation", &violation(&agreement, more));
    runs(&agent, &id, &agreement, "x", (3, 0));
    let _ = learned(&agent, &id, "device/x", (3, 0));
    let _ = violate(&json!({"instance": {"href": id}}));
    let _ = learned(&agent, &id, "device/x", (3, 1));
    let _ = violate(&json!({}));
    let _ = learned(&agent, &id, "device/x", (3, 2));
    // One about something else changes nothing here.
    let _ = violate(&json!({"instance": {"href": "service-instance/unknown"}}));
    runs(&agent, &id, &agreement, "x", (1, 1));
    let _ = learned(&agent, &id, "device/x", (4, 3));
}

#[test]
fn every_path_answers_with_the_true_status_and_says_it_too_and_only_to_who_may_see_the_instance() {
    let agent = Start::new().environment("MF2C_QOS_LISTEN", "127.0.0.1:0").agent();
    let (service, agreement) = (service(&agent, &json!({})), agreement(&agent, "main", "execution_time < 1"));
    let id = instance(&agent, &service, &agreement, &["x"]);
    let name = id.strip_prefix("service-instance/").unwrap();
    let own = format!("http://{}", door_of(&agent, "qos.listen"));
    let api = format!("https://{}", agent.https());
    let paths = |id: &str| {
        vec![
            format!("{api}/api/service-management/qos/{id}"),
            format!("{api}/sm/api/service-instance/{id}"),
            format!("{own}/api/service-management/qos/{id}"),
            format!("{own}/api/service-instance/{id}"),
        ]
    };
    let get = |url: &str, who: &str| curl(["-k", "-H", &format!("slipstream-authn-info: {who}"), url]);
    for path in paths(name).into_iter().chain(paths(&id)) {
        let answer = get(&path, "super ADMIN").expect(200).json();
        assert_eq!((&answer["status"], &answer["resource-id"]), (&json!(200), &json!(id)), "{path}");
        assert_eq!(answer["service-instance"]["id"], id, "{path}");
        assert_eq!(get(&path, "eve USER").expect(403).json()["status"], 403);
        let _ = curl(["-k", &path]).expect(403);
        let _ = curl(["-k", "-X", "PUT", &path]).expect(405);
    }
    for path in paths("nobody-has-this").into_iter().chain(paths("a/b/c")) {
        let answer = get(&path, "super ADMIN").expect(404).json();
        let found = (&answer["status"], &answer["message"]);
        assert_eq!(found, (&json!(404), &json!("service-instance not found")), "Q1 {path}");
    }
    // On the listener of the API this path is CIMI's, as it always was.
    assert_eq!(agent.send("GET", &id, None).expect(200).json()["id"], id);
    let _ = get(&format!("{own}/api/device"), "super ADMIN").expect(404);
}

#[test]
fn an_instance_is_told_how_many_agents_it_needs_and_the_catalogue_stays_as_it_is() {
    let agent = Start::new().environment("MF2C_QOS_SHRINK_AFTER", "0s").agent();
    let service = service(&agent, &json!({"num_agents": 2}));
    let before = agent.send("GET", &service, None).expect(200).json();
    let starts = |instance: &str, expected: &str| {
        let report = json!({
            "requesting_application_id": {"href": instance}, "operation_name": "main", "compute_node_id": "x",
            "execution_length": 0.0, "start_time": "2026-01-01T00:00:00Z", "expected_end_time": expected,
        });
        let _ = add(&agent, "service-operation-report", &report);
    };
    for (guarantee, constraint, vector) in [
        ("main", "execution_time < 5", "F1"),
        ("main", "execution_time < 10.0", "F3, of which the original could not read the dot"),
        ("*", "execution_time < 5", "F4, which the original did not know"),
    ] {
        let agreement = agreement(&agent, guarantee, constraint);
        let id = instance(&agent, &service, &agreement, &["x", "yy"]);
        let has = |agents: u64| {
            eventually(vector, || agent.send("GET", &id, None).expect(200).json()["num_agents"] == agents);
        };
        starts(&id, "2026-01-01T00:01:00Z");
        has(4);
        // F2, but that half as many must do: 5 s were 10 s then.
        starts(&id, "2026-01-01T00:00:05Z");
        has(if constraint.ends_with("10.0") { 1 } else { 2 });
        starts(&id, "2026-01-01T00:00:02Z");
        has(1);
    }
    assert_eq!(agent.send("GET", &service, None).expect(200).json(), before);
}

#[test]
fn services_have_the_category_of_what_they_lean_on_where_that_is_known() {
    let agent = Start::new().environment("MF2C_QOS_HIGH_NETWORK", "0.2").agent();
    let leaning = |cpu: f64, memory: f64, disk: f64, network: f64| {
        json!({
            "cpu_recommended": cpu, "memory_recommended": memory, "disk_recommended": disk,
            "network_recommended": network,
        })
    };
    let category = |id: &str| agent.send("GET", id, None).expect(200).json()["category"].clone();
    let becomes = |id: &str, number: u64| eventually("the category", || category(id) == number);
    let own = service(&agent, &json!({"category": 9}));
    // K1, K3, K4, K5.
    let (plain, busy) = (service(&agent, &json!({})), service(&agent, &leaning(0.7, 0.0, 0.0, 0.0)));
    let (all, none) = (service(&agent, &leaning(0.7, 0.7, 0.7, 0.7)), service(&agent, &leaning(0.69, 0.69, 0.69, 0.1)));
    for (id, number) in [(&busy, 1), (&all, 15), (&none, 0), (&plain, 0)] {
        becomes(id, number);
    }
    let _ = agent.send("PUT", &busy, Some(r#"{"network_recommended": 0.2}"#)).expect(200);
    becomes(&busy, 7);
    assert_eq!(category(&own), 9, "where nothing is known, what a client says counts");
}

#[test]
fn the_service_manager_lists_categorises_registers_and_deletes() {
    let agent = Start::new().agent();
    let known = service(&agent, &json!({}));
    let all = ask(&agent, "GET", "/sm/api", None).expect(200).json();
    assert_eq!((&all["status"], &all["services"][0]["id"]), (&json!(200), &json!(known)));
    let one = ask(&agent, "GET", &format!("/sm/api/{known}"), None).expect(200).json();
    assert_eq!(one["service"]["id"], known);
    assert_eq!(ask(&agent, "GET", "/sm/api/service/none", None).expect(404).message(), "service not found");
    let made = ask(&agent, "POST", "/sm/api", Some(r#"{"name": "n", "memory_recommended": 0.9}"#)).expect(201).json();
    assert_eq!((&made["message"], &made["status"]), (&json!("Created"), &json!(201)));
    assert_eq!((&made["service"]["category"], &made["service"]["cpu_recommended"]), (&json!(2), &json!(0.0)));
    assert_eq!(agent.send("GET", "service", None).json()["count"], 1, "nothing was stored");

    let mut body = json!({"name": "n", "exec": "e:1", "exec_type": "docker", "agent_type": "normal"});
    let refused = ask(&agent, "POST", "/sm/api/gui", Some(&body.to_string())).expect(400);
    assert_eq!(refused.message(), "Please, select the SLA template");
    body["sla_templates"] = json!(["sla-template/x"]);
    let id = ask(&agent, "POST", "/sm/api/gui", Some(&body.to_string())).expect(201).id();
    let _ = ask(&agent, "DELETE", &format!("/sm/api/gui/{id}"), None).expect(200);
    let _ = ask(&agent, "DELETE", &format!("/sm/api/gui/{id}"), None).expect(404);
    assert_eq!(ask(&agent, "GET", "/sm/api/gui/sla-template", None).expect(200).json()["templates"], json!([]));
    let nothing = ask(&agent, "POST", "/sm/api/gui/service-instance", Some("{}")).expect(400);
    assert_eq!(nothing.message(), "parameter not found: service /  service_id");
    let _ = ask(&agent, "PUT", "/sm/api", None).expect(405);
    let _ = ask(&agent, "GET", "/sm/api/else", None).expect(404);
    let stranger = |path: &str| curl(["-k", &format!("https://{}{path}", agent.https())]).status;
    assert_eq!(["/sm/api", &format!("/sm/api/{known}"), "/sm/api/gui/sla-template"].map(stranger), [403; 3]);
}

#[test]
fn the_last_command_of_the_guide_says_not_who_asks_and_is_answered_where_the_operator_wants_that() {
    let ask = |agent: &Agent, headers: &[&str], path: &str| {
        let door = door_of(agent, "qos.listen");
        let (port, at) = (door.rsplit_once(':').unwrap().1, format!("service-manager:80:{door}"));
        assert!(!port.is_empty());
        let url = format!("http://service-manager/api/{path}");
        let mut arguments = vec!["--connect-to", &at, "-XGET", &url];
        headers.iter().for_each(|header| arguments.extend(["-H", header]));
        curl(arguments)
    };
    let start = || Start::new().environment("MF2C_QOS_LISTEN", "127.0.0.1:0");
    for (anonymous, status) in [("false", 403), ("true", 200)] {
        let agent = start().environment("MF2C_QOS_ANONYMOUS", anonymous).agent();
        let (service, agreement) = (service(&agent, &json!({})), agreement(&agent, "main", "execution_time < 100"));
        let id = instance(&agent, &service, &agreement, &["x"]);
        let path = format!("service-management/qos/{id}");
        assert_eq!(ask(&agent, &[], &path).status, status);
        // Nobody is asked for this alone, here alone, and of this machine alone.
        assert_eq!(ask(&agent, &["x-forwarded-for: 10.0.0.1"], &path).status, 403);
        assert_eq!(ask(&agent, &["host: elsewhere.example"], &path).status, 403);
        assert_eq!(ask(&agent, &[], &format!("service/{}", service.trim_start_matches("service/"))).status, 403);
        assert_eq!(agent.send_as(None, "GET", &path, None).status, 403);
    }
}

#[test]
fn a_door_that_takes_cookies_in_clear_text_is_shut_to_the_network() {
    let folder = tempfile::tempdir().unwrap();
    let start = Start::new().data_dir(folder.path()).environment("MF2C_QOS_LISTEN", "0.0.0.0:46200");
    start.refused().tells(&["qos.listen", "legacy.open"]);
}
