//! The REST facade: what clients of a fog agent see.

pub mod caller;
pub mod certauths;
pub mod certificates;
pub mod cimi;
pub mod deltacloud;
pub mod deter;
pub mod discovery;
pub mod error;
pub mod events;
pub mod flocker;
pub mod front;
pub mod identification;
pub mod lm;
pub mod monitor;
mod people;
pub mod policies;
mod proxy;
pub mod qos;
pub mod recognizer;
pub mod sla;
pub mod um;
