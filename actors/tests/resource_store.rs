//! The one writer: whoever sends is answered once it is on disk, those who wait together share a sync, and a store that
//! could not write comes back by itself.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use actix::prelude::*;
use mf2c_actors::resource_store::{
    AddResource, ApplyInflow, Bound, EditResource, ForgetOrigin, KeepState, Observe, RenewIncarnation, ResourceStore,
    Retention,
};
use mf2c_domain::caller::Caller;
use mf2c_domain::entropy::Entropy;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource;
use mf2c_domain::time::{Clock, HybridTime, Timestamp};
use mf2c_store::engine::{EmbeddedEngine, EmbeddedOptions, Engine, Fault, MemoryEngine};
use mf2c_store::replica::{Content, Incoming, Inflow, InflowKind};
use mf2c_store::{NewDocument, Store, StoreError, StoreOptions};
use serde_json::json;

/// The machine's own time and a counter for randomness.
struct World(Instant);

impl Clock for World {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + i64::try_from(self.elapsed().as_millis()).unwrap())
    }
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

struct Counter(std::sync::atomic::AtomicU64);

impl Entropy for Counter {
    fn fill(&self, buffer: &mut [u8]) {
        for part in buffer.chunks_mut(8) {
            let bytes = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed).to_le_bytes();
            part.copy_from_slice(&bytes[..part.len()]);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the actor's own timers run in real time")]
fn world() -> (Arc<dyn Clock>, Counter) {
    (Arc::new(World(Instant::now())), Counter(1.into()))
}

fn open(engine: Arc<dyn Engine>, mailbox: usize) -> (Arc<Store>, Addr<ResourceStore>, Counter) {
    let (clock, entropy) = world();
    let (store, writer) = Store::open(engine, StoreOptions::default(), clock, &entropy).unwrap();
    (store, ResourceStore::new(writer, mailbox).start(), entropy)
}

fn service(name: &str, entropy: &Counter) -> NewDocument {
    let spec = resource::find("service").unwrap();
    let body = json!({"name": name, "exec": "x", "exec_type": "docker", "agent_type": "normal"});
    let draft = spec.prepare_add(body.as_object().unwrap().clone(), Timestamp::default(), entropy).unwrap();
    NewDocument::new(spec, draft, &Caller::agent(), entropy).unwrap()
}

#[actix::test]
async fn many_senders_share_syncs_and_find_everything_again() {
    let directory = tempfile::tempdir().unwrap();
    let engine = Arc::new(EmbeddedEngine::open(directory.path(), EmbeddedOptions::default()).unwrap());
    let (store, writer, entropy) = open(engine, 256);
    let shared = writer.send(AddResource(service("shared", &entropy))).await.unwrap().unwrap().id;
    let entropy = Arc::new(entropy);
    let senders: Vec<_> = (0..32)
        .map(|sender| {
            let (writer, store, entropy, shared) =
                (writer.clone(), store.clone(), Arc::clone(&entropy), shared.clone());
            actix::spawn(async move {
                for round in 0..5 {
                    let new = AddResource(service(&format!("{sender}-{round}"), &entropy));
                    let added = writer.send(new).await.unwrap().unwrap();
                    assert!(store.get(added.id.as_str()).is_some(), "a read sees what was acknowledged");
                    let changes = json!({"num_agents": round}).as_object().unwrap().clone();
                    let (id, by) = (shared.clone(), Caller::agent());
                    let edit = EditResource { id, changes, removed: Vec::new(), if_match: None, by };
                    writer.send(edit).await.unwrap().unwrap();
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.unwrap();
    }
    let counted = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let (commits, changes) = (counted(&store.counters().commits), counted(&store.counters().changes));
    assert_eq!(changes, 321);
    assert!(commits * 4 < changes, "{commits} commits for {changes} changes");
    drop((writer, store));
    // The actor and its engine go when their last address is gone.
    let deadline = Duration::from_secs(20);
    let reopened = tokio::time::timeout(deadline, async {
        loop {
            match EmbeddedEngine::open(directory.path(), EmbeddedOptions::default()) {
                Ok(engine) => break engine,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    });
    let (store, ..) = open(Arc::new(reopened.await.unwrap()), 256);
    assert_eq!(store.len(), 161);
}

#[actix::test]
async fn a_full_mailbox_makes_senders_wait_and_loses_none() {
    let (store, writer, entropy) = open(Arc::new(MemoryEngine::new()), 1);
    let sends: Vec<_> =
        (0..300).map(|number| writer.send(AddResource(service(&format!("s{number}"), &entropy)))).collect();
    for send in sends {
        send.await.unwrap().unwrap();
    }
    assert_eq!(store.len(), 300);
}

#[actix::test]
async fn a_store_that_could_not_write_comes_back_although_nobody_writes() {
    let engine = Arc::new(MemoryEngine::new());
    let (store, writer, entropy) = open(engine.clone(), 16);
    engine.inject(Fault::Full);
    let refused = writer.send(AddResource(service("a", &entropy))).await.unwrap();
    assert!(matches!(refused, Err(StoreError::Full { .. })), "{refused:?}");
    assert_eq!(store.counters().failures.load(Ordering::Relaxed), 1);
    engine.mend();
    let healed = tokio::time::timeout(Duration::from_secs(20), async {
        while store.counters().failures.load(Ordering::Relaxed) > 0 {
            tokio::task::yield_now().await;
        }
    });
    healed.await.unwrap();
    writer.send(AddResource(service("b", &entropy))).await.unwrap().unwrap();
}

/// A change of another agent, in the order of its number.
fn flow(number: u64, id: &ResourceId) -> Inflow {
    let acl = r#"{"owner":{"principal":"ADMIN","type":"ROLE"}}"#;
    let time = "2019-06-14T18:06:24.203Z";
    let uri = "http://schemas.dmtf.org/cimi/2/DeviceDynamic";
    let body = format!(
        r#"{{"id":"{id}","resourceURI":"{uri}","created":"{time}","updated":"{time}","acl":{acl},"n":{number},"status":"connected"}}"#
    );
    let content = Content::Whole(body.into_bytes());
    let change = Incoming { sequence: number, time: HybridTime::default(), id: id.clone(), content };
    let kind = InflowKind::Tail { after: number - 1, upto: number };
    Inflow { origin: [7; 16], incarnation: 1, kind, changes: vec![change] }
}

#[actix::test]
async fn changes_of_others_share_syncs_with_own_writes_and_keep_their_order() {
    let (store, writer, entropy) = open(Arc::new(MemoryEngine::new()), 1024);
    let id = ResourceId::new("device-dynamic", "d").unwrap();
    // The mailbox has its size once the actor has begun.
    writer.send(AddResource(service("first", &entropy))).await.unwrap().unwrap();
    let flows: Vec<_> = (1..=100).map(|number| writer.send(ApplyInflow(flow(number, &id)))).collect();
    let adds: Vec<_> =
        (0..100).map(|number| writer.send(AddResource(service(&format!("s{number}"), &entropy)))).collect();
    for (flow, add) in flows.into_iter().zip(adds) {
        assert_eq!(flow.await.unwrap().unwrap().changed, 1);
        add.await.unwrap().unwrap();
    }
    let commits = store.counters().commits.load(Ordering::Relaxed);
    assert!(commits <= 10, "{commits} commits");
    let seen = json!({"status": "disconnected"}).as_object().unwrap().clone();
    writer.send(Observe { id: id.clone(), seen }).await.unwrap().unwrap();
    let document = store.get(id.as_str()).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&store.body(&document).unwrap().unwrap()).unwrap();
    assert_eq!((&body["n"], &body["status"]), (&json!(100), &json!("disconnected")));

    writer.send(KeepState { key: "raft/a".to_owned(), value: Some(vec![7]) }).await.unwrap().unwrap();
    assert_eq!(store.state("raft/a").unwrap(), Some(vec![7]));
    let renewed = writer.send(RenewIncarnation(Arc::new(entropy), 0)).await.unwrap().unwrap();
    assert_eq!((store.identity().incarnation, store.progress()[0].sequence), (renewed, 101));
    assert_eq!(writer.send(ForgetOrigin([7; 16])).await.unwrap().unwrap(), 1);
    assert_eq!((store.len(), store.progress().len()), (101, 1));
}

/// An event that its author calls so.
fn event(state: &str, entropy: &Counter) -> NewDocument {
    let spec = resource::find("event").unwrap();
    let body = json!({"timestamp": "2026-11-22T10:00:00Z", "type": "state", "severity": "low",
        "content": {"resource": {"href": "device/a"}, "state": state}});
    let now = Timestamp::from_millis(1_700_000_000_000);
    let draft = spec.prepare_add(body.as_object().unwrap().clone(), now, entropy).unwrap();
    NewDocument::new(spec, draft, &Caller::agent(), entropy).unwrap()
}

async fn until(reached: impl Fn() -> bool) {
    let wait = async {
        while !reached() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap();
}

fn states(store: &Store) -> Vec<String> {
    let read = |document: Arc<mf2c_store::Document>| {
        let body = store.body(&document).unwrap().unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        body["content"]["state"].as_str().unwrap().to_owned()
    };
    store.all("event").into_iter().map(read).collect()
}

#[actix::test]
async fn of_events_the_newest_are_kept_and_their_deletions_travel_like_others() {
    let engine = Arc::new(MemoryEngine::new());
    let (clock, entropy) = world();
    let shared = Arc::<MemoryEngine>::clone(&engine);
    let (store, writer) = Store::open(shared, StoreOptions::default(), Arc::clone(&clock), &entropy).unwrap();
    let before = ResourceStore::new(writer, 64).start();
    for number in 0..5 {
        before.send(AddResource(event(&format!("old {number}"), &entropy))).await.unwrap().unwrap();
    }
    drop((before, store));
    // The next start finds more than is kept; a document of another agent is no concern of this one.
    let engine = Arc::new(engine.after_crash());
    let (store, writer) = Store::open(engine, StoreOptions::default(), Arc::clone(&clock), &entropy).unwrap();
    let bound = Bound { kind: "event", most: 3, life: None };
    let retention = Retention::new(&[bound], &store, clock);
    let writer = ResourceStore::new(writer, 64).keeping(retention).start();
    let news = event("theirs", &entropy);
    let id = news.id().clone();
    let body = serde_json::to_vec(&json!({"id": id.as_str(), "timestamp": "2026-11-22T10:00:00Z", "type": "state", "severity": "low",
        "content": {"resource": {"href": "device/b"}, "state": "theirs"}, "acl": {"owner": {"principal": "ADMIN", "type": "ROLE"}, "rules": []},
        "created": "2026-11-22T10:00:00Z", "updated": "2026-11-22T10:00:00Z", "resourceURI": "http://schemas.dmtf.org/cimi/2/Event"})).unwrap();
    let change = Incoming { sequence: 1, time: HybridTime::from_bits(1), id, content: Content::Whole(body) };
    let kind = InflowKind::Tail { after: 0, upto: 1 };
    writer
        .send(ApplyInflow(Inflow { origin: [9; 16], incarnation: 1, kind, changes: vec![change] }))
        .await
        .unwrap()
        .unwrap();
    for number in 0..200 {
        writer.send(AddResource(event(&format!("new {number}"), &entropy))).await.unwrap().unwrap();
    }
    until(|| store.count("event") <= 4).await;
    assert_eq!(states(&store), ["theirs", "new 197", "new 198", "new 199"]);
    let progress = store.progress_of(&store.identity().node).unwrap();
    assert_eq!(progress.sequence, 205 + 202, "each addition and each deletion is a change that travels");
}

#[actix::test]
async fn events_that_are_too_old_go_by_themselves() {
    let (clock, entropy) = world();
    let engine = Arc::new(MemoryEngine::new());
    let (store, writer) = Store::open(engine, StoreOptions::default(), Arc::clone(&clock), &entropy).unwrap();
    let bound = Bound { kind: "event", most: 1000, life: Some(Duration::from_millis(300)) };
    let retention = Retention::new(&[bound], &store, clock);
    let writer = ResourceStore::new(writer, 64).keeping(retention).start();
    writer.send(AddResource(event("short", &entropy))).await.unwrap().unwrap();
    assert_eq!(store.count("event"), 1);
    until(|| store.count("event") == 0).await;
}
