//! Carries changes from one store to another as the agents' links do, in whatever pieces and order a test wants.

use std::collections::BTreeMap;
use std::sync::Arc;

use mf2c_store::engine::{Engine, MemoryEngine};
use mf2c_store::record::NodeId;
use mf2c_store::replica::{
    Applied, Content, Incoming, Inflow, InflowError, InflowKind, Patch, Progress, Replica, Start, fingerprint,
};
use mf2c_store::{Change, ChangeKind, Changes, Store, StoreError, StoreOptions};
use serde_json::{Map, Value};

use crate::world::{Seed, World};

/// A store with an identity of its own.
pub(crate) fn node(seed: u64, options: StoreOptions) -> (Arc<MemoryEngine>, World) {
    let engine = Arc::new(MemoryEngine::new());
    let world = World::open_with(engine.clone(), options, Arc::default(), Arc::new(Seed::new(seed))).unwrap();
    (engine, world)
}

/// The same store after a crash.
pub(crate) fn reopened(engine: &MemoryEngine, world: &World, options: StoreOptions) -> (Arc<MemoryEngine>, World) {
    let engine = Arc::new(engine.after_crash());
    let (clock, entropy) = (world.clock.clone(), world.entropy.clone());
    let world = World::open_with(engine.clone() as Arc<dyn Engine>, options, clock, entropy).unwrap();
    (engine, world)
}

pub(crate) fn id_of(world: &World) -> NodeId {
    world.store.identity().node
}

/// How far a store is with an origin; sequence 0 where it has nothing.
pub(crate) fn reached(store: &Store, origin: NodeId) -> Progress {
    store.progress_of(&origin).unwrap_or(Progress { origin, incarnation: 0, sequence: 0 })
}

fn content(change: &Change) -> Content {
    if change.kind == ChangeKind::Deleted {
        return Content::Deleted;
    }
    let Some(names) = change.differs.as_ref().filter(|_| change.kind == ChangeKind::Edited) else {
        return Content::Whole(change.document.to_vec());
    };
    let document: Map<String, Value> = serde_json::from_slice(&change.document).unwrap();
    let (there, removed): (Vec<_>, Vec<_>) = names.iter().cloned().partition(|name| document.contains_key(name));
    let changed = there.into_iter().map(|name| (name.clone(), document[&name].clone())).collect();
    Content::Patch(Patch { changed, removed, sum: fingerprint(&change.id, &change.document) })
}

pub(crate) fn incoming(change: &Change, whole: bool) -> Incoming {
    let content = match content(change) {
        Content::Patch(_) if whole => Content::Whole(change.document.to_vec()),
        content => content,
    };
    Incoming { sequence: change.sequence, time: change.time, id: change.id.clone(), content }
}

pub(crate) fn of_replica(replica: Replica) -> Incoming {
    let Replica { id, sequence, time, body } = replica;
    Incoming { sequence, time, id, content: Content::Whole(body) }
}

/// Where a store that has come so far with one origin begins.
pub(crate) fn start(from: &Store, have: Progress) -> Start {
    from.start_for(&[have]).unwrap()
}

/// All that follows on `have` in the log; `whole` sends no patches.
pub(crate) fn tail(from: &Store, have: Progress, whole: bool) -> Inflow {
    let now = from.progress_of(&have.origin).unwrap();
    let mut position = start(from, have).position;
    let mut changes: Vec<Incoming> = Vec::new();
    let mut last = have.sequence;
    loop {
        let Changes::Next(page) = from.changes_after(position, 50).unwrap() else { panic!("the log is cut") };
        let Some(end) = page.last() else { break };
        position = end.position;
        for change in &page {
            let is_next = change.sequence > last && change.sequence <= now.sequence;
            if change.origin == have.origin && change.incarnation == now.incarnation && is_next {
                last = change.sequence;
                changes.push(incoming(change, whole));
            }
        }
    }
    let kind = InflowKind::Tail { after: have.sequence, upto: now.sequence };
    Inflow { origin: have.origin, incarnation: now.incarnation, kind, changes }
}

/// One part of a snapshot behind a key, and the last key of it; none at the end.
pub(crate) fn part(from: &Store, at: Progress, after: Option<String>, bytes: usize) -> (Inflow, Option<String>) {
    let (replicas, is_last) = from.replicas(&at.origin, after.as_deref(), bytes).unwrap();
    let upto = replicas.last().map(|last| last.id.to_string()).filter(|_| !is_last);
    let kind = InflowKind::Snapshot { at: at.sequence, after_key: after, upto_key: upto.clone() };
    let changes = replicas.into_iter().map(of_replica).collect();
    (Inflow { origin: at.origin, incarnation: at.incarnation, kind, changes }, upto)
}

pub(crate) fn apply(to: &mut World, flow: Inflow) -> Result<Applied, StoreError> {
    to.writer.apply(vec![flow]).remove(0)
}

#[track_caller]
pub(crate) fn refusal(to: &mut World, flow: Inflow) -> InflowError {
    match apply(to, flow) {
        Err(StoreError::Inflow(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

/// Takes over all that is new of an origin, by whichever way is open.
pub(crate) fn follow(from: &Store, to: &mut World, origin: NodeId) {
    let Some(there) = from.progress_of(&origin) else { return };
    let have = reached(&to.store, origin);
    let start = start(from, have);
    assert!(start.ahead.is_empty());
    let other_life = match start.snapshots.is_empty() {
        true => apply(to, tail(from, have, false)),
        false => Err(InflowError::OtherLife { here: 0 }.into()),
    };
    match other_life {
        Ok(applied) if applied.misfits.is_empty() => {}
        Ok(applied) => drop(apply(to, tail(from, applied.progress, true)).unwrap()),
        Err(StoreError::Inflow(InflowError::OtherLife { .. })) => {
            let mut after = None;
            loop {
                let (flow, upto) = part(from, there, after, 3_000);
                apply(to, flow).unwrap();
                after = upto;
                if after.is_none() {
                    break;
                }
            }
        }
        Err(other) => panic!("{other}"),
    }
    assert_eq!(reached(&to.store, origin), there);
}

/// The documents of an origin as it has them, with their numbers.
pub(crate) fn documents(store: &Store, origin: NodeId) -> BTreeMap<String, (u64, String)> {
    let (all, is_last) = store.replicas(&origin, None, usize::MAX).unwrap();
    assert!(is_last);
    let text =
        |replica: Replica| (replica.id.to_string(), (replica.sequence, String::from_utf8(replica.body).unwrap()));
    all.into_iter().map(text).collect()
}

/// Finds what differs by digests and puts it right; how many documents were.
pub(crate) fn compare_and_mend(from: &Store, to: &mut World, origin: NodeId) -> usize {
    let digest = |store: &Store| store.digests(&[origin]).unwrap().remove(&origin).unwrap();
    let (theirs, ours) = (digest(from), digest(&to.store));
    assert_eq!(theirs.progress, ours.progress);
    let differ: Vec<u8> =
        (0..=255).filter(|at| theirs.buckets[usize::from(*at)] != ours.buckets[usize::from(*at)]).collect();
    if differ.is_empty() {
        return 0;
    }
    let right = from.replicas_in(&origin, &differ).unwrap();
    let here = to.store.replicas_in(&origin, &differ).unwrap();
    let is_there = |replica: &&Replica| right.iter().any(|other| other.id == replica.id);
    let gone = here.iter().filter(|replica| !is_there(replica)).map(|replica| replica.id.clone()).collect();
    let kind = InflowKind::Repair { at: theirs.progress.sequence, gone };
    let changes = right.into_iter().map(of_replica).collect();
    let flow = Inflow { origin, incarnation: theirs.progress.incarnation, kind, changes };
    apply(to, flow).unwrap().changed
}
