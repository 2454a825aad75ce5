//! What a run came to, for people and for programs.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fleet::Fleet;
use crate::judge::Breach;
use crate::lag::Peak;
use crate::outcome::{Deeds, Outcome};
use crate::plan::Fault;
use crate::reign::Reign;
use crate::scenario::{FaultKind, Scenario};
use crate::shrink::Shrunk;

/// A moment of a run: `1h 02m 03.400s`.
#[must_use]
pub fn moment(at: Duration) -> String {
    let (seconds, millis) = (at.as_secs(), at.subsec_millis());
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}.{millis:03}s"),
        (0, _) => format!("{minutes}m {seconds:02}.{millis:03}s"),
        _ => format!("{hours}h {minutes:02}m {seconds:02}.{millis:03}s"),
    }
}

/// What a run was of.
#[must_use]
pub fn title(scenario: &Scenario) -> String {
    let topology = &scenario.topology;
    let cloud = if topology.cloud { " and a cloud" } else { "" };
    format!("{} agents in {} areas{cloud}", topology.agents, topology.areas)
}

/// The summary of a run that took `took` of real time.
#[must_use]
pub fn table(scenario: &Scenario, seed: u64, outcome: &Outcome, took: Duration) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<28}{value}");
    };
    let speed = outcome.lasted.as_secs_f64() / took.as_secs_f64().max(0.001);
    row("seed", seed.to_string());
    row("fog", title(scenario));
    row(
        "virtual time",
        format!("{} in {:.1} s: {speed:.0} times faster than real time", moment(outcome.lasted), took.as_secs_f64()),
    );
    for kind in FaultKind::ALL {
        let count =
            outcome.faults.iter().filter(|fault| fault.what.kind() == kind && fault.at <= outcome.lasted).count();
        if count > 0 {
            row(&format!("faults: {}", kind.as_str()), count.to_string());
        }
    }
    row(
        "writes acknowledged",
        format!("{} ({} refused or lost with their agent)", outcome.acknowledged, outcome.failed),
    );
    row("edits made at leaders", outcome.edits_from_above.to_string());
    row("changes in all stores", outcome.changes.to_string());
    row(
        "network",
        format!(
            "{} connections, {} writes, {} bytes",
            outcome.network.connections, outcome.network.writes, outcome.network.bytes
        ),
    );
    row("leaders elected", outcome.elections.to_string());
    row("takeovers", takeovers(outcome));
    row("without a leader", without_leader(outcome));
    row("behind, at a leader", peak(&outcome.lag_at_leaders));
    outcome.lag_at_cloud.iter().for_each(|lag| row("behind, at the cloud", peak(lag)));
    let Deeds { proposals, conflicts, repaired, snapshots } = outcome.deeds;
    row("proposals carried out", format!("{proposals}, with {conflicts} conflicts"));
    row("repairs", format!("{repaired} documents repaired, {snapshots} snapshots sent"));
    row(
        "agreed after storms",
        format!("{} times, after {} at the latest", outcome.agreements, moment(outcome.slowest_agreement)),
    );
    row("promises looked at", outcome.checks.to_string());
    row("trace", format!("{:016x} of {} events", outcome.trace.0, outcome.trace.1));
    text
}

fn takeovers(outcome: &Outcome) -> String {
    let sum = |of: fn(&Reign) -> u64| outcome.reigns.iter().map(of).sum::<u64>();
    let (all, wrong) = (sum(|reign| reign.takeovers), sum(|reign| reign.false_takeovers));
    format!("{all}, of which {wrong} from a leader that nothing disturbed")
}

fn without_leader(outcome: &Outcome) -> String {
    let total: Duration = outcome.reigns.iter().map(|reign| reign.without).sum();
    let longest = outcome.reigns.iter().enumerate().max_by_key(|(_, reign)| reign.longest.0);
    match longest.filter(|(_, reign)| !reign.longest.0.is_zero()) {
        None => "never".to_owned(),
        Some((area, Reign { longest: (time, end), .. })) => {
            format!(
                "{} in all areas together; {} at most, in area {} until {}",
                moment(total),
                moment(*time),
                area + 1,
                moment(*end)
            )
        }
    }
}

fn peak(lag: &Peak) -> String {
    match lag.age.as_secs() {
        0 => "never more than a second".to_owned(),
        age => format!("{age} s at most: a change of agent {} at {}", lag.host, moment(lag.at)),
    }
}

/// One of many runs.
#[must_use]
pub fn line(seed: u64, outcome: &Outcome, took: Duration) -> String {
    format!(
        "seed {seed}: {}, {} faults, {} elections, agreed after {}, trace {:016x}, {:.1} s",
        if outcome.breach.is_some() { "BROKEN" } else { "held" },
        outcome.faults.len(),
        outcome.elections,
        moment(outcome.slowest_agreement),
        outcome.trace.0,
        took.as_secs_f64()
    )
}

/// What broke, for people: the promise, the faults that it takes, what happened last before it, and how to see it again.
#[must_use]
pub fn breach(shrunk: &Shrunk, before: usize, again: &str) -> String {
    let Breach { at, promise, what } = &shrunk.breach;
    let mut text = format!("broken: {promise}\n  at {}: {what}\n", moment(*at));
    let count = shrunk.faults.len();
    let _ = writeln!(text, "faults that it takes ({count} of {before}, found by {} more runs):", shrunk.runs);
    if count == 0 {
        let _ = writeln!(text, "  none: it happens without any");
    }
    for fault in &shrunk.faults {
        let _ = writeln!(
            text,
            "  #{:<5} {:>14} to {:>14}  {}",
            fault.number,
            moment(fault.at),
            moment(fault.until),
            fault.what
        );
    }
    let _ = writeln!(text, "the last events before it, in that run:");
    for remark in &shrunk.remarks {
        let _ = writeln!(text, "  {:>14}  {remark}", moment(remark.at));
    }
    let _ = writeln!(text, "see it again:\n  {again}");
    text
}

fn fault(fault: &Fault) -> Value {
    json!({
        "number": fault.number, "kind": fault.what.kind().as_str(), "what": fault.what.to_string(),
        "fromMillis": fault.at.as_millis() as u64, "untilMillis": fault.until.as_millis() as u64,
    })
}

/// Everything, for programs.
#[must_use]
pub fn json(scenario: &Scenario, seed: u64, outcome: &Outcome, took: Duration, shrunk: Option<&Shrunk>) -> Value {
    let broken = |breach: &Breach| {
        json!({
            "atMillis": breach.at.as_millis() as u64, "promise": breach.promise, "what": breach.what,
        })
    };
    let fleet = Fleet::new(scenario);
    let lag = |peak: &Peak| json!({"seconds": peak.age.as_secs(), "agent": peak.host, "atMillis": peak.at.as_millis() as u64});
    json!({
        "seed": seed,
        "scenario": scenario,
        "virtualMillis": outcome.lasted.as_millis() as u64,
        "tookMillis": took.as_millis() as u64,
        "trace": {"sum": format!("{:016x}", outcome.trace.0), "events": outcome.trace.1},
        "faults": outcome.faults.iter().map(fault).collect::<Vec<_>>(),
        "acknowledged": outcome.acknowledged,
        "editsFromAbove": outcome.edits_from_above,
        "failed": outcome.failed,
        "changes": outcome.changes,
        "network": {
            "connections": outcome.network.connections, "writes": outcome.network.writes, "bytes": outcome.network.bytes,
        },
        "elections": outcome.elections,
        "areas": outcome.reigns.iter().enumerate().map(|(area, reign)| json!({
            "area": fleet.name_of(area),
            "firstLedMillis": reign.first.map(|first| first.as_millis() as u64),
            "withoutLeaderMillis": reign.without.as_millis() as u64,
            "longestWithoutLeaderMillis": reign.longest.0.as_millis() as u64,
            "takeovers": reign.takeovers, "falseTakeovers": reign.false_takeovers,
        })).collect::<Vec<_>>(),
        "lag": {"atLeaders": lag(&outcome.lag_at_leaders), "atCloud": outcome.lag_at_cloud.as_ref().map(lag)},
        "proposals": outcome.deeds.proposals,
        "conflicts": outcome.deeds.conflicts,
        "repairs": outcome.deeds.repaired,
        "snapshots": outcome.deeds.snapshots,
        "agreements": outcome.agreements,
        "slowestAgreementMillis": outcome.slowest_agreement.as_millis() as u64,
        "checks": outcome.checks,
        "breach": outcome.breach.as_ref().map(broken),
        "shortest": shrunk.map(|shrunk| json!({
            "breach": broken(&shrunk.breach), "runs": shrunk.runs, "faults": shrunk.faults.iter().map(fault).collect::<Vec<_>>(),
            "events": shrunk.remarks.iter().map(|remark| json!({
                "atMillis": remark.at.as_millis() as u64, "agent": remark.host, "what": remark.what,
            })).collect::<Vec<_>>(),
        })),
    })
}
