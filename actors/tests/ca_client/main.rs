//! An agent gets its certificate, renews it in time and with patience, believes whom it should, and says what is wrong.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so by panicking")]

mod area;
mod leadership;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use area::{Agent, Time, later, world};
use mf2c_actors::ca_client::{CaClientError, CertifyUser};
use mf2c_actors::certificate_authority::{AuthoritySettings, Revoke, RevokeTarget, Rotate};
use mf2c_domain::area::role::MemberRole;
use mf2c_domain::caller::Caller;
use mf2c_domain::time::Clock as _;
use mf2c_pki::area::{AgentKey, MemberFiles};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// Lets time pass in steps, with everybody's timers.
async fn pass(time: &Time, span: Duration, step: Duration, agents: &[&Agent], mut look: impl FnMut()) {
    let mut passed = Duration::ZERO;
    while passed < span {
        time.pass(step);
        passed += step;
        for agent in agents {
            agent.tick().await;
        }
        look();
    }
}

fn holds(agent: &Agent, time: &Time) -> bool {
    time.now() < agent.membership().own.not_after
}

#[actix::test]
async fn who_makes_an_authority_is_a_member_of_its_area_and_leads_it() {
    let (_, world) = world();
    let leader = Agent::start("lead", &world, AuthoritySettings::default());
    assert!(leader.view().await.is_none());
    leader.init("pier").await;
    let view = leader.view().await.unwrap();
    assert_eq!(view.id, "spiffe://mf2c.internal/area/pier/agent/lead");
    assert_eq!((view.leader.as_str(), view.role, view.trouble), (view.id.as_str(), MemberRole::Leader, None));
    let again = leader.restart();
    assert_eq!(again.view().await.unwrap().serial, view.serial);
    assert!(again.link.asked.load(Ordering::Relaxed) == 0, "it asks nobody else");
}

#[actix::test]
async fn who_joins_keeps_its_certificate_and_shows_it_after_a_restart() {
    let (_, world) = world();
    let (leader, child) = (agent("lead", &world), agent("kid", &world));
    leader.init("pier").await;
    let view = child.join_as_agent(&leader).await;
    assert_eq!(view.id, "spiffe://mf2c.internal/area/pier/agent/kid");
    assert_eq!(view.leader, "spiffe://mf2c.internal/area/pier/agent/lead");
    assert!(view.renews < view.until && view.roots.len() == 1);
    let token = leader.token(MemberRole::Agent, None, Some("kid")).await;
    let refused = child.join(&leader, token, MemberRole::Agent).await;
    assert!(matches!(refused, Err(CaClientError::Member(area)) if area == "pier"));
    let again = child.restart();
    let kept = again.view().await.unwrap();
    assert_eq!((kept.serial, kept.role), (view.serial, MemberRole::Agent));
    assert_eq!(again.link.led.lock().unwrap().len(), 1);
}

#[actix::test]
async fn a_certificate_is_renewed_with_a_new_key_at_two_thirds_of_its_life_and_no_link_is_given_up() {
    let (time, world) = world();
    let (leader, child) = (agent("lead", &world), agent("kid", &world));
    leader.init("pier").await;
    let first = child.join_as_agent(&leader).await;
    let key = child.membership().own.key;
    let led = child.link.led.lock().unwrap().len();
    pass(&time, 13 * HOUR, 10 * MINUTE, &[&leader, &child], || ()).await;
    assert_eq!(child.view().await.unwrap().serial, first.serial, "not before its time");
    pass(&time, 6 * HOUR, 10 * MINUTE, &[&leader, &child], || ()).await;
    let second = child.view().await.unwrap();
    assert_ne!(second.serial, first.serial);
    assert!(second.until > first.until && second.trouble.is_none());
    assert_ne!(child.membership().own.key, key);
    assert_eq!(child.link.led.lock().unwrap().len(), led, "the link stays where it is");
    let kept = MemberFiles::new(child.folder.path()).load(time.now()).unwrap().unwrap();
    assert_eq!(kept.membership.own.serial.to_string(), second.serial);
}

#[actix::test]
async fn with_the_leader_away_from_two_thirds_to_95_percent_the_certificate_never_ends() {
    let (time, world) = world();
    let (leader, child) = (agent("lead", &world), agent("kid", &world));
    leader.init("pier").await;
    let first = child.join_as_agent(&leader).await;
    pass(&time, 13 * HOUR, 10 * MINUTE, &[&leader, &child], || assert!(holds(&child, &time))).await;
    child.link.cut.store(true, Ordering::Relaxed);
    pass(&time, 9 * HOUR + 48 * MINUTE, MINUTE, &[&leader, &child], || assert!(holds(&child, &time))).await;
    assert!(child.view().await.unwrap().trouble.unwrap().contains("no connection to leader:1"));
    child.link.cut.store(false, Ordering::Relaxed);
    pass(&time, 10 * MINUTE, MINUTE, &[&leader, &child], || assert!(holds(&child, &time))).await;
    let renewed = child.view().await.unwrap();
    assert!(renewed.serial != first.serial && renewed.trouble.is_none(), "{renewed:?}");
}

#[actix::test]
async fn an_area_cut_off_from_the_cloud_for_72_hours_keeps_renewing() {
    let (time, world) = world();
    let (cloud, leader, child) = (agent("sky", &world), agent("lead", &world), agent("kid", &world));
    cloud.init("cloud").await;
    let token = cloud.token(MemberRole::Leader, Some("pier"), None).await;
    let lead = leader.join(&cloud, token, MemberRole::Leader).await.unwrap();
    assert_eq!(lead.id, "spiffe://mf2c.internal/area/pier/agent/lead", "{lead:?}");
    assert_eq!(lead.leader, "spiffe://mf2c.internal/area/cloud/agent/sky");
    let view = child.join_as_agent(&leader).await;
    assert_eq!(view.id, "spiffe://mf2c.internal/area/pier/agent/kid");
    leader.link.cut.store(true, Ordering::Relaxed);
    let mut serials = BTreeSet::new();
    pass(&time, 3 * DAY, 10 * MINUTE, &[&leader, &child], || {
        assert!(holds(&child, &time) && holds(&leader, &time));
        serials.insert(child.membership().own.serial.to_string());
    })
    .await;
    assert!((4..=7).contains(&serials.len()), "{serials:?}");
    let of_child = child.restart();
    assert_eq!(of_child.view().await.unwrap().area, "pier");
}

#[actix::test]
async fn after_the_end_nobody_is_asked_more_often_than_patience_allows() {
    let (time, world) = world();
    let (leader, child) = (agent("lead", &world), agent("kid", &world));
    leader.init("pier").await;
    child.join_as_agent(&leader).await;
    child.link.cut.store(true, Ordering::Relaxed);
    pass(&time, DAY, 10 * MINUTE, &[&child], || ()).await;
    let before = child.link.asked.load(Ordering::Relaxed);
    pass(&time, DAY, Duration::from_secs(20), &[&child], || ()).await;
    let asked = child.link.asked.load(Ordering::Relaxed) - before;
    // Half of five minutes on average, and a question for news every five minutes at most.
    assert!((300..1200).contains(&asked), "{asked} times in a day");
    // Somebody sets the clock back and forth: no reason to ask more often.
    let before = child.link.asked.load(Ordering::Relaxed);
    for jump in 0..200u32 {
        time.jump(later(time.now(), DAY * (jump % 7)));
        child.tick().await;
    }
    assert!(child.link.asked.load(Ordering::Relaxed) - before <= 2);
}

#[actix::test]
async fn an_expired_certificate_is_renewed_only_where_the_authority_allows_it_and_else_a_new_token_is_asked_for() {
    for allowed in [true, false] {
        let (time, world) = world();
        let settings = AuthoritySettings { renew_after_expiry: allowed, ..AuthoritySettings::default() };
        let (leader, child) = (Agent::start("lead", &world, settings), agent("kid", &world));
        leader.init("pier").await;
        let first = child.join_as_agent(&leader).await;
        pass(&time, 3 * DAY, HOUR, &[&leader], || ()).await;
        let child = child.restart();
        pass(&time, MINUTE, Duration::from_secs(10), &[&leader, &child], || ()).await;
        let view = child.view().await.unwrap();
        assert_eq!(view.serial != first.serial, allowed, "{view:?}");
        if allowed {
            assert_eq!(view.trouble, None);
            continue;
        }
        assert!(view.trouble.unwrap().contains("join again with a new token"));
        let before = child.link.asked.load(Ordering::Relaxed);
        pass(&time, 2 * HOUR, Duration::from_secs(10), &[&child], || ()).await;
        let asked = child.link.asked.load(Ordering::Relaxed) - before;
        assert!(asked <= 2 * 24 + 2, "{asked} times in two hours");
        let token = leader.token(MemberRole::Agent, None, Some("kid")).await;
        let again = child.join(&leader, token, MemberRole::Agent).await.unwrap();
        assert!(again.serial != first.serial && again.trouble.is_none());
    }
}

#[actix::test]
async fn a_revocation_is_believed_told_and_kept_and_its_subject_says_so() {
    let (time, world) = world();
    let (leader, child, other) = (agent("lead", &world), agent("kid", &world), agent("other", &world));
    leader.init("pier").await;
    child.join_as_agent(&leader).await;
    other.join_as_agent(&leader).await;
    let closings = leader.link.closings.load(Ordering::Relaxed);
    let target = RevokeTarget::Device("kid".to_owned());
    leader.authority.send(Revoke { target, reason: None, by: Caller::agent() }).await.unwrap().unwrap();
    let kid = child.membership().own.clone();
    settle(&leader).await;
    assert!(leader.credentials.trust().is_revoked(&kid), "the leader itself believes it");
    assert!(leader.link.closings.load(Ordering::Relaxed) > closings, "and closes its links");
    other.hear(&leader).await.unwrap();
    assert!(other.credentials.trust().is_revoked(&kid));
    child.hear(&leader).await.unwrap();
    assert!(child.view().await.unwrap().trouble.unwrap().contains("has been revoked"));
    // Revoked, it gets nothing any more (V17), neither now nor after its end.
    pass(&time, 2 * DAY, 10 * MINUTE, &[&leader, &child], || ()).await;
    assert_eq!(child.membership().own.serial, kid.serial);
    settle(&other).await;
    let other = other.restart();
    settle(&other).await;
    assert!(other.credentials.trust().is_revoked(&kid), "what was revoked stays so after a restart");
}

#[actix::test]
async fn who_is_shut_out_and_hears_no_list_learns_it_by_asking_and_joins_again() {
    let (time, world) = world();
    let (leader, child) = (agent("lead", &world), agent("kid", &world));
    leader.init("pier").await;
    let first = child.join_as_agent(&leader).await;
    let target = RevokeTarget::Device("kid".to_owned());
    leader.authority.send(Revoke { target, reason: None, by: Caller::agent() }).await.unwrap().unwrap();
    settle(&leader).await;
    pass(&time, 2 * MINUTE, MINUTE, &[&leader, &child], || ()).await;
    assert!(!child.credentials.trust().is_revoked(&child.membership().own));
    let trouble = child.view().await.unwrap().trouble.unwrap();
    assert!(trouble.contains("has been revoked") && trouble.contains("mf2c token create --device ID"), "{trouble}");
    child.link.cut.store(true, Ordering::Relaxed);
    pass(&time, 20 * HOUR, 10 * MINUTE, &[&leader, &child], || ()).await;
    assert_eq!(child.view().await.unwrap().trouble, Some(trouble), "whether or not anybody answers");
    child.link.cut.store(false, Ordering::Relaxed);
    let token = leader.token(MemberRole::Agent, None, Some("kid")).await;
    let again = child.join(&leader, token, MemberRole::Agent).await.unwrap();
    assert!(again.serial != first.serial && again.trouble.is_none());
}

#[actix::test]
async fn roots_are_believed_of_the_leader_and_of_nobody_else() {
    let (_, world) = world();
    let (leader, child, other) = (agent("lead", &world), agent("kid", &world), agent("other", &world));
    leader.init("pier").await;
    child.join_as_agent(&leader).await;
    other.join_as_agent(&leader).await;
    leader.authority.send(Rotate { finish: false }).await.unwrap().unwrap();
    settle(&leader).await;
    // The same words from another member.
    let told = leader.link.told.lock().unwrap().last().cloned().unwrap();
    other.link.told.lock().unwrap().push(told);
    let _ = child.hear(&other).await;
    assert_eq!(child.credentials.trust().roots().len(), 1);
    child.hear(&leader).await.unwrap();
    assert_eq!(child.credentials.trust().roots().len(), 2);
}

#[actix::test]
async fn while_the_roots_change_everybody_renews_and_who_comes_too_late_says_that_it_needs_a_new_token() {
    let (time, world) = world();
    let (leader, child, away) = (agent("lead", &world), agent("kid", &world), agent("away", &world));
    leader.init("pier").await;
    child.join_as_agent(&leader).await;
    away.join_as_agent(&leader).await;
    for finish in [false, true] {
        leader.authority.send(Rotate { finish }).await.unwrap().unwrap();
        settle(&leader).await;
        child.hear(&leader).await.unwrap();
        pass(&time, DAY, 10 * MINUTE, &[&leader, &child], || assert!(holds(&child, &time))).await;
        assert!(child.view().await.unwrap().trouble.is_none());
    }
    assert_eq!(child.credentials.trust().roots(), leader.credentials.trust().roots());
    pass(&time, MINUTE, Duration::from_secs(10), &[&away], || ()).await;
    let trouble = away.view().await.unwrap().trouble.unwrap();
    assert!(trouble.contains("expired") && trouble.contains("join again with a new token"), "{trouble}");
    let token = leader.token(MemberRole::Agent, None, Some("away")).await;
    let view = away.join(&leader, token, MemberRole::Agent).await.unwrap();
    assert!(view.trouble.is_none() && view.roots.len() == 1);
}

#[actix::test]
async fn a_leader_whose_root_nobody_here_knows_is_not_believed_and_the_trouble_is_told() {
    let (time, world) = world();
    let (leader, child) = (agent("lead", &world), agent("kid", &world));
    leader.init("pier").await;
    let first = child.join_as_agent(&leader).await;
    let other = agent("lead", &world);
    other.init("pier").await;
    child.turn_to(&other);
    pass(&time, 20 * HOUR, 10 * MINUTE, &[&child], || ()).await;
    let view = child.view().await.unwrap();
    let trouble = view.trouble.unwrap();
    assert!(trouble.contains("roots") && trouble.contains("join again with a new token"), "{trouble}");
    assert_eq!(view.serial, first.serial);
    // It may be joined although the certificate still holds.
    let token = other.token(MemberRole::Agent, None, None).await;
    assert_ne!(child.join(&other, token, MemberRole::Agent).await.unwrap().roots, first.roots);
}

#[actix::test]
async fn what_is_wrong_is_told_at_the_start_and_no_longer_once_the_leader_is_there_again() {
    let (time, world) = world();
    let (leader, child, other) = (agent("lead", &world), agent("kid", &world), agent("lead", &world));
    leader.init("pier").await;
    other.init("pier").await;
    let first = child.join_as_agent(&leader).await;
    child.turn_to(&other);
    let child = child.restart();
    let told = async {
        while child.view().await.unwrap().trouble.is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), told).await.unwrap();
    child.turn_to(&leader);
    pass(&time, 10 * MINUTE, MINUTE, &[&child], || ()).await;
    let view = child.view().await.unwrap();
    assert_eq!((view.trouble, view.serial), (None, first.serial));
    let token = leader.token(MemberRole::Agent, None, Some("kid")).await;
    let refused = child.join(&leader, token, MemberRole::Agent).await;
    assert!(matches!(refused, Err(CaClientError::Member(_))), "it is a member that needs no other membership");
}

#[actix::test]
async fn a_user_gets_a_certificate_of_the_area_and_its_document_is_here() {
    let (_, world) = world();
    let (leader, child) = (agent("lead", &world), agent("kid", &world));
    let certify = |name: &str| {
        let request = AgentKey::generate().unwrap().request(None, name).unwrap();
        CertifyUser { name: name.to_owned(), request, ttl: 3600 }
    };
    let refused = child.client.send(certify("jane")).await.unwrap();
    assert!(refused.unwrap_err().to_string().contains("belongs to no area"));
    leader.init("pier").await;
    child.join_as_agent(&leader).await;
    for agent in [&leader, &child] {
        let made = agent.client.send(certify("jane")).await.unwrap().unwrap();
        assert!(agent.store.get(&made.id).is_some(), "{}", made.id);
        assert_eq!(made.chain.matches("BEGIN CERTIFICATE").count(), 2);
        assert_eq!(made.roots.matches("BEGIN CERTIFICATE").count(), 1);
    }
}

fn agent(device: &str, world: &mf2c_actors::ports::World) -> Agent {
    Agent::start(device, world, AuthoritySettings::default())
}

/// What an authority tells its agent is told by a message; once the answers to two more are there, it has arrived.
async fn settle(agent: &Agent) {
    agent.tick().await;
    agent.view().await;
}
