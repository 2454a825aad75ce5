//! How many devices are taken, what is said where there are too few, and how it is explained.

use serde_json::{Value, json};

use super::*;
use crate::explain::explain;
use crate::fixture::{Machine, candidates, ranked, service};
use crate::optimal::optimal;

fn fleet(count: usize, dynamic: &Value) -> Vec<Machine> {
    (0..count).map(|at| Machine::new(&format!("device/{at:03}"), json!({}), dynamic.clone())).collect()
}

#[test]
fn one_device_is_wanted_unless_the_service_says_how_many_and_for_compss_all() {
    for (asks, is) in [
        (json!({}), Wanted::exactly(1)),
        (json!({"num_agents": 0}), Wanted::exactly(1)),
        (json!({"num_agents": 3}), Wanted::exactly(3)),
        (json!({"exec_type": "docker-compose", "num_agents": "2"}), Wanted::exactly(2)),
        (json!({"exec_type": "compss"}), Wanted { min: 1, target: None }),
        (json!({"exec_type": "compss", "num_agents": 0}), Wanted { min: 1, target: None }),
        (json!({"exec_type": "compss", "num_agents": 2}), Wanted::exactly(2)),
    ] {
        assert_eq!(Wanted::of(&service(asks.clone())), is, "{asks}");
    }
}

#[test]
fn the_local_device_comes_first_for_one_agent_of_compss_if_it_fits() {
    let worse = json!({"cpuFreePercent": 10});
    let mut machines = fleet(2, &json!({}));
    machines.push(Machine::new("device/here", json!({}), worse.clone()));
    let first = |asks: Value, machines: &[Machine]| {
        let asks = service(asks);
        let wanted = Wanted::of(&asks);
        let ranking = ranked(&asks, machines);
        select(&ranking, wanted, Rule::of(&asks, wanted)).unwrap()[0].device.to_owned()
    };
    assert_eq!(first(json!({"exec_type": "compss", "num_agents": 1}), &machines), "device/here");
    assert_eq!(first(json!({"exec_type": "compss", "num_agents": 2}), &machines), "device/000");
    assert_eq!(first(json!({"exec_type": "compss"}), &machines), "device/000");
    assert_eq!(first(json!({"num_agents": 1}), &machines), "device/000");
    machines[2].blocked = true;
    assert_eq!(first(json!({"exec_type": "compss", "num_agents": 1}), &machines), "device/000");
}

#[test]
fn a_shortage_names_the_nearest_misfits_first_and_not_all_of_many() {
    let asks = service(json!({"memory_min": 4000}));
    let mut machines = fleet(25, &json!({"status": "disconnected"}));
    machines[24] = Machine::plain("device/near\nly");
    let ranking = ranked(&asks, &machines);
    let shortage = select(&ranking, Wanted::exactly(2), Rule::ByRank).unwrap_err();
    assert_eq!((shortage.wanted, shortage.found, shortage.by_device.len(), shortage.more), (2, 0, MOST_NAMED, 5));
    let text = shortage.to_string();
    let begins = "2 devices are wanted, and 0 of 25 fit: device/near\\nly: \
         the service needs 4000 MiB of memory, and 2048 MiB are free, \
         the owner lends 50% of the memory, and 97.6563% is taken; \
         device/000: its status is `disconnected`, not `connected`";
    assert!(text.starts_with(begins), "{text}");
    assert!(text.ends_with("; and 5 more do not"), "{text}");
    let none = select(&Ranking::default(), Wanted::exactly(1), Rule::ByRank).unwrap_err();
    assert_eq!(none.to_string(), "1 device is wanted, and 0 of 0 fit");
    assert_eq!(select(&Ranking::default(), Wanted::exactly(0), Rule::ByRank), Ok(vec![]));
}

#[test]
fn a_device_that_is_there_twice_is_taken_once() {
    let asks = service(json!({}));
    let machines = [Machine::plain("device/a"), Machine::plain("device/a"), Machine::plain("device/here")];
    let ranking = ranked(&asks, &machines);
    for rule in [Rule::ByRank, Rule::LocalFirst] {
        assert_eq!(select(&ranking, Wanted { min: 1, target: None }, rule).unwrap().len(), 2);
        assert_eq!(select(&ranking, Wanted::exactly(3), rule).unwrap_err().found, 2);
    }
}

#[test]
fn an_explanation_has_stable_keys() {
    let asks = service(json!({"num_agents": 2, "memory_min": 100}));
    let machines =
        [Machine::plain("device/b"), Machine::new("device/a", json!({"arch": ""}), json!({"ramFree": null}))];
    let ranking = ranked(&asks, &machines);
    let wanted = Wanted::of(&asks);
    let outcome = select(&ranking, wanted, Rule::of(&asks, wanted));
    let sentence = "the service needs 100 MiB of memory, and how much is free is not known";
    let expected = json!({
        "service": "service/hello",
        "wanted": {"min": 2, "target": 2},
        "shortage": format!("2 devices are wanted, and 1 of 2 fit: device/a: {sentence}"),
        "devices": [
            {"device": "device/b", "accepted": true, "chosen": false, "rank": 1, "score": 0.5, "reasons": [],
                "terms": [{"name": "cpu", "value": 0.25}, {"name": "memory", "value": 0.25}]},
            {"device": "device/a", "accepted": false, "chosen": false, "terms": [], "reasons": [
                {"code": "memory_min", "limit": 100.0, "actual": null, "sentence": sentence}]},
        ],
    });
    assert_eq!(serde_json::to_value(explain(&asks, &ranking, wanted, &outcome)).unwrap(), expected);
}

#[test]
fn the_old_answer_has_the_old_keys_and_the_true_utilisation() {
    let asks = service(json!({}));
    let figures = json!({"cpuFreePercent": 93, "ramFreePercent": 91, "storageFreePercent": 99.91});
    let machines =
        [Machine::new("device/5f0c", json!({}), figures), Machine { blocked: true, ..Machine::plain("device/x") }];
    let ranking = ranked(&asks, &machines);
    let mut candidates = candidates(&machines);
    candidates[0].name = Some("host-a");
    let expected = json!([{"node_name": "host-a", "type": "machine", "ipaddress": "10.0.0.7", "mf2c_device_id": "5f0c",
        "compute utilization": 0.07, "memory utilization": 0.09, "disk utilization": 0.0009, "network utilization": 0.0,
        "compute saturation": 0.0, "memory saturation": 0.0, "disk saturation": 0.0, "network saturation": 0.0,
        "score": 0.92, "reasons": [{"name": "cpu", "value": 0.465}, {"name": "memory", "value": 0.455}]}]);
    assert_eq!(serde_json::to_value(optimal(&ranking, &candidates)).unwrap(), expected);
}
