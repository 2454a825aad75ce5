//! News of containers, and an engine that goes, hangs and comes back.

use std::io::{BufRead as _, BufReader, Write as _};

use futures_util::StreamExt as _;
use mf2c_workload::{
    BackendError, BindRoots, Change, DockerBackend, DockerConfig, Event, EventStream, ExecutionBackend as _, State,
};

use crate::containers_room::HUNGRY;
use crate::processes::{exited, killed};
use crate::world::{AGENT, Docker, PATIENCE, change, container, run, wall};

#[tokio::test]
async fn the_end_of_a_container_is_news_whatever_ended_it() {
    let Some(docker) = Docker::start() else { return };
    let backend = &docker.backend;
    let mut events = backend.events(AGENT).await.unwrap();
    assert_eq!(events.next().await, Some(Event::Listed(vec![])));
    for _ in 0..3 {
        let handle = run(backend, &container(&["sleep"])).await;
        assert_eq!(change(&mut events, &handle).await, Change::Started);
        let pid = backend.inspect(&handle).await.unwrap().unwrap().pid.unwrap();
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        assert_eq!(change(&mut events, &handle).await, Change::Exited(killed(9)));
        backend.remove(&handle, true, true).await.unwrap();
        assert_eq!(change(&mut events, &handle).await, Change::Removed);
    }
    let mut hungry = container(&["eat", "256"]);
    hungry.limits.memory = Some(32 << 20);
    let end = State::Exited { code: Some(137), oom: true, signal: Some(9) };
    let mut all = vec![];
    // An engine that hears of the end before it hears of the memory tells the end alone.
    for _ in 0..HUNGRY {
        let handle = run(backend, &hungry).await;
        let mut seen = vec![];
        while !matches!(seen.last(), Some(Change::Exited(_))) {
            seen.push(change(&mut events, &handle).await);
        }
        if seen.contains(&Change::OutOfMemory) && seen.contains(&Change::Exited(end.clone())) {
            return;
        }
        all.push(seen);
    }
    panic!("{all:?}");
}

/// Waits until the engine counts as away; why.
async fn lost(events: &mut EventStream) -> String {
    let search = async {
        loop {
            if let Event::Lost { why } = events.next().await.unwrap() {
                break why;
            }
        }
    };
    tokio::time::timeout(PATIENCE, search).await.unwrap()
}

#[tokio::test]
async fn an_engine_that_goes_and_comes_back_is_listed_anew() {
    let Some(mut docker) = Docker::start() else { return };
    let backend = docker.backend.clone();
    let handle = run(&backend, &container(&["polite", "sleep"])).await;
    let mut events = backend.events(AGENT).await.unwrap();
    assert!(matches!(events.next().await, Some(Event::Listed(all)) if all.len() == 1));
    docker.engine.stop();
    assert!(lost(&mut events).await.contains("docker.sock"));
    let error = backend.inspect(&handle).await.unwrap_err();
    assert!(matches!(error, BackendError::Unavailable { .. }) && error.is_passing(), "{error}");
    assert!(!backend.probe().await.unwrap().available);
    assert!(matches!(backend.create(&container(&[])).await, Err(BackendError::Unavailable { .. })));
    docker.engine.start_again();
    let search = async {
        loop {
            if let Some(Event::Listed(all)) = events.next().await {
                break all;
            }
        }
    };
    let all = tokio::time::timeout(PATIENCE, search).await.unwrap();
    // It went down with the engine, and does not come back by itself.
    assert_eq!(all.len(), 1);
    assert_ne!(all[0].inspection.state, State::Running);
    assert_eq!(backend.start(&handle).await.unwrap().state, State::Running);
    assert_eq!(change(&mut events, &handle).await, Change::Started);
    let short = run(&backend, &container(&["exit", "7"])).await;
    assert_eq!(change(&mut events, &short).await, Change::Started);
    assert_eq!(change(&mut events, &short).await, Change::Exited(exited(7)));
}

#[tokio::test]
async fn an_engine_that_hangs_or_is_not_there_is_no_reason_to_wait_for_ever() {
    let absent = tempfile::tempdir().unwrap();
    let config = DockerConfig {
        socket: absent.path().join("docker.sock"),
        secrets_dir: absent.path().to_owned(),
        bind_roots: BindRoots::default(),
    };
    let backend = DockerBackend::new(config, wall());
    let capability = backend.probe().await.unwrap();
    assert!(!capability.available && capability.why_not.unwrap().contains("docker.sock"));
    assert!(matches!(backend.list(AGENT).await, Err(BackendError::Unavailable { .. })));

    let Some(docker) = Docker::start() else { return };
    let handle = run(&docker.backend, &container(&["sleep"])).await;
    let mut events = docker.backend.events(AGENT).await.unwrap();
    assert!(matches!(events.next().await, Some(Event::Listed(all)) if all.len() == 1));
    docker.engine.hang(true);
    // Nothing breaks off, and nothing comes.
    let silent = tokio::spawn(async move {
        let why = lost(&mut events).await;
        (why, events)
    });
    let fresh = DockerBackend::new(docker.backend_config(), wall());
    let known = docker.backend.inspect(&handle);
    let (known, unknown) = tokio::join!(known, fresh.inspect(&handle));
    assert!(matches!(known, Err(BackendError::Timeout { .. })), "{known:?}");
    assert!(matches!(unknown, Err(BackendError::Timeout { .. })), "{unknown:?}");
    let (why, mut events) = silent.await.unwrap();
    assert!(why.contains("whether it is there"), "{why}");
    docker.engine.hang(false);
    let next = tokio::time::timeout(PATIENCE, events.next()).await.unwrap();
    assert!(matches!(&next, Some(Event::Listed(all)) if all.len() == 1), "{next:?}");
    assert_eq!(docker.backend.inspect(&handle).await.unwrap().unwrap().state, State::Running);
}

/// Answers for an engine that speaks at most this version of the API and has no containers; tells what it was asked.
fn engine_of_version(socket: &std::path::Path, version: &str) -> std::sync::mpsc::Receiver<String> {
    let _ = std::fs::remove_file(socket);
    let listener = std::os::unix::net::UnixListener::bind(socket).unwrap();
    let minor = |text: &str| text.split_once("1.").and_then(|(_, rest)| rest.split('/').next()?.parse::<u32>().ok());
    let newest = minor(version).unwrap();
    let (asked, questions) = std::sync::mpsc::channel();
    let body = format!(r#"{{"ApiVersion":"{version}","Version":"x"}}"#);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream);
            let (mut first, mut line) = (String::new(), String::new());
            let _ = reader.read_line(&mut first);
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
            let too_new = r#"{"message":"client version is too new: client version X"}"#;
            let (status, body) = match minor(&path) {
                Some(asked) if asked > newest => ("400 Bad Request", too_new),
                _ if path.ends_with("/version") => ("200 OK", body.as_str()),
                _ => ("200 OK", "[]"),
            };
            let head = "Content-Type: application/json\r\nConnection: close\r\nContent-Length:";
            let _ = write!(reader.get_mut(), "HTTP/1.1 {status}\r\n{head} {}\r\n\r\n{body}", body.len());
            if asked.send(path).is_err() {
                return;
            }
        }
    });
    questions
}

#[tokio::test]
async fn both_sides_agree_on_a_version_and_one_that_is_too_old_is_named() {
    for (version, spoken) in
        [("1.40", None), ("1.41", Some("/v1.41/")), ("1.44", Some("/v1.44/")), ("1.99", Some("/v1.53/"))]
    {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("docker.sock");
        let questions = engine_of_version(&socket, version);
        let config = DockerConfig { socket, secrets_dir: folder.path().to_owned(), bind_roots: BindRoots::default() };
        let listed = DockerBackend::new(config, wall()).list(AGENT).await;
        let Some(spoken) = spoken else {
            let error = listed.unwrap_err();
            assert!(matches!(error, BackendError::Unavailable { .. }) && error.to_string().contains("1.41"), "{error}");
            continue;
        };
        assert_eq!(listed, Ok(vec![]));
        let question = questions.iter().find(|path| path.contains("/containers/json")).unwrap();
        assert!(question.starts_with(spoken), "{version}: {question}");
    }
}

#[tokio::test]
async fn an_engine_that_was_exchanged_for_an_older_one_is_spoken_to_as_it_speaks() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let _newer = engine_of_version(&socket, "1.44");
    let (secrets_dir, bind_roots) = (folder.path().to_owned(), BindRoots::default());
    let backend = DockerBackend::new(DockerConfig { socket: socket.clone(), secrets_dir, bind_roots }, wall());
    assert_eq!(backend.list(AGENT).await, Ok(vec![]));
    let questions = engine_of_version(&socket, "1.41");
    let error = backend.list(AGENT).await.unwrap_err();
    assert!(matches!(error, BackendError::Unavailable { .. }) && error.is_passing(), "{error}");
    assert_eq!(backend.list(AGENT).await, Ok(vec![]));
    assert!(questions.iter().any(|path| path.starts_with("/v1.41/containers")));
}
