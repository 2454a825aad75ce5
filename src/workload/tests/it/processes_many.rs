//! Many processes at once: what starting, finding again and keeping them costs.

use std::time::Instant;

use futures_util::StreamExt as _;
use mf2c_tests::number_from_environment;
use mf2c_workload::{Event, ExecutionBackend as _, State};

use crate::world::{AGENT, Place, process};

/// `MF2C_TEST_PROCESSES=1000` shows the figures of the issue.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_of_many_processes_are_found_again() {
    let Some(place) = Place::new() else { return };
    let count = usize::try_from(number_from_environment("MF2C_TEST_PROCESSES", 100)).unwrap();
    let backend = place.open().await;
    let begun = Instant::now();
    let starts = futures_util::stream::iter(0..count).map(|_| async {
        let handle = backend.create(&process(&place, &["sleep"])).await.unwrap();
        assert_eq!(backend.start(&handle).await.unwrap().state, State::Running);
        handle
    });
    let handles: Vec<_> = starts.buffer_unordered(8).collect().await;
    let started = begun.elapsed();
    drop(backend);

    let begun = Instant::now();
    let backend = place.open().await;
    let mut events = backend.events(AGENT).await.unwrap();
    let Some(Event::Listed(all)) = events.next().await else { panic!("the first is a list") };
    let found = begun.elapsed();
    assert_eq!(all.len(), count);
    assert!(all.iter().all(|it| it.inspection.state == State::Running && handles.contains(&it.handle)));
    let shim = memory_of_a_shim(&place, &handles[0]);
    println!("{count} processes: started in {started:?}, found again in {found:?}; a shim has {shim}");

    let ends = futures_util::stream::iter(&handles).map(|handle| backend.remove(handle, true, true));
    let ends: Vec<_> = ends.buffer_unordered(8).collect().await;
    assert!(ends.into_iter().all(|end| end.is_ok()));
    assert_eq!(backend.list(AGENT).await.unwrap(), []);
}

fn memory_of_a_shim(place: &Place, handle: &mf2c_workload::Handle) -> String {
    let run: serde_json::Value =
        serde_json::from_slice(&std::fs::read(place.file(handle, "run.json")).unwrap()).unwrap();
    let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", run["shim"]["pid"])).unwrap_or_default();
    let wanted = ["Rss:", "Pss:", "Private_Dirty:"];
    let lines = rollup.lines().filter(|line| wanted.iter().any(|name| line.starts_with(name)));
    lines.map(|line| line.split_ascii_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(", ")
}
