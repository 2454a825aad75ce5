//! What a device lends to the area until its owner says something else: one `user-profile` and one `sharing-model`,
//! which the inventory writes where there are none. They are never written again: whoever edits them is the last to
//! have said something.

use mf2c_domain::resource;
use mf2c_store::Store;
use serde_json::{Map, Value, json};

/// What the first documents say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sharing {
    /// Whether the device runs services for others.
    pub contributor: bool,
    /// Whether it uses the services of the area.
    pub consumer: bool,
    /// The most services at one time.
    pub max_apps: u32,
    /// The most processor time for others, in percent, as the three that follow.
    pub max_cpu: u32,
    /// Main memory.
    pub max_memory: u32,
    /// Disk space.
    pub max_storage: u32,
    /// Network bandwidth.
    pub max_bandwidth: u32,
    /// The charge of the battery, in percent, below which nothing runs for others.
    pub battery_limit: u32,
    /// Whether the position may be used.
    pub gps_allowed: bool,
}

impl Sharing {
    /// The documents of a device, by type. They are the administrators', and every user sees them.
    pub(crate) fn documents(&self, device: &str) -> [(&'static str, Map<String, Value>); 2] {
        let acl = json!({
            "owner": { "principal": "ADMIN", "type": "ROLE" },
            "rules": [{ "principal": "USER", "type": "ROLE", "right": "VIEW" }],
        });
        let profile = json!({
            "device_id": device,
            "service_consumer": self.consumer,
            "resource_contributor": self.contributor,
            "acl": acl,
        });
        let model = json!({
            "device_id": device,
            "gps_allowed": self.gps_allowed,
            "max_cpu_usage": self.max_cpu,
            "max_memory_usage": self.max_memory,
            "max_storage_usage": self.max_storage,
            "max_bandwidth_usage": self.max_bandwidth,
            "battery_limit": self.battery_limit,
            "max_apps": self.max_apps,
            "acl": acl,
        });
        let members = |document: Value| match document {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        [
            (resource::types::user_profile::SPEC.name, members(profile)),
            (resource::types::sharing_model::SPEC.name, members(model)),
        ]
    }
}

/// Whether somebody has said already, in a document of this type, what the device of this node shares.
pub(crate) fn is_said(store: &Store, kind: &str, node: &str) -> bool {
    store.all(kind).iter().any(|document| {
        let body = store.body(document).ok().flatten();
        let body = body.and_then(|body| serde_json::from_slice::<Map<String, Value>>(&body).ok());
        let device = body.as_ref().and_then(|body| body.get("device_id")?.as_str());
        device.is_some_and(|device| device.strip_prefix("device/").unwrap_or(device) == node)
    })
}
