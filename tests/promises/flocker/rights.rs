//! Whose request it is: the user of the agent whom the certificate names, with his rights, and for as long as both count.

use std::fs;

use mf2c_tests::eventually;
use serde_json::json;

use super::place::{D, Door, N, Talk};
use crate::lm_rest::ask_as;

const C: &str = "/v1/configuration/containers";
const DATASETS: &str = "/v1/configuration/datasets";
const LEASES: &str = "/v1/configuration/leases";

#[test]
fn each_user_sees_and_changes_his_own_and_administrators_all_of_it() {
    let door = Door::open(&["ann", "ben", "boss"]);
    let _ = door.agent.send("PUT", "user/boss", Some(r#"{"isSuperUser":true}"#)).expect(200);
    let _ = door
        .post("ann", C, &json!({"node_uuid": N, "name": "w1", "image": "x", "ports": [{"internal": 1, "external": 9}]}))
        .expect(201);
    let _ = door.post("ann", DATASETS, &json!({"primary": N, "dataset_id": D})).expect(201);
    let tag = |who: &str| door.get(who, DATASETS).header("x-configuration-tag").unwrap();
    assert_eq!(door.get("ben", C).json(), json!([]));
    assert_eq!(door.get("ben", DATASETS).json(), json!([]));
    assert!(tag("ann") != tag("ben") && tag("ann") == tag("boss"), "a tag is of what one sees");
    assert_eq!(door.get("boss", C).json()[0]["name"], "w1");
    door.delete("ben", &format!("{C}/w1")).refused(404, "Container not found.");
    door.post("ben", &format!("{C}/w1"), &json!({"node_uuid": N})).refused(404, "Container not found.");
    door.delete("ben", &format!("{DATASETS}/{D}")).refused(404, "Dataset not found.");
    let volumes = json!([{"dataset_id": D, "mountpoint": "/d"}]);
    door.post("ben", C, &json!({"node_uuid": N, "name": "w2", "image": "x", "volumes": volumes}))
        .refused(404, "Dataset not found.");
    // Names and ports there are once, whosever they are.
    door.post("ben", C, &json!({"node_uuid": N, "name": "w1", "image": "x"}))
        .refused(409, "The container name already exists.");
    door.post("ben", LEASES, &json!({"dataset_id": D, "node_uuid": N, "expires": 5}))
        .refused(404, "Dataset not found.");

    // The same documents by CIMI, for the same people.
    let seen =
        |who: &str, kind: &str| door.agent.send_as(Some(who), "GET", kind, None).expect(200).json()["count"].clone();
    for kind in ["flocker-container", "flocker-dataset"] {
        let found = ["ann USER", "ben USER", "root ADMIN"].map(|who| seen(who, kind));
        assert_eq!(found, [json!(1), json!(0), json!(1)], "{kind}");
        assert_eq!(door.agent.send_as(Some("ann USER"), "POST", kind, Some("{}")).status, 405, "{kind}");
    }
    // A service that names somebody else's dataset is not his either.
    let service = json!({"name": "thief", "exec": "x", "exec_type": "docker", "agent_type": "normal",
        "volumes": [format!("dataset/{D}:/d")]});
    let made = door.agent.send_as(Some("ben USER"), "POST", "service", Some(&service.to_string())).expect(201).json();
    let body = json!({ "service_id": made["resource-id"] });
    let refused = ask_as(&door.agent, "ben USER", "POST", "/lm/service", Some(&body)).expect(404);
    assert!(refused.text().contains(&format!("flocker-dataset/{D} not found")), "{}", refused.text());
    let _ = door.delete("boss", &format!("{C}/w1")).expect(200);
    assert_eq!(door.get("ann", C).json(), json!([]));
}

#[test]
fn a_lease_keeps_nobodys_dataset_from_its_owner() {
    let door = Door::open(&["ann", "ben", "boss"]);
    let _ = door.agent.send("PUT", "user/boss", Some(r#"{"isSuperUser":true}"#)).expect(200);
    let hold =
        |who: &str, id: &str| door.post(who, LEASES, &json!({"dataset_id": id, "node_uuid": N, "expires": null}));
    let make = |who: &str, id: &str| door.post(who, DATASETS, &json!({"primary": N, "dataset_id": id}));
    let end = |who: &str, id: &str| door.delete(who, &format!("{LEASES}/{id}"));
    // Clients may hold a dataset before they make it, and nobody makes it below somebody else's hands.
    let _ = hold("ben", D).expect(201);
    for other in ["ann", "boss"] {
        make(other, D).refused(409, "The provided dataset_id is already in use.");
    }
    let _ = end("ben", D).expect(200);
    let _ = make("ann", D).expect(201);
    let _ = hold("ann", N).expect(201);
    let _ = make("ann", N).expect(201);
    // An owner sees and ends whatever holds what is hers.
    let _ = hold("boss", D).expect(201);
    let seen = |who: &str| door.get(who, LEASES).expect(200).json().as_array().unwrap().len();
    assert_eq!(["ann", "ben", "boss"].map(seen), [2, 0, 2]);
    end("ben", D).refused(404, "Lease not found.");
    let _ = end("ann", D).expect(200);
    assert_eq!(seen("boss"), 1);
}

#[test]
fn without_an_active_account_of_that_name_nothing_is_answered_but_why() {
    let door = Door::open(&["ann"]);
    door.certify("nobody");
    let refused = door.get("nobody", C).expect(403).json();
    let text = refused["description"].as_str().unwrap();
    assert!(text.contains("'nobody'") && text.contains("no user of that name"), "{text}");
    let mut talk = Talk::open(&door, "ann");
    assert_eq!(talk.get(C).0, 200);
    let _ = door.agent.send("PUT", "user/ann", Some(r#"{"state":"SUSPENDED"}"#)).expect(200);
    let (status, text) = talk.get(C);
    assert!(status == 403 && text.contains("SUSPENDED"), "{status} {text}");
    assert_eq!(door.post("ann", C, &json!({"node_uuid": N, "name": "w1", "image": "x"})).status, 403);
    let _ = door.agent.send("PUT", "user/ann", Some(r#"{"state":"ACTIVE"}"#)).expect(200);
    assert_eq!(talk.get(C).0, 200);
}

#[test]
fn an_operator_may_trust_everybody_with_a_certificate_as_flocker_does() {
    let door = Door::open_with(&["ann"], |start| {
        start.environment("MF2C_SERVICES_DOCKER_SOCKET", "").environment("MF2C_FLOCKER_TRUST_ANY_USER_CERT", "true")
    });
    door.certify("nobody");
    let _ = door.post("ann", C, &json!({"node_uuid": N, "name": "w1", "image": "x"})).expect(201);
    assert_eq!(door.get("nobody", C).expect(200).json()[0]["name"], "w1");
    let _ = door.delete("nobody", &format!("{C}/w1")).expect(200);
    let _ = door.post("nobody", C, &json!({"node_uuid": N, "name": "w2", "image": "x"})).expect(201);
    assert_eq!(door.get("ann", C).json(), json!([]), "it is the administrators'");
    // Who has an account has its rights, and none where it is closed.
    let _ = door.agent.send("PUT", "user/ann", Some(r#"{"state":"SUSPENDED"}"#)).expect(200);
    assert_eq!(door.get("ann", C).status, 403);
}

#[test]
fn a_revoked_certificate_opens_nothing_and_closes_what_is_open() {
    let door = Door::open(&["ann", "ben"]);
    let mut talk = Talk::open(&door, "ann");
    assert_eq!(talk.get("/v1/version").0, 200);
    let revoke = |what: &str| door.place.makes(&["revoke", what]);
    assert!(revoke("ann.crt").starts_with("Revoked "));
    assert!(revoke("ann.crt").contains("was revoked before"));
    // openssl believes the list.
    let _ = door.place.openssl("crl -in cluster.crl -CAfile cluster.crt -noout");
    let list = door.place.openssl("crl -in cluster.crl -noout -text");
    assert!(
        list.contains("X509v3 CRL Number: \n                1\n") && list.matches("Serial Number:").count() == 1,
        "{list}"
    );
    let (into, old) = (door.place.path("../etc/cluster.crl"), door.place.text("cluster.crl"));
    fs::copy(door.place.path("cluster.crl"), &into).unwrap();
    let (status, text) = talk.get("/v1/version");
    assert!(status == 403 && text.contains("revoked"), "{status} {text}");
    assert!(talk.has_ended());
    for tls in ["--tlsv1.3", "--tls-max"] {
        let words: &[&str] = if tls == "--tls-max" { &["--tls-max", "1.2"] } else { &[tls] };
        let refused = door.curl("ann", words, "/v1/version");
        assert!([35, 56, 98].contains(&refused.code.unwrap()) && refused.out.is_empty(), "{refused:?}");
    }
    let _ = door.get("ben", "/v1/version").expect(200);
    // By its number, into the same list.
    let serial = door.place.openssl("x509 -in ben.crt -noout -serial");
    let _ = revoke(serial.trim().strip_prefix("serial=").unwrap());
    fs::copy(door.place.path("cluster.crl"), &into).unwrap();
    assert_ne!(door.curl("ben", &[], "/v1/version").code, Some(0));
    // An older one takes nothing back.
    fs::write(&into, old).unwrap();
    assert_ne!(door.curl("ben", &[], "/v1/version").code, Some(0));
    eventually("a word about it", || door.agent.log().contains("is older than the list before it"));
    // A list of somebody else lets in nobody, and the operator reads why.
    door.certify("eve");
    fs::write(&into, "nonsense").unwrap();
    assert_ne!(door.curl("eve", &[], "/v1/version").code, Some(0));
    eventually("a word about it", || door.agent.log().contains("nobody is let in by Flocker's certificates"));
    fs::copy(door.place.path("cluster.crl"), &into).unwrap();
    assert_eq!(door.get("eve", "/v1/version").status, 403, "she has no account");

    let before = door.place.text("cluster.crl");
    let _ = door.place.openssl(
        "req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.crt -subj /OU=x/CN=user-allison -days 2",
    );
    door.place.ca(&["revoke", "other.crt"]).expect(1).tells(&["was not issued by this cluster", "other.crt\n"]);
    assert_eq!(door.place.text("cluster.crl"), before);
    door.place
        .ca(&["revoke", "none.crt"])
        .expect(1)
        .tells(&["Unable to load certificate file. No such file or directory"]);
    door.place.ca(&["revoke"]).expect(1).tells(&["Wrong number of arguments"]);
    let own = door.place.openssl("x509 -in cluster.crt -noout -serial");
    for authority in ["cluster.crt", own.trim().strip_prefix("serial=").unwrap()] {
        let refused = ["that of the cluster's authority, which cannot revoke itself"];
        door.place.ca(&["revoke", authority]).expect(1).tells(&refused);
    }
    assert_eq!(door.place.text("cluster.crl"), before);
    door.place.ca(&["revoke", "cluster.key"]).expect(1).tells(&["The file holds no certificate in PEM."]);
}
