//! Who gets in, and why others do not: vectors V8 to V12, V16, V20, F8.

use std::sync::Arc;
use std::time::Duration;

use mf2c_actors::ports::{AuthorityTransport as _, LinkError};
use mf2c_fabric::wire::{Answer, Ask, Code, Hello, Message};
use mf2c_pki::area::{LINK_ALPN, join_client};
use mf2c_transport::link::{LinkLimits, Refusal};
use rustls::ClientConfig;
use rustls::version::TLS12;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::world::{Agent, Area, Hand, Hands, eventually, soon};

fn refusals(agent: &Agent, reason: Refusal) -> u64 {
    agent.net.counters().refused.get(&reason).copied().unwrap_or_default()
}

fn refused(error: &LinkError) -> Code {
    match error {
        LinkError::Refused(error) => error.code,
        other => panic!("{other}"),
    }
}

async fn refused_for(leader: &Agent, reason: Refusal) {
    eventually(|| refusals(leader, reason) > 0).await;
    assert_eq!(leader.net.counters().refused.len(), 1, "{:?}", leader.net.counters());
    assert_eq!(leader.net.counters().open, 0);
}

#[tokio::test]
async fn a_member_asks_its_leader_over_mutual_tls_with_a_hybrid_key_exchange() {
    let area = Area::new("a1");
    let (leader, child) = (Agent::leader(&area), Agent::member(&area, "c1", "agent"));
    child.follow(&leader);
    assert_eq!(soon(child.ask_serial()).await.unwrap(), child.serial().to_string());
    let links = leader.net.links();
    assert_eq!((links.len(), &links[0].peer, links[0].accepted), (1, &area.id("c1"), true));
    assert!(matches!(soon(child.net.ask(Ask::Bundle)).await, Ok(Answer::Trust(_))));
    assert_eq!(leader.net.counters().open, 1, "one link for all questions");

    let hand = child.by_hand(&leader).await;
    let group = hand.io.get_ref().1.negotiated_key_exchange_group().unwrap();
    assert_eq!(group.name(), rustls::NamedGroup::X25519MLKEM768);
    assert_eq!(hand.io.get_ref().1.alpn_protocol(), Some(LINK_ALPN));
}

#[tokio::test]
async fn an_expired_certificate_is_refused_whoever_shows_it() {
    let area = Area::new("a1");
    let (leader, child) = (Agent::leader(&area), Agent::member(&area, "c1", "agent"));
    let short = area.membership("c1", "agent", Duration::from_secs(100));
    child.credentials.install(short, area.trust()).unwrap();
    area.clock.set(101);
    child.follow(&leader);
    let error = soon(child.ask_serial()).await.unwrap_err();
    assert_eq!(refused(&error), Code::Auth, "{error}");
    refused_for(&leader, Refusal::Expired).await;

    let short = area.membership("leader", "leader", Duration::from_secs(100));
    leader.credentials.install(short, area.trust()).unwrap();
    child.credentials.install(area.membership("c1", "agent", Duration::from_secs(1000)), area.trust()).unwrap();
    area.clock.set(202);
    let other = Agent::member(&area, "c2", "agent");
    other.follow(&leader);
    let error = soon(other.ask_serial()).await.unwrap_err();
    assert!(matches!(&error, LinkError::Untrusted { reason, .. } if reason.contains("expired")), "{error}");
}

#[tokio::test]
async fn a_clock_three_minutes_behind_is_served_and_ten_minutes_behind_gets_a_hint() {
    let area = Area::new("a1");
    let leader = Agent::leader(&area);
    for (behind, good) in [(-180, true), (-600, false)] {
        let child = Agent::with(&area, "c1", "agent", Hands::new(behind), LinkLimits::default());
        child.follow(&leader);
        match soon(child.ask_serial()).await {
            Ok(_) => assert!(good),
            Err(error) => assert!(!good && error.to_string().contains("clock_skew"), "{error}"),
        }
    }
    // Certificates that are old enough do not show it, but the Hello does.
    area.clock.set(3600);
    let child = Agent::with(&area, "c2", "agent", Hands::new(2900), LinkLimits::default());
    area.clock.set(3000);
    child.credentials.install(area.membership("c2", "agent", Duration::from_secs(9000)), area.trust()).unwrap();
    leader.credentials.install(area.membership("leader", "leader", Duration::from_secs(9000)), area.trust()).unwrap();
    area.clock.set(3600);
    child.follow(&leader);
    let error = soon(child.ask_serial()).await.unwrap_err();
    assert_eq!(refused(&error), Code::ClockSkew, "{error}");
}

#[tokio::test]
async fn a_certificate_below_another_root_with_the_same_names_is_refused() {
    let (area, forged) = (Area::new("a1"), Area::new("a1"));
    let (leader, child) = (Agent::leader(&area), Agent::member(&forged, "c1", "agent"));
    child.follow(&leader);
    let error = soon(child.ask_serial()).await.unwrap_err();
    assert!(matches!(error, LinkError::Untrusted { .. }), "{error}");
    refused_for(&leader, Refusal::Distrusted).await;

    // One that believes the leader all the same.
    let (leader, child) = (Agent::leader(&area), Agent::member(&forged, "c1", "agent"));
    let (config, _) = join_client().unwrap();
    let honest = child.credentials.link_client(&area.id("leader")).unwrap();
    let mut config = ClientConfig::clone(&config);
    config.client_auth_cert_resolver = Arc::clone(&honest.client_auth_cert_resolver);
    config.alpn_protocols = vec![LINK_ALPN.to_vec()];
    let mut hand = Hand::connect(leader.address, Arc::new(config)).await.unwrap();
    assert!(hand.next().await.is_none());
    refused_for(&leader, Refusal::UnknownAuthority).await;
    assert!(leader.answers.notices.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_member_of_another_area_is_forbidden_and_its_leader_gets_certificates_alone() {
    let a1 = Area::new("a1");
    let a2 = a1.sister("a2");
    let leader = Agent::leader(&a1);
    let child = Agent::member(&a2, "c1", "agent");
    child.follow(&leader);
    let error = soon(child.ask_serial()).await.unwrap_err();
    assert_eq!(refused(&error), Code::Forbidden);
    assert!(error.to_string().contains("a1"), "{error}");
    refused_for(&leader, Refusal::Hello).await;

    let below = Agent::member(&a2, "leader2", "leader");
    below.follow(&leader);
    assert!(matches!(soon(below.net.ask(Ask::Bundle)).await, Ok(Answer::Trust(_))));
    assert_eq!(refused(&soon(below.ask_serial()).await.unwrap_err()), Code::Forbidden);
}

#[tokio::test]
async fn a_hello_that_does_not_agree_is_refused_with_its_reason() {
    let area = Area::new("a1");
    let (leader, child) = (Agent::leader(&area), Agent::member(&area, "c1", "agent"));
    let good = child.hello();
    for (hello, code) in [
        (Hello { node: area.id("c2").to_string(), ..good.clone() }, Code::Auth),
        (Hello { area: "a2".into(), ..good.clone() }, Code::Auth),
        (Hello { clock: good.clock - 700_000, ..good.clone() }, Code::ClockSkew),
        (Hello { max_frame: 9, ..good.clone() }, Code::BadFrame),
    ] {
        let mut hand = child.by_hand(&leader).await;
        hand.send(&Message::Hello(hello)).await;
        assert_eq!(hand.closed().await, code);
    }
    let mut later = child.by_hand(&leader).await;
    later.send(&Message::Hello(Hello { v: vec![2], ..good })).await;
    let Some(Message::Close(error)) = soon(later.next()).await else { panic!("no reason") };
    assert!(error.code == Code::Version && error.msg.contains("supported: [1]"), "{error}");
    let mut rude = child.by_hand(&leader).await;
    rude.send(&Message::Ping(1)).await;
    assert_eq!(rude.closed().await, Code::BadFrame);
    refused_for(&leader, Refusal::Hello).await;
}

#[tokio::test]
async fn who_says_no_hello_is_not_waited_for() {
    let area = Area::new("a1");
    let limits = LinkLimits { hello: Duration::from_millis(50), ..LinkLimits::default() };
    let (leader, child) = (Agent::leader_with(&area, limits), Agent::member(&area, "c1", "agent"));
    let mut silent = child.by_hand(&leader).await;
    assert_eq!(silent.closed().await, Code::BadFrame);
    let mut slow = TcpStream::connect(leader.address).await.unwrap();
    drop(silent);
    eventually(|| leader.net.counters().half_open == 1).await;
    slow.write_all(&[22, 3]).await.unwrap();
    drop(slow);
    eventually(|| leader.net.counters().half_open == 0).await;
}

#[tokio::test]
async fn a_live_link_of_a_revoked_agent_is_closed_at_once_and_it_does_not_come_back() {
    let area = Area::new("a1");
    let leader = Agent::leader(&area);
    let (c1, c2) = (Agent::member(&area, "c1", "agent"), Agent::member(&area, "c2", "agent"));
    c1.follow(&leader);
    c2.follow(&leader);
    soon(c1.ask_serial()).await.unwrap();
    soon(c2.ask_serial()).await.unwrap();
    let mut streaming = c1.greeted(&leader).await;

    area.revoke(&[c1.serial()]);
    leader.credentials.set_trust(area.trust()).unwrap();
    leader.net.close_unbelieved();
    assert_eq!(streaming.closed().await, Code::Revoked);
    eventually(|| leader.net.links().iter().all(|link| link.peer == area.id("c2"))).await;
    eventually(|| refusals(&leader, Refusal::Revoked) > 0).await;
    let error = soon(c1.ask_serial()).await.unwrap_err();
    assert_eq!(refused(&error), Code::Revoked, "{error}");
    soon(c2.ask_serial()).await.unwrap();
}

#[tokio::test]
async fn clients_without_a_certificate_without_tls_1_3_without_a_protocol_or_without_tls_are_refused() {
    let area = Area::new("a1");
    let config = || ClientConfig::clone(&join_client().unwrap().0);
    let with = |mut config: ClientConfig, alpn: &[&[u8]]| {
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Arc::new(config)
    };
    let old = |area: &Arc<Area>| {
        let child = Agent::member(area, "c1", "agent");
        let honest = child.credentials.link_client(&area.id("leader")).unwrap();
        ClientConfig::builder_with_provider(mf2c_pki::provider())
            .with_protocol_versions(&[&TLS12])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(join_client().unwrap().1)
            .with_client_cert_resolver(Arc::clone(&honest.client_auth_cert_resolver))
    };
    for (config, reason) in [
        (with(config(), &[LINK_ALPN]), Refusal::NoCertificate),
        (with(old(&area), &[LINK_ALPN]), Refusal::TlsVersion),
        (with(config(), &[]), Refusal::NoAlpn),
        (with(config(), &[b"h2", b"http/1.1"]), Refusal::NoAlpn),
    ] {
        let leader = Agent::leader(&area);
        if let Ok(mut hand) = soon(Hand::connect(leader.address, config)).await {
            assert!(soon(hand.next()).await.is_none());
        }
        refused_for(&leader, reason).await;
    }
    let leader = Agent::leader(&area);
    let error = soon(Hand::connect(leader.address, with(config(), &[]))).await.err().unwrap();
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");

    let leader = Agent::leader(&area);
    let mut plain = TcpStream::connect(leader.address).await.unwrap();
    plain.write_all(b"GET /api/cloud-entry-point HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    soon(plain.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.ends_with("\r\n"), "{answer}");
    let body = answer.split("\r\n\r\n").nth(1).unwrap();
    assert!(answer.contains(&format!("Content-Length: {}\r\n", body.len())), "{answer}");
    refused_for(&leader, Refusal::PlainHttp).await;
}

#[tokio::test]
async fn an_agent_without_an_area_serves_no_links_and_asks_nobody() {
    let area = Area::new("a1");
    let lonely = Agent::new(&area, Arc::clone(&area.clock), LinkLimits::default());
    let address = lonely.net.listen(lonely.address).unwrap();
    let (config, _) = join_client().unwrap();
    assert!(soon(Hand::connect(address, config)).await.is_err());
    refused_for(&lonely, Refusal::NoMembership).await;
    assert_eq!(soon(lonely.net.ask(Ask::Bundle)).await, Err(LinkError::NoMembership));
    let child = Agent::member(&area, "c1", "agent");
    assert!(matches!(soon(child.net.ask(Ask::Bundle)).await, Err(LinkError::Unreachable { .. })));
}

#[tokio::test]
async fn garbage_is_refused_and_others_are_served_all_the_same() {
    let area = Area::new("a1");
    let (leader, child) = (Agent::leader(&area), Agent::member(&area, "c1", "agent"));
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    for round in 0..10_u8 {
        let garbage: Vec<u8> = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            seed.to_be_bytes()[0]
        })
        .take(500)
        .collect();
        let mut stream = TcpStream::connect(leader.address).await.unwrap();
        // Half of it looks like TLS at first.
        let first = if round % 2 == 0 { 22 } else { garbage[0] | 0x80 };
        let _ = stream.write_all(&[&[first], &garbage[1..]].concat()).await;
        let _ = stream.shutdown().await;
        let mut answer = vec![];
        let _ = soon(stream.read_to_end(&mut answer)).await;
        assert!(answer.len() < 100);
    }
    eventually(|| refusals(&leader, Refusal::NotTls) == 10).await;
    child.follow(&leader);
    soon(child.ask_serial()).await.unwrap();
}
