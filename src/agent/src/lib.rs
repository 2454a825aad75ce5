//! The `mf2c` program: configuration, command line and the node that joins all rooms.

mod accounts;
mod area;
mod certauths;
pub mod certified;
pub mod cli;
pub mod commands;
pub mod config;
pub mod control;
mod deltacloud_door;
mod deter_door;
mod discovery;

mod first_admin;
pub mod flocker_ca;
mod flocker_door;
mod legacy;
pub mod logging;
pub mod node;
pub mod process_figures;
pub mod service_manager;
mod services_doors;
pub mod shim;
mod sla_door;
pub mod world;
