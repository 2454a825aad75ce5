//! Containers: from their creation to their removal, in a real engine.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use mf2c_workload::{BackendError, ExecutionBackend as _, LogOptions, Port, Protocol, State, Stream};

use crate::processes::{exited, killed};
use crate::world::{AGENT, Docker, PATIENCE, container, ended, log, run};

#[tokio::test]
async fn a_container_lives_from_creation_to_removal_and_everything_may_be_said_twice() {
    let Some(docker) = Docker::start() else { return };
    let backend = &docker.backend;
    let nasty = "$(reboot); `id` && 'x' \"y\" \\ *";
    let spec = container(&["say", nasty, "cry", "oh", "polite", "sleep"]);
    let handle = backend.create(&spec).await.unwrap();
    assert_eq!(backend.inspect(&handle).await.unwrap().unwrap().state, State::Created);
    assert_eq!(backend.create(&spec).await.unwrap(), handle, "what is there and ours is adopted");
    let first = backend.start(&handle).await.unwrap();
    assert_eq!((first.state.clone(), backend.start(&handle).await.unwrap().pid), (State::Running, first.pid));
    let listed = backend.list(AGENT).await.unwrap();
    assert_eq!((listed.len(), &listed[0].handle, listed[0].service.as_str()), (1, &handle, "service-1"));
    assert_eq!(backend.list("another-agent").await.unwrap(), []);
    let format = "{{.HostConfig.RestartPolicy.Name}} {{.Config.Tty}} \
                  {{.HostConfig.LogConfig.Type}} {{.HostConfig.LogConfig.Config}}";
    let told = docker.engine.docker(&["inspect", "--format", format, &handle.name()]);
    assert_eq!(told, "no false json-file map[max-file:3 max-size:1048576]");
    mf2c_tests::eventually("it is polite", || docker.engine.docker(&["logs", &handle.name()]).contains("polite"));

    assert!(matches!(backend.remove(&handle, false, false).await, Err(BackendError::Conflict { .. })));
    let begun = Instant::now();
    for _ in 0..2 {
        backend.stop(&handle, PATIENCE).await.unwrap();
    }
    assert!(begun.elapsed() < PATIENCE / 2, "it ends when it is asked to");
    assert_eq!(ended(backend, &handle).await, exited(0));
    let lines = log(backend, &handle, LogOptions::default()).await;
    assert!(lines.iter().any(|line| line.stream == Stream::Out && line.text == nasty), "{lines:?}");
    assert!(lines.iter().any(|line| line.stream == Stream::Err && line.text == "oh"), "{lines:?}");
    for _ in 0..2 {
        backend.remove(&handle, false, true).await.unwrap();
        backend.kill(&handle).await.unwrap();
        backend.stop(&handle, Duration::ZERO).await.unwrap();
    }
    assert_eq!(backend.inspect(&handle).await.unwrap(), None);
    assert!(matches!(backend.start(&handle).await, Err(BackendError::Missing { .. })));

    let stubborn = run(backend, &container(&["stubborn", "sleep"])).await;
    mf2c_tests::eventually("it is stubborn", || docker.engine.docker(&["logs", &stubborn.name()]).contains("stubborn"));
    backend.stop(&stubborn, Duration::from_secs(1)).await.unwrap();
    assert_eq!(ended(backend, &stubborn).await, killed(9));
    backend.remove(&stubborn, true, true).await.unwrap();
}

#[tokio::test]
async fn what_is_not_ours_is_never_adopted_and_what_cannot_be_made_is_explained() {
    let Some(docker) = Docker::start() else { return };
    let backend = &docker.backend;
    let mut spec = container(&["exit", "7"]);
    let handle = run(backend, &spec).await;
    assert_eq!(ended(backend, &handle).await, exited(7));
    spec.agent = "another-agent".to_owned();
    assert!(matches!(backend.create(&spec).await, Err(BackendError::Conflict { .. })));
    let strange = container(&["sleep"]);
    let name = mf2c_workload::Handle::of(&strange).name();
    let _ = docker.engine.docker(&["create", "--name", &name, "test/web:1"]);
    let error = backend.create(&strange).await.unwrap_err();
    assert!(error.to_string().contains("not ours"), "{error}");

    let mut absent = container(&[]);
    absent.program = mf2c_workload::Program::Image("test/absent:1".to_owned());
    let error = backend.create(&absent).await.unwrap_err();
    assert!(matches!(&error, BackendError::NoImage { image, .. } if image == "test/absent:1"), "{error}");
    let mut broken = container(&[]);
    broken.entrypoint = Some(vec!["/no/such/program".to_owned()]);
    let handle = backend.create(&broken).await.unwrap();
    let error = backend.start(&handle).await.unwrap_err();
    assert!(error.to_string().contains("/no/such/program"), "{error}");
}

#[tokio::test]
async fn the_ports_that_are_bound_are_told_and_one_that_is_taken_is_named() {
    let Some(docker) = Docker::start() else { return };
    let backend = &docker.backend;
    let wanted = mf2c_tests_free_port();
    let mut spec = container(&["serve", "8080"]);
    spec.ports = vec![
        Port { container: 8080, host: 0, protocol: Protocol::Tcp },
        Port { container: 8080, host: wanted, protocol: Protocol::Tcp },
        Port { container: 53, host: 0, protocol: Protocol::Udp },
    ];
    let handle = backend.create(&spec).await.unwrap();
    assert_eq!(backend.inspect(&handle).await.unwrap().unwrap().ports, []);
    let ports = backend.start(&handle).await.unwrap().ports;
    assert_eq!(ports.len(), 3, "{ports:?}");
    assert_eq!(backend.list(AGENT).await.unwrap()[0].inspection.ports, ports);
    for port in ports.iter().filter(|port| port.container == 8080) {
        mf2c_tests::eventually("it serves", || fetch(port.host).is_some_and(|answer| answer.ends_with("ok\n")));
    }
    assert!(ports.iter().any(|port| port.host == wanted));

    let mut second = container(&["serve", "8080"]);
    second.ports = vec![Port { container: 8080, host: wanted, protocol: Protocol::Tcp }];
    let second = backend.create(&second).await.unwrap();
    let error = backend.start(&second).await.unwrap_err();
    assert!(matches!(error, BackendError::PortTaken { port, .. } if port == wanted), "{error}");
    backend.remove(&handle, true, false).await.unwrap();
    assert_eq!(backend.start(&second).await.unwrap().ports.len(), 1, "when it is free, the same call succeeds");

    let other = TcpListener::bind("0.0.0.0:0").unwrap();
    let taken = other.local_addr().unwrap().port();
    let mut third = container(&["serve", "8080"]);
    third.ports = vec![Port { container: 8080, host: taken, protocol: Protocol::Tcp }];
    let third = backend.create(&third).await.unwrap();
    let error = backend.start(&third).await.unwrap_err();
    assert!(matches!(error, BackendError::PortTaken { port, .. } if port == taken), "{error}");
}

fn mf2c_tests_free_port() -> u16 {
    TcpListener::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port()
}

fn fetch(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// The goal: at most 1.2 times as long as `docker run -d`.
#[tokio::test]
#[ignore = "a measurement, for a machine that has nothing else to do"]
async fn a_container_starts_about_as_fast_as_by_hand() {
    let Some(docker) = Docker::start() else { return };
    let (mut ours, mut by_hand) = (vec![], vec![]);
    for round in 0..8 {
        let begun = Instant::now();
        let handle = run(&docker.backend, &container(&["sleep"])).await;
        ours.push(begun.elapsed());
        let begun = Instant::now();
        let id = docker.engine.docker(&["run", "-d", "test/web:1", "sleep"]);
        by_hand.push(begun.elapsed());
        docker.backend.remove(&handle, true, true).await.unwrap();
        let _ = docker.engine.docker(&["rm", "-f", &id]);
        if round == 0 {
            // The first ones read programs from the disk.
            ours.clear();
            by_hand.clear();
        }
    }
    let median = |mut times: Vec<Duration>| {
        times.sort();
        times[times.len() / 2]
    };
    let (ours, by_hand) = (median(ours), median(by_hand));
    println!("a container runs after {ours:?}; by `docker run -d` after {by_hand:?}");
    assert!(ours < by_hand.mul_f64(1.2), "{ours:?} {by_hand:?}");
}
