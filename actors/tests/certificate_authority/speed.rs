//! How many certificates a second, the store on a real disk included. Run by hand, in release:
//! `cargo test --release -p mf2c-actors --test certificate_authority speed -- --ignored --nocapture`.

use std::sync::Arc;
use std::time::Instant;

use actix::prelude::*;
use mf2c_actors::certificate_authority::{AnswerPeer, CertificateAuthority};
use mf2c_actors::resource_store::ResourceStore;
use mf2c_fabric::wire::{Answer, Ask};
use mf2c_store::engine::{EmbeddedEngine, EmbeddedOptions};
use mf2c_store::{Store, StoreOptions};

use crate::room::*;

const AGENTS: usize = 1000;
const ROUNDS: usize = 5;

#[actix::test]
#[ignore = "a measurement"]
#[expect(clippy::disallowed_methods, reason = "it measures real time")]
async fn certificates_a_second() {
    let room = room().await;
    let folder = tempfile::tempdir().unwrap();
    let engine = Arc::new(EmbeddedEngine::open(folder.path(), EmbeddedOptions::default()).unwrap());
    let clock = Arc::clone(&room.world.clock);
    let (store, writer) = Store::open(engine, StoreOptions::default(), clock, &*room.world.entropy).unwrap();
    let arbiters = [Arbiter::new(), Arbiter::new()];
    let writer = ResourceStore::new(writer, 4096);
    let writer = ResourceStore::start_in_arbiter(&arbiters[0].handle(), move |_| writer);
    let (settings, world) = (room.settings.clone(), room.world.clone());
    let authority =
        CertificateAuthority::open(room.folder.path(), settings, Arc::clone(&store), writer, world).unwrap();
    let authority = CertificateAuthority::start_in_arbiter(&arbiters[1].handle(), move |_| authority);
    assert!(authority.send(init("a2")).await.unwrap().is_err(), "it is there already");

    let mut members = Vec::new();
    for agent in 0..AGENTS {
        members.push(peer(&room.member(&format!("d{agent}")).await.1.certificate));
    }
    let requests: Vec<_> = (0..AGENTS).map(|_| request(&key())).collect();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let renewals = members.iter().zip(&requests).map(|(member, request)| {
            let ask = Ask::Renew { request: request.clone(), names: vec![] };
            authority.send(AnswerPeer { ask, peer: Some(Arc::clone(member)), source: SOURCE })
        });
        let answers = futures_util::future::join_all(renewals).await;
        let took = begun.elapsed();
        assert!(answers.into_iter().all(|answer| matches!(answer.unwrap(), Ok(Answer::Enrolled(_)))));
        println!("{AGENTS} certificates in {took:?}: {:.0}/s", AGENTS as f64 / took.as_secs_f64());
    }
    println!("{} documents", store.count("certificate"));
}
