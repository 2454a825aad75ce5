//! The rules of people and programs: who may try to sign in how often, and as what somebody signs in.

pub mod account;
pub mod callback;
pub mod key;
pub mod keyring;
pub mod mail;
pub mod names;
pub mod profile;
mod recent;
pub mod registration;
pub mod session;
pub mod stored;
pub mod throttle;

/// The name of the administrator whom an agent makes at its first start.
pub const FIRST_ADMIN: &str = "admin";
