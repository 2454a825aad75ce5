//! A store written by the version that knew no agent but its own opens without loss, and others can follow it.

use std::sync::Arc;

use mf2c_store::engine::{Batch, Engine as _, MemoryEngine, Space};
use mf2c_store::record::{ChangeRecord, DocumentRecord};
use mf2c_store::{StoreOptions, restore, write_backup};
use serde_json::json;
use xxhash_rust::xxh3::xxh3_64;

use crate::courier::{documents, follow, id_of, node, reached, start};
use crate::world::{Seed, World, delete, edit, service};

/// `kind, version, checksum of key and fields, fields`.
fn sealed(kind: u8, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let fields = parts.concat();
    [&[kind, 1][..], &xxh3_64(&[key, &fields].concat()).to_le_bytes(), &fields].concat()
}

/// What the engine holds, rewritten as version 1 did: the sequence of a change is its position.
fn of_version_1(engine: &MemoryEngine) -> Arc<MemoryEngine> {
    let mut batch = Batch::default();
    let mut all = Vec::new();
    for space in [Space::Documents, Space::Changes, Space::Meta] {
        let mut take = |key: &[u8], value: &[u8]| {
            all.push((space, key.to_vec(), value.to_vec()));
            std::ops::ControlFlow::Continue(())
        };
        mf2c_store::engine::Scan::scan(engine, space, &[], &mut take).unwrap();
    }
    for (space, key, value) in all {
        let old = match space {
            Space::Documents => {
                let record = DocumentRecord::decode(&key, &value).unwrap();
                let numbers = [record.born, record.revision, record.time.bits()].map(u64::to_le_bytes).concat();
                sealed(b'D', &key, &[&numbers, &record.origin, record.body])
            }
            Space::Changes => {
                let record = ChangeRecord::decode(&key, &value).unwrap();
                let position = u64::from_be_bytes(key.clone().try_into().unwrap());
                let numbers = [record.incarnation, position, record.time.bits()].map(u64::to_le_bytes).concat();
                let code = match record.kind {
                    mf2c_store::ChangeKind::Deleted => 0,
                    mf2c_store::ChangeKind::Edited => 1,
                    mf2c_store::ChangeKind::Created => 2,
                };
                let length = u16::try_from(record.id.len()).unwrap().to_le_bytes();
                let parts = [&record.origin, &numbers[..], &[code], &length, record.id.as_bytes(), record.document];
                sealed(b'C', &key, &parts)
            }
            Space::Meta if key == b"identity" => {
                let mut identity: serde_json::Value = serde_json::from_slice(&value).unwrap();
                identity.as_object_mut().unwrap().remove("sequence").unwrap();
                identity.to_string().into_bytes()
            }
            Space::Meta => continue,
        };
        batch.put(space, &key, old);
    }
    let engine = Arc::new(MemoryEngine::new());
    engine.commit(batch).unwrap();
    engine
}

fn filled(log_entries: usize) -> (Arc<MemoryEngine>, World) {
    let (engine, mut world) = node(1, StoreOptions { log_entries, ..StoreOptions::default() });
    let ids: Vec<_> = (0..6).map(|number| world.add("service", service(&format!("s{number}")))).collect();
    let callback = json!({"action": "user-password-reset", "targetResource": {"href": "user/x"}, "data": {}});
    world.add("callback", callback);
    world.one(edit(&ids[2], json!({"num_agents": 1}))).unwrap();
    world.one(delete(&ids[3])).unwrap();
    (engine, world)
}

#[test]
fn a_store_of_the_version_before_opens_without_loss_and_is_followed() {
    for log_entries in [1000, 2] {
        let options = StoreOptions { log_entries, ..StoreOptions::default() };
        let (engine, before) = filled(log_entries);
        let mut world = World::open(of_version_1(&engine), options.clone()).unwrap();
        assert_eq!((world.everything(), world.position()), (before.everything(), before.position()));
        assert_eq!((id_of(&world), world.store.progress()[0].sequence), (id_of(&before), 9));
        let (_, mut leader) = node(2, StoreOptions::default());
        let begin = start(&world.store, reached(&leader.store, id_of(&world)));
        assert_eq!(begin.snapshots.is_empty(), log_entries == 1000);
        follow(&world.store, &mut leader, id_of(&world));
        world.add("service", service("new"));
        assert_eq!(world.store.progress()[0].sequence, 10);
        follow(&world.store, &mut leader, id_of(&world));
        assert_eq!(documents(&leader.store, id_of(&world)), documents(&world.store, id_of(&world)));
        assert_eq!((leader.store.count("service"), leader.store.count("callback")), (6, 0));
    }
}

#[test]
fn a_backup_of_the_version_before_is_restored_and_followed() {
    let (engine, before) = filled(1000);
    let old = World::open(of_version_1(&engine), StoreOptions::default()).unwrap();
    let mut file = Vec::new();
    write_backup(&old.store, &mut file).unwrap();
    let engine = Arc::new(MemoryEngine::new());
    restore(&*engine, std::io::Cursor::new(&file), &Seed::new(5)).unwrap();
    let mut world = World::open(engine, StoreOptions::default()).unwrap();
    assert_eq!(world.everything(), before.everything());
    let (_, mut leader) = node(2, StoreOptions::default());
    follow(&old.store, &mut leader, id_of(&old));
    world.add("service", service("new"));
    follow(&world.store, &mut leader, id_of(&world));
    assert_eq!(documents(&leader.store, id_of(&world)), documents(&world.store, id_of(&world)));
}

#[test]
fn a_restored_store_reads_others_anew_and_begins_a_new_life_itself() {
    let (_, mut child) = node(1, StoreOptions::default());
    let (_, mut leader) = node(2, StoreOptions::default());
    let (_, mut cloud) = node(3, StoreOptions::default());
    let ids: Vec<_> = (0..6).map(|number| child.add("service", service(&format!("s{number}")))).collect();
    let own = leader.add("service", service("own"));
    let origin = id_of(&child);
    follow(&child.store, &mut leader, origin);
    follow(&leader.store, &mut cloud, id_of(&leader));
    let mut file = Vec::new();
    write_backup(&leader.store, &mut file).unwrap();
    child.one(delete(&ids[1])).unwrap();
    child.one(edit(&ids[2], json!({"num_agents": 1}))).unwrap();
    follow(&child.store, &mut leader, origin);
    leader.one(edit(&own, json!({"num_agents": 7}))).unwrap();
    follow(&leader.store, &mut cloud, id_of(&leader));

    let engine = Arc::new(MemoryEngine::new());
    restore(&*engine, std::io::Cursor::new(&file), &Seed::new(5)).unwrap();
    let mut leader = World::open(engine, StoreOptions::default()).unwrap();
    assert_eq!((leader.store.len(), leader.store.progress_of(&origin)), (7, None));
    assert!(leader.body(&ids[1]).is_some());
    follow(&child.store, &mut leader, origin);
    assert!(leader.body(&ids[1]).is_none());
    assert_eq!(documents(&leader.store, origin), documents(&child.store, origin));
    leader.one(edit(&own, json!({"num_agents": 8}))).unwrap();
    follow(&leader.store, &mut cloud, id_of(&leader));
    assert_eq!(cloud.body(&own), leader.body(&own));
}
