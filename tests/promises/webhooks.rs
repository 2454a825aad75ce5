//! Webhooks are told of every change that concerns them, in order and at least once, whatever becomes of the agent or
//! the receiver; and they lead nowhere where their owner could not go.

use std::process::Command;

use mf2c_tests::{Agent, Delivery, Receiver, Reply, Start, eventually, let_pass};
use serde_json::{Value, json};

/// Quick to try again, and allowed to reach this machine.
fn start() -> Start {
    Start::new()
        .environment("MF2C_WEBHOOKS_ALLOW_PRIVATE", "true")
        .environment("MF2C_WEBHOOKS_FIRST_PAUSE", "10ms")
        .environment("MF2C_WEBHOOKS_ATTEMPTS", "3")
        .environment("MF2C_WEBHOOKS_TIMEOUT", "5s")
}

/// Adds a webhook for services: its id and secret.
fn hook(agent: &Agent, url: &str) -> (String, String) {
    let body = json!({"url": url, "types": ["service"]}).to_string();
    let answer = agent.send("POST", "webhook", Some(&body)).expect(201);
    (answer.id(), answer.json()["secret"].as_str().unwrap().to_owned())
}

/// Adds a service: its id.
fn service(agent: &Agent, name: &str) -> String {
    let body = json!({"name": name, "exec": "x", "exec_type": "docker", "agent_type": "normal"}).to_string();
    agent.send("POST", "service", Some(&body)).expect(201).id()
}

fn names(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(|each| each.json()["data"]["resource"]["name"].as_str().unwrap_or("-").to_owned()).collect()
}

/// The failures of a webhook, as soon as there are `count`.
fn failures(agent: &Agent, hook: &str, count: usize) -> Vec<Value> {
    let path = format!("webhook-failure?$filter=webhook/href='{hook}'&$orderby=position");
    let list = || agent.send("GET", &path, None).expect(200).json()["webhookFailures"].as_array().unwrap().clone();
    eventually(&format!("{count} failures of {hook}"), || list().len() == count);
    list()
}

/// The signature, made by what the guide tells its readers to do.
pub(crate) fn signature(secret: &str, delivery: &Delivery) -> String {
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/guide.md")).unwrap();
    let check =
        guide.split("\n```sh\n").find(|block| block.starts_with("KEY=")).unwrap().split("\n```").next().unwrap();
    let output = Command::new("bash")
        .args(["-c", check])
        .env("SECRET", secret)
        .env("ID", delivery.header("webhook-id"))
        .env("TIME", delivery.header("webhook-timestamp"))
        .env("BODY", &delivery.body)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn changes_are_delivered_in_order_each_signed_with_the_secret() {
    let (agent, receiver) = (start().agent(), Receiver::willing());
    let (_, secret) = hook(&agent, &receiver.url());
    let ids: Vec<String> = ["a", "b", "c"].iter().map(|name| service(&agent, name)).collect();
    let _ = agent.send("PUT", &ids[0], Some(r#"{"description": "new"}"#)).expect(200);
    // Of another type.
    let _ = agent.send(
        "POST",
        "qos-model",
        Some(r#"{"service":{"href":"service/x"},"agreement":{"href":"agreement/x"},"agents":[]}"#),
    );
    let _ = agent.send("DELETE", &ids[1], None).expect(200);

    let came = receiver.first(5);
    assert_eq!(names(&came), ["a", "b", "c", "a", "b"]);
    let kinds: Vec<Value> = came.iter().map(|each| each.json()["type"].clone()).collect();
    assert_eq!(kinds, ["service.created", "service.created", "service.created", "service.updated", "service.deleted"]);
    for each in &came {
        assert_eq!(each.header("webhook-signature"), signature(&secret, each));
        assert!(each.head.starts_with("POST /hook HTTP/1.1") && each.header("content-type") == "application/json");
    }
    let data = &came[3].json()["data"];
    assert_eq!((&data["id"], &data["change"], &data["type"]), (&json!(ids[0]), &json!("updated"), &json!("service")));
    assert!(data["position"].as_u64() > came[2].json()["data"]["position"].as_u64());
    let distinct: std::collections::BTreeSet<String> = came.iter().map(|each| each.header("webhook-id")).collect();
    assert_eq!(distinct.len(), 5);
    // Each is counted when its answer has come.
    eventually("all are counted", || agent.metric("mf2c_webhook_deliveries_total") == 5);
}

#[test]
fn what_fails_is_tried_again_with_the_same_id_and_nothing_overtakes_it() {
    let agent = start().agent();
    let receiver = Receiver::start(|number, _| Reply::Status(if number < 2 { 500 } else { 200 }, String::new()));
    let _ = hook(&agent, &receiver.url());
    service(&agent, "a");
    service(&agent, "b");
    let came = receiver.first(4);
    assert_eq!(names(&came), ["a", "a", "a", "b"]);
    assert!(came[..3].iter().all(|each| each.header("webhook-id") == came[0].header("webhook-id")));
}

#[test]
fn what_fails_too_often_waits_in_the_list_of_failures_until_somebody_asks_for_it() {
    let agent = start().agent();
    let receiver = Receiver::start(|number, _| match number {
        0..3 => Reply::Status(503, "retry-after: 0\r\n".to_owned()),
        _ => Reply::Status(200, String::new()),
    });
    let (id, secret) = hook(&agent, &receiver.url());
    service(&agent, "a");
    service(&agent, "b");
    assert_eq!(names(&receiver.first(4)), ["a", "a", "a", "b"]);
    let failure = failures(&agent, &id, 1).remove(0);
    assert_eq!((&failure["attempts"], &failure["state"]), (&json!(3), &json!("FAILED")));
    assert!(failure["reason"].as_str().unwrap().contains("503"), "{failure}");
    assert_eq!(failure["payload"]["data"]["resource"]["name"], "a");

    let path = format!("{}/retry", failure["id"].as_str().unwrap());
    let _ = agent.send_as(Some("jane USER"), "POST", &path, None).expect(403);
    let _ = agent.send("GET", &path, None).expect(405);
    let _ = agent.send("POST", &path, None).expect(202);
    let came = receiver.first(5);
    assert_eq!(names(&came)[4], "a");
    assert_eq!(came[4].header("webhook-id"), came[0].header("webhook-id"));
    assert_eq!(came[4].header("webhook-signature"), signature(&secret, &came[4]));
    let _ = failures(&agent, &id, 0);
    let _ = agent.send("POST", &path, None).expect(404);
}

#[test]
fn receivers_that_hang_talk_nonsense_or_are_absent_hold_up_nobody_else() {
    let agent = start().agent();
    let hanging = Receiver::start(|_, _| Reply::Hang);
    let nonsense = Receiver::start(|_, _| Reply::Raw(b"\x16\x03\x01 no HTTP at all\r\n\r\n"));
    let endless = Receiver::start(|_, _| Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nabc"));
    let absent = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let absent = format!("http://{absent}/");
    let bad: Vec<String> = [hanging.url(), nonsense.url(), absent].iter().map(|url| hook(&agent, url).0).collect();
    let good = Receiver::willing();
    let _ = (hook(&agent, &good.url()), hook(&agent, &endless.url()));
    service(&agent, "a");
    service(&agent, "b");
    assert_eq!(names(&good.first(2)), ["a", "b"]);
    // Whoever answers 200 has it, whatever else he says.
    assert_eq!(names(&endless.first(2)), ["a", "b"]);
    for (id, expected) in bad.iter().zip(["within 5s", "there is no answer", "there is no connection"]) {
        let failed = failures(&agent, id, 2);
        let reason = failed[0]["reason"].as_str().unwrap();
        assert!(reason.contains(expected), "{expected}: {reason}");
        assert_eq!(failed[0]["attempts"], 3);
    }
    assert_eq!(hanging.came().len(), 6);
}

#[test]
fn redirections_are_followed_three_times_and_nowhere_where_nothing_may_go() {
    let agent = start().agent();
    let last = Receiver::willing();
    let to =
        |status: u16, url: String| Receiver::start(move |_, _| Reply::Status(status, format!("location: {url}\r\n")));
    let good = to(307, last.url());
    let cases = [
        (to(308, "http://8.8.8.8/x?key=1".to_owned()), "http://8.8.8.8, which is refused", 1),
        (to(307, "ftp://127.0.0.1/".to_owned()), "ftp://127.0.0.1, which is refused", 1),
        (to(302, last.url()), "answered 302", 3),
        (Receiver::start(|_, _| Reply::Status(307, "location: /again\r\n".to_owned())), "more than 3 times", 3),
        (Receiver::start(|_, _| Reply::Status(307, String::new())), "does not say where", 3),
    ];
    let ids: Vec<String> = cases.iter().map(|(receiver, ..)| hook(&agent, &receiver.url()).0).collect();
    let _ = hook(&agent, &good.url());
    service(&agent, "a");
    assert_eq!(names(&last.first(1)), ["a"]);
    for (id, (_, expected, attempts)) in ids.iter().zip(&cases) {
        let failed = failures(&agent, id, 1);
        let reason = failed[0]["reason"].as_str().unwrap();
        assert!(reason.contains(expected) && !reason.contains("key=1"), "{expected}: {reason}");
        assert_eq!(failed[0]["attempts"], *attempts, "{expected}");
    }
    assert_eq!(last.came().len(), 1);
}

#[test]
fn a_receiver_shows_a_certificate_that_is_trusted_or_is_told_nothing() {
    let receiver = Start::new().agent();
    let url = format!("https://localhost:{}/api/device", receiver.https().rsplit(':').next().unwrap());
    let ca = receiver.data_dir().join("tls/server.pem");
    // The receiver is an agent, to whom we are nobody: it is reached if it says so.
    for (ca, expected) in [(ca.to_str().unwrap(), "it answered 403"), ("", "invalid peer certificate")] {
        let agent = start().environment("MF2C_WEBHOOKS_CA", ca).agent();
        let (id, _) = hook(&agent, &url);
        service(&agent, "a");
        let failed = failures(&agent, &id, 1);
        let reason = failed[0]["reason"].as_str().unwrap();
        assert!(reason.contains(expected), "{expected}: {reason}");
    }
}

#[test]
fn without_leave_nothing_goes_to_this_machine_or_its_network() {
    let agent = start().environment("MF2C_WEBHOOKS_ALLOW_PRIVATE", "false").agent();
    let receiver = Receiver::willing();
    let port = receiver.url().rsplit(':').next().unwrap().to_owned();
    let http = hook(&agent, &format!("http://localhost:{port}")).0;
    let https = hook(&agent, &format!("https://localhost:{port}")).0;
    // What is an address already is refused at once.
    for host in ["127.0.0.1", "[::ffff:127.0.0.1]", "2130706433", "10.1.2.3", "169.254.169.254"] {
        for body in ["http", "https"].map(|scheme| json!({"url": format!("{scheme}://{host}:{port}")}).to_string()) {
            for (method, path) in [("POST", "webhook"), ("PUT", https.as_str())] {
                let told = agent.send(method, path, Some(&body)).expect(400).message();
                assert!(told.contains("is refused: the address") && told.contains("webhooks.allow_private"), "{told}");
            }
        }
    }
    let plain = agent.send("POST", "webhook", Some(r#"{"url": "http://8.8.8.8/"}"#)).expect(400).message();
    assert!(plain.contains("use https"), "{plain}");
    service(&agent, "a");
    for id in [&http, &https] {
        let failed = failures(&agent, id, 1);
        let reason = failed[0]["reason"].as_str().unwrap();
        assert!(reason.contains("is refused: the address") && reason.contains("webhooks.allow_private"), "{reason}");
        assert_eq!(failed[0]["attempts"], 1);
    }
    assert!(receiver.came().is_empty());
}

#[test]
fn a_kill_between_a_change_and_its_delivery_loses_nothing() {
    let agent = start().agent();
    let receiver = Receiver::start(|number, _| match number {
        0..2 => Reply::Hang,
        _ => Reply::Status(204, String::new()),
    });
    let _ = hook(&agent, &receiver.url());
    for name in ["a", "b", "c"] {
        service(&agent, name);
    }
    let _ = receiver.first(1);
    let (directory, kept) = agent.kill();
    let again = start().data_dir(&directory).agent();
    service(&again, "d");
    eventually("the rest", || names(&receiver.came()).iter().any(|name| name == "d"));
    let came = receiver.came();
    let mut told = names(&came[came.len() - 4..]);
    told.dedup();
    assert_eq!(told, ["a", "b", "c", "d"], "{:?}", names(&came));
    assert_eq!(came[0].header("webhook-id"), came[came.len() - 4].header("webhook-id"));
    drop(kept);
}

#[test]
fn a_cursor_is_kept_so_that_a_restart_tells_little_twice() {
    let agent = start().agent();
    let receiver = Receiver::willing();
    let _ = hook(&agent, &receiver.url());
    for number in 0..20 {
        service(&agent, &format!("s{number}"));
    }
    let _ = receiver.first(20);
    // The cursors are stored once a second.
    let_pass(std::time::Duration::from_secs(5));
    let (directory, kept) = agent.kill();
    let again = start().data_dir(&directory).agent();
    service(&again, "last");
    eventually("the last", || names(&receiver.came()).iter().any(|name| name == "last"));
    assert!(receiver.came().len() < 40, "{:?}", names(&receiver.came()));
    drop(kept);
}

#[test]
fn a_paused_webhook_waits_a_deleted_one_hears_nothing_more_and_410_pauses() {
    let agent = start().agent();
    let (receiver, other) = (Receiver::willing(), Receiver::willing());
    let gone = Receiver::start(|number, _| Reply::Status(if number == 0 { 410 } else { 200 }, String::new()));
    let (paused, _) = hook(&agent, &receiver.url());
    let (deleted, _) = hook(&agent, &other.url());
    let (unwanted, _) = hook(&agent, &gone.url());
    let _ = agent.send("PUT", &paused, Some(r#"{"state": "PAUSED"}"#)).expect(200);
    let _ = agent.send("DELETE", &deleted, None).expect(200);
    service(&agent, "a");
    eventually("the pause", || agent.send("GET", &unwanted, None).json()["state"] == "PAUSED");
    assert!(agent.send("GET", &unwanted, None).json()["reason"].as_str().unwrap().contains("410"));
    assert!(receiver.came().is_empty());
    for id in [&paused, &unwanted] {
        let _ = agent.send("PUT", id, Some(r#"{"state": "ACTIVE"}"#)).expect(200);
    }
    assert_eq!(names(&receiver.first(1)), ["a"]);
    assert_eq!(names(&gone.first(2)), ["a", "a"]);
    assert!(other.came().is_empty());
}

#[test]
fn who_falls_behind_the_log_is_told_from_where_it_goes_on() {
    let agent = start().environment("MF2C_STORE_LOG_ENTRIES", "100").agent();
    let receiver = Receiver::willing();
    let (id, _) = hook(&agent, &receiver.url());
    let _ = agent.send("PUT", &id, Some(r#"{"state": "PAUSED"}"#)).expect(200);
    for number in 0..150 {
        service(&agent, &format!("s{number}"));
    }
    let _ = agent.send("PUT", &id, Some(r#"{"state": "ACTIVE"}"#)).expect(200);
    let reset = receiver.first(1)[0].json();
    assert_eq!((&reset["type"], &reset["data"]["change"]), (&json!("reset"), &json!("reset")));
    assert!(reset["data"]["position"].as_u64() >= Some(150));
    service(&agent, "last");
    assert_eq!(names(&receiver.first(2)), ["-", "last"]);
}

#[test]
fn a_secret_is_shown_once_and_can_be_replaced_but_never_found_out() {
    let (agent, receiver) = (start().agent(), Receiver::willing());
    // Told of everything, itself included.
    let body = json!({"url": receiver.url()}).to_string();
    let answer = agent.send("POST", "webhook", Some(&body)).expect(201);
    let (id, secret) = (answer.id(), answer.json()["secret"].as_str().unwrap().to_owned());
    assert!(secret.starts_with("whsec_") && secret.len() == 50, "{secret}");
    let _ = agent.send("PUT", &id, Some(r#"{"name": "mine"}"#)).expect(200);
    let came = receiver.first(1);
    assert_eq!(came[0].json()["data"]["id"], json!(id));
    for text in [
        agent.send("GET", &id, None).expect(200).text(),
        agent.send("GET", &format!("{id}?$select=secret"), None).expect(200).text(),
        agent.send("GET", "webhook?$select=secret", None).expect(200).text(),
        agent.send("PUT", &id, Some(r#"{"name": "other"}"#)).expect(200).text(),
        came[0].body.clone(),
        agent.log(),
    ] {
        assert!(!text.contains(&secret[6..]), "{text}");
    }
    for query in ["$filter=secret^='whsec_'", "$orderby=secret", "$aggregation=terms:secret"] {
        let message = agent.send("GET", &format!("webhook?{query}"), None).expect(400).message();
        assert!(message.contains("`secret` is secret"), "{message}");
    }
    let _ = agent.send("PUT", &id, Some(r#"{"secret": "whsec_AAAA"}"#)).expect(400);
    let _ = agent.send("PUT", &format!("{id}?$select=secret"), Some("{}")).expect(400);

    let rotate = format!("{id}/rotate-secret");
    let _ = agent.send_as(Some("jane USER"), "POST", &rotate, None).expect(403);
    let another = agent.send("POST", &rotate, None).expect(200).json()["secret"].as_str().unwrap().to_owned();
    assert_ne!(another, secret);
    service(&agent, "signed anew");
    eventually("a delivery with the new secret", || {
        let came = receiver.came();
        let last = came.last().unwrap();
        last.body.contains("signed anew") && last.header("webhook-signature") == signature(&another, last)
    });
}

#[test]
fn bad_webhooks_are_refused_with_what_is_wrong() {
    let agent = start().agent();
    let cases = [
        (json!({}), "`url` is missing"),
        (json!({"url": "ftp://example.org"}), "is not an http or https URL"),
        (json!({"url": "https://jane:pw@example.org"}), "is not an http or https URL"),
        (json!({"url": "https://example.org", "filter": "os=="}), "is not a filter"),
        (json!({"url": "https://example.org", "types": ["devices"]}), "is not the name of a resource type"),
        (json!({"url": "https://example.org", "types": ["webhook-failure"]}), "is not the name of a resource type"),
        (json!({"url": "https://example.org", "types": []}), "too few"),
        (json!({"url": "https://example.org", "state": "ON"}), "is not one of"),
        (json!({"url": "https://example.org", "secret": "whsec_AAAA"}), "the agent makes it"),
        (json!([{"url": "https://example.org"}]), "expected a JSON object"),
    ];
    for (body, expected) in cases {
        let message = agent.send("POST", "webhook", Some(&body.to_string())).expect(400).message();
        assert!(message.contains(expected), "{body}: {message}");
    }
    let (id, _) = hook(&agent, "https://example.org");
    let _ = agent.send("PUT", &id, Some(r#"{"filter": "((("}"#)).expect(400);
    let _ = agent.send_as(None, "POST", "webhook", Some(r#"{"url": "https://example.org"}"#)).expect(403);
    let _ = agent.send("POST", "webhook-failure", Some("{}")).expect(405);
    let _ = agent.send("POST", &format!("{id}/retry"), None).expect(404);
}

#[test]
fn nobody_borrows_the_rights_of_another_owner() {
    let (agent, receiver) = (start().agent(), Receiver::willing());
    let of = |owner: Value| json!({"url": receiver.url(), "acl": {"owner": owner}}).to_string();
    for owner in [json!({"principal": "ADMIN", "type": "ROLE"}), json!({"principal": "joe", "type": "USER"})] {
        let _ = agent.send_as(Some("jane USER"), "POST", "webhook", Some(&of(owner))).expect(403);
    }
    let own = of(json!({"principal": "jane", "type": "USER"}));
    let id = agent.send_as(Some("jane USER"), "POST", "webhook", Some(&own)).expect(201).id();
    let theft = json!({"acl": {"owner": {"principal": "ADMIN", "type": "ROLE"}}}).to_string();
    let _ = agent.send_as(Some("jane USER"), "PUT", &id, Some(&theft)).expect(403);
    let _ = agent.send_as(Some("joe USER"), "GET", &id, None).expect(403);
    // She has no account, so she is told of nothing, not even of what is hers.
    let body = json!({"name": "hers", "exec": "x", "exec_type": "docker", "agent_type": "normal"}).to_string();
    let _ = agent.send_as(Some("jane USER"), "POST", "service", Some(&body)).expect(201);
    let sure = Receiver::willing();
    let _ = hook(&agent, &sure.url());
    service(&agent, "later");
    let _ = sure.first(1);
    assert!(receiver.came().is_empty());
}
