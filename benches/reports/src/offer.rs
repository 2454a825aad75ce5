//! Reports at a steady rate, and how soon their violations are told.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::spawn_local;
use tokio::time::{sleep_until, timeout};

use crate::http::{Connection, Events};
use crate::{Dice, Outcome, report, say};

/// Connections over which reports go out.
const CONNECTIONS: usize = 32;
/// How long the last violations may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is sent.
pub(crate) struct Plan {
    pub(crate) address: String,
    pub(crate) instances: Vec<String>,
    pub(crate) rate: f64,
    pub(crate) length: Duration,
    pub(crate) bad: usize,
}

/// A bad report: when it was to be sent, and when its answer came.
struct Sent {
    meant: Instant,
    stored: Instant,
}

#[derive(Default)]
struct Seen {
    /// Milliseconds from the moment that was chosen to the answer, for each report.
    stored: Vec<f64>,
    bad: HashMap<String, Sent>,
    /// When the violation of a report was told; more than one is a fault.
    told: HashMap<String, Vec<Instant>>,
}

pub(crate) async fn run(plan: Plan) -> Outcome<()> {
    let (plan, seen) = (Rc::new(plan), Rc::new(RefCell::new(Seen::default())));
    let mut events = Events::open(&plan.address, "/events?types=sla-violation").await?;
    let telling = Rc::clone(&seen);
    let reader = spawn_local(async move {
        while let Ok(line) = events.next_line().await {
            let now = Instant::now();
            if let Some(report) = report_of(&line) {
                telling.borrow_mut().told.entry(report).or_default().push(now);
            }
        }
    });
    let start = Instant::now() + Duration::from_millis(100);
    let mut writers = Vec::new();
    for number in 0..CONNECTIONS {
        let (plan, seen) = (Rc::clone(&plan), Rc::clone(&seen));
        writers.push(spawn_local(async move { write(number, &plan, &seen, start).await.map_err(|error| error.to_string()) }));
    }
    for writer in writers {
        writer.await??;
    }
    let took = start.elapsed();
    let told = timeout(PATIENCE, async {
        while seen.borrow().told.len() < seen.borrow().bad.len() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let _ = told.await;
    // One that is told twice would come now.
    tokio::time::sleep(Duration::from_secs(1)).await;
    reader.abort();
    tell(&seen.borrow(), took)
}

async fn write(number: usize, plan: &Plan, seen: &RefCell<Seen>, start: Instant) -> Outcome<()> {
    let mut connection = Connection::open(&plan.address).await?;
    let mut dice = Dice::new(number as u64);
    let mean = CONNECTIONS as f64 / plan.rate;
    let mut meant = start;
    loop {
        meant += dice.pause(mean);
        if meant > start + plan.length {
            return Ok(());
        }
        sleep_until(meant.into()).await;
        let instance = &plan.instances[dice.below(plan.instances.len())];
        let is_bad = dice.below(plan.bad) == 0;
        let body = report(instance, if is_bad { 50 } else { 5 });
        let (status, answer) =
            connection.post("/api/service-operation-report", "application/json", body.as_bytes()).await?;
        let stored = Instant::now();
        if status != 201 {
            return Err(format!("a report was answered with {status}: {}", String::from_utf8_lossy(answer)).into());
        }
        let mut seen = seen.borrow_mut();
        seen.stored.push((stored - meant).as_secs_f64() * 1000.0);
        if is_bad {
            let answer = std::str::from_utf8(answer)?;
            let id = between(answer, "\"resource-id\":\"service-operation-report/", '"').ok_or("an answer without an id")?;
            seen.bad.insert(id.to_owned(), Sent { meant, stored });
        }
    }
}

fn report_of(line: &str) -> Option<String> {
    between(line.strip_prefix("data:")?, "service-operation-report/", '"').map(str::to_owned)
}

fn between<'a>(text: &'a str, before: &str, after: char) -> Option<&'a str> {
    let rest = &text[text.find(before)? + before.len()..];
    Some(&rest[..rest.find(after)?])
}

fn tell(seen: &Seen, took: Duration) -> Outcome<()> {
    say("reports", seen.stored.len())?;
    say("rate", seen.stored.len() as f64 / took.as_secs_f64())?;
    say("bad", seen.bad.len())?;
    say("lost", seen.bad.keys().filter(|id| !seen.told.contains_key(*id)).count())?;
    say("doubled", seen.told.values().filter(|times| times.len() > 1).count())?;
    say("invented", seen.told.keys().filter(|id| !seen.bad.contains_key(*id)).count())?;
    percentiles("stored", seen.stored.clone())?;
    let later = |told: &Instant, than: Instant| {
        let forth = told.saturating_duration_since(than).as_secs_f64();
        // Told before the answer was read: below zero.
        (forth - than.saturating_duration_since(*told).as_secs_f64()) * 1000.0
    };
    let pairs = || seen.bad.iter().filter_map(|(id, sent)| Some((sent, seen.told.get(id)?.first()?)));
    percentiles("violation_after_stored", pairs().map(|(sent, told)| later(told, sent.stored)).collect())?;
    percentiles("violation_after_meant", pairs().map(|(sent, told)| later(told, sent.meant)).collect())
}

fn percentiles(name: &str, mut values: Vec<f64>) -> Outcome<()> {
    values.sort_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else { return say(&format!("{name}_p50"), "none") };
    for (part, label) in [(0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9"), (1.0, "max")] {
        say(&format!("{name}_{label}"), format!("{:.3}", values[(last as f64 * part).round() as usize]))?;
    }
    Ok(())
}
