//! A client certificate as a login: it gives the rights of its user and no others, and ends when it should. Judged by curl
//! and openssl.

mod command;
mod distant;
mod limits;
mod place;

use std::fs;

use mf2c_tests::{curl, eventually, run};
use place::{Follower, Held, Place, Talk, start};
use serde_json::{Value, json};

/// Collections and members that tell apart who asks.
const QUESTIONS: [(&str, &str); 12] = [
    ("GET", "device"),
    ("GET", "callback"),
    ("GET", "join-token"),
    ("GET", "certificate"),
    ("GET", "user"),
    ("GET", "user/jane"),
    ("GET", "user/ada"),
    ("GET", "configuration"),
    ("GET", "cloud-entry-point"),
    ("DELETE", "user/joe"),
    ("POST", "user-identifier"),
    ("POST", "session-template"),
];

#[test]
fn a_certificate_gives_exactly_the_rights_of_its_user() {
    let place = Place::new();
    for (name, is_admin) in [("jane", false), ("ada", true), ("joe", false)] {
        place.user(name, is_admin);
    }
    for name in ["jane", "ada"] {
        let held = place.certify(name, None);
        let cookie = place.cookie(name);
        for (method, path) in QUESTIONS {
            let by_certificate = place.show(&held, method, path, &[]);
            let by_session = place.agent.send_with(&cookie, method, path, None);
            // The deletion is possible once.
            let same = by_certificate.status == by_session.status || method == "DELETE" && by_session.status == 404;
            assert!(same, "{name}: {method} {path}: {} and {}", by_certificate.status, by_session.status);
            let seen = |text: &mf2c_tests::Answer| (text.json()["count"].clone(), text.json()["message"].clone());
            if method == "GET" {
                assert_eq!(seen(&by_certificate), seen(&by_session), "{name}: {path}");
            }
        }
        let device = place.show(&held, "POST", "event", &["-H", "content-type: application/json", "-d", EVENT]);
        let made = place.show(&held, "GET", &device.expect(201).id(), &[]).expect(200).json();
        let owner = if name == "ada" { "ADMIN" } else { "jane" };
        assert_eq!(made["acl"]["owner"]["principal"], owner);
    }
}

const EVENT: &str = r#"{"timestamp": "2015-01-16T08:05:00.0Z", "type": "state", "severity": "low",
    "content": {"resource": {"href": "run/1"}, "state": "x"}}"#;

#[test]
fn rights_are_those_of_today() {
    let place = Place::new();
    place.user("jane", false);
    let held = place.certify("jane", None);
    let mut talk = Talk::open(&place, &held);
    assert_eq!(talk.get("callback").0, 403);
    let _ = place.admin("PUT", "user/jane", Some(json!({"isSuperUser": true}))).expect(200);
    assert_eq!(talk.get("callback").0, 200);
    let _ = place.admin("PUT", "user/jane", Some(json!({"isSuperUser": false}))).expect(200);
    assert_eq!(talk.get("callback").0, 403);
}

#[test]
fn a_header_gives_nobody_with_a_certificate_more_rights() {
    let place = Place::new();
    place.user("jane", false);
    let held = place.certify("jane", None);
    let header = ["-H", "slipstream-authn-info: super ADMIN"];
    assert_eq!(place.show(&held, "GET", "callback", &header).expect(403).message(), "credentials required");
    let _ = place.show(&held, "GET", "device", &header).expect(200);
    let url = format!("{}/callback", place.agent.api());
    let _ = curl(["-k", "-H", "slipstream-authn-info: super ADMIN", &url]).expect(403);
}

#[test]
fn whoever_shows_no_certificate_is_asked_for_none() {
    let place = Place::new();
    let url = format!("{}/device", place.agent.api());
    let _ = curl(["--cacert", &place.roots(), &url]).expect(403);
    let entry = curl(["--cacert", &place.roots(), &format!("{}/cloud-entry-point", place.agent.api())]);
    let _ = entry.expect(200);
}

#[test]
fn tls_1_2_and_1_3_both_carry_a_certificate() {
    let place = Place::new();
    place.user("jane", false);
    let held = place.certify("jane", None);
    let _ = place.show(&held, "GET", "device", &["--tls-max", "1.2"]).expect(200);
    let _ = place.show(&held, "GET", "device", &["--tlsv1.3"]).expect(200);
}

#[test]
fn no_session_is_resumed_once_certificates_are_asked_for() {
    let place = Place::new();
    place.user("jane", false);
    let held = place.certify("jane", None);
    let [certificate, key] = [&held.certificate, &held.key].map(|path| path.to_str().unwrap().to_owned());
    let connect = place.agent.https();
    // Six handshakes in a row, each of which offers what the one before has given.
    let again = format!("s_client -connect {connect} -tls1_2 -reconnect -cert {certificate} -key {key}");
    let said = place.openssl(&again).out;
    assert!(said.matches("New, TLSv1.2").count() == 6 && !said.contains("Reused,"), "{said}");
    let without = Place::without_area(start());
    let resumed = format!("s_client -connect {} -tls1_2 -reconnect", without.agent.https());
    assert!(without.openssl(&resumed).out.contains("Reused,"), "the judge sees it where it happens");
    for (version, kept) in [("-tls1_2", "12.pem"), ("-tls1_3", "13.pem")] {
        let first = format!("s_client -connect {connect} {version} -sess_out {kept} -cert {certificate} -key {key}");
        let _ = place.openssl(&first);
        if place.file(kept).exists() {
            let second =
                format!("s_client -connect {connect} {version} -sess_in {kept} -cert {certificate} -key {key}");
            let said = place.openssl(&second).out;
            assert!(said.contains("New, TLS") && !said.contains("Reused,"), "{said}");
        }
    }
}

#[test]
fn a_revoked_certificate_counts_no_longer_neither_on_an_open_connection_nor_on_a_new_one() {
    let place = Place::new();
    place.user("jane", false);
    let held = place.certify("jane", None);
    let mut talk = Talk::open(&place, &held);
    assert_eq!(talk.get("device").0, 200);
    // Users may revoke their own.
    let answer = place.show(
        &held,
        "POST",
        &format!("{}/revoke", held.id),
        &["-H", "content-type: application/json", "-d", r#"{"reason": "lost"}"#],
    );
    assert_eq!(answer.expect(200).message(), format!("{} revoked", held.id));
    let reason = "credentials required: the client certificate has been revoked".to_owned();
    assert_eq!(talk.get("device"), (403, reason));
    eventually("a refusal by TLS", || place.refused(&held).contains("certificate revoked"));
    let shown = place.admin("GET", &held.id, None).expect(200).json();
    assert_eq!((&shown["state"], &shown["reason"]), (&json!("REVOKED"), &json!("lost")));
    assert!(shown.get("operations").is_none(), "nothing is left to do: {shown}");
    let _ = place.admin("POST", &format!("{}/revoke", held.id), None).expect(409);
}

#[test]
fn revoking_a_certificate_ends_its_event_stream() {
    let place = Place::new();
    place.user("jane", false);
    let [held, other] = [place.certify("jane", None), place.certify("jane", None)];
    let mut follower = Follower::open(&place, &held);
    let mut untouched = Follower::open(&place, &other);
    place.revoke(&held);
    eventually("the end of the stream", || follower.has_ended());
    assert!(!untouched.has_ended());
    let _ = place.admin("PUT", "user/jane", Some(json!({"roles": "ops"}))).expect(200);
    eventually("the end of a stream with other rights", || untouched.has_ended());
}

#[test]
fn who_may_not_sign_in_or_is_somebody_else_is_told_why() {
    let place = Place::new();
    place.user("jane", false);
    let held = place.certify("jane", None);
    let refused = |why: &str| {
        let said = place.show(&held, "GET", "device", &[]).expect(403).message();
        assert!(said.starts_with("credentials required: ") && said.contains(why), "{said}");
        let events = curl(
            ["--cacert", &place.roots(), &format!("https://{}/events?types=device", place.agent.https())]
                .map(str::to_owned)
                .into_iter()
                .chain(held.shown()),
        );
        assert!(events.expect(403).message().contains(why));
    };
    let _ = place.admin("PUT", "user/jane", Some(json!({"state": "SUSPENDED"}))).expect(200);
    refused("may not sign in");
    let _ = place.admin("POST", "user/jane/certify", Some(json!({"request": place.request("more").0}))).expect(409);
    let _ = place.admin("PUT", "user/jane", Some(json!({"state": "ACTIVE"}))).expect(200);
    let _ = place.show(&held, "GET", "device", &[]).expect(200);
    let _ = place.admin("DELETE", "user/jane", None).expect(200);
    refused("has no account");
    place.user("jane", true);
    refused("older than the account");
    let again = place.certify("jane", None);
    let _ = place.show(&again, "GET", "callback", &[]).expect(200);
}

#[test]
fn certificates_that_are_none_of_a_user_here_are_refused_by_tls() {
    let place = Place::new();
    let other = Place::new();
    for place in [&place, &other] {
        place.user("jane", true);
    }
    // Of another area, under the same names.
    let foreign = other.certify("jane", None);
    assert!(place.refused(&foreign).contains("unknown ca"), "{}", place.refused(&foreign));

    // By an authority of one's own, for the very name.
    let good = place.certify("jane", None);
    let shown = place.openssl(&format!("x509 -noout -ext subjectAltName -in {}", good.certificate.display())).out;
    let uri = shown.split("URI:").nth(1).unwrap().trim().to_owned();
    fs::write(place.file("ext"), format!("subjectAltName=URI:{uri}\nextendedKeyUsage=clientAuth\n")).unwrap();
    let (_, key) = place.request("forged");
    for line in [
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN=mf2c -keyout own-ca.key -out own-ca.crt",
        "x509 -req -in forged.csr -CA own-ca.crt -CAkey own-ca.key -CAcreateserial -extfile ext -out forged.crt",
    ] {
        let _ = place.openssl(line).expect(0);
    }
    let forged = Held { certificate: place.file("forged.crt"), key, ..good.clone() };
    assert!(place.refused(&forged).contains("unknown ca"), "{}", place.refused(&forged));

    // The agent's own.
    let data = place.agent.data_dir();
    let node = Held { certificate: data.join("member/agent.pem"), key: data.join("member/agent.pem"), ..good.clone() };
    let said = place.refused(&node);
    assert!(said.contains("alert"), "{said}");

    // Without its key it is nothing.
    let stolen = Held { key: foreign.key.clone(), ..good.clone() };
    let mut command = std::process::Command::new("curl");
    command.args(["-sS", "--cacert", &place.roots(), place.agent.api()]).args(stolen.shown());
    assert_ne!(run(command).code, Some(0));
    let _ = place.show(&good, "GET", "callback", &[]).expect(200);
}

#[test]
fn a_user_of_another_agent_of_the_area_is_refused_by_tls() {
    let place = Place::new();
    let member = Place::without_area(start());
    let token = place.command("token create").expect(0).out;
    let _ = member.command(&format!("join {}", token.trim_end())).expect(0);
    for place in [&place, &member] {
        place.user("jane", true);
    }
    let held = member.certify("jane", None);
    let _ = member.show(&held, "GET", "callback", &[]).expect(200);
    let said = place.refused(&held);
    assert!(said.contains("alert"), "{said}");
    // It is revoked where it counts, and there at once.
    let mut talk = Talk::open(&member, &held);
    assert_eq!(talk.get("device").0, 200);
    member.revoke(&held);
    assert_eq!(talk.get("device").0, 403);
}

#[test]
fn an_expired_certificate_is_refused_also_on_an_open_connection() {
    let place = Place::new();
    place.user("jane", false);
    let held = place.certify("jane", Some(15));
    let mut talk = Talk::open(&place, &held);
    assert_eq!(talk.get("device").0, 200);
    eventually("the end of the certificate", || talk.get("device").0 == 403);
    assert!(talk.get("device").1.contains("expired at"));
    eventually("a refusal by TLS", || place.refused(&held).contains("certificate expired"));
}

/// The name that a list of certificates shows for each.
fn users(list: &Value) -> Vec<String> {
    let all = list["certificates"].as_array().unwrap();
    all.iter().map(|it| it["user"].as_str().unwrap_or("-").to_owned()).collect()
}

#[test]
fn administrators_list_all_certificates_and_users_their_own() {
    let place = Place::new();
    for name in ["jane", "joe"] {
        place.user(name, false);
    }
    let [jane, joe] = ["jane", "joe"].map(|name| place.certify(name, None));
    let own = place.show(&jane, "GET", "certificate", &[]).expect(200).json();
    assert_eq!((users(&own), &own["count"]), (vec!["jane".to_owned()], &json!(1)));
    let operations = own["certificates"][0]["operations"].clone();
    assert_eq!(operations, json!([{"rel": "revoke", "href": format!("{}/revoke", jane.id)}]));
    for (method, path) in [("GET", joe.id.clone()), ("POST", format!("{}/revoke", joe.id))] {
        let _ = place.show(&jane, method, &path, &[]).expect(403);
    }
    let all = place.admin("GET", "certificate?$filter=kind='user'", None).expect(200).json();
    assert_eq!(users(&all), ["joe", "jane"], "newest first");
    let sorted = place.admin("GET", "certificate?$filter=kind='user'%20and%20state='VALID'&$orderby=user", None);
    assert_eq!(users(&sorted.expect(200).json()), ["jane", "joe"]);
    let kinds = place.admin("GET", "certificate?$aggregation=terms:kind", None).expect(200).json();
    assert!(kinds["count"].as_u64().is_some_and(|count| count >= 4), "{kinds}");
    for (method, path) in [("POST", "certificate"), ("PUT", &*jane.id), ("DELETE", &*jane.id), ("POST", "join-token")] {
        let _ = place.admin(method, path, Some(json!({}))).expect(405);
    }
}
