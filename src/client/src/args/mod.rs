//! What can be asked of the client: its commands and flags. The program takes them into its own command line.

mod people;
mod resources;
mod services;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

pub use people::{
    CertificateArgs, KeyCommand, NewKeyArgs, NewUserArgs, OwnKeysArgs, PasswordArgs, UserArgs, UserCommand,
};
pub use resources::{ActionArgs, CreateArgs, DeleteArgs, EditArgs, EventsArgs, GetArgs, QueryArgs};
pub use services::{
    DeviceArgs, DrainArgs, ExecArgs, ExplainArgs, HealthFlag, InstanceArgs, LogsArgs, PsArgs, RegisterArgs,
    RestartFlag, RunArgs, ServiceCommand, Since, WorkCommand,
};

const LOGIN_EXAMPLES: &str = "\
The session is kept in a profile, in $XDG_CONFIG_HOME/mf2c/profiles (~/.config/mf2c/profiles). The password never is.
An agent that made its own certificate is not known to anybody: its SHA-256 fingerprint is shown, and once it was
accepted, only that certificate is. Compare it with the one in the agent's log.

Scripts need no profile: with MF2C_API_KEY and MF2C_API_SECRET set, every command signs in for itself.

Examples:
  mf2c login                                     the agent on this machine
  mf2c login https://fog.example:8443 --user jane
  mf2c login --user jane --password-stdin --fingerprint 4F:0A:...  <password.txt
  mf2c login --as 'internal ADMIN'               an agent in development mode on this machine
  mf2c login --key credential/5f0c... --secret-stdin --profile robot  <secret.txt
  mf2c login --cert jane.crt --cert-key jane.key --ca mf2c-root.pem   with files of `mf2c user cert`";

const STATUS_EXAMPLES: &str = "\
Shows less to those who are not signed in. What cannot be found out is `unknown`.

Examples:
  mf2c status
  mf2c status -o json --url https://fog.example:8443";

const COMPLETIONS_EXAMPLES: &str = "\
Completes commands, flags, resource types, and the attributes of a type where one can stand.

Examples:
  mf2c completions bash >~/.local/share/bash-completion/completions/mf2c
  mf2c completions zsh >~/.zfunc/_mf2c
  mf2c completions fish >~/.config/fish/completions/mf2c.fish";

/// A command of the client.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Sign in to an agent and remember the session
    #[command(after_help = LOGIN_EXAMPLES)]
    Login(LoginArgs),
    /// End the session and forget it
    Logout(PlainArgs),
    /// Tell who is signed in, and for how long
    Whoami(ShownArgs),
    /// Show one resource
    #[command(after_help = resources::GET_EXAMPLES)]
    Get(GetArgs),
    /// List the resources of a type, by filter, order and page
    #[command(after_help = resources::QUERY_EXAMPLES)]
    Query(QueryArgs),
    /// Add a resource from a file or from key=value
    #[command(after_help = resources::CREATE_EXAMPLES)]
    Create(CreateArgs),
    /// Change a resource in an editor, from a file or by key=value
    #[command(after_help = resources::EDIT_EXAMPLES)]
    Edit(EditArgs),
    /// Do what a resource offers besides, such as rotate-secret
    #[command(after_help = resources::ACTION_EXAMPLES)]
    Action(ActionArgs),
    /// Delete resources
    #[command(after_help = resources::DELETE_EXAMPLES)]
    Delete(DeleteArgs),
    /// Follow changes as they happen
    #[command(after_help = resources::EVENTS_EXAMPLES)]
    Events(EventsArgs),
    /// Add, list and activate users, change passwords, handle API keys
    #[command(subcommand)]
    User(UserCommand),
    /// A command about services that run
    #[command(flatten)]
    Work(WorkCommand),
    /// Show on one screen who I am and how the agent is doing
    #[command(after_help = STATUS_EXAMPLES)]
    Status(ShownArgs),
    /// Print the completions for a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
    /// Print what may follow; the shells' completions ask for it
    #[command(hide = true)]
    Complete(CompleteArgs),
}

/// How a result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people: columns, cut to the terminal.
    Table,
    /// For programs: the documents as they are.
    Json,
    /// For people who want to see everything.
    Yaml,
    /// For spreadsheets.
    Csv,
}

/// Which agent, and how to reach it.
#[derive(Debug, Clone, Default, Args)]
pub struct ConnectionArgs {
    /// Use this profile [env: MF2C_PROFILE] [default: default]
    #[arg(long, value_name = "NAME", help_heading = "Connection")]
    pub profile: Option<String>,
    /// Ask this agent [default: the profile's, else https://127.0.0.1:8443]
    #[arg(long, value_name = "URL", help_heading = "Connection")]
    pub url: Option<String>,
    /// How to believe the agent and how long to wait.
    #[command(flatten)]
    pub trust: TrustArgs,
    /// Act as this name and roles (agent in development mode on this machine)
    #[arg(long = "as", value_name = "WHO", help_heading = "Connection")]
    pub speak_as: Option<String>,
}

/// How to believe an agent and how long to wait for it.
#[derive(Debug, Clone, Default, Args)]
pub struct TrustArgs {
    /// Trust the certificates in this PEM file
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    pub ca: Option<PathBuf>,
    /// Believe the one certificate with this fingerprint
    #[arg(long, value_name = "SHA256", help_heading = "Connection", conflicts_with = "ca")]
    pub fingerprint: Option<String>,
    /// Believe every certificate: nothing then protects from somebody in between
    #[arg(long, help_heading = "Connection", conflicts_with_all = ["ca", "fingerprint"])]
    pub insecure: bool,
    /// Wait this many seconds for an answer [default: 30]
    #[arg(long, value_name = "SECONDS", help_heading = "Connection", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub timeout: Option<u64>,
}

/// A command that needs only an agent.
#[derive(Debug, Clone, Args)]
pub struct PlainArgs {
    /// Accepted for scripts; this command never asks
    #[arg(short, long)]
    pub yes: bool,
    /// Which agent.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// A command that shows something.
#[derive(Debug, Clone, Args)]
pub struct ShownArgs {
    /// Write as table, json, yaml or csv
    #[arg(short, long, value_name = "FORMAT", default_value = "table", hide_possible_values = true)]
    pub output: Format,
    /// Which agent.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// How to sign in.
#[derive(Debug, Clone, Args)]
pub struct LoginArgs {
    /// The agent [default: the profile's, else https://127.0.0.1:8443]
    #[arg(value_name = "URL")]
    pub url: Option<String>,
    /// Sign in as this user [default: ask]
    #[arg(long, value_name = "NAME", conflicts_with = "key")]
    pub user: Option<String>,
    /// Read the password from standard input
    #[arg(long, conflicts_with = "key")]
    pub password_stdin: bool,
    /// Sign in with this API key
    #[arg(long, value_name = "ID")]
    pub key: Option<String>,
    /// Read the key's secret from standard input
    #[arg(long, requires = "key")]
    pub secret_stdin: bool,
    /// Show this certificate from now on, instead of a session
    #[arg(long, value_name = "FILE", requires = "cert_key", conflicts_with_all = ["user", "password_stdin", "key"])]
    pub cert: Option<PathBuf>,
    /// The key of the certificate
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub cert_key: Option<PathBuf>,
    /// Do not sign in: act as this name and roles (agent in development mode on this machine)
    #[arg(long = "as", value_name = "WHO", conflicts_with_all = ["user", "password_stdin", "key", "cert"])]
    pub speak_as: Option<String>,
    /// Keep the session in this profile [env: MF2C_PROFILE] [default: default]
    #[arg(long, value_name = "NAME", help_heading = "Connection")]
    pub profile: Option<String>,
    /// How to believe the agent and how long to wait.
    #[command(flatten)]
    pub trust: TrustArgs,
}

/// A shell with completions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU bash.
    Bash,
    /// Z shell.
    Zsh,
    /// fish.
    Fish,
}

/// Which shell.
#[derive(Debug, Clone, Args)]
pub struct CompletionsArgs {
    /// bash, zsh or fish
    #[arg(value_name = "SHELL", hide_possible_values = true)]
    pub shell: Shell,
}

/// What stands on the line so far.
#[derive(Debug, Clone, Args)]
pub struct CompleteArgs {
    /// The words behind `mf2c`, the one to complete last
    #[arg(value_name = "WORD", trailing_var_arg = true, allow_hyphen_values = true)]
    pub words: Vec<String>,
}
