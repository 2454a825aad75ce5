//! A disk that really is full: a small file system in memory, filled up by somebody else.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use mf2c_store::engine::EmbeddedOptions;
use mf2c_store::{StoreError, StoreOptions};
use serde_json::json;

use crate::world::{World, edit, embedded, service, small};

/// A file system of its own of a few MiB.
struct Disk(tempfile::TempDir);

impl Disk {
    /// None where the test may not mount.
    fn of(size: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(directory.path())
            .stderr(std::process::Stdio::null())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(directory));
        }
        println!("skipped: mounting a small file system needs root");
        None
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// Takes all the space that is left.
    fn fill(&self) {
        let mut filler = File::create(self.0.path().join("filler")).unwrap();
        for size in [1 << 16, 1 << 12, 1] {
            while filler.write_all(&vec![1; size]).is_ok() {}
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.0.path().join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn open(directory: &Path, options: EmbeddedOptions) -> World {
    World::open(embedded(directory, options).unwrap(), StoreOptions::default()).unwrap()
}

/// Fills the disk, writes until it is noticed, frees it, and goes on; nothing acknowledged is lost.
fn survives_a_full_disk(options: EmbeddedOptions) {
    let Some(disk) = Disk::of("8m") else { return };
    let mut world = open(&disk.data(), options.clone());
    let id = world.add("service", service("a"));
    let mut acknowledged = 0;
    for round in 1..=3u64 {
        disk.fill();
        let mut refused = None;
        for number in 0..500 {
            let number = round * 1000 + number;
            match world.one(edit(&id, json!({"num_agents": number, "description": "x".repeat(2000)}))) {
                Ok(_) => acknowledged = number,
                Err(error) => {
                    refused = Some(error);
                    break;
                }
            }
        }
        assert!(matches!(refused, Some(StoreError::Full { .. })), "{refused:?}");
        assert!(world.body(&id).is_some() && world.store.changes_after(0, 1).is_ok(), "reads go on");
        for _ in 0..3 {
            world.clock.advance(Duration::from_secs(1));
            // Opening the engine anew may have freed a little, so a small write may pass.
            match world.one(edit(&id, json!({"disk": 1}))) {
                Ok(_) => {}
                Err(StoreError::Full { .. }) => assert!(world.body(&id).is_some(), "reads go on"),
                Err(other) => panic!("{other}"),
            }
        }
        disk.free();
        world.clock.advance(Duration::from_secs(1));
        world.one(edit(&id, json!({"disk": round}))).unwrap();
        let body = world.body(&id).unwrap();
        assert_eq!(body["disk"], json!(round));
        assert!(body["num_agents"].as_u64().unwrap_or(0) >= acknowledged, "{body} after {acknowledged}");
    }
    let expected = (world.everything(), world.position());
    drop(world);
    let world = open(&disk.data(), options);
    assert_eq!((world.everything(), world.position()), expected);
}

#[test]
fn writing_resumes_by_itself_after_the_guard_has_refused() {
    survives_a_full_disk(EmbeddedOptions { min_free: 1 << 20, ..small() });
}

#[test]
fn writing_resumes_by_itself_after_the_engine_has_met_the_full_disk() {
    survives_a_full_disk(small());
}

#[test]
fn tables_that_cannot_be_written_stop_nothing_for_good() {
    survives_a_full_disk(EmbeddedOptions { write_buffer: 64 << 10, ..small() });
}

#[test]
fn a_backup_under_way_delays_the_mending_and_does_not_look_like_damage() {
    let Some(disk) = Disk::of("8m") else { return };
    let mut world = open(&disk.data(), small());
    let id = world.add("service", service("a"));
    let snapshot = world.store.snapshot().unwrap();
    disk.fill();
    let large = json!({"description": "x".repeat(100_000)});
    assert!(matches!(world.one(edit(&id, large.clone())), Err(StoreError::Full { .. })));
    disk.free();
    let refused = world.one(edit(&id, large.clone())).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(refused.contains("perhaps a backup"), "{refused}");
    assert!(world.body(&id).is_some(), "reads go on");
    drop(snapshot);
    world.clock.advance(Duration::from_secs(1));
    world.one(edit(&id, large)).unwrap();
    let everything = world.everything();
    drop(world);
    assert_eq!(open(&disk.data(), small()).everything(), everything);
}
