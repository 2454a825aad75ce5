//! Agents that leave the area, found one of their own, or are forgotten.

use std::sync::Arc;

use mf2c_actors::categoriser::{Bury, LinkClosed, LinkOpened};
use mf2c_domain::area::standing::AreaRole;
use mf2c_fabric::wire::hello::Scope;
use mf2c_pki::area::PeerIdentity;
use serde_json::json;

use crate::area;
use crate::world::{Agent, seconds, story};

#[test]
fn who_was_met_before_it_was_known_of_which_area_this_agent_is_and_is_of_another_is_no_member() {
    story(async {
        let (cloud, leader) = (Agent::start("sky", 200).await, Agent::start("a1", 1).await);
        cloud.stands(AreaRole::Leader, 1, Some(&cloud), &[]);
        leader.categoriser.send(LinkOpened(cloud.link(1, false, Scope::Area))).await.unwrap();
        seconds(1).await;
        leader.stands(AreaRole::Leader, 1, Some(&leader), &[]);
        seconds(2).await;
        leader.categoriser.send(LinkClosed(1)).await.unwrap();
        seconds(8).await;
        let listed: Vec<_> = leader.store.all("area-member").into_iter().map(|member| member.id.clone()).collect();
        assert_eq!(listed.len(), 1, "{listed:?}");
        assert_eq!(leader.member(&leader)["role"], "leader");
    });
}

#[test]
fn an_agent_that_leads_an_area_below_or_is_in_touch_there_is_taken_off_the_list_and_seen_as_its_leader_says() {
    story(async {
        let (leader, one, _) = area().await;
        let cloud = Agent::start("sky", 200).await;
        cloud.stands(AreaRole::Leader, 1, Some(&cloud), &[]);
        // Both were agents of the cloud's own area before.
        for (number, agent) in [(1, &leader), (2, &one)] {
            let mut link = agent.link(number, true, Scope::Area);
            let id = format!("spiffe://fog/area/sky/agent/{}", agent.id.device().unwrap()).parse().unwrap();
            link.peer = Arc::new(PeerIdentity { id, ..(*link.peer).clone() });
            cloud.categoriser.send(LinkOpened(link)).await.unwrap();
        }
        cloud.hear(&[&leader, &one]).await;
        seconds(2).await;
        let listed = [&leader, &one].map(|agent| cloud.member(agent)["status"].clone());
        assert_eq!(json!(listed), json!(["connected", "connected"]));
        for number in [1, 2] {
            cloud.categoriser.send(LinkClosed(number)).await.unwrap();
        }
        seconds(8).await;
        assert_eq!(cloud.sees(&leader), "disconnected");
        one.call(&leader).await;
        leader.call(&cloud).await;
        leader.hear(&[&one]).await;
        seconds(2).await;
        cloud.hear(&[&leader, &one]).await;
        seconds(2).await;
        assert_eq!((cloud.sees(&leader), cloud.sees(&one)), ("connected".into(), "connected".into()));
        assert!(cloud.member(&leader).is_null() && cloud.member(&one).is_null());
        assert_eq!(cloud.member(&cloud)["role"], "leader");
    });
}

#[test]
fn what_is_forgotten_is_said_by_every_leader_that_follows_until_the_agent_is_back() {
    story(async {
        let (leader, one, two) = area().await;
        let cloud = Agent::start("sky", 200).await;
        cloud.stands(AreaRole::Leader, 1, Some(&cloud), &[]);
        leader.call(&cloud).await;
        let link = one.call(&leader).await;
        let other = two.call(&leader).await;
        leader.hear(&[&one, &two]).await;
        seconds(2).await;
        one.hang_up(&leader, link).await;
        seconds(8).await;
        let (agent, device) = (one.id.to_string(), one.id.device().unwrap().to_owned());
        let bury = Bury { agent, device, node: one.node.clone(), life: 7, changes: 9 };
        leader.categoriser.send(bury).await.unwrap();
        seconds(2).await;
        let said = leader.member(&one);
        assert_eq!((&said["status"], &said["life"], &said["changes"]), (&json!("forgotten"), &json!("7"), &json!(9)));
        // The agent above says so too, for its own backups and those above it.
        cloud.hear(&[&leader]).await;
        seconds(2).await;
        assert_eq!((&cloud.member(&one)["status"], &cloud.member(&one)["area"]), (&json!("forgotten"), &json!("sky")));
        // Another one leads.
        two.hear(&[&leader]).await;
        seconds(1).await;
        two.hang_up(&leader, other).await;
        two.stands(AreaRole::Leader, 2, Some(&two), &[]);
        seconds(2).await;
        assert_eq!(two.member(&one)["status"], "forgotten");
        one.stands(AreaRole::Agent, 2, Some(&two), &[]);
        one.call(&two).await;
        seconds(2).await;
        let back = two.member(&one);
        assert_eq!((&back["status"], back.get("forgottenAt"), back.get("life")), (&json!("connected"), None, None));
        two.call(&cloud).await;
        cloud.hear(&[&two]).await;
        seconds(2).await;
        assert!(cloud.member(&one).is_null(), "{}", cloud.member(&one));
    });
}

#[test]
fn a_member_that_claims_that_others_are_forgotten_is_not_believed() {
    story(async {
        let (leader, one, two) = area().await;
        for child in [&one, &two] {
            child.call(&leader).await;
        }
        seconds(2).await;
        let (agent, device) = (two.id.to_string(), two.id.device().unwrap().to_owned());
        // It stands as a leader by its own word alone.
        one.stands(AreaRole::Leader, 9, Some(&one), &[]);
        seconds(1).await;
        one.categoriser.send(Bury { agent, device, node: two.node.clone(), life: 7, changes: 9 }).await.unwrap();
        seconds(2).await;
        assert_eq!(one.member(&two)["status"], "forgotten");
        leader.hear(&[&one]).await;
        seconds(2).await;
        assert_eq!(leader.member(&two)["status"], "connected");
    });
}
