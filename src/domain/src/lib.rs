//! The words and rules of a fog agent: identifiers, time, access control, resource types and the filter language.
//!
//! Nothing here does I/O or reads a clock: every function takes what it needs and returns what follows, so that each rule
//! can be tested alone and runs unchanged in the simulation.

pub mod acl;
pub mod aggregate;
pub mod area;
pub mod caller;
pub mod entropy;
pub mod filter;
pub mod id;
pub mod legacy;
pub mod nearest;
pub mod path;
pub mod people;
pub mod quantity;
pub mod query;
pub mod resource;
pub mod scalar;
pub mod testbed;
pub mod time;
pub mod webhook;
