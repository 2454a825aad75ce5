//! Plain processes: what they get, how they end, and who finds them again.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use mf2c_workload::{
    BackendError, Change, Event, ExecutionBackend as _, LogOptions, Port, ProcessBackend, Protocol, Secret,
    SecretPlace, SecretText, State, Stream,
};
use rustix::process::{Pid, Signal, kill_process};

use crate::world::{AGENT, PATIENCE, Place, change, ended, log, process, run, texts, wall};

pub(crate) const fn exited(code: i64) -> State {
    State::Exited { code: Some(code), oom: false, signal: None }
}

pub(crate) const fn killed(signal: i32) -> State {
    State::Exited { code: Some(128 + signal as i64), oom: false, signal: Some(signal) }
}

#[tokio::test]
async fn a_process_gets_its_words_as_they_are_its_environment_and_nothing_else() {
    let Some(place) = Place::new() else { return };
    let backend = place.open().await;
    let nasty = "$(touch /tmp/mf2c-was-here); `id` && 'x' \"y\" \\ * ~ |";
    let mut spec = process(&place, &["say", nasty, "cry", "oh", "env", "pwd", "exit", "7"]);
    spec.environment.insert("GREETING".to_owned(), nasty.to_owned());
    spec.working_dir = Some("/usr/share".to_owned());
    let mut events = backend.events(AGENT).await.unwrap();
    assert_eq!(events.next().await, Some(Event::Listed(vec![])));
    let handle = run(&backend, &spec).await;
    assert_eq!(change(&mut events, &handle).await, Change::Started);
    assert_eq!(change(&mut events, &handle).await, Change::Exited(exited(7)));
    assert_eq!(ended(&backend, &handle).await, exited(7));
    let lines = log(&backend, &handle, LogOptions::default()).await;
    let cry = lines.iter().position(|line| line.stream == Stream::Err && line.text == "oh").unwrap();
    let mut said: Vec<&str> = texts(&lines);
    said.remove(cry);
    let mark = format!("MF2C_TEST={}", spec.environment["MF2C_TEST"]);
    assert_eq!(said, [nasty, &format!("GREETING={nasty}"), &mark, "PATH=/usr/bin:/bin", "/usr/share"]);
    assert!(!std::path::Path::new("/tmp/mf2c-was-here").exists());
}

#[tokio::test]
async fn folders_may_be_said_from_where_the_agent_is() {
    let Some(place) = Place::new() else { return };
    // From here to the root, and on from there.
    let up: PathBuf = std::env::current_dir().unwrap().components().skip(1).map(|_| "..").collect();
    let from_here = |path: &Path| up.join(path.strip_prefix("/").unwrap());
    let mut config = place.config();
    (config.state_dir, config.secrets_dir) = (from_here(&config.state_dir), from_here(&config.secrets_dir));
    assert!(config.state_dir.is_relative() && config.secrets_dir.is_relative());
    let backend = ProcessBackend::open(config, wall()).await.unwrap();
    let mut spec = process(&place, &["exit", "7"]);
    let value = SecretText::new("hush".to_owned());
    spec.secrets.push(Secret { name: "word".to_owned(), value, place: SecretPlace::File });
    let handle = run(&backend, &spec).await;
    assert_eq!(ended(&backend, &handle).await, exited(7));
    backend.remove(&handle, true, true).await.unwrap();
}

#[tokio::test]
async fn stopping_asks_first_and_kills_after_the_grace_time_and_everything_may_be_said_twice() {
    let Some(place) = Place::new() else { return };
    let backend = place.open().await;
    let spec = process(&place, &["polite", "sleep"]);
    let polite = run(&backend, &spec).await;
    assert_eq!(backend.create(&spec).await.unwrap(), polite);
    let first = backend.start(&polite).await.unwrap();
    assert_eq!(first.state, State::Running);
    assert_eq!(backend.start(&polite).await.unwrap().pid, first.pid);
    said(&backend, &polite, "polite").await;
    assert!(backend.remove(&polite, false, false).await.unwrap_err().to_string().contains("it runs"));
    for _ in 0..2 {
        backend.stop(&polite, PATIENCE).await.unwrap();
    }
    assert_eq!(ended(&backend, &polite).await, exited(0));

    let stubborn = run(&backend, &process(&place, &["stubborn", "sleep"])).await;
    said(&backend, &stubborn, "stubborn").await;
    backend.stop(&stubborn, Duration::from_millis(50)).await.unwrap();
    assert_eq!(ended(&backend, &stubborn).await, killed(9));

    for handle in [&polite, &stubborn] {
        for _ in 0..2 {
            backend.remove(handle, true, true).await.unwrap();
        }
        assert_eq!(backend.inspect(handle).await.unwrap(), None);
        backend.stop(handle, Duration::ZERO).await.unwrap();
        backend.kill(handle).await.unwrap();
        assert!(matches!(backend.start(handle).await, Err(BackendError::Missing { .. })));
        assert!(!place.file(handle, "").exists());
    }
    assert_eq!(backend.list(AGENT).await.unwrap(), []);
}

#[tokio::test]
async fn who_is_waited_for_can_be_killed() {
    let Some(place) = Place::new() else { return };
    let backend = place.open().await;
    let handle = run(&backend, &process(&place, &["stubborn", "sleep"])).await;
    said(&backend, &handle, "stubborn").await;
    let begun = Instant::now();
    let (stopped, killed_too) = tokio::join!(backend.stop(&handle, PATIENCE), async {
        // The stop is under way when it has had its turn to ask.
        tokio::task::yield_now().await;
        backend.kill(&handle).await
    });
    assert_eq!((stopped, killed_too), (Ok(()), Ok(())));
    assert!(begun.elapsed() < PATIENCE / 2);
    assert_eq!(ended(&backend, &handle).await, killed(9));
}

/// Waits until a process has said something.
async fn said(backend: &mf2c_workload::ProcessBackend, handle: &mf2c_workload::Handle, text: &str) {
    let follow = LogOptions { follow: true, ..LogOptions::default() };
    let mut lines = backend.logs(handle, follow).await.unwrap();
    let search = async { while lines.next().await.expect("it says so before it ends").unwrap().text != text {} };
    tokio::time::timeout(PATIENCE, search).await.unwrap();
}

#[tokio::test]
async fn an_agent_that_comes_back_finds_what_runs_and_how_the_rest_ended() {
    let Some(place) = Place::new() else { return };
    let backend = place.open().await;
    let stays = run(&backend, &process(&place, &["sleep"])).await;
    let pid = backend.inspect(&stays).await.unwrap().unwrap().pid;
    let goes = run(&backend, &process(&place, &["pause", "200", "exit", "3"])).await;
    let unstarted = backend.create(&process(&place, &["sleep"])).await.unwrap();
    drop(backend);
    // The second one ends while there is no agent.
    mf2c_tests::eventually("its exit is written down", || place.file(&goes, "exit.json").exists());
    let torn = place.path().join("state/mf2c-torn-0-1");
    std::fs::create_dir(&torn).unwrap();

    let backend = place.open().await;
    assert!(!torn.exists(), "what was being made when the agent ended is cleared");
    let mut events = backend.events(AGENT).await.unwrap();
    let Some(Event::Listed(all)) = events.next().await else { panic!("the first is a list") };
    let state = |handle| all.iter().find(|it| it.handle == handle).unwrap().inspection.clone();
    assert_eq!((all.len(), all[0].service.as_str()), (3, "service-1"));
    assert_eq!((state(stays.clone()).state, state(stays.clone()).pid), (State::Running, pid));
    assert_eq!(state(goes).state, exited(3));
    assert_eq!(state(unstarted.clone()).state, State::Created);
    assert_eq!(backend.start(&stays).await.unwrap().pid, pid, "nothing is started twice");
    assert_eq!(backend.list("another-agent").await.unwrap(), []);

    kill_process(Pid::from_raw(i32::try_from(pid.unwrap()).unwrap()).unwrap(), Signal::KILL).unwrap();
    assert_eq!(change(&mut events, &stays).await, Change::Exited(killed(9)));
    backend.start(&unstarted).await.unwrap();
    assert_eq!(change(&mut events, &unstarted).await, Change::Started);
    backend.kill(&unstarted).await.unwrap();
}

#[tokio::test]
async fn a_kill_is_news() {
    let Some(place) = Place::new() else { return };
    let backend = place.open().await;
    let mut events = backend.events(AGENT).await.unwrap();
    let mut times = vec![];
    for _ in 0..10 {
        let handle = run(&backend, &process(&place, &["sleep"])).await;
        assert_eq!(change(&mut events, &handle).await, Change::Started);
        let pid = backend.inspect(&handle).await.unwrap().unwrap().pid.unwrap();
        let killed_at = Instant::now();
        kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::KILL).unwrap();
        assert_eq!(change(&mut events, &handle).await, Change::Exited(killed(9)));
        times.push(killed_at.elapsed());
    }
    times.sort();
    println!("from the kill of a process to the event: {times:?}");
}

#[tokio::test]
async fn a_killed_shim_is_no_end_and_the_end_without_it_is_seen() {
    let Some(place) = Place::new() else { return };
    let backend = place.open().await;
    let mut events = backend.events(AGENT).await.unwrap();
    let handle = run(&backend, &process(&place, &["sleep"])).await;
    assert_eq!(change(&mut events, &handle).await, Change::Started);
    let file: serde_json::Value =
        serde_json::from_slice(&std::fs::read(place.file(&handle, "run.json")).unwrap()).unwrap();
    let shim = Pid::from_raw(i32::try_from(file["shim"]["pid"].as_i64().unwrap()).unwrap()).unwrap();
    kill_process(shim, Signal::KILL).unwrap();
    let inspection = backend.start(&handle).await.unwrap();
    assert_eq!(inspection.state, State::Running, "it is not started twice");
    let pid = Pid::from_raw(i32::try_from(inspection.pid.unwrap()).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    let unseen = State::Exited { code: None, oom: false, signal: None };
    assert_eq!(change(&mut events, &handle).await, Change::Exited(unseen.clone()));
    assert_eq!(ended(&backend, &handle).await, unseen);
}

#[tokio::test]
async fn what_ended_can_be_started_again_and_many_starts_at_once_are_one() {
    let Some(place) = Place::new() else { return };
    let backend = place.open().await;
    let marks = place.path().join("marks");
    std::fs::create_dir(&marks).unwrap();
    let mark = marks.join("it").display().to_string();
    let handle = run(&backend, &process(&place, &["touch", &mark, "exit", "1"])).await;
    assert_eq!(ended(&backend, &handle).await, exited(1));
    std::fs::remove_file(&mark).unwrap();
    backend.start(&handle).await.unwrap();
    assert_eq!(ended(&backend, &handle).await, exited(1));
    assert!(std::path::Path::new(&mark).exists(), "it ran again");

    let handle = backend.create(&process(&place, &["say", "once", "sleep"])).await.unwrap();
    // A second backend stands for an agent that was started although the first still runs.
    let other = place.open().await;
    let starts = (0..8).map(|at| if at % 2 == 0 { backend.start(&handle) } else { other.start(&handle) });
    let pids: Vec<_> = futures_util::future::join_all(starts).await.into_iter().map(|it| it.unwrap().pid).collect();
    assert!(pids.iter().all(|pid| *pid == pids[0]), "{pids:?}");
    said(&backend, &handle, "once").await;
    backend.kill(&handle).await.unwrap();
    assert_eq!(texts(&log(&backend, &handle, LogOptions::default()).await), ["once"]);
}

#[tokio::test]
async fn secrets_reach_the_process_and_nobody_else() {
    let Some(place) = Place::new() else { return };
    let backend = place.open().await;
    let mut spec = process(&place, &["env", "say", "--", "pause", "100", "sleep"]);
    let secret = |name: &str, place| Secret { name: name.to_owned(), value: SecretText::new("hunter2"), place };
    spec.secrets = vec![secret("TOKEN", SecretPlace::Environment), secret("key.pem", SecretPlace::File)];
    let handle = run(&backend, &spec).await;
    said(&backend, &handle, "--").await;
    let lines = log(&backend, &handle, LogOptions::default()).await;
    assert!(texts(&lines).contains(&"TOKEN=hunter2"));
    let folder = lines.iter().find_map(|line| line.text.strip_prefix("MF2C_SECRETS=")).unwrap();
    assert_eq!(std::fs::read_to_string(format!("{folder}/key.pem")).unwrap(), "hunter2");
    for file in ["record.json", "run.json"] {
        assert!(!std::fs::read_to_string(place.file(&handle, file)).unwrap().contains("hunter2"), "{file}");
    }
    // The machine was started anew: what was in memory is gone, and creating it once more brings it back.
    backend.kill(&handle).await.unwrap();
    std::fs::remove_dir_all(place.secrets().join("secrets")).unwrap();
    let error = backend.start(&handle).await.unwrap_err().to_string();
    assert!(error.contains("create it again"), "{error}");
    assert_eq!(backend.inspect(&handle).await.unwrap().unwrap().pid, None);
    backend.create(&spec).await.unwrap();
    backend.start(&handle).await.unwrap();
    backend.remove(&handle, true, false).await.unwrap();
    assert_eq!(std::fs::read_dir(place.secrets().join("secrets")).unwrap().count(), 0);

    let mut config = place.config();
    config.secrets_dir = place.path().join("on-disk");
    if mf2c_tests_disk_is_memory(&place) {
        return;
    }
    let backend = mf2c_workload::ProcessBackend::open(config, crate::world::wall()).await.unwrap();
    let error = backend.create(&spec).await.unwrap_err();
    assert!(matches!(error, BackendError::Refused { .. }) && !error.to_string().contains("hunter2"), "{error}");
}

/// Whether the temporary directory of this machine is in memory, so that there is no disk to refuse.
fn mf2c_tests_disk_is_memory(place: &Place) -> bool {
    rustix::fs::statfs(place.path()).unwrap().f_type == 0x0102_1994
}

#[tokio::test]
async fn what_plain_processes_cannot_have_is_refused_with_a_sentence() {
    let Some(place) = Place::new() else { return };
    let backend = place.open().await;
    let mut spec = process(&place, &["sleep"]);
    spec.ports = vec![Port { container: 80, host: 8080, protocol: Protocol::Tcp }];
    assert!(matches!(backend.create(&spec).await, Err(BackendError::Refused { .. })));
    let mut spec = process(&place, &["sleep"]);
    spec.user = Some("nobody-of-this-name".to_owned());
    assert!(matches!(backend.create(&spec).await, Err(BackendError::Invalid { .. })));
    let mut spec = process(&place, &[]);
    spec.program = mf2c_workload::Program::Argv(vec!["/no/such/program".to_owned()]);
    let handle = backend.create(&spec).await.unwrap();
    for _ in 0..2 {
        let error = backend.start(&handle).await.unwrap_err().to_string();
        assert!(error.contains("there is no program `/no/such/program`"), "{error}");
    }
    assert_eq!(backend.inspect(&handle).await.unwrap().unwrap().state, State::Created);
    let mut spec = process(&place, &["sleep"]);
    spec.program = mf2c_workload::Program::Image("web".to_owned());
    assert!(matches!(backend.create(&spec).await, Err(BackendError::Refused { .. })));

    let mut spec = process(&place, &["sleep"]);
    let handle = backend.create(&spec).await.unwrap();
    spec.agent = "another-agent".to_owned();
    assert!(matches!(backend.create(&spec).await, Err(BackendError::Conflict { .. })));
    assert_eq!(backend.inspect(&handle).await.unwrap().unwrap().state, State::Created);
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_before_the_start_and_a_free_one_is_served() {
    let Some(place) = Place::new() else { return };
    let backend = place.open().await;
    let taken = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut spec = process(&place, &["serve", &port.to_string()]);
    spec.ports = vec![Port { container: port, host: 0, protocol: Protocol::Tcp }];
    let handle = backend.create(&spec).await.unwrap();
    let error = backend.start(&handle).await.unwrap_err();
    assert!(matches!(error, BackendError::PortTaken { port: found, .. } if found == port), "{error}");
    drop(taken);
    let inspection = backend.start(&handle).await.unwrap();
    assert_eq!(inspection.ports.iter().map(|it| (it.container, it.host)).collect::<Vec<_>>(), [(port, port)]);
    said(&backend, &handle, "serving").await;
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    backend.remove(&handle, true, false).await.unwrap();
}

#[tokio::test]
async fn a_program_beside_a_process_has_its_surroundings_a_bounded_output_and_a_deadline() {
    let Some(place) = Place::new() else { return };
    let backend = place.open().await;
    let mut spec = process(&place, &["sleep"]);
    spec.environment.insert("ROOM".to_owned(), "7".to_owned());
    let handle = run(&backend, &spec).await;
    let program = mf2c_tests::guest().unwrap().display().to_string();
    let words = |words: &[&str]| -> Vec<String> {
        std::iter::once(program.clone()).chain(words.iter().map(|word| (*word).to_owned())).collect()
    };
    let outcome = backend.exec(&handle, &words(&["env", "cry", "oh", "exit", "5"]), PATIENCE).await.unwrap();
    assert_eq!((outcome.code, outcome.is_cut), (5, false));
    assert!(outcome.output.contains("ROOM=7\n") && outcome.output.ends_with("oh\n"), "{}", outcome.output);
    let outcome = backend.exec(&handle, &words(&["spill", "2"]), PATIENCE).await.unwrap();
    assert_eq!((outcome.output.len(), outcome.is_cut, outcome.code), (64 << 10, true, 0));
    let error = backend.exec(&handle, &words(&["stubborn", "sleep"]), Duration::from_millis(100)).await.unwrap_err();
    assert!(matches!(error, BackendError::Timeout { .. }), "{error}");
    backend.kill(&handle).await.unwrap();
    let error = backend.exec(&handle, &words(&["exit", "0"]), PATIENCE).await.unwrap_err();
    assert!(error.to_string().contains("does not run"), "{error}");
}
