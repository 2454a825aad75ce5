//! The original's lifecycle endpoints and its recommender (`spec/lifecycle.md` A.2 to A.4, C.2): paths, statuses, shapes and rights,
//! at the address of the API and at listeners of their own.

use mf2c_tests::{Agent, Answer, Start, curl, eventually};
use serde_json::{Value, json};

use crate::discovery::door_of;

pub(crate) const JANE: &str = "jane USER";
pub(crate) const ADMIN: &str = "super ADMIN";

fn url(agent: &Agent, path: &str) -> String {
    format!("{}{path}", agent.http().trim_end_matches("/api"))
}

/// One request with more headers; of nobody where `who` is empty.
pub(crate) fn ask_with(
    agent: &Agent,
    who: &str,
    method: &str,
    path: &str,
    headers: &[&str],
    body: Option<&str>,
) -> Answer {
    let (url, who) = (url(agent, path), format!("slipstream-authn-info: {who}"));
    let mut arguments = vec!["-g", "-X", method, &url];
    for header in headers.iter().copied().chain(Some(who.as_str()).filter(|who| !who.ends_with(": "))) {
        arguments.extend(["-H", header]);
    }
    if let Some(body) = body {
        arguments.extend(["-H", "content-type: application/json", "--data-binary", body]);
    }
    curl(arguments)
}

pub(crate) fn ask_as(agent: &Agent, who: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
    ask_with(agent, who, method, path, &[], body.map(Value::to_string).as_deref())
}

pub(crate) fn ask(agent: &Agent, method: &str, path: &str, body: Option<&Value>) -> Answer {
    ask_as(agent, JANE, method, path, body)
}

/// A refusal in the original's form; its sentence.
#[track_caller]
pub(crate) fn refused(answer: Answer, status: u16) -> String {
    let found = answer.expect(status).json();
    assert_eq!(found["error"], true, "{found}");
    found["message"].as_str().expect("a sentence").to_owned()
}

pub(crate) fn add(agent: &Agent, kind: &str, body: &Value) -> String {
    agent.send_as(Some(JANE), "POST", kind, Some(&body.to_string())).expect(201).id()
}

/// An instance of jane's that nobody else may see; its bare name.
fn instance(agent: &Agent) -> String {
    let acl = json!({ "owner": { "principal": "jane", "type": "USER" } });
    let body = json!({ "user": "user/jane", "service": "service/s", "status": "started", "agents": [], "acl": acl });
    add(agent, "service-instance", &body).trim_start_matches("service-instance/").to_owned()
}

fn service(agent: &Agent, name: &str) -> String {
    add(agent, "service", &json!({ "name": name, "exec": "x", "exec_type": "docker", "agent_type": "normal" }))
}

#[test]
fn banner_description_and_page_are_for_everybody_under_both_of_their_paths() {
    let agent = Start::new().agent();
    let nobody = |path: &str, headers: &[&str]| ask_with(&agent, "", "GET", path, headers, None).expect(200);
    let banner = nobody("/lm/api/v2", &[]).json();
    assert_eq!((&banner["app"], &banner["status"]), (&"Lifecycle Management REST API".into(), &"Running".into()));
    for key in ["api_doc_json", "api_doc_html"] {
        let _ = curl([banner[key].as_str().unwrap()]).expect(200);
    }
    let described = nobody("/lm", &[]).json();
    assert_eq!((&described, &described), (&nobody("/lm/", &[]).json(), &nobody("/lm/api/v2/lm", &[]).json()));
    let whole = curl([&url(&agent, "/openapi.json")]).expect(200).json();
    for (path, item) in described["paths"].as_object().unwrap() {
        assert_eq!(item, &whole["paths"][path], "{path}");
    }
    assert!(whole["paths"]["/mf2c/optimal"]["post"].is_object());
    let accept = ["accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"];
    for page in [nobody("/lm", &accept), nobody("/lm.html", &[]), nobody("/lm/api/v2/lm.html", &[])] {
        assert_eq!(page.header("content-type").unwrap(), "text/html; charset=utf-8");
        assert!(page.header("content-security-policy").unwrap().contains("default-src 'none'"));
        assert!(page.text().contains("<code>/lm/service-instances/{name}/logs</code>"));
    }
}

#[test]
fn other_methods_and_paths_are_refused_in_the_originals_form() {
    let agent = Start::new().agent();
    for (method, path, allow) in [
        ("PUT", "/lm/agent-um", "GET, HEAD"),
        ("GET", "/lm/service", "POST"),
        ("PATCH", "/lm/service-instances/x", "GET, HEAD, PUT, DELETE"),
        ("POST", "/lm/service-instances/all", "GET, HEAD, DELETE"),
        ("DELETE", "/lm/devices/x", "PUT"),
        ("DELETE", "/mf2c/optimal", "GET, HEAD, POST"),
    ] {
        let answer = ask(&agent, method, path, None);
        assert_eq!(answer.header("allow").as_deref(), Some(allow), "{method} {path}");
        let _ = refused(answer, 405);
    }
    for path in ["/lm/else", "/lm/service-instances", "/lm/service-instances/x/else", "/lm/api/v2/um", "/mf2c/else"] {
        assert_eq!(refused(ask(&agent, "GET", path, None), 404), "unknown resource", "{path}");
    }
    let links = "own links";
    assert!(refused(ask(&agent, "POST", "/lm/service-instance-int", Some(&json!({}))), 501).contains(links));
    assert!(refused(ask(&agent, "PUT", "/lm/service-instance-int", Some(&json!({}))), 501).contains(links));
    for path in ["/mf2c/analyse", "/mf2c/refine"] {
        assert!(refused(ask(&agent, "POST", path, Some(&json!({}))), 501).contains("/mf2c/optimal"));
    }
}

#[test]
fn what_lacks_a_parameter_is_406_as_in_the_original_and_what_makes_no_sense_400() {
    let agent = Start::new().environment("MF2C_LIMITS_BODY", "64 KiB").agent();
    let path = format!("/lm/service-instances/{}", instance(&agent));
    let put = |path: &str, body: Value| ask(&agent, "PUT", path, Some(&body));
    assert_eq!(refused(put(&path, json!({})), 406), "parameter not found: operation");
    assert!(refused(put(&path, json!({ "operation": "explode" })), 501).contains("start, stop, restart or update"));
    let _ = refused(put(&path, json!({ "operation": 5 })), 400);
    let der = format!("{path}/der");
    assert_eq!(refused(put(&der, json!({})), 406), "parameter not found: operation");
    let _ = refused(put(&der, json!({ "operation": "stop-job" })), 501);
    let job =
        json!({ "operation": "start-job", "ceiClass": "c", "className": "c", "hasResult": true, "methodName": "m" });
    assert_eq!(refused(put(&der, job), 406), "parameter not found: parameters");

    let post = |body: Value| ask(&agent, "POST", "/lm/service", Some(&body));
    for lacking in [json!({}), json!({ "service_id": "" }), json!({ "sla_template": "sla-template/t" })] {
        assert_eq!(refused(post(lacking), 406), "parameter not found: service /  service_id");
    }
    assert!(refused(post(json!({ "service_id": "device/d" })), 400).contains("`service_id`"));
    let id = json!({ "service_id": "service/s" });
    let with = |name: &str, value: Value| {
        let mut body = id.clone();
        body[name] = value;
        body
    };
    assert!(refused(post(with("agents_list", json!([{}]))), 400).contains("`agents_list`"));
    assert!(refused(post(with("agents_list", vec!["10.0.0.1"; 1001].into())), 400).contains("at most 1000"));
    assert!(refused(post(with("sla_template", json!("agreement/a"))), 400).contains("`sla_template`"));
    assert!(refused(post(with("service_instance_id", json!("service-instance/i"))), 501).contains("own links"));
    let raw = |query: &str, headers: &[&str], body: &str| {
        ask_with(&agent, JANE, "POST", &format!("/lm/service{query}"), headers, Some(body))
    };
    assert!(refused(raw("", &[], "{bad"), 400).contains("malformed JSON"));
    assert!(refused(raw("?dryRun=perhaps", &[], &id.to_string()), 400).contains("`dryRun`"));
    assert!(refused(raw("", &["idempotency-key: a b"], &id.to_string()), 400).contains("`Idempotency-Key`"));
    assert!(refused(raw("", &[], &format!("\"{}\"", "x".repeat(100_000))), 413).contains("too large"));

    let exec = format!("{path}/exec");
    assert!(refused(ask(&agent, "POST", &exec, Some(&json!({ "command": "ls" }))), 400).contains("`command`"));
    let slow = json!({ "command": ["ls"], "timeout": 301 });
    assert!(refused(ask(&agent, "POST", &exec, Some(&slow)), 400).contains("1 to 300"));
    for query in ["tail=all", "since=yesterday", "index=-1", "follow=perhaps", "lines=5"] {
        let name = query.split_once('=').unwrap().0;
        assert!(refused(ask(&agent, "GET", &format!("{path}/logs?{query}"), None), 400).contains(name), "{query}");
    }
}

#[test]
fn notes_of_other_modules_are_taken_and_logged() {
    let agent = Start::new().agent();
    let post = |body: Value| ask(&agent, "POST", "/lm", Some(&body));
    let data = json!({ "num_agents": 2, "service_instance_id": "service-instance/noted" });
    for (kind, message, key) in [
        ("sla_notification", "SLA Notification has been processed", "notification"),
        ("um_warning", "UM Warning is being processed...", "warning"),
        ("qos_enforcement", "QoS Notification is being processed...", "notification"),
    ] {
        let told = post(json!({ "type": kind, "data": data })).expect(200).json();
        assert_eq!((&told["error"], &told["message"]), (&false.into(), &message.into()));
        assert_eq!(serde_json::from_str::<Value>(told[key].as_str().unwrap()).unwrap(), data);
    }
    eventually("three lines in the log", || agent.log().matches("service-instance/noted").count() == 3);
    assert_eq!(refused(post(json!({ "data": data })), 406), "parameter not found: type");
    assert_eq!(refused(post(json!({ "type": "um_warning" })), 406), "parameter not found: data");
    let few = json!({ "type": "qos_enforcement", "data": { "num_agents": 2 } });
    assert_eq!(refused(post(few), 406), "parameter not found: service_instance_id");
    assert!(refused(post(json!({ "type": "else", "data": {} })), 501).contains("`else`"));
    let _ = refused(ask_as(&agent, "", "POST", "/lm", Some(&json!({ "type": "um_warning", "data": {} }))), 403);
}

#[test]
fn nobody_gets_in_and_others_instances_stay_closed() {
    let agent = Start::new().agent();
    let closed = instance(&agent);
    let own = format!("/lm/service-instances/{closed}");
    for (method, path) in [
        ("GET", "/lm/agent-config"),
        ("GET", "/lm/check-agent-um"),
        ("GET", "/lm/check-agent-swarm"),
        ("GET", "/lm/agent-um"),
        ("GET", "/lm/service-instances/all"),
        ("DELETE", "/lm/service-instances/all"),
        ("GET", "/lm/devices"),
        ("POST", "/lm/service"),
        ("POST", "/mf2c/optimal"),
        ("GET", own.as_str()),
    ] {
        assert_eq!(refused(ask_as(&agent, "", method, path, None), 403), "credentials required", "{method} {path}");
    }
    for (method, tail) in [
        ("GET", ""),
        ("PUT", ""),
        ("DELETE", ""),
        ("PUT", "/der"),
        ("GET", "/report"),
        ("GET", "/logs"),
        ("POST", "/exec"),
        ("GET", "/usage"),
        ("GET", "/events"),
    ] {
        let _ = refused(ask_as(&agent, "joe USER", method, &format!("{own}{tail}"), Some(&json!({}))), 403);
        let unknown = ask(&agent, method, &format!("/lm/service-instances/unknown{tail}"), Some(&json!({})));
        assert_eq!(refused(unknown, 404), "service-instance/unknown not found", "{method} {tail}");
    }
    let none = ask_as(&agent, "joe USER", "GET", "/lm/service-instances/all", None).expect(200).json();
    assert_eq!(none["service_instances"], json!([]));
    let _ = refused(ask(&agent, "PUT", "/lm/devices/unknown", Some(&json!({ "operation": "drain" }))), 404);
    let _ = refused(ask(&agent, "GET", "/lm/explain/unknown", None), 404);
}

#[test]
fn a_page_of_somebody_else_cannot_send_what_it_does_not_call_json() {
    let agent = Start::new().agent();
    let url = url(&agent, "/lm");
    let who = format!("slipstream-authn-info: {JANE}");
    let note = r#"{"type": "um_warning", "data": {}}"#;
    let send = |more: &[&str]| {
        let mut arguments = vec!["-H", who.as_str(), "-H", "content-type: text/plain", "-d", note];
        arguments.extend(more);
        arguments.push(&url);
        curl(arguments)
    };
    let _ = send(&[]).expect(200);
    let _ = refused(send(&["-H", "origin: https://evil.example"]), 415);
}

#[test]
fn instances_are_shown_with_their_newest_report_and_what_has_happened() {
    let agent = Start::new().agent();
    let name = instance(&agent);
    let (id, path) = (format!("service-instance/{name}"), format!("/lm/service-instances/{name}"));
    let all = ask(&agent, "GET", "/lm/service-instances/all", None).expect(200).json();
    assert_eq!((&all["message"], &all["Msg"]), (&"Service instances content".into(), &"".into()));
    assert_eq!(all["service_instances"][0]["id"], id.as_str());
    for path in [&path, &format!("/lm/api/v2/lm/service-instances/{id}")] {
        let one = ask(&agent, "GET", path, None).expect(200).json();
        assert_eq!((&one["error"], &one["message"]), (&false.into(), &"Service instance content".into()));
        assert_eq!(
            (&one["service_instance_id"], &one["service_instance"]["id"]),
            (&name.as_str().into(), &id.as_str().into())
        );
    }
    let report = || ask(&agent, "GET", &format!("{path}/report"), None).expect(200).json();
    assert_eq!(report()["report"], json!({}));
    for (start, length) in [("2026-01-02T00:00:00Z", 2.0), ("2026-01-03T00:00:00Z", 3.0), ("2026-01-01T00:00:00Z", 1.0)]
    {
        let body = json!({
            "requesting_application_id": { "href": id }, "operation_name": "main", "execution_length": length,
            "start_time": start,
        });
        add(&agent, "service-operation-report", &body);
    }
    assert_eq!(report()["report"]["execution_length"], 3.0);
    let events = ask(&agent, "GET", &format!("{path}/events"), None).expect(200).json();
    assert_eq!(events["events"], json!([]));
}

#[test]
fn the_agent_tells_what_it_is_and_where_services_can_be_placed() {
    let agent = Start::new().environment("MF2C_DEVICE_ENABLED", "true").agent();
    // What the agent says of its machine is for administrators.
    let ask = |method: &str, path: &str, body: Option<&Value>| ask_as(&agent, ADMIN, method, path, body);
    eventually("the device", || {
        let devices = ask("GET", "/lm/devices", None).expect(200).json()["devices"].clone();
        devices[0]["status"] == "connected" && devices[0]["workloads"] == 0
    });
    let device = ask("GET", "/lm/devices", None).json()["devices"][0].clone();
    assert_eq!((&device["scheduling"], &device["agentType"]), (&"open".into(), &"normal".into()));
    assert!(device["id"].as_str().unwrap().starts_with("device/") && device["backends"].is_array());
    let config = ask("GET", "/lm/agent-config", None).expect(200).json();
    let api = agent.http().trim_end_matches("/api").to_owned();
    assert_eq!(
        (&config["mode"], &config["properties"]["cimi-url"]),
        (&"MF2C".into(), &format!("http://{api}/api").into())
    );
    assert_eq!(config["properties"]["mf2c"]["SLA MANAGER"], format!("http://{api}/sla"));
    assert_eq!(config["version"], env!("CARGO_PKG_VERSION"));
    let path = format!("/lm/devices/{}", device["id"].as_str().unwrap());
    assert_eq!(refused(ask("PUT", &path, Some(&json!({}))), 406), "parameter not found: operation");
    assert!(refused(ask("PUT", &path, Some(&json!({ "operation": "burn" }))), 501).contains("drain"));
    let seen = ask_as(&agent, JANE, "GET", "/lm/devices", None).expect(200).json();
    assert_eq!(seen["devices"], json!([]));
    let swarm = ask("GET", "/lm/check-agent-swarm", None).expect(200).json();
    assert_eq!(swarm["result"], false);
    assert!(swarm["message"].as_str().unwrap().contains("Swarm") && swarm["device-id"] != "not-defined");
}

#[test]
fn the_recommender_wants_a_service_and_a_device_that_are_there() {
    let agent = Start::new().agent();
    let post = |body: Value| ask(&agent, "POST", "/mf2c/optimal", Some(&body));
    assert!(refused(post(json!({})), 400).contains("`name`"));
    assert!(refused(ask(&agent, "GET", "/mf2c/optimal", None), 400).contains("`name`"));
    assert_eq!(refused(post(json!({ "name": "it's" })), 404), "service not found; [name=it's]");
    assert_eq!(refused(post(json!({ "service_id": "service/x" })), 404), "service/x not found");
    let id = service(&agent, "hello");
    for body in [json!({ "name": "hello", "device_id": "x" }), json!({ "service_id": id, "device_id": "device/x" })] {
        assert_eq!(refused(post(body), 404), "Device not found");
    }
}

#[test]
fn both_have_listeners_of_their_own_where_they_are_switched_on() {
    let agent = Start::new()
        .environment("MF2C_SERVICES_LM_LISTEN", "0")
        .environment("MF2C_SERVICES_OPTIMAL_LISTEN", "127.0.0.1:0")
        .agent();
    let (lm, optimal) = (door_of(&agent, "services.lm_listen"), door_of(&agent, "services.optimal_listen"));
    assert!(lm.starts_with("127.0.0.1:"), "{lm}");
    let at = |door: &str, path: &str| format!("http://{door}{path}");
    let jane = format!("slipstream-authn-info: {JANE}");
    for path in ["/api/v2", "/api/v2/"] {
        let banner = curl([&at(&lm, path)]).expect(200).json();
        assert_eq!(banner["api_doc_json"], at(&lm, "/api/v2/lm"));
    }
    let described = curl([&at(&lm, "/api/v2/lm")]).expect(200).json();
    assert!(described["paths"]["/api/v2/lm/service"]["post"].is_object());
    let page = curl([&at(&lm, "/api/v2/lm.html")]).expect(200).text();
    assert!(page.contains("<code>/api/v2/lm/service</code>"));
    let _ = curl([&at(&lm, "/api/v2/lm/service-instances/all")]).expect(403);
    let all = curl(["-H", &jane, &at(&lm, "/api/v2/lm/service-instances/all")]).expect(200).json();
    assert_eq!(all["service_instances"], json!([]));
    let config = curl(["-H", &jane, &at(&lm, "/api/v2/lm/agent-config")]).expect(200).json();
    assert_eq!(config["properties"]["cimi-url"], format!("https://{}/api", agent.https()));
    // As the original's programs send it: with curl's own content type.
    let lacking = curl(["-H", &jane, "-d", "{}", &at(&lm, "/api/v2/lm/service")]);
    assert_eq!(refused(lacking, 406), "parameter not found: service /  service_id");
    for path in ["/lm", "/api/device", "/mf2c/optimal", "/openapi.json"] {
        let _ = curl([&at(&lm, path)]).expect(404);
    }
    let _ = refused(curl(["-H", &jane, "-d", "{}", &at(&optimal, "/mf2c/optimal")]), 400);
    let _ = curl([&at(&optimal, "/")]).expect(200);
    let _ = curl([&at(&optimal, "/api/v2/lm")]).expect(404);
}
