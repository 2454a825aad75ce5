//! The tree of an expression: operators, functions over windows, literals. Chains of operators of one level are one
//! node, so that a long sum is not a deep tree.

use std::fmt;
use std::time::Duration;

use regex::{Regex, RegexBuilder};

/// An operator between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    If,
    Else,
    Coalesce,
    Or,
    And,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Matches,
    MatchesNot,
    In,
    BitAnd,
    BitOr,
    BitXor,
    ShiftLeft,
    ShiftRight,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
}

/// How tightly operators bind, the loosest first. All of them group to the left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    List,
    Ternary,
    Or,
    And,
    Comparison,
    Bitwise,
    Shift,
    Sum,
    Product,
    Power,
    Prefix,
    Operand,
}

impl Level {
    /// The next tighter level that has operators between operands.
    pub(super) fn tighter(self) -> Self {
        match self {
            Self::List => Self::Ternary,
            Self::Ternary => Self::Or,
            Self::Or => Self::And,
            Self::And => Self::Comparison,
            Self::Comparison => Self::Bitwise,
            Self::Bitwise => Self::Shift,
            Self::Shift => Self::Sum,
            Self::Sum => Self::Product,
            Self::Product => Self::Power,
            Self::Power | Self::Prefix | Self::Operand => Self::Prefix,
        }
    }
}

/// Every operator as it is written.
pub(super) const OPERATORS: [(&str, Op); 25] = [
    ("**", Op::Power),
    ("&&", Op::And),
    ("||", Op::Or),
    ("??", Op::Coalesce),
    ("==", Op::Eq),
    ("!=", Op::Ne),
    ("<=", Op::Le),
    (">=", Op::Ge),
    ("=~", Op::Matches),
    ("!~", Op::MatchesNot),
    ("<<", Op::ShiftLeft),
    (">>", Op::ShiftRight),
    ("in", Op::In),
    ("<", Op::Lt),
    (">", Op::Gt),
    ("+", Op::Add),
    ("-", Op::Subtract),
    ("*", Op::Multiply),
    ("/", Op::Divide),
    ("%", Op::Remainder),
    ("&", Op::BitAnd),
    ("|", Op::BitOr),
    ("^", Op::BitXor),
    ("?", Op::If),
    (":", Op::Else),
];

impl Op {
    pub(super) fn symbol(self) -> &'static str {
        OPERATORS.iter().find(|(_, op)| *op == self).map_or("", |(symbol, _)| symbol)
    }

    pub(super) fn level(self) -> Level {
        match self {
            Self::If | Self::Else | Self::Coalesce => Level::Ternary,
            Self::Or => Level::Or,
            Self::And => Level::And,
            Self::Eq | Self::Ne | Self::Lt | Self::Le | Self::Gt | Self::Ge => Level::Comparison,
            Self::Matches | Self::MatchesNot | Self::In => Level::Comparison,
            Self::BitAnd | Self::BitOr | Self::BitXor => Level::Bitwise,
            Self::ShiftLeft | Self::ShiftRight => Level::Shift,
            Self::Add | Self::Subtract => Level::Sum,
            Self::Multiply | Self::Divide | Self::Remainder => Level::Product,
            Self::Power => Level::Power,
        }
    }
}

/// An operator before its operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefix {
    Negate,
    Not,
    Complement,
}

impl Prefix {
    pub(super) fn symbol(self) -> &'static str {
        match self {
            Self::Negate => "-",
            Self::Not => "!",
            Self::Complement => "~",
        }
    }
}

/// The unit that the numbers of a constraint without unit are meant in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeUnit {
    /// Thousandths of a second.
    Milliseconds,
    /// Seconds, as CIMI counts `execution_length`.
    #[default]
    Seconds,
}

/// The unit written behind a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Milliseconds,
    Seconds,
    Minutes,
    Hours,
    Days,
}

impl Unit {
    pub(super) const ALL: [(&'static str, Self); 5] =
        [("ms", Self::Milliseconds), ("s", Self::Seconds), ("m", Self::Minutes), ("h", Self::Hours), ("d", Self::Days)];

    pub(super) fn symbol(self) -> &'static str {
        Self::ALL.iter().find(|(_, unit)| *unit == self).map_or("", |(symbol, _)| symbol)
    }

    fn millis(self) -> f64 {
        match self {
            Self::Milliseconds => 1.0,
            Self::Seconds => 1_000.0,
            Self::Minutes => 60_000.0,
            Self::Hours => 3_600_000.0,
            Self::Days => 86_400_000.0,
        }
    }

    /// A time of this unit in the given one.
    pub(super) fn convert(self, number: f64, unit: TimeUnit) -> f64 {
        match (unit, self) {
            (TimeUnit::Milliseconds, _) => number * self.millis(),
            (TimeUnit::Seconds, Self::Milliseconds) => number / 1_000.0,
            (TimeUnit::Seconds, _) => number * (self.millis() / 1_000.0),
        }
    }
}

/// What a call computes over the values of a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Function {
    /// The mean.
    Average,
    /// The sum.
    Sum,
    /// The smallest.
    Min,
    /// The greatest.
    Max,
    /// The newest.
    Last,
    /// How many values there are.
    Count,
    /// How many values there are a second.
    Rate,
    /// The share of values that are not zero, from 0 to 1.
    Ratio,
    /// The value that this share of values, in percent (over 0, under 100), does not exceed.
    Percentile(f64),
}

/// The functions that have a name of their own.
pub(super) const FUNCTIONS: [(&str, Function); 9] = [
    ("avg", Function::Average),
    ("average", Function::Average),
    ("sum", Function::Sum),
    ("min", Function::Min),
    ("max", Function::Max),
    ("last", Function::Last),
    ("count", Function::Count),
    ("rate", Function::Rate),
    ("ratio", Function::Ratio),
];

/// The most digits of a percentile, with the dot: `99.999999999`.
const LONGEST_RANK: usize = 12;

impl Function {
    /// The function of this name: `avg`, `p95`, `p99.9`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        if let Some((_, function)) = FUNCTIONS.iter().find(|(known, _)| *known == name) {
            return Some(*function);
        }
        let digits = name.strip_prefix('p').filter(|digits| digits.len() <= LONGEST_RANK)?;
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if !plain || digits.starts_with('.') || digits.ends_with('.') {
            return None;
        }
        let percent: f64 = digits.parse().ok()?;
        (percent > 0.0 && percent < 100.0).then_some(Self::Percentile(percent))
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percentile(percent) => write!(f, "p{percent}"),
            named => f.write_str(FUNCTIONS.iter().find(|(_, function)| function == named).map_or("", |(name, _)| name)),
        }
    }
}

/// A function over the values that a variable had in the last stretch of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// What is computed.
    pub function: Function,
    /// Of which variable.
    pub variable: Box<str>,
    /// Over how long, in whole milliseconds.
    pub window: Duration,
}

/// Where a value comes from when the expression is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    Variable(u16),
    Call(u16),
}

/// A pattern that was compiled with the expression.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) text: Box<str>,
    pub(super) regex: Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// The longest pattern, in bytes.
const LONGEST_PATTERN: usize = 4 * 1024;

/// Compiles a pattern within bounds; matching it takes time linear in the text.
pub(super) fn pattern(text: &str) -> Result<Regex, String> {
    if text.len() > LONGEST_PATTERN {
        return Err(format!("a pattern has at most {LONGEST_PATTERN} bytes"));
    }
    let built = RegexBuilder::new(text).size_limit(1 << 18).dfa_size_limit(1 << 18).nest_limit(64).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "the pattern is too large".to_owned(),
        other => {
            let text = other.to_string();
            text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
        }
    })
}

/// A node of the tree.
#[derive(Debug, PartialEq)]
pub(super) enum Node {
    /// `value` is in the time unit of the expression; `written` as the text has it.
    Number {
        value: f64,
        written: Option<(f64, Unit)>,
    },
    Boolean(bool),
    Text(Box<str>),
    /// A text that looks like a date is its Unix time.
    Date {
        seconds: f64,
        text: Box<str>,
    },
    /// `()`, or an operand left out before `)`: the original takes both for nil.
    Nothing,
    Value(Slot),
    Missing(Slot),
    Pattern(Box<Pattern>),
    Prefix(Prefix, Box<Node>),
    Chain(Box<Chain>),
    List(Box<[Node]>),
}

/// Operands joined by operators of one level, evaluated from left to right.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) first: Node,
    pub(super) rest: Vec<(Op, Node)>,
    /// Stood in parentheses: what follows does not lengthen it. Of no meaning once the tree is built.
    pub(super) sealed: bool,
}

impl PartialEq for Chain {
    fn eq(&self, other: &Self) -> bool {
        self.first == other.first && self.rest == other.rest
    }
}

impl Node {
    pub(super) fn number(value: f64) -> Self {
        Self::Number { value, written: None }
    }

    /// What `not in` and `is not missing` deny.
    pub(super) fn worded(&self) -> Option<&Self> {
        let Self::Prefix(Prefix::Not, denied) = self else { return None };
        match &**denied {
            Self::Chain(chain) if chain.rest.last().is_some_and(|(op, _)| *op == Op::In) => Some(denied),
            Self::Missing(_) => Some(denied),
            _ => None,
        }
    }

    pub(super) fn level(&self) -> Level {
        match self {
            Self::Chain(chain) => chain.rest.first().map_or(Level::Operand, |(op, _)| op.level()),
            Self::List(_) => Level::List,
            Self::Missing(_) => Level::Comparison,
            Self::Prefix(..) if self.worded().is_some() => Level::Comparison,
            Self::Prefix(..) => Level::Prefix,
            _ => Level::Operand,
        }
    }
}
