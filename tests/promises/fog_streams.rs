//! Streams between real agents that are cut in the midst, and snapshots: nothing is lost, nothing comes twice, and little memory
//! is used for it.

use std::time::Duration;

use mf2c_tests::{Fog, eventually, let_pass};

/// A leader and a child.
fn pair() -> Fog {
    let mut fog = Fog::new().with("MF2C_AREA_BACKUP", "false");
    fog.found("lead", "pier");
    fog.add("kid", "lead");
    fog
}

/// Waits until so many of these are there, or more.
fn some(fog: &Fog, name: &str, title: &str, count: u64) {
    eventually("the first ones", || fog.count(name, title) >= count);
}

#[test]
fn r2_of_many_edits_behind_a_cut_only_what_counts_is_sent() {
    let mut fog = pair();
    let body = r#"{"device":{"href":"device/x"},"ramFree":0.0,"ramFreePercent":0.0,"storageFree":1.0,"storageFreePercent":1.0,
        "cpuFreePercent":1.0,"powerRemainingStatus":"60","powerRemainingStatusSeconds":"60","powerPlugged":true,
        "ethernetAddress":"a","wifiAddress":"b","ethernetThroughputInfo":[],"wifiThroughputInfo":[],"actuatorInfo":"none"}"#;
    let id = fog.agent("kid").send("POST", "device-dynamic", Some(body)).expect(201).json()["resource-id"].clone();
    let id = id.as_str().unwrap();
    fog.reaches("lead", id);
    fog.kill("lead");
    for step in 1..=20 {
        let body = format!(r#"{{"ramFree":{step}.5}}"#);
        fog.agent("kid").send("PUT", id, Some(&body)).expect(200);
    }
    fog.start("lead");
    eventually("the last state", || fog.document("lead", id)["ramFree"] == 20.5);
    assert_eq!(fog.document("lead", id), fog.document("kid", id));
    let page =
        mf2c_tests::curl(["-k", &format!("{}/metrics", fog.agent("lead").api().trim_end_matches("/api"))]).text();
    let line = page.lines().find_map(|line| line.strip_prefix("mf2c_replication_changes_total{direction=\"in\"} "));
    let taken: u64 = line.unwrap().parse().unwrap();
    assert!(taken <= 20, "{taken} changes were sent for twenty edits of one document");
}

#[test]
fn r4_a_child_that_is_killed_in_the_midst_goes_on_where_its_leader_is() {
    let mut fog = pair();
    fog.kill("lead");
    fog.put_many("kid", "bulk", 5000);
    fog.start("lead");
    for share in [50, 1500] {
        some(&fog, "lead", "bulk", share);
        fog.kill("kid");
        fog.start("kid");
    }
    eventually("all of them", || fog.count("lead", "bulk") == 5000);
    let id = fog.put("kid", "after");
    fog.reaches("lead", &id);
    assert_eq!((fog.count("lead", "bulk"), fog.count("kid", "bulk")), (5000, 5000));
}

#[test]
fn r5_a_leader_that_is_killed_again_and_again_has_all_in_the_end_and_each_once() {
    let mut fog = pair();
    fog.kill("lead");
    fog.put_many("kid", "bulk", 5000);
    fog.start("lead");
    for share in [50, 1500, 3000] {
        some(&fog, "lead", "bulk", share);
        fog.kill("lead");
        fog.start("lead");
    }
    eventually("all of them", || fog.count("lead", "bulk") == 5000);
    let id = fog.put("kid", "after");
    fog.reaches("lead", &id);
    assert_eq!(fog.count("lead", "bulk"), 5000);
}

/// Gives a backup that is new everything by a snapshot, while each end is killed once.
fn snapshot(documents: usize, log: &str, slack: u64) {
    let mut fog = Fog::new().with("MF2C_AREA_BACKUP", "false").with("MF2C_STORE_LOG_ENTRIES", log);
    fog.found("lead", "pier");
    fog.add("kid", "lead");
    let each = 2500;
    // 542 bytes as it is stored, like the documents of the other measurements.
    let text = "x".repeat(120);
    for part in 0..documents / each {
        fog.put_described("kid", &format!("bulk-{part}"), each, &text);
    }
    let all = documents as u64;
    eventually("all at the leader", || fog.count("lead", "bulk") == all);
    // Who was there before the snapshot has what it costs to hold the documents.
    let (source, holder) = (fog.memory("lead"), fog.memory("kid"));
    let mut fog = fog.with("MF2C_AREA_BACKUP", "true");
    fog.add("fresh", "lead");
    some(&fog, "fresh", "bulk", all / 10);
    fog.kill("fresh");
    fog.start("fresh");
    some(&fog, "fresh", "bulk", all / 3);
    let at_source = fog.memory("lead");
    fog.kill("lead");
    fog.start("lead");
    eventually("all at the backup", || fog.count("fresh", "bulk") == all);
    let at_sink = fog.memory("fresh");
    assert!(at_source < source + slack, "the source grew from {source} to {at_source} bytes");
    assert!(at_sink < holder + slack, "the sink has {at_sink} bytes, who holds the same has {holder}");
    let id = fog.put("kid", "after");
    fog.reaches("fresh", &id);
    let_pass(Duration::from_secs(1));
    assert_eq!(fog.count("fresh", "bulk"), all);
    let page =
        mf2c_tests::curl(["-k", &format!("{}/metrics", fog.agent("fresh").api().trim_end_matches("/api"))]).text();
    assert!(page.contains("mf2c_replication_repaired_total 0"), "the snapshot was whole");
}

#[test]
fn r25_a_snapshot_for_a_new_backup_outlasts_the_death_of_either_end() {
    snapshot(5000, "1000", 64 << 20);
}

#[test]
#[ignore = "100,000 documents take minutes in a debug build; run it with a release build: --release -- --ignored r25"]
fn r25_a_snapshot_of_100_000_documents_takes_little_memory_besides_the_documents() {
    snapshot(100_000, "1000", 64 << 20);
}
