//! `mf2c area`: who is in the area, who leads it, and how to change that.

use clap::{Args, Subcommand};
use mf2c_client::args::Format;

use super::PlaceArgs;
use super::area::agent;

pub(super) const AREA_EXAMPLES: &str = "\
Shows what the agent of this machine knows: a leader knows its whole area, an agent above all areas below it, a child
itself and who leads it. TO PEER is what the other one does not have yet of this agent's changes, FROM PEER what this
agent does not have yet of its: how many, and how old the oldest of them is.

Examples:
  mf2c area                       who is in the area, who leads, how far each replica is behind
  mf2c area --watch               the same, again each second; q or Ctrl-C ends it
  mf2c area --wide                with whole names of agents, and what was repaired
  mf2c area -o json               everything, for programs
  mf2c area lead boat-7           let the agent of that name lead
  mf2c area backup 8256           let the one whose device begins so hold the whole area, to take over
  mf2c area agent 8256            let it be an ordinary agent again, which does not come to lead
  mf2c area forget 8256           remove what is known of an agent that does not come back";

const LEAD_EXAMPLES: &str = "\
The leader brings the other one up to date and hands the area over; nothing is lost, and agents follow within seconds.
Ask at the leader, or at a backup that shall lead itself. Where nobody leads and nobody can be elected, ask at the
agent that shall lead: it founds the area anew if it hears of no leader.

Examples:
  mf2c area lead 8256f3a0
  mf2c area lead boat-7";

const BACKUP_EXAMPLES: &str = "\
A backup holds the whole area. Ask at the leader; it appoints backups by itself too, see `area.backups`.

Examples:
  mf2c area backup 8256f3a0
  mf2c area backup boat-7";

const AGENT_EXAMPLES: &str = "\
An agent that is neither a backup nor an heir does not come to lead. Ask at the leader. It counts until another leads
or the leader is started again; `area.backup = false` at the agent itself lasts.

Examples:
  mf2c area agent 8256f3a0";

const FORGET_EXAMPLES: &str = "\
Removes the copies of an agent's documents, and its place in the list of members. Stop that agent first, and run this at
the agent that leads its area: backups and the agents above follow by themselves, also those that are away now. If the
agent comes back, what it has comes back with it, unless its membership was ended (`mf2c ca revoke --device DEVICE`).

Examples:
  mf2c area forget 8256f3a0";

/// What to do with the area.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(override_usage = "mf2c area [OPTIONS]\n       mf2c area <lead|backup|agent|forget> <AGENT> [OPTIONS]")]
pub struct AreaArgs {
    /// What to change; none: show it.
    #[command(subcommand)]
    pub change: Option<AreaCommand>,
    /// Write as table, json, yaml or csv
    #[arg(short, long, value_name = "FORMAT", default_value = "table", hide_possible_values = true)]
    pub output: Format,
    /// Show whole names of agents, and more columns
    #[arg(long)]
    pub wide: bool,
    /// Show it again each second; in a pipe a line for each change
    #[arg(long)]
    pub watch: bool,
    /// Whose data.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// A change of the area.
#[derive(Debug, Clone, Subcommand)]
pub enum AreaCommand {
    /// Hand the area over to another agent
    #[command(after_help = LEAD_EXAMPLES)]
    Lead(OneArgs),
    /// Make an agent a backup, which takes over when the leader is lost
    #[command(after_help = BACKUP_EXAMPLES)]
    Backup(OneArgs),
    /// Take the role of a backup or heir from an agent
    #[command(after_help = AGENT_EXAMPLES)]
    Agent(OneArgs),
    /// Remove what is known of an agent that does not come back
    #[command(after_help = FORGET_EXAMPLES)]
    Forget(OneArgs),
}

/// Which agent.
#[derive(Debug, Clone, Args)]
pub struct OneArgs {
    /// Its name, its device, or the beginning of that
    #[arg(value_name = "AGENT", value_parser = agent)]
    pub device: String,
    /// Whose data.
    #[command(flatten)]
    pub place: PlaceArgs,
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn parsed(line: &str) -> AreaArgs {
        match Cli::try_parse_from(line.split(' ')).unwrap().command {
            Command::Area(args) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_a_change_the_area_is_shown() {
        assert!(parsed("mf2c area").change.is_none());
        assert_eq!(parsed("mf2c area -o json --data-dir d").output, Format::Json);
        let args = parsed("mf2c area --wide --watch");
        assert!(args.wide && args.watch);
    }

    #[test]
    fn an_agent_is_named_by_its_device_its_id_a_beginning_or_its_name() {
        for line in ["mf2c area lead 8256", "mf2c area lead device/8256", "mf2c area lead spiffe://x/area/a/agent/8256"]
        {
            let Some(AreaCommand::Lead(args)) = parsed(line).change else { panic!("{line}") };
            assert_eq!(args.device, "8256");
        }
        let Some(AreaCommand::Forget(args)) = parsed("mf2c area forget boat.7").change else { panic!() };
        assert_eq!(args.device, "boat.7");
        for line in ["mf2c area lead", "mf2c area lead a b", "mf2c area forget", "mf2c area rule 8256"] {
            assert_eq!(Cli::try_parse_from(line.split(' ')).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
