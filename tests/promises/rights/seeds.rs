//! Documents that agents make of one another: put into the store of an agent before it starts, as if it had had to do with
//! others. Those about children that have not come it makes by itself.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mf2c_domain::caller::Caller;
use mf2c_domain::entropy::Entropy;
use mf2c_domain::resource;
use mf2c_domain::time::{Clock, Timestamp};
use mf2c_store::engine::{EmbeddedEngine, EmbeddedOptions};
use mf2c_store::{Command, NewDocument, Store, StoreOptions};
use serde_json::{Value, json};

/// The types of which there are seeds.
pub(super) const SEEDED: [&str; 14] = [
    "conflict",
    "proposal",
    "placement",
    "workload",
    "flocker-container",
    "flocker-dataset",
    "flocker-lease",
    "notification",
    "testbed-profile",
    "testbed-session",
    "project",
    "experiment",
    "computer",
    "image",
];
/// Of each type: more than there are callers who may delete one.
const EACH: usize = 40;

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000)
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

/// Counts, so that no two names are the same.
struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        for part in buffer.chunks_mut(8) {
            let number = self.0.fetch_add(1, Ordering::Relaxed);
            part.copy_from_slice(&number.to_le_bytes()[..part.len()]);
        }
    }
}

/// What an agent would have written.
fn body(kind: &str) -> Value {
    let about = "service/somewhere-else";
    match kind {
        "conflict" => json!({
            "resource": about, "lost": {"description": "another"}, "writer": "ff", "written": "2023-11-14T22:13:20.000Z",
        }),
        // Both say nothing that an agent could act on.
        "placement" => json!({
            "instance": "service-instance/elsewhere", "service": about, "user": "super", "term": 0, "desired": "stopped",
            "last": 1, "version": 1, "spec": {}, "parts": [],
        }),
        "workload" => json!({
            "instance": "service-instance/elsewhere", "service": about, "device_id": "device/elsewhere", "conductor": "ff",
            "term": 0, "index": 0, "generation": 1, "version": 1, "desired": "stopped", "exec_type": "docker", "spec": {},
            "status": "stopped",
        }),
        "flocker-container" => json!({
            "name": "elsewhere", "node": "elsewhere", "image": "x", "restart": "never", "user": "super",
            "desired": "running", "launches": 0,
        }),
        "flocker-dataset" => json!({"primary": "elsewhere", "metadata": {}, "deleted": false, "places": []}),
        "flocker-lease" => json!({"node": "elsewhere"}),
        "project" => json!({"projectId": "elsewhere", "owner": "super", "approved": false, "members": []}),
        "experiment" => json!({"experimentId": "super:elsewhere", "owner": "super", "aspects": [], "access": []}),
        "computer" => json!({"type": "elsewhere", "owner": "super"}),
        "image" => json!({"image": "elsewhere", "owner": "super", "validIn": []}),
        "notification" => json!({
            "user": "super", "text": "hello", "sent": "2023-11-14T22:13:20.000Z", "read": false, "urgent": false,
        }),
        "testbed-profile" => json!({ "user": "super", "values": {} }),
        "testbed-session" => json!({
            "user": "super", "until": "2099-11-14T22:13:20.000Z", "certificate": "certificate/0a1b", "issued": true,
            "unconfirmed": false,
        }),
        _ => json!({
            "resource": about, "origin": "ff", "operation": "edit", "changes": {"description": "another"},
            "by": "super", "time": "1", "base": 1, "state": "REFUSED", "reason": "it is gone",
        }),
    }
}

/// A list of children as `CHILDREN_DC` has it. Nobody is at these addresses.
pub(super) fn children() -> String {
    let addresses: Vec<String> = (1..=EACH).map(|port| format!("127.0.0.1:{port}")).collect();
    addresses.join(";")
}

/// Makes a store with seeds in a data directory in which there is none.
pub(super) fn sow(data_dir: &Path) {
    let options = EmbeddedOptions::default();
    let engine = Arc::new(EmbeddedEngine::open(&data_dir.join("store"), options).expect("an engine"));
    let entropy = Counting(AtomicU64::new(1));
    let opened = Store::open(engine, StoreOptions::default(), Arc::new(Stopped), &entropy);
    let (_store, mut writer) = opened.expect("a store");
    let seeds = SEEDED.into_iter().flat_map(|kind| std::iter::repeat_n((kind, body(kind)), EACH));
    let commands = seeds.map(|(kind, body)| {
        let spec = resource::find(kind).expect("a type");
        let Value::Object(attributes) = body else { unreachable!("all are objects") };
        let draft = spec.prepare_add(attributes, Stopped.now(), &entropy).expect("what the type wants");
        let new = NewDocument::new(spec, draft, &Caller::agent(), &entropy).expect("a document");
        Command::Add(Box::new(new))
    });
    for written in writer.execute(commands.collect()) {
        let _ = written.expect("it is written");
    }
}
