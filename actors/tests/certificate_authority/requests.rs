//! What stands in requests, and which names a certificate gets (V7).

use std::time::Duration;

use mf2c_actors::certificate_authority::CreateToken;
use mf2c_domain::area::role::MemberRole;
use mf2c_domain::area::token::JoinToken;
use mf2c_fabric::wire::{Answer, Ask, Bytes, Code};
use serde_json::json;

use crate::room::*;

/// What a joiner asks for with this request and these names.
fn asked(token: &JoinToken, request: Bytes, device: &str, names: &[&str]) -> Ask {
    Ask::Enrol {
        token: token.id.clone(),
        secret: token.secret.bytes().to_vec().into(),
        request,
        role: MemberRole::Agent,
        device: device.to_owned(),
        area: None,
        names: names.iter().map(|name| (*name).to_owned()).collect(),
    }
}

#[actix::test]
async fn a_request_with_a_broken_signature_or_none_is_refused_and_the_token_stays() {
    let room = room().await;
    let token = room.token(token()).await;
    let mut broken = request(&key());
    *broken.0.last_mut().unwrap() ^= 1;
    for bad in [broken, Bytes(vec![]), Bytes(vec![0x30; 20_000])] {
        assert_eq!(code(room.ask(asked(&token, bad, "d1", &[]), None).await), Code::Forbidden);
    }
    room.enrol(&token, &key(), "d1").await.unwrap();
}

#[actix::test]
async fn a_request_that_names_another_device_is_refused_and_one_that_names_its_own_is_not() {
    let room = room().await;
    let victim = "f".repeat(128);
    let (_, known) = room.member(&victim).await;
    let token = room.token(token()).await;
    let key = key();
    let of = |uri: &str| key.request(Some(&uri.parse().unwrap()), "d1").unwrap().into();
    for uri in [
        format!("spiffe://fog.example/area/a1/agent/{victim}"),
        "spiffe://fog.example/area/a2/agent/d1".to_owned(),
        "spiffe://fog.example/area/a1".to_owned(),
        "spiffe://fog.example".to_owned(),
    ] {
        let refused = room.ask(asked(&token, of(&uri), "d1", &[]), None).await.unwrap_err();
        assert!(refused.code == Code::Forbidden && refused.msg.contains(&uri[..40.min(uri.len())]), "{refused}");
    }
    let posing = key.request(None, &victim).unwrap().into();
    let refused = room.ask(asked(&token, posing, "d1", &[]), None).await.unwrap_err();
    assert!(refused.code == Code::Forbidden && refused.msg.contains("names the device"), "{refused}");
    let document = room.read(&format!("certificate/{}", serial(&known.certificate))).unwrap();
    assert_eq!(document["state"], "VALID", "the entry of the other is as it was");
    let own = of("spiffe://fog.example/area/a1/agent/d1");
    assert!(room.ask(asked(&token, own, "d1", &[]), None).await.is_ok());
}

#[actix::test]
async fn a_certificate_holds_the_address_of_its_agent_and_the_names_of_its_token_and_keeps_them() {
    let room = room().await;
    let names = vec!["Door.edge.example".to_owned(), "10.1.2.3".to_owned()];
    let token = room.token(CreateToken { names, ..token() }).await;
    let ask = |names: &[&str]| asked(&token, request(&key()), "d1", names);
    for foreign in ["gate.edge.example", "10.1.2.4", "*.edge.example"] {
        let refused = room.ask(ask(&["192.0.2.7", foreign]), None).await.unwrap_err();
        assert!(refused.code == Code::Forbidden && refused.msg.contains(foreign), "{refused}");
    }
    let answer = room.ask(ask(&["192.0.2.7", "door.edge.example", "localhost"]), None).await.unwrap();
    let Answer::Enrolled(enrolled) = answer else { panic!("{answer:?}") };
    let document = |certificate| room.read(&format!("certificate/{}", serial(certificate))).unwrap();
    assert_eq!(document(&enrolled.certificate)["names"], json!(["192.0.2.7", "door.edge.example"]));

    room.later(Duration::from_secs(60_000));
    let renew = |names: &[&str]| Ask::Renew {
        request: request(&key()),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    let again = room.ask(renew(&["door.edge.example"]), Some(peer(&enrolled.certificate))).await.unwrap();
    let Answer::Enrolled(again) = again else { panic!("{again:?}") };
    assert_eq!(document(&again.certificate)["names"], json!(["door.edge.example"]));
    let refused = room.ask(renew(&["10.1.2.3"]), Some(peer(&again.certificate))).await.unwrap_err();
    assert_eq!(refused.code, Code::Forbidden, "it was not in the certificate");
}

#[actix::test]
async fn the_agent_of_the_authority_gets_what_the_authority_vouches_for_and_not_the_rest() {
    let room = room().await;
    let names = ["10.9.8.7", "leader.edge.example", "leader.elsewhere.org"].map(str::to_owned).to_vec();
    let answer = room.ask_own(Ask::Renew { request: request(&key()), names }).await.unwrap();
    let Answer::Enrolled(enrolled) = answer else { panic!("{answer:?}") };
    let own = peer(&enrolled.certificate);
    assert_eq!((own.unit.as_str(), enrolled.role), ("leader", MemberRole::Leader));
    assert_eq!(own.id.to_string(), enrolled.leader);
    let document = room.read(&format!("certificate/{}", own.serial)).unwrap();
    assert_eq!(document["names"], json!(["10.9.8.7", "leader.edge.example"]));
    assert_eq!(document["kind"], "leader");
}

#[actix::test]
async fn a_user_gets_a_certificate_for_his_agent_and_may_revoke_it_where_that_is_this_one() {
    let room = room().await;
    let (_, member) = room.member("d1").await;
    let ask = |name: &str, ttl| Ask::CertifyUser { request: request(&key()), name: name.to_owned(), ttl };
    let answer = room.ask(ask("jane@example.org", 3600), Some(peer(&member.certificate))).await.unwrap();
    let Answer::User { certificate } = answer else { panic!("{answer:?}") };
    let user = peer(&certificate);
    assert_eq!(user.id.to_string(), "spiffe://fog.example/area/a1/agent/d1/user/jane_40example_2eorg");
    assert_eq!(user.not_after.millis() - room.now().millis(), 3_600_000);
    let acl =
        |serial: &str| serde_json::to_string(&room.read(&format!("certificate/{serial}")).unwrap()["acl"]).unwrap();
    assert!(!acl(&user.serial.to_string()).contains("jane"), "she is a user of another agent");

    let Answer::User { certificate } = room.ask_own(ask("jane", 3600)).await.unwrap() else { panic!() };
    assert!(acl(&serial(&certificate)).contains(r#""principal":"jane","right":"MODIFY","type":"USER""#));
    for (name, ttl) in [("", 3600), ("jane", 0), ("jane", 31 * 86_400), ("a\nb", 60), (&*"n".repeat(256), 60)] {
        assert_eq!(code(room.ask_own(ask(name, ttl)).await), Code::Forbidden, "{name:?} {ttl}");
    }
    assert_eq!(code(room.ask(ask("jane", 60), None).await), Code::Auth);
    let signed = room.ask(ask("joe", 60), Some(peer(&certificate))).await;
    assert_eq!(code(signed), Code::Forbidden, "users certify nobody");
}
