//! Keys for programs: made, used, and taken away.

use mf2c_tests::{Agent, Answer, Start, curl, eventually};
use serde_json::{Value, json};

const JANE: Option<&str> = Some("jane USER ANON");

fn start() -> Agent {
    Start::new().agent()
}

fn ask(agent: &Agent, who: Option<&str>, ttl: Value) -> Answer {
    let mut form = json!({"href": "credential-template/generate-api-key"});
    if !ttl.is_null() {
        form["ttl"] = ttl;
    }
    let body = json!({"credentialTemplate": form, "name": "my key", "description": "d", "properties": {"a": "b"}});
    agent.send_as(who, "POST", "credential", Some(&body.to_string()))
}

fn sign_in(agent: &Agent, key: &str, secret: &str) -> Answer {
    let form = json!({"sessionTemplate": {"href": "session-template/api-key", "key": key, "secret": secret}});
    agent.send_as(None, "POST", "session", Some(&form.to_string()))
}

fn cookie(answer: &Answer) -> String {
    answer.header("set-cookie").expect("a cookie").split(';').next().unwrap().to_owned()
}

fn secret(answer: &Answer) -> String {
    answer.json()["secretKey"].as_str().expect("a secret").to_owned()
}

#[test]
fn a_key_shows_its_secret_once_and_keeps_a_digest_that_nobody_reads() {
    let agent = start();
    let made = ask(&agent, JANE, json!(0)).expect(201);
    let (id, secret) = (made.id(), secret(&made));
    assert_eq!(made.header("location").as_deref(), Some(id.as_str()));
    let groups: Vec<&str> = secret.split('.').collect();
    let known = |c: char| c.is_ascii_alphanumeric() && !"01loIO".contains(c);
    assert!(groups.len() == 5 && groups.iter().all(|group| group.len() == 6 && group.chars().all(known)), "{secret}");

    let key = agent.send_as(JANE, "GET", &id, None).expect(200).json();
    assert_eq!(key["type"], "api-key");
    assert_eq!(key["method"], "generate-api-key");
    assert_eq!(key["claims"], json!({"identity": "jane", "roles": ["USER", "ANON"]}));
    assert_eq!(
        (&key["name"], &key["description"], &key["properties"]["a"]),
        (&json!("my key"), &json!("d"), &json!("b"))
    );
    assert_eq!(key["acl"]["owner"], json!({"principal": "ADMIN", "type": "ROLE"}));
    assert!(key.get("expiry").is_none() && key.get("digest").is_none(), "{key}");
    assert!(ask(&agent, JANE, Value::Null).expect(201).json().get("expiry").is_none());
    let day = ask(&agent, JANE, json!(1000)).expect(201).id();
    assert!(agent.send_as(JANE, "GET", &day, None).expect(200).json()["expiry"].is_string());

    for query in ["$filter=digest^='sha256'", "$filter=digest!=null", "$orderby=digest", "$aggregation=terms:digest"] {
        let _ = agent.send("GET", &format!("credential?{query}"), None).expect(400);
    }
    let list = agent.send("GET", "credential?$select=digest,claims", None).expect(200).text();
    assert!(list.contains("jane") && !list.contains("sha256"), "{list}");
}

#[test]
fn what_asks_for_no_key_is_refused() {
    let agent = start();
    let body = |form: Value| json!({"credentialTemplate": form}).to_string();
    let href = "credential-template/generate-api-key";
    for (who, body, status) in [
        (None, body(json!({"href": href})), 400),
        (None, body(json!({})), 400),
        (JANE, body(json!({"ttl": 0})), 400),
        (JANE, body(json!({"href": "credential-template/unknown"})), 400),
        (JANE, body(json!({"href": "session-template/internal"})), 400),
        (JANE, body(json!({"href": href, "ttl": -1})), 400),
        (JANE, body(json!({"href": href, "ttl": "10"})), 400),
        (JANE, body(json!({"href": href, "ttl": 1.5})), 400),
        (JANE, body(json!({"href": href, "digest": "mine"})), 400),
        (JANE, json!({"type": "api-key", "digest": "mine"}).to_string(), 400),
        (Some("jane"), body(json!({"href": href})), 400),
    ] {
        let answer = agent.send_as(who, "POST", "credential", Some(&body));
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
    }
    assert_eq!(agent.send_as(None, "GET", "credential", None).status, 403);
    assert_eq!(agent.send("GET", "credential", None).expect(200).json()["count"], 0);
    let far = ask(&agent, JANE, json!(u64::MAX)).expect(201).id();
    assert!(agent.send_as(JANE, "GET", &far, None).expect(200).json()["expiry"].as_str().unwrap().starts_with("9999"));
}

#[test]
fn an_edit_changes_what_is_the_users_and_never_what_the_key_may_do() {
    let agent = start();
    let made = ask(&agent, JANE, json!(1000)).expect(201);
    let id = made.id();
    let before = agent.send_as(JANE, "GET", &id, None).expect(200).json();
    let change = json!({"name": "other", "claims": {"identity": "root", "roles": ["ADMIN"]}, "digest": "mine",
        "expiry": "2099-01-01T00:00:00Z", "method": "x", "type": "y"});
    let after = agent.send_as(JANE, "PUT", &id, Some(&change.to_string())).expect(200).json();
    assert_eq!(after["name"], "other");
    for kept in ["claims", "expiry", "method", "type"] {
        assert_eq!(after[kept], before[kept], "{kept}");
    }
    assert!(agent.send_as(JANE, "PUT", &format!("{id}?$select=expiry,digest"), Some("{}")).status < 500);
    assert!(agent.send_as(JANE, "GET", &id, None).expect(200).json()["expiry"].is_string());
    let _ = sign_in(&agent, &id, &secret(&made)).expect(201);

    let claims = json!({"identity": "jane", "roles": ["USER", "ops"]});
    let by_admin = json!({"claims": claims, "digest": "mine"}).to_string();
    assert_eq!(agent.send("PUT", &id, Some(&by_admin)).expect(200).json()["claims"], claims);
    let session = sign_in(&agent, &id, &secret(&made)).expect(201);
    let roles = agent.send_with(&cookie(&session), "GET", &session.id(), None).expect(200).json();
    assert_eq!(roles["roles"], format!("USER ops {}", session.id()));
    for other in [None, Some("joe USER")] {
        assert_eq!(agent.send_as(other, "PUT", &id, Some("{}")).status, 403);
        assert_eq!(agent.send_as(other, "GET", &id, None).status, 403);
    }
}

#[test]
fn a_key_signs_in_with_and_without_its_type_and_dots() {
    let agent = start();
    let made = ask(&agent, JANE, json!(0)).expect(201);
    let (id, secret) = (made.id(), secret(&made));
    let bare = id.strip_prefix("credential/").unwrap();
    for key in [&id, bare] {
        for secret in [secret.clone(), secret.replace('.', "")] {
            let signed_in = sign_in(&agent, key, &secret).expect(201);
            let session = agent.send_with(&cookie(&signed_in), "GET", "session", None).expect(200).json();
            let session = &session["sessions"][0];
            assert_eq!((&session["username"], &session["method"]), (&json!("jane"), &json!("api-key")));
            assert_eq!(session["credential"], id.as_str());
        }
    }
    for (key, secret) in [
        (id.as_str(), "wrong"),
        (&id, &secret[1..]),
        ("unknown", &secret),
        ("credential/unknown", &secret),
        ("user/admin", &secret),
        ("../x", &secret),
    ] {
        let refused = sign_in(&agent, key, secret).expect(403);
        assert_eq!(refused.message(), format!("invalid credentials for '{key}'"));
    }
}

#[test]
fn a_key_of_an_account_may_do_what_the_account_may() {
    let agent = start();
    let admin = agent.sign_in("admin", &agent.admin_password());
    let form = json!({"credentialTemplate": {"href": "credential-template/generate-api-key"}}).to_string();
    let made = agent.send_with(&admin, "POST", "credential", Some(&form)).expect(201);
    let key = agent.send("GET", &made.id(), None).expect(200).json();
    assert_eq!(key["claims"], json!({"identity": "admin", "roles": ["ADMIN", "USER", "ANON"]}), "no session's role");
    let program = cookie(&sign_in(&agent, &made.id(), &secret(&made)).expect(201));
    assert_eq!(agent.send_with(&program, "GET", "configuration", None).status, 200);

    let other = json!({"userTemplate": {"href": "user-template/direct", "username": "other",
        "emailAddress": "other@example.org", "state": "ACTIVE", "isSuperUser": true}});
    let _ = agent.send("POST", "user", Some(&other.to_string())).expect(201);
    let _ = agent.send("PUT", "user/admin", Some(r#"{"isSuperUser": false}"#)).expect(200);
    let program = cookie(&sign_in(&agent, &made.id(), &secret(&made)).expect(201));
    assert_eq!(agent.send_with(&program, "GET", "configuration", None).status, 403);
    let _ = agent.send("PUT", "user/admin", Some(r#"{"state": "SUSPENDED"}"#)).expect(200);
    assert_eq!(sign_in(&agent, &made.id(), &secret(&made)).status, 403);
}

#[test]
fn a_key_that_is_taken_away_or_over_is_worth_nothing_and_its_sessions_end() {
    let agent = start();
    let made = ask(&agent, JANE, json!(0)).expect(201);
    let signed_in = cookie(&sign_in(&agent, &made.id(), &secret(&made)).expect(201));
    let other = ask(&agent, JANE, json!(0)).expect(201);
    let goes_on = cookie(&sign_in(&agent, &other.id(), &secret(&other)).expect(201));
    assert_eq!(agent.send_as(Some("joe USER"), "DELETE", &made.id(), None).status, 403);
    let _ = agent.send_as(JANE, "DELETE", &made.id(), None).expect(200);
    assert_eq!(sign_in(&agent, &made.id(), &secret(&made)).status, 403);
    let count = |cookie: &str| agent.send_with(cookie, "GET", "session", None).expect(200).json()["count"].clone();
    assert_eq!((count(&signed_in), count(&goes_on)), (json!(0), json!(1)));

    let short = ask(&agent, JANE, json!(2)).expect(201);
    let signed_in = sign_in(&agent, &short.id(), &secret(&short));
    // On a slow machine it may be over before it began.
    if signed_in.status == 201 {
        let cookie = cookie(&signed_in);
        eventually("the end of the session", || count(&cookie) == 0);
    }
    eventually("the end of the key", || sign_in(&agent, &short.id(), &secret(&short)).status == 403);
}

#[test]
fn foreign_doubled_and_oversized_keys_are_worth_nothing() {
    let (agent, foreign) = (start(), start());
    let made = ask(&agent, JANE, json!(0)).expect(201);
    let (id, own) = (made.id(), secret(&made));
    let theirs = ask(&foreign, JANE, json!(0)).expect(201);
    let long = "x".repeat(1_000_000);
    for (key, text) in [
        (theirs.id(), secret(&theirs)),
        (theirs.id(), own.clone()),
        (id.clone(), secret(&theirs)),
        (id.clone(), format!("{own}{own}")),
        (format!("{id}{id}"), own.clone()),
        (id.clone(), "x".repeat(60_000)),
        ("x".repeat(60_000), own.clone()),
    ] {
        let refused = sign_in(&agent, &key, &text);
        assert!([403, 413, 429].contains(&refused.status), "{}", refused.text().chars().take(200).collect::<String>());
        assert!(refused.text().len() < 1000 && refused.header("set-cookie").is_none() && !agent.log().contains(&own));
    }
    let body = |key: &str| {
        format!(r#"{{"sessionTemplate": {{"href": "session-template/api-key", {key} "secret": "{own}"}}}}"#)
    };
    // Of two keys in one body nobody knows which one is meant.
    let doubled = agent.send_as(None, "POST", "session", Some(&body(&format!(r#""key": "{id}", "key": "{id}","#))));
    assert!(doubled.expect(400).message().contains("key"));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), body(&format!(r#""key": "{}","#, long.repeat(3)))).unwrap();
    let sent = format!("@{}", file.path().display());
    let url = format!("{}/session", agent.api());
    let _ = curl(["-k", "-H", "content-type: application/json", "--data-binary", &sent, &url]).expect(413);
    let _ = sign_in(&agent, &id, &own).expect(201);
}
