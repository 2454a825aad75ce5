//! The leadership of areas whose agents are real actors over real stores: vectors P1 to P14, G11, G12 as far as they show
//! here. The rules under many more faults: `mf2c-fabric`, `tests/leadership`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so by panicking")]

mod fog;

use std::time::Duration;

use mf2c_actors::leadership::{ChangeRole, Demand, Keepalive, KeepaliveError, PeerChangesRole, PeerProbes, RoleError};
use mf2c_domain::area::standing::{AreaRole, Mandate};
use mf2c_fabric::wire::{Answer, Code, RoleChange};
use tokio::time::sleep;

use crate::fog::{Fog, id};

const SECOND: Duration = Duration::from_secs(1);

fn leads(fog: &Fog, name: &str) -> bool {
    let standing = fog.standing(name);
    standing.leads() && standing.mandate == Mandate::Full
}

async fn settled(cloud: bool, others: &[&str]) -> Fog {
    let fog = Fog::start(cloud, others);
    let all = |fog: &Fog| others.iter().all(|name| fog.standing(name).leader.is_some());
    fog.until(SECOND * 15, |fog| leads(fog, "L") && all(fog)).await;
    sleep(SECOND * 5).await;
    fog
}

fn demand(agent: Option<&str>, role: AreaRole) -> ChangeRole {
    ChangeRole { agent: agent.map(str::to_owned), role, by: Demand::Operator }
}

#[actix::test]
async fn p1_a_backup_leads_within_three_seconds_of_a_crash_with_a_later_term_and_says_so_in_its_hellos() {
    let fog = settled(true, &["B", "C1", "C2"]).await;
    let term = fog.standing("L").term;
    fog.kill("L");
    let took = fog.until(SECOND * 10, |fog| leads(fog, "B")).await;
    assert!(took < SECOND * 3, "{took:?}");
    fog.until(SECOND, |fog| fog.standing("C2").is_led_by(&id("a1", "B"))).await;
    assert!(fog.standing("C2").term > term);
    let at = fog.index("B");
    assert_eq!(fog.lock().agents[at].introduced.role, "leader");
    let introduced = fog.lock().agents[at].introduced.term;
    assert_eq!(introduced, fog.standing("B").term);
}

#[actix::test]
async fn p3_a_leader_that_nobody_reaches_fences_itself_and_follows_after_the_heal() {
    let fog = settled(true, &["B", "C1"]).await;
    fog.isolate("L");
    fog.until(SECOND * 2, |fog| fog.standing("L").mandate == Mandate::Degraded).await;
    fog.until(SECOND * 3, |fog| leads(fog, "B") || leads(fog, "C1")).await;
    sleep(SECOND * 20).await;
    fog.heal();
    fog.until(SECOND * 10, |fog| !fog.standing("L").leads() && fog.standing("L").leader == fog.standing("C1").leader)
        .await;
}

#[actix::test]
async fn p6_a_dead_backup_is_dropped_and_the_next_one_gets_the_authority() {
    let fog = settled(true, &["B", "C1", "C2"]).await;
    let at = fog.index("L");
    let handed = |fog: &Fog| fog.lock().agents[at].handed.try_recv().map(|peer| peer.id).ok();
    assert_eq!([handed(&fog), handed(&fog), handed(&fog)], [Some(id("a1", "B")), Some(id("a1", "C1")), None]);
    fog.kill("B");
    let took = fog.until(SECOND * 13, |fog| fog.standing("C2").role == AreaRole::Backup).await;
    assert!(took <= SECOND * 13);
    assert_eq!(handed(&fog), Some(id("a1", "C2")));
}

#[actix::test]
async fn p8_p9_g12_the_lead_is_handed_over_on_demand_and_by_nobody_else() {
    let fog = settled(true, &["B", "C1", "C2"]).await;
    let ask = |at: &str, demand| fog.leadership(at).send(demand);
    let refused = ask("L", demand(Some("nobody"), AreaRole::Leader)).await.unwrap();
    assert_eq!(refused, Err(RoleError::Unknown("nobody".into())));
    assert!(matches!(ask("L", demand(None, AreaRole::Leader)).await.unwrap(), Err(RoleError::NotNow(_))));
    let plain = ask("C2", demand(None, AreaRole::Leader)).await.unwrap();
    assert!(matches!(plain, Err(RoleError::NotLeader(Some(leader))) if leader.id == id("a1", "L")));
    let standing = ask("L", demand(Some("C2"), AreaRole::Leader)).await.unwrap().unwrap();
    assert!(standing.is_led_by(&id("a1", "C2")));
    sleep(SECOND * 5).await;
    for name in ["L", "B", "C1"] {
        assert!(fog.standing(name).is_led_by(&id("a1", "C2")));
    }
    assert_eq!(fog.standing("L").role, AreaRole::Agent);
}

#[actix::test]
async fn a_peer_changes_roles_only_as_a_backup_at_the_present_term() {
    let fog = settled(true, &["B", "C1", "C2"]).await;
    let term = fog.standing("L").term;
    let ask = |peer: &str, term, role: &str| {
        let change = RoleChange { term, agent: id("a1", "C1").to_string(), role: role.into() };
        fog.leadership("L").send(PeerChangesRole { peer: id("a1", peer), change })
    };
    assert_eq!(ask("C2", term, "leader").await.unwrap().unwrap_err().code, Code::NotLeader);
    assert_eq!(ask("B", term - 1, "leader").await.unwrap().unwrap_err().code, Code::StaleTerm);
    assert_eq!(ask("B", term, "king").await.unwrap().unwrap_err().code, Code::BadFrame);
    assert!(leads(&fog, "L"));
    assert_eq!(ask("B", term, "leader").await.unwrap().unwrap(), Answer::Done { term: term + 1 });
    fog.until(SECOND * 3, |fog| leads(fog, "C1")).await;
}

#[actix::test]
async fn what_an_agent_wants_to_become_its_leader_decides() {
    let fog = settled(true, &["B", "C1", "C2"]).await;
    let ask = |at: &str, role| fog.leadership(at).send(demand(None, role));
    // There are two backups already.
    let enough = ask("C2", AreaRole::Backup).await.unwrap().unwrap_err();
    assert!(matches!(&enough, RoleError::NotNow(why) if why.contains("the area has its backups")), "{enough}");
    assert_eq!(ask("B", AreaRole::Agent).await.unwrap().unwrap().role, AreaRole::Agent);
    fog.until(SECOND * 5, |fog| fog.standing("C2").role == AreaRole::Backup).await;
    assert_eq!(ask("C2", AreaRole::Leader).await.unwrap().unwrap().role, AreaRole::Leader);
    assert!(leads(&fog, "C2"));
}

#[actix::test]
async fn who_does_not_want_to_be_a_backup_may_want_it_again_unless_the_leaders_operator_does_not() {
    let fog = settled(false, &["B"]).await;
    let ask = |at: &str, agent, role| fog.leadership(at).send(demand(agent, role));
    assert_eq!(fog.standing("B").role, AreaRole::Backup);
    assert_eq!(ask("B", None, AreaRole::Agent).await.unwrap().unwrap().role, AreaRole::Agent);
    sleep(SECOND * 5).await;
    assert_eq!(fog.standing("B").role, AreaRole::Agent);
    assert_eq!(ask("B", None, AreaRole::Backup).await.unwrap().unwrap().role, AreaRole::Backup);
    ask("L", Some("B"), AreaRole::Agent).await.unwrap().unwrap();
    let refused = ask("B", None, AreaRole::Backup).await.unwrap().unwrap_err();
    assert!(matches!(&refused, RoleError::NotNow(why) if why.contains("operator of the leader")), "{refused}");
}

#[actix::test]
async fn p12_p13_after_a_power_cut_of_all_one_leads_again_in_a_later_term() {
    let fog = settled(true, &["B", "C1"]).await;
    let term = fog.standing("L").term;
    for name in ["L", "B", "C1", "Z"] {
        fog.kill(name);
    }
    sleep(SECOND).await;
    for name in ["L", "B", "C1", "Z"] {
        fog.restart(name);
    }
    let took = fog.until(SECOND * 15, |fog| ["L", "B", "C1"].iter().any(|name| leads(fog, name))).await;
    assert!(took < SECOND * 15);
    sleep(SECOND * 2).await;
    let leader = fog.standing("C1").leader.unwrap();
    assert!(["L", "B"].iter().all(|name| fog.standing(name).leader.as_ref() == Some(&leader)));
    assert!(fog.standing("C1").term > term);
}

#[actix::test]
async fn p14_a_leader_that_was_away_for_long_does_not_lead() {
    let fog = settled(true, &["B", "C1"]).await;
    fog.kill("L");
    sleep(SECOND * 600).await;
    let leader = fog.standing("C1").leader.unwrap();
    fog.restart("L");
    sleep(SECOND * 20).await;
    assert!(fog.standing("L").is_led_by(&leader.id));
}

#[actix::test]
async fn g11_keepalives_of_old_clients_get_a_place_or_the_reason_why_not() {
    let fog = settled(true, &["B", "C1", "C2"]).await;
    let alive = |at: &str, device: &str| fog.leadership(at).send(Keepalive { device: device.into() });
    assert_eq!(alive("C2", "B").await.unwrap(), Err(KeepaliveError::NotLeader));
    assert_eq!(alive("L", "C2").await.unwrap(), Err(KeepaliveError::NotBackup));
    assert_eq!(alive("L", "B").await.unwrap(), Ok(1));
    assert_eq!(alive("L", "C1").await.unwrap(), Ok(2));
}

#[actix::test]
async fn a_probe_tells_how_long_ago_another_agent_was_heard_of() {
    let fog = settled(false, &["B", "C1"]).await;
    let probe = |of: String| fog.leadership("C1").send(PeerProbes { of });
    assert_eq!(probe(id("a1", "L").to_string()).await.unwrap(), Ok(Answer::Heard { ago: Some(0) }));
    assert_eq!(probe(id("a1", "nobody").to_string()).await.unwrap(), Ok(Answer::Heard { ago: None }));
    assert_eq!(probe("nonsense".into()).await.unwrap().unwrap_err().code, Code::BadFrame);
    fog.kill("L");
    sleep(SECOND * 7).await;
    let Ok(Answer::Heard { ago: Some(ago) }) = probe(id("a1", "L").to_string()).await.unwrap() else {
        panic!("unknown")
    };
    assert!((6900..7100).contains(&ago), "{ago}");
}
