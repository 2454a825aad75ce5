//! `mf2c sim`: reads what is wanted, runs it, and tells what came of it.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mf2c_domain::time::Clock;
use thiserror::Error;

use crate::args::SimArgs;
use crate::picture;
use crate::report;
use crate::run::{Options, Outcome, run};
use crate::scenario::{Scenario, ScenarioError};
use crate::shrink::{Shrunk, shrink};

/// The largest scenario file, in bytes.
const LARGEST_FILE: u64 = 1 << 20;

/// Why nothing was simulated, or why the promises do not hold.
#[derive(Debug, Error)]
pub enum SimError {
    /// A file cannot be read or written.
    #[error("cannot {action} `{path}`: {source}")]
    File {
        /// What was tried.
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The scenario file, or what flags made of it.
    #[error("{}{error}", .path.as_ref().map_or("the scenario: ".to_owned(), |path| format!("`{}`: ", path.display())))]
    Scenario {
        /// The file, if it is one's.
        path: Option<PathBuf>,
        /// What is wrong.
        error: ScenarioError,
    },
    /// A picture in a format that is not drawn.
    #[error("`{0}` is no picture that can be drawn: name it FILE.svg or FILE.html")]
    Picture(PathBuf),
    /// The system gives no runtime, or nobody takes the output.
    #[error("cannot go on")]
    Io(#[from] io::Error),
    /// A promise was broken; it was told already.
    #[error("a promise was broken")]
    Broken,
}

impl SimError {
    /// Whether the command was used wrongly.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Scenario { .. } | Self::Picture(_))
    }
}

/// Runs the command. `clock` tells real time.
///
/// # Errors
/// [`SimError`].
pub fn execute(args: &SimArgs, clock: &Arc<dyn Clock>) -> Result<(), SimError> {
    let mut scenario = match &args.scenario {
        Some(path) => {
            Scenario::parse(&read(path)?).map_err(|error| SimError::Scenario { path: Some(path.clone()), error })?
        }
        None => Scenario::default(),
    };
    args.apply(&mut scenario);
    scenario.check().map_err(|error| SimError::Scenario { path: None, error })?;
    let drawn = args.timeline.as_ref().map(|path| extension(path).map(|html| (path, html))).transpose()?;
    let mut out = io::stdout().lock();
    if args.print_scenario {
        write!(out, "{}", scenario.print())?;
        return Ok(());
    }
    if args.seeds > 1 {
        return many(args, &scenario, clock, &mut out);
    }
    let began = clock.elapsed();
    let mut bar = Bar::new(args.quiet, scenario.duration.get(), clock);
    let outcome = run(&scenario, args.seed, options(args)?, &mut |at| bar.show(at))?;
    bar.clear();
    let took = clock.elapsed().saturating_sub(began);
    write!(out, "{}", report::table(&scenario, args.seed, &outcome, took))?;
    let shrunk = outcome.breach.is_some().then(|| shortest(args, &scenario, args.seed, &outcome, clock)).transpose()?;
    if let Some(shrunk) = &shrunk {
        writeln!(out)?;
        write!(out, "{}", report::breach(shrunk, outcome.faults.len(), &again(args, args.seed, shrunk)))?;
    }
    if let Some(path) = &args.json {
        let report = report::json(&scenario, args.seed, &outcome, took, shrunk.as_ref());
        write_file(path, format!("{report:#}\n").as_bytes())?;
    }
    if let Some((path, html)) = drawn {
        let title = format!("{} (seed {})", report::title(&scenario), args.seed);
        let draw = if html { picture::html } else { picture::svg };
        write_file(path, draw(&outcome.timeline, &title).as_bytes())?;
    }
    if shrunk.is_some() { Err(SimError::Broken) } else { Ok(()) }
}

fn options(args: &SimArgs) -> Result<Options, SimError> {
    let trace = match &args.trace {
        None => None,
        Some(path) => {
            let file = File::create(path);
            let file = file.map_err(|source| SimError::File { action: "write", path: path.clone(), source })?;
            Some(Box::new(BufWriter::new(file)) as Box<dyn Write + Send>)
        }
    };
    let keep = if args.no_faults { Some(vec![]) } else { args.keep_faults.clone() };
    Ok(Options { keep, until: args.until.map(|until| until.get()), trace, lying_disks: false })
}

/// One line for each seed; the first that breaks a promise is shrunk and ends it.
fn many(args: &SimArgs, scenario: &Scenario, clock: &Arc<dyn Clock>, out: &mut impl Write) -> Result<(), SimError> {
    for seed in args.seed..args.seed.saturating_add(args.seeds) {
        let began = clock.elapsed();
        let outcome = run(scenario, seed, options(args)?, &mut |_| ())?;
        let took = clock.elapsed().saturating_sub(began);
        let held = if outcome.breach.is_some() { "BROKEN" } else { "held" };
        writeln!(
            out,
            "seed {seed}: {held}, {} faults, {} elections, agreed after {}, trace {:016x}, {:.1} s",
            outcome.faults.len(),
            outcome.elections,
            report::moment(outcome.slowest_agreement),
            outcome.trace.0,
            took.as_secs_f64()
        )?;
        if outcome.breach.is_some() {
            let shrunk = shortest(args, scenario, seed, &outcome, clock)?;
            write!(out, "{}", report::breach(&shrunk, outcome.faults.len(), &again(args, seed, &shrunk)))?;
            return Err(SimError::Broken);
        }
    }
    Ok(())
}

fn shortest(
    args: &SimArgs,
    scenario: &Scenario,
    seed: u64,
    outcome: &Outcome,
    clock: &Arc<dyn Clock>,
) -> Result<Shrunk, SimError> {
    let Some(breach) = &outcome.breach else { return Err(SimError::Broken) };
    let end = clock.elapsed() + args.shrink_for.get();
    Ok(shrink(scenario, seed, (&outcome.faults, breach), false, &mut || clock.elapsed() < end)?)
}

/// The command that shows a shrunk run again.
fn again(args: &SimArgs, seed: u64, shrunk: &Shrunk) -> String {
    let numbers: Vec<String> = shrunk.faults.iter().map(|fault| fault.number.to_string()).collect();
    let faults =
        if numbers.is_empty() { "--no-faults".to_owned() } else { format!("--keep-faults {}", numbers.join(",")) };
    let until = shrunk.breach.at.as_secs() + 1;
    format!("{} {faults} --until {until}s", args.again(seed))
}

/// Whether a picture is a page.
fn extension(path: &Path) -> Result<bool, SimError> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("svg") => Ok(false),
        Some("html" | "htm") => Ok(true),
        _ => Err(SimError::Picture(path.to_owned())),
    }
}

fn read(path: &Path) -> Result<String, SimError> {
    let failed = |source| SimError::File { action: "read", path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let mut text = String::new();
    io::Read::read_to_string(&mut io::Read::take(file, LARGEST_FILE), &mut text).map_err(failed)?;
    Ok(text)
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), SimError> {
    std::fs::write(path, bytes).map_err(|source| SimError::File { action: "write", path: path.to_owned(), source })
}

/// The progress bar on a terminal.
struct Bar<'a> {
    shown: bool,
    whole: Duration,
    clock: &'a Arc<dyn Clock>,
    began: Duration,
    last: Duration,
}

impl<'a> Bar<'a> {
    fn new(quiet: bool, whole: Duration, clock: &'a Arc<dyn Clock>) -> Self {
        let began = clock.elapsed();
        Self { shown: !quiet && io::stderr().is_terminal(), whole, clock, began, last: began }
    }

    fn show(&mut self, at: Duration) {
        let now = self.clock.elapsed();
        if !self.shown || now.saturating_sub(self.last) < Duration::from_millis(200) {
            return;
        }
        self.last = now;
        let share = (at.as_secs_f64() / self.whole.as_secs_f64()).min(1.0);
        let speed = at.as_secs_f64() / now.saturating_sub(self.began).as_secs_f64().max(0.001);
        let (done, width) = ((share * 30.0) as usize, 30);
        let (full, empty) = ("#".repeat(done), ".".repeat(width - done));
        let shown = report::moment(at);
        let shown = shown.split('.').next().unwrap_or_default();
        let _ = write!(io::stderr(), "\r[{full}{empty}] {:3.0} %  {shown}  {speed:.0} times real time ", share * 100.0);
    }

    fn clear(&self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r{:78}\r", "");
        }
    }
}
