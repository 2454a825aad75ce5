//! Containers as clients of Flocker configure them, without anything that could run them. The numbers are those of the vectors.

use serde_json::json;

use super::place::{Door, M, N};

const C: &str = "/v1/configuration/containers";

#[test]
fn f12_f15_to_f17_and_f20_to_f26_containers_are_added_shown_moved_and_removed() {
    let door = Door::open(&["u"]);
    assert_eq!(door.get("u", "/v1/version").expect(200).json(), json!({"flocker": env!("CARGO_PKG_VERSION")}));
    let empty = door.get("u", C).expect(200);
    assert_eq!((empty.body.as_str(), empty.header("content-type").as_deref()), ("[]", Some("application/json")));
    let add = |body| door.post("u", C, &body);

    let web =
        json!({"image": "nginx:latest", "node_uuid": N, "restart_policy": {"name": "never"}, "name": "webserver"});
    assert_eq!(add(json!({"node_uuid": N, "name": "webserver", "image": "nginx"})).expect(201).json(), web);
    add(json!({"node_uuid": N, "name": "webserver", "image": "nginx"}))
        .refused(409, "The container name already exists.");

    let mut whole = json!({
        "node_uuid": N.to_uppercase(), "name": "w2", "image": "nginx:1", "ports": [{"internal": 80, "external": 8080}],
        "environment": {"A": "1"}, "cpu_shares": 512, "memory_limit": 262_144_000, "command_line": ["-v", ""],
        "swappiness": 20, "restart_policy": {"name": "on-failure", "maximum_retry_count": 5},
        "links": [{"alias": "db", "local_port": 5432, "remote_port": 15432}],
    });
    let made = add(whole.clone()).expect(201).json();
    whole.as_object_mut().unwrap().remove("swappiness");
    whole["node_uuid"] = N.into();
    assert_eq!(made, whole);
    let taken = json!({"node_uuid": M, "name": "w3", "image": "x", "ports": [{"internal": 1, "external": 8080}]});
    add(taken).refused(409, "A specified external port is already in use.");
    let link = |alias: &str, local: u16| json!({"alias": alias, "local_port": local, "remote_port": 1});
    let linked = |links| add(json!({"node_uuid": N, "name": "w4", "image": "x", "links": links}));
    linked(json!([link("a", 1), link("a", 2)])).refused(409, "Link aliases must be unique.");
    linked(json!([link("a", 1), link("A", 2)])).refused(409, "Link aliases must be unique.");
    linked(json!([link("a", 1), link("b", 1)])).refused(409, "The local ports in a container's links must be unique.");

    let listed = door.get("u", C).expect(200).json();
    assert_eq!(listed, json!([whole, web]), "in the order of their names");
    assert_eq!(door.get("u", "/v1/state/containers").expect(200).json(), json!([]), "nothing runs");

    door.post("u", &format!("{C}/none1"), &json!({"node_uuid": N})).refused(404, "Container not found.");
    let moved = door.post("u", &format!("{C}/w2"), &json!({"node_uuid": M})).expect(200).json();
    whole["node_uuid"] = M.into();
    assert_eq!(moved, whole);
    assert_eq!(door.get("u", C).json()[0]["node_uuid"], M);

    let gone = door.delete("u", &format!("{C}/webserver")).expect(200);
    assert_eq!((gone.body.as_str(), gone.header("content-type").as_deref()), ("null", Some("application/json")));
    door.delete("u", &format!("{C}/webserver")).refused(404, "Container not found.");
    // The name is free again, and so is the port of what is gone.
    let _ = add(json!({"node_uuid": N, "name": "webserver", "image": "nginx"})).expect(201);
    let _ = door.delete("u", &format!("{C}/w2")).expect(200);
    let _ = add(json!({"node_uuid": N, "name": "/w5", "image": "x", "ports": [{"internal": 1, "external": 8080}]}))
        .expect(201);
    let _ = door.delete("u", &format!("{C}/%2Fw5")).expect(200);
}

#[test]
fn f18_f19_f22_and_f23_what_keeps_no_rule_is_refused_with_all_its_faults() {
    let door = Door::open(&["u"]);
    let schema = "The provided JSON doesn't match the required schema.";
    let faults = |body| {
        let said = door.post("u", C, &body).expect(400).json();
        assert_eq!(said["description"], schema);
        said["errors"].as_array().unwrap().len()
    };
    assert_eq!(faults(json!({"node_uuid": "xyz", "name": "web server"})), 4);
    let with = |name: &str, value| {
        let mut body = json!({"node_uuid": N, "name": "w1", "image": "x"});
        body[name] = value;
        body
    };
    let said = door.post("u", C, &with("bogus", json!(1))).expect(400).json();
    assert_eq!(said["errors"], json!(["Additional properties are not allowed ('bogus' was unexpected)"]));
    assert_eq!(faults(with("name", json!("v"))), 1);
    assert_eq!(faults(json!({"node_uuid": N, "name": "w1", "image": "x", "memory_limit": 5, "cpu_shares": 2000})), 2);
    let said = door.post("u", C, &with("memory_limit", json!(u64::MAX))).expect(400).json();
    assert_eq!(said["errors"], json!(["18446744073709551615 is greater than the maximum of 9223372036853727232"]));
    assert_eq!(faults(with("restart_policy", json!({"name": "sometimes"}))), 1);
    assert_eq!(faults(with("volumes", json!([{"dataset_id": N, "mountpoint": "data"}]))), 1);
    let undecodable = "The request body could not be decoded according to the value of the\nContent-Type header.";
    for body in ["nojson", "", "{", "\u{1}", "{\"a\":1}x"] {
        door.said("u", &["-X", "POST", "--data-binary", body], C).refused(400, undecodable);
    }
    // Whatever the body is called.
    let good = with("name", json!("w1")).to_string();
    let _ = door.said("u", &["-H", "content-type: image/png", "-d", &good], C).expect(201);
    assert_eq!(door.get("u", C).json().as_array().unwrap().len(), 1);
}

#[test]
fn f27_paths_and_verbs_that_are_not_there_are_answered_with_a_page() {
    let door = Door::open(&["u"]);
    for (verb, path, status, allow) in [
        ("PUT", C, 405, Some("GET, HEAD, POST")),
        ("OPTIONS", C, 405, Some("GET, HEAD, POST")),
        ("GET", "/v1/configuration/containers/web", 405, Some("POST, DELETE")),
        ("POST", "/v1/state/nodes", 405, Some("GET, HEAD")),
        ("DELETE", "/v1/configuration/datasets", 405, Some("GET, HEAD, POST")),
        ("GET", "/v1/configuration/leases/x", 405, Some("DELETE")),
        ("GET", "/v1/nope", 404, None),
        ("GET", "/v1/configuration/containers/", 404, None),
        ("POST", "/v1/configuration/_compose", 404, None),
        ("GET", "/", 404, None),
        ("GET", "/v1/configuration/containers/../../../api/user", 404, None),
    ] {
        let said = door.said("u", &["-X", verb], path).expect(status);
        assert_eq!(said.header("allow").as_deref(), allow, "{verb} {path}");
        assert_eq!(said.header("content-type").as_deref(), Some("text/html; charset=utf-8"), "{verb} {path}");
    }
    for path in [C, "/v1/version", "/v1/state/nodes", "/v1/configuration/datasets"] {
        let said = door.said("u", &["-I"], path).expect(200);
        assert!(said.body.is_empty() && said.header("content-type").as_deref() == Some("application/json"), "{said:?}");
    }
    assert_eq!(
        door.get("u", "/v1/state/nodes/by_era/x").expect(404).json()["description"],
        "No node found with given era."
    );
}
