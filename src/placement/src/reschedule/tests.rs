//! What moves when agents are lost, and that no two agents ever hold the same pair of index and generation.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(second * 1000)
}

fn placed(index: u32, generation: u64, agent: &str) -> Placement {
    Placement { index, generation, agent: agent.to_owned() }
}

fn held(index: u32, generation: u64) -> Held {
    Held { index, generation }
}

const MINUTE: OnLoss = OnLoss::After(Duration::from_secs(60));

#[test]
fn parts_move_when_the_grace_is_over_and_not_if_they_shall_wait() {
    let placements = Placements::new(7, [placed(0, 3, "a"), placed(1, 7, "b"), placed(2, 5, "a")]);
    let lost = [Lost { agent: "a", since: at(100) }, Lost { agent: "x", since: at(0) }];
    for (on_loss, now, due) in [
        (MINUTE, 159, vec![]),
        (MINUTE, 160, vec![(0, 3, 8), (2, 5, 9)]),
        (OnLoss::After(Duration::ZERO), 100, vec![(0, 3, 8), (2, 5, 9)]),
        (OnLoss::Never, 1_000_000, vec![]),
        (OnLoss::After(Duration::MAX), 1_000_000, vec![]),
    ] {
        let moves = placements.due(&lost, on_loss, at(now));
        assert_eq!(moves.iter().map(|it| (it.index, it.generation, it.next)).collect::<Vec<_>>(), due, "{on_loss:?}");
        assert!(moves.iter().all(|it| it.from == "a"));
    }
    assert_eq!(placements.next_due(&lost, MINUTE), Some(at(160)));
    assert_eq!(placements.next_due(&lost, OnLoss::Never), None);
    assert_eq!(placements.next_due(&lost[1..], MINUTE), None);
    // Whoever was reported twice is lost since the first time.
    let twice = [Lost { agent: "a", since: at(100) }, Lost { agent: "a", since: at(50) }];
    assert_eq!(placements.next_due(&twice, MINUTE), Some(at(110)));
}

#[test]
fn a_move_counts_once_and_only_for_the_generation_that_it_was_decided_on() {
    let mut placements = Placements::new(0, [placed(0, 1, "a"), placed(1, 2, "a")]);
    let moves = placements.moves(&[0, 1, 9]);
    assert_eq!(moves.iter().map(|it| it.next).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(placements.apply(&moves[0], "b"), Ok(&placed(0, 3, "b")));
    let again = placements.apply(&moves[0], "c");
    assert_eq!(again, Err(PlaceError::Outdated { index: 0, decided: 1, found: 3 }));
    assert_eq!(placements.apply(&moves[1], "c"), Ok(&placed(1, 4, "c")));
    // A generation that another part has got is not given again.
    let (first, second) = (placements.moves(&[0]), placements.moves(&[1]));
    assert!(placements.apply(&second[0], "d").is_ok());
    assert_eq!(placements.apply(&first[0], "d"), Err(PlaceError::Outdated { index: 0, decided: 3, found: 5 }));
    placements.remove(0);
    assert_eq!(
        placements.apply(&first[0], "d").unwrap_err().to_string(),
        "the move of part 0 was decided on generation 3, and 5 counts now: decide anew"
    );
}

#[test]
fn an_old_move_does_not_move_a_part_that_was_placed_anew_even_if_its_generation_is_free() {
    let mut placements = Placements::new(0, [placed(0, 1, "a"), placed(1, 2, "a")]);
    let old = placements.moves(&[0, 1]);
    let new = placements.moves(&[1]);
    assert_eq!((old[1].next, new[0].next), (4, 3));
    assert_eq!(placements.apply(&new[0], "b"), Ok(&placed(1, 3, "b")));
    let late = placements.apply(&old[1], "c");
    assert_eq!(late, Err(PlaceError::Outdated { index: 1, decided: 2, found: 3 }));
}

#[test]
fn a_part_that_was_removed_comes_back_with_a_new_generation() {
    let mut placements = Placements::default();
    assert_eq!(placements.place(0, "a"), Ok(&placed(0, 1, "a")));
    assert_eq!(placements.place(0, "b"), Err(PlaceError::Taken { index: 0, agent: "a".to_owned() }));
    assert_eq!(placements.remove(0), Some(placed(0, 1, "a")));
    assert_eq!(placements.place(0, "b"), Ok(&placed(0, 2, "b")));
    assert_eq!((placements.last(), placements.iter().count()), (2, 1));
    let mut full = Placements::new(u64::MAX, [placed(0, 1, "a")]);
    assert_eq!(full.place(1, "a"), Err(PlaceError::Exhausted));
    assert_eq!(full.moves(&[0]), []);
}

#[test]
fn a_document_with_two_placings_of_a_part_means_the_newer() {
    let read = Placements::new(1, [placed(0, 4, "b"), placed(0, 2, "a"), placed(1, 3, "a")]);
    assert_eq!(read.iter().cloned().collect::<Vec<_>>(), [placed(0, 4, "b"), placed(1, 3, "a")]);
    assert_eq!(read.last(), 4);
}

#[test]
fn whoever_returns_stops_what_is_older_and_keeps_what_counts_and_what_is_newer() {
    let document = Placements::new(9, [placed(0, 5, "b"), placed(1, 9, "a"), placed(2, 8, "b")]);
    for (has, cause) in [
        (held(0, 3), Some(StopCause::Superseded { by: 5 })),
        (held(1, 9), None),
        (held(1, 2), Some(StopCause::Superseded { by: 9 })),
        (held(2, 8), Some(StopCause::Elsewhere)),
        (held(3, 4), Some(StopCause::Removed)),
        (held(0, 7), Some(StopCause::Removed)),
        (held(0, 12), None),
        (held(3, 12), None),
    ] {
        let stops = document.superfluous("a", &[has]);
        assert_eq!(stops.first().map(|stop| (stop.held, stop.cause)), cause.map(|cause| (has, cause)), "{has:?}");
    }
    let missing = |held: &[Held]| document.missing("b", held).map(|it| it.index).collect::<Vec<_>>();
    assert_eq!(
        (missing(&[]), missing(&[held(0, 5)]), missing(&[held(0, 4), held(2, 8)])),
        (vec![0, 2], vec![2], vec![0])
    );
}

const AGENTS: [&str; 4] = ["a", "b", "c", "d"];

/// Something that happens.
#[derive(Debug, Clone)]
enum Step {
    Lose(usize),
    Return(usize),
    Wait(i64),
    /// The leader decides what to move.
    Decide,
    /// A decision, perhaps an old one, is carried out.
    Apply {
        decision: usize,
        target: usize,
    },
    Place {
        index: u32,
        target: usize,
    },
    Remove(u32),
    /// An agent sees a state of the document, perhaps an old one, and does what it says.
    Sync {
        agent: usize,
        behind: usize,
    },
}

fn steps() -> impl Strategy<Value = Step> {
    let agent = || 0..AGENTS.len();
    prop_oneof![
        1 => agent().prop_map(Step::Lose),
        1 => agent().prop_map(Step::Return),
        1 => (0..100i64).prop_map(Step::Wait),
        2 => Just(Step::Decide),
        4 => (any::<usize>(), agent()).prop_map(|(decision, target)| Step::Apply { decision, target }),
        2 => (0..3u32, agent()).prop_map(|(index, target)| Step::Place { index, target }),
        1 => (0..3u32).prop_map(Step::Remove),
        5 => (agent(), 0..4usize).prop_map(|(agent, behind)| Step::Sync { agent, behind }),
    ]
}

/// An area with one instance: the states of its document so far, and what each agent runs.
struct Area {
    now: i64,
    states: Vec<Placements>,
    lost: BTreeMap<usize, i64>,
    decisions: Vec<Move>,
    held: [BTreeSet<Held>; 4],
}

impl Area {
    fn new() -> Self {
        let held = Default::default();
        Self { now: 0, states: vec![Placements::default()], lost: BTreeMap::new(), decisions: Vec::new(), held }
    }

    fn newest(&self) -> Placements {
        self.states.last().cloned().unwrap_or_default()
    }

    fn change(&mut self, change: impl FnOnce(&mut Placements)) {
        let mut state = self.newest();
        change(&mut state);
        self.states.push(state);
    }

    fn sync(&mut self, agent: usize, document: &Placements) {
        let runs: Vec<Held> = self.held[agent].iter().copied().collect();
        for stop in document.superfluous(AGENTS[agent], &runs) {
            self.held[agent].remove(&stop.held);
        }
        let runs: Vec<Held> = self.held[agent].iter().copied().collect();
        let starts = document.missing(AGENTS[agent], &runs);
        self.held[agent].extend(starts.map(|it| held(it.index, it.generation)));
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Lose(agent) => {
                self.lost.entry(agent).or_insert(self.now);
            }
            Step::Return(agent) => {
                self.lost.remove(&agent);
            }
            Step::Wait(seconds) => self.now += seconds,
            Step::Decide => {
                let lost = self.lost.iter().map(|(agent, since)| Lost { agent: AGENTS[*agent], since: at(*since) });
                let lost: Vec<_> = lost.collect();
                self.decisions.extend(self.newest().due(&lost, MINUTE, at(self.now)));
            }
            Step::Apply { decision, target } if !self.decisions.is_empty() => {
                let decided = self.decisions[decision % self.decisions.len()].clone();
                self.change(|document| drop(document.apply(&decided, AGENTS[target]).cloned()));
            }
            Step::Apply { .. } => {}
            Step::Place { index, target } => {
                self.change(|document| drop(document.place(index, AGENTS[target]).cloned()))
            }
            Step::Remove(index) => self.change(|document| drop(document.remove(index))),
            Step::Sync { agent, behind } if !self.lost.contains_key(&agent) || behind > 0 => {
                let seen = self.states[self.states.len().saturating_sub(behind + 1)].clone();
                self.sync(agent, &seen);
            }
            Step::Sync { .. } => {}
        }
    }

    fn holders(&self) -> BTreeMap<Held, Vec<usize>> {
        let mut holders: BTreeMap<Held, Vec<usize>> = BTreeMap::new();
        for (agent, held) in self.held.iter().enumerate() {
            held.iter().for_each(|held| holders.entry(*held).or_default().push(agent));
        }
        holders
    }
}

proptest! {
    #[test]
    fn no_two_agents_ever_hold_the_same_pair_and_when_all_have_seen_the_document_it_is_so(
        history in proptest::collection::vec(steps(), 1..120),
    ) {
        let mut area = Area::new();
        // Whom a pair was ever given to, in whatever state of the document.
        let mut given: BTreeMap<Held, String> = BTreeMap::new();
        let mut last = 0;
        for step in history {
            area.step(step);
            let newest = area.newest();
            prop_assert!(newest.last() >= last);
            last = newest.last();
            for placement in newest.iter() {
                let pair = held(placement.index, placement.generation);
                let owner = given.entry(pair).or_insert_with(|| placement.agent.clone());
                prop_assert_eq!(&*owner, &placement.agent);
            }
            let holders = area.holders();
            prop_assert!(holders.values().all(|agents| agents.len() == 1), "{holders:?}");
        }
        let newest = area.newest();
        (0..AGENTS.len()).for_each(|agent| area.sync(agent, &newest));
        let so: BTreeMap<Held, Vec<usize>> = newest
            .iter()
            .map(|it| (held(it.index, it.generation), vec![AGENTS.iter().position(|name| *name == it.agent).unwrap()]))
            .collect();
        prop_assert_eq!(area.holders(), so);
    }
}
