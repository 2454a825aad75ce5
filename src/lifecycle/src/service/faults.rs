//! What is wrong with a service.

use std::fmt;

/// The most faults that are told at once.
const MOST_TOLD: usize = 20;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The attribute, such as `health.port`.
    pub place: String,
    /// What was found, and what was expected.
    pub message: String,
}

/// All that is wrong, in the order of the attributes. Never empty where it is an error.
#[derive(Debug, Clone, PartialEq, Eq, Default, thiserror::Error)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    pub(super) fn add(&mut self, place: impl Into<String>, message: impl Into<String>) {
        self.0.push(Fault { place: place.into(), message: message.into() });
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.0.iter().take(MOST_TOLD).enumerate() {
            let joint = if number == 0 { "" } else { "; " };
            write!(f, "{joint}`{}`: {}", fault.place, fault.message)?;
        }
        match self.0.len().saturating_sub(MOST_TOLD) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}
