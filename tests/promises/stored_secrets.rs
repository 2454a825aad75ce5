//! What users store for their services: secrets and logins for registries, which nobody reads again.

use mf2c_tests::{Agent, Answer, EventStream, Receiver, Start, curl};
use serde_json::{Value, json};

const ADMIN: &str = "slipstream-authn-info: internal ADMIN";
const JANE: Option<&str> = Some("jane USER ANON");
/// Stands in every secret of this file.
const MARK: &str = "zq-nobody-reads-this";

fn store(agent: &Agent, who: Option<&str>, form: Value) -> Answer {
    send(agent, who, "POST", "credential", &json!({"credentialTemplate": form, "name": "mine"}))
}

/// Sends a body that may be longer than what a command line holds.
fn send(agent: &Agent, who: Option<&str>, method: &str, path: &str, body: &Value) -> Answer {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), body.to_string()).unwrap();
    let (sent, url) = (format!("@{}", file.path().display()), format!("{}/{path}", agent.api()));
    let caller = format!("slipstream-authn-info: {}", who.unwrap_or_default());
    let mut arguments = vec!["-k", "-X", method, "-H", "content-type: application/json", "--data-binary", &sent];
    if who.is_some() {
        arguments.extend(["-H", &caller]);
    }
    arguments.push(&url);
    curl(arguments)
}

fn secret() -> Value {
    json!({"href": "credential-template/store-secret", "secret": format!("{MARK}-1")})
}

fn registry() -> Value {
    json!({"href": "credential-template/store-registry", "server": "registry.example.org:5000", "username": "jane",
        "password": format!("{MARK}-2")})
}

#[test]
fn what_is_stored_is_in_no_answer_no_list_no_log_and_no_news() {
    let receiver = Receiver::willing();
    let agent = Start::new().environment("MF2C_WEBHOOKS_ALLOW_PRIVATE", "true").agent();
    let hook = json!({"url": receiver.url(), "types": ["credential"]}).to_string();
    let _ = agent.send("POST", "webhook", Some(&hook)).expect(201);
    let mut stream = EventStream::open(&agent.http(), "/events?types=credential", &[ADMIN]).unwrap();
    assert_eq!(stream.event().name, "ready");
    let mut told = String::new();
    for (form, kind) in [(secret(), "secret"), (registry(), "registry")] {
        let made = store(&agent, JANE, form).expect(201);
        assert!(made.json().get("secretKey").is_none(), "{}", made.text());
        let id = made.id();
        let shown = agent.send_as(JANE, "GET", &id, None).expect(200);
        assert_eq!((&shown.json()["type"], &shown.json()["name"]), (&json!(kind), &json!("mine")));
        let edited = agent.send_as(JANE, "PUT", &id, Some(&shown.text())).expect(200);
        let change = json!({"secret": format!("{MARK}-3"), "password": format!("{MARK}-4")}).to_string();
        let changed = agent.send_as(JANE, "PUT", &id, Some(&change)).expect(200);
        told += &[made, shown, edited, changed].map(|answer| answer.text()).concat();
    }
    for query in ["credential", "credential?$select=secret,password", "event"] {
        told += &agent.send("GET", query, None).expect(200).text();
    }
    for query in ["$filter=secret!=null", "$orderby=password", "$aggregation=terms:secret"] {
        let _ = agent.send("GET", &format!("credential?{query}"), None).expect(400);
    }
    let delivered: String = receiver.first(6).iter().map(|each| each.body.clone()).collect();
    assert!(delivered.contains("registry.example.org:5000"), "{delivered}");
    let streamed: String = (0..6).map(|_| stream.event().data.to_string()).collect();
    assert!(streamed.contains("registry.example.org:5000"), "{streamed}");
    for (place, text) in [("answers", &told), ("deliveries", &delivered), ("events", &streamed), ("log", &agent.log())]
    {
        assert!(!text.contains(MARK), "{place}: {text}");
    }
}

#[test]
fn a_stored_credential_is_its_owners_and_opens_no_session() {
    let agent = Start::new().agent();
    let ids = [secret(), registry()].map(|form| store(&agent, JANE, form).expect(201).id());
    for id in &ids {
        for other in [None, Some("joe USER")] {
            for method in ["GET", "DELETE"] {
                assert_eq!(agent.send_as(other, method, id, None).status, 403, "{method} {id}");
            }
        }
        let key = agent.send_as(JANE, "GET", id, None).expect(200).json();
        assert_eq!(key["claims"], json!({"identity": "jane"}));
        // Not even with a digest that somebody tries to bring.
        let _ = agent.send("PUT", id, Some(r#"{"digest": "d", "type": "api-key", "method": "x"}"#)).expect(200);
        for text in [format!("{MARK}-1"), format!("{MARK}-2"), "d".to_owned()] {
            let form = json!({"href": "session-template/api-key", "key": id, "secret": text});
            let form = json!({ "sessionTemplate": form }).to_string();
            assert_eq!(agent.send_as(None, "POST", "session", Some(&form)).status, 403);
        }
        // Nor is it made to be nothing.
        let _ =
            agent.send_as(JANE, "PUT", &format!("{id}?$select=secret,password,type,claims"), Some("{}")).expect(200);
        assert_eq!(agent.send_as(JANE, "GET", id, None).expect(200).json()["type"], key["type"]);
        let _ = agent.send_as(JANE, "DELETE", id, None).expect(200);
        assert_eq!(agent.send_as(JANE, "GET", id, None).status, 404);
    }
}

#[test]
fn what_cannot_be_stored_is_refused_with_the_reason() {
    let agent = Start::new().agent();
    let href = "credential-template/store-secret";
    for (who, form, status, reason) in [
        (None, secret(), 400, "cannot be accessed"),
        (JANE, json!({"href": href}), 400, "`credentialTemplate.secret` is missing"),
        (JANE, json!({"href": href, "secret": " "}), 400, "`credentialTemplate.secret`"),
        (JANE, json!({"href": href, "secret": 1}), 400, "`credentialTemplate.secret`"),
        (JANE, json!({"href": href, "secret": "a", "ttl": 1}), 400, "`credentialTemplate.ttl` is not"),
        (JANE, json!({"href": href, "secret": "a", "password": "b"}), 400, "`credentialTemplate.password` is not"),
        (JANE, json!({"href": "credential-template/generate-api-key", "secret": "a"}), 400, "is not an attribute"),
        (JANE, json!({"href": "credential-template/store-registry", "server": "r"}), 400, "username` is missing"),
        (JANE, json!({"href": href, "secret": "a".repeat((64 << 10) + 1)}), 400, "expected at most 65536"),
        (JANE, json!({"href": href, "secret": "a".repeat(600 << 10)}), 413, "too large"),
    ] {
        let answer = store(&agent, who, form);
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.message().contains(reason), "{}", answer.message());
    }
    let longest = json!({"href": href, "secret": "\u{1}".repeat(64 << 10)});
    let id = store(&agent, JANE, longest).expect(201).id();
    let longer = json!({"secret": "a".repeat((64 << 10) + 1)});
    assert!(send(&agent, JANE, "PUT", &id, &longer).expect(400).message().contains("expected at most 65536"));
    let described = agent.send_as(JANE, "GET", "credential-template/store-registry/describe", None);
    let described = described.expect(200).json();
    assert_eq!((&described["password"]["sensitive"], &described["ttl"]), (&json!(true), &Value::Null));
}

#[test]
fn what_a_user_has_stored_goes_with_him() {
    let agent = Start::new().agent();
    let form = json!({"href": "user-template/direct", "username": "tom", "password": "correct horse", "state": "ACTIVE",
        "emailAddress": "tom@example.org"});
    let _ = agent.send("POST", "user", Some(&json!({ "userTemplate": form }).to_string())).expect(201);
    let id = store(&agent, Some("tom USER"), secret()).expect(201).id();
    let _ = agent.send("DELETE", "user/tom", None).expect(200);
    assert_eq!(agent.send("GET", &id, None).status, 404);
}
