//! Making authorities, changing roots (V19), and areas below.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use mf2c_actors::certificate_authority::*;
use mf2c_domain::area::role::MemberRole;
use mf2c_fabric::wire::{Answer, Ask, AuthorityTrust, Bytes, Code};
use mf2c_pki::area::{Authority, PeerIdentity, Serial};

use crate::room::*;

async fn rotate(room: &Room, finish: bool) -> Result<AuthorityView, AuthorityError> {
    room.authority.send(Rotate { finish }).await.unwrap()
}

/// Whether who believes `trust` believes this certificate, shown with these intermediates.
fn believes(room: &Room, trust: &AuthorityTrust, certificate: &Bytes, shown: &AuthorityTrust) -> bool {
    let chain: Vec<_> =
        [certificate].into_iter().chain(&shown.intermediates).map(|der| der.0.as_slice().into()).collect();
    room.believe(trust.clone()).check(&chain, true, false, room.now()).is_ok()
}

#[actix::test]
async fn an_authority_is_made_once_and_stays() {
    let room = room().await;
    let made = room.view().await;
    assert_eq!((made.trust_domain.as_str(), made.area.as_str(), made.has_root_key), ("fog.example", "a1", true));
    assert_eq!((made.roots.len(), made.valid, made.rotation), (1, 2, None));
    let again = room.authority.send(init("a2")).await.unwrap();
    assert!(matches!(again, Err(AuthorityError::Exists)));
    let room = room.restarted();
    assert_eq!(room.view().await.roots, made.roots);

    let bare = bare(AuthoritySettings::default(), "d9").await;
    for (wrong, why) in [
        (InitAuthority { trust_domain: "Fog".into(), ..init("a1") }, "a trust domain has"),
        (init("a 1"), "an area has"),
        (InitAuthority { domains: vec!["*".into()], ..init("a1") }, "`*`"),
    ] {
        let said = bare.authority.send(wrong).await.unwrap().unwrap_err().to_string();
        assert!(said.contains(why), "{said}");
    }
    assert!(bare.all("certificate").is_empty());
}

#[actix::test]
async fn a_key_that_others_may_read_is_refused() {
    let room = room().await;
    let key = room.folder.path().join("ca/area.key");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    let (store, writer) = (Arc::clone(&room.store), room.writer.clone());
    let opened =
        CertificateAuthority::open(room.folder.path(), room.settings.clone(), store, writer, room.world.clone());
    let said = opened.err().unwrap().to_string();
    assert!(said.contains("0640") && said.contains("chmod 600"), "{said}");
}

#[actix::test]
async fn while_roots_change_who_believes_either_believes_everybody() {
    let room = room().await;
    let (_, old_member) = room.member("d1").await;
    let before = room.wire_trust().await;
    room.later(Duration::from_secs(60));
    let view = rotate(&room, false).await.unwrap();
    assert!(view.roots.len() == 2 && view.rotation.is_some());
    let during = room.wire_trust().await;
    assert_eq!((during.sequence, during.intermediates.len()), (before.sequence + 1, 2));
    assert_eq!(during.roots[1], before.roots[0]);
    let (_, new_member) = room.member("d2").await;
    let only_new = AuthorityTrust { roots: vec![during.roots[0].clone()], lists: vec![], ..during.clone() };
    for certificate in [&old_member.certificate, &new_member.certificate] {
        assert!(believes(&room, &before, certificate, &during), "who has not heard of the new root");
        assert!(believes(&room, &during, certificate, &during));
        assert!(believes(&room, &only_new, certificate, &during));
    }
    assert!(believes(&room, &during, &old_member.certificate, &before), "who does not show the new certificate yet");

    let refused = rotate(&room, false).await.unwrap_err().to_string();
    assert!(refused.contains("--finish"), "{refused}");
    let room = room.restarted();
    assert_eq!(room.wire_trust().await.roots, during.roots);
    rotate(&room, true).await.unwrap();
    let after = room.wire_trust().await;
    assert_eq!((after.sequence, &after.roots[..]), (during.sequence + 1, &during.roots[..1]));
    assert!(believes(&room, &after, &old_member.certificate, &during));
    assert!(believes(&room, &after, &old_member.certificate, &after));
    let old_root = AuthorityTrust { intermediates: vec![], lists: vec![], ..before };
    assert!(
        !believes(&room, &old_root, &old_member.certificate, &after),
        "who was away in another area must join again"
    );
    let refused = rotate(&room, true).await.unwrap_err().to_string();
    assert!(refused.contains("not being changed"), "{refused}");
    assert!(!room.folder.path().join("ca/previous-root.key").exists());
    assert_eq!(room.restarted().wire_trust().await.roots, after.roots);
}

#[actix::test]
async fn a_change_of_roots_that_a_crash_interrupts_has_happened_or_has_not() {
    for (file, happened) in [("authority.json", false), ("area.pem", true)] {
        let room = room().await;
        let (_, member) = room.member("d1").await;
        let before = room.wire_trust().await;
        let path = room.folder.path().join("ca").join(file);
        let old = std::fs::read(&path).unwrap();
        room.later(Duration::from_secs(60));
        rotate(&room, false).await.unwrap();
        std::fs::write(&path, old).unwrap();
        let room = room.restarted();
        let after = room.view().await;
        assert_eq!((after.roots.len(), after.rotation.is_some()), if happened { (2, true) } else { (1, false) });
        let trust = room.wire_trust().await;
        assert_eq!(trust.intermediates.len(), after.roots.len(), "{file}");
        assert!(believes(&room, &before, &member.certificate, &trust));
        assert!(believes(&room, &trust, &member.certificate, &trust));
        assert_eq!(rotate(&room, happened).await.unwrap().roots.len(), if happened { 1 } else { 2 });
    }
}

#[actix::test]
async fn a_change_of_roots_ends_by_itself() {
    let room = room().await;
    let mut heard = room.listen().await;
    rotate(&room, false).await.unwrap();
    room.later(Duration::from_secs(48 * 3600 - 1));
    room.authority.send(Tick).await.unwrap();
    assert!(room.view().await.rotation.is_some());
    room.later(Duration::from_secs(1));
    room.authority.send(Tick).await.unwrap();
    let view = room.view().await;
    assert_eq!((view.roots.len(), view.rotation), (1, None));
    let mut last = heard.recv().await.unwrap();
    while let Ok(next) = heard.try_recv() {
        last = next;
    }
    assert_eq!(last.roots.len(), 1);
}

#[actix::test]
async fn the_areas_authority_is_certified_again_in_time() {
    let room = room().await;
    let first = room.view().await.area_until;
    room.later(Duration::from_secs(61 * 86_400));
    room.authority.send(Tick).await.unwrap();
    let view = room.view().await;
    assert!(view.area_until > first);
    let (_, member) = room.member("d1").await;
    assert!(believes(&room, &room.wire_trust().await, &member.certificate, &member.trust));
}

/// The leader of an area of its own, admitted by `room`.
async fn leader(room: &Room) -> (Room, Arc<PeerIdentity>) {
    let token = room.token(CreateToken { role: MemberRole::Leader, area: Some("a2".into()), ..token() }).await;
    let mut ask = enrol(&token, &key(), "d2");
    if let Ask::Enrol { role, .. } = &mut ask {
        *role = MemberRole::Leader;
    }
    let Answer::Enrolled(enrolled) = room.ask(ask, None).await.unwrap() else { panic!() };
    let link = peer(&enrolled.certificate);
    // It does not lead the area above, and keeps saying so, until it has its own.
    let renew = Ask::Renew { request: request(&key()), names: vec![] };
    let Answer::Enrolled(again) = room.ask(renew, Some(Arc::clone(&link))).await.unwrap() else { panic!() };
    for link in [&link, &peer(&again.certificate)] {
        assert_eq!((link.unit.as_str(), link.id.area()), ("founder", Some("a1")));
    }

    let mut authority = Authority::new_area(&"spiffe://fog.example/area/a2".parse().unwrap()).unwrap();
    let ask = Ask::CertifyArea { request: authority.request().unwrap().into() };
    let Answer::Area { certificates } = room.ask(ask, Some(Arc::clone(&link))).await.unwrap() else { panic!() };
    authority.set_certificates(certificates.into_iter().map(|der| der.0).collect()).unwrap();
    let below = bare(AuthoritySettings::default(), "d2").await;
    let adopt = AdoptArea { authority, device: "d2".into(), trust: room.wire_trust().await };
    let view = below.authority.send(adopt).await.unwrap().unwrap();
    assert_eq!((view.area.as_str(), view.has_root_key), ("a2", false));
    (below, link)
}

#[actix::test]
async fn a_leader_becomes_the_authority_of_its_area_below_the_same_root() {
    let room = room().await;
    let (below, link) = leader(&room).await;
    let below = below.restarted();
    let (_, member) = below.member("c1").await;
    assert_eq!(peer(&member.certificate).id.to_string(), "spiffe://fog.example/area/a2/agent/c1");
    let root = room.wire_trust().await;
    assert!(believes(&room, &root, &member.certificate, &member.trust), "the other area believes it");
    assert_eq!(below.authority.send(AreaRequest).await.unwrap(), None, "nothing is due");
    for refused in [
        below.authority.send(Rotate { finish: false }).await.unwrap().unwrap_err(),
        below
            .authority
            .send(CreateToken { role: MemberRole::Leader, area: Some("a3".into()), ..token() })
            .await
            .unwrap()
            .unwrap_err(),
    ] {
        assert!(refused.to_string().contains("the key of the root is not on this machine"), "{refused}");
    }
    let again = room
        .authority
        .send(CreateToken { role: MemberRole::Leader, area: Some("a2".into()), ..token() })
        .await
        .unwrap();
    assert!(again.unwrap_err().to_string().contains("led by the device `d2`"));

    room.revoke(RevokeTarget::Device("d2".into())).await.unwrap();
    let news = room.wire_trust().await;
    below.authority.send(TakeUpper(news.clone())).await.unwrap().unwrap();
    let heard = below.believe(below.wire_trust().await);
    assert!(heard.is_revoked(&peer(&member.certificate)), "with its leader the whole area is revoked");
    let ask = Ask::CertifyArea { request: request(&key()) };
    let own = PeerIdentity { id: "spiffe://fog.example/area/a2/agent/d2".parse().unwrap(), ..(*link).clone() };
    let made_below = PeerIdentity { serial: Serial::from_bytes(&[7]), ..own };
    for link in [link, Arc::new(made_below)] {
        assert_eq!(code(room.ask(ask.clone(), Some(link)).await), Code::Revoked);
    }
    let again = CreateToken { role: MemberRole::Leader, area: Some("a2".into()), ..token() };
    room.authority.send(again).await.unwrap().expect("the area is free for another leader");
}

#[actix::test]
async fn only_who_was_admitted_as_a_leader_gets_an_area_and_only_that_one() {
    let room = room().await;
    let (_, agent) = room.member("d1").await;
    let area = |id: &str| {
        let authority = Authority::new_area(&id.parse().unwrap()).unwrap();
        Ask::CertifyArea { request: authority.request().unwrap().into() }
    };
    let own = area("spiffe://fog.example/area/a2");
    assert_eq!(code(room.ask(own.clone(), None).await), Code::Auth);
    assert_eq!(code(room.ask(own.clone(), Some(peer(&agent.certificate))).await), Code::Forbidden);
    let (_, link) = leader(&room).await;
    for other in ["spiffe://fog.example/area/a1", "spiffe://fog.example/area/a3", "spiffe://else/area/a2"] {
        let refused = room.ask(area(other), Some(Arc::clone(&link))).await.unwrap_err();
        assert!(refused.code == Code::Forbidden && refused.msg.contains(other), "{refused}");
    }
    assert!(room.ask(own, Some(link)).await.is_ok(), "again, with another key");
}

#[actix::test]
async fn a_new_root_above_reaches_the_area_below() {
    let room = room().await;
    let (below, link) = leader(&room).await;
    let (_, member) = below.member("c1").await;
    room.later(Duration::from_secs(60));
    below.later(Duration::from_secs(60));
    rotate(&room, false).await.unwrap();
    let news = room.wire_trust().await;
    below.authority.send(TakeUpper(news.clone())).await.unwrap().unwrap();
    assert_eq!(below.wire_trust().await.roots, news.roots);
    let request = below.authority.send(AreaRequest).await.unwrap().expect("the new root has not vouched yet");
    let ask = Ask::CertifyArea { request: request.into() };
    let Answer::Area { certificates } = room.ask(ask, Some(link)).await.unwrap() else { panic!() };
    assert_eq!(certificates.len(), 2);
    let certificates = certificates.into_iter().map(|der| der.0).collect();
    below.authority.send(TakeAreaCertificates(certificates)).await.unwrap().unwrap();
    assert_eq!(below.authority.send(AreaRequest).await.unwrap(), None);
    rotate(&room, true).await.unwrap();
    let after = room.wire_trust().await;
    below.authority.send(TakeUpper(after.clone())).await.unwrap().unwrap();
    below.authority.send(TakeUpper(news)).await.unwrap().expect("what is older is passed over");
    let shown = below.wire_trust().await;
    assert_eq!(shown.roots, after.roots);
    assert!(believes(&room, &after, &member.certificate, &shown));
}
