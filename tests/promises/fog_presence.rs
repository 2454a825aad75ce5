//! Who is in touch, as the leader and the agent above say it: in `mf2c area`, in the `device-dynamic` of the agent, in the sums
//! of the area and in the list of children.
//!
//! Proves over real TLS: P15, R18 of the cluster's vectors.

use mf2c_tests::{Fog, eventually};
use serde_json::{Value, json};

/// The one document of a type at `at` whose `field` is `value`.
fn found(fog: &Fog, at: &str, kind: &str, field: &str, value: &str) -> Value {
    let path = format!("{kind}?$filter={field}='{value}'");
    let answer = fog.agent(at).send("GET", &path, None).expect(200).json();
    let list = answer.as_object().unwrap().values().find_map(Value::as_array).cloned().unwrap_or_default();
    list.into_iter().next().unwrap_or_default()
}

/// What the leader says of an agent in two places, and of how many and which ones in two others.
fn seen(fog: &Fog, dynamic: &str, device: &str) -> Value {
    let agents = fog.agent("lead").send("GET", "agent", None).expect(200).json();
    let own = agents["agents"].as_array().unwrap().iter().find(|agent| agent["isLeader"] == true).cloned();
    json!([
        fog.document("lead", dynamic)["status"],
        fog.status("lead", device),
        found(fog, "lead", "fog-area", "name", "pier")["numDevices"],
        own.unwrap_or_default()["childrenIPs"],
    ])
}

#[test]
fn p15_a_silent_agent_is_unavailable_and_out_of_all_sums_and_back_in_them_when_it_returns() {
    let Some(fog) = Fog::apart(&["lead", "kid", "other"]) else { return };
    let mut fog = fog
        .with("MF2C_AREA_BACKUP", "false")
        .with("MF2C_DEVICE_ENABLED", "true")
        .with("MF2C_AREA_DISCONNECTED_AFTER", "1s")
        .with("MF2C_AREA_UNAVAILABLE_AFTER", "15s");
    fog.found("lead", "pier");
    fog.add("kid", "lead");
    fog.add("other", "lead");
    let (device, address, other) = (fog.device("kid"), fog.net().address("kid"), fog.net().address("other"));
    let member = found(&fog, "lead", "area-member", "device", &device);
    let dynamic = format!("device-dynamic/{}", member["node"].as_str().unwrap());
    eventually("that all are in touch", || {
        seen(&fog, &dynamic, &device) == json!(["connected", "connected", 3, [address, other]])
    });
    let memory = found(&fog, "lead", "fog-area", "name", "pier")["ramTotal"].clone();
    let documents = fog.agent("lead").metric("mf2c_documents{type=\"device\"}");
    fog.kill("kid");
    for status in ["disconnected", "unavailable"] {
        eventually(status, || seen(&fog, &dynamic, &device) == json!([status, status, 2, [other]]));
    }
    assert!(found(&fog, "lead", "fog-area", "name", "pier")["ramTotal"].as_f64() < memory.as_f64());
    assert_eq!(fog.agent("lead").metric("mf2c_documents{type=\"device\"}"), documents, "nothing is deleted");
    fog.start("kid");
    eventually("that it is back", || {
        seen(&fog, &dynamic, &device) == json!(["connected", "connected", 3, [address, other]])
    });
    assert_eq!(found(&fog, "lead", "area-member", "device", &device)["trouble"], Value::Null);
}

#[test]
fn a_leader_that_was_killed_and_is_back_takes_nothing_away_and_greets_nobody_again() {
    let mut fog = Fog::new().with("MF2C_AREA_BACKUP", "false");
    fog.found("lead", "pier");
    fog.add("kid", "lead");
    let device = fog.device("kid");
    eventually("the member's document", || fog.status("lead", &device) == "connected");
    eventually("its event", || fog.happened("lead", "joined"));
    let place = fog.place("lead");
    fog.kill("lead");
    fog.start("lead");
    eventually("that it leads again", || fog.role("lead") == "leader" && fog.status("lead", &device) == "connected");
    let sign = fog.put("kid", "a sign of life");
    fog.reaches("lead", &sign);
    let told = fog.since("lead", &place);
    assert!(told.iter().all(|event| event["change"] != "deleted"), "{told:?}");
    let joined = |event: &&Value| event["resource"]["content"]["state"] == "joined";
    assert_eq!(told.iter().filter(joined).count(), 0, "{told:?}");
}
