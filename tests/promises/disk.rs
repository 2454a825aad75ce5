//! A disk that is full stops writes and nothing else; a disk that lies is found out before it is believed.

#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};

use mf2c_tests::{Agent, Connection, SmallDisk, Start, curl, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;

fn add(connection: &mut Connection, number: u64) -> (u16, Value) {
    let body = json!({
        "device_id": format!("device/{number}"), "description": "x".repeat(4000),
        "service_consumer": true, "resource_contributor": true
    });
    let (status, answer) = connection.send("POST", "/api/user-profile", &body.to_string()).expect("an answer");
    (status, serde_json::from_slice(&answer).expect("a document"))
}

fn devices(agent: &Agent) -> Vec<String> {
    let found = agent.send("GET", "user-profile", None).expect(200).json();
    let found = found["userProfiles"].as_array().unwrap().clone();
    found.iter().map(|profile| profile["device_id"].as_str().unwrap().to_owned()).collect()
}

/// The documents that are there, but for those of which that is not sure.
fn settled(agent: &Agent, unsure: &[String]) -> Vec<String> {
    let mut found = devices(agent);
    found.retain(|device| !unsure.contains(device));
    found
}

fn health(agent: &Agent) -> (u16, String) {
    let answer = curl(["-k", &format!("https://{}/healthz", agent.https())]);
    (answer.status, answer.text())
}

/// Fills the disk under an agent that wants this much free, and makes room again. With nothing wanted free, a write may
/// fail half way: then it is refused, but may be found to have taken effect, as after a crash.
fn full(min_free: &str) {
    let Some(disk) = SmallDisk::mount(96) else { return };
    let data_dir = disk.path().join("data");
    let start = || Start::new().data_dir(&data_dir).environment("MF2C_STORE_MIN_FREE", min_free);
    let mut agent = start().agent();
    let mut connection = Connection::open(&agent.http()).unwrap();
    let mut acknowledged: Vec<String> = vec![];
    for number in 0..20 {
        assert_eq!(add(&mut connection, number).0, 201);
        acknowledged.push(format!("device/{number}"));
    }

    let ballast = disk.fill(300_000);
    let (mut number, mut refused, mut unsure) = (20, 0, vec![]);
    // A refusal may set the room free that its attempt has taken, so one is not enough.
    while refused < 5 {
        let (status, answer) = add(&mut connection, number);
        if status == 201 {
            (acknowledged, refused) = ([acknowledged, vec![format!("device/{number}")]].concat(), 0);
        } else {
            refused += 1;
            unsure.extend((min_free == "0B").then(|| format!("device/{number}")));
            assert_eq!((status, &answer["status"]), (507, &json!(507)), "{answer}");
            let message = answer["message"].as_str().unwrap();
            assert!(message.contains("no space left") && message.contains("free some space"), "{message}");
        }
        number += 1;
        assert!(number < 1000, "the disk is not full");
    }
    println!("{min_free} wanted free: refused after {} documents", acknowledged.len());
    assert_eq!(settled(&agent, &unsure), acknowledged, "reads go on, and see nothing that was refused");
    // It tries again by itself, and may find a little room for a moment.
    eventually("that it says so", || {
        match add(&mut connection, number).0 {
            201 => acknowledged.push(format!("device/{number}")),
            _ => unsure.extend((min_free == "0B").then(|| format!("device/{number}"))),
        }
        number += 1;
        let (status, text) = health(&agent);
        let ready = curl(["-k", "-H", "accept: application/json", &format!("https://{}/readyz", agent.https())]);
        status == 503 && text.contains("degraded") && ready.status == 503 && ready.json()["status"] == "degraded"
    });

    fs::remove_file(&ballast).unwrap();
    eventually("writing again, without a restart", || add(&mut connection, number).0 == 201);
    acknowledged.push(format!("device/{number}"));
    number += 1;
    assert_eq!(health(&agent), (200, "ok\n".to_owned()));
    assert_eq!(add(&mut connection, number).0, 201);
    acknowledged.push(format!("device/{number}"));
    assert_eq!(settled(&agent, &unsure), acknowledged);

    let _ = disk.fill(0);
    assert_eq!(agent.stop("TERM").code(), Some(0), "{}", agent.log());
    drop(agent);
    let agent = start().agent();
    assert_eq!(
        settled(&agent, &unsure),
        acknowledged,
        "nothing is lost, and a full disk does not keep an agent from starting"
    );
}

#[test]
fn a_nearly_full_disk_refuses_writes_with_507_and_takes_them_again_when_there_is_room() {
    full("8MiB");
}

#[test]
fn a_disk_filled_to_the_brim_does_no_harm_either() {
    full("0B");
}

/// The data directory of a stopped agent with a few documents.
fn stopped_store() -> TempDir {
    let data_dir = tempfile::tempdir().unwrap();
    let mut agent = Start::new().data_dir(data_dir.path()).agent();
    let mut connection = Connection::open(&agent.http()).unwrap();
    for number in 0..20 {
        assert_eq!(add(&mut connection, number).0, 201);
    }
    assert_eq!(agent.stop("TERM").code(), Some(0));
    data_dir
}

#[test]
fn a_flipped_byte_in_the_journal_keeps_the_agent_from_starting_and_is_named_with_what_to_do() {
    let data_dir = stopped_store();
    let journal = data_dir.path().join("store/0.jnl");
    let mut file = File::options().read(true).write(true).open(&journal).unwrap();
    let mut bytes = vec![];
    file.read_to_end(&mut bytes).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    let flip = |file: &mut File, at: usize| {
        file.seek(SeekFrom::Start(at as u64)).unwrap();
        file.write_all(&[bytes[at] ^ 0x10]).unwrap();
    };
    for at in (1..8).map(|part| written / 8 * part) {
        flip(&mut file, at);
        let refused = Start::new().data_dir(data_dir.path()).refused().expect(1);
        refused.tells(&[journal.to_str().unwrap(), "is damaged at byte", "mf2c restore", "mf2c repair"]);
        let named = refused.err.split("damaged at byte ").nth(1).unwrap().split(':').next().unwrap().parse::<usize>();
        assert!(named.is_ok_and(|named| named <= at && named + 20_000 > at), "{at}: {}", refused.err);
        file.seek(SeekFrom::Start(at as u64)).unwrap();
        file.write_all(&[bytes[at]]).unwrap();
    }
    let agent = Start::new().data_dir(data_dir.path()).agent();
    assert_eq!(devices(&agent).len(), 20, "refusing has changed nothing");
}
