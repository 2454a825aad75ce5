//! What follows from time: availability (A14 to A18), windows that empty, silence, and being due.

use super::*;

/// Availability above 90 % in a window of ten minutes, or without a window; `created` seconds before the start.
fn available(window: Option<u32>, created: f64) -> Desk {
    let mut body = document(json!([guarantee("*", "availability > 90")]));
    body["details"]["creation"] = json!(at(-created).to_string());
    if let Some(window) = window {
        body["details"]["variables"] =
            json!([{"name": "availability", "aggregation": {"type": "average", "window": window}}]);
    }
    Desk::open(body)
}

fn instance(kind: &str, containers: &[(&str, bool)]) -> Instance {
    let agents: Vec<Value> =
        containers.iter().map(|(id, master)| json!({"container_id": id, "master_compss": master})).collect();
    let body = json!({"service": "service/1", "service_type": kind, "agents": agents});
    Instance::read("service-instance/1", body.to_string().as_bytes()).unwrap()
}

fn ran(container: &str, from: f64, to: Option<f64>) -> ContainerMetric {
    let mut body =
        json!({"device_id": {"href": "device/1"}, "container_id": container, "start_time": at(from).to_string()});
    if let Some(to) = to {
        body["stop_time"] = json!(at(to).to_string());
    }
    ContainerMetric::read("service-container-metric/1", body.to_string().as_bytes()).unwrap()
}

#[test]
fn a14_a15_without_containers_availability_is_undetermined() {
    for window in [Some(600), None] {
        let mut desk = available(window, 10_000.0);
        desk.book.run(&desk.agreement, &instance("docker", &[]), &[], at(0.0));
        assert_eq!(desk.book.due(&desk.agreement), None);
        for now in [60.0, 120.0, 700.0] {
            assert!(desk.tick(now).is_empty());
        }
    }
}

#[test]
fn a16_availability_is_the_union_of_what_ran() {
    let all = |spans: &[(f64, f64)]| -> Vec<ContainerMetric> {
        spans.iter().map(|(from, to)| ran("c", *from, Some(*to))).collect()
    };
    let cases = [
        (all(&[(0.0, 600.0)]), 100.0),
        (all(&[(0.0, 150.0), (450.0, 600.0)]), 50.0),
        (
            all(&[
                (-50.0, 50.0),
                (0.0, 100.0),
                (50.0, 150.0),
                (100.0, 200.0),
                (300.0, 400.0),
                (350.0, 450.0),
                (500.0, 600.0),
                (550.0, 650.0),
            ]),
            75.0,
        ),
        (vec![ran("c", 0.0, None)], 100.0),
    ];
    for (metrics, expected) in cases {
        let mut desk = available(Some(600), 10_000.0);
        desk.book.run(&desk.agreement, &instance("docker", &[("c", false)]), &metrics, at(0.0));
        let found = desk.tick(600.0);
        assert_eq!(found.len(), usize::from(expected <= 90.0));
        let seen = desk.assessed("*")["last_values"].clone();
        let value = found.first().map_or(100.0, |violation| violation.values[0].1);
        assert!((value - expected).abs() < 0.01, "{value} {expected} {seen}");
        assert!(
            found
                .iter()
                .all(|violation| violation.instance.as_deref() == Some("service-instance/1")
                    && violation.report.is_none())
        );
    }
}

#[test]
fn a17_of_a_compss_run_the_master_counts() {
    let metrics = [ran("m", 0.0, Some(300.0)), ran("w", 0.0, Some(600.0))];
    let mut desk = available(Some(600), 10_000.0);
    desk.book.run(&desk.agreement, &instance("compss", &[("m", true), ("w", false)]), &metrics, at(0.0));
    assert_eq!(values(&desk.tick(600.0)), [50.0]);
    let mut desk = available(Some(600), 10_000.0);
    desk.book.run(&desk.agreement, &instance("docker", &[("m", false), ("w", false)]), &metrics, at(0.0));
    assert!(desk.tick(600.0).is_empty());
}

#[test]
fn a18_availability_is_unknown_before_a_whole_window_has_passed() {
    let mut desk = available(Some(600), 100.0);
    desk.book.run(&desk.agreement, &instance("docker", &[("c", false)]), &[ran("c", -100.0, Some(-90.0))], at(0.0));
    assert!(desk.tick(60.0).is_empty());
    assert_eq!(desk.state(), "undetermined");
    assert_eq!(values(&desk.tick(600.0)), [0.0]);
}

#[test]
fn an_outage_is_one_violation_a_window_and_one_episode() {
    let mut desk = available(Some(600), 10_000.0);
    let instance = instance("docker", &[("c", false)]);
    desk.book.run(&desk.agreement, &instance, &[ran("c", -1000.0, Some(0.0))], at(0.0));
    let found = desk.tick_until(1790.0);
    assert_eq!(found.len(), 3, "{found:?}");
    desk.book.run(&desk.agreement, &instance, &[ran("c", -1000.0, Some(0.0)), ran("c", 1790.0, None)], at(1790.0));
    desk.tick_until(3000.0);
    let episodes = desk.episodes();
    assert_eq!((episodes[0].0, episodes.last().unwrap().0), ("opened", "ended"));
    assert_eq!(desk.state(), "fulfilled");
    assert!(episodes.iter().all(|(_, episode)| episode.key == episodes[0].1.key));
}

#[test]
fn maintenance_counts_neither_as_up_nor_as_down() {
    let mut body = document(json!([guarantee("*", "availability > 90")]));
    body["details"]["creation"] = json!(at(-10_000.0).to_string());
    body["details"]["guarantees"][0]["exclusions"] =
        json!([{"start": at(100.0).to_string(), "end": at(200.0).to_string()}]);
    body["details"]["variables"] = json!([{"name": "availability", "aggregation": {"type": "average", "window": 600}}]);
    let mut desk = Desk::open(body);
    let metrics = [ran("c", 0.0, Some(100.0)), ran("c", 200.0, None)];
    desk.book.run(&desk.agreement, &instance("docker", &[("c", false)]), &metrics, at(0.0));
    assert!(desk.tick(600.0).is_empty());
    assert_eq!(desk.assessed("*")["last_values"]["availability"]["value"], 100.0);
}

#[test]
fn a8_availability_joins_what_a_report_says() {
    let mut desk = Desk::of("execution_time < 10 && avg(availability, 600) > 90");
    desk.book.run(&desk.agreement, &instance("docker", &[("c", false)]), &[ran("c", 0.0, Some(300.0))], at(0.0));
    assert!(desk.report("op", 500.0, 5.0).is_empty());
    let found = desk.report("op", 600.0, 5.0);
    assert_eq!((found.len(), found[0].values.len(), found[0].values[1].1), (1, 2, 50.0));
}

#[test]
fn silence_breaks_what_promises_traffic_and_ends_with_it() {
    let mut desk = Desk::of("count(execution_time, 60) >= 1");
    desk.report("op", 10.0, 1.0);
    assert_eq!(desk.state(), "fulfilled");
    let found = desk.tick_until(1000.0);
    assert_eq!(values(&found), [0.0]);
    assert_eq!(desk.state(), "violated");
    desk.report("op", 1001.0, 1.0);
    assert_eq!(desk.state(), "fulfilled");
}

#[test]
fn missing_data_are_a_violation_where_the_guarantee_says_so() {
    let mut desk = Desk::open(document(
        json!([{"name": "*", "constraint": "avg(execution_time, 600) < 5", "absent": "violation"}]),
    ));
    assert_eq!(desk.tick_until(1790.0).len(), 1);
    let mut desk =
        Desk::open(document(json!([{"name": "*", "constraint": "response_time < 5", "absent": "violation"}])));
    assert_eq!(desk.report("op", 10.0, 1.0).len(), 1);
    let mut desk = Desk::open(document(json!([{"name": "*", "constraint": "response_time < 5", "absent": "warning"}])));
    assert!(desk.report("op", 10.0, 1.0).is_empty());
    assert!(matches!(desk.found.as_slice(), [Finding::Warning(_)]));
}

#[test]
fn silence_from_the_beginning_is_noticed_where_it_means_something() {
    for constraint in ["count(execution_time, 10) >= 1", "p95(execution_time, 10) < 5"] {
        let body = document(json!([{"name": "*", "constraint": constraint, "absent": "violation"}]));
        let mut desk = Desk::open(body.clone());
        assert!(desk.agreement.waits_for_absence());
        assert!(desk.book.due(&desk.agreement).is_some_and(|due| due <= at(20.0)));
        assert!(desk.tick(9.9).is_empty(), "a whole window must pass");
        assert_eq!(desk.tick_until(35.0).len(), 1, "{constraint}");
        assert_eq!((desk.state().as_str(), desk.episodes()[0].0), ("violated", "opened"));
        // What is stopped waits for nothing, and started again begins anew.
        let mut stopped = body;
        stopped["state"] = json!("stopped");
        let mut desk = Desk::open(stopped);
        assert!(!desk.agreement.waits_for_absence() && desk.book.due(&desk.agreement).is_none());
        desk.edit(1000.0, |body| body["state"] = json!("started"));
        assert!(desk.agreement.waits_for_absence());
        assert!(desk.tick(1009.0).is_empty());
        assert_eq!(desk.tick_until(1030.0).len(), 1);
    }
    assert!(!Desk::of("count(execution_time, 10) >= 1").agreement.waits_for_absence());
}

#[test]
fn a_service_without_instances_is_one_violation_until_there_is_one() {
    let mut desk =
        Desk::open(document(json!([{"name": "*", "constraint": "avg(availability, 60) > 90", "absent": "violation"}])));
    assert_eq!(desk.tick_until(110.0).len(), 1);
    desk.book.run(&desk.agreement, &instance("docker", &[("c", false)]), &[ran("c", 110.0, None)], at(110.0));
    desk.tick_until(300.0);
    assert_eq!(desk.episodes().last().unwrap().0, "ended");
    assert_eq!(desk.state(), "fulfilled");
}

#[test]
fn the_beginning_of_a_compss_run_is_that_of_its_first_worker() {
    let mut desk = available(Some(60), 10_000.0);
    let metrics = [ran("w", -300.0, None), ran("m", 40.0, None)];
    desk.book.run(&desk.agreement, &instance("compss", &[("m", true), ("w", false)]), &metrics, at(40.0));
    let found = desk.tick(60.0);
    assert!(found.len() == 1 && (found[0].values[0].1 - 100.0 / 3.0).abs() < 0.01, "{found:?}");
}

#[test]
fn an_idle_agreement_is_never_due() {
    assert_eq!(Desk::of("execution_time < 5").book.due(&Desk::of("execution_time < 5").agreement), None);
    let mut desk = Desk::of("p95(execution_time, 60) < 5");
    assert_eq!(desk.book.due(&desk.agreement), None);
    desk.report("op", 10.0, 1.0);
    assert!(desk.book.due(&desk.agreement).is_some());
    desk.tick_until(10_000.0);
    assert_eq!(desk.book.due(&desk.agreement), None);
}
