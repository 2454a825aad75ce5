//! Which losses an area survives by itself, one after the other and at once, and what is left for an operator.

use mf2c_domain::area::standing::{AreaRole, Mandate};
use mf2c_fabric::leadership::{Demand, RoleError};

use crate::elections::{leads, settled};
use crate::world::{SECOND, World, id};

/// So long after a loss the seats are as few as those that are left.
const REPLACED: std::time::Duration = std::time::Duration::from_secs(12);

fn operator(world: &mut World, name: &str) -> Result<(), RoleError> {
    let ask = world.change_role(name, None, AreaRole::Leader, Demand::Operator);
    world.run(SECOND * 5);
    world.nodes[world.index(name)].answers[&ask].clone().map(drop)
}

#[test]
fn below_a_cloud_three_agents_lose_two_one_after_the_other_and_the_last_one_leads_fully() {
    for seed in 50..56 {
        for first in ["L", "B", "C1"] {
            let mut world = settled(seed, true, &["B", "C1"]);
            world.kill(first);
            world.run(REPLACED);
            let second = ["L", "B", "C1"].into_iter().find(|name| leads(&world, name)).unwrap();
            world.kill(second);
            let last = ["L", "B", "C1"].into_iter().find(|name| ![first, second].contains(name)).unwrap();
            let took = world.until(SECOND * 10, |world| leads(world, last));
            assert!(took < SECOND * 3, "{took:?}");
            world.run(REPLACED * 3);
            assert!(leads(&world, last), "{}", world.describe());
            for back in [first, second] {
                world.restart(back);
            }
            world.run(SECOND * 30);
            assert!(leads(&world, last), "{}", world.describe());
            assert_eq!(world.standing(last).backups.len(), 2, "{}", world.describe());
        }
    }
}

#[test]
fn of_three_agents_that_lose_two_at_once_the_last_one_waits_for_an_operator_who_can_be_sure() {
    for seed in 60..64u64 {
        let cloud = seed.is_multiple_of(2);
        let mut world = settled(seed, cloud, &["B", "C1"]);
        let term = world.standing("L").term;
        world.kill("L");
        world.kill("B");
        world.until(SECOND * 15, |world| world.standing("C1").leads());
        world.run(SECOND * 600);
        assert_eq!(world.standing("C1").mandate, Mandate::Degraded, "{}", world.describe());
        assert!(world.standing("C1").degraded);
        assert_eq!(operator(&mut world, "C1"), Ok(()), "{}", world.describe());
        assert!(leads(&world, "C1") && world.standing("C1").term > term && !world.standing("C1").degraded);
        for back in ["B", "L"] {
            world.restart(back);
        }
        world.run(SECOND * 30);
        assert!(leads(&world, "C1"), "{}", world.describe());
        for back in ["B", "L"] {
            assert!(world.standing(back).is_led_by(&id("a1", "C1")), "{}", world.describe());
        }
    }
}

#[test]
fn a_leader_whose_backups_are_lost_at_once_waits_for_an_operator_too() {
    let mut world = settled(65, false, &["B", "C1"]);
    world.kill("B");
    world.kill("C1");
    world.run(SECOND * 60);
    assert_eq!(world.standing("L").mandate, Mandate::Degraded, "{}", world.describe());
    assert_eq!(operator(&mut world, "L"), Ok(()), "{}", world.describe());
    assert!(leads(&world, "L"));
    for back in ["B", "C1"] {
        world.restart(back);
    }
    world.run(SECOND * 30);
    assert!(leads(&world, "L"), "{}", world.describe());
    assert_eq!(world.standing("L").backups.len(), 2, "{}", world.describe());
}

#[test]
fn of_two_agents_the_backup_leads_fully_by_an_operators_word_and_the_old_leader_follows() {
    let mut world = settled(66, false, &["B"]);
    world.kill("L");
    world.run(SECOND * 30);
    assert_eq!(operator(&mut world, "B"), Ok(()), "{}", world.describe());
    assert!(leads(&world, "B"));
    world.restart("L");
    world.run(SECOND * 30);
    assert!(leads(&world, "B") && world.standing("L").is_led_by(&id("a1", "B")), "{}", world.describe());
}

#[test]
fn where_enough_are_there_to_choose_an_operator_founds_nothing() {
    let mut world = settled(67, false, &["B", "C1"]);
    let term = world.standing("L").term;
    world.kill("L");
    let refused = operator(&mut world, "B").unwrap_err();
    assert!(matches!(refused, RoleError::NotNow(_) | RoleError::NotLeader(_)), "{refused}");
    world.run(SECOND * 5);
    assert!(world.standing("B").term < term + 3, "{}", world.describe());
}
