//! The commands about services that run: registering, launching, watching and stopping them; keeping them off devices.

mod instances;
mod register;

use clap::{Args, Subcommand};

use super::{ConnectionArgs, ShownArgs};

pub use instances::{ExecArgs, InstanceArgs, LogsArgs, PsArgs, Since};
pub use register::{HealthFlag, RegisterArgs, RestartFlag};

const RUN_EXAMPLES: &str = "\
SERVICE is a name or an id; of several services of one name the newest is taken. The id of the instance goes to
standard output, and how it comes up beside it. A run that is sent again because the connection broke starts
nothing twice.

Examples:
  mf2c run hello
  mf2c run hello --on 5f0c --on 77fe              on these devices and no other
  mf2c run hello --detach --name shop
  mf2c run service/8a31... --template sla-template/77fe... -o json";

const EXPLAIN_EXAMPLES: &str = "\
Nothing is started. The score is the sum of what stands behind it; the best devices come first.

Examples:
  mf2c explain hello
  mf2c explain hello -o json";

const DRAIN_EXAMPLES: &str = "\
Nothing new is placed on the device, and what runs there moves away, until `mf2c uncordon`.

Examples:
  mf2c drain 5f0c
  mf2c drain device/5f0c... --wait 900
  mf2c drain 5f0c --wait 0                        without waiting until it is empty";

const INSTANCE_EXAMPLES: &str = "\
INSTANCE is an id, the beginning of one (4 digits at least), its name, or the name of a service with one
instance.";

/// A command about services that run.
#[derive(Debug, Subcommand)]
pub enum WorkCommand {
    /// Register a service that can be run, or list those that are
    #[command(subcommand)]
    Service(ServiceCommand),
    /// Run a service where it fits, and wait until it is up
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// List what runs
    #[command(after_help = instances::PS_EXAMPLES)]
    Ps(PsArgs),
    /// Show what an instance has written
    #[command(after_help = instances::LOGS_EXAMPLES)]
    Logs(LogsArgs),
    /// Run a program beside an instance
    #[command(after_help = instances::EXEC_EXAMPLES)]
    Exec(ExecArgs),
    /// Stop an instance; it can be started again
    #[command(after_help = INSTANCE_EXAMPLES)]
    Stop(InstanceArgs),
    /// Start an instance that was stopped
    #[command(after_help = INSTANCE_EXAMPLES)]
    Start(InstanceArgs),
    /// Stop and start an instance
    #[command(after_help = INSTANCE_EXAMPLES)]
    Restart(InstanceArgs),
    /// Let an instance take over its service as it is registered now
    #[command(after_help = instances::UPDATE_EXAMPLES)]
    Update(InstanceArgs),
    /// Stop an instance and remove it
    #[command(after_help = INSTANCE_EXAMPLES)]
    Rm(InstanceArgs),
    /// Tell for each device whether it would run a service, and why
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(ExplainArgs),
    /// Move what runs on a device away, and place nothing there
    #[command(after_help = DRAIN_EXAMPLES)]
    Drain(DrainArgs),
    /// Place nothing new on a device
    Cordon(DeviceArgs),
    /// Place services on a device again
    Uncordon(DeviceArgs),
}

/// A command about services.
#[derive(Debug, Subcommand)]
pub enum ServiceCommand {
    /// Register a service from a file or by flags
    #[command(after_help = register::EXAMPLES)]
    Register(Box<RegisterArgs>),
    /// List the services that can be run
    List(ShownArgs),
}

/// What to run.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// The service: its name or its id
    #[arg(value_name = "SERVICE")]
    pub service: String,
    /// Make its agreement from this template
    #[arg(long, value_name = "sla-template/ID")]
    pub template: Option<String>,
    /// Only on this device: an id, its beginning, or an address; may be repeated
    #[arg(long, value_name = "DEVICE")]
    pub on: Vec<String>,
    /// A name to know the instance by
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Do not wait until it is up
    #[arg(long)]
    pub detach: bool,
    /// Wait at most so many seconds until it is up
    #[arg(long, value_name = "SECONDS", default_value = "300",
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub wait: u64,
    /// How to show the instance.
    #[command(flatten)]
    pub shown: ShownArgs,
}

/// What to explain.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// The service: its name or its id
    #[arg(value_name = "SERVICE")]
    pub service: String,
    /// How to show it.
    #[command(flatten)]
    pub shown: ShownArgs,
}

/// Which device.
#[derive(Debug, Clone, Args)]
pub struct DeviceArgs {
    /// The device: its id or the beginning of it
    #[arg(value_name = "DEVICE")]
    pub device: String,
    /// Which agent.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Which device, and how long to wait.
#[derive(Debug, Clone, Args)]
pub struct DrainArgs {
    /// Wait at most so many seconds until nothing runs there
    #[arg(long, value_name = "SECONDS", default_value = "300",
          value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub wait: u64,
    /// Which device.
    #[command(flatten)]
    pub device: DeviceArgs,
}

#[cfg(test)]
mod tests;
