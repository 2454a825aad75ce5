//! `/devices`: where services can be placed, and whether they are.

use std::collections::BTreeMap;

use actix_web::web::Payload;
use mf2c_actors::lifecycle_manager::{Schedule, Scheduling};
use serde_json::{Map, Value};

use super::refusal::LmError;
use super::{Answered, Call, done, text};
use crate::cimi::parts;

/// What is told of a device besides.
const FACTS: [&str; 6] = ["id", "name", "deviceID", "agentType", "arch", "os"];

impl Call<'_> {
    /// Each device that the caller may see, with how many parts of services are on it.
    pub(super) async fn devices(&self) -> Answered {
        let all = |kind: &'static str| parts::matching(self.exchange, kind, None, None, u64::MAX);
        let (devices, dynamics, workloads) =
            (all("device").await?, all("device-dynamic").await?, all("workload").await?);
        let shown = shown(&devices, &dynamics, &workloads);
        Ok(done("Devices, and whether services are placed on them", &[("devices", shown.into())]))
    }

    pub(super) async fn schedule(&self, name: &str, payload: Payload) -> Answered {
        let device = self.known("device", name)?;
        let body = self.object(payload).await?;
        let word = text(&body, "operation")?.ok_or_else(|| LmError::lacking("operation"))?;
        let (to, message) = match word {
            "uncordon" => (Scheduling::Open, "Services are placed on the device again"),
            "cordon" => (Scheduling::Cordoned, "No new services are placed on the device"),
            "drain" => {
                (Scheduling::Draining, "No new services are placed on the device, and what runs there moves away")
            }
            other => {
                let other: String = other.chars().take(40).collect();
                let text = format!("operation `{other}` is not known: expected cordon, uncordon or drain");
                return Err(LmError::unsupported(text));
            }
        };
        let id = device.as_str().to_owned();
        let document = self.ask(Schedule { device, to, by: self.exchange.caller.clone() }).await?;
        Ok(done(message, &[("device_id", id.into()), ("device", document.into())]))
    }
}

fn shown(
    devices: &[Map<String, Value>],
    dynamics: &[Map<String, Value>],
    workloads: &[Map<String, Value>],
) -> Vec<Value> {
    let status: BTreeMap<&str, &Value> = dynamics
        .iter()
        .filter_map(|dynamic| Some((dynamic.get("device")?.get("href")?.as_str()?, dynamic.get("status")?)))
        .collect();
    let mut count: BTreeMap<&str, u64> = BTreeMap::new();
    let lasting =
        workloads.iter().filter(|workload| workload.get("desired").is_none_or(|desired| desired != "deleted"));
    for device in lasting.filter_map(|workload| workload.get("device_id")?.as_str()) {
        *count.entry(device).or_default() += 1;
    }
    let one = |device: &Map<String, Value>| {
        let facts = FACTS.iter().filter_map(|name| Some(((*name).to_owned(), device.get(*name)?.clone())));
        let mut shown: Map<String, Value> = facts.collect();
        let or = |name: &str, other: Value| device.get(name).cloned().unwrap_or(other);
        shown.insert("scheduling".to_owned(), or("scheduling", "open".into()));
        shown.insert("backends".to_owned(), or("backends", Value::Array(vec![])));
        let id = device.get("id").and_then(Value::as_str).unwrap_or_default();
        let status = status.get(id).map_or_else(|| "unknown".into(), |status| (*status).clone());
        shown.insert("status".to_owned(), status);
        // Services name a device by its id, or by the identifier that it has from its machine.
        let names = [Some(id), device.get("deviceID").and_then(Value::as_str)];
        let count: u64 = names.into_iter().flatten().filter_map(|name| count.get(name)).sum();
        shown.insert("workloads".to_owned(), count.into());
        shown.into()
    };
    devices.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_device_has_its_state_and_the_number_of_what_runs_there() {
        let all = |value: Value| -> Vec<Map<String, Value>> { serde_json::from_value(value).unwrap() };
        let devices = all(json!([
            { "id": "device/a", "deviceID": "aa", "backends": ["docker"], "scheduling": "cordoned", "memory": 5 },
            { "id": "device/b", "deviceID": "bb" },
        ]));
        let dynamics = all(json!([{ "device": { "href": "device/a" }, "status": "connected" }]));
        let on = |device: &str, desired: &str| json!({ "device_id": device, "desired": desired });
        let workloads = all(json!([on("device/a", "running"), on("aa", "stopped"), on("device/a", "deleted")]));
        let shown = Value::from(shown(&devices, &dynamics, &workloads));
        let a = json!({
            "id": "device/a", "deviceID": "aa", "backends": ["docker"], "scheduling": "cordoned",
            "status": "connected", "workloads": 2,
        });
        let b = json!({
            "id": "device/b", "deviceID": "bb", "backends": [], "scheduling": "open", "status": "unknown", "workloads": 0,
        });
        assert_eq!(shown, json!([a, b]));
    }
}
