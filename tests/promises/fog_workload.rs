//! The users of the simulation at agents that are processes, and what the simulation looks at in their stores: agents are killed
//! in turn while all are written to, and afterwards nothing is lost, doubled, out of order or miscounted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mf2c_domain::id::ResourceId;
use mf2c_domain::time::{Clock, Timestamp};
use mf2c_sim::dice::{Dice, SeededEntropy};
use mf2c_sim::invariants::{Tap, is_same, wrong_sums};
use mf2c_sim::workload::{self, Answer, Deed, KIND, Ledger, NUMBER};
use mf2c_store::engine::{EmbeddedEngine, EmbeddedOptions};
use mf2c_store::{Store, StoreOptions};
use mf2c_tests::{Fog, Random, eventually, let_pass};
use serde_json::{Map, Value};

const NAMES: [&str; 4] = ["cloud", "lead", "kid", "other"];
/// Documents of each agent.
const DOCUMENTS: usize = 12;

/// What the users of all agents do and know.
struct Users {
    dice: Dice,
    number: u64,
    ledgers: BTreeMap<&'static str, Ledger>,
}

impl Users {
    /// One deed at an agent; it may be away.
    fn act(&mut self, fog: &Fog, name: &'static str, runs: bool) {
        self.number += 1;
        let ledger = self.ledgers.entry(name).or_default();
        let deed = ledger.next(&mut self.dice, DOCUMENTS);
        let answer = if runs { carry_out(fog, name, &deed, self.number) } else { Answer::Failed };
        ledger.answered(&deed, answer);
    }
}

fn carry_out(fog: &Fog, name: &str, deed: &Deed, number: u64) -> Answer {
    let agent = fog.agent(name);
    let text = |body: Map<String, Value>| Value::Object(body).to_string();
    let (answer, id) = match deed {
        Deed::Add => {
            let answer = agent.send("POST", KIND, Some(&text(workload::body(number))));
            let id = (answer.status == 201)
                .then(|| ResourceId::parse(answer.json()["resource-id"].as_str().unwrap()).unwrap());
            (answer, id)
        }
        Deed::Edit(id) => (agent.send("PUT", id.as_str(), Some(&text(workload::changes(number)))), Some(id.clone())),
        Deed::Delete(id) => (agent.send("DELETE", id.as_str(), None), Some(id.clone())),
    };
    match (answer.status, id, deed) {
        (200, _, Deed::Delete(_)) => Answer::Deleted,
        (200 | 201, Some(id), _) => Answer::Written(id, number),
        (404, ..) => Answer::Missing,
        _ => Answer::Failed,
    }
}

/// The number of the last write of a document, as an agent has it.
fn version(fog: &Fog, name: &str, id: &ResourceId) -> Option<u64> {
    fog.document(name, id.as_str())[NUMBER].as_str().map(|number| number.parse().unwrap())
}

#[test]
fn under_the_load_of_the_simulation_agents_that_are_killed_in_turn_lose_double_and_miscount_nothing() {
    let seed = Random::new().seed();
    let mut users = Users { dice: Dice::new(seed, "workload", 0), number: 0, ledgers: BTreeMap::new() };
    let mut fog = Fog::new().with("MF2C_AREA_BACKUP", "false");
    fog.found("cloud", "sky");
    fog.found_below("lead", "pier", "cloud");
    fog.add("kid", "lead");
    fog.add("other", "lead");
    for victim in ["kid", "lead", "cloud", "other", "lead"] {
        (0..6).for_each(|_| NAMES.iter().for_each(|name| users.act(&fog, name, true)));
        fog.kill(victim);
        (0..6).for_each(|_| NAMES.iter().for_each(|name| users.act(&fog, name, *name != victim)));
        fog.start(victim);
    }
    for (name, holders) in
        [("kid", &["kid", "lead", "cloud"][..]), ("other", &["other", "lead", "cloud"]), ("lead", &["lead", "cloud"])]
    {
        let ledger = &users.ledgers[name];
        assert!(ledger.written > 20, "seed {seed}: {name} has acknowledged next to nothing");
        for holder in holders {
            let mut lost = None;
            eventually(&format!("what {name} has acknowledged at {holder} (seed {seed})"), || {
                lost = ledger.lost(|id| version(&fog, holder, id));
                lost.is_none()
            });
        }
    }
    // Sums are told at most once a second.
    let_pass(Duration::from_secs(3));
    NAMES.iter().for_each(|name| fog.kill(name));
    judge(&fog, seed);
}

/// Looks at the stores that killed agents left.
fn judge(fog: &Fog, seed: u64) {
    let stores: BTreeMap<&str, Arc<Store>> = NAMES.iter().map(|name| (*name, open(fog, name, seed))).collect();
    for (name, store) in &stores {
        let seen = Tap::default().follow(store);
        assert_eq!(seen.wrong, None, "{name}, seed {seed}");
        assert!(seen.changes > 20, "{name}, seed {seed}");
    }
    assert_eq!(wrong_sums(&stores["lead"]), None, "seed {seed}");
    for (name, holder) in [("kid", "lead"), ("other", "lead"), ("kid", "cloud"), ("other", "cloud"), ("lead", "cloud")]
    {
        let origin = stores[name].identity().node;
        let own = stores[name].digests(&[origin]).unwrap().remove(&origin).unwrap();
        let copy = stores[holder].digests(&[origin]).unwrap().remove(&origin).unwrap();
        assert!(is_same(&own, &copy), "{holder} has other documents of {name}, seed {seed}");
    }
}

/// Time does not pass while stores are looked at.
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

fn open(fog: &Fog, name: &str, seed: u64) -> Arc<Store> {
    let engine = EmbeddedEngine::open(&fog.data_dir(name).join("store"), EmbeddedOptions::default()).unwrap();
    let entropy = SeededEntropy::new(Dice::new(seed, "stores", 0));
    let opened = Store::open(Arc::new(engine), StoreOptions::default(), Arc::new(Stopped), &entropy);
    opened.unwrap().0
}
