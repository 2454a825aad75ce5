//! `mf2c`: reads the command line, does what it says, and tells by the exit code how it went.

use std::process::ExitCode;

use clap::Parser as _;
use mf2c_agent::cli::{Cli, exit};
use mf2c_agent::{commands, config, flocker_ca, shim, world};

/// It spends a fifth less of the processor than the system's under load, and gives more back after it. Elsewhere the size of a
/// page differs between machines, and what was built on one would not run on another.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let words = config::command_line();
    if flocker_ca::is_called_so(words.first()) {
        return ExitCode::from(flocker_ca::run(words.get(1..).unwrap_or_default(), &world::real()));
    }
    if shim::is_called(words.get(1)) {
        return shim::run(words);
    }
    match commands::run(Cli::parse().command) {
        Ok(()) => ExitCode::from(exit::DONE),
        Err(failure) => {
            failure.report();
            ExitCode::from(failure.code)
        }
    }
}
