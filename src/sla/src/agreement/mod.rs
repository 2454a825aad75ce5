//! An agreement, compiled: what each guarantee asks of which report, and which windows it needs.

mod body;
mod guarantee;
mod read;
mod rule;

use std::sync::Arc;

use mf2c_domain::time::Timestamp;
use serde_json::{Map, Value};

use crate::expression::Fault;
use crate::expressions::Expressions;
use crate::state::State;

pub(crate) use body::AssessmentShape;
pub(crate) use guarantee::{Absent, Budgeting, Rule, Trigger, WarningRule};
pub use guarantee::{Guarantee, Penalty, Slo};
pub(crate) use rule::{CallSource, Reading, Source, WindowSpec};

/// The most windows of one agreement.
pub(crate) const MAX_WINDOWS: usize = 64;
/// The most guarantees of one agreement.
pub(crate) const MAX_GUARANTEES: usize = 1000;

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
    /// More guarantees than are assessed.
    #[error("agreement `{id}` has {count} guarantees: at most {MAX_GUARANTEES} are assessed; split it")]
    TooMany {
        /// The agreement's id.
        id: String,
        /// How many it has.
        count: usize,
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

    /// How far back reports matter for what comes, in milliseconds: its longest window, budget or penalty period. 0 where each report
    /// counts for itself.
    #[must_use]
    pub fn looks_back(&self) -> i64 {
        let windows = self.windows.iter().map(|window| window.length);
        let budgets = self.guarantees.iter().filter_map(Guarantee::slo).map(|slo| slo.window);
        let penalties = self.guarantees.iter().flat_map(Guarantee::penalties);
        let charged = penalties.filter_map(|penalty| penalty.window.max(penalty.period));
        windows.chain(budgets).chain(charged).max().unwrap_or(0)
    }
}

/// All that is wrong with the body of an agreement or a template that a client sent, before it is stored. Constraints of templates
/// with placeholders are left for the agreements that are made from them.
#[must_use]
pub fn check(body: &Map<String, Value>, shared: &mut Expressions) -> Vec<Problem> {
    read::check(body, shared)
}
