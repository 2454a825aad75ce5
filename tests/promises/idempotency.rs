//! `Idempotency-Key`: what is sent again is added once, also over a kill.

use std::thread;
use std::time::Duration;

use mf2c_tests::{Agent, Answer, Connection, Random, Start, curl};

const SERVICE: &str = r#"{"name": "s1", "exec": "hello-world", "exec_type": "docker", "agent_type": "normal"}"#;
const OTHER: &str = r#"{"name": "s2", "exec": "hello-world", "exec_type": "docker", "agent_type": "normal"}"#;

/// A POST as `who` with these headers.
fn post(agent: &Agent, who: Option<&str>, kind: &str, headers: &[&str], body: &str) -> Answer {
    let mut arguments = vec!["-k".to_owned(), format!("{}/{kind}", agent.api()), "--data-binary".into(), body.into()];
    let who = who.map(|who| format!("slipstream-authn-info: {who}"));
    let usual = "content-type: application/json".to_owned();
    let headers = headers.iter().map(|header| (*header).to_owned());
    let usual = (!headers.clone().any(|header| header.starts_with("content-type"))).then_some(usual);
    for header in headers.chain(usual).chain(who) {
        arguments.extend(["-H".to_owned(), header]);
    }
    curl(arguments)
}

fn keyed(agent: &Agent, key: &str, body: &str) -> Answer {
    post(agent, Some("jane USER"), "service", &[&format!("Idempotency-Key: {key}")], body)
}

fn count(agent: &Agent, kind: &str) -> u64 {
    agent.send("GET", &format!("{kind}?$last=0"), None).expect(200).json()["count"].as_u64().unwrap()
}

#[test]
fn the_same_request_is_answered_again_and_another_one_with_its_key_refused() {
    let agent = Start::new().agent();
    let first = keyed(&agent, "k-1", SERVICE).expect(201);
    assert_eq!(first.header("idempotency-replayed"), None);
    let again = keyed(&agent, "\"k-1\"", SERVICE).expect(201);
    assert_eq!(again.header("idempotency-replayed").as_deref(), Some("true"));
    assert_eq!((again.id(), again.header("location")), (first.id(), first.header("location")));
    assert_eq!(again.json(), first.json());
    assert!(keyed(&agent, "k-1", OTHER).expect(422).message().contains("another body"));
    // Keys are each caller's own, and each path's.
    let _ = post(&agent, Some("bob USER"), "service", &["Idempotency-Key: k-1"], SERVICE).expect(201);
    let _ = keyed(&agent, "k-2", SERVICE).expect(201);
    assert_eq!(count(&agent, "service"), 3);
    // What was deleted does not come back.
    let _ = agent.send("DELETE", &first.id(), None).expect(200);
    assert_eq!(keyed(&agent, "k-1", SERVICE).expect(201).id(), first.id());
    assert_eq!(count(&agent, "service"), 2);
}

#[test]
fn a_refused_request_leaves_its_key_free() {
    let agent = Start::new().agent();
    let refused = keyed(&agent, "k", r#"{"name": "no service"}"#).expect(400);
    assert!(refused.message().contains("`exec` is missing"), "{}", refused.text());
    assert_eq!(keyed(&agent, "k", SERVICE).expect(201).header("idempotency-replayed"), None);
}

#[test]
fn bad_keys_many_resources_strangers_and_secrets_are_refused() {
    let agent = Start::new().agent();
    let jane = Some("jane USER");
    for bad in ["Idempotency-Key;", "Idempotency-Key: a b", "Idempotency-Key: ä"] {
        let refused = post(&agent, jane, "service", &[bad], SERVICE).expect(400);
        assert!(refused.message().contains("1 to 255 visible ASCII"), "{bad}: {}", refused.text());
    }
    let long = format!("Idempotency-Key: {}", "k".repeat(256));
    let _ = post(&agent, jane, "service", &[&long], SERVICE).expect(400);
    let _ = post(&agent, jane, "service", &[&long[..long.len() - 1]], SERVICE).expect(201);
    let twice = ["Idempotency-Key: a", "Idempotency-Key: b"];
    assert!(post(&agent, jane, "service", &twice, SERVICE).expect(400).message().contains("several"));
    let key = "Idempotency-Key: k";
    let list = format!("[{SERVICE}]");
    assert!(post(&agent, jane, "service", &[key], &list).expect(400).message().contains("one by one"));
    let lines = [key, "content-type: application/x-ndjson"];
    assert!(post(&agent, jane, "service", &lines, SERVICE).expect(400).message().contains("one by one"));
    assert!(post(&agent, None, "event", &[key], "{}").expect(400).message().contains("a caller with a name"));
    for kind in ["session", "credential", "user"] {
        let refused = post(&agent, Some("internal ADMIN"), kind, &[key], "{}").expect(400);
        assert!(refused.message().contains("secrets are exchanged"), "{kind}: {}", refused.text());
    }
    assert_eq!(count(&agent, "service"), 1);
}

#[test]
fn a_request_repeated_after_a_kill_adds_nothing() {
    let agent = Start::new().agent();
    let first = keyed(&agent, "k", SERVICE).expect(201).id();
    let edited = keyed(&agent, "edited", SERVICE).expect(201).id();
    let _ = agent.send("PUT", &edited, Some(r#"{"name": "renamed"}"#)).expect(200);
    let (data_dir, _own) = agent.kill();
    let agent = Start::new().data_dir(&data_dir).agent();
    let again = keyed(&agent, "k", SERVICE).expect(201);
    assert_eq!((again.id(), again.header("idempotency-replayed").as_deref()), (first, Some("true")));
    // Who edited it since is not asked whether it was the same request.
    assert_eq!(keyed(&agent, "edited", SERVICE).expect(201).id(), edited);
    assert_eq!(count(&agent, "service"), 2);
    let (data_dir, _again) = agent.kill();
    let agent = Start::new().data_dir(&data_dir).agent();
    let _ = keyed(&agent, "k", OTHER).expect(422);
    assert_eq!(count(&agent, "service"), 2);
}

#[test]
fn a_kill_at_any_moment_between_request_and_answer_leaves_one_resource_after_a_repeat() {
    let mut random = Random::new();
    println!("seed {}", random.seed());
    let folder = tempfile::tempdir().unwrap();
    let start = || Start::new().data_dir(folder.path()).agent();
    let (mut agent, rounds) = (start(), 8);
    for round in 0..rounds {
        let key = format!("round-{round}");
        let (address, length) = (agent.http(), SERVICE.len());
        let mut connection = Connection::open(&address).unwrap();
        let request = format!(
            "POST /api/service HTTP/1.1\r\nhost: localhost\r\nslipstream-authn-info: jane USER\r\nidempotency-key: {key}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{SERVICE}"
        );
        thread::scope(|scope| {
            scope.spawn(move || connection.raw(request.as_bytes()).ok());
            agent.kill_after(Duration::from_micros(random.below(4000)));
        });
        agent = start();
        let _ = keyed(&agent, &key, SERVICE).expect(201);
        assert_eq!(count(&agent, "service"), round + 1);
    }
}

#[test]
fn of_many_equal_requests_at_once_one_adds_and_the_others_are_told() {
    let agent = Start::new().agent();
    let statuses: Vec<(u16, Option<String>)> = thread::scope(|scope| {
        let send = || {
            let answer = keyed(&agent, "k", SERVICE);
            if answer.status == 409 {
                assert_eq!(answer.header("retry-after").as_deref(), Some("1"));
            }
            (answer.status, answer.header("idempotency-replayed"))
        };
        let clients: Vec<_> = (0..16).map(|_| scope.spawn(send)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    assert!(statuses.iter().all(|(status, _)| [201, 409].contains(status)), "{statuses:?}");
    assert_eq!(statuses.iter().filter(|(status, again)| *status == 201 && again.is_none()).count(), 1, "{statuses:?}");
    assert_eq!(count(&agent, "service"), 1);
}
