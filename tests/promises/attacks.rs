//! What somebody with bad intentions tries who has an account, or none at all.

use mf2c_tests::{Agent, Answer, SmtpServer, Start, curl, eventually};
use serde_json::{Value, json};

const NOBODY: Option<&str> = None;

fn user(agent: &Agent, name: &str) -> String {
    let password = format!("password-{name}");
    let body = json!({"userTemplate": {"href": "user-template/direct", "username": name, "password": password,
        "emailAddress": format!("{name}@example.org"), "state": "ACTIVE"}});
    let _ = agent.send("POST", "user", Some(&body.to_string())).expect(201);
    agent.sign_in(name, &password)
}

fn register(agent: &Agent, name: &str, address: &str) -> Answer {
    let form = json!({"href": "user-template/self-registration", "username": name, "password": "testpassword",
        "passwordRepeat": "testpassword", "emailAddress": address});
    agent.send_as(NOBODY, "POST", "user", Some(&json!({ "userTemplate": form }).to_string()))
}

fn with_mail(server: &SmtpServer) -> Agent {
    server.environment().into_iter().fold(Start::new(), |start, (name, value)| start.environment(name, &value)).agent()
}

#[test]
fn nobody_takes_over_what_a_user_left_by_taking_the_name() {
    let agent = Start::new().agent();
    let (eve, bob) = (user(&agent, "eve"), user(&agent, "bob"));
    let event = json!({"timestamp": "2019-08-25T10:00:00Z", "type": "alarm", "severity": "low",
        "content": {"resource": {"href": "device/d"}, "state": "x"}});
    let _ = agent.send_with(&bob, "POST", "event", Some(&event.to_string())).expect(201);
    let hook = json!({"url": "https://example.org/"}).to_string();
    let _ = agent.send_with(&eve, "POST", "webhook", Some(&hook)).expect(201);
    for (cookie, name) in [(&eve, "user/eve"), (&bob, "user/bob")] {
        let _ = agent.send_with(cookie, "DELETE", name, None).expect(200);
    }
    assert_eq!(register(&agent, "eve", "x@example.org").expect(409).message(), "conflict with user/eve");
    // Events tell of what is over; and an administrator knows what he does.
    let _ = register(&agent, "bob", "x@example.org").expect(201);
    let _ = user(&agent, "eve");
}

#[test]
fn no_address_is_flooded_by_registrations_or_by_moving_to_and_from_it() {
    let server = SmtpServer::start();
    let agent = with_mail(&server);
    for number in 0..6 {
        let address = if number % 2 == 0 { "victim@example.org" } else { "Victim@Example.org" };
        let _ = register(&agent, &format!("u{number}"), address).expect(201);
    }
    let _ = register(&agent, "last", "other@example.org").expect(201);
    let to = |address: &str| {
        let mails = server.mails();
        mails.iter().filter(|mail| mail.to.iter().any(|to| to.eq_ignore_ascii_case(address))).count()
    };
    eventually("the mail to the other", || to("other@example.org") == 1);
    eventually("the mails to the victim", || to("victim@example.org") == 3);

    let eve = user(&agent, "eve");
    // What is refused tells nobody anything.
    let bad = json!({"emailAddress": "no address"}).to_string();
    let _ = agent.send_with(&eve, "PUT", "user/eve", Some(&bad)).expect(400);
    let moved = |number: usize| {
        let address = if number.is_multiple_of(2) { "prey@example.org" } else { "eve@example.org" };
        agent.send_with(&eve, "PUT", "user/eve", Some(&json!({ "emailAddress": address }).to_string())).status
    };
    let statuses: Vec<u16> = (0..30).map(moved).collect();
    let refused = statuses.iter().position(|status| *status == 429).expect("an end");
    assert!((5..25).contains(&refused) && statuses[..refused].iter().all(|status| *status == 200), "{statuses:?}");
}

#[test]
fn a_thief_cannot_hide_a_key_from_its_user() {
    let agent = Start::new().agent();
    let eve = user(&agent, "eve");
    let ask = json!({"credentialTemplate": {"href": "credential-template/generate-api-key"}}).to_string();
    let id = agent.send_with(&eve, "POST", "credential", Some(&ask)).expect(201).id();
    let hide = json!({"name": "mine", "acl": {"owner": {"principal": "mallory", "type": "USER"}}}).to_string();
    let _ = agent.send_with(&eve, "PUT", &id, Some(&hide)).expect(200);
    let seen = agent.send_with(&eve, "GET", &id, None).expect(200).json();
    assert_eq!((&seen["name"], &seen["acl"]["owner"]["principal"]), (&json!("mine"), &json!("ADMIN")));
    let _ = agent.send_with(&eve, "DELETE", &id, None).expect(200);
}

#[test]
fn names_are_not_asked_for_by_the_thousand() {
    let agent = Start::new().agent();
    let statuses: Vec<u16> = (0..60).map(|_| register(&agent, "admin-1", "a@example.org").status).collect();
    assert_eq!(statuses[..2], [201, 409]);
    assert!(statuses.contains(&429), "{statuses:?}");
}

#[test]
fn a_form_on_another_site_signs_nobody_in_and_answers_are_kept_by_nobody() {
    let agent = Start::new().environment("MF2C_API_CORS_ORIGINS", "https://console.example").agent();
    let _ = user(&agent, "eve");
    let form = "href=session-template%2Finternal&username=eve&password=password-eve";
    let url = format!("{}/session", agent.api());
    let from = |origin: &str| {
        let origin = format!("origin: {origin}");
        let site = "sec-fetch-site: cross-site";
        curl(["-k", &url, "-H", &origin, "-H", site, "-d", form]).status
    };
    assert_eq!((from("https://evil.example"), from("https://console.example")), (403, 201));
    let own = agent.send("GET", "user/eve", None).expect(200);
    assert_eq!(own.header("cache-control").as_deref(), Some("private, no-cache"));
    assert_eq!(own.header("x-content-type-options").as_deref(), Some("nosniff"));
}

#[test]
fn the_header_counts_for_nothing_under_a_name_that_is_not_this_machines() {
    let agent = Start::new().agent();
    let url = format!("{}/user/admin", agent.api());
    let called = |host: &str| {
        let host = format!("host: {host}");
        curl(["-k", &url, "-H", "slipstream-authn-info: internal ADMIN", "-H", &host]).status
    };
    for own in ["localhost", "127.0.0.1:8443", "[::1]", "cimi"] {
        assert_eq!(called(own), 200, "{own}");
    }
    for other in ["evil.example", "localhost.evil.example:8443", "127.0.0.1.evil.example"] {
        assert_eq!(called(other), 403, "{other}");
    }
}

#[test]
fn a_form_of_a_stranger_is_small() {
    let agent = Start::new().agent();
    let about: Value =
        json!({"userTemplate": {"href": "user-template/self-registration"}, "description": "x".repeat(70_000)});
    let _ = agent.send_as(NOBODY, "POST", "user", Some(&about.to_string())).expect(413);
}
