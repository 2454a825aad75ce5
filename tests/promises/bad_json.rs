//! Bodies that are wrong: each is refused with a sentence that helps, nothing of it is stored, and the agent goes on.

use std::path::Path;

use mf2c_tests::{Agent, Answer, Start, curl};
use serde_json::json;

/// Sends bytes, which may be large or no text, as a body.
fn post(agent: &Agent, directory: &Path, path: &str, method: &str, kind: &str, body: &[u8]) -> Answer {
    let file = directory.join("body");
    std::fs::write(&file, body).unwrap();
    let (url, data) = (format!("{}/{path}", agent.api()), format!("@{}", file.display()));
    let kind = if kind.is_empty() { "content-type:".to_owned() } else { format!("content-type: {kind}") };
    let who = "slipstream-authn-info: internal ADMIN";
    curl(["-k", "-X", method, "-H", who, "-H", &kind, "--data-binary", &data, &url])
}

/// The answer is a message document with this status and these words, and the agent answers the next request.
fn check(agent: &Agent, name: &str, answer: &Answer, status: u16, words: &[&str]) {
    assert_eq!(answer.status, status, "{name}: {}", answer.text());
    let document = answer.json();
    assert_eq!(document["status"], status, "{name}: {document}");
    let message = document["message"].as_str().unwrap_or_default();
    for word in words {
        assert!(message.contains(word), "{name}: `{word}` is not in: {message}");
    }
    assert!(message.len() < 3000, "{name}: {} bytes", message.len());
    let next = agent.send("GET", "cloud-entry-point", None);
    assert_eq!(next.status, 200, "after {name}: {}\n{}", next.text(), agent.log());
}

/// All collections are as the first start leaves them: empty but for the templates and the administrator.
fn nothing_is_stored(agent: &Agent) {
    let entry_point = agent.send("GET", "cloud-entry-point", None).expect(200).json();
    for value in entry_point.as_object().unwrap().values() {
        let Some(name) = value.get("href").and_then(|href| href.as_str()) else { continue };
        if !matches!(name, "resource-metadata" | "credential-template" | "configuration-template") {
            let list = agent.send("GET", &format!("{name}?$last=0"), None).expect(200).json();
            let made = match name {
                "user" => json!(1),
                _ if name.ends_with("-template") => list["count"].clone(),
                _ => json!(0),
            };
            assert_eq!(list["count"], made, "{name}");
        }
    }
}

/// A good service with one more member, as text.
fn with(member: &str) -> String {
    format!(r#"{{"name":"s","exec":"e","exec_type":"docker","agent_type":"normal",{member}}}"#)
}

#[test]
fn text_that_is_no_json_is_shown_where_it_breaks() {
    let agent = Start::new().agent();
    let directory = tempfile::tempdir().unwrap();
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let deep_objects = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    let rows: &[(&str, &[u8], &[&str])] = &[
        ("nothing", b"", &["the body is empty", "expected a JSON object"]),
        ("blanks", b" \r\n\t", &["the body is empty"]),
        ("half an object", br#"{"name":"#, &["malformed JSON at line 1, column 8", "EOF"]),
        ("no quotes", b"{name: 1}", &["malformed JSON at line 1, column 2", ">>>name"]),
        ("single quotes", b"{'name': 1}", &["malformed JSON at line 1, column 2"]),
        ("comma too many", b"{\n  \"name\": \"x\",\n}", &["line 3, column 1", "remove the comma"]),
        ("two documents", b"{} {}", &["malformed JSON at line 1, column 4"]),
        ("a comment", b"{} // yes", &["malformed JSON at line 1, column 4"]),
        ("a form", b"name=x&exec=y", &["malformed JSON at line 1, column 2"]),
        ("not UTF-8", b"{\"name\": \"\xff\xfe\"}", &["malformed JSON at line 1, column", "UTF-8"]),
        ("UTF-16", b"\xff\xfe{\x00}\x00", &["malformed JSON at line 1, column 1"]),
        ("a byte order mark", b"\xef\xbb\xbf{}", &["malformed JSON at line 1, column 1", "byte order mark"]),
        ("NUL", b"{\"name\": \"\0\"}", &["malformed JSON", "control character"]),
        ("a lone surrogate", br#"{"name": "\ud800"}"#, &["malformed JSON", "surrogate"]),
        ("half a surrogate pair", br#"{"name": "\ud800\u0041"}"#, &["malformed JSON", "surrogate"]),
        ("the other half", br#"{"name": "\udc00"}"#, &["malformed JSON", "surrogate"]),
        ("a bad escape", br#"{"name": "\x"}"#, &["malformed JSON", "invalid escape", "\\\\"]),
        ("too large a number", br#"{"num_agents": 1e400}"#, &["malformed JSON", "number out of range"]),
        ("NaN", br#"{"num_agents": NaN}"#, &["malformed JSON at line 1, column 16"]),
        ("a leading zero", br#"{"num_agents": 01}"#, &["malformed JSON", "invalid number"]),
        ("10,000 lists", deep.as_bytes(), &["malformed JSON at line 1, column 1", "at most 127 levels"]),
        ("10,000 objects", deep_objects.as_bytes(), &["malformed JSON at line 1", "at most 127 levels"]),
        ("a key twice", br#"{"name": "a", "name": "b"}"#, &["line 1, column", "`name` is given twice"]),
        ("a deep key twice", br#"{"properties": {"a": "x", "a": "x"}}"#, &["`a` is given twice"]),
        ("null", b"null", &["the body is null", "expected a JSON object"]),
        ("a text", b"\"x\"", &["the body is a text", "expected a JSON object"]),
        ("a number", b"7", &["the body is a number", "expected a JSON object"]),
        ("half a list", b"[{}, {}", &["malformed JSON"]),
    ];
    for (name, body, words) in rows {
        let answer = post(&agent, directory.path(), "service", "POST", "application/json", body);
        check(&agent, name, &answer, 400, words);
    }
    nothing_is_stored(&agent);

    let id = agent.send("POST", "service", Some(&with(r#""os":"linux""#))).expect(201).id();
    for (name, body, words) in rows.iter().filter(|(name, ..)| *name != "half a list") {
        let answer = post(&agent, directory.path(), &id, "PUT", "application/json", body);
        check(&agent, name, &answer, 400, words);
    }
    let answer = post(&agent, directory.path(), &id, "PUT", "application/json", b"[]");
    check(&agent, "a list", &answer, 400, &["the body is a list", "expected a JSON object"]);
    let document = agent.send("GET", &id, None).expect(200).json();
    assert_eq!((&document["created"], &document["os"]), (&document["updated"], &json!("linux")), "it was not touched");
}

#[test]
fn a_body_of_another_kind_is_refused_with_the_kind_that_is_expected() {
    let agent = Start::new().agent();
    let directory = tempfile::tempdir().unwrap();
    let good = with(r#""os":"linux""#);
    for kind in ["", "text/plain", "application/x-www-form-urlencoded", "application/xml", "application", "json", ";"] {
        let answer = post(&agent, directory.path(), "service", "POST", kind, good.as_bytes());
        check(&agent, kind, &answer, 415, &["unsupported content type", "`content-type: application/json`"]);
    }
    let answer = post(&agent, directory.path(), "cloud-entry-point", "PUT", "text/plain", b"{}");
    check(&agent, "entry point", &answer, 415, &["application/json"]);
    let answer = post(&agent, directory.path(), "service", "PUT", "text/plain", b"$last=1");
    check(&agent, "query", &answer, 415, &["application/x-www-form-urlencoded"]);
    nothing_is_stored(&agent);
    for kind in
        ["application/json", "Application/JSON; charset=utf-8", "application/vnd.mf2c+json", "application/json;"]
    {
        assert_eq!(post(&agent, directory.path(), "service", "POST", kind, good.as_bytes()).status, 201, "{kind}");
    }
    let id = post(&agent, directory.path(), "service", "POST", "application/json", good.as_bytes()).id();
    let answer = post(&agent, directory.path(), &id, "PUT", "text/plain", b"{}");
    check(&agent, "edit", &answer, 415, &["application/json"]);
}

/// A member added to a good service, and what the message must say of it.
const FAULTS: &[(&str, &[&str])] = &[
    (r#""bad-field":1"#, &["`bad-field` is not an attribute of service"]),
    (r#""num_agent":1"#, &["`num_agent`", "did you mean `num_agents`?"]),
    (r#""Description":"x""#, &["did you mean `description`?"]),
    (r#""num_agents":"two""#, &["`num_agents`", "\"two\"", "a whole number of at least 0"]),
    (r#""num_agents":1.5"#, &["`num_agents`", "1.5", "whole number"]),
    (r#""num_agents":-1"#, &["`num_agents`", "-1", "at least 0"]),
    (r#""num_agents":18446744073709551616"#, &["`num_agents`", "whole number"]),
    (r#""exec_ports":[80,65536]"#, &["`exec_ports[1]`", "65535"]),
    (r#""exec_ports":80"#, &["`exec_ports`", "80", "a list"]),
    (r#""cpu_recommended":true"#, &["`cpu_recommended`", "true", "a number"]),
    (r#""os":"linx""#, &["`os`", "did you mean `linux`?"]),
    (r#""os":null"#, &["`os`", "null", "$select"]),
    (r#""description":5"#, &["`description`", "5", "text"]),
    (r#""description":"  ""#, &["`description`", "not blank"]),
    (r#""properties":["a"]"#, &["`properties`", "an object"]),
    (r#""properties":{"a":1}"#, &["`properties.a`", "a text"]),
    (r#""parent":"no link""#, &["`parent`", "device/1"]),
    (r#""parent":"../x""#, &["`parent`", "device/1"]),
    (r#""os":1,"x":2,"parent":3"#, &["`os`", "`x`", "`parent`"]),
    (r#""a\u0000\u001b[31m":1"#, &["\\u{1b}"]),
];

/// The same for whole documents of other types.
const OTHER_FAULTS: &[(&str, &str, &[&str])] = &[
    ("service", "{}", &["`name` is missing", "`exec` is missing", "`exec_type`", "`agent_type`"]),
    ("event", r#"{"timestamp":"yesterday"}"#, &["`timestamp`", "yesterday", "2019-06-14T18:06:24.203Z"]),
    ("event", r#"{"timestamp":"2019-02-30T00:00:00Z"}"#, &["`timestamp`: \"2019-02-30T00:00:00Z\""]),
    ("event", r#"{"content":{"resource":{"href":"run/1"},"sate":"x"}}"#, &["`content.sate`", "mean `state`?"]),
    ("sla-violation", r#"{"agreement_id":{"href":5}}"#, &["`agreement_id.href`"]),
    (
        "user-profile",
        r#"{"service_consumer":"true","resource_contributor":0,"device_id":[]}"#,
        &["`service_consumer`", "true or false", "`resource_contributor`", "`device_id`"],
    ),
    (
        "service-instance",
        r#"{"user":"u","service":"s","agreement":"a","status":"s","agents":[{"url":7}]}"#,
        &["`agents[0].url`", "`agents[0].ports` is missing"],
    ),
];

#[test]
fn a_document_that_does_not_fit_its_type_is_refused_with_each_fault() {
    let agent = Start::new().agent();
    let refused = |name: &str, kind: &str, body: &str, words: &[&str]| {
        let answer = agent.send("POST", kind, Some(body));
        check(&agent, name, &answer, 400, words);
        assert!(
            answer.message().starts_with("resource does not satisfy defined schema: "),
            "{name}: {}",
            answer.text()
        );
    };
    for (member, words) in FAULTS {
        refused(member, "service", &with(member), words);
    }
    for (kind, body, words) in OTHER_FAULTS {
        refused(body, kind, body, words);
    }
    let many: Vec<String> = (0..500).map(|n| format!("\"zz{n}\":1")).collect();
    refused("many faults", "service", &with(&many.join(",")), &["and 480 more"]);
    refused("a long key", "service", &with(&format!("\"{}\":1", "k".repeat(100_000))), &["kkk…"]);
    refused("a long value", "service", &with(&format!("\"os\":\"{}\"", "v".repeat(100_000))), &["vvv…"]);
    nothing_is_stored(&agent);
}

#[test]
fn a_body_beyond_its_bound_is_refused_with_the_bound() {
    let agent = Start::new().agent();
    let directory = tempfile::tempdir().unwrap();
    let send = |path: &str, method: &str, kind: &str, body: String| {
        post(&agent, directory.path(), path, method, kind, body.as_bytes())
    };
    let mebibyte = 1 << 20;
    let sized =
        |size: usize| with(&format!("\"description\":\"{}\"", "x".repeat(size - with("\"description\":\"\"").len())));
    let kind = "application/json";
    let id = send("service", "POST", kind, sized(mebibyte)).expect(201).id();
    let bound = &["the body is too large", "1048576 bytes"][..];
    check(&agent, "add", &send("service", "POST", kind, sized(mebibyte + 1)), 413, bound);
    check(&agent, "add much", &send("service", "POST", kind, sized(20 * mebibyte)), 413, &["the body is too large"]);
    check(&agent, "edit", &send(&id, "PUT", kind, sized(mebibyte + 1)), 413, bound);
    check(&agent, "query", &send("service", "PUT", kind, sized(mebibyte + 1)), 413, bound);
    let form = "application/x-www-form-urlencoded";
    check(&agent, "form", &send("service", "PUT", form, "a".repeat(mebibyte + 1)), 413, bound);
    let list = format!("[{}]", vec!["{}"; 6_000_000].join(","));
    check(&agent, "list", &send("service", "POST", kind, list), 413, &["the body is too large", "16777216 bytes"]);
    let lines = "{}\n".repeat(10_001);
    let many = &["10001 resources are too many", "10000"];
    check(&agent, "lines", &send("service", "POST", "application/x-ndjson", lines), 413, many);
    let items = with(&format!("\"sla_templates\":[{}]", vec!["\"sla-template/x\""; 10_001].join(",")));
    check(&agent, "items", &send("service", "POST", kind, items), 400, &["10001 items are too many", "10000"]);
    let filter = format!("$filter={}a=1{}", "(".repeat(5_000), ")".repeat(5_000));
    check(&agent, "parentheses", &send("service", "PUT", form, filter), 400, &["nested at most 64 deep"]);
    let filter = format!("$filter={}", vec!["a=1"; 300].join(" and "));
    check(&agent, "comparisons", &send("service", "PUT", form, filter), 400, &["at most 256 comparisons"]);
    assert_eq!(agent.send("GET", "service?$last=0", None).expect(200).json()["count"], 1);
}
