//! Images: pulled from a registry, loaded from a file, or not at all.

use std::sync::atomic::Ordering;

use mf2c_workload::{
    BackendError, ExecutionBackend as _, Program, Progress, PullPolicy, RegistryLogin, SecretText, Source, Spec,
};
use tokio::sync::mpsc::{Receiver, channel};

use crate::registry::Registry;
use crate::world::{Docker, container};

fn spec(image: &str) -> Spec {
    let mut spec = container(&[]);
    spec.program = Program::Image(image.to_owned());
    spec
}

async fn prepare(docker: &Docker, image: &str, source: &Source) -> (Result<(), BackendError>, Receiver<Progress>) {
    let (news, heard) = channel(1000);
    (docker.backend.prepare(&spec(image), source, news).await, heard)
}

#[tokio::test]
async fn an_image_is_pulled_when_its_policy_says_so_and_every_error_of_a_registry_is_one() {
    let Some(docker) = Docker::start() else { return };
    let registry = Registry::start(None);
    let image = format!("{}/web:1", registry.address);
    let never = Source { policy: PullPolicy::Never, ..Source::default() };
    let always = Source { policy: PullPolicy::Always, ..Source::default() };
    let (outcome, _) = prepare(&docker, &image, &never).await;
    assert!(matches!(outcome, Err(BackendError::NoImage { .. })), "{outcome:?}");
    // An error in the middle of an answer that began as a success.
    registry.manners.spoilt.store(true, Ordering::SeqCst);
    let (outcome, _) = prepare(&docker, &image, &Source::default()).await;
    assert!(matches!(&outcome, Err(BackendError::NoImage { why, .. }) if !why.is_empty()), "{outcome:?}");
    registry.manners.spoilt.store(false, Ordering::SeqCst);

    let (outcome, mut heard) = prepare(&docker, &image, &Source::default()).await;
    outcome.unwrap();
    let mut statuses = vec![];
    while let Ok(news) = heard.try_recv() {
        assert_eq!(news.image, image);
        statuses.push(news.status);
    }
    assert!(statuses.iter().any(|status| status.contains("Pull complete")), "{statuses:?}");
    for (source, pulls) in [(&never, false), (&Source::default(), false), (&always, true)] {
        let (outcome, mut heard) = prepare(&docker, &image, source).await;
        outcome.unwrap();
        assert_eq!(heard.try_recv().is_ok(), pulls, "{source:?}");
    }
    for absent in [format!("{}/absent:1", registry.address), "127.0.0.1:1/web:1".to_owned()] {
        let (outcome, _) = prepare(&docker, &absent, &Source::default()).await;
        assert!(matches!(&outcome, Err(BackendError::NoImage { image, .. }) if *image == absent), "{outcome:?}");
    }
    let (outcome, _) = prepare(&docker, "web;reboot", &Source::default()).await;
    assert!(matches!(outcome, Err(BackendError::Invalid { .. })));
    // Nobody hears the news: the pull goes on all the same.
    let (news, heard) = channel(1);
    drop(heard);
    docker.backend.prepare(&spec(&image), &always, news).await.unwrap();
}

#[tokio::test]
async fn a_registry_that_wants_a_password_gets_it_and_nobody_else() {
    let Some(docker) = Docker::start() else { return };
    // bob:hunter2
    let registry = Registry::start(Some("Basic Ym9iOmh1bnRlcjI=".to_owned()));
    let image = format!("{}/web:1", registry.address);
    let (outcome, _) = prepare(&docker, &image, &Source::default()).await;
    assert!(matches!(outcome, Err(BackendError::NoImage { .. })), "{outcome:?}");
    let login = |password: &str| {
        let password = SecretText::new(password);
        Source { login: Some(RegistryLogin { user: "bob".to_owned(), password, server: None }), ..Source::default() }
    };
    let (outcome, _) = prepare(&docker, &image, &login("wrong-one")).await;
    assert!(!format!("{outcome:?} {:?}", login("wrong-one")).contains("wrong-one"));
    assert!(matches!(outcome, Err(BackendError::NoImage { .. })), "{outcome:?}");
    prepare(&docker, &image, &login("hunter2")).await.0.unwrap();
}

#[tokio::test]
async fn an_image_comes_from_a_file_where_there_is_no_registry() {
    let Some(docker) = Docker::start() else { return };
    let file = docker.folder.path().join("web.tar");
    let _ = docker.engine.docker(&["save", "-o", &file.display().to_string(), "test/web:1"]);
    let _ = docker.engine.docker(&["rmi", "test/web:1"]);
    let source = Source { policy: PullPolicy::Never, tar: Some(file.clone()), ..Source::default() };
    let (outcome, _) = prepare(&docker, "test/other:1", &source).await;
    assert!(matches!(&outcome, Err(BackendError::NoImage { why, .. }) if why.contains("another one")), "{outcome:?}");
    let _ = docker.engine.docker(&["rmi", "test/web:1"]);
    prepare(&docker, "test/web:1", &source).await.0.unwrap();
    prepare(&docker, "test/web:1", &source).await.0.unwrap();

    std::fs::write(&file, "no tar at all").unwrap();
    let (outcome, _) = prepare(&docker, "test/other:1", &source).await;
    assert!(outcome.is_err(), "{outcome:?}");
    std::fs::remove_file(&file).unwrap();
    let (outcome, _) = prepare(&docker, "test/other:1", &source).await;
    assert!(matches!(outcome, Err(BackendError::NoImage { .. })), "{outcome:?}");
}
