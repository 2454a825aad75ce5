//! A store with an assessor that follows it, and what is written and asked there.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix::prelude::*;
use mf2c_actors::ports::World;
use mf2c_actors::resource_store::{AddResource, EditResource, ResourceStore};
use mf2c_actors::sla_assessor::{SlaAssessor, SlaCounters, SlaSettings};
use mf2c_domain::area::standing::Standing;
use mf2c_domain::caller::Caller;
use mf2c_domain::entropy::Entropy;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource;
use mf2c_domain::time::{Clock, Timestamp};
use mf2c_store::engine::MemoryEngine;
use mf2c_store::{NewDocument, Store, StoreOptions};
use serde_json::{Value, json};
use tokio::sync::watch;

/// The machine's own time, in which each look takes a millisecond more.
struct Machine(Instant, AtomicI64);

impl Clock for Machine {
    fn now(&self) -> Timestamp {
        let looks = self.1.fetch_add(1, Ordering::Relaxed);
        Timestamp::from_millis(1_800_000_000_000 + looks + i64::try_from(self.elapsed().as_millis()).unwrap())
    }
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A counter for randomness.
struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, buffer: &mut [u8]) {
        for part in buffer.chunks_mut(8) {
            let bytes = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed).to_le_bytes();
            part.copy_from_slice(&bytes[..part.len()]);
        }
    }
}

/// An assessor on a thread of its own, and its store.
pub(crate) struct Agent {
    pub(crate) store: Arc<Store>,
    pub(crate) writer: Addr<ResourceStore>,
    pub(crate) world: World,
    pub(crate) counters: Arc<SlaCounters>,
    pub(crate) assessor: Option<Addr<SlaAssessor>>,
    standing: watch::Sender<Standing>,
    thread: Arbiter,
}

impl Agent {
    /// A store whose log keeps so many entries, with an assessor.
    pub(crate) fn start(log_entries: usize) -> Self {
        let mut agent = Self::halted(log_entries);
        agent.wake();
        agent
    }

    /// The same, whose assessor does not run yet.
    #[expect(clippy::disallowed_methods, reason = "the actor's own timers run in real time")]
    pub(crate) fn halted(log_entries: usize) -> Self {
        let world = World { clock: Arc::new(Machine(Instant::now(), 0.into())), entropy: Arc::new(Counter(1.into())) };
        let options = StoreOptions { log_entries, ..StoreOptions::default() };
        let engine = Arc::new(MemoryEngine::default());
        let (store, writer) = Store::open(engine, options, Arc::clone(&world.clock), &*world.entropy).unwrap();
        let writer = ResourceStore::new(writer, 4096).start();
        let (standing, thread) = (watch::Sender::new(Standing::default()), Arbiter::new());
        Self { store, writer, world, counters: Arc::default(), assessor: None, standing, thread }
    }

    pub(crate) fn build(&self) -> SlaAssessor {
        let (store, writer, world) = (Arc::clone(&self.store), self.writer.clone(), self.world.clone());
        let (standing, counters) = (self.standing.subscribe(), Arc::clone(&self.counters));
        SlaAssessor::new(SlaSettings::default(), store, writer, standing, world, counters, None)
    }

    pub(crate) fn wake(&mut self) {
        self.counters = Arc::default();
        let assessor = self.build();
        self.assessor = Some(SlaAssessor::start_in_arbiter(&self.thread.handle(), move |_| assessor));
    }

    /// Ends the assessor without a word.
    pub(crate) fn halt(&mut self) {
        self.thread.stop();
        let ended = std::mem::replace(&mut self.thread, Arbiter::new());
        ended.join().unwrap();
        self.assessor = None;
    }

    /// Ends the assessor without a word, and starts another.
    pub(crate) fn crash(&mut self) {
        self.halt();
        self.wake();
    }

    pub(crate) fn new_document(&self, kind: &str, name: Option<&str>, body: Value) -> NewDocument {
        let spec = resource::find(kind).unwrap();
        let (now, entropy) = (self.world.clock.now(), &*self.world.entropy);
        let mut draft = spec.prepare_add(body.as_object().unwrap().clone(), now, entropy).unwrap();
        draft.name = name.map(str::to_owned).or(draft.name);
        NewDocument::new(spec, draft, &Caller::agent(), entropy).unwrap()
    }

    /// Stores a document with this name, or one of chance: its id.
    pub(crate) async fn add(&self, kind: &str, name: Option<&str>, body: Value) -> String {
        let new = self.new_document(kind, name, body);
        self.writer.send(AddResource(new)).await.unwrap().unwrap().id.as_str().to_owned()
    }

    /// An agreement that every operation takes less than ten seconds.
    pub(crate) async fn agreement(&self, name: &str, called: &str, state: &str) -> String {
        self.add("agreement", Some(name), terms(called, state)).await
    }

    pub(crate) async fn edit(&self, id: &str, changes: Value) {
        let (id, changes) = (ResourceId::parse(id).unwrap(), changes.as_object().unwrap().clone());
        let edit = EditResource { id, changes, removed: vec![], if_match: None, by: Caller::agent() };
        self.writer.send(edit).await.unwrap().unwrap();
    }

    pub(crate) async fn instance(&self, name: &str, agreement: &str) -> String {
        self.add("service-instance", Some(name), instance(agreement)).await
    }

    pub(crate) async fn report(&self, instance: &str, seconds: f64) -> String {
        self.add("service-operation-report", None, report(instance, seconds)).await
    }

    /// Waits until all that is stored by now is assessed, and what was found is stored.
    pub(crate) async fn settles(&self) {
        let stored = self.store.counters().position.load(Ordering::Acquire);
        self.until("all is assessed", || self.counters.position.load(Ordering::Relaxed) >= stored).await;
    }

    pub(crate) async fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let wait = async {
            while !holds() {
                tokio::task::yield_now().await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(120), wait).await;
        assert!(in_time.is_ok(), "{what}: {:?}", self.counters);
    }

    pub(crate) fn body(&self, id: &str) -> Value {
        let document = self.store.get(id).unwrap();
        serde_json::from_slice(&self.store.body(&document).unwrap().unwrap()).unwrap()
    }

    /// Adds many reports, many at a time. Every tenth is bad: those.
    pub(crate) async fn flood(&self, instance: &str, count: usize) -> BTreeSet<String> {
        let mut bad = BTreeSet::new();
        let mut number = 0;
        while number < count {
            let upto = (number + 2000).min(count);
            let seconds = |number: usize| if number.is_multiple_of(10) { 50.0 } else { 5.0 };
            let sent = (number..upto).map(|number| {
                let new = self.new_document("service-operation-report", None, report(instance, seconds(number)));
                (number, self.writer.send(AddResource(new)))
            });
            for (number, sent) in sent.collect::<Vec<_>>() {
                let id = sent.await.unwrap().unwrap().id.as_str().to_owned();
                if seconds(number) > 10.0 {
                    bad.insert(id);
                }
            }
            number = upto;
        }
        bad
    }

    fn bodies(&self, kind: &str) -> Vec<Value> {
        self.store.all(kind).iter().map(|document| self.body(document.id.as_str())).collect()
    }

    /// Which reports broke this agreement.
    pub(crate) fn broken_by(&self, agreement: &str) -> BTreeSet<String> {
        let violations = self.bodies("sla-violation");
        let of = violations.iter().filter(|violation| violation["agreement_id"]["href"] == *agreement);
        let reports: Vec<_> = of.map(|violation| violation["report"]["href"].as_str().unwrap().to_owned()).collect();
        let count = reports.len();
        let reports: BTreeSet<_> = reports.into_iter().collect();
        assert_eq!(reports.len(), count, "none is doubled");
        reports
    }

    pub(crate) fn unattached(&self) -> u64 {
        self.counters.unattached.load(Ordering::Relaxed)
    }
}

pub(crate) fn terms(name: &str, state: &str) -> Value {
    json!({
        "name": name, "state": state,
        "details": {
            "id": "a", "type": "agreement", "name": name, "creation": "2018-01-16T17:09:45Z",
            "provider": {"id": "p", "name": "P"}, "client": {"id": "c", "name": "C"},
            "guarantees": [{"name": "*", "constraint": "execution_time < 10"}],
        },
    })
}

pub(crate) fn instance(agreement: &str) -> Value {
    json!({"user": "u", "service": "service/s", "agreement": agreement, "status": "started", "agents": []})
}

pub(crate) fn report(instance: &str, seconds: f64) -> Value {
    json!({"requesting_application_id": {"href": instance}, "operation_name": "main", "execution_length": seconds})
}

pub(crate) fn set<const N: usize>(ids: [&String; N]) -> BTreeSet<String> {
    ids.into_iter().cloned().collect()
}
