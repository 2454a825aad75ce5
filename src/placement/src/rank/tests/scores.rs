//! What scores are made of.

use mf2c_domain::time::Timestamp;
use serde_json::{Value, json};

use crate::document::Service;
use crate::fixture::{Machine, NOW, after, ranked, request, service};
use crate::policy::Demand;
use crate::rank::{Resource, rank, resources};
use crate::units::Percent;

fn terms(asks: &Service, machine: Machine) -> Vec<(&'static str, f64)> {
    let machines = [machine];
    ranked(asks, &machines).ranked[0].terms.iter().map(|term| (term.name, term.value())).collect()
}

fn score(asks: &Service, machine: Machine) -> f64 {
    let machines = [machine];
    ranked(asks, &machines).ranked[0].score()
}

fn with(dynamic: Value) -> Machine {
    Machine::new("device/a", json!({}), dynamic)
}

#[test]
fn a_category_is_a_set_of_resources_each_set_once_and_0_is_processor_and_memory() {
    let names = |category| resources(category).iter().map(|it| it.as_str()).collect::<Vec<_>>().join(",");
    let table = [
        "cpu,memory",
        "cpu",
        "memory",
        "disk",
        "network",
        "cpu,memory",
        "cpu,disk",
        "cpu,network",
        "memory,disk",
        "memory,network",
        "disk,network",
        "cpu,memory,disk",
        "cpu,memory,network",
        "cpu,disk,network",
        "memory,disk,network",
        "cpu,memory,disk,network",
    ];
    for (category, is) in (0..).zip(table) {
        assert_eq!(names(category), is, "{category}");
    }
    assert_eq!(names(16), names(0));
    let sets: std::collections::BTreeSet<String> = (1..16).map(names).collect();
    assert_eq!(sets.len(), 15);
}

#[test]
fn the_score_is_the_mean_of_what_is_free() {
    let figures = json!({"cpuFreePercent": 80, "ramFreePercent": 40, "storageFreePercent": 10});
    for (category, is) in [(0, 0.6), (1, 0.8), (2, 0.4), (3, 0.1), (4, 0.0), (6, 0.45), (11, 0.433_333), (15, 0.325)] {
        let score = score(&service(json!({"category": category})), with(figures.clone()));
        assert!((score - is).abs() < 2e-6, "{category}: {score}");
    }
    let asks = service(json!({"category": 4}));
    let machine = Machine::plain("device/a");
    let mut measured = machine.candidate();
    measured.network_free = Some(Percent::whole(30));
    assert_eq!(rank(&request(&asks), &[measured], NOW).ranked[0].score(), 0.3);
}

#[test]
fn what_nobody_knows_counts_as_nothing_free_but_a_share_follows_from_an_amount() {
    let asks = service(json!({"category": 2}));
    assert_eq!(score(&asks, with(json!({"ramFreePercent": null}))), 0.5);
    assert_eq!(score(&asks, with(json!({"ramFreePercent": "NaN", "ramFree": null}))), 0.0);
    assert_eq!(score(&asks, with(json!({"ramFreePercent": 1e300}))), 1.0);
    assert_eq!(score(&asks, with(json!({"ramFreePercent": -7}))), 0.0);
}

#[test]
fn optional_resources_add_and_crowds_and_fresh_failures_take() {
    let asks = service(json!({"category": 1, "opt_resource": ["SenseHat", "camera", "lidar"]}));
    let plain = Machine::new("device/a", json!({"sensorTypes": ["sensehat", "Camera"]}), json!({}));
    assert_eq!(terms(&asks, plain.clone()), [("cpu", 0.5), ("opt_resource", 0.1)]);
    let crowded = Machine { same_service: 2, ..plain.clone() };
    assert_eq!(terms(&asks, crowded), [("cpu", 0.5), ("opt_resource", 0.1), ("spread", -0.2)]);
    for (failures, is) in [
        (vec![NOW], -0.2),
        (vec![after(-1800)], -0.1),
        (vec![after(-1800), NOW], -0.3),
        (vec![after(500)], -0.2),
        (vec![after(-3599)], -0.000_055),
    ] {
        let term = terms(&asks, Machine { failures: failures.clone(), ..plain.clone() })[2];
        assert_eq!(term, ("failures", is), "{failures:?}");
    }
    for old in [after(-3600), Timestamp::from_nanos(i128::MIN)] {
        assert_eq!(terms(&asks, Machine { failures: vec![old], ..plain.clone() }).len(), 2);
    }
    // A score stays between 0 and 1, and whoever is further beyond still comes later.
    let bad = |id: &str, same_service| Machine { same_service, ..Machine::plain(id) };
    let machines = [bad("device/a", 9), bad("device/b", 8)];
    let ranking = ranked(&asks, &machines);
    assert_eq!(
        (ranking.ranked[0].device, ranking.ranked[0].score(), ranking.ranked[1].score()),
        ("device/b", 0.0, 0.0)
    );
}

#[test]
fn what_is_reserved_is_not_free() {
    let asks = service(json!({"category": 11}));
    let demand = service(json!({"memory_min": 1024, "cpu_recommended": 0.1, "disk": 5000}));
    let machine = Machine { reserved: vec![Demand::of(&demand)], ..with(json!({})) };
    let thirds = [("cpu", 0.133_333), ("memory", 0.083_333), ("disk", 0.15)];
    assert_eq!(terms(&asks, machine), thirds);
}

#[test]
fn of_equals_the_requesting_device_comes_first_and_then_the_lesser_id() {
    let asks = service(json!({}));
    let machines = ["device/x", "device/here", "device/b"].map(Machine::plain);
    let order: Vec<&str> = ranked(&asks, &machines).ranked.iter().map(|it| it.device).collect();
    assert_eq!(order, ["device/here", "device/b", "device/x"]);
    let better = [machines[1].clone(), Machine::new("device/x", json!({}), json!({"cpuFreePercent": 50.1}))];
    assert_eq!(ranked(&asks, &better).ranked[0].device, "device/x");
    assert_eq!(Resource::Network.as_str(), "network");
}
