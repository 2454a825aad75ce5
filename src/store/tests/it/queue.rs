//! The writer's thread: whoever submits is answered once it is on disk, and those who wait together share a sync.

use std::sync::atomic::Ordering;

use mf2c_store::engine::EngineError;
use mf2c_store::{Command, StoreError, StoreOptions, start_writer};
use serde_json::json;
use std::sync::Arc;

use crate::world::{World, edit, embedded, service, small};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

#[test]
fn many_submitters_share_batches_and_find_everything_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut world = World::in_directory(directory.path()).unwrap();
    let shared = world.add("service", service("shared"));
    let commands: Vec<Vec<Command>> = (0..32)
        .map(|submitter| {
            let one = |round: usize| match round % 2 {
                0 => Command::Add(Box::new(world.draft("service", service(&format!("{submitter}.{round}"))))),
                _ => edit(&shared, json!({"num_agents": round})),
            };
            (0..10).map(one).collect()
        })
        .collect();
    let World { store, writer, .. } = world;
    let (queue, thread) = start_writer(writer, 256).unwrap();
    runtime().block_on(async {
        let submitters = commands.into_iter().map(|commands| {
            let (queue, store) = (queue.clone(), store.clone());
            async move {
                for command in commands {
                    let written = queue.submit(command).await.unwrap();
                    let seen = store.get(written.id.as_str()).unwrap();
                    assert!(seen.revision >= written.document.unwrap().revision, "a read sees what was acknowledged");
                }
            }
        });
        let set: tokio::task::JoinSet<()> = tokio::task::JoinSet::new();
        let local = tokio::task::LocalSet::new();
        let tasks: Vec<_> = submitters.map(|submitter| local.spawn_local(submitter)).collect();
        local.await;
        for task in tasks {
            task.await.unwrap();
        }
        drop(set);
    });
    let (commits, changes) =
        (store.counters().commits.load(Ordering::Relaxed), store.counters().changes.load(Ordering::Relaxed));
    assert_eq!(changes, 321);
    assert!(commits * 4 < changes, "{commits} commits for {changes} changes");
    drop(queue);
    thread.join().unwrap();
    let held = embedded(directory.path(), small()).err();
    assert!(matches!(held, Some(EngineError::InUse { .. })), "readers still hold the engine");
    let position = store.identity().base + 321;
    let (length, newest) = (store.len(), store.get(shared.as_str()).unwrap().revision);
    drop(store);
    let world = World::in_directory(directory.path()).unwrap();
    assert_eq!((world.store.len(), world.position()), (length, position));
    assert_eq!((length, world.store.get(shared.as_str()).unwrap().revision), (161, newest));
}

#[test]
fn once_the_writer_is_gone_submitters_are_told() {
    let world = World::open(Arc::new(mf2c_store::engine::MemoryEngine::new()), StoreOptions::default()).unwrap();
    let (first, second) = (world.draft("service", service("a")), world.draft("service", service("b")));
    let World { store, writer, .. } = world;
    let (queue, thread) = start_writer(writer, 4).unwrap();
    runtime().block_on(async {
        queue.submit(Command::Add(Box::new(first))).await.unwrap();
        // A submitter that goes away before its answer does not undo its write.
        let abandoned = queue.submit(Command::Add(Box::new(second)));
        let mut abandoned = Box::pin(abandoned);
        assert!(futures_poll(&mut abandoned).is_none());
        drop(abandoned);
    });
    drop(queue);
    thread.join().unwrap();
    assert_eq!(store.len(), 2);
}

/// Polls once.
fn futures_poll<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::Pin::new(future).poll(&mut context) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}

#[test]
fn a_full_queue_makes_submitters_wait_and_loses_none() {
    let world = World::open(Arc::new(mf2c_store::engine::MemoryEngine::new()), StoreOptions::default()).unwrap();
    let news: Vec<_> = (0..200).map(|number| world.draft("service", service(&format!("s{number}")))).collect();
    let World { store, writer, .. } = world;
    let (queue, thread) = start_writer(writer, 1).unwrap();
    let answers = runtime().block_on(async {
        let mut set = tokio::task::JoinSet::new();
        for new in news {
            let queue = queue.clone();
            set.spawn(async move { queue.submit(Command::Add(Box::new(new))).await });
        }
        set.join_all().await
    });
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 200);
    assert!(!answers.iter().any(|answer| matches!(answer, Err(StoreError::Stopping))));
    drop(queue);
    thread.join().unwrap();
    assert_eq!(store.len(), 200);
}
