//! What a certificate is not good for, and what may be asked for one.

use mf2c_domain::time::Timestamp;
use mf2c_tests::curl;
use serde_json::{Value, json};

use super::place::{Place, start};

const JSON: &str = "content-type: application/json";

#[test]
fn pages_of_other_sites_cannot_use_a_certificate() {
    let place = Place::with(start().environment("MF2C_API_CORS_ORIGINS", "https://console.example"));
    place.user("ada", true);
    let held = place.certify("ada", None);
    let own = format!("origin: https://{}", place.agent.https());
    for header in ["x-none: x", &own, "origin: https://console.example", "sec-fetch-site: none"] {
        let _ = place.show(&held, "GET", "callback", &["-H", header]).expect(200);
    }
    for header in [
        "origin: https://evil.example",
        "origin: null",
        "sec-fetch-site: cross-site",
        "sec-fetch-site: same-site",
        "origin: http://console.example",
    ] {
        let said = place.show(&held, "GET", "callback", &["-H", header]).expect(403).message();
        assert!(said.contains("a page of another site"), "{header}: {said}");
        let revoke = format!("{}/revoke", held.id);
        let _ = place.show(&held, "POST", &revoke, &["-H", header, "-H", "content-type: text/plain"]).expect(403);
    }
    let _ = place.show(&held, "GET", &held.id, &[]).expect(200);
}

#[test]
fn a_session_comes_before_a_certificate() {
    let place = Place::new();
    for (name, is_admin) in [("jane", false), ("ada", true)] {
        place.user(name, is_admin);
    }
    let [jane, ada] = ["jane", "ada"].map(|name| place.certify(name, None));
    let cookie = |name: &str| format!("cookie: {}", place.cookie(name));
    let (by_jane, by_ada) = (cookie("jane"), cookie("ada"));
    let _ = place.show(&ada, "GET", "callback", &["-H", &by_jane]).expect(403);
    let _ = place.show(&jane, "GET", "callback", &["-H", &by_ada]).expect(200);
    let broken = format!("{by_jane}x");
    let _ = place.show(&ada, "GET", "callback", &["-H", &broken]).expect(200);
}

#[test]
fn what_a_certificate_makes_does_not_outlive_it() {
    let place = Place::new();
    place.user("jane", false);
    let held = place.certify("jane", Some(600));
    let end = Timestamp::parse(&held.expires).unwrap();
    let body = json!({"request": place.request("again").0, "ttl": 86_400}).to_string();
    let made = place.show(&held, "POST", "user/jane/certify", &["-H", JSON, "-d", &body]).expect(201);
    let ends = Timestamp::parse(made.json()["expires"].as_str().unwrap()).unwrap();
    assert!(ends <= end, "{ends} after {end}");
    let template = json!({"href": "credential-template/generate-api-key", "ttl": 0});
    let body = json!({"credentialTemplate": template}).to_string();
    let key = place.show(&held, "POST", "credential", &["-H", JSON, "-d", &body]).expect(201).id();
    let expiry = place.admin("GET", &key, None).expect(200).json()["expiry"].as_str().map(str::to_owned);
    let expiry = Timestamp::parse(&expiry.expect("an end")).unwrap();
    assert!(expiry <= end, "{expiry} after {end}");
}

#[test]
fn a_request_for_a_certificate_is_checked() {
    let place = Place::new();
    for name in ["jane", "joe"] {
        place.user(name, false);
    }
    let (request, _) = place.request("jane");
    let cookie = place.cookie("jane");
    let ask = |who: &str, body: Value| {
        let body = body.to_string();
        place.agent.send_with(&cookie, "POST", &format!("user/{who}/certify"), Some(&body))
    };
    let broken = request.replacen("MI", "MJ", 1);
    for (body, why) in [
        (json!({}), "`request` is missing"),
        (json!({"request": 5}), "`request` is not a text"),
        (json!({"request": "x"}), "no certificate request in PEM"),
        (json!({ "request": broken }), "request"),
        (json!({"request": request, "ttl": 0}), "`ttl` is wrong"),
        (json!({"request": request, "ttl": -1}), "`ttl` is wrong"),
        (json!({"request": request, "ttl": "1d"}), "`ttl` is wrong"),
        (json!({"request": request, "ttl": 397 * 86_400 + 1}), "397 days"),
        (json!({"request": request, "name": "ada"}), "`name` is not expected"),
    ] {
        let said = ask("jane", body.clone()).expect(400).message();
        assert!(said.contains(why), "{body}: {said}");
    }
    let huge = json!({"request": "x".repeat(40_000)});
    let _ = ask("jane", huge).expect(413);
    for weak in ["rsa:1024", "dsa"] {
        let line = if weak == "dsa" {
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:secp224r1 -noenc -subj /CN=x -keyout w.key -out w.csr"
                .into()
        } else {
            format!("req -new -newkey {weak} -noenc -subj /CN=x -keyout w.key -out w.csr")
        };
        let _ = place.openssl(&line).expect(0);
        let weak = std::fs::read_to_string(place.file("w.csr")).unwrap();
        let said = ask("jane", json!({ "request": weak })).expect(400).message();
        assert!(said.contains("key"), "{said}");
    }
    let _ = ask("joe", json!({ "request": request })).expect(403);
    let _ = ask("nobody-of-this-name", json!({ "request": request })).expect(404);
    let made = ask("jane", json!({ "request": request })).expect(201);
    assert_eq!(made.header("cache-control").as_deref(), Some("no-store"));
    assert_eq!(made.header("location"), Some(made.id()));
}

#[test]
fn a_certificate_names_its_user_whatever_the_request_says_and_ends_when_it_was_told_to() {
    let place = Place::new();
    place.user("jane", false);
    let asking = |extension: &str| {
        let line =
            format!("req -new -newkey rsa:2048 -noenc -subj /CN=admin/OU=leader -keyout e.key -out e.csr {extension}");
        let _ = place.openssl(&line).expect(0);
        std::fs::read_to_string(place.file("e.csr")).unwrap()
    };
    for name in ["DNS:evil.example", "URI:spiffe://x/area/y"] {
        let request = asking(&format!("-addext subjectAltName={name}"));
        let said = place.admin("POST", "user/jane/certify", Some(json!({ "request": request }))).expect(400).message();
        assert!(said.contains("not this requester's"), "{said}");
    }
    let request = asking("-addext basicConstraints=CA:TRUE");
    let made = place.admin("POST", "user/jane/certify", Some(json!({"request": request, "ttl": 3600}))).expect(201);
    let held = place.hold("e", place.file("e.key"), &made);
    let text = place.openssl("x509 -noout -text -in e.crt").expect(0).out;
    for foreign in ["admin", "leader", "CA:TRUE", "Server Authentication"] {
        assert!(!text.contains(foreign), "{foreign}: {text}");
    }
    assert!(text.contains("/user/jane") && text.contains("TLS Web Client Authentication"), "{text}");
    let document = place.admin("GET", &held.id, None).expect(200).json();
    assert_eq!(document["notAfter"], json!(held.expires));
    let _ = place.show(&held, "GET", "device", &[]).expect(200);
    let _ = place.show(&held, "GET", "callback", &[]).expect(403);
}

#[test]
fn an_agent_without_an_area_says_what_to_do() {
    let place = Place::without_area(start());
    place.user("jane", false);
    let (request, _) = place.request("jane");
    let said = place.admin("POST", "user/jane/certify", Some(json!({ "request": request }))).expect(409).message();
    assert!(said.contains("mf2c ca init") && said.contains("mf2c join"), "{said}");
    let url = format!("{}/certificate", place.agent.api());
    let _ = curl(["-k", &url]).expect(403);
}
