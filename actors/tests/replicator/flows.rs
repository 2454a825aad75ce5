//! What is told of streams: how far the other end is behind, also where it cannot be reached, and why it takes nothing.

use std::time::Duration;

use mf2c_actors::replicator::{Flow, Flows};
use mf2c_store::engine::Fault;

use crate::world::*;

/// The stream to another agent.
async fn to(from: &Node, other: &Node) -> Flow {
    let flows = from.replicator.send(Flows).await.unwrap();
    let peer = other.id.to_string();
    flows.into_iter().find(|flow| flow.outgoing && flow.peer == peer).unwrap()
}

#[actix::test]
async fn what_a_leader_lacks_that_is_away_is_counted_with_its_age_and_is_nothing_when_it_is_back() {
    let wire = wire();
    let (leader, child, link) = pair(&wire).await;
    let made = child.service("one").await;
    eventually("the leader has it", SOON, || leader.has(&made)).await;
    pass(Duration::from_secs(1)).await;
    let even = to(&child, &leader).await;
    assert_eq!((even.open, even.known, even.behind, even.behind_millis), (true, true, 0, 0));
    wire.cut(link.0);
    pass(Duration::from_secs(30)).await;
    let away = to(&child, &leader).await;
    assert_eq!((away.open, away.known, away.behind, away.behind_millis), (false, true, 0, 0), "it lacks nothing yet");
    for name in ["two", "three", "four"] {
        child.service(name).await;
    }
    pass(Duration::from_secs(60)).await;
    let away = to(&child, &leader).await;
    assert_eq!((away.open, away.behind), (false, 3));
    assert!((55_000..=65_000).contains(&away.behind_millis), "{away:?}");
    child.link(&leader).await;
    pass(Duration::from_secs(5)).await;
    let back = to(&child, &leader).await;
    assert_eq!((back.open, back.known, back.behind, back.behind_millis), (true, true, 0, 0));
}

#[actix::test]
async fn after_a_start_it_is_not_known_what_somebody_lacks_who_was_not_reached_since() {
    let wire = wire();
    let (leader, child, link) = pair(&wire).await;
    wire.cut(link.0);
    let mut child = child.killed();
    child.follows(&leader, mf2c_domain::area::standing::AreaRole::Agent);
    pass(Duration::from_secs(1)).await;
    let flow = to(&child, &leader).await;
    assert_eq!((flow.open, flow.known), (false, false));
}

#[actix::test]
async fn a_full_disk_is_told_of_at_both_ends_until_there_is_room() {
    let wire = wire();
    let (leader, child, _) = pair(&wire).await;
    let first = child.service("first").await;
    eventually("the leader has it", SOON, || leader.has(&first)).await;
    leader.engine.inject(Fault::Full);
    let second = child.service("second").await;
    pass(Duration::from_secs(10)).await;
    let held = to(&child, &leader).await;
    assert!(held.held.as_deref().is_some_and(|why| why.contains("nothing can be written now")), "{held:?}");
    let coming = leader.replicator.send(Flows).await.unwrap();
    assert!(coming.iter().any(|flow| !flow.outgoing && flow.held.is_some()), "{coming:?}");
    leader.engine.mend();
    eventually("it comes", SOON * 4, || leader.has(&second)).await;
    pass(Duration::from_secs(1)).await;
    assert_eq!(to(&child, &leader).await.held, None);
    let coming = leader.replicator.send(Flows).await.unwrap();
    assert!(coming.iter().all(|flow| flow.held.is_none()), "{coming:?}");
}
