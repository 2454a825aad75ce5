//! Tests of [`super`].

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn device(memory: f64, storage: f64, cores: (u64, u64)) -> DeviceFacts {
    DeviceFacts { memory, storage, physical_cores: cores.0, logical_cores: cores.1 }
}

fn dynamic(cpu_free_percent: f64, power: &str) -> DynamicFacts {
    let power_remaining_status = power.to_owned();
    DynamicFacts { device: Href::default(), cpu_free_percent, power_remaining_status, status: "connected".into() }
}

fn part(memory: f64, idle: f64, cores: u64, power: &str) -> Contribution {
    Contribution::of(&device(memory, memory * 10.0, (cores, cores * 2)), &dynamic(idle, power))
}

#[test]
fn an_area_of_three_devices_adds_up() {
    let parts = [
        ("device/a", part(2048.0, 50.0, 2, "unlimited")),
        ("device/b", part(1024.5, 25.25, 3, "87.5")),
        ("device/c", part(512.0, 100.0, 8, "9")),
    ];
    let all = parts.into_iter().collect::<Aggregate>().attributes().unwrap();
    let expected = json!({
        "numDevices": 3,
        "ramTotal": 3584.5, "ramMax": 2048.0, "ramMin": 512.0,
        "storageTotal": 35845.0, "storageMax": 20480.0, "storageMin": 5120.0,
        "avgProcessingCapacityPercent": 58.417, "cpuMaxPercent": 100.0, "cpuMinPercent": 25.25,
        "avgPhysicalCores": 4, "physicalCoresMax": 8, "physicalCoresMin": 2,
        "avgLogicalCores": 9, "logicalCoresMax": 16, "logicalCoresMin": 4,
        "powerRemainingMax": "unlimited", "powerRemainingMin": "9",
    });
    assert_eq!(Value::Object(all), expected);
}

#[test]
fn every_number_of_a_fog_area_is_there_and_is_taken_by_its_type() {
    let mut all = [("device/a", part(1.0, 0.0, 0, ""))].into_iter().collect::<Aggregate>().attributes().unwrap();
    all.insert("leaderDevice".into(), json!({"href": "device/a"}));
    let spec = crate::resource::find("fog-area").unwrap();
    assert!(spec.fields.iter().all(|field| all.contains_key(field.name)));
    spec.prepare_edit(Map::new(), all, &[], true).unwrap();
}

#[test]
fn an_area_without_devices_has_no_numbers() {
    assert_eq!(Aggregate::default().attributes(), None);
    let mut all = Aggregate::default();
    all.set("device/a", Some(part(1.0, 1.0, 1, "1")));
    all.set("device/a", None);
    assert_eq!((all.attributes(), all), (None, Aggregate::default()));
}

#[test]
fn power_is_compared_as_a_number_and_mains_are_more_than_any_battery() {
    let of = |texts: &[&str]| {
        let names: Vec<String> = (0..texts.len()).map(|number| format!("device/{number}")).collect();
        let parts = names.iter().zip(texts).map(|(name, text)| (name.as_str(), part(1.0, 1.0, 1, text)));
        let all = parts.collect::<Aggregate>().attributes().unwrap();
        let text = |name: &str| all[name].as_str().unwrap().to_owned();
        (text("powerRemainingMin"), text("powerRemainingMax"))
    };
    assert_eq!(of(&["9", "10", "100"]), ("9".into(), "100".into()));
    assert_eq!(of(&["Unlimited", "3 %", "unknown"]), ("3".into(), "unlimited".into()));
    assert_eq!(of(&["unknown", "", "NaN"]), ("unknown".into(), "unknown".into()));
    assert_eq!(of(&["-5", "1e9"]), ("0".into(), "100".into()));
}

#[test]
fn nonsense_counts_as_nothing_and_breaks_no_sum() {
    let wild = Contribution::of(&device(f64::NAN, f64::INFINITY, (0, u64::MAX)), &dynamic(f64::NEG_INFINITY, "x"));
    let all = [("device/a", wild)].into_iter().collect::<Aggregate>().attributes().unwrap();
    assert_eq!(
        (&all["ramTotal"], &all["cpuMinPercent"], &all["physicalCoresMin"]),
        (&json!(0.0), &json!(0.0), &json!(1))
    );
    assert!(DeviceFacts::read(b"1").is_none() && DynamicFacts::read(b"{\"device\": 1}").is_none());
    assert_eq!(DynamicFacts::read(b"{\"device\": {\"href\": \"device/1\"}}").unwrap().device(), "device/1");
}

fn any_part() -> impl Strategy<Value = Contribution> {
    let power = prop_oneof![
        Just("unlimited".to_owned()),
        Just("unknown".to_owned()),
        (0.0..100.0).prop_map(|it: f64| it.to_string())
    ];
    (0.0..1e9, 0.0..1e12, 0.0..100.0, 0..300_u64, power).prop_map(|(memory, storage, idle, cores, power)| {
        Contribution::of(&device(memory, storage, (cores, cores * 2)), &dynamic(idle, &power))
    })
}

proptest! {
    #[test]
    fn what_is_kept_up_is_what_a_recount_gives(
        history in proptest::collection::vec((0..12_u8, proptest::option::weighted(0.7, any_part())), 0..200),
    ) {
        let (mut kept, mut now) = (Aggregate::default(), BTreeMap::new());
        for (device, part) in history {
            let name = format!("device/{device}");
            kept.set(&name, part);
            match part {
                Some(part) => drop(now.insert(name, part)),
                None => drop(now.remove(&name)),
            }
            let recount: Aggregate = now.iter().rev().map(|(name, part)| (name.as_str(), *part)).collect();
            prop_assert_eq!(&kept, &recount);
            let texts = [&kept, &recount].map(|all| serde_json::to_string(&all.attributes()).unwrap());
            prop_assert_eq!(&texts[0], &texts[1]);
        }
    }
}
