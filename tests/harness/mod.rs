//! Real agents for tests: each a process of its own, with its own data directory, on ports that the system chose.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test that cannot go on says so by panicking, waits in real time, and says when it is skipped"
)]

mod agent;
mod clock;
mod command;
mod curl;
mod disk;
mod engine;
mod fog;
mod guest;
mod http;
mod net;
mod python;
mod random;
mod receiver;
mod skip;
mod smtp;
mod stream;

pub use agent::{Agent, Start, agent_binary, eventually, let_pass, timed, wall_clock};
pub use clock::Clock;
pub use command::{Following, Ran, mf2c, mf2c_fed, mf2c_with, run};
pub use curl::{Answer, curl};
pub use disk::SmallDisk;
pub use engine::Engine;
pub use fog::{Fog, free_address};
pub use guest::guest;
pub use http::{Connection, Response};
pub use net::Net;
pub use python::python;
pub use random::Random;
pub use receiver::{Delivery, Receiver, Reply};
pub use skip::skip;
pub use smtp::{Mail, SmtpServer};
pub use stream::{Event, EventStream};

/// A number that an environment variable sets, for tests that can be made longer.
///
/// # Panics
/// If it is set to something else.
#[must_use]
pub fn number_from_environment(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}
