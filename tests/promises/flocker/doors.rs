//! Nodes: the devices of agents, as clients of Flocker know them.

use mf2c_tests::eventually;
use serde_json::{Value, json};

use super::place::{Door, N};

#[test]
fn f33_nodes_are_the_devices_that_are_in_touch_and_have_the_era_of_their_machine() {
    let door = Door::open_with(&["u"], |start| {
        start.environment("MF2C_DEVICE_ENABLED", "true").environment("MF2C_SERVICES_DOCKER_SOCKET", "")
    });
    let mut nodes = Value::Null;
    eventually("a node", || {
        nodes = door.get("u", "/v1/state/nodes").expect(200).json();
        nodes.as_array().is_some_and(|nodes| nodes.len() == 1)
    });
    let (host, uuid) = (nodes[0]["host"].as_str().unwrap(), nodes[0]["uuid"].as_str().unwrap());
    assert!(host.parse::<std::net::Ipv4Addr>().is_ok(), "{nodes}");
    let device = door.agent.send("GET", "device", None).json()["devices"][0]["id"].as_str().unwrap().to_owned();
    let name = device.strip_prefix("device/").unwrap();
    let differs: Vec<usize> = (0..36).filter(|at| name.as_bytes()[*at] != uuid.as_bytes()[*at]).collect();
    assert!(differs.iter().all(|at| [14, 19].contains(at)) && uuid.as_bytes()[14] == b'4', "{name} {uuid}");
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    eventually("its era", || door.get("u", &format!("/v1/state/nodes/by_era/{}", boot.trim())).status == 200);
    let found = door.get("u", &format!("/v1/state/nodes/by_era/{}", boot.trim().to_uppercase())).expect(200).json();
    assert_eq!(found, json!({ "uuid": uuid }));
    door.get("u", &format!("/v1/state/nodes/by_era/{N}")).refused(404, "No node found with given era.");
}
