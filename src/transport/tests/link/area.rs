//! Links within an area, as its actors use them: over real TLS.

use std::sync::Arc;
use std::time::Duration;

use mf2c_actors::ports::{AreaNet as _, AuthorityTransport as _, Introduction, LinkError, SendError};
use mf2c_domain::area::standing::AreaPeer;
use mf2c_fabric::leadership::LeadershipMessage;
use mf2c_fabric::wire::hello::Scope;
use mf2c_fabric::wire::{Answer, Ask, AuthorityTrust, Code, Message, Notice, TrustNews, WireError};
use mf2c_transport::link::LinkLimits;

use crate::world::{Agent, Area, DAY, eventually, memory, number, soon, word};

/// Where an agent listens.
fn at(agent: &Agent) -> AreaPeer {
    AreaPeer { id: agent.credentials.membership().unwrap().own.id.clone(), address: agent.address.to_string() }
}

/// A member that lets others in.
fn listening(area: &Arc<Area>, device: &str) -> Agent {
    let mut agent = Agent::member(area, device, "agent");
    agent.address = agent.net.listen(agent.address).unwrap();
    agent
}

#[tokio::test]
async fn a_member_keeps_links_to_many_and_says_what_it_is() {
    let area = Area::new("a1");
    let others: Vec<Agent> = (0..20).map(|number| listening(&area, &format!("b{number}"))).collect();
    let own = listening(&area, "own");
    own.net.introduce(Introduction { role: "backup".into(), term: 7 });
    let mut targets: Vec<AreaPeer> = others.iter().map(at).collect();
    targets.push(at(&own));
    own.net.keep(targets.clone());
    eventually(|| own.answers.open().len() == 20 && others.iter().all(|other| other.answers.open().len() == 1)).await;
    let link = &others[3].answers.open()[0];
    assert!(link.accepted && link.scope == Scope::Area);
    assert_eq!((link.hello.role.as_str(), link.hello.term), ("backup", 7));
    assert_eq!(link.hello.listen, own.address.port().to_string());
    assert_ne!(link.hello.boot, own.answers.open()[0].hello.boot);
    let numbers: Vec<u64> = own.answers.open().iter().map(|link| link.number).collect();
    assert!(own.answers.open().iter().all(|link| !link.accepted));

    // Fewer: the others are let go, those that stay are not touched.
    own.net.keep(targets.drain(..3).collect());
    eventually(|| own.answers.open().len() == 3).await;
    assert!(own.answers.open().iter().all(|link| numbers.contains(&link.number)));
    eventually(|| others.iter().filter(|other| other.answers.open().is_empty()).count() == 17).await;
    own.net.keep(vec![]);
    eventually(|| own.answers.open().is_empty()).await;
    eventually(|| own.net.counters().open == 0).await;
}

#[tokio::test]
async fn a_kept_agent_that_becomes_the_leader_is_not_called_again() {
    let area = Area::new("a1");
    let (leader, backup) = (Agent::leader(&area), listening(&area, "b1"));
    let child = Agent::member(&area, "c1", "agent");
    child.follow(&leader);
    child.net.keep(vec![at(&backup), at(&leader)]);
    eventually(|| child.answers.open().len() == 2).await;
    let to_backup = |child: &Agent| child.answers.open().into_iter().find(|link| link.peer.id == at(&backup).id);
    let number = to_backup(&child).unwrap().number;
    // The leader is lost, the backup takes its place.
    leader.net.stop();
    child.follow(&backup);
    child.net.keep(vec![]);
    soon(child.ask_serial()).await.unwrap();
    eventually(|| child.answers.open().len() == 1).await;
    assert_eq!(to_backup(&child).unwrap().number, number);
    assert_eq!(backup.net.counters().opened, 1);
}

#[tokio::test]
async fn words_come_in_their_order_between_the_opening_of_a_link_and_its_end() {
    let area = Area::new("a1");
    let (leader, child) = (Agent::leader(&area), Agent::member(&area, "c1", "agent"));
    child.follow(&leader);
    eventually(|| child.answers.open().len() == 1 && leader.answers.open().len() == 1).await;
    let (there, here) = (leader.answers.open()[0].number, child.answers.open()[0].number);
    let mut sent = 0;
    // Far more than any bound on notices; whoever is full tries again.
    while sent < 3000 {
        match child.net.send(here, &word(sent, 300)) {
            Ok(()) => sent += 1,
            Err(SendError::Full) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
    leader.net.send(there, &word(9, 8)).unwrap();
    eventually(|| leader.answers.words().len() == 3000 && child.answers.words().len() == 1).await;
    let heard = leader.answers.words();
    assert!(heard.iter().enumerate().all(|(at, (link, it))| *link == there && number(it) == at as u64));
    let renewed = area.membership("c1", "agent", DAY);
    child.credentials.install(renewed, area.trust()).unwrap();
    child.net.close_unbelieved();
    eventually(|| leader.answers.open().iter().any(|link| link.number != there)).await;
    eventually(|| leader.answers.open().len() == 1 && child.answers.open().len() == 1).await;
    assert!(leader.answers.open()[0].number > there, "a number is never used twice");
    assert_eq!(child.net.send(here, &word(1, 8)), Err(SendError::Gone));
    let within = Duration::from_secs(5);
    assert!(soon(child.net.ask_over(here, Ask::Bundle, within)).await.is_err());
    let now = child.answers.open()[0].number;
    assert!(matches!(soon(child.net.ask_over(now, Ask::Bundle, within)).await, Ok(Answer::Trust(_))));
    assert!(matches!(child.net.send(now, &word(1, 2 << 20)), Err(SendError::TooLarge(_))));
    child.net.close(now, WireError::new(Code::Busy, "later"));
    eventually(|| leader.answers.open().iter().all(|link| link.number > there + 1)).await;
}

#[tokio::test]
async fn who_says_what_may_not_be_said_loses_its_link_and_the_others_do_not() {
    let area = Area::new("a1");
    let leader = Agent::leader(&area);
    let (child, other) = (Agent::member(&area, "c1", "agent"), Agent::member(&area, "c2", "agent"));
    other.follow(&leader);
    soon(other.ask_serial()).await.unwrap();
    let mut hand = child.greeted(&leader).await;
    let wrong = LeadershipMessage::Raft { area: "wrong".into(), stamp: 0, message: vec![].into(), founded: 0 };
    hand.send(&Message::Notice(Notice::Leadership(wrong))).await;
    assert_eq!(hand.closed().await, Code::Forbidden);
    eventually(|| leader.answers.open().len() == 1).await;
    soon(other.ask_serial()).await.unwrap();
}

#[tokio::test]
async fn an_agent_that_is_not_where_it_was_is_found_by_a_hint_and_by_its_certificate_alone() {
    let area = Area::new("a1");
    let (stranger, backup) = (listening(&area, "x1"), listening(&area, "b1"));
    let own = Agent::member(&area, "c1", "agent");
    // At the known address somebody else listens now.
    own.net.keep(vec![AreaPeer { address: stranger.address.to_string(), ..at(&backup) }]);
    eventually(|| stranger.net.counters().accepted >= 1).await;
    for wrong in ["", "127.0.0.1:1", "nowhere.invalid:99999", &stranger.address.to_string()] {
        own.net.hint(&at(&backup).id, wrong.into());
    }
    own.net.hint(&at(&backup).id, backup.address.to_string());
    eventually(|| own.answers.open().len() == 1).await;
    assert_eq!(own.answers.open()[0].peer.id, at(&backup).id);
    assert_eq!(stranger.net.counters().open, 0);
}

/// Vector V11, and who of another area is let in.
#[tokio::test]
async fn of_another_area_its_leader_and_its_backups_come_in_and_no_others() {
    let area = Area::new("a1");
    let below = area.sister("a2");
    let leader = Agent::leader(&area);
    let role = |role: &str| Introduction { role: role.into(), term: 1 };
    let expected = [
        ("agent", "agent", None),
        ("agent", "backup", Some(Scope::Backup)),
        ("leader", "leader", Some(Scope::Certification)),
    ];
    for (at, (unit, says, scope)) in expected.into_iter().enumerate() {
        let peer = Agent::member(&below, &format!("p{at}"), unit);
        peer.net.introduce(role(says));
        peer.follow(&leader);
        let Some(scope) = scope else {
            assert!(soon(peer.net.ask(Ask::Bundle)).await.is_err());
            assert!(leader.answers.open().is_empty());
            continue;
        };
        eventually(|| leader.answers.open().iter().any(|link| link.scope == scope)).await;
        let link = leader.answers.open().into_iter().find(|link| link.scope == scope).unwrap();
        eventually(|| !peer.answers.open().is_empty()).await;
        let here = peer.answers.open()[0].number;
        peer.net.send(here, &word(at as u64, 8)).unwrap();
        leader.net.send(link.number, &word(at as u64, 8)).unwrap();
        eventually(|| leader.answers.words().iter().any(|(from, _)| *from == link.number)).await;
        eventually(|| peer.answers.words().len() == 1).await;
        let certify = Ask::CertifyArea { request: vec![].into() };
        let refused = soon(peer.net.ask(certify)).await.unwrap_err().to_string();
        // The one is refused by its rights, the other by who answers, who knows nothing of the question here.
        assert_eq!(refused.contains("speaks of leadership alone"), scope == Scope::Backup, "{refused}");
        // What is told to everybody is not for a backup of another area.
        leader.net.tell(Notice::Trust(AuthorityTrust { lists: vec![vec![1].into()], ..AuthorityTrust::default() }));
        soon(peer.net.ask(Ask::Trust { have: TrustNews::default() })).await.unwrap();
    }
}

/// Vector F6.
#[tokio::test]
async fn one_of_twenty_that_takes_nothing_costs_a_bounded_memory_and_the_others_no_time() {
    const WORDS: u64 = 300;
    let area = Area::new("a1");
    let limits = LinkLimits { write_stall: Duration::from_secs(8), ..LinkLimits::default() };
    let leader = Agent::leader_with(&area, limits);
    let children: Vec<Agent> = (0..19).map(|number| Agent::member(&area, &format!("c{number}"), "agent")).collect();
    children.iter().for_each(|child| child.follow(&leader));
    eventually(|| leader.answers.open().len() == 19).await;
    let quick = leader.answers.open();
    let slow = Agent::member(&area, "slow", "agent");
    let _hand = slow.greeted(&leader).await;
    eventually(|| leader.answers.open().len() == 20).await;
    let slow = leader.answers.open().pop().unwrap().number;

    let before = memory();
    let mut full = 0;
    for round in 0..WORDS {
        // Thirty kilobytes each: nine megabytes for the one who takes nothing.
        full += u64::from(leader.net.send(slow, &word(round, 30_000)) == Err(SendError::Full));
        for link in &quick {
            leader.net.send(link.number, &word(round, 300)).unwrap();
        }
        eventually(|| children.iter().all(|child| child.answers.words().len() as u64 == round + 1)).await;
    }
    assert!(full > WORDS / 10, "{full} were refused");
    assert!(memory().saturating_sub(before) < 24 << 20);
    eventually(|| leader.answers.open().iter().all(|link| link.number != slow)).await;
    assert_eq!(leader.answers.open().len(), 19);
}

/// Vector F8, and one that speaks more than we do.
#[tokio::test]
async fn a_peer_one_version_later_is_told_and_one_that_speaks_ours_too_is_welcome() {
    let area = Area::new("a1");
    let (leader, child) = (Agent::leader(&area), Agent::member(&area, "c1", "agent"));
    for (versions, welcome) in [(vec![2], false), (vec![0], false), (vec![], false), (vec![2, 1], true)] {
        let mut hand = child.by_hand(&leader).await;
        let mut hello = child.hello();
        hello.v = versions;
        hello.features = vec!["of-the-future".into()];
        hand.send(&Message::Hello(hello)).await;
        if welcome {
            assert!(matches!(soon(hand.next()).await, Some(Message::Hello(_))));
        } else {
            assert_eq!(hand.closed().await, Code::Version);
        }
    }
    // Words of a later version are passed over.
    let mut hand = child.greeted(&leader).await;
    let later = b"\x81\xa6notice\x81\xa5later\x01";
    hand.write(&[&u32::try_from(later.len()).unwrap().to_be_bytes(), &later[..]].concat()).await;
    hand.send(&Message::Ping(1)).await;
    assert_eq!(soon(hand.next()).await, Some(Message::Pong(1)));
    assert!(leader.answers.words().is_empty());
}

#[tokio::test]
async fn who_is_killed_says_nothing_more_and_its_peers_notice() {
    let area = Area::new("a1");
    let (leader, child) = (Agent::leader(&area), Agent::member(&area, "c1", "agent"));
    child.follow(&leader);
    eventually(|| leader.answers.open().len() == 1 && child.answers.open().len() == 1).await;
    child.net.kill();
    eventually(|| leader.answers.open().is_empty()).await;
    assert_eq!(child.answers.open().len(), 1, "nobody there is told");
    assert!(soon(child.net.ask(Ask::Bundle)).await.is_err());
    child.follow(&leader);
    soon(leader.net.ask(Ask::Bundle)).await.unwrap_err();
    assert_eq!(leader.net.counters().accepted, 1);
}

#[tokio::test]
async fn a_visit_is_paid_to_who_leads_the_own_area_and_to_nobody_else() {
    let area = Area::new("a1");
    let (leader, child) = (Agent::leader(&area), Agent::member(&area, "c1", "agent"));
    let stranger = Agent::leader(&area.sister("a2"));
    let visit = |to: &Agent, term| soon(child.net.visit(to.address.to_string(), term));
    let not_leader = |error: LinkError| matches!(error, LinkError::Refused(WireError { code: Code::NotLeader, .. }));
    assert!(not_leader(visit(&leader, 0).await.unwrap_err()), "it says that it is an agent");
    for agent in [&leader, &stranger] {
        agent.net.introduce(Introduction { role: "leader".to_owned(), term: 7 });
    }
    assert!(not_leader(visit(&leader, 8).await.unwrap_err()), "of a term that is over");
    let error = visit(&stranger, 7).await.unwrap_err();
    assert!(error.to_string().contains("expected another agent of the area `a1`"), "{error}");
    assert!(child.net.links().is_empty());
    visit(&leader, 7).await.unwrap();
    assert_eq!(child.net.links()[0].peer, area.id("leader"));
    // Who is in touch with its leader calls nobody.
    child.follow(&leader);
    soon(child.ask_serial()).await.unwrap();
    let error = visit(&leader, 7).await.unwrap_err();
    assert!(error.to_string().contains("the leader that is known is there"), "{error}");
}
