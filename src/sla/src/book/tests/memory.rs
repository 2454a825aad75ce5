//! What is remembered of whom: instances by themselves, what goes when they go, and what comes back after a restart.

use super::*;
use crate::EpisodeState;

/// A report of one instance.
fn of(desk: &mut Desk, instance: &str, end: f64, length: f64, metrics: Value) -> Vec<Violation> {
    desk.reports += 1;
    let mut body = report("op", end, length);
    body["requesting_application_id"] = json!({"href": instance});
    body["metrics"] = metrics;
    desk.deliver(&format!("r/{}", desk.reports), &body, end)
}

fn running(desk: &mut Desk, instance: &str, from: f64, to: Option<f64>, now: f64) {
    let body = json!({"service": "service/1", "agents": [{"container_id": instance}]}).to_string();
    let mut ran = json!({"container_id": instance, "start_time": at(from).to_string()});
    if let Some(to) = to {
        ran["stop_time"] = json!(at(to).to_string());
    }
    let ran = ContainerMetric::read("m", ran.to_string().as_bytes()).unwrap();
    desk.book.run(&desk.agreement, &Instance::read(instance, body.as_bytes()).unwrap(), &[ran], at(now));
}

fn available() -> Desk {
    let mut body = document(json!([guarantee("*", "avg(availability, 60) > 90")]));
    body["details"]["creation"] = json!(at(-10_000.0).to_string());
    Desk::open(body)
}

/// As an actor reads it from its document.
fn stored(episode: &Episode) -> EpisodeState {
    EpisodeState {
        key: episode.key,
        instance: episode.instance.clone(),
        first_seen: episode.first_seen,
        last_seen: episode.last_seen,
        count: episode.count,
        variable: episode.variable.as_deref().map(str::to_owned),
        worst: episode.worst,
    }
}

#[test]
fn last_values_are_those_of_the_same_instance() {
    let mut desk = Desk::of("m < 5 && n < 5");
    assert_eq!(of(&mut desk, "i/1", 10.0, 1.0, json!({"m": 10})).len(), 1);
    assert!(of(&mut desk, "i/2", 11.0, 1.0, json!({"n": 1})).is_empty());
    assert!(of(&mut desk, "i/2", 12.0, 1.0, json!({"m": 1})).is_empty());
    let found = of(&mut desk, "i/1", 13.0, 1.0, json!({"n": 1}));
    assert_eq!((found.len(), found[0].values[0].1), (1, 10.0));
}

#[test]
fn a_good_instance_does_not_end_the_episode_of_a_bad_one() {
    let mut desk = Desk::of("execution_time < 10");
    for time in 0..30 {
        of(&mut desk, "i/bad", 100.0 + f64::from(time), 50.0, json!({}));
        of(&mut desk, "i/good", 100.5 + f64::from(time), 5.0, json!({}));
    }
    let episodes = desk.episodes();
    let opened: Vec<_> = episodes.iter().filter(|(what, _)| *what == "opened").collect();
    assert_eq!((opened.len(), episodes.last().unwrap().1.count), (1, 30));
    assert_eq!((opened[0].1.instance.as_deref(), desk.state().as_str()), (Some("i/bad"), "violated"));
    of(&mut desk, "i/bad", 200.0, 5.0, json!({}));
    assert_eq!((desk.episodes().last().unwrap().0, desk.state().as_str()), ("ended", "fulfilled"));
}

#[test]
fn memory_has_room_for_so_many_instances_and_those_that_go_end_their_episodes() {
    let mut desk = Desk::of("execution_time < 10");
    let most = crate::book::subject::MOST;
    for place in 0..most + 1 {
        of(&mut desk, &format!("i/{place}"), 100.0 + place as f64 / 1000.0, 50.0, json!({}));
    }
    let ended: Vec<_> = desk.episodes().into_iter().filter(|(what, _)| *what == "ended").collect();
    assert_eq!((ended.len(), ended.len() + desk.book.standings[0].subjects.all().count()), (most / 8, most + 1));
    assert!(ended.iter().any(|(_, episode)| episode.instance.as_deref() == Some("i/0")), "the oldest goes first");
    // Good ones are not even remembered.
    let mut desk = Desk::of("execution_time < 10");
    of(&mut desk, "i/1", 100.0, 5.0, json!({}));
    assert_eq!(desk.book.standings[0].subjects.all().count(), 0);
}

#[test]
fn an_instance_that_is_gone_breaks_nothing_any_more() {
    let mut desk = available();
    running(&mut desk, "i/1", -1000.0, Some(0.0), 0.0);
    running(&mut desk, "i/2", -1000.0, None, 0.0);
    desk.tick_until(200.0);
    assert_eq!(desk.state(), "violated", "one is down, though the other is up");
    desk.book.gone(&desk.agreement, "i/1", at(210.0), &mut desk.found);
    let (what, episode) = desk.episodes().pop().unwrap();
    assert_eq!((what, episode.instance.as_deref(), episode.resolved_at), ("ended", Some("i/1"), Some(at(210.0))));
    assert_ne!(desk.state(), "violated");
    desk.tick_until(300.0);
    assert_eq!(desk.state(), "fulfilled");
    desk.book.gone(&desk.agreement, "i/2", at(310.0), &mut desk.found);
    assert_eq!(desk.book.due(&desk.agreement), None);
}

#[test]
fn a_book_that_is_closed_leaves_no_episode_open() {
    let mut desk = Desk::open(document(json!([
        guarantee("*", "execution_time < 10"),
        guarantee("op", "max(execution_time, 60) < 10")
    ])));
    of(&mut desk, "i/1", 100.0, 50.0, json!({}));
    of(&mut desk, "i/2", 101.0, 50.0, json!({}));
    desk.book.close(&desk.agreement, at(102.0), &mut desk.found);
    let count = |name: &str| desk.episodes().iter().filter(|(what, _)| *what == name).count();
    assert_eq!((count("opened"), count("ended")), (3, 3));
    assert_ne!(desk.state(), "violated");
    // A promise that an edit takes away ends its episodes, too.
    of(&mut desk, "i/1", 110.0, 50.0, json!({}));
    desk.edit(120.0, |body| body["details"]["guarantees"] = json!([guarantee("*", "execution_time < 20")]));
    let count = |name: &str| desk.episodes().iter().filter(|(what, _)| *what == name).count();
    assert_eq!(count("opened"), count("ended"));
}

#[test]
fn after_a_restart_an_outage_is_still_the_same_episode() {
    let mut desk = available();
    running(&mut desk, "i/1", -1000.0, Some(0.0), 0.0);
    desk.tick_until(205.0);
    let (before, known) = (desk.episodes().pop().unwrap().1, violations(&desk.found));
    let mut again = available();
    assert!(again.book.restore(&again.agreement, "*", &stored(&before)));
    let newest = known.last().unwrap();
    again.book.restore_violation(&again.agreement, "*", newest.instance.as_deref(), newest.datetime);
    assert!(!again.book.restore(&again.agreement, "*", &stored(&before)), "only one goes on");
    assert!(!again.book.restore(&again.agreement, "gone", &stored(&before)));
    running(&mut again, "i/1", -1000.0, Some(0.0), 206.0);
    assert_eq!(again.tick(207.0), [], "the window was told of");
    again.tick_until(235.0);
    desk.tick_until(235.0);
    let (one, other) = (desk.episodes().pop().unwrap().1, again.episodes().pop().unwrap().1);
    assert_eq!((one.key, one.first_seen), (other.key, other.first_seen));
    assert!(again.episodes().iter().all(|(what, _)| *what == "changed"));
    running(&mut again, "i/1", 236.0, None, 236.0);
    again.tick_until(400.0);
    assert_eq!(again.episodes().pop().map(|(what, episode)| (what, episode.key)), Some(("ended", before.key)));
    assert_eq!(again.state(), "fulfilled");
}

#[test]
fn after_a_restart_a_silence_is_neither_told_again_nor_ended_by_the_reports_before_it() {
    let silent = || Desk::of("count(execution_time, 60) >= 1");
    let mut desk = silent();
    desk.report("op", 10.0, 1.0);
    assert_eq!(desk.tick_until(100.0).len(), 1);
    let (episode, violation) = (desk.episodes().pop().unwrap().1, violations(&desk.found).pop().unwrap());
    let mut again = silent();
    again.book.restore_violation(&again.agreement, "*", None, violation.datetime);
    assert!(again.book.restore(&again.agreement, "*", &stored(&episode)));
    again.report("op", 10.0, 1.0);
    again.tick(70.0);
    again.tick(1000.0);
    assert!(violations(&again.found).is_empty() && again.state() == "violated", "{:?}", again.found);
    again.report("op", 1001.0, 1.0);
    assert_eq!(again.episodes().pop().map(|(what, episode)| (what, episode.key)), Some(("ended", episode.key)));
}

#[test]
fn what_is_read_again_is_not_counted_again() {
    let mut desk = Desk::of("execution_time < 10");
    (0..5).for_each(|time| {
        of(&mut desk, "i/1", 100.0 + f64::from(time), 50.0, json!({}));
    });
    let episode = desk.episodes().pop().unwrap().1;
    let mut again = Desk::of("execution_time < 10");
    assert!(again.book.restore(&again.agreement, "*", &stored(&episode)));
    (0..6).for_each(|time| {
        of(&mut again, "i/1", 100.0 + f64::from(time), 50.0, json!({}));
    });
    assert_eq!(again.episodes().pop().map(|(what, it)| (what, it.key, it.count)), Some(("changed", episode.key, 6)));
}

#[test]
fn a_late_report_that_is_edited_costs_its_penalty_once() {
    let penalty = json!({"type": "fine", "value": 10, "unit": "EUR", "cap": 25});
    let mut desk =
        Desk::open(document(json!([{"name": "*", "constraint": "execution_time < 10", "penalties": [penalty]}])));
    let mut body = report("op", 100.0, 50.0);
    for updated in [1000.0, 2000.0, 3000.0, 4000.0] {
        body["created"] = json!(at(1000.0).to_string());
        body["updated"] = json!(at(updated).to_string());
        desk.deliver("r/late", &body, updated);
        desk.report("op", updated + 1.0, 1.0);
    }
    desk.report("op", 5000.0, 50.0);
    let amounts: Vec<f64> = desk
        .found
        .iter()
        .filter_map(|it| if let Finding::Penalty(due) = it { Some(due.amount) } else { None })
        .collect();
    assert_eq!(amounts, [10.0, 10.0]);
}
