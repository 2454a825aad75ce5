//! The laws of ranking and of what is made of it, for whatever devices there are.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::{Index, select as one_of};
use serde_json::json;

use crate::document::Service;
use crate::explain::explain;
use crate::fixture::{Machine, after, ranked, service};
use crate::optimal::optimal;
use crate::platform::ExecType;
use crate::policy::Demand;
use crate::rank::{Operator, Ranking, Term};
use crate::select::{Rule, Wanted, select};
use crate::units::{Mebibytes, Percent};

fn services() -> impl Strategy<Value = Service> {
    let exec = one_of(vec![
        "docker",
        "docker",
        "compss",
        "compss",
        "docker-compose",
        "docker-compose",
        "process",
        "kubernetes",
    ]);
    let arch = one_of(vec!["", "", "", "arm", "x86-64"]);
    let resources = proptest::collection::vec(one_of(vec!["gps", "camera", "Temperature"]), 0..3);
    let optional = proptest::collection::vec(one_of(vec!["gps", "camera", "siren"]), 0..3);
    (exec, arch, 0..17u32, 0..1500u32, resources, optional, 0..6u32, 0.0..0.6f64).prop_map(
        |(exec_type, cpu_arch, category, memory_min, req_resource, opt_resource, num_agents, cpu_recommended)| {
            let needs: &[&str] = if category % 3 == 0 { &req_resource } else { &[] };
            service(
                json!({"exec_type": exec_type, "cpu_arch": cpu_arch, "category": category, "memory_min": memory_min,
                "req_resource": needs, "opt_resource": opt_resource, "num_agents": num_agents,
                "cpu_recommended": cpu_recommended}),
            )
        },
    )
}

fn machines() -> impl Strategy<Value = Machine> {
    let facts = (
        one_of(vec!["x86_64", "aarch64", ""]),
        one_of(vec!["normal", "normal", "normal", "normal", "normal", "normal", "micro"]),
        any::<bool>(),
    );
    // Numbers of all kinds: odd ones must not come through.
    let odd = prop_oneof![8 => (0..5i32).prop_map(|it| f64::from(it * 25)),
        8 => (0..101i32).prop_map(f64::from),
        1 => any::<f64>()];
    let figures = (odd.clone(), odd, 0..4000u32, -100..60i64);
    let loads = (0..4u32, 0..5u32, 0..3usize, proptest::collection::vec(-4000..100i64, 0..2));
    let says = (0..10u32, 0..12u32, any::<bool>());
    (facts, figures, loads, says).prop_map(|(facts, figures, loads, says)| {
        let sensors = if facts.2 { json!(["Temperature"]) } else { json!("") };
        let device = json!({"arch": facts.0, "agentType": facts.1, "sensorTypes": sensors});
        let number = |it: f64| if it.is_finite() { json!(it) } else { json!(it.to_string()) };
        let acts = if says.2 { "It has Camera, Siren" } else { "" };
        let dynamic = json!({"cpuFreePercent": number(figures.0), "ramFreePercent": number(figures.1),
            "ramFree": figures.2, "updated": after(figures.3).to_string(), "actuatorInfo": acts});
        let plain = Machine::new("", device, dynamic);
        let operator = if says.0 == 0 { Operator::Cordoned } else { Operator::Open };
        let reserved = vec![Demand::of(&service(json!({"memory_min": 300, "cpu_recommended": 0.1}))); loads.2];
        let failures = loads.3.into_iter().map(after).collect();
        Machine { same_service: loads.0, apps: loads.1, reserved, failures, operator, blocked: says.1 == 0, ..plain }
    })
}

/// Machines with ids in no order.
fn fleets() -> impl Strategy<Value = Vec<Machine>> {
    proptest::collection::vec(machines(), 1..12).prop_map(|mut fleet| {
        for (at, machine) in fleet.iter_mut().enumerate() {
            machine.device.id = if at == 3 { "device/here".into() } else { format!("device/{}", (at * 7) % 12).into() };
        }
        fleet
    })
}

/// What a ranking says, without the places of the candidates.
fn said(ranking: &Ranking<'_>) -> Vec<String> {
    let ranked = ranking.ranked.iter().map(|it| format!("{} {} {:?}", it.device, it.score(), it.terms));
    let rejected = ranking.rejected.iter().map(|it| format!("{} {:?}", it.device, it.reasons));
    ranked.chain(rejected).collect()
}

fn place(ranking: &Ranking<'_>, device: &str) -> Option<usize> {
    ranking.ranked.iter().position(|it| it.device == device)
}

/// A machine that is better in one respect.
fn better(machine: &Machine, respect: u32) -> Machine {
    let mut better = machine.clone();
    let dynamic = better.dynamic.as_mut().unwrap();
    let more = Percent::whole(7);
    let free = |share: Option<Percent>| Some(share.unwrap_or_default().plus(more).min(Percent::FULL));
    match respect % 9 {
        0 => dynamic.cpu_free_share = free(dynamic.cpu_free_share),
        1 => dynamic.memory_free_share = free(dynamic.memory_free_share),
        2 => dynamic.memory_free = dynamic.memory_free.map(|free| free.plus(free)),
        3 => better.failures.truncate(better.failures.len().saturating_sub(1)),
        4 => better.same_service = better.same_service.saturating_sub(1),
        5 => better.reserved.truncate(better.reserved.len().saturating_sub(1)),
        6 => better.apps = better.apps.saturating_sub(1),
        7 => dynamic.updated = dynamic.updated.max(Some(after(-1))),
        _ => (better.operator, better.blocked) = (Operator::Open, false),
    }
    better
}

proptest! {
    #[test]
    fn the_order_of_the_candidates_does_not_matter(asks in services(), fleet in fleets(), turn in any::<Index>()) {
        let mut other = fleet.clone();
        other.rotate_left(turn.index(fleet.len()));
        other.reverse();
        prop_assert_eq!(said(&ranked(&asks, &fleet)), said(&ranked(&asks, &other)));
    }

    #[test]
    fn every_candidate_is_ranked_or_rejected_and_scores_fall_from_one_to_nothing(
        asks in services(), fleet in fleets(),
    ) {
        let ranking = ranked(&asks, &fleet);
        let mut places: Vec<usize> =
            ranking.ranked.iter().map(|it| it.index).chain(ranking.rejected.iter().map(|it| it.index)).collect();
        places.sort_unstable();
        prop_assert_eq!(places, (0..fleet.len()).collect::<Vec<_>>());
        prop_assert!(ranking.rejected.iter().all(|it| !it.reasons.is_empty()));
        prop_assert!(ranking.ranked.is_sorted_by(|a, b| a.score() >= b.score()));
        for device in &ranking.ranked {
            prop_assert!((0.0..=1.0).contains(&device.score()));
            let sum: f64 = device.terms.iter().map(Term::value).sum();
            prop_assert!((sum.clamp(0.0, 1.0) - device.score()).abs() < 1e-9);
        }
    }

    #[test]
    fn a_device_that_gets_better_never_ranks_lower(
        asks in services(), fleet in fleets(), which in any::<Index>(), respect in any::<u32>(),
    ) {
        // What most can run, and one that surely can: the law is about those that are ranked.
        let cpu_share = Percent::whole(10);
        let (req_resource, cpu_arch) = (vec![], None);
        let asks = Service { exec_type: ExecType::Docker, req_resource, cpu_arch, cpu_share, ..asks };
        let fleet: Vec<Machine> = std::iter::once(Machine::plain("device/plain")).chain(fleet).collect();
        let before = ranked(&asks, &fleet);
        let old = which.get(&before.ranked);
        let mut improved = fleet.clone();
        improved[old.index] = better(&fleet[old.index], respect);
        let now = ranked(&asks, &improved);
        let new = now.ranked.iter().find(|it| it.device == old.device);
        prop_assert!(new.is_some_and(|new| new.sum >= old.sum), "{old:?} {new:?}");
        prop_assert!(place(&now, old.device) <= place(&before, old.device));
    }

    #[test]
    fn whoever_asks_for_more_gets_no_device_that_was_refused(asks in services(), fleet in fleets(), more in 0..4u32) {
        let mut greedy = asks.clone();
        match more {
            0 => greedy.memory_min = greedy.memory_min.plus(Mebibytes::new(500.0).unwrap()),
            1 => greedy.req_resource.push("siren".into()),
            2 => greedy.cpu_share = greedy.cpu_share.plus(Percent::whole(10)),
            _ => greedy.os = Some("linux-6".into()),
        }
        let accepted = |service| -> BTreeSet<String> {
            ranked(service, &fleet).ranked.iter().map(|it| it.device.to_owned()).collect()
        };
        prop_assert!(accepted(&greedy).is_subset(&accepted(&asks)));
    }

    #[test]
    fn only_devices_that_fit_are_selected_none_twice_and_as_many_as_are_wanted(
        asks in services(), fleet in fleets(), min in 0..5u32, more in 0..4u32,
        all in any::<bool>(), local in any::<bool>(),
    ) {
        let ranking = ranked(&asks, &fleet);
        let wanted = Wanted { min, target: (!all).then_some(min + more) };
        let rule = if local { Rule::LocalFirst } else { Rule::ByRank };
        let fitting: BTreeSet<&str> = ranking.ranked.iter().map(|it| it.device).collect();
        match select(&ranking, wanted, rule) {
            Ok(chosen) => {
                let devices: BTreeSet<&str> = chosen.iter().map(|it| it.device).collect();
                prop_assert!(devices.is_subset(&fitting));
                prop_assert_eq!(devices.len(), chosen.len());
                let most = if all { fitting.len() } else { fitting.len().min((min + more) as usize) };
                prop_assert_eq!(chosen.len(), most);
            }
            Err(shortage) => {
                prop_assert!(fitting.len() < min as usize);
                prop_assert_eq!(shortage.found as usize, fitting.len());
                prop_assert!(!shortage.to_string().contains('\n'));
            }
        }
    }

    #[test]
    fn an_explanation_holds_every_candidate_once_and_the_old_answer_those_that_fit(
        asks in services(), fleet in fleets(),
    ) {
        let candidates = crate::fixture::candidates(&fleet);
        let ranking = ranked(&asks, &fleet);
        let wanted = Wanted::of(&asks);
        let outcome = select(&ranking, wanted, Rule::of(&asks, wanted));
        let told = explain(&asks, &ranking, wanted, &outcome);
        let devices: Vec<&str> = told.devices.iter().map(|it| it.device).collect();
        let all: BTreeSet<&str> = fleet.iter().map(|it| &*it.device.id).collect();
        prop_assert_eq!(devices.iter().copied().collect::<BTreeSet<_>>(), all);
        prop_assert_eq!(devices.len(), fleet.len());
        prop_assert!(told.devices.iter().all(|it| it.accepted == it.reasons.is_empty() && (it.accepted || !it.chosen)));
        let chosen = told.devices.iter().filter(|it| it.chosen).count();
        prop_assert_eq!(chosen, outcome.as_ref().map_or(0, Vec::len));
        let old = optimal(&ranking, &candidates);
        prop_assert_eq!(old.len(), ranking.ranked.len());
        // No NaN and no infinity: serde_json writes those as null.
        let json = serde_json::to_value(&old).unwrap();
        let mut values = json.as_array().unwrap().iter().flat_map(|it| it.as_object().unwrap().values());
        prop_assert!(values.all(|it| !it.is_null()));
    }
}
