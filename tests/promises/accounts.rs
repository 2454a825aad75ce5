//! Accounts: registration as the guide and the original have it, changes of users, passwords, and templates.

use mf2c_tests::{Agent, Answer, SmtpServer, Start, eventually};
use serde_json::{Value, json};

const JANE: Option<&str> = Some("jane USER");
const NOBODY: Option<&str> = None;

/// The guide's form with changes; null takes an attribute away.
fn form(changes: Value) -> String {
    let mut form = json!({"href": "user-template/self-registration", "username": "testuser",
        "password": "testpassword", "passwordRepeat": "testpassword", "emailAddress": "your@email.com"});
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(form.as_object_mut().unwrap().remove(name)),
            value => form[name] = value.clone(),
        }
    }
    json!({ "userTemplate": form }).to_string()
}

fn register(agent: &Agent, changes: Value) -> Answer {
    agent.send_as(NOBODY, "POST", "user", Some(&form(changes)))
}

fn sign_in(agent: &Agent, username: &str, password: &str) -> Answer {
    let body =
        json!({"sessionTemplate": {"href": "session-template/internal", "username": username, "password": password}});
    agent.send_as(NOBODY, "POST", "session", Some(&body.to_string()))
}

/// An account that can be used, made by an administrator.
fn user(agent: &Agent, name: &str, password: &str) {
    let body = json!({"userTemplate": {"href": "user-template/direct", "username": name, "password": password,
        "emailAddress": format!("{name}@example.org"), "state": "ACTIVE"}});
    let _ = agent.send("POST", "user", Some(&body.to_string())).expect(201);
}

#[test]
fn somebody_registers_proves_the_address_and_signs_in() {
    let server = SmtpServer::start();
    let mut start = Start::new();
    for (name, value) in server.environment() {
        start = start.environment(name, &value);
    }
    let agent = start.agent();
    let answer = register(&agent, json!({})).expect(201);
    assert_eq!(answer.header("location").as_deref(), Some("user/testuser"));
    assert_eq!(
        answer.json(),
        json!({"status": 201, "message": "user/testuser created", "resource-id": "user/testuser"})
    );
    assert_eq!(register(&agent, json!({})).expect(409).message(), "conflict with user/testuser");
    assert_eq!(sign_in(&agent, "testuser", "testpassword").expect(403).message(), "invalid credentials for 'testuser'");

    let mail = server.mail(0);
    assert_eq!((mail.from.as_str(), mail.to.as_slice()), ("fog@example.org", &["your@email.com".to_owned()][..]));
    assert!(
        mail.data.contains("\nSubject: email validation\n") || mail.data.starts_with("Subject: email validation\n")
    );
    let link = mail.link();
    assert!(link.starts_with(&format!("{}/callback/", agent.api())) && link.ends_with("/execute"), "{link}");
    let path = link.strip_prefix(agent.api()).unwrap().trim_start_matches('/').to_owned();
    // Neither does a program that looks at links first use it up.
    assert_eq!(agent.send_as(NOBODY, "HEAD", &path, None).status, 200);
    let done = agent.send_as(NOBODY, "GET", &path, None).expect(200);
    assert_eq!(done.message(), "email for user/testuser successfully validated");
    assert_eq!((done.id().as_str(), done.header("cache-control").as_deref()), ("user/testuser", Some("no-store")));
    assert_eq!(agent.send_as(NOBODY, "GET", &path, None).expect(409).message(), "cannot re-execute callback");
    assert_eq!(agent.send_as(NOBODY, "HEAD", &path, None).status, 409);

    let user = agent.send("GET", "user/testuser", None).expect(200).json();
    assert_eq!((&user["state"], user.get("password")), (&json!("ACTIVE"), None));
    assert_eq!(user["href"], "user-template/self-registration");
    let _ = sign_in(&agent, "testuser", "testpassword").expect(201);
    assert!(!agent.log().contains(&path), "the link is in the log");
    assert_eq!(agent.send("GET", "email?$last=0", None).expect(200).json()["count"], 0);
}

#[test]
fn what_is_wrong_with_a_registration_is_told_in_the_words_of_the_original() {
    let agent = Start::new().agent();
    for (changes, status, message) in [
        (json!({"passwordRepeat": "testpasswore"}), 400, "password fields must be identical"),
        (json!({"password": "1234567", "passwordRepeat": "1234567"}), 400, "password must have at least 8 characters"),
        (json!({"passwordRepeat": null}), 400, "both password fields must be specified"),
        (json!({"emailAddress": "your_email@"}), 400, "emailAddress"),
        (json!({"emailAddress": "a@b.org\r\nBcc: c@d.org"}), 400, "emailAddress"),
        (json!({"bad-field": 1}), 400, "bad-field"),
        (json!({"state": "ACTIVE"}), 400, "state"),
        (json!({"href": "user-template/unknown-template"}), 404, "user-template/unknown-template not found"),
        (json!({"href": null}), 400, "missing or invalid UserTemplate reference"),
        (json!({"href": "user-template/direct"}), 400, "requested href cannot be accessed: user-template/direct"),
        (json!({"username": "a\r\nBcc: c@d.org"}), 400, "username"),
        (json!({"username": "ADMIN"}), 400, "means something else"),
        (json!({"username": "x/change-password"}), 400, "means something else"),
        (json!({"username": "a\",\"isSuperUser\":true,\"b\":\""}), 400, "username"),
        (json!({"username": "a\u{202e}b"}), 400, "username"),
        (json!({"password": "x".repeat(5000), "passwordRepeat": "x".repeat(5000)}), 400, "at most 1024 bytes"),
        (json!({"redirectURI": "javascript:alert(1)"}), 400, "redirectURI"),
    ] {
        let answer = register(&agent, changes.clone()).expect(status);
        assert!(answer.message().contains(message), "{changes}: {}", answer.message());
    }
    // A password of a megabyte is too long for a command line, too.
    let folder = tempfile::tempdir().unwrap();
    let body = folder.path().join("body.json");
    std::fs::write(&body, form(json!({"password": "x".repeat(1 << 20)}))).unwrap();
    let data = format!("@{}", body.display());
    let url = format!("{}/user", agent.api());
    let large = mf2c_tests::curl(["-k", &url, "-H", "content-type: application/json", "--data-binary", &data]);
    assert_eq!(large.status, 413);
    let list = agent.send_as(NOBODY, "GET", "user", None).expect(200).json();
    assert_eq!((&list["count"], &list["operations"]), (&json!(0), &json!([{"rel": "add", "href": "user"}])));
    assert_eq!(agent.send("GET", "user?$filter=username!='admin'&$last=0", None).expect(200).json()["count"], 0);
}

#[test]
fn a_registration_goes_on_to_where_it_asks_to_and_faults_go_there_too() {
    let agent = Start::new().agent();
    let target = "http://redirect.example.org";
    let answer = register(&agent, json!({"redirectURI": target})).expect(303);
    assert_eq!((answer.header("location").as_deref(), answer.id().as_str()), (Some(target), "user/testuser"));
    let answer = register(&agent, json!({"redirectURI": target, "extra": 1, "username": "b"})).expect(303);
    assert!(answer.header("location").unwrap().starts_with(&format!("{target}?error=")), "{}", answer.head);
    let url = format!("{}/user", agent.api());
    let fields = [
        "href=user-template/self-registration",
        "username=jo",
        "password=testpassword",
        "passwordRepeat=testpassword",
        "emailAddress=jo@example.org",
    ];
    let mut arguments = vec!["-k".to_owned(), url];
    fields.iter().for_each(|field| arguments.extend(["--data-urlencode".to_owned(), (*field).to_owned()]));
    assert_eq!(mf2c_tests::curl(arguments).expect(201).id(), "user/jo");
}

#[test]
fn without_a_mail_server_only_administrators_find_the_link() {
    let agent = Start::new().agent();
    let _ = register(&agent, json!({})).expect(201);
    let list = agent.send("GET", "email", None).expect(200).json();
    let email = list["emails"][0].clone();
    let (id, link) = (email["id"].as_str().unwrap(), email["validationLink"].as_str().unwrap().to_owned());
    assert_eq!((&email["address"], &email["validated"]), (&json!("your@email.com"), &json!(false)));
    for who in [JANE, Some("testuser USER"), NOBODY] {
        assert_eq!(agent.send_as(who, "GET", id, None).status, 403, "{who:?}");
        assert_eq!(agent.send_as(who, "GET", "callback", None).status, 403, "{who:?}");
    }
    // Somebody else with the same address neither takes the link away nor sees it.
    let _ = register(&agent, json!({"username": "eve"})).expect(201);
    assert_eq!(agent.send("GET", id, None).expect(200).json()["validationLink"], link.as_str());
    let path = link.strip_prefix(agent.api()).unwrap().trim_start_matches('/');
    let _ = agent.send_as(NOBODY, "GET", path, None).expect(200);
    let seen = agent.send_as(Some("testuser USER"), "GET", id, None).expect(200).json();
    assert_eq!((&seen["validated"], seen.get("validationLink")), (&json!(true), None));
    assert!(!agent.log().contains(path), "the link is in the log");

    for name in ["testuser", "nobody", ""] {
        let body = json!({ "username": name }).to_string();
        let told = agent.send_as(NOBODY, "POST", "hook/reset-password", Some(&body)).expect(200).message();
        assert_eq!(told, "this agent sends no mail: ask an administrator for a new password", "{name}");
    }
}

#[test]
fn registration_can_be_closed_and_is_not_for_ever_open_to_one_source() {
    let agent = Start::new().environment("MF2C_AUTH_REGISTRATION", "false").agent();
    assert!(register(&agent, json!({})).expect(403).message().contains("registration is closed"));
    let _ = agent.send("POST", "user", Some(&form(json!({})))).expect(201);

    let agent = Start::new().agent();
    // One name cannot be asked for without end, and others are not held up by that.
    let again: Vec<u16> = (0..12).map(|_| register(&agent, json!({"username": "same"})).status).collect();
    assert_eq!((again[0], &again[1..10], &again[10..]), (201, &[409; 9][..], &[429; 2][..]));
    let statuses: Vec<u16> =
        (0..60).map(|number| register(&agent, json!({"username": format!("u{number}")})).status).collect();
    let refused = statuses.iter().position(|status| *status == 429).expect("too many are refused");
    assert!(refused >= 20 && statuses[..refused].iter().all(|status| *status == 201), "{statuses:?}");
    assert!(register(&agent, json!({"username": "late"})).expect(429).header("retry-after").is_some());
    // Administrators go on.
    user(&agent, "late", "testpassword");
}

#[test]
fn a_user_changes_what_is_his_and_nothing_that_gives_him_more() {
    let agent = Start::new().agent();
    user(&agent, "jane", "testpassword");
    let changes = json!({"id": "user/jane", "firstName": "Jane", "isSuperUser": true, "state": "SUSPENDED", "roles": "ADMIN",
        "method": "x", "acl": {"owner": {"principal": "joe", "type": "USER"}}});
    let edited = agent.send_as(JANE, "PUT", "user/jane", Some(&changes.to_string())).expect(200).json();
    assert_eq!(
        (&edited["firstName"], &edited["isSuperUser"], &edited["state"]),
        (&json!("Jane"), &json!(false), &json!("ACTIVE"))
    );
    assert_eq!((edited.get("roles"), &edited["method"]), (None, &json!("direct")));
    assert_eq!(edited["acl"]["owner"]["principal"], "ADMIN");
    assert_eq!(
        agent.send_as(JANE, "PUT", "user/jane?$select=state,password", Some("{}")).expect(200).json()["state"],
        "ACTIVE"
    );
    let _ = sign_in(&agent, "jane", "testpassword").expect(201);
    for body in [json!({"password": "otherpassword"}), json!({"id": "user/joe"}), json!({"username": "joe"})] {
        assert_eq!(agent.send_as(JANE, "PUT", "user/jane", Some(&body.to_string())).status, 400, "{body}");
    }
    for (who, method) in [(Some("joe USER"), "PUT"), (NOBODY, "PUT"), (Some("joe USER"), "GET"), (NOBODY, "DELETE")] {
        assert_eq!(agent.send_as(who, method, "user/jane", Some("{}")).status, 403, "{who:?} {method}");
    }
    // An administrator changes all of it, without an id in the document, and a password is digested.
    let body = json!({"isSuperUser": true, "password": "third-password"}).to_string();
    assert_eq!(agent.send("PUT", "user/jane", Some(&body)).expect(200).json()["isSuperUser"], true);
    let _ = sign_in(&agent, "jane", "third-password").expect(201);
    assert_eq!(agent.send("PUT", "user/jane", Some(r#"{"password":"short"}"#)).status, 400);
    assert!(!agent.send("GET", "user", None).text().contains("argon2"));
}

#[test]
fn who_is_suspended_demoted_or_gone_is_signed_out_at_once() {
    let agent = Start::new().agent();
    let cookie = |name: &str| {
        let answer = sign_in(&agent, name, "testpassword").expect(201);
        let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        let url = format!("{}/{}", agent.api(), answer.id());
        move || mf2c_tests::curl(["-k", &url, "-H", &format!("cookie: {cookie}")]).status
    };
    for (number, (method, body)) in [
        ("PUT", Some(r#"{"state":"SUSPENDED"}"#)),
        ("PUT", Some(r#"{"isSuperUser":true}"#)),
        ("PUT", Some(r#"{"roles":"ops"}"#)),
        ("DELETE", None),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("user{number}");
        user(&agent, &name, "testpassword");
        let seen = cookie(&name);
        let _ = agent.send("PUT", &format!("user/{name}"), Some(r#"{"firstName":"x","state":"ACTIVE"}"#)).expect(200);
        assert_eq!(seen(), 200, "an edit of something else ends nothing");
        let _ = agent.send(method, &format!("user/{name}"), body).expect(200);
        assert_ne!(seen(), 200, "{method} {body:?}");
    }
}

#[test]
fn the_last_active_administrator_stays_one() {
    let agent = Start::new().agent();
    let admin = agent.sign_in("admin", &agent.admin_password());
    user(&agent, "jane", "first-password");
    let last = |method: &str, path: &str, body: Option<&str>| {
        let refused = agent.send_with(&admin, method, path, body).expect(409).message();
        assert!(refused.contains("user/admin is the last active administrator: make another one first"), "{refused}");
    };
    let attempts = || {
        last("PUT", "user/admin", Some(r#"{"state": "SUSPENDED"}"#));
        last("PUT", "user/admin", Some(r#"{"isSuperUser": false}"#));
        last("PUT", "user/admin?$select=isSuperUser", Some("{}"));
        last("DELETE", "user/admin", None);
    };
    attempts();
    let _ = agent.send_with(&admin, "PUT", "user/admin", Some(r#"{"firstName": "Ada"}"#)).expect(200);
    // One who cannot sign in is of no help.
    let _ =
        agent.send_with(&admin, "PUT", "user/jane", Some(r#"{"isSuperUser": true, "state": "SUSPENDED"}"#)).expect(200);
    attempts();
    let _ = agent.send_with(&admin, "PUT", "user/jane", Some(r#"{"state": "ACTIVE"}"#)).expect(200);
    let _ = agent.send_with(&admin, "DELETE", "user/admin", None).expect(200);
    let jane = agent.sign_in("jane", "first-password");
    let refused = agent.send_with(&jane, "DELETE", "user/jane", None).expect(409).message();
    assert!(refused.contains("user/jane is the last active administrator"), "{refused}");
}

#[test]
fn a_password_is_changed_by_whoever_knows_it_and_by_administrators() {
    let agent = Start::new().agent();
    user(&agent, "jane", "testpassword");
    let change = |who: Option<&str>, body: Value| {
        agent.send_as(who, "POST", "user/jane/change-password", Some(&body.to_string()))
    };
    let operations = agent.send_as(JANE, "GET", "user/jane", None).expect(200).json()["operations"].to_string();
    assert!(operations.contains("user/jane/change-password"), "{operations}");
    let body = json!({"current-password": "testpassword", "new-password": "second-password"});
    assert_eq!(change(NOBODY, body.clone()).status, 403);
    assert_eq!(change(Some("joe USER"), body.clone()).status, 403);
    let wrong = json!({"current-password": "wrong", "new-password": "second-password"});
    assert_eq!(change(JANE, wrong).expect(403).message(), "the current password is wrong");
    assert_eq!(change(JANE, json!({"new-password": "second-password"})).status, 403);
    assert_eq!(change(JANE, json!({"current-password": "testpassword", "new-password": "short"})).status, 400);
    assert_eq!(change(JANE, json!({"current-password": "testpassword"})).status, 400);
    let _ = change(JANE, body).expect(200);
    assert_eq!(sign_in(&agent, "jane", "testpassword").status, 403);
    let _ = sign_in(&agent, "jane", "second-password").expect(201);
    let _ = change(Some("root ADMIN"), json!({"new-password": "third-password"})).expect(200);
    let _ = sign_in(&agent, "jane", "third-password").expect(201);
    // Guesses are counted.
    let guess = json!({"current-password": "guess", "new-password": "second-password"});
    let statuses: Vec<u16> = (0..12).map(|_| change(JANE, guess.clone()).status).collect();
    assert!(statuses.starts_with(&[403, 403]) && statuses.ends_with(&[429]), "{statuses:?}");
}

#[test]
fn accounts_that_nobody_proves_are_removed_with_their_links() {
    let agent = Start::new().environment("MF2C_AUTH_VALIDATION_LIFE", "3s").agent();
    let _ = register(&agent, json!({})).expect(201);
    user(&agent, "jane", "testpassword");
    let link =
        agent.send("GET", "email", None).expect(200).json()["emails"][0]["validationLink"].as_str().unwrap().to_owned();
    let path = link.strip_prefix(agent.api()).unwrap().trim_start_matches('/').to_owned();
    eventually("the end of the link", || agent.send_as(NOBODY, "HEAD", &path, None).status == 409);
    assert_eq!(agent.send_as(NOBODY, "GET", &path, None).expect(409).message(), "cannot re-execute callback");
    eventually("the end of the account", || agent.send("GET", "user/testuser", None).status == 404);
    eventually("the end of its links", || {
        let count = |kind: &str| agent.send("GET", &format!("{kind}?$last=0"), None).expect(200).json()["count"] == 0;
        count("callback") && count("email")
    });
    assert_eq!(agent.send("GET", "user/jane", None).status, 200);
}

#[test]
fn templates_are_there_from_the_first_start_and_say_what_can_be_filled_in() {
    let agent = Start::new().agent();
    for (who, kind, ids) in [
        (NOBODY, "user-template", vec!["user-template/self-registration"]),
        (NOBODY, "session-template", vec!["session-template/internal", "session-template/api-key"]),
        (Some("root ADMIN"), "user-template", vec!["user-template/direct", "user-template/self-registration"]),
    ] {
        let list = agent.send_as(who, "GET", kind, None).expect(200).json();
        let tag = if kind == "user-template" { "userTemplates" } else { "sessionTemplates" };
        let found: Vec<&str> = list[tag].as_array().unwrap().iter().map(|each| each["id"].as_str().unwrap()).collect();
        assert_eq!(found, ids);
    }
    for (id, name) in [
        ("session-template/internal", "password"),
        ("session-template/api-key", "secret"),
        ("user-template/self-registration", "passwordRepeat"),
    ] {
        let template = agent.send_as(NOBODY, "GET", id, None).expect(200).json();
        let describe =
            json!({"rel": "http://sixsq.com/slipstream/1/action/describe", "href": format!("{id}/describe")});
        assert!(template["operations"].as_array().unwrap().contains(&describe), "{template}");
        for method in ["GET", "POST"] {
            let described = agent.send_as(NOBODY, method, &format!("{id}/describe"), None).expect(200).json();
            assert_eq!((&described[name]["mandatory"], &described[name]["sensitive"]), (&json!(true), &json!(true)));
        }
    }
    assert_eq!(agent.send_as(NOBODY, "GET", "user-template/direct/describe", None).status, 403);
    let ttl = agent.send_as(JANE, "GET", "credential-template/generate-api-key/describe", None).expect(200).json();
    assert_eq!(ttl["ttl"]["type"], "integer");
}

#[test]
fn only_administrators_add_templates_and_only_of_known_methods() {
    let mut agent = Start::new().agent();
    let guide = json!({"method": "api-key", "instance": "api-key", "name": "Login with API Key and Secret", "key": "key",
        "secret": "secret", "acl": {"owner": {"principal": "ADMIN", "type": "ROLE"}}});
    let answer = agent.send("POST", "session-template", Some(&guide.to_string())).expect(409);
    assert!(answer.message().contains("there already") && answer.id() == "session-template/api-key");
    assert_eq!(agent.send_as(JANE, "POST", "session-template", Some(&guide.to_string())).status, 403);
    let unknown = json!({"method": "unknown", "instance": "x"}).to_string();
    let told = |kind: &str| agent.send("POST", kind, Some(&unknown)).expect(400).message();
    assert_eq!(told("session-template"), "invalid authentication method 'unknown'");
    assert_eq!(told("user-template"), "invalid registration method 'unknown'");
    let jwt = json!({"method": "jwt", "instance": "jwt", "token": "token"}).to_string();
    assert_eq!(agent.send("POST", "session-template", Some(&jwt)).expect(201).id(), "session-template/jwt");
    // Even where everybody sees it, a template of the administrators' method is for them.
    let open = json!({"method": "direct", "instance": "open"}).to_string();
    let _ = agent.send("POST", "user-template", Some(&open)).expect(201);
    let sent = register(&agent, json!({"href": "user-template/open", "isSuperUser": true})).expect(400);
    assert!(sent.message().contains("cannot be accessed"));

    // What was deleted stays deleted, but for what every agent needs.
    for id in ["session-template/api-key", "session-template/internal"] {
        let _ = agent.send("DELETE", id, None).expect(200);
    }
    assert!(agent.stop("TERM").success());
    let agent = Start::new().data_dir(agent.data_dir()).agent();
    assert_eq!(agent.send_as(NOBODY, "GET", "session-template/internal", None).status, 200);
    assert_eq!(agent.send_as(NOBODY, "GET", "session-template/api-key", None).status, 404);
}
