//! Compiled expressions and names, each kept once however many agreements use it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::expression::{Expression, Fault, Grammar, TimeUnit};

/// What is kept at most before what nobody uses any more is let go.
const SWEEP_AT: usize = 1024;

/// How far times may be off and still be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tolerance {
    /// How late a report may be and still count in windows: `sla.max_lateness` of `spec/sla.md` 5.4.
    pub lateness: Duration,
    /// How far ahead of its arrival an operation may end: `sla.max_future_skew`.
    pub skew: Duration,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { lateness: Duration::from_secs(120), skew: Duration::from_secs(5) }
    }
}

/// The expressions and names of all agreements. A hundred thousand agreements with one constraint share its compiled form.
#[derive(Debug)]
pub struct Expressions {
    grammar: Grammar,
    unit: TimeUnit,
    tolerance: Tolerance,
    compiled: HashMap<Arc<str>, Result<Arc<Expression>, Arc<Fault>>>,
    names: HashSet<Arc<str>>,
    sweep_at: usize,
}

impl Expressions {
    /// None yet. Variables that are times have this unit, so that `800ms` means something.
    #[must_use]
    pub fn new(grammar: Grammar, unit: TimeUnit) -> Self {
        let (tolerance, compiled, names) = (Tolerance::default(), HashMap::new(), HashSet::new());
        Self { grammar, unit, tolerance, compiled, names, sweep_at: SWEEP_AT }
    }

    /// The same, for agreements whose reports may be off by so much.
    #[must_use]
    pub fn tolerating(self, tolerance: Tolerance) -> Self {
        Self { tolerance, ..self }
    }

    pub(crate) fn tolerance(&self) -> Tolerance {
        self.tolerance
    }

    /// The language.
    #[must_use]
    pub fn grammar(&self) -> Grammar {
        self.grammar
    }

    /// The unit of `execution_time`.
    #[must_use]
    pub fn unit(&self) -> TimeUnit {
        self.unit
    }

    /// The compiled form of a constraint.
    ///
    /// # Errors
    /// The fault in it; that is kept once, too.
    pub fn constraint(&mut self, text: &str) -> Result<Arc<Expression>, Arc<Fault>> {
        if let Some(known) = self.compiled.get(text) {
            return known.clone();
        }
        self.sweep();
        let compiled = Expression::constraint_in(text, self.grammar, self.unit).map(Arc::new).map_err(Arc::new);
        // A text that is refused for its length is not worth keeping.
        if text.len() <= 64 * 1024 {
            self.compiled.insert(text.into(), compiled.clone());
        }
        compiled
    }

    /// A name, shared with all who have the same.
    pub fn name(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.names.get(text) {
            return Arc::clone(known);
        }
        self.sweep();
        let name: Arc<str> = text.into();
        self.names.insert(Arc::clone(&name));
        name
    }

    /// How many expressions and names are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.compiled.len() + self.names.len()
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lets go of what only this table holds, whenever it has doubled since the last time.
    fn sweep(&mut self) {
        if self.len() < self.sweep_at {
            return;
        }
        self.compiled.retain(|_, compiled| match compiled {
            Ok(expression) => Arc::strong_count(expression) > 1,
            Err(fault) => Arc::strong_count(fault) > 1,
        });
        self.names.retain(|name| Arc::strong_count(name) > 1);
        self.sweep_at = (self.len() * 2).max(SWEEP_AT);
    }
}

impl Default for Expressions {
    /// The extended language, times in seconds.
    fn default() -> Self {
        Self::new(Grammar::Extended, TimeUnit::Seconds)
    }
}
