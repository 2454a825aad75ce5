//! What reports, instances and container metrics say, read from their stored JSON in either generation of the guide.

mod container;
mod instance;
mod loose;
mod report;

pub use container::ContainerMetric;
pub use instance::{Instance, InstanceAgent};
pub(crate) use loose::Loose;
pub use report::Report;
