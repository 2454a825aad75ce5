//! Applications of compose files in a real engine.

use std::time::Duration;

use futures_util::StreamExt as _;
use mf2c_workload::{
    BackendError, Change, ComposeBackend, Event, ExecutionBackend as _, Feature, Handle, Health, LogOptions, Mount,
    Program, Secret, SecretPlace, SecretText, Source, Spec, State, Volume,
};
use tokio::sync::mpsc::channel;

use crate::processes::{exited, killed};
use crate::world::{AGENT, Docker, PATIENCE, container, instance, log, run, wall};

fn application(text: &str) -> Spec {
    Spec::new(AGENT, &instance(), "service-1", Program::Compose(text.to_owned()))
}

const SHOP: &str = r#"
services:
  web:
    image: test/web:1
    command: [say, "${GREETING}", polite, serve, "8080"]
    ports: ["8080"]
    volumes: ["data:/data"]
    depends_on: {db: {condition: service_healthy}, cache: {condition: service_started}}
    networks: [front, back]
    mem_limit: 64m
  db:
    image: test/web:1
    command: [polite, env, pause, "500", touch, /tmp/ready, sleep]
    environment: [PASSWORD]
    healthcheck: {test: [CMD, /guest, exit, "0"], interval: 300ms, retries: 3}
    networks: [back]
  cache:
    image: test/web:1
    command: polite sleep
    networks: [back]
networks: {front: , back: }
volumes: {data: }
"#;

fn shop() -> Spec {
    let mut spec = application(SHOP);
    spec.environment.insert("GREETING".to_owned(), "$(hello)".to_owned());
    let value = SecretText::new("hunter2");
    spec.secrets = vec![Secret { name: "PASSWORD".to_owned(), value, place: SecretPlace::Environment }];
    spec
}

fn backend(docker: &Docker) -> ComposeBackend {
    ComposeBackend::new(docker.backend_config(), wall())
}

#[tokio::test]
async fn an_application_starts_in_order_is_one_workload_and_leaves_nothing_behind() {
    let Some(docker) = Docker::start() else { return };
    let backend = backend(&docker);
    assert!(backend.probe().await.unwrap().features.contains(&Feature::Parts));
    let alone = run(&docker.backend, &container(&["sleep"])).await;
    let spec = shop();
    backend.prepare(&spec, &Source::default(), channel(1).0).await.unwrap();
    let handle = backend.create(&spec).await.unwrap();
    assert_eq!(backend.inspect(&handle).await.unwrap().unwrap().state, State::Created);
    // The agent went down in the middle of it: what is missing is made, what is there is adopted.
    let _ = docker.engine.docker(&["rm", &format!("{}-web", handle.name())]);
    assert_eq!(backend.inspect(&handle).await.unwrap().unwrap().state, State::Created);
    assert_eq!(backend.create(&spec).await.unwrap(), handle);

    let seen = backend.start(&handle).await.unwrap();
    assert_eq!((seen.state, seen.health, seen.ports.len()), (State::Running, Some(Health::Healthy), 1));
    let names: Vec<&str> = seen.parts.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(names, ["cache", "db", "web"], "those that others need come first");
    let times: Vec<_> = seen.parts.iter().map(|part| part.inspection.started_at.unwrap()).collect();
    assert!(times.is_sorted());
    assert_eq!(backend.start(&handle).await.unwrap().state, State::Running);
    // Each backend sees its own.
    let listed = |all: Vec<mf2c_workload::Listed>| all.into_iter().map(|it| it.handle).collect::<Vec<_>>();
    assert_eq!(listed(backend.list(AGENT).await.unwrap()), std::slice::from_ref(&handle));
    assert_eq!(listed(docker.backend.list(AGENT).await.unwrap()), [alone]);
    let web = format!("{}-web", handle.name());
    let networks = docker.engine.docker(&[
        "inspect",
        "--format",
        "{{range $n, $_ := .NetworkSettings.Networks}}{{$n}} {{end}}",
        &web,
    ]);
    assert_eq!(networks.trim(), format!("{0}_back {0}_front", handle.name()));
    let told = docker.engine.docker(&[
        "inspect",
        "--format",
        "{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.Memory}}",
        &web,
    ]);
    assert_eq!(told, "no 67108864");
    let config = docker.engine.docker(&["inspect", "--format", "{{json .Config}}", &web]);
    assert!(!config.contains("hunter2"), "only the part that asks for a secret gets it");

    speak(&backend, &handle).await;
    for _ in 0..2 {
        backend.stop(&handle, Duration::from_secs(10)).await.unwrap();
    }
    let stopped = backend.inspect(&handle).await.unwrap().unwrap();
    assert_eq!(stopped.state, exited(0));
    let ends: Vec<_> = stopped.parts.iter().rev().map(|part| part.inspection.finished_at.unwrap()).collect();
    assert!(ends.is_sorted(), "{ends:?}");
    for _ in 0..2 {
        backend.remove(&handle, false, true).await.unwrap();
    }
    assert_eq!(backend.inspect(&handle).await.unwrap(), None);
    let left = [&["network", "ls", "-q", "--filter", "label=mf2c.agent"][..], &["volume", "ls", "-q"]];
    assert!(left.iter().all(|words| docker.engine.docker(words).is_empty()));
    assert!(matches!(backend.start(&handle).await, Err(BackendError::Missing { .. })));
}

/// What the parts say, and programs beside them.
async fn speak(backend: &ComposeBackend, handle: &Handle) {
    let lines = log(backend, handle, LogOptions::default()).await;
    assert!(lines.windows(2).all(|pair| pair[0].time <= pair[1].time));
    let of = |part: &str| {
        lines
            .iter()
            .filter(|line| line.part.as_deref() == Some(part))
            .map(|line| line.text.as_str())
            .collect::<Vec<_>>()
    };
    assert!(of("web").contains(&"$(hello)") && of("db").contains(&"PASSWORD=hunter2"), "{lines:?}");
    assert_eq!(
        log(backend, handle, LogOptions { tail: Some(2), ..LogOptions::default() }).await,
        lines[lines.len() - 2..]
    );
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    assert_eq!(backend.exec(handle, &words(&["@db", "/guest", "exit", "3"]), PATIENCE).await.unwrap().code, 3);
    let error = backend.exec(handle, &words(&["/guest", "exit", "3"]), PATIENCE).await.unwrap_err();
    assert!(error.to_string().contains("@cache, @db, @web"), "{error}");
    assert!(backend.stats(handle).await.unwrap().processes >= 3);
}

#[tokio::test]
async fn the_end_of_one_part_is_news_of_the_whole_and_it_alone_is_started_again() {
    let Some(docker) = Docker::start() else { return };
    let backend = backend(&docker);
    let mut events = backend.events(AGENT).await.unwrap();
    assert_eq!(events.next().await, Some(Event::Listed(vec![])));
    let spec = application(
        "services: {a: {image: 'test/web:1', command: sleep}, \
         b: {image: 'test/web:1', command: sleep, depends_on: [a]}}",
    );
    let handle = run(&backend, &spec).await;
    let before = backend.inspect(&handle).await.unwrap().unwrap();
    let _ = docker.engine.docker(&["kill", &format!("{}-a", handle.name())]);
    let search = async {
        loop {
            let event = events.next().await.unwrap();
            if let Event::Changed { handle: of, part, change: Change::Exited(state), .. } = event {
                break (of, part, state);
            }
        }
    };
    let news = tokio::time::timeout(PATIENCE, search).await.unwrap();
    assert_eq!(news, (handle.clone(), Some("a".to_owned()), killed(9)));
    mf2c_tests::eventually("the engine says so, too", || docker.engine.docker(&["ps", "-q"]).lines().count() == 1);
    assert_eq!(backend.inspect(&handle).await.unwrap().unwrap().state, killed(9));
    let after = backend.start(&handle).await.unwrap();
    assert_eq!(after.state, State::Running);
    let pid = |seen: &mf2c_workload::Inspection, at: usize| seen.parts[at].inspection.pid;
    assert!(pid(&before, 0) != pid(&after, 0) && pid(&before, 1) == pid(&after, 1));
    backend.kill(&handle).await.unwrap();
    backend.remove(&handle, true, true).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_is_refused_before_anything_is_made() {
    let Some(docker) = Docker::start() else { return };
    let backend = backend(&docker);
    let spec =
        application("services: {a: {image: 'test/web:1', build: ., colour: red}}\nsecrets: {k: {file: /etc/shadow}}");
    let error = backend.create(&spec).await.unwrap_err();
    let said = error.to_string();
    assert!(matches!(error, BackendError::Invalid { .. }));
    for place in ["services.a.build", "services.a.colour", "secrets"] {
        assert!(said.contains(place), "{said}");
    }
    let absent = application("services: {a: {image: 'test/absent:1'}}");
    let never = Source { policy: mf2c_workload::PullPolicy::Never, ..Source::default() };
    let outcome = backend.prepare(&absent, &never, channel(1).0).await;
    assert!(matches!(&outcome, Err(BackendError::NoImage { image, .. }) if image == "test/absent:1"), "{outcome:?}");
    let outside = application("services: {a: {image: 'test/web:1', volumes: ['/etc:/host']}}");
    assert!(matches!(backend.create(&outside).await, Err(BackendError::Refused { .. })));
    backend.remove(&Handle::of(&outside), true, true).await.unwrap();
    assert_eq!(docker.engine.docker(&["ps", "-aq"]), "");

    let sick = application(
        "services: {a: {image: 'test/web:1', command: sleep, \
         healthcheck: {test: [CMD, /guest, exit, '1'], interval: 100ms, retries: 1}}, \
         b: {image: 'test/web:1', depends_on: {a: {condition: service_healthy}}}}",
    );
    let handle = backend.create(&sick).await.unwrap();
    let error = backend.start(&handle).await.unwrap_err().to_string();
    assert!(error.contains("its part `a` is unhealthy"), "{error}");
    let seen = backend.inspect(&handle).await.unwrap().unwrap();
    assert_eq!((seen.parts[1].inspection.state.clone(), seen.state), (State::Created, State::Created));
    backend.remove(&handle, true, true).await.unwrap();
}

#[tokio::test]
async fn an_external_network_is_joined_and_stays() {
    let Some(docker) = Docker::start() else { return };
    let backend = backend(&docker);
    let spec = application(
        "services: {a: {image: 'test/web:1', command: sleep, networks: [out, default]}}\n\
         networks: {out: {external: true, name: shared}}",
    );
    let error = match backend.create(&spec).await {
        Ok(handle) => backend.start(&handle).await.unwrap_err(),
        Err(error) => error,
    };
    assert!(error.to_string().contains("shared"), "{error}");
    let _ = docker.engine.docker(&["network", "create", "shared"]);
    let handle = run(&backend, &spec).await;
    let told = docker.engine.docker(&["network", "inspect", "--format", "{{len .Containers}}", "shared"]);
    assert_eq!(told, "1");
    backend.remove(&handle, true, true).await.unwrap();
    assert!(docker.engine.docker(&["network", "ls"]).contains("shared"));
    let mut twice = spec.clone();
    twice.user = Some("1000".to_owned());
    assert!(matches!(backend.create(&twice).await, Err(BackendError::Invalid { .. })));
    let named = Volume { mount: Mount::Named("x".to_owned()), target: "/x".to_owned(), read_only: false };
    let mut strange = spec;
    strange.volumes = vec![named];
    strange.program = Program::Image("test/web:1".to_owned());
    assert!(matches!(backend.create(&strange).await, Err(BackendError::Refused { .. })));
}
