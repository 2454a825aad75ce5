//! Who leads while some do not reach others, and afterwards.

use mf2c_domain::area::standing::{AreaRole, Mandate};

use crate::elections::{leads, settled};
use crate::world::{SECOND, id};

#[test]
fn p3_a_leader_cut_off_fences_itself_before_another_leads_and_follows_after_the_heal() {
    for seed in 0..5 {
        let mut world = settled(seed, true, &["B", "C1", "C2"]);
        world.part(&["L"]);
        let fenced = world.until(SECOND * 3, |world| world.standing("L").mandate != Mandate::Full);
        assert!(fenced < SECOND * 2, "{fenced:?}");
        world.until(SECOND * 3, |world| leads(world, "B") || leads(world, "C1"));
        world.run(SECOND * 60);
        world.heal();
        world.run(SECOND * 10);
        assert!(!world.standing("L").leads() && world.standing("L").leader.is_some(), "{}", world.describe());
    }
}

#[test]
fn p4_of_two_halves_at_most_one_leads_fully_and_the_other_is_degraded() {
    let mut world = settled(20, true, &["B", "C1", "C2"]);
    world.part(&["Z"]);
    world.run(SECOND * 20);
    world.part(&["L", "C1"]);
    world.run(SECOND * 30);
    let full = ["L", "B", "C1", "C2"].iter().filter(|name| leads(&world, name)).count();
    assert!(full <= 1, "{}", world.describe());
    world.heal();
    world.run(SECOND * 20);
    let leader = world.standing("C2").leader.clone().unwrap();
    for name in ["L", "B", "C1"] {
        assert_eq!(world.standing(name).leader.as_ref(), Some(&leader), "{}", world.describe());
    }
}

#[test]
fn p4_without_a_witness_in_reach_neither_of_two_leads_fully() {
    let mut world = settled(21, true, &["B"]);
    // The witness is gone and the leader too, at the same time: nobody can have a majority.
    world.part(&["Z"]);
    world.cut("L", "B");
    world.run(SECOND * 3);
    assert_ne!(world.standing("L").mandate, Mandate::Full);
    world.run(SECOND * 10);
    assert!(world.standing("L").leads() && world.standing("B").leads(), "{}", world.describe());
    assert_eq!(world.standing("B").mandate, Mandate::Degraded);
    world.heal();
    world.until(SECOND * 10, |world| leads(world, "L") ^ leads(world, "B"));
    world.run(SECOND * 10);
    assert_eq!(world.standing("L").leader, world.standing("B").leader);
}

#[test]
fn p5_a_cut_between_leader_and_backup_alone_changes_no_leader() {
    for (cloud, others) in [(true, &["B", "C1"][..]), (false, &["B", "C1"]), (false, &["B"]), (true, &["B"])] {
        let mut world = settled(22, cloud, others);
        let term = world.standing("L").term;
        world.cut("L", "B");
        world.run(SECOND * 4);
        assert!(leads(&world, "L"), "{}", world.describe());
        if others.len() > 1 {
            world.run(SECOND * 60);
            assert!(!world.standing("B").leads(), "{}", world.describe());
        }
        world.heal();
        world.run(SECOND * 20);
        assert!(leads(&world, "L") && world.standing("L").term == term, "{}", world.describe());
        assert_eq!(world.standing("B").role, AreaRole::Backup, "{}", world.describe());
    }
}

#[test]
fn p5_a_learner_asks_others_before_it_takes_care() {
    // Two backups would be three votes: this area has one backup by its settings, so it has no vote.
    let settings = mf2c_fabric::leadership::Settings { backups: 1, ..Default::default() };
    let mut world = crate::world::World::with(23, false, &["B", "C1"], settings);
    world.until(SECOND * 10, |world| leads(world, "L") && world.standing("C1").backups.len() == 1);
    world.run(SECOND * 5);
    let backup = world.standing("L").backups[0].id.device().unwrap().to_owned();
    world.cut("L", &backup);
    world.run(SECOND * 7);
    assert!(!world.standing(&backup).leads(), "{}", world.describe());
    assert!(leads(&world, "L"));
}

#[test]
fn p11_a_flapping_link_changes_leaders_at_most_three_times_in_ten_minutes() {
    for (cloud, others) in [(true, &["B"][..]), (false, &["B", "C1"]), (true, &["B", "C1", "C2"])] {
        let mut world = settled(24, cloud, others);
        let (changes, term) = (world.leads.len(), world.standing("L").term);
        for _ in 0..60 {
            world.part(&["L"]);
            world.run(SECOND * 5);
            world.heal();
            world.run(SECOND * 5);
        }
        assert!(world.leads.len() - changes <= 3, "{:?}", world.leads);
        world.run(SECOND * 20);
        let last = world.standing(others[0]).term;
        assert!(last - term <= 3, "{term} to {last}");
    }
}

#[test]
fn an_area_goes_on_without_its_witness_and_takes_it_back() {
    let mut world = settled(25, true, &["B"]);
    world.part(&["Z"]);
    world.run(SECOND * 30);
    assert!(leads(&world, "L"));
    world.kill("B");
    world.run(SECOND * 15);
    assert!(leads(&world, "L"), "{}", world.describe());
    world.restart("B");
    world.heal();
    world.run(SECOND * 60);
    assert_eq!(world.standing("B").role, AreaRole::Backup, "{}", world.describe());
    world.kill("L");
    world.until(SECOND * 3, |world| leads(world, "B"));
    assert_eq!(world.standing("B").upper.as_ref().unwrap().id, id("sky", "Z"));
}
