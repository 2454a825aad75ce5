//! Clients that are slow or go away: they are told so or cut off, and cost the others nothing.

#![allow(clippy::disallowed_methods, reason = "how long an answer takes is measured in real time")]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use mf2c_tests::{Agent, Connection, Start};
use serde_json::Value;

const SERVICE: &str = r#"{"name":"s","exec":"e","exec_type":"docker","agent_type":"normal"}"#;

fn impatient() -> Agent {
    Start::new()
        .environment("MF2C_LIMITS_HEAD_TIMEOUT", "500ms")
        .environment("MF2C_LIMITS_BODY_TIMEOUT", "500ms")
        .agent()
}

fn head(length: &str) -> String {
    format!(
        "POST /api/service HTTP/1.1\r\nhost: localhost\r\nslipstream-authn-info: internal ADMIN\r\n\
         content-type: application/json\r\n{length}\r\n\r\n"
    )
}

fn count(agent: &Agent) -> Value {
    let mut connection = Connection::open(&agent.http()).unwrap();
    let (status, body) = connection.send("GET", "/api/service?$last=0", "").unwrap();
    assert_eq!(status, 200);
    serde_json::from_slice::<Value>(&body).unwrap()["count"].clone()
}

#[test]
fn who_is_too_slow_is_told_after_the_time_that_is_set() {
    let agent = impatient();
    let whole = head(&format!("content-length: {}", SERVICE.len()));
    let chunked = head("transfer-encoding: chunked");
    for (name, part, words) in [
        ("half a request line", "GET /api/ser".to_owned(), "head did not arrive in time"),
        ("half a head", whole[..60].to_owned(), "head did not arrive in time"),
        ("no body", whole.clone(), "body did not arrive within"),
        ("half a body", format!("{whole}{}", &SERVICE[..20]), "body did not arrive within"),
        ("half a chunk", format!("{chunked}20\r\n{{\"name\""), "body did not arrive within"),
    ] {
        let started = Instant::now();
        let (status, body) = Connection::open(&agent.http()).unwrap().raw(part.as_bytes()).unwrap();
        let waited = started.elapsed();
        let document: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, &document["status"]), (408, &408.into()), "{name}: {document}");
        assert!(document["message"].as_str().is_some_and(|text| text.contains(words)), "{name}: {document}");
        assert!(waited >= Duration::from_millis(400), "{name}: {waited:?}");
    }
    assert_eq!(count(&agent), 0);
}

#[test]
fn slow_clients_do_not_keep_others_waiting() {
    let agent = Start::new().agent();
    let address = agent.http();
    let whole = head(&format!("content-length: {}", SERVICE.len()));
    let slow: Vec<TcpStream> = (0..100)
        .map(|n| {
            let mut stream = TcpStream::connect(&address).unwrap();
            let part = if n % 2 == 0 { whole.as_bytes() } else { &whole.as_bytes()[..50] };
            stream.write_all(part).unwrap();
            stream
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(count(&agent), 0);
    }
    // Nobody waited for these: they wait themselves, and are served all the same when the rest comes.
    let mut first = &slow[0];
    first.write_all(SERVICE.as_bytes()).unwrap();
    let mut answer = [0; 12];
    first.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 201");
    assert_eq!(count(&agent), 1);
}

#[test]
fn a_body_that_breaks_off_stores_nothing() {
    let agent = Start::new().agent();
    let address = agent.http();
    let more = head(&format!("content-length: {}", SERVICE.len() + 10));
    let chunked = head("transfer-encoding: chunked");
    for part in [
        format!("{more}{SERVICE}"),
        format!("{more}{}", &SERVICE[..30]),
        more.clone(),
        format!("{chunked}{:x}\r\n{SERVICE}\r\n", SERVICE.len()),
        format!("{chunked}nonsense\r\n{SERVICE}\r\n0\r\n\r\n"),
        format!("{chunked}ffffffffffffffffff\r\n{SERVICE}"),
    ] {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(part.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        // An answer is welcome but not owed: the connection must end.
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{part}: {}", String::from_utf8_lossy(&answer));
        assert_eq!(count(&agent), 0, "{part}");
    }
    // A client that is gone before it reads, and a body that is announced far too large.
    for part in [format!("{more}{}", &SERVICE[..30]), head("content-length: 99999999999")] {
        drop(TcpStream::connect(&address).unwrap().write_all(part.as_bytes()));
    }
    let (status, body) =
        Connection::open(&address).unwrap().raw(head("content-length: 99999999999").as_bytes()).unwrap();
    assert_eq!(status, 413, "{}", String::from_utf8_lossy(&body));
    assert_eq!(count(&agent), 0);
    let whole = format!("{chunked}{:x}\r\n{SERVICE}\r\n0\r\n\r\n", SERVICE.len());
    assert_eq!(Connection::open(&address).unwrap().raw(whole.as_bytes()).unwrap().0, 201, "a whole chunked body");
    assert!(!agent.log().contains("panic"), "{}", agent.log());
}
