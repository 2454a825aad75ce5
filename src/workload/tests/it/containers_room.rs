//! What containers see and may use: environment, disk, secrets, memory; and programs beside them.

use std::time::Duration;

use mf2c_workload::{
    BackendError, Device, ExecutionBackend as _, Feature, HealthCheck, LogOptions, Mount, Secret, SecretPlace,
    SecretText, State, Volume,
};

use crate::processes::exited;
use crate::world::{Docker, PATIENCE, container, ended, log, run, texts};

#[tokio::test]
async fn a_container_has_the_surroundings_of_its_spec_and_nothing_of_the_machine_that_it_may_not_see() {
    let Some(docker) = Docker::start() else { return };
    let backend = &docker.backend;
    std::fs::write(docker.folder.path().join("greeting"), "hello").unwrap();
    let bind = |path: &std::path::Path, target: &str, read_only| Volume {
        mount: Mount::Bind(path.to_owned()),
        target: target.to_owned(),
        read_only,
    };
    let mut spec = container(&[
        "env",
        "id",
        "pwd",
        "cat",
        "/bound/greeting",
        "cat",
        "/run/secrets/key",
        "touch",
        "/bound/no",
        "touch",
        "/kept/yes",
    ]);
    spec.environment.insert("ROOM".to_owned(), "$(7)".to_owned());
    spec.user = Some("1234:5678".to_owned());
    spec.working_dir = Some("/tmp".to_owned());
    let kept = Volume { mount: Mount::Named("kept".to_owned()), target: "/kept".to_owned(), read_only: false };
    spec.volumes = vec![bind(docker.folder.path(), "/bound", true), kept.clone()];
    spec.devices =
        vec![Device { host: "/dev/null".to_owned(), container: "/dev/none".to_owned(), permissions: "rw".to_owned() }];
    let secret = |name: &str, place| Secret { name: name.to_owned(), value: SecretText::new("hunter2"), place };
    spec.secrets = vec![secret("TOKEN", SecretPlace::Environment), secret("key", SecretPlace::File)];
    let handle = run(backend, &spec).await;
    assert_eq!(ended(backend, &handle).await, exited(0));
    let lines = log(backend, &handle, LogOptions::default()).await;
    let said = texts(&lines);
    for expected in ["ROOM=$(7)", "TOKEN=hunter2", "1234:5678", "/tmp", "hello", "hunter2"] {
        assert!(said.contains(&expected), "{expected}: {said:?}");
    }
    assert!(!docker.folder.path().join("no").exists());
    assert!(docker.engine.docker(&["volume", "ls", "-q"]).contains(&format!("mf2c-{}-kept", spec.instance)));
    let told = docker.engine.docker(&["inspect", "--format", "{{json .Config.Labels}}", &handle.name()]);
    assert!(!told.contains("hunter2") && told.contains("mf2c.generation"), "{told}");
    let secrets = docker.secrets.path().join("secrets").join(handle.name());
    assert!(secrets.join("files/key").exists());

    // The machine was started anew: what was in memory is gone, and creating it once more brings it back.
    std::fs::remove_dir_all(docker.secrets.path().join("secrets")).unwrap();
    assert!(backend.start(&handle).await.is_err());
    backend.create(&spec).await.unwrap();
    backend.start(&handle).await.unwrap();
    assert_eq!(ended(backend, &handle).await, exited(0));

    // The next attempt has the same volume; when the last one goes, it may go, too.
    let mut next = spec.clone();
    next.generation = 2;
    let next = backend.create(&next).await.unwrap();
    backend.remove(&handle, true, true).await.unwrap();
    assert!(docker.engine.docker(&["volume", "ls", "-q"]).contains("kept"));
    backend.remove(&next, true, true).await.unwrap();
    assert!(!docker.engine.docker(&["volume", "ls", "-q"]).contains("kept") && !secrets.exists());

    let mut outside = container(&["sleep"]);
    std::os::unix::fs::symlink("/etc", docker.folder.path().join("link")).unwrap();
    for path in ["/etc".into(), docker.folder.path().join("link"), docker.folder.path().join("..")] {
        outside.volumes = vec![bind(&path, "/bound", true)];
        let error = backend.create(&outside).await.unwrap_err();
        assert!(matches!(error, BackendError::Refused { .. }), "{error}");
    }
    // Another workload exchanged the folder for a link after the container was made.
    let inner = docker.folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    outside.volumes = vec![bind(&inner, "/bound", true)];
    let handle = backend.create(&outside).await.unwrap();
    std::fs::remove_dir(&inner).unwrap();
    std::os::unix::fs::symlink("/etc", &inner).unwrap();
    let error = backend.start(&handle).await.unwrap_err();
    assert!(matches!(error, BackendError::Refused { .. }), "{error}");
}

/// So many containers want too much memory before it is a fault that an engine says of none of them why it ended: under load it hears of
/// the end before it hears of the memory, and then never tells.
pub(crate) const HUNGRY: usize = 5;

#[tokio::test]
async fn more_memory_than_allowed_is_the_end_of_a_container_and_shown_as_such() {
    let Some(docker) = Docker::start() else { return };
    let backend = &docker.backend;
    let capability = backend.probe().await.unwrap();
    assert!(capability.available && capability.features.contains(&Feature::MemoryLimit), "{capability:?}");
    assert!(capability.features.contains(&Feature::Secrets) && !capability.version.is_empty());
    let mut spec = container(&["eat", "256"]);
    spec.limits.memory = Some(32 << 20);
    spec.limits.cpus = Some(0.5);
    spec.limits.pids = Some(10);
    let mut states = vec![];
    let told = State::Exited { code: Some(137), oom: true, signal: Some(9) };
    while !states.contains(&told) {
        assert!(states.len() < HUNGRY, "{states:?}");
        let handle = run(backend, &spec).await;
        states.push(ended(backend, &handle).await);
        backend.remove(&handle, false, true).await.unwrap();
    }

    let mut spec = container(&["eat", "20", "sleep"]);
    spec.limits.memory = Some(64 << 20);
    let handle = run(backend, &spec).await;
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let stats = backend.stats(&handle).await.unwrap();
        if stats.memory_bytes > 20 << 20 {
            assert_eq!((stats.memory_limit, stats.processes), (64 << 20, 1));
            assert!(stats.cpu_nanos > 0);
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{stats:?}");
    }
}

#[tokio::test]
async fn a_program_beside_a_container_has_a_bounded_output_and_a_deadline_and_checks_of_the_engine_are_told() {
    let Some(docker) = Docker::start() else { return };
    let backend = &docker.backend;
    let mut spec = container(&["sleep"]);
    spec.environment.insert("ROOM".to_owned(), "7".to_owned());
    spec.health = Some(HealthCheck {
        argv: vec!["/guest".to_owned(), "exit".to_owned(), "0".to_owned()],
        interval: Duration::from_millis(100),
        timeout: Duration::from_secs(5),
        retries: 2,
        start_period: Duration::ZERO,
    });
    let handle = run(backend, &spec).await;
    let words = |words: &[&str]| -> Vec<String> {
        std::iter::once("/guest").chain(words.iter().copied()).map(str::to_owned).collect()
    };
    let outcome = backend.exec(&handle, &words(&["env", "say", "$(id)", "exit", "5"]), PATIENCE).await.unwrap();
    assert_eq!((outcome.code, outcome.is_cut), (5, false));
    assert!(outcome.output.contains("ROOM=7\n") && outcome.output.ends_with("$(id)\n"), "{}", outcome.output);
    let outcome = backend.exec(&handle, &words(&["spill", "1"]), PATIENCE).await.unwrap();
    assert_eq!((outcome.output.len(), outcome.is_cut, outcome.code), (64 << 10, true, 0));
    let error = backend.exec(&handle, &words(&["stubborn", "sleep"]), Duration::from_millis(300)).await.unwrap_err();
    assert!(matches!(error, BackendError::Timeout { .. }), "{error}");
    mf2c_tests::eventually("only the container's own process is left, besides its checks", || {
        !docker.engine.docker(&["top", &handle.name()]).contains("stubborn")
    });
    let healthy = Some(mf2c_workload::Health::Healthy);
    let deadline = std::time::Instant::now() + PATIENCE;
    while backend.inspect(&handle).await.unwrap().unwrap().health != healthy {
        assert!(std::time::Instant::now() < deadline);
    }
    backend.kill(&handle).await.unwrap();
    assert!(matches!(
        backend.exec(&handle, &words(&["exit", "0"]), PATIENCE).await,
        Err(BackendError::Conflict { .. })
    ));
}

#[tokio::test]
async fn the_log_of_a_container_has_an_end_a_beginning_and_bounds() {
    let Some(docker) = Docker::start() else { return };
    let backend = &docker.backend;
    // Followed from the start: everything comes, and then the end. In one file: engines lose lines of followers
    // while they change files.
    let mut spec = container(&["say", "first", "pause", "1200", "spill", "1", "say", "last"]);
    spec.limits.log.file_bytes = 64 << 20;
    let handle = run(backend, &spec).await;
    let all = log(backend, &handle, LogOptions { follow: true, ..LogOptions::default() }).await;
    assert_eq!((all[0].text.as_str(), all.last().unwrap().text.as_str(), all.len()), ("first", "last", 16386));

    let mut spec = container(&["spill", "2", "say", "last"]);
    spec.limits.log.file_bytes = 64 << 10;
    let handle = run(backend, &spec).await;
    assert_eq!(ended(backend, &handle).await, exited(0));
    let tail = log(backend, &handle, LogOptions { tail: Some(2), ..LogOptions::default() }).await;
    assert_eq!((tail.len(), tail[1].text.as_str()), (2, "last"));
    let kept = log(backend, &handle, LogOptions::default()).await;
    assert!(kept.len() < 3 * 64 * 1024 / 62 + 10, "{}", kept.len());
    let later = log(backend, &handle, LogOptions { since: Some(tail[0].time), ..LogOptions::default() }).await;
    assert!(later.iter().all(|line| line.time > tail[0].time));
}
