//! The store against a small reference model, over random histories with crashes, failed commits and queries.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mf2c_domain::acl::Acl;
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource::TypeSpec;
use mf2c_domain::time::Timestamp;
use mf2c_store::engine::{Engine, Fault, MemoryEngine};
use mf2c_store::{Command, Delete, Edit, IfMatch, NewDocument, StoreError, StoreOptions, Written};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::bodies::{KINDS, body, changes, filter, order, pick, seeded};
use crate::naive::check;
use crate::world::{Seed, World, embedded, image, object, small, spec};

/// A budget that is never used up here.
const IN_MEMORY: u64 = 1 << 30;

/// One step of a history; the numbers seed what is random in it.
#[derive(Debug, Clone)]
enum Step {
    Batch(u64, u8),
    Crash,
    Fail(Fault, u64),
    Ask(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (any::<u64>(), 1u8..24).prop_map(|(seed, writes)| Step::Batch(seed, writes)),
        1 => Just(Step::Crash),
        1 => (prop_oneof![Just(Fault::Full), Just(Fault::SyncFailed)], any::<u64>())
            .prop_map(|(fault, seed)| Step::Fail(fault, seed)),
        3 => any::<u64>().prop_map(Step::Ask),
    ]
}

/// What must be stored under an id, without the times.
#[derive(Debug, Clone, PartialEq)]
struct Expected {
    body: Value,
    acl: Acl,
    born: u64,
    revision: u64,
}

#[derive(Debug, Default, Clone)]
struct Model {
    documents: BTreeMap<String, Expected>,
    position: u64,
}

/// What must be answered.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    Done,
    Conflict,
    NotFound,
    Forbidden,
    Stale,
    Schema,
}

fn outcome(answer: &Result<Written, StoreError>) -> Outcome {
    match answer {
        Ok(_) => Outcome::Done,
        Err(StoreError::Conflict { .. }) => Outcome::Conflict,
        Err(StoreError::NotFound { .. }) => Outcome::NotFound,
        Err(StoreError::Forbidden { .. }) => Outcome::Forbidden,
        Err(StoreError::Stale { .. }) => Outcome::Stale,
        Err(StoreError::Schema(_)) => Outcome::Schema,
        Err(other) => panic!("{other}"),
    }
}

fn without_times(mut body: Value) -> Value {
    let map = body.as_object_mut().unwrap();
    map.remove("created").unwrap();
    map.remove("updated").unwrap();
    body
}

fn whole(id: &ResourceId, spec: &TypeSpec, acl: &Acl, attributes: Map<String, Value>) -> Value {
    let mut body = Value::Object(attributes);
    body["id"] = json!(id.as_str());
    body["resourceURI"] = json!(spec.uri);
    body["acl"] = serde_json::to_value(acl).unwrap();
    body
}

impl Model {
    fn add(&mut self, id: &ResourceId, acl: Acl, attributes: Map<String, Value>) -> Outcome {
        if self.documents.contains_key(id.as_str()) {
            return Outcome::Conflict;
        }
        self.position += 1;
        let body = whole(id, spec(id.kind()), &acl, attributes);
        let (born, revision) = (self.position, self.position);
        self.documents.insert(id.to_string(), Expected { body, acl, born, revision });
        Outcome::Done
    }

    fn refuses(&self, id: &ResourceId, by: &Caller, tags: Option<&[u64]>) -> Option<Outcome> {
        let Some(there) = self.documents.get(id.as_str()) else { return Some(Outcome::NotFound) };
        match tags {
            _ if !there.acl.can_modify(by) => Some(Outcome::Forbidden),
            Some(tags) if !tags.contains(&there.revision) => Some(Outcome::Stale),
            _ => None,
        }
    }

    fn edit(&mut self, id: &ResourceId, changes: Map<String, Value>, incarnation: u64) -> Outcome {
        let there = self.documents.get_mut(id.as_str()).unwrap();
        let current = object(there.body.clone());
        let Ok(draft) = spec(id.kind()).prepare_edit(current, changes, &[], true) else { return Outcome::Schema };
        self.position += 1;
        there.revision = self.position;
        let before = there.body.clone();
        there.body = whole(id, spec(id.kind()), &there.acl, draft.attributes);
        let (acl, after) = (there.acl.clone(), there.body.clone());
        if let Some(state) = spec(id.kind()).logged_state
            && let Some(state) = after[state].as_str().filter(|now| before[state] != **now)
        {
            self.log(TypeSpec::state_event(id, state, Timestamp::from_millis(0)), acl, incarnation);
        }
        Outcome::Done
    }

    fn log(&mut self, mut event: Map<String, Value>, acl: Acl, incarnation: u64) {
        let name = format!("{incarnation:x}-{:x}", self.position + 1);
        event.remove("timestamp");
        self.add(&ResourceId::new("event", &name).unwrap(), acl, event);
    }

    fn delete(&mut self, id: &ResourceId, incarnation: u64) -> Outcome {
        self.documents.remove(id.as_str());
        self.position += 1;
        if spec(id.kind()).delete_is_logged {
            let event = TypeSpec::deletion_event(id, Timestamp::from_millis(0));
            self.log(event, Acl::of_admin(&[]).with_admin(), incarnation);
        }
        Outcome::Done
    }
}

/// Where the store lives.
enum Place {
    Memory(Arc<MemoryEngine>),
    Disk(tempfile::TempDir),
}

impl Place {
    fn open(&self) -> Arc<dyn Engine> {
        match self {
            Self::Memory(engine) => engine.clone(),
            Self::Disk(directory) => embedded(directory.path(), small()).unwrap(),
        }
    }

    fn after_crash(&self) -> Self {
        match self {
            Self::Memory(engine) => Self::Memory(Arc::new(engine.after_crash())),
            Self::Disk(directory) => Self::Disk(image(directory.path())),
        }
    }
}

struct Run {
    world: World,
    place: Place,
    options: StoreOptions,
    model: Model,
    /// All ids that were ever given out, with the seed that made each.
    ids: Vec<(ResourceId, u64)>,
}

fn jane() -> Caller {
    Caller::new("jane", ["USER"])
}

impl Run {
    fn new(place: Place, options: StoreOptions) -> Self {
        let world = World::open(place.open(), options.clone()).unwrap();
        Self { world, place, options, model: Model::default(), ids: Vec::new() }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Batch(seed, writes) => {
                let seed = seeded(*seed);
                let (commands, expected): (Vec<_>, Vec<_>) = (0..*writes).map(|_| self.write(&seed)).unzip();
                let answers = self.world.writer.execute(commands);
                assert_eq!(answers.iter().map(outcome).collect::<Vec<_>>(), expected);
            }
            Step::Crash => {
                self.place = self.place.after_crash();
                let (clock, entropy) = (self.world.clock.clone(), self.world.entropy.clone());
                self.world = World::open_with(self.place.open(), self.options.clone(), clock, entropy).unwrap();
            }
            Step::Fail(fault, seed) => self.fail(*fault, &seeded(*seed)),
            Step::Ask(seed) => self.ask(&seeded(*seed)),
        }
        self.compare();
    }

    /// A random command, and its outcome in the model.
    fn write(&mut self, seed: &Seed) -> (Command, Outcome) {
        let incarnation = self.world.store.identity().incarnation;
        let by = if seed.next().is_multiple_of(4) { jane() } else { Caller::agent() };
        if self.ids.is_empty() || seed.next() % 5 < 2 {
            return self.add(seed);
        }
        let id = pick(seed, &self.ids).0;
        let revision = self.model.documents.get(id.as_str()).map_or(0, |there| there.revision);
        let tags = match seed.next() % 6 {
            0 => Some(vec![revision]),
            1 => Some(vec![revision / 2]),
            2 => Some(vec![7, revision]),
            _ => None,
        };
        let tag = |revision: &u64| format!("{incarnation:x}.{revision:x}");
        let if_match = tags.as_ref().map(|tags| IfMatch::OneOf(tags.iter().map(tag).collect()));
        let refused = self.model.refuses(&id, &by, tags.as_deref());
        if seed.next().is_multiple_of(3) {
            let outcome = refused.unwrap_or_else(|| self.model.delete(&id, incarnation));
            return (Command::Delete(Delete { id, if_match, by }), outcome);
        }
        let changes = object(changes(id.kind(), seed));
        let outcome = refused.unwrap_or_else(|| self.model.edit(&id, changes.clone(), incarnation));
        (Command::Edit(Box::new(Edit { id, changes, removed: Vec::new(), if_match, by })), outcome)
    }

    /// Adds a document, now and then one whose id was given out before.
    fn add(&mut self, seed: &Seed) -> (Command, Outcome) {
        let again = !self.ids.is_empty() && seed.next().is_multiple_of(6);
        let number = if again { pick(seed, &self.ids).1 } else { seed.next() };
        let made_of = seeded(number);
        let kind = pick(&made_of, &KINDS);
        let by = if made_of.next().is_multiple_of(3) { jane() } else { Caller::agent() };
        let draft = spec(kind).prepare_add(object(body(kind, &made_of)), Timestamp::from_millis(0), &made_of).unwrap();
        let attributes = draft.attributes.clone();
        let new = NewDocument::new(spec(kind), draft, &by, &made_of).unwrap();
        let id = new.id().clone();
        let acl = Acl::default_for(&by).unwrap().with_admin();
        let outcome = self.model.add(&id, acl, attributes);
        if !again {
            self.ids.push((id, number));
        }
        (Command::Add(Box::new(new)), outcome)
    }

    /// A batch meets a fault; afterwards its changes are there as a whole or not at all.
    fn fail(&mut self, fault: Fault, seed: &Seed) {
        let Place::Memory(engine) = &self.place else { return };
        let engine = engine.clone();
        let before = self.model.clone();
        let (commands, expected): (Vec<_>, Vec<_>) = (0..6).map(|_| self.write(seed)).unzip();
        engine.inject(fault);
        let answers = self.world.writer.execute(commands);
        for (answer, expected) in answers.iter().zip(&expected) {
            let failed = matches!(answer, Err(StoreError::Full { .. } | StoreError::Unavailable { .. }));
            assert_eq!(failed, *expected == Outcome::Done, "{answer:?}");
        }
        engine.mend();
        let after = std::mem::replace(&mut self.model, before);
        // A document that is not in memory is read from disk, which may be ahead of what is known to be durable.
        if fault == Fault::Full || self.options.memory_budget == IN_MEMORY {
            self.compare();
        }
        self.world.clock.advance(Duration::from_secs(1));
        let crash = seed.next().is_multiple_of(2);
        if fault == Fault::SyncFailed {
            self.model = after;
        }
        if crash { self.take(&Step::Crash) } else { drop(self.world.writer.execute(Vec::new())) }
    }

    fn ask(&self, seed: &Seed) {
        let kind = pick(seed, &KINDS);
        let caller = if seed.next().is_multiple_of(3) { jane() } else { Caller::agent() };
        check(&self.world.store, spec(kind), &filter(kind, seed), &order(kind, seed), 1 + seed.next() % 9, &caller);
    }

    fn compare(&self) {
        let store = &self.world.store;
        assert_eq!((store.len(), self.world.position()), (self.model.documents.len(), self.model.position));
        for (id, expected) in &self.model.documents {
            let document = store.get(id).unwrap_or_else(|| panic!("{id} is missing"));
            assert_eq!((document.born, document.revision), (expected.born, expected.revision), "{id}");
            assert_eq!(*document.acl, expected.acl);
            let mut body = without_times(serde_json::from_slice(&store.body(&document).unwrap().unwrap()).unwrap());
            if expected.body.get("timestamp").is_none() {
                body.as_object_mut().unwrap().remove("timestamp");
            }
            assert_eq!(body, expected.body, "{id}");
        }
        let natural: Vec<u64> = KINDS.iter().flat_map(|kind| store.all(kind)).map(|found| found.born).collect();
        assert_eq!(natural.len(), self.model.documents.len());
    }
}

fn options() -> impl Strategy<Value = StoreOptions> {
    let budget = prop_oneof![Just(IN_MEMORY), Just(0), Just(6_000)];
    (budget, prop_oneof![Just(100_000), Just(1), Just(30)]).prop_map(|(memory_budget, log_entries)| StoreOptions {
        memory_budget,
        log_entries,
        ..StoreOptions::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn the_store_equals_its_model(options in options(), history in prop::collection::vec(step(), 1..40)) {
        let mut run = Run::new(Place::Memory(Arc::new(MemoryEngine::new())), options);
        history.iter().for_each(|step| run.take(step));
        run.take(&Step::Crash);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]
    #[test]
    fn the_store_on_disk_equals_its_model(options in options(), history in prop::collection::vec(step(), 1..25)) {
        let mut run = Run::new(Place::Disk(tempfile::tempdir().unwrap()), options);
        history.iter().for_each(|step| run.take(step));
        run.take(&Step::Crash);
    }
}
