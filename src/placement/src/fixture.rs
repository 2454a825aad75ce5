//! Devices and services for tests: one of each that fit together, and how to change a word of them.

use mf2c_domain::time::Timestamp;
use serde_json::{Value, json};

use crate::document::{Device, Dynamic, Service, SharingModel, UserProfile};
use crate::policy::Demand;
use crate::rank::{Candidate, Load, Operator, Ranking, Request, Settings, rank};

/// The present of all tests.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

/// The present, and so many seconds.
pub(crate) fn after(seconds: i64) -> Timestamp {
    Timestamp::from_nanos(NOW.nanos() + i128::from(seconds) * 1_000_000_000)
}

fn bytes(mut body: Value, changes: Value) -> Vec<u8> {
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    body.to_string().into_bytes()
}

/// A service that any [`Machine`] can run.
pub(crate) fn service(changes: Value) -> Service {
    let body = json!({"name": "hello", "exec": "hello-world", "exec_type": "docker", "agent_type": "normal"});
    Service::read("service/hello", &bytes(body, changes)).unwrap()
}

/// All documents of a device, and what is known besides.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) device: Device,
    pub(crate) dynamic: Option<Dynamic>,
    pub(crate) sharing: Option<SharingModel>,
    pub(crate) profile: Option<UserProfile>,
    pub(crate) apps: u32,
    pub(crate) same_service: u32,
    pub(crate) reserved: Vec<Demand>,
    pub(crate) failures: Vec<Timestamp>,
    pub(crate) operator: Operator,
    pub(crate) blocked: bool,
}

impl Machine {
    /// Half free in everything, 30 s after its last report.
    pub(crate) fn new(id: &str, device: Value, dynamic: Value) -> Self {
        let fact = json!({"os": "Linux-6.1.0-x86_64-with-debian-12", "arch": "x86_64", "agentType": "normal",
            "memory": 4096, "storage": 100_000, "backends": ["docker", "compose"]});
        let figures = json!({"status": "connected", "updated": after(-30).to_string(), "ramFree": 2048,
            "ramFreePercent": 50, "storageFree": 50_000, "storageFreePercent": 50, "cpuFreePercent": 50,
            "powerRemainingStatus": "unlimited", "powerPlugged": true, "wifiAddress": "10.0.0.7"});
        let shared = br#"{"gps_allowed":false,"max_cpu_usage":50,"max_memory_usage":50,"max_storage_usage":50,
            "max_bandwidth_usage":50,"battery_limit":20,"max_apps":5}"#;
        let part = br#"{"service_consumer":true,"resource_contributor":true}"#;
        Self {
            device: Device::read(id, &bytes(fact, device)).unwrap(),
            dynamic: Dynamic::read(&bytes(figures, dynamic)),
            sharing: SharingModel::read("sharing-model/1", shared),
            profile: UserProfile::read("user-profile/1", part),
            apps: 0,
            same_service: 0,
            reserved: Vec::new(),
            failures: Vec::new(),
            operator: Operator::Open,
            blocked: false,
        }
    }

    /// As [`Machine::new`], without any change.
    pub(crate) fn plain(id: &str) -> Self {
        Self::new(id, json!({}), json!({}))
    }

    pub(crate) fn candidate(&self) -> Candidate<'_> {
        Candidate {
            dynamic: self.dynamic.as_ref(),
            sharing: self.sharing.as_ref(),
            profile: self.profile.as_ref(),
            load: Load {
                apps: self.apps,
                reserved: &self.reserved,
                same_service: self.same_service,
                ..Load::default()
            },
            failures: &self.failures,
            operator: self.operator,
            blocked: self.blocked,
            ..Candidate::new(&self.device)
        }
    }
}

/// A request from `device/here`.
pub(crate) fn request(service: &Service) -> Request<'_> {
    Request {
        service,
        requester: Some("device/here"),
        requester_profile: None,
        failed: &[],
        settings: Settings::default(),
    }
}

/// The candidates of machines.
pub(crate) fn candidates(machines: &[Machine]) -> Vec<Candidate<'_>> {
    machines.iter().map(Machine::candidate).collect()
}

/// Machines ranked for a service, now.
pub(crate) fn ranked<'a>(service: &'a Service, machines: &'a [Machine]) -> Ranking<'a> {
    rank(&request(service), &candidates(machines), NOW)
}
