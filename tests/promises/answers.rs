//! What answers carry besides their document: methods, redirects, entity tags, compression, links and descriptions.

use mf2c_tests::{Agent, Answer, Start, curl};
use serde_json::{Value, json};

const SERVICE: &str = r#"{"name":"hello","exec":"hello-world","exec_type":"docker","agent_type":"normal"}"#;

/// curl as an administrator, with more arguments.
fn ask(agent: &Agent, path: &str, arguments: &[&str]) -> Answer {
    let url = format!("{}{path}", agent.api().trim_end_matches("/api"));
    let first = ["-k", "-g", "-H", "slipstream-authn-info: internal ADMIN", url.as_str()];
    curl(first.iter().chain(arguments))
}

#[test]
fn heads_slashes_and_redirects_are_as_browsers_expect() {
    let agent = Start::new().agent();
    let id = agent.send("POST", "service", Some(SERVICE)).expect(201).id();
    for path in ["/api/cloud-entry-point", "/api/service", "/api/openapi.json", &format!("/api/{id}")] {
        let (got, head) = (ask(&agent, path, &[]).expect(200), ask(&agent, path, &["-I"]).expect(200));
        assert!(head.body.is_empty() || !head.text().contains('{'), "{path}: {}", head.text());
        for name in ["content-type", "etag"] {
            assert_eq!(head.header(name), got.header(name), "{path}: {name}");
        }
        assert!(got.header("content-type").is_some_and(|kind| kind.starts_with("application/json")), "{path}");
    }
    assert_eq!(ask(&agent, "/api/service/nothing", &["-I"]).status, 404);
    assert_eq!(ask(&agent, "/api/service/", &[]).expect(200).json()["count"], 1);
    assert_eq!(ask(&agent, "/api/cloud-entry-point/", &[]).expect(200).json()["id"], "cloud-entry-point");
    for path in ["/", "/api", "/api/"] {
        let moved = ask(&agent, path, &[]).expect(302);
        assert_eq!(moved.header("location").as_deref(), Some("/api/cloud-entry-point"), "{path}");
        assert_eq!(ask(&agent, path, &["-L"]).expect(200).json()["id"], "cloud-entry-point", "{path}");
    }
    for path in ["/nothing", "/apix", "/favicon.ico", "/api2/device"] {
        assert_eq!(ask(&agent, path, &[]).expect(404).message(), "unknown resource", "{path}");
    }
}

#[test]
fn a_refused_method_is_told_with_those_that_work() {
    let agent = Start::new().agent();
    let id = agent.send("POST", "service", Some(SERVICE)).expect(201).id();
    for (method, path, allowed) in [
        ("DELETE", "service", "GET, HEAD, PUT, POST"),
        ("DELETE", "resource-metadata", "GET, HEAD, PUT"),
        ("POST", id.as_str(), "GET, HEAD, PUT, DELETE"),
        ("PUT", "event/x", "GET, HEAD, DELETE"),
        ("DELETE", "resource-metadata/device", "GET, HEAD"),
        ("OPTIONS", "cloud-entry-point", "GET, HEAD, PUT"),
        ("PUT", "openapi.json", "GET, HEAD"),
        ("GET", "invalid-collection", ""),
    ] {
        let answer = agent.send(method, path, None).expect(405);
        assert_eq!(answer.header("allow").as_deref(), Some(allowed), "{method} {path}");
        assert_eq!(answer.message(), format!("invalid method ({}) for /api/{path}", method.to_lowercase()));
    }
}

#[test]
fn entity_tags_prevent_lost_updates_and_save_transfers() {
    let agent = Start::new().agent();
    let id = agent.send("POST", "service", Some(SERVICE)).expect(201).id();
    let path = format!("/api/{id}");
    let tag = ask(&agent, &path, &[]).expect(200).header("etag").unwrap();
    assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");
    assert_eq!(ask(&agent, &path, &["--compressed"]).expect(200).header("etag").as_deref(), Some(tag.as_str()));

    let known = format!("if-none-match: {tag}");
    let unchanged = ask(&agent, &path, &["-H", &known]).expect(304);
    assert!(unchanged.body.is_empty());
    assert_eq!(unchanged.header("etag").as_deref(), Some(tag.as_str()));
    let _ = ask(&agent, &path, &["-H", "if-none-match: \"other\", W/\"another\""]).expect(200);

    let edit = |tag: &str, os: &str| {
        let body = format!(r#"{{"os":"{os}"}}"#);
        let header = format!("if-match: {tag}");
        ask(&agent, &path, &["-X", "PUT", "-H", &header, "-H", "content-type: application/json", "-d", &body])
    };
    let newer = edit(&tag, "linux").expect(200).header("etag").unwrap();
    assert_ne!(newer, tag);
    let lost = edit(&tag, "mac").expect(412);
    assert_eq!(lost.id(), id);
    assert!(lost.message().len() > 20, "{}", lost.text());
    assert_eq!(ask(&agent, &path, &["-H", &known]).expect(200).json()["os"], "linux");
    let _ = ask(&agent, &path, &["-X", "DELETE", "-H", &format!("if-match: {tag}")]).expect(412);
    let _ = edit(&format!("\"x\", {newer}"), "windows").expect(200);
    let _ = edit("*", "android").expect(200);
    let last = ask(&agent, &path, &[]).expect(200).header("etag").unwrap();
    let _ = ask(&agent, &path, &["-X", "DELETE", "-H", &format!("if-match: {last}")]).expect(200);
    let _ = edit("*", "linux").expect(404);
}

#[test]
fn many_resources_are_created_by_one_request_and_each_is_answered() {
    let agent = Start::new().agent();
    let send = |kind: &str, body: &str| {
        ask(&agent, "/api/service", &["-H", &format!("content-type: {kind}"), "--data-binary", body]).expect(200)
    };
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let odd = format!(r#"{{"name":"x"}}, 7, {{"name":"x","name":"y"}}, {{"properties":{deep}}}"#);
    let list = send("application/json", &format!(" [{SERVICE}, {odd}, {SERVICE}]"));
    let answer = list.json();
    assert_eq!((&answer["status"], &answer["message"]), (&json!(200), &json!("2 of 6 created")));
    let results = answer["results"].as_array().unwrap();
    let statuses: Vec<&Value> = results.iter().map(|result| &result["status"]).collect();
    assert_eq!(statuses, [201, 400, 400, 400, 400, 201]);
    let words = ["`exec` is missing", "a number", "`name` is given twice", "127 levels"];
    for (result, word) in results[1..5].iter().zip(words) {
        assert!(result["message"].as_str().unwrap().contains(word), "{word}: {result}");
    }
    assert_ne!(results[0]["resource-id"], results[5]["resource-id"]);

    let lines = send("application/x-ndjson", &format!("{SERVICE}\n\n{{\"name\":\n[1]\n{SERVICE}\r\n{SERVICE}"));
    assert_eq!(lines.header("content-type").as_deref(), Some("application/x-ndjson"));
    let results: Vec<Value> = lines.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let statuses: Vec<&Value> = results.iter().map(|result| &result["status"]).collect();
    assert_eq!(statuses, [201, 400, 400, 201, 201]);
    assert!(results[1]["message"].as_str().unwrap().contains("malformed JSON"), "{}", results[1]);
    assert_eq!(agent.send("GET", "service?$last=0", None).expect(200).json()["count"], 5);
    for result in results.iter().filter(|result| result["status"] == 201) {
        let _ = agent.send("GET", result["resource-id"].as_str().unwrap(), None).expect(200);
    }

    assert_eq!(send("application/json", "[]").json()["message"], "0 of 0 created");
    let header = ["-H", "content-type: application/json", "-d", "[]"];
    let nobody = curl(["-k", &format!("{}/service", agent.api())].iter().chain(&header)).expect(403);
    assert_eq!(nobody.message(), "credentials required");
}

#[test]
fn answers_are_compressed_for_those_who_ask() {
    let agent = Start::new().agent();
    let body: Vec<String> = (0..50).map(|_| SERVICE.to_owned()).collect();
    let _ = agent.send("POST", "service", Some(&format!("[{}]", body.join(",")))).expect(200);
    let plain = ask(&agent, "/api/service?$orderby=id", &[]).expect(200);
    assert_eq!(plain.header("content-encoding"), None);
    for coding in ["gzip", "zstd"] {
        let header = format!("accept-encoding: {coding}");
        let packed = ask(&agent, "/api/service?$orderby=id", &["-H", &header]).expect(200);
        assert_eq!(packed.header("content-encoding").as_deref(), Some(coding));
        assert!(packed.body.len() * 3 < plain.body.len(), "{} of {}", packed.body.len(), plain.body.len());
        assert!(packed.header("vary").is_some_and(|vary| vary.to_lowercase().contains("accept-encoding")), "{coding}");
        // curl undoes it where its build can.
        let unpacked = ask(&agent, "/api/service?$orderby=id", &["-H", &header, "--compressed"]).expect(200);
        assert_eq!(unpacked.text(), plain.text(), "{coding}");
    }
}

#[test]
fn links_are_filled_on_request_as_far_as_the_caller_may_see() {
    let agent = Start::new().agent();
    let instance = json!({"user": "u", "service": "service/x", "agreement": "a", "status": "waiting", "agents": []});
    let target = agent.send("POST", "service-instance", Some(&instance.to_string())).expect(201).id();
    let report = json!({"serviceInstance": {"href": target}, "operation": "o", "execution_time": 1,
        "acl": {"owner": {"principal": "jane", "type": "USER"}}});
    let id = agent.send("POST", "service-operation-report", Some(&report.to_string())).expect(201).id();
    let path = |expand: &str| format!("{id}?$expand={expand}");
    let link = |answer: Answer| answer.expect(200).json()["requesting_application_id"].clone();
    for expand in ["requesting_application_id", "*"] {
        let filled = link(agent.send("GET", &path(expand), None));
        assert_eq!((&filled["href"], &filled["status"]), (&json!(target), &json!("waiting")), "{expand}");
    }
    assert_eq!(link(agent.send("GET", &path("other"), None)), json!({"href": target}));
    assert_eq!(link(agent.send_as(Some("jane USER"), "GET", &path("*"), None)), json!({"href": target}));
    let all = agent.send("GET", "service-operation-report?$expand=*", None).expect(200).json();
    assert_eq!(all["serviceOperationReports"][0]["requesting_application_id"]["user"], "u");
}

#[test]
fn every_type_is_described_for_people_and_programs() {
    let agent = Start::new().agent();
    let openapi = ask(&agent, "/api/openapi.json", &[]).expect(200).json();
    assert!(openapi["openapi"].as_str().unwrap().starts_with("3.1"));
    let entry_point = agent.send_as(None, "GET", "cloud-entry-point", None).expect(200).json();
    let names = entry_point.as_object().unwrap().values().filter_map(|value| value.get("href")?.as_str());
    let mut count = 0;
    for name in names {
        count += 1;
        let paths = openapi["paths"].as_object().unwrap();
        assert!(paths.keys().any(|path| path.ends_with(&format!("/{name}"))), "{name} is not in openapi.json");
        let described = agent.send_as(None, "GET", &format!("resource-metadata/{name}"), None).expect(200).json();
        assert_eq!(described["id"], format!("resource-metadata/{name}"));
        let attributes = described["attributes"].as_array().unwrap();
        for common in ["id", "created", "acl", "name", "properties"] {
            assert!(attributes.iter().any(|attribute| attribute["name"] == common), "{name}: {common}");
        }
        assert!(described.get("operations").is_none(), "{name}");
    }
    assert!(count >= 27, "{count}");
    let all = agent.send_as(None, "GET", "resource-metadata", None).expect(200).json();
    assert_eq!(all["count"], count);
    let device = agent.send_as(None, "GET", "resource-metadata?$filter=name='Device'", None).expect(200).json();
    assert_eq!(
        (&device["count"], &device["resourceMetadatas"][0]["id"]),
        (&json!(1), &json!("resource-metadata/device"))
    );
}

#[test]
fn documents_that_come_with_the_program_are_read_only() {
    let agent = Start::new().agent();
    for (who, name, status) in [
        (None, "credential-template/generate-api-key", 403),
        (Some("jane USER"), "credential-template/generate-api-key", 200),
        (None, "configuration-template/slipstream", 403),
        (Some("internal ADMIN"), "configuration-template/slipstream", 200),
        (None, "resource-metadata/event", 200),
        (Some("internal ADMIN"), "resource-metadata/unknown", 404),
        (Some("jane USER"), "credential-template/unknown", 404),
        (Some("internal ADMIN"), "configuration-template/unknown", 404),
    ] {
        let answer = agent.send_as(who, "GET", name, None).expect(status);
        if status == 200 {
            assert_eq!(answer.json()["id"], name);
            // Some can be described; nothing changes them.
            let operations = answer.json().get("operations").map(ToString::to_string).unwrap_or_default();
            assert!(!operations.contains("\"edit\"") && !operations.contains("\"delete\""), "{name}: {operations}");
            for method in ["PUT", "DELETE"] {
                let _ = agent.send(method, name, Some("{}")).expect(405);
            }
        }
    }
}
