//! Roles that somebody changes.

use mf2c_domain::area::standing::AreaRole;
use mf2c_fabric::leadership::{Demand, RoleError};

use crate::elections::{leads, settled};
use crate::world::{SECOND, id};

#[test]
fn p8_the_lead_is_handed_over_within_a_second_and_the_old_leader_becomes_an_agent() {
    let mut world = settled(30, true, &["B", "C1", "C2"]);
    let target = "C2";
    let ask = world.change_role("L", Some(target), AreaRole::Leader, Demand::Operator);
    let mut pause = std::time::Duration::ZERO;
    while !leads(&world, target) {
        let before = world.now;
        world.run(std::time::Duration::from_millis(20));
        if !leads(&world, "L") {
            pause += world.now - before;
        }
        assert!(pause < SECOND, "{}", world.describe());
    }
    world.run(SECOND * 10);
    assert!(world.nodes[0].answers[&ask].is_ok());
    assert_eq!(world.standing("L").role, AreaRole::Agent, "{}", world.describe());
    for name in ["L", "B", "C1"] {
        assert!(world.standing(name).is_led_by(&id("a1", target)), "{}", world.describe());
    }
}

#[test]
fn p8_between_two_agents_without_a_witness_too() {
    let mut world = settled(31, false, &["B"]);
    let ask = world.change_role("L", Some("B"), AreaRole::Leader, Demand::Operator);
    world.until(SECOND * 5, |world| leads(world, "B"));
    world.run(SECOND * 10);
    assert!(world.nodes[0].answers[&ask].is_ok());
    assert!(leads(&world, "B") && world.standing("L").is_led_by(&id("a1", "B")), "{}", world.describe());
    world.kill("L");
    world.run(SECOND * 20);
    assert!(leads(&world, "B"), "{}", world.describe());
}

#[test]
fn p9_p10_who_may_not_or_is_unknown_changes_nothing() {
    let mut world = settled(32, true, &["B", "C1", "C2"]);
    let term = world.standing("L").term;
    let refused = |world: &mut crate::world::World, at: &str, agent: Option<&str>, by: Demand| {
        let ask = world.change_role(at, agent, AreaRole::Leader, by);
        world.run(SECOND);
        let node = world.index(at);
        world.nodes[node].answers[&ask].clone().unwrap_err()
    };
    let unknown = refused(&mut world, "L", Some("nobody"), Demand::Operator);
    assert_eq!(unknown, RoleError::Unknown("nobody".into()));
    assert!(matches!(refused(&mut world, "C2", Some("C1"), Demand::Operator), RoleError::NotLeader(Some(_))));
    assert!(matches!(refused(&mut world, "L", None, Demand::Operator), RoleError::NotNow(_)), "it leads already");
    let agent = Demand::Peer { id: id("a1", "C2"), term };
    assert!(matches!(refused(&mut world, "L", Some("C2"), agent), RoleError::NotLeader(_)));
    let old = Demand::Peer { id: id("a1", "B"), term: term - 1 };
    assert_eq!(refused(&mut world, "L", Some("B"), old), RoleError::Stale { theirs: term - 1, ours: term });
    assert!(leads(&world, "L") && world.standing("L").term == term);
}

#[test]
fn an_operator_appoints_a_backup_and_takes_the_role_away_again() {
    let mut world = settled(33, true, &["B", "C1", "C2"]);
    world.change_role("L", Some("C2"), AreaRole::Backup, Demand::Operator);
    world.run(SECOND * 3);
    assert_eq!(world.standing("C2").role, AreaRole::Backup, "{}", world.describe());
    world.change_role("L", Some("B"), AreaRole::Agent, Demand::Operator);
    world.run(SECOND * 3);
    assert_eq!(world.standing("B").role, AreaRole::Agent, "{}", world.describe());
    assert!(leads(&world, "L"));
}
