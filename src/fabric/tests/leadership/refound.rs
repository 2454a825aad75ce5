//! An area whose leader and backups are lost together, and what an operator does about it.

use mf2c_domain::area::standing::AreaRole;
use mf2c_fabric::leadership::{Demand, RoleError};

use crate::elections::{leads, settled};
use crate::world::{SECOND, World, id};

fn bereft(seed: u64) -> World {
    let mut world = settled(seed, false, &["B", "B2", "C1", "C2"]);
    assert_eq!(world.standing("C1").role, AreaRole::Agent, "{}", world.describe());
    for name in ["L", "B", "B2"] {
        world.kill(name);
    }
    world
}

fn told(world: &mut World, name: &str) -> u64 {
    let ask = world.change_role(name, None, AreaRole::Leader, Demand::Operator);
    world.run(SECOND * 5);
    ask
}

#[test]
fn an_area_that_lost_leader_and_backups_is_led_by_whom_an_operator_says_and_the_old_leader_follows() {
    for seed in 40..44 {
        let mut world = bereft(seed);
        let term = world.standing("C1").term;
        world.run(SECOND * 10);
        let ask = told(&mut world, "C1");
        let c1 = world.index("C1");
        assert!(world.nodes[c1].answers[&ask].is_ok(), "{:?} {}", world.nodes[c1].answers, world.describe());
        assert!(leads(&world, "C1") && world.standing("C1").term > term, "{}", world.describe());
        assert!(world.nodes[c1].told.iter().any(|text| text.contains("certificates are not renewed")));
        world.meet("C2", "C1");
        world.run(SECOND * 10);
        assert!(world.standing("C2").is_led_by(&id("a1", "C1")), "{}", world.describe());
        for back in ["L", "B"] {
            world.restart(back);
            world.run(SECOND * 30);
            assert!(leads(&world, "C1"), "{}", world.describe());
            assert!(world.standing(back).is_led_by(&id("a1", "C1")), "{}", world.describe());
        }
    }
}

#[test]
fn old_leader_and_backups_that_return_together_follow_the_new_foundation() {
    for seed in 44..48 {
        let mut world = bereft(seed);
        world.run(SECOND * 10);
        told(&mut world, "C1");
        for name in ["L", "B", "B2"] {
            world.restart(name);
        }
        world.run(SECOND * 30);
        assert!(leads(&world, "C1"), "{}", world.describe());
        for name in ["L", "B", "B2"] {
            assert!(world.standing(name).is_led_by(&id("a1", "C1")), "{}", world.describe());
        }
    }
}

#[test]
fn where_a_leader_or_a_backup_lives_nothing_is_founded() {
    let refusal =
        |world: &World, ask: u64| world.nodes[world.index("C1")].answers[&ask].clone().expect_err("it is refused");
    let mut world = settled(48, false, &["B", "B2", "C1", "C2"]);
    let term = world.standing("L").term;
    let ask = told(&mut world, "C1");
    assert!(matches!(refusal(&world, ask), RoleError::NotLeader(Some(_))));
    // The way to the leader is cut here, but not that to another agent, which hears it.
    world.meet("C2", "C1");
    for other in ["L", "B", "B2"] {
        world.cut("C1", other);
    }
    world.run(SECOND * 20);
    let ask = told(&mut world, "C1");
    assert!(matches!(refusal(&world, ask), RoleError::NotLeader(_)), "{:?}", refusal(&world, ask));
    assert!(leads(&world, "L") && world.standing("L").term == term, "{}", world.describe());
}
