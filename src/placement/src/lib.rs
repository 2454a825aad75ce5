//! Which devices run a service, and why: what owners share, which device is best, and what moves when an agent is
//! lost. Pure: time comes in as an argument, and nothing is read or written.
//!
//! The way of a request: [`document`] reads the documents, [`rank`] holds every candidate against the service's needs
//! and the owner's [`policy`], [`select`] takes as many as are wanted, and [`explain`] tells all of it. [`optimal`]
//! tells it in the words of the original's recommender. [`reschedule`] decides later what is placed anew.
//!
//! # What a score is made of
//! The mean of what is free, over the resources that the service's category leans on; a bonus for each optional
//! resource that the device has; less a penalty for each instance of the service that is there already, and for each
//! failure of the last hour. Sums are of whole millionths, so that they do not depend on an order, and neither NaN
//! nor infinity can come in. Of equals the requesting device comes first, then the lesser id.
//!
//! # What is not known
//! A figure that a device does not give counts as nothing free: an unknown must not attract work. The battery is the
//! exception, as in the original: a charge that cannot be read keeps nothing away.
//!
//! # Differences from the original
//! The numbers are those of `spec/lifecycle.md`.
//! - B.4: limits for processor, memory, disk, bandwidth and position are held, and so is `service_consumer`; the
//!   original kept them and never looked. Running applications are counted by the caller, never kept. A verdict says
//!   which limit, and what is there.
//! - B.5: a battery is no violation while the device is on mains power.
//! - C.3: free processor is not taken for free memory, and the busiest device is not the best. Services are told by
//!   id, not by name; all sensors count, not only the first; architecture, system, memory, disk and backends count at
//!   all.
//! - A.5: a device that does not answer is not taken; the original took it.

pub mod document;
pub mod explain;
mod figure;
#[cfg(test)]
mod fixture;
pub mod optimal;
mod platform;
pub mod policy;
pub mod rank;
pub mod reschedule;
pub mod select;
mod text;
mod units;

pub use figure::Figure;
pub use platform::{AgentType, ArchNeed, Backend, Backends, ExecType};
pub use units::{Mebibytes, Percent};
