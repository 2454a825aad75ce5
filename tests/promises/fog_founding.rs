//! A fog of real agents that lost too many to choose a leader: it says so, and is founded anew by an operator, or by itself
//! where that is configured; nothing that was acknowledged on either side is lost.
//!
//! Proves over real TLS: D5 of the cluster's vectors.

use std::collections::BTreeSet;
use std::time::Duration;

use mf2c_tests::{Fog, curl, eventually, let_pass, mf2c};

fn health(fog: &Fog, name: &str) -> serde_json::Value {
    let agent = fog.agent(name);
    let url = format!("https://{}/api/v2/resource-management/policies/healthcheck", agent.https());
    curl(["-k", &url]).json()
}

fn status(fog: &Fog, name: &str) -> String {
    let url = format!("https://{}", fog.agent(name).https());
    let authority = fog.folder().join("root.pem");
    mf2c(&["status", "--url", &url, "--ca", authority.to_str().unwrap()]).expect(0).out
}

#[test]
fn two_of_three_that_are_lost_at_once_leave_a_degraded_area_until_an_operator_says_who_leads() {
    let mut fog = Fog::new();
    fog.found("one", "pier");
    fog.add("two", "one");
    fog.add("three", "one");
    eventually("two backups", || fog.area("one")["backups"].as_array().is_some_and(|backups| backups.len() == 2));
    eventually("that they know", || fog.role("two") == "backup" && fog.role("three") == "backup");
    std::fs::write(fog.folder().join("root.pem"), fog.told("one", &["ca", "show", "--pem"])).unwrap();
    let id = fog.put("one", "before");
    fog.reaches("three", &id);
    let term = fog.area("one")["term"].as_u64().unwrap();
    fog.kill("one");
    fog.kill("two");
    eventually("that it takes care", || fog.area("three")["mandate"] == "degraded");
    eventually("that it says so", || ["YELLOW", "ORANGE"].contains(&health(&fog, "three")["health"].as_str().unwrap()));
    assert_eq!(health(&fog, "three")["mandate"], false);
    let seen = status(&fog, "three");
    assert!(seen.contains("the area is led without a majority"), "{seen}");
    let device = fog.device("three");
    eventually("an operator's word", || {
        let data_dir = fog.data_dir("three");
        mf2c(&["area", "lead", &device, "--data-dir", data_dir.to_str().unwrap()]).code == Some(0)
    });
    // A busy machine may miss a heartbeat of its own for a moment.
    eventually("the full mandate", || fog.area("three")["mandate"] == "full");
    assert!(fog.area("three")["term"].as_u64().unwrap() > term);
    assert_eq!(health(&fog, "three")["mandate"], true);
    let during = fog.put("three", "during");
    fog.start("one");
    fog.start("two");
    assert_eq!(fog.leader_of(&["one", "two", "three"]), "three");
    for name in ["one", "two"] {
        eventually("backups again", || fog.role(name) == "backup");
        for id in [&id, &during] {
            fog.reaches(name, id);
        }
    }
}

#[test]
fn two_agents_that_are_cut_from_each_other_both_lead_where_that_is_configured_and_nothing_is_lost_when_they_meet() {
    let mut fog = Fog::new().with("MF2C_AREA_ELECTION", "automatic").with("MF2C_AREA_ELECTION_AFTER", "10s");
    fog.found("one", "pier");
    fog.add("two", "one");
    eventually("a backup", || fog.role("two") == "backup");
    let before = fog.put("one", "before");
    fog.reaches("two", &before);
    let term = fog.area("one")["term"].as_u64().unwrap();
    fog.agent("one").signal("STOP");
    eventually("that it leads alone", || fog.area("two")["mandate"] == "full");
    let there = fog.put("two", "there");
    fog.agent("one").signal("CONT");
    // It may lead for a moment still, which it does not know to be over.
    let here = fog.put("one", "here");
    assert_eq!(fog.leader_of(&["one", "two"]), "two");
    assert!(fog.area("two")["term"].as_u64().unwrap() > term);
    for id in [&before, &here] {
        fog.reaches("two", id);
    }
    eventually("that it is a backup", || fog.role("one") == "backup");
    fog.reaches("one", &there);
}

const LEFT: [&str; 3] = ["two", "three", "four"];

/// Three agents of an area, of which one is a backup, start at the same time, and their leader is gone for good. The backup alone
/// is no majority, so nobody can be elected.
fn three_without_a_leader(election: &str) -> (Fog, &'static str, String) {
    let mut fog = Fog::new()
        .with("MF2C_AREA_PROFILE", "lan")
        .with("MF2C_AREA_BACKUPS", "1")
        .with("MF2C_AREA_ELECTION", election)
        .with("MF2C_AREA_ELECTION_AFTER", "10s");
    fog.found("one", "pier");
    for name in LEFT {
        fog.add(name, "one");
    }
    let mut backup = None;
    eventually("a backup that knows it and has the keys", || {
        let able = |name: &&str| fog.role(name) == "backup" && fog.data_dir(name).join("ca/area.key").exists();
        backup = LEFT.into_iter().find(able);
        backup.is_some()
    });
    let backup = backup.expect("just found");
    let before = fog.put("four", "before");
    fog.reaches(backup, &before);
    fog.kill("one");
    for name in LEFT {
        fog.kill(name);
    }
    fog.start_all(&LEFT);
    (fog, backup, before)
}

/// Who leads with a full mandate.
fn full<'n>(fog: &Fog, names: &[&'n str]) -> Vec<&'n str> {
    names.iter().copied().filter(|name| fog.area(name)["mandate"] == "full").collect()
}

#[test]
fn d5_of_three_that_start_together_without_a_leader_exactly_one_founds_the_area_anew() {
    let (mut fog, _, before) = three_without_a_leader("automatic");
    let mut seen = BTreeSet::new();
    eventually("one that leads all", || {
        seen.extend(full(&fog, &LEFT));
        let leader = seen.first().map(|name| fog.leader(name));
        leader.is_some_and(|leader| LEFT.iter().all(|name| fog.leader(name) == leader))
    });
    // Those further back in the line would do it ten seconds later.
    for _ in 0..12 {
        let_pass(Duration::from_secs(1));
        seen.extend(full(&fog, &LEFT));
    }
    assert_eq!(seen.len(), 1, "{seen:?}");
    let leader = fog.leader_of(&LEFT);
    assert!(seen.contains(leader));
    let written: Vec<String> = LEFT.iter().map(|name| fog.put(name, &format!("at {name}"))).collect();
    for id in written.iter().chain([&before]) {
        fog.reaches(leader, id);
    }
    // The leader of before comes back as a member.
    fog.start("one");
    assert_eq!(fog.leader_of(&["one", "two", "three", "four"]), leader);
}

#[test]
fn d5_of_three_that_start_together_without_a_leader_none_leads_where_that_is_for_an_operator_to_say() {
    let (mut fog, backup, before) = three_without_a_leader("manual");
    for name in LEFT.iter().filter(|name| **name != backup) {
        eventually("what it is", || fog.role(name) == "agent");
    }
    // Longer than it takes where it happens by itself.
    for _ in 0..20 {
        assert_eq!(full(&fog, &LEFT), Vec::<&str>::new());
        for name in LEFT.iter().filter(|name| **name != backup) {
            assert_eq!(fog.role(name), "agent");
        }
        let_pass(Duration::from_secs(1));
    }
    // They work on, and what they took gets to the leader when there is one again.
    let written: Vec<String> = LEFT.iter().map(|name| fog.put(name, &format!("at {name}"))).collect();
    fog.start("one");
    let leader = fog.leader_of(&["one", "two", "three", "four"]);
    for id in written.iter().chain([&before]) {
        fog.reaches(leader, id);
    }
}
