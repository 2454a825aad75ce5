//! Identification: whose device it is, and what it is called.

use mf2c_tests::curl;
use serde_json::json;

use super::*;

const BASE: &str = "/api/v1/resource-management/identification";
const KEY: &str = "0510b7fccec85c4ba5a3117eae7fd1cd699c221cdef75893b9295d5f414af54df36dc6226bdc3359a61d336c837f58a62c1893b901551cba8756501b261ab50c";

/// Status, and the word in the answer.
fn said(address: &str, method: &str, name: &str) -> (u16, String) {
    let answer = curl(["-X", method, &format!("http://{address}{BASE}/{name}")]);
    (answer.status, answer.json()["status"].as_str().unwrap().to_owned())
}

fn agent(user: &str) -> Agent {
    let start =
        start().environment("MF2C_LEGACY_IDENTIFICATION", "127.0.0.1:0").environment("MF2C_DEVICE_ENABLED", "true");
    start.environment("MF2C_LEGACY_USER", user).agent()
}

#[test]
fn a_device_is_registered_for_its_user_and_tells_key_and_identifier_of_128_digits() {
    let agent = agent("alice");
    let address = door(&agent, "legacy.identification");
    assert_eq!(said(&address, "GET", "requestID"), (412, "412".into()), "not registered yet");
    assert_eq!(said(&address, "POST", "registerDevice"), (401, "401".into()), "there is no such user");
    let account = json!({"userTemplate": {
        "href": "user-template/direct", "username": "alice", "emailAddress": "alice@example.org",
        "password": "correct horse", "passwordRepeat": "correct horse", "state": "ACTIVE",
    }});
    let _ = agent.send("POST", "user", Some(&account.to_string())).expect(201);
    eventually("the description of the machine", || agent.send("GET", "device", None).expect(200).json()["count"] == 1);
    assert_eq!(said(&address, "POST", "registerDevice"), (201, "201".into()));
    assert_eq!(said(&address, "POST", "registerDevice"), (412, "412".into()), "a second time");
    let answer = curl([format!("http://{address}{BASE}/requestID")]).expect(200).json();
    let device = agent.send("GET", "device", None).expect(200).json()["devices"][0]["deviceID"].clone();
    let expected = json!({"status": "200", "CIMIUsrID": "alice", "IDKey": KEY, "deviceID": device});
    assert_eq!(answer, expected);
    let file = fs::read_to_string(agent.data_dir().join("IDs.f2c")).unwrap();
    assert_eq!(file, format!("alice\n{KEY}\n{}\n", device.as_str().unwrap()));
    assert_eq!(said(&address, "POST", "requestID").0, 405);
    // A page whose name was made to lead here, and one that only sends something.
    let url = |name: &str| format!("http://{address}{BASE}/{name}");
    for (name, foreign) in [("requestID", "Host: rebound.evil.example:46060"), ("requestID", "Origin: null")] {
        let answer = curl(["-H", foreign, &url(name)]);
        assert!(answer.status == 403 && !String::from_utf8_lossy(&answer.body).contains(KEY), "{answer:?}");
    }
    assert_eq!(curl(["-X", "POST", "-H", "Origin: https://evil.example", &url("registerDevice")]).status, 403);
    assert_eq!(said(&address, "GET", "other"), (404, "404".into()));
}

#[test]
fn a_device_that_is_nobodys_says_so() {
    let agent = agent("");
    assert_eq!(said(&door(&agent, "legacy.identification"), "POST", "registerDevice"), (503, "204".into()));
}
