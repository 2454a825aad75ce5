//! The real network behind the actors' ports.

pub mod webhook;
