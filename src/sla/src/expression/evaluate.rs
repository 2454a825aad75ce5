//! Evaluates the tree: from left to right, skipping what cannot matter, without allocating for numbers and booleans.

use std::fmt::Write as _;

use super::{
    Expression, Grammar,
    node::{Chain, Level, Node, Op, Prefix, Slot, pattern},
    plain::{self, Plain},
    value::Value,
};

/// Where the values of an evaluation come from.
pub trait Scope {
    /// The value of the variable in this slot of [`Expression::variables`]; none if there is no such value.
    fn variable(&self, slot: usize) -> Option<Value<'_>>;
    /// The value of the call in this slot of [`Expression::calls`]; none if nothing is known in its window.
    fn call(&self, slot: usize) -> Option<f64>;
}

/// Why an expression yields no value. The texts are the original's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// A variable that decides has no value.
    #[error("No parameter '{name}' found.")]
    Missing {
        /// The variable, or the call as the text has it.
        name: Box<str>,
    },
    /// A value of the wrong kind.
    #[error("Value '{value}' cannot be used with the {operator}")]
    Unfit {
        /// The value, shortened.
        value: Box<str>,
        /// Which operator, and what it wanted.
        operator: Box<str>,
    },
    /// A pattern from a variable that is none.
    #[error("Unable to compile regexp pattern '{pattern}': {reason}")]
    Pattern {
        /// The pattern, shortened.
        pattern: Box<str>,
        /// What is wrong with it.
        reason: Box<str>,
    },
    /// A text longer than 64 KiB.
    #[error("a text of the expression is longer than 65536 bytes, expected a shorter one")]
    TooLong,
    /// A constraint that is neither true nor false.
    #[error("the constraint is '{value}', expected true or false: compare it, as in `… < 10`")]
    NotABoolean {
        /// The value, shortened.
        value: Box<str>,
    },
}

/// The longest text that an evaluation makes, in bytes.
const LONGEST_TEXT: usize = 64 * 1024;

/// What ends an evaluation early.
pub(super) enum Stop {
    Missing(Slot),
    Error(Box<EvaluationError>),
}

type Outcome<'a> = Result<Value<'a>, Stop>;

/// A value as an error shows it.
pub(super) fn shown(value: &Value<'_>) -> Box<str> {
    let mut text = bounded(format_args!("{value}"), 200).unwrap_or_else(|text| text + "…");
    text.shrink_to_fit();
    text.into()
}

/// Writes at most `most` bytes; else what fitted is the error.
fn bounded(arguments: std::fmt::Arguments<'_>, most: usize) -> Result<String, String> {
    struct Bounded(String, usize);
    impl std::fmt::Write for Bounded {
        fn write_str(&mut self, part: &str) -> std::fmt::Result {
            let room = self.1 - self.0.len();
            if part.len() > room {
                self.0.push_str(&part[..part.floor_char_boundary(room)]);
                return Err(std::fmt::Error);
            }
            self.0.push_str(part);
            Ok(())
        }
    }
    let mut written = Bounded(String::new(), most);
    match written.write_fmt(arguments) {
        Ok(()) => Ok(written.0),
        Err(_) => Err(written.0),
    }
}

#[cold]
fn unfit<'a>(value: &Value<'_>, op: Op) -> Outcome<'a> {
    let (what, wanted) = match op.level() {
        Level::Or | Level::And => ("logical operator", "it is not a bool"),
        Level::Ternary => ("ternary operator", "it is not a bool"),
        Level::Comparison => ("comparator", "it is not a number"),
        _ => ("modifier", "it is not a number"),
    };
    let operator = format!("{what} '{}', {wanted}", op.symbol()).into();
    Err(Stop::Error(Box::new(EvaluationError::Unfit { value: shown(value), operator })))
}

/// One evaluation.
pub(super) struct Evaluation<'a, S: ?Sized> {
    pub(super) expression: &'a Expression,
    pub(super) scope: &'a S,
}

impl<'a, S: Scope + ?Sized> Evaluation<'a, S> {
    /// The value of the whole expression: by the short way where that can tell.
    pub(super) fn whole(&self) -> Outcome<'a> {
        match self.plain(&self.expression.root) {
            Some(Plain::Number(number)) => Ok(Value::Number(number)),
            Some(Plain::True) => Ok(Value::Boolean(true)),
            Some(Plain::False) => Ok(Value::Boolean(false)),
            // Only the long way tells what is missing.
            Some(Plain::Missing) | None => self.node(&self.expression.root),
        }
    }

    pub(super) fn node(&self, node: &'a Node) -> Outcome<'a> {
        match node {
            Node::Number { value, .. } => Ok(Value::Number(*value)),
            Node::Value(slot) => self.slot(*slot).ok_or(Stop::Missing(*slot)),
            Node::Chain(chain) => self.chain(chain),
            Node::Boolean(boolean) => Ok(Value::Boolean(*boolean)),
            Node::Prefix(prefix, operand) => self.prefixed(*prefix, operand),
            Node::Text(text) => Ok(Value::text(text)),
            Node::Date { seconds, .. } => Ok(Value::Number(*seconds)),
            Node::Nothing => Ok(Value::Nil),
            Node::Missing(slot) => Ok(Value::Boolean(matches!(self.slot(*slot), None | Some(Value::Nil)))),
            Node::Pattern(pattern) => Ok(Value::text(&pattern.text)),
            Node::List(items) => self.list(items),
        }
    }

    fn slot(&self, slot: Slot) -> Option<Value<'a>> {
        match slot {
            Slot::Variable(slot) => self.scope.variable(usize::from(slot)),
            Slot::Call(slot) => self.scope.call(usize::from(slot)).map(Value::Number),
        }
    }

    /// The first item lends its own items where it is a list: so the original reads `(list, 3)`.
    fn list(&self, items: &'a [Node]) -> Outcome<'a> {
        let mut values = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            match self.node(item)? {
                Value::List(inner) if at == 0 => values = inner,
                value => values.push(value),
            }
        }
        Ok(Value::List(values))
    }

    fn prefixed(&self, prefix: Prefix, operand: &'a Node) -> Outcome<'a> {
        match (prefix, self.node(operand)?) {
            (Prefix::Negate, Value::Number(number)) => Ok(Value::Number(-number)),
            (Prefix::Not, Value::Boolean(boolean)) => Ok(Value::Boolean(!boolean)),
            (Prefix::Complement, Value::Number(number)) => Ok(Value::Number(!(number as i64) as f64)),
            (_, value) => {
                let operator = format!("prefix '{}'", prefix.symbol()).into();
                Err(Stop::Error(Box::new(EvaluationError::Unfit { value: shown(&value), operator })))
            }
        }
    }

    fn chain(&self, chain: &'a Chain) -> Outcome<'a> {
        let mut left = self.node(&chain.first);
        for (op, right) in &chain.rest {
            left = match (op, left) {
                (Op::And | Op::Or, left) => self.logical(*op, left, right),
                (_, Err(stop)) => return Err(stop),
                (Op::If, Ok(left)) => self.question(left, right),
                (Op::Else | Op::Coalesce, Ok(Value::Nil)) => self.node(right),
                (Op::Else | Op::Coalesce, Ok(left)) => Ok(left),
                (Op::In, Ok(left)) => self.is_in(&left, right),
                (Op::Matches, Ok(left)) => self.matches(&left, Op::Matches, right).map(Value::Boolean),
                (Op::MatchesNot, Ok(left)) => {
                    self.matches(&left, Op::MatchesNot, right).map(|matches| Value::Boolean(!matches))
                }
                (_, Ok(left)) => apply(*op, left, self.node(right)?),
            };
        }
        left
    }

    /// `&&` and `||`: decided by one side alone where that suffices. In the extended grammar an unknown side stays
    /// unknown unless the other decides (Kleene); in the original it ends the evaluation.
    fn logical(&self, op: Op, left: Outcome<'a>, right: &'a Node) -> Outcome<'a> {
        let decides = op == Op::Or;
        let unknown = match left {
            Ok(Value::Boolean(left)) if left == decides => return Ok(Value::Boolean(decides)),
            Ok(Value::Boolean(_)) => None,
            Ok(left) => {
                self.node(right)?;
                return unfit(&left, op);
            }
            Err(Stop::Missing(slot)) if self.expression.grammar == Grammar::Extended => Some(slot),
            Err(stop) => return Err(stop),
        };
        match (self.node(right), unknown) {
            (Ok(Value::Boolean(right)), None) => Ok(Value::Boolean(right)),
            (Ok(Value::Boolean(right)), Some(_)) if right == decides => Ok(Value::Boolean(decides)),
            (Ok(Value::Boolean(_)) | Err(Stop::Missing(_)), Some(slot)) => Err(Stop::Missing(slot)),
            (Ok(right), _) => unfit(&right, op),
            (Err(stop), _) => Err(stop),
        }
    }

    fn question(&self, left: Value<'a>, right: &'a Node) -> Outcome<'a> {
        match left {
            Value::Boolean(true) => self.node(right),
            Value::Boolean(false) => Ok(Value::Nil),
            // As the original: a fault of the other side comes first.
            left => {
                self.node(right)?;
                unfit(&left, Op::If)
            }
        }
    }

    fn is_in(&self, left: &Value<'a>, right: &'a Node) -> Outcome<'a> {
        // A written list is looked through in place; one whose first item may be a list itself is not.
        if let Node::List(items) = right
            && !matches!(items.first(), Some(Node::Value(_) | Node::List(_) | Node::Chain(_)))
        {
            let mut found = false;
            for item in items {
                found |= self.node(item)? == *left;
            }
            return Ok(Value::Boolean(found));
        }
        match self.node(right)? {
            Value::List(values) => Ok(Value::Boolean(values.contains(left))),
            right => unfit(&right, Op::In),
        }
    }

    fn matches(&self, left: &Value<'a>, op: Op, right: &'a Node) -> Result<bool, Stop> {
        let misfit = |value: &Value<'_>| unfit(value, op).map(|_| false);
        if let Node::Pattern(pattern) = right {
            let Value::Text(text) = left else { return misfit(left) };
            return Ok(pattern.regex.is_match(text));
        }
        let right = self.node(right)?;
        let (Value::Text(text), Value::Text(written)) = (left, &right) else {
            return misfit(if matches!(left, Value::Text(_)) { &right } else { left });
        };
        match pattern(written) {
            Ok(regex) => Ok(regex.is_match(text)),
            Err(reason) => {
                let (pattern, reason) = (shown(&right), reason.into());
                Err(Stop::Error(Box::new(EvaluationError::Pattern { pattern, reason })))
            }
        }
    }
}

/// Operators that need both sides.
fn apply<'a>(op: Op, left: Value<'a>, right: Value<'a>) -> Outcome<'a> {
    if let (Value::Number(left), Value::Number(right)) = (&left, &right) {
        return Ok(match plain::numbers(op, *left, *right) {
            Plain::Number(number) => Value::Number(number),
            outcome => Value::Boolean(outcome == Plain::True),
        });
    }
    match (op, &left, &right) {
        (Op::Eq, ..) => Ok(Value::Boolean(left == right)),
        (Op::Ne, ..) => Ok(Value::Boolean(left != right)),
        (Op::Lt, Value::Text(left), Value::Text(right)) => Ok(Value::Boolean(left < right)),
        (Op::Le, Value::Text(left), Value::Text(right)) => Ok(Value::Boolean(left <= right)),
        (Op::Gt, Value::Text(left), Value::Text(right)) => Ok(Value::Boolean(left > right)),
        (Op::Ge, Value::Text(left), Value::Text(right)) => Ok(Value::Boolean(left >= right)),
        (Op::Add, Value::Text(_), _) | (Op::Add, _, Value::Text(_)) => {
            let joined = bounded(format_args!("{left}{right}"), LONGEST_TEXT);
            joined.map(|text| Value::Text(text.into())).map_err(|_| Stop::Error(Box::new(EvaluationError::TooLong)))
        }
        // Both sides decide together whether they can be compared or added; the left one is named.
        (Op::Lt | Op::Le | Op::Gt | Op::Ge | Op::Add, ..) => unfit(&left, op),
        (_, Value::Number(_), _) => unfit(&right, op),
        _ => unfit(&left, op),
    }
}
