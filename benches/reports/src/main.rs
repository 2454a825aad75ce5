//! Sends reports of operations to an agent over plain HTTP, and says on standard output how it went: `key value` a line.
//!
//! ```text
//! reports offer ADDRESS INSTANCES RATE SECONDS BAD   RATE reports a second at random moments that were chosen before (an open loop:
//!                                                    a slow answer puts nothing off), one in BAD of them too slow for its agreement;
//!                                                    reads the event stream beside: how soon each is stored, and each violation told
//! reports bulk ADDRESS INSTANCES BATCH SECONDS       batches of BATCH reports as NDJSON, two at a time, as fast as they are answered
//! ```
//!
//! INSTANCES names a file with the id of a service instance a line. Reports take 5 seconds, bad ones 50.

mod bulk;
mod http;
mod offer;

use std::error::Error;
use std::io::Write as _;
use std::time::Duration;

pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    match words[..] {
        ["offer", address, instances, rate, seconds, bad] => {
            let plan = offer::Plan {
                address: address.to_owned(),
                instances: read(instances)?,
                rate: rate.parse()?,
                length: seconds_of(seconds)?,
                bad: bad.parse()?,
            };
            runtime.block_on(local.run_until(offer::run(plan)))
        }
        ["bulk", address, instances, batch, seconds] => {
            runtime.block_on(local.run_until(bulk::run(address, &read(instances)?, batch.parse()?, seconds_of(seconds)?)))
        }
        _ => Err("usage: reports offer ADDRESS INSTANCES RATE SECONDS BAD, bulk ADDRESS INSTANCES BATCH SECONDS".into()),
    }
}

fn read(file: &str) -> Outcome<Vec<String>> {
    let lines: Vec<String> = std::fs::read_to_string(file)?.lines().map(str::to_owned).collect();
    if lines.is_empty() { Err(format!("{file} names no instance").into()) } else { Ok(lines) }
}

fn seconds_of(text: &str) -> Outcome<Duration> {
    Ok(Duration::try_from_secs_f64(text.parse()?)?)
}

/// One line of the result.
pub(crate) fn say(key: &str, value: impl std::fmt::Display) -> Outcome<()> {
    writeln!(std::io::stdout(), "{key} {value}")?;
    Ok(())
}

/// The report of an operation that took so many seconds.
pub(crate) fn report(instance: &str, seconds: u32) -> String {
    format!(r#"{{"serviceInstance":{{"href":"{instance}"}},"operation":"op","execution_time":{seconds}}}"#)
}

/// Numbers that look random and are the same in each run.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number (SplitMix64).
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// How long until the next of events that come at random, `mean` apart.
    pub(crate) fn pause(&mut self, mean: f64) -> Duration {
        let unit = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        Duration::from_secs_f64(-(1.0 - unit).ln() * mean)
    }
}
