//! The promises of the document attributes, held against the tables of the CIMI schema.

use serde_json::{Map, Value, json};

use super::*;
use crate::port::{Battery, Power, Storage};

/// What a required attribute must look like in the stored document.
fn check(document: &Map<String, Value>, name: &str, right: impl Fn(&Value) -> bool) {
    let value = document.get(name).unwrap_or_else(|| panic!("`{name}` is missing"));
    assert!(right(value), "`{name}` is {value}");
}

fn visible(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.trim().is_empty())
}

fn link(name: &str, kind: InterfaceKind, address: &str, sent: u64) -> Interface {
    Interface {
        name: name.into(),
        kind,
        mac: "02:42:ac:12:00:0e".into(),
        addresses: vec![address.parse().unwrap()],
        default_route: false,
        counters: Counters {
            bytes_sent: sent,
            bytes_received: 2,
            packets_sent: 3,
            packets_received: 4,
            errors_in: 5,
            errors_out: 6,
            drops_in: 7,
            drops_out: 8,
        },
    }
}

fn declared() -> Declared {
    let sensor = DeclaredSensor {
        kinds: vec!["temperature".into(), "humidity".into()],
        model: "DHT22".into(),
        connection: [("baudRate".to_owned(), json!(5600))].into(),
    };
    Declared {
        sensors: vec![sensor.clone(), sensor],
        actuators: vec!["Siren".into(), "Lamp".into()],
        ..Declared::default()
    }
}

#[test]
fn every_required_attribute_of_a_device_is_there_even_when_nothing_is_known() {
    let device =
        device_attributes("ab", &Facts::default(), &Declared { agent_type: " ".into(), ..Declared::default() });
    for name in ["deviceID", "os", "arch", "cpuManufacturer", "cpuClockSpeed", "agentType", "networkingStandards"] {
        check(&device, name, visible);
    }
    for name in ["physicalCores", "logicalCores"] {
        check(&device, name, Value::is_u64);
    }
    for name in ["memory", "storage"] {
        check(&device, name, Value::is_f64);
    }
    for name in ["hwloc", "cpuinfo"] {
        check(&device, name, Value::is_string);
    }
    check(&device, "isLeader", Value::is_boolean);
    assert_eq!(device["agentType"], "normal");
}

#[test]
fn every_required_attribute_of_a_device_dynamic_is_there_even_when_nothing_is_known() {
    let sample = Sample { memory_free_mib: f64::NAN, ..Sample::default() };
    let dynamic = dynamic_attributes(&sample, "device/1", &Declared::default());
    assert_eq!(dynamic["device"], json!({"href": "device/1"}));
    for name in ["ramFree", "ramFreePercent", "storageFree", "storageFreePercent", "cpuFreePercent"] {
        check(&dynamic, name, |value| value.is_f64() && *value == 0.0);
    }
    for name in ["powerRemainingStatus", "powerRemainingStatusSeconds", "actuatorInfo"] {
        check(&dynamic, name, visible);
    }
    for name in ["ethernetThroughputInfo", "wifiThroughputInfo"] {
        check(&dynamic, name, |value| *value == json!(["0", "0", "0", "0", "0", "0", "0", "0"]));
    }
    assert_eq!(dynamic["ethernetAddress"], "Empty");
    assert_eq!(dynamic["wifiAddress"], "Empty");
    assert_eq!(dynamic["status"], "connected");
    assert_eq!(dynamic["powerPlugged"], true);
    assert_eq!(dynamic["powerRemainingStatus"], "unlimited");
    assert!(!dynamic.contains_key("battery"));
}

#[test]
fn ethernet_and_wifi_land_in_their_own_fields() {
    let interfaces = vec![
        link("eth0", InterfaceKind::Ethernet, "172.18.0.14", 100),
        link("wlan0", InterfaceKind::Wifi, "192.168.7.2", 200),
    ];
    let dynamic = dynamic_attributes(&Sample { interfaces, ..Sample::default() }, "device/1", &declared());
    assert_eq!(dynamic["ethernetAddress"], "172.18.0.14");
    assert_eq!(dynamic["wifiAddress"], "192.168.7.2");
    assert_eq!(dynamic["ethernetThroughputInfo"], json!(["100", "2", "3", "4", "5", "6", "7", "8"]));
    assert_eq!(dynamic["wifiThroughputInfo"], json!(["200", "2", "3", "4", "5", "6", "7", "8"]));
    assert_eq!(
        dynamic["interfaces"][1],
        json!({"name": "wlan0", "kind": "wifi", "mac": "02:42:ac:12:00:0e", "addresses": ["192.168.7.2"],
               "bytesSent": 200, "bytesReceived": 2, "packetsSent": 3, "packetsReceived": 4, "errorsIn": 5, "errorsOut": 6})
    );
}

#[test]
fn sensors_are_json_inside_texts_and_also_plain() {
    let dynamic = dynamic_attributes(&Sample::default(), "device/1", &declared());
    let sensor = json!({"sensorType": "[\"temperature\",\"humidity\"]", "sensorModel": "DHT22",
                        "sensorConnection": "{\"baudRate\":5600}"});
    assert_eq!(dynamic["sensors"], json!([sensor, sensor]));
    assert_eq!((&dynamic["actuatorInfo"], &dynamic["actuators"]), (&json!("Siren, Lamp"), &json!(["Siren", "Lamp"])));
    let device = device_attributes("ab", &Facts::default(), &declared());
    assert_eq!(device["sensorTypes"], json!(["temperature", "humidity"]));
    assert_eq!(device["actuators"], json!(["Siren", "Lamp"]));
}

#[test]
fn a_battery_is_told_as_text_for_old_clients_and_as_numbers() {
    let mut sample = Sample { storage: Some(Storage { total_mib: 4.0, free_mib: 1.0 }), ..Sample::default() };
    let battery = Battery { percent: 39.744, state: BatteryState::Discharging, seconds_left: Some(5400) };
    sample.power = Power { battery: Some(battery), plugged: false };
    let dynamic = dynamic_attributes(&sample, "device/1", &declared());
    assert_eq!(dynamic["battery"], json!({"percent": 39.7, "state": "discharging", "secondsLeft": 5400}));
    assert_eq!(dynamic["powerRemainingStatus"], "39.7");
    assert_eq!(dynamic["powerRemainingStatusSeconds"], "5400");
    assert_eq!(dynamic["storageFreePercent"], 25.0);
    let battery = Battery { state: BatteryState::Charging, seconds_left: None, ..battery };
    sample.power = Power { battery: Some(battery), plugged: true };
    let dynamic = dynamic_attributes(&sample, "device/1", &declared());
    assert_eq!(dynamic["powerRemainingStatusSeconds"], "unlimited");
    assert_eq!(dynamic["battery"], json!({"percent": 39.7, "state": "charging"}));
}

#[test]
fn container_interfaces_do_not_change_the_networking_standards() {
    let facts = Facts {
        interfaces: vec![
            link("eth0", InterfaceKind::Ethernet, "10.0.0.1", 0),
            link("lo", InterfaceKind::Loopback, "127.0.0.1", 0),
            link("veth1", InterfaceKind::Other, "169.254.0.1", 0),
        ],
        ..Facts::default()
    };
    let device = device_attributes("ab", &facts, &Declared::default());
    assert_eq!(device["networkingStandards"], "['eth0', 'lo']");
    assert_eq!(device["interfaces"].as_array().unwrap().len(), 3);
    assert!(device["interfaces"][0].get("bytesSent").is_none());
}
