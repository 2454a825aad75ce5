//! Realizations against a small world in which services are stored, instances are launched and things go wrong.

use proptest::prelude::*;

use super::*;

fn now() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}

fn two() -> Realization {
    let planned = |name: &str| {
        let planned = Planned { name: name.to_owned(), service: Map::new(), wanted_type: None, wanted_computer: None };
        (planned, None)
    };
    let wish = Wish { key: "k".to_owned(), by: "ann".to_owned(), project: None, notify: true };
    Realization::begin(wish, vec![planned("a"), planned("b")], Vec::new(), now())
}

fn seen(service: bool, container: Container) -> Seen {
    Seen { service, container, failed: false }
}

/// What there is.
#[derive(Default, Clone)]
struct World {
    services: Vec<String>,
    instances: Vec<(String, Container)>,
    launches: usize,
}

impl World {
    fn seen(&self, realization: &Realization) -> Vec<Seen> {
        let of = |element: &Element| {
            let container = element.instance.as_ref().and_then(|id| self.instances.iter().find(|(it, _)| it == id));
            let container = container.map_or(Container::None, |(_, container)| *container);
            seen(self.services.contains(&element.service), container)
        };
        realization.elements.iter().map(of).collect()
    }

    /// Does one step; where `forgets`, the record of it is lost, as by a crash.
    fn step(&mut self, realization: &mut Realization, forgets: bool) -> Step {
        let number = |service: &str| service.rsplit('-').next().unwrap_or_default().to_owned();
        let _ = realization.adopt(|service| {
            let found = self.instances.iter().find(|(id, _)| number(id) == number(service));
            found.map(|(id, _)| id.clone())
        });
        let step = realization.next(&self.seen(realization));
        let before = realization.clone();
        match &step {
            Step::Store(index) => self.services.push(realization.elements[*index].service.clone()),
            Step::Launch(index) => {
                let id = realization.launch_key(*index);
                if self.instances.iter().all(|(it, _)| *it != id) {
                    self.instances.push((id.clone(), Container::Configured));
                    self.launches += 1;
                }
                realization.elements[*index].instance = Some(id);
            }
            Step::Delete(index) => {
                let id = realization.elements[*index].instance.clone();
                self.instances.retain(|(it, _)| Some(it) != id.as_ref());
            }
            Step::Drop(service) => {
                self.services.retain(|it| it != service);
                realization.leftovers.retain(|it| it != service);
            }
            Step::Finish => drop(realization.finish(now())),
            Step::Fail(failure) => realization.fail(failure.clone(), now()),
            Step::Wait => self.instances.iter_mut().for_each(|(_, container)| *container = Container::Up),
            Step::Rest => {}
        }
        if forgets {
            *realization = before;
        }
        step
    }
}

#[test]
fn two_elements_are_started_and_told_and_removed_again() {
    let (mut world, mut realization) = (World::default(), two());
    assert_eq!(realization.status(&world.seen(&realization)), "Allocated");
    let mut steps = Vec::new();
    while realization.phase == Phase::Launching {
        steps.push(world.step(&mut realization, false));
        let expected = if realization.phase == Phase::Active { State::Realized } else { State::Changing };
        assert_eq!(realization.state(&world.seen(&realization)).0, expected);
    }
    let expected = [Step::Store(0), Step::Launch(0), Step::Store(1), Step::Launch(1), Step::Wait, Step::Finish];
    assert_eq!(steps, expected);
    assert!(realization.notify.is_none() && !realization.is_under_way() && world.launches == 2);
    assert_eq!(realization.state(&world.seen(&realization)).1, "2 of 2 containers are up");
    realization.release("kim", true, now());
    while realization.phase == Phase::Releasing {
        let _ = world.step(&mut realization, false);
    }
    assert!(world.services.is_empty() && world.instances.is_empty());
    assert_eq!(realization.state(&world.seen(&realization)), (State::Unrealized, "released".to_owned()));
    assert_eq!(realization.status(&world.seen(&realization)), "Empty");
}

#[test]
fn who_asked_is_told_once_when_it_is_done() {
    let mut realization = two();
    assert_eq!(realization.finish(now()).as_deref(), Some("ann"));
    realization.release("kim", true, now());
    assert_eq!(realization.finish(now()).as_deref(), Some("kim"));
    assert_eq!(realization.finish(now()), None);
}

#[test]
fn what_was_removed_or_stopped_elsewhere_is_told() {
    let mut realization = two();
    let _ = realization.finish(now());
    let state = |a, b| realization.state(&[seen(true, a), seen(true, b)]);
    assert_eq!(state(Container::Up, Container::Down).0, State::Realized);
    assert_eq!(state(Container::Up, Container::Pinned).0, State::Pinned);
    let (state_then, detail) = state(Container::Up, Container::None);
    assert!(state_then == State::Realized && detail.contains("1 were removed"), "{detail}");
    let (state_then, detail) = state(Container::None, Container::None);
    assert!(state_then == State::Unrealized && detail.contains("all 2"), "{detail}");
}

#[test]
fn one_that_does_not_run_takes_the_others_with_it() {
    let (mut world, mut realization) = (World::default(), two());
    for _ in 0..4 {
        let _ = world.step(&mut realization, false);
    }
    let failed = [seen(true, Container::Up), Seen { failed: true, ..seen(true, Container::Down) }];
    let Step::Fail(failure) = realization.next(&failed) else { panic!("it failed") };
    realization.fail(failure, now());
    while realization.phase == Phase::Failing {
        let _ = world.step(&mut realization, false);
    }
    assert!(world.services.is_empty() && world.instances.is_empty());
    let (state, detail) = realization.state(&world.seen(&realization));
    assert!(state == State::Unrealized && detail == "failed: b does not run" && realization.fault.is_some());
    assert!(realization.log.len() >= 3);
}

#[test]
fn an_instance_that_is_taken_away_meanwhile_is_a_failure_and_old_services_go_first() {
    let mut realization = two();
    realization.elements[0].instance = Some("service-instance/x".to_owned());
    let gone = [seen(true, Container::None), seen(false, Container::None)];
    assert!(matches!(realization.next(&gone), Step::Fail(Failure { code: 3, .. })));
    realization.leftovers = vec!["service/old".to_owned()];
    assert_eq!(realization.next(&gone), Step::Drop("service/old".to_owned()));
    assert_eq!(realization.services(), ["service/k-0", "service/k-1", "service/old"]);
}

#[test]
fn the_log_is_bounded_and_holds_no_line_breaks() {
    let mut realization = two();
    for number in 0..1000 {
        realization.note(now(), &format!("line {number}\nand {}", "x".repeat(2000)));
    }
    assert_eq!(realization.log.len(), MAX_LINES);
    assert!(realization.log.iter().all(|line| line.len() < 700 && !line.contains('\n')));
    assert!(realization.log.last().unwrap().contains("line 999") && realization.log[0].contains("ann asks"));
}

proptest! {
    #[test]
    fn however_often_it_is_interrupted_nothing_is_there_twice_and_nothing_is_left(crashes in proptest::collection::vec(any::<bool>(), 0..60), release_at in 0usize..30) {
        let (mut world, mut realization) = (World::default(), two());
        let mut crashes = crashes.into_iter();
        for step in 0..200 {
            if step == release_at {
                realization.release("ann", false, now());
            }
            let _ = world.step(&mut realization, crashes.next().unwrap_or(false));
            prop_assert!(world.launches <= 2 && world.services.len() <= 2 && world.instances.len() <= 2);
        }
        prop_assert_eq!(realization.phase, Phase::Ended);
        prop_assert!(world.services.is_empty() && world.instances.is_empty());
    }
}
