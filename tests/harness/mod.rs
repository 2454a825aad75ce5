//! Real agents for tests: each a process of its own, with its own data directory, on ports that the system chose.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on says so by panicking, and waits in real time"
)]

mod agent;
mod curl;
mod http;

pub use agent::{Agent, Start, agent_binary, eventually};
pub use curl::{Answer, curl};
pub use http::Connection;
