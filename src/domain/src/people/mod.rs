//! The rules of people and programs: who may try to sign in how often, and as what somebody signs in.

pub mod account;
pub mod key;
mod recent;
pub mod session;
pub mod throttle;
