//! A backup is one instant of the store, and only a whole one is restored, into an empty store, under a new incarnation.

use std::io::Cursor;
use std::sync::Arc;

use mf2c_domain::id::ResourceId;
use mf2c_store::engine::{Batch, Engine, MemoryEngine, Space};
use mf2c_store::{BackupError, Changes, Store, StoreOptions, restore, write_backup};
use serde_json::json;

use crate::world::{Seed, World, delete, edit, embedded, service, small};

fn memory() -> (Arc<MemoryEngine>, World) {
    let engine = Arc::new(MemoryEngine::new());
    (engine.clone(), World::open(engine, StoreOptions::default()).unwrap())
}

fn filled(documents: usize) -> (World, Vec<ResourceId>) {
    let (_, mut world) = memory();
    let ids: Vec<_> = (0..documents).map(|number| world.add("service", service(&format!("s{number}")))).collect();
    for id in ids.iter().step_by(3) {
        world.one(edit(id, json!({"disk": 3}))).unwrap();
    }
    world.one(delete(&ids[1])).unwrap();
    (world, ids)
}

fn backed_up(store: &Store) -> Vec<u8> {
    let mut file = Vec::new();
    write_backup(store, &mut file).unwrap();
    file
}

fn is_untouched(engine: &dyn Engine) -> bool {
    let mut found = 0;
    for space in [Space::Documents, Space::Changes, Space::Meta] {
        engine
            .scan(space, &[], &mut |_, _| {
                found += 1;
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
    }
    found == 0
}

#[test]
fn a_restored_store_is_the_one_backed_up_under_a_new_incarnation() {
    let (world, _) = filled(50);
    let file = backed_up(&world.store);
    let directory = tempfile::tempdir().unwrap();
    let engine = embedded(directory.path(), small()).unwrap();
    let summary = restore(&*engine, Cursor::new(&file), &Seed::new(77)).unwrap();
    assert_eq!((summary.documents, summary.position, summary.bytes), (49, world.position(), file.len() as u64));
    drop(engine);

    let mut restored = World::in_directory(directory.path()).unwrap();
    assert_eq!(restored.everything(), world.everything());
    assert_eq!(restored.store.identity().node, world.store.identity().node);
    assert_ne!(restored.store.identity().incarnation, world.store.identity().incarnation);
    assert_eq!(restored.position(), world.position());
    let oldest = world.position() + 1;
    assert_eq!(restored.store.changes_after(0, 9).unwrap(), Changes::Trimmed { oldest });
    restored.add("service", service("new"));
    let Changes::Next(next) = restored.store.changes_after(oldest - 1, 9).unwrap() else { panic!() };
    assert_eq!(next[0].position, oldest);
    let Changes::Next(all) = world.store.changes_after(0, 500).unwrap() else { panic!() };
    assert!(all.iter().all(|change| change.time < next[0].time));
    let everything = restored.everything();
    drop(restored);
    assert_eq!(World::in_directory(directory.path()).unwrap().everything(), everything);
}

#[test]
fn a_restored_store_opens_again_before_its_first_change() {
    let (world, _) = filled(5);
    let directory = tempfile::tempdir().unwrap();
    restore(&*embedded(directory.path(), small()).unwrap(), Cursor::new(backed_up(&world.store)), &Seed::new(1))
        .unwrap();
    for _ in 0..3 {
        assert_eq!(World::in_directory(directory.path()).unwrap().everything(), world.everything());
    }
    std::fs::write(directory.path().join("0.jnl"), []).unwrap();
    assert!(World::in_directory(directory.path()).is_err(), "losing what was restored is noticed");
}

#[test]
fn a_backup_holds_one_instant_while_others_write() {
    /// Writes to the store each time that the backup does.
    struct Busy<'a>(&'a mut World, &'a ResourceId, Vec<u8>, u64);
    impl std::io::Write for Busy<'_> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.3 += 1;
            self.0.one(edit(self.1, json!({"disk": self.3}))).unwrap();
            self.0.add("service", service("later"));
            self.2.extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let mut world = World::in_directory(directory.path()).unwrap();
    let ids: Vec<_> = (0..30).map(|number| world.add("service", service(&format!("s{number}")))).collect();
    let (before, store) = (world.everything(), world.store.clone());
    let mut busy = Busy(&mut world, &ids[20], Vec::new(), 0);
    let summary = write_backup(&store, &mut busy).unwrap();
    assert!(busy.3 > 30);
    let engine = Arc::new(MemoryEngine::new());
    restore(&*engine, Cursor::new(busy.2), &Seed::new(5)).unwrap();
    let restored = World::open(engine, StoreOptions::default()).unwrap();
    assert_eq!((restored.everything(), summary.position), (before, 30));
}

#[test]
fn no_damaged_backup_is_restored_not_even_in_part() {
    let (world, _) = filled(6);
    let file = backed_up(&world.store);
    let refused = |bytes: &[u8], what: &str| {
        let engine = MemoryEngine::new();
        let error = restore(&engine, Cursor::new(bytes), &Seed::new(5)).err();
        assert!(matches!(error, Some(BackupError::Damaged(_))), "{what}: {error:?}");
        assert!(is_untouched(&engine), "{what}");
    };
    for length in 0..file.len() {
        refused(&file[..length], &format!("cut at {length}"));
    }
    for at in 0..file.len() {
        for flip in [1, 0x80] {
            let mut bytes = file.clone();
            bytes[at] ^= flip;
            refused(&bytes, &format!("byte {at}"));
        }
    }
    refused(&[&file[..], b"x"].concat(), "a byte behind the end");
}

#[test]
fn a_store_that_holds_anything_is_not_overwritten() {
    let (world, _) = filled(6);
    let file = backed_up(&world.store);
    let (engine, mut other) = memory();
    other.add("service", service("mine"));
    let everything = other.everything();
    assert!(matches!(restore(&*engine, Cursor::new(&file), &Seed::new(5)), Err(BackupError::NotEmpty)));
    assert_eq!(World::open(engine, StoreOptions::default()).unwrap().everything(), everything);
}

#[test]
fn a_restore_that_was_interrupted_is_neither_opened_nor_in_the_way_of_the_next() {
    let (world, _) = filled(6);
    let file = backed_up(&world.store);
    let engine = Arc::new(MemoryEngine::new());
    let mut batch = Batch::default();
    batch.put(Space::Meta, b"restoring", Vec::new());
    batch.put(Space::Documents, b"service/half", b"way".to_vec());
    engine.commit(batch).unwrap();
    assert!(World::open(engine.clone(), StoreOptions::default()).is_err());
    restore(&*engine, Cursor::new(&file), &Seed::new(5)).unwrap();
    assert_eq!(World::open(engine, StoreOptions::default()).unwrap().everything(), world.everything());
}

#[test]
fn a_store_with_a_damaged_document_gives_no_backup() {
    let (engine, mut world) = memory();
    let id = world.add("service", service("a"));
    let mut batch = Batch { position: 2, ..Batch::default() };
    batch.put(Space::Documents, id.as_str().as_bytes(), b"nonsense".to_vec());
    engine.commit(batch).unwrap();
    assert!(matches!(write_backup(&world.store, Vec::new()), Err(BackupError::Engine(_))));
}
