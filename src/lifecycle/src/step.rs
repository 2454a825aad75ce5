//! What goes into a [`Supervisor`](crate::Supervisor), and what comes out of it.

use std::fmt;
use std::time::Duration;

/// What a workload shall do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Desired {
    /// Run.
    Running,
    /// Be there, and not run.
    Stopped,
    /// Not be there.
    Deleted,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exit {
    /// The exit code, if it is known. One of 128 and more is that of a signal.
    pub code: Option<i64>,
    /// Whether it wanted more memory than it may have.
    pub oom: bool,
    /// Whether it did not end by itself: its machine or its engine did.
    pub interrupted: bool,
}

/// For people.
impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { oom: true, .. } => f.write_str("it wanted more memory than it may have, and was ended"),
            Self { code: Some(code), .. } if *code > 128 && *code < 160 => {
                write!(f, "it was ended by signal {}", code - 128)
            }
            Self { code: Some(code), .. } => write!(f, "it ended with the exit code {code}"),
            Self { code: None, .. } => f.write_str("it ended while nobody watched"),
        }
    }
}

impl Exit {
    pub(crate) fn is_failure(self) -> bool {
        self.oom || self.code != Some(0)
    }
}

/// What the engine says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// There is no such workload.
    Missing,
    /// It was never started.
    Created,
    /// It runs.
    Running,
    /// It ended.
    Exited(Exit),
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Look what there is.
    Inspect,
    /// Fetch what it needs: its image, its compose file.
    Prepare,
    /// Create it.
    Create,
    /// Start it.
    Start,
    /// Stop it within its grace time.
    Stop,
    /// Remove it and what belongs to it.
    Remove,
}

/// Why an order was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// A sentence for the operator.
    pub reason: String,
    /// Whether it would end the same again: there is no such image, or a setting is refused.
    pub lasting: bool,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// It shall do something else, or is looked after again.
    Desire(Desired),
    /// The engine told, or was asked.
    Seen(Seen),
    /// An order was carried out, or was not.
    Done(Order, Result<(), Trouble>),
    /// Its health was asked for.
    Probed(bool),
    /// The engine is away: nothing is known until it is back.
    EngineLost,
    /// It is back: what was put off for want of it is tried at once. What there is comes next as [`Input::Seen`].
    EngineBack,
    /// The time that was asked for has come.
    Tick,
}

/// What is worth telling people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// It was created.
    Created,
    /// It was started.
    Started,
    /// It ended without being told to.
    Exited(Exit),
    /// It is started again after a pause.
    Restarting(Duration),
    /// It ended with success, and stays so.
    Finished,
    /// It answers as it should.
    Healthy,
    /// It does not.
    Unhealthy,
    /// It was stopped.
    Stopped,
    /// It was stopped because it was unhealthy, and is started again by its policy.
    Recycled,
    /// It was removed.
    Removed,
    /// An order failed; it is tried again, unless that is of no use.
    Troubled(Order, Trouble),
    /// It was started too often within its window.
    GivenUp(u32),
}

/// What follows from an input.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Step {
    /// The order to carry out; its outcome comes back as [`Input::Done`], and after [`Order::Inspect`] as [`Input::Seen`] before.
    pub order: Option<Order>,
    /// Whether its health is to be asked for; [`Input::Probed`] comes back.
    pub probe: bool,
    /// When to come again with [`Input::Tick`].
    pub wake: Option<Duration>,
    /// What to tell.
    pub notes: Vec<Note>,
}
