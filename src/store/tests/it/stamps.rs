//! When the newest change of a store was made: kept with how far it was read, so that two histories under one number are told
//! apart.

use mf2c_domain::time::HybridTime;
use mf2c_store::StoreOptions;
use mf2c_store::replica::InflowKind;
use serde_json::json;

use crate::courier::{apply, follow, id_of, node, part, reached, reopened, tail};
use crate::world::{World, edit, service};

fn newest(world: &World) -> HybridTime {
    let sequence = world.store.progress()[0].sequence;
    world.store.time_of_own(sequence).unwrap().unwrap()
}

#[test]
fn who_has_read_the_tail_knows_when_the_newest_change_was_made_and_so_does_its_origin_after_a_restart() {
    let (engine, mut child) = node(1, StoreOptions::default());
    let (leaders, mut leader) = node(2, StoreOptions::default());
    let origin = id_of(&child);
    let id = child.add("service", service("a"));
    let first = newest(&child);
    child.one(edit(&id, json!({"num_agents": 1}))).unwrap();
    // What does not travel has no number.
    child.add("user", json!({"username": "x", "password": "x", "emailAddress": "a@example.com"}));
    follow(&child.store, &mut leader, origin);
    assert_eq!(leader.store.newest_time(&origin), Some(newest(&child)));
    assert!(newest(&child) > first);
    let (_, again) = reopened(&engine, &child, StoreOptions::default());
    for world in [&child, &again] {
        assert_eq!(world.store.time_of_own(1).unwrap(), Some(first));
        assert_eq!(leader.store.newest_time(&origin), Some(newest(world)));
        assert_eq!(world.store.time_of_own(77).unwrap(), None);
    }
    let (_, again) = reopened(&leaders, &leader, StoreOptions::default());
    assert_eq!(again.store.newest_time(&origin), leader.store.newest_time(&origin));
}

#[test]
fn behind_a_snapshot_a_hole_and_a_new_life_it_is_not_known() {
    let (_, mut child) = node(1, StoreOptions::default());
    let (_, mut leader) = node(2, StoreOptions::default());
    let origin = id_of(&child);
    let id = child.add("service", service("a"));
    child.one(edit(&id, json!({"num_agents": 1}))).unwrap();
    let (whole, _) = part(&child.store, reached(&child.store, origin), None, usize::MAX);
    assert!(matches!(whole.kind, InflowKind::Snapshot { upto_key: None, .. }));
    apply(&mut leader, whole).unwrap();
    assert_eq!((reached(&leader.store, origin).sequence, leader.store.newest_time(&origin)), (2, None));
    child.one(edit(&id, json!({"num_agents": 2}))).unwrap();
    follow(&child.store, &mut leader, origin);
    assert_eq!(leader.store.newest_time(&origin), Some(newest(&child)));
    // The last change is passed over, as one that the reader refuses is.
    child.one(edit(&id, json!({"num_agents": 3}))).unwrap();
    let mut hole = tail(&child.store, reached(&leader.store, origin), false);
    hole.changes.clear();
    apply(&mut leader, hole).unwrap();
    assert_eq!((reached(&leader.store, origin).sequence, leader.store.newest_time(&origin)), (4, None));
    child.writer.renew_incarnation(&crate::world::Seed::new(7)).unwrap();
    assert_eq!(child.store.time_of_own(4).unwrap(), None);
}

#[test]
fn a_new_life_is_above_the_one_that_others_know_of() {
    let (_, mut child) = node(1, StoreOptions::default());
    let known = child.store.identity().incarnation + (1 << 40);
    let new = child.writer.renew_incarnation_above(known, &crate::world::Seed::new(7)).unwrap();
    assert!(new > known);
    assert_eq!(child.store.identity().incarnation, new);
}
