//! The language of constraints, such as `execution_time < 10 && p95(execution_time, 5m) < 800ms`.
//!
//! A text is read and checked once, when an agreement is created; then it is evaluated for each report. Two grammars:
//! [`Grammar::Original`] is that of the original's library (govaluate 3.0.0), oddities included, but with dates in UTC;
//! [`Grammar::Extended`] adds `and`, `or`, `not`, exponents, prefixes without blanks, units, functions over windows,
//! `is missing`, and an unknown outcome where a value is missing. What the extended grammar reads otherwise: a quoted
//! text ends at the quote it began with, what follows a finished expression is a fault, and `not` before an operand,
//! `and`, `or` and `is` behind one are no names.

mod call;
mod date;
mod evaluate;
mod fault;
mod hint;
mod kinds;
mod node;
mod original;
mod parse;
mod plain;
mod print;
#[cfg(test)]
mod tests;
mod threshold;
mod token;
mod typed;
mod value;

pub use evaluate::{EvaluationError, Scope};
pub use fault::Fault;
pub use node::{Call, Function, TimeUnit};
pub use threshold::{Bound, Threshold};
pub use value::Value;

use evaluate::{Evaluation, Stop};
use node::{Node, Slot};
use parse::Reading;
use plain::Plain;

/// The longest text, in bytes.
pub const MAX_BYTES: usize = 64 * 1024;
/// How deep parentheses and prefixes nest at most.
pub const MAX_NESTING: usize = 64;
/// The most operands and operators.
pub const MAX_NODES: usize = 4_096;

/// Which texts are expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Grammar {
    /// What the original accepts, with its messages.
    Original,
    /// What agreements are created with.
    #[default]
    Extended,
}

/// What a constraint says of the values it was held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Kept,
    /// It does not.
    Broken,
    /// A value that decides is missing.
    Undetermined,
}

/// A compiled expression. Two are equal if their trees are, whatever blanks their texts have.
#[derive(Debug)]
pub struct Expression {
    text: Box<str>,
    grammar: Grammar,
    root: Node,
    variables: Box<[Box<str>]>,
    calls: Box<[Call]>,
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.grammar == other.grammar
            && self.root == other.root
            && self.variables == other.variables
            && self.calls == other.calls
    }
}

impl Expression {
    /// Reads an expression that may yield anything; times are in seconds.
    ///
    /// # Errors
    /// [`Fault`] where the text leaves the grammar or passes a bound.
    pub fn compile(text: &str, grammar: Grammar) -> Result<Self, Fault> {
        Self::compile_in(text, grammar, TimeUnit::default())
    }

    /// As [`Expression::compile`], with literals such as `800ms` turned into `unit`.
    ///
    /// # Errors
    /// As [`Expression::compile`].
    pub fn compile_in(text: &str, grammar: Grammar, unit: TimeUnit) -> Result<Self, Fault> {
        Self::read(text, Reading { grammar, unit, constraint: false, texts: None })
    }

    /// Reads an expression that must be able to be true or false; times are in seconds.
    ///
    /// # Errors
    /// [`Fault`] as [`Expression::compile`], and where operands can never fit their operator.
    pub fn constraint(text: &str, grammar: Grammar) -> Result<Self, Fault> {
        Self::constraint_in(text, grammar, TimeUnit::default())
    }

    /// As [`Expression::constraint`], with literals such as `800ms` turned into `unit`.
    ///
    /// # Errors
    /// As [`Expression::constraint`].
    pub fn constraint_in(text: &str, grammar: Grammar, unit: TimeUnit) -> Result<Self, Fault> {
        Self::read(text, Reading { grammar, unit, constraint: true, texts: None })
    }

    /// As [`Expression::constraint_in`], of a constraint whose variables are known to be texts, if `texts` says so of their names, or
    /// else numbers.
    ///
    /// # Errors
    /// As [`Expression::constraint_in`], and where a text meets a number, where it yields something else than true or false, and
    /// where it has neither a variable nor a function.
    pub(crate) fn typed(
        text: &str,
        grammar: Grammar,
        unit: TimeUnit,
        texts: &dyn Fn(&str) -> bool,
    ) -> Result<Self, Fault> {
        Self::read(text, Reading { grammar, unit, constraint: true, texts: Some(texts) })
    }

    fn read(text: &str, reading: Reading<'_>) -> Result<Self, Fault> {
        if text.len() > MAX_BYTES {
            let message = format!("the expression has {} bytes", text.len());
            return Err(Fault::new("", 0, message, format!("at most {MAX_BYTES}")));
        }
        let parsed = parse::parse(text, reading)?;
        Ok(Self {
            text: text.into(),
            grammar: reading.grammar,
            root: parsed.root,
            variables: parsed.variables.into(),
            calls: parsed.calls.into(),
        })
    }

    /// The text as it was given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The grammar it was read by.
    #[must_use]
    pub fn grammar(&self) -> Grammar {
        self.grammar
    }

    /// The variables by slot, each once. One that only functions name is not here.
    #[must_use]
    pub fn variables(&self) -> &[Box<str>] {
        &self.variables
    }

    /// The calls of functions by slot; equal ones share a slot.
    #[must_use]
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// The value for the values of `scope`.
    ///
    /// # Errors
    /// [`EvaluationError`] where a value that decides is missing or of the wrong kind.
    pub fn evaluate<'a, S: Scope + ?Sized>(&'a self, scope: &'a S) -> Result<Value<'a>, EvaluationError> {
        Evaluation { expression: self, scope }.whole().map_err(|stop| match stop {
            Stop::Missing(slot) => EvaluationError::Missing { name: self.name(slot) },
            Stop::Error(error) => *error,
        })
    }

    /// Whether the constraint holds for the values of `scope`.
    ///
    /// # Errors
    /// [`EvaluationError`] where a value is of the wrong kind; a missing one makes [`Verdict::Undetermined`].
    pub fn holds<S: Scope + ?Sized>(&self, scope: &S) -> Result<Verdict, EvaluationError> {
        let evaluation = Evaluation { expression: self, scope };
        match evaluation.plain(&self.root) {
            Some(Plain::True) => return Ok(Verdict::Kept),
            Some(Plain::False) => return Ok(Verdict::Broken),
            Some(Plain::Missing) => return Ok(Verdict::Undetermined),
            Some(Plain::Number(_)) | None => {}
        }
        match evaluation.node(&self.root) {
            Ok(Value::Boolean(true)) => Ok(Verdict::Kept),
            Ok(Value::Boolean(false)) => Ok(Verdict::Broken),
            Ok(value) => Err(EvaluationError::NotABoolean { value: evaluate::shown(&value) }),
            Err(Stop::Missing(_)) => Ok(Verdict::Undetermined),
            Err(Stop::Error(error)) => Err(*error),
        }
    }

    /// The bound that the constraint sets to `variable`, if it is as simple as `x < 5`, `5 > x` or `a && x <= 5`: the
    /// lowest upper one, else the greatest lower one.
    #[must_use]
    pub fn threshold(&self, variable: &str) -> Option<Threshold> {
        let slot = self.variables.iter().position(|name| **name == *variable)?;
        threshold::find(self, Slot::Variable(u16::try_from(slot).ok()?))
    }

    /// As [`Expression::threshold`], of the call in this slot: `p95(x, 300) < 5`.
    #[must_use]
    pub fn call_threshold(&self, slot: usize) -> Option<Threshold> {
        threshold::find(self, Slot::Call(u16::try_from(slot).ok()?))
    }

    fn name(&self, slot: Slot) -> Box<str> {
        match slot {
            Slot::Variable(slot) => self.variables.get(usize::from(slot)).cloned().unwrap_or_default(),
            Slot::Call(slot) => self.calls.get(usize::from(slot)).map(Call::to_string).unwrap_or_default().into(),
        }
    }
}
