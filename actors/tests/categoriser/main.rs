//! What a leader says of its area follows from links and changes: statuses, sums, children, and what becomes of all that
//! when the leadership moves.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so by panicking")]

mod leading;
mod leaving;
mod world;

use mf2c_actors::categoriser::{Cloned, ExpectChildren, Report, expected_sums, told_sums};
use mf2c_actors::resource_store::DeleteResource;
use mf2c_domain::area::standing::AreaRole;
use mf2c_domain::caller::Caller;
use mf2c_domain::id::ResourceId;
use serde_json::{Value, json};

use world::{Agent, seconds, story};

/// A leader with two children whose documents have come.
async fn area() -> (Agent, Agent, Agent) {
    let (leader, one, two) = (Agent::start("a1", 1).await, Agent::start("a1", 2).await, Agent::start("a1", 3).await);
    leader.stands(AreaRole::Leader, 1, Some(&leader), &[]);
    for child in [&one, &two] {
        child.stands(AreaRole::Agent, 1, Some(&leader), &[]);
    }
    (leader, one, two)
}

#[test]
fn a_silent_agent_is_disconnected_then_unavailable_and_left_out_and_included_as_soon_as_it_is_back() {
    story(async {
        let (leader, one, two) = area().await;
        let link = one.call(&leader).await;
        two.call(&leader).await;
        leader.hear(&[&one, &two]).await;
        seconds(2).await;
        assert_eq!(leader.sums()["numDevices"], 3);
        assert_eq!((&leader.sums()["name"], &leader.sums()["ramTotal"]), (&json!("a1"), &json!(6.0 * 1024.0)));
        assert_eq!(leader.own()["childrenIPs"], json!(["10.0.0.2", "10.0.0.3"]));
        assert_eq!(leader.member(&one)["status"], "connected");
        assert_eq!(leader.member(&one)["node"], json!(one.node));
        assert_eq!((&leader.member(&leader)["role"], &leader.member(&leader)["term"]), (&json!("leader"), &json!(1)));
        // P15: nothing is heard for 601 s.
        one.hang_up(&leader, link).await;
        seconds(4).await;
        assert_eq!(
            (leader.member(&one)["status"].as_str(), leader.sees(&one).as_str()),
            (Some("connected"), "connected")
        );
        seconds(3).await;
        assert_eq!(
            (leader.member(&one)["status"].as_str(), leader.sees(&one).as_str()),
            (Some("disconnected"), "disconnected")
        );
        assert!(leader.member(&one)["lastContact"].is_string() && leader.member(&one)["staleSince"].is_string());
        assert_eq!((&leader.sums()["numDevices"], &leader.own()["childrenIPs"]), (&json!(2), &json!(["10.0.0.3"])));
        seconds(595).await;
        assert_eq!(
            (leader.member(&one)["status"].as_str(), leader.sees(&one).as_str()),
            (Some("unavailable"), "unavailable")
        );
        assert_eq!(leader.member(&two)["status"], "connected", "each stands for itself");
        one.edit("device-dynamic", json!({"cpuFreePercent": 75.0})).await;
        one.call(&leader).await;
        leader.hear(&[&one]).await;
        seconds(3).await;
        assert_eq!(
            (leader.member(&one)["status"].as_str(), leader.sees(&one).as_str()),
            (Some("connected"), "connected")
        );
        assert!(leader.member(&one).get("lastContact").is_none());
        assert_eq!((&leader.sums()["numDevices"], &leader.sums()["cpuMaxPercent"]), (&json!(3), &json!(75.0)));
        assert_eq!(leader.own()["childrenIPs"], json!(["10.0.0.2", "10.0.0.3"]));
        let mut told = leader.told();
        told.sort();
        assert_eq!(told, ["connected", "disconnected", "joined", "joined", "leads in term 1", "unavailable"]);
    });
}

#[test]
fn who_is_away_for_twenty_seconds_and_comes_back_has_lost_nothing() {
    story(async {
        let (leader, one, _) = area().await;
        let link = one.call(&leader).await;
        leader.hear(&[&one]).await;
        seconds(2).await;
        let before = leader.store.len();
        one.hang_up(&leader, link).await;
        seconds(20).await;
        assert_eq!(leader.sees(&one), "disconnected");
        assert_eq!(one.own()["connected"], false);
        assert!(!leader.get(&format!("device/{}", one.node)).is_null(), "R18: nothing is deleted");
        one.call(&leader).await;
        seconds(1).await;
        assert_eq!(
            (leader.sees(&one).as_str(), leader.member(&one)["status"].as_str()),
            ("connected", Some("connected"))
        );
        assert_eq!(one.own()["connected"], true);
        let events = leader.told().len() - 2;
        assert_eq!(leader.store.len() - before, 2, "two events, of {events}");
    });
}

#[test]
fn a_child_says_who_leads_it_and_a_leader_whom_it_leads() {
    story(async {
        let (leader, one, two) = area().await;
        one.call(&leader).await;
        leader.stands(AreaRole::Leader, 1, Some(&leader), &[&two]);
        one.stands(AreaRole::Agent, 1, Some(&leader), &[&two]);
        seconds(2).await;
        let own = one.own();
        let told = ["authenticated", "connected", "isLeader", "leader_ip", "leaderAddress", "backup_ip"]
            .map(|name| &own[name]);
        assert_eq!(json!(told), json!([true, true, false, "10.0.0.1", "10.0.0.1", "10.0.0.3"]));
        assert_eq!((&own["leader_id"], &own["backup_id"]), (&json!(leader.id.device()), &json!(two.id.device())));
        assert_eq!(own["device_id"], json!(format!("device/{}", one.node)), "that is the inventory's");
        assert_eq!(leader.get(&format!("device/{}", leader.node))["isLeader"], true);
        assert_eq!((&leader.own()["isLeader"], &leader.own()["connected"]), (&json!(true), &json!(true)));
        two.call(&leader).await;
        seconds(2).await;
        assert_eq!(leader.member(&two)["role"], "backup");
    });
}

#[test]
fn who_is_expected_is_listed_until_it_comes() {
    story(async {
        let (leader, one, two) = area().await;
        let expected = ["10.0.0.2:8444", "10.0.0.99:8444", "10.0.0.3:1034", "no address"].map(str::to_owned).to_vec();
        leader.categoriser.send(ExpectChildren(expected)).await.unwrap();
        seconds(1).await;
        let listed = |leader: &Agent| -> Vec<Value> {
            let all = leader.store.all("area-member").into_iter().map(|member| leader.get(member.id.as_str()));
            all.filter(|member| member["expected"] == true).map(|member| member["address"].clone()).collect()
        };
        assert_eq!(listed(&leader), ["10.0.0.2:8444", "10.0.0.3:1034", "10.0.0.99:8444"]);
        one.call(&leader).await;
        seconds(1).await;
        assert_eq!(listed(&leader), ["10.0.0.3:1034", "10.0.0.99:8444"]);
        two.call(&leader).await;
        seconds(1).await;
        assert_eq!(listed(&leader), ["10.0.0.99:8444"], "whatever port was written down");
        assert_eq!(leader.member(&one)["address"], "10.0.0.2:8444");
    });
}

#[test]
fn a_clone_is_named_and_forgotten_when_it_is_seen_no_more() {
    story(async {
        let (leader, one, _) = area().await;
        one.call(&leader).await;
        let addresses = ["10.0.0.2:1", "10.0.0.66:2"].map(|address| address.parse().unwrap());
        leader.categoriser.send(Cloned { agent: one.id.clone(), addresses }).await.unwrap();
        seconds(1).await;
        let trouble = leader.member(&one)["trouble"].as_str().unwrap_or_default().to_owned();
        assert!(trouble.contains("10.0.0.2") && trouble.contains("10.0.0.66"), "{trouble}");
        let told = |state: &String| state.starts_with("two machines use this identity, at 10.0.0.2 and");
        assert!(leader.told().iter().any(told));
        seconds(601).await;
        assert!(leader.member(&one).get("trouble").is_none());
    });
}

#[test]
fn agents_have_the_names_that_they_tell() {
    story(async {
        let (leader, one, two) = area().await;
        one.call(&leader).await;
        two.call(&leader).await;
        seconds(1).await;
        assert_eq!((&leader.member(&one)["name"], &leader.member(&two)["name"]), (&json!("boat-2"), &json!("boat-3")));
        assert_eq!(leader.member(&leader)["name"], "010101010101", "nobody gave it one");
    });
}

#[test]
fn who_was_admitted_here_and_leads_an_area_below_now_is_no_member_here() {
    story(async {
        let (cloud, mut lead) = (Agent::start("sky", 1).await, Agent::start("sky", 2).await);
        cloud.stands(AreaRole::Leader, 1, Some(&cloud), &[]);
        let first = lead.call(&cloud).await;
        seconds(1).await;
        assert_eq!(cloud.member(&lead)["status"], "connected");
        // Its certificate is of an area of its own from now on.
        lead.id = lead.id.to_string().replace("/sky/", "/pier/").parse().unwrap();
        lead.stands(AreaRole::Leader, 1, Some(&lead), &[]);
        lead.call(&cloud).await;
        lead.hang_up(&cloud, first).await;
        seconds(2).await;
        assert!(cloud.member(&lead).is_null() && lead.member(&cloud).is_null());
        assert_eq!((cloud.store.count("area-member"), lead.store.count("area-member")), (1, 1));
    });
}

#[test]
fn what_others_notice_becomes_an_event_about_the_agent_and_not_more_often_than_helps() {
    story(async {
        let (leader, one, _) = area().await;
        one.call(&leader).await;
        seconds(1).await;
        for round in 0..10 {
            for (matter, about) in [("lag", Some(one.id.clone())), ("own", None)] {
                let state = format!("{matter} {round}");
                let report = Report { matter: matter.to_owned(), about, state, severity: "medium" };
                leader.categoriser.send(report).await.unwrap();
            }
        }
        seconds(1).await;
        for matter in ["lag", "own"] {
            let told: Vec<_> = leader.told().into_iter().filter(|state| state.starts_with(matter)).collect();
            assert_eq!(told.len(), 6, "{told:?}");
        }
        let about = |state: &str| {
            let events = leader.store.all("event").into_iter().map(|event| leader.get(event.id.as_str()));
            let found = events.into_iter().find(|event| event["content"]["state"] == state).unwrap();
            found["content"]["resource"]["href"].as_str().unwrap().to_owned()
        };
        assert_eq!(about("lag 0"), leader.member(&one)["id"].as_str().unwrap());
        assert_eq!(about("own 0"), format!("agent/{}", leader.node));
    });
}

#[test]
fn an_agent_that_an_operator_takes_off_the_list_stays_off_until_it_comes_again() {
    story(async {
        let (leader, one, _) = area().await;
        let link = one.call(&leader).await;
        leader.hear(&[&one]).await;
        seconds(1).await;
        one.hang_up(&leader, link).await;
        seconds(10).await;
        let id = ResourceId::parse(leader.member(&one)["id"].as_str().unwrap()).unwrap();
        leader.writer.send(DeleteResource { id, if_match: None, by: Caller::agent() }).await.unwrap().unwrap();
        seconds(700).await;
        assert!(leader.member(&one).is_null());
        one.call(&leader).await;
        seconds(1).await;
        assert_eq!(leader.member(&one)["status"], "connected");
    });
}

#[test]
fn a_link_that_comes_and_goes_all_day_fills_no_store() {
    story(async {
        let (leader, one, _) = area().await;
        for _ in 0..100 {
            let link = one.call(&leader).await;
            seconds(2).await;
            one.hang_up(&leader, link).await;
            seconds(8).await;
        }
        assert!((6..15).contains(&leader.told().len()), "{:?}", leader.told());
    });
}

#[test]
fn after_any_history_the_sums_are_those_of_a_recount() {
    story(async {
        let leader = Agent::start("a1", 1).await;
        leader.stands(AreaRole::Leader, 1, Some(&leader), &[]);
        let mut children = vec![];
        for number in 2..8 {
            let child = Agent::start("a1", number).await;
            child.stands(AreaRole::Agent, 1, Some(&leader), &[]);
            children.push((child, None));
        }
        // A simple generator is enough: the rules have property tests of their own.
        let mut word = 12_345_u64;
        for _ in 0..150 {
            word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (which, what) = ((word >> 33) as usize % children.len(), (word >> 50) % 5);
            let (child, link) = &mut children[which];
            match (what, *link) {
                (0, None) => *link = Some(child.call(&leader).await),
                (1, Some(number)) => {
                    child.hang_up(&leader, number).await;
                    *link = None;
                }
                (2, _) => child.edit("device-dynamic", json!({"cpuFreePercent": (word >> 40) % 100})).await,
                (3, Some(_)) => leader.hear(&[child]).await,
                _ => seconds((word >> 45) % 9).await,
            }
        }
        seconds(8).await;
        let (told, expected) = (told_sums(&leader.store).unwrap(), expected_sums(&leader.store).unwrap());
        assert!(told.is_some());
        assert_eq!(told, expected);
    });
}
