//! Signing in by password and cookie, and what happens to whoever tries without.

use std::collections::BTreeSet;
use std::path::Path;
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mf2c_tests::{Agent, Answer, Connection, Start, curl, eventually};
use serde_json::{Value, json};

const COOKIE: &str = "com.sixsq.slipstream.cookie";

fn start() -> Agent {
    Start::new().agent()
}

fn form(username: &str, password: &str) -> String {
    json!({"sessionTemplate": {"href": "session-template/internal", "username": username, "password": password}})
        .to_string()
}

fn post(agent: &Agent, body: &str) -> Answer {
    agent.send_as(None, "POST", "session", Some(body))
}

/// What the cookie's token says, unproved.
fn claims(cookie: &str) -> Value {
    let token = cookie.split_once("=token=").expect("a token").1;
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&claims).unwrap()
}

#[test]
fn the_first_administrators_password_is_told_once_and_kept_nowhere() {
    let data_dir = tempfile::tempdir().unwrap();
    let mut agent = Start::new().data_dir(data_dir.path()).agent();
    let password = agent.admin_password();
    let groups: Vec<usize> = password.split('.').map(str::len).collect();
    assert_eq!(groups, [6, 6, 6, 6]);
    let _ = agent.sign_in("admin", &password);
    let _ = post(&agent, &form("admin", "wrong password")).expect(403);
    let _ = agent.stop("TERM");
    assert!(!agent.log().contains(&password), "the log");

    let again = Start::new().data_dir(data_dir.path()).agent();
    assert!(again.printed().starts_with("ready "), "{}", again.printed());
    let _ = again.sign_in("admin", &password);
    let user = again.send("GET", "user/admin", None).expect(200);
    assert!(user.json().get("password").is_none() && user.json()["isSuperUser"] == true, "{}", user.text());
    let digest = in_files(data_dir.path(), b"$argon2id$");
    assert!(!digest.is_empty(), "the search finds what is there");
    assert_eq!(in_files(data_dir.path(), password.as_bytes()), BTreeSet::new());
}

/// The files below a folder that hold these bytes.
fn in_files(folder: &Path, wanted: &[u8]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(in_files(&path, wanted));
        } else if let Ok(content) = std::fs::read(&path)
            && content.windows(wanted.len()).any(|window| window == wanted)
        {
            found.insert(path.display().to_string());
        }
    }
    found
}

#[test]
fn the_first_administrators_password_comes_from_a_file_or_is_withheld_from_the_journal() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "correct horse\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let name = "MF2C_AUTH_ADMIN_PASSWORD_FILE";
    let data = folder.path().join("data");
    let refused = Start::new().environment(name, file.to_str().unwrap()).data_dir(&data).refused().expect(1);
    refused.tells(&["mode 0644", "chmod 0600"]);

    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let agent = Start::new().environment(name, file.to_str().unwrap()).agent();
    assert!(agent.printed().starts_with("ready "));
    let _ = agent.sign_in("admin", "correct horse");

    let service = Start::new().environment("JOURNAL_STREAM", "8:1234").agent();
    assert!(service.printed().starts_with("ready "));
    eventually("the advice", || service.log().contains("mf2c user passwd admin --data-dir"));
    for password in ["", "admin", "password"] {
        assert!([400, 403].contains(&post(&service, &form("admin", password)).status));
    }
}

#[test]
fn a_sign_in_gives_a_session_and_a_cookie_that_says_who_and_until_when() {
    let agent = start();
    let answer = post(&agent, &form("admin", &agent.admin_password())).expect(201);
    let id = answer.id();
    assert!(id.starts_with("session/") && answer.message() == format!("{id} created"));
    assert_eq!(answer.header("location").as_deref(), Some(id.as_str()));
    let cookie = answer.header("set-cookie").unwrap();
    let parts: Vec<&str> = cookie.split("; ").collect();
    assert!(parts[0].starts_with(&format!("{COOKIE}=token=")), "{cookie}");
    assert_eq!(parts[1..4], ["Path=/", "HttpOnly", "SameSite=Lax"]);
    assert!(parts[4].starts_with("Expires=") && parts[4].ends_with(" GMT") && parts[5..] == ["Secure"], "{cookie}");

    let claims = claims(parts[0]);
    assert_eq!(claims["username"], "admin");
    assert_eq!(claims["roles"], format!("ADMIN USER ANON {id}"));
    assert_eq!(claims["session"], id.as_str());
    let session = agent.send_with(parts[0], "GET", &id, None).expect(200).json();
    assert_eq!(session["username"], "admin");
    assert_eq!(session["method"], "internal");
    assert_eq!(session["sessionTemplate"], json!({"href": "session-template/internal"}));
    assert_eq!(session["clientIP"], "127.0.0.1");
    assert_eq!(session["roles"], claims["roles"]);
    assert_eq!(session["acl"]["owner"], json!({"principal": id, "type": "ROLE"}));
    assert_eq!(session["operations"], json!([{"rel": "delete", "href": id}]));
    assert!(session["expiry"].as_str().unwrap().ends_with(".000Z"));

    // Over plain HTTP the cookie must not ask for HTTPS, or it would never come back.
    let body = form("admin", &agent.admin_password());
    let url = format!("http://{}/api/session", agent.http());
    let plain = curl(["-H", "content-type: application/json", "-d", &body, &url]).expect(201);
    assert!(!plain.header("set-cookie").unwrap().contains("Secure"));
}

#[test]
fn a_real_cookie_jar_signs_in_looks_around_and_signs_out() {
    let agent = start();
    let folder = tempfile::tempdir().unwrap();
    let jar = folder.path().join("cookies");
    let jar = jar.to_str().unwrap();
    let body = form("admin", &agent.admin_password());
    let url = |path: &str| format!("{}/{path}", agent.api());
    let session = url("session");
    let signed_in = curl(["-k", "-c", jar, "-H", "content-type: application/json", "-d", &body, &session]).expect(201);
    let copied = signed_in.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();

    let who = curl(["-k", "-b", jar, &session]).expect(200).json();
    assert_eq!((&who["count"], &who["sessions"][0]["username"]), (&json!(1), &json!("admin")));
    let searched = curl(["-k", "-b", jar, "-X", "PUT", "-d", "$filter=username='x'&$last=0", &session]).expect(200);
    assert_eq!((&searched.json()["count"], &searched.json()["sessions"]), (&json!(1), &json!([])));
    let _ = curl(["-k", "-b", jar, &url("configuration")]).expect(200);

    let id = signed_in.id();
    let out = curl(["-k", "-b", jar, "-c", jar, "-X", "DELETE", &url(&id)]).expect(200);
    let cookie = out.header("set-cookie").unwrap();
    assert!(cookie.starts_with(&format!("{COOKIE}=INVALID; Path=/")) && cookie.contains("Max-Age=0"), "{cookie}");
    assert!(!std::fs::read_to_string(jar).unwrap().contains(COOKIE), "the jar forgot it");

    // A copy of the token is worth nothing any more.
    assert_eq!(agent.send_with(&copied, "GET", "session", None).expect(200).json()["count"], 0);
    assert_eq!(agent.send_with(&copied, "GET", "configuration", None).status, 403);
    assert_eq!(agent.send_with(&copied, "GET", &id, None).status, 404);
}

#[test]
fn a_form_signs_in_as_json_does_and_goes_on_where_it_says() {
    let agent = start();
    let (url, password) = (format!("{}/session", agent.api()), agent.admin_password());
    let fields = format!("href=session-template/internal&username=admin&password={password}");
    let _ = curl(["-k", "-d", &fields, &url]).expect(201);
    let on = curl(["-k", "-d", &format!("{fields}&redirectURI=http%3A%2F%2Fredirect.example.org"), &url]).expect(303);
    assert_eq!(on.header("location").as_deref(), Some("http://redirect.example.org"));
    assert!(on.id().starts_with("session/") && on.header("set-cookie").unwrap().contains("token="));
    let bad =
        curl(["-k", "-d", "href=session-template/internal&username=a&password=b&redirectURI=/in", &url]).expect(303);
    assert_eq!(bad.header("location").as_deref(), Some("/in?error=invalid%20credentials%20for%20%27a%27"));
    assert!(bad.header("set-cookie").is_none());
    let extra = curl(["-k", "-d", "href=session-template/internal&pin=1&redirectURI=/in", &url]).expect(303);
    assert!(extra.header("location").unwrap().starts_with("/in?error=resource%20does%20not"));
    for uri in ["javascript:alert(1)", "//evil.example", "/%0d%0ax:1", "/%00"] {
        let refused = curl(["-k", "-d", &format!("{fields}&redirectURI={uri}"), &url]).expect(400);
        assert!(refused.header("location").is_none() && refused.header("set-cookie").is_none(), "{uri}");
    }
}

#[test]
fn what_is_no_proof_is_refused_and_says_no_more_than_it_must() {
    let agent = start();
    let template = json!({"method": "jwt", "instance": "jwt", "token": "token"}).to_string();
    let _ = agent.send("POST", "session-template", Some(&template)).expect(201);
    let session = |members: Value| json!({"sessionTemplate": members}).to_string();
    let long = "x".repeat(60_000);
    for (body, status, message) in [
        (form("admin", "wrong"), 403, "invalid credentials for 'admin'"),
        (form("nobody", "wrong"), 403, "invalid credentials for 'nobody'"),
        (form("../admin", "wrong"), 403, "invalid credentials for '../admin'"),
        (form("a\r\nb\u{1b}[2J", "wrong"), 403, r"invalid credentials for 'a\r\nb\u{1b}[2J'"),
        (form("admin", &long), 403, "invalid credentials for 'admin'"),
        (form(&long, "wrong"), 403, "x…'"),
        (form("admin", ""), 400, "sessionTemplate.password"),
        (
            session(json!({"href": "session-template/internal", "username": "a", "password": "b", "pin": "c"})),
            400,
            "pin",
        ),
        (
            session(json!({"href": "session-template/internal", "username": "a", "password": "b", "key": "c"})),
            400,
            "key",
        ),
        (session(json!({"href": "session-template/internal", "username": ["a"], "password": "b"})), 400, "username"),
        (session(json!({"href": "session-template/unknown", "username": "a", "password": "b"})), 404, "not found"),
        (session(json!({"href": "user/admin", "username": "a", "password": "b"})), 404, "not found"),
        (session(json!({"username": "a", "password": "b"})), 400, "href"),
        ("{}".to_owned(), 400, "sessionTemplate"),
        ("[]".to_owned(), 400, "expected a JSON object"),
        (session(json!({"href": "session-template/jwt", "token": "not a token"})), 400, "cannot parse JWT"),
        (session(json!({"href": "session-template/jwt", "token": "e30.e30.e30"})), 400, "missing issuer"),
        (session(json!({"href": "session-template/jwt", "token": "e30.eyJpc3MiOiJtZSJ9.e30"})), 403, "'me'"),
        (session(json!({"href": "session-template/jwt", "token": "e30.e30.e30", "username": "a"})), 400, "username"),
    ] {
        let shown: String = body.chars().take(120).collect();
        let answer = post(&agent, &body);
        assert_eq!(answer.status, status, "{shown}: {}", answer.text());
        assert!(answer.message().contains(message), "{shown}: {}", answer.message());
        assert!(answer.header("set-cookie").is_none() && !answer.text().contains("wrong"), "{shown}");
    }
    let url = format!("{}/session", agent.api());
    assert_eq!(curl(["-k", "-H", "content-type: text/plain", "-d", "x", &url]).status, 415);
    assert_eq!(curl(["-k", "-d", "href=a&href=b", &url]).status, 400);
}

#[test]
fn nobody_sees_a_session_but_its_own_user_and_administrators() {
    let agent = start();
    let cookie = agent.sign_in("admin", &agent.admin_password());
    let id = claims(&cookie)["session"].as_str().unwrap().to_owned();
    let jane = Some("jane USER ANON");
    for (who, status) in [(None, 403), (jane, 403), (Some("internal ADMIN"), 200)] {
        assert_eq!(agent.send_as(who, "GET", &id, None).status, status, "{who:?}");
        let list = agent.send_as(who, "GET", "session", None).expect(200).json();
        assert_eq!((&list["count"], &list["sessions"]), (&json!(0), &json!([])), "{who:?}");
        let all = agent.send_as(who, "GET", "session?$filter=username='admin'&$aggregation=terms:username", None);
        assert_eq!(all.expect(200).json()["count"], 0, "{who:?}");
    }
    assert_eq!(agent.send_as(jane, "DELETE", &id, None).status, 403);
    assert_eq!(agent.send_as(jane, "PUT", &id, Some("{}")).status, 405);
    assert_eq!(agent.send_with(&cookie, "PUT", &id, Some("{}")).status, 405);
    for method in ["GET", "POST"] {
        assert_eq!(agent.send_with(&cookie, method, &format!("{id}/validate"), None).status, 400);
    }
    assert_eq!(agent.send("GET", "session/none/validate", None).status, 404);
    // An administrator ends it, and keeps his own cookie.
    let ended = agent.send("DELETE", &id, None).expect(200);
    assert!(ended.header("set-cookie").is_none());
    assert_eq!(agent.send_with(&cookie, "GET", "session", None).expect(200).json()["count"], 0);
}

#[test]
fn a_bad_cookie_makes_nobody_and_no_error() {
    let (agent, foreign) = (start(), start());
    let cookie = agent.sign_in("admin", &agent.admin_password());
    let other = foreign.sign_in("admin", &foreign.admin_password());
    let count = |cookie: &str| agent.send_with(cookie, "GET", "session", None).expect(200).json()["count"].clone();
    let (name, value) = cookie.split_once('=').unwrap();
    let bare = value.strip_prefix("token=").unwrap();
    for good in [cookie.clone(), format!("{name}={bare}"), format!("a=b; {cookie}; {cookie}; c")] {
        assert_eq!(count(&good), 1, "{good}");
    }
    let (head, signature) = bare.rsplit_once('.').unwrap();
    let (header, said) = head.split_once('.').unwrap();
    let mut forged: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(said).unwrap()).unwrap();
    forged["username"] = json!("root");
    let forged = URL_SAFE_NO_PAD.encode(forged.to_string());
    let unsigned = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"none"}"#);
    for bad in [
        other.clone(),
        format!("{cookie}; {other}"),
        format!("{name}=INVALID"),
        format!("{name}="),
        format!("{name}=token={header}.{forged}.{signature}"),
        format!("{name}=token={unsigned}.{said}."),
        format!("{name}=token={bare}x"),
        format!("{name}=token={}", "A".repeat(5000)),
        format!("{name}=token={}.{}.{}", "A".repeat(20_000), "B".repeat(20_000), "C".repeat(10_000)),
        format!("{}={value}", name.to_uppercase()),
    ] {
        let shown: String = bad.chars().take(100).collect();
        assert_eq!(count(&bad), 0, "{shown}");
        assert_eq!(agent.send_with(&bad, "GET", "configuration", None).status, 403, "{shown}");
    }
    assert!(!agent.log().contains(bare) && !agent.log().contains(signature));
}

#[test]
fn a_restart_keeps_sessions_and_a_lost_key_ends_them() {
    let data_dir = tempfile::tempdir().unwrap();
    let mut agent = Start::new().data_dir(data_dir.path()).agent();
    let cookie = agent.sign_in("admin", &agent.admin_password());
    let _ = agent.stop("TERM");
    let mut agent = Start::new().data_dir(data_dir.path()).agent();
    assert_eq!(agent.send_with(&cookie, "GET", "session", None).expect(200).json()["count"], 1);
    let _ = agent.stop("TERM");
    std::fs::remove_file(data_dir.path().join("session.key")).unwrap();
    let agent = Start::new().data_dir(data_dir.path()).agent();
    assert_eq!(agent.send_with(&cookie, "GET", "session", None).expect(200).json()["count"], 0);
}

#[test]
fn who_is_barred_hears_what_a_stranger_hears() {
    let agent = start();
    let password = agent.admin_password();
    // Another one, because the last administrator is never barred.
    let other = json!({"userTemplate": {"href": "user-template/direct", "username": "other",
        "emailAddress": "other@example.org", "state": "ACTIVE", "isSuperUser": true}});
    let _ = agent.send("POST", "user", Some(&other.to_string())).expect(201);
    for state in ["NEW", "SUSPENDED", "DELETED"] {
        let _ = agent.send("PUT", "user/admin", Some(&json!({"state": state}).to_string())).expect(200);
        assert_eq!(post(&agent, &form("admin", &password)).expect(403).message(), "invalid credentials for 'admin'");
    }
    let _ = agent.send("PUT", "user/admin", Some(r#"{"state": "ACTIVE"}"#)).expect(200);
    let _ = agent.sign_in("admin", &password);
}

#[test]
fn digests_cannot_be_guessed_by_queries() {
    let agent = start();
    let ask = |query: &str| agent.send("GET", &format!("user?{query}"), None);
    for query in [
        "$filter=password^='$argon2id'",
        "$filter=password!=null",
        "$filter=password/x=1",
        "$filter=username='admin'%20and%20'$'<=password",
        "$orderby=password:desc",
        "$aggregation=min:password",
    ] {
        assert_eq!(ask(query).expect(400).message().split(':').next(), Some("`password` is secret"), "{query}");
    }
    let text = ask("$select=username,password").expect(200).text();
    assert!(text.contains("\"admin\"") && !text.contains("argon2"), "{text}");
}

#[test]
fn a_thousand_guesses_do_not_keep_the_user_out_who_was_here_before() {
    let agent = start();
    let (body, url) = (form("admin", &agent.admin_password()), format!("{}/session", agent.api()));
    let from =
        |address: &str| curl(["-k", "--interface", address, "-H", "content-type: application/json", "-d", &body, &url]);
    let _ = from("127.0.0.2").expect(201);
    let wrong = form("admin", "a guess");
    let attackers: Vec<_> = (0..4)
        .map(|_| {
            let (address, wrong) = (agent.http(), wrong.clone());
            thread::spawn(move || {
                let mut connection = Connection::open(&address).unwrap();
                let statuses = (0..250).map(|_| connection.send("POST", "/api/session", &wrong).unwrap().0);
                statuses.collect::<Vec<_>>()
            })
        })
        .collect();
    for _ in 0..5 {
        let _ = from("127.0.0.2").expect(201);
    }
    let statuses: Vec<u16> = attackers.into_iter().flat_map(|attacker| attacker.join().unwrap()).collect();
    let tried = statuses.iter().filter(|status| **status == 403).count();
    // One more after each minute, on a slow machine; and none more for the user's signing in meanwhile.
    assert!((10..=12).contains(&tried), "{tried} guesses were tried");
    assert!(statuses.iter().all(|status| [403, 429].contains(status)), "{statuses:?}");
    let refused = from("127.0.0.1").expect(429);
    assert!(refused.message().contains("too many failed attempts"), "{}", refused.message());
    let wait: u32 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    // The name is locked for strangers, and nobody else's is.
    assert_eq!(from("127.0.0.3").status, 429);
    let other = form("jane", "a guess");
    let stranger = curl(["-k", "--interface", "127.0.0.3", "-H", "content-type: application/json", "-d", &other, &url]);
    assert_eq!(stranger.status, 403);
    eventually("the log", || agent.log().contains("a sign-in was refused"));
    assert!(!agent.log().contains("a guess"));
}

fn resident_mib(agent: &Agent) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// A digest takes 19 MiB; it is computed on whichever thread of a pool is free, and each of them kept two or three.
#[test]
fn sign_ins_leave_no_memory_behind() {
    let agent = Start::new().agent();
    let password = agent.admin_password();
    let before = resident_mib(&agent);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..6).for_each(|_| drop(agent.sign_in("admin", &password))));
        }
    });
    eventually("the memory of digests back", || resident_mib(&agent) < before + 19);
}
