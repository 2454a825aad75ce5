//! What is removed of agents that are gone for good, and of a time as a backup, and what is not.

use std::time::Duration;

use mf2c_actors::replicator::{Forget, Forgotten, KnownStores, Remember};
use mf2c_domain::area::standing::AreaRole;
use serde_json::json;

use crate::world::*;

/// Forgets an agent at a node: as an operator, or as somebody else says.
async fn forget(at: &Node, of: &Node, upto: Option<(u64, u64)>) -> Forgotten {
    let forget = Forget { origin: of.store.identity().node, device: of.device().to_owned(), upto, below: None };
    at.replicator.send(forget).await.unwrap().unwrap()
}

async fn knows(at: &Node, of: &Node) -> bool {
    let known = at.replicator.send(KnownStores).await.unwrap();
    known.iter().any(|store| store.device == of.device())
}

#[actix::test]
async fn copies_of_who_is_forgotten_come_back_with_the_agent_itself_alone() {
    let wire = wire();
    let mut area = Area::new(&wire).await;
    let made = area.child.service("made").await;
    eventually("all have it", SOON, || area.everywhere(&made)).await;
    area.cut_child();
    let forgotten = forget(&area.leader, &area.child, None).await;
    assert!(forgotten.documents > 0 && forgotten.changes > 0, "{forgotten:?}");
    assert!(!knows(&area.leader, &area.child).await);
    let upto = Some((forgotten.life, forgotten.changes));
    forget(&area.cloud, &area.child, upto).await;
    assert!(!area.cloud.has(&made) && !knows(&area.cloud, &area.child).await);
    // The backup did not hear of it, and leads: what it still has is not taken above.
    assert!(area.backup.has(&made));
    area.cut_cloud();
    area.backup.leads(&[], Some(&area.cloud));
    area.leader.follows(&area.backup, AreaRole::Agent);
    area.backup.link(&area.cloud).await;
    let sign = area.backup.service("a sign of life").await;
    eventually("the cloud hears of the backup", SOON, || area.cloud.has(&sign)).await;
    pass(Duration::from_secs(120)).await;
    assert!(!area.cloud.has(&made));
    let restarted = area.cloud.replicator.send(KnownStores).await.unwrap();
    assert!(restarted.iter().any(|store| store.device == area.backup.device()));
    // With something newer the agent was alive since.
    area.child.follows(&area.backup, AreaRole::Agent);
    area.child.link(&area.backup).await;
    let newer = area.child.service("newer").await;
    eventually("the leader has it", SOON, || area.backup.has(&newer)).await;
    area.cloud.replicator.send(Remember(area.child.store.identity().node)).await.unwrap();
    eventually("the cloud has both", SOON, || area.cloud.has(&made) && area.cloud.has(&newer)).await;
    assert!(knows(&area.cloud, &area.child).await);
}

#[actix::test]
async fn the_leader_of_an_area_below_has_only_that_forgotten_which_comes_by_way_of_it() {
    let wire = wire();
    let area = Area::new(&wire).await;
    let made = area.child.service("made").await;
    eventually("all have it", SOON, || area.everywhere(&made)).await;
    area.cut_child();
    let origin = area.child.store.identity().node;
    let say = |below: &str| {
        let (device, below) = (area.child.device().to_owned(), Some(below.to_owned()));
        area.cloud.replicator.send(Forget { origin, device, upto: Some((u64::MAX, 1)), below })
    };
    assert!(!say("a2").await.unwrap().unwrap().is_forgotten);
    assert!(area.cloud.has(&made));
    assert!(say("a1").await.unwrap().unwrap().is_forgotten);
    assert!(!area.cloud.has(&made));
}

#[actix::test]
async fn what_was_forgotten_before_the_agent_came_back_is_not_forgotten_again() {
    let wire = wire();
    let (leader, child, link) = pair(&wire).await;
    let made = child.service("made").await;
    eventually("it is there", SOON, || leader.has(&made)).await;
    wire.cut(link.0);
    let forgotten = forget(&leader, &child, None).await;
    assert!(!leader.has(&made));
    let newer = child.service("newer").await;
    let link = child.link(&leader).await;
    eventually("all is back", SOON, || leader.has(&made) && leader.has(&newer)).await;
    wire.cut(link.0);
    let again = forget(&leader, &child, Some((forgotten.life, forgotten.changes))).await;
    assert_eq!(again, Forgotten::default());
    assert!(leader.has(&made) && leader.has(&newer));
}

#[actix::test]
async fn nobody_forgets_himself_and_a_restart_forgets_nothing_of_what_is_forgotten() {
    let wire = wire();
    let (leader, child, link) = pair(&wire).await;
    let made = child.service("made").await;
    let own = leader.service("own").await;
    eventually("it is there", SOON, || leader.has(&made)).await;
    assert_eq!(forget(&leader, &leader, None).await, Forgotten::default());
    assert!(leader.has(&own));
    wire.cut(link.0);
    forget(&leader, &child, None).await;
    let states = || ["bind/", "owner/", "gone/"].map(|prefix| leader.store.states(prefix).unwrap().len());
    assert_eq!(states(), [0, 0, 1]);
    let mut above = Node::new(&wire, "z", "cloud");
    above.leads(&[], None);
    let leader = leader.killed();
    assert!(!leader.has(&made));
    // Another agent does not get the store of the forgotten one.
    let thief = Node::new(&wire, "a1", "thief");
    let thief = thief.started_with(std::sync::Arc::clone(&child.engine));
    thief.link(&leader).await;
    pass(Duration::from_secs(5)).await;
    assert!(!leader.has(&made));
}

#[actix::test]
async fn who_is_no_backup_any_more_drops_what_the_leader_has_and_keeps_what_it_has_not() {
    let wire = wire();
    let mut area = Area::new(&wire).await;
    let made = area.child.service("made").await;
    eventually("all have it", SOON, || area.everywhere(&made)).await;
    let mut next = Node::new(&wire, "a1", "next");
    next.follows(&area.leader, AreaRole::Backup);
    area.leader.leads(&[&area.backup, &next], Some(&area.cloud));
    let link = next.link(&area.leader).await;
    eventually("the other backup has it", SOON, || next.has(&made)).await;
    // The last change comes to the first backup alone, and its agent is lost then.
    wire.cut(link.0);
    let last = area.child.service("last").await;
    eventually("the first backup has it", SOON, || area.backup.has(&last)).await;
    area.cut_child();
    area.cut_cloud();
    let of_leader = area.leader.service("of the former leader").await;
    eventually("the first backup has that too", SOON, || area.backup.has(&of_leader)).await;
    next.leads(&[], None);
    area.backup.follows(&next, AreaRole::Agent);
    area.leader.follows(&next, AreaRole::Agent);
    area.backup.link(&next).await;
    pass(Duration::from_secs(30)).await;
    assert!(area.backup.has(&made) && area.backup.has(&last), "nobody else has the last one");
    // The former leader is back with what it had not sent; of the child the leader still lacks the last change.
    area.leader.link(&next).await;
    eventually("the leader has it", SOON, || next.has(&of_leader)).await;
    eventually("the copy is dropped", Duration::from_secs(90), || !area.backup.has(&of_leader)).await;
    assert!(area.backup.has(&last));
    area.child.follows(&next, AreaRole::Agent);
    area.child.link(&next).await;
    eventually("the leader has the last one", SOON, || next.has(&last)).await;
    eventually("nothing is left", Duration::from_secs(90), || !area.backup.has(&made) && !area.backup.has(&last)).await;
    let own = area.backup.service("own").await;
    eventually("it goes on as a member", SOON, || next.has(&own)).await;
}

#[actix::test]
async fn an_edit_of_a_copy_that_is_kept_up_no_more_is_refused_with_who_answers_for_it() {
    let wire = wire();
    let mut area = Area::new(&wire).await;
    let made = area.child.service("made").await;
    eventually("all have it", SOON, || area.everywhere(&made)).await;
    area.backup.follows(&area.leader, AreaRole::Agent);
    area.leader.leads(&[], Some(&area.cloud));
    let propose = mf2c_actors::replicator::Propose {
        id: made.clone(),
        origin: area.child.store.identity().node,
        changes: Some(map(json!({"description": "x"}))),
        removed: vec![],
        if_match: None,
        by: ("admin".into(), true),
        may_wait: true,
    };
    pass(Duration::from_millis(10)).await;
    let refused = area.backup.replicator.send(propose).await.unwrap().unwrap_err();
    assert_eq!(refused.code, mf2c_fabric::wire::Code::NotLeader);
    assert!(refused.msg.contains("ask the agent that leads the area, leader at"), "{refused}");
}
