//! What no client of good will sends.

use std::fs;

use serde_json::{Value, json};

use super::place::{Door, N};

const C: &str = "/v1/configuration/containers";

#[test]
fn names_with_markup_tricks_with_paths_deep_and_huge_bodies_are_refused_and_change_nothing() {
    let door = Door::open(&["u"]);
    for name in ["<script>", "a\"b", "../../etc/passwd", "a b", "", "a\u{0}b", "ä", "a/b", "..", "-rf", "a\n"] {
        let said = door.post("u", C, &json!({"node_uuid": N, "name": name, "image": "x"})).expect(400);
        assert!(said.header("content-type").as_deref() == Some("application/json"), "{said:?}");
        assert_eq!(said.header("x-content-type-options").as_deref(), Some("nosniff"));
    }
    for path in ["/%2e%2e", "/..%2f..%2fdata", "/%00", "/<b>", "/%ff"] {
        let said = door.said("u", &["-X", "DELETE"], &format!("{C}{path}"));
        assert!([400, 404].contains(&said.status), "{path}: {said:?}");
    }
    let send = |text: &str| {
        fs::write(door.place.path("body"), text).unwrap();
        door.said("u", &["--data-binary", "@body"], C)
    };
    let undecodable = "The request body could not be decoded according to the value of the\nContent-Type header.";
    send(&format!("{}{}", "[".repeat(10_000), "]".repeat(10_000))).refused(400, undecodable);
    send(&"{\"a\":".repeat(100_000)).refused(400, undecodable);
    let many: Vec<Value> = (0..200).map(|number| json!({"internal": number, "external": "x"})).collect();
    let said = send(&json!({"node_uuid": N, "name": "w1", "image": "x", "ports": many}).to_string()).expect(400).json();
    assert_eq!(said["errors"].as_array().unwrap().len(), 100, "as many as somebody reads");
    let long = send(&json!({"node_uuid": "x".repeat(100_000), "name": "w1", "image": "x"}).to_string()).expect(400);
    assert!(long.body.len() < 4096, "what was sent does not come back whole");
    let huge = send(&format!("\"{}\"", "x".repeat(20 << 20)));
    assert!(huge.status == 413 && huge.json()["description"].is_string(), "{}", huge.status);
    let _ = door.said("u", &["-H", "content-encoding: gzip", "-d", "{}"], C).expect(415);
    // Which of two was meant nobody knows.
    for (twice, key) in [
        (format!(r#"{{"name":"w1","node_uuid":"{N}","image":"x","name":"w2"}}"#), "name"),
        (format!(r#"{{"name":"w1","node_uuid":"{N}","image":"x","environment":{{"A":"1","\u0041":"2"}}}}"#), "A"),
    ] {
        let said = send(&twice).expect(400).json();
        assert_eq!(said["description"], undecodable);
        let fault = said["errors"][0].as_str().unwrap();
        assert!(fault.starts_with(&format!("the key `{key}` is given twice in one object")), "{fault}");
    }
    for image in ["", "../../x y", "a//b", "-v"] {
        let said = send(&json!({"node_uuid": N, "name": "w1", "image": image}).to_string()).expect(400).json();
        assert!(said["errors"][0].as_str().unwrap().starts_with(&format!("'{image}' does not match")), "{said}");
    }
    for body in ["1e999", "{\"a\":1,\"a\":2}", "null", "\"x\"", "[]", "{\"node_uuid\":{}}"] {
        assert_eq!(send(body).status, 400, "{body}");
    }
    for verb in ["TRACE", "PATCH", "BREW"] {
        assert_eq!(door.said("u", &["-X", verb], C).status, 405, "{verb}");
    }
    // A page in a browser cannot make its user's certificate do anything.
    let page =
        ["-H", "origin: https://evil.example", "-H", "sec-fetch-site: cross-site", "-H", "content-type: text/plain"];
    let body = json!({"node_uuid": N, "name": "w1", "image": "x"}).to_string();
    let mut words = page.to_vec();
    words.extend(["-d", &body]);
    assert_eq!(door.said("u", &words, C).status, 415);
    assert_eq!(door.get("u", C).json(), json!([]));
}
