//! Types with secrets, whose documents are left on disk: queries are answered as if the secrets were not there, and
//! memory holds no body.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use mf2c_domain::caller::Caller;
use mf2c_domain::query::{Query, decode_pairs};
use mf2c_store::engine::{Engine, MemoryEngine};
use mf2c_store::{Command, Store, StoreOptions};
use serde_json::{Value, json};

use crate::world::{World, delete, edit, new, spec};

const KEYS: usize = 100;

fn key(number: usize) -> Value {
    json!({"type": "api-key", "method": "generate-api-key", "digest": format!("sha256$a${number:03}"),
        "claims": {"identity": "jane"}, "name": format!("key {number}")})
}

/// A store with more keys than are read through without columns.
fn keys() -> (World, Arc<MemoryEngine>) {
    let engine = Arc::new(MemoryEngine::new());
    let mut world = World::open(Arc::<MemoryEngine>::clone(&engine), StoreOptions::default()).unwrap();
    let added = (0..KEYS).map(|number| {
        Command::Add(Box::new(new("credential", key(number), &Caller::agent(), &*world.clock, &*world.entropy)))
    });
    let added = added.collect();
    world.writer.execute(added).into_iter().for_each(|outcome| drop(outcome.unwrap()));
    (world, engine)
}

fn find(store: &Store, query: &str) -> mf2c_store::Found {
    let query = Query::from_pairs(&decode_pairs(query).unwrap()).unwrap();
    store.find(spec("credential"), &query, &Caller::agent()).unwrap()
}

#[test]
fn a_query_finds_nothing_by_a_secret() {
    let (world, _) = keys();
    for secret in ["digest^='sha256'", "digest='sha256$a$007'", "digest!=null", "digest>'a'", "digest/x=1"] {
        assert_eq!(find(&world.store, &format!("$filter={secret}")).count, 0, "{secret}");
    }
    assert_eq!(find(&world.store, "$filter=digest=null").count, KEYS);
    assert_eq!(find(&world.store, "$filter=digest='x' or name='key 7'").count, 1);
    let ids = |found: mf2c_store::Found| found.documents.iter().map(|found| found.id.clone()).collect::<Vec<_>>();
    let natural = ids(find(&world.store, ""));
    assert_eq!(ids(find(&world.store, "$orderby=digest:desc")), natural);
    let page = find(&world.store, "$orderby=digest:desc&$last=10");
    let after = page.after.unwrap();
    assert!(!after.contains("sha256"), "{after}");
    assert_eq!(ids(find(&world.store, &format!("$orderby=digest:desc&$after={after}")))[0], natural[10]);
    let sums = find(&world.store, "$aggregation=terms:digest,min:digest").aggregations.unwrap();
    assert!(!json!(sums).to_string().contains("sha256"), "{sums:?}");
}

#[test]
fn documents_left_on_disk_are_read_found_edited_and_deleted_like_others() {
    let (mut world, engine) = keys();
    let counters = |world: &World| world.store.counters().resident.load(Ordering::Relaxed);
    assert_eq!(counters(&world), 0, "no body in memory");
    let found = find(&world.store, "$filter=name='key 42'").documents.remove(0);
    let body: Value = serde_json::from_slice(&world.store.body(&found).unwrap().unwrap()).unwrap();
    assert_eq!((&body["name"], &body["digest"]), (&json!("key 42"), &json!("sha256$a$042")));

    let outcomes = world.writer.execute(vec![edit(&found.id, json!({"name": "other"})), delete(&found.id)]);
    assert!(outcomes.into_iter().all(|outcome| outcome.is_ok()), "in one batch");
    assert_eq!(world.store.count("credential"), KEYS - 1);
    let other = find(&world.store, "$filter=name='key 41'").documents.remove(0);
    world.writer.execute(vec![edit(&other.id, json!({"name": "other"}))]).remove(0).unwrap();
    assert_eq!(find(&world.store, "$filter=name='other'").documents[0].id, other.id);
    drop(world);

    let again: Arc<dyn Engine> = Arc::new(engine.after_crash());
    let world = World::open(again, StoreOptions::default()).unwrap();
    assert_eq!((counters(&world), world.store.count("credential")), (0, KEYS - 1));
    assert_eq!(find(&world.store, "$filter=name='other'").documents[0].id, other.id);
}
