//! Service level agreements: the constraint language, and how reports are held against what was promised. Pure: time comes in as
//! an argument, and nothing is read or written.
//!
//! The way of a report: [`Report::read`] takes it from its document, [`Book::report`] holds it against a compiled [`Agreement`],
//! and [`Finding`]s come out. What depends on time alone is found by [`Book::tick`], which is due at [`Book::due`].
//!
//! # Differences from the original
//! The numbers are those of the vectors in `spec/sla.md` 7.2.
//! - A5: two guarantees of one name are two promises, each with its own violations; the original forgot the first.
//! - A6: a constraint that does not compile leaves the other guarantees alone, and its fault is shown in the assessment.
//! - A7, A14, A15: a value that nobody measured makes a promise undetermined, neither broken nor stuck. `absent` changes that.
//! - A8: several variables meet in one constraint, each with its last value.
//! - A10, E20: a constraint that is a constant, a bare value, or a comparison of a text with a number is refused when an agreement is
//!   created; the evaluator has them as the original does.
//! - A12: a constraint that is not true or false is a fault when the agreement is read, and never a crash.
//! - A13: aggregations aggregate. A promise about a window is broken at most once in each window of its length.
//! - A18: availability is unknown until a whole window has passed since the agreement and the instance began.
//! - A20: what finishes while an agreement is stopped does not count.
//! - A22 to A26: one report breaks one guarantee once, however often it is delivered, edited or looked at. A report that comes
//!   again with another length, and thus another end, is another report.
//! - A25: a report from the future counts at its arrival, and its violation says so.
//! - A27: what finished before an agreement was terminated or expired is assessed, even if it is heard of later.
//! - A30 to A32: parameters of templates are typed values, not pieces of text; periods are relative to the beginning.

mod agreement;
mod attach;
mod availability;
mod book;
mod document;
mod edit;
pub mod expression;
mod expressions;
mod finding;
pub mod openslo;
mod period;
pub mod qos;
mod rehearsal;
mod state;
mod template;
mod window;

pub use agreement::{
    Agreement, AgreementError, Guarantee, Penalty, Problem, Slo, check, check_constraint, check_template,
};
pub use attach::{Candidate, attach};
pub use book::{Book, BurnRate, EpisodeState, PenaltyState, SloReport};
pub use document::{ContainerMetric, Instance, InstanceAgent, Report};
pub use edit::{Refusal, Rules};
pub use expressions::{Expressions, Tolerance};
pub use finding::{Burn, Episode, Finding, Key, PenaltyDue, Severity, Violation, Warning};
pub use period::Period;
pub use rehearsal::{Rehearsal, TooLong};
pub use state::{State, TransitionError};
pub use template::{TemplateError, generate};
