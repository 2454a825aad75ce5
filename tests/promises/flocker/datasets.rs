//! Datasets, leases and the tag of the configuration. The numbers are those of the vectors.

use mf2c_tests::eventually;
use serde_json::json;

use super::place::{D, Door, M, N};

const DATASETS: &str = "/v1/configuration/datasets";
const LEASES: &str = "/v1/configuration/leases";

#[test]
fn f28_to_f30_datasets_are_added_moved_and_removed_under_conditions() {
    let door = Door::open(&["u"]);
    let add = |body| door.post("u", DATASETS, &body);
    let made = json!({"dataset_id": D, "primary": N, "metadata": {}, "deleted": false});
    assert_eq!(add(json!({"primary": N, "dataset_id": D.to_uppercase()})).expect(201).json(), made);
    add(json!({"primary": N, "dataset_id": D})).refused(409, "The provided dataset_id is already in use.");
    let faults = |body| add(body).expect(400).json()["errors"].as_array().unwrap().len();
    assert_eq!(faults(json!({"metadata": {}})), 1);
    assert_eq!(faults(json!({"primary": N, "maximum_size": 1000})), 2);
    let other =
        add(json!({"primary": N, "maximum_size": 67_108_864, "metadata": {"name": "<b>", "": ""}})).expect(201).json();
    assert_eq!((&other["maximum_size"], &other["metadata"]["name"]), (&json!(67_108_864), &json!("<b>")));
    let id = other["dataset_id"].as_str().unwrap();

    let listed = door.get("u", DATASETS).expect(200);
    let tag = listed.header("X-Configuration-Tag").unwrap();
    assert!(tag.len() == 32 && tag.bytes().all(|byte| b"0123456789abcdef".contains(&byte)), "{tag}");
    assert_eq!(listed.json().as_array().unwrap().len(), 2);
    let condition = |tags: &[&str], body: &serde_json::Value, path: &str| {
        let headers: Vec<String> = tags.iter().map(|tag| format!("X-If-Configuration-Matches: {tag}")).collect();
        let body = body.to_string();
        let mut words = vec!["-d", &body];
        for header in &headers {
            words.extend(["-H", header]);
        }
        door.said("u", &words, path)
    };
    let new = json!({"primary": N});
    condition(&["deadbeef"], &new, DATASETS)
        .refused(412, &format!("Tag doesn't match. Required: deadbeef, current: {tag}"));
    let _ = condition(&["deadbeef", &tag], &new, DATASETS).expect(201);
    let next = door.get("u", DATASETS).header("x-configuration-tag").unwrap();
    assert_ne!(next, tag);
    let here = format!("{DATASETS}/{D}");
    assert_eq!(condition(&[&tag], &json!({"primary": M}), &here).status, 412);
    assert_eq!(condition(&[&next], &json!({"primary": M}), &here).expect(200).json()["primary"], M);
    // Any part of the configuration moves it, and the same one has the same.
    let before = door.get("u", DATASETS).header("x-configuration-tag");
    assert_eq!(door.get("u", DATASETS).header("x-configuration-tag"), before);
    let _ = door
        .post("u", "/v1/configuration/containers", &json!({"node_uuid": N, "name": "w1", "image": "x"}))
        .expect(201);
    assert_ne!(door.get("u", DATASETS).header("x-configuration-tag"), before);

    let stale = ["-X", "DELETE", "-H", "X-If-Configuration-Matches: deadbeef"];
    assert_eq!(door.said("u", &stale, &here).status, 412);
    for _ in 0..2 {
        let gone = door.delete("u", &here).expect(200).json();
        assert_eq!(gone, json!({"dataset_id": D, "primary": M, "metadata": {}, "deleted": true}));
    }
    door.post("u", &here, &json!({"primary": N})).refused(405, "The dataset has been deleted.");
    add(json!({"primary": N, "dataset_id": D})).refused(409, "The provided dataset_id is already in use.");
    for verb in ["POST", "DELETE"] {
        door.said("u", &["-X", verb, "-d", "{}"], &format!("{DATASETS}/{N}")).refused(404, "Dataset not found.");
    }
    assert_eq!(door.post("u", &format!("{DATASETS}/{id}"), &json!({})).expect(200).json()["primary"], N);
    assert_eq!(door.get("u", "/v1/state/datasets").expect(200).json(), json!([]), "nothing is there");
}

#[test]
fn f31_a_lease_is_held_by_one_node() {
    let door = Door::open(&["u"]);
    let hold =
        |node: &str, expires| door.post("u", LEASES, &json!({"dataset_id": D, "node_uuid": node, "expires": expires}));
    let said = hold(N, json!(60)).expect(201);
    assert_eq!(said.json(), json!({"dataset_id": D, "node_uuid": N, "expires": 60.0}));
    assert!(said.body.contains("60.0"), "a number with a point: {said:?}");
    let left = door.get("u", LEASES).expect(200).json()[0]["expires"].as_f64().unwrap();
    assert!(left > 0.0 && left <= 60.0, "{left}");
    hold(M, json!(60)).refused(409, "Lease already held.");
    assert_eq!(hold(N, json!(null)).expect(200).json()["expires"], json!(null));
    assert_eq!(door.get("u", LEASES).json(), json!([{"dataset_id": D, "node_uuid": N, "expires": null}]));
    assert_eq!(
        door.post("u", LEASES, &json!({"dataset_id": D})).expect(400).json()["errors"].as_array().unwrap().len(),
        2
    );
    let here = format!("{LEASES}/{}", D.to_uppercase());
    assert_eq!(door.delete("u", &here).expect(200).json()["node_uuid"], N);
    door.delete("u", &here).refused(404, "Lease not found.");
    door.delete("u", &format!("{LEASES}/nonsense")).refused(404, "Lease not found.");
    // One that has ended is none.
    let _ = hold(N, json!(0.05)).expect(201);
    eventually("the end of a lease", || door.get("u", LEASES).json() == json!([]));
    let _ = hold(M, json!(60)).expect(201);
}

#[test]
fn f32_a_container_gets_a_dataset_that_is_there_and_that_nobody_has() {
    let door = Door::open(&["u"]);
    let _ = door.post("u", DATASETS, &json!({"primary": N, "dataset_id": D})).expect(201);
    let add = |name: &str, node: &str, dataset: &str| {
        let volumes = json!([{"dataset_id": dataset.to_uppercase(), "mountpoint": "/data"}]);
        let body = json!({"node_uuid": node, "name": name, "image": "x", "volumes": volumes});
        door.post("u", "/v1/configuration/containers", &body)
    };
    add("w1", M, D).refused(409, "The dataset is on another node.");
    add("w1", N, N).refused(404, "Dataset not found.");
    let made = add("w1", N, D).expect(201).json();
    assert_eq!(made["volumes"], json!([{"dataset_id": D, "mountpoint": "/data"}]));
    add("w2", N, D).refused(409, "The dataset is being used by another container.");
    // It goes along.
    let _ = door.post("u", "/v1/configuration/containers/w1", &json!({"node_uuid": M})).expect(200);
    assert_eq!(door.get("u", DATASETS).json()[0]["primary"], M);
    let _ = door.delete("u", "/v1/configuration/containers/w1").expect(200);
    let _ = door.delete("u", &format!("{DATASETS}/{D}")).expect(200);
    add("w3", M, D).refused(404, "Dataset not found.");
}
