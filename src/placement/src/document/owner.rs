//! What the owner of a device shares: a `sharing-model` and a `user-profile`.

use serde::Deserialize;

use super::loose::{Loose, Maybe};
use crate::units::Percent;

/// How much of a device its owner lends.
///
/// What is missing has the original's default (`spec/lifecycle.md` B.1: 50 % of everything), `max_apps` the store's
/// (1), and the position is not given away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharingModel {
    /// Its id.
    pub id: Box<str>,
    /// The device; empty where it is not said.
    pub device: Box<str>,
    /// Whether the position may be used.
    pub gps_allowed: bool,
    /// Most processor time.
    pub max_cpu: Percent,
    /// Most main memory.
    pub max_memory: Percent,
    /// Most disk space.
    pub max_storage: Percent,
    /// Most network bandwidth.
    pub max_bandwidth: Percent,
    /// With this charge of the battery or less nothing runs, unless the device is on mains power.
    pub battery_limit: Percent,
    /// Most applications at one time.
    pub max_apps: u32,
}

/// In which parts a device takes part. What is missing is a no, as in the original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserProfile {
    /// Its id.
    pub id: Box<str>,
    /// The device; empty where it is not said.
    pub device: Box<str>,
    /// Whether services may be asked for on it.
    pub service_consumer: bool,
    /// Whether it runs services for others.
    pub resource_contributor: bool,
}

/// The original's default for every share, `MAX_CPU_USAGE` and its like, and `BATTERY_LIMIT`.
const HALF: Percent = Percent::whole(50);

#[derive(Deserialize)]
struct SharingShape<'a> {
    #[serde(borrow)]
    device_id: Option<Loose<'a>>,
    #[serde(borrow, alias = "GPS_allowed")]
    gps_allowed: Option<Loose<'a>>,
    #[serde(borrow, alias = "max_CPU_usage")]
    max_cpu_usage: Option<Loose<'a>>,
    #[serde(borrow)]
    max_memory_usage: Option<Loose<'a>>,
    #[serde(borrow)]
    max_storage_usage: Option<Loose<'a>>,
    #[serde(borrow)]
    max_bandwidth_usage: Option<Loose<'a>>,
    #[serde(borrow)]
    battery_limit: Option<Loose<'a>>,
    #[serde(borrow)]
    max_apps: Option<Loose<'a>>,
}

impl SharingModel {
    /// Reads a sharing model; none if the body is no JSON object.
    #[must_use]
    pub fn read(id: &str, body: &[u8]) -> Option<Self> {
        let shape: SharingShape<'_> = serde_json::from_slice(body).ok()?;
        let share = |value: Option<Loose<'_>>| value.and_then(|value| value.share()).unwrap_or(HALF);
        let apps = shape.max_apps.and_then(|value| value.count()).unwrap_or(1);
        Some(Self {
            id: id.into(),
            device: shape.device_id.boxed(),
            gps_allowed: shape.gps_allowed.and_then(|value| value.flag()).unwrap_or(false),
            max_cpu: share(shape.max_cpu_usage),
            max_memory: share(shape.max_memory_usage),
            max_storage: share(shape.max_storage_usage),
            max_bandwidth: share(shape.max_bandwidth_usage),
            battery_limit: share(shape.battery_limit),
            max_apps: u32::try_from(apps).unwrap_or(u32::MAX),
        })
    }
}

#[derive(Deserialize)]
struct ProfileShape<'a> {
    #[serde(borrow)]
    device_id: Option<Loose<'a>>,
    #[serde(borrow)]
    service_consumer: Option<Loose<'a>>,
    #[serde(borrow)]
    resource_contributor: Option<Loose<'a>>,
}

impl UserProfile {
    /// Reads a profile; none if the body is no JSON object.
    #[must_use]
    pub fn read(id: &str, body: &[u8]) -> Option<Self> {
        let shape: ProfileShape<'_> = serde_json::from_slice(body).ok()?;
        let flag = |value: Option<Loose<'_>>| value.and_then(|value| value.flag()).unwrap_or(false);
        Some(Self {
            id: id.into(),
            device: shape.device_id.boxed(),
            service_consumer: flag(shape.service_consumer),
            resource_contributor: flag(shape.resource_contributor),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sharing_models_of_both_generations_are_read_and_missing_limits_are_the_defaults() {
        let body = br#"{"device_id":"device/c7","GPS_allowed":true,"max_CPU_usage":"30","max_memory_usage":250,
            "max_storage_usage":10,"max_bandwidth_usage":20,"battery_limit":15,"max_apps":"4"}"#;
        let read = SharingModel::read("sharing-model/1", body).unwrap();
        assert_eq!((&*read.device, read.gps_allowed, read.max_apps), ("device/c7", true, 4));
        assert_eq!((read.max_cpu, read.max_memory), (Percent::whole(30), Percent::FULL));
        assert_eq!((read.max_storage, read.battery_limit), (Percent::whole(10), Percent::whole(15)));
        let bare = SharingModel::read("sharing-model/1", br#"{"max_cpu_usage":"a lot","max_apps":-3}"#).unwrap();
        assert_eq!((bare.max_cpu, bare.max_bandwidth, bare.max_apps, bare.gps_allowed), (HALF, HALF, 1, false));
        assert_eq!(SharingModel::read("sharing-model/1", b"7"), None);
    }

    #[test]
    fn what_a_profile_does_not_say_is_a_no() {
        let read = |body: &str| UserProfile::read("user-profile/1", body.as_bytes()).unwrap();
        let yes = read(r#"{"device_id":{"href":"device/1"},"service_consumer":"True","resource_contributor":true}"#);
        assert_eq!((&*yes.device, yes.service_consumer, yes.resource_contributor), ("device/1", true, true));
        let no = read(r#"{"service_consumer":1}"#);
        assert_eq!((no.service_consumer, no.resource_contributor), (false, false));
    }
}
