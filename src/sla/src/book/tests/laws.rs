//! Laws: windows are what a recount says, and a second delivery changes nothing.

use proptest::prelude::*;

use super::*;
use crate::expression::Function;
use crate::window::{PARTS, Window, part_length};

/// The window's content by the definition: all that lies in the part of `now` and the parts before it.
fn recount(measured: &[(i64, f64)], length: i64, now: i64) -> Vec<(i64, f64)> {
    let part = part_length(length);
    let newest = now.div_euclid(part);
    measured.iter().copied().filter(|(at, _)| (newest - PARTS + 1..=newest).contains(&at.div_euclid(part))).collect()
}

fn close(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-6 * (1.0 + b.abs()),
        (a, b) => a == b,
    }
}

fn strange_date() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "0000-01-01T00:00:00Z",
        "1969-12-31T23:59:59.999999999Z",
        "1970-01-01T00:00:00Z",
        "2027-01-15T08:00:00Z",
        "2027-01-15T08:00:01Z",
        "2027-01-15T09:00:01Z",
        "9999-12-31T23:59:59.999999999Z",
    ])
}

fn strange_number() -> impl Strategy<Value = f64> {
    prop::sample::select(vec![5e-324, 1e-9, 0.5, 50.0, 1e15, 1e300, f64::MAX, -1.0, -1e300])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_window_is_what_a_recount_says(
        steps in proptest::collection::vec((prop_oneof![
            20 => -3_000i64..20_000,
            // The clock is set back.
            1 => -400_000i64..-120_000,
        ], prop_oneof![Just(0.0), -50.0..1000.0f64]), 1..120),
        length in prop_oneof![Just(1_000i64), Just(60_000), Just(61_234)],
    ) {
        let mut window = Window::default();
        let (mut now, mut measured) = (1_000_000_000i64, Vec::new());
        for (step, number) in steps {
            let at = now + step;
            if step < -120_000 {
                window.retreat(length, at);
                let newest = at.div_euclid(part_length(length));
                measured.retain(|(at, _): &(i64, f64)| at.div_euclid(part_length(length)) <= newest);
                now = at;
            }
            now = now.max(at);
            window.add(length, true, at, number);
            window.advance(length, now);
            measured.push((at, number));
            let held = recount(&measured, length, now);
            // What has left does not come back when the clock is set back.
            measured = held.clone();
            let numbers: Vec<f64> = held.iter().map(|(_, number)| *number).collect();
            let count = numbers.len() as f64;
            let some = |value: f64| (!numbers.is_empty()).then_some(value);
            let sum: f64 = numbers.iter().sum();
            prop_assert_eq!(window.read(Function::Count, length), Some(count));
            prop_assert_eq!(window.read(Function::Rate, length), Some(count / (length as f64 / 1000.0)));
            prop_assert_eq!(window.read(Function::Min, length), some(numbers.iter().copied().fold(f64::INFINITY, f64::min)));
            prop_assert_eq!(window.read(Function::Max, length), some(numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max)));
            prop_assert!(close(window.read(Function::Sum, length), some(sum)));
            prop_assert!(close(window.read(Function::Average, length), some(sum / count)));
            prop_assert_eq!(window.read(Function::Ratio, length), some(numbers.iter().filter(|it| **it != 0.0).count() as f64 / count));
            let last = held.iter().enumerate().max_by_key(|(place, (at, _))| (*at, *place)).map(|(_, (_, number))| *number);
            prop_assert_eq!(window.read(Function::Last, length), last);
            let mut sorted = numbers.clone();
            sorted.sort_by(f64::total_cmp);
            for percent in [1.0, 50.0, 95.0, 99.9] {
                let rank = ((percent * count / 100.0 - 1e-9).ceil().max(1.0) as usize).saturating_sub(1);
                let (exact, told) = (sorted.get(rank), window.read(Function::Percentile(percent), length));
                let near = exact.zip(told).is_none_or(|(exact, told)| (exact - told).abs() <= exact.abs() * 0.010_001 + 1e-9);
                prop_assert!(near && exact.is_some() == told.is_some(), "p{} {:?} {:?}", percent, exact, told);
            }
        }
    }

    #[test]
    fn no_date_and_no_number_is_too_strange(
        reports in proptest::collection::vec((strange_date(), strange_date(), strange_number(), strange_number(), strange_date()), 1..12),
        creation in strange_date(), expiration in strange_date(), exclusion in (strange_date(), strange_date()),
    ) {
        let mut body = document(json!([
            {"name": "*", "constraint": "execution_time < 10 && avg(availability, 600) > 90", "slo": {"objective": 0.9, "window": "1h"},
             "exclusions": [{"start": exclusion.0, "end": exclusion.1, "every": "7d"}, {"start": exclusion.0, "end": exclusion.1}]},
            {"name": "op", "constraint": "p90(m, 60) < 12 || sum(m, 86400) / count(m, 1h) < 11", "absent": "violation",
             "penalties": [{"type": "fine", "value": 5, "unit": "EUR", "per": "window"}]},
            {"name": "a", "constraint": "availability > 99", "absent": "violation"},
        ]));
        body["details"]["creation"] = json!(creation);
        body["details"]["expiration"] = json!(expiration);
        let mut desk = Desk::open(body);
        for (place, (start, updated, length, m, now)) in reports.into_iter().enumerate() {
            let body = json!({"serviceInstance": "service-instance/1", "operation": "op", "execution_time": length, "start_time": start,
                "updated": updated, "metrics": {"m": m}});
            let container = json!({"container_id": "c", "start_time": start, "stop_time": updated});
            let instance = Instance::read("service-instance/1", br#"{"agents":[{"container_id":"c"}]}"#).unwrap();
            let container = ContainerMetric::read("c", container.to_string().as_bytes()).unwrap();
            let now = Timestamp::parse(now).unwrap();
            desk.book.run(&desk.agreement, &instance, &[container], now);
            let text = body.to_string();
            if let Some(report) = Report::read(&format!("r/{place}"), text.as_bytes()) {
                desk.book.report(&desk.agreement, &report, now, &mut desk.found);
            }
            let _ = desk.book.due(&desk.agreement);
            desk.book.tick(&desk.agreement, now, &mut desk.found);
            let _ = desk.book.slo(&desk.agreement, now);
            let shown = desk.book.assessment(&desk.agreement).map(|shown| Value::Object(shown).to_string());
            prop_assert!(!shown.unwrap_or_default().contains("null"));
        }
        for violation in violations(&desk.found) {
            prop_assert!(violation.values.iter().all(|(_, value)| value.is_finite()), "{:?}", violation);
        }
    }

    #[test]
    fn instances_and_steps_of_the_clock_leave_counts_and_episodes_as_a_recount_has_them(
        events in proptest::collection::vec((0u8..4, 0.0..20.0f64, 1.0..20.0f64, prop_oneof![19 => Just(0.0), 1 => -400.0..-130.0f64]), 1..120),
    ) {
        let mut desk = Desk::open(document(json!([
            guarantee("*", "execution_time < 10"), guarantee("op", "max(execution_time, 60) < 15 && count(execution_time, 60) >= 0"),
        ])));
        let mut now = 100_000.0;
        let mut measured: Vec<(i64, f64)> = vec![];
        let (mut bad, mut runs) = (0, 0);
        let mut last = [true; 4];
        for (place, (instance, step, length, set_back)) in events.into_iter().enumerate() {
            now += step.round() + f64::round(set_back);
            let length = length.round();
            let mut body = report("op", now, length);
            body["requesting_application_id"] = json!({"href": format!("i/{instance}")});
            let broken = desk.deliver(&format!("r/{place}"), &body, now);
            let part = part_length(60_000);
            let end = crate::window::millis(at(now - length)) + (length * 1000.0) as i64;
            // Steps that are within what may be late leave the watermark where it is.
            let watermark = measured.iter().map(|(at, _)| *at).max().unwrap_or(i64::MIN);
            if crate::window::millis(at(now)) + desk.agreement.lateness < watermark {
                measured.retain(|(at, _)| at.div_euclid(part) <= crate::window::millis(crate::book::tests::at(now)).div_euclid(part));
                measured.iter_mut().for_each(|(at, _)| *at = (*at).min(crate::window::millis(crate::book::tests::at(now))));
            }
            measured.push((end, length));
            prop_assert!(broken.iter().all(|it| !it.late));
            prop_assert_eq!(broken.iter().filter(|it| &*it.guarantee == "*").count(), usize::from(length >= 10.0));
            let newest = measured.iter().map(|(at, _)| *at).max().unwrap_or(0);
            measured = recount(&measured, 60_000, newest);
            let held = &measured;
            let window = &desk.book.windows[0];
            prop_assert_eq!(window.read(Function::Count, 60_000), Some(held.len() as f64));
            bad += u64::from(length >= 10.0);
            let known = &mut last[usize::from(instance)];
            runs += usize::from(length >= 10.0 && *known);
            *known = length < 10.0;
        }
        // Each instance's stretches of bad ones are its episodes, whatever the others do.
        let of = |name: &str| desk.episodes().into_iter().filter(|(what, it)| *what == name && &*it.guarantee == "*").collect::<Vec<_>>();
        prop_assert_eq!(of("opened").len(), runs);
        prop_assert_eq!((of("opened").len() + of("changed").len()) as u64, bad);
    }

    #[test]
    fn a_second_delivery_changes_nothing(
        lengths in proptest::collection::vec((1.0..20.0f64, 0.0..40.0f64, any::<prop::sample::Index>(), any::<bool>()), 1..60),
    ) {
        let guarantees = json!([
            {"name": "*", "constraint": "execution_time < 10", "warning": "execution_time < 8",
             "penalties": [{"type": "fine", "value": 5, "unit": "EUR", "cap": 23}], "slo": {"objective": 0.9, "window": "1h"}},
            {"name": "op", "constraint": "p90(execution_time, 60) < 12 && avg(execution_time, 300) < 11"},
        ]);
        let (mut once, mut twice) = (Desk::open(document(guarantees.clone())), Desk::open(document(guarantees)));
        let mut end = 1000.0;
        let mut bodies: Vec<(String, Value)> = vec![];
        for (length, step, again, repeat) in lengths {
            end += step;
            let id = format!("r/{}", bodies.len());
            bodies.push((id.clone(), report("op", end, length)));
            once.deliver(&id, &bodies.last().unwrap().1, end);
            twice.deliver(&id, &bodies.last().unwrap().1, end);
            if repeat {
                let (id, body) = again.get(&bodies);
                twice.deliver(id, body, end);
            }
        }
        let unlate = |found: &[Finding]| -> Vec<Finding> {
            // What comes again after two minutes is late, and its violation has the key of the first.
            found.iter().filter(|it| !matches!(it, Finding::Violation(violation) if violation.late)).cloned().collect()
        };
        let keys = |found: &[Finding]| -> std::collections::BTreeSet<_> { violations(found).iter().map(|it| it.key).collect() };
        prop_assert_eq!(keys(&once.found), keys(&twice.found));
        let counted = |found: &[Finding]| unlate(found).into_iter().filter(|it| !matches!(it, Finding::Warning(_) | Finding::Penalty(_))).collect::<Vec<_>>();
        prop_assert_eq!(counted(&once.found), counted(&twice.found));
        let fines = |found: &[Finding]| found.iter().filter_map(|it| if let Finding::Penalty(due) = it { Some((due.key, due.amount.to_bits())) } else { None }).collect::<Vec<_>>();
        prop_assert_eq!(fines(&once.found), fines(&twice.found));
        prop_assert_eq!(once.book.slo(&once.agreement, at(end)), twice.book.slo(&twice.agreement, at(end)));
    }
}

#[test]
fn a_hundred_thousand_agreements_with_one_constraint_share_its_compiled_form() {
    let mut shared = Expressions::default();
    let body = document(json!([guarantee("*", "execution_time < 10")])).to_string();
    let agreements: Vec<Agreement> = (0..1000)
        .map(|place| Agreement::read(&format!("agreement/{place}"), body.as_bytes(), &mut shared).unwrap())
        .collect();
    let first = agreements[0].guarantees()[0].expression().unwrap();
    assert!(agreements.iter().all(|agreement| Arc::ptr_eq(first, agreement.guarantees()[0].expression().unwrap())));
    let fixed = size_of::<Agreement>() + size_of::<Guarantee>() + size_of::<Book>() + size_of::<Standing>();
    assert!(fixed <= 900, "{fixed} bytes for an agreement with one guarantee: 100,000 must fit in 100 MB");
}

struct Ones;

impl mf2c_domain::entropy::Entropy for Ones {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0xFF);
    }
}

#[test]
fn documents_take_all_that_an_agreement_can_say_and_all_that_its_assessment_shows() {
    let everything = json!({
        "name": "es.bsc.Test.main", "scope": "es.bsc.*", "constraint": "execution_time < 10", "warning": "execution_time < 800ms",
        "penalties": [{"type": "discount", "value": "10", "unit": "%", "per": "window", "window": 3600, "cap": 30, "period": 86400}],
        "slo": {"objective": 0.99, "window": "28d", "budgeting": "timeslices", "slice": 60, "slice_target": 0.9},
        "exclusions": [{"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T01:00:00Z", "every": "7d", "reason": "backup"}],
        "absent": "warning", "hysteresis": {"breach": 2, "recover": 3}, "minimum": {"count": 1, "window": 60},
    });
    let mut body = document(json!([everything, guarantee("bad", "a LT 10"), guarantee("*", "execution_time < 10")]));
    body["details"]["variables"] =
        json!([{"name": "x", "metric": "y", "aggregation": {"type": "p99.9", "window": 60}}]);
    assert_eq!(crate::check(body.as_object().unwrap(), &mut Expressions::default()).len(), 1);
    let mut desk = Desk::open(body);
    desk.report("es.bsc.Test.main", 100.0, 50.0);
    desk.edit(200.0, |body| body["state"] = json!("stopped"));
    desk.edit(300.0, |body| body["state"] = json!("started"));
    desk.report("es.bsc.Test.main", 400.0, 50.0);
    desk.document["assessment"] = Value::Object(desk.book.assessment(&desk.agreement).unwrap());
    let spec = mf2c_domain::resource::find("agreement").unwrap();
    let taken = spec.prepare_add(desk.document.as_object().unwrap().clone(), at(0.0), &Ones);
    assert!(taken.is_ok(), "{}", taken.unwrap_err());
    let again = Desk::open(desk.document.clone());
    let times = |desk: &Desk| {
        desk.book.assessment(&desk.agreement).map(|it| (it["first_execution"].clone(), it["stopped"].clone()))
    };
    assert_eq!(times(&again), times(&desk));
    desk.document["assessment"] = json!({});
    desk.document["details"]["guarantees"] = json!([guarantee("*", "execution_time < 10")]);
    assert!(Desk::open(desk.document).book.assessment(&desk.agreement).is_none(), "an empty object is as good as none");
}
