//! What runs the parts of a service: one trait, [`ExecutionBackend`], and three bodies of it.
//!
//! [`DockerBackend`] makes containers, [`ComposeBackend`] makes applications of several containers from a compose
//! file, and [`ProcessBackend`] starts plain processes. None of them decides what should run: they do what they are
//! told, tell what there is, and tell at once when something ends. Every call has a time-out and can be repeated.

mod backend;
mod bounded;
mod check;
pub mod compose;
mod docker;
mod error;
mod observed;
mod place;
mod process;
mod secrets;
mod spec;

pub use backend::{Answer, ExecOutcome, ExecutionBackend, Progress, PullPolicy, RegistryLogin, Source};
pub use check::is_image_name;
pub use compose::ComposeBackend;
pub use docker::{DockerBackend, DockerConfig};
pub use error::BackendError;
pub use observed::{
    BackendKind, BoundPort, Capability, Change, Event, EventStream, Feature, Handle, Health, Inspection, Listed,
    LogLine, LogOptions, LogStream, Part, State, Stats, Stream,
};
pub use place::BindRoots;
pub use process::{ProcessBackend, ProcessConfig, shim};
pub use spec::{
    Device, HealthCheck, Limits, LogLimit, Mount, Port, Program, Protocol, Secret, SecretPlace, SecretText, Spec,
    Volume,
};
