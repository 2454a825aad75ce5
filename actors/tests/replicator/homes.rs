//! By way of which area a store may come, in which term, and what becomes of copies.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mf2c_actors::resource_store::ApplyInflow;
use mf2c_domain::area::standing::AreaRole;
use mf2c_domain::id::ResourceId;
use mf2c_domain::time::HybridTime;
use mf2c_fabric::replication::StreamMessage;
use mf2c_store::replica::{Content, Incoming, Inflow, InflowKind};
use serde_json::json;

use crate::world::*;

/// Writes a change of another's store as nobody honest does: the next one, without its agent.
async fn forge(at: &Node, owner: &Node, id: &ResourceId) {
    let origin = owner.store.identity().node;
    let here = at.store.progress_of(&origin).unwrap();
    let mut body = at.body(id).unwrap();
    body["num_agents"] = json!(66);
    let time = HybridTime::from_bits(at.store.newest_time(&origin).unwrap_or_default().bits() + 1);
    let whole = Content::Whole(serde_json::to_vec(&body).unwrap());
    let change = Incoming { sequence: here.sequence + 1, time, id: id.clone(), content: whole };
    let kind = InflowKind::Tail { after: here.sequence, upto: here.sequence + 1 };
    let flow = Inflow { origin, incarnation: here.incarnation, kind, changes: vec![change] };
    let applied = at.writer.send(ApplyInflow(flow)).await.unwrap().unwrap();
    assert_eq!(applied.changed, 1, "{applied:?}");
}

/// Whether a node has told so in an event.
fn told(node: &Node, what: &str) -> bool {
    let events = node.store.all("event");
    let state =
        |id: &ResourceId| node.body(id).is_some_and(|event| event["content"]["state"].as_str().unwrap().contains(what));
    events.iter().any(|event| state(&event.id))
}

#[actix::test]
async fn the_leader_of_another_area_that_names_the_right_device_cannot_overwrite_its_documents() {
    let wire = wire();
    let area = Area::new(&wire).await;
    let made = area.child.service("mine").await;
    eventually("all have it", SOON, || area.everywhere(&made)).await;
    // What was a backup once leads another area now. It has the child's documents, knows its device, and adds to them.
    let mut rogue = Node::new(&wire, "a2", "b1");
    rogue.leads(&[], Some(&area.cloud));
    let rogue = rogue.started_with(Arc::new(area.backup.engine.after_crash()));
    forge(&rogue, &area.child, &made).await;
    rogue.link(&area.cloud).await;
    pass(Duration::from_secs(5)).await;
    assert!(area.cloud.counters.refused.load(Ordering::Relaxed) > 0);
    assert_ne!(area.cloud.body(&made).unwrap()["num_agents"], 66);
    // Its own store has moved, and shows that.
    let own = rogue.service("the rogue's own").await;
    eventually("its own", SOON, || area.cloud.has(&own)).await;
    let later = area.child.service("later").await;
    eventually("the child goes on", SOON, || area.cloud.has(&later)).await;
    assert!(area.cloud.equals(&area.child));
}

#[actix::test]
async fn r24_a_store_that_has_moved_comes_from_its_new_area_alone_until_it_moves_back() {
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
    let link = child.link(&other).await;
    let second = child.service("second").await;
    eventually("it comes by way of the new area", SOON, || area.cloud.has(&second)).await;
    // The old leader has what was left behind; adding to it moves nothing.
    forge(&area.leader, &child, &first).await;
    pass(Duration::from_secs(5)).await;
    assert_ne!(area.cloud.body(&first).unwrap()["num_agents"], 66);
    // Nor does the claim of before, once the store is back: the cloud knows of a later one.
    wire.cut(link.0);
    let mut child = child.moved("a1");
    child.follows(&area.leader, AreaRole::Agent);
    child.link(&area.leader).await;
    let third = child.service("third").await;
    eventually("it comes by way of the old area again", Duration::from_secs(60), || area.cloud.has(&third)).await;
    forge(&other, &child, &second).await;
    pass(Duration::from_secs(5)).await;
    assert_ne!(area.cloud.body(&second).unwrap()["num_agents"], 66);
    eventually("nothing is left of the forgeries", Duration::from_secs(130), || {
        area.cloud.equals(&child) && area.leader.equals(&child)
    })
    .await;
}

#[actix::test]
async fn what_a_deposed_leader_offers_is_not_taken_and_comes_when_it_follows_the_new_one() {
    let wire = wire();
    let mut area = Area::new(&wire).await;
    let before = area.leader.service("before").await;
    eventually("those above have it", SOON, || area.cloud.has(&before) && area.backup.has(&before)).await;
    *wire.tap.lock() = Some(vec![]);
    // The backup leads in the next term; the old leader is cut off from it, does not know, and still has its link above.
    wire.cut(area.cloud_link.1 + 1);
    let cloud = &area.cloud;
    area.backup.leads(&[], Some(cloud));
    area.backup.link(cloud).await;
    eventually("the new leader is there", SOON, || {
        wire.tap.lock().as_ref().unwrap().iter().any(|(_, said)| matches!(said, StreamMessage::Hold(_)))
    })
    .await;
    let stale = area.leader.service("stale").await;
    let fresh = area.backup.service("fresh").await;
    eventually("the new leader is listened to", SOON, || area.cloud.has(&fresh)).await;
    pass(Duration::from_secs(60)).await;
    assert!(!area.cloud.has(&stale), "the old one is not");
    let held = wire.tap.lock().as_ref().unwrap().iter().any(|(_, said)| {
        matches!(said, StreamMessage::Hold(hold) if hold.why.starts_with("stale_term: the area a1 is led in term 2"))
    });
    assert!(held, "and is told why");
    area.leader.follows(&area.backup, AreaRole::Agent);
    area.leader.link(&area.backup).await;
    eventually("what it wrote is not lost", SOON, || area.backup.has(&stale) && area.cloud.has(&stale)).await;
}

#[actix::test]
async fn a_copy_that_wrote_as_many_changes_as_its_original_is_found_out_when_it_comes() {
    let wire = wire();
    let (leader, child, link) = pair(&wire).await;
    let common = child.service("common").await;
    eventually("it is there", SOON, || leader.has(&common)).await;
    let image = Arc::new(child.engine.after_crash());
    let theirs = child.service("the original's").await;
    eventually("that too", SOON, || leader.has(&theirs)).await;
    wire.cut(link.0);
    pass(Duration::from_secs(1)).await;
    let mut copy = Node::new(&wire, "a1", "c1");
    copy.follows(&leader, AreaRole::Agent);
    let copy = copy.started_with(image);
    let ours = copy.service("the copy's").await;
    let node = copy.store.identity().node;
    assert_eq!(copy.store.progress_of(&node), child.store.progress_of(&node), "by numbers they cannot be told apart");
    copy.link(&leader).await;
    eventually("a new life", SOON, || leader.has(&ours) && !leader.has(&theirs)).await;
    eventually("both are equal", SOON, || leader.equals(&copy)).await;
    assert_eq!(copy.counters.renewed.load(Ordering::Relaxed), 1);
    eventually("it is told", SOON, || {
        told(&copy, "its store has gone back in time") && told(&leader, "its store was put back to an earlier state")
    })
    .await;
    assert_eq!(leader.counters.repaired.load(Ordering::Relaxed), 0, "nothing was healed in silence");
}

#[actix::test]
async fn where_a_copy_runs_beside_its_original_both_are_named_and_the_first_goes_on() {
    let wire = wire();
    let (leader, child, _) = pair(&wire).await;
    let common = child.service("common").await;
    eventually("it is there", SOON, || leader.has(&common)).await;
    let mut copy = Node::new(&wire, "a1", "c1");
    copy.follows(&leader, AreaRole::Agent);
    let copy = copy.started_with(Arc::new(child.engine.after_crash()));
    copy.service("the copy's").await;
    copy.link(&leader).await;
    pass(Duration::from_secs(5)).await;
    let mine = child.service("the original's").await;
    eventually("the original goes on", Duration::from_secs(70), || leader.has(&mine) && leader.equals(&child)).await;
    eventually("both are named", SOON, || {
        told(&leader, "two agents run under this identity, seen at 127.0.0.1:1 and 127.0.0.1:1")
    })
    .await;
    assert!(leader.counters.clones.load(Ordering::Relaxed) > 0);
    let more = child.service("more").await;
    eventually("nothing goes to and fro", SOON, || leader.has(&more)).await;
    pass(Duration::from_secs(200)).await;
    assert!(leader.equals(&child));
}
