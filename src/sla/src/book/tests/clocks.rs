//! Clocks that step, and clocks that are wrong: each report still counts, and windows go on.

use super::*;

/// Each report by itself, and the mean of five minutes.
fn desk() -> Desk {
    Desk::open(document(json!([
        {"name": "*", "constraint": "execution_time < 10", "slo": {"objective": 0.9, "window": "1h"}},
        guarantee("op", "max(execution_time, 300) < 10"),
    ])))
}

/// Good reports every second from one time to another by a clock that shows something else.
fn good(desk: &mut Desk, from: u32, to: u32, ahead: f64) {
    for time in from..to {
        assert!(desk.report("op", f64::from(time) + ahead, 1.0).is_empty());
    }
}

#[test]
fn a_small_step_in_either_direction_changes_nothing() {
    for step in [-90.0, 90.0] {
        let mut desk = desk();
        good(&mut desk, 1000, 1400, 0.0);
        good(&mut desk, 1400, 1420, step);
        let found = desk.report("op", 1421.0 + step, 50.0);
        assert_eq!(found.iter().map(|it| (&*it.guarantee, it.late)).collect::<Vec<_>>(), [("*", false), ("op", false)]);
        assert_eq!(desk.episodes().iter().filter(|(what, _)| *what == "opened").count(), 2, "{step}");
        good_until_the_window_is_clean(&mut desk, 1422.0 + step);
    }
}

fn good_until_the_window_is_clean(desk: &mut Desk, from: f64) {
    for time in 0..600 {
        desk.report("op", from + f64::from(time), 1.0);
    }
    let count = |name: &str| desk.episodes().iter().filter(|(what, _)| *what == name).count();
    assert_eq!(count("opened"), count("ended"));
    assert_eq!((desk.state().as_str(), desk.assessed("op")["state"].as_str()), ("fulfilled", Some("fulfilled")));
}

#[test]
fn windows_go_on_after_the_clock_was_set_back() {
    for step in [-600.0, -86_400.0 * 30.0] {
        let mut desk = desk();
        desk.edit(1.0, |body| body["details"]["creation"] = json!(at(-86_400.0 * 60.0).to_string()));
        good(&mut desk, 1000, 1400, 0.0);
        assert_eq!(desk.report("op", 1400.0, 50.0).len(), 2);
        good(&mut desk, 1401, 1500, step);
        let found = desk.report("op", 1500.0 + step, 50.0);
        assert!(found.iter().all(|it| !it.late) && found.iter().any(|it| &*it.guarantee == "op"), "{found:?}");
        assert_eq!(desk.assessed("op")["last_execution"], at(1400.0).to_string());
        let slo = desk.book.slo(&desk.agreement, at(1500.0 + step)).remove(0);
        assert!(slo.bad >= 1.0 && slo.total >= 100.0, "{slo:?}");
        good_until_the_window_is_clean(&mut desk, 1501.0 + step);
    }
}

#[test]
fn a_child_a_day_ahead_is_heard_now_and_silences_nobody() {
    let mut desk = desk();
    let ahead = |end: f64, length: f64| report("op", end + 86_400.0, length);
    let mut deliver = |place: u32, body: &Value, now: f64| desk.deliver(&format!("r/{place}"), body, now);
    for place in 0..100 {
        let now = 1000.0 + f64::from(place);
        assert!(deliver(2 * place, &ahead(now, 1.0), now).is_empty());
        assert!(deliver(2 * place + 1, &report("op", now, 1.0), now).is_empty());
    }
    let honest = deliver(1000, &report("op", 1100.0, 50.0), 1100.0);
    assert_eq!(honest.iter().map(|it| (it.late, it.skewed)).collect::<Vec<_>>(), [(false, false); 2]);
    let fast = deliver(1001, &ahead(1101.0, 50.0), 1101.0);
    assert_eq!(
        fast.iter().map(|it| (it.late, it.skewed, it.datetime)).collect::<Vec<_>>(),
        [(false, true, at(1101.0))]
    );
    assert_eq!(desk.book.slo(&desk.agreement, at(1102.0))[0].total, 202.0);
    let Some(Finding::EpisodeChanged(episode)) = desk.found.last() else { panic!("{:?}", desk.found.last()) };
    assert_eq!((episode.count, episode.last_seen), (2, at(1101.0)));
}

#[test]
fn what_is_looked_at_by_the_clock_is_looked_at_after_it_was_set_back() {
    let mut desk = Desk::of("count(execution_time, 60) >= 1");
    desk.report("op", 10_000.0, 1.0);
    desk.tick(10_001.0);
    desk.tick(5000.0);
    assert!(desk.book.due(&desk.agreement).is_none_or(|due| due <= at(5100.0)), "{:?}", desk.book.due(&desk.agreement));
}
