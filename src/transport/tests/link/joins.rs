//! Without a certificate: joining with a token, and renewing what has expired. Vectors V1, V6 and V17 as far as links go.

use std::time::Duration;

use mf2c_actors::ports::{AuthorityTransport as _, EnrolAsk, LinkError};
use mf2c_domain::area::role::MemberRole;
use mf2c_domain::area::token::JoinToken;
use mf2c_fabric::wire::{Answer, Ask, Code, Message, Proof};
use mf2c_pki::area::{AgentKey, JOIN_ALPN, PeerIdentity, join_client};
use mf2c_transport::link::LinkLimits;
use sha2::{Digest as _, Sha256};

use crate::world::{Agent, Area, Hand, eventually, soon};
use std::sync::Arc;

fn token(area: &Area, address: impl ToString) -> JoinToken {
    let root = Sha256::digest(&area.root.certificates()[0]).into();
    JoinToken::new(root, &area.id("leader"), address.to_string(), &*area.entropy)
}

fn ask(key: &AgentKey) -> EnrolAsk {
    let request = key.request(None, "c1").unwrap();
    EnrolAsk { request, role: MemberRole::Agent, device: "c1".into(), area: None, names: vec![] }
}

fn joiner(area: &Arc<Area>) -> Agent {
    Agent::new(area, Arc::clone(&area.clock), LinkLimits::default())
}

#[tokio::test]
async fn a_joiner_gets_a_certificate_for_its_token_and_then_a_link() {
    let area = Area::new("a1");
    area.revoke(&[]);
    let (leader, joiner) = (Agent::leader(&area), joiner(&area));
    let key = AgentKey::generate().unwrap();
    let token = token(&area, leader.address);
    let enrolled = soon(joiner.net.enrol(token.clone(), ask(&key))).await.unwrap();
    assert_eq!(*leader.answers.secrets.lock().unwrap(), [token.secret.bytes().to_vec()]);
    let own = PeerIdentity::of(&enrolled.certificate.0).unwrap();
    assert_eq!((&own.id, enrolled.leader.as_str()), (&area.id("c1"), area.id("leader").to_string().as_str()));

    let membership =
        mf2c_pki::area::Membership { key, certificate: enrolled.certificate.0, own, leader: area.id("leader") };
    joiner.credentials.install(membership, area.trust()).unwrap();
    joiner.follow(&leader);
    soon(joiner.ask_serial()).await.unwrap();
}

#[tokio::test]
async fn a_joiner_sends_its_secret_to_nobody_whose_root_is_another() {
    let (area, other) = (Area::new("a1"), Area::new("a1"));
    let between = Agent::leader(&other);
    let joiner = joiner(&area);
    let key = AgentKey::generate().unwrap();
    let error = soon(joiner.net.enrol(token(&area, between.address), ask(&key))).await.unwrap_err();
    assert!(matches!(&error, LinkError::Untrusted { reason, .. } if reason.contains("root")), "{error}");

    // One who shows the right roots, and a chain that does not end there.
    let liar = Agent::leader(&area);
    liar.credentials.install(other.membership("leader", "leader", Duration::from_secs(100)), other.trust()).unwrap();
    let error = soon(joiner.net.enrol(token(&area, liar.address), ask(&key))).await.unwrap_err();
    assert!(matches!(&error, LinkError::Untrusted { .. }), "{error}");

    // A member of the area that does not lead it.
    let mut member = Agent::member(&area, "c2", "agent");
    member.address = member.net.listen(member.address).unwrap();
    let error = soon(joiner.net.enrol(token(&area, member.address), ask(&key))).await.unwrap_err();
    assert!(matches!(&error, LinkError::Untrusted { reason, .. } if reason.contains("lead")), "{error}");

    // Leaders below the same root, one of another area and one that was admitted here to lead one: neither has made it.
    let sister = Agent::leader(&area.sister("a2"));
    let mut guest = Agent::member(&area, "l2", "leader");
    guest.address = guest.net.listen(guest.address).unwrap();
    for other in [&sister, &guest] {
        let error = soon(joiner.net.enrol(token(&area, other.address), ask(&key))).await.unwrap_err();
        assert!(matches!(&error, LinkError::Untrusted { reason, .. } if reason.contains("another leader")), "{error}");
    }

    // A leader that is revoked by its own area's list.
    let revoked = Agent::leader(&area);
    area.revoke(&[revoked.serial()]);
    let error = soon(joiner.net.enrol(token(&area, revoked.address), ask(&key))).await.unwrap_err();
    assert!(matches!(&error, LinkError::Untrusted { reason, .. } if reason.contains("revoked")), "{error}");
    for agent in [between, liar, member, sister, guest, revoked] {
        assert!(agent.answers.secrets.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn an_expired_certificate_is_renewed_by_the_known_leader_alone() {
    let area = Area::new("a1");
    let (leader, child) = (Agent::leader(&area), Agent::member(&area, "c1", "agent"));
    let membership = child.credentials.membership().unwrap();
    let key = AgentKey::generate().unwrap();
    let request = key.request(None, "c1").unwrap();
    let proof = Proof {
        certificate: membership.certificate.clone().into(),
        signature: membership.key.prove(&request).unwrap().into(),
    };
    let ask = Ask::RenewExpired { request: request.into(), names: vec![], proof };
    let trust = child.credentials.trust();
    let address = leader.address.to_string();
    let renew = |leader| child.net.renew_expired(address.clone(), Arc::clone(&trust), leader, ask.clone());
    let enrolled = soon(renew(area.id("leader"))).await.unwrap();
    assert_eq!(PeerIdentity::of(&enrolled.certificate.0).unwrap().key, key.hash());
    // Another one led the area when the certificate was made.
    soon(renew(area.id("somebody"))).await.unwrap();
    let error = soon(renew(area.sister("a2").id("somebody"))).await.unwrap_err();
    assert!(matches!(error, LinkError::Untrusted { .. }), "{error}");
    area.revoke(&[leader.serial()]);
    let error = soon(renew(area.id("leader"))).await.unwrap_err();
    assert!(matches!(error, LinkError::Untrusted { .. }), "what it missed is told first: {error}");
}

async fn guest(leader: &Agent) -> Hand {
    let (config, _) = join_client().unwrap();
    assert_eq!(config.alpn_protocols, [JOIN_ALPN]);
    Hand::connect(leader.address, config).await.unwrap()
}

fn request(id: u64, ask: Ask) -> Message {
    Message::Request { id, deadline: 10_000, ask }
}

#[tokio::test]
async fn a_guest_may_ask_for_the_roots_once_and_for_nothing_of_members() {
    let area = Area::new("a1");
    let leader = Agent::leader(&area);
    let mut hand = guest(&leader).await;
    hand.send(&request(1, Ask::Bundle)).await;
    assert!(matches!(soon(hand.next()).await, Some(Message::Reply { re: 1, result: Ok(Answer::Trust(_)) })));
    hand.send(&request(2, Ask::Bundle)).await;
    assert_eq!(hand.closed().await, Code::BadFrame);

    let mut hand = guest(&leader).await;
    hand.send(&request(1, Ask::CertifyUser { request: vec![].into(), name: "jane".into(), ttl: 1 })).await;
    let Some(Message::Reply { result: Err(error), .. }) = soon(hand.next()).await else { panic!("no reply") };
    assert_eq!(error.code, Code::Forbidden);
    assert!(soon(hand.next()).await.is_none(), "that was the one attempt");

    let mut hand = guest(&leader).await;
    hand.send(&Message::Ping(1)).await;
    assert_eq!(hand.closed().await, Code::BadFrame);
    let mut hand = guest(&leader).await;
    hand.write(&20_000_u32.to_be_bytes()).await;
    assert_eq!(hand.closed().await, Code::TooLarge);
    assert_eq!(leader.net.counters().open, 0);
}

#[tokio::test]
async fn a_guest_that_dawdles_is_sent_away() {
    let area = Area::new("a1");
    let limits = LinkLimits { join: Duration::from_millis(50), ..LinkLimits::default() };
    let leader = Agent::leader_with(&area, limits);
    let mut hand = guest(&leader).await;
    assert_eq!(hand.closed().await, Code::BadFrame);
    drop(hand);
    eventually(|| leader.net.counters().half_open == 0).await;
}

#[tokio::test]
async fn a_token_of_nobody_is_an_address_where_nobody_is() {
    let area = Area::new("a1");
    let joiner = joiner(&area);
    // A port that was free a moment ago.
    let address = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    let error = soon(joiner.net.enrol(token(&area, address), ask(&AgentKey::generate().unwrap()))).await.unwrap_err();
    assert!(
        matches!(&error, LinkError::Unreachable { address: called, .. } if *called == address.to_string()),
        "{error}"
    );
}
