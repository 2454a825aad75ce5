//! The change log: positions without holes, in order, and told to whoever falls behind its bound.

use mf2c_store::engine::MemoryEngine;
use mf2c_store::{Change, Changes, Command, StoreOptions};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::world::{Seed, World, delete, device, edit, service};

fn world(log_entries: usize) -> World {
    World::open(Arc::new(MemoryEngine::new()), StoreOptions { log_entries, ..StoreOptions::default() }).unwrap()
}

#[track_caller]
fn next(world: &World, position: u64, limit: usize) -> Vec<Change> {
    match world.store.changes_after(position, limit).unwrap() {
        Changes::Next(changes) => changes,
        trimmed => panic!("{trimmed:?}"),
    }
}

#[test]
fn a_subscriber_reads_every_change_once_and_in_order() {
    let mut world = world(1000);
    let ids: Vec<_> = (0..20).map(|number| world.add("service", service(&format!("s{number}")))).collect();
    ids.iter().for_each(|id| drop(world.one(edit(id, json!({"disk": 1}))).unwrap()));
    world.one(delete(&ids[3])).unwrap();
    let mut position = 0;
    let mut seen = Vec::new();
    loop {
        let page = next(&world, position, 7);
        let Some(last) = page.last() else { break };
        position = last.position;
        seen.extend(page);
    }
    assert_eq!(seen.iter().map(|change| change.position).collect::<Vec<_>>(), (1..=41).collect::<Vec<_>>());
    assert!(seen.windows(2).all(|pair| pair[0].time < pair[1].time && pair[0].sequence + 1 == pair[1].sequence));
    assert_eq!((&seen[40].id, &seen[40].body), (&ids[3], &None));
    assert_eq!(seen[0].id, ids[0]);
    let body: Value = serde_json::from_slice(seen[20].body.as_ref().unwrap()).unwrap();
    assert_eq!(body["disk"], json!(1));
    assert_eq!(next(&world, 41, 7), []);
    assert_eq!(next(&world, u64::MAX, 7), []);
}

#[test]
fn whoever_is_behind_the_bound_of_the_log_is_told_so() {
    let mut world = world(10);
    let id = world.add("service", service("a"));
    for number in 0..40 {
        world.one(edit(&id, json!({"disk": number}))).unwrap();
    }
    let kept = world.store.counters().log_entries.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(kept, 10);
    assert_eq!(world.store.changes_after(0, 5).unwrap(), Changes::Trimmed { oldest: 32 });
    assert_eq!(world.store.changes_after(30, 5).unwrap(), Changes::Trimmed { oldest: 32 });
    assert_eq!(next(&world, 31, 50).len(), 10);
}

#[test]
fn the_newest_entry_stays_however_small_the_bound() {
    let engine = Arc::new(MemoryEngine::new());
    let options = StoreOptions { log_entries: 0, log_bytes: 0, ..StoreOptions::default() };
    let mut world = World::open(engine.clone(), options.clone()).unwrap();
    let id = world.add("service", service("a"));
    for number in 0..9 {
        world.one(edit(&id, json!({"disk": number}))).unwrap();
    }
    assert_eq!(next(&world, 9, 5).len(), 1);
    let world = World::open(Arc::new(engine.after_crash()), options).unwrap();
    assert_eq!((world.position(), next(&world, 9, 5).len(), world.store.len()), (10, 1, 1));
}

#[test]
fn the_log_is_bounded_in_bytes_too() {
    let options = StoreOptions { log_bytes: 20_000, ..StoreOptions::default() };
    let mut world = World::open(Arc::new(MemoryEngine::new()), options).unwrap();
    let id = world.add("service", service("a"));
    for number in 0..50 {
        world.one(edit(&id, json!({"description": format!("{number}").repeat(500)}))).unwrap();
    }
    assert!(next(&world, world.position() - 5, 50).len() == 5);
    assert!(matches!(world.store.changes_after(0, 5).unwrap(), Changes::Trimmed { oldest } if oldest > 25));
}

#[test]
fn a_subscription_tells_the_newest_position_however_slow_the_subscriber() {
    let mut world = world(1000);
    let mut feed = world.store.subscribe();
    assert!(!feed.has_changed().unwrap());
    world.add("service", service("a"));
    world.add("service", service("b"));
    assert!(feed.has_changed().unwrap());
    assert_eq!(*feed.borrow_and_update(), 2);
    assert!(!feed.has_changed().unwrap());
}

#[test]
fn deleting_a_device_writes_its_event_in_the_same_batch() {
    let mut world = world(1000);
    let id = world.add("device", device("d1"));
    let other = world.draft("service", service("a"));
    let commits = || world.store.counters().commits.load(std::sync::atomic::Ordering::Relaxed);
    let before = commits();
    let answers = world.writer.execute(vec![delete(&id), Command::Add(Box::new(other))]);
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(world.store.counters().commits.load(std::sync::atomic::Ordering::Relaxed), before + 1);
    let changes = next(&world, 1, 9);
    let kinds: Vec<_> =
        changes.iter().map(|change| (change.position, change.id.kind(), change.body.is_some())).collect();
    assert_eq!(kinds, [(2, "device", false), (3, "event", true), (4, "service", true)]);
    let event = world.body(&changes[1].id).unwrap();
    assert_eq!(event["content"], json!({"resource": {"href": id.as_str()}, "state": "DELETED"}));
    assert_eq!(event["id"], json!(changes[1].id.as_str()));
}

#[test]
fn after_each_reopening_positions_and_times_go_on() {
    let (mut engine, entropy) = (Arc::new(MemoryEngine::new()), Arc::new(Seed::new(3)));
    let mut last = (0, mf2c_domain::time::HybridTime::default());
    for round in 0..5 {
        // The clock begins anew each time, as one that was set back does.
        let (clock, options) = (Arc::default(), StoreOptions::default());
        let mut world = World::open_with(engine.clone(), options, clock, entropy.clone()).unwrap();
        world.add("service", service(&format!("s{round}")));
        let change = next(&world, last.0, 5).remove(0);
        assert_eq!(change.position, last.0 + 1);
        assert!(change.time > last.1);
        last = (change.position, change.time);
        engine = Arc::new(engine.after_crash());
    }
}

#[test]
fn time_goes_on_in_the_documents_and_the_log_however_the_clock_jumps() {
    const YEAR: std::time::Duration = std::time::Duration::from_secs(365 * 24 * 3600);
    let mut world = world(1000);
    let id = world.add("service", service("a"));
    let updated = |world: &World| world.body(&id).unwrap()["updated"].as_str().unwrap().to_owned();
    let mut last = updated(&world);
    for jump in 0..6 {
        match jump % 3 {
            0 => world.clock.advance(YEAR),
            1 => world.clock.set_back(YEAR / 2),
            _ => world.clock.set_back(YEAR / 4),
        }
        world.one(edit(&id, json!({"disk": jump}))).unwrap();
        let now = updated(&world);
        assert!(now >= last, "{now} is before {last}");
        last = now;
    }
    let times: Vec<_> = next(&world, 0, 100).iter().map(|change| change.time).collect();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    assert!(world.body(&id).unwrap()["created"].as_str().unwrap() < last.as_str());
}
