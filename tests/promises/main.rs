//! What mf2c promises, each promise in a file of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests say what went wrong by panicking")]

mod crash;
mod guide;
mod process_agent;
mod process_config;
