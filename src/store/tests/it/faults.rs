//! A commit that fails: reads go on, nothing is promised that is not kept, and writing resumes by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mf2c_domain::caller::Caller;
use mf2c_domain::query::Query;
use mf2c_store::engine::{Batch, Engine, EngineError, Fault, MemoryEngine, Scan, Space, Visit};
use mf2c_store::{Command, StoreError, StoreOptions};
use serde_json::json;

use crate::world::{World, delete, edit, service, spec};

fn world() -> (Arc<MemoryEngine>, World) {
    let engine = Arc::new(MemoryEngine::new());
    (engine.clone(), World::open(engine, StoreOptions::default()).unwrap())
}

#[test]
fn a_full_disk_refuses_writes_and_lets_reads_go_on() {
    let (engine, mut world) = world();
    let id = world.add("service", service("a"));
    let before = world.everything();
    engine.inject(Fault::Full);
    for _ in 0..3 {
        assert!(matches!(world.one(edit(&id, json!({"disk": 1}))), Err(StoreError::Full { .. })));
        assert_eq!((world.everything(), world.position()), (before.clone(), 1));
        world.clock.advance(Duration::from_secs(2));
    }
    engine.mend();
    world.one(edit(&id, json!({"disk": 2}))).unwrap();
    assert_eq!((world.body(&id).unwrap()["disk"].clone(), world.position()), (json!(2), 2));
    let again = World::open(Arc::new(engine.after_crash()), StoreOptions::default()).unwrap();
    assert_eq!(again.everything(), world.everything());
}

#[test]
fn a_write_whose_sync_failed_counts_if_it_reached_the_disk() {
    let (engine, mut world) = world();
    let (a, b) = (world.add("service", service("a")), world.add("service", service("b")));
    engine.inject(Fault::SyncFailed);
    let new = world.draft("service", service("c"));
    let c = new.id().clone();
    let answers = world.writer.execute(vec![
        edit(&a, json!({"disk": 1})),
        delete(&b),
        Command::Add(Box::new(new)),
        edit(&c, json!({"disk": 7})),
        delete(&b),
    ]);
    assert!(answers[..4].iter().all(|answer| matches!(answer, Err(StoreError::Unavailable { .. }))), "{answers:?}");
    assert!(matches!(answers[4], Err(StoreError::NotFound { .. })));
    assert_eq!((world.position(), world.store.len()), (2, 2), "not seen before it is known");
    assert!(world.one(edit(&a, json!({"disk": 2}))).is_err(), "the fault lasts");
    engine.mend();
    world.clock.advance(Duration::from_secs(1));
    world.one(edit(&a, json!({"disk_recommended": 0.5}))).unwrap();
    assert_eq!(world.position(), 7);
    assert_eq!(world.body(&a).unwrap()["disk"], json!(1));
    assert_eq!((world.body(&b), world.body(&c).unwrap()["disk"].clone()), (None, json!(7)));
    let again = World::open(Arc::new(engine.after_crash()), StoreOptions::default()).unwrap();
    assert_eq!(again.everything(), world.everything());
}

#[test]
fn an_edit_of_a_document_that_was_kept_on_disk_survives_a_failed_sync() {
    let engine = Arc::new(MemoryEngine::new());
    let options = StoreOptions { memory_budget: 0, log_entries: 2, ..StoreOptions::default() };
    let mut world = World::open(engine.clone(), options.clone()).unwrap();
    let id = world.add("service", service("a"));
    engine.inject(Fault::SyncFailed);
    let both = vec![edit(&id, json!({"disk": 1})), edit(&id, json!({"memory_min": 2}))];
    assert!(world.writer.execute(both).iter().all(Result::is_err));
    engine.mend();
    world.one(edit(&id, json!({"storage_min": 3}))).unwrap();
    let body = world.body(&id).unwrap();
    assert_eq!([&body["disk"], &body["memory_min"], &body["storage_min"]], [1, 2, 3]);
    let again = World::open(Arc::new(engine.after_crash()), options).unwrap();
    assert_eq!(again.everything(), world.everything());
}

/// Counts how often it is asked to heal, in vain.
struct Sick(MemoryEngine, AtomicU64);

impl Scan for Sick {
    fn scan(&self, space: Space, from: &[u8], visit: Visit<'_>) -> Result<(), EngineError> {
        self.0.scan(space, from, visit)
    }
}

impl Engine for Sick {
    fn commit(&self, batch: Batch) -> Result<(), EngineError> {
        self.0.commit(batch)
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.0.get(space, key)
    }

    fn snapshot(&self) -> Result<Box<dyn Scan + Send>, EngineError> {
        self.0.snapshot()
    }

    fn heal(&self) -> Result<(), EngineError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.heal()
    }

    fn close(&self) -> Result<(), EngineError> {
        self.0.close()
    }
}

#[test]
fn an_engine_that_cannot_be_healed_is_tried_once_a_second() {
    let engine = Arc::new(Sick(MemoryEngine::new(), AtomicU64::new(0)));
    let mut world = World::open(engine.clone(), StoreOptions::default()).unwrap();
    let id = world.add("service", service("a"));
    engine.0.inject(Fault::Full);
    for _ in 0..100 {
        assert!(world.one(edit(&id, json!({"disk": 1}))).is_err());
    }
    assert_eq!(engine.1.load(Ordering::Relaxed), 1);
    for _ in 0..5 {
        world.clock.advance(Duration::from_secs(1));
        assert!(world.one(edit(&id, json!({"disk": 1}))).is_err());
    }
    assert_eq!(engine.1.load(Ordering::Relaxed), 6);
}

#[test]
fn writes_of_one_id_in_one_batch_take_effect_one_after_the_other() {
    let (engine, mut world) = world();
    let new = world.draft("service", service("a"));
    let id = new.id().clone();
    let again = world.draft("service", service("b"));
    let answers = world.writer.execute(vec![
        edit(&id, json!({"disk": 1})),
        Command::Add(Box::new(new)),
        edit(&id, json!({"disk": 2})),
        delete(&id),
        edit(&id, json!({"disk": 3})),
        Command::Add(Box::new(again)),
    ]);
    let refused: Vec<bool> = answers.iter().map(Result::is_err).collect();
    assert_eq!(refused, [true, false, false, false, true, false]);
    assert_eq!(world.store.len(), 1);
    let again = World::open(Arc::new(engine.after_crash()), StoreOptions::default()).unwrap();
    assert_eq!(again.everything(), world.everything());
}

#[test]
fn one_of_a_kind_can_be_replaced_within_a_batch() {
    let (_, mut world) = world();
    let body = json!({
        "device_id": "d", "device_ip": "", "authenticated": true, "connected": true, "isLeader": false,
    });
    let id = world.add("agent", body.clone());
    let second = world.draft("agent", body.clone());
    let refused = world.one(Command::Add(Box::new(second)));
    assert!(matches!(refused, Err(StoreError::Conflict { id: there }) if there == id));
    let third = world.draft("agent", body);
    let answers = world.writer.execute(vec![delete(&id), Command::Add(Box::new(third))]);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

#[test]
fn a_query_that_cannot_read_a_document_fails_and_leaves_no_wrong_column() {
    let engine = Arc::new(MemoryEngine::new());
    // Nothing fits into memory, and there are enough documents for columns.
    let options = StoreOptions { memory_budget: 0, ..StoreOptions::default() };
    let mut world = World::open(engine.clone(), options).unwrap();
    (0..100).for_each(|number| drop(world.add("service", service(&format!("s{number}")))));
    let pairs = [("$filter".to_owned(), "name='s7'".to_owned())];
    let query = Query::from_pairs(&pairs).unwrap();
    let found = |world: &World| world.store.find(spec("service"), &query, &Caller::agent());
    engine.inject(Fault::ReadFailed);
    assert!(matches!(found(&world), Err(StoreError::Unavailable { .. })), "nothing is left out in silence");
    engine.mend();
    assert_eq!(found(&world).unwrap().count, 1);
}
