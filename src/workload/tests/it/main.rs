//! What backends promise, held against real processes and a real engine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test that cannot go on says so by panicking, and takes the machine's time"
)]

mod applications;
mod containers;
mod containers_events;
mod containers_room;
mod images;
mod processes;
mod processes_limits;
mod processes_many;
mod registry;
mod world;
