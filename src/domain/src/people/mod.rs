//! The rules of people and programs: who may try to sign in how often, and as what somebody signs in.

mod recent;
pub mod throttle;
