//! Acknowledged changes are never lost in silence: whatever is hit on disk is named, and a torn tail is dropped.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use mf2c_store::engine::{EmbeddedEngine, EmbeddedOptions, EngineError};
use proptest::prelude::*;
use serde_json::json;

use crate::world::{World, copy_tree, delete, edit, embedded, files, image, service, small};

/// A crash image with some hundred changes, and what it holds.
struct Image {
    directory: tempfile::TempDir,
    everything: Vec<(String, String)>,
    position: u64,
    /// Where each batch begins, and where the last one ends.
    batches: Vec<usize>,
}

static IMAGE: LazyLock<Image> = LazyLock::new(|| {
    let live = tempfile::tempdir().unwrap();
    let mut world = World::in_directory(live.path()).unwrap();
    let mut ids = Vec::new();
    for number in 0..150 {
        let id = world.add("service", service(&format!("service {number}")));
        if number % 3 == 0 {
            world.one(edit(&id, json!({"category": number % 16}))).unwrap();
        }
        if number % 7 == 0 {
            world.one(delete(&id)).unwrap();
        }
        ids.push(id);
    }
    let directory = image(live.path());
    let bytes = std::fs::read(directory.path().join("0.jnl")).unwrap();
    let ends = bytes.windows(4).enumerate().filter(|(_, window)| *window == b"FJL\x03").map(|(at, _)| at + 4);
    let batches = std::iter::once(0).chain(ends).collect();
    Image { directory, everything: world.everything(), position: world.position(), batches }
});

impl Image {
    fn copy(&self) -> tempfile::TempDir {
        copied(self.directory.path())
    }

    fn last_batch(&self) -> (usize, usize) {
        (self.batches[self.batches.len() - 2], self.batches[self.batches.len() - 1])
    }
}

fn journal(directory: &Path) -> PathBuf {
    directory.join("0.jnl")
}

fn change_bytes(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(file).unwrap();
    change(&mut bytes);
    std::fs::write(file, bytes).unwrap();
}

/// As a power cut may leave it: the note of the last acknowledged change is gone.
fn forget_acknowledged(directory: &Path) {
    std::fs::remove_file(directory.join("acknowledged")).unwrap();
}

/// Opening is refused, nothing is changed on disk, and this is the file and offset that the refusal names.
#[track_caller]
fn refused(directory: &Path) -> (PathBuf, u64) {
    let before = files(directory);
    let error = World::in_directory(directory).err().expect("the damage must be noticed");
    assert!(files(directory) == before, "a refusal changes nothing: {error}");
    match error {
        EngineError::Damaged { file, offset, .. } => (file, offset),
        other => panic!("{other}"),
    }
}

#[test]
fn a_crash_image_holds_everything() {
    let copy = IMAGE.copy();
    let world = World::in_directory(copy.path()).unwrap();
    assert_eq!((world.position(), world.everything()), (IMAGE.position, IMAGE.everything.clone()));
}

#[test]
fn a_flipped_byte_in_the_middle_is_refused_with_the_offset_of_its_batch() {
    let copy = IMAGE.copy();
    let (begin, end) = (IMAGE.batches[100], IMAGE.batches[101]);
    change_bytes(&journal(copy.path()), |bytes| bytes[(begin + end) / 2] ^= 1);
    assert_eq!(refused(copy.path()), (journal(copy.path()), begin as u64));
}

#[test]
fn a_batch_that_was_never_acknowledged_and_is_cut_short_is_dropped() {
    let (begin, end) = IMAGE.last_batch();
    for left in [1, 13, 40, end - begin - 1] {
        let copy = IMAGE.copy();
        change_bytes(&journal(copy.path()), |bytes| bytes.truncate(begin + left));
        forget_acknowledged(copy.path());
        let world = World::in_directory(copy.path()).unwrap();
        assert_eq!(world.position(), IMAGE.position - 1, "{left} bytes left");
        drop(world);
        assert_eq!(World::in_directory(copy.path()).unwrap().position(), IMAGE.position - 1);
    }
}

#[test]
fn acknowledged_batches_that_are_cut_off_are_missed() {
    let (begin, end) = IMAGE.last_batch();
    for at in [end - 1, begin + 40, begin + 1, begin, IMAGE.batches[50], IMAGE.batches[50] + 20] {
        let copy = IMAGE.copy();
        change_bytes(&journal(copy.path()), |bytes| bytes.truncate(at));
        let (file, offset) = refused(copy.path());
        assert_eq!(file, journal(copy.path()));
        assert!(IMAGE.batches.contains(&(offset as usize)) && offset as usize <= at, "{offset} for {at}");
    }
}

#[test]
fn garbage_behind_the_last_batch_is_a_torn_tail() {
    let copy = IMAGE.copy();
    change_bytes(&journal(copy.path()), |bytes| bytes.extend((1..=200u8).cycle().take(5000)));
    assert_eq!(World::in_directory(copy.path()).unwrap().everything(), IMAGE.everything);
}

#[test]
fn an_empty_or_missing_journal_is_missed() {
    let copy = IMAGE.copy();
    std::fs::write(journal(copy.path()), []).unwrap();
    assert!(matches!(World::in_directory(copy.path()).err(), Some(EngineError::Damaged { .. })));
    let copy = IMAGE.copy();
    std::fs::remove_file(journal(copy.path())).unwrap();
    assert_eq!(refused(copy.path()), (copy.path().to_owned(), 0));
    let copy = IMAGE.copy();
    std::fs::remove_file(copy.path().join("version")).unwrap();
    assert_eq!(refused(copy.path()), (copy.path().join("version"), 0));
}

#[test]
fn a_missing_note_of_the_last_change_only_weakens_the_check() {
    let copy = IMAGE.copy();
    forget_acknowledged(copy.path());
    assert_eq!(World::in_directory(copy.path()).unwrap().everything(), IMAGE.everything);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_changed_byte_of_a_journal_is_named_or_harmless(at in any::<prop::sample::Index>(), flip in 1u8..) {
        let copy = IMAGE.copy();
        change_bytes(&journal(copy.path()), |bytes| {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        });
        match World::in_directory(copy.path()) {
            Ok(world) => prop_assert_eq!(world.everything(), IMAGE.everything.clone()),
            Err(error) => prop_assert!(matches!(error, EngineError::Damaged { .. }), "{}", error),
        }
    }
}

/// Writes until the files have reached some state, and gives them as a clean end leaves them.
fn written_until(
    options: EmbeddedOptions,
    reached: impl Fn(&Path) -> bool,
    filler: usize,
) -> (tempfile::TempDir, World) {
    let live = tempfile::tempdir().unwrap();
    let engine = embedded(live.path(), options).unwrap();
    let mut world = World::open(engine, mf2c_store::StoreOptions::default()).unwrap();
    for round in 0..2_000 {
        if reached(live.path()) {
            return (live, world);
        }
        let commands = (0..8).map(|number| {
            let mut body = service(&format!("service {round}.{number}"));
            body["description"] = "x".repeat(filler).into();
            mf2c_store::Command::Add(Box::new(world.draft("service", body)))
        });
        let commands = commands.collect();
        world.writer.execute(commands).into_iter().for_each(|answer| drop(answer.unwrap()));
    }
    panic!("the engine has not reached the state wanted");
}

/// The table files of documents and changes, except tiny ones.
fn tables(directory: &Path) -> Vec<PathBuf> {
    let folders = ["1", "2"].map(|number| directory.join("keyspaces").join(number).join("tables"));
    let entries = folders.iter().filter_map(|folder| folder.read_dir().ok()).flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| entry.metadata().is_ok_and(|data| data.len() > 20_000))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

#[test]
fn damage_in_a_table_is_named_with_its_block() {
    let tiny = EmbeddedOptions { write_buffer: 64 << 10, ..small() };
    let (live, world) = written_until(tiny, |directory| tables(directory).len() >= 4, 300);
    let expected = world.everything();
    drop(world);
    let image = image(live.path());
    for share in 0..60 {
        let copy = copied(image.path());
        let damaged = tables(copy.path()).remove(share % 2);
        let length = std::fs::metadata(&damaged).unwrap().len() as usize;
        // Also each part of the short end, where the engine keeps what it needs first.
        let hit = if share < 30 { length * share / 30 } else { length - 1 - (share - 30) * 40 };
        change_bytes(&damaged, |bytes| bytes[hit] ^= 0x40);
        match World::in_directory(copy.path()) {
            Ok(world) => assert!(world.everything() == expected, "hit {hit} of {length}"),
            Err(EngineError::Damaged { file, offset, .. }) => {
                assert_eq!(file, damaged);
                assert!(offset as usize <= hit && offset as usize + 8_000 > hit, "offset {offset}, hit {hit}");
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn a_journal_that_was_rotated_is_read_like_the_one_in_use() {
    let options = EmbeddedOptions { write_buffer: 40 << 20, ..small() };
    let (live, world) = written_until(options, |directory| directory.join("1.jnl").exists(), 1 << 19);
    let expected = (world.position(), world.store.len());
    // The engine may be writing tables while they are copied, which leaves what no crash leaves.
    let whole = |image: &tempfile::TempDir| World::in_directory(copied(image.path()).path()).is_ok();
    let image = (0..20).map(|_| image(live.path())).find(whole).unwrap();
    drop(world);
    let again = World::in_directory(copied(image.path()).path()).unwrap();
    assert_eq!((again.position(), again.store.len()), expected);
    let sealed = journal(image.path());
    assert!(sealed.exists(), "the one before the newest is kept until both kinds of tables are written");
    let copy = copied(image.path());
    change_bytes(&journal(copy.path()), |bytes| {
        let last = bytes.len() - 100;
        bytes[last] ^= 1;
    });
    let error = EmbeddedEngine::open(copy.path(), small()).err().unwrap();
    let EngineError::Damaged { file, offset, .. } = error else { panic!("{error}") };
    assert_eq!(file, journal(copy.path()));
    assert!(offset > 32 << 20, "{offset}");
    std::fs::remove_file(sealed).unwrap();
    assert!(World::in_directory(image.path()).is_err());
}

fn copied(directory: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_tree(directory, copy.path());
    copy
}
