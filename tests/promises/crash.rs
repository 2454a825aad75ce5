//! Killed at any moment under many writers, an agent loses nothing that it acknowledged, invents nothing, and starts again.
//!
//! `MF2C_TEST_CRASH_ROUNDS` says how many kills there are; 100 where it does not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::scope;
use std::time::Duration;

use mf2c_tests::{Agent, Connection, Random, Start};
use serde_json::{Value, json};

/// Writers of one agent.
const WRITERS: u64 = 32;
/// Agents that are killed side by side, each with its own data.
const LANES: u64 = 2;
/// Documents of one writer, so that the collections stay small.
const MOST: usize = 10;
const COLLECTION: &str = "/api/user-profile";

/// What a writer knows of a document. Only one request of a writer is under way at any time.
struct Profile {
    token: String,
    /// Known once the addition was answered or the document was found.
    path: Option<String>,
    /// The last value that must be there, then those that were sent after it and may be there.
    values: Vec<u64>,
    deleting: bool,
}

#[derive(Default)]
struct Writer {
    own: Vec<Profile>,
    /// Tokens of documents that must never be seen again.
    gone: BTreeSet<String>,
    number: u64,
    sent: u64,
}

#[derive(Default)]
struct Totals {
    acknowledged: AtomicU64,
    in_flight: AtomicU64,
    kept: AtomicU64,
}

impl Writer {
    /// Adds, edits and deletes until the connection breaks.
    fn write(&mut self, address: &str, mut random: Random, totals: &Totals) {
        let Ok(mut connection) = Connection::open(address) else { return };
        loop {
            let at = random.below(self.own.len().max(1) as u64) as usize;
            let acknowledged = match random.below(10) {
                0..4 if self.own.len() < MOST => self.add(&mut connection),
                4..8 if !self.own.is_empty() => self.edit(&mut connection, at),
                _ if !self.own.is_empty() => self.delete(&mut connection, at),
                _ => continue,
            };
            if acknowledged.is_none() {
                totals.in_flight.fetch_add(1, Ordering::Relaxed);
                return;
            }
            totals.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn add(&mut self, connection: &mut Connection) -> Option<()> {
        self.sent += 1;
        let token = format!("{}-{}", self.number, self.sent);
        let body = json!({ "device_id": &token, "max_apps": self.sent, "service_consumer": true, "resource_contributor": true });
        self.own.push(Profile { token, path: None, values: vec![self.sent], deleting: false });
        let (status, answer) = connection.send("POST", COLLECTION, &body.to_string()).ok()?;
        assert_eq!(status, 201, "{}", String::from_utf8_lossy(&answer));
        let answer: Value = serde_json::from_slice(&answer).expect("a message document");
        self.own.last_mut()?.path = Some(format!("/api/{}", answer["resource-id"].as_str()?));
        Some(())
    }

    fn edit(&mut self, connection: &mut Connection, at: usize) -> Option<()> {
        self.sent += 1;
        let profile = &mut self.own[at];
        profile.values.push(self.sent);
        let (status, answer) =
            connection.send("PUT", profile.path.as_deref()?, &json!({ "max_apps": self.sent }).to_string()).ok()?;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
        profile.values = vec![self.sent];
        Some(())
    }

    fn delete(&mut self, connection: &mut Connection, at: usize) -> Option<()> {
        let profile = &mut self.own[at];
        profile.deleting = true;
        let (status, answer) = connection.send("DELETE", profile.path.as_deref()?, "").ok()?;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
        self.gone.insert(self.own.swap_remove(at).token);
        Some(())
    }

    /// Holds what is there now against what was acknowledged, and takes over what became of the request in flight.
    fn settle(&mut self, found: &mut BTreeMap<String, (String, u64)>, totals: &Totals) {
        for mut profile in std::mem::take(&mut self.own) {
            let unsure = profile.path.is_none() || profile.deleting || profile.values.len() > 1;
            let Some((path, value)) = found.remove(&profile.token) else {
                let may_be_missing = profile.path.is_none() || profile.deleting;
                assert!(may_be_missing, "lost: {} with {:?} was acknowledged", profile.token, profile.values);
                totals.kept.fetch_add(u64::from(profile.deleting), Ordering::Relaxed);
                self.gone.insert(profile.token);
                continue;
            };
            let known = profile.values.iter().position(|sent| *sent == value);
            let known = known.unwrap_or_else(|| panic!("{} is {value}, not of {:?}", profile.token, profile.values));
            assert!(profile.path.is_none_or(|before| before == path), "{} is now {path}", profile.token);
            let in_effect = unsure && !profile.deleting && known + 1 == profile.values.len();
            totals.kept.fetch_add(u64::from(in_effect), Ordering::Relaxed);
            (profile.path, profile.values, profile.deleting) = (Some(path), vec![value], false);
            self.own.push(profile);
        }
        let back: Vec<&String> = found.keys().filter(|token| self.gone.contains(*token)).collect();
        assert!(back.is_empty(), "deleted, or never acknowledged and not there before, but there again: {back:?}");
    }
}

/// All documents by their token: the path and the value.
fn everything(agent: &Agent) -> BTreeMap<String, (String, u64)> {
    let mut connection = Connection::open(&agent.http()).expect("a connection");
    let (status, body) = connection.send("GET", COLLECTION, "").expect("an answer");
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    let body: Value = serde_json::from_slice(&body).expect("a collection");
    let documents = body["userProfiles"].as_array().cloned().unwrap_or_default();
    assert_eq!(body["count"].as_u64(), Some(documents.len() as u64));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let found: BTreeMap<_, _> = documents
        .iter()
        .map(|document| {
            let value = document["max_apps"].as_u64().unwrap_or_default();
            (text(&document["device_id"]), (format!("/api/{}", text(&document["id"])), value))
        })
        .collect();
    assert_eq!(found.len(), documents.len(), "no document is there twice");
    found
}

fn lane(data_dir: &Path, number: u64, rounds: u64, seed: u64, totals: &Totals) {
    let mut random = Random::from_seed(seed.wrapping_add(number));
    let mut writers: Vec<Writer> =
        (0..WRITERS).map(|writer| Writer { number: number * WRITERS + writer, ..Writer::default() }).collect();
    for round in 0..=rounds {
        if round % 4 == 3 {
            // A start that is cut short changes nothing.
            Start::new().data_dir(data_dir).killed_after(Duration::from_millis(random.below(150)));
        }
        let agent = Start::new().data_dir(data_dir).agent();
        let mut found = everything(&agent);
        for writer in &mut writers {
            writer.settle(&mut found, totals);
        }
        assert!(found.is_empty(), "nobody sent these: {found:?}");
        if round == rounds {
            break;
        }
        let address = agent.http();
        scope(|threads| {
            for writer in &mut writers {
                let (address, random) = (&address, Random::from_seed(random.number()));
                threads.spawn(move || writer.write(address, random, totals));
            }
            agent.kill_after(Duration::from_micros(10_000 + random.below(250_000)));
        });
    }
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_invented_when_an_agent_is_killed_at_any_moment_under_32_writers() {
    let rounds = mf2c_tests::number_from_environment("MF2C_TEST_CRASH_ROUNDS", 100);
    let (seed, totals) = (Random::new().seed(), Totals::default());
    println!("seed {seed}");
    scope(|threads| {
        for number in 0..LANES {
            let rounds = rounds / LANES + u64::from(number < rounds % LANES);
            let totals = &totals;
            threads.spawn(move || {
                let data_dir = tempfile::tempdir().expect("a directory");
                lane(data_dir.path(), number, rounds, seed, totals);
            });
        }
    });
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let (acknowledged, in_flight, kept) = (count(&totals.acknowledged), count(&totals.in_flight), count(&totals.kept));
    println!(
        "{rounds} kills: {acknowledged} writes acknowledged, 0 lost, 0 invented; of {in_flight} in flight {kept} took effect"
    );
    assert!(acknowledged > rounds, "there was hardly anything to lose: {acknowledged} writes");
}
