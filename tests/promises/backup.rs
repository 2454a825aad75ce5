//! A backup is one instant of the store, made while others write, and a restore brings back exactly that or nothing.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::scope;

use mf2c_tests::{Agent, Connection, Ran, Start, eventually, mf2c};
use serde_json::{Value, json};
use tempfile::TempDir;

const WRITERS: usize = 8;

/// Runs `mf2c COMMAND FILE --data-dir DIR`.
fn run(command: &str, file: &Path, data_dir: &Path) -> Ran {
    mf2c(&[command, file.to_str().unwrap(), "--data-dir", data_dir.to_str().unwrap()])
}

fn add(connection: &mut Connection, writer: usize, number: u64) -> Option<u16> {
    let (device, number) = (format!("writer-{writer}"), number + 1);
    let body =
        json!({ "device_id": device, "max_apps": number, "service_consumer": true, "resource_contributor": true });
    Some(connection.send("POST", "/api/user-profile", &body.to_string()).ok()?.0)
}

/// All profiles in the order in which they were stored, without the rights of whoever asks.
fn profiles(agent: &Agent) -> Vec<Value> {
    let (status, body) = Connection::open(&agent.http()).unwrap().send("GET", "/api/user-profile", "").unwrap();
    assert_eq!(status, 200);
    let body: Value = serde_json::from_slice(&body).unwrap();
    let documents = body["userProfiles"].as_array().unwrap();
    assert_eq!(body["count"].as_u64(), Some(documents.len() as u64));
    documents.clone()
}

/// An agent that holds a few documents, stopped; its directory and the documents.
fn stopped_store() -> (TempDir, Vec<Value>) {
    let data_dir = tempfile::tempdir().unwrap();
    let mut agent = Start::new().data_dir(data_dir.path()).agent();
    let mut connection = Connection::open(&agent.http()).unwrap();
    for number in 0..20 {
        assert_eq!(add(&mut connection, 0, number), Some(201));
    }
    let documents = profiles(&agent);
    assert_eq!(agent.stop("TERM").code(), Some(0));
    (data_dir, documents)
}

/// A stopped agent's backup.
fn some_backup() -> (TempDir, PathBuf) {
    let (data_dir, _) = stopped_store();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("some.backup");
    let _ = run("backup", &file, data_dir.path()).expect(0);
    (folder, file)
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_backup_under_8_writers_holds_everything_acknowledged_before_it_and_a_prefix_of_what_came_during_it() {
    let agent = Start::new().agent();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("live.backup");
    let (stop, acknowledged) = (AtomicBool::new(false), [const { AtomicU64::new(0) }; WRITERS]);
    let count = || acknowledged.iter().map(|count| count.load(Ordering::SeqCst)).sum::<u64>();
    let (before, said) = scope(|threads| {
        for (writer, acknowledged) in acknowledged.iter().enumerate() {
            let (address, stop) = (agent.http(), &stop);
            threads.spawn(move || {
                let mut connection = Connection::open(&address).unwrap();
                while !stop.load(Ordering::SeqCst) {
                    let number = acknowledged.load(Ordering::SeqCst);
                    assert_eq!(add(&mut connection, writer, number), Some(201));
                    acknowledged.store(number + 1, Ordering::SeqCst);
                }
            });
        }
        eventually("some documents", || count() > 400);
        let before = count();
        let said = run("backup", &file, agent.data_dir());
        let after = count();
        eventually("documents after the backup", || count() > after + 50);
        stop.store(true, Ordering::SeqCst);
        (before, said)
    });
    assert!(said.clone().expect(0).out.starts_with("backed up "), "{}", said.out);
    assert_eq!(names(folder.path()), ["live.backup"], "nothing else is left");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let all = profiles(&agent);
    assert_eq!(all.len() as u64, count());
    let data_dir = folder.path().join("restored");
    let restored = run("restore", &file, &data_dir).expect(0);
    let position = |text: &str| text.split("change ").nth(1).map(|rest| rest.split(' ').next().unwrap().to_owned());
    assert_eq!(position(&restored.out), position(&said.out));
    assert_eq!(fs::metadata(&data_dir).unwrap().permissions().mode() & 0o777, 0o700, "for nobody else to read");
    let found = profiles(&Start::new().data_dir(&data_dir).agent());
    println!("{before} acknowledged before, {} in the backup, {} in the end", found.len(), all.len());
    assert!(found.len() as u64 >= before && found.len() < all.len(), "{before} {} {}", found.len(), all.len());
    assert_eq!(found, all[..found.len()], "not the first in their order");
    let mut numbers: BTreeMap<&str, u64> = BTreeMap::new();
    for profile in &found {
        let last = numbers.entry(profile["device_id"].as_str().unwrap()).or_default();
        *last += 1;
        assert_eq!(profile["max_apps"].as_u64(), Some(*last), "{profile}");
    }
}

#[test]
fn a_stopped_or_killed_agent_can_be_backed_up_too_and_comes_back_the_same() {
    let (data_dir, documents) = stopped_store();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("some.backup");
    // A file that is there is replaced, whatever others may do with it.
    fs::write(&file, "last week's").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let _ = run("backup", &file, data_dir.path()).expect(0);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let _ = Start::new().data_dir(data_dir.path()).agent().kill();
    assert!(data_dir.path().join("control.sock").exists(), "a killed agent leaves its socket");
    let again = folder.path().join("again.backup");
    let _ = run("backup", &again, data_dir.path()).expect(0);

    for file in [file, again] {
        let restored = tempfile::tempdir().unwrap();
        let _ = run("restore", &file, restored.path()).expect(0);
        let agent = Start::new().data_dir(restored.path()).agent();
        assert_eq!(profiles(&agent), documents);
        let mut connection = Connection::open(&agent.http()).unwrap();
        assert_eq!(add(&mut connection, 0, 20), Some(201));
    }
}

#[test]
fn a_long_path_has_no_socket_but_can_be_backed_up_once_the_agent_has_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let (data_dir, file) = (folder.path().join("d".repeat(120)), folder.path().join("some.backup"));
    let mut agent = Start::new().data_dir(&data_dir).agent();
    run("backup", &file, &data_dir).expect(1).tells(&["in use", &format!("process {}", agent.pid())]);
    eventually("the warning in the log", || agent.log().contains("no control socket"));
    assert_eq!(agent.stop("TERM").code(), Some(0));
    let _ = run("backup", &file, &data_dir).expect(0);
}

#[test]
fn a_damaged_backup_is_refused_and_nothing_is_written() {
    let (folder, file) = some_backup();
    let whole = fs::read(&file).unwrap();
    let mut damaged = vec![
        vec![],
        b"mf2c".to_vec(),
        whole[..whole.len() / 2].to_vec(),
        whole[..whole.len() - 1].to_vec(),
        [whole.clone(), b"\n".to_vec()].concat(),
        [whole.clone(), whole.clone()].concat(),
        b"PK\x03\x04 something else entirely".to_vec(),
    ];
    let step = whole.len() / 40;
    damaged.extend((0..whole.len()).step_by(step).map(|at| {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        flipped
    }));
    let data_dir = folder.path().join("restored");
    for bytes in damaged {
        fs::write(&file, &bytes).unwrap();
        let refused = run("restore", &file, &data_dir).expect(1);
        refused.tells(&["no whole mf2c backup", "nothing was restored"]);
        assert!(!data_dir.exists(), "{}", refused.err);
    }
    fs::write(&file, &whole).unwrap();
    let _ = run("restore", &file, &data_dir).expect(0);
    let missing = folder.path().join("none.backup");
    run("restore", &missing, &data_dir).expect(1).tells(&[missing.to_str().unwrap(), "No such file"]);
}

#[test]
fn a_restore_over_documents_or_under_a_running_agent_is_refused_and_changes_nothing() {
    let (_folder, file) = some_backup();
    let (data_dir, documents) = stopped_store();
    run("restore", &file, data_dir.path()).expect(1).tells(&["already holds documents", "nothing was changed"]);
    let agent = Start::new().data_dir(data_dir.path()).agent();
    run("restore", &file, data_dir.path()).expect(1).tells(&["in use", &format!("process {}", agent.pid())]);
    assert_eq!(profiles(&agent), documents);
}

#[test]
fn a_backup_that_fails_leaves_no_file_and_keeps_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let (file, nothing) = (folder.path().join("some.backup"), folder.path().join("nothing"));
    fs::write(&file, "the one before").unwrap();
    run("backup", &file, &nothing).expect(1).tells(&["there is no store", "--data-dir"]);
    assert_eq!(
        (names(folder.path()), fs::read(&file).unwrap()),
        (vec!["some.backup".to_owned()], b"the one before".to_vec())
    );

    let (data_dir, _) = stopped_store();
    let occupied = folder.path().join("folder");
    fs::create_dir(&occupied).unwrap();
    run("backup", &occupied, data_dir.path()).expect(1).tells(&["cannot write the backup", occupied.to_str().unwrap()]);
    let away = folder.path().join("away/some.backup");
    run("backup", &away, data_dir.path()).expect(1).tells(&["cannot write", "No such file"]);
    let mut left = names(folder.path());
    left.sort();
    assert_eq!(left, ["folder", "some.backup"]);
}
