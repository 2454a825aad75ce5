//! Reports in batches.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::spawn_local;

use crate::http::Connection;
use crate::{Dice, Outcome, report, say};

/// Batches under way at a time.
const CONNECTIONS: usize = 2;
/// Different batches that are prepared before the clock starts.
const PREPARED: usize = 8;

pub(crate) async fn run(address: &str, instances: &[String], batch: usize, length: Duration) -> Outcome<()> {
    let mut dice = Dice::new(1);
    let bodies: Vec<String> = (0..PREPARED)
        .map(|_| {
            let lines: Vec<String> = (0..batch).map(|_| report(&instances[dice.below(instances.len())], 5)).collect();
            lines.join("\n")
        })
        .collect();
    let (bodies, stored) = (Rc::new(bodies), Rc::new(Cell::new(0usize)));
    let started = Instant::now();
    let mut writers = Vec::new();
    for number in 0..CONNECTIONS {
        let (address, bodies, stored) = (address.to_owned(), Rc::clone(&bodies), Rc::clone(&stored));
        writers.push(spawn_local(async move {
            let sent = send(&address, &bodies, number, batch, started + length, &stored).await;
            sent.map_err(|error| error.to_string())
        }));
    }
    for writer in writers {
        writer.await??;
    }
    let took = started.elapsed();
    say("reports", stored.get())?;
    say("rate", stored.get() as f64 / took.as_secs_f64())
}

async fn send(
    address: &str,
    bodies: &[String],
    number: usize,
    batch: usize,
    end: Instant,
    stored: &Cell<usize>,
) -> Outcome<()> {
    let mut connection = Connection::open(address).await?;
    let mut turn = number;
    while Instant::now() < end {
        let body = bodies[turn % bodies.len()].as_bytes();
        turn += CONNECTIONS;
        let (status, answer) = connection.post("/api/service-operation-report", "application/x-ndjson", body).await?;
        // A line a document; those that were refused have another status.
        let made = answer.windows(12).filter(|part| *part == b"\"status\":201").count();
        if status != 200 || made != batch {
            let answer = String::from_utf8_lossy(&answer[..answer.len().min(300)]).into_owned();
            return Err(format!("{made} of {batch} reports were stored, status {status}: {answer}").into());
        }
        stored.set(stored.get() + batch);
    }
    Ok(())
}
