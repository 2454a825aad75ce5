//! What mf2c promises, each promise in a file of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests say what went wrong by panicking")]

mod access;
mod accounts;
mod answers;
mod api_keys;
mod attacks;
mod backup;
mod bad_clients;
mod bad_input;
mod bad_json;
mod callbacks;
mod cau;
mod certauths;
mod client;
mod client_events;
mod client_people;
mod client_trust;
mod conditions;
mod crash;
mod cursors;
mod disk;
mod docs;
mod docs_client;
mod events;
mod filters;
mod flocker;
mod guide;
mod guide_people;
mod house;
mod idempotency;
mod install;
mod mail;
mod metrics;
mod openapi;
mod operators;
mod original_client;
mod process_agent;
mod process_config;
mod protocol;
mod queries;
mod rights;
mod sign_in;
mod webhooks;
