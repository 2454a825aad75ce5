//! A repair says what it cuts off, keeps it, and leaves a store that opens and goes on under a new incarnation.

use std::path::Path;

use mf2c_store::{Changes, repair};
use serde_json::json;

use crate::world::{Seed, World, edit, image, service};

fn damaged_in_the_middle(changes: u64) -> (tempfile::TempDir, World, u64) {
    let live = tempfile::tempdir().unwrap();
    let mut world = World::in_directory(live.path()).unwrap();
    let id = world.add("service", service("kept"));
    for number in 1..changes {
        world.one(edit(&id, json!({"num_agents": number}))).unwrap();
    }
    let image = image(live.path());
    let path = image.path().join("0.jnl");
    let mut bytes = std::fs::read(&path).unwrap();
    let hit = bytes.len() / 2;
    bytes[hit] ^= 4;
    std::fs::write(path, bytes).unwrap();
    (image, world, hit as u64)
}

#[test]
fn an_undamaged_store_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let mut world = World::in_directory(directory.path()).unwrap();
    world.add("service", service("a"));
    let (incarnation, everything) = (world.store.identity().incarnation, world.everything());
    assert!(repair(directory.path(), &Seed::new(1)).is_err(), "it is in use");
    drop(world);
    assert_eq!(repair(directory.path(), &Seed::new(1)).unwrap(), None);
    let world = World::in_directory(directory.path()).unwrap();
    assert_eq!((world.store.identity().incarnation, world.everything()), (incarnation, everything));
}

#[test]
fn a_repair_keeps_the_cut_part_and_starts_a_new_life_of_the_store() {
    let (image, before, hit) = damaged_in_the_middle(40);
    let damaged = std::fs::read(image.path().join("0.jnl")).unwrap();
    assert!(World::in_directory(image.path()).is_err());
    let repaired = repair(image.path(), &Seed::new(99)).unwrap().unwrap();
    assert_eq!(repaired.file, image.path().join("0.jnl"));
    assert!(repaired.offset <= hit && repaired.bytes == damaged.len() as u64 - repaired.offset);
    let kept = image.path().join(format!("lost-0-{}.bin", repaired.offset));
    assert_eq!(repaired.kept_as, std::slice::from_ref(&kept));
    assert!(std::fs::read(kept).unwrap() == damaged[repaired.offset as usize..]);
    assert_eq!(repaired.acknowledged, Some(40));
    let last = repaired.last_position.unwrap();
    assert!((15..25).contains(&last));

    let mut world = World::in_directory(image.path()).unwrap();
    let id = world.store.all("service")[0].id.clone();
    assert_eq!(world.body(&id).unwrap()["num_agents"], json!(last - 1), "the newest state that could be read");
    let (old, new) = (before.store.identity(), world.store.identity());
    assert_eq!(old.node, new.node);
    assert_ne!(old.incarnation, new.incarnation);
    assert_eq!(world.position(), 40, "no position is given out twice");
    assert_eq!(world.store.changes_after(last, 9).unwrap(), Changes::Trimmed { oldest: 41 });
    world.one(edit(&id, json!({"num_agents": 99}))).unwrap();
    let Changes::Next(next) = world.store.changes_after(40, 9).unwrap() else { panic!() };
    assert_eq!((next[0].position, next[0].sequence, next[0].incarnation), (41, last + 1, new.incarnation));
    let newest = world.everything();
    drop(world);
    assert_eq!(World::in_directory(image.path()).unwrap().everything(), newest);
    assert_eq!(repair(image.path(), &Seed::new(3)).unwrap(), None);
}

#[test]
fn changes_that_are_gone_altogether_are_told_and_given_up() {
    let (image, ..) = damaged_in_the_middle(20);
    std::fs::write(image.path().join("0.jnl"), []).unwrap();
    let repaired = repair(image.path(), &Seed::new(5)).unwrap().unwrap();
    assert_eq!((repaired.bytes, repaired.acknowledged, repaired.kept_as.len()), (0, Some(20), 0));
    let world = World::in_directory(image.path()).unwrap();
    assert_eq!((world.store.len(), world.position()), (0, 20));
}

#[test]
fn documents_that_tables_hold_ahead_of_the_journal_survive_a_repair() {
    let live = tempfile::tempdir().unwrap();
    let tiny = mf2c_store::engine::EmbeddedOptions { write_buffer: 64 << 10, ..crate::world::small() };
    let engine = crate::world::embedded(live.path(), tiny).unwrap();
    let mut world = World::open(engine, mf2c_store::StoreOptions::default()).unwrap();
    let tables = |directory: &Path| directory.join("keyspaces/1/tables").read_dir().map_or(0, Iterator::count);
    let mut added = 0;
    while tables(live.path()) == 0 && added < 20_000 {
        world.add("service", service(&format!("service {added}")));
        added += 1;
    }
    assert!(tables(live.path()) > 0);
    // At its end the engine finishes the table that it is writing.
    drop(world);
    let image = image(live.path());
    let path = image.path().join("0.jnl");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(path, &bytes[..bytes.len() / 10]).unwrap();
    repair(image.path(), &Seed::new(5)).unwrap().unwrap();
    let world = World::in_directory(image.path()).unwrap();
    assert_eq!(world.position(), added);
    assert!(world.store.len() as u64 > added / 10, "{} of {added}", world.store.len());
}
