//! What was learned of one service, and the `qos-model` document that keeps it.

use std::collections::BTreeMap;

use mf2c_domain::id::ResourceId;
use mf2c_domain::time::Timestamp;
use mf2c_sla::qos::History;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The most devices of one service that are remembered; beyond it, the one goes whose last run is the longest ago.
const MOST_DEVICES: usize = 128;
/// The form of what is kept in `config`.
const FORMAT: u32 = 1;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Model {
    devices: BTreeMap<String, History>,
    /// The agreement of the newest run.
    pub(super) agreement: String,
    /// Runs that it has learned from, also those that it does not remember singly any more.
    pub(super) runs: u64,
    /// How many of them broke a promise.
    pub(super) failures: u64,
    /// How often the service was checked.
    pub(super) checks: u64,
    /// Who was blocked at the last check that decided otherwise than the one before.
    pub(super) blocked: Vec<String>,
    /// Who was blocked before that.
    pub(super) blocked_before: Vec<String>,
    /// Changes up to here are in it, as far as it was read from its document.
    pub(super) position: u64,
    /// Whether there is something to store.
    pub(super) dirty: bool,
}

/// What stands in the document's `config`.
#[derive(Serialize, Deserialize)]
struct Config {
    format: u32,
    /// The life of the store that `position` belongs to.
    incarnation: u64,
    position: u64,
    checks: u64,
    devices: BTreeMap<String, Device>,
}

#[derive(Serialize, Deserialize)]
struct Device {
    runs: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<String>,
}

#[derive(Deserialize)]
struct Stored {
    service: Link,
    agreement: Link,
    config: String,
    num_service_instances: u64,
    num_service_failures: u64,
}

#[derive(Deserialize)]
struct Link {
    href: String,
}

impl Model {
    /// The service of a document and what was learned of it. None where it is not of this form.
    pub(super) fn read(body: &[u8], incarnation: u64) -> Option<(String, Self)> {
        let stored: Stored = serde_json::from_slice(body).ok()?;
        let config: Config = serde_json::from_str(&stored.config).ok()?;
        let history = |device: Device| {
            let last = device.last.and_then(|text| Timestamp::parse(&text));
            History::restore(&device.runs, device.latency, last)
        };
        let devices = config.devices.into_iter().map(|(name, device)| (name, history(device)));
        let model = Self {
            devices: devices.take(MOST_DEVICES).collect(),
            agreement: stored.agreement.href,
            runs: stored.num_service_instances,
            failures: stored.num_service_failures,
            checks: config.checks,
            // Positions of another life of the store mean nothing in this one.
            position: if config.incarnation == incarnation { config.position } else { 0 },
            ..Self::default()
        };
        (config.format == FORMAT).then_some((stored.service.href, model))
    }

    /// The attributes of its document. `position` is the place up to which everything is in it.
    pub(super) fn attributes(&self, service: &str, incarnation: u64, position: u64) -> Map<String, Value> {
        let device = |(name, history): (&String, &History)| {
            let (latency, last) = (history.latency(), history.last().map(|last| last.to_string()));
            (name.clone(), Device { runs: history.text(), latency, last })
        };
        let devices = self.devices.iter().map(device).collect();
        let config = Config { format: FORMAT, incarnation, position, checks: self.checks, devices };
        let linked: Vec<&String> = self.devices.keys().filter(|name| ResourceId::parse(name).is_ok()).collect();
        let agents: Vec<Value> = linked.iter().map(|name| json!({ "href": name })).collect();
        // As in the original: 1 for who is blocked.
        let state = |blocked: &[String]| -> Vec<f64> {
            linked.iter().map(|name| if blocked.contains(name) { 1.0 } else { 0.0 }).collect()
        };
        let attributes = json!({
            "service": { "href": service }, "agreement": { "href": self.agreement }, "agents": agents,
            "config": serde_json::to_string(&config).unwrap_or_default(),
            "num_service_instances": self.runs, "num_service_failures": self.failures,
            "current_state": state(&self.blocked_before), "next_state": state(&self.blocked),
        });
        match attributes {
            Value::Object(attributes) => attributes,
            _ => Map::new(),
        }
    }

    /// What is remembered of a device; to be written to.
    pub(super) fn device(&mut self, name: &str) -> &mut History {
        if self.devices.len() >= MOST_DEVICES && !self.devices.contains_key(name) {
            let oldest = self.devices.iter().min_by_key(|(_, history)| history.last()).map(|(name, _)| name.clone());
            oldest.map(|oldest| self.devices.remove(&oldest));
        }
        self.devices.entry(name.to_owned()).or_default()
    }

    /// What is remembered of a device.
    pub(super) fn history(&self, name: &str) -> Option<&History> {
        self.devices.get(name)
    }

    /// The run of this report has broken a promise, wherever it ran. None where no device remembers it.
    pub(super) fn breach(&mut self, report: &str) -> Option<()> {
        let found: Vec<bool> = self.devices.values_mut().filter_map(|history| history.breach(report)).collect();
        if found.contains(&true) {
            self.failures += 1;
            self.dirty = true;
        }
        (!found.is_empty()).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_learned_is_read_back_from_its_document() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let mut model = Model { agreement: "agreement/a".into(), runs: 3, checks: 9, ..Model::default() };
        for run in 0..3 {
            model.device("device/x").record(&format!("r{run}"), 1.5, now, 100);
            model.device("10.0.0.1:80").record(&format!("r{run}"), 1.5, now, 100);
        }
        assert_eq!(model.breach("r1"), Some(()));
        assert_eq!((model.breach("r1"), model.breach("r9"), model.failures), (Some(()), None, 1));
        let attributes = model.attributes("service/s", 7, 42);
        assert_eq!(attributes["agents"], json!([{"href": "device/x"}]), "an address is no link");
        let body = serde_json::to_vec(&attributes).unwrap();
        let (service, read) = Model::read(&body, 7).unwrap();
        assert_eq!(service, "service/s");
        assert_eq!(read, Model { position: 42, dirty: false, ..model });
        assert_eq!(Model::read(&body, 8).unwrap().1.position, 0, "another life of the store");
        assert_eq!(Model::read(b"{}", 7), None);
    }

    #[test]
    fn the_number_of_devices_has_a_bound() {
        let mut model = Model::default();
        for device in 0..1000_i64 {
            let at = Timestamp::from_millis(device);
            model.device(&format!("device/{device}")).record("r", 1.0, at, 10);
        }
        assert_eq!(model.devices.len(), MOST_DEVICES);
        assert!(model.history("device/999").is_some() && model.history("device/1").is_none());
    }
}
