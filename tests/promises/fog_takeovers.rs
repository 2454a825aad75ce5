//! Takeovers that are not simple: a leader that only slept, a backup that lags, agents that are to be no backups.
//!
//! Proves over real TLS: P1, P2, P6, P7, P12, P13 of the cluster's vectors.

use std::time::{Duration, Instant};

use mf2c_tests::{Fog, eventually, let_pass, mf2c, number_from_environment};

/// `one` leads, `two` and `three` are its backups, `kid` is none. No leader is missed because the machine is busy.
fn area() -> Fog {
    let mut fog = Fog::new().with("MF2C_AREA_PROFILE", "lan");
    fog.set("kid", "MF2C_AREA_BACKUP", "false");
    fog.found("one", "pier");
    for name in ["two", "three", "kid"] {
        fog.add(name, "one");
    }
    fog.backed_up("one", &["two", "three"]);
    fog
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a sleep of half a minute is what is promised about")]
fn p2_a_leader_that_slept_for_half_a_minute_leads_no_more_and_nothing_of_either_side_is_lost() {
    let fog = area();
    let before = fog.put("kid", "before");
    for name in ["one", "two", "three"] {
        fog.reaches(name, &before);
    }
    let term = |name: &str| fog.area(name)["term"].as_u64().unwrap_or_default();
    let old = term("one");
    let last = fog.put("one", "the last of the old leader");
    fog.agent("one").signal("STOP");
    let slept = Instant::now();
    let new = fog.leader_of(&["two", "three", "kid"]);
    assert!(term(new) > old);
    // The area works on all the while.
    let sleep = Duration::from_secs(number_from_environment("MF2C_TEST_SLEEP", 30));
    let mut written = vec![before, last];
    while slept.elapsed() < sleep {
        written.extend(["kid", new].map(|name| fog.put(name, "meanwhile")));
        let_pass(Duration::from_secs(1));
    }
    let id = fog.leader(new);
    fog.agent("one").signal("CONT");
    // Whatever it says of itself, it is nobody's leader any more, and soon it knows.
    let mut full = 0;
    eventually("that it follows", || {
        let one = fog.area("one");
        full += usize::from(one["mandate"] == "full");
        one["leader"]["id"] == id.as_str()
    });
    assert_eq!(full, 0, "it believed that it led, {full} times");
    assert_eq!(fog.leader_of(&["one", "two", "three", "kid"]), new);
    assert_eq!(term("one"), term(new));
    written.push(fog.put("one", "the first of its new life"));
    for id in &written {
        fog.reaches(new, id);
    }
}

#[test]
fn p7_a_backup_that_lagged_when_the_leader_died_gets_the_rest_from_the_children_and_sends_it_on() {
    // The backup keeps its place meanwhile.
    let mut fog = Fog::new().with("MF2C_AREA_DROP_AFTER", "1m").three_levels();
    let first = fog.put("kid", "first");
    fog.reaches("spare", &first);
    fog.reaches("cloud", &first);
    // The backup hears nothing of what follows.
    fog.agent("spare").signal("STOP");
    fog.put_many("kid", "bulk", 600);
    eventually("all at the leader", || fog.count("lead", "bulk") == 600);
    fog.kill("lead");
    fog.agent("spare").signal("CONT");
    assert_eq!(fog.leader_of(&["spare", "kid"]), "spare");
    eventually("all at the new leader", || fog.count("spare", "bulk") == 600);
    let late = fog.put("kid", "late");
    for name in ["spare", "cloud"] {
        fog.reaches(name, &late);
        assert_eq!(fog.count(name, "bulk"), 600);
    }
    assert_eq!(fog.agent("spare").metric("mf2c_replication_repaired_total"), 0);
}

#[test]
fn p1_children_come_to_the_new_leader_without_sending_again_what_it_has() {
    let mut fog = area();
    fog.put_many("kid", "bulk", 300);
    for name in ["one", "two", "three"] {
        eventually("all of it", || fog.count(name, "bulk") == 300);
    }
    let came = "mf2c_replication_changes_total{direction=\"in\"}";
    let before = ["two", "three"].map(|name| fog.agent(name).metric(came));
    fog.kill("one");
    let new = fog.leader_of(&["two", "three", "kid"]);
    let late = fog.put("kid", "late");
    fog.reaches(new, &late);
    let after = fog.agent(new).metric(came) - before[usize::from(new == "three")];
    assert!(after < 50, "{after} changes came though all but one were there");
}

#[test]
fn an_agent_that_is_to_be_no_backup_never_becomes_one_not_even_when_it_is_told_to() {
    let mut fog = Fog::new();
    for name in ["small", "smaller"] {
        fog.set(name, "MF2C_AREA_BACKUP", "false");
    }
    fog.found("lead", "pier");
    fog.add("small", "lead");
    fog.add("smaller", "lead");
    fog.add("able", "lead");
    fog.backed_up("lead", &["able"]);
    let small = fog.device("small");
    let data_dir = fog.data_dir("lead");
    let place = ["--data-dir", data_dir.to_str().unwrap()];
    for role in ["backup", "lead"] {
        let ran = mf2c(&[&["area", role, &small], &place[..]].concat());
        assert_ne!(ran.code, Some(0), "{}", ran.out);
    }
    fog.kill("lead");
    eventually("the one that is able", || fog.role("able") == "leader");
    for name in ["small", "smaller"] {
        eventually("that it follows", || fog.leader(name) == fog.leader("able"));
        assert_eq!(fog.role(name), "agent");
        assert!(!fog.data_dir(name).join("ca").exists(), "no keys were given to it");
    }
    let id = fog.put("small", "still");
    fog.reaches("able", &id);
}

#[test]
fn p6_a_backup_that_died_gives_its_place_to_another_which_gets_everything() {
    let mut fog = area();
    fog.put_many("kid", "bulk", 300);
    eventually("all of it", || fog.count("one", "bulk") == 300);
    fog.add("four", "one");
    assert_ne!(fog.role("four"), "backup", "two are enough");
    let lost = fog.device("two");
    fog.kill("two");
    // Ten seconds until it is dropped, three until another is chosen.
    fog.backed_up("one", &["three", "four"]);
    assert!(!fog.area("one")["backups"].to_string().contains(&lost));
    eventually("all of it at the new one", || fog.count("four", "bulk") == 300);
}

#[test]
fn p12_p13_after_a_power_cut_of_all_one_leads_and_who_lost_its_store_learns_the_term_and_votes_anew() {
    let mut fog = area();
    let made = ["one", "two", "three", "kid"].map(|name| fog.put(name, &format!("of {name}")));
    for name in ["one", "two", "three"] {
        for id in &made {
            fog.reaches(name, id);
        }
    }
    let term = fog.area("one")["term"].as_u64().unwrap();
    for name in ["one", "two", "three", "kid"] {
        fog.kill(name);
    }
    std::fs::remove_dir_all(fog.data_dir("three").join("store")).unwrap();
    for name in ["one", "two", "three", "kid"] {
        fog.start(name);
    }
    let leader = fog.leader_of(&["one", "two", "three", "kid"]);
    eventually("the mandate of a majority", || fog.area(leader)["mandate"] == "full");
    assert_ne!(leader, "three", "it has nothing of what it must know to lead");
    let other = if leader == "one" { "two" } else { "one" };
    fog.backed_up(leader, &[other, "three"]);
    assert!(fog.area(leader)["term"].as_u64().unwrap() > term);
    eventually("the same term everywhere", || {
        ["one", "two", "three", "kid"].iter().all(|name| fog.area(name)["term"] == fog.area(leader)["term"])
    });
    for name in [leader, other] {
        for id in [&made[0], &made[1], &made[3]] {
            assert!(!fog.document(name, id).is_null(), "{id} at {name}");
        }
    }
    for id in [&made[0], &made[1], &made[3]] {
        fog.reaches("three", id);
    }
}
