//! Renewals, before and after the end of a certificate (V11, V17).

use std::sync::Arc;
use std::time::Duration;

use mf2c_actors::certificate_authority::{AuthoritySettings, CreateToken, RevokeTarget};
use mf2c_domain::area::role::MemberRole;
use mf2c_fabric::wire::{Answer, Ask, Bytes, Code, Enrolled, Proof};
use mf2c_pki::area::{AgentKey, PeerIdentity};

use crate::room::*;

const DAY: Duration = Duration::from_secs(86_400);

fn lenient() -> AuthoritySettings {
    AuthoritySettings { renew_after_expiry: true, ..AuthoritySettings::default() }
}

fn renew(key: &AgentKey) -> Ask {
    Ask::Renew { request: request(key), names: vec![] }
}

/// Asks for a certificate in place of an expired one, with a proof by `old`.
fn renew_expired(certificate: &Bytes, old: &AgentKey) -> Ask {
    let request = request(&key());
    let signature = old.prove(&request.0).unwrap().into();
    let proof = Proof { certificate: certificate.clone(), signature };
    Ask::RenewExpired { request, names: vec![], proof }
}

#[actix::test]
async fn a_renewal_gives_the_same_agent_a_certificate_for_a_new_key() {
    let room = room().await;
    let (_, member) = room.member("d1").await;
    room.later(DAY / 3 * 2);
    let key = key();
    let answer = room.ask(renew(&key), Some(peer(&member.certificate))).await.unwrap();
    let Answer::Enrolled(Enrolled { certificate, leader, .. }) = answer else { panic!("{answer:?}") };
    let (old, new) = (peer(&member.certificate), peer(&certificate));
    assert_eq!((&new.id, new.key, leader), (&old.id, key.hash(), member.leader));
    assert!(new.not_after > old.not_after && new.serial != old.serial);
}

#[actix::test]
async fn who_is_nobody_or_of_another_area_is_not_renewed() {
    let room = room().await;
    let (_, member) = room.member("d1").await;
    assert_eq!(code(room.ask(renew(&key()), None).await), Code::Auth);
    let real = PeerIdentity::of(&member.certificate.0).unwrap();
    let other = |id: &str| PeerIdentity { id: id.parse().unwrap(), ..real.clone() };
    for foreign in [
        other("spiffe://fog.example/area/a2/agent/d1"),
        other("spiffe://else.example/area/a1/agent/d1"),
        other("spiffe://fog.example/area/a1/agent/d1/user/jane"),
        other("spiffe://fog.example/area/a1"),
        PeerIdentity { issuer: "00".repeat(20), ..real.clone() },
    ] {
        assert_eq!(code(room.ask(renew(&key()), Some(Arc::new(foreign))).await), Code::Forbidden);
    }
}

#[actix::test]
async fn after_its_end_a_certificate_is_renewed_only_where_that_is_allowed_and_for_seven_days() {
    let room = room_with(lenient()).await;
    let (key, member) = room.member("d1").await;
    room.later(DAY + Duration::from_secs(1));
    let answer = room.ask(renew_expired(&member.certificate, &key), None).await.unwrap();
    assert!(matches!(answer, Answer::Enrolled(_)));
    room.later(DAY * 7);
    let late = room.ask(renew_expired(&member.certificate, &key), None).await.unwrap_err();
    assert!(late.code == Code::Forbidden && late.msg.contains("seven days"), "{late}");

    let strict = room_with(AuthoritySettings::default()).await;
    let (key, member) = strict.member("d1").await;
    strict.later(DAY + Duration::from_secs(1));
    let refused = strict.ask(renew_expired(&member.certificate, &key), None).await.unwrap_err();
    assert!(refused.code == Code::Forbidden && refused.msg.contains("new token"), "{refused}");
}

#[actix::test]
async fn a_proof_by_another_key_or_of_a_strange_certificate_is_none() {
    let (room, other) = (room_with(lenient()).await, room_with(lenient()).await);
    let (own_key, member) = room.member("d1").await;
    let (strange_key, strange) = other.member("d1").await;
    room.later(DAY + Duration::from_secs(1));
    for ask in [
        renew_expired(&member.certificate, &strange_key),
        renew_expired(&strange.certificate, &strange_key),
        renew_expired(&Bytes(vec![1, 2, 3]), &own_key),
    ] {
        assert_eq!(code(room.ask(ask, None).await), Code::Auth);
    }
    let mut replayed = renew_expired(&member.certificate, &own_key);
    if let Ask::RenewExpired { request: asked, .. } = &mut replayed {
        *asked = request(&key());
    }
    assert_eq!(code(room.ask(replayed, None).await), Code::Auth, "the proof is for one request");
}

#[actix::test]
async fn an_agent_that_is_revoked_after_its_end_or_with_an_older_key_does_not_come_back() {
    let room = room_with(lenient()).await;
    let (old_key, old) = room.member("d1").await;
    room.later(DAY / 3 * 2);
    room.ask(renew(&key()), Some(peer(&old.certificate))).await.unwrap();
    room.later(DAY / 2);
    // The first certificate has ended, the second holds.
    let revoked = room.revoke(RevokeTarget::Device("d1".into())).await.unwrap();
    assert_eq!(revoked.len(), 2);
    assert_eq!(code(room.ask(renew_expired(&old.certificate, &old_key), None).await), Code::Revoked);

    let (late_key, late) = room.member("d2").await;
    room.later(DAY + Duration::from_secs(1));
    room.revoke(RevokeTarget::Device("d2".into())).await.expect("it could be renewed, so it can be revoked");
    assert_eq!(code(room.ask(renew_expired(&late.certificate, &late_key), None).await), Code::Revoked);

    let (first_key, first) = room.member("d3").await;
    room.later(DAY / 3 * 2);
    let answer = room.ask(renew(&key()), Some(peer(&first.certificate))).await.unwrap();
    let Answer::Enrolled(Enrolled { certificate: second, .. }) = answer else { panic!("{answer:?}") };
    room.revoke(RevokeTarget::Serial(serial(&second))).await.unwrap();
    room.later(DAY);
    let stolen = renew_expired(&first.certificate, &first_key);
    assert_eq!(code(room.ask(stolen.clone(), None).await), Code::Revoked, "its successor was revoked");
    room.revoke(RevokeTarget::Serial(serial(&first.certificate))).await.unwrap();

    let again = room.token(CreateToken { device: Some("d3".into()), ..token() }).await;
    let key = key();
    let back = room.enrol(&again, &key, "d3").await.unwrap();
    room.later(DAY + Duration::from_secs(1));
    assert!(room.ask(renew_expired(&back.certificate, &key), None).await.is_ok(), "who was let in again stays");
    assert_eq!(code(room.ask(stolen, None).await), Code::Revoked);
}

#[actix::test]
async fn users_cannot_use_up_what_their_agent_needs_for_its_renewal() {
    let room = room().await;
    let (_, member) = room.member("d1").await;
    let (link, key) = (peer(&member.certificate), key());
    let user = || Ask::CertifyUser { request: request(&key), name: "jane".into(), ttl: 30 * 86_400 };
    let asked = (0..1000).map(|_| room.ask(user(), Some(Arc::clone(&link))));
    assert!(futures_util::future::join_all(asked).await.iter().all(Result::is_ok));
    assert_eq!(code(room.ask(user(), Some(Arc::clone(&link))).await), Code::Busy);
    assert!(room.ask(renew(&key), Some(link)).await.is_ok());
}

#[actix::test]
async fn a_leader_below_does_not_get_certificates_without_end_for_its_area() {
    let room = room().await;
    let leader = CreateToken { role: MemberRole::Leader, area: Some("a2".into()), ..token() };
    let (token, key) = (room.token(leader).await, key());
    let mut ask = enrol(&token, &key, "l2");
    if let Ask::Enrol { role, .. } = &mut ask {
        *role = MemberRole::Leader;
    }
    let Answer::Enrolled(enrolled) = room.ask(ask, None).await.unwrap() else { panic!("not enrolled") };
    let link = peer(&enrolled.certificate);
    let certify = || room.ask(Ask::CertifyArea { request: request(&key) }, Some(Arc::clone(&link)));
    let answers = futures_util::future::join_all((0..1000).map(|_| certify())).await;
    assert!(answers.iter().filter(|answer| answer.is_ok()).count() < 1000);
    assert_eq!(code(certify().await), Code::Busy);
}

#[actix::test]
async fn a_revoked_agent_gets_nothing_by_renewal_nor_after_the_end_nor_by_its_old_token() {
    let room = room_with(lenient()).await;
    let (token, key) = (room.token(token()).await, key());
    let member = room.enrol(&token, &key, "d1").await.unwrap();
    room.revoke(RevokeTarget::Device("d1".into())).await.unwrap();
    let link = Some(peer(&member.certificate));
    assert_eq!(code(room.ask(renew(&key), link.clone()).await), Code::Revoked);
    let user = Ask::CertifyUser { request: request(&key), name: "jane".into(), ttl: 60 };
    assert_eq!(code(room.ask(user, link).await), Code::Revoked);
    assert_eq!(room.enrol(&token, &key, "d1").await.unwrap_err().code, Code::Revoked);
    let other = room.token(crate::room::token()).await;
    assert_eq!(room.enrol(&other, &key, "d1").await.unwrap_err().code, Code::Forbidden);
    room.later(DAY + Duration::from_secs(1));
    assert_eq!(code(room.ask(renew_expired(&member.certificate, &key), None).await), Code::Revoked);
    let room = room.restarted();
    assert_eq!(code(room.ask(renew_expired(&member.certificate, &key), None).await), Code::Revoked);
}
