//! The shortest run that still breaks a promise: faults are left out as long as the same promise breaks.

use std::time::Duration;

use crate::judge::Breach;
use crate::outcome::{Outcome, RunError};
use crate::plan::Fault;
use crate::run::{Options, Sabotage, run};
use crate::scenario::Scenario;
use crate::trace::Remark;

/// What is left.
#[derive(Debug)]
pub struct Shrunk {
    /// The faults that it takes.
    pub faults: Vec<Fault>,
    /// How the promise breaks then.
    pub breach: Breach,
    /// Runs that it took to find out.
    pub runs: u32,
    /// What was remarkable before the breach in the shortest run: the last of it.
    pub remarks: Vec<Remark>,
}

/// Whether there is time for another run.
pub type Patience<'a> = &'a mut dyn FnMut() -> bool;

/// Leaves out faults by halves, quarters and so on, down to single ones (delta debugging), while there is patience.
///
/// # Errors
/// [`RunError`].
pub fn shrink(
    scenario: &Scenario,
    seed: u64,
    (outcome, breach): (&Outcome, &Breach),
    sabotage: Sabotage,
    patience: Patience<'_>,
) -> Result<Shrunk, RunError> {
    let mut remarks = outcome.remarks.clone();
    // A fault that began after the breach has no part in it. Agreement is looked at when a calm ends, at the same instant.
    let mut kept: Vec<Fault> = outcome.faults.iter().filter(|fault| fault.at <= breach.at).cloned().collect();
    let mut found = breach.clone();
    let (mut parts, mut runs) = (2, 0);
    while !kept.is_empty() && patience() {
        let size = kept.len().div_ceil(parts);
        let mut smaller = None;
        for left_out in 0..kept.len().div_ceil(size) {
            if !patience() {
                break;
            }
            let rest: Vec<Fault> = kept
                .iter()
                .enumerate()
                .filter(|(at, _)| at / size != left_out)
                .map(|(_, fault)| fault.clone())
                .collect();
            runs += 1;
            if let Some(again) = breaks(scenario, seed, &rest, breach, sabotage)? {
                smaller = Some((rest, again));
                break;
            }
        }
        match smaller {
            Some((rest, (again, before))) => {
                (kept, found, remarks) = (rest, again, before);
                parts = (parts - 1).max(2);
            }
            None if size == 1 => break,
            None => parts = (parts * 2).min(kept.len()),
        }
    }
    Ok(Shrunk { faults: kept, breach: found, runs, remarks })
}

/// The breach of the same promise with these faults alone, not much later, and what was before it.
fn breaks(
    scenario: &Scenario,
    seed: u64,
    faults: &[Fault],
    breach: &Breach,
    sabotage: Sabotage,
) -> Result<Option<(Breach, Vec<Remark>)>, RunError> {
    let keep = Some(faults.iter().map(|fault| fault.number).collect());
    let until = Some(breach.at + Duration::from_secs(1));
    let outcome = run(scenario, seed, Options { keep, until, trace: None, sabotage }, &mut |_| ())?;
    Ok(outcome.breach.filter(|found| found.promise == breach.promise).map(|found| (found, outcome.remarks)))
}
