//! Crashes, wiped and restored stores, and what must not happen twice.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mf2c_domain::area::standing::AreaRole;
use mf2c_store::StoreOptions;
use mf2c_store::engine::{Fault, MemoryEngine};
use serde_json::json;

use crate::world::*;

#[actix::test]
async fn r2_many_edits_behind_a_cut_come_as_one_state_in_order() {
    let wire = wire();
    let (leader, child, link) = pair(&wire).await;
    let dynamic = child.add("device-dynamic", dynamic(0)).await;
    eventually("the leader has it", SOON, || leader.has(&dynamic)).await;
    wire.cut(link.0);
    for free in 1..=20 {
        child.edit(&dynamic, json!({"ramFree": f64::from(free)})).await.unwrap();
    }
    pass(Duration::from_secs(600)).await;
    let before = wire.bytes.load(Ordering::SeqCst);
    child.link(&leader).await;
    eventually("the leader has the last state", SOON, || leader.body(&dynamic).unwrap()["ramFree"] == 20.0).await;
    assert_eq!(leader.body(&dynamic), child.body(&dynamic));
    assert!(wire.bytes.load(Ordering::SeqCst) - before < 2000, "twenty edits are one patch");
}

#[actix::test]
async fn r3_what_is_delivered_twice_is_applied_once() {
    let wire = wire();
    wire.twice.store(true, Ordering::SeqCst);
    let (leader, child, _) = pair(&wire).await;
    let mut made = vec![];
    for number in 0..20 {
        made.push(child.service(&format!("s{number}")).await);
    }
    eventually("all are there", SOON, || made.iter().all(|id| leader.has(id))).await;
    pass(Duration::from_secs(1)).await;
    assert!(leader.equals(&child));
    assert_eq!(leader.store.count("service"), 20);
}

#[actix::test]
async fn r4_a_child_killed_in_the_midst_goes_on_where_the_leader_is() {
    let wire = wire();
    let (leader, child, link) = pair(&wire).await;
    let mut made = vec![];
    for number in 0..100 {
        made.push(child.service(&format!("s{number}")).await);
        if number == 37 {
            pass(Duration::from_millis(3)).await;
        }
    }
    wire.cut(link.0);
    let child = child.killed();
    child.link(&leader).await;
    eventually("all are there", SOON, || made.iter().all(|id| leader.has(id))).await;
    assert!(leader.equals(&child));
    assert_eq!(leader.counters.repaired.load(Ordering::Relaxed), 0);
}

#[actix::test]
async fn r5_a_leader_killed_after_applying_and_before_acknowledging_takes_it_once() {
    let wire = wire();
    let (leader, child, link) = pair(&wire).await;
    pass(Duration::from_millis(100)).await;
    // Acknowledgements are lost: the leader's words reach nobody.
    wire.stop_reading(link.0, true);
    let made = child.service("once").await;
    eventually("the leader has it", SOON, || leader.has(&made)).await;
    wire.cut(link.0);
    let leader = leader.killed();
    child.link(&leader).await;
    let after = child.service("after").await;
    eventually("what follows is there", SOON, || leader.has(&after)).await;
    assert!(leader.equals(&child));
    assert_eq!(leader.store.count("service"), 2);
}

#[actix::test]
async fn r6_a_snapshot_goes_on_where_it_was_when_the_leader_died() {
    let wire = wire();
    let options = StoreOptions { log_entries: 16, ..StoreOptions::default() };
    let mut leader = Node::new(&wire, "a1", "leader");
    let mut child = Node::with(&wire, "a1", "c1", options);
    let text = "x".repeat(20_000);
    for number in 0..60 {
        child
            .add(
                "service",
                json!({"name": format!("s{number}"), "description": text, "exec": "x",
            "exec_type": "docker", "agent_type": "normal"}),
            )
            .await;
    }
    leader.leads(&[], None);
    child.follows(&leader, AreaRole::Agent);
    let link = child.link_with(&leader, Duration::from_millis(40)).await;
    eventually("some of it is there", SOON, || leader.store.count("service") > 25).await;
    wire.cut(link.0);
    let leader = leader.killed();
    let there = leader.store.count("service");
    assert!((20..60).contains(&there), "in the midst: {there}");
    let before = wire.bytes.load(Ordering::SeqCst);
    child.link(&leader).await;
    eventually("all are there", SOON, || leader.store.count("service") == 60).await;
    let sent = wire.bytes.load(Ordering::SeqCst) - before;
    assert!(sent < (60 - there as u64 + 8) * 21_000, "{sent} bytes were sent, {there} of 60 were there");
    eventually("both are equal", SOON, || leader.equals(&child)).await;
}

#[actix::test]
async fn r8_who_was_away_longer_than_the_log_goes_back_takes_a_snapshot_and_nothing_rises_again() {
    let wire = wire();
    let options = StoreOptions { log_entries: 16, ..StoreOptions::default() };
    let mut leader = Node::new(&wire, "a1", "leader");
    let mut child = Node::with(&wire, "a1", "c1", options);
    leader.leads(&[], None);
    child.follows(&leader, AreaRole::Agent);
    let link = child.link(&leader).await;
    let gone = child.service("gone").await;
    eventually("it is there", SOON, || leader.has(&gone)).await;
    wire.cut(link.0);
    child.delete(&gone).await;
    let mut made = vec![];
    for number in 0..40 {
        made.push(child.service(&format!("s{number}")).await);
    }
    child.link(&leader).await;
    eventually("all are there", SOON, || made.iter().all(|id| leader.has(id))).await;
    eventually("what was deleted is gone", SOON, || !leader.has(&gone)).await;
    assert!(leader.equals(&child));
    assert_eq!(child.counters.snapshots.load(Ordering::Relaxed), 1);
}

#[actix::test]
async fn r9_a_wiped_child_replaces_what_it_had_before_everywhere() {
    let wire = wire();
    let mut area = Area::new(&wire).await;
    let old = area.child.service("old").await;
    eventually("all have it", SOON, || area.everywhere(&old)).await;
    area.cut_child();
    let child = area.child.started_with(Arc::new(MemoryEngine::new()));
    let new = child.service("new").await;
    area.child_link = child.link(&area.leader).await;
    area.child = child;
    eventually("all have the new one", SOON, || area.everywhere(&new)).await;
    eventually("nobody has the old one", SOON, || {
        !area.leader.has(&old) && !area.backup.has(&old) && !area.cloud.has(&old)
    })
    .await;
    assert!(area.leader.equals(&area.child) && area.backup.equals(&area.child) && area.cloud.equals(&area.child));
}

#[actix::test]
async fn r10_a_child_restored_from_an_old_backup_begins_a_new_life_and_says_so() {
    let wire = wire();
    let (leader, child, link) = pair(&wire).await;
    let kept = child.service("kept").await;
    let image = Arc::new(child.engine.after_crash());
    let lost = child.service("lost").await;
    eventually("both are there", SOON, || leader.has(&kept) && leader.has(&lost)).await;
    wire.cut(link.0);
    let life = child.store.identity().incarnation;
    let child = child.started_with(image);
    child.link(&leader).await;
    eventually("a new life", SOON, || child.store.identity().incarnation != life).await;
    eventually("what the child no longer has is gone", SOON, || !leader.has(&lost)).await;
    eventually("both are equal", SOON, || leader.equals(&child)).await;
    assert!(leader.has(&kept));
    assert_eq!(child.counters.renewed.load(Ordering::Relaxed), 1);
    assert_eq!(child.store.count("event"), 1);
}

#[actix::test]
async fn r21_a_full_disk_at_the_leader_holds_the_child_up_and_loses_nothing() {
    let wire = wire();
    let (leader, child, link) = pair(&wire).await;
    let before = child.service("before").await;
    eventually("it is there", SOON, || leader.has(&before)).await;
    leader.engine.inject(Fault::Full);
    let made = child.service("made").await;
    pass(Duration::from_secs(20)).await;
    assert!(!leader.has(&made) && leader.has(&before), "reads go on, and nothing is applied in part");
    assert!(wire.is_open(link.0));
    leader.engine.mend();
    eventually("it is there", Duration::from_secs(20), || leader.has(&made)).await;
    assert!(leader.equals(&child));
}

#[actix::test]
async fn r17_a_damaged_replica_is_found_and_repaired_once() {
    let wire = wire();
    let (leader, child, _) = pair(&wire).await;
    let mut made = vec![];
    for number in 0..30 {
        made.push(child.service(&format!("s{number}")).await);
    }
    eventually("all are there", SOON, || made.iter().all(|id| leader.has(id))).await;
    pass(Duration::from_secs(100)).await;
    assert_eq!(leader.counters.repaired.load(Ordering::Relaxed), 0, "nothing is repaired in quiet times");
    damage(&leader, &made[7]);
    eventually("it is repaired", Duration::from_secs(70), || leader.equals(&child)).await;
    pass(Duration::from_secs(200)).await;
    assert_eq!(leader.counters.repaired.load(Ordering::Relaxed), 1);
}
