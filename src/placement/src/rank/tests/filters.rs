//! Each filter at its edges.

use serde_json::{Value, json};

use crate::document::{Service, UserProfile};
use crate::fixture::{Machine, NOW, after, candidates, ranked, request, service};
use crate::policy::Demand;
use crate::rank::{Operator, Request, rank};

/// The codes by which a machine fails for a service.
fn codes(service: &Service, machine: Machine) -> Vec<&'static str> {
    let machines = [machine];
    let ranking = ranked(service, &machines);
    assert_eq!(ranking.ranked.len() + ranking.rejected.len(), 1);
    ranking
        .rejected
        .first()
        .map(|it| it.reasons.iter().map(|reason| reason.code.as_str()).collect())
        .unwrap_or_default()
}

fn check(wants: Value, device: Value, dynamic: Value, fails: &[&str]) {
    let shown = format!("{wants} {device} {dynamic}");
    assert_eq!(codes(&service(wants), Machine::new("device/a", device, dynamic)), fails, "{shown}");
}

#[test]
fn figures_are_fresh_for_three_report_periods_and_the_device_is_connected() {
    for (dynamic, fails) in [
        (json!({"updated": after(-90).to_string()}), vec![]),
        (json!({"updated": after(-91).to_string()}), vec!["freshness"]),
        (json!({"updated": after(600).to_string()}), vec![]),
        (json!({"updated": "yesterday"}), vec!["freshness"]),
        (json!({"status": "Connected"}), vec![]),
        (json!({"status": "disconnected"}), vec!["status"]),
        (json!({"status": "unavailable"}), vec!["status"]),
        (json!({"status": null}), vec!["status"]),
        (json!({"status": "disconnected", "updated": after(-91).to_string()}), vec!["status", "freshness"]),
    ] {
        check(json!({}), json!({}), dynamic, &fails);
    }
    let silent = Machine { dynamic: None, ..Machine::plain("device/a") };
    assert_eq!(codes(&service(json!({})), silent), ["freshness"]);
    // Who asks knows better when it heard of the device, but that is no figure.
    let service = service(json!({}));
    let old = Machine::new("device/a", json!({}), json!({"updated": after(-1000).to_string()}));
    let mut heard = old.candidate();
    heard.heard = Some(after(-5));
    assert_eq!(rank(&request(&service), &[heard], NOW).ranked.len(), 1);
    heard.dynamic = None;
    assert_eq!(rank(&request(&service), &[heard], NOW).rejected.len(), 1);
}

#[test]
fn kind_processor_and_system_must_be_what_the_service_is_for() {
    for (wants, device, fails) in [
        (json!({}), json!({"agentType": 2}), vec![]),
        (json!({}), json!({"agentType": "micro"}), vec!["agent_type"]),
        (json!({}), json!({"agentType": "empty"}), vec!["agent_type"]),
        (json!({"agent_type": "micro"}), json!({"agentType": "3"}), vec![]),
        (json!({"agent_type": "any"}), json!({"agentType": "any"}), vec!["agent_type"]),
        (json!({"cpu_arch": "x86-64"}), json!({"arch": "AMD64"}), vec![]),
        (json!({"cpu_arch": "x86-64"}), json!({"arch": "aarch64"}), vec!["cpu_arch"]),
        (json!({"cpu_arch": "arm"}), json!({"arch": "aarch64"}), vec![]),
        (json!({"cpu_arch": "arm64"}), json!({"arch": "armv7l"}), vec!["cpu_arch"]),
        (json!({"cpu_arch": "arm"}), json!({"arch": ""}), vec!["cpu_arch"]),
        (json!({"os": "linux"}), json!({"os": "LINUX-4.15.0"}), vec![]),
        (json!({"os": "linux"}), json!({"os": "Windows-10"}), vec!["os"]),
        (json!({"os": "iOS"}), json!({"os": "ios-17"}), vec![]),
        (json!({"os": "linux"}), json!({"os": null}), vec!["os"]),
    ] {
        check(wants, device, json!({}), &fails);
    }
}

#[test]
fn memory_and_disk_must_be_free_after_what_is_reserved() {
    for (wants, dynamic, fails) in [
        (json!({"memory_min": 2048}), json!({}), vec![]),
        (json!({"memory_min": 2048}), json!({"ramFree": 2047.9}), vec!["memory_min"]),
        (json!({"memory_min": "1"}), json!({"ramFree": null}), vec!["memory_min"]),
        (json!({"memory_min": 0}), json!({"ramFree": "?"}), vec![]),
        (json!({"storage_min": 50_000}), json!({}), vec![]),
        (json!({"storage_min": 100, "disk": 200}), json!({"storageFree": 150}), vec!["disk"]),
        (json!({"storage_min": 200, "disk": 100}), json!({"storageFree": 150}), vec!["storage_min"]),
        (json!({"storage_min": 200, "disk": 200}), json!({"storageFree": 150}), vec!["storage_min", "disk"]),
    ] {
        check(wants, json!({}), dynamic, &fails);
    }
    let asks = service(json!({"memory_min": 1000, "disk": 20_000}));
    let with = |count| Machine { reserved: vec![Demand::of(&asks); count], ..Machine::plain("device/a") };
    assert!(codes(&asks, with(1)).is_empty());
    assert_eq!(codes(&asks, with(2)), ["memory_min", "disk", "policy_memory_usage", "policy_storage_usage"]);
}

#[test]
fn what_is_required_must_be_attached_whatever_its_case_and_wherever_it_is_said() {
    let sensor = json!({"sensors": [{"sensorType": "[\"Temperature\"]", "sensorModel": "DHT22"}],
        "actuatorInfo": "It has Ambulance, Sirene"});
    for (needs, fails) in [
        (json!(["temperature", "dht22", "SIRENE", "Ambulance"]), vec![]),
        (json!([]), vec![]),
        (json!(["temp"]), vec!["req_resource"]),
        (json!(["temperature", "humidity"]), vec!["req_resource"]),
    ] {
        check(json!({"req_resource": needs}), json!({}), sensor.clone(), &fails);
    }
    check(json!({"req_resource": ["siren"]}), json!({"actuators": ["Siren"]}), json!({}), &[]);
    let asks = service(json!({"req_resource": ["humidity", "temperature"]}));
    let machines = [Machine::new("device/a", json!({}), sensor)];
    let sentence = ranked(&asks, &machines).rejected[0].reasons[0].to_string();
    assert_eq!(sentence, "the service needs `humidity`, `temperature`, and `humidity` is not attached");
}

#[test]
fn the_device_must_offer_the_backend_and_nobody_offers_swarm_or_kubernetes() {
    for (exec_type, backends, fails) in [
        ("docker", json!(["docker"]), vec![]),
        ("compss", json!(["Docker"]), vec![]),
        ("docker", json!(["compose", "process"]), vec!["backend"]),
        ("docker-compose", json!(["compose"]), vec![]),
        ("docker-compose", json!(["docker"]), vec!["backend"]),
        ("process", json!(["process"]), vec![]),
        ("process", json!([]), vec!["backend"]),
        ("docker", json!(null), vec!["backend"]),
        ("docker-swarm", json!(["docker", "swarm", "docker-swarm"]), vec!["backend"]),
        ("docker-compose-swarm", json!(["docker", "compose"]), vec!["backend"]),
        ("kubernetes", json!(["kubernetes"]), vec!["backend"]),
    ] {
        check(json!({"exec_type": exec_type}), json!({"backends": backends}), json!({}), &fails);
    }
}

#[test]
fn operators_quality_of_service_and_earlier_failures_keep_devices_away() {
    let asks = service(json!({}));
    let plain = Machine::plain("device/a");
    for (machine, fails) in [
        (Machine { operator: Operator::Cordoned, ..plain.clone() }, vec!["cordoned"]),
        (Machine { operator: Operator::Draining, ..plain.clone() }, vec!["draining"]),
        (Machine { blocked: true, ..plain.clone() }, vec!["quality_of_service"]),
        (Machine { failures: vec![NOW], ..plain.clone() }, vec![]),
    ] {
        assert_eq!(codes(&asks, machine), fails);
    }
    let machines = [plain, Machine::plain("device/b")];
    let again = Request { failed: &["device/a", "device/x"], ..request(&asks) };
    let ranking = rank(&again, &candidates(&machines), NOW);
    assert_eq!((ranking.ranked[0].device, ranking.rejected[0].device), ("device/b", "device/a"));
    assert_eq!(ranking.rejected[0].reasons[0].to_string(), "it was tried in this request, and failed");
}

#[test]
fn owners_are_asked_and_what_is_reserved_counts_for_them() {
    let plain = Machine::plain("device/a");
    let (asks, micro) = (service(json!({})), service(json!({"agent_type": "micro"})));
    let small = Machine::new("device/a", json!({"agentType": "micro"}), json!({}));
    let gps = json!({"req_resource": ["GPS"]});
    let finder = Machine::new("device/a", json!({"sensorTypes": ["gps"]}), json!({}));
    for (asks, machine, fails) in [
        (&asks, Machine { profile: None, ..plain.clone() }, vec!["policy_user_profile"]),
        (&asks, Machine { sharing: None, ..plain.clone() }, vec!["policy_sharing_model"]),
        // The original asks no owner of a small device.
        (&micro, Machine { profile: None, sharing: None, ..small.clone() }, vec![]),
        (&micro, Machine { apps: 5, ..small }, vec!["policy_max_apps"]),
        (&asks, Machine { apps: 4, ..plain.clone() }, vec![]),
        (&asks, Machine { apps: 4, reserved: vec![Demand::default()], ..plain.clone() }, vec!["policy_max_apps"]),
        (&service(gps), finder, vec!["policy_gps_allowed"]),
        (&service(json!({"cpu_recommended": 0.5})), plain.clone(), vec![]),
        (&service(json!({"cpu_recommended": 0.51})), plain.clone(), vec!["policy_cpu_usage"]),
        (&service(json!({"network_recommended": 0.51})), plain.clone(), vec!["policy_bandwidth_usage"]),
    ] {
        assert_eq!(codes(asks, machine), fails);
    }
    let no = UserProfile::read("user-profile/1", br#"{"service_consumer":false}"#).unwrap();
    let asked = Request { requester_profile: Some(&no), ..request(&asks) };
    let ranking = rank(&asked, &[plain.candidate()], NOW);
    assert_eq!(ranking.rejected[0].reasons[0].code.as_str(), "policy_service_consumer");
}

#[test]
fn every_filter_that_fails_is_told() {
    let asks =
        service(json!({"exec_type": "kubernetes", "cpu_arch": "arm", "os": "mac", "memory_min": 9000, "disk": 900_000,
        "storage_min": 900_000, "agent_type": "cloud", "req_resource": ["gps"], "cpu_recommended": 0.9}));
    let dynamic = json!({"status": "unavailable", "updated": after(-1000).to_string(), "powerPlugged": false,
        "powerRemainingStatus": "5"});
    let machine = Machine::new("device/a", json!({}), dynamic);
    let machine = Machine { operator: Operator::Draining, blocked: true, apps: 9, ..machine };
    let all = [
        "status",
        "freshness",
        "agent_type",
        "cpu_arch",
        "os",
        "memory_min",
        "storage_min",
        "disk",
        "req_resource",
        "backend",
        "draining",
        "quality_of_service",
        "policy_battery_limit",
        "policy_max_apps",
        "policy_cpu_usage",
        "policy_memory_usage",
        "policy_storage_usage",
        "policy_gps_allowed",
    ];
    assert_eq!(codes(&asks, machine), all);
}
