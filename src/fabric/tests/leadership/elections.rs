//! Who leads after a start, a crash, a pause, a lost disk.

use mf2c_domain::area::standing::{AreaRole, Mandate};
use mf2c_fabric::leadership::Settings;

use crate::world::{SECOND, World, id};

pub(crate) fn leads(world: &World, name: &str) -> bool {
    let standing = world.standing(name);
    standing.role == AreaRole::Leader && standing.mandate == Mandate::Full
}

pub(crate) fn settled(seed: u64, cloud: bool, others: &[&str]) -> World {
    let mut world = World::new(seed, cloud, others);
    world.until(SECOND * 15, |world| {
        leads(world, "L") && others.iter().all(|name| world.standing(name).leader.is_some())
    });
    world.run(SECOND * 8);
    world
}

#[test]
fn a_leader_alone_leads_with_a_full_mandate_in_a_few_seconds() {
    let mut world = World::new(1, false, &[]);
    assert!(world.until(SECOND * 5, |world| leads(world, "L")) < SECOND * 3);
}

#[test]
fn a_leader_chooses_as_many_backups_as_the_area_needs_and_gives_them_the_authority() {
    let world = settled(1, false, &["B"]);
    assert_eq!(world.standing("B").role, AreaRole::Backup, "{}", world.describe());
    let world = settled(2, true, &["B", "C1", "C2"]);
    assert_eq!(world.standing("L").backups.len(), 2, "{}", world.describe());
    assert_eq!(world.nodes[0].handed, vec![id("a1", "B"), id("a1", "C1")]);
    assert_eq!(world.standing("C2").role, AreaRole::Agent);
    assert_eq!(world.standing("C2").backups, world.standing("L").backups);
}

#[test]
fn p1_when_the_leader_crashes_a_backup_leads_within_three_seconds_in_a_later_term() {
    for (cloud, others) in [(true, &["B"][..]), (false, &["B", "C1"]), (true, &["B", "C1", "C2"])] {
        let mut world = settled(3, cloud, others);
        let term = world.standing("L").term;
        world.kill("L");
        let took = world.until(SECOND * 10, |world| leads(world, "B"));
        assert!(took < SECOND * 3, "{took:?}");
        assert!(world.standing("B").term > term);
        world.run(SECOND * 2);
        for other in &others[1..] {
            assert!(world.standing(other).is_led_by(&id("a1", "B")), "{}", world.describe());
        }
    }
}

#[test]
fn p1_with_the_fast_profile_it_takes_a_second() {
    let mut world = World::with(4, false, &["B", "C1"], Settings::fast());
    world.until(SECOND * 15, |world| leads(world, "L") && world.standing("C1").role == AreaRole::Backup);
    world.run(SECOND * 5);
    world.kill("L");
    let took = world.until(SECOND * 10, |world| leads(world, "B"));
    assert!(took < SECOND, "{took:?}");
}

#[test]
fn p1_without_a_majority_the_backup_takes_care_and_gives_way_to_the_leader() {
    let mut world = settled(5, false, &["B"]);
    world.kill("L");
    let took = world.until(SECOND * 10, |world| world.standing("B").leads());
    assert!(took < SECOND * 9, "{took:?}");
    assert_eq!(world.standing("B").mandate, Mandate::Degraded);
    world.restart("L");
    world.until(SECOND * 15, |world| leads(world, "L") && world.standing("B").is_led_by(&id("a1", "L")));
    world.run(SECOND * 10);
    assert_eq!(world.standing("B").role, AreaRole::Backup, "{}", world.describe());
}

#[test]
fn p2_a_leader_that_was_stopped_for_half_a_minute_follows_who_took_over() {
    let mut world = settled(6, true, &["B", "C1"]);
    world.pause("L");
    world.until(SECOND * 4, |world| leads(world, "B") || leads(world, "C1"));
    world.run(SECOND * 30);
    world.resume("L");
    world.until(SECOND * 3, |world| !world.standing("L").leads());
    world.run(SECOND * 5);
    assert_eq!(world.standing("L").leader, world.standing("C1").leader, "{}", world.describe());
}

#[test]
fn p6_a_dead_backup_is_dropped_and_another_chosen() {
    let mut world = settled(7, true, &["B", "C1", "C2"]);
    world.kill("B");
    let b = id("a1", "B");
    let took = world.until(SECOND * 12, |world| world.standing("L").backups.iter().all(|backup| backup.id != b));
    assert!(took <= SECOND * 10, "{took:?}");
    let took = world.until(SECOND * 12, |world| world.standing("L").backups.len() == 2);
    assert!(took <= SECOND * 3, "{took:?}");
    world.run(SECOND);
    assert_eq!(world.standing("C2").role, AreaRole::Backup);
    world.kill("L");
    world.until(SECOND * 3, |world| leads(world, "C1") || leads(world, "C2"));
    world.restart("B");
    world.run(SECOND * 10);
    assert!(matches!(world.standing("B").role, AreaRole::Agent | AreaRole::Backup), "{}", world.describe());
}

#[test]
fn p7_a_backup_that_lags_behind_lets_another_go_first() {
    let mut world = settled(8, false, &["B", "C1"]);
    world.event("B", mf2c_fabric::leadership::Event::Behind { agent: None, changes: 500 });
    world.kill("L");
    world.until(SECOND * 3, |world| leads(world, "C1"));
}

#[test]
fn p12_an_agent_that_lost_its_store_gets_another_seat_and_learns_the_term() {
    let mut world = settled(9, true, &["B", "C1"]);
    world.kill("L");
    world.until(SECOND * 3, |world| leads(world, "B"));
    world.wipe("L");
    world.restart("L");
    world.run(SECOND * 20);
    assert!(world.standing("L").is_led_by(&id("a1", "B")), "{}", world.describe());
    assert_eq!(world.standing("L").term, world.standing("B").term);
    world.kill("C1");
    world.wipe("C1");
    world.restart("C1");
    world.run(SECOND * 20);
    assert_eq!(world.standing("B").backups.len(), 2, "{}", world.describe());
}

#[test]
fn p13_after_a_power_cut_of_all_there_is_one_leader_within_fifteen_seconds() {
    for seed in 10..16 {
        let others = ["B", "C1", "C2"];
        let mut world = settled(seed, seed.is_multiple_of(2), &others);
        for name in ["L", "B", "C1", "C2"] {
            world.kill(name);
        }
        world.run(SECOND);
        for name in ["L", "B", "C1", "C2"] {
            world.restart(name);
        }
        let took = world.until(SECOND * 20, |world| ["L", "B", "C1"].iter().any(|name| leads(world, name)));
        assert!(took < SECOND * 15, "{took:?}");
        world.run(SECOND * 5);
        let leader = world.standing("C2").leader.clone();
        assert!(
            leader.is_some() && others.iter().all(|name| world.standing(name).leader == leader),
            "{}",
            world.describe()
        );
    }
}

#[test]
fn p14_a_leader_that_returns_after_a_week_does_not_lead() {
    let mut world = settled(17, true, &["B", "C1"]);
    world.kill("L");
    world.run(SECOND * 60);
    world.now += SECOND * 7 * 24 * 3600;
    world.run(SECOND * 10);
    let leader = world.standing("C1").leader.clone().unwrap();
    let term = world.standing("C1").term;
    world.restart("L");
    world.run(SECOND * 20);
    assert!(world.standing("L").is_led_by(&leader.id), "{}", world.describe());
    assert_eq!(world.standing("L").term, term, "its return costs no election");
}

#[test]
fn who_is_shown_as_a_backup_can_take_over_from_that_instant() {
    for seed in 1..200 {
        let (cloud, others) = if seed % 2 == 0 { (false, &["B", "C1"]) } else { (true, &["B", "C1"]) };
        let mut world = World::new(seed, cloud, others);
        world.delay = (1, 1 + seed % 40);
        world.until(SECOND * 30, |world| world.standing("L").backups.len() == 2);
        world.kill("L");
        let took = world.until(SECOND * 10, |world| leads(world, "B") || leads(world, "C1"));
        assert!(took < SECOND * 3, "seed {seed}: {took:?}");
    }
}
