//! Kills in the midst, full disks, logs that no longer reach back, and agents above that stay away: real agents lose nothing,
//! send nothing twice, and let nothing rise again.
//!
//! Proves over real TLS: R4, R6, R7, R8, R11, R16, R19, R20, R21 of the cluster's vectors.

use std::time::Duration;

use mf2c_tests::{Fog, SmallDisk, eventually, let_pass};
use serde_json::{Value, json};

const CAME: &str = "mf2c_replication_changes_total{direction=\"in\"}";

/// A leader and a child that is no backup.
fn pair() -> Fog {
    let mut fog = Fog::new().with("MF2C_AREA_BACKUP", "false");
    fog.found("lead", "pier");
    fog.add("kid", "lead");
    fog
}

fn edit(fog: &Fog, name: &str, id: &str, changes: &Value) {
    let _ = fog.agent(name).send("PUT", id, Some(&changes.to_string())).expect(200);
}

#[test]
fn r4_a_child_killed_in_the_midst_of_sending_goes_on_behind_what_its_leader_has() {
    let mut fog = pair();
    let first = fog.put("kid", "first");
    fog.reaches("lead", &first);
    let kid = fog.device("kid");
    // The leader reads nothing, so the child can send no more than its credit; then it dies.
    fog.agent("lead").signal("STOP");
    fog.put_many("kid", "bulk", 2000);
    fog.kill("kid");
    fog.agent("lead").signal("CONT");
    eventually("that the child is missed", || fog.status("lead", &kid) == "disconnected");
    let there = fog.count("lead", "bulk");
    assert!(there <= 512, "{there} came without an acknowledgement");
    let before = fog.agent("lead").metric(CAME);
    fog.start("kid");
    eventually("all of them", || fog.count("lead", "bulk") == 2000);
    let sent = fog.agent("lead").metric(CAME) - before;
    // Besides, the child tells of itself.
    assert!((2000 - there..2000 - there + 40).contains(&sent), "{sent} changes came, {there} of 2000 were there");
    assert_eq!(fog.count("kid", "bulk"), 2000);
    assert_eq!(fog.agent("lead").metric("mf2c_replication_repaired_total"), 0);
}

#[test]
fn r6_a_snapshot_goes_on_where_it_was_when_the_leader_was_killed() {
    let Some(fog) = Fog::apart(&["lead", "kid"]) else { return };
    let mut fog = fog.with("MF2C_AREA_BACKUP", "false").with("MF2C_STORE_LOG_ENTRIES", "100");
    fog.found("lead", "pier");
    // More than the log holds, before anybody could follow it.
    fog.start("kid");
    fog.put_described("kid", "bulk", 200, &"x".repeat(12_000));
    fog.net().slow("kid", 2);
    let token = fog.told("lead", &["token", "create"]);
    fog.told("kid", &["join", token.trim()]);
    eventually("some of it", || fog.count("lead", "bulk") >= 40);
    fog.kill("lead");
    // So that nothing comes while it is looked at.
    fog.net().unplug("kid");
    fog.start("lead");
    let there = fog.count("lead", "bulk");
    fog.net().plug("kid");
    assert!((40..200).contains(&there), "{there}");
    eventually("all of it", || fog.count("lead", "bulk") == 200);
    let bytes = fog.agent("lead").metric("mf2c_replication_bytes_total{direction=\"in\"}");
    assert!(bytes < (200 - there + 30) * 12_500, "{bytes} bytes came, {there} of 200 were there");
}

#[test]
fn r7_a_deletion_while_the_leader_is_away_reaches_leader_backup_and_cloud() {
    let mut fog = Fog::new().three_levels();
    let (gone, kept) = (fog.put("kid", "gone"), fog.put("kid", "kept"));
    for name in ["lead", "spare", "cloud"] {
        fog.reaches(name, &gone);
        fog.reaches(name, &kept);
    }
    fog.kill("lead");
    fog.agent("kid").send("DELETE", &gone, None).expect(200);
    fog.start("lead");
    for name in ["lead", "spare", "cloud"] {
        eventually(&format!("the end at {name}"), || fog.document(name, &gone).is_null());
        assert_eq!(fog.document(name, &kept)["name"], "kept");
    }
}

#[test]
fn r8_who_was_away_longer_than_the_log_goes_back_gets_everything_anew_and_nothing_rises_again() {
    let mut fog = Fog::new().with("MF2C_AREA_BACKUP", "false").with("MF2C_STORE_LOG_ENTRIES", "100");
    fog.found("lead", "pier");
    fog.add("kid", "lead");
    let (gone, kept) = (fog.put("kid", "gone"), fog.put("kid", "kept"));
    fog.reaches("lead", &gone);
    fog.reaches("lead", &kept);
    fog.kill("lead");
    fog.agent("kid").send("DELETE", &gone, None).expect(200);
    fog.put_many("kid", "bulk", 300);
    fog.start("lead");
    eventually("all of it", || fog.count("lead", "bulk") == 300 && fog.document("lead", &gone).is_null());
    assert_eq!(fog.document("lead", &kept)["name"], "kept");
    // What follows the snapshot comes as a change again.
    let before = fog.agent("lead").metric(CAME);
    let late = fog.put("kid", "late");
    fog.reaches("lead", &late);
    assert!(fog.agent("lead").metric(CAME) - before < 10);
}

#[test]
fn r11_of_edits_on_both_sides_the_later_counts_the_other_is_kept_and_people_are_told() {
    let mut fog = pair();
    let id = fog.put("kid", "both");
    fog.reaches("lead", &id);
    // The child edits while the leader is away, the leader while the child is.
    fog.kill("lead");
    edit(&fog, "kid", &id, &json!({"description": "by the child", "num_agents": 5}));
    fog.kill("kid");
    fog.start("lead");
    let later = json!({"description": "by the leader, later", "exec": "y"}).to_string();
    eventually("that it may wait", || {
        let answer = fog.agent("lead").send("PUT", &format!("{id}?override=true"), Some(&later));
        answer.status == 202
    });
    fog.start("kid");
    for name in ["kid", "lead"] {
        eventually("the later one", || fog.document(name, &id)["description"] == "by the leader, later");
        let merged = fog.document(name, &id);
        assert_eq!((&merged["num_agents"], &merged["exec"]), (&json!(5), &json!("y")), "different fields both survive");
        let kept = || fog.agent(name).send("GET", "conflict", None).expect(200).json();
        eventually("what lost", || kept()["count"] == 1);
        let lost = &kept()["conflicts"][0];
        assert!(lost["resource"].to_string().contains(&id), "{lost}");
        assert_eq!(lost["lost"], json!({"description": "by the child"}));
        eventually("the event", || fog.happened(name, "what lost is kept"));
    }
}

#[test]
fn r16_a_device_that_is_posted_again_with_one_change_is_one_device_and_costs_less_than_300_bytes() {
    // What a machine does is left out: only the device is to be counted.
    let mut fog = Fog::new()
        .with("MF2C_AREA_BACKUP", "false")
        .with("MF2C_DEVICE_ENABLED", "true")
        .with("MF2C_DEVICE_THRESHOLD_PERCENT", "100")
        .with("MF2C_DEVICE_SAMPLE_EVERY", "1h")
        .with("MF2C_DEVICE_PUBLISH_EVERY", "1h");
    fog.found("lead", "pier");
    fog.add("kid", "lead");
    eventually("the devices of both", || fog_devices(&fog) == 2);
    let own = fog.agent("kid").send("GET", "device", None).expect(200).json()["devices"][0].clone();
    let id = own["id"].as_str().unwrap().to_owned();
    let bytes = || fog.agent("lead").metric("mf2c_replication_bytes_total{direction=\"in\"}");
    let quiet = || {
        let before = bytes();
        let_pass(Duration::from_secs(1));
        before == bytes()
    };
    eventually("that nothing else is sent", quiet);
    let before = bytes();
    // The whole document, as it is described anew, with one change; `isLeader` follows from the role by itself.
    let mut again = own;
    again["os"] = json!("Linux-of-another-day");
    edit(&fog, "kid", &id, &again);
    eventually("the change", || fog.document("lead", &id)["os"] == again["os"]);
    let sent = bytes() - before;
    assert!(sent < 300 && sent > 0, "{sent} bytes of a device of {}", again.to_string().len());
    // Who describes its machine after a restart makes no second one.
    fog.kill("kid");
    let place = fog.place("lead");
    fog.start("kid");
    let sign = fog.put("kid", "a sign of life");
    fog.reaches("lead", &sign);
    let told = fog.since("lead", &place);
    let is_device = |event: &&Value| event["id"].as_str().is_some_and(|id| id.starts_with("device/"));
    assert!(
        told.iter().filter(is_device).all(|event| event["id"] == id.as_str() && event["change"] != "created"),
        "{told:?}"
    );
    assert_eq!(fog_devices(&fog), 2);
}

fn fog_devices(fog: &Fog) -> u64 {
    fog.agent("lead").send("GET", "device?$last=0", None).expect(200).json()["count"].as_u64().unwrap()
}

#[test]
fn r19_a_cloud_that_was_away_catches_up_though_its_leader_was_killed_meanwhile_and_r20_loops_do_no_harm() {
    let mut fog = Fog::new().with("MF2C_AREA_BACKUP", "false").with("MF2C_DEVICE_ENABLED", "true");
    fog.found("cloud", "sky");
    fog.found_below("lead", "pier", "cloud");
    fog.add("kid", "lead");
    let first = fog.put("kid", "first");
    fog.reaches("cloud", &first);
    fog.kill("cloud");
    fog.put_many("kid", "bulk", 300);
    let broken = json!({
        "agreement_id": {"href": "agreement/a"}, "guarantee": "g", "datetime": "2026-01-01T00:00:00Z", "constraint": "c",
        "values": {"x": 1}
    });
    let violation = fog.agent("kid").send("POST", "sla-violation", Some(&broken.to_string())).expect(201).id();
    eventually("all at the leader", || fog.count("lead", "bulk") == 300);
    fog.reaches("lead", &violation);
    // What the cloud lacks is told by the log, not by what the leader remembers.
    fog.kill("lead");
    let late = fog.put("kid", "late");
    fog.start("lead");
    // The cloud is told to look for a leader at the agent that it leads itself.
    let loop_to = fog.link("lead").to_owned();
    fog.set("cloud", "LEADER_DC", &loop_to);
    fog.start("cloud");
    eventually("all at the cloud", || fog.count("cloud", "bulk") == 300);
    fog.reaches("cloud", &late);
    fog.reaches("cloud", &violation);
    eventually("the sums of the area below", || {
        let areas = fog.agent("cloud").send("GET", "fog-area", None).expect(200).json();
        areas["fogAreas"].as_array().unwrap().iter().any(|area| area["name"] == "pier" && area["numDevices"] == 2)
    });
    assert_eq!(fog.role("cloud"), "leader");
    // Nothing goes in circles: one edit is one change at each of them.
    let position = |name: &str| fog.agent(name).metric("mf2c_replication_changes_total{direction=\"out\"}");
    let before = position("cloud");
    edit(&fog, "kid", &first, &json!({"num_agents": 7}));
    eventually("the edit", || fog.document("cloud", &first)["num_agents"] == 7);
    assert_eq!(position("cloud"), before);
}

#[test]
fn r21_a_full_disk_at_the_leader_holds_children_up_and_loses_nothing() {
    let mut fog = Fog::new().with("MF2C_AREA_BACKUP", "false").with("MF2C_STORE_MIN_FREE", "8MiB");
    let Some(disk) = SmallDisk::mount_at(&fog.data_dir("lead"), 96) else { return };
    fog.found("lead", "pier");
    fog.add("kid", "lead");
    let before = fog.put("kid", "before");
    fog.reaches("lead", &before);
    // Half of what is wanted free: room for what has begun, and nothing more.
    let ballast = disk.fill(4 << 20);
    // The store asks the system when a part of that room may have been used.
    let large = json!({
        "name": "own", "description": "x".repeat(100_000), "exec": "x", "exec_type": "docker", "agent_type": "normal"
    });
    let large = large.to_string();
    eventually("that the leader is full", || fog.agent("lead").send("POST", "service", Some(&large)).status == 507);
    // The child works on, and the leader answers what it can.
    fog.put_many("kid", "bulk", 200);
    let kid = fog.device("kid");
    // Far longer than a change takes.
    let_pass(Duration::from_secs(2));
    assert_eq!(fog.document("lead", &before)["name"], "before");
    assert_eq!(fog.count("lead", "bulk"), 0, "nothing is applied in part");
    assert_eq!(fog.status("lead", &kid), "connected");
    std::fs::remove_file(ballast).unwrap();
    eventually("all of them, without a restart", || fog.count("lead", "bulk") == 200);
    fog.kill("lead");
    fog.start("lead");
    assert_eq!(fog.count("lead", "bulk"), 200);
}
