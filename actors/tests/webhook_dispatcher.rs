//! Webhooks are told what their owners may see, not too many at once, and what is given up does not pile up for ever.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so by panicking")]

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix::prelude::*;
use mf2c_actors::ports::{WebhookRequest, WebhookTransport, World};
use mf2c_actors::resource_store::{AddResource, DeleteResource, EditResource, ResourceStore};
use mf2c_actors::supervisor::Supervisor;
use mf2c_actors::webhook_dispatcher::{WebhookCounters, WebhookDispatcher, WebhookSettings};
use mf2c_domain::caller::Caller;
use mf2c_domain::entropy::Entropy;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource;
use mf2c_domain::time::{Clock, Timestamp};
use mf2c_domain::webhook::attempt::Answer;
use mf2c_store::engine::MemoryEngine;
use mf2c_store::{NewDocument, Store, StoreOptions};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

/// The machine's own time and a counter for randomness.
struct Machine(Instant);

impl Clock for Machine {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + i64::try_from(self.elapsed().as_millis()).unwrap())
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

/// A network on which receivers answer when a gate lets them.
struct Network {
    answer: Answer,
    gate: Semaphore,
    came: Mutex<Vec<WebhookRequest>>,
    on_their_way: AtomicU64,
    most: AtomicU64,
}

struct Ends(Arc<Network>);

impl WebhookTransport for Ends {
    fn deliver(&self, request: WebhookRequest) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
        let network = Arc::clone(&self.0);
        Box::pin(async move {
            let now = network.on_their_way.fetch_add(1, Ordering::SeqCst) + 1;
            network.most.fetch_max(now, Ordering::SeqCst);
            network.came.lock().unwrap().push(request);
            network.gate.acquire().await.unwrap().forget();
            network.on_their_way.fetch_sub(1, Ordering::SeqCst);
            network.answer.clone()
        })
    }
}

/// An agent's store with a dispatcher.
struct Agent {
    store: Arc<Store>,
    writer: Addr<ResourceStore>,
    world: World,
    network: Arc<Network>,
}

impl Agent {
    #[expect(clippy::disallowed_methods, reason = "the actor's own timers run in real time")]
    fn start(answer: Answer, gate: usize) -> Self {
        let world = World { clock: Arc::new(Machine(Instant::now())), entropy: Arc::new(Counter(1.into())) };
        let engine = Arc::new(MemoryEngine::default());
        let (store, writer) =
            Store::open(engine, StoreOptions::default(), Arc::clone(&world.clock), &*world.entropy).unwrap();
        let writer = ResourceStore::new(writer, 1024).start();
        let network = Arc::new(Network {
            answer,
            gate: Semaphore::new(gate),
            came: Mutex::default(),
            on_their_way: 0.into(),
            most: 0.into(),
        });
        let settings = WebhookSettings { attempts: 3, first_pause: Duration::from_millis(1) };
        let (to, by, at, over) = (Arc::clone(&store), writer.clone(), world.clone(), Arc::clone(&network));
        let build = move |notice| {
            let counters = Arc::new(WebhookCounters::default());
            let (to, over) = (Arc::clone(&to), Arc::new(Ends(Arc::clone(&over))));
            WebhookDispatcher::new(to, by.clone(), over, at.clone(), settings, counters, notice)
        };
        Supervisor::new("webhooks", Arc::clone(&world.clock), Box::new(build)).start();
        Self { store, writer, world, network }
    }

    async fn add(&self, kind: &str, body: Value, by: &Caller) -> ResourceId {
        let spec = resource::find(kind).unwrap();
        let body = body.as_object().unwrap().clone();
        let draft = spec.prepare_add(body, self.world.clock.now(), &*self.world.entropy).unwrap();
        let new = NewDocument::new(spec, draft, by, &*self.world.entropy).unwrap();
        self.writer.send(AddResource(new)).await.unwrap().unwrap().id
    }

    async fn user(&self, name: &str, state: &str, admin: bool) {
        let body = json!({"username": name, "emailAddress": "a@example.org", "state": state, "isSuperUser": admin});
        self.add("user", body, &Caller::agent()).await;
    }

    async fn hook(&self, url: &str, by: &Caller) -> ResourceId {
        self.add("webhook", json!({"url": format!("https://{url}.example.org"), "types": ["service"]}), by).await
    }

    async fn service(&self, name: &str, acl: Option<Value>, by: &Caller) -> ResourceId {
        let mut body = json!({"name": name, "exec": "x", "exec_type": "docker", "agent_type": "normal"});
        if let Some(acl) = acl {
            body["acl"] = acl;
        }
        self.add("service", body, by).await
    }

    /// What each receiver was told so far: the names of services.
    fn told(&self) -> BTreeMap<String, Vec<String>> {
        let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for request in &*self.network.came.lock().unwrap() {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            let name = body["data"]["resource"]["name"].as_str().unwrap_or("-").to_owned();
            let url = request.url.trim_start_matches("https://").split('.').next().unwrap().to_owned();
            told.entry(url).or_default().push(name);
        }
        told
    }
}

async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = tokio::time::timeout(Duration::from_secs(60), async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    });
    deadline.await.unwrap_or_else(|_| panic!("{what} did not come to be"));
}

fn arrived() -> Answer {
    Answer::Status { code: 200, retry_after: None }
}

#[actix::test]
async fn each_webhook_is_told_what_its_owner_may_see_while_the_account_is_active() {
    let agent = Agent::start(arrived(), 1_000_000);
    let (jane, joe, root) =
        (Caller::new("jane", ["USER"]), Caller::new("joe", ["USER"]), Caller::new("root", ["USER"]));
    agent.user("jane", "ACTIVE", false).await;
    agent.user("joe", "SUSPENDED", false).await;
    agent.user("root", "ACTIVE", true).await;
    for (name, by) in [("jane", &jane), ("joe", &joe), ("root", &root), ("agent", &Caller::agent())] {
        agent.hook(name, by).await;
    }
    agent.service("hers", None, &jane).await;
    agent.service("his", None, &joe).await;
    let shared = json!({"owner": {"principal": "joe", "type": "USER"},
        "rules": [{"principal": "USER", "type": "ROLE", "right": "VIEW"}]});
    agent.service("shared", Some(shared), &joe).await;
    // She loses her account, and what happens then is not for her.
    agent.service("last", None, &Caller::agent()).await;
    eventually("the last", || agent.told().get("agent").is_some_and(|told| told.len() == 4)).await;
    let suspend = json!({"state": "SUSPENDED"}).as_object().unwrap().clone();
    let id = ResourceId::parse("user/jane").unwrap();
    let edit = EditResource { id, changes: suspend, removed: vec![], if_match: None, by: Caller::agent() };
    agent.writer.send(edit).await.unwrap().unwrap();
    agent.service("late", None, &jane).await;
    eventually("the end", || agent.told().values().filter(|told| told.contains(&"late".to_owned())).count() == 2).await;
    let expected = json!({
        "jane": ["hers", "shared"],
        "root": ["hers", "his", "shared", "last", "late"],
        "agent": ["hers", "his", "shared", "last", "late"],
    });
    assert_eq!(serde_json::to_value(agent.told()).unwrap(), expected);
}

#[actix::test]
async fn sixteen_deliveries_are_on_their_way_at_most_and_all_have_their_turn() {
    let agent = Agent::start(arrived(), 0);
    for number in 0..40 {
        agent.hook(&format!("r{number}"), &Caller::agent()).await;
    }
    agent.service("a", None, &Caller::agent()).await;
    agent.service("b", None, &Caller::agent()).await;
    eventually("sixteen", || agent.network.on_their_way.load(Ordering::SeqCst) == 16).await;
    agent.network.gate.add_permits(1_000_000);
    eventually("all", || agent.network.came.lock().unwrap().len() == 80).await;
    assert_eq!(agent.network.most.load(Ordering::SeqCst), 16);
    assert!(agent.told().values().all(|told| *told == ["a", "b"]));
}

#[actix::test]
async fn a_user_whose_receivers_hang_holds_up_nobody_else() {
    let agent = Agent::start(arrived(), 0);
    let (jane, joe) = (Caller::new("jane", ["USER"]), Caller::new("joe", ["USER"]));
    agent.user("jane", "ACTIVE", false).await;
    agent.user("joe", "ACTIVE", false).await;
    for number in 0..30 {
        agent.hook(&format!("jane{number}"), &jane).await;
    }
    agent.service("hers", None, &jane).await;
    eventually("four", || agent.network.on_their_way.load(Ordering::SeqCst) == 4).await;
    agent.hook("joe", &joe).await;
    agent.service("his", None, &joe).await;
    eventually("his", || agent.told().contains_key("joe")).await;
    assert_eq!(agent.network.most.load(Ordering::SeqCst), 5);
    agent.network.gate.add_permits(1_000_000);
    eventually("all of hers", || agent.network.came.lock().unwrap().len() == 31).await;
    assert_eq!(agent.network.most.load(Ordering::SeqCst), 5);
}

#[actix::test]
async fn a_thousand_failures_are_kept_the_oldest_go_and_all_go_with_their_webhook() {
    let agent = Agent::start(Answer::Refused { reason: "no".to_owned() }, 1_000_000);
    let hook = agent.hook("r", &Caller::agent()).await;
    for number in 0..1005 {
        agent.service(&format!("s{number}"), None, &Caller::agent()).await;
    }
    // The looks are cheap until then: they share a thread with the dispatcher.
    eventually("the last", || agent.network.came.lock().unwrap().len() == 1005).await;
    let kept = agent.hook("other", &Caller::agent()).await;
    let failures = |hook: &ResourceId| {
        let all = agent.store.all("webhook-failure");
        all.iter().filter(|failure| failure.id.name().starts_with(hook.name())).count()
    };
    // The room for new ones is made fifty at a time.
    eventually("a thousand at most", || failures(&hook) == 954).await;
    let of_hook = |failure: &Arc<mf2c_store::Document>| {
        let body = agent.store.body(failure).unwrap().unwrap();
        let whole: Value = serde_json::from_slice(&body).unwrap();
        let name = whole["payload"]["data"]["resource"]["name"].as_str().unwrap().to_owned();
        failure.id.name().starts_with(hook.name()).then_some((whole["position"].as_u64(), name))
    };
    let oldest = agent.store.all("webhook-failure").iter().filter_map(of_hook).min().unwrap();
    assert_eq!(oldest.1, "s51");
    agent.service("for both", None, &Caller::agent()).await;
    eventually("one of the other", || failures(&kept) == 1).await;
    let delete = DeleteResource { id: hook.clone(), if_match: None, by: Caller::agent() };
    agent.writer.send(delete).await.unwrap().unwrap();
    eventually("none", || failures(&hook) == 0).await;
    assert_eq!(failures(&kept), 1);
}
