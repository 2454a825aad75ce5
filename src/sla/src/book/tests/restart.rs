//! What a restart, an edit or a late report must not change.

use super::*;
use crate::finding::PenaltyDue;
use crate::{PenaltyState, State};

fn capped(cap: f64) -> Desk {
    let mut body = guarantee("*", "execution_time < 10");
    body["penalties"] = json!([{"type": "discount", "value": 10, "unit": "%", "cap": cap}]);
    Desk::open(document(json!([body])))
}

fn charged(desk: &Desk) -> Vec<PenaltyDue> {
    let due = |finding: &Finding| if let Finding::Penalty(due) = finding { Some(due.clone()) } else { None };
    desk.found.iter().filter_map(due).collect()
}

/// As an actor reads it from its document, in which half of the key is shown.
fn stored(due: &PenaltyDue) -> PenaltyState {
    PenaltyState {
        kind: due.kind.to_string(),
        value: due.value,
        unit: due.unit.to_string(),
        per_window: due.per_window,
        datetime: due.datetime,
        amount: due.amount,
        violation: crate::Key(due.violation.0 >> 56 << 56),
    }
}

#[test]
fn a_cap_counts_on_after_a_restart_and_nothing_is_charged_twice() {
    let mut desk = capped(35.0);
    (1..=2).for_each(|time| drop(desk.report("op", f64::from(time), 50.0)));
    let before = charged(&desk);
    assert_eq!(before.iter().map(|due| due.amount).sum::<f64>(), 20.0);
    let mut again = capped(35.0);
    for due in before.iter().chain(&before) {
        again.book.restore_penalty(&again.agreement, "*", &stored(due));
    }
    // The same reports are read again, then new ones come.
    (1..=6).for_each(|time| drop(again.report("op", f64::from(time), 50.0)));
    let amounts: Vec<f64> = charged(&again).iter().map(|due| due.amount).collect();
    assert_eq!(amounts, [10.0, 5.0]);
}

#[test]
fn a_cap_counts_on_when_the_constraint_is_put_otherwise() {
    let mut desk = capped(25.0);
    (1..=2).for_each(|time| drop(desk.report("op", f64::from(time), 50.0)));
    desk.edit(3.0, |body| body["details"]["guarantees"][0]["constraint"] = json!("execution_time < 10.0"));
    (4..=6).for_each(|time| drop(desk.report("op", f64::from(time), 50.0)));
    assert_eq!(charged(&desk).iter().map(|due| due.amount).sum::<f64>(), 25.0);
    desk.edit(7.0, |body| body["details"]["guarantees"][0]["penalties"][0]["cap"] = json!(30));
    (8..=9).for_each(|time| drop(desk.report("op", f64::from(time), 50.0)));
    assert_eq!(charged(&desk).len(), 5, "another penalty begins anew");
}

#[test]
fn what_came_late_counts_by_its_end_however_late() {
    let late = |desk: &mut Desk, end: f64, now: f64| {
        desk.reports += 1;
        let mut body = report("op", end, 50.0);
        (body["created"], body["updated"]) = (json!(at(now).to_string()), json!(at(now).to_string()));
        desk.deliver(&format!("r/{}", desk.reports), &body, now).len()
    };
    let mut desk = Desk::of("execution_time < 10");
    desk.book.turn(&mut desk.agreement, State::Stopped, at(100.0), &mut desk.found);
    desk.book.turn(&mut desk.agreement, State::Started, at(110.0), &mut desk.found);
    assert_eq!(late(&mut desk, 105.0, 1000.0), 0, "it ended while the agreement was stopped");
    assert_eq!(late(&mut desk, -3000.0, 1000.0), 0, "it ended before the agreement began");
    assert_eq!(late(&mut desk, 115.0, 1000.0), 1);
    desk.book.turn(&mut desk.agreement, State::Terminated, at(1200.0), &mut desk.found);
    assert_eq!(late(&mut desk, 1100.0, 1900.0), 1, "it ended before the agreement was terminated");
    assert_eq!(late(&mut desk, 1201.0, 1900.0), 0);
}

#[test]
fn a_window_that_is_empty_says_nothing_and_its_breach_is_over() {
    let mut desk = Desk::of("avg(execution_time, 5) < 10");
    assert_eq!(desk.report("op", 10.0, 20.0).len(), 1);
    assert_eq!(desk.state(), "violated");
    assert!(desk.tick_until(100.0).is_empty());
    assert_eq!((desk.state().as_str(), desk.episodes().last().unwrap().0), ("undetermined", "ended"));
    assert_eq!(desk.report("op", 200.0, 20.0).len(), 1, "and the next one is another one");
    let mut guarded = Desk::of("avg(execution_time, 5) < 10 && count(execution_time, 5) >= 2");
    (0..3).for_each(|time| drop(guarded.report("op", 10.0 + f64::from(time), 20.0)));
    assert_eq!(guarded.state(), "violated");
    guarded.tick_until(100.0);
    assert_eq!((guarded.state().as_str(), guarded.episodes().last().unwrap().0), ("undetermined", "ended"));
}

#[test]
fn a_promise_that_remembers_reads_a_day_again() {
    assert_eq!(Desk::of("execution_time < 10").agreement.looks_back(), 0);
    assert_eq!(Desk::of("m < 10").agreement.looks_back(), 0);
    assert_eq!(Desk::of("execution_time < 10 && m < 40").agreement.looks_back(), 86_400_000);
    let mut body = guarantee("*", "execution_time < 10");
    body["hysteresis"] = json!({"breach": 3, "recover": 1});
    assert_eq!(Desk::open(document(json!([body]))).agreement.looks_back(), 86_400_000);
}
