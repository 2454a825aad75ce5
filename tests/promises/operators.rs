//! What operators rely on: readiness, request ids, the access log, pages of other origins, and the service manager.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use mf2c_tests::{Agent, Answer, Start, curl, eventually, mf2c_with};
use serde_json::Value;

fn asked(agent: &Agent, path: &str, arguments: &[&str]) -> Answer {
    let url = format!("https://{}{path}", agent.https());
    curl(["-k", "-g", &url].into_iter().chain(arguments.iter().copied()))
}

#[test]
fn readiness_and_health_are_told_in_text_and_in_json() {
    let agent = Start::new().agent();
    for (path, word) in [("/healthz", "ok"), ("/readyz", "ready")] {
        let text = asked(&agent, path, &[]).expect(200);
        assert_eq!(text.text(), format!("{word}\n"));
        assert_eq!(text.header("cache-control").as_deref(), Some("no-store"));
        let json = asked(&agent, path, &["-H", "accept: text/html, application/json;q=0.9"]).expect(200);
        assert_eq!(json.json(), serde_json::json!({"status": word}));
        let _ = asked(&agent, path, &["-I"]).expect(200);
        let _ = asked(&agent, path, &["-X", "POST"]).expect(405);
    }
}

#[test]
fn the_description_has_two_addresses_and_one_entity_tag() {
    let agent = Start::new().agent();
    let (short, long) = (asked(&agent, "/openapi.json", &[]).expect(200), asked(&agent, "/api/openapi.json", &[]));
    assert_eq!(short.body, long.expect(200).body);
    assert_eq!(short.json()["openapi"], "3.1.0");
    let tag = short.header("etag").expect("an entity tag");
    let known = asked(&agent, "/openapi.json", &["-H", &format!("if-none-match: {tag}")]).expect(304);
    assert!(known.body.is_empty() && known.header("etag") == Some(tag));
    let _ = asked(&agent, "/openapi.json", &["-X", "DELETE"]).expect(405);
}

#[test]
fn every_answer_has_an_id_and_a_sane_one_of_the_client_is_kept() {
    let agent = Start::new().agent();
    let id = |arguments: &[&str]| asked(&agent, "/api/device", arguments).header("x-request-id").expect("an id");
    let (first, second) = (id(&[]), id(&[]));
    assert_ne!(first, second);
    assert_eq!(id(&["-H", "x-request-id: job-7.a_b"]), "job-7.a_b");
    for bad in ["a b", "\"x\"", &"a".repeat(65), "a;b"] {
        assert_ne!(id(&["-H", &format!("x-request-id: {bad}")]), bad);
    }
    for path in ["/nowhere", "/healthz", "/.refused/400/malformed", "/openapi.json"] {
        assert!(asked(&agent, path, &[]).header("x-request-id").is_some(), "{path}");
    }
}

/// The lines of the access log, when there are at least so many.
fn lines(agent: &Agent, least: usize) -> Vec<Value> {
    let found = || agent.log_lines().filter(|line| line["target"] == "access").collect::<Vec<_>>();
    eventually("lines of the access log", || found().len() >= least);
    found()
}

#[test]
fn the_access_log_has_a_line_for_each_request_and_no_secret() {
    let agent = Start::new().environment("MF2C_LOG_ACCESS", "all").environment("MF2C_LOG_LEVEL", "error").agent();
    let admin = ["-H", "slipstream-authn-info: internal ADMIN", "-H", "cookie: session=c00kie"];
    let _ = asked(&agent, "/api/device?$filter=name=\"x\"", &admin).expect(200);
    let _ = asked(&agent, "/api/callback/5ec4e7/execute?a=b", &admin).expect(404);
    let _ = asked(&agent, "/api/user?$filter=password='5ec4e7'", &["-H", "x-request-id: mine"]).expect(400);
    asked(&agent, "/api/session", &["-d", "{\"password\": \"5ec4e7\"}", "-H", "x-forwarded-for: 6.6.6.6"]);
    let _ = asked(&agent, &format!("/api/device?x={}", "y".repeat(1000)), &[]).expect(403);
    let lines = lines(&agent, 5);
    assert_eq!(lines.len(), 5);
    let first = &lines[0];
    for (name, expected) in [
        ("level", "INFO"),
        ("method", "GET"),
        ("path", "/api/device"),
        ("query", "$filter=name=%22x%22"),
        ("client", "127.0.0.1"),
        ("caller", "internal"),
    ] {
        assert_eq!(first[name], expected, "{name} of {first}");
    }
    assert!(first["status"] == 200 && first["bytes"].as_u64() > Some(50) && first["micros"].is_u64(), "{first}");
    assert_eq!((&lines[1]["path"], &lines[2]["query"]), (&"/api/callback/***/execute".into(), &"***".into()));
    assert_eq!((&lines[2]["request_id"], &lines[2]["caller"]), (&"mine".into(), &Value::Null));
    assert_eq!(lines[3]["client"], "127.0.0.1", "a stranger cannot say who he is");
    assert!(lines[4]["query"].as_str().is_some_and(|query| query.len() < 210));
    let log = agent.log();
    assert!(!log.contains("5ec4e7") && !log.contains("c00kie"), "{log}");
}

#[test]
fn the_access_log_is_off_or_for_errors_alone_as_configured_and_believes_trusted_proxies() {
    let off = Start::new().agent();
    let _ = asked(&off, "/nowhere", &[]).expect(404);
    let errors = Start::new()
        .environment("MF2C_LOG_ACCESS", "errors")
        .environment("MF2C_API_TRUSTED_PROXIES", "127.0.0.1")
        .agent();
    let _ = asked(&errors, "/healthz", &[]).expect(200);
    let _ = asked(&errors, "/nowhere", &["-H", "x-forwarded-for: 6.6.6.6, 203.0.113.7"]).expect(404);
    let lines = lines(&errors, 1);
    assert_eq!((lines.len(), &lines[0]["path"], &lines[0]["client"]), (1, &"/nowhere".into(), &"203.0.113.7".into()));
    assert_eq!(off.log_lines().filter(|line| line["target"] == "access").count(), 0);
}

const CONSOLE: &str = "https://console.example.org";

fn from_origin(agent: &Agent, method: &str, origin: &str) -> Answer {
    let origin = format!("origin: {origin}");
    let mut arguments = vec!["-X", method, "-H", &origin];
    if method == "OPTIONS" {
        arguments.extend([
            "-H",
            "access-control-request-method: PUT",
            "-H",
            "access-control-request-headers: if-match",
        ]);
    }
    asked(agent, "/api/cloud-entry-point", &arguments)
}

#[test]
fn pages_of_a_configured_origin_may_use_the_api_and_no_others() {
    let agent = Start::new().environment("MF2C_API_CORS_ORIGINS", &format!("{CONSOLE},http://localhost:3000")).agent();
    let preflight = from_origin(&agent, "OPTIONS", CONSOLE).expect(204);
    assert_eq!(preflight.header("access-control-allow-origin").as_deref(), Some(CONSOLE));
    let allowed = preflight.header("access-control-allow-headers").unwrap();
    for name in ["If-Match", "If-None-Match", "Content-Type", "Idempotency-Key", "Last-Event-ID"] {
        assert!(allowed.contains(name), "{name}: {allowed}");
    }
    assert!(preflight.header("access-control-allow-methods").unwrap().contains("DELETE"));
    let read = from_origin(&agent, "GET", CONSOLE).expect(200);
    assert_eq!(read.header("access-control-allow-credentials").as_deref(), Some("true"));
    let exposed = read.header("access-control-expose-headers").unwrap();
    for name in ["ETag", "Location", "Retry-After", "Idempotency-Replayed", "X-Request-Id"] {
        assert!(exposed.contains(name), "{name}: {exposed}");
    }
    assert!(read.head.to_lowercase().contains("vary: origin"), "{}", read.head);
    for stranger in
        ["https://evil.example.org", "http://console.example.org", "null", "https://console.example.org:444"]
    {
        let refused = from_origin(&agent, "OPTIONS", stranger).expect(405);
        assert_eq!(refused.header("access-control-allow-origin"), None, "{stranger}");
        let refused = from_origin(&agent, "GET", stranger).expect(200);
        assert_eq!(refused.header("access-control-allow-origin"), None, "{stranger}");
        assert!(refused.head.to_lowercase().contains("vary: origin"));
    }
}

#[test]
fn every_page_may_come_without_cookies_and_none_by_default() {
    let agent = Start::new().environment("MF2C_API_CORS_ORIGINS", "*").agent();
    let read = from_origin(&agent, "GET", "https://anywhere.example.org").expect(200);
    assert_eq!(read.header("access-control-allow-origin").as_deref(), Some("*"));
    assert_eq!(read.header("access-control-allow-credentials"), None);
    let _ = from_origin(&agent, "OPTIONS", "https://anywhere.example.org").expect(204);
    let agent = Start::new().agent();
    let _ = from_origin(&agent, "OPTIONS", CONSOLE).expect(405);
    assert!(!from_origin(&agent, "GET", CONSOLE).expect(200).head.contains("access-control"));
}

#[test]
fn what_is_no_origin_is_refused_with_an_example() {
    for bad in [
        "console.example.org",
        "https://console.example.org/",
        "https://console.example.org/app",
        "https://Console.example.org",
        "https://console.example.org:443",
        "https://*.example.org",
        "https://user@example.org",
        "ftp://example.org",
        "null",
        "https://",
    ] {
        let refused = mf2c_with(&[("MF2C_API_CORS_ORIGINS", bad)], &["config", "check"]).expect(2);
        refused.tells(&["api.cors_origins", bad, "https://console.example.org"]);
    }
    for good in ["*", CONSOLE, "http://localhost:3000", "https://[::1]:8443", "https://10.0.0.5"] {
        let _ = mf2c_with(&[("MF2C_API_CORS_ORIGINS", good)], &["config", "check"]).expect(0);
    }
}

#[test]
fn the_service_manager_hears_that_the_agent_is_ready_alive_and_stopping() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let hear = || {
        let mut said = [0; 64];
        let length = socket.recv(&mut said).expect("the agent says something");
        String::from_utf8_lossy(&said[..length]).into_owned()
    };
    let start = Start::new().environment("NOTIFY_SOCKET", path.to_str().unwrap());
    let mut agent = start.environment("WATCHDOG_USEC", "2000000").agent();
    assert_eq!(hear(), "READY=1");
    for _ in 0..3 {
        assert_eq!(hear(), "WATCHDOG=1");
    }
    assert!(agent.stop("TERM").success());
    let mut last = hear();
    while last == "WATCHDOG=1" {
        last = hear();
    }
    assert_eq!(last, "STOPPING=1");
}
