//! What this machine is and how it is doing, as the CIMI documents `device` and `device-dynamic` describe it.
//!
//! [`Machine`] is the port: typed [`Facts`] and [`Sample`]s. [`SystemMachine`] reads them from the machine the agent runs
//! on. Everything after that is pure: [`device_attributes`] and [`dynamic_attributes`] turn them into attributes, and a
//! [`Publisher`] decides which changes are worth publishing and when.

mod attributes;
mod change;
mod cpu;
mod declared;
mod identity;
mod network;
mod port;
mod power;
mod publisher;
mod roots;
mod storage;
mod system;
mod topology;

pub use attributes::{NO_ADDRESS, device_attributes, dynamic_attributes};
pub use change::{apply, delta, noticeable};
pub use declared::{Declared, DeclaredSensor};
pub use identity::{device_id, digest, hardware_marks};
pub use port::{
    Battery, BatteryState, Counters, Facts, Interface, InterfaceKind, Machine, Power, Sample, Storage,
    primary_interface,
};
pub use publisher::{DEFAULT_INTERVAL, DEFAULT_SAMPLING, DEFAULT_THRESHOLD_PERCENT, Publisher};
pub use roots::Roots;
pub use system::{SystemMachine, own_address};
