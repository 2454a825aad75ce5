//! Killed at any moment under many reports, an agent neither loses a violation nor tells one twice (A37 of the specification).
//!
//! `MF2C_TEST_SLA_CRASH_ROUNDS` says how many kills there are; 4 where it does not.

use std::collections::BTreeSet;
use std::thread::scope;
use std::time::Duration;

use mf2c_tests::{Agent, Connection, Random, Start, eventually};
use serde_json::{Value, json};

use crate::sla::terms;

/// Writers of reports.
const WRITERS: u64 = 8;
/// Documents that are read at a time.
const PAGE: usize = 5000;
const REPORTS: &str = "/api/service-operation-report";

/// Reports, every other one of them bad, until the connection breaks.
fn write(address: &str, instance: &str, mut random: Random) {
    let Ok(mut connection) = Connection::open(address) else { return };
    loop {
        let seconds = if random.below(2) == 0 { 50.0 } else { 5.0 };
        let body = json!({"serviceInstance": {"href": instance}, "operation": "op", "execution_time": seconds});
        if connection.send("POST", REPORTS, &body.to_string()).is_err() {
            return;
        }
    }
}

/// What a query finds, page by page.
fn all(agent: &Agent, kind: &str, tag: &str, filter: &str) -> Vec<Value> {
    let mut found = Vec::new();
    loop {
        let (first, last) = (found.len() + 1, found.len() + PAGE);
        let path = format!("{kind}?$filter={filter}&$orderby=id:asc&$first={first}&$last={last}");
        let page = agent.send("GET", &path, None).expect(200).json()[tag].as_array().unwrap().clone();
        let is_last = page.len() < PAGE;
        found.extend(page);
        if is_last {
            return found;
        }
    }
}

#[test]
fn a37_killed_at_any_moment_it_neither_loses_nor_doubles_a_violation() {
    let rounds = mf2c_tests::number_from_environment("MF2C_TEST_SLA_CRASH_ROUNDS", 4);
    let mut moment = Random::from_seed(37);
    let mut agent = Start::new().agent();
    let (mut folder, mut reported, mut violated) = (None, 0, 0);
    for round in 0..rounds {
        let terms = terms(&format!("A37-{round}"), "started", &[("*", "execution_time < 10")]);
        let agreement = agent.send("POST", "agreement", Some(&terms.to_string())).expect(201).id();
        let instance =
            json!({"user": "u", "status": "started", "service": "service/1", "agreement": agreement, "agents": []});
        let instance = agent.send("POST", "service-instance", Some(&instance.to_string())).expect(201).id();
        let address = agent.http();
        let killed = scope(|threads| {
            for writer in 0..WRITERS {
                let (address, instance) = (&address, &instance);
                threads.spawn(move || write(address, instance, Random::from_seed(round * 100 + writer)));
            }
            mf2c_tests::eventually("violations", || agent.metric("mf2c_sla_violations_total") > 0);
            mf2c_tests::let_pass(Duration::from_millis(moment.below(500)));
            agent.kill()
        });
        agent = Start::new().data_dir(&killed.0).agent();
        folder = killed.1.or(folder);
        let stored = agent.metric("mf2c_store_position");
        eventually("everything is assessed", || agent.metric("mf2c_sla_position") >= stored);
        let reports = all(
            &agent,
            "service-operation-report",
            "serviceOperationReports",
            &format!("serviceInstance/href='{instance}'"),
        );
        let bad = reports.iter().filter(|report| report["execution_length"] == 50.0);
        let bad: BTreeSet<String> = bad.map(|report| report["id"].as_str().unwrap().to_owned()).collect();
        let found = all(&agent, "sla-violation", "slaViolations", &format!("agreement_id/href='{agreement}'"));
        let told: BTreeSet<String> =
            found.iter().map(|each| each["report"]["href"].as_str().unwrap().to_owned()).collect();
        assert_eq!(told.len(), found.len(), "none is doubled");
        assert_eq!(told, bad, "none is lost, none invented");
        assert!(!bad.is_empty());
        reported += reports.len();
        violated += found.len();
    }
    let total = all(&agent, "sla-violation", "slaViolations", "guarantee='*'").len();
    assert_eq!(total, violated, "a later crash adds nothing to what was told before");
    println!("{rounds} kills: {reported} reports, {violated} violations, none lost, doubled or invented");
    drop(folder);
}
