//! Whatever a document holds, reading it neither panics nor lets in what is no number.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::*;
use crate::units::Percent;

/// Names that some reader looks at.
const NAMES: [&str; 24] = [
    "os",
    "arch",
    "agentType",
    "memory",
    "storage",
    "backends",
    "sensorTypes",
    "actuators",
    "device",
    "status",
    "updated",
    "ramFree",
    "ramFreePercent",
    "cpuFreePercent",
    "powerRemainingStatus",
    "battery",
    "sensors",
    "actuatorInfo",
    "ethernetAddress",
    "max_cpu_usage",
    "max_apps",
    "num_agents",
    "cpu_recommended",
    "req_resource",
];

fn leaves() -> BoxedStrategy<Value> {
    let odd = ["", "[", "[]", "NaN", "inf", "-1", "1e999", "1e308", "50%", "%", "It has ", "é, ü", "['a', \"b\"]"];
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        select(odd.to_vec()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ]
    .boxed()
}

fn values() -> BoxedStrategy<Value> {
    let names = select(vec!["href", "percent", "sensorType", "sensorModel", "x"]);
    let list = proptest::collection::vec(leaves(), 0..4).prop_map(Value::from).boxed();
    let object = (names, leaves()).prop_map(|(name, value)| json!({ name: value })).boxed();
    let nested = proptest::collection::vec(object.clone(), 0..4).prop_map(Value::from).boxed();
    prop_oneof![3 => leaves(), 1 => list, 1 => object, 1 => nested].boxed()
}

fn documents() -> BoxedStrategy<Vec<u8>> {
    let member = (select(NAMES.to_vec()), values()).prop_map(|(name, value)| (name.to_owned(), value)).boxed();
    let members = proptest::collection::vec(member, 0..12);
    members.prop_map(|members| Value::Object(Map::from_iter(members)).to_string().into_bytes()).boxed()
}

proptest! {
    #[test]
    fn every_object_is_read_and_every_share_is_one(body in documents()) {
        let dynamic = Dynamic::read(&body).unwrap();
        let shares = [dynamic.cpu_free_share, dynamic.memory_free_share, dynamic.battery];
        prop_assert!(shares.into_iter().flatten().all(|share| share <= Percent::FULL));
        let sharing = SharingModel::read("sharing-model/1", &body).unwrap();
        prop_assert!(sharing.max_cpu <= Percent::FULL && sharing.battery_limit <= Percent::FULL);
        let device = Device::read("device/1", &body).unwrap();
        prop_assert!(device.memory.is_none_or(|memory| memory.as_f64().is_finite()));
        let service = Service::read("service/1", &body).unwrap();
        prop_assert!(service.cpu_share <= Percent::FULL && service.num_agents != Some(0));
        prop_assert!(service.req_resource.iter().all(|need| !need.is_empty()));
        prop_assert!(UserProfile::read("user-profile/1", &body).is_some());
    }

    #[test]
    fn bytes_of_any_kind_do_no_harm(body in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = (Dynamic::read(&body), Device::read("device/1", &body), Service::read("service/1", &body));
    }
}

#[test]
fn what_is_nested_without_end_is_no_document() {
    let body = format!("{{\"sensors\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(Dynamic::read(body.as_bytes()), None);
}
