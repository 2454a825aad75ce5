//! What a fog of real agents makes of stores that went back in time, were lost, or run twice, and of agents that stay away.

use std::process::Command;

use mf2c_tests::{Fog, eventually};

/// A cloud, a leader below it, and a child.
fn three_levels() -> Fog {
    let mut fog = Fog::new().with("MF2C_AREA_BACKUP", "false");
    fog.found("cloud", "sky");
    fog.found_below("lead", "pier", "cloud");
    fog.add("kid", "lead");
    fog
}

/// Copies the data of an agent that does not run, in place of what is there.
fn copy(fog: &Fog, from: &str, to: &str) {
    let (from, to) = (fog.data_dir(from), fog.data_dir(to));
    let _ = std::fs::remove_dir_all(&to);
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().is_ok_and(|status| status.success()));
}

#[test]
fn r10_a_child_that_was_put_back_and_has_gone_on_beyond_what_its_leader_has_begins_a_new_life() {
    let mut fog = three_levels();
    let kept = fog.put("kid", "kept");
    let deleted = fog.put("kid", "deleted later");
    fog.reaches("cloud", &deleted);
    fog.kill("kid");
    copy(&fog, "kid", "image");
    fog.start("kid");
    let lost = fog.put("kid", "lost");
    fog.agent("kid").send("DELETE", &deleted, None).expect(200);
    fog.agent("kid").send("PUT", &kept, Some(r#"{"description":"lost"}"#)).expect(200);
    eventually("the edit at the cloud", || fog.document("cloud", &kept)["description"] == "lost");
    fog.kill("kid");
    fog.kill("lead");
    copy(&fog, "image", "kid");
    fog.start("kid");
    // More than the leader has: numbers alone tell nothing.
    fog.put_many("kid", "other", 20);
    fog.start("lead");
    for name in ["lead", "cloud"] {
        eventually("the new life", || {
            fog.count(name, "other") == 20
                && fog.document(name, &lost).is_null()
                && fog.document(name, &kept)["description"].is_null()
                && fog.document(name, &deleted)["name"] == "deleted later"
        });
    }
    eventually("the log", || fog.agent("kid").log().contains("this store has gone back in time"));
    eventually("the event", || fog.happened("kid", "its store has gone back in time"));
    eventually("the leader's", || fog.happened("lead", "its store was put back to an earlier state"));
}

#[test]
fn a_store_that_was_put_back_and_has_written_as_much_as_before_is_named_and_not_mended_in_silence() {
    let mut fog = Fog::new().with("MF2C_AREA_BACKUP", "false").with("MF2C_DEVICE_ENABLED", "false");
    fog.found("lead", "pier");
    fog.add("kid", "lead");
    let kept = fog.put("kid", "kept");
    fog.reaches("lead", &kept);
    fog.kill("kid");
    copy(&fog, "kid", "image");
    fog.start("kid");
    let lost = fog.put("kid", "lost");
    fog.reaches("lead", &lost);
    fog.kill("kid");
    fog.kill("lead");
    copy(&fog, "image", "kid");
    fog.start("kid");
    let other = fog.put("kid", "other");
    fog.start("lead");
    fog.reaches("lead", &other);
    eventually("the end of the lost one", || fog.document("lead", &lost).is_null());
    eventually("the child's event", || fog.happened("kid", "its store has gone back in time"));
    eventually("the leader's event", || fog.happened("lead", "its store was put back to an earlier state"));
}

#[test]
fn r9_a_child_whose_store_was_wiped_stays_one_device_and_its_old_documents_are_replaced() {
    let mut fog = three_levels();
    fog.put_many("kid", "old", 10);
    eventually("all at the cloud", || fog.count("cloud", "old") == 10);
    let device = fog.device("kid");
    fog.kill("kid");
    std::fs::remove_dir_all(fog.data_dir("kid").join("store")).unwrap();
    fog.start("kid");
    let new = fog.put("kid", "new");
    for name in ["lead", "cloud"] {
        fog.reaches(name, &new);
        eventually("the end of the old ones", || fog.count(name, "old") == 0);
    }
    assert_eq!(fog.device("kid"), device);
    let agents = fog.area("lead")["agents"].clone();
    let children = agents.as_array().unwrap().iter().filter(|agent| agent["device"] == device.as_str()).count();
    assert_eq!(children, 1, "{agents}");
    eventually("the event", || fog.happened("lead", "its store was wiped"));
}

#[test]
fn two_agents_of_one_identity_are_named_and_the_others_go_on() {
    let mut fog = Fog::new().with("MF2C_AREA_BACKUP", "false");
    fog.found("lead", "pier");
    fog.add("kid", "lead");
    fog.add("other", "lead");
    fog.kill("kid");
    copy(&fog, "kid", "copy");
    fog.start("kid");
    fog.start("copy");
    eventually("that both are noticed", || fog.agent("lead").log().contains("two agents run under one identity"));
    eventually("the event", || fog.happened("lead", "two agents run under this identity, seen at 127.0.0.1:"));
    let id = fog.put("other", "unharmed");
    fog.reaches("lead", &id);
}

#[test]
fn an_edit_that_waits_for_an_agent_that_stays_away_holds_up_no_other() {
    let mut fog = three_levels();
    fog.add("away", "lead");
    let (first, second) = (fog.put("away", "first"), fog.put("kid", "second"));
    fog.reaches("cloud", &first);
    fog.reaches("cloud", &second);
    fog.kill("away");
    fog.kill("kid");
    for id in [&first, &second] {
        eventually("that its agent is missed", || {
            let answer = fog.agent("cloud").send("PUT", &format!("{id}?override=true"), Some(r#"{"exec":"y"}"#));
            answer.status == 202
        });
    }
    fog.start("kid");
    let sign = fog.put("kid", "a sign of life");
    fog.reaches("cloud", &sign);
    eventually("the edit that waited", || fog.document("kid", &second)["exec"] == "y");
    eventually("it comes back", || fog.document("cloud", &second)["exec"] == "y");
    eventually("the other one waits", || {
        fog.agent("cloud").send("GET", "proposal", None).expect(200).json()["count"] == 1
    });
}
