//! Whose word counts when the area is founded anew: heirs that the leader has named, and nobody else.

use mf2c_domain::area::standing::{AreaPeer, AreaRole};
use mf2c_fabric::leadership::{Demand, Event, LeadClaim, LeadershipMessage, RoleError};

use crate::elections::{leads, settled};
use crate::world::{SECOND, World, id};

const ALL: [&str; 8] = ["B", "B2", "C1", "C2", "C3", "C4", "C5", "C6"];

fn claim(world: &mut World, by: &str, at: &str, term: u64) {
    let leader = AreaPeer { id: id("a1", by), address: format!("{by}:1") };
    let claim = LeadClaim { area: "a1".into(), term, leader, full: true, backups: vec![], upper: None, heirs: vec![] };
    let link = world.link(by, at).unwrap();
    world.event(at, Event::Heard { link, message: LeadershipMessage::Lead(claim) });
}

fn bereft(seed: u64) -> World {
    let mut world = settled(seed, false, &ALL);
    for name in ["L", "B", "B2"] {
        world.kill(name);
    }
    world.run(SECOND * 20);
    world
}

#[test]
fn an_agent_without_a_leader_believes_an_heir_and_no_other() {
    let mut world = bereft(110);
    let term = world.standing("C5").term;
    world.meet("C5", "C6");
    world.run(SECOND);
    claim(&mut world, "C6", "C5", term + 5000);
    world.run(SECOND);
    assert!(!world.standing("C5").is_led_by(&id("a1", "C6")), "{}", world.describe());
    // Without a leader it keeps links to the heirs, of whom one may come to lead.
    claim(&mut world, "C1", "C5", term + 5000);
    world.run(SECOND);
    assert!(world.standing("C5").is_led_by(&id("a1", "C1")), "{}", world.describe());
}

#[test]
fn who_is_no_heir_is_told_so_when_an_operator_wants_it_to_lead() {
    let mut world = bereft(111);
    let ask = world.change_role("C6", None, AreaRole::Leader, Demand::Operator);
    world.run(SECOND * 5);
    let answer = world.nodes[world.index("C6")].answers[&ask].clone().unwrap_err();
    assert!(matches!(&answer, RoleError::NotNow(why) if why.contains("heirs")), "{answer}");
}

#[test]
fn a_leader_does_not_give_way_to_an_heir_that_was_there_all_the_time_nor_to_another_agent_ever() {
    let mut world = settled(112, false, &ALL);
    let term = world.standing("L").term;
    for by in ["C1", "C6"] {
        claim(&mut world, by, "L", term + 5000);
        world.run(SECOND);
        assert!(leads(&world, "L") && world.standing("L").term == term, "{}", world.describe());
    }
    claim(&mut world, "C1", "B", term + 5000);
    world.run(SECOND);
    assert!(world.standing("B").is_led_by(&id("a1", "L")), "{}", world.describe());
}

#[test]
fn a_leader_that_was_cut_off_gives_way_to_whom_an_operator_chose_meanwhile() {
    for seed in 113..117 {
        let mut world = settled(seed, false, &ALL);
        world.apart = true;
        world.part(&["C1", "C5"]);
        world.run(SECOND * 60);
        let ask = world.change_role("C1", None, AreaRole::Leader, Demand::Operator);
        world.run(SECOND * 10);
        let c1 = world.index("C1");
        assert!(world.nodes[c1].answers[&ask].is_ok(), "{:?}", world.nodes[c1].answers);
        assert!(leads(&world, "C1") && leads(&world, "L"), "{}", world.describe());
        world.heal();
        world.run(SECOND * 60);
        for name in ALL.iter().chain(&["L"]).filter(|name| **name != "C1") {
            assert!(world.standing(name).is_led_by(&id("a1", "C1")), "seed {seed} {name}: {}", world.describe());
        }
    }
}
