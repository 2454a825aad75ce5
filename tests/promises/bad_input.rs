//! Requests whose address, query or head is wrong: each is refused with a sentence that helps, and the agent goes on.

use mf2c_tests::{Agent, Answer, Connection, Start, curl};
use serde_json::Value;

const SERVICE: &str = r#"{"name":"s","exec":"e","exec_type":"docker","agent_type":"normal"}"#;

/// curl to a path below the host, as it is written.
fn ask(agent: &Agent, method: &str, path: &str, more: &[&str]) -> Answer {
    let url = format!("{}{path}", agent.api().trim_end_matches("/api"));
    let who = "slipstream-authn-info: internal ADMIN";
    curl(["-k", "-g", "--path-as-is", "-X", method, "-H", who, &url].iter().chain(more))
}

fn check(agent: &Agent, name: &str, answer: &Answer, status: u16, words: &[&str]) {
    assert_eq!(answer.status, status, "{name}: {}", answer.text());
    let document = answer.json();
    assert_eq!(document["status"], status, "{name}: {document}");
    let message = document["message"].as_str().unwrap_or_default();
    for word in words {
        assert!(message.contains(word), "{name}: `{word}` is not in: {message}");
    }
    assert!(message.len() < 3000, "{name}: {} bytes", message.len());
    let next = ask(agent, "GET", "/api/cloud-entry-point", &[]);
    assert_eq!(next.status, 200, "after {name}: {}\n{}", next.text(), agent.log());
}

#[test]
fn an_id_that_is_none_is_refused() {
    let agent = Start::new().agent();
    let no_id = &["is not a resource id", "expected `<type>/<name>`"][..];
    let long = format!("/api/device/{}", "a".repeat(1024));
    for (path, status, words) in [
        ("/api/device/..", 400, no_id),
        ("/api/device/.", 400, no_id),
        ("/api/device/%2e%2e", 400, no_id),
        ("/api/device/%00", 400, no_id),
        ("/api/device/a%00b", 400, no_id),
        ("/api/device/a%20b", 400, no_id),
        ("/api/device/a.b", 400, no_id),
        ("/api/device/-a", 400, no_id),
        ("/api/device/%C3%A9", 400, no_id),
        ("/api/device/a%22b", 400, no_id),
        ("/api/user/a/../b", 400, no_id),
        ("/api/user//", 400, no_id),
        ("/api/device/%ff", 400, &["percent escapes", "UTF-8"]),
        ("/api/device/%c3%28", 400, &["percent escapes", "UTF-8"]),
        (&long, 400, &["1031 bytes is too long", "at most 256"]),
        ("/api/device/../../etc/passwd", 404, &["undefined action"]),
        ("/api/device/%2e%2e%2f%2e%2e%2fetc%2fpasswd", 404, &["undefined action"]),
        ("/api/../../etc/passwd", 405, &["invalid method"]),
        ("/../etc/passwd", 404, &["unknown resource"]),
        ("/%2e%2e/etc/passwd", 404, &["unknown resource"]),
        ("//api/device", 404, &["unknown resource"]),
        ("/.refused/200/nonsense", 400, &[]),
    ] {
        // People cannot be edited yet.
        let methods = if path.starts_with("/api/user/") { &["GET"][..] } else { &["GET", "PUT", "DELETE"] };
        for method in methods {
            let body = ["-H", "content-type: application/json", "-d", "{}"];
            let more = if *method == "PUT" { &body[..] } else { &[] };
            check(&agent, &format!("{method} {path:.60}"), &ask(&agent, method, path, more), status, words);
        }
    }
}

#[test]
fn a_query_that_means_nothing_is_refused_with_the_place() {
    let agent = Start::new().agent();
    let id = agent.send("POST", "service", Some(SERVICE)).expect(201).id();
    let (many_pairs, many_keys, many_names, many_sums) = (
        vec!["a=1"; 300].join("&"),
        format!("$orderby={}", (0..17).map(|n| format!("a{n}")).collect::<Vec<_>>().join(",")),
        format!("$select={}", (0..65).map(|n| format!("a{n}")).collect::<Vec<_>>().join(",")),
        format!("$aggregation={}", (0..33).map(|n| format!("sum:a{n}")).collect::<Vec<_>>().join(",")),
    );
    for (query, words) in [
        ("$filter=a=%zz", &["`%zz` at column 11", "%25"][..]),
        ("$filter=a='5%'", &["at column 13", "%25"]),
        ("x=%", &["at column 3", "hexadecimal"]),
        ("$filter=a='%ff'", &["column 9", "UTF-8"]),
        ("$filter=a='%ed%a0%80'", &["UTF-8"]),
        ("$filter=a=", &["line 1, column 3", "expected"]),
        ("$filter=", &["line 1, column 1", "expected"]),
        ("$filter=a='%00'%00", &["line 1, column"]),
        ("$filter=a=1%0aand%0ab==", &["line 3, column"]),
        ("$filter=a=1&$filter=b&$filter=c=1", &["in filter 2 of 3"]),
        ("$first=1&$after=", &["`$after` and `$first` exclude each other"]),
        ("$after=a&$after=b", &["`$after` is given twice"]),
        ("$after=%00", &["`$after` is no cursor"]),
        (&many_pairs, &["more than 256 query parameters"]),
        (&many_keys, &["`$orderby` has more than 16 entries"]),
        (&many_names, &["`$select` has more than 64 entries"]),
        (&many_sums, &["`$aggregation` has more than 32 entries"]),
    ] {
        let answer = ask(&agent, "GET", &format!("/api/service?{query}"), &[]);
        check(&agent, &format!("{query:.60}"), &answer, 400, words);
        if !query.contains('\'') {
            let form = ["-H", "content-type: application/x-www-form-urlencoded", "--data-raw", query];
            check(&agent, &format!("form {query:.60}"), &ask(&agent, "PUT", "/api/service", &form), 400, &[]);
        }
    }
    check(&agent, "one", &ask(&agent, "GET", &format!("/api/{id}?$select=%zz"), &[]), 400, &["`%zz`"]);
    check(&agent, "no form", &ask(&agent, "PUT", "/api/service", &["-d", "a=%ff"]), 400, &["UTF-8"]);
    // What can be passed over is passed over.
    for query in ["&&&", "=", "$first=NaN", "$orderby=,,:desc", "$select=,", "$aggregation=::", "$expand=%00", "%00=1"]
    {
        let answer = ask(&agent, "GET", &format!("/api/service?{query}"), &[]);
        assert_eq!((answer.status, &answer.json()["count"]), (200, &1.into()), "{query}: {}", answer.text());
    }
}

#[test]
fn heads_that_are_too_large_or_unreadable_are_refused() {
    let agent = Start::new().agent();
    let long = |count: usize| "x".repeat(count);
    let header = format!("x-long: {}", long(70_000));
    check(&agent, "header", &ask(&agent, "GET", "/api/service", &["-H", &header]), 431, &["head is too large"]);
    let many: Vec<String> = (0..120).map(|n| format!("x-{n}: 1")).collect();
    let many: Vec<&str> = many.iter().flat_map(|header| ["-H", header]).collect();
    check(&agent, "headers", &ask(&agent, "GET", "/api/service", &many), 431, &["too many headers", "96"]);
    let query = format!("/api/service?$filter=a='{}'", long(20_000));
    check(&agent, "query", &ask(&agent, "GET", &query, &[]), 414, &["target is too long", "PUT"]);
    check(&agent, "path", &ask(&agent, "GET", &format!("/api/device/{}", long(20_000)), &[]), 414, &["too long"]);
    let near = format!("/api/service?$filter=a='{}'", long(16_000));
    assert_eq!(ask(&agent, "GET", &near, &[]).status, 200);
    let name = format!("slipstream-authn-info: {}", long(30_000));
    check(&agent, "name", &curl(["-k", "-H", &name, &format!("{}/configuration", agent.api())]), 403, &[]);

    for (request, status, word) in [
        ("GET /api HTTP/1.1\r\n\r\n", 400, "host"),
        ("GET /api HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400, "host"),
        ("NONSENSE\r\n\r\n", 400, "cannot be read"),
        ("GET /api\r\n\r\n", 400, "cannot be read"),
        ("\x16\x03\x01\x02\0\x01\0\x01\r\n\r\n", 400, "cannot be read"),
        ("GET /api HTTP/9.9\r\nhost: a\r\n\r\n", 400, "cannot be read"),
        ("G<>T /api HTTP/1.1\r\nhost: a\r\n\r\n", 400, ""),
        ("GET /api/service HTTP/1.1\r\nhost: a\r\nbad header\r\n\r\n", 400, "cannot be read"),
        ("POST /api/service HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n", 400, "content-length"),
        ("POST /api/service HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n", 400, "content-length"),
        (
            "POST /api/service HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            400,
            "content-length",
        ),
        ("POST /api/service HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n", 400, "transfer-encoding"),
        (
            "POST /api/service HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n{}",
            400,
            "transfer-encoding",
        ),
        ("POST /api/service HTTP/1.0\r\nhost: a\r\n\r\n", 411, "content-length"),
    ] {
        let mut connection = Connection::open(&agent.http()).unwrap();
        let (status_given, body) = connection.raw(request.as_bytes()).unwrap();
        let document: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((status_given, &document["status"]), (status, &status.into()), "{request}: {document}");
        assert!(document["message"].as_str().is_some_and(|text| text.contains(word)), "{request}: {document}");
        assert!(connection.raw(b"GET /api/service HTTP/1.1\r\nhost: a\r\n\r\n").is_err(), "{request}: it stays open");
    }
    // Bytes that are no text can stand in an address.
    let mut connection = Connection::open(&agent.http()).unwrap();
    let (status, _) = connection.raw(b"GET /api/event?$filter=type='\xc3\xa9' HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    assert_eq!(status, 200);
    let (status, body) = connection.raw(b"GET /api/event?$filter=type='\xff' HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    assert_eq!(status, 400, "{}", String::from_utf8_lossy(&body));
    assert_eq!(agent.send("GET", "service?$last=0", None).expect(200).json()["count"], 0);
}
