//! Leadership among several agents over a network that delays, loses and parts, in virtual time.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on says so by panicking"
)]

mod automatic;
mod elections;
mod losses;
mod node;
mod partitions;
mod random;
mod refound;
mod roles;
mod trust;
mod world;
