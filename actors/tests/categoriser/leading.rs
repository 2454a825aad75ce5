//! What becomes of a leader's documents when the leadership moves, and how those above see an area.

use mf2c_domain::area::standing::AreaRole;
use serde_json::json;

use crate::area;
use crate::world::{Agent, seconds, story};

#[test]
fn a_new_leader_takes_the_agents_over_and_the_documents_of_the_former_one_go() {
    story(async {
        let (leader, backup, child) = area().await;
        backup.stands(AreaRole::Backup, 1, Some(&leader), &[&backup]);
        leader.stands(AreaRole::Leader, 1, Some(&leader), &[&backup]);
        let link = backup.call(&leader).await;
        let called = child.call(&leader).await;
        leader.hear(&[&backup, &child]).await;
        seconds(2).await;
        backup.hear(&[&leader, &child]).await;
        seconds(1).await;
        assert_eq!(backup.sees(&child), "connected");
        // The leader dies; the child calls the backup, which leads.
        backup.hang_up(&leader, link).await;
        child.hang_up(&leader, called).await;
        backup.stands(AreaRole::Leader, 2, Some(&backup), &[]);
        child.stands(AreaRole::Agent, 2, Some(&backup), &[]);
        child.call(&backup).await;
        seconds(15).await;
        let listed: Vec<String> =
            backup.store.all("area-member").iter().map(|member| member.id.as_str().to_owned()).collect();
        assert_eq!(listed.len(), 3, "{listed:?}");
        let statuses = [&leader, &backup, &child].map(|agent| backup.member(agent)["status"].clone());
        assert_eq!(json!(statuses), json!(["disconnected", "connected", "connected"]));
        assert!(backup.get(&format!("fog-area/{}", leader.node)).is_null());
        assert_eq!((&backup.sums()["numDevices"], &backup.own()["childrenIPs"]), (&json!(2), &json!(["10.0.0.3"])));
        let told = |what: &str| backup.told().iter().filter(|state| *state == what).count();
        assert_eq!((told("leads in term 2"), told("joined")), (1, 2), "two have joined under the former leader");
        // The former leader comes back as a child and removes what it wrote as a leader.
        leader.stands(AreaRole::Agent, 2, Some(&backup), &[]);
        leader.call(&backup).await;
        seconds(2).await;
        assert_eq!((leader.store.count("area-member"), leader.store.count("fog-area")), (0, 0));
        assert_eq!(leader.own()["isLeader"], false);
        assert!(leader.own().get("childrenIPs").is_none());
        assert_eq!(backup.member(&leader)["status"], "connected");
        backup.hear(&[&leader]).await;
        seconds(2).await;
        assert_eq!((backup.store.count("area-member"), backup.store.count("fog-area")), (3, 1));
    });
}

#[test]
fn a_leader_that_starts_again_keeps_what_it_wrote_until_it_is_known_who_leads() {
    story(async {
        let (leader, one, _) = area().await;
        one.call(&leader).await;
        seconds(2).await;
        leader.stands(AreaRole::Agent, 1, None, &[]);
        seconds(5).await;
        assert_eq!(leader.member(&one)["status"], "connected", "nobody else leads");
        leader.stands(AreaRole::Agent, 2, Some(&one), &[]);
        seconds(2).await;
        assert_eq!((leader.store.count("area-member"), leader.store.count("fog-area")), (0, 0));
    });
}

#[test]
fn the_agent_above_believes_the_leader_of_an_area_while_it_is_in_touch_and_drops_what_a_former_one_said() {
    story(async {
        let (leader, one, two) = area().await;
        let cloud = Agent::start("cloud", 200).await;
        cloud.stands(AreaRole::Leader, 1, Some(&cloud), &[]);
        let up = leader.call(&cloud).await;
        let link = one.call(&leader).await;
        two.call(&leader).await;
        leader.hear(&[&one, &two]).await;
        seconds(2).await;
        cloud.hear(&[&leader, &one, &two]).await;
        seconds(2).await;
        assert_eq!((cloud.sees(&one).as_str(), cloud.sees(&two).as_str()), ("connected", "connected"));
        assert_eq!(cloud.sums()["numDevices"], 1, "agents of other areas are no devices of this one");
        one.hang_up(&leader, link).await;
        seconds(8).await;
        cloud.hear(&[&leader]).await;
        seconds(2).await;
        assert_eq!((cloud.sees(&one).as_str(), cloud.sees(&two).as_str()), ("disconnected", "connected"));
        // The whole area is cut off.
        leader.hang_up(&cloud, up).await;
        seconds(8).await;
        assert_eq!((cloud.sees(&two).as_str(), cloud.sees(&leader).as_str()), ("disconnected", "disconnected"));
        leader.call(&cloud).await;
        seconds(1).await;
        assert_eq!((cloud.sees(&two).as_str(), cloud.sees(&leader).as_str()), ("connected", "connected"));
        // Another one leads the area.
        two.stands(AreaRole::Leader, 2, Some(&two), &[]);
        one.call(&two).await;
        seconds(2).await;
        cloud.hear(&[&two]).await;
        seconds(12).await;
        assert!(cloud.get(&format!("fog-area/{}", leader.node)).is_null());
        assert!(!cloud.get(&format!("fog-area/{}", two.node)).is_null());
        assert_eq!(cloud.sees(&one), "connected");
        let foreign =
            cloud.store.all("area-member").into_iter().filter(|member| !member.id.as_str().ends_with(&cloud.node[..8]));
        assert!(foreign.into_iter().all(|member| member.id.as_str().ends_with(&two.node[..8])));
    });
}

#[test]
fn who_hears_of_a_new_leader_below_after_its_other_documents_loses_none_of_them() {
    story(async {
        let (leader, one, two) = area().await;
        let cloud = Agent::start("cloud", 200).await;
        cloud.stands(AreaRole::Leader, 1, Some(&cloud), &[]);
        leader.call(&cloud).await;
        one.call(&leader).await;
        two.call(&leader).await;
        seconds(2).await;
        cloud.hear(&[&leader, &one, &two]).await;
        seconds(2).await;
        two.stands(AreaRole::Leader, 2, Some(&two), &[]);
        one.call(&two).await;
        seconds(2).await;
        while cloud.hear_some(&[&two], 1).await {
            seconds(1).await;
        }
        for told in [&one, &two] {
            let id = format!("area-member/{}-{}", &told.id.device().unwrap()[..32], &two.node[..8]);
            assert!(!two.get(&id).is_null() && !cloud.get(&id).is_null(), "{id}");
        }
        assert!(!cloud.get(&format!("fog-area/{}", two.node)).is_null());
        seconds(12).await;
        assert!(cloud.get(&format!("fog-area/{}", leader.node)).is_null());
    });
}

#[test]
fn who_takes_care_of_an_area_below_without_a_majority_is_believed_while_the_leader_of_that_term_is_away() {
    story(async {
        let (leader, one, two) = area().await;
        let cloud = Agent::start("cloud", 200).await;
        cloud.stands(AreaRole::Leader, 1, Some(&cloud), &[]);
        let mut up = leader.call(&cloud).await;
        let mut called = two.call(&leader).await;
        leader.hear(&[&one, &two]).await;
        seconds(2).await;
        cloud.hear(&[&leader, &one, &two]).await;
        // Both ways round: which of them has the greater name is no matter.
        for (former, next) in [(&leader, &one), (&one, &leader)] {
            former.hang_up(&cloud, up).await;
            former.hang_up(&two, called).await;
            next.stands(AreaRole::Leader, 1, Some(next), &[]);
            up = next.call(&cloud).await;
            called = two.call(next).await;
            seconds(8).await;
            cloud.hear(&[next]).await;
            seconds(12).await;
            assert_eq!(cloud.sees(&two), "connected", "as the one in touch says");
            for claim in [former, next] {
                let id = format!("area-member/{}-{}", &claim.id.device().unwrap()[..32], &claim.node[..8]);
                assert_eq!(cloud.get(&id)["role"], "leader", "it may be the one to believe next");
            }
        }
    });
}
