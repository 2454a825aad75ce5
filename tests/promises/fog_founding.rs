//! A fog of real agents that lost too many to choose a leader: it says so, and is founded anew by an operator, or by itself
//! where that is configured; nothing that was acknowledged on either side is lost.

use mf2c_tests::{Fog, curl, eventually, mf2c};

fn health(fog: &Fog, name: &str) -> serde_json::Value {
    let agent = fog.agent(name);
    let url = format!("https://{}/api/v2/resource-management/policies/healthcheck", agent.https());
    curl(["-k", &url]).json()
}

fn status(fog: &Fog, name: &str) -> String {
    let url = format!("https://{}", fog.agent(name).https());
    let authority = fog.data_dir(name).join("tls/server.pem");
    mf2c(&["status", "--url", &url, "--ca", authority.to_str().unwrap()]).out
}

#[test]
fn two_of_three_that_are_lost_at_once_leave_a_degraded_area_until_an_operator_says_who_leads() {
    let mut fog = Fog::new();
    fog.found("one", "pier");
    fog.add("two", "one");
    fog.add("three", "one");
    eventually("two backups", || fog.area("one")["backups"].as_array().is_some_and(|backups| backups.len() == 2));
    eventually("that they know", || fog.role("two") == "backup" && fog.role("three") == "backup");
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
    assert_eq!(fog.area("three")["mandate"], "full");
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
