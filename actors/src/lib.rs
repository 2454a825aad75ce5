//! The actors of a fog agent. Each is thin: it passes time and input to rules below and turns what comes back into
//! messages.

pub mod inventory;
pub mod ports;
pub mod resource_store;
pub mod supervisor;
pub mod webhook_dispatcher;
