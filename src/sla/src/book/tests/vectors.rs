//! The vectors A1 to A13, A19 to A29 and A33 to A37 of `spec/sla.md` 7.2. A14 to A18 are in `time`, A30 to A32 with the templates, A39 with
//! the attaching of instances; A38 and A40 are about whole agents, and with their processes.

use super::*;

/// Agreement, reports as (operation, length), violations as (guarantee, value).
type Vector = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [(&'static str, f64)],
    &'static [(&'static str, f64)],
);

const VECTORS: &[Vector] = &[
    (
        "A1",
        &[("*", "[execution_time] < 1000")],
        &[("op1", 1500.0), ("op2", 1000.0), ("op3", 999.0)],
        &[("*", 1500.0), ("*", 1000.0)],
    ),
    (
        "A2",
        &[("TestGuarantee", "execution_time < 10.0")],
        &[("TestGuarantee", 50.0), ("Other", 50.0)],
        &[("TestGuarantee", 50.0)],
    ),
    (
        "A3",
        &[("dijkstra", "execution_time < 100"), ("*", "execution_time < 100")],
        &[("dijkstra", 100.0), ("dijkstra", 99.0)],
        &[("dijkstra", 100.0), ("*", 100.0)],
    ),
    ("A4", &[("*", "execution_time < 10")], &[("op", 0.0)], &[]),
    (
        "A5",
        &[("op", "execution_time < 10"), ("op", "execution_time > 20")],
        &[("op", 15.0)],
        &[("op", 15.0), ("op", 15.0)],
    ),
    ("A6", &[("*", "execution_time < 10"), ("bad", "a LT 10")], &[("op", 50.0)], &[("*", 50.0)]),
    ("A7", &[("*", "response_time < 10")], &[("op", 50.0), ("op", 50.0)], &[]),
    ("A8", &[("*", "execution_time < 10 && availability > 90")], &[("op", 5.0)], &[]),
    ("A9", &[("*", "execution_time < 10 && availability > 90")], &[("op", 50.0)], &[("*", 50.0)]),
    ("A10", &[("*", "1 > 2")], &[("op", 50.0)], &[]),
    ("A11", &[], &[("op", 50.0)], &[]),
    ("A12", &[("*", "execution_time * 2")], &[("op", 50.0)], &[]),
];

#[test]
fn a1_to_a12_reports_break_the_promises_about_them_once_each() {
    for (name, guarantees, reports, expected) in VECTORS {
        let guarantees: Vec<Value> = guarantees.iter().map(|(name, constraint)| guarantee(name, constraint)).collect();
        let mut desk = Desk::open(document(json!(guarantees)));
        for (end, (operation, length)) in reports.iter().enumerate() {
            desk.report(operation, 10_000.0 + end as f64, *length);
        }
        let found = violations(&desk.found);
        let told: Vec<(&str, f64)> =
            found.iter().map(|violation| (&*violation.guarantee, violation.values[0].1)).collect();
        assert_eq!(told, *expected, "{name}");
        let keys: std::collections::BTreeSet<_> = found.iter().map(|violation| violation.key).collect();
        assert_eq!(keys.len(), found.len(), "{name}");
    }
}

#[test]
fn a1_a_violation_says_what_the_original_says_and_where_it_comes_from() {
    let mut desk = Desk::of("[execution_time] < 1000");
    let found = desk.report("op1", 2000.5, 1500.0).remove(0);
    assert_eq!(
        (&*found.agreement, &*found.guarantee, &*found.constraint),
        ("agreement/1", "*", "[execution_time] < 1000")
    );
    assert_eq!((found.datetime, &*found.values), (at(2000.5), &[("execution_time".into(), 1500.0)][..]));
    assert_eq!(found.report.as_deref(), Some("service-operation-report/1"));
    assert_eq!((found.instance.as_deref(), found.late, found.skewed), (Some("service-instance/1"), false, false));
}

#[test]
fn a6_a_guarantee_that_does_not_compile_shows_its_error_and_leaves_the_others_alone() {
    let mut desk = Desk::open(document(json!([guarantee("*", "execution_time < 10"), guarantee("bad", "a LT 10")])));
    assert_eq!(desk.report("bad", 100.0, 50.0).len(), 1);
    assert_eq!(
        (desk.assessed("*")["state"].as_str(), desk.assessed("bad")["state"].as_str()),
        (Some("violated"), Some("undetermined"))
    );
    assert!(desk.assessed("bad")["error"].as_str().unwrap().contains("column"), "{}", desk.assessed("bad"));
    assert!(desk.assessed("*").get("error").is_none());
}

#[test]
fn a7_what_nobody_measured_is_undetermined_until_somebody_does() {
    let mut desk = Desk::of("response_time < 10");
    desk.report("op", 100.0, 50.0);
    desk.report("op", 101.0, 50.0);
    let told =
        |desk: &Desk| desk.found.iter().filter(|finding| matches!(finding, Finding::Undetermined { .. })).count();
    assert_eq!((desk.state().as_str(), told(&desk)), ("undetermined", 1));
    assert_eq!(values(&desk.metrics(102.0, json!({"response_time": 12}))), [12.0]);
    assert_eq!(desk.metrics(103.0, json!({"response_time": 9})).len(), 0);
    assert_eq!(desk.state(), "fulfilled");
}

#[test]
fn a10_a11_the_assessment_moves_on_where_nothing_can_be_broken() {
    for document in [document(json!([])), document(json!([guarantee("*", "1 > 2")]))] {
        let mut desk = Desk::open(document);
        assert!(desk.book.assessment(&desk.agreement).is_none());
        desk.report("op", 100.0, 50.0);
        desk.report("op", 200.0, 50.0);
        let assessment = desk.book.assessment(&desk.agreement).unwrap();
        assert_eq!(assessment["first_execution"], at(100.0).to_string());
        assert_eq!(assessment["last_execution"], at(200.0).to_string());
    }
}

#[test]
fn a12_a_constraint_that_is_no_condition_is_a_fault_of_the_document() {
    let body = document(json!([guarantee("*", "execution_time * 2"), guarantee("x", "execution_time < 5")]));
    let problems = crate::check(body.as_object().unwrap(), &mut Expressions::default());
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].place, "details.guarantees[0].constraint");
}

#[test]
fn a13_an_average_is_an_average() {
    let mut body = document(json!([guarantee("*", "execution_time < 100")]));
    body["details"]["variables"] =
        json!([{"name": "execution_time", "aggregation": {"type": "average", "window": 600}}]);
    let mut desk = Desk::open(body.clone());
    [10.0, 150.0, 10.0].into_iter().enumerate().for_each(|(time, length)| {
        desk.report("op", 1000.0 + time as f64, length);
    });
    assert!(violations(&desk.found).is_empty());
    assert_eq!(desk.assessed("*")["last_values"]["execution_time"]["value"].as_f64().map(f64::round), Some(57.0));
    // Without aggregation the words that the original's list has by accident change nothing.
    body["details"]["variables"][0]["aggregation"]["type"] = json!("template");
    let mut desk = Desk::open(body);
    assert_eq!(values(&desk.report("op", 1000.0, 150.0)), [150.0]);
}

#[test]
fn a19_a20_what_ends_while_an_agreement_is_stopped_does_not_count() {
    let mut body = document(json!([guarantee("*", "execution_time < 10")]));
    body["state"] = json!("stopped");
    let mut desk = Desk::open(body);
    assert!(desk.report("op", 100.0, 50.0).is_empty());
    assert!(desk.book.assessment(&desk.agreement).is_none());
    desk.edit(200.0, |body| body["state"] = json!("started"));
    assert_eq!(desk.report("op", 300.0, 50.0).len(), 1);
    desk.edit(400.0, |body| body["state"] = json!("stopped"));
    let (before, within) = (report("op", 399.0, 50.0), report("op", 401.0, 50.0));
    desk.edit(500.0, |body| body["state"] = json!("started"));
    assert_eq!(
        (desk.deliver("r/before", &before, 510.0).len(), desk.deliver("r/within", &within, 510.0).len()),
        (1, 0)
    );
    // A restart finds in the assessment when it was stopped.
    let assessment = desk.book.assessment(&desk.agreement).unwrap();
    let mut body = desk.document.clone();
    body["assessment"] = Value::Object(assessment);
    let mut again = Desk::open(body);
    assert_eq!(
        (again.deliver("r/before", &before, 510.0).len(), again.deliver("r/within", &within, 510.0).len()),
        (1, 0)
    );
}

#[test]
fn a21_an_expired_agreement_is_told_of_once_and_breaks_no_more() {
    let mut body = document(json!([guarantee("*", "execution_time < 10")]));
    body["details"]["expiration"] = json!(at(1000.0).to_string());
    for state in ["started", "stopped"] {
        body["state"] = json!(state);
        let mut desk = Desk::open(body.clone());
        assert_eq!(desk.book.due(&desk.agreement), Some(at(1000.001)));
        desk.tick(1000.0);
        assert!(desk.found.is_empty());
        assert!(desk.report("op", 1010.0, 5.0).is_empty());
        desk.tick(1011.0);
        desk.tick(1012.0);
        assert_eq!(desk.found, [Finding::Expired]);
        assert_eq!(desk.book.due(&desk.agreement), None);
        assert!(desk.report("op", 1013.0, 50.0).is_empty());
    }
}

#[test]
fn a22_to_a24_a26_a37_one_report_breaks_a_promise_once_however_often_it_comes() {
    let mut desk = Desk::of("execution_time < 10");
    let mut body = report("op", 100.0, 50.0);
    let first = desk.deliver("r/1", &body, 100.0);
    assert_eq!(first.len(), 1);
    for again in [100.0, 100.05, 101.5, 400.0] {
        body["updated"] = json!(at(again).to_string());
        assert!(desk.deliver("r/1", &body, again).is_empty());
    }
    // Another length ends at another time: it was amended.
    body["execution_length"] = json!(60.0);
    let amended = desk.deliver("r/1", &body, 500.0);
    assert_eq!(values(&amended), [60.0]);
    assert_ne!(amended[0].key, first[0].key);
    // Killed between the violation and the cursor, another run finds the same one.
    let mut again = Desk::of("execution_time < 10");
    assert_eq!(again.deliver("r/1", &report("op", 100.0, 50.0), 900.0)[0].key, first[0].key);
}

#[test]
fn a25_a_report_from_the_future_counts_at_its_arrival_once() {
    let mut desk = Desk::of("execution_time < 10");
    let mut body = report("op", 190.0, 50.0);
    body["updated"] = json!(at(100.0).to_string());
    let found: Vec<_> =
        [100.0, 160.0, 220.0, 280.0].into_iter().flat_map(|now| desk.deliver("r/1", &body, now)).collect();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].skewed, found[0].datetime), (true, at(100.0)));
}

#[test]
fn a27_what_ended_before_the_end_of_an_agreement_is_assessed_after_it() {
    let mut desk = Desk::of("execution_time < 10");
    desk.edit(105.0, |body| body["state"] = json!("terminated"));
    assert_eq!(desk.deliver("r/1", &report("op", 100.0, 50.0), 110.0).len(), 1);
    assert_eq!(desk.deliver("r/2", &report("op", 106.0, 50.0), 110.0).len(), 0);
    desk.edit(120.0, |body| body["state"] = json!("started"));
    assert_eq!(desk.deliver("r/3", &report("op", 130.0, 50.0), 130.0).len(), 0);
}

#[test]
fn a28_a29_any_number_of_a_report_can_be_promised() {
    let mut desk = Desk::of("m >= 0");
    assert_eq!(
        (desk.metrics(1.5, json!({"m": 1})).len(), values(&desk.metrics(2.5, json!({"m": -1})))),
        (0, vec![-1.0])
    );
    assert_eq!(desk.assessed("*")["last_values"]["m"]["value"], -1.0);
    let mut desk = Desk::open(document(json!([
        {"name": "g1", "scope": "*", "constraint": "m >= 20"},
        {"name": "g2", "scope": "*", "constraint": "n < 50"},
    ])));
    for (time, (m, n)) in [(5, 25), (15, 40), (7, 75)].into_iter().enumerate() {
        desk.metrics(10.0 + time as f64, json!({"m": m, "n": n}));
    }
    let found = violations(&desk.found);
    assert_eq!(found.iter().filter(|violation| &*violation.guarantee == "g1").count(), 3);
    assert_eq!(found.iter().filter(|violation| &*violation.guarantee == "g2").count(), 1);
}

#[test]
fn a33_a_percentile_is_broken_once_in_its_window() {
    let mut desk = Desk::of("p95(execution_time, 60) < 100");
    for place in 0..100 {
        assert!(desk.report("op", 600.0 + f64::from(place) / 10.0, if place < 95 { 50.0 } else { 500.0 }).is_empty());
    }
    let broken = desk.report("op", 610.5, 500.0);
    let [(name, value)] = &*broken[0].values else { panic!("{broken:?}") };
    assert!(broken.len() == 1 && **name == *"p95(execution_time, 60)" && (value - 500.0).abs() <= 5.0, "{broken:?}");
    (0..5).for_each(|place| assert!(desk.report("op", 611.0 + f64::from(place), 500.0).is_empty()));
    assert_eq!(desk.state(), "violated");
}

#[test]
fn a34_a_warning_is_for_what_is_still_kept() {
    let mut desk = Desk::open(document(
        json!([{"name": "*", "constraint": "execution_time < 1000", "warning": "execution_time < 800"}]),
    ));
    for (time, length) in [700.0, 900.0, 1100.0].into_iter().enumerate() {
        desk.report("op", 5000.0 + time as f64, length);
    }
    let warned: Vec<_> = desk
        .found
        .iter()
        .filter_map(|it| if let Finding::Warning(warning) = it { Some(warning) } else { None })
        .collect();
    assert_eq!((warned.len(), &*warned[0].constraint, warned[0].values[0].1), (1, "execution_time < 800", 900.0));
    assert_eq!(values(&violations(&desk.found)), [1100.0]);
}

#[test]
fn a35_a_penalty_of_a_window_falls_due_once_in_it() {
    let penalty = json!({"type": "discount", "value": "10", "unit": "%", "per": "window", "window": 3600});
    let mut desk =
        Desk::open(document(json!([{"name": "*", "constraint": "execution_time < 10", "penalties": [penalty]}])));
    [100.0, 200.0, 300.0].into_iter().for_each(|end| {
        desk.report("op", end, 50.0);
    });
    let due: Vec<_> =
        desk.found.iter().filter_map(|it| if let Finding::Penalty(due) = it { Some(due) } else { None }).collect();
    assert_eq!((violations(&desk.found).len(), due.len()), (3, 1));
    assert_eq!((due[0].amount, &*due[0].unit, due[0].violation), (10.0, "%", violations(&desk.found)[0].key));
}

#[test]
fn a36_a_budget_of_one_percent_burns_twice_as_fast_at_two() {
    let slo = json!({"objective": 0.99, "window": "1h"});
    let mut desk = Desk::open(document(json!([{"name": "*", "constraint": "execution_time < 1", "slo": slo}])));
    // The hour is full of reports, and of those of five minutes twenty are bad.
    for place in 0..1000 {
        let bad = (300..340).contains(&place) && place % 2 == 0;
        desk.report("op", 5.0 + f64::from(place) * 3.59, if bad { 2.0 } else { 0.5 });
    }
    let report = desk.book.slo(&desk.agreement, at(3595.0)).remove(0);
    assert_eq!((report.total, report.bad), (1000.0, 20.0));
    assert!((report.burn_rate - 2.0).abs() < 1e-9 && (report.budget_remaining + 1.0).abs() < 1e-9, "{report:?}");
    let burns: Vec<_> =
        desk.found.iter().filter_map(|it| if let Finding::Burn(burn) = it { Some(burn) } else { None }).collect();
    assert!(burns.iter().any(|burn| burn.burning && burn.severity == crate::Severity::Fast));
    assert_eq!(burns.iter().filter(|burn| burn.burning).count(), burns.iter().filter(|burn| !burn.burning).count());
}
