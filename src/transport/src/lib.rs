//! The real network behind the actors' ports.

pub mod smtp;
pub mod webhook;
