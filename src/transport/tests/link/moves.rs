//! The standing link: new certificates without a gap, leaders that come and go, and news of trust.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use mf2c_actors::ports::{AuthorityTransport as _, LinkError};
use mf2c_fabric::wire::{Ask, AuthorityTrust, Code, Message, Notice};
use mf2c_transport::link::LinkLimits;

use crate::world::{Agent, Area, DAY, eventually, soon};

#[tokio::test]
async fn new_certificates_on_both_sides_cost_no_question() {
    let area = Area::new("a1");
    let (leader, child) = (Agent::leader(&area), Arc::new(Agent::member(&area, "c1", "agent")));
    child.follow(&leader);
    soon(child.ask_serial()).await.unwrap();
    let (asked, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let asking = {
        let (child, asked, done) = (Arc::clone(&child), Arc::clone(&asked), Arc::clone(&done));
        tokio::spawn(async move {
            while !done.load(Ordering::Relaxed) {
                child.ask_serial().await.unwrap();
                asked.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    for round in 1..=5 {
        if round == 3 {
            leader.credentials.install(area.membership("leader", "leader", DAY), area.trust()).unwrap();
        }
        child.credentials.install(area.membership("c1", "agent", DAY), area.trust()).unwrap();
        child.net.close_unbelieved();
        let serial = child.serial().to_string();
        eventually(|| matches!(leader.net.links().as_slice(), [link] if link.serial == serial)).await;
        assert_eq!(soon(child.ask_serial()).await.unwrap(), serial);
    }
    done.store(true, Ordering::Relaxed);
    soon(asking).await.unwrap();
    assert!(asked.load(Ordering::Relaxed) > 20, "{asked:?}");
    assert_eq!(child.net.links()[0].serial, leader.serial().to_string());
}

/// Vector V13.
#[tokio::test]
async fn under_a_thousand_questions_a_second_ten_renewals_lose_none() {
    const QUESTIONS: usize = 3000;
    // Below the bound of open questions, where more are refused as busy.
    const OPEN: usize = 48;
    let area = Area::new("a1");
    let (leader, child) = (Agent::leader(&area), Arc::new(Agent::member(&area, "c1", "agent")));
    child.follow(&leader);
    let mut serials = vec![soon(child.ask_serial()).await.unwrap()];
    let open = Arc::new(tokio::sync::Semaphore::new(OPEN));
    let mut answers = tokio::task::JoinSet::new();
    let mut pace = tokio::time::interval(Duration::from_millis(1));
    for number in 1..=QUESTIONS {
        pace.tick().await;
        let (slot, asker) = (soon(Arc::clone(&open).acquire_owned()).await.unwrap(), Arc::clone(&child));
        answers.spawn(async move {
            let answer = asker.ask_serial().await;
            drop(slot);
            answer
        });
        if number % (QUESTIONS / 10) == QUESTIONS / 20 {
            child.credentials.install(area.membership("c1", "agent", DAY), area.trust()).unwrap();
            child.net.close_unbelieved();
            serials.push(child.serial().to_string());
        }
    }
    let mut used = BTreeSet::new();
    while let Some(answer) = soon(answers.join_next()).await {
        used.insert(answer.unwrap().expect("a question was lost"));
    }
    assert_eq!(used, serials.into_iter().collect(), "each certificate was used, and no other");
    eventually(|| leader.net.links().len() == 1).await;
    assert_eq!(child.net.counters().opened, 11, "one link for each certificate");
}

#[tokio::test]
async fn a_new_certificate_of_the_leader_is_fetched_before_the_old_one_ends() {
    let area = Area::new("a1");
    let (leader, child) = (Agent::leader(&area), Agent::member(&area, "c1", "agent"));
    let short = area.membership("leader", "leader", Duration::from_secs(8));
    leader.credentials.install(short, area.trust()).unwrap();
    child.follow(&leader);
    soon(child.ask_serial()).await.unwrap();
    leader.credentials.install(area.membership("leader", "leader", DAY), area.trust()).unwrap();
    let serial = leader.serial().to_string();
    eventually(|| matches!(child.net.links().as_slice(), [link] if link.serial == serial)).await;
    soon(child.ask_serial()).await.unwrap();
}

#[tokio::test]
async fn a_link_ends_with_its_certificate_and_comes_back_with_a_new_one() {
    let area = Area::new("a1");
    let (leader, child) = (Agent::leader(&area), Agent::member(&area, "c1", "agent"));
    child.credentials.install(area.membership("c1", "agent", Duration::from_secs(3)), area.trust()).unwrap();
    child.follow(&leader);
    soon(child.ask_serial()).await.unwrap();
    eventually(|| leader.net.counters().open == 0).await;
    let refused = soon(async {
        loop {
            match child.ask_serial().await {
                Err(LinkError::Refused(error)) => break error,
                _ => tokio::task::yield_now().await,
            }
        }
    });
    assert_eq!(refused.await.code, Code::Auth);
    child.credentials.install(area.membership("c1", "agent", DAY), area.trust()).unwrap();
    child.net.close_unbelieved();
    eventually(|| leader.net.counters().open == 1).await;
    soon(child.ask_serial()).await.unwrap();
}

#[tokio::test]
async fn another_leader_takes_over_and_the_old_link_is_closed() {
    let area = Area::new("a1");
    let (first, second) = (Agent::leader(&area), Agent::leader(&area));
    let child = Agent::member(&area, "c1", "agent");
    child.follow(&first);
    soon(child.ask_serial()).await.unwrap();
    child.follow(&second);
    soon(child.ask_serial()).await.unwrap();
    eventually(|| first.net.counters().open == 0 && second.net.counters().open == 1).await;
    child.net.lead_to(None);
    eventually(|| second.net.counters().open == 0 && child.net.counters().open == 0).await;
    assert!(matches!(soon(child.net.ask(Ask::Bundle)).await, Err(LinkError::Unreachable { .. })));
}

#[tokio::test]
async fn a_leader_that_comes_back_is_found_again_and_nobody_storms_it() {
    let area = Area::new("a1");
    let (leader, child) = (Agent::leader(&area), Agent::member(&area, "c1", "agent"));
    child.follow(&leader);
    soon(child.ask_serial()).await.unwrap();
    leader.net.stop();
    eventually(|| child.net.counters().open == 0).await;
    for _ in 0..1000 {
        assert!(soon(child.ask_serial()).await.is_err());
    }
    assert!(leader.net.counters().accepted <= 2, "questions make no attempts");
    // Somebody else listens there now, with the same name.
    let again = Agent::member(&area, "leader", "leader");
    eventually(|| again.net.listen(leader.address).is_ok()).await;
    eventually(|| again.net.counters().open == 1).await;
    soon(child.ask_serial()).await.unwrap();
}

#[tokio::test]
async fn who_knows_less_is_told_when_the_link_opens_and_all_are_told_of_news() {
    let area = Area::new("a1");
    area.revoke(&[]);
    let child = Agent::member(&area, "c1", "agent");
    area.revoke(&[]);
    let leader = Agent::leader(&area);
    child.follow(&leader);
    let told = |agent: &Agent| agent.answers.notices.lock().unwrap().clone();
    eventually(|| told(&child) == [(Notice::Trust(area.message()), area.id("leader"))]).await;

    // One who knows the same is told nothing.
    let other = Agent::member(&area, "c2", "agent");
    other.follow(&leader);
    soon(other.ask_serial()).await.unwrap();
    assert!(told(&other).is_empty());

    area.revoke(&[]);
    leader.net.tell(Notice::Trust(area.message()));
    eventually(|| told(&child).len() == 2 && told(&other).len() == 1).await;
    assert!(told(&leader).is_empty());

    // From below, lists alone are taken.
    child.net.tell(Notice::Trust(AuthorityTrust { sequence: 99, ..area.message() }));
    let lists = AuthorityTrust { lists: area.message().lists, ..AuthorityTrust::default() };
    eventually(|| told(&leader) == [(Notice::Trust(lists.clone()), area.id("c1"))]).await;
}

#[tokio::test]
async fn links_of_peers_below_a_root_that_is_dropped_are_closed() {
    let (area, other) = (Area::new("a1"), Area::new("a1"));
    let (leader, child) = (Agent::leader(&area), Agent::member(&area, "c1", "agent"));
    let mut hand = child.greeted(&leader).await;
    // A root more changes nothing for those who are there.
    leader.credentials.set_trust(area.trust_with(2, &[&other])).unwrap();
    leader.net.close_unbelieved();
    hand.send(&Message::Ping(1)).await;
    assert_eq!(soon(hand.next()).await, Some(Message::Pong(1)));
    leader.credentials.set_trust(other.trust_with(3, &[])).unwrap();
    leader.net.close_unbelieved();
    assert_eq!(hand.closed().await, Code::Auth);
}

#[tokio::test]
async fn peers_are_pinged_and_the_silent_are_given_up() {
    let area = Area::new("a1");
    let limits = LinkLimits { ping: Duration::from_millis(200), dead: Duration::from_secs(3), ..LinkLimits::default() };
    let leader = Agent::leader_with(&area, limits);
    let (child, silent) = (Agent::member(&area, "c1", "agent"), Agent::member(&area, "c2", "agent"));
    child.follow(&leader);
    let mut hand = silent.greeted(&leader).await;
    assert_eq!(soon(hand.next()).await, Some(Message::Ping(0)));
    soon(child.ask_serial()).await.unwrap();
    eventually(|| leader.net.links().iter().all(|link| link.peer == area.id("c1"))).await;
    assert_eq!(leader.net.counters().stalled, 1);
    soon(child.ask_serial()).await.unwrap();
}

#[tokio::test]
async fn one_peer_has_few_links_and_the_newest_ones_stay() {
    let area = Area::new("a1");
    let limits = LinkLimits { links_per_peer: 2, links: 3, ..LinkLimits::default() };
    let (leader, child) = (Agent::leader_with(&area, limits), Agent::member(&area, "c1", "agent"));
    let mut first = child.greeted(&leader).await;
    let _second = child.greeted(&leader).await;
    let _third = child.greeted(&leader).await;
    assert_eq!(first.closed().await, Code::Busy);
    let [_other, extra] = [Agent::member(&area, "c2", "agent"), Agent::member(&area, "c3", "agent")];
    let _fourth = _other.greeted(&leader).await;
    let mut last = extra.by_hand(&leader).await;
    last.send(&Message::Hello(extra.hello())).await;
    assert_eq!(last.closed().await, Code::Busy);
    assert_eq!(leader.net.counters().open, 3);
}
