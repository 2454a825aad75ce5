//! What is kept over restarts, what is swept, and what other doors have recorded.

use std::time::Duration;

use mf2c_actors::certificate_authority::*;
use mf2c_actors::resource_store::EditResource;
use mf2c_domain::area::token::{JoinToken, Secret};
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use mf2c_fabric::wire::Code;
use mf2c_pki::area::Facts;
use serde_json::json;

use crate::room::*;

const DAY: Duration = Duration::from_secs(86_400);

#[actix::test]
async fn a_restart_forgets_neither_used_tokens_nor_bound_devices_nor_revocations() {
    let room = room().await;
    let token = room.token(token()).await;
    let member = room.enrol(&token, &key(), "d1").await.unwrap();
    let open = room.token(crate::room::token()).await;
    room.revoke(RevokeTarget::Device("d1".into())).await.unwrap();
    let before = room.view().await;
    let room = room.restarted();
    assert_eq!(room.enrol(&token, &key(), "d3").await.unwrap_err().code, Code::TokenUsed);
    assert_eq!(room.enrol(&open, &key(), "d1").await.unwrap_err().code, Code::Forbidden);
    assert!(room.trust().await.is_revoked(&peer(&member.certificate)));
    let after = room.view().await;
    assert_eq!((after.valid, after.revoked), (before.valid, before.revoked));
    room.enrol(&open, &key(), "d2").await.unwrap();
}

#[actix::test]
async fn a_token_whose_use_was_not_marked_is_marked_at_the_next_start() {
    let room = room().await;
    let token = room.token(token()).await;
    let id = format!("join-token/{}", token.id);
    room.enrol(&token, &key(), "d1").await.unwrap();
    room.until(&id, "state", "USED").await;
    let changes = json!({"state": "OPEN"}).as_object().cloned().unwrap();
    let edit = EditResource {
        id: ResourceId::parse(&id).unwrap(),
        changes,
        removed: vec![],
        if_match: None,
        by: Caller::agent(),
    };
    room.writer.send(edit).await.unwrap().unwrap();
    let room = room.restarted();
    room.until(&id, "state", "USED").await;
    assert_eq!(room.enrol(&token, &key(), "d2").await.unwrap_err().code, Code::TokenUsed);
}

#[actix::test]
async fn certificates_are_swept_seven_days_after_their_end_and_tokens_after_one() {
    let room = room().await;
    let (_, member) = room.member("d1").await;
    room.token(token()).await;
    let sweep = || async { room.authority.send(Sweep).await.unwrap() };
    room.later(DAY);
    assert_eq!(sweep().await, 0);
    room.later(Duration::from_secs(601));
    assert_eq!(sweep().await, 2, "both tokens");
    assert!(room.all("join-token").is_empty());
    room.later(DAY * 7 - Duration::from_secs(602));
    assert_eq!(sweep().await, 0);
    room.later(Duration::from_secs(2));
    assert_eq!(sweep().await, 1);
    assert!(room.read(&format!("certificate/{}", serial(&member.certificate))).is_none());
    assert_eq!(room.all("certificate").len(), 2, "root and area");
    let (_, again) = room.member("d1").await;
    assert_ne!(again.certificate, member.certificate, "nobody knows the device any more");
}

/// A certificate that another door might have issued: one of another area.
async fn foreign(device: Option<&str>, permit: Permit) -> RecordForeign {
    let (_, member) = room().await.member("x").await;
    RecordForeign {
        certificate: member.certificate.0,
        issuer: "it2untrustedca".into(),
        device: device.map(str::to_owned),
        public_key_pem: "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n".into(),
        permit,
    }
}

async fn record(room: &Room, foreign: RecordForeign) -> Result<(), String> {
    let facts = Facts::of(&foreign.certificate).unwrap();
    let outcome = room.authority.send(foreign).await.unwrap();
    if outcome.is_ok() {
        let document = room.read(&format!("certificate/{}", facts.serial)).unwrap();
        assert_eq!((&document["kind"], &document["issuer"]), (&"legacy".into(), &"it2untrustedca".into()));
    }
    outcome.map_err(|error| error.to_string())
}

#[actix::test]
async fn another_door_uses_a_token_up_and_needs_one() {
    let room = room().await;
    let wrong = JoinToken { secret: Secret::from([0; 32]), ..room.token(token()).await };
    let said = record(&room, foreign(Some("d1"), Permit::Token(wrong)).await).await.unwrap_err();
    assert!(said.contains("secret is wrong"), "{said}");
    let good = room.token(CreateToken { device: Some("d1".into()), ..token() }).await;
    let said = record(&room, foreign(Some("d2"), Permit::Token(good.clone())).await).await.unwrap_err();
    assert!(said.contains("another device"), "{said}");
    let used = foreign(Some("d1"), Permit::Token(good.clone())).await;
    record(&room, used.clone()).await.unwrap();
    let said = record(&room, used).await.unwrap_err();
    assert!(said.contains("serial number"), "{said}");
    assert_eq!(room.enrol(&good, &key(), "d1").await.unwrap_err().code, Code::TokenUsed);
    let broken = RecordForeign { certificate: vec![1], ..foreign(None, Permit::Operator).await };
    assert!(room.authority.send(broken).await.unwrap().is_err());
}

#[actix::test]
async fn nobody_gets_the_common_name_of_another_device_by_an_identifier_that_begins_like_it() {
    let room = room().await;
    let victim = "e".repeat(128);
    room.member(&victim).await;
    let cut = |id: &str| id[..63].to_owned();
    for posing in [cut(&victim), cut(&victim) + "0", cut(OWN)] {
        let permit = Permit::Token(room.token(token()).await);
        let said = record(&room, foreign(Some(&posing), permit).await).await.unwrap_err();
        assert!(said.contains("has a certificate already"), "{said}");
    }
    let made_for_it = room.token(CreateToken { device: Some(cut(&victim)), ..token() }).await;
    record(&room, foreign(Some(&cut(&victim)), Permit::Token(made_for_it)).await).await.unwrap();
    let other = Permit::Token(room.token(token()).await);
    record(&room, foreign(Some(&"e".repeat(62)), other).await).await.expect("that is another name");
}

#[actix::test]
async fn a_device_without_a_secret_needs_an_open_token_of_its_own_which_serves_once() {
    let room = room().await;
    let said = record(&room, foreign(Some("d1"), Permit::Device).await).await.unwrap_err();
    assert!(said.contains("--without-secret"), "{said}");
    room.token(CreateToken { device: Some("d1".into()), ..token() }).await;
    assert!(record(&room, foreign(Some("d1"), Permit::Device).await).await.is_err(), "that one needs its secret");
    let open = CreateToken { device: Some("d1".into()), without_secret: true, ..token() };
    let deleted = room.token(open.clone()).await;
    room.delete(&format!("join-token/{}", deleted.id)).await;
    assert!(record(&room, foreign(Some("d1"), Permit::Device).await).await.is_err());
    room.token(open).await;
    let room = room.restarted();
    assert!(record(&room, foreign(None, Permit::Device).await).await.is_err());
    record(&room, foreign(Some("d1"), Permit::Device).await).await.unwrap();
    assert!(record(&room, foreign(Some("d1"), Permit::Device).await).await.is_err());
    record(&room, foreign(Some("d1"), Permit::Operator).await).await.unwrap();
    let taken = room.enrol(&room.token(token()).await, &key(), "d1").await.unwrap_err();
    assert_eq!(taken.code, Code::Forbidden, "the device is known now");
}
