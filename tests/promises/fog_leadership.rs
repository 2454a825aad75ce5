//! Who leads a fog of real agents: a backup takes over within seconds when the leader dies, nobody leads beside it, and an
//! operator can hand the area over.

use mf2c_tests::{Fog, curl, eventually};

/// A leader with two backups, up to date.
fn three() -> Fog {
    let mut fog = Fog::new();
    fog.found("one", "pier");
    fog.add("two", "one");
    fog.add("three", "one");
    eventually("two backups", || fog.area("one")["backups"].as_array().is_some_and(|backups| backups.len() == 2));
    eventually("that they know", || fog.role("two") == "backup" && fog.role("three") == "backup");
    let has_keys = |name: &str| fog.data_dir(name).join("ca/area.key").exists();
    eventually("the keys of the authority", || has_keys("two") && has_keys("three"));
    fog
}

#[test]
fn when_the_leader_is_killed_a_backup_that_holds_everything_leads_and_the_old_leader_comes_back_as_a_member() {
    let mut fog = three();
    let id = fog.put("one", "before");
    for name in ["two", "three"] {
        fog.reaches(name, &id);
    }
    let term = fog.area("one")["term"].as_u64().unwrap();
    fog.kill("one");
    let leader = fog.leader_of(&["two", "three"]);
    assert!(fog.area(leader)["term"].as_u64().unwrap() > term);
    assert_eq!(fog.document(leader, &id)["name"], "before");
    let other = if leader == "two" { "three" } else { "two" };
    let late = fog.put(other, "after");
    fog.reaches(leader, &late);
    fog.start("one");
    assert_eq!(fog.leader_of(&["one", "two", "three"]), leader);
    fog.reaches("one", &late);
    eventually("the mandate of a majority", || fog.area(leader)["mandate"] == "full");
    // It has the authority now: it lets others in.
    fog.add("four", leader);
    let newest = fog.put("four", "newest");
    fog.reaches(leader, &newest);
}

#[test]
fn a_leader_that_was_stopped_for_a_while_follows_when_it_wakes_and_nobody_chooses_again() {
    let fog = three();
    let term = |name: &str| fog.area(name)["term"].as_u64().unwrap_or_default();
    let before = term("one");
    fog.agent("one").signal("STOP");
    let leader = fog.leader_of(&["two", "three"]);
    let after = term(leader);
    assert_eq!(after, before + 1);
    fog.agent("one").signal("CONT");
    assert_ne!(fog.area("one")["mandate"], "full");
    assert_eq!(fog.leader_of(&["one", "two", "three"]), leader);
    for name in ["one", "two", "three"] {
        assert_eq!(term(name), after, "{name}");
    }
}

#[test]
fn an_operator_hands_the_area_over_and_is_told_so() {
    let fog = three();
    let device = fog.device("two");
    let said = fog.told("one", &["area", "lead", &device[..12]]);
    assert!(said.contains(&format!("two ({}) leads the area pier in term", &device[..12])), "{said}");
    assert_eq!(fog.leader_of(&["one", "two", "three"]), "two");
    eventually("the mandate of a majority", || fog.area("two")["mandate"] == "full");
    let table = fog.told("two", &["area"]);
    for part in ["area      pier", "mandate   full", "DEVICE", "connected"] {
        assert!(table.contains(part), "{part}: {table}");
    }
    let id = fog.put("one", "still");
    fog.reaches("two", &id);
}

#[test]
fn the_leader_alone_with_one_child_goes_on_when_the_child_dies() {
    let mut fog = Fog::new();
    fog.found("one", "pier");
    fog.add("two", "one");
    fog.kill("two");
    let id = fog.put("one", "alone");
    eventually("that it is missed", || {
        let agents = fog.area("one")["agents"].clone();
        agents.as_array().is_some_and(|all| all.iter().any(|agent| agent["status"] == "disconnected"))
    });
    assert_eq!(fog.role("one"), "leader");
    fog.start("two");
    eventually("that it is back", || {
        let agents = fog.area("one")["agents"].clone();
        agents.as_array().is_some_and(|all| all.iter().any(|agent| agent["status"] == "connected"))
    });
    assert_eq!(fog.document("one", &id)["name"], "alone");
}

#[test]
fn what_a_backup_or_an_agent_shall_become_its_leader_decides_also_by_the_calls_of_the_original() {
    let fog = three();
    let ask = |name: &str, call: &str| {
        let agent = fog.agent(name);
        let url = format!("https://{}/api/v2/resource-management/policies/{call}", agent.https());
        curl(["-k", "-u", &format!("admin:{}", agent.admin_password()), &url])
    };
    eventually("the mandate of a majority", || fog.area("one")["mandate"] == "full");
    let told = ask("two", "roleChange/leader").expect(200).json();
    assert_eq!((&told["imLeader"], &told["imBackup"]), (&true.into(), &false.into()));
    assert_eq!(fog.leader_of(&["one", "two", "three"]), "two");
    eventually("a backup", || fog.role("three") == "backup" && fog.area("two")["mandate"] == "full");
    let told = ask("three", "roleChange/agent").expect(200).json();
    assert_eq!((&told["imLeader"], &told["imBackup"]), (&false.into(), &false.into()));
    // Where the leader has wanted a backup sooner, it is one already.
    let told = ask("three", "roleChange/backup");
    assert!([200, 403].contains(&told.status), "{}", told.text());
    assert_eq!(told.json()["imBackup"], true);
    // Nobody who shows nothing.
    let url = format!("https://{}/api/v2/resource-management/policies/roleChange/agent", fog.agent("three").https());
    curl(["-k", &url]).expect(401);
    eventually("it is a backup still", || fog.role("three") == "backup");
}
