//! What plain processes may use, what is kept of what they say, and what they leave behind.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use futures_util::StreamExt as _;
use mf2c_tests::skip;
use mf2c_workload::{
    ExecutionBackend as _, Feature, LogLimit, LogOptions, ProcessBackend, Secret, SecretPlace, SecretText, State,
};
use rustix::process::{Pid, test_kill_process};

use crate::processes::exited;
use crate::world::{PATIENCE, Place, ended, log, process, run, texts, wall};

#[tokio::test]
async fn more_memory_than_allowed_is_the_end_and_shown_as_such() {
    let Some(place) = Place::new() else { return };
    let backend = place.open().await;
    let capability = backend.probe().await.unwrap();
    assert!(capability.available);
    if !capability.features.contains(&Feature::ProcessLimit) {
        skip("limits by control groups need root and control groups that can be written");
        return;
    }
    let mut spec = process(&place, &["say", "hungry", "eat", "256"]);
    spec.limits.memory = Some(32 << 20);
    spec.limits.cpus = Some(0.5);
    spec.limits.pids = Some(4);
    let handle = run(&backend, &spec).await;
    let State::Exited { oom, signal, .. } = ended(&backend, &handle).await else { unreachable!() };
    assert_eq!((oom, signal), (true, Some(9)));
    backend.remove(&handle, false, false).await.unwrap();
    let group = format!("/sys/fs/cgroup/memory/{}/{}", place.config().cgroup_name, handle.name());
    assert!(!std::path::Path::new(&group).exists());
}

#[tokio::test]
async fn without_control_groups_memory_is_limited_by_the_process_itself_and_the_rest_is_refused() {
    let Some(place) = Place::new() else { return };
    let mut config = place.config();
    config.cgroup_mount = place.path();
    let backend = ProcessBackend::open(config, wall()).await.unwrap();
    let capability = backend.probe().await.unwrap();
    assert_eq!((capability.cgroups, capability.features.contains(&Feature::CpuLimit)), (None, false));
    assert!(capability.why_not.unwrap().contains("control groups"));
    let mut spec = process(&place, &["eat", "256"]);
    spec.limits.memory = Some(32 << 20);
    let handle = run(&backend, &spec).await;
    assert_eq!(ended(&backend, &handle).await, exited(9));
    assert_eq!(texts(&log(&backend, &handle, LogOptions::default()).await), ["no more memory"]);
    spec.limits.cpus = Some(0.5);
    spec.index = 1;
    assert!(backend.create(&spec).await.unwrap_err().to_string().contains("control groups"));
}

#[tokio::test]
async fn endless_output_fills_only_its_files_and_the_last_lines_are_there() {
    let Some(place) = Place::new() else { return };
    let backend = place.open().await;
    let mut spec = process(&place, &["say", "first", "spill", "8", "say", "last"]);
    spec.limits.log = LogLimit { file_bytes: 256 << 10, files: 3 };
    let handle = run(&backend, &spec).await;
    assert_eq!(ended(&backend, &handle).await, exited(0));
    let files = std::fs::read_dir(place.file(&handle, "")).unwrap().flatten();
    let logs = files.filter(|file| file.file_name().to_string_lossy().starts_with("log"));
    let size: u64 = logs.map(|file| file.metadata().unwrap().len()).sum();
    assert!(size < 4 * (256 << 10), "{size}");
    let tail = log(&backend, &handle, LogOptions { tail: Some(3), ..LogOptions::default() }).await;
    assert_eq!(tail.len(), 3);
    assert!(tail.iter().any(|line| line.text == "last"), "{tail:?}");
    let later = LogOptions { since: Some(tail[1].time), ..LogOptions::default() };
    assert!(log(&backend, &handle, later).await.len() <= 2);
    assert_eq!(log(&backend, &handle, LogOptions { tail: Some(0), ..LogOptions::default() }).await, []);
}

#[tokio::test]
async fn a_log_is_followed_across_its_files_until_the_end() {
    let Some(place) = Place::new() else { return };
    let backend = place.open().await;
    let mut spec = process(&place, &["say", "ready", "pause", "300", "say", "middle", "spill", "1", "say", "end"]);
    spec.limits.log = LogLimit { file_bytes: 4 << 20, files: 2 };
    let handle = run(&backend, &spec).await;
    let lines = backend.logs(&handle, LogOptions { follow: true, ..LogOptions::default() }).await.unwrap();
    let lines = tokio::time::timeout(PATIENCE, lines.collect::<Vec<_>>()).await.unwrap();
    let lines: Vec<_> = lines.into_iter().map(Result::unwrap).collect();
    let texts = texts(&lines);
    assert_eq!((texts.len(), texts[0], texts[1]), (3 + 16384, "ready", "middle"));
    assert_eq!(*texts.last().unwrap(), "end");
    assert_eq!(texts[2..texts.len() - 1].iter().filter(|text| text.starts_with("spilt ")).count(), 16384);
}

#[tokio::test]
async fn what_a_process_leaves_behind_ends_with_it() {
    let Some(place) = Place::new() else { return };
    let backend = place.open().await;
    let handle = run(&backend, &process(&place, &["fork", "pause", "200", "exit", "4"])).await;
    assert_eq!(ended(&backend, &handle).await, exited(4));
    let lines = log(&backend, &handle, LogOptions::default()).await;
    let child = texts(&lines)[0].strip_prefix("child ").unwrap().parse().unwrap();
    assert!(test_kill_process(Pid::from_raw(child).unwrap()).is_err(), "the child is still there");
}

#[tokio::test]
async fn a_process_runs_as_whom_it_should_and_reads_its_secret() {
    let Some(place) = Place::new() else { return };
    if !rustix::process::geteuid().is_root() {
        skip("running as another user needs root");
        return;
    }
    let backend = place.open().await;
    let mut spec = process(&place, &["id"]);
    spec.user = Some("65534:12345".to_owned());
    // What the tests were built into need not be open to everybody, nor what the secrets of a test are in.
    spec.program = mf2c_workload::Program::Argv(["sh", "-c", "id; cat $MF2C_SECRETS/key"].map(str::to_owned).to_vec());
    let value = SecretText::new("hunter2");
    spec.secrets = vec![Secret { name: "key".to_owned(), value, place: SecretPlace::File }];
    std::fs::set_permissions(place.secrets(), std::fs::Permissions::from_mode(0o711)).unwrap();
    let handle = run(&backend, &spec).await;
    assert_eq!(ended(&backend, &handle).await, exited(0));
    let lines = log(&backend, &handle, LogOptions::default()).await;
    assert!(texts(&lines)[0].starts_with("uid=65534") && texts(&lines)[0].contains("gid=12345"), "{lines:?}");
    assert!(!texts(&lines)[0].contains("(root)") && texts(&lines)[1] == "hunter2", "{lines:?}");
}

#[tokio::test]
async fn stats_count_what_a_process_and_its_children_use() {
    let Some(place) = Place::new() else { return };
    let backend = place.open().await;
    let handle = run(&backend, &process(&place, &["eat", "40", "sleep"])).await;
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let stats = backend.stats(&handle).await.unwrap();
        if stats.memory_bytes > 40 << 20 && stats.processes == 1 {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{stats:?}");
        tokio::task::yield_now().await;
    }
    backend.stop(&handle, Duration::ZERO).await.unwrap();
    assert_eq!(backend.stats(&handle).await.unwrap().processes, 0);
}
