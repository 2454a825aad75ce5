//! Several stores that follow each other over random histories, with faults: in the end each holds what its origins hold,
//! and on the way a replica is always a state that its origin was in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use mf2c_store::engine::{Fault, MemoryEngine};
use mf2c_store::record::NodeId;
use mf2c_store::replica::{InflowError, InflowKind};
use mf2c_store::{Command, StoreError, StoreOptions};
use proptest::prelude::*;
use serde_json::json;

use crate::bodies::{KINDS, body, changes, pick, seeded};
use crate::courier::{
    apply, compare_and_mend, documents, follow, id_of, node, part, reached, refusal, reopened, start, tail,
};
use crate::world::{Seed, World, delete, edit, object};

/// Two children, a leader, its backup and the one above it; who follows whom.
const NODES: usize = 5;
const LINKS: [(usize, usize); 6] = [(0, 2), (1, 2), (2, 3), (2, 4), (3, 4), (4, 2)];

#[derive(Debug, Clone)]
enum Step {
    Write(usize, u64, u8),
    Follow(usize),
    Piecemeal(usize, u64),
    Snapshot(usize, u64),
    Fail(usize, Fault),
    Crash(usize),
    Renew(usize),
    Observe(usize, u64),
    Wipe(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (node, link) = (0..NODES, 0..LINKS.len());
    let fault = prop_oneof![Just(Fault::Full), Just(Fault::SyncFailed), Just(Fault::Torn)];
    prop_oneof![
        8 => (node.clone(), any::<u64>(), 1u8..16).prop_map(|(node, seed, count)| Step::Write(node, seed, count)),
        6 => link.clone().prop_map(Step::Follow),
        3 => (link.clone(), any::<u64>()).prop_map(|(link, seed)| Step::Piecemeal(link, seed)),
        2 => (link.clone(), any::<u64>()).prop_map(|(link, seed)| Step::Snapshot(link, seed)),
        2 => (link, fault).prop_map(|(link, fault)| Step::Fail(link, fault)),
        2 => node.clone().prop_map(Step::Crash),
        1 => node.clone().prop_map(Step::Renew),
        2 => (node.clone(), any::<u64>()).prop_map(|(node, seed)| Step::Observe(node, seed)),
        1 => node.prop_map(Step::Wipe),
    ]
}

type State = BTreeMap<String, (u64, String)>;

struct Fog {
    nodes: Vec<(Arc<MemoryEngine>, World)>,
    options: StoreOptions,
    /// What each origin had at each of its sequences, by life.
    past: BTreeMap<(NodeId, u64, u64), State>,
    /// Origins of which parts of a snapshot are newer than the rest; that spreads with the snapshot.
    blurred: BTreeSet<NodeId>,
    born: u64,
}

impl Fog {
    fn new(options: StoreOptions) -> Self {
        let nodes = (0..NODES).map(|at| node(100 + at as u64, options.clone())).collect();
        Self { nodes, options, past: BTreeMap::new(), blurred: BTreeSet::new(), born: 200 }
    }

    fn world(&mut self, at: usize) -> &mut World {
        &mut self.nodes[at].1
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Write(at, seed, count) => self.write(*at, &seeded(*seed), *count),
            Step::Follow(link) => self.each_origin(*link, |from, to, origin| follow(&from.store, to, origin)),
            Step::Piecemeal(link, seed) => {
                let seed = seeded(*seed);
                self.each_origin(*link, |from, to, origin| piecemeal(from, to, origin, &seed));
            }
            Step::Snapshot(link, seed) => self.snapshot(*link, &seeded(*seed)),
            Step::Fail(link, fault) => self.fail(*link, *fault),
            Step::Crash(at) => {
                let (engine, world) = &self.nodes[*at];
                self.nodes[*at] = reopened(engine, world, self.options.clone());
            }
            Step::Renew(at) => {
                let seed = Seed::new(self.born);
                self.born += 1;
                self.world(*at).writer.renew_incarnation(&seed).unwrap();
                self.remember(*at);
            }
            Step::Observe(at, seed) => self.observe(*at, &seeded(*seed)),
            Step::Wipe(at) => {
                let origin = id_of(&self.nodes[*at].1);
                self.nodes[*at] = node(self.born, self.options.clone());
                self.born += 1;
                for other in (0..NODES).filter(|other| other != at) {
                    let had = documents(&self.nodes[other].1.store, origin).len();
                    assert_eq!(self.world(other).writer.forget(&origin).unwrap(), had);
                }
            }
        }
        self.check();
    }

    fn write(&mut self, at: usize, seed: &Seed, count: u8) {
        for _ in 0..count {
            let kind = pick(seed, &KINDS);
            let world = self.world(at);
            let own: Vec<_> = world.store.all(kind).into_iter().filter(|found| found.origin().is_none()).collect();
            let command = match seed.next() % 5 {
                _ if own.is_empty() => Command::Add(Box::new(world.draft(kind, body(kind, seed)))),
                0 => Command::Add(Box::new(world.draft(kind, body(kind, seed)))),
                1 => delete(&pick(seed, &own).id),
                2 => Command::Add(Box::new(world.draft(
                    "callback",
                    json!({
                        "action": "user-password-reset", "targetResource": {"href": "user/x"}, "data": {},
                    }),
                ))),
                _ => edit(&pick(seed, &own).id, changes(kind, seed)),
            };
            drop(world.one(command));
            self.remember(at);
        }
    }

    /// An edit may bring an event with it; the state in between was never seen by anybody.
    fn remember(&mut self, at: usize) {
        let store = &self.nodes[at].1.store;
        let own = store.progress()[0];
        self.past.insert((own.origin, own.incarnation, own.sequence), documents(store, own.origin));
    }

    /// Carries each origin that is known at one end of a link over to the other.
    fn each_origin(&mut self, link: usize, mut carry: impl FnMut(&World, &mut World, NodeId)) {
        let (from, to) = LINKS[link];
        let lives: Vec<_> = self.nodes.iter().map(|(_, world)| world.store.progress()[0]).collect();
        let [source, sink] = self.nodes.get_disjoint_mut([from, to]).unwrap();
        for there in source.1.store.progress() {
            let here = reached(&sink.1.store, there.origin);
            let is_current = |life: &&mf2c_store::replica::Progress| {
                (life.origin, life.incarnation) == (there.origin, there.incarnation)
            };
            let is_ahead = here.incarnation == there.incarnation && here.sequence > there.sequence;
            // Who is behind, as in a ring of followers, or knows an old life has nothing to say.
            if there.origin != id_of(&sink.1) && lives.iter().any(|life| is_current(&life)) && !is_ahead {
                carry(&source.1, &mut sink.1, there.origin);
            }
        }
    }

    /// A part of a snapshot, and more is written before the next one.
    fn snapshot(&mut self, link: usize, seed: &Seed) {
        let (from, to) = LINKS[link];
        let origin = id_of(&self.nodes[from].1);
        let at = self.nodes[from].1.store.progress()[0];
        let mut after = None;
        for _ in 0..seed.next() % 5 {
            let (flow, upto) = part(&self.nodes[from].1.store, at, after, 1_500);
            let again = flow.clone();
            self.blurred.insert(origin);
            apply(self.world(to), flow).unwrap();
            apply(self.world(to), again).unwrap();
            if upto.is_none() {
                return;
            }
            let known = self.nodes[to].1.store.partial_of(&origin).map(|partial| partial.key);
            // One that is behind what is here already leaves nothing behind.
            if known.is_none() {
                return;
            }
            assert_eq!(known, upto);
            after = upto;
            self.write(from, seed, 2);
        }
    }

    /// A flow meets a fault: it is there as a whole or not at all.
    fn fail(&mut self, link: usize, fault: Fault) {
        let (from, to) = LINKS[link];
        let origin = id_of(&self.nodes[from].1);
        let have = reached(&self.nodes[to].1.store, origin);
        let begin = start(&self.nodes[from].1.store, have);
        if !begin.snapshots.is_empty() || !begin.ahead.is_empty() {
            return;
        }
        // With whole documents none is a misfit, which would move nothing.
        let flow = tail(&self.nodes[from].1.store, have, true);
        let nothing = reached(&self.nodes[from].1.store, origin) == have;
        let (engine, world) = &mut self.nodes[to];
        engine.inject(fault);
        let answer = apply(world, flow);
        engine.mend();
        match answer {
            Err(StoreError::Full { .. } | StoreError::Unavailable { .. }) => {
                assert_eq!(reached(&world.store, origin), have);
                world.clock.advance(Duration::from_secs(1));
                world.writer.mend();
                assert!(!world.writer.has_failed());
                let there = reached(&world.store, origin) != have;
                assert_eq!(there, fault == Fault::SyncFailed);
            }
            Err(StoreError::Inflow(InflowError::OtherLife { .. })) => {}
            Ok(_) if nothing => {}
            other => panic!("{other:?}"),
        }
    }

    fn observe(&mut self, at: usize, seed: &Seed) {
        let world = self.world(at);
        let all: Vec<_> =
            world.store.all("device-dynamic").into_iter().filter(|found| found.origin().is_some()).collect();
        if let Some(one) = (!all.is_empty()).then(|| pick(seed, &all)) {
            let status = pick(seed, &["connected", "disconnected", "unavailable"]);
            let own = documents(&world.store, one.origin().unwrap());
            world.writer.observe(&one.id, object(json!({"status": status}))).unwrap();
            assert_eq!(world.body(&one.id).unwrap()["status"], json!(status));
            assert_eq!(documents(&world.store, one.origin().unwrap()), own);
        }
    }

    /// Each replica is a state that its origin was in, at the number that is told.
    fn check(&self) {
        for (at, (_, world)) in self.nodes.iter().enumerate() {
            for progress in world.store.progress().into_iter().skip(1) {
                let key = (progress.origin, progress.incarnation, progress.sequence);
                let is_clear =
                    !self.blurred.contains(&progress.origin) && world.store.partial_of(&progress.origin).is_none();
                if let Some(then) = self.past.get(&key).filter(|_| is_clear) {
                    assert!(documents(&world.store, progress.origin) == *then, "node {at} of {progress:?}");
                }
            }
        }
    }

    /// Without faults, everything arrives everywhere.
    fn converge(&mut self) {
        for _ in 0..3 {
            (0..LINKS.len()).for_each(|link| self.take(&Step::Follow(link)));
        }
        for (from, to) in [(0, 2), (1, 2), (0, 4), (1, 4), (2, 4), (2, 3), (0, 3)] {
            let [source, sink] = self.nodes.get_disjoint_mut([from, to]).unwrap();
            let origin = id_of(&source.1);
            assert_eq!(reached(&source.1.store, origin), reached(&sink.1.store, origin), "{from} to {to}");
            assert_eq!(documents(&source.1.store, origin), documents(&sink.1.store, origin), "{from} to {to}");
            assert_eq!(compare_and_mend(&source.1.store, &mut sink.1, origin), 0);
        }
    }
}

/// The same changes in pieces, repeated and out of order: what does not follow is refused, the rest has its effect once.
fn piecemeal(from: &World, to: &mut World, origin: NodeId, seed: &Seed) {
    let have = reached(&to.store, origin);
    let begin = start(&from.store, have);
    if !begin.snapshots.is_empty() || !begin.ahead.is_empty() {
        return;
    }
    let whole = tail(&from.store, have, seed.next().is_multiple_of(2));
    let InflowKind::Tail { upto, .. } = whole.kind else { panic!() };
    if upto < have.sequence + 3 {
        return;
    }
    let cuts = [have.sequence, have.sequence + 1 + seed.next() % (upto - have.sequence - 1), upto];
    let piece = |after: u64, upto: u64| {
        let mut piece = whole.clone();
        piece.changes.retain(|change| change.sequence > after && change.sequence <= upto);
        piece.kind = InflowKind::Tail { after, upto };
        piece
    };
    match apply(to, piece(cuts[1], cuts[2])) {
        Err(StoreError::Inflow(InflowError::Gap { here, after })) => assert_eq!((here, after), (cuts[0], cuts[1])),
        Err(StoreError::Inflow(InflowError::OtherLife { .. })) => return,
        other => panic!("{other:?}"),
    }
    let first = apply(to, piece(cuts[0], cuts[1])).unwrap();
    let again = apply(to, piece(cuts[0], first.progress.sequence)).unwrap();
    assert_eq!((again.changed, again.progress), (0, first.progress));
    if first.misfits.is_empty() {
        apply(to, piece(cuts[1], cuts[2])).unwrap();
        let last = apply(to, whole.clone()).unwrap();
        assert!(last.changed == 0 || !last.misfits.is_empty());
    }
    let mut own = whole;
    own.origin = id_of(to);
    assert_eq!(refusal(to, own), InflowError::Own);
}

fn options() -> impl Strategy<Value = StoreOptions> {
    (prop_oneof![Just(1 << 30), Just(0)], prop_oneof![Just(100_000), Just(12)])
        .prop_map(|(memory_budget, log_entries)| StoreOptions { memory_budget, log_entries, ..StoreOptions::default() })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn stores_that_follow_each_other_converge(options in options(), history in prop::collection::vec(step(), 1..50)) {
        let mut fog = Fog::new(options);
        history.iter().for_each(|step| fog.take(step));
        fog.converge();
    }
}
