//! The command line: commands, flags and their help. What a command does stands elsewhere.
//!
//! The commands of the client are defined by the client. Exit codes: [`exit`].

mod area;
mod fog;
mod sla;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::{NonEmptyStringValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};

use mf2c_client::ClientCommand;
use mf2c_client::args::Format;

use crate::config::{HumanDuration, ListenAddress, LogFormat, Overrides, Role};
use crate::logging;

pub use area::{
    CaCommand, CreateTokenArgs, DeleteTokensArgs, InitArgs, JoinArgs, ListTokensArgs, RevokeArgs, RotateArgs, ShowArgs,
    TokenCommand,
};
pub use fog::{AreaArgs, AreaCommand, OneArgs};
pub use mf2c_client::exit;
pub use sla::{ExportArgs, ImportArgs, SlaCommand, TestArgs};

const TEMPLATE: &str = "\
{name} {version}: {about}

{usage-heading} {usage}

Run:
  agent          Run an agent in the foreground until Ctrl-C or SIGTERM

Ask an agent:
  login          Sign in to an agent and remember the session
  logout         End the session and forget it
  whoami         Tell who is signed in, and for how long
  status         Show on one screen who I am and how the agent is doing
  get            Show one resource
  query          List the resources of a type, by filter, order and page
  create         Add a resource from a file or from key=value
  edit           Change a resource in an editor, from a file or by key=value
  action         Do what a resource offers besides, such as rotate-secret
  delete         Delete resources
  events         Follow changes as they happen
  user           Add, list and activate users, change passwords, handle API keys

Run services:
  service        Register a service that can be run, or list those that are
  run            Run a service where it fits, and wait until it is up
  ps             List what runs
  logs           Show what an instance has written
  exec           Run a program beside an instance
  stop           Stop an instance; it can be started again
  start          Start an instance that was stopped
  restart        Stop and start an instance
  update         Let an instance take over its service as it is registered now
  rm             Stop an instance and remove it
  explain        Tell for each device whether it would run a service, and why
  drain          Move what runs on a device away, and place nothing there
  cordon         Place nothing new on a device
  uncordon       Place services on a device again

Make an area of several agents:
  ca             Make the authority of an area, show it, revoke certificates, change the root
  token          Make, list and take back tokens, each of which lets one machine in
  join           Join the area of a token
  discover       List the agents that say they are near
  area           Show who is in the area and who leads it, or change that

Agreements:
  sla            Take agreements from OpenSLO, write them so, and try them on reports

Configuration:
  config check   Check the configuration and name every problem in it
  config show    Print the effective configuration and where each value comes from

Data:
  backup         Write a consistent copy of the documents to a file, also while the agent runs
  restore        Put the documents of a backup into an empty data directory
  repair         Cut a damaged journal at the last good record and say what is lost

Flocker:
  flocker-ca     Make the certificates of a Flocker cluster

Simulate:
  sim            Run a whole fog of real agents in one process, with faults, faster than time

Other:
  completions    Print the completions for a shell
  version        Print the version
  help           Explain a command: mf2c help agent

Options:
{options}{after-help}";

const EXAMPLES: &str = "\
Examples:
  mf2c agent --dev                            try it out: https://127.0.0.1:8443/api
  mf2c agent --config /etc/mf2c/agent.toml    run with a configuration file
  mf2c config show --config agent.toml        see what would be in effect, and why
  mf2c backup monday.backup                   back up while the agent runs
  mf2c login --user admin && mf2c status      sign in to the agent on this machine, and see how it is doing
  mf2c query service --order created:desc     what there is, newest first
  mf2c user add jane --email j@example.org    let somebody else in
  mf2c run hello && mf2c logs -f hello        run a service, and see what it writes
  mf2c ca init && mf2c token create           let other agents in

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not allowed, 4 not found, 5 conflict, 6 no agent reached,
130 ended by Ctrl-C.

Every key of the configuration file can be set by the environment too: MF2C_API_LISTEN for [api] listen.
Flags win over the environment, the environment over the file.";

const AGENT_EXAMPLES: &str = "\
Examples:
  mf2c agent --dev --data-dir ./data          development: the login header is believed from this machine
  mf2c agent --api 0.0.0.0:8443               serve HTTPS to the network
  mf2c agent --api 127.0.0.1:0                let the system choose a port; it is printed when ready
  mf2c agent --http 127.0.0.1:8080            plain HTTP too, for a proxy on this machine
  mf2c agent --log-level info,fjall=debug      say more about one part
  mf2c agent --join @token.txt                join an area at the first start";

const BACKUP_EXAMPLES: &str = "\
Examples:
  mf2c backup monday.backup
  mf2c backup /mnt/usb/fog.backup --data-dir /var/lib/mf2c";

const RESTORE_EXAMPLES: &str = "\
Examples:
  mf2c restore monday.backup --data-dir ./restored
  mf2c restore monday.backup --config /etc/mf2c/agent.toml";

const DISCOVER_EXAMPLES: &str = "\
What is heard is a hint: anybody can say anything. Who is to be trusted, certificates tell.

Examples:
  mf2c discover                         what this machine's agent has heard; one without an area listens now
  mf2c discover --listen 10s            listen now, without an agent
  MF2C_DISCOVERY_INTERFACE=10.0.0.5 mf2c discover --listen 5s -o json";

const REPAIR_EXAMPLES: &str = "\
Stop the agent first. Copy the data directory if what would be lost matters.

Examples:
  mf2c repair --data-dir /var/lib/mf2c";

/// The command line of `mf2c`.
#[derive(Debug, Parser)]
#[command(name = "mf2c", version, about = "a fog agent in one program", help_template = TEMPLATE)]
#[command(after_help = EXAMPLES, disable_help_subcommand = false, max_term_width = 120)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// A command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run an agent in the foreground until Ctrl-C or SIGTERM
    #[command(after_help = AGENT_EXAMPLES)]
    Agent(AgentArgs),
    /// Make the authority of an area, show it, revoke certificates, change the root
    #[command(subcommand)]
    Ca(CaCommand),
    /// Make, list and take back tokens, each of which lets one machine in
    #[command(subcommand)]
    Token(TokenCommand),
    /// Join the area of a token
    #[command(after_help = area::JOIN_EXAMPLES)]
    Join(JoinArgs),
    /// List the agents that say they are near
    #[command(after_help = DISCOVER_EXAMPLES)]
    Discover(DiscoverArgs),
    /// Show who is in the area and who leads it, or change that
    #[command(after_help = fog::AREA_EXAMPLES)]
    Area(AreaArgs),
    /// Take agreements from OpenSLO, write them so, and try them on reports
    #[command(subcommand)]
    Sla(SlaCommand),
    /// Check or show the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Write a consistent copy of the documents to a file, also while the agent runs
    #[command(after_help = BACKUP_EXAMPLES)]
    Backup(FileArgs),
    /// Put the documents of a backup into an empty data directory
    #[command(after_help = RESTORE_EXAMPLES)]
    Restore(FileArgs),
    /// Cut a damaged journal at the last good record and say what is lost
    #[command(after_help = REPAIR_EXAMPLES)]
    Repair(PlaceArgs),
    /// Make the certificates of a Flocker cluster
    #[command(disable_help_flag = true, override_usage = "mf2c flocker-ca <command> [options]")]
    #[command(after_help = "`mf2c flocker-ca --help` tells which commands there are.")]
    FlockerCa(FlockerArgs),
    /// Run a whole fog of real agents in one process, with faults, faster than time
    #[command(after_help = mf2c_sim::args::EXAMPLES)]
    Sim(Box<mf2c_sim::args::SimArgs>),
    /// Print the version
    Version,
    /// A command of the client
    #[command(flatten)]
    Client(ClientCommand),
}

/// How to find agents nearby.
#[derive(Debug, Clone, Args)]
pub struct DiscoverArgs {
    /// Listen for so long, instead of asking the agent of this machine [without an agent: 3s]
    #[arg(long, value_name = "DURATION")]
    pub listen: Option<HumanDuration>,
    /// Write as table, json, yaml or csv
    #[arg(short, long, value_name = "FORMAT", default_value = "table", hide_possible_values = true)]
    pub output: Format,
    /// Whose data.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check the configuration and name every problem in it
    Check(ConfigArgs),
    /// Print the effective configuration and where each value comes from
    Show(ConfigArgs),
}

/// Which configuration.
#[derive(Debug, Clone, Default, Args)]
pub struct ConfigArgs {
    /// Read this configuration file [env: MF2C_CONFIG]
    #[arg(long, value_name = "FILE", help_heading = "Configuration")]
    pub config: Option<PathBuf>,
}

/// Whose data.
#[derive(Debug, Clone, Default, Args)]
pub struct PlaceArgs {
    /// The configuration file.
    #[command(flatten)]
    pub file: ConfigArgs,
    /// Keep data in this directory [default: ~/.local/share/mf2c]
    #[arg(long, value_name = "DIR", help_heading = "Configuration", value_parser = path())]
    pub data_dir: Option<PathBuf>,
}

/// A backup and whose data.
#[derive(Debug, Clone, Args)]
pub struct FileArgs {
    /// The backup
    #[arg(value_name = "FILE")]
    pub backup: PathBuf,
    /// Whose data.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// The words for `flocker-ca`, which has a command line of its own.
#[derive(Debug, Clone, Args)]
pub struct FlockerArgs {
    /// What `flocker-ca` is told.
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub words: Vec<OsString>,
}

/// How to run an agent.
#[derive(Debug, Clone, Default, Args)]
pub struct AgentArgs {
    /// Which configuration and data.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Be an agent, a leader or the cloud [default: agent]
    #[arg(long, value_name = "ROLE", help_heading = "Configuration")]
    pub role: Option<Role>,
    /// Development mode: believe the header slipstream-authn-info from this machine
    #[arg(long, help_heading = "Configuration")]
    pub dev: bool,
    /// Serve HTTPS here [default: 127.0.0.1:8443]
    #[arg(long, value_name = "ADDR:PORT", help_heading = "Network")]
    pub api: Option<ListenAddress>,
    /// Serve plain HTTP here too [default: off]
    #[arg(long, value_name = "ADDR:PORT", help_heading = "Network")]
    pub http: Option<ListenAddress>,
    /// Let other agents in here, once this one holds an authority [default: 127.0.0.1:8444]
    #[arg(long, value_name = "ADDR:PORT", help_heading = "Network")]
    pub link: Option<ListenAddress>,
    /// Join an area with this token first, unless it was joined before
    #[arg(long, value_name = "TOKEN|@FILE", help_heading = "Network", value_parser = NonEmptyStringValueParser::new())]
    pub join: Option<String>,
    /// Log from this level on: error, warn, info, debug, trace or off [default: info]
    #[arg(long, value_name = "LEVEL", help_heading = "Log", value_parser = level)]
    pub log_level: Option<String>,
    /// Write log lines as text or json [default: text]
    #[arg(long, value_name = "FORMAT", help_heading = "Log")]
    pub log_format: Option<LogFormat>,
}

/// A path in UTF-8: a configuration can hold no other.
fn path() -> impl TypedValueParser<Value = PathBuf> {
    NonEmptyStringValueParser::new().map(PathBuf::from)
}

fn level(text: &str) -> Result<String, String> {
    logging::filter(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

impl PlaceArgs {
    /// The file given by `--config`.
    #[must_use]
    pub fn config_file(&self) -> Option<&Path> {
        self.file.config.as_deref()
    }

    /// What these flags override.
    #[must_use]
    pub fn overrides(&self) -> Overrides {
        Overrides { data_dir: self.data_dir.clone(), ..Overrides::default() }
    }
}

impl AgentArgs {
    /// The file given by `--config`.
    #[must_use]
    pub fn config_file(&self) -> Option<&Path> {
        self.place.config_file()
    }

    /// What these flags override.
    #[must_use]
    pub fn overrides(&self) -> Overrides {
        Overrides {
            role: self.role,
            data_dir: self.place.data_dir.clone(),
            dev: self.dev,
            api: self.api,
            http: self.http,
            link: self.link,
            log_level: self.log_level.clone(),
            log_format: self.log_format,
        }
    }
}

/// What `mf2c version` prints.
#[must_use]
pub fn version() -> &'static str {
    concat!("mf2c ", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn refused(line: &str) -> (i32, String) {
        let error = Cli::try_parse_from(line.split(' ')).unwrap_err();
        (error.exit_code(), error.to_string())
    }

    #[test]
    fn every_command_is_in_the_help_with_its_line_and_no_line_is_too_wide() {
        let mut cli = Cli::command();
        cli.build();
        let help = cli.render_help().to_string();
        let shown =
            |command: &&clap::Command| !command.is_hide_set() && !["config", "help"].contains(&command.get_name());
        for command in cli.get_subcommands().filter(shown) {
            let about = command.get_about().unwrap().to_string();
            let listed = help
                .lines()
                .any(|line| line.starts_with(&format!("  {} ", command.get_name())) && line.ends_with(&about));
            assert!(listed, "{}: {about}", command.get_name());
        }
        for command in cli.find_subcommand("config").unwrap().get_subcommands().filter(|it| it.get_name() != "help") {
            let about = command.get_about().unwrap().to_string();
            let line = format!("  config {:<7} {about}\n", command.get_name());
            assert!(help.contains(&line), "{line}");
        }
        assert!(help.contains("\nExamples:\n") && help.lines().all(|line| line.chars().count() <= 120), "{help}");
        let mut commands: Vec<clap::Command> = cli.get_subcommands().cloned().collect();
        while let Some(mut command) = commands.pop() {
            let help = command.render_help().to_string();
            assert!(help.lines().all(|line| line.chars().count() <= 120), "{help}");
            commands.extend(command.get_subcommands().cloned());
        }
        Cli::command().debug_assert();
    }

    #[test]
    fn agent_flags_become_overrides() {
        let line = "mf2c agent --config a.toml --data-dir d --role leader --api 0.0.0.0:1 --http [::1]:2 --link 127.0.0.1:3 --dev \
                    --log-format json --log-level debug,fjall=info";
        let Command::Agent(args) = Cli::try_parse_from(line.split_whitespace()).unwrap().command else { panic!() };
        assert_eq!(args.config_file(), Some(Path::new("a.toml")));
        let expected = Overrides {
            role: Some(Role::Leader),
            data_dir: Some("d".into()),
            dev: true,
            api: Some("0.0.0.0:1".parse().unwrap()),
            http: Some("[::1]:2".parse().unwrap()),
            link: Some("127.0.0.1:3".parse().unwrap()),
            log_level: Some("debug,fjall=info".into()),
            log_format: Some(LogFormat::Json),
        };
        assert_eq!(args.overrides(), expected);
        let Command::Agent(args) = Cli::try_parse_from(["mf2c", "agent"]).unwrap().command else { panic!() };
        assert_eq!(args.overrides(), Overrides::default());
    }

    #[test]
    fn wrong_usage_ends_with_2_and_says_what_was_expected() {
        let cases = [
            ("mf2c agent --api 8443", "`8443` is not an address and a port; write for example `127.0.0.1:8443`"),
            ("mf2c agent --role boss", "`boss` is none of agent, leader, cloud"),
            ("mf2c agent --log-level inof", "did you mean `info`?"),
            ("mf2c agent --log-format xml", "`xml` is none of text, json"),
            ("mf2c agent --confg x", "--config"),
            ("mf2c agnet", "'agent'"),
            ("mf2c backup", "<FILE>"),
            ("mf2c config", "Usage: mf2c config"),
            ("mf2c", "Examples:"),
        ];
        for (line, expected) in cases {
            let (code, message) = refused(line);
            assert_eq!(code, i32::from(exit::USAGE), "{line}");
            assert!(message.contains(expected), "{line}: {message}");
        }
        assert_eq!(refused("mf2c --help").0, i32::from(exit::DONE));
        assert_eq!(refused("mf2c --version"), (0, format!("{}\n", version())));
    }

    #[test]
    fn data_commands_take_a_file_and_a_place() {
        let Command::Restore(args) = Cli::try_parse_from(["mf2c", "restore", "b", "--data-dir", "d"]).unwrap().command
        else {
            panic!()
        };
        assert_eq!((args.backup.as_path(), args.place.overrides().data_dir), (Path::new("b"), Some("d".into())));
    }
}
