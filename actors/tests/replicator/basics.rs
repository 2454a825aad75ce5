//! What a child writes is at the leader soon, and after whatever befalls the link or either of them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;

use crate::world::*;

#[actix::test]
async fn r1_what_a_child_writes_while_the_leader_is_away_is_stored_at_once_and_comes_after() {
    let wire = wire();
    let (leader, child, link) = pair(&wire).await;
    wire.cut(link.0);
    let made = child.service("away").await;
    assert!(child.has(&made));
    pass(Duration::from_secs(3)).await;
    assert!(!leader.has(&made));
    child.link(&leader).await;
    eventually("the leader has it", SOON, || leader.has(&made)).await;
    assert_eq!(leader.body(&made), child.body(&made));
    assert!(leader.equals(&child));
    assert_eq!(leader.counters.repaired.load(Ordering::Relaxed), 0);
}

#[actix::test]
async fn edits_and_deletes_travel_as_they_are_made() {
    let wire = wire();
    let (leader, child, _) = pair(&wire).await;
    let made = child.service("one").await;
    eventually("the leader has it", SOON, || leader.has(&made)).await;
    child.edit(&made, json!({"num_agents": 3})).await.unwrap();
    eventually("the edit is there", SOON, || leader.body(&made).unwrap()["num_agents"] == 3).await;
    assert_eq!(leader.body(&made), child.body(&made));
    child.delete(&made).await;
    eventually("it is gone", SOON, || !leader.has(&made)).await;
    pass(Duration::from_secs(200)).await;
    assert!(leader.equals(&child));
    assert_eq!(leader.counters.repaired.load(Ordering::Relaxed), 0);
}
