//! What was learned of runs is exact: nothing counts twice, and nothing is lost, also where the provider is built anew or the
//! change log no longer goes back to where it stood.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix::prelude::*;
use mf2c_actors::ports::{OnTheSpot, World};
use mf2c_actors::qos_provider::{CheckQos, QosAnswer, QosError, QosProvider, QosSettings};
use mf2c_actors::resource_store::{AddResource, ResourceStore};
use mf2c_domain::caller::Caller;
use mf2c_domain::entropy::Entropy;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource;
use mf2c_domain::time::{Clock, Timestamp};
use mf2c_sla::expression::TimeUnit;
use mf2c_sla::qos::{Leanings, Policy};
use mf2c_store::engine::MemoryEngine;
use mf2c_store::{NewDocument, Store, StoreOptions};
use serde_json::{Value, json};

/// The machine's own time and a counter for randomness.
struct Machine(Instant);

impl Clock for Machine {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + i64::try_from(self.elapsed().as_millis()).unwrap())
    }
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, buffer: &mut [u8]) {
        for part in buffer.chunks_mut(8) {
            let bytes = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed).to_le_bytes();
            part.copy_from_slice(&bytes[..part.len()]);
        }
    }
}

/// A store whose log keeps so many entries, and a provider.
struct Agent {
    store: Arc<Store>,
    writer: Addr<ResourceStore>,
    world: World,
    provider: Addr<QosProvider>,
    thread: Arbiter,
}

impl Agent {
    #[expect(clippy::disallowed_methods, reason = "the actor's own timers run in real time")]
    fn start(log_entries: usize) -> Self {
        let world = World { clock: Arc::new(Machine(Instant::now())), entropy: Arc::new(Counter(1.into())) };
        let options = StoreOptions { log_entries, ..StoreOptions::default() };
        let engine = Arc::new(MemoryEngine::default());
        let (store, writer) = Store::open(engine, options, Arc::clone(&world.clock), &*world.entropy).unwrap();
        let writer = ResourceStore::new(writer, 1024).start();
        let thread = Arbiter::new();
        let provider = provider(&store, &writer, &world, &thread);
        Self { store, writer, world, provider, thread }
    }

    async fn add(&self, kind: &str, body: Value) -> String {
        let spec = resource::find(kind).unwrap();
        let (now, entropy) = (self.world.clock.now(), &*self.world.entropy);
        let draft = spec.prepare_add(body.as_object().unwrap().clone(), now, entropy).unwrap();
        let new = NewDocument::new(spec, draft, &Caller::agent(), entropy).unwrap();
        self.writer.send(AddResource(new)).await.unwrap().unwrap().id.as_str().to_owned()
    }

    async fn instance(&self) -> String {
        let service = json!({"name": "s", "exec": "x", "exec_type": "docker", "agent_type": "normal"});
        let service = self.add("service", service).await;
        let agent = json!({
            "device_id": "x", "url": "10.0.0.1", "ports": [], "container_id": "-", "status": "started", "allow": true,
        });
        let body = json!({
            "user": "u", "service": service, "agreement": "agreement/a", "status": "started", "agents": [agent],
        });
        self.add("service-instance", body).await
    }

    /// A run; whether it breaks a promise.
    async fn run(&self, instance: &str, bad: bool) {
        let report = json!({
            "requesting_application_id": {"href": instance}, "operation_name": "main", "execution_length": 1.0,
        });
        let report = self.add("service-operation-report", report).await;
        if bad {
            self.violate(instance, &report).await;
        }
    }

    async fn violate(&self, instance: &str, report: &str) {
        let violation = json!({
            "agreement_id": {"href": "agreement/a"}, "guarantee": "g", "datetime": "2027-01-01T00:00:00Z",
            "constraint": "x < 1", "values": {"x": 2.0}, "report": {"href": report}, "instance": {"href": instance},
        });
        self.add("sla-violation", violation).await;
    }

    /// Ends the provider without a word, and starts another.
    fn crash(&mut self) {
        self.thread.stop();
        let ended = std::mem::replace(&mut self.thread, Arbiter::new());
        ended.join().unwrap();
        self.provider = provider(&self.store, &self.writer, &self.world, &self.thread);
    }

    async fn check(&self, instance: &str) -> Result<QosAnswer, QosError> {
        self.provider.send(CheckQos(ResourceId::parse(instance).unwrap())).await.unwrap()
    }

    async fn learns(&self, instance: &str, runs: u32, violations: u32) {
        let mut last = None;
        let wait = async {
            loop {
                last = self.check(instance).await.ok().map(|answer| answer.agents[0].decision.clone());
                if last.as_ref().is_some_and(|said| (said.runs, said.violations) == (runs, violations)) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(30), wait).await;
        assert!(in_time.is_ok(), "expected {runs} and {violations}, found {last:?}");
    }

    /// The totals of the model as it is stored.
    fn stored(&self) -> Option<(u64, u64)> {
        let document = self.store.all("qos-model").first().cloned()?;
        let body: Value = serde_json::from_slice(&self.store.body(&document).ok()??).unwrap();
        Some((body["num_service_instances"].as_u64()?, body["num_service_failures"].as_u64()?))
    }

    async fn keeps(&self, runs: u64, failures: u64) {
        let wait = async {
            while self.stored() != Some((runs, failures)) {
                tokio::task::yield_now().await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(30), wait).await;
        assert!(in_time.is_ok(), "expected {runs} and {failures}, found {:?}", self.stored());
    }
}

fn provider(store: &Arc<Store>, writer: &Addr<ResourceStore>, world: &World, thread: &Arbiter) -> Addr<QosProvider> {
    let policy = Policy {
        acceptance_ratio: 0.8,
        confidence: 0.9,
        min_runs: 20,
        window: 1000,
        cooldown: Duration::from_secs(600),
        exploration: 0.1,
        recovery: 10,
        warmup: 0,
        seed: 1,
    };
    let settings = QosSettings {
        policy,
        high: Leanings::default(),
        enforcement: false,
        shrink_after: Duration::from_secs(60),
        unit: TimeUnit::Seconds,
    };
    let workshop = Arc::new(OnTheSpot);
    let (store, writer, world) = (Arc::clone(store), writer.clone(), world.clone());
    let actor = QosProvider::new(settings, store, writer, workshop, world, None);
    QosProvider::start_in_arbiter(&thread.handle(), move |_| actor)
}

#[actix::test]
async fn runs_count_once_however_often_the_provider_is_built_anew() {
    let mut agent = Agent::start(100_000);
    let instance = agent.instance().await;
    for round in 1..=5 {
        for run in 0..10 {
            agent.run(&instance, run % 2 == 0).await;
        }
        if round % 2 == 0 {
            agent.keeps(u64::from(round) * 10, u64::from(round) * 5).await;
        }
        agent.crash();
        agent.learns(&instance, round * 10, round * 5).await;
    }
    agent.keeps(50, 25).await;
}

#[actix::test]
async fn what_the_log_no_longer_holds_is_read_from_the_documents_and_nothing_of_it_counts_twice() {
    let mut agent = Agent::start(20);
    let instance = agent.instance().await;
    for _ in 0..30 {
        agent.run(&instance, true).await;
    }
    agent.learns(&instance, 30, 30).await;
    agent.keeps(30, 30).await;
    for run in 0..700 {
        agent.run(&instance, run < 100).await;
    }
    agent.crash();
    agent.learns(&instance, 730, 130).await;
    agent.keeps(730, 130).await;
}

#[actix::test]
async fn a_violation_of_a_run_that_nobody_knows_changes_nothing_and_an_instance_without_a_service_is_no_question() {
    let agent = Agent::start(100_000);
    let instance = agent.instance().await;
    agent.run(&instance, false).await;
    agent.violate(&instance, "service-operation-report/later").await;
    agent.run(&instance, false).await;
    agent.learns(&instance, 2, 0).await;
    assert!(matches!(agent.check("service-instance/none").await, Err(QosError::NoInstance)));
    let other = agent.store.all("service")[0].id.as_str().to_owned();
    assert!(matches!(agent.check(&other).await, Err(QosError::NoInstance)));
}
