//! Whatever another agent sends, the store does not panic, takes it over as a whole or not at all, and opens again.

use std::sync::Arc;

use mf2c_domain::id::ResourceId;
use mf2c_domain::time::HybridTime;
use mf2c_store::StoreOptions;
use mf2c_store::engine::MemoryEngine;
use mf2c_store::replica::{Content, Inflow, InflowKind, Patch, Progress, fingerprint};
use proptest::prelude::*;
use serde_json::json;

use crate::bodies::{KINDS, body, changes, odd, pick, seeded};
use crate::courier::{apply, compare_and_mend, documents, follow, id_of, node, part, reached, reopened, tail};
use crate::world::{Seed, World, delete, edit, object, service};

fn busy_child(seed: &Seed) -> World {
    let (_, mut child) = node(1, StoreOptions::default());
    for _ in 0..12 {
        let kind = pick(seed, &KINDS);
        let id = child.add(kind, body(kind, seed));
        let _ = child.one(edit(&id, changes(kind, seed)));
        if seed.next().is_multiple_of(5) {
            child.one(delete(&id)).unwrap();
        }
    }
    child
}

/// A flow of any kind that was right, with something changed.
fn bent(child: &World, leader: &World, seed: &Seed) -> Inflow {
    let origin = id_of(child);
    let mut have = reached(&leader.store, origin);
    have.sequence = have.sequence.min(child.store.progress()[0].sequence) * (seed.next() % 2);
    let mut flow = match seed.next() % 3 {
        0 => tail(&child.store, have, false),
        1 => part(&child.store, child.store.progress()[0], None, 2_000).0,
        _ => {
            let mut flow = part(&child.store, child.store.progress()[0], None, 5_000).0;
            let gone = flow.changes.iter().take(2).map(|change| change.id.clone()).collect();
            flow.kind = InflowKind::Repair { at: have.sequence, gone };
            flow
        }
    };
    for _ in 0..seed.next() % 4 {
        bend(&mut flow, seed);
    }
    flow
}

fn bend(flow: &mut Inflow, seed: &Seed) {
    let number = pick(seed, &[0, 1, 2, 7, 20, u64::MAX - 1, u64::MAX]);
    let at = seed.next() as usize % flow.changes.len().max(1);
    match (seed.next() % 8, flow.changes.get_mut(at)) {
        (0, _) => flow.incarnation = number,
        (1, _) => match &mut flow.kind {
            InflowKind::Tail { after, .. } => *after = number,
            InflowKind::Snapshot { at, .. } | InflowKind::Repair { at, .. } => *at = number,
        },
        (2, _) => match &mut flow.kind {
            InflowKind::Tail { upto, .. } => *upto = number,
            InflowKind::Snapshot { after_key, upto_key, .. } => {
                (*after_key, *upto_key) = (Some("service/".into()), Some("f".into()));
            }
            InflowKind::Repair { gone, .. } => gone.push(ResourceId::parse("user/x").unwrap()),
        },
        (3, Some(change)) => change.sequence = number,
        (4, Some(change)) => change.time = HybridTime::from_bits((number << 16) | (seed.next() % 9)),
        (5, Some(change)) => {
            let patch = json!({"ramFree": odd(seed), "acl": odd(seed), "name\"": odd(seed)});
            let removed = vec!["description".to_owned(), "a\\".to_owned()];
            let mut changed = object(patch);
            changed.retain(|_, _| seed.next().is_multiple_of(2));
            change.content = Content::Patch(Patch { changed, removed, sum: fingerprint(&change.id, b"{}") });
        }
        (6, Some(change)) => match &mut change.content {
            Content::Whole(body) if !body.is_empty() => {
                let hit = seed.next() as usize % body.len();
                body[hit] = seed.next() as u8;
            }
            content => *content = Content::Whole(seed.next().to_le_bytes().to_vec()),
        },
        (_, Some(_)) => {
            let repeated = flow.changes[at].clone();
            flow.changes.push(repeated);
        }
        _ => {}
    }
}

/// The documents and the numbers of a store, but for those that come with the program.
fn told(world: &World) -> (Vec<(String, String)>, u64, Vec<Progress>) {
    let mut all = world.everything();
    all.retain(|(id, _)| KINDS.iter().any(|kind| id.split_once('/').unwrap().0 == *kind));
    (all, world.position(), world.store.progress())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whatever_is_sent_is_taken_over_as_a_whole_or_not_at_all(number: u64) {
        let seed = seeded(number);
        let child = busy_child(&seed);
        let (mut engine, mut leader): (Arc<MemoryEngine>, World) = node(2, StoreOptions::default());
        let own = leader.add("service", service("own"));
        for _ in 0..12 {
            let before = told(&leader);
            let flow = bent(&child, &leader, &seed);
            let answer = apply(&mut leader, flow);
            let after = told(&leader);
            prop_assert!(answer.is_ok() || before == after);
            (engine, leader) = reopened(&engine, &leader, StoreOptions::default());
            prop_assert!(told(&leader) == after);
            prop_assert!(leader.body(&own).is_some());
        }
        // Whatever it was led to believe, a store that forgets and begins anew has what is right.
        leader.writer.forget(&id_of(&child)).unwrap();
        follow(&child.store, &mut leader, id_of(&child));
        prop_assert_eq!(documents(&leader.store, id_of(&child)), documents(&child.store, id_of(&child)));
        prop_assert_eq!(compare_and_mend(&child.store, &mut leader, id_of(&child)), 0);
    }
}
