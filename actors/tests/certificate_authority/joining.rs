//! Joining with a token (V1 to V5, V23, V24), and tokens themselves.

use std::collections::BTreeSet;
use std::time::Duration;

use mf2c_actors::certificate_authority::{AuthorityError, AuthoritySettings, CreateToken};
use mf2c_domain::area::role::MemberRole;
use mf2c_domain::area::token::Secret;
use mf2c_fabric::wire::{Answer, Ask, Code};
use mf2c_pki::area::PeerIdentity;
use mf2c_store::engine::Fault;

use crate::room::*;

#[actix::test]
async fn a_token_admits_an_agent_with_a_certificate_of_this_area_that_others_believe() {
    let room = room().await;
    let (token, key) = (room.token(token()).await, key());
    let enrolled = room.enrol(&token, &key, "d1").await.unwrap();
    let own = PeerIdentity::of(&enrolled.certificate.0).unwrap();
    assert_eq!(own.id.to_string(), "spiffe://fog.example/area/a1/agent/d1");
    assert_eq!((own.unit.as_str(), own.key, enrolled.role), ("agent", key.hash(), MemberRole::Agent));
    assert_eq!(own.not_after.millis() - room.now().millis(), 86_400_000);
    assert_eq!(enrolled.leader, format!("spiffe://fog.example/area/a1/agent/{OWN}"));
    assert_eq!(token.root, mf2c_domain::area::token::root_hash(&enrolled.trust.roots[0].0));
    let trust = room.believe(enrolled.trust.clone());
    let chain = [&enrolled.certificate, &enrolled.trust.intermediates[0]].map(|der| der.0.as_slice().into());
    assert_eq!(trust.check(&chain, true, true, room.now()).unwrap().id, own.id);

    let id = format!("certificate/{}", own.serial);
    let document = room.read(&id).expect("the certificate is a document");
    assert_eq!(document["token"], format!("join-token/{}", token.id));
    assert_eq!((&document["kind"], &document["device"]), (&"agent".into(), &"d1".into()));
    room.until(&format!("join-token/{}", token.id), "state", "USED").await;
    room.until(&format!("join-token/{}", token.id), "certificate", &id).await;
}

#[actix::test]
async fn another_key_finds_the_token_used_and_an_event_tells_of_it() {
    let room = room().await;
    let token = room.token(token()).await;
    let first = room.enrol(&token, &key(), "d1").await.unwrap();
    for _ in 0..5 {
        let refused = room.enrol(&token, &key(), "d2").await.unwrap_err();
        assert_eq!(
            (refused.code, refused.msg.as_str()),
            (Code::TokenUsed, "the token has been used: ask for a new one")
        );
    }
    let id = format!("certificate/{}", serial(&first.certificate));
    assert_eq!(room.read(&id).unwrap()["state"], "VALID", "the first certificate stays");
    let waiting = async {
        while room.all("event").len() < 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap();
    let event = room.read(&room.all("event")[0]).unwrap();
    assert_eq!(event["content"]["resource"]["href"], format!("join-token/{}", token.id));
    assert_eq!(room.all("event").len(), 3, "the rest is in the log");
}

#[actix::test]
async fn a_lost_answer_is_given_again_for_a_minute_also_after_a_restart() {
    let room = room().await;
    let (token, key) = (room.token(token()).await, key());
    let first = room.enrol(&token, &key, "d1").await.unwrap();
    room.later(Duration::from_secs(50));
    assert_eq!(room.enrol(&token, &key, "d1").await.unwrap().certificate, first.certificate);
    let room = room.restarted();
    assert_eq!(room.enrol(&token, &key, "d1").await.unwrap().certificate, first.certificate);
    assert_eq!(room.all("certificate").len(), 3, "root, area, agent");
    room.later(Duration::from_secs(11));
    assert_eq!(room.enrol(&token, &key, "d1").await.unwrap_err().code, Code::TokenUsed);
}

#[actix::test]
async fn of_fifty_at_the_same_time_exactly_one_gets_in() {
    let room = room().await;
    let token = room.token(token()).await;
    let keys: Vec<_> = (0..50).map(|_| key()).collect();
    let tries = keys.iter().enumerate().map(|(at, key)| {
        let (room, token) = (&room, &token);
        async move { room.enrol(token, key, &format!("d{at}")).await }
    });
    let outcomes = futures_util::future::join_all(tries).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(outcomes.into_iter().flat_map(Result::err).all(|refused| refused.code == Code::TokenUsed));
    assert_eq!(room.all("certificate").len(), 3);
}

#[actix::test]
async fn a_token_for_something_else_is_refused_and_stays_unused() {
    let room = room().await;
    let token = room.token(CreateToken { device: Some("d1".into()), ..token() }).await;
    let key = key();
    let asked = enrol(&token, &key, "d1");
    let Ask::Enrol { token: id, secret, request, device, .. } = asked.clone() else { unreachable!() };
    let with = |role, area: Option<&str>, device: &str| Ask::Enrol {
        token: id.clone(),
        secret: secret.clone(),
        request: request.clone(),
        role,
        device: device.to_owned(),
        area: area.map(str::to_owned),
        names: vec![],
    };
    for (wrong, why) in [
        (with(MemberRole::Leader, None, &device), "role"),
        (with(MemberRole::Agent, Some("a2"), &device), "area"),
        (with(MemberRole::Agent, None, "d2"), "device"),
        (with(MemberRole::Agent, None, "d/2"), "device"),
    ] {
        let refused = room.ask(wrong, None).await.unwrap_err();
        assert!(refused.code == Code::Forbidden && refused.msg.contains(why), "{refused}");
    }
    assert!(matches!(room.ask(asked, None).await, Ok(Answer::Enrolled(_))));
}

#[actix::test]
async fn a_token_that_expired_a_second_ago_is_refused() {
    let room = room().await;
    let token = room.token(token()).await;
    room.later(Duration::from_secs(601));
    let refused = room.enrol(&token, &key(), "d1").await.unwrap_err();
    assert_eq!(refused.code, Code::TokenExpired);
    assert_eq!(room.all("certificate").len(), 2);
}

#[actix::test]
async fn an_unknown_token_and_a_wrong_secret_get_the_same_answer_and_not_many() {
    let room = room().await;
    let good = room.token(token()).await;
    let mut wrong = good.clone();
    wrong.secret = Secret::from([7; 32]);
    let mut unknown = good.clone();
    unknown.id = "0123456789abcdef".into();
    let [wrong_answer, unknown_answer] =
        [room.enrol(&wrong, &key(), "d1").await.unwrap_err(), room.enrol(&unknown, &key(), "d1").await.unwrap_err()];
    assert_eq!(wrong_answer, unknown_answer);
    assert_eq!(wrong_answer.code, Code::TokenInvalid);
    for _ in 0..18 {
        assert_eq!(room.enrol(&wrong, &key(), "d1").await.unwrap_err().code, Code::TokenInvalid);
    }
    let refused = room.enrol(&wrong, &key(), "d1").await.unwrap_err();
    assert!(refused.code == Code::Busy && refused.retry_after == Some(1000), "{refused:?}");
    room.later(Duration::from_secs(1));
    room.enrol(&good, &key(), "d1").await.unwrap();
}

#[actix::test]
async fn a_deleted_token_admits_nobody() {
    let room = room().await;
    let (one, key) = (room.token(token()).await, key());
    room.delete(&format!("join-token/{}", one.id)).await;
    assert_eq!(room.enrol(&one, &key, "d1").await.unwrap_err().code, Code::TokenInvalid);
    let other = room.token(token()).await;
    room.enrol(&other, &key, "d1").await.unwrap();
    room.until(&format!("join-token/{}", other.id), "state", "USED").await;
    room.delete(&format!("join-token/{}", other.id)).await;
    assert_eq!(room.enrol(&other, &key, "d1").await.unwrap_err().code, Code::TokenInvalid);
}

#[actix::test]
async fn a_device_that_is_known_is_admitted_again_only_with_a_token_made_for_it() {
    let room = room().await;
    let (_, first) = room.member("d1").await;
    let any = room.token(token()).await;
    for device in ["d1", OWN] {
        let refused = room.enrol(&any, &key(), device).await.unwrap_err();
        assert!(refused.code == Code::Forbidden && refused.msg.contains("--device"), "{refused}");
    }
    let id = format!("certificate/{}", serial(&first.certificate));
    assert_eq!(room.read(&id).unwrap()["state"], "VALID");
    room.enrol(&any, &key(), "d2").await.expect("the refusals have not used the token");
    let own = room.token(CreateToken { device: Some("d1".into()), ..token() }).await;
    room.enrol(&own, &key(), "d1").await.unwrap();
    let mine = room.token(CreateToken { device: Some(OWN.into()), ..token() }).await;
    assert_eq!(room.enrol(&mine, &key(), OWN).await.unwrap_err().code, Code::Forbidden, "nobody becomes the leader");
}

#[actix::test]
async fn two_who_claim_one_device_at_the_same_time_are_not_both_admitted() {
    let room = room().await;
    let (one, other) = (room.token(token()).await, room.token(token()).await);
    let (key, other_key) = (key(), key());
    let both = futures_util::future::join(room.enrol(&one, &key, "d1"), room.enrol(&other, &other_key, "d1")).await;
    assert!(both.0.is_ok() != both.1.is_ok(), "{both:?}");
}

#[actix::test]
async fn serial_numbers_of_one_millisecond_differ() {
    let room = room().await;
    let (_, member) = room.member("d1").await;
    let renewals = (0..100)
        .map(|_| room.ask(Ask::Renew { request: request(&key()), names: vec![] }, Some(peer(&member.certificate))));
    let answers = futures_util::future::join_all(renewals).await;
    let serials: BTreeSet<String> = answers
        .into_iter()
        .map(|answer| match answer.unwrap() {
            Answer::Enrolled(enrolled) => serial(&enrolled.certificate),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(serials.len(), 100);
}

#[actix::test]
async fn a_store_that_fails_hands_out_nothing_and_the_token_is_good_afterwards() {
    let room = room().await;
    let (token, key) = (room.token(token()).await, key());
    room.engine.inject(Fault::Full);
    let refused = room.enrol(&token, &key, "d1").await.unwrap_err();
    assert!(refused.code == Code::Busy && refused.retry_after.is_some(), "{refused:?}");
    room.engine.mend();
    let admitted = async {
        loop {
            match room.enrol(&token, &key, "d1").await {
                Ok(enrolled) => return enrolled,
                Err(refused) => assert_eq!(refused.code, Code::Busy),
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), admitted).await.unwrap();
}

#[actix::test]
async fn tokens_that_could_not_be_used_are_not_made() {
    let room = room().await;
    let leader = || CreateToken { role: MemberRole::Leader, area: Some("a2".into()), ..token() };
    for (wrong, why) in [
        (CreateToken { ttl: Duration::from_millis(999), ..token() }, "1 s to 24 h"),
        (CreateToken { ttl: Duration::from_secs(86_401), ..token() }, "1 s to 24 h"),
        (CreateToken { address: "nowhere".into(), ..token() }, "HOST:PORT"),
        (CreateToken { device: Some("d/1".into()), ..token() }, "a device has"),
        (CreateToken { area: Some("a2".into()), ..token() }, "`a1` here"),
        (CreateToken { names: vec!["www.example.org".into()], ..token() }, "`www.example.org`"),
        (CreateToken { without_secret: true, ..token() }, "--device"),
        (CreateToken { area: None, ..leader() }, "--area"),
        (CreateToken { area: Some("A 2".into()), ..leader() }, "an area has"),
        (CreateToken { area: Some("a1".into()), ..leader() }, "led by this agent"),
        (CreateToken { without_secret: true, device: Some("d1".into()), ..leader() }, "--without-secret"),
    ] {
        match room.authority.send(wrong).await.unwrap() {
            Err(AuthorityError::Refused(said)) => assert!(said.contains(why), "{said}"),
            other => panic!("{why}: {other:?}"),
        }
    }
    assert!(room.all("join-token").is_empty());
    let none = bare(AuthoritySettings::default(), "d9").await;
    assert!(matches!(none.authority.send(token()).await.unwrap(), Err(AuthorityError::None)));
    assert_eq!(code(none.ask(Ask::Bundle, None).await), Code::NotLeader);
}
