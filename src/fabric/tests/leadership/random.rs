//! Random faults: what [`crate::world`] checks at every instant holds, and afterwards there is one leader.

use std::time::Duration;

use crate::elections::{leads, settled};
use crate::world::{SECOND, World};

const NAMES: [&str; 5] = ["L", "B", "C1", "C2", "Z"];

pub(crate) fn misfortune(world: &mut World, names: &[&str]) {
    let pick = |world: &mut World| names[usize::try_from(world.chance(names.len() as u64)).unwrap()];
    let (one, other) = (pick(world), pick(world));
    match world.chance(12) {
        0 | 1 => world.kill(one),
        2 | 3 => world.restart(one),
        4 => world.part(&[one]),
        5 => world.part(&[one, other]),
        6 if one != other => world.cut(one, other),
        7 if one != other => world.mend(one, other),
        8 => world.pause(one),
        9 => world.resume(one),
        10 => world.heal(),
        _ => world.loss = [0, 0, 50, 200][usize::try_from(world.chance(4)).unwrap()],
    }
}

fn trial(seed: u64) {
    let cloud = !seed.is_multiple_of(3);
    let mut world = settled(seed, cloud, &["B", "C1", "C2"]);
    let names = if cloud { &NAMES[..] } else { &NAMES[..4] };
    for _ in 0..40 {
        misfortune(&mut world, names);
        let wait = world.chance(4000);
        world.run(Duration::from_millis(wait));
    }
    world.heal();
    world.loss = 0;
    for name in names {
        world.resume(name);
        world.restart(name);
    }
    world.run(SECOND * 75);
    one_leads(&world, &NAMES[..4], &format!("seed {seed}"));
}

/// Exactly one leads with a majority, and all know it.
pub(crate) fn one_leads(world: &World, names: &[&str], when: &str) {
    let leaders: Vec<&&str> = names.iter().filter(|name| leads(world, name)).collect();
    assert_eq!(leaders.len(), 1, "{when}: {}", world.describe());
    let leader = world.standing(leaders[0]).leader.clone();
    for name in names {
        assert_eq!(world.standing(name).leader, leader, "{when}: {}", world.describe());
    }
}

#[test]
fn under_random_faults_nobody_leads_beside_another_and_one_leads_in_the_end() {
    // The later ones have found something once.
    for seed in (1..=40).chain([1010, 1052, 1584, 1873]) {
        trial(seed);
    }
}

#[test]
#[ignore = "takes minutes; run by hand with MANY seeds"]
fn under_random_faults_of_many_seeds() {
    for seed in 1000..6000 {
        eprintln!("seed {seed}");
        trial(seed);
    }
}

/// Five in a hundred messages are lost, and nobody takes that for the loss of the leader.
fn lossy(time: Duration, cloud: bool, others: &[&str], seed: u64) {
    let mut world = settled(seed, cloud, others);
    world.loss = 50;
    let term = world.standing("L").term;
    world.run(time);
    assert!(leads(&world, "L") && world.standing("L").term == term, "seed {seed}: {}", world.describe());
}

#[test]
fn five_percent_of_loss_make_no_false_takeover() {
    for (seed, (cloud, others)) in (77..).zip([(true, &["B", "C1"][..]), (true, &["B"]), (false, &["B", "C1", "C2"])]) {
        lossy(SECOND * 1800, cloud, others, seed);
    }
}

#[test]
#[ignore = "takes a minute"]
fn five_percent_of_loss_make_no_false_takeover_in_a_day() {
    lossy(SECOND * 24 * 3600, true, &["B", "C1"], 77);
}
