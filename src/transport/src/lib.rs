//! The real network behind the actors' ports.

pub mod cau;
pub mod discovery;
pub mod link;
pub mod services;
pub mod smtp;
pub mod webhook;
