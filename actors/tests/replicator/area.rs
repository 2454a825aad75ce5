//! Areas of several agents: who gets what from whom.

use std::sync::atomic::Ordering;
use std::time::Duration;

use mf2c_domain::area::standing::AreaRole;
use mf2c_fabric::replication::StreamMessage;
use serde_json::json;

use crate::world::*;

#[actix::test]
async fn r7_a_delete_while_the_leader_is_away_reaches_leader_backup_and_cloud() {
    let wire = wire();
    let mut area = Area::new(&wire).await;
    let made = area.child.service("made").await;
    eventually("all have it", SOON, || area.everywhere(&made)).await;
    area.cut_child();
    area.child.delete(&made).await;
    area.child_link = area.child.link(&area.leader).await;
    eventually("nobody has it", SOON, || area.nowhere(&made)).await;
    assert!(area.cloud.equals(&area.child) && area.backup.equals(&area.child));
}

#[actix::test]
async fn r15_an_update_of_many_fields_is_seen_whole() {
    let wire = wire();
    let (leader, child, _) = pair(&wire).await;
    let id = child.add("device-dynamic", dynamic(0)).await;
    eventually("it is there", SOON, || leader.has(&id)).await;
    for round in 1..50u32 {
        child.edit(&id, dynamic(round)).await.unwrap();
        for _ in 0..4 {
            pass(Duration::from_micros(700)).await;
            let seen = leader.body(&id).unwrap();
            let free = seen["ramFree"].as_f64().unwrap();
            let all = ["ramFreePercent", "storageFree", "storageFreePercent", "cpuFreePercent"];
            assert!(all.iter().all(|name| seen[*name].as_f64().unwrap() == free), "{seen}");
        }
    }
}

#[actix::test]
async fn r16_a_device_posted_again_unchanged_costs_little_and_is_no_second_device() {
    let wire = wire();
    let (leader, child, _) = pair(&wire).await;
    let text = "flags : fpu vme de pse tsc ".repeat(400);
    let mut device = map(json!({"deviceID": "c1", "isLeader": false, "os": "linux", "arch": "x86_64",
        "cpuManufacturer": "x", "physicalCores": 4, "logicalCores": 8, "cpuClockSpeed": "2 GHz", "memory": 1024.0,
        "storage": 2048.0, "agentType": "Fog Area", "networkingStandards": "eth0"}));
    device.insert("cpuinfo".into(), json!(text));
    device.insert("hwloc".into(), json!(text));
    let id = child.add("device", serde_json::Value::Object(device.clone())).await;
    eventually("it is there", SOON, || leader.has(&id)).await;
    pass(Duration::from_secs(1)).await;
    let before = wire.bytes.load(Ordering::SeqCst);
    device.insert("isLeader".into(), json!(true));
    child.edit(&id, serde_json::Value::Object(device)).await.unwrap();
    eventually("the edit is there", SOON, || leader.body(&id).unwrap()["isLeader"] == true).await;
    pass(Duration::from_secs(1)).await;
    let sent = wire.bytes.load(Ordering::SeqCst) - before;
    assert!(sent < 300, "{sent} bytes");
    assert_eq!(leader.store.count("device"), 1);
}

#[actix::test]
async fn r18_a_child_that_blinks_loses_nothing_and_sends_only_what_was_missed() {
    let wire = wire();
    let (leader, child, link) = pair(&wire).await;
    let mut made = vec![];
    for number in 0..50 {
        made.push(child.service(&format!("s{number}")).await);
    }
    eventually("all are there", SOON, || made.iter().all(|id| leader.has(id))).await;
    wire.cut(link.0);
    let missed = child.service("missed").await;
    pass(Duration::from_secs(20)).await;
    assert_eq!(leader.store.count("service"), 50);
    let before = wire.bytes.load(Ordering::SeqCst);
    child.link(&leader).await;
    eventually("the rest is there", SOON, || leader.has(&missed)).await;
    pass(Duration::from_secs(2)).await;
    assert!(wire.bytes.load(Ordering::SeqCst) - before < 2000, "only what was missed is sent");
}

#[actix::test]
async fn r19_a_cloud_that_was_away_for_an_hour_catches_up_from_the_log() {
    let wire = wire();
    let mut area = Area::new(&wire).await;
    pass(Duration::from_secs(1)).await;
    area.cut_cloud();
    let mut made = vec![];
    for number in 0..30 {
        made.push(area.child.service(&format!("s{number}")).await);
        pass(Duration::from_secs(120)).await;
    }
    made.push(area.leader.service("the leader's own").await);
    eventually("the leader has all", SOON, || made.iter().all(|id| area.leader.has(id))).await;
    area.cloud_link = area.leader.link(&area.cloud).await;
    eventually("the cloud has all", SOON, || made.iter().all(|id| area.cloud.has(id))).await;
    assert!(area.cloud.equals(&area.child) && area.cloud.equals(&area.leader));
}

#[actix::test]
async fn r20_a_loop_in_the_topology_echoes_nothing() {
    let wire = wire();
    let area = Area::new(&wire).await;
    let leader = peer(&area.leader.id);
    area.cloud.stands(|standing| standing.upper = Some(leader));
    let back = area.cloud.link(&area.leader).await;
    pass(Duration::from_secs(1)).await;
    let made = area.child.service("once").await;
    eventually("all have it", SOON, || area.everywhere(&made)).await;
    pass(Duration::from_secs(1)).await;
    *wire.tap.lock() = Some(vec![]);
    let before = wire.frames.load(Ordering::SeqCst);
    for round in 0..10 {
        area.child.edit(&made, json!({"num_agents": round})).await.unwrap();
        pass(Duration::from_millis(50)).await;
    }
    eventually("all have the last", SOON, || area.cloud.body(&made).unwrap()["num_agents"] == 9).await;
    let frames = wire.frames.load(Ordering::SeqCst) - before;
    // Ten batches and ten acknowledgements to leader, backup and cloud, and nothing that goes in circles.
    assert!(frames <= 80, "{frames} frames");
    assert!(wire.is_open(back.0));
    assert!(area.cloud.equals(&area.child) && area.leader.equals(&area.child));
}

#[actix::test]
async fn r23_a_child_cannot_offer_what_belongs_to_another_nor_overwrite_it() {
    let wire = wire();
    let (leader, child, _) = pair(&wire).await;
    let device = child.service("mine").await;
    eventually("it is there", SOON, || leader.has(&device)).await;
    // Another child whose store is a copy of the first one's: it shows the same node under another name.
    let mut thief = Node::new(&wire, "a1", "c2");
    thief.follows(&leader, AreaRole::Agent);
    let thief = thief.started_with(std::sync::Arc::new(child.engine.after_crash()));
    thief.edit(&device, json!({"num_agents": 66})).await.unwrap();
    thief.link(&leader).await;
    pass(Duration::from_secs(5)).await;
    assert!(leader.counters.refused.load(Ordering::Relaxed) > 0);
    assert_ne!(leader.body(&device).unwrap()["num_agents"], 66);
    assert!(leader.equals(&child));
}

#[actix::test]
async fn r24_a_child_that_moves_to_another_leader_is_one_copy_at_the_cloud() {
    let wire = wire();
    let area = Area::new(&wire).await;
    let first = area.child.service("first").await;
    eventually("all have it", SOON, || area.everywhere(&first)).await;
    let mut other = Node::new(&wire, "a2", "leader2");
    other.leads(&[], Some(&area.cloud));
    other.link(&area.cloud).await;
    area.cut_child();
    let mut child = area.child.moved("a2");
    child.follows(&other, AreaRole::Agent);
    child.link(&other).await;
    let second = child.service("second").await;
    eventually("the new leader has both", SOON, || other.has(&first) && other.has(&second)).await;
    eventually("the cloud has both", SOON, || area.cloud.has(&second)).await;
    assert!(area.cloud.equals(&child) && other.equals(&child));
    assert!(area.leader.has(&first) && !area.leader.has(&second), "what the old leader has stays");
    assert_eq!(area.cloud.store.count("service"), 2);
}

#[actix::test]
async fn f5_a_slow_reader_costs_no_memory_and_gets_the_newest_and_all_that_matters() {
    let wire = wire();
    let (leader, child, link) = pair(&wire).await;
    let id = child.add("device-dynamic", dynamic(0)).await;
    eventually("it is there", SOON, || leader.has(&id)).await;
    wire.stop_reading(link.1, true);
    *wire.most_waiting.lock() = 0;
    let mut made = vec![];
    for round in 1..=3000u32 {
        child.edit(&id, dynamic(round)).await.unwrap();
        if round % 100 == 0 {
            made.push(child.service(&format!("s{round}")).await);
        }
    }
    pass(Duration::from_secs(10)).await;
    assert!(*wire.most_waiting.lock() <= 256 << 10, "{}", *wire.most_waiting.lock());
    pass(Duration::from_secs(50)).await;
    assert!(!wire.is_open(link.0), "who takes nothing for 30 s is busy");
    child.link(&leader).await;
    eventually("all that matters is there", SOON, || made.iter().all(|id| leader.has(id))).await;
    eventually("and the newest", SOON, || leader.body(&id) == child.body(&id)).await;
    assert!(leader.equals(&child));
}

#[actix::test]
async fn f6_one_slow_child_holds_nobody_else_up() {
    let wire = wire();
    let (leader, slow, link) = pair(&wire).await;
    let mut quick = Node::new(&wire, "a1", "c2");
    quick.follows(&leader, AreaRole::Agent);
    quick.link(&leader).await;
    pass(Duration::from_secs(1)).await;
    wire.stop_reading(link.0, true);
    for number in 0..700 {
        slow.service(&format!("s{number}")).await;
    }
    for number in 0..20 {
        let began = tokio::time::Instant::now();
        let made = quick.service(&format!("q{number}")).await;
        eventually("it is there", SOON, || leader.has(&made)).await;
        assert!(began.elapsed() < Duration::from_millis(20), "{:?}", began.elapsed());
    }
}

#[actix::test]
async fn a_document_of_megabytes_comes_in_pieces_all_the_way() {
    let wire = wire();
    let area = Area::new(&wire).await;
    *wire.tap.lock() = Some(vec![]);
    let text = "a large thing ".repeat(150_000);
    let id = area
        .child
        .add(
            "service",
            json!({"name": "large", "description": text, "exec": "x",
        "exec_type": "docker", "agent_type": "normal"}),
        )
        .await;
    let small = area.child.service("small").await;
    eventually("all have both", SOON, || area.everywhere(&id) && area.everywhere(&small)).await;
    assert_eq!(area.cloud.body(&id), area.child.body(&id));
    let tap = wire.tap.lock().take().unwrap();
    assert!(tap.iter().filter(|(_, message)| matches!(message, StreamMessage::Piece(_))).count() >= 48);
}

#[actix::test]
async fn r13_a_clock_two_hours_ahead_is_noted_and_orders_nothing() {
    let wire = wire();
    let (leader, child, link) = pair(&wire).await;
    wire.cut(link.0);
    child.set_clock(7_200_000);
    let made = child.service("ahead").await;
    child.link(&leader).await;
    eventually("it is there", SOON, || leader.has(&made)).await;
    child.edit(&made, json!({"num_agents": 1})).await.unwrap();
    child.set_clock(0);
    child.edit(&made, json!({"num_agents": 2})).await.unwrap();
    eventually("in its order", SOON, || leader.body(&made).unwrap()["num_agents"] == 2).await;
    assert!(leader.counters.skewed.load(Ordering::Relaxed) > 0);
    assert!(leader.equals(&child));
    // The leader's own time does not jump.
    let own = leader.service("own").await;
    let updated = leader.body(&own).unwrap()["updated"].as_str().unwrap().to_owned();
    assert!(updated.starts_with("2023-11-14T22:1"), "{updated}");
}

#[actix::test]
async fn r14_a_clock_that_jumps_back_changes_no_order() {
    let wire = wire();
    let (leader, child, _) = pair(&wire).await;
    let made = child.service("x").await;
    child.edit(&made, json!({"num_agents": 1})).await.unwrap();
    child.set_clock(-3_600_000);
    child.edit(&made, json!({"num_agents": 2})).await.unwrap();
    eventually("the later one counts", SOON, || leader.has(&made) && leader.body(&made).unwrap()["num_agents"] == 2)
        .await;
    assert!(leader.equals(&child));
}

#[actix::test]
async fn the_leader_of_another_area_cannot_offer_a_store_that_its_device_has_not_moved_with() {
    let wire = wire();
    let area = Area::new(&wire).await;
    let made = area.child.service("mine").await;
    eventually("all have it", SOON, || area.everywhere(&made)).await;
    // It has a copy of the child's store, and has never seen the device.
    let mut other = Node::new(&wire, "a2", "leader2");
    other.leads(&[], Some(&area.cloud));
    let other = other.started_with(std::sync::Arc::new(area.child.engine.after_crash()));
    other.edit(&made, json!({"num_agents": 66})).await.unwrap();
    other.link(&area.cloud).await;
    pass(Duration::from_secs(5)).await;
    assert!(area.cloud.counters.refused.load(Ordering::Relaxed) > 0);
    assert_ne!(area.cloud.body(&made).unwrap()["num_agents"], 66);
    // Nor with the store among those that it leads, of which it knows no device.
    let mut third = Node::new(&wire, "a3", "leader3");
    third.leads(&[], Some(&area.cloud));
    let third = third.started_with(std::sync::Arc::new(area.leader.engine.after_crash()));
    let refused = area.cloud.counters.refused.load(Ordering::Relaxed);
    third.link(&area.cloud).await;
    pass(Duration::from_secs(5)).await;
    assert!(area.cloud.counters.refused.load(Ordering::Relaxed) > refused);
    assert!(area.cloud.equals(&area.child));
}
