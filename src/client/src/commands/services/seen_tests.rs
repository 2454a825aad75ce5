//! Instances as people see them.

use serde_json::json;

use super::*;

const ID: &str = "service-instance/5f0c2a91-1111-4222-8333-444455556666";

fn instance(status: &str, agents: Value) -> Value {
    json!({"id": ID, "service": "service/1", "status": status, "agents": agents})
}

fn seen(status: &str, agents: Value) -> Seen {
    let mut seen = Seen::default();
    seen.take("created", ID, &instance(status, agents));
    seen
}

#[test]
fn each_part_has_a_line_with_its_place_its_status_and_the_image_that_comes() {
    let mut seen = seen(
        "deploying",
        json!([
            {"url": "10.0.0.6", "device_id": "device/77fe0000-1", "status": "error", "index": 1,
             "detail": "no such image\u{1b}[2J"},
            {"url": "10.0.0.5", "status": "deploying", "index": 0},
        ]),
    );
    let progress = json!({"image": "nginx:1", "status": "pulling", "current": 34 << 20, "total": 120 << 20});
    let workload = |generation: u64, progress: Value| {
        let term = 1;
        json!({"index": 0, "term": term, "generation": generation, "progress": progress, "detail": "fetching"})
    };
    seen.take("created", "workload/a", &workload(2, progress));
    seen.take("created", "workload/b", &workload(1, json!({})));
    let lines = seen.lines();
    assert_eq!(lines[0].text, "  [0] 10.0.0.5  deploying: fetching, image nginx:1");
    assert_eq!(lines[0].passing, "pulling 34 of 120 MiB");
    assert_eq!(lines[1].text, "  [1] 10.0.0.6 (77fe0000)  error: no such image\\u{1b}[2J");
    assert_eq!(lines[1].passing, "");
}

#[test]
fn an_instance_without_parts_tells_its_own_status() {
    let mut seen = seen("created-not-initialized", json!([]));
    assert_eq!(seen.lines()[0].text, "  created-not-initialized");
    seen.take("updated", ID, &json!({"id": ID, "status": "error", "detail": "no device fits", "agents": []}));
    assert_eq!(seen.lines()[0].text, "  error: no device fits");
    seen.take("deleted", ID, &json!({}));
    assert!(seen.gone && seen.parts().is_empty());
}

#[test]
fn ports_are_told_as_addresses_that_can_be_opened() {
    let binding = |host: u16, protocol: &str| json!({"container": 80, "host": host, "protocol": protocol});
    let seen = seen(
        "started",
        json!([
            {"url": "10.0.0.5", "status": "started", "ports": [32768, 5353],
             "bindings": [binding(32768, "tcp"), binding(5353, "udp")]},
            {"url": "fd00::1", "status": "started", "ports": [8080]},
        ]),
    );
    assert_eq!(seen.endpoints(), ["http://10.0.0.5:32768", "udp://10.0.0.5:5353", "http://[fd00::1]:8080"]);
}

#[test]
fn a_row_counts_what_is_started_and_gives_the_first_reason() {
    let binding = json!({"container": 80, "host": 32768, "protocol": "tcp"});
    let instance = instance(
        "degraded",
        json!([
            {"url": "a", "status": "started", "ports": [32768], "restarts": 2, "bindings": [binding]},
            {"url": "b", "status": "error", "ports": [], "restarts": 1, "detail": "exited with 3"},
        ]),
    );
    let names = BTreeMap::from([("service/1".to_owned(), "web".to_owned())]);
    assert_eq!(
        row(&instance, &names, &[ID], "3 min".to_owned()),
        json!({
            "instance": "5f0c2a91", "service": "web", "status": "degraded", "agents": "1/2", "ports": ["32768->80"],
            "restarts": 3, "age": "3 min", "detail": "exited with 3", "id": ID,
        })
    );
}

#[test]
fn a_program_that_ended_well_is_done() {
    let parts = json!([{"url": "a", "status": "stopped", "exit_code": 0.0}, {"url": "b", "status": "stopped"}]);
    let seen = seen("stopped", parts);
    assert_eq!(seen.parts().iter().map(Part::is_done).collect::<Vec<_>>(), [true, false]);
}
