//! An agreement, compiled: what each guarantee asks of which report, and which windows it needs.

mod body;
mod check;
mod guarantee;
mod limits;
mod read;
mod rule;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use mf2c_domain::time::Timestamp;
use serde_json::{Map, Value};

use crate::expression::{Expression, Fault};
use crate::expressions::Expressions;
use crate::state::State;

pub(crate) use body::AssessmentShape;
pub(crate) use guarantee::{Absent, Budgeting, Rule, Trigger, WarningRule};
pub use guarantee::{Guarantee, Penalty, Slo};
pub(crate) use rule::{CallSource, Reading, Source, WindowSpec};

/// An agreement that cannot be read at all. What is wrong with one guarantee stays with that.
#[derive(Debug, thiserror::Error)]
pub enum AgreementError {
    /// The document has another shape.
    #[error("failed to read agreement `{id}`")]
    Shape {
        /// The agreement's id.
        id: String,
        /// What was wrong.
        #[source]
        source: serde_json::Error,
    },
    /// More of something than is assessed.
    #[error("agreement `{id}` is too large at `{place}`: {what}")]
    TooLarge {
        /// The agreement's id.
        id: String,
        /// Where: `details.guarantees[3].penalties`.
        place: String,
        /// What was found, what is allowed, and what to do.
        what: String,
    },
}

/// Something wrong with one part of an agreement.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// Where: `details.guarantees[0].constraint`.
    pub place: String,
    /// What is wrong and what was expected.
    pub message: String,
    /// The fault in an expression, with its position.
    pub fault: Option<Arc<Fault>>,
}

/// A promise about the service level, ready to be assessed.
#[derive(Debug)]
pub struct Agreement {
    pub(crate) id: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) client: Arc<str>,
    pub(crate) state: State,
    pub(crate) creation: Timestamp,
    pub(crate) expiration: Option<Timestamp>,
    /// When the document was changed last.
    pub(crate) updated: Option<Timestamp>,
    /// When the document was made.
    pub(crate) made: Option<Timestamp>,
    /// How late a report may be and count in windows, in milliseconds.
    pub(crate) lateness: i64,
    /// How far ahead of its arrival an operation may end, in milliseconds.
    pub(crate) skew: i64,
    pub(crate) guarantees: Box<[Guarantee]>,
    pub(crate) windows: Box<[WindowSpec]>,
    /// What the stored document says of earlier assessments, where there were any.
    pub(crate) assessed: Option<Box<AssessmentShape>>,
}

impl Agreement {
    /// Reads an agreement from its stored document. A guarantee that does not compile carries its fault; the others work.
    ///
    /// # Errors
    /// [`AgreementError`] where the document as a whole is none.
    pub fn read(id: &str, body: &[u8], shared: &mut Expressions) -> Result<Self, AgreementError> {
        read::agreement(id, body, shared)
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// Its name: `*`, or that of the service that it is for.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// To whom it promises.
    #[must_use]
    pub fn client(&self) -> &Arc<str> {
        &self.client
    }

    /// Whether it is assessed.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// From when it holds.
    #[must_use]
    pub fn creation(&self) -> Timestamp {
        self.creation
    }

    /// When its document was made, which may be long after it began to hold.
    #[must_use]
    pub fn made(&self) -> Option<Timestamp> {
        self.made
    }

    /// Whether a constraint has a fault: what the assessment shows of it is known before anything is assessed.
    #[must_use]
    pub fn is_faulty(&self) -> bool {
        self.guarantees.iter().any(|guarantee| guarantee.rule.is_err())
    }

    /// Until when it holds.
    #[must_use]
    pub fn expiration(&self) -> Option<Timestamp> {
        self.expiration
    }

    /// The single promises.
    #[must_use]
    pub fn guarantees(&self) -> &[Guarantee] {
        &self.guarantees
    }

    /// Whether any promise is about availability: only then does it need to hear of instances and containers.
    #[must_use]
    pub fn watches_availability(&self) -> bool {
        self.guarantees.iter().any(|guarantee| guarantee.rules().any(Rule::reads_availability))
    }

    /// Whether silence from its beginning on means something: then its book is opened when it is started, and not with the first
    /// report, so that it is looked at by the clock.
    #[must_use]
    pub fn waits_for_absence(&self) -> bool {
        self.state == State::Started && self.guarantees.iter().any(Guarantee::waits_for_absence)
    }

    /// Whether what was charged before decides what is charged next: a cap, or a charge once a window.
    #[must_use]
    pub fn counts_charges(&self) -> bool {
        self.guarantees.iter().flat_map(Guarantee::penalties).any(Penalty::is_counted)
    }

    /// How far back reports matter for what comes, in milliseconds: its longest window, budget or penalty period, and a day where the
    /// last value of a metric meets others, or several measurements in a row count. 0 where each report counts for itself.
    #[must_use]
    pub fn looks_back(&self) -> i64 {
        let windows = self.windows.iter().map(|window| window.length);
        let budgets = self.guarantees.iter().filter_map(Guarantee::slo).map(|slo| slo.window);
        let penalties = self.guarantees.iter().flat_map(Guarantee::penalties);
        let charged = penalties.filter_map(|penalty| penalty.window.max(penalty.period));
        let rows = self.guarantees.iter().any(Guarantee::remembers).then_some(MEMORY);
        windows.chain(budgets).chain(charged).chain(rows).max().unwrap_or(0)
    }
}

/// How far back last values and measurements in a row are looked for after a restart, in milliseconds: a day.
const MEMORY: i64 = 86_400_000;

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Agreement,
    /// Its constraints may hold placeholders.
    Template,
}

/// All that is wrong with the body of an agreement that a client sent, before it is stored.
#[must_use]
pub fn check(body: &Map<String, Value>, shared: &mut Expressions) -> Vec<Problem> {
    check::check(body, Sort::Agreement, shared)
}

/// As [`check`], of a template. Constraints with placeholders are left for the agreements that are made from it.
#[must_use]
pub fn check_template(body: &Map<String, Value>, shared: &mut Expressions) -> Vec<Problem> {
    check::check(body, Sort::Template, shared)
}

/// Whether this can be the constraint of an agreement: as [`check`] does it for each of them, without declared variables. The language
/// is that of `shared`.
///
/// # Errors
/// The fault, with its position.
pub fn check_constraint(text: &str, shared: &mut Expressions) -> Result<Arc<Expression>, Arc<Fault>> {
    check::constraint(text, shared)
}
