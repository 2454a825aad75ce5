//! Who leads the area changes: its authority goes along, and every member follows.

use std::sync::Arc;
use std::time::Duration;

use mf2c_actors::ca_client::{LeaderMoved, LeaveSeat, TakeSeat};
use mf2c_actors::certificate_authority::{HandAuthority, Revoke, RevokeTarget};
use mf2c_actors::ports::{AreaNet, Introduction, LinkAnswer, LinkError, OpenLink, SendError};
use mf2c_domain::area::role::MemberRole;
use mf2c_domain::area::spiffe::SpiffeId;
use mf2c_domain::area::standing::AreaPeer;
use mf2c_domain::caller::Caller;
use mf2c_fabric::wire::hello::Scope;
use mf2c_fabric::wire::{Answer, Ask, Hello, Notice, TrustNews, WireError};
use mf2c_pki::area::MemberFiles;

use crate::area::{Agent, world};
use crate::{HOUR, MINUTE, agent, pass};

/// Every question of the leader goes to one agent.
struct To(Arc<Agent>, Arc<Agent>);

impl AreaNet for To {
    fn keep(&self, _: Vec<AreaPeer>) {}
    fn introduce(&self, _: Introduction) {}
    fn send(&self, _: u64, _: &Notice) -> Result<(), SendError> {
        Err(SendError::Gone)
    }
    fn ask_over(&self, _: u64, ask: Ask, _: Duration) -> LinkAnswer<Answer> {
        let peer = Some(Arc::new(self.0.membership().own.clone()));
        let source = std::net::Ipv4Addr::LOCALHOST.into();
        let ask = mf2c_actors::certificate_authority::AnswerPeer { ask, peer, source };
        let asked = self.1.authority.send(ask);
        Box::pin(async move { asked.await.unwrap().map_err(LinkError::Refused) })
    }
    fn close(&self, _: u64, _: WireError) {}
    fn hint(&self, _: &SpiffeId, _: String) {}
}

async fn hand(from: &Arc<Agent>, to: &Arc<Agent>, term: u64) {
    let peer = Arc::new(to.membership().own.clone());
    let hello = Arc::new(Hello {
        v: vec![1],
        node: peer.id.to_string(),
        area: "pier".into(),
        role: "backup".into(),
        term,
        incarnation: 0,
        boot: 0,
        origin: vec![].into(),
        listen: String::new(),
        clock: 0,
        features: vec![],
        max_frame: 1 << 20,
        trust: TrustNews::default(),
    });
    let address = ([127, 0, 0, 1], 1).into();
    let link = OpenLink { number: 1, peer, hello, address, accepted: true, scope: Scope::Area };
    let net = Arc::new(To(Arc::clone(from), Arc::clone(to)));
    from.authority.send(HandAuthority { to: link, term, net }).await.unwrap().unwrap();
}

fn at(agent: &Agent) -> AreaPeer {
    AreaPeer { id: agent.membership().own.id.clone(), address: format!("{}:1", agent.device) }
}

async fn seat(agent: &Agent) {
    agent.client.send(TakeSeat { upper: None }).await.unwrap().unwrap();
}

#[actix::test]
async fn a_backup_that_leads_certifies_itself_and_the_others_and_the_old_leader_joins_them() {
    let (time, world) = world();
    let [leader, backup, child] = ["lead", "back", "kid"].map(|device| Arc::new(agent(device, &world)));
    leader.init("pier").await;
    backup.join_as_agent(&leader).await;
    child.join_as_agent(&leader).await;
    hand(&leader, &backup, 1).await;

    // The leader is gone; the backup leads.
    seat(&backup).await;
    let own = backup.membership();
    assert_eq!(own.own.unit, "leader");
    let view = backup.view().await.unwrap();
    assert_eq!((view.leader.as_str(), view.role, view.trouble), (view.id.as_str(), MemberRole::Leader, None));
    assert_eq!(backup.link.led.lock().unwrap().last(), Some(&None), "nobody is above it");
    seat(&backup).await;
    assert_eq!(backup.membership().own.serial, own.own.serial, "twice is no harm");

    child.turn_to(&backup);
    child.client.send(LeaderMoved(at(&backup))).await.unwrap().unwrap();
    assert_eq!(child.link.led.lock().unwrap().last(), Some(&Some(own.own.id.clone())));
    let before = child.membership().own.serial.clone();
    pass(&time, 20 * HOUR, 10 * MINUTE, &[&backup, &child], || ()).await;
    assert_ne!(child.membership().own.serial, before);
    assert_eq!(child.view().await.unwrap().trouble, None);

    // The old one comes back, and is told.
    leader.turn_to(&backup);
    leader.client.send(LeaveSeat(at(&backup))).await.unwrap().unwrap();
    assert_eq!(leader.membership().own.unit, "agent");
    let view = leader.view().await.unwrap();
    assert_eq!((view.leader, view.role), (own.own.id.to_string(), MemberRole::Agent));
    let again = leader.restart();
    pass(&time, MINUTE, MINUTE, &[&again], || ()).await;
    let kept = again.view().await.unwrap();
    assert_eq!((kept.leader, kept.address, kept.role), (own.own.id.to_string(), "back:1".into(), MemberRole::Agent));
    assert_eq!(again.membership().own.unit, "agent");
}

#[actix::test]
async fn whom_a_member_follows_survives_a_renewal_and_a_restart() {
    let (time, world) = world();
    let [leader, backup, child] = ["lead", "back", "kid"].map(|device| Arc::new(agent(device, &world)));
    leader.init("pier").await;
    backup.join_as_agent(&leader).await;
    child.join_as_agent(&leader).await;
    hand(&leader, &backup, 1).await;
    seat(&backup).await;
    child.turn_to(&backup);
    child.client.send(LeaderMoved(at(&backup))).await.unwrap().unwrap();
    let files = MemberFiles::new(child.folder.path());
    let written = async {
        while files.load(mf2c_domain::time::Clock::now(&*time)).unwrap().unwrap().address != "back:1" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), written).await.unwrap();
    let again = child.restart();
    let view = again.view().await.unwrap();
    assert_eq!((view.leader, view.address), (at(&backup).id.to_string(), "back:1".into()));
    // Roots are believed of the new leader alone from now on.
    pass(&time, 20 * HOUR, 10 * MINUTE, &[&backup, &again], || ()).await;
    let view = again.view().await.unwrap();
    assert_eq!((view.leader, view.address), (at(&backup).id.to_string(), "back:1".into()));
    assert_ne!(view.serial, child.membership().own.serial.to_string());
}

#[actix::test]
async fn a_certificate_that_the_old_leader_revoked_is_not_renewed_by_the_new_one() {
    let (_, world) = world();
    let [leader, backup, child] = ["lead", "back", "kid"].map(|device| Arc::new(agent(device, &world)));
    leader.init("pier").await;
    backup.join_as_agent(&leader).await;
    child.join_as_agent(&leader).await;
    hand(&leader, &backup, 1).await;
    // After the keys were handed over: the backup knows it by the list.
    let target = RevokeTarget::Device("kid".into());
    leader.authority.send(Revoke { target, reason: None, by: Caller::agent() }).await.unwrap().unwrap();
    let told = async {
        while !leader.credentials.trust().is_revoked(&child.membership().own) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), told).await.unwrap();
    backup.hear(&leader).await.unwrap();
    seat(&backup).await;
    assert!(backup.credentials.trust().is_revoked(&child.membership().own));
    let renew = Ask::Renew { request: vec![].into(), names: vec![] };
    let refused = To(Arc::clone(&child), Arc::clone(&backup)).ask_over(1, renew, MINUTE).await.unwrap_err();
    assert!(refused.to_string().contains("revoked"), "{refused}");
}

#[actix::test]
async fn one_without_keys_leads_without_an_authority_and_says_so() {
    let (_, world) = world();
    let [leader, backup] = ["lead", "back"].map(|device| Arc::new(agent(device, &world)));
    leader.init("pier").await;
    backup.join_as_agent(&leader).await;
    let refused = backup.client.send(TakeSeat { upper: None }).await.unwrap().unwrap_err();
    assert!(refused.to_string().contains("no keys"), "{refused}");
    assert_eq!(backup.membership().own.unit, "agent");
    // Later it gets them, and is told again.
    hand(&leader, &backup, 1).await;
    seat(&backup).await;
    assert_eq!(backup.membership().own.unit, "leader");
    let own = LeaderMoved(at(&backup));
    assert!(backup.client.send(own).await.unwrap().is_err(), "who leads follows nobody");
}
