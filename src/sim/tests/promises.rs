//! What the simulation promises: it repeats, it finds what breaks, it finds the shortest way to break it, and real agents keep
//! their promises under all faults, with many seeds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests say what went wrong by panicking")]

use std::ops::Range;

use mf2c_domain::quantity::HumanDuration;
use mf2c_sim::fleet::Fleet;
use mf2c_sim::outcome::Outcome;
use mf2c_sim::picture;
use mf2c_sim::plan::{self, What};
use mf2c_sim::report;
use mf2c_sim::run::{Options, Sabotage, run};
use mf2c_sim::scenario::{FaultKind, Scenario};
use mf2c_sim::shrink::shrink;

/// Seeds that broke a promise once, each with what it found.
const KEPT: [(u64, &str); 6] = [
    (4, "an agent that stood still for a moment leads on when it wakes"),
    (454, "sums follow documents a moment later"),
    (472, "a new leader whose call was under way moves to its new certificate, and the cloud takes what it has"),
    (1604, "of two edits from above that are under way at one time either may be the last"),
    (1832, "the same, of two leaders"),
    (6890, "what a leader has comes to the cloud after it lost its power and could not read its disk"),
];

/// Small areas under all faults at once.
fn small() -> Scenario {
    Scenario::parse(include_str!("small.toml")).unwrap()
}

fn simulate(scenario: &Scenario, seed: u64) -> Outcome {
    run(scenario, seed, Options::default(), &mut |_| ()).unwrap()
}

/// Two areas under all faults at once, for longer.
fn worst() -> Scenario {
    Scenario::parse(include_str!("../../../config/scenarios/worst.toml")).unwrap()
}

fn hold(scenario: &Scenario, seeds: Range<u64>) {
    for seed in seeds {
        let outcome = simulate(scenario, seed);
        assert!(outcome.breach.is_none(), "seed {seed}: {:?}", outcome.breach);
        assert!(outcome.agreements > 0 && outcome.acknowledged > 0, "seed {seed}: nothing happened");
    }
}

#[test]
fn the_same_seed_is_the_same_run_to_the_byte_and_another_is_not() {
    let scenario = small();
    let first = simulate(&scenario, 7);
    let again = simulate(&scenario, 7);
    assert_eq!(first.trace, again.trace);
    assert_eq!(first.timeline.rows, again.timeline.rows);
    assert_ne!(first.trace, simulate(&scenario, 8).trace);
}

#[test]
fn every_kind_of_fault_happens_in_the_seeds_that_are_run() {
    let scenario = small();
    let fleet = Fleet::new(&scenario);
    let all: Vec<What> =
        (0..200).flat_map(|seed| plan::draw(seed, &scenario, &fleet)).map(|fault| fault.what).collect();
    for kind in FaultKind::ALL {
        assert!(all.iter().any(|what| what.kind() == kind), "{kind:?}");
    }
    assert!(all.iter().any(|what| matches!(what, What::Blackout(_))));
}

#[test]
fn seeds_that_once_broke_a_promise_hold() {
    for (seed, what) in KEPT {
        let outcome = simulate(&small(), seed);
        assert!(outcome.breach.is_none(), "seed {seed} ({what}): {:?}", outcome.breach);
    }
}

#[test]
fn a_disk_that_lies_is_found_out_and_the_one_kill_that_shows_it_is_left() {
    let mut scenario = small();
    scenario.faults.kinds = vec![FaultKind::Crash, FaultKind::Network];
    scenario.duration = HumanDuration::from_secs(90);
    scenario.faults.storm = HumanDuration::from_secs(90);
    let lying = || Options { sabotage: Sabotage::LyingDisks, ..Options::default() };
    let (seed, outcome) = (1..20)
        .map(|seed| (seed, run(&scenario, seed, lying(), &mut |_| ()).unwrap()))
        .find(|(_, outcome)| {
            outcome.breach.as_ref().is_some_and(|breach| breach.promise == "acknowledged writes survive")
        })
        .expect("a disk that forgets half a minute is noticed");
    let breach = outcome.breach.clone().unwrap();
    let mut runs = 0;
    let patience = &mut || {
        runs += 1;
        runs < 60
    };
    let shrunk = shrink(&scenario, seed, (&outcome, &breach), Sabotage::LyingDisks, patience).unwrap();
    assert!(shrunk.faults.len() <= 2 && shrunk.faults.len() < outcome.faults.len(), "{:?}", shrunk.faults);
    assert!(shrunk.faults.iter().any(|fault| fault.what.kind() == FaultKind::Crash), "{:?}", shrunk.faults);
    let told = report::breach(&shrunk, outcome.faults.len(), "mf2c sim");
    assert!(told.starts_with("broken: acknowledged writes survive"), "{told}");
    let number = shrunk.faults[0].number;
    assert!(told.contains("the last events before it") && told.contains(&format!("fault {number} begins: ")), "{told}");
    assert!(told.contains(" leads in term 2 with a majority") && told.contains(" runs again\n"), "{told}");
}

#[test]
fn a_fleet_behind_a_satellite_whose_machines_crash_goes_on_after_snapshots_of_the_election() {
    let mut scenario = Scenario::parse(include_str!("../../../config/scenarios/satellite.toml")).unwrap();
    scenario.duration = HumanDuration::from_secs(40 * 60);
    let outcome = simulate(&scenario, 1);
    assert!(outcome.breach.is_none(), "{:?}", outcome.breach);
    assert!(outcome.elections > 10 && outcome.agreements > 3, "{} elections", outcome.elections);
}

#[test]
fn a_panic_of_an_agent_breaks_the_run_though_the_runtime_catches_it() {
    let sabotage = Sabotage::Task(2, || panic!("a bug that nobody heard of"));
    let outcome = run(&small(), 5, Options { sabotage, ..Options::default() }, &mut |_| ()).unwrap();
    let breach = outcome.breach.clone().unwrap();
    assert_eq!(breach.promise, "agents do not panic");
    assert!(breach.what.starts_with("agent 2 panicked: a bug that nobody heard of ("), "{}", breach.what);
    assert!(breach.what.contains("promises.rs:"), "{}", breach.what);
    assert_eq!(breach.at, std::time::Duration::from_secs(20));
    let shrunk = shrink(&small(), 5, (&outcome, &breach), sabotage, &mut || true).unwrap();
    assert_eq!(shrunk.faults, [], "it takes no fault");
    assert!(simulate(&small(), 5).breach.is_none(), "and the next run knows nothing of it");
}

#[test]
fn a_report_is_json_and_a_picture_is_well_formed_with_a_row_for_each_agent() {
    let scenario = small();
    let outcome = simulate(&scenario, 3);
    let report = report::json(&scenario, 3, &outcome, std::time::Duration::from_secs(1), None);
    let read: serde_json::Value = serde_json::from_str(&report.to_string()).unwrap();
    assert_eq!((read["seed"].as_u64(), read["breach"].is_null()), (Some(3), true));
    assert_eq!(read["faults"].as_array().unwrap().len(), outcome.faults.len());
    assert_eq!(read["areas"][0]["area"], "area-1");
    assert!(read["areas"][0]["firstLedMillis"].is_number() && read["lag"]["atCloud"]["seconds"].is_number());
    let page = picture::html(&outcome.timeline, "a <fog> & more");
    assert!(
        page.contains("a &lt;fog&gt; &amp; more")
            && page.contains("killed or without power")
            && !page.contains("<script")
    );
    assert_eq!(open_elements(&page[page.find("<svg").unwrap()..page.find("</body>").unwrap()]), 0);
    assert_eq!(outcome.timeline.rows[0].len(), scenario.topology.agents + 1);
}

/// How many elements are opened and not closed.
fn open_elements(xml: &str) -> i64 {
    xml.split('<')
        .skip(1)
        .map(|tag| match tag {
            tag if tag.starts_with('/') => -1,
            tag if tag.split('>').next().unwrap().ends_with('/') => 0,
            _ => 1,
        })
        .sum()
}

#[test]
fn real_agents_keep_their_promises_under_all_faults_with_seeds_1_to_50() {
    hold(&small(), 1..51);
}

#[test]
fn real_agents_keep_their_promises_under_all_faults_with_seeds_51_to_100() {
    hold(&small(), 51..101);
}

#[test]
fn real_agents_keep_their_promises_under_all_faults_with_seeds_101_to_150() {
    hold(&small(), 101..151);
}

#[test]
fn real_agents_keep_their_promises_under_all_faults_with_seeds_151_to_200() {
    hold(&small(), 151..201);
}

#[test]
fn two_areas_under_a_cloud_keep_their_promises_under_all_faults_with_seeds_1_to_18() {
    hold(&worst(), 1..19);
}

#[test]
fn two_areas_under_a_cloud_keep_their_promises_under_all_faults_with_seeds_19_to_36() {
    hold(&worst(), 19..37);
}

#[test]
fn where_packets_are_lost_and_nothing_else_happens_nobody_takes_over_from_a_leader() {
    let mut scenario = Scenario::default();
    // One area whose second vote is its other backup's, and one whose second vote is the cloud's.
    (scenario.topology.agents, scenario.topology.areas) = (5, 2);
    (scenario.network.near.loss_percent, scenario.network.far.loss_percent) = (5.0, 5.0);
    for seed in 1..4 {
        let outcome = simulate(&scenario, seed);
        assert!(outcome.breach.is_none(), "seed {seed}: {:?}", outcome.breach);
        let (mut all, mut unneeded) = (0, 0);
        for reign in &outcome.reigns {
            (all, unneeded) = (all + reign.takeovers, unneeded + reign.false_takeovers);
        }
        assert_eq!((all, unneeded), (0, 0), "seed {seed}, within {:?}", outcome.lasted);
        assert!(outcome.reigns.iter().all(|reign| reign.first.is_some() && reign.without.is_zero()), "seed {seed}");
    }
}

#[test]
fn a_fleet_described_area_by_area_meets_the_faults_of_its_file_and_no_others() {
    let scenario = Scenario::parse(include_str!("../../../config/scenarios/own-fleet.toml")).unwrap();
    assert_eq!((scenario.topology.agents, scenario.topology.areas), (10, 3));
    let outcome = simulate(&scenario, 1);
    assert!(outcome.breach.is_none(), "{:?}", outcome.breach);
    assert_eq!((outcome.faults.len(), outcome.agreements), (6, 1));
    let takeovers: Vec<u64> = outcome.reigns.iter().map(|reign| reign.takeovers).collect();
    assert_eq!(takeovers[0], 1, "the leader of the depot was without power: {takeovers:?}");
    let met = |number: usize| &outcome.timeline.faults.iter().find(|(fault, _)| fault.number == number).unwrap().1;
    assert_eq!(
        (met(0).as_slice(), met(1).as_slice(), met(2).as_slice()),
        ([0].as_slice(), [6, 7, 8].as_slice(), [7].as_slice())
    );
    let report = report::json(&scenario, 1, &outcome, std::time::Duration::from_secs(1), None);
    let areas: Vec<&str> = (0..3).map(|area| report["areas"][area]["area"].as_str().unwrap()).collect();
    assert_eq!(areas, ["depot", "quarry", "gate"]);
}

#[test]
fn who_stood_still_keeps_what_the_new_leader_says_though_it_hears_that_before_it_hears_of_the_leader() {
    let outcome = simulate(&small(), 579);
    assert!(outcome.breach.is_none(), "{:?}", outcome.breach);
}
