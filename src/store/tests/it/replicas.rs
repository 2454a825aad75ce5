//! The vectors of replication that the store alone must meet (`cluster.md` R3 to R23), one by one.

use std::sync::Arc;
use std::time::Duration;

use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_store::engine::{Batch, Engine as _, MemoryEngine, Space};
use mf2c_store::replica::{Content, Incoming, Inflow, InflowError, InflowKind, Progress};
use mf2c_store::{ChangeKind, Changes, Command, Delete, Edit, IfMatch, Store, StoreError, StoreOptions};
use serde_json::{Value, json};

use crate::bodies::{body, seeded};
use crate::courier::{
    apply, compare_and_mend, documents, follow, id_of, node, part, reached, refusal, reopened, start, tail,
};
use crate::world::{Seed, World, delete, edit, object, service};

fn two() -> (World, World, Arc<MemoryEngine>) {
    let (engine, leader) = node(2, StoreOptions::default());
    (node(1, StoreOptions::default()).1, leader, engine)
}

fn dynamic(world: &mut World) -> ResourceId {
    world.add("device-dynamic", body("device-dynamic", &seeded(5)))
}

fn log(store: &Store, after: u64) -> Vec<std::sync::Arc<mf2c_store::Change>> {
    let Changes::Next(changes) = store.changes_after(after, 1000).unwrap() else { panic!("the log is cut") };
    changes
}

#[test]
fn r3_a_change_that_comes_three_times_has_its_effect_once_and_a_hole_is_refused() {
    let (mut child, mut leader, _) = two();
    let id = child.add("service", service("a"));
    let origin = id_of(&child);
    let nothing = reached(&leader.store, origin);
    let first = tail(&child.store, nothing, false);
    child.one(edit(&id, json!({"num_agents": 1}))).unwrap();
    let second = tail(&child.store, Progress { sequence: 1, incarnation: first.incarnation, origin }, false);
    assert_eq!(refusal(&mut leader, second.clone()), InflowError::Gap { here: 0, after: 1 });
    for (flow, changed) in [(&first, 1), (&first, 0), (&second, 1), (&first, 0), (&second, 0), (&second, 0)] {
        let applied = apply(&mut leader, flow.clone()).unwrap();
        assert_eq!((applied.changed, applied.skipped), (changed, 1 - changed));
    }
    assert_eq!((leader.position(), leader.body(&id)), (2, child.body(&id)));
    let told: Vec<_> =
        log(&leader.store, 0).into_iter().map(|change| (change.origin, change.sequence, change.kind)).collect();
    assert_eq!(told, [(origin, 1, ChangeKind::Created), (origin, 2, ChangeKind::Edited)]);
}

#[test]
fn r7_a_deletion_travels_on_also_through_those_who_never_had_the_document() {
    let (mut child, mut leader, _) = two();
    let (_, mut cloud) = node(3, StoreOptions::default());
    let origin = id_of(&child);
    let id = child.add("service", service("a"));
    follow(&child.store, &mut cloud, origin);
    child.one(delete(&id)).unwrap();
    let mut whole = tail(&child.store, reached(&leader.store, origin), false);
    whole.changes.retain(|change| change.sequence == 2);
    apply(&mut leader, whole).unwrap();
    let told = log(&leader.store, 0);
    assert_eq!((told.len(), told[0].kind, told[0].sequence), (1, ChangeKind::Deleted, 2));
    follow(&leader.store, &mut cloud, origin);
    assert!(cloud.body(&id).is_none() && leader.body(&id).is_none());
}

#[test]
fn r8_whoever_is_behind_the_log_takes_a_snapshot_and_what_was_deleted_stays_away() {
    let (_, mut child) = node(1, StoreOptions { log_entries: 5, ..StoreOptions::default() });
    let (_, mut leader, _) = two();
    let origin = id_of(&child);
    let ids: Vec<_> = (0..4).map(|number| child.add("service", service(&format!("s{number}")))).collect();
    follow(&child.store, &mut leader, origin);
    child.one(delete(&ids[1])).unwrap();
    for number in 0..20 {
        child.one(edit(&ids[2], json!({"num_agents": number}))).unwrap();
    }
    assert_eq!(start(&child.store, reached(&leader.store, origin)).snapshots, [origin]);
    follow(&child.store, &mut leader, origin);
    assert_eq!(documents(&leader.store, origin), documents(&child.store, origin));
    assert!(leader.body(&ids[1]).is_none());
    // An old part of a snapshot that comes late brings nothing back.
    let late = InflowKind::Snapshot { at: 4, after_key: None, upto_key: None };
    let incarnation = child.store.identity().incarnation;
    let content = Content::Whole(log(&leader.store, 0)[1].document.to_vec());
    let change = Incoming { sequence: 2, time: Default::default(), id: ids[1].clone(), content };
    apply(&mut leader, Inflow { origin, incarnation, kind: late, changes: vec![change] }).unwrap();
    assert_eq!(documents(&leader.store, origin), documents(&child.store, origin));
}

#[test]
fn r9_r10_a_new_life_replaces_the_old_one_and_nothing_is_mixed() {
    let (mut child, mut leader, engine) = two();
    let origin = id_of(&child);
    child.writer.keep_cursors(&[("webhook/a".to_owned(), Some(1))]).unwrap();
    let ids: Vec<_> = (0..8).map(|number| child.add("service", service(&format!("s{number}")))).collect();
    follow(&child.store, &mut leader, origin);
    let ahead = Progress { sequence: 99, ..reached(&leader.store, origin) };
    assert_eq!(start(&child.store, ahead).ahead, [origin]);

    let (old, tag) = (child.store.identity().incarnation, child.store.tag(&child.store.get(ids[0].as_str()).unwrap()));
    let new = child.writer.renew_incarnation(&Seed::new(77)).unwrap();
    assert_eq!((new, child.store.identity().incarnation), (child.store.progress()[0].incarnation, new));
    assert!(new != old && tag != child.store.tag(&child.store.get(ids[0].as_str()).unwrap()));
    assert_eq!(child.store.cursors("").unwrap(), [("webhook/a".to_owned(), 1)]);
    let late = child.add("service", service("late"));
    child.one(delete(&ids[0])).unwrap();
    assert_eq!(refusal(&mut leader, tail(&child.store, ahead, false)), InflowError::OtherLife { here: old });

    let at = child.store.progress()[0];
    let (first, upto) = part(&child.store, at, None, 1000);
    assert!(upto.is_some());
    apply(&mut leader, first).unwrap();
    assert_eq!(reached(&leader.store, origin).incarnation, old);
    let (_, mut leader) = reopened(&engine, &leader, StoreOptions::default());
    assert_eq!(
        leader.store.partial_of(&origin).map(|partial| (partial.at, Some(partial.key))),
        Some((at.sequence, upto.clone()))
    );
    let (rest, upto) = part(&child.store, at, upto, usize::MAX);
    assert!(upto.is_none());
    apply(&mut leader, rest).unwrap();
    assert_eq!((reached(&leader.store, origin), leader.store.partial_of(&origin)), (at, None));
    assert_eq!(documents(&leader.store, origin), documents(&child.store, origin));
    assert!(leader.body(&late).is_some());
    child.one(edit(&late, json!({"num_agents": 3}))).unwrap();
    follow(&child.store, &mut leader, origin);
    assert_eq!(leader.body(&late), child.body(&late));
}

#[test]
fn r13_a_clock_that_is_hours_ahead_moves_nobody_elses() {
    let (mut child, mut leader, engine) = two();
    child.clock.advance(Duration::from_secs(7200));
    let id = child.add("service", service("a"));
    follow(&child.store, &mut leader, id_of(&child));
    let own = leader.add("service", service("b"));
    let time = |world: &World, id: &ResourceId| world.store.get(id.as_str()).unwrap().time();
    assert!(time(&leader, &own).wall() < time(&leader, &id).wall());
    let (_, mut leader) = reopened(&engine, &leader, StoreOptions::default());
    let next = leader.add("service", service("c"));
    assert!(time(&leader, &next) > time(&leader, &own) && time(&leader, &next).wall() < time(&leader, &id).wall());
    // One that is a little ahead is believed, so that what follows on it is later.
    let (mut near, mut far, _) = two();
    near.clock.advance(Duration::from_secs(30));
    let id = near.add("service", service("a"));
    follow(&near.store, &mut far, id_of(&near));
    let own = far.add("service", service("b"));
    assert!(time(&far, &own) > time(&far, &id));
}

#[test]
fn r15_a_patch_of_many_attributes_is_one_revision_and_the_bytes_are_the_origins() {
    let (mut child, mut leader, _) = two();
    let id = dynamic(&mut child);
    follow(&child.store, &mut leader, id_of(&child));
    let before = leader.store.get(id.as_str()).unwrap();
    child.one(edit(&id, json!({"ramFree": 1.5, "sensors": [], "description": "é\"", "acl": {"owner": {"principal": "jane", "type": "USER"}}}))).unwrap();
    let removal = Edit {
        id: id.clone(),
        changes: object(json!({})),
        removed: vec!["properties".into()],
        if_match: None,
        by: Caller::agent(),
    };
    child.one(Command::Edit(Box::new(removal))).unwrap();
    let told: Vec<_> = log(&child.store, 1).into_iter().map(|change| change.differs.clone()).collect();
    assert_eq!(told[0].as_deref().unwrap(), ["acl", "description", "ramFree", "sensors"]);
    let flow = tail(&child.store, reached(&leader.store, id_of(&child)), false);
    assert!(flow.changes.iter().all(|change| matches!(change.content, Content::Patch(_))));
    apply(&mut leader, flow).unwrap();
    assert_eq!(documents(&leader.store, id_of(&child)), documents(&child.store, id_of(&child)));
    let after = leader.store.get(id.as_str()).unwrap();
    assert!(
        after.acl.can_modify(&Caller::new("jane", ["USER"])) && !before.acl.can_modify(&Caller::new("jane", ["USER"]))
    );
    assert_eq!((after.origin(), after.sequence(), after.revision), (Some(id_of(&child)), 3, 3));
}

#[test]
fn a_patch_for_another_revision_ends_its_flow_before_it() {
    let (mut child, mut leader, _) = two();
    let origin = id_of(&child);
    let id = child.add("service", service("a"));
    follow(&child.store, &mut leader, origin);
    child.add("service", service("b"));
    child.one(edit(&id, json!({"num_agents": 1}))).unwrap();
    child.add("service", service("c"));
    let mut flow = tail(&child.store, reached(&leader.store, origin), false);
    let Content::Patch(patch) = &mut flow.changes[1].content else { panic!() };
    patch.sum ^= 1;
    let applied = apply(&mut leader, flow).unwrap();
    assert_eq!((applied.progress.sequence, applied.changed, applied.misfits), (2, 1, vec![id]));
    follow(&child.store, &mut leader, origin);
    assert_eq!(documents(&leader.store, origin), documents(&child.store, origin));
}

#[test]
fn r17_a_row_that_was_flipped_is_found_by_digests_and_repaired_once() {
    let (mut child, mut leader, engine) = two();
    let origin = id_of(&child);
    let ids: Vec<_> = (0..50).map(|number| child.add("service", service(&format!("s{number}")))).collect();
    follow(&child.store, &mut leader, origin);
    assert_eq!(compare_and_mend(&child.store, &mut leader, origin), 0);
    let key = ids[20].as_str().as_bytes();
    let right = engine.get(Space::Documents, key).unwrap().unwrap();
    for bit in [9, 900] {
        let mut row = right.clone();
        row[bit / 8] ^= 1 << (bit % 8);
        let mut batch = Batch { position: leader.position(), ..Batch::default() };
        batch.put(Space::Documents, key, row);
        engine.commit(batch).unwrap();
        assert_eq!(compare_and_mend(&child.store, &mut leader, origin), 1);
        assert_eq!(compare_and_mend(&child.store, &mut leader, origin), 0);
    }
    let (_, mut leader) = reopened(&engine, &leader, StoreOptions::default());
    assert_eq!(documents(&leader.store, origin), documents(&child.store, origin));
    // A repair for another point of the origin is refused.
    child.one(delete(&ids[0])).unwrap();
    let kind = InflowKind::Repair { at: 51, gone: vec![] };
    let incarnation = child.store.identity().incarnation;
    let flow = Inflow { origin, incarnation, kind, changes: vec![] };
    assert_eq!(refusal(&mut leader, flow), InflowError::Gap { here: 50, after: 51 });
}

#[test]
fn r22_another_agents_document_is_not_changed_here() {
    let (mut child, mut leader, _) = two();
    let id = child.add("service", service("a"));
    follow(&child.store, &mut leader, id_of(&child));
    let everything = (leader.everything(), leader.position());
    let stale = IfMatch::OneOf(vec!["1.1".to_owned()]);
    let by = Caller::agent();
    let delete_if = Delete { id: id.clone(), if_match: Some(stale), by };
    assert!(matches!(leader.one(Command::Delete(delete_if)), Err(StoreError::Stale { .. })));
    let mut foreign = edit(&id, json!({"num_agents": 1}));
    if let Command::Edit(edit) = &mut foreign {
        edit.by = Caller::new("jane", ["USER"]);
    }
    assert!(matches!(leader.one(foreign), Err(StoreError::Forbidden { .. })));
    for command in [edit(&id, json!({"num_agents": 1})), delete(&id)] {
        let Err(StoreError::Elsewhere { id: told, origin }) = leader.one(command) else { panic!() };
        assert_eq!((told, origin), (id.clone(), id_of(&child)));
    }
    assert_eq!(leader.store.origin_of(id.as_str()), Some(id_of(&child)));
    assert_eq!((leader.everything(), leader.position()), everything);
}

#[test]
fn each_agent_has_one_document_of_a_type_of_which_there_is_one() {
    let (mut child, mut leader, _) = two();
    let agent =
        || json!({"device_id": "d", "device_ip": "", "authenticated": true, "connected": true, "isLeader": false});
    child.add("agent", agent());
    follow(&child.store, &mut leader, id_of(&child));
    leader.add("agent", agent());
    let again = leader.draft("agent", agent());
    assert!(matches!(leader.one(Command::Add(Box::new(again))), Err(StoreError::Conflict { .. })));
    assert_eq!(leader.store.count("agent"), 2);
}

#[test]
fn r23_what_an_origin_may_not_send_is_refused_with_all_that_comes_with_it() {
    let (mut child, mut leader, _) = two();
    let (_, mut other) = node(3, StoreOptions::default());
    let (id, theirs) = (child.add("service", service("a")), other.add("service", service("b")));
    child.add("service", service("c"));
    follow(&other.store, &mut leader, id_of(&other));
    let good = tail(&child.store, reached(&leader.store, id_of(&child)), false);
    let body = |id: &str, uri: &str, rest: &str| {
        let acl = r#"{"owner":{"principal":"ADMIN","type":"ROLE"}}"#;
        let time = "2019-06-14T18:06:24.203Z";
        format!(r#"{{"id":"{id}","resourceURI":"{uri}","created":"{time}","updated":"{time}","acl":{acl}{rest}}}"#)
    };
    let uri = "http://schemas.dmtf.org/cimi/2/Service";
    let everything = (leader.everything(), leader.position(), leader.store.progress());
    let mut refused = |id: &str, body: String| {
        let mut flow = good.clone();
        flow.changes[1].id = ResourceId::parse(id).unwrap();
        flow.changes[1].content = Content::Whole(body.into_bytes());
        let refusal = refusal(&mut leader, flow);
        assert!(matches!(refusal, InflowError::Refused { .. }), "{refusal:?}");
        assert_eq!((leader.everything(), leader.position(), leader.store.progress()), everything);
    };
    refused(theirs.as_str(), body(theirs.as_str(), uri, ""));
    refused("user/jane", body("user/jane", "http://schemas.dmtf.org/cimi/2/User", ""));
    refused("service/x", body("service/y", uri, ""));
    refused("service/x", body("service/x", "http://schemas.dmtf.org/cimi/2/User", ""));
    refused("service/x", body("service/x", uri, r#","acl":{}"#));
    refused("service/x", body("service/x", uri, "").replace("2019", "20\\\"19"));
    refused("service/x", body("service/x", uri, "").replace("\"ROLE\"", "7"));
    refused("service/x", format!("[{}]", body("service/x", uri, "")));
    refused("service/x", body("service/x", uri, &format!(r#","a":{}1{}"#, "[".repeat(200), "]".repeat(200))));
    refused("service/x", body("service/x", uri, &format!(r#","a":"{}""#, "x".repeat(4 << 20))));
    assert_eq!(apply(&mut leader, good).unwrap().changed, 2);
    assert!(leader.body(&id).is_some());
}

#[test]
fn what_is_observed_stays_here_until_the_origin_speaks_again() {
    let (mut child, mut leader, engine) = two();
    let (_, mut cloud) = node(3, StoreOptions::default());
    let origin = id_of(&child);
    let id = dynamic(&mut child);
    follow(&child.store, &mut leader, origin);
    let seen = |status: &str| object(json!({"status": status}));
    leader.writer.observe(&id, seen("disconnected")).unwrap();
    leader.writer.observe(&id, seen("disconnected")).unwrap();
    let told = log(&leader.store, 1);
    assert_eq!((told.len(), told[0].sequence, told[0].origin, told[0].kind), (1, 0, origin, ChangeKind::Edited));
    assert_eq!(told[0].differs.as_deref().unwrap(), ["status"]);
    let (_, mut leader) = reopened(&engine, &leader, StoreOptions::default());
    let status = |world: &World| world.body(&id).unwrap()["status"].clone();
    assert_eq!(status(&leader), json!("disconnected"));
    assert_eq!(documents(&leader.store, origin), documents(&child.store, origin));
    assert_eq!(compare_and_mend(&child.store, &mut leader, origin), 0);
    follow(&leader.store, &mut cloud, origin);
    assert_eq!(status(&cloud), json!("connected"));
    child.one(edit(&id, json!({"ramFree": 3.0}))).unwrap();
    let flow = tail(&child.store, reached(&leader.store, origin), false);
    assert!(matches!(&flow.changes[0].content, Content::Patch(patch) if patch.changed.len() == 1));
    assert_eq!(apply(&mut leader, flow).unwrap().misfits, []);
    assert_eq!(leader.body(&id), child.body(&id));
    assert!(matches!(leader.writer.observe(&id, object(json!({"ramFree": 1}))), Err(StoreError::Schema(_))));
    assert!(matches!(child.writer.observe(&id, seen("connected")), Err(StoreError::NotFound { .. })));
}

#[test]
fn forgetting_an_origin_removes_all_of_it_and_it_may_come_back() {
    let (mut child, mut leader, engine) = two();
    let origin = id_of(&child);
    let ids: Vec<_> = (0..9).map(|number| child.add("service", service(&format!("s{number}")))).collect();
    let own = leader.add("service", service("own"));
    follow(&child.store, &mut leader, origin);
    assert_eq!(leader.writer.forget(&origin).unwrap(), 9);
    assert!(leader.writer.forget(&id_of(&leader)).is_err());
    let (_, mut leader) = reopened(&engine, &leader, StoreOptions::default());
    assert_eq!((leader.store.len(), leader.store.progress_of(&origin)), (1, None));
    assert!(log(&leader.store, 10).iter().all(|change| change.kind == ChangeKind::Deleted && change.sequence == 0));
    follow(&child.store, &mut leader, origin);
    assert!(leader.body(&ids[3]).is_some() && leader.body(&own).is_some());
}

#[test]
fn the_own_number_goes_on_where_others_changes_have_pushed_the_own_out_of_the_log() {
    let options = StoreOptions { log_entries: 3, ..StoreOptions::default() };
    let (engine, mut leader) = node(2, options.clone());
    let (_, mut child) = node(1, StoreOptions::default());
    let id = leader.add("service", service("a"));
    leader.one(edit(&id, json!({"num_agents": 1}))).unwrap();
    leader.one(delete(&id)).unwrap();
    (0..20).for_each(|number| drop(child.add("service", service(&format!("s{number}")))));
    follow(&child.store, &mut leader, id_of(&child));
    let (_, mut leader) = reopened(&engine, &leader, options);
    assert_eq!(leader.store.progress()[0].sequence, 3);
    leader.add("service", service("b"));
    assert_eq!(log(&leader.store, leader.position() - 1)[0].sequence, 4);
}

#[test]
fn what_does_not_travel_has_no_number_and_is_in_no_snapshot() {
    let (mut child, _, _) = two();
    child.add("callback", json!({"action": "user-password-reset", "targetResource": {"href": "user/x"}, "data": {}}));
    child.add("service", service("a"));
    let numbers: Vec<u64> = log(&child.store, 0).iter().map(|change| change.sequence).collect();
    assert_eq!((numbers, documents(&child.store, id_of(&child)).len()), (vec![0, 1], 1));
    let value: Value = serde_json::from_str(&documents(&child.store, id_of(&child)).pop_first().unwrap().1.1).unwrap();
    assert_eq!(value["name"], json!("a"));
}
