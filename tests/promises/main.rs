//! What mf2c promises, each promise in a file of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests say what went wrong by panicking")]

mod access;
mod answers;
mod backup;
mod bad_clients;
mod bad_input;
mod bad_json;
mod conditions;
mod crash;
mod cursors;
mod disk;
mod docs;
mod filters;
mod guide;
mod house;
mod idempotency;
mod install;
mod metrics;
mod openapi;
mod operators;
mod original_client;
mod process_agent;
mod process_config;
mod protocol;
mod queries;
mod rights;
