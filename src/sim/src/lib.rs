//! A whole fog in one process under virtual time: real agents on simulated machines, disks, clocks and lines, with faults, and
//! promises that are looked at all the time.
//!
//! Everything follows from one seed. All agents share one thread, each with its own set of tasks ([`cell`]); time goes on
//! when nobody has anything to do. Faults are drawn before anything runs ([`plan`]), so that a run that breaks a promise can
//! be repeated with fewer of them ([`shrink`]).

pub mod agent;
pub mod agree;
pub mod args;
pub mod cell;
pub mod clock;
pub mod command;
pub mod dice;
pub mod fleet;
pub mod host;
pub mod invariants;
pub mod judge;
pub mod lag;
mod limits;
pub mod load;
pub mod machine;
pub mod net;
pub mod outcome;
pub mod output;
pub mod panics;
pub mod peers;
pub mod picture;
pub mod places;
pub mod plan;
pub mod reign;
pub mod report;
pub mod run;
pub mod scenario;
pub mod script;
pub mod shrink;
pub mod steward;
mod storm;
pub mod timeline;
pub mod trace;
pub mod workload;
