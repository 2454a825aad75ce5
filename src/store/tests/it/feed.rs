//! The change log: positions without holes, in order, and told to whoever falls behind its bound.

use mf2c_domain::caller::Caller;
use mf2c_store::engine::MemoryEngine;
use mf2c_store::{Change, ChangeKind, Changes, Command, StoreOptions};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::world::{Seed, World, delete, device, edit, new, service};

fn world(log_entries: usize) -> World {
    World::open(Arc::new(MemoryEngine::new()), StoreOptions { log_entries, ..StoreOptions::default() }).unwrap()
}

#[track_caller]
fn next(world: &World, position: u64, limit: usize) -> Vec<Arc<Change>> {
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
    assert_eq!((&seen[40].id, seen[40].kind, seen[40].body()), (&ids[3], ChangeKind::Deleted, None));
    assert_eq!(seen[0].id, ids[0]);
    let body: Value = serde_json::from_slice(seen[20].body().unwrap()).unwrap();
    assert_eq!(body["disk"], json!(1));
    assert_eq!(next(&world, 41, 7), []);
    assert_eq!(next(&world, u64::MAX, 7), []);
}

#[test]
fn a_change_tells_what_it_did_and_a_deletion_what_was_there_wherever_the_document_was() {
    for memory_budget in [1 << 20, 0] {
        let options = StoreOptions { memory_budget, ..StoreOptions::default() };
        let mut world = World::open(Arc::new(MemoryEngine::new()), options).unwrap();
        let id = world.add("service", service("a"));
        world.one(edit(&id, json!({"disk": 7}))).unwrap();
        let last = world.body(&id).unwrap();
        world.one(delete(&id)).unwrap();
        let (added, other) = (world.draft("service", service("b")), service("c"));
        let added_id = added.id().clone();
        let batch = vec![Command::Add(Box::new(added)), edit(&added_id, json!({"disk": 8})), delete(&added_id)];
        assert!(world.writer.execute(batch).iter().all(Result::is_ok));
        world.add("service", other);
        let changes = next(&world, 0, 99);
        use ChangeKind::{Created, Deleted, Edited};
        let kinds: Vec<_> = changes.iter().map(|change| change.kind).collect();
        assert_eq!(kinds, [Created, Edited, Deleted, Created, Edited, Deleted, Created]);
        let document = |index: usize| serde_json::from_slice::<Value>(&changes[index].document).unwrap();
        assert_eq!((document(2), document(1)), (last.clone(), last));
        assert_eq!((&document(5), &document(5)["disk"]), (&document(4), &json!(8)));
    }
}

#[test]
fn one_answer_of_the_log_is_bounded_in_bytes_and_always_goes_on() {
    let mut world = world(1000);
    let ids: Vec<_> = (0..5).map(|number| world.add("service", service(&format!("s{number}")))).collect();
    for id in &ids {
        world.one(edit(id, json!({"description": "x".repeat(10_000)}))).unwrap();
    }
    let read = |position, bytes| match world.store.changes_within(position, 100, bytes).unwrap() {
        Changes::Next(changes) => changes.len(),
        trimmed => panic!("{trimmed:?}"),
    };
    assert_eq!((read(0, 1 << 20), read(0, 15_000), read(5, 15_000), read(5, 1), read(5, 0)), (10, 6, 1, 1, 1));
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
        changes.iter().map(|change| (change.position, change.id.kind(), change.body().is_some())).collect();
    assert_eq!(kinds, [(2, "device", false), (3, "event", true), (4, "service", true)]);
    let event = world.body(&changes[1].id).unwrap();
    assert_eq!(event["content"], json!({"resource": {"href": id.as_str()}, "state": "DELETED"}));
    assert_eq!(event["id"], json!(changes[1].id.as_str()));
}

#[test]
fn a_new_state_writes_its_event_in_the_same_batch_for_those_who_may_see_the_resource() {
    let mut world = world(1000);
    let jane = Caller::new("jane", ["USER"]);
    let agreement = json!({"name": "a", "details": {
        "type": "agreement", "name": "a", "provider": {"id": "p", "name": "p"}, "client": {"id": "c", "name": "c"},
        "creation": "2018-01-16T17:09:45.01Z", "guarantees": [{"name": "g", "constraint": "[x] < 1"}],
    }});
    let new = new("agreement", agreement, &jane, &*world.clock, &*world.entropy);
    let id = world.one(Command::Add(Box::new(new))).unwrap().id;
    assert_eq!(world.position(), 1, "a new resource has no former state");
    world.one(edit(&id, json!({"state": "started", "description": "y"}))).unwrap();
    world.one(edit(&id, json!({"state": "started", "description": "z"}))).unwrap();
    let changes = next(&world, 1, 9);
    let kinds: Vec<_> = changes.iter().map(|change| (change.position, change.id.kind(), change.kind)).collect();
    use ChangeKind::{Created, Edited};
    assert_eq!(kinds, [(2, "agreement", Edited), (3, "event", Created), (4, "agreement", Edited)]);
    let event = world.body(&changes[1].id).unwrap();
    assert_eq!(event["content"], json!({"resource": {"href": id.as_str()}, "state": "started"}));
    assert_eq!((&event["type"], &event["severity"]), (&json!("state"), &json!("medium")));
    let acl = &world.store.get(changes[1].id.as_str()).unwrap().acl;
    assert!(acl.can_view(&jane) && !acl.can_view(&Caller::new("joe", ["USER"])));
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
