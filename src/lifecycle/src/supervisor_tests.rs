//! A supervisor beside a small engine that fails as it likes.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::health::Probe;

const OK: Exit = Exit { code: Some(0), oom: false, interrupted: false };
const BAD: Exit = Exit { code: Some(1), oom: false, interrupted: false };

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn policy(when: RestartWhen) -> RestartPolicy {
    RestartPolicy { when, attempts: 3, ..RestartPolicy::default() }
}

fn check(restart: bool) -> HealthCheck {
    let (interval, timeout) = (secs(1), secs(1));
    HealthCheck { probe: Probe::Tcp { port: 1 }, interval, timeout, retries: 2, start_period: secs(0), restart }
}

/// A supervisor with what the engine holds.
struct Bench {
    supervisor: Supervisor,
    engine: Seen,
    now: Duration,
    fails: Option<Trouble>,
    orders: Vec<Order>,
    notes: Vec<Note>,
    probes: usize,
    wake: Option<Duration>,
}

impl Bench {
    fn new(policy: RestartPolicy, check: Option<HealthCheck>) -> Self {
        let supervisor = Supervisor::new(policy, check, Desired::Running, 0);
        let (orders, notes) = (Vec::new(), Vec::new());
        Self { supervisor, engine: Seen::Missing, now: secs(100), fails: None, orders, notes, probes: 0, wake: None }
    }

    /// Gives an input, and carries out what follows until nothing more does.
    fn give(&mut self, input: Input) -> &mut Self {
        let mut next = Some(input);
        while let Some(input) = next.take() {
            let step = self.supervisor.step(input, self.now, 0.0);
            self.notes.extend(step.notes);
            self.probes += usize::from(step.probe);
            self.wake = step.wake;
            let Some(order) = step.order else { return self };
            self.orders.push(order);
            assert!(self.orders.len() < 10_000, "it never ends");
            next = Some(self.carry_out(order));
        }
        self
    }

    fn carry_out(&mut self, order: Order) -> Input {
        if let Some(trouble) = self.fails.clone().filter(|_| order != Order::Inspect) {
            return Input::Done(order, Err(trouble));
        }
        match order {
            Order::Inspect => {
                let step = self.supervisor.step(Input::Seen(self.engine), self.now, 0.0);
                assert_eq!(step.order, None, "one order at a time");
                self.notes.extend(step.notes);
            }
            Order::Prepare => {}
            Order::Create => self.engine = Seen::Created,
            Order::Start => self.engine = Seen::Running,
            Order::Stop => self.engine = Seen::Exited(Exit { code: Some(143), ..Exit::default() }),
            Order::Remove => self.engine = Seen::Missing,
        }
        Input::Done(order, Ok(()))
    }

    fn exits(&mut self, exit: Exit) -> &mut Self {
        self.engine = Seen::Exited(exit);
        self.give(Input::Seen(self.engine))
    }

    fn after(&mut self, pause: Duration) -> &mut Self {
        self.now += pause;
        self.give(Input::Tick)
    }

    fn status(&self) -> &'static str {
        self.supervisor.status().name()
    }
}

#[test]
fn what_should_run_is_fetched_created_and_started_and_what_should_not_be_is_stopped_and_removed() {
    let mut bench = Bench::new(RestartPolicy::default(), None);
    bench.give(Input::Tick);
    assert_eq!(bench.orders, [Order::Inspect, Order::Prepare, Order::Create, Order::Start]);
    assert_eq!((bench.status(), &*bench.notes), ("started", &[Note::Created, Note::Started][..]));
    bench.orders.clear();
    bench.give(Input::Desire(Desired::Stopped));
    assert_eq!((bench.status(), &*bench.orders), ("stopped", &[Order::Stop, Order::Inspect][..]));
    bench.give(Input::Desire(Desired::Running));
    assert_eq!((bench.status(), bench.orders.last()), ("started", Some(&Order::Start)), "it is not created anew");
    bench.give(Input::Desire(Desired::Deleted));
    assert_eq!((bench.status(), bench.supervisor.is_gone(), bench.engine), ("terminated", true, Seen::Missing));
    bench.give(Input::Desire(Desired::Running));
    assert_eq!(bench.status(), "terminated", "what is deleted does not come back");
}

#[test]
fn what_is_found_is_taken_over() {
    for (engine, orders) in [
        (Seen::Running, &[Order::Inspect][..]),
        (Seen::Created, &[Order::Inspect, Order::Start]),
        (Seen::Exited(Exit { code: Some(137), oom: false, interrupted: true }), &[Order::Inspect, Order::Start]),
        (Seen::Exited(Exit { interrupted: true, ..OK }), &[Order::Inspect, Order::Start]),
        (Seen::Exited(OK), &[Order::Inspect]),
    ] {
        let mut bench = Bench::new(RestartPolicy::default(), None);
        bench.engine = engine;
        bench.give(Input::Tick);
        assert_eq!(bench.orders, orders, "{engine:?}");
        assert_eq!(bench.supervisor.restarts(), 0, "nobody failed");
    }
}

#[test]
fn failures_are_started_again_with_pauses_until_there_were_too_many() {
    let mut bench = Bench::new(policy(RestartWhen::OnFailure), None);
    bench.give(Input::Tick);
    for pause in [500, 1000, 2000] {
        bench.exits(BAD);
        assert_eq!((bench.status(), bench.wake), ("starting", Some(bench.now + Duration::from_millis(pause))));
        bench.after(Duration::from_millis(pause - 1));
        assert_eq!(bench.engine, Seen::Exited(BAD));
        bench.after(Duration::from_millis(1));
        assert_eq!(bench.status(), "started");
    }
    bench.exits(BAD);
    assert_eq!((bench.status(), bench.notes.last()), ("error", Some(&Note::GivenUp(3))));
    assert!(bench.supervisor.trouble().unwrap().reason.contains("3 times within 600 seconds"));
    assert!(bench.supervisor.trouble().unwrap().reason.ends_with("the last time it ended with the exit code 1"));
    bench.after(secs(10_000));
    assert_eq!(bench.status(), "error", "it stays so until somebody wants it");
    bench.give(Input::Desire(Desired::Stopped)).give(Input::Desire(Desired::Running));
    assert_eq!((bench.status(), bench.supervisor.restarts()), ("started", 3));
}

#[test]
fn ends_are_judged_by_the_policy() {
    for (when, exit, expected) in [
        (RestartWhen::Never, OK, "stopped"),
        (RestartWhen::Never, BAD, "error"),
        (RestartWhen::OnFailure, OK, "stopped"),
        (RestartWhen::OnFailure, Exit { oom: true, ..OK }, "starting"),
        (RestartWhen::OnFailure, Exit::default(), "starting"),
        (RestartWhen::Always, OK, "starting"),
        (RestartWhen::Never, Exit { interrupted: true, ..BAD }, "started"),
    ] {
        let mut bench = Bench::new(policy(when), None);
        bench.give(Input::Tick).exits(exit);
        assert_eq!(bench.status(), expected, "{when:?} {exit:?}");
        let engine = bench.engine;
        bench.give(Input::Seen(engine)).give(Input::Seen(engine));
        let told = bench.notes.iter().filter(|note| matches!(note, Note::Exited(_))).count();
        assert_eq!(told, 1, "an end is judged once, however often it is told");
    }
}

#[test]
fn trouble_that_may_pass_is_tried_again_and_lasting_trouble_is_told() {
    let trouble = |lasting| Some(Trouble { reason: "no way".to_owned(), lasting });
    let mut bench = Bench::new(RestartPolicy::default(), None);
    bench.fails = trouble(false);
    bench.give(Input::Tick);
    assert_eq!((bench.status(), bench.orders.last()), ("deploying", Some(&Order::Prepare)));
    assert_eq!(bench.supervisor.trouble().unwrap().reason, "no way");
    for _ in 0..40 {
        let wake = bench.wake.unwrap();
        assert!(wake > bench.now && wake - bench.now <= MAX_RETRY_DELAY);
        bench.after(wake - bench.now);
    }
    bench.fails = None;
    bench.after(MAX_RETRY_DELAY);
    assert_eq!((bench.status(), bench.supervisor.trouble()), ("started", None));

    let mut bench = Bench::new(RestartPolicy::default(), None);
    bench.fails = trouble(true);
    bench.give(Input::Tick).after(secs(1000));
    assert_eq!((bench.status(), bench.orders.len()), ("error", 2));
    bench.fails = None;
    bench.give(Input::Desire(Desired::Deleted));
    assert_eq!(bench.status(), "terminated");
}

#[test]
fn what_is_unhealthy_is_told_and_started_again_where_that_is_wanted() {
    let mut bench = Bench::new(policy(RestartWhen::OnFailure), Some(check(false)));
    bench.give(Input::Tick);
    assert_eq!((bench.status(), bench.probes), ("starting", 1));
    bench.give(Input::Probed(true));
    assert_eq!((bench.status(), bench.wake), ("started", Some(bench.now + secs(1))));
    for _ in 0..2 {
        bench.after(secs(1)).give(Input::Probed(false));
    }
    assert_eq!((bench.status(), bench.notes.last()), ("degraded", Some(&Note::Unhealthy)));
    bench.after(secs(1)).give(Input::Probed(true));
    assert_eq!((bench.status(), bench.supervisor.restarts()), ("started", 0));

    let mut bench = Bench::new(policy(RestartWhen::OnFailure), Some(check(true)));
    bench.give(Input::Tick).give(Input::Probed(false));
    bench.after(secs(1)).give(Input::Probed(false));
    assert_eq!((bench.status(), bench.orders.last()), ("starting", Some(&Order::Inspect)), "{:?}", bench.notes);
    assert!(matches!(bench.notes.last(), Some(Note::Restarting(_))));
    bench.after(secs(1));
    assert_eq!((bench.engine, bench.supervisor.restarts()), (Seen::Running, 1));
    bench.give(Input::Probed(true));
    assert_eq!(bench.status(), "started");
}

#[test]
fn an_engine_that_is_away_makes_nothing_known_and_nothing_double() {
    let mut bench = Bench::new(RestartPolicy::default(), None);
    bench.give(Input::Tick);
    bench.orders.clear();
    let step = bench.supervisor.step(Input::EngineLost, bench.now, 0.0);
    assert_eq!((bench.status(), step.order), ("??", Some(Order::Inspect)));
    // The answer to what was asked before it went is late.
    let late = bench.supervisor.step(Input::Done(Order::Start, Ok(())), bench.now, 0.0);
    assert_eq!((late.order, late.notes.len()), (None, 0));
    let away = Trouble { reason: "away".to_owned(), lasting: false };
    let step = bench.supervisor.step(Input::Done(Order::Inspect, Err(away)), bench.now, 0.0);
    assert!(step.wake.is_some());
    bench.after(secs(60));
    assert_eq!((bench.status(), &*bench.orders), ("started", &[Order::Inspect][..]));
}

#[test]
fn an_engine_that_is_back_is_not_kept_waiting_and_old_trouble_is_forgotten() {
    let mut bench = Bench::new(RestartPolicy::default(), None);
    bench.give(Input::Tick);
    let step = bench.supervisor.step(Input::EngineLost, bench.now, 0.0);
    assert_eq!(step.order, Some(Order::Inspect));
    let away = || Trouble { reason: "away".to_owned(), lasting: false };
    let _ = bench.supervisor.step(Input::Done(Order::Inspect, Err(away())), bench.now, 0.0);
    assert_eq!((bench.status(), bench.supervisor.trouble()), ("??", Some(&away())));
    bench.engine = Seen::Exited(Exit { interrupted: true, ..OK });
    let seen = bench.engine;
    bench.orders.clear();
    bench.give(Input::EngineBack).give(Input::Seen(seen));
    assert_eq!((bench.status(), &*bench.orders), ("started", &[Order::Start][..]), "without a pause");
    assert_eq!(bench.supervisor.trouble(), None);
    // A question that was asked before the engine told is answered late, and badly.
    let mut bench = Bench::new(RestartPolicy::default(), None);
    assert_eq!(bench.supervisor.step(Input::Tick, bench.now, 0.0).order, Some(Order::Inspect));
    let _ = bench.supervisor.step(Input::Seen(Seen::Running), bench.now, 0.0);
    let _ = bench.supervisor.step(Input::Done(Order::Inspect, Err(away())), bench.now, 0.0);
    assert_eq!((bench.status(), bench.supervisor.trouble()), ("started", None));
}

/// An unhealthy workload that is being stopped by itself.
fn unhealthy(when: RestartWhen) -> Bench {
    let mut bench = Bench::new(policy(when), Some(check(true)));
    bench.give(Input::Tick).give(Input::Probed(false));
    bench.now += secs(1);
    let _ = bench.supervisor.step(Input::Tick, bench.now, 0.0);
    bench.notes.clear();
    bench
}

#[test]
fn a_restart_for_bad_health_is_the_end_of_a_run_and_told_and_judged_once() {
    // As it is looked at after it was stopped, and as the engine tells of it before it answers.
    let ended = Seen::Exited(Exit { code: Some(143), ..Exit::default() });
    for told_before in [false, true] {
        let mut bench = unhealthy(RestartWhen::OnFailure);
        let step = bench.supervisor.step(Input::Probed(false), bench.now, 0.0);
        assert_eq!(step.order, Some(Order::Stop));
        bench.engine = ended;
        if told_before {
            bench.give(Input::Seen(ended));
        }
        bench.give(Input::Done(Order::Stop, Ok(())));
        let told = bench.notes.iter().filter(|note| **note == Note::Recycled).count();
        assert_eq!(told, 1, "{:?}", bench.notes);
        assert!(!bench.notes.iter().any(|note| matches!(note, Note::Exited(_) | Note::Stopped)), "{:?}", bench.notes);
        assert_eq!((bench.status(), bench.supervisor.restarts()), ("starting", 1));
        // What ends by itself afterwards is no such end.
        bench.after(secs(1)).exits(BAD);
        assert!(bench.notes.contains(&Note::Exited(BAD)), "{:?}", bench.notes);
    }
}

#[test]
fn what_ends_for_bad_health_when_it_is_not_wanted_any_more_is_at_rest_though_no_note_tells_of_it() {
    for wanted in [Desired::Stopped, Desired::Deleted] {
        let mut bench = unhealthy(RestartWhen::OnFailure);
        let step = bench.supervisor.step(Input::Probed(false), bench.now, 0.0);
        assert_eq!(step.order, Some(Order::Stop));
        // It has been stopped, and how it ended is looked at when somebody wants something else.
        let step = bench.supervisor.step(Input::Done(Order::Stop, Ok(())), bench.now, 0.0);
        assert_eq!((step.order, bench.supervisor.is_at_rest()), (Some(Order::Inspect), false));
        let before = bench.notes.len();
        let _ = bench.supervisor.step(Input::Desire(wanted), bench.now, 0.0);
        bench.engine = Seen::Exited(Exit { code: Some(143), ..Exit::default() });
        let step = bench.supervisor.step(Input::Seen(bench.engine), bench.now, 0.0);
        assert_eq!((step.notes.len(), bench.notes.len()), (0, before));
        assert!(bench.supervisor.is_at_rest(), "{wanted:?}");
    }
}

#[test]
fn what_is_never_started_again_stays_as_it_is_in_bad_health() {
    let mut bench = unhealthy(RestartWhen::Never);
    bench.give(Input::Probed(false));
    assert_eq!((bench.status(), &*bench.notes, bench.engine), ("degraded", &[Note::Unhealthy][..], Seen::Running));
    bench.after(secs(1)).give(Input::Probed(true));
    assert_eq!((bench.status(), bench.supervisor.restarts()), ("started", 0));
}

#[test]
fn what_is_fetched_or_started_for_nobody_may_be_given_up_and_is_no_trouble() {
    let given_up = || Err(Trouble { reason: "given up".to_owned(), lasting: true });
    for wanted in [Desired::Stopped, Desired::Deleted] {
        for order in [Order::Prepare, Order::Start] {
            let mut bench = Bench::new(RestartPolicy::default(), None);
            let mut next = Input::Tick;
            loop {
                let step = bench.supervisor.step(next, bench.now, 0.0);
                match step.order {
                    Some(given) if given == order => break,
                    Some(given) => next = bench.carry_out(given),
                    None => panic!("no {order:?}"),
                }
            }
            assert_eq!(bench.supervisor.in_vain(), None);
            let _ = bench.supervisor.step(Input::Desire(wanted), bench.now, 0.0);
            assert_eq!(bench.supervisor.in_vain(), Some(order));
            // Some of it was started already.
            bench.engine = if order == Order::Start { Seen::Running } else { bench.engine };
            bench.give(Input::Done(order, given_up()));
            let expected = if wanted == Desired::Stopped { "stopped" } else { "terminated" };
            assert_eq!((bench.status(), bench.supervisor.trouble(), bench.wake), (expected, None, None));
            assert_ne!(bench.engine, Seen::Running);
        }
    }
}

#[derive(Debug, Clone)]
enum Turn {
    Desire(Desired),
    Exit(Exit),
    Vanish,
    Lose,
    Back,
    Fail(Option<bool>),
    Wait(u64),
    Probe(bool),
}

fn turn() -> impl Strategy<Value = Turn> {
    let desired = prop_oneof![Just(Desired::Running), Just(Desired::Stopped)];
    let exit = (0_i64..3, any::<bool>(), any::<bool>()).prop_map(|(code, oom, interrupted)| Exit {
        code: Some(code),
        oom,
        interrupted,
    });
    prop_oneof![
        desired.prop_map(Turn::Desire),
        exit.prop_map(Turn::Exit),
        Just(Turn::Vanish),
        Just(Turn::Lose),
        Just(Turn::Back),
        prop::option::of(any::<bool>()).prop_map(Turn::Fail),
        (0_u64..100).prop_map(Turn::Wait),
        any::<bool>().prop_map(Turn::Probe),
    ]
}

proptest! {
    /// Whatever happened: nothing is started that should not run, and once all is well what is wanted is so.
    #[test]
    fn in_the_end_it_is_as_it_should_be(turns in prop::collection::vec(turn(), 0..60), last in 0_usize..3, checked in any::<bool>()) {
        let mut bench = Bench::new(policy(RestartWhen::Always), checked.then(|| check(true)));
        let mut desired = Desired::Running;
        for turn in turns {
            let before = bench.orders.len();
            match turn {
                Turn::Desire(wanted) => {
                    desired = wanted;
                    bench.give(Input::Desire(wanted));
                }
                Turn::Exit(exit) if bench.engine == Seen::Running => { bench.exits(exit); }
                Turn::Vanish => {
                    bench.engine = Seen::Missing;
                    bench.give(Input::Seen(Seen::Missing));
                }
                Turn::Lose => { bench.give(Input::EngineLost); }
                Turn::Back => {
                    let engine = bench.engine;
                    bench.give(Input::EngineBack).give(Input::Seen(engine));
                }
                Turn::Fail(how) => bench.fails = how.map(|lasting| Trouble { reason: "x".to_owned(), lasting }),
                Turn::Wait(seconds) => { bench.after(secs(seconds)); }
                Turn::Probe(good) => { bench.give(Input::Probed(good)); }
                Turn::Exit(_) => {}
            }
            if desired == Desired::Stopped {
                prop_assert!(!bench.orders[before..].contains(&Order::Start), "{:?}", bench.orders);
            }
        }
        bench.fails = None;
        let wanted = [Desired::Running, Desired::Stopped, Desired::Deleted][last];
        // Who wants something else in between has it tried anew.
        bench.give(Input::Desire(Desired::Stopped)).give(Input::Desire(wanted));
        for _ in 0..5 {
            bench.give(Input::Probed(true)).after(secs(40));
        }
        let is_as_wanted = match wanted {
            Desired::Running => bench.engine == Seen::Running && bench.status() == "started",
            Desired::Stopped => bench.engine != Seen::Running && bench.status() == "stopped",
            Desired::Deleted => bench.engine == Seen::Missing && bench.supervisor.is_gone(),
        };
        prop_assert!(is_as_wanted, "{wanted:?} but {:?}, {}", bench.engine, bench.status());
    }
}
