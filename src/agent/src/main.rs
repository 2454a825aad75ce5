//! `mf2c`: reads the command line, does what it says, and tells by the exit code how it went.

use std::process::ExitCode;

use clap::Parser as _;
use mf2c_agent::cli::{Cli, exit};
use mf2c_agent::commands;

fn main() -> ExitCode {
    match commands::run(Cli::parse().command) {
        Ok(()) => ExitCode::from(exit::DONE),
        Err(failure) => {
            failure.report();
            ExitCode::from(failure.code)
        }
    }
}
