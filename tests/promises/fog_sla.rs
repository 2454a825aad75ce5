//! Agreements in an area: the leader assesses what its area reports, a child that is cut off its own, and who takes over goes on. All
//! agree afterwards, and nothing is told twice.
//!
//! Where no networks may be made, those with cables say so and prove nothing.

use std::collections::BTreeMap;

use mf2c_tests::{Fog, eventually};
use serde_json::{Value, json};

use crate::sla::terms;

fn add(fog: &Fog, name: &str, kind: &str, body: &Value) -> String {
    fog.agent(name).send("POST", kind, Some(&body.to_string())).expect(201).id()
}

fn agreement(fog: &Fog, name: &str, title: &str) -> String {
    add(
        fog,
        name,
        "agreement",
        &terms(title, "started", &[("*", "execution_time < 10"), ("op", "execution_time < 20")]),
    )
}

fn instance(fog: &Fog, name: &str, agreement: &str) -> String {
    let body = json!({"user": "u", "status": "started", "service": "service/1", "agreement": agreement, "agents": []});
    add(fog, name, "service-instance", &body)
}

/// How often each promise of an agreement was broken by each report.
type Broken = BTreeMap<(String, String), usize>;

/// A run that breaks both promises, and one that breaks none.
fn run(fog: &Fog, name: &str, instance: &str, expected: &mut Broken) {
    for seconds in [50.0, 5.0] {
        let body = json!({"serviceInstance": {"href": instance}, "operation": "op", "execution_time": seconds});
        let report = add(fog, name, "service-operation-report", &body);
        if seconds > 10.0 {
            expected.extend(["*", "op"].map(|promise| ((promise.to_owned(), report.clone()), 1)));
        }
    }
}

/// What an agent knows to be broken of an agreement.
fn broken(fog: &Fog, name: &str, agreement: &str) -> Broken {
    let path = format!("sla-violation?$filter=agreement_id/href='{agreement}'&$last=10000");
    let found = fog.agent(name).send("GET", &path, None).expect(200).json();
    let mut broken = Broken::new();
    for each in found["slaViolations"].as_array().unwrap() {
        let (promise, report) = (each["guarantee"].as_str().unwrap(), each["report"]["href"].as_str().unwrap());
        *broken.entry((promise.to_owned(), report.to_owned())).or_default() += 1;
    }
    broken
}

#[track_caller]
fn knows(fog: &Fog, name: &str, agreement: &str, expected: &Broken) {
    let mut found = Broken::new();
    let what = format!("what broke {agreement} at {name}");
    eventually(&what, || {
        found = broken(fog, name, agreement);
        found.len() == expected.len() && found.keys().eq(expected.keys()) && found.values().all(|count| *count == 1)
    });
}

fn found_by(fog: &Fog, name: &str) -> u64 {
    fog.agent(name).metric("mf2c_sla_violations_total")
}

fn scope(fog: &Fog, name: &str) -> String {
    let agent = fog.agent(name);
    let url = format!("{}/sla/healthz", agent.api().trim_end_matches("/api"));
    agent.curl(["-k", &url]).expect(200).json()["assessment"].as_str().unwrap().to_owned()
}

/// A leader and a child that is no backup.
fn pair() -> Option<Fog> {
    let mut fog =
        Fog::apart(&["lead", "kid"])?.with("MF2C_AREA_BACKUP", "false").with("MF2C_AREA_DISCONNECTED_AFTER", "1s");
    fog.found("lead", "pier");
    fog.add("kid", "lead");
    Some(fog)
}

#[test]
fn a40_the_leader_assesses_what_its_area_reports_and_a_child_keeps_for_it_what_it_cannot_send() {
    let Some(mut fog) = pair() else { return };
    eventually("that it says so", || scope(&fog, "lead") == "leader" && scope(&fog, "kid") == "not_leader");
    let agreement = agreement(&fog, "lead", "of the leader");
    let instance = instance(&fog, "kid", &agreement);
    let mut expected = Broken::new();
    run(&fog, "kid", &instance, &mut expected);
    knows(&fog, "lead", &agreement, &expected);
    let kid = fog.device("kid");
    fog.net().unplug("kid");
    eventually("that the child is missed", || fog.status("lead", &kid) == "disconnected");
    for _ in 0..3 {
        run(&fog, "kid", &instance, &mut expected);
    }
    assert_eq!(broken(&fog, "lead", &agreement).len(), 2);
    fog.kill("kid");
    fog.start("kid");
    fog.net().plug("kid");
    knows(&fog, "lead", &agreement, &expected);
    assert_eq!((found_by(&fog, "lead"), found_by(&fog, "kid")), (8, 0));
}

#[test]
fn a_child_that_is_cut_off_assesses_its_own_and_afterwards_both_know_the_same() {
    let Some(mut fog) = pair() else { return };
    let agreement = agreement(&fog, "kid", "of the child");
    let instance = instance(&fog, "kid", &agreement);
    let mut expected = Broken::new();
    run(&fog, "kid", &instance, &mut expected);
    knows(&fog, "lead", &agreement, &expected);
    let kid = fog.device("kid");
    fog.net().unplug("kid");
    eventually("that the child is missed", || fog.status("lead", &kid) == "disconnected");
    let before = expected.clone();
    for _ in 0..3 {
        run(&fog, "kid", &instance, &mut expected);
    }
    knows(&fog, "kid", &agreement, &expected);
    knows(&fog, "lead", &agreement, &before);
    // What is reported to the leader about the child's agreement is the leader's to assess, whoever is cut off.
    let mut others = Broken::new();
    run(&fog, "lead", &instance, &mut others);
    let both: Broken = before.into_iter().chain(others.clone()).collect();
    knows(&fog, "lead", &agreement, &both);
    fog.net().plug("kid");
    let both: Broken = expected.clone().into_iter().chain(others).collect();
    knows(&fog, "lead", &agreement, &both);
    knows(&fog, "kid", &agreement, &expected);
    assert_eq!((found_by(&fog, "lead"), found_by(&fog, "kid")), (2, 8));
    eventually("the child's agreement shows it", || {
        let shown = |name: &str| fog.document(name, &agreement)["assessment"]["guarantees"]["op"].clone();
        shown("lead") == shown("kid") && shown("kid")["state"] == "fulfilled"
    });
}

#[test]
fn who_takes_over_goes_on_assessing_and_the_old_leader_doubles_nothing_when_it_comes_back() {
    let mut fog = Fog::new().with("MF2C_AREA_PROFILE", "lan");
    fog.set("kid", "MF2C_AREA_BACKUP", "false");
    fog.found("one", "pier");
    for name in ["two", "three", "kid"] {
        fog.add(name, "one");
    }
    fog.backed_up("one", &["two", "three"]);
    let (leaders, childs) = (agreement(&fog, "one", "of the leader"), agreement(&fog, "kid", "of the child"));
    let (first, second) = (instance(&fog, "kid", &leaders), instance(&fog, "kid", &childs));
    for id in [&leaders, &second] {
        fog.reaches("two", id);
        fog.reaches("three", id);
    }
    let (mut of_leader, mut of_child) = (Broken::new(), Broken::new());
    let mut work = |fog: &Fog| {
        for _ in 0..3 {
            run(fog, "kid", &first, &mut of_leader);
            run(fog, "kid", &second, &mut of_child);
            run(fog, "three", &second, &mut of_child);
        }
        (of_leader.clone(), of_child.clone())
    };
    let (known, _) = work(&fog);
    knows(&fog, "one", &leaders, &known);
    // The rest may or may not have been assessed, and what was found may or may not have been sent.
    work(&fog);
    fog.kill("one");
    let new = fog.leader_of(&["two", "three", "kid"]);
    let all = work(&fog);
    knows(&fog, new, &leaders, &all.0);
    knows(&fog, new, &childs, &all.1);
    fog.start("one");
    assert_eq!(fog.leader_of(&["one", "two", "three", "kid"]), new);
    let all = work(&fog);
    let spare = if new == "two" { "three" } else { "two" };
    for name in [new, spare] {
        knows(&fog, name, &leaders, &all.0);
        knows(&fog, name, &childs, &all.1);
    }
    // What the child finds by itself it knows, too.
    let by_child = fog.agent("kid").send("GET", "sla-violation?$last=0", None).expect(200).json()["count"].clone();
    assert_eq!(by_child, json!(24));
}

#[test]
fn what_an_old_leader_found_and_could_not_tell_is_told_once_when_it_comes_back_as_a_mere_child() {
    let Some(fog) = Fog::apart(&["lead", "spare", "kid"]) else { return };
    let mut fog = fog.with("MF2C_AREA_PROFILE", "lan").with("MF2C_AREA_DISCONNECTED_AFTER", "1s");
    fog.set("kid", "MF2C_AREA_BACKUP", "false");
    fog.found("lead", "pier");
    fog.add("spare", "lead");
    fog.add("kid", "lead");
    fog.backed_up("lead", &["spare"]);
    let agreement = agreement(&fog, "lead", "of the leader");
    let instance = instance(&fog, "kid", &agreement);
    fog.reaches("spare", &agreement);
    fog.reaches("spare", &instance);
    // The backup hears nothing of what follows.
    let spare = fog.device("spare");
    fog.net().unplug("spare");
    eventually("that nothing is on its way to it", || fog.status("lead", &spare) == "disconnected");
    let mut expected = Broken::new();
    for _ in 0..5 {
        run(&fog, "kid", &instance, &mut expected);
    }
    knows(&fog, "lead", &agreement, &expected);
    fog.kill("lead");
    fog.net().plug("spare");
    assert_eq!(fog.leader_of(&["spare", "kid"]), "spare");
    knows(&fog, "spare", &agreement, &expected);
    assert_eq!(found_by(&fog, "spare"), 10, "it has found them by itself");
    fog.set("lead", "MF2C_AREA_BACKUP", "false");
    fog.start("lead");
    let own =
        add(&fog, "lead", "service", &json!({"name": "s", "exec": "x", "exec_type": "docker", "agent_type": "normal"}));
    fog.reaches("spare", &own);
    // All that the old leader has is there by now, and of two that say the same one goes.
    knows(&fog, "spare", &agreement, &expected);
    run(&fog, "kid", &instance, &mut expected);
    knows(&fog, "spare", &agreement, &expected);
}
