//! Agreements from OpenSLO v1 documents, and such documents from agreements (`spec/sla.md` 8.1).
//!
//! SLOs of one service become one agreement, named like the service, with a guarantee for each objective. What OpenSLO has no place
//! for stands in annotations below `mf2c.eu/`, so that what was exported is imported again as it was, but for what belongs to the
//! agent that stored it: `acl`, `assessment`, its ids and times. It comes back stopped. Where a document was edited since, what it
//! says now holds. A metric is a number of the reports, by its name; queries for other systems are refused. A target of 1 is a
//! promise about each single measurement; it is written as 0.999999, because OpenSLO has none of 1.

mod duration;
mod export;
mod import;
mod rest;
mod shape;

pub use export::{Exported, export};
pub use import::{Imported, import};

/// Which documents are taken.
const VERSION: &str = "openslo/v1";
/// The constraint as it is.
const CONSTRAINT: &str = "mf2c.eu/constraint";
/// The operations that a promise is about.
const SCOPE: &str = "mf2c.eu/scope";
/// The guarantee's name.
const GUARANTEE: &str = "mf2c.eu/guarantee";
/// Who promises.
const PROVIDER: &str = "mf2c.eu/provider";
/// To whom.
const CLIENT: &str = "mf2c.eu/client";
/// Until when it holds.
const EXPIRATION: &str = "mf2c.eu/expiration";
/// What else a guarantee has, as JSON.
const REST: &str = "mf2c.eu/rest";
/// What else the agreement has, as JSON.
const AGREEMENT: &str = "mf2c.eu/agreement";

/// Why documents cannot be translated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenSloError {
    /// It is not even YAML, or has another shape.
    #[error("malformed YAML: {0}")]
    Malformed(String),
    /// More text than is read.
    #[error("the text has {0} bytes: at most {max} are read; split it", max = import::MAX_BYTES)]
    TooLarge(usize),
    /// There is nothing to import.
    #[error("there is no document of kind SLO: expected at least one with `apiVersion: {VERSION}`")]
    Nothing,
    /// A document of another version.
    #[error("document {at} has `apiVersion: {found}`, expected `{VERSION}`")]
    Version {
        /// Its number, from 1.
        at: usize,
        /// What it has.
        found: String,
    },
    /// A part of a document makes no sense here.
    #[error("SLO `{name}`: {what}")]
    Slo {
        /// Its name.
        name: String,
        /// What was wrong and what was expected.
        what: String,
    },
    /// The agreement has no guarantee.
    #[error("the agreement has no guarantees: there is nothing to export")]
    Empty,
}

#[cfg(test)]
mod tests;
