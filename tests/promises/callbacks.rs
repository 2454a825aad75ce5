//! Links that wait for somebody: who may make them, what they do, and that each is done once.

use std::thread;

use mf2c_tests::{Agent, SmtpServer, Start, eventually};
use serde_json::{Value, json};

const USER: Option<&str> = Some("jane USER");
const NOBODY: Option<&str> = None;

fn with_mail(server: &SmtpServer) -> Agent {
    let start =
        server.environment().into_iter().fold(Start::new(), |start, (name, value)| start.environment(name, &value));
    start.agent()
}

fn waiting(agent: &Agent, action: &str, target: &str) -> String {
    let body = json!({"action": action, "targetResource": {"href": target}, "state": "SUCCEEDED"});
    agent.send("POST", "callback", Some(&body.to_string())).expect(201).id()
}

fn user(agent: &Agent, name: &str, state: &str) {
    let body = json!({"userTemplate": {"href": "user-template/direct", "username": name, "password": "testpassword",
        "emailAddress": format!("{name}@example.org"), "state": state}});
    let _ = agent.send("POST", "user", Some(&body.to_string())).expect(201);
}

fn sign_in(agent: &Agent, username: &str, password: &str) -> u16 {
    let body =
        json!({"sessionTemplate": {"href": "session-template/internal", "username": username, "password": password}});
    agent.send_as(NOBODY, "POST", "session", Some(&body.to_string())).status
}

#[test]
fn administrators_make_callbacks_and_anybody_who_knows_one_executes_it_once() {
    let agent = Start::new().agent();
    assert_eq!(agent.send_as(USER, "GET", "callback", None).status, 403);
    let list = agent.send("GET", "callback", None).expect(200).json();
    assert_eq!(list["operations"], json!([{"rel": "add", "href": "callback"}]));
    let id = waiting(&agent, "x", "email/1");
    let callback = agent.send("GET", &id, None).expect(200).json();
    assert_eq!(callback["state"], "WAITING");
    let execute = json!({"rel": "http://sixsq.com/slipstream/1/action/execute", "href": format!("{id}/execute")});
    assert_eq!(callback["operations"], json!([{"rel": "delete", "href": id}, execute]));
    assert_eq!(agent.send("PUT", &id, Some("{}")).status, 405);
    for who in [USER, NOBODY] {
        assert_eq!(agent.send_as(who, "GET", &id, None).status, 403);
        assert_eq!(agent.send_as(who, "POST", "callback", Some(r#"{"action":"x"}"#)).status, 403);
    }
    let path = format!("{id}/execute");
    assert!(agent.send_as(NOBODY, "GET", &path, None).expect(400).message().contains("unknown"));
    let callback = agent.send("GET", &id, None).expect(200).json();
    assert_eq!((&callback["state"], callback["operations"].as_array().unwrap().len()), (&json!("FAILED"), 1));
    assert_eq!(agent.send_as(NOBODY, "POST", &path, None).expect(409).message(), "cannot re-execute callback");
    for made_up in ["unknown", "00000000-0000-4000-8000-000000000000"] {
        let answer = agent.send_as(NOBODY, "GET", &format!("callback/{made_up}/execute"), None).expect(404);
        assert_eq!(answer.message(), format!("callback/{made_up} not found"));
    }
    assert_eq!(agent.send_as(NOBODY, "DELETE", &path, None).status, 405);
}

#[test]
fn a_user_who_is_not_new_is_not_validated_and_the_link_is_over() {
    let agent = Start::new().agent();
    user(&agent, "jane", "ACTIVE");
    let path = format!("{}/execute", waiting(&agent, "user-email-validation", "user/jane"));
    let answer = agent.send_as(NOBODY, "GET", &path, None).expect(400);
    assert_eq!(answer.message(), "user/jane is not in the 'NEW' state");
    assert_eq!(agent.send_as(NOBODY, "GET", &path, None).status, 409);
    for target in ["user/nobody", "email/1"] {
        let path = format!("{}/execute", waiting(&agent, "user-email-validation", target));
        assert!([400, 404].contains(&agent.send_as(NOBODY, "PUT", &path, None).status), "{target}");
        assert_eq!(agent.send_as(NOBODY, "GET", &path, None).status, 409, "{target}");
    }
    user(&agent, "github/jo", "NEW");
    let path = format!("{}/execute", waiting(&agent, "user-email-validation", "user/github/jo"));
    let answer = agent.send_as(NOBODY, "POST", &path, None).expect(200);
    assert_eq!(answer.message(), "email for user/github/jo successfully validated");
}

#[test]
fn of_two_who_follow_a_link_at_once_one_is_too_late() {
    let agent = Start::new().agent();
    for round in 0..10 {
        let name = format!("u{round}");
        user(&agent, &name, "NEW");
        let path = format!("{}/execute", waiting(&agent, "user-email-validation", &format!("user/{name}")));
        let mut statuses: Vec<u16> = thread::scope(|scope| {
            let both = [(); 2].map(|()| scope.spawn(|| agent.send_as(NOBODY, "GET", &path, None).status));
            both.into_iter().map(|one| one.join().unwrap()).collect()
        });
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409], "round {round}");
    }
}

#[test]
fn an_expired_callback_is_not_executed_and_not_offered() {
    let agent = Start::new().agent();
    user(&agent, "jane", "NEW");
    for expires in ["2020-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"] {
        let body =
            json!({"action": "user-email-validation", "targetResource": {"href": "user/jane"}, "expires": expires});
        let id = agent.send("POST", "callback", Some(&body.to_string())).expect(201).id();
        assert_eq!(agent.send_as(NOBODY, "GET", &format!("{id}/execute"), None).status, 409);
        assert!(!agent.send("GET", &id, None).text().contains("/execute"));
    }
    assert_eq!(agent.send("GET", "user/jane", None).expect(200).json()["state"], "NEW");
}

#[test]
fn an_address_is_proved_by_a_link_that_anybody_may_ask_for() {
    let server = SmtpServer::start();
    let agent = with_mail(&server);
    let body = json!({"address": "user@example.com", "validated": true, "acl": {"owner": {"principal": "ANON", "type": "ROLE"}},
        "validationLink": "x"});
    assert_eq!(agent.send_as(NOBODY, "POST", "email", Some(&body.to_string())).status, 403);
    let id = agent.send_as(USER, "POST", "email", Some(&body.to_string())).expect(201).id();
    assert_eq!(id, "email/b58996c504c5638798eb6b511e6f49af");
    assert_eq!(agent.send_as(USER, "POST", "email", Some(&body.to_string())).status, 409);
    let email = agent.send_as(USER, "GET", &id, None).expect(200).json();
    assert_eq!((&email["validated"], email.get("validationLink")), (&json!(false), None));
    assert_eq!(email["acl"]["owner"]["principal"], "jane");
    let validate = json!({"rel": "http://sixsq.com/slipstream/1/action/validate", "href": format!("{id}/validate")});
    assert_eq!(email["operations"], json!([{"rel": "delete", "href": id}, validate]));

    let path = format!("{id}/validate");
    let told = agent.send_as(NOBODY, "GET", &path, None).expect(202);
    assert_eq!(told.message(), "check your mailbox for a validation message");
    let former = server.mail(0).link();
    let _ = agent.send_as(NOBODY, "POST", &path, None).expect(202);
    let link = server.mail(1).link();
    let below = |link: &str| link.strip_prefix(agent.api()).unwrap().trim_start_matches('/').to_owned();
    assert_eq!(agent.send_as(NOBODY, "GET", &below(&former), None).status, 409, "only the last link holds");
    let done = agent.send_as(NOBODY, "GET", &below(&link), None).expect(200);
    assert_eq!(done.message(), format!("{id} successfully validated"));
    assert_eq!(agent.send_as(NOBODY, "GET", &path, None).status, 400);
    let email = agent.send_as(USER, "GET", &id, None).expect(200).json();
    assert_eq!((&email["validated"], &email["operations"]), (&json!(true), &json!([{"rel": "delete", "href": id}])));
    assert_eq!(agent.send_as(NOBODY, "GET", "email/00000000000000000000000000000000/validate", None).status, 404);
}

#[test]
fn a_forgotten_password_is_set_by_the_one_link_that_holds() {
    let server = SmtpServer::start();
    let agent = with_mail(&server);
    user(&agent, "jane", "ACTIVE");
    let ask = |body: Value| agent.send_as(NOBODY, "POST", "hook/reset-password", Some(&body.to_string()));
    for name in ["jane", "nobody", "", "a\"b", &"x".repeat(1000)] {
        let answer = ask(json!({"username": name})).expect(200);
        assert_eq!(answer.message(), "if the account exists, a mail is on its way", "{name}");
    }
    assert_eq!(ask(json!({"username": 1})).status, 400);
    assert_eq!(ask(json!({"username": "jane", "redirect-url": "https://evil.example/"})).status, 400);
    let first = server.mail(0);
    assert_eq!(first.to, ["jane@example.org"]);
    let below = |link: &str| link.strip_prefix(agent.api()).unwrap().trim_start_matches('/').to_owned();
    let _ = ask(json!({"username": "jane"})).expect(200);
    let (former, path) = (below(&first.link()), below(&server.mail(1).link()));
    let set = |path: &str, password: &str| {
        let body = json!({ "new-password": password }).to_string();
        agent.send_as(NOBODY, "POST", path, Some(&body))
    };
    assert_eq!(set(&former, "second-password").status, 409);
    assert!(agent.send_as(NOBODY, "GET", &path, None).expect(400).message().contains("new-password"));
    assert_eq!(set(&path, "short").status, 400);
    assert_eq!(set(&path, "second-password").expect(200).message(), "password for user/jane successfully set");
    assert_eq!(set(&path, "third-password").status, 409);
    assert_eq!((sign_in(&agent, "jane", "testpassword"), sign_in(&agent, "jane", "second-password")), (403, 201));

    // A page of the agent's own may ask for the password; and there is an end to the mails.
    let page = format!("{}/reset", agent.api().trim_end_matches("/api"));
    let _ = ask(json!({"username": "jane", "redirect-url": page})).expect(200);
    assert!(server.mail(2).link().starts_with(&format!("{page}?callback=https%3A%2F%2F")));
    let _ = ask(json!({"username": "jane"})).expect(200);
    eventually("the end of mails", || agent.log().contains("too many links were asked for"));
    assert_eq!(server.mails().len(), 3);
}

#[test]
fn a_link_leads_to_this_agent_whatever_the_request_says_of_the_host() {
    let server = SmtpServer::start();
    let agent = with_mail(&server);
    user(&agent, "jane", "ACTIVE");
    let url = format!("{}/hook/reset-password", agent.api());
    let json = "content-type: application/json";
    for header in ["host: evil.example", "x-forwarded-host: evil.example"] {
        let sent = ["-k", &url, "-H", header, "-H", json, "-d", r#"{"username": "jane"}"#];
        let _ = mf2c_tests::curl(sent).expect(200);
    }
    for number in 0..2 {
        assert!(!server.mail(number).data.contains("evil"), "{}", server.mail(number).data);
    }
    let start =
        server.environment().into_iter().fold(Start::new(), |start, (name, value)| start.environment(name, &value));
    let agent = start.environment("MF2C_API_EXTERNAL_URL", "https://fog.example.org/").agent();
    user(&agent, "jane", "ACTIVE");
    let _ = agent.send_as(NOBODY, "POST", "hook/reset-password", Some(r#"{"username":"jane"}"#)).expect(200);
    assert!(server.mail(2).link().starts_with("https://fog.example.org/api/callback/"));
}
