//! Applications of several containers, from a documented part of the compose format.
//!
//! Understood are `services` with `image`, `command`, `entrypoint`, `environment`, `ports`, `volumes`, `networks`,
//! `depends_on` (`service_started`, `service_healthy`), `labels`, `devices`, `healthcheck`, `working_dir`, `user`,
//! `restart` (as a hint), `deploy.resources.limits`, `mem_limit`, `cpus` and `pids_limit`; `networks`, also
//! `external` ones; `volumes`; `version` and `name`, which say nothing here; and everything that begins with `x-`,
//! unread. All else is refused by name. [`read`] is pure; [`ComposeBackend`] does what it says.

mod application;
mod backend;
mod engine;
mod parse;
mod parts;
mod plan;
mod reader;
mod text;

#[cfg(test)]
mod tests;

pub use application::{AppPart, Application, ComposeError, Condition, RestartHint};
pub use backend::ComposeBackend;
pub use parse::read;
