//! A `device-dynamic`: how a machine is doing.

use std::net::IpAddr;

use mf2c_domain::time::Timestamp;
use serde::Deserialize;

use super::loose::{Loose, Maybe};
use super::names::Names;
use crate::units::{Mebibytes, Percent};

/// How a machine is doing.
#[derive(Debug, Clone, PartialEq)]
pub struct Dynamic {
    /// Whose figures these are: `device/...`; empty where it is not said.
    pub device: Box<str>,
    /// `connected`, `disconnected`, `unavailable`; empty where it is not said.
    pub status: Box<str>,
    /// When the figures were stored.
    pub updated: Option<Timestamp>,
    /// Free main memory.
    pub memory_free: Option<Mebibytes>,
    /// Free main memory, of all.
    pub memory_free_share: Option<Percent>,
    /// Free disk space.
    pub storage_free: Option<Mebibytes>,
    /// Free disk space, of all.
    pub storage_free_share: Option<Percent>,
    /// Idle processor time, of all.
    pub cpu_free_share: Option<Percent>,
    /// The battery's charge; `unlimited` counts as 100. None where it cannot be read.
    pub battery: Option<Percent>,
    /// Whether it is on mains power; false where it is not said.
    pub plugged: bool,
    /// Its first address, of a wire before one of a radio.
    pub address: Option<IpAddr>,
    pub(crate) attached: Names,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape<'a> {
    #[serde(borrow)]
    device: Option<Loose<'a>>,
    #[serde(borrow)]
    status: Option<Loose<'a>>,
    #[serde(borrow)]
    updated: Option<Loose<'a>>,
    #[serde(borrow)]
    ram_free: Option<Loose<'a>>,
    #[serde(borrow)]
    ram_free_percent: Option<Loose<'a>>,
    #[serde(borrow)]
    storage_free: Option<Loose<'a>>,
    #[serde(borrow)]
    storage_free_percent: Option<Loose<'a>>,
    #[serde(borrow)]
    cpu_free_percent: Option<Loose<'a>>,
    #[serde(borrow)]
    power_remaining_status: Option<Loose<'a>>,
    #[serde(borrow)]
    battery: Option<Loose<'a>>,
    #[serde(borrow)]
    power_plugged: Option<Loose<'a>>,
    #[serde(borrow)]
    ethernet_address: Option<Loose<'a>>,
    #[serde(borrow)]
    wifi_address: Option<Loose<'a>>,
    #[serde(borrow)]
    sensors: Option<Loose<'a>>,
    #[serde(borrow)]
    actuators: Option<Loose<'a>>,
    #[serde(borrow)]
    actuator_info: Option<Loose<'a>>,
}

impl Dynamic {
    /// Reads the figures; none if the body is no JSON object.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        let shape: Shape<'_> = serde_json::from_slice(body).ok()?;
        let share = |value: &Option<Loose<'_>>| value.as_ref().and_then(Loose::share);
        let amount = |value: &Option<Loose<'_>>| value.as_ref().and_then(Loose::amount);
        let address =
            [&shape.ethernet_address, &shape.wifi_address].into_iter().find_map(|it| first_address(it.words()?));
        Some(Self {
            device: shape.device.boxed(),
            status: shape.status.boxed(),
            updated: shape.updated.words().and_then(Timestamp::parse),
            memory_free: amount(&shape.ram_free),
            memory_free_share: share(&shape.ram_free_percent),
            storage_free: amount(&shape.storage_free),
            storage_free_share: share(&shape.storage_free_percent),
            cpu_free_share: share(&shape.cpu_free_percent),
            battery: charge(shape.power_remaining_status.as_ref())
                .or_else(|| charge(shape.battery.as_ref().and_then(|battery| battery.member("percent")))),
            plugged: shape.power_plugged.as_ref().and_then(Loose::flag).unwrap_or(false),
            address,
            attached: attached(&shape),
        })
    }
}

/// `39.7`, `39.7%`, `unlimited`, `BatteryTime.POWER_TIME_UNLIMITED`. A charge below 0 is none that anybody measured.
fn charge(value: Option<&Loose<'_>>) -> Option<Percent> {
    let value = value?;
    match value.text() {
        Some(text) if text.to_ascii_lowercase().contains("unlimited") => Some(Percent::FULL),
        _ => value.number().filter(|charge| *charge >= 0.0).and_then(Percent::new),
    }
}

fn first_address(text: &str) -> Option<IpAddr> {
    let plain = |word: &str| word.split('/').next().and_then(|word| word.parse().ok());
    text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '[' | ']' | '\'' | '"')).find_map(plain)
}

fn attached(shape: &Shape<'_>) -> Names {
    let mut names = Names::default();
    for sensor in shape.sensors.iter().flat_map(Loose::elements) {
        let says = ["sensorType", "sensorModel"].into_iter().filter_map(|name| sensor.member(name));
        says.for_each(|value| names.add_listed(value));
    }
    shape.actuators.iter().for_each(|list| names.add_listed(list));
    shape.actuator_info.words().into_iter().for_each(|prose| names.add_prose(prose));
    names.sorted()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_the_original_are_read() {
        let body = br#"{"device":{"href":"device/f1"},"ramFree":3060.19140625,"ramFreePercent":38.9,
            "storageFree":"168181.26","storageFreePercent":90.5,"cpuFreePercent":179.5,
            "powerRemainingStatus":"39.7","powerPlugged":true,"ethernetAddress":"Empty","wifiAddress":"172.18.0.14",
            "actuatorInfo":"It has Ambulance, Sirene","status":"connected","updated":"2019-06-14T18:06:24.203Z",
            "sensors":[{"sensorType":"[\"temperature\"]",
            "sensorModel":"DHT22","sensorConnection":"{\"baudRate\": 5600}"}]}"#;
        let read = Dynamic::read(body).unwrap();
        assert_eq!((&*read.device, &*read.status, read.plugged), ("device/f1", "connected", true));
        assert_eq!((read.memory_free, read.memory_free_share), (Mebibytes::new(3060.19140625), Percent::new(38.9)));
        assert_eq!((read.storage_free, read.cpu_free_share), (Mebibytes::new(168_181.26), Some(Percent::FULL)));
        assert_eq!((read.battery, read.address), (Percent::new(39.7), "172.18.0.14".parse().ok()));
        assert_eq!(read.updated, Timestamp::parse("2019-06-14T18:06:24.203Z"));
        assert!(["temperature", "dht22", "ambulance", "sirene"].iter().all(|name| read.attached.has(name)));
        assert!(!read.attached.has("5600"));
    }

    #[test]
    fn a_charge_is_a_number_a_text_or_unlimited_and_else_none() {
        for (value, is) in [
            ("\"Unlimited\"", Some(100.0)),
            ("\"BatteryTime.POWER_TIME_UNLIMITED\"", Some(100.0)),
            ("\"55%\"", Some(55.0)),
            ("41", Some(41.0)),
            ("\"140\"", Some(100.0)),
            ("\"-1\"", None),
            ("\"unknown\"", None),
            ("\"NaN\"", None),
            ("null", None),
            ("[]", None),
        ] {
            let body = format!("{{\"powerRemainingStatus\":{value}}}");
            assert_eq!(Dynamic::read(body.as_bytes()).unwrap().battery, is.and_then(Percent::new), "{value}");
        }
        let newer = br#"{"powerRemainingStatus":"unknown","battery":{"percent":12.5}}"#;
        assert_eq!(Dynamic::read(newer).unwrap().battery, Percent::new(12.5));
    }

    #[test]
    fn missing_figures_are_not_known() {
        let read = Dynamic::read(b"{}").unwrap();
        assert_eq!((read.memory_free, read.cpu_free_share, read.updated, read.plugged), (None, None, None, false));
        assert_eq!(Dynamic::read(br#"{"sensors":"x","ramFreePercent":{},"ethernetAddress":["1"]}"#).unwrap(), read);
        assert_eq!(Dynamic::read(b"[1]"), None);
    }
}
