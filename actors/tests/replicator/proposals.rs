//! Edits of documents that belong to others: made at once where the origin is there, and merged where it was away.

use std::time::Duration;

use mf2c_actors::replicator::{AnswerProposal, Proposal, Propose};
use mf2c_domain::id::ResourceId;
use mf2c_fabric::wire::{Answer, Code, Proposed, WireError};
use mf2c_pki::area::PeerIdentity;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::world::*;

fn propose(owner: &Node, id: &ResourceId, changes: Value, may_wait: bool) -> Propose {
    Propose {
        id: id.clone(),
        origin: owner.store.identity().node,
        changes: Some(map(changes)),
        removed: vec![],
        if_match: None,
        by: ("admin".into(), true),
        may_wait,
    }
}

async fn ask(at: &Node, propose: Propose) -> Result<Proposal, WireError> {
    at.replicator.send(propose).await.unwrap()
}

#[actix::test]
async fn an_edit_at_the_cloud_of_a_childs_document_is_made_at_the_child_and_visible_when_it_is_answered() {
    let wire = wire();
    let area = Area::new(&wire).await;
    let made = area.child.service("made").await;
    eventually("all have it", SOON, || area.everywhere(&made)).await;
    for (round, at) in [(1, &area.cloud), (2, &area.leader), (3, &area.backup)] {
        let done = ask(at, propose(&area.child, &made, json!({"num_agents": round}), false)).await;
        assert_eq!(done, Ok(Proposal::Done));
        assert_eq!(at.body(&made).unwrap()["num_agents"], round);
        assert_eq!(area.child.body(&made).unwrap()["num_agents"], round);
    }
    let gone = Propose { changes: None, ..propose(&area.child, &made, json!({}), false) };
    assert_eq!(ask(&area.cloud, gone).await, Ok(Proposal::Done));
    assert!(!area.cloud.has(&made) && !area.child.has(&made));
}

#[actix::test]
async fn a_refusal_of_the_origin_reaches_the_proposer_as_its_code() {
    let wire = wire();
    let area = Area::new(&wire).await;
    let made = area.child.service("made").await;
    eventually("all have it", SOON, || area.everywhere(&made)).await;
    let code = |answer: Result<Proposal, WireError>| answer.unwrap_err().code;
    let wrong = propose(&area.child, &made, json!({"num_agents": "many"}), false);
    assert_eq!(code(ask(&area.cloud, wrong).await), Code::Invalid);
    let user = Propose { by: ("jane".into(), false), ..propose(&area.child, &made, json!({"num_agents": 1}), false) };
    assert_eq!(code(ask(&area.cloud, user).await), Code::Forbidden);
    let missing = ResourceId::parse("service/missing").unwrap();
    let missing = propose(&area.child, &missing, json!({"num_agents": 1}), false);
    assert_eq!(code(ask(&area.cloud, missing).await), Code::NotFound);
}

#[actix::test]
async fn an_agreement_is_as_safe_from_the_edits_of_other_agents_as_from_those_of_clients() {
    let wire = wire();
    let area = Area::new(&wire).await;
    let with = |constraint: &str| {
        json!({"details": {
            "type": "agreement", "name": "a", "creation": "2026-01-01T00:00:00Z",
            "provider": {"id": "p", "name": "P"}, "client": {"id": "c", "name": "C"},
            "guarantees": [{"name": "*", "constraint": constraint}],
        }})
    };
    let made = area.child.add("agreement", with("execution_time < 10")).await;
    eventually("all have it", SOON, || area.everywhere(&made)).await;
    let edit = async |changes| ask(&area.cloud, propose(&area.child, &made, changes, false)).await;
    let refused = edit(with("execution_time LT 10")).await.unwrap_err();
    assert_eq!(refused.code, Code::Invalid);
    assert!(refused.msg.contains("details.guarantees[0].constraint"), "{}", refused.msg);
    assert_eq!(edit(with("execution_time < 20")).await, Ok(Proposal::Done));
    assert_eq!(edit(json!({"state": "terminated"})).await, Ok(Proposal::Done));
    let refused = edit(json!({"state": "started"})).await.unwrap_err();
    assert_eq!(refused.code, Code::Invalid);
    assert!(refused.msg.contains("from terminated to started"), "{}", refused.msg);
    let removed = Propose { removed: vec!["state".into()], ..propose(&area.child, &made, json!({}), false) };
    assert_eq!(ask(&area.cloud, removed).await.unwrap_err().code, Code::Invalid);
    assert_eq!(area.child.body(&made).unwrap()["state"], "terminated");
    // What leaves the state alone is as welcome as before.
    assert_eq!(edit(json!({"name": "over"})).await, Ok(Proposal::Done));
}

#[actix::test]
async fn what_an_agent_keeps_in_an_instance_is_kept_from_clients_of_other_agents_and_not_from_these_agents() {
    let wire = wire();
    let area = Area::new(&wire).await;
    let instance =
        json!({"user": "u", "service": "s", "status": "started", "agents": [], "desired": "running", "version": 1});
    let made = area.child.add("service-instance", instance).await;
    eventually("all have it", SOON, || area.everywhere(&made)).await;
    let sent = json!({"status": "error", "conductor": "me", "version": 2, "desired": "stopped", "name": "n"});
    let edit =
        Propose { removed: vec!["desired".into(), "version".into()], ..propose(&area.child, &made, sent, false) };
    assert_eq!(ask(&area.cloud, edit).await, Ok(Proposal::Done));
    let body = area.child.body(&made).unwrap();
    let found = ["status", "conductor", "version", "desired", "name"].map(|name| body[name].clone());
    assert_eq!(found, [json!("started"), Value::Null, json!(1), json!("stopped"), json!("n")]);
    let own = propose(&area.child, &made, json!({"status": "stopped", "version": 2}), false);
    let own = Propose { by: ("internal".into(), true), ..own };
    assert_eq!(ask(&area.cloud, own).await, Ok(Proposal::Done));
    let body = area.child.body(&made).unwrap();
    assert_eq!((&body["status"], &body["version"]), (&json!("stopped"), &json!(2)));
    let free = json!({"user": "u", "service": "s", "status": "started", "agents": []});
    let free = area.child.add("service-instance", free).await;
    eventually("all have it", SOON, || area.everywhere(&free)).await;
    let edit = propose(&area.child, &free, json!({"desired": "running", "status": "stopped"}), false);
    assert_eq!(ask(&area.cloud, edit).await, Ok(Proposal::Done));
    let body = area.child.body(&free).unwrap();
    assert_eq!((body.get("desired"), &body["status"]), (None, &json!("stopped")));
}

#[actix::test]
async fn r22_an_edit_based_on_an_old_revision_is_refused_wherever_it_is_found_out() {
    let wire = wire();
    let area = Area::new(&wire).await;
    let made = area.child.service("made").await;
    eventually("all have it", SOON, || area.everywhere(&made)).await;
    let tag = |node: &Node| vec![node.store.tag(&node.store.get(made.as_str()).unwrap())];
    let with = |if_match, number| Propose {
        if_match: Some(if_match),
        ..propose(&area.child, &made, json!({"num_agents": number}), false)
    };
    assert_eq!(ask(&area.cloud, with(tag(&area.cloud), 1)).await, Ok(Proposal::Done));
    assert_eq!(ask(&area.cloud, with(vec!["old".into()], 2)).await.unwrap_err().code, Code::Conflict);
    // The child has gone on, and the cloud has not heard of it.
    let now = tag(&area.cloud);
    area.child.edit(&made, json!({"num_agents": 7})).await.unwrap();
    assert_eq!(ask(&area.cloud, with(now, 3)).await.unwrap_err().code, Code::Conflict);
    assert_eq!(area.child.body(&made).unwrap()["num_agents"], 7);
}

#[actix::test]
async fn while_the_origin_is_away_the_proposer_is_told_so_or_its_edit_waits() {
    let wire = wire();
    let mut area = Area::new(&wire).await;
    let made = area.child.service("made").await;
    eventually("all have it", SOON, || area.everywhere(&made)).await;
    area.cut_child();
    pass(Duration::from_millis(50)).await;
    let told = ask(&area.leader, propose(&area.child, &made, json!({"num_agents": 1}), false)).await.unwrap_err();
    assert_eq!((told.code, told.retry_after.is_some()), (Code::Busy, true));
    let mut waiting = vec![];
    for number in 1..=3 {
        let answer = ask(&area.leader, propose(&area.child, &made, json!({"num_agents": number}), true)).await;
        let Ok(Proposal::Waiting(id)) = answer else { panic!("{answer:?}") };
        waiting.push(id);
        pass(Duration::from_millis(20)).await;
    }
    assert!(waiting.iter().all(|id| area.leader.body(id).unwrap()["state"] == "WAITING"));
    area.child_link = area.child.link(&area.leader).await;
    eventually("the last one counts", SOON, || area.cloud.body(&made).unwrap()["num_agents"] == 3).await;
    eventually("none waits any more", SOON, || area.leader.store.count("proposal") == 0).await;
    assert_eq!(area.child.store.count("conflict"), 0);
}

#[actix::test]
async fn an_edit_that_waits_two_agents_away_is_sent_at_once_when_the_silent_child_is_back() {
    let wire = wire();
    let mut area = Area::new(&wire).await;
    let made = area.child.service("made").await;
    eventually("all have it", SOON, || area.everywhere(&made)).await;
    area.cut_child();
    pass(Duration::from_millis(50)).await;
    let answer = ask(&area.cloud, propose(&area.child, &made, json!({"num_agents": 5}), true)).await;
    assert!(matches!(answer, Ok(Proposal::Waiting(_))), "{answer:?}");
    pass(Duration::from_secs(10)).await;
    // It writes nothing, and yet the cloud hears of it by way of the leader.
    area.child_link = area.child.link(&area.leader).await;
    eventually("the edit is made", SOON, || area.cloud.body(&made).unwrap()["num_agents"] == 5).await;
    eventually("nothing waits any more", SOON, || area.cloud.store.count("proposal") == 0).await;
}

#[actix::test]
async fn at_most_sixteen_edits_wait_for_one_document_and_not_for_ever() {
    let wire = wire();
    let area = Area::new(&wire).await;
    let made = area.child.service("made").await;
    eventually("all have it", SOON, || area.everywhere(&made)).await;
    area.cut_child();
    pass(Duration::from_millis(50)).await;
    for number in 0..16 {
        ask(&area.leader, propose(&area.child, &made, json!({"num_agents": number}), true)).await.unwrap();
    }
    let above = ask(&area.leader, propose(&area.child, &made, json!({"num_agents": 17}), true)).await;
    assert_eq!(above.unwrap_err().code, Code::Busy);
    pass(Duration::from_secs(8 * 86_400)).await;
    assert_eq!(area.leader.store.count("proposal"), 0);
}

#[actix::test]
async fn r11_of_edits_on_both_sides_of_a_cut_the_later_counts_and_the_other_is_kept() {
    let wire = wire();
    let mut area = Area::new(&wire).await;
    let made = area.child.service("made").await;
    eventually("all have it", SOON, || area.everywhere(&made)).await;
    area.cut_child();
    pass(Duration::from_secs(1)).await;
    area.child.edit(&made, json!({"name": "first, by the child", "num_agents": 5})).await.unwrap();
    pass(Duration::from_secs(1)).await;
    let late = json!({"name": "second, by the leader", "description": "by the leader"});
    ask(&area.leader, propose(&area.child, &made, late, true)).await.unwrap();
    pass(Duration::from_secs(1)).await;
    area.child.edit(&made, json!({"description": "third, by the child"})).await.unwrap();
    area.child_link = area.child.link(&area.leader).await;
    eventually("merged", SOON, || area.cloud.body(&made).unwrap()["name"] == "second, by the leader").await;
    let body = area.child.body(&made).unwrap();
    assert_eq!((&body["description"], &body["num_agents"]), (&json!("third, by the child"), &json!(5)));
    eventually("what lost is kept everywhere", SOON, || {
        area.cloud.store.count("conflict") == 2 && area.cloud.store.count("event") >= 2
    })
    .await;
    eventually("all agree", SOON, || area.cloud.equals(&area.child) && area.leader.equals(&area.child)).await;
    let conflicts = area.cloud.store.all("conflict");
    let lost: Vec<Value> =
        conflicts.iter().map(|document| area.cloud.body(&document.id).unwrap()["lost"].clone()).collect();
    assert!(lost.contains(&json!({"name": "first, by the child"})), "{lost:?}");
    assert!(lost.contains(&json!({"description": "by the leader"})), "{lost:?}");
}

#[actix::test]
async fn r12_at_one_time_the_higher_writer_counts_wherever_it_is_looked_at() {
    let wire = wire();
    let mut area = Area::new(&wire).await;
    let made = area.child.service("made").await;
    eventually("all have it", SOON, || area.everywhere(&made)).await;
    area.cut_child();
    pass(Duration::from_secs(1)).await;
    area.child.edit(&made, json!({"name": "child"})).await.unwrap();
    ask(&area.leader, propose(&area.child, &made, json!({"name": "leader"}), true)).await.unwrap();
    area.child_link = area.child.link(&area.leader).await;
    eventually("merged", SOON, || area.child.store.count("conflict") == 1).await;
    let (child, leader) = (area.child.store.identity().name(), area.leader.store.identity().name());
    let winner = if leader > child { "leader" } else { "child" };
    for node in [&area.child, &area.leader, &area.backup, &area.cloud] {
        eventually("the same everywhere", SOON, || node.body(&made).unwrap()["name"] == winner).await;
    }
}

/// What `who` proposes at `at`, as it comes over a link.
async fn put(at: &Node, who: &Node, term: u64, id: &str, owner: &Node, changes: &[u8]) -> Result<Answer, WireError> {
    let link_peer = Arc::new(PeerIdentity {
        id: who.id.clone(),
        unit: "agent".into(),
        serial: mf2c_pki::area::Serial::from_bytes(&[1]),
        issuer: String::new(),
        authority: None,
        not_before: Default::default(),
        not_after: Default::default(),
        key: [0; 32],
    });
    let proposed = Proposed {
        term,
        id: id.into(),
        origin: owner.store.identity().node.to_vec().into(),
        changes: (!changes.is_empty()).then(|| changes.to_vec().into()),
        removed: vec![],
        if_match: None,
        by: ("admin".into(), true),
        made: None,
        key: format!("x/{term}/{id}"),
    };
    at.replicator.send(AnswerProposal { link_peer, proposed }).await.unwrap()
}

#[actix::test]
async fn only_the_leader_of_the_present_term_may_propose() {
    let wire = wire();
    let area = Area::new(&wire).await;
    let (child, made) = (&area.child, area.child.service("made").await);
    let edit = br#"{"num_agents":9}"#;
    let asked = |term, who| put(child, who, term, made.as_str(), child, edit);
    assert_eq!(asked(0, &area.leader).await.unwrap_err().code, Code::StaleTerm);
    assert_eq!(asked(1, &area.backup).await.unwrap_err().code, Code::Forbidden);
    assert!(asked(1, &area.leader).await.is_ok());
}

#[actix::test]
async fn a_leader_cannot_touch_what_does_not_travel_nor_what_no_client_may_change() {
    let wire = wire();
    let area = Area::new(&wire).await;
    let (child, leader) = (&area.child, &area.leader);
    let user = child.add("user", json!({"username": "admin", "password": "x", "emailAddress": "a@example.com"})).await;
    let event = child
        .add(
            "event",
            json!({"timestamp": "2024-01-01T00:00:00Z", "type": "alarm", "severity": "low",
            "content": {"resource": {"href": "service/x"}, "state": "x"}}),
        )
        .await;
    let before = (child.body(&user), child.body(&event));
    for id in [user.as_str(), event.as_str(), "user/other", "credential/some", "secret/some", "nothing/some"] {
        // At the child itself, and by way of its leader.
        for (at, who, term) in [(child, leader, 1), (leader, &area.cloud, 0)] {
            let edit = put(at, who, term, id, child, br#"{"password":"mine","severity":"high"}"#).await;
            assert_eq!(edit.unwrap_err().code, Code::Forbidden, "{id}");
            if id != event.as_str() {
                assert_eq!(put(at, who, term, id, child, b"").await.unwrap_err().code, Code::Forbidden, "{id}");
            }
        }
    }
    assert_eq!((child.body(&user), child.body(&event)), before);
    // A document under another origin than its own.
    let own = leader.service("the leader's").await;
    let other = put(leader, &area.cloud, 0, own.as_str(), child, br#"{"num_agents":9}"#).await;
    assert_eq!(other.unwrap_err().code, Code::Forbidden);
}
