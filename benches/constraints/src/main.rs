//! What evaluating a constraint costs: nanoseconds and allocations, the best of several rounds.
//!
//! `cargo run --release --manifest-path benches/constraints/Cargo.toml --target-dir target/benches` prints one line a
//! constraint, and fails where one that has numbers and booleans only allocates or takes 100 ns or more.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::io::{Error, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use mf2c_sla::expression::{Expression, Grammar, Scope, Value, Verdict};

/// The system's allocator, counted.
struct Counted;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is handed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

/// What a report says, by slot.
enum Said {
    Nothing,
    Number(f64),
    Text(&'static str),
}

struct Report(Vec<Said>);

impl Report {
    fn of(expression: &Expression) -> Self {
        let said = |name: &str| match name {
            "operation" => Said::Text("es.bsc.compss"),
            "absent" => Said::Nothing,
            _ => Said::Number(9.0),
        };
        Self(expression.variables().iter().map(|name| said(name)).collect())
    }
}

impl Scope for Report {
    fn variable(&self, slot: usize) -> Option<Value<'_>> {
        match self.0.get(slot)? {
            Said::Nothing => None,
            Said::Number(number) => Some(Value::Number(*number)),
            Said::Text(text) => Some(Value::text(text)),
        }
    }

    fn call(&self, _: usize) -> Option<f64> {
        Some(0.5)
    }
}

const NUMBERS: [&str; 7] = [
    "execution_time < 10",
    "[execution_time] < 1000",
    "execution_time < 10 && availability > 5",
    "execution_time * 2 + 1 < 100 / 3",
    "p95(execution_time, 5m) < 800ms && count(execution_time, 5m) >= 10",
    "n in (1, 2, 9)",
    "absent < 5 || execution_time < 10",
];
const TEXTS: [&str; 2] = ["operation == 'es.bsc.compss'", "operation =~ '^es\\\\.bsc'"];

const ROUNDS: u32 = 20;
const TIMES: u32 = 100_000;

/// Nanoseconds and allocations of one evaluation, in the best round.
fn measure(text: &str) -> Result<(f64, u64), Error> {
    let expression = Expression::constraint(text, Grammar::Extended).map_err(Error::other)?;
    let report = Report::of(&expression);
    let (mut best, mut allocations) = (f64::INFINITY, u64::MAX);
    for _ in 0..ROUNDS {
        let (before, started) = (ALLOCATIONS.load(Ordering::Relaxed), Instant::now());
        for _ in 0..TIMES {
            let verdict = black_box(&expression).holds(black_box(&report));
            if !matches!(verdict, Ok(Verdict::Kept | Verdict::Broken)) {
                return Err(Error::other(format!("{text}: {verdict:?}")));
            }
        }
        best = best.min(started.elapsed().as_secs_f64() * 1e9 / f64::from(TIMES));
        allocations = allocations.min(ALLOCATIONS.load(Ordering::Relaxed) - before);
    }
    Ok((best, allocations))
}

fn main() -> Result<(), Error> {
    let mut out = std::io::stdout();
    let mut slow = Vec::new();
    for text in NUMBERS.iter().chain(&TEXTS) {
        let (nanos, allocations) = measure(text)?;
        writeln!(out, "{nanos:7.1} ns  {allocations} allocations in {TIMES}  {text}")?;
        if NUMBERS.contains(text) && (allocations > 0 || nanos >= 100.0) {
            slow.push(*text);
        }
    }
    if slow.is_empty() { Ok(()) } else { Err(Error::other(format!("too dear: {}", slow.join(", ")))) }
}
