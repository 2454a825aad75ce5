//! The flags of `mf2c sim`.

use std::path::PathBuf;

use clap::Args;
use mf2c_domain::quantity::HumanDuration;

use crate::scenario::{FaultKind, Scenario};

/// Shown below the flags.
pub const EXAMPLES: &str = "\
Real agents run in one process under virtual time: their actors, stores, links and leadership are those of `mf2c agent`.
Simulated are the disk, the clock, the machine and the network; identities are given, so there is no TLS, nothing is
signed, nobody joins and nobody is discovered. The same seed gives the same run, to the byte.

Examples:
  mf2c sim                                              20 agents in 2 areas for an hour, and nothing goes wrong
  mf2c sim --agents 200 --areas 10 --hours 24 --faults all --seed 42
  mf2c sim --faults network,crash --seeds 100           a hundred runs in a row, one line each
  mf2c sim --scenario config/scenarios/harbour.toml --timeline harbour.svg
  mf2c sim --scenario my-fleet.toml --print-scenario    what a file and flags come to, as a file

Exit codes: 0 all promises held, 1 one was broken, 2 nothing was simulated: wrong usage, a wrong scenario, a file that
cannot be read or written.";

/// See the module.
#[derive(Debug, Args)]
pub struct SimArgs {
    /// What to simulate, as a TOML file; flags win over it
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// Agents in all areas together, without the cloud
    #[arg(long, value_name = "N")]
    pub agents: Option<usize>,
    /// Areas, each with a leader
    #[arg(long, value_name = "N")]
    pub areas: Option<usize>,
    /// How long it lasts, in hours of virtual time
    #[arg(long, value_name = "N", conflicts_with = "duration")]
    pub hours: Option<u32>,
    /// How long it lasts, in virtual time: 90s, 20m, 7d
    #[arg(long, value_name = "DURATION")]
    pub duration: Option<HumanDuration>,
    /// What goes wrong: none, all, or some of network,crash,clock,disk,slow
    #[arg(long, value_name = "KINDS", value_parser = kinds)]
    pub faults: Option<Kinds>,
    /// From what all chance is drawn
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// So many runs, with this seed and those that follow
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000), conflicts_with_all = ["json", "timeline", "trace"])]
    pub seeds: u64,
    /// With many seeds: go on after one that breaks a promise
    #[arg(long, requires = "seeds")]
    pub keep_going: bool,
    /// Only the faults with these numbers: how a broken promise is seen again
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', conflicts_with = "seeds")]
    pub keep_faults: Option<Vec<usize>>,
    /// No fault at all: how a broken promise that takes none is seen again
    #[arg(long, conflicts_with = "keep_faults")]
    pub no_faults: bool,
    /// End then, in virtual time
    #[arg(long, value_name = "DURATION")]
    pub until: Option<HumanDuration>,
    /// How long to look for the shortest run that breaks it, in real time
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    pub shrink_for: HumanDuration,
    /// Write a report as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Draw who led, who was cut off and who lagged: FILE.svg or FILE.html
    #[arg(long, value_name = "FILE")]
    pub timeline: Option<PathBuf>,
    /// Write every event as a line; large
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// What the agents log, to standard error, in real time: warn, info, mf2c_actors=debug
    #[arg(long, value_name = "LEVEL")]
    pub log: Option<String>,
    /// Print the scenario and do not run it
    #[arg(long, conflicts_with_all = ["json", "timeline", "trace", "seeds", "until"])]
    pub print_scenario: bool,
    /// No progress bar
    #[arg(long, short)]
    pub quiet: bool,
}

/// Kinds of faults, as one value of a flag.
#[derive(Debug, Clone)]
pub struct Kinds(pub Vec<FaultKind>);

fn kinds(text: &str) -> Result<Kinds, String> {
    FaultKind::list(text).map(Kinds).map_err(|error| error.to_string())
}

impl SimArgs {
    /// What flags say in place of the scenario's own.
    pub fn apply(&self, scenario: &mut Scenario) {
        if let Some(agents) = self.agents {
            scenario.topology.agents = agents;
        }
        if let Some(areas) = self.areas {
            scenario.topology.areas = areas;
        }
        if let Some(hours) = self.hours {
            scenario.duration = HumanDuration::from_secs(u64::from(hours) * 3600);
        }
        if let Some(duration) = self.duration {
            scenario.duration = duration;
        }
        if let Some(Kinds(kinds)) = &self.faults {
            scenario.faults.kinds.clone_from(kinds);
        }
    }

    /// The flags that lead to a scenario and seed again.
    #[must_use]
    pub fn again(&self, seed: u64) -> String {
        let mut words = vec!["mf2c sim".to_owned()];
        let mut add = |flag: &str, value: Option<String>| words.extend(value.map(|value| format!("--{flag} {value}")));
        add("scenario", self.scenario.as_ref().map(|path| quoted(&path.display().to_string())));
        add("agents", self.agents.map(|it| it.to_string()));
        add("areas", self.areas.map(|it| it.to_string()));
        add("hours", self.hours.map(|it| it.to_string()));
        add("duration", self.duration.map(|it| it.to_string()));
        add(
            "faults",
            self.faults.as_ref().map(|Kinds(kinds)| match kinds.as_slice() {
                [] => "none".to_owned(),
                kinds => kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(","),
            }),
        );
        add("seed", Some(seed.to_string()));
        words.join(" ")
    }
}

/// A path as one word of a POSIX shell, whatever is in it.
fn quoted(path: &str) -> String {
    let plain = |it: char| it.is_ascii_alphanumeric() || "_-./+:@,%=".contains(it);
    // A flag's value must not look like a flag.
    let path = if path.starts_with('-') { format!("./{path}") } else { path.to_owned() };
    if !path.is_empty() && path.chars().all(plain) { path } else { format!("'{}'", path.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches as _};

    use super::*;

    #[test]
    fn a_path_is_one_word_of_the_command_that_shows_a_run_again_whatever_is_in_it() {
        let again = |path: &str| {
            let words = ["sim", "--scenario", path, "--agents", "9", "--faults", "disk,crash"];
            let matches = SimArgs::augment_args(clap::Command::new("sim")).get_matches_from(words);
            SimArgs::from_arg_matches(&matches).unwrap().again(7)
        };
        assert_eq!(again("a/b-1.toml"), "mf2c sim --scenario a/b-1.toml --agents 9 --faults crash,disk --seed 7");
        assert!(again("my fleet.toml").contains("--scenario 'my fleet.toml' --agents"));
        assert!(again("it's; $(x) `y`.toml").contains(r"--scenario 'it'\''s; $(x) `y`.toml' --agents"));
        assert_eq!(quoted("-x.toml"), "./-x.toml");
        assert_eq!(quoted(""), "''");
    }
}
