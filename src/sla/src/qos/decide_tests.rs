//! Decisions held against the vectors of the specification (`spec` 7.4) and their laws.

use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn policy() -> Policy {
    Policy {
        acceptance_ratio: 0.8,
        confidence: 0.9,
        min_runs: 20,
        window: 100,
        cooldown: Duration::from_secs(600),
        exploration: 0.1,
        recovery: 10,
        warmup: 0,
        seed: 7,
    }
}

/// A device with so many runs, the first of them bad.
fn device(runs: usize, bad: usize) -> History {
    let mut history = History::default();
    for run in 0..runs {
        let report = format!("service-operation-report/{run}");
        history.record(&report, 1.0, NOW, 1000);
        if run >= runs - bad {
            history.breach(&report);
        }
    }
    history
}

fn answer(histories: &[History], needed: usize, policy: &Policy, check: u64, now: Timestamp) -> Vec<Decision> {
    let names: Vec<String> = (0..histories.len()).map(|number| format!("device/{number}")).collect();
    let candidates: Vec<Candidate<'_>> = histories
        .iter()
        .zip(&names)
        .map(|(history, device)| Candidate { device, history: Some(history), allowed: true })
        .collect();
    decide("service/s", &candidates, needed, policy, check, now)
}

fn allowed(decisions: &[Decision]) -> Vec<bool> {
    decisions.iter().map(|decision| decision.allow).collect()
}

/// A device: its runs, how many of them were bad, and whether it may run the service so far.
type Device = (&'static str, usize, usize, bool);

const X_BAD: Device = ("device/x", 40, 31, true);
const X_GOOD: Device = ("device/x", 40, 0, true);
const Y_BAD: Device = ("device/y", 40, 31, true);
const Y_GOOD: Device = ("device/y", 40, 0, true);
const Z_GOOD: Device = ("device/z", 40, 0, true);

fn may_run(devices: &[Device], warmup: u64, check: u64) -> Vec<bool> {
    let histories: Vec<History> = devices.iter().map(|(_, runs, bad, _)| device(*runs, *bad)).collect();
    let candidates: Vec<Candidate<'_>> = devices
        .iter()
        .zip(&histories)
        .map(|((device, runs, _, allowed), history)| Candidate {
            device,
            history: Some(history).filter(|_| *runs > 0),
            allowed: *allowed,
        })
        .collect();
    allowed(&decide("service/s", &candidates, 1, &Policy { warmup, ..policy() }, check, NOW))
}

#[test]
fn q3_to_q12_hold_or_differ_as_they_should() {
    let new = |name| (name, 0, 0, true);
    let shut = |(name, runs, bad, _): Device| (name, runs, bad, false);
    for (row, devices, warmup, check, expected) in [
        ("Q3 without a model all stay as they are", vec![new("device/x"), new("device/y")], 100, 1, vec![true, true]),
        ("Q3 nor is anybody blocked without a warm-up", vec![new("device/x"), new("device/y")], 0, 1, vec![true, true]),
        ("Q4 the check 100 changes nothing", vec![X_BAD, Y_GOOD], 100, 100, vec![true, true]),
        ("Q4 also where it would admit", vec![X_GOOD, shut(Y_GOOD)], 100, 100, vec![true, false]),
        ("Q5 from the check 101 on it decides", vec![X_BAD, Y_GOOD], 100, 101, vec![false, true]),
        ("Q5 by what is known, not by what was", vec![X_GOOD, shut(Y_GOOD)], 100, 101, vec![true, true]),
        ("Q6 a single bad run blocks nobody", vec![("device/x", 1, 1, true)], 0, 1, vec![true]),
        ("Q8 an instance without agents is no fault", vec![], 0, 1, vec![]),
        ("Q8 nor is one whose agents have no name", vec![("", 0, 0, true)], 0, 1, vec![true]),
        ("Q9 who else is known does not matter", vec![X_BAD, Y_GOOD], 0, 1, vec![false, true]),
        ("Q9 nor if it is here", vec![X_BAD, Y_GOOD, Z_GOOD], 0, 1, vec![false, true, true]),
        ("Q10 one order", vec![X_BAD, Y_GOOD], 100, 101, vec![false, true]),
        ("Q10 the other order blocks the same device", vec![Y_GOOD, X_BAD], 100, 101, vec![true, false]),
        ("Q12 never all are blocked", vec![X_BAD, Y_BAD], 0, 1, vec![true, false]),
        ("Q12 nor the only one", vec![X_BAD], 0, 1, vec![true]),
    ] {
        assert_eq!(may_run(&devices, warmup, check), expected, "{row}");
    }
}

#[test]
fn q7_however_often_it_is_asked_nothing_changes_where_nothing_happens() {
    for check in 1..=1000 {
        assert_eq!(may_run(&[("device/x", 0, 0, true), ("device/y", 0, 0, true)], 0, check), [true, true], "{check}");
        assert_eq!(may_run(&[X_GOOD, Y_GOOD], 100, check), [true, true], "{check}");
    }
}

#[test]
fn q13_a_device_with_31_violations_in_40_runs_is_blocked_and_a_flawless_one_is_not() {
    let decisions = answer(&[device(40, 31), device(40, 0)], 1, &policy(), 1, NOW);
    assert_eq!(allowed(&decisions), [false, true]);
    assert_eq!((decisions[0].runs, decisions[0].violations), (40, 31));
    assert!((decisions[0].mean - 0.24).abs() < 0.005);
    assert_eq!((decisions[0].reason, decisions[1].reason), (Reason::Unreliable, Reason::Reliable));
    let said = decisions[0].sentence(&policy());
    assert!(said.contains("31 of its last 40 runs") && said.contains("0.8 are wanted"), "{said}");
}

#[test]
fn q14_of_bad_devices_the_best_one_stays() {
    let decisions = answer(&[device(40, 31), device(40, 20), device(40, 35)], 1, &policy(), 1, NOW);
    assert_eq!(allowed(&decisions), [false, true, false]);
    assert_eq!(decisions[1].reason, Reason::BestOfAll);
    let decisions = answer(&[device(40, 31), device(40, 20), device(40, 35)], 2, &policy(), 1, NOW);
    assert_eq!(allowed(&decisions), [true, true, false]);
}

#[test]
fn q15_at_the_first_check_all_are_allowed() {
    let decisions = answer(&[History::default(), History::default()], 1, &policy(), 1, NOW);
    assert_eq!(allowed(&decisions), [true, true]);
    assert!(decisions.iter().all(|decision| decision.runs == 0 && decision.reason == Reason::Unknown));
}

#[test]
fn a_device_is_not_judged_by_a_few_runs_nor_blocked_without_a_violation() {
    assert_eq!(answer(&[device(19, 19), device(5, 0)], 1, &policy(), 1, NOW)[0].reason, Reason::TooFewRuns);
    let strict = Policy { acceptance_ratio: 1.0, confidence: 0.99, min_runs: 1, ..policy() };
    assert_eq!(answer(&[device(1, 0), device(50, 1)], 1, &strict, 1, NOW)[0].reason, Reason::Reliable);
}

#[test]
fn a_blocked_device_is_tried_again_now_and_then_once_it_has_rested_and_comes_back_by_good_runs() {
    let mut bad = device(40, 31);
    let probes = |bad: &History, now: Timestamp| {
        let reasons = (1..=1000).map(|check| answer(&[bad.clone(), device(40, 0)], 1, &policy(), check, now)[0].reason);
        reasons.filter(|reason| *reason == Reason::Probed).count()
    };
    assert_eq!(probes(&bad, NOW), 0);
    let later = Timestamp::from_nanos(NOW.nanos() + 600_000_000_000);
    assert!((50..200).contains(&probes(&bad, later)), "{}", probes(&bad, later));
    for run in 0..10 {
        let state = answer(&[bad.clone(), device(40, 0)], 1, &policy(), 1, NOW)[0].reason;
        assert_eq!(state, Reason::Unreliable, "{run}");
        bad.record(&format!("again {run}"), 1.0, NOW, 100);
    }
    assert_eq!(answer(&[bad, device(40, 0)], 1, &policy(), 1, NOW)[0].reason, Reason::Recovered);
}

#[test]
fn during_a_warm_up_nothing_changes() {
    let policy = Policy { warmup: 100, ..policy() };
    let (bad, good) = (device(40, 31), device(40, 0));
    let candidates = [
        Candidate { device: "x", history: Some(&bad), allowed: true },
        Candidate { device: "y", history: Some(&good), allowed: false },
    ];
    let at = |check| allowed(&decide("service/s", &candidates, 1, &policy, check, NOW));
    assert_eq!(at(100), [true, false]);
    assert_eq!(at(101), [false, true]);
}

proptest! {
    #[test]
    fn never_all_are_blocked_the_same_seed_decides_the_same_and_order_does_not_matter(
        devices in proptest::collection::vec((0usize..60, 0usize..60), 1..8), needed in 0usize..9,
        seed: u64, check in 1u64..1000, rested in 0i64..1_000_000,
    ) {
        let policy = Policy { seed, ..policy() };
        let histories: Vec<History> = devices.iter().map(|(runs, bad)| device(*runs, *bad.min(runs))).collect();
        let now = Timestamp::from_nanos(NOW.nanos() + i128::from(rested) * 1_000_000);
        let decisions = answer(&histories, needed, &policy, check, now);
        let count = decisions.iter().filter(|decision| decision.allow).count();
        prop_assert!(count >= needed.clamp(1, histories.len()));
        prop_assert_eq!(&answer(&histories, needed, &policy, check, now), &decisions);
        let worst_kept = decisions.iter().filter(|one| one.reason == Reason::BestOfAll).map(|one| one.bound).fold(1.0, f64::min);
        let best_lost = decisions.iter().filter(|one| !one.allow).map(|one| one.bound).fold(0.0, f64::max);
        prop_assert!(worst_kept >= best_lost);
    }

    #[test]
    fn chance_is_a_number_from_0_to_below_1(seed: u64, check: u64) {
        prop_assert!((0.0..1.0).contains(&chance(seed, "service/s", "device/d", check)));
    }
}
