//! What came while nobody looked: all of it, in order, in bounded memory, as it counted when it came.

use std::time::Instant;

use serde_json::json;

use crate::world::{Agent, report, set};

const LOG: usize = 100_000;

/// Reports that came while nobody looked, with and without the log.
async fn catch_up(log_entries: usize, count: usize) -> Agent {
    let mut agent = Agent::halted(log_entries);
    let agreement = agent.agreement("a", "x", "started").await;
    let instance = agent.instance("i", &agreement).await;
    let bad = agent.flood(&instance, count).await;
    agent.wake();
    agent.settles().await;
    assert_eq!(agent.broken_by(&agreement), bad);
    let shown = |agent: &Agent| agent.body(&agreement)["assessment"]["guarantees"]["*"]["state"] == "fulfilled";
    agent.until("it shows the last", || shown(&agent)).await;
    agent
}

#[actix::test]
async fn twenty_thousand_reports_are_caught_up_from_the_log() {
    let _ = catch_up(LOG, 20_000).await;
}

#[actix::test]
async fn twenty_thousand_reports_are_caught_up_where_the_log_has_moved_on_and_again_after_a_crash() {
    let mut agent = catch_up(1000, 20_000).await;
    let before = agent.broken_by("agreement/a");
    agent.halt();
    let after = agent.flood("service-instance/i", 5000).await;
    agent.wake();
    // It fails in the midst of it.
    agent.until("it has begun", || agent.broken_by("agreement/a").len() > before.len()).await;
    agent.crash();
    agent.settles().await;
    assert_eq!(agent.broken_by("agreement/a"), before.union(&after).cloned().collect());
}

/// Prints how long it takes and what memory the process has used at most: `cargo test --release -p mf2c-actors --test sla_assessor
/// a_million -- --ignored --nocapture`.
#[actix::test]
#[ignore = "takes a minute and a gigabyte; its numbers mean something in a release build alone"]
#[allow(clippy::print_stdout, clippy::disallowed_methods, reason = "it is a measurement for people")]
async fn a_million_reports_are_caught_up() {
    let peak = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:").map(str::trim)).unwrap();
        line.to_owned()
    };
    for log_entries in [2_000_000, 100_000] {
        let mut agent = Agent::halted(log_entries);
        let agreement = agent.agreement("a", "x", "started").await;
        let instance = agent.instance("i", &agreement).await;
        let bad = agent.flood(&instance, 1_000_000).await;
        let before = peak();
        let began = Instant::now();
        agent.wake();
        agent.settles().await;
        println!(
            "log of {log_entries}: {:.1} s for 1,000,000 reports, {} violations; peak memory {before} before, {} after",
            began.elapsed().as_secs_f64(),
            bad.len(),
            peak()
        );
        assert_eq!(agent.broken_by(&agreement), bad);
        agent.halt();
    }
}

#[actix::test]
async fn what_ended_while_an_agreement_was_stopped_does_not_count_though_the_log_that_told_of_it_is_gone() {
    for is_known in [true, false] {
        let mut agent = Agent::start(20);
        let mut counts = vec![];
        if is_known {
            agent.agreement("a", "x", "started").await;
            agent.instance("i", "agreement/a").await;
            counts.push(agent.report("service-instance/i", 50.0).await);
            agent.settles().await;
            agent.until("it shows that", || agent.body("agreement/a").get("assessment").is_some()).await;
        }
        agent.halt();
        if !is_known {
            agent.agreement("a", "x", "started").await;
            agent.instance("i", "agreement/a").await;
        }
        for _ in 0..3 {
            counts.push(agent.report("service-instance/i", 50.0).await);
            agent.edit("agreement/a", json!({"state": "stopped"})).await;
            agent.report("service-instance/i", 50.0).await;
            agent.edit("agreement/a", json!({"state": "started"})).await;
        }
        counts.push(agent.report("service-instance/i", 50.0).await);
        // Nobody but the store tells of states.
        let forged = json!({
            "timestamp": agent.world.clock.now().to_string(), "type": "state", "severity": "low",
            "content": {"resource": {"href": "agreement/a"}, "state": "stopped"},
        });
        agent.add("event", None, forged).await;
        counts.push(agent.report("service-instance/i", 50.0).await);
        for _ in 0..30 {
            agent.report("service-instance/i", 5.0).await;
        }
        agent.wake();
        agent.settles().await;
        assert_eq!(agent.broken_by("agreement/a"), counts.into_iter().collect(), "known before: {is_known}");
        let stopped = || agent.body("agreement/a")["assessment"]["stopped"].as_array().map_or(0, Vec::len);
        agent.until("it shows when it was stopped", || stopped() == 3).await;
    }
}

#[actix::test]
async fn what_came_late_is_held_against_when_it_ended_and_not_against_when_it_was_heard_of() {
    let agent = Agent::start(LOG);
    let agreement = agent.agreement("a", "x", "started").await;
    let instance = agent.instance("i", &agreement).await;
    let during = agent.world.clock.now();
    agent.edit(&agreement, json!({"state": "stopped"})).await;
    let stopped = agent.world.clock.now();
    agent.edit(&agreement, json!({"state": "started"})).await;
    let ended = |at: mf2c_domain::time::Timestamp| {
        let mut body = report(&instance, 50.0);
        body["start_time"] = json!(mf2c_domain::time::Timestamp::from_nanos(at.nanos() - 50_000_000_000).to_string());
        body
    };
    let bad = agent.add("service-operation-report", None, ended(during)).await;
    agent.add("service-operation-report", None, ended(stopped)).await;
    agent.settles().await;
    assert_eq!(agent.broken_by(&agreement), set([&bad]));
}
