//! The commands about instances: what they are told.

use clap::Args;
use mf2c_domain::time::Timestamp;

use crate::args::people::ttl;
use crate::args::{ConnectionArgs, ShownArgs};
use crate::output::clean;

pub(super) const PS_EXAMPLES: &str = "\
INSTANCE is the beginning of the id, as far as it is needed; the other commands take it. Without --all, what was
stopped is not shown. --watch shows the same again and again: at a terminal until q is pressed, in a pipe a line
for each change.

Examples:
  mf2c ps
  mf2c ps --all -o json
  mf2c ps --watch";

pub(super) const LOGS_EXAMPLES: &str = "\
INSTANCE is an id, the beginning of one (4 digits at least), its name, or the name of a service with one
instance. Where it has several parts, each line says which part it is of.

Examples:
  mf2c logs hello
  mf2c logs -f --tail 20 5f0c
  mf2c logs 5f0c --since 10m --index 1
  mf2c logs 5f0c --since 2026-11-22T10:00:00Z -o json";

pub(super) const EXEC_EXAMPLES: &str = "\
Shows what the program writes, and ends as it does. No shell reads the words; name one if you need it.

Examples:
  mf2c exec hello -- /bin/date
  mf2c exec 5f0c --index 1 -- /bin/sh -c 'ls /data | wc -l'";

pub(super) const UPDATE_EXAMPLES: &str = "\
Agent by agent, as the service's `update` says. If the new version is not well, the old one comes back, and the
command fails.

Examples:
  mf2c service register --replace service.yaml && mf2c update hello";

/// Which instances to list.
#[derive(Debug, Clone, Args)]
pub struct PsArgs {
    /// Also what was stopped
    #[arg(short, long)]
    pub all: bool,
    /// Go on showing it
    #[arg(long)]
    pub watch: bool,
    /// How to show them.
    #[command(flatten)]
    pub shown: ShownArgs,
}

/// From when on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// So many seconds before now.
    Ago(u64),
    /// From then.
    At(Timestamp),
}

/// Which lines to show.
#[derive(Debug, Clone, Args)]
pub struct LogsArgs {
    /// The instance
    #[arg(value_name = "INSTANCE")]
    pub instance: String,
    /// Go on with what it writes
    #[arg(short, long)]
    pub follow: bool,
    /// Only so many of the last lines
    #[arg(long, value_name = "N")]
    pub tail: Option<u64>,
    /// Only lines since then: 10m, 2h, or a time such as 2026-11-22T10:00:00Z
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub since: Option<Since>,
    /// Only this part of the instance, counted from 0
    #[arg(long, value_name = "N")]
    pub index: Option<u32>,
    /// Show when each line was written
    #[arg(short, long)]
    pub timestamps: bool,
    /// How to show them.
    #[command(flatten)]
    pub shown: ShownArgs,
}

/// What to run beside an instance.
#[derive(Debug, Clone, Args)]
pub struct ExecArgs {
    /// The instance: an id, the beginning of one, its name, or the name of a service with one instance
    #[arg(value_name = "INSTANCE")]
    pub instance: String,
    /// Beside this part of the instance, counted from 0
    #[arg(long, value_name = "N")]
    pub index: Option<u32>,
    /// End the program after so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "10",
          value_parser = clap::value_parser!(u64).range(1..=300))]
    pub limit: u64,
    /// The program and its arguments
    #[arg(value_name = "PROGRAM", last = true, required = true)]
    pub program: Vec<String>,
    /// Which agent.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Which instance.
#[derive(Debug, Clone, Args)]
pub struct InstanceArgs {
    /// The instance
    #[arg(value_name = "INSTANCE")]
    pub instance: String,
    /// Do not wait until it is done
    #[arg(long)]
    pub detach: bool,
    /// Wait at most so many seconds until it is done
    #[arg(long, value_name = "SECONDS", default_value = "300",
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub wait: u64,
    /// Which agent.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Reads from when on.
fn since(text: &str) -> Result<Since, String> {
    let refused = || format!("`{}` is no time, expected one such as 10m, 2h or 2026-11-22T10:00:00Z", clean(text));
    match Timestamp::parse(text) {
        Some(time) => Ok(Since::At(time)),
        None => ttl(text).map(Since::Ago).map_err(|_| refused()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_an_instant_or_a_span_before_now() {
        assert_eq!(since("10m"), Ok(Since::Ago(600)));
        let then = Timestamp::parse("2026-11-22T10:00:00Z").unwrap();
        assert_eq!(since("2026-11-22T10:00:00Z"), Ok(Since::At(then)));
        for text in ["", "10", "yesterday", "m", "0s", "\u{1b}[2J"] {
            assert!(since(text).unwrap_err().contains("expected one such as 10m"), "{text}");
        }
        assert!(!since("\u{1b}[2J").unwrap_err().contains('\u{1b}'));
    }
}
