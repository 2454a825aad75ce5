//! Which attributes changed, and which of the changes are worth publishing at once.
//!
//! A change is a merge patch (RFC 7396) of top-level attributes: a `null` takes an attribute away.

use serde_json::{Map, Value};

/// Attributes that move all the time and mean little alone: counters, and figures derived from what is published anyway
/// (time left jumps with every reading of the current; load follows the processor).
const RESTLESS: [&str; 11] = [
    "ethernetThroughputInfo",
    "wifiThroughputInfo",
    "bytesSent",
    "bytesReceived",
    "packetsSent",
    "packetsReceived",
    "errorsIn",
    "errorsOut",
    "loadAverage",
    "secondsLeft",
    "powerRemainingStatusSeconds",
];

/// All top-level attributes of `new` that differ from `old`, and `null` for those that are gone.
#[must_use]
pub fn delta(old: &Map<String, Value>, new: &Map<String, Value>) -> Map<String, Value> {
    changes(old, new, |_, old, new| old != new)
}

/// The changes of [`delta`] that are worth publishing now, `None` where none is.
///
/// A number has to move by more than `threshold_percent`: percentage points where it is a percentage, else relative to
/// its old value. A text, a flag or an address only has to differ. Mere counters never count.
#[must_use]
pub fn noticeable(
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    threshold_percent: f64,
) -> Option<Map<String, Value>> {
    let changes = changes(old, new, |name, old, new| moved(name, old, new, threshold_percent));
    (!changes.is_empty()).then_some(changes)
}

/// Applies a change as [`delta`] and [`noticeable`] make them.
pub fn apply(document: &mut Map<String, Value>, change: &Map<String, Value>) {
    for (name, value) in change {
        if value.is_null() {
            document.remove(name);
        } else {
            document.insert(name.clone(), value.clone());
        }
    }
}

fn changes(
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    counts: impl Fn(&str, &Value, &Value) -> bool,
) -> Map<String, Value> {
    let changed = new.iter().filter(|(name, value)| old.get(*name).is_none_or(|before| counts(name, before, value)));
    let gone = old.keys().filter(|name| !new.contains_key(*name)).map(|name| (name.clone(), Value::Null));
    changed.map(|(name, value)| (name.clone(), value.clone())).chain(gone).collect()
}

fn moved(name: &str, old: &Value, new: &Value, threshold: f64) -> bool {
    if RESTLESS.contains(&name) {
        return false;
    }
    if let (Some(old), Some(new)) = (number(name, old), number(name, new)) {
        let distance = (new - old).abs();
        return if is_percentage(name) { distance > threshold } else { distance > old.abs() * threshold / 100.0 };
    }
    match (old, new) {
        (Value::Array(old), Value::Array(new)) => {
            old.len() != new.len() || old.iter().zip(new).any(|(old, new)| moved(name, old, new, threshold))
        }
        (Value::Object(old), Value::Object(new)) => {
            let differs = |name: &String| match (old.get(name), new.get(name)) {
                (Some(old), Some(new)) => moved(name, old, new, threshold),
                _ => !RESTLESS.contains(&name.as_str()),
            };
            old.keys().chain(new.keys()).any(differs)
        }
        _ => old != new,
    }
}

fn is_percentage(name: &str) -> bool {
    name.ends_with("Percent") || name == "percent" || name == "powerRemainingStatus"
}

/// `powerRemainingStatus` is a number in a text, where it is one at all.
fn number(name: &str, value: &Value) -> Option<f64> {
    match value {
        Value::String(text) if name == "powerRemainingStatus" => text.parse().ok().filter(|it: &f64| it.is_finite()),
        _ => value.as_f64(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn noticed(old: Value, new: Value) -> Option<Value> {
        noticeable(&map(old), &map(new), 5.0).map(Value::Object)
    }

    #[test]
    fn a_percentage_moves_by_points_and_any_other_number_by_its_own_size() {
        assert_eq!(noticed(json!({"ramFreePercent": 10.0}), json!({"ramFreePercent": 15.0})), None);
        let more = json!({"ramFreePercent": 15.1});
        assert_eq!(noticed(json!({"ramFreePercent": 10.0}), more.clone()), Some(more));
        assert_eq!(noticed(json!({"ramFree": 1000.0}), json!({"ramFree": 950.0})), None);
        assert_eq!(noticed(json!({"ramFree": 1000.0}), json!({"ramFree": 949.0})), Some(json!({"ramFree": 949.0})));
        assert_eq!(noticed(json!({"ramFree": 0.0}), json!({"ramFree": 0.1})), Some(json!({"ramFree": 0.1})));
    }

    #[test]
    fn only_what_moved_is_published_and_not_its_quiet_neighbours() {
        let old = json!({"cpuFreePercent": 90.0, "ramFree": 1000.0, "powerPlugged": true, "status": "connected"});
        let new = json!({"cpuFreePercent": 40.0, "ramFree": 1001.0, "powerPlugged": false, "status": "connected"});
        assert_eq!(noticed(old, new), Some(json!({"cpuFreePercent": 40.0, "powerPlugged": false})));
    }

    #[test]
    fn counters_alone_are_not_worth_it_but_an_address_is() {
        let old = json!({"interfaces": [{"name": "eth0", "addresses": ["10.0.0.1"], "bytesSent": 1}],
            "ethernetThroughputInfo": ["1"], "loadAverage": [0.1, 0.1, 0.1]});
        let counted = json!({"interfaces": [{"name": "eth0", "addresses": ["10.0.0.1"], "bytesSent": 900}],
            "ethernetThroughputInfo": ["9"], "loadAverage": [9.0, 0.1, 0.1]});
        assert_eq!(noticed(old.clone(), counted.clone()), None);
        assert_eq!(Value::Object(delta(&map(old.clone()), &map(counted.clone()))), counted);
        let moved = json!({"interfaces": [{"name": "eth0", "addresses": ["10.0.0.2"], "bytesSent": 900}],
            "ethernetThroughputInfo": ["9"], "loadAverage": [9.0, 0.1, 0.1]});
        assert_eq!(noticed(old, moved.clone()), Some(json!({"interfaces": moved["interfaces"]})));
    }

    #[test]
    fn a_battery_is_noticed_by_its_state_and_its_charge_and_not_by_its_guess_of_the_time() {
        let old = json!({"powerRemainingStatus": "50", "powerRemainingStatusSeconds": "600",
            "battery": {"percent": 50.0, "state": "discharging", "secondsLeft": 600}});
        let guess = json!({"powerRemainingStatus": "49.9", "powerRemainingStatusSeconds": "900",
            "battery": {"percent": 49.9, "state": "discharging"}});
        assert_eq!(noticed(old.clone(), guess), None);
        let low = json!({"powerRemainingStatus": "44", "powerRemainingStatusSeconds": "9",
            "battery": {"percent": 44.0, "state": "discharging"}});
        let change = json!({"powerRemainingStatus": "44", "battery": low["battery"]});
        assert_eq!(noticed(old.clone(), low), Some(change));
        let gone = json!({"powerRemainingStatus": "unlimited", "powerRemainingStatusSeconds": "600"});
        assert_eq!(noticed(old, gone), Some(json!({"powerRemainingStatus": "unlimited", "battery": null})));
    }

    fn document() -> impl Strategy<Value = Map<String, Value>> {
        let value = prop_oneof![
            (0u8..4).prop_map(|number| json!(f64::from(number))),
            Just(json!("a")),
            Just(json!([1, "b"])),
            Just(json!({"percent": 3.0, "x": [true]})),
        ];
        prop::collection::btree_map("[a-c]|status|xPercent|loadAverage", value, 0..5)
            .prop_map(|entries| entries.into_iter().collect())
    }

    proptest! {
        #[test]
        fn applying_the_delta_gives_the_new_document(old in document(), new in document()) {
            let mut patched = old.clone();
            apply(&mut patched, &delta(&old, &new));
            prop_assert_eq!(patched, new);
        }

        #[test]
        fn what_is_noticeable_is_part_of_the_delta(old in document(), new in document(), threshold in 0.0..50.0f64) {
            let delta = delta(&old, &new);
            for (name, value) in noticeable(&old, &new, threshold).unwrap_or_default() {
                prop_assert_eq!(delta.get(&name), Some(&value));
            }
            prop_assert_eq!(noticeable(&old, &old, threshold), None);
        }
    }
}
