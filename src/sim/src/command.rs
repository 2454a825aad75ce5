//! `mf2c sim`: reads what is wanted, runs it, and tells what came of it.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mf2c_domain::quantity::HumanDuration;
use mf2c_domain::time::Clock;
use thiserror::Error;

use crate::args::SimArgs;
use crate::outcome::{Outcome, RunError};
use crate::output::Outputs;
use crate::report;
use crate::run::{Options, Sabotage, end_of, run};
use crate::scenario::{Scenario, ScenarioError};
use crate::shrink::{Shrunk, shrink};

/// The largest scenario file, in bytes.
const LARGEST_FILE: u64 = 1 << 20;

/// Why nothing was simulated, or why the promises do not hold.
#[derive(Debug, Error)]
pub enum SimError {
    /// A file cannot be read or written.
    #[error("cannot {action} `{path}`")]
    File {
        /// What was tried.
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The scenario file, or what flags made of it.
    #[error("{place}: {error}")]
    Scenario {
        /// Whose it is.
        place: String,
        /// What is wrong.
        error: ScenarioError,
    },
    /// Flags that do not go together, or with the scenario.
    #[error("{0}")]
    Usage(String),
    /// A picture in a format that is not drawn.
    #[error("`{0}` is no picture that can be drawn: name it FILE.svg or FILE.html")]
    Picture(PathBuf),
    /// Nobody takes the output.
    #[error("standard output")]
    Io(#[from] io::Error),
    /// There is no runtime, or no such fault.
    #[error(transparent)]
    Run(RunError),
    /// The simulation has a bug.
    #[error("{what}\nsee it again:\n  {again}")]
    Itself {
        /// What it said.
        what: String,
        /// By which command.
        again: String,
    },
    /// A promise was broken; it was told already.
    #[error("a promise was broken")]
    Broken,
}

impl SimError {
    /// Whether the command was used wrongly: nothing was simulated.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        !matches!(self, Self::Io(_) | Self::Itself { .. } | Self::Broken)
    }
}

/// Runs the command. `clock` tells real time.
///
/// # Errors
/// [`SimError`].
pub fn execute(args: &SimArgs, clock: &Arc<dyn Clock>) -> Result<(), SimError> {
    let scenario = scenario(args)?;
    let mut out = io::stdout().lock();
    if args.print_scenario {
        write!(out, "{}", scenario.print())?;
        return Ok(());
    }
    let mut outputs = Outputs::open(args)?;
    if args.seeds > 1 {
        return many(args, &scenario, clock, &mut out);
    }
    let began = clock.elapsed();
    let mut bar = Bar::new(args.quiet, args.until.unwrap_or(scenario.duration).get(), clock);
    let options = Options { trace: outputs.trace()?, ..options(args) };
    let outcome = run(&scenario, args.seed, options, &mut |at| bar.show(at));
    bar.clear();
    let outcome = outcome.map_err(|error| failed(args, args.seed, error))?;
    let took = clock.elapsed().saturating_sub(began);
    write!(out, "{}", report::table(&scenario, args.seed, &outcome, took))?;
    let shrunk = outcome.breach.is_some().then(|| shortest(args, &scenario, args.seed, &outcome, clock)).transpose()?;
    if let Some(shrunk) = &shrunk {
        writeln!(out)?;
        write!(out, "{}", report::breach(shrunk, outcome.faults.len(), &again(args, &scenario, args.seed, shrunk)))?;
    }
    if outputs.wants_report() {
        outputs.report(&report::json(&scenario, args.seed, &outcome, took, shrunk.as_ref()))?;
    }
    outputs.picture(&outcome, &format!("{} (seed {})", report::title(&scenario), args.seed))?;
    if shrunk.is_some() { Err(SimError::Broken) } else { Ok(()) }
}

/// What file and flags come to.
fn scenario(args: &SimArgs) -> Result<Scenario, SimError> {
    let file = args.scenario.as_ref().map(|path| format!("`{}`", path.display()));
    let mut scenario = match (&args.scenario, &file) {
        (Some(path), Some(file)) => {
            Scenario::parse(&read(path)?).map_err(|error| SimError::Scenario { place: file.clone(), error })?
        }
        _ => Scenario::default(),
    };
    args.apply(&mut scenario);
    let place = file.map_or("the flags".to_owned(), |file| format!("{file} together with the flags"));
    scenario.check().map_err(|error| SimError::Scenario { place, error })?;
    let end = end_of(&scenario);
    let wrong = |text: String| Err(SimError::Usage(text));
    match args.until.map(|until| until.get()) {
        Some(until) if until.is_zero() => wrong("`--until` is 0s: expected `1s` or more".to_owned()),
        Some(until) if until > end => wrong(format!(
            "`--until` is {}, but the run ends at {}, with the calm after its last storm: expected less",
            HumanDuration::from_millis(until.as_millis() as u64),
            HumanDuration::from_millis(end.as_millis() as u64),
        )),
        _ if args.seed.checked_add(args.seeds - 1).is_none() => {
            wrong(format!("`--seeds` is {}: seeds end with {}, expected fewer", args.seeds, u64::MAX))
        }
        _ => Ok(scenario),
    }
}

fn options(args: &SimArgs) -> Options {
    let keep = if args.no_faults { Some(vec![]) } else { args.keep_faults.clone() };
    Options { keep, until: args.until.map(|until| until.get()), trace: None, sabotage: Sabotage::None }
}

fn failed(args: &SimArgs, seed: u64, error: RunError) -> SimError {
    match error {
        RunError::Itself { .. } => SimError::Itself { what: error.to_string(), again: args.again(seed) },
        error => SimError::Run(error),
    }
}

/// One line for each seed; the first that breaks a promise is shrunk and ends it, unless all are wanted.
fn many(args: &SimArgs, scenario: &Scenario, clock: &Arc<dyn Clock>, out: &mut impl Write) -> Result<(), SimError> {
    let mut broken = 0;
    for seed in args.seed..=args.seed.saturating_add(args.seeds - 1) {
        let began = clock.elapsed();
        let outcome = run(scenario, seed, options(args), &mut |_| ()).map_err(|error| failed(args, seed, error))?;
        let took = clock.elapsed().saturating_sub(began);
        writeln!(out, "{}", report::line(seed, &outcome, took))?;
        let Some(breach) = &outcome.breach else { continue };
        if !args.keep_going {
            let shrunk = shortest(args, scenario, seed, &outcome, clock)?;
            write!(out, "{}", report::breach(&shrunk, outcome.faults.len(), &again(args, scenario, seed, &shrunk)))?;
            return Err(SimError::Broken);
        }
        broken += 1;
        writeln!(out, "  {}, at {}: {}", breach.promise, report::moment(breach.at), breach.what)?;
    }
    if broken > 0 {
        writeln!(
            out,
            "{broken} of {} seeds broke a promise; run one alone to see the faults that it takes",
            args.seeds
        )?;
        return Err(SimError::Broken);
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
    shrink(scenario, seed, (outcome, breach), Sabotage::None, &mut || clock.elapsed() < end)
        .map_err(|error| failed(args, seed, error))
}

/// The command that shows a shrunk run again.
fn again(args: &SimArgs, scenario: &Scenario, seed: u64, shrunk: &Shrunk) -> String {
    let numbers: Vec<String> = shrunk.faults.iter().map(|fault| fault.number.to_string()).collect();
    let faults =
        if numbers.is_empty() { "--no-faults".to_owned() } else { format!("--keep-faults {}", numbers.join(",")) };
    let until = shrunk.breach.at.as_secs() + 1;
    let whole = Duration::from_secs(until) > end_of(scenario);
    let until = if whole { String::new() } else { format!(" --until {until}s") };
    format!("{} {faults}{until}", args.again(seed))
}

fn read(path: &Path) -> Result<String, SimError> {
    let failed = |source| SimError::File { action: "read", path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let mut text = String::new();
    io::Read::read_to_string(&mut io::Read::take(file, LARGEST_FILE), &mut text).map_err(failed)?;
    Ok(text)
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
