//! Readings as the attributes of the CIMI documents `device` and `device-dynamic`.
//!
//! Names and types are those old clients know; `interfaces`, `battery`, `loadAverage`, `sensorTypes` and `actuators` say
//! in structured form what the old attributes squeeze into texts.

use serde_json::{Map, Value, json};

use crate::declared::{Declared, DeclaredSensor};
use crate::port::{BatteryState, Counters, Facts, Interface, InterfaceKind, Sample, primary_interface};

/// What `ethernetAddress` and `wifiAddress` say where there is no address, as the original does.
pub const NO_ADDRESS: &str = "Empty";
const UNKNOWN: &str = "unknown";
const UNLIMITED: &str = "unlimited";
const NO_ACTUATORS: &str = "No actuators";

/// All attributes of this machine's `device` document.
#[must_use]
pub fn device_attributes(device_id: &str, facts: &Facts, declared: &Declared) -> Map<String, Value> {
    let mut kinds: Vec<&str> = Vec::new();
    for kind in declared.sensors.iter().flat_map(|sensor| &sensor.kinds) {
        if !kinds.contains(&kind.as_str()) {
            kinds.push(kind);
        }
    }
    object(json!({
        "deviceID": device_id,
        "isLeader": declared.is_leader,
        "os": text_or(&facts.os, UNKNOWN),
        "arch": text_or(&facts.arch, UNKNOWN),
        "cpuManufacturer": text_or(&facts.cpu_manufacturer, UNKNOWN),
        "physicalCores": facts.physical_cores,
        "logicalCores": facts.logical_cores,
        "cpuClockSpeed": text_or(&facts.cpu_clock_speed, UNKNOWN),
        "memory": finite(facts.memory_mib),
        "storage": finite(facts.storage_mib),
        "agentType": text_or(&declared.agent_type, "normal"),
        "networkingStandards": networking_standards(&facts.interfaces),
        "hwloc": facts.hwloc,
        "cpuinfo": facts.cpuinfo,
        "interfaces": facts.interfaces.iter().map(interface).collect::<Vec<_>>(),
        "sensorTypes": kinds,
        "actuators": declared.actuators,
    }))
}

/// All attributes of this machine's `device-dynamic` document. `device_href` is the id of its `device`, as `device/<id>`.
///
/// What a sample could not tell counts as nothing free: an unknown must not attract work.
#[must_use]
pub fn dynamic_attributes(sample: &Sample, device_href: &str, declared: &Declared) -> Map<String, Value> {
    let storage = sample.storage.unwrap_or_default();
    let battery = sample.power.battery;
    let wire = primary_interface(&sample.interfaces, InterfaceKind::Ethernet);
    let radio = primary_interface(&sample.interfaces, InterfaceKind::Wifi);
    let mut attributes = object(json!({
        "device": {"href": device_href},
        "ramFree": finite(sample.memory_free_mib),
        "ramFreePercent": percent(sample.memory_free_mib, sample.memory_total_mib),
        "storageFree": finite(storage.free_mib),
        "storageFreePercent": percent(storage.free_mib, storage.total_mib),
        "cpuFreePercent": tenths(sample.cpu_free_percent.unwrap_or(0.0)),
        "powerRemainingStatus": battery.map_or_else(|| UNLIMITED.to_owned(), |it| tenths(it.percent).to_string()),
        "powerRemainingStatusSeconds": match battery {
            Some(it) if it.state == BatteryState::Discharging || !sample.power.plugged => {
                it.seconds_left.map_or_else(|| UNKNOWN.to_owned(), |seconds| seconds.to_string())
            }
            _ => UNLIMITED.to_owned(),
        },
        "powerPlugged": sample.power.plugged,
        "ethernetAddress": address(wire),
        "wifiAddress": address(radio),
        "ethernetThroughputInfo": throughput(wire),
        "wifiThroughputInfo": throughput(radio),
        "actuatorInfo": text_or(&declared.actuators.join(", "), NO_ACTUATORS),
        "status": "connected",
        "sensors": declared.sensors.iter().map(sensor).collect::<Vec<_>>(),
        "interfaces": sample.interfaces.iter().map(counted_interface).collect::<Vec<_>>(),
        "loadAverage": sample.load_average.map(finite),
        "actuators": declared.actuators,
    }));
    if let Some(battery) = battery {
        let mut state = object(json!({"percent": tenths(battery.percent), "state": battery.state.as_str()}));
        if let Some(seconds) = battery.seconds_left {
            state.insert("secondsLeft".to_owned(), seconds.into());
        }
        attributes.insert("battery".to_owned(), state.into());
    }
    attributes
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// The schema asks for a text with at least one visible character.
fn text_or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.trim().is_empty() { otherwise } else { text }
}

/// JSON has no infinity and no NaN.
fn finite(number: f64) -> f64 {
    if number.is_finite() { number } else { 0.0 }
}

fn tenths(number: f64) -> f64 {
    (finite(number) * 10.0).round() / 10.0
}

fn percent(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { tenths((100.0 * part / whole).clamp(0.0, 100.0)) } else { 0.0 }
}

/// The names of real interfaces as old clients find them: `['eth0', 'lo']`.
fn networking_standards(interfaces: &[Interface]) -> String {
    let names: Vec<String> = interfaces
        .iter()
        .filter(|interface| interface.kind != InterfaceKind::Other)
        .map(|interface| format!("'{}'", interface.name))
        .collect();
    format!("[{}]", names.join(", "))
}

fn interface(interface: &Interface) -> Value {
    json!({
        "name": interface.name,
        "kind": interface.kind.as_str(),
        "mac": interface.mac,
        "addresses": interface.addresses,
    })
}

fn counted_interface(counted: &Interface) -> Value {
    let mut value = interface(counted);
    let Counters { bytes_sent, bytes_received, packets_sent, packets_received, errors_in, errors_out, .. } =
        counted.counters;
    let counters = [
        ("bytesSent", bytes_sent),
        ("bytesReceived", bytes_received),
        ("packetsSent", packets_sent),
        ("packetsReceived", packets_received),
        ("errorsIn", errors_in),
        ("errorsOut", errors_out),
    ];
    for (name, count) in counters {
        value[name] = count.into();
    }
    value
}

fn address(interface: Option<&Interface>) -> String {
    interface
        .and_then(|interface| interface.addresses.first())
        .map_or_else(|| NO_ADDRESS.to_owned(), ToString::to_string)
}

/// Eight counters as texts, in psutil's order; zeros without an interface.
fn throughput(interface: Option<&Interface>) -> [String; 8] {
    let counters = interface.map(|interface| interface.counters).unwrap_or_default();
    [
        counters.bytes_sent,
        counters.bytes_received,
        counters.packets_sent,
        counters.packets_received,
        counters.errors_in,
        counters.errors_out,
        counters.drops_in,
        counters.drops_out,
    ]
    .map(|count| count.to_string())
}

/// A sensor as old clients read it: kinds and connection are JSON inside a text.
fn sensor(sensor: &DeclaredSensor) -> Value {
    json!({
        "sensorType": json!(sensor.kinds).to_string(),
        "sensorModel": sensor.model,
        "sensorConnection": json!(sensor.connection).to_string(),
    })
}

#[cfg(test)]
#[path = "attributes_tests.rs"]
mod tests;
