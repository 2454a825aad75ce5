//! Areas that are founded anew without an operator, where the configuration says so (vector D5): by exactly one, and those
//! who did not know of each other come together again.

use std::time::Duration;

use mf2c_domain::area::standing::{AreaRole, Mandate};
use mf2c_fabric::leadership::Settings;

use crate::elections::leads;
use crate::random::{misfortune, one_leads};
use crate::world::{SECOND, World, id};

const AFTER: Duration = Duration::from_secs(60);

fn settled(seed: u64, cloud: bool, others: &[&str]) -> World {
    let settings = Settings { found_after: Some(AFTER), ..Settings::default() };
    let mut world = World::with(seed, cloud, others, settings);
    world.until(SECOND * 15, |world| {
        leads(world, "L") && others.iter().all(|name| world.standing(name).leader.is_some())
    });
    world.run(SECOND * 8);
    world
}

fn leaders<'n>(world: &World, names: &[&'n str]) -> Vec<&'n str> {
    names.iter().copied().filter(|name| world.standing(name).leads()).collect()
}

#[test]
fn of_two_agents_the_one_that_is_left_leads_fully_after_a_minute_and_not_before() {
    let mut world = settled(70, false, &["B"]);
    world.kill("L");
    world.run(AFTER);
    assert_eq!(world.standing("B").mandate, Mandate::Degraded, "{}", world.describe());
    world.until(SECOND * 15, |world| leads(world, "B"));
    world.restart("L");
    world.run(SECOND * 20);
    assert!(leads(&world, "B") && world.standing("L").is_led_by(&id("a1", "B")), "{}", world.describe());
    assert_eq!(world.standing("L").role, AreaRole::Backup, "{}", world.describe());
}

#[test]
fn without_the_setting_nobody_does_it() {
    let mut world = crate::elections::settled(71, false, &["B", "B2", "C1"]);
    for name in ["L", "B", "B2"] {
        world.kill(name);
    }
    world.run(SECOND * 3600);
    assert!(leaders(&world, &["C1"]).is_empty(), "{}", world.describe());
}

#[test]
fn of_three_agents_the_last_one_leads_fully_with_the_cloud_as_a_witness_of_the_leaders_end() {
    let mut world = settled(72, true, &["B", "C1"]);
    world.kill("L");
    world.kill("B");
    world.until(AFTER + SECOND * 40, |world| leads(world, "C1"));
    // Where the cloud is not there either, it may be this agent that is cut off.
    let mut world = settled(72, true, &["B", "C1"]);
    world.part(&["C1"]);
    world.run(SECOND * 600);
    assert!(leads(&world, "L") && !leads(&world, "C1"), "{}", world.describe());
    let term = world.standing("L").term;
    world.heal();
    world.run(SECOND * 30);
    assert!(leads(&world, "L") && world.standing("L").term == term, "{}", world.describe());
}

#[test]
fn an_agent_that_others_tell_that_the_leader_lives_founds_nothing() {
    let mut world = settled(73, true, &["B", "C1"]);
    let term = world.standing("L").term;
    for other in ["L", "B"] {
        world.cut("C1", other);
    }
    world.run(SECOND * 600);
    assert!(leads(&world, "L") && world.standing("L").term == term, "{}", world.describe());
    assert!(!leads(&world, "C1"));
}

#[test]
fn d5_of_three_simultaneous_starters_without_a_leader_exactly_one_leads() {
    for seed in 80..90 {
        let heirs = ["C1", "C2", "C3"];
        let mut world = settled(seed, false, &["B", "B2", "C1", "C2", "C3"]);
        for name in ["L", "B", "B2", "C1", "C2", "C3"] {
            world.kill(name);
        }
        world.run(SECOND * 5);
        for name in heirs {
            world.restart(name);
        }
        world.run(AFTER - SECOND);
        assert!(leaders(&world, &heirs).is_empty(), "{}", world.describe());
        world.run(AFTER * 2);
        let lead = leaders(&world, &heirs);
        assert_eq!(lead.len(), 1, "seed {seed}: {}", world.describe());
        assert!(leads(&world, lead[0]));
        let before = world.leads.len();
        for name in heirs {
            assert!(world.standing(name).is_led_by(&id("a1", lead[0])), "{}", world.describe());
        }
        world.run(SECOND * 300);
        assert_eq!(world.leads.len(), before, "it stays so: {:?}", world.leads);
    }
}

#[test]
fn an_heir_without_the_keys_of_the_authority_gives_the_lead_to_who_has_them_when_he_is_back() {
    let mut world = settled(91, false, &["B", "B2", "C1", "C2"]);
    for name in ["L", "B", "B2"] {
        world.kill(name);
    }
    world.run(AFTER * 3);
    let heir = leaders(&world, &["C1", "C2"])[0];
    assert!(leads(&world, heir), "{}", world.describe());
    world.restart("L");
    world.until(SECOND * 60, |world| leads(world, "L"));
    world.run(SECOND * 20);
    assert!(leads(&world, "L") && world.standing(heir).is_led_by(&id("a1", "L")), "{}", world.describe());
}

#[test]
fn two_halves_that_both_lead_have_different_terms_and_the_later_one_leads_both_after_the_heal() {
    for seed in 92..98 {
        let mut world = settled(seed, false, &["B", "B2", "C1", "C2"]);
        world.part(&["C1", "C2"]);
        world.run(AFTER * 3);
        let lead = leaders(&world, &["L", "B", "B2", "C1", "C2"]);
        assert_eq!(lead.len(), 2, "{}", world.describe());
        let later = world.standing(lead[1]).term;
        assert!(world.standing(lead[0]).term < later, "{}", world.describe());
        world.heal();
        // They find each other, and the one without keys gives the lead back in the end.
        world.run(SECOND * 90);
        one_leads(&world, &["L", "B", "B2", "C1", "C2"], "after the heal");
    }
}

#[test]
fn two_agents_that_were_cut_from_each_other_and_both_lead_come_together_again() {
    for seed in 98..104 {
        let mut world = settled(seed, false, &["B"]);
        world.cut("L", "B");
        world.run(AFTER * 2);
        assert!(leads(&world, "L") && leads(&world, "B"), "{}", world.describe());
        world.heal();
        world.run(SECOND * 30);
        assert!(leads(&world, "B") && world.standing("L").is_led_by(&id("a1", "B")), "{}", world.describe());
    }
}

#[test]
fn under_random_faults_no_two_lead_in_one_term_and_one_leads_in_the_end() {
    let names = ["L", "B", "C1", "C2", "C3"];
    for seed in 200..230 {
        let mut world = settled(seed, false, &names[1..]);
        for _ in 0..25 {
            misfortune(&mut world, &names);
            let wait = world.chance(30_000);
            world.run(Duration::from_millis(wait));
        }
        world.heal();
        world.loss = 0;
        for name in names {
            world.resume(name);
            world.restart(name);
        }
        world.run(SECOND * 300);
        one_leads(&world, &names, &format!("seed {seed}"));
    }
}
