//! The actors of a fog agent. Each is thin: it passes time and input to rules below and turns what comes back into
//! messages.

pub mod account_manager;
pub mod ca_client;
pub mod categoriser;
pub mod certificate_authority;
pub mod discovery;
pub mod flocker;
pub mod hasher;
pub mod inventory;
pub mod leadership;
pub mod lifecycle_manager;
pub mod mailer;
pub mod ports;
pub mod post;
pub mod qos_provider;
pub mod replicator;
mod resets;
pub mod resource_store;
pub mod session_manager;
pub mod sharing;
pub mod sla_assessor;
pub mod supervisor;
pub mod webhook_dispatcher;
