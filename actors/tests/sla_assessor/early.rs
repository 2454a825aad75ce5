//! Reports that come before what they are about: assessed when that is known, once, whatever happens in between.

use serde_json::json;

use crate::world::{Agent, set};

const LOG: usize = 100_000;

#[actix::test]
async fn a_report_that_comes_before_its_instance_is_assessed_when_that_comes() {
    let agent = Agent::start(LOG);
    let agreement = agent.agreement("a", "x", "started").await;
    let bad = agent.report("service-instance/i", 50.0).await;
    let good = agent.report("service-instance/i", 5.0).await;
    agent.report("service-instance/never", 50.0).await;
    agent.settles().await;
    assert_eq!((agent.broken_by(&agreement), agent.unattached()), (set([]), 3));
    agent.instance("i", &agreement).await;
    agent.settles().await;
    assert_eq!(agent.broken_by(&agreement), set([&bad]));
    let late = agent.report("service-instance/i", 50.0).await;
    agent.settles().await;
    assert_eq!((agent.broken_by(&agreement), agent.unattached()), (set([&bad, &late]), 3));
    assert!(!agent.broken_by(&agreement).contains(&good));
    // The windows have seen each of them once.
    agent
        .until("it is shown", || agent.body(&agreement)["assessment"]["guarantees"]["*"]["episode"]["count"] == 1)
        .await;
}

#[actix::test]
async fn a_report_that_comes_before_its_agreement_is_assessed_when_that_comes_and_against_no_other() {
    let agent = Agent::start(LOG);
    let star = agent.agreement("star", "*", "started").await;
    agent.instance("i", "agreement/a").await;
    let bad = agent.report("service-instance/i", 50.0).await;
    agent.settles().await;
    assert_eq!(agent.broken_by(&star), set([]));
    let agreement = agent.agreement("a", "x", "started").await;
    agent.settles().await;
    assert_eq!((agent.broken_by(&agreement), agent.broken_by(&star)), (set([&bad]), set([])));
    // The same without a name: what is named like the service, or the star.
    let other = Agent::start(LOG);
    other.instance("i", "").await;
    let bad = other.report("service-instance/i", 50.0).await;
    let star = other.agreement("star", "*", "started").await;
    other.settles().await;
    assert_eq!(other.broken_by(&star), set([&bad]));
    other.until("it is linked", || other.body("service-instance/i")["agreement"] == *star).await;
}

#[actix::test]
async fn what_was_early_is_not_forgotten_by_who_is_built_anew() {
    let mut agent = Agent::start(LOG);
    let agreement = agent.agreement("a", "x", "started").await;
    let mut early = vec![];
    for round in 0..4 {
        early.push(agent.report("service-instance/i", 50.0).await);
        if round % 2 == 0 {
            agent.settles().await;
        }
        agent.crash();
    }
    agent.halt();
    agent.instance("i", &agreement).await;
    agent.wake();
    agent.crash();
    early.push(agent.report("service-instance/i", 50.0).await);
    agent.settles().await;
    assert_eq!(agent.broken_by(&agreement), early.into_iter().collect());
}

#[actix::test]
async fn what_was_early_is_found_where_the_log_has_moved_on() {
    let mut agent = Agent::halted(20);
    let bad = agent.report("service-instance/i", 50.0).await;
    agent.wake();
    agent.settles().await;
    agent.halt();
    let mut broken = vec![bad];
    for _ in 0..50 {
        broken.push(agent.report("service-instance/i", 50.0).await);
    }
    agent.instance("i", "agreement/a").await;
    agent.agreement("a", "x", "started").await;
    for _ in 0..50 {
        broken.push(agent.report("service-instance/i", 50.0).await);
    }
    agent.wake();
    agent.settles().await;
    assert_eq!(agent.broken_by("agreement/a"), broken.into_iter().collect());
}

#[actix::test]
async fn an_instance_is_held_against_what_it_is_linked_to_later_and_not_for_what_was_long_before() {
    let agent = Agent::start(LOG);
    let agreement = agent.agreement("a", "x", "stopped").await;
    agent.instance("i", "").await;
    agent.report("service-instance/i", 50.0).await;
    agent.edit("service-instance/i", json!({"agreement": agreement})).await;
    agent.edit(&agreement, json!({"state": "started"})).await;
    let bad = agent.report("service-instance/i", 50.0).await;
    agent.settles().await;
    // The first ended while the agreement was stopped.
    assert_eq!(agent.broken_by(&agreement), set([&bad]));
}

#[actix::test]
async fn hundreds_of_instances_that_come_late_are_found_together() {
    let agent = Agent::start(LOG);
    let mut early = vec![];
    for number in 0..300 {
        agent.instance(&number.to_string(), "").await;
        early.push(agent.report(&format!("service-instance/{number}"), 50.0).await);
    }
    let star = agent.agreement("star", "*", "started").await;
    agent.settles().await;
    assert_eq!(agent.broken_by(&star), early.into_iter().collect());
}
