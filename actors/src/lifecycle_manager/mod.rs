//! `LifecycleManager`: makes services run, and keeps them running.

mod actor;
mod messages;


pub use messages::{
    Backends, CheckPolicy, Exec, Explain, Launch, Launched, Line, Lines, Operate, Operation, PartIndex, ReadLogs,
    Schedule, Scheduling, Source, StartJob, Trouble, Usage, WorkError,
};

/// See the module.
pub struct LifecycleManager {}
