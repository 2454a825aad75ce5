//! Columns change how fast an answer comes, never the answer.

use mf2c_domain::caller::Caller;
use mf2c_store::engine::MemoryEngine;
use mf2c_store::{Command, Store, StoreOptions};
use proptest::prelude::*;
use serde_json::json;
use std::sync::Arc;

use crate::bodies::{body, filter, odd, order, paths, pick, seeded};
use crate::naive::{answer, check, query};
use crate::world::{Seed, World, delete, edit, spec};

const KIND: &str = "sla-violation";

/// A store with more documents than are read through without columns.
fn filled(seed: &Seed, documents: usize, memory_budget: u64) -> World {
    let options = StoreOptions { memory_budget, ..StoreOptions::default() };
    let mut world = World::open(Arc::new(MemoryEngine::new()), options).unwrap();
    let news = (0..documents).map(|_| Command::Add(Box::new(world.draft(KIND, body(KIND, seed)))));
    let news = news.collect();
    world.writer.execute(news).into_iter().for_each(|answer| drop(answer.unwrap()));
    world
}

fn ask(store: &Store, seed: &Seed, times: usize) {
    for _ in 0..times {
        check(store, spec(KIND), &filter(KIND, seed), &order(KIND, seed), 1 + seed.next() % 40, &Caller::agent());
    }
}

fn aggregate(store: &Store, seed: &Seed) {
    for path in paths(KIND) {
        let names = ["min", "max", "sum", "avg", "stats", "count", "percentiles", "cardinality", "missing", "terms"];
        let wanted: Vec<String> = names.iter().map(|name| format!("{name}:{path}")).collect();
        let query = query(&[("$filter", &filter(KIND, seed)), ("$aggregation", &wanted.join(","))]);
        let found = store.find(spec(KIND), &query, &Caller::agent()).unwrap().aggregations.unwrap();
        assert_eq!(found, answer(store, spec(KIND), &query, &Caller::agent()).aggregations, "{query:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_column_answers_as_the_documents_do(number: u64, tight: bool) {
        let seed = seeded(number);
        let mut world = filled(&seed, 90, if tight { 9_000 } else { 1 << 30 });
        ask(&world.store, &seed, 12);
        aggregate(&world.store, &seed);
        // Now the writer keeps the columns that were built.
        for _ in 0..4 {
            let all = world.store.all(KIND);
            let commands = (0..8).map(|_| {
                let id = &pick(&seed, &all).id;
                match seed.next() % 4 {
                    0 => delete(id),
                    1 => Command::Add(Box::new(world.draft(KIND, body(KIND, &seed)))),
                    _ => edit(id, json!({"values": {"x": odd(&seed), "w": odd(&seed)}})),
                }
            });
            let commands = commands.collect();
            world.writer.execute(commands);
            ask(&world.store, &seed, 4);
        }
        aggregate(&world.store, &seed);
    }
}

#[test]
fn rows_are_renumbered_when_most_are_gone_and_answers_stay() {
    let seed = seeded(5);
    let mut world = filled(&seed, 2_600, 1 << 30);
    ask(&world.store, &seed, 2);
    let all = world.store.all(KIND);
    for part in all.chunks(100).take(23) {
        world.writer.execute(part.iter().map(|document| delete(&document.id)).collect());
    }
    assert_eq!(world.store.len(), 300);
    ask(&world.store, &seed, 10);
    world.one(edit(&all[2_400].id, json!({"values": {"x": 4}}))).unwrap();
    world.one(delete(&all[2_500].id)).unwrap();
    ask(&world.store, &seed, 10);
    aggregate(&world.store, &seed);
}

#[test]
fn more_columns_than_are_kept_change_no_answer() {
    let seed = seeded(6);
    let world = filled(&seed, 70, 1 << 30);
    for number in 0..120 {
        let filter = format!("values/x!=3 and values/n{number}=null and values/m{}=null", number / 3);
        check(&world.store, spec(KIND), &filter, "values/w:desc", 20, &Caller::agent());
    }
}

#[test]
fn lists_of_rights_that_are_out_of_use_are_forgotten() {
    let seed = seeded(8);
    let mut world = filled(&seed, 70, 1 << 30);
    let id = world.store.all(KIND)[3].id.clone();
    for number in 0..1_500 {
        let acl = json!({"owner": {"principal": format!("user{number}"), "type": "USER"}});
        world.one(edit(&id, json!({"acl": acl}))).unwrap();
    }
    for (user, count) in [("user1499", 1), ("user1498", 0)] {
        let caller = Caller::new(user, ["USER"]);
        assert_eq!(world.store.find(spec(KIND), &query(&[]), &caller).unwrap().count, count);
    }
    ask(&world.store, &seed, 3);
}

/// Follows cursors to the end, doing something to the store after each page.
fn paged(world: &mut World, order: &str, mut between: impl FnMut(&mut World, &mf2c_store::Found)) -> Vec<String> {
    let mut ids = Vec::new();
    let mut after = String::new();
    loop {
        let query = query(&[("$orderby", order), ("$last", "7"), ("$after", &after)]);
        let found = world.store.find(spec(KIND), &query, &Caller::agent()).unwrap();
        ids.extend(found.documents.iter().map(|document| document.id.to_string()));
        between(world, &found);
        match found.after {
            Some(next) => after = next,
            None => return ids,
        }
    }
}

#[test]
fn pages_ordered_by_long_texts_lose_no_document_whatever_becomes_of_the_last_one() {
    let seed = seeded(9);
    for order in ["description", "description:desc", "guarantee,description:desc"] {
        let mut world = filled(&seed, 80, 1 << 30);
        for (number, document) in world.store.all(KIND).iter().enumerate() {
            let text = format!("{}{}", "long ".repeat(300), number * 37 % 80);
            world.one(edit(&document.id, json!({"description": text}))).unwrap();
        }
        let plain = answer(&world.store, spec(KIND), &query(&[("$orderby", order)]), &Caller::agent()).ids;
        assert_eq!(paged(&mut world, order, |_, _| {}), plain);
        let with_deletions = paged(&mut world, order, |world, found| {
            if let Some(last) = found.documents.last().filter(|last| world.store.get(last.id.as_str()).is_some()) {
                world.one(delete(&last.id)).unwrap();
            }
        });
        assert!(plain.iter().all(|id| with_deletions.contains(id)));
    }
}
