//! The rules of services that run: what an agent does so that a workload does what it should, when it is started again, whether
//! it works, and what is told of it. Pure: time and chance come in as arguments, and nothing is read or written.

mod health;
mod restart;
pub mod service;
pub mod status;
mod step;
mod supervisor;

pub use health::{Answers, Health, HealthCheck, Probe};
pub use restart::{RestartPolicy, RestartWhen, Restarts};
pub use status::AgentStatus;
pub use step::{Desired, Exit, Input, Note, Order, Seen, Step, Trouble};
pub use supervisor::Supervisor;
