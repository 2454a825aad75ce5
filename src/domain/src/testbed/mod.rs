//! Projects, experiments and resources as the DETER testbed has them (`spec/facades.md` 3.4, 3.5): who may do what, what is
//! asked for, and what became of it.
//!
//! Pure rules over plain structs. The structs are what the documents of the types `project`, `experiment`, `computer` and
//! `image` hold.

pub mod access;
pub mod aspect;
pub mod components;
pub mod computer;
pub mod experiment;
pub mod image;
pub mod names;
pub mod outline;
pub mod parting;
pub mod pattern;
pub mod plan;
pub mod project;
pub mod realization;
pub mod rights;
pub mod state;
pub mod topdl;

use serde::{Deserialize, Serialize};

/// Why something is refused. The texts of requests are those of the original where clients know them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The caller may not.
    #[error("Access denied")]
    Access,
    /// What is asked makes no sense, or not now.
    #[error("{0}")]
    Request(String),
    /// Nobody does that here.
    #[error("{0}")]
    Unimplemented(String),
}

impl Refusal {
    /// A request that makes no sense.
    #[must_use]
    pub fn request(text: impl Into<String>) -> Self {
        Self::Request(text.into())
    }
}

/// What became of one part of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Which part: a user, an aspect, an attribute.
    pub name: String,
    /// Why it was not done; none where it was.
    pub reason: Option<String>,
}

impl Outcome {
    /// It was done.
    #[must_use]
    pub fn done(name: impl Into<String>) -> Self {
        Self { name: name.into(), reason: None }
    }

    /// It was not done.
    #[must_use]
    pub fn failed(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { name: name.into(), reason: Some(reason.into()) }
    }

    /// Whether it was done.
    #[must_use]
    pub fn success(&self) -> bool {
        self.reason.is_none()
    }
}

/// Who asks, by the name that he goes by in the testbed.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// The user.
    pub uid: &'a str,
    /// Whether he administers the testbed.
    pub admin: bool,
}
