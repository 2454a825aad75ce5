//! What may come from whom in a fog of real agents: from each its own, from each area what belongs to it, and from an agent that
//! has moved what it takes along.

use std::path::PathBuf;

use mf2c_tests::{Fog, eventually, mf2c};

/// A cloud with two areas below it, each with a leader, and a child in the first.
fn two_areas() -> Fog {
    let mut fog = Fog::new().with("MF2C_AREA_BACKUP", "false");
    fog.found("cloud", "sky");
    fog.found_below("lead", "pier", "cloud");
    fog.found_below("lead2", "quay", "cloud");
    fog.add("kid", "lead");
    fog
}

/// The figure of a family of metrics that has no labels.
fn figure(fog: &Fog, name: &str, family: &str) -> f64 {
    let page = mf2c_tests::curl(["-k", &format!("{}/metrics", fog.agent(name).api().trim_end_matches("/api"))]).text();
    let line = page.lines().find_map(|line| line.strip_prefix(family)?.strip_prefix(' ')).map(str::to_owned);
    line.and_then(|number| number.parse().ok()).unwrap_or_default()
}

#[test]
fn r24_a_child_that_joins_another_area_takes_its_documents_along_and_the_cloud_has_each_once() {
    let mut fog = two_areas();
    let first = fog.put("kid", "first");
    fog.reaches("cloud", &first);
    let device = fog.device("kid");
    fog.kill("kid");
    // To leave an area is to throw the certificate away.
    std::fs::remove_dir_all(fog.data_dir("kid").join("member")).unwrap();
    fog.add("kid", "lead2");
    assert_eq!(fog.device("kid"), device);
    let second = fog.put("kid", "second");
    for id in [&first, &second] {
        fog.reaches("lead2", id);
        fog.reaches("cloud", id);
    }
    fog.agent("kid").send("PUT", &first, Some(r#"{"description":"from the other area"}"#)).expect(200);
    eventually("the edit at the cloud", || fog.document("cloud", &first)["description"] == "from the other area");
    assert_eq!((fog.count("cloud", "first"), fog.count("cloud", "second")), (1, 1));
    assert_eq!(fog.document("lead", &first)["name"], "first", "what it left behind stays there");
    assert!(fog.document("lead", &second).is_null());
    // And an edit from above finds it there.
    fog.agent("cloud").send("PUT", &second, Some(r#"{"description":"from above"}"#)).expect(200);
    assert_eq!(fog.document("kid", &second)["description"], "from above");
}

#[test]
fn an_agent_of_another_area_that_was_made_from_a_backup_of_a_childs_store_cannot_take_its_place_at_the_cloud() {
    let mut fog = two_areas();
    let id = fog.put("kid", "mine");
    fog.reaches("cloud", &id);
    fog.kill("kid");
    let file: PathBuf = fog.folder().join("kid.backup");
    let run = |command: &str, name: &str| {
        let (file, place) = (file.to_str().unwrap(), fog.data_dir(name));
        let _ = mf2c(&[command, file, "--data-dir", place.to_str().unwrap()]).expect(0);
    };
    run("backup", "kid");
    run("restore", "twin");
    fog.start("kid");
    let device = fog.device("kid");
    // It has the same device, the same store by name, and a certificate of the other area.
    fog.add("twin", "lead2");
    assert_eq!(fog.device("twin"), device);
    fog.agent("twin").send("PUT", &id, Some(r#"{"description":"forged"}"#)).expect(200);
    eventually("it is at the other leader", || fog.document("lead2", &id)["description"] == "forged");
    eventually("it is refused", || fog.agent("cloud").log().contains("does not show that it has moved to quay"));
    fog.agent("kid").send("PUT", &id, Some(r#"{"description":"true"}"#)).expect(200);
    eventually("the child goes on", || fog.document("cloud", &id)["description"] == "true");
    assert!(figure(&fog, "cloud", "mf2c_replication_repaired_total") < 1.0);
}

#[test]
fn r23_a_member_with_a_copy_of_anothers_store_gives_nothing_of_it_to_its_leader() {
    let mut fog = Fog::new().with("MF2C_AREA_BACKUP", "false");
    fog.found("lead", "pier");
    fog.add("kid", "lead");
    fog.add("thief", "lead");
    let id = fog.put("kid", "mine");
    fog.reaches("lead", &id);
    for name in ["kid", "thief"] {
        fog.kill(name);
    }
    let (from, to) = (fog.data_dir("kid").join("store"), fog.data_dir("thief").join("store"));
    std::fs::remove_dir_all(&to).unwrap();
    assert!(std::process::Command::new("cp").arg("-a").args([&from, &to]).status().unwrap().success());
    fog.start("thief");
    fog.agent("thief").send("PUT", &id, Some(r#"{"description":"stolen"}"#)).expect(200);
    eventually("it is refused", || fog.agent("lead").log().contains("this store belongs to the device"));
    fog.start("kid");
    fog.agent("kid").send("PUT", &id, Some(r#"{"description":"true"}"#)).expect(200);
    eventually("the child's own edit", || fog.document("lead", &id)["description"] == "true");
}
