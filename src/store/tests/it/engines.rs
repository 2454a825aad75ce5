//! Every engine keeps the same promises, and a directory has one holder.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use mf2c_store::engine::{EmbeddedEngine, EngineError, conformance};

use crate::world::{embedded, small};

const MARK: &str = "held-by-a-test";

#[test]
fn the_embedded_engine_passes_the_conformance_suite() {
    let directory = tempfile::tempdir().unwrap();
    conformance::suite(&mut || embedded(directory.path(), small()).unwrap());
}

#[test]
fn tables_keep_the_same_promises_as_memory() {
    let directory = tempfile::tempdir().unwrap();
    let tiny = mf2c_store::engine::EmbeddedOptions { write_buffer: 64 << 10, ..small() };
    conformance::suite(&mut || embedded(directory.path(), tiny.clone()).unwrap());
}

#[test]
fn a_directory_is_opened_once_in_a_process() {
    let directory = tempfile::tempdir().unwrap();
    let held = embedded(directory.path(), small()).unwrap();
    let refused = EmbeddedEngine::open(directory.path(), small()).err().unwrap();
    let EngineError::InUse { path, holder } = &refused else { panic!("{refused}") };
    assert_eq!(path, directory.path());
    assert!(holder.contains(&std::process::id().to_string()), "{holder}");
    drop(held);
    embedded(directory.path(), small()).unwrap();
}

#[test]
fn a_directory_is_opened_once_among_processes_and_the_refusal_names_the_holder() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(MARK), "").unwrap();
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["engines::holds_the_present_directory", "--exact", "--ignored", "--nocapture"])
        .current_dir(directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(other.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("holding")));
    let refused = EmbeddedEngine::open(directory.path(), small()).err().unwrap().to_string();
    assert!(refused.contains(&format!("(process {})", other.id())), "{refused}");
    assert!(refused.contains(&directory.path().display().to_string()), "{refused}");
    drop(other.stdin.take());
    lines.for_each(drop);
    assert!(other.wait().unwrap().success());
    embedded(directory.path(), small()).unwrap();
}

/// The other process of the test above; it holds the directory until its input ends.
#[test]
#[ignore = "run by another test"]
fn holds_the_present_directory() {
    if !std::path::Path::new(MARK).exists() {
        return;
    }
    let _held = EmbeddedEngine::open(std::path::Path::new("."), small()).unwrap();
    println!("\nholding");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn a_first_start_that_was_interrupted_is_begun_anew() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(directory.path().join("keyspaces/0")).unwrap();
    std::fs::write(directory.path().join("0.jnl"), [0; 4096]).unwrap();
    drop(embedded(directory.path(), small()).unwrap());
    std::fs::write(directory.path().join("version"), []).unwrap();
    std::fs::remove_file(directory.path().join("acknowledged")).unwrap();
    assert!(embedded(directory.path(), small()).is_err(), "tables are there: the store was in use");
}
