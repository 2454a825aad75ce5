//! How far replicas are behind, as both ends know.

use std::time::Duration;

use mf2c_actors::replicator::{Flow, Flows};

use crate::world::*;

/// What a node knows of its stream with another.
async fn flow(at: &Node, with: &Node, outgoing: bool) -> Option<Flow> {
    let flows = at.replicator.send(Flows).await.unwrap();
    let peer = with.id.to_string();
    let mut found = flows.into_iter().filter(|flow| flow.peer == peer && flow.outgoing == outgoing);
    let first = found.next();
    assert!(found.next().is_none(), "one line for each");
    first
}

#[actix::test]
async fn who_catches_up_knows_how_far_it_is_behind_and_so_does_the_other_end() {
    let wire = wire();
    let (leader, child, link) = pair(&wire).await;
    pass(Duration::from_secs(1)).await;
    wire.cut(link.0);
    for number in 0..3000 {
        child.service(&format!("s{number}")).await;
    }
    pass(Duration::from_secs(100)).await;
    let away = flow(&child, &leader, true).await.unwrap();
    assert_eq!((away.open, away.behind), (false, 3000), "{away:?}");
    assert!((100_000..102_000).contains(&away.behind_millis), "{away:?}");
    // Each frame takes its time.
    child.link_with(&leader, Duration::from_millis(200)).await;
    pass(Duration::from_secs(5)).await;
    let (out, into) = (flow(&child, &leader, true).await.unwrap(), flow(&leader, &child, false).await.unwrap());
    assert!(out.open && (1..3000).contains(&out.behind), "{out:?}");
    assert!(into.open && (out.behind..=3000).contains(&into.behind), "{into:?}");
    for lag in [&out, &into] {
        assert!((100_000..110_000).contains(&lag.behind_millis), "{lag:?}");
    }
    eventually("all are there", Duration::from_secs(200), || leader.store.count("service") == 3000).await;
    pass(Duration::from_secs(2)).await;
    for lag in [flow(&child, &leader, true).await.unwrap(), flow(&leader, &child, false).await.unwrap()] {
        assert_eq!((lag.behind, lag.behind_millis), (0, 0), "{lag:?}");
    }
}

#[actix::test]
async fn what_does_not_travel_makes_nobody_look_behind() {
    let wire = wire();
    let (leader, child, link) = pair(&wire).await;
    let made = child.service("made").await;
    eventually("it is there", SOON, || leader.has(&made)).await;
    pass(Duration::from_secs(1)).await;
    wire.cut(link.0);
    child.add("user", serde_json::json!({"username": "x", "password": "x", "emailAddress": "a@example.com"})).await;
    pass(Duration::from_secs(50)).await;
    let away = flow(&child, &leader, true).await.unwrap();
    assert_eq!((away.open, away.behind, away.behind_millis), (false, 0, 0), "{away:?}");
    child.service("late").await;
    pass(Duration::from_secs(10)).await;
    let away = flow(&child, &leader, true).await.unwrap();
    assert_eq!(away.behind, 1);
    assert!((10_000..10_200).contains(&away.behind_millis), "{away:?}");
}
