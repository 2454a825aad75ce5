//! Revoking, and the lists that tell of it.

use std::time::Duration;

use mf2c_actors::certificate_authority::*;
use mf2c_actors::resource_store::AddResource;
use mf2c_domain::caller::Caller;
use mf2c_fabric::wire::{Answer, Ask, Code};
use mf2c_store::engine::Fault;

use crate::room::*;

#[actix::test]
async fn revoking_tells_everybody_at_once_with_a_list_of_a_higher_number() {
    let room = room().await;
    let (_, one) = room.member("d1").await;
    let (_, other) = room.member("d2").await;
    let mut heard = room.listen().await;
    heard.recv().await.unwrap();
    let before = room.view().await;
    let revoked = room.revoke(RevokeTarget::Device("d1".into())).await.unwrap();
    assert_eq!(revoked, [serial(&one.certificate)]);
    let after = room.view().await;
    assert_eq!((after.list_number, after.revoked), (before.list_number + 1, 1));
    assert_eq!(after.valid, before.valid - 1);
    let trust = room.believe(heard.recv().await.unwrap());
    assert!(trust.is_revoked(&peer(&one.certificate)) && !trust.is_revoked(&peer(&other.certificate)));
    assert!(trust.list_numbers().iter().all(|(_, number)| *number == after.list_number));
    let document = room.read(&format!("certificate/{}", revoked[0])).unwrap();
    assert_eq!((&document["state"], &document["reason"]), (&"REVOKED".into(), &"lost".into()));
    let pem = room.authority.send(RevocationList).await.unwrap().unwrap();
    assert!(pem.starts_with("-----BEGIN X509 CRL-----\n"), "{pem}");
}

#[actix::test]
async fn lists_are_signed_again_in_time_and_after_a_restart_with_a_higher_number() {
    let room = room().await;
    let (_, member) = room.member("d1").await;
    room.revoke(RevokeTarget::Serial(serial(&member.certificate))).await.unwrap();
    let first = room.view().await.list_number;
    room.later(Duration::from_secs(899));
    room.authority.send(Tick).await.unwrap();
    assert_eq!(room.view().await.list_number, first);
    room.later(Duration::from_secs(1));
    room.authority.send(Tick).await.unwrap();
    let second = room.view().await.list_number;
    assert!(second > first);
    let room = room.restarted();
    assert!(room.view().await.list_number > second);
    assert!(room.trust().await.is_revoked(&peer(&member.certificate)));
    room.later(Duration::from_secs(86_400));
    room.authority.send(Tick).await.unwrap();
    let expired = room.trust().await;
    assert!(!expired.is_revoked(&peer(&member.certificate)), "what has ended by itself leaves the list");
}

#[actix::test]
async fn a_serial_number_is_taken_as_openssl_writes_it_and_others_are_named() {
    let room = room().await;
    let (_, member) = room.member("d1").await;
    let serial = serial(&member.certificate);
    let said = |outcome: Result<Vec<String>, AuthorityError>| outcome.unwrap_err().to_string();
    assert!(said(room.revoke(RevokeTarget::Serial("xyz".into())).await).contains("no serial number"));
    assert!(said(room.revoke(RevokeTarget::Serial("01".into())).await).contains("there is no certificate 01"));
    assert!(said(room.revoke(RevokeTarget::Device("nobody".into())).await).contains("`nobody`"));
    assert!(said(room.revoke(RevokeTarget::Device(OWN.into())).await).contains("serial numbers"));
    for authority in room.all("certificate").iter().take(2).map(|id| id.replace("certificate/", "")) {
        assert!(said(room.revoke(RevokeTarget::Serial(authority)).await).contains("mf2c ca rotate"));
    }
    let shown: Vec<String> =
        serial.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).to_uppercase()).collect();
    assert_eq!(room.revoke(RevokeTarget::Serial(shown.join(":"))).await.unwrap(), [&*serial]);
    assert!(said(room.revoke(RevokeTarget::Serial(serial)).await).contains("was revoked at"));
}

#[actix::test]
async fn the_leader_does_not_revoke_the_certificate_that_its_area_hangs_on() {
    let room = room().await;
    let renew = Ask::Renew { request: request(&key()), names: vec![] };
    let Answer::Enrolled(own) = room.ask_own(renew).await.unwrap() else { panic!() };
    let before = room.view().await;
    for target in [RevokeTarget::Serial(serial(&own.certificate)), RevokeTarget::Device(OWN.into())] {
        let refused = room.revoke(target).await.unwrap_err();
        assert!(matches!(refused, AuthorityError::Refused(_)));
        let said = refused.to_string();
        assert!(said.contains("shut out the whole area") && said.contains("`ca/` and `member/`"), "{said}");
    }
    let after = room.view().await;
    assert_eq!((after.revoked, after.list_number), (0, before.list_number));
}

#[actix::test]
async fn a_user_revokes_his_own_certificate_and_no_other() {
    let room = room().await;
    let certify = |name: &str| Ask::CertifyUser { request: request(&key()), name: name.into(), ttl: 3600 };
    let Answer::User { certificate } = room.ask_own(certify("jane")).await.unwrap() else { panic!() };
    let Answer::User { certificate: elsewhere } =
        room.ask(certify("jane"), Some(peer(&room.member("d1").await.1.certificate))).await.unwrap()
    else {
        panic!()
    };
    let by = |name: &str, certificate| Revoke {
        target: RevokeTarget::Serial(serial(certificate)),
        reason: None,
        by: Caller::new(name, ["USER"]),
    };
    for refused in [by("joe", &certificate), by("jane", &elsewhere)] {
        let said = room.authority.send(refused).await.unwrap().unwrap_err().to_string();
        assert!(said.contains("credentials required"), "{said}");
    }
    assert_eq!(room.view().await.revoked, 0);
    room.authority.send(by("jane", &certificate)).await.unwrap().unwrap();
    assert_eq!(room.view().await.revoked, 1);

    let Answer::User { certificate: again } = room.ask_own(certify("jane")).await.unwrap() else { panic!() };
    let all = room.revoke(RevokeTarget::User("jane".into())).await.unwrap();
    assert_eq!(all, [serial(&again)], "jane at another agent is somebody else");
}

#[actix::test]
async fn a_certificate_that_is_on_its_way_is_revoked_with_the_others_of_its_device() {
    let room = room().await;
    let (_, member) = room.member("d1").await;
    let renewing = room.ask(Ask::Renew { request: request(&key()), names: vec![] }, Some(peer(&member.certificate)));
    let both = futures_util::future::join(renewing, room.revoke(RevokeTarget::Device("d1".into()))).await;
    assert_eq!(both.1.unwrap().len(), 2);
    assert_eq!(code(both.0), Code::Revoked);
    let room = room.restarted();
    assert_eq!(room.view().await.revoked, 2);
}

#[actix::test]
async fn what_could_not_be_written_is_not_revoked_and_that_is_said() {
    let room = room().await;
    let (_, member) = room.member("d1").await;
    room.engine.inject(Fault::Full);
    let said = room.revoke(RevokeTarget::Device("d1".into())).await.unwrap_err().to_string();
    assert!(said.contains("is not revoked"), "{said}");
    assert_eq!(room.view().await.revoked, 0);
    assert!(!room.trust().await.is_revoked(&peer(&member.certificate)));
}

#[actix::test]
async fn an_agent_without_an_authority_revokes_the_certificates_of_its_users() {
    let (room, member) = (room().await, bare(AuthoritySettings::default(), "d1").await);
    let (_, link) = room.member("d1").await;
    let mut serials = vec![];
    for name in ["jane", "jane", "joe"] {
        let ask = Ask::CertifyUser { request: request(&key()), name: name.into(), ttl: 3600 };
        let Answer::User { certificate } = room.ask(ask, Some(peer(&link.certificate))).await.unwrap() else {
            panic!()
        };
        let new = document_of_user(&certificate.0, String::new(), &*member.world.entropy).unwrap();
        member.writer.send(AddResource(new)).await.unwrap().unwrap();
        serials.push(serial(&certificate));
    }
    let by = Caller::new("jane", ["USER"]);
    let target = RevokeTarget::Serial(serials[0].clone());
    member.authority.send(Revoke { target, reason: None, by }).await.unwrap().unwrap();
    assert_eq!(member.revoke(RevokeTarget::User("jane".into())).await.unwrap(), [&*serials[1]]);
    let state = |serial: &String| member.read(&format!("certificate/{serial}")).unwrap()["state"].clone();
    assert_eq!(serials.iter().map(state).collect::<Vec<_>>(), ["REVOKED", "REVOKED", "VALID"]);
    // What the area's authority revokes is heard, and what is of no concern here is passed over.
    let heard = [&serials[2], &serials[0], &serial(&link.certificate)].map(|serial| serial.parse().unwrap());
    member.engine.inject(Fault::Full);
    member.authority.send(HearRevoked(heard.to_vec())).await.unwrap();
    assert_eq!(state(&serials[2]), "VALID", "the disk is full");
    member.engine.mend();
    member.authority.send(HearRevoked(heard.to_vec())).await.unwrap();
    assert_eq!(state(&serials[2]), "REVOKED");
    assert!(document_of_user(&link.certificate.0, String::new(), &*member.world.entropy).is_err());
}
