//! Readers beside the writer: what exists is found at every moment, by id and by query, with and without columns.

use std::sync::atomic::{AtomicBool, Ordering};

use mf2c_domain::caller::Caller;
use mf2c_domain::query::Query;
use mf2c_store::{Command, StoreOptions};
use serde_json::json;

use crate::world::{World, delete, edit, embedded, service, small, spec};

fn query(pairs: &[(&str, &str)]) -> Query {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Query::from_pairs(&pairs).unwrap()
}

fn readers_see_what_exists(options: StoreOptions) {
    let directory = tempfile::tempdir().unwrap();
    let engine = embedded(directory.path(), small()).unwrap();
    let mut world = World::open(engine, options).unwrap();
    let steady: Vec<_> = (0..100)
        .map(|number| {
            let mut body = service(&format!("steady {number}"));
            body["num_agents"] = number.into();
            world.add("service", body)
        })
        .collect();
    let store = world.store.clone();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let by_id = scope.spawn(|| {
            let mut last = vec![0; steady.len()];
            while !done.load(Ordering::Relaxed) {
                for (id, last) in steady.iter().zip(&mut last) {
                    let document = store.get(id.as_str()).expect("it exists");
                    assert!(document.revision >= *last, "revisions never go back");
                    *last = document.revision;
                    let body = store.body(&document).unwrap().expect("its body exists");
                    assert!(body.ends_with(b"}"));
                }
            }
        });
        let by_query = scope.spawn(|| {
            let steady_ones = query(&[("$filter", "name^='steady'"), ("$orderby", "num_agents:desc")]);
            let all = query(&[("$orderby", "name"), ("$last", "5")]);
            let one = query(&[("$filter", "num_agents=42")]);
            while !done.load(Ordering::Relaxed) {
                let found = store.find(spec("service"), &steady_ones, &Caller::agent()).unwrap();
                assert_eq!((found.count, found.documents.len()), (100, 100));
                let count = store.find(spec("service"), &all, &Caller::agent()).unwrap().count;
                assert!((100..=116).contains(&count), "{count}");
                let found = store.find(spec("service"), &one, &Caller::agent()).unwrap();
                assert_eq!(found.documents.iter().map(|found| &found.id).collect::<Vec<_>>(), [&steady[42]]);
            }
        });
        for round in 0..30 {
            let news: Vec<_> =
                (0..16).map(|number| world.draft("service", service(&format!("{round} {number}")))).collect();
            let ids: Vec<_> = news.iter().map(|new| new.id().clone()).collect();
            let adds = news.into_iter().map(|new| Command::Add(Box::new(new)));
            let edits = steady.iter().step_by(3).map(|id| edit(id, json!({"disk": round})));
            let commands = adds.chain(edits).collect();
            world.writer.execute(commands).into_iter().for_each(|answer| drop(answer.unwrap()));
            let deletes = ids.iter().map(delete).collect();
            world.writer.execute(deletes).into_iter().for_each(|answer| drop(answer.unwrap()));
        }
        done.store(true, Ordering::Relaxed);
        by_id.join().unwrap();
        by_query.join().unwrap();
    });
}

#[test]
fn readers_never_miss_a_document_that_exists() {
    readers_see_what_exists(StoreOptions::default());
}

#[test]
fn readers_never_miss_a_document_that_is_kept_on_disk() {
    readers_see_what_exists(StoreOptions { memory_budget: 20_000, log_entries: 50, ..StoreOptions::default() });
}
