//! Conditions of requests hold as HTTP defines them, and what a request may cost is bounded.

use mf2c_tests::{Agent, Answer, Connection, Start, curl};

/// A request as an administrator with one more header.
fn send_with(agent: &Agent, header: &str, method: &str, path: &str, body: &str) -> Answer {
    let url = format!("{}/{path}", agent.api());
    let admin = "slipstream-authn-info: internal ADMIN";
    let json = "content-type: application/json";
    curl(["-k", "-g", "-X", method, &url, "-H", admin, "-H", json, "-H", header, "--data-binary", body])
}

const SERVICE: &str = r#"{"name": "a", "exec": "x", "exec_type": "docker", "agent_type": "normal"}"#;

#[test]
fn if_match_compares_strongly_and_if_none_match_forbids_changes() {
    let agent = Start::new().agent();
    let id = agent.send("POST", "service", Some(SERVICE)).expect(201).id();
    let tag = agent.send("GET", &id, None).expect(200).header("etag").unwrap();
    let edit = r#"{"description": "d"}"#;
    for (header, status) in [
        (format!("if-match: W/{tag}"), 412),
        ("if-match: \"other\"".to_owned(), 412),
        ("if-none-match: *".to_owned(), 412),
        (format!("if-none-match: W/{tag}"), 412),
        (format!("if-match: \"other\", {tag}"), 200),
    ] {
        let _ = send_with(&agent, &header, "PUT", &id, edit).expect(status);
    }
    let tag = agent.send("GET", &id, None).expect(200).header("etag").unwrap();
    let _ = send_with(&agent, &format!("if-none-match: {tag}"), "DELETE", &id, "").expect(412);
    let _ = send_with(&agent, &format!("if-match: {tag}"), "DELETE", &id, "").expect(200);
}

#[test]
fn the_entry_point_has_a_tag_and_keeps_its_conditions() {
    let agent = Start::new().agent();
    let path = "cloud-entry-point";
    let tag = agent.send("GET", path, None).expect(200).header("etag").unwrap();
    let _ = send_with(&agent, &format!("if-none-match: {tag}"), "GET", path, "").expect(304);
    let _ = send_with(&agent, "if-match: \"other\"", "PUT", path, r#"{"name": "n"}"#).expect(412);
    let named = send_with(&agent, &format!("if-match: {tag}"), "PUT", path, r#"{"name": "n"}"#).expect(200);
    assert_eq!(named.json()["name"], "n");
    let bare = agent.send("PUT", &format!("{path}?$select=name"), Some("{}")).expect(200);
    assert!(bare.json().get("name").is_none());
}

#[test]
fn an_expanded_document_has_no_tag_and_expansion_is_bounded() {
    let agent = Start::new().agent();
    let large = SERVICE.replace("\"a\"", &format!("\"a\", \"description\": \"{}\"", "x".repeat(900_000)));
    let mut connection = Connection::open(&agent.http()).unwrap();
    let (status, added) = connection.send("POST", "/api/service", &large).unwrap();
    let added: serde_json::Value = serde_json::from_slice(&added).unwrap();
    assert_eq!(status, 201, "{added}");
    let large = added["resource-id"].as_str().unwrap();
    let links = vec![format!(r#"{{"href": "{large}"}}"#); 100].join(",");
    let linked = SERVICE.replace("\"a\"", &format!("\"b\", \"sla_templates\": [{links}]"));
    let linked = agent.send("POST", "service", Some(&linked)).expect(201).id();
    let expanded = agent.send("GET", &format!("{linked}?$expand=*"), None).expect(200);
    assert!(expanded.header("etag").is_none(), "the tag would say nothing of what the links lead to");
    let filled = |answer: &Answer| answer.text().matches("\"description\"").count();
    assert!((1..=9).contains(&filled(&expanded)), "8 MiB hold nine of them at most");
    let both = agent.send("GET", "service?$expand=*", None).expect(200);
    assert!(filled(&both) <= 10, "the bound is one for the whole answer");
}

#[test]
fn each_line_of_a_bulk_request_is_answered_with_its_number() {
    let agent = Start::new().agent();
    let lines = format!("{SERVICE}\r\n\r\n{{bad\r\n{SERVICE}");
    let url = format!("{}/service", agent.api());
    let admin = "slipstream-authn-info: internal ADMIN";
    let answer = curl(["-k", &url, "-H", admin, "-H", "content-type: application/x-ndjson", "--data-binary", &lines])
        .expect(200);
    let answers: Vec<serde_json::Value> =
        answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = answers.iter().map(|answer| (answer["line"].as_u64(), answer["status"].as_u64())).collect();
    assert_eq!(told, [(Some(1), Some(201)), (Some(3), Some(400)), (Some(4), Some(201))]);
}

#[test]
fn a_body_that_announces_too_much_is_refused_at_its_first_byte() {
    let agent = Start::new().agent();
    let mut connection = Connection::open(&agent.http()).unwrap();
    let head = "POST /api/service HTTP/1.1\r\nhost: localhost\r\nslipstream-authn-info: internal ADMIN\r\n\
                content-type: application/json\r\ncontent-length: 2000000\r\n\r\n {\"";
    assert_eq!(connection.raw(head.as_bytes()).unwrap().0, 413);
}
