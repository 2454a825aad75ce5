//! What is assessed is exact: whatever comes before what it is about, while nobody looks, or where a worker fails.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so by panicking")]

mod catching_up;
mod early;
mod failing;
mod world;
