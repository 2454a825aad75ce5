//! The short way through the tree: numbers and booleans alone, as nearly every constraint has them, are copied and never
//! dropped. Where anything else turns up, the whole evaluation is done again the long way.

use super::{
    Grammar, Scope, Value,
    evaluate::Evaluation,
    node::{Chain, Node, Op, Prefix, Slot},
};

/// A value that costs nothing to copy: it is handed on in two registers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Plain {
    Number(f64),
    True,
    False,
    Missing,
}

impl From<bool> for Plain {
    #[inline(always)]
    fn from(boolean: bool) -> Self {
        if boolean { Self::True } else { Self::False }
    }
}

impl<'a, S: Scope + ?Sized> Evaluation<'a, S> {
    /// What the long way would yield, or none where only that can tell. Leaves are looked at in place, as most operands
    /// are leaves.
    #[inline(always)]
    pub(super) fn plain(&self, node: &'a Node) -> Option<Plain> {
        match node {
            Node::Number { value, .. } => Some(Plain::Number(*value)),
            Node::Value(slot) => self.plain_slot(*slot),
            branch => self.plain_branch(branch),
        }
    }

    fn plain_branch(&self, node: &'a Node) -> Option<Plain> {
        match node {
            Node::Chain(chain) => self.plain_chain(chain),
            Node::Prefix(prefix, operand) => match (prefix, self.plain(operand)?) {
                (Prefix::Negate, Plain::Number(number)) => Some(Plain::Number(-number)),
                (Prefix::Not, Plain::True) => Some(Plain::False),
                (Prefix::Not, Plain::False) => Some(Plain::True),
                (_, Plain::Missing) => Some(Plain::Missing),
                _ => None,
            },
            Node::Boolean(boolean) => Some((*boolean).into()),
            Node::Date { seconds, .. } => Some(Plain::Number(*seconds)),
            Node::Missing(slot) => Some((self.plain_slot(*slot)? == Plain::Missing).into()),
            _ => None,
        }
    }

    #[inline(always)]
    fn plain_slot(&self, slot: Slot) -> Option<Plain> {
        match slot {
            Slot::Variable(index) => match self.scope.variable(usize::from(index)) {
                Some(Value::Number(number)) => Some(Plain::Number(number)),
                Some(Value::Boolean(boolean)) => Some(boolean.into()),
                None => Some(Plain::Missing),
                Some(_) => None,
            },
            Slot::Call(index) => Some(self.scope.call(usize::from(index)).map_or(Plain::Missing, Plain::Number)),
        }
    }

    fn plain_chain(&self, chain: &'a Chain) -> Option<Plain> {
        let mut left = self.plain(&chain.first)?;
        for (op, right) in &chain.rest {
            left = match (op, left) {
                (Op::And | Op::Or, left) => self.plain_logical(*op == Op::Or, left, right)?,
                (_, Plain::Missing) => return Some(Plain::Missing),
                (Op::If, Plain::True) => self.plain(right)?,
                // Nil and texts are not plain.
                (Op::If | Op::Matches | Op::MatchesNot, _) => return None,
                (Op::Else | Op::Coalesce, left) => left,
                (Op::In, left) => plain_in(left, right)?,
                (op, Plain::Number(left)) => match self.plain(right)? {
                    Plain::Number(right) => numbers(*op, left, right),
                    Plain::Missing => return Some(Plain::Missing),
                    Plain::True | Plain::False => return None,
                },
                (_, Plain::True | Plain::False) => return None,
            };
        }
        Some(left)
    }

    #[inline(always)]
    fn plain_logical(&self, decides: bool, left: Plain, right: &'a Node) -> Option<Plain> {
        let unknown = match left {
            Plain::True | Plain::False if (left == Plain::True) == decides => return Some(left),
            Plain::True | Plain::False => false,
            Plain::Missing if self.expression.grammar == Grammar::Original => return Some(left),
            Plain::Missing => true,
            Plain::Number(_) => return None,
        };
        match self.plain(right)? {
            Plain::Number(_) => None,
            right if unknown && right != Plain::from(decides) => Some(Plain::Missing),
            right => Some(right),
        }
    }
}

/// Whether a written list holds the value. Anything but a literal may be a list itself, or missing.
fn plain_in(left: Plain, right: &Node) -> Option<Plain> {
    let Node::List(items) = right else { return None };
    let mut found = false;
    for item in items {
        match item {
            Node::Number { value, .. } => found |= left == Plain::Number(*value),
            Node::Boolean(boolean) => found |= left == Plain::from(*boolean),
            Node::Text(_) => {}
            _ => return None,
        }
    }
    Some(found.into())
}

/// Operators between two numbers.
#[inline(always)]
pub(super) fn numbers(op: Op, left: f64, right: f64) -> Plain {
    let whole = |number: f64| number as i64;
    // As the original's processors: a negative number keeps its bits.
    let bits = |number: f64| if number < 0.0 { number as i64 as u64 } else { number as u64 };
    let places = || u32::try_from(bits(right)).unwrap_or(u32::MAX);
    Plain::Number(match op {
        Op::Lt => return Plain::from(left < right),
        Op::Le => return Plain::from(left <= right),
        Op::Gt => return Plain::from(left > right),
        Op::Ge => return Plain::from(left >= right),
        Op::Eq => return Plain::from(left == right),
        Op::Ne => return Plain::from(left != right),
        Op::Add => left + right,
        Op::Subtract => left - right,
        Op::Multiply => left * right,
        Op::Divide => left / right,
        Op::Remainder => left % right,
        Op::Power => left.powf(right),
        Op::BitAnd => (whole(left) & whole(right)) as f64,
        Op::BitOr => (whole(left) | whole(right)) as f64,
        Op::BitXor => (whole(left) ^ whole(right)) as f64,
        Op::ShiftLeft => bits(left).checked_shl(places()).unwrap_or(0) as f64,
        Op::ShiftRight => bits(left).checked_shr(places()).unwrap_or(0) as f64,
        // The chain has dealt with all others.
        Op::If | Op::Else | Op::Coalesce | Op::Or | Op::And | Op::Matches | Op::MatchesNot | Op::In => f64::NAN,
    })
}
