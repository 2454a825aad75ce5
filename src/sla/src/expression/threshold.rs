//! The simple bound that a constraint sets to a variable.

use super::{
    Expression, Scope, Value,
    evaluate::Evaluation,
    node::{Chain, Node, Op, Prefix, Slot},
};

/// Which side of the number keeps the constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// The variable must stay below.
    Upper,
    /// The variable must stay above.
    Lower,
}

/// A bound that a constraint sets to a variable.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// The side.
    pub bound: Bound,
    /// The number, in the unit of the variable.
    pub value: f64,
    /// Whether the number itself keeps the constraint.
    pub inclusive: bool,
}

/// The tightest upper bound of `variable` among the conditions that must all hold, else the tightest lower one.
pub(super) fn find(expression: &Expression, variable: Slot) -> Option<Threshold> {
    let mut found = Vec::new();
    collect(expression, &expression.root, variable, false, &mut found);
    let of = |bound: Bound| found.iter().copied().filter(move |threshold| threshold.bound == bound);
    let upper = of(Bound::Upper).min_by(|a, b| a.value.total_cmp(&b.value).then(a.inclusive.cmp(&b.inclusive)));
    upper.or_else(|| of(Bound::Lower).max_by(|a, b| a.value.total_cmp(&b.value).then(b.inclusive.cmp(&a.inclusive))))
}

fn collect(expression: &Expression, node: &Node, variable: Slot, negated: bool, found: &mut Vec<Threshold>) {
    match node {
        Node::Prefix(Prefix::Not, inner) => collect(expression, inner, variable, !negated, found),
        Node::Chain(chain) => {
            // By De Morgan: what is not true of any is false of all.
            let all = if negated { Op::Or } else { Op::And };
            if chain.rest.iter().all(|(op, _)| *op == all) {
                collect(expression, &chain.first, variable, negated, found);
                chain.rest.iter().for_each(|(_, node)| collect(expression, node, variable, negated, found));
            } else {
                found.extend(comparison(expression, chain, variable, negated));
            }
        }
        _ => {}
    }
}

fn comparison(expression: &Expression, chain: &Chain, variable: Slot, negated: bool) -> Option<Threshold> {
    let [(op, right)] = chain.rest.as_slice() else { return None };
    let is_variable = |node: &Node| matches!(node, Node::Value(slot) if *slot == variable);
    let (op, number) = match (is_variable(&chain.first), is_variable(right)) {
        (true, false) => (*op, right),
        (false, true) => (turned(*op)?, &chain.first),
        _ => return None,
    };
    let value = constant(expression, number)?;
    let (bound, inclusive) = match (op, negated) {
        (Op::Lt, false) | (Op::Ge, true) => (Bound::Upper, false),
        (Op::Le, false) | (Op::Gt, true) => (Bound::Upper, true),
        (Op::Gt, false) | (Op::Le, true) => (Bound::Lower, false),
        (Op::Ge, false) | (Op::Lt, true) => (Bound::Lower, true),
        _ => return None,
    };
    Some(Threshold { bound, value, inclusive })
}

/// The operator that says the same with the sides exchanged.
fn turned(op: Op) -> Option<Op> {
    Some(match op {
        Op::Lt => Op::Gt,
        Op::Le => Op::Ge,
        Op::Gt => Op::Lt,
        Op::Ge => Op::Le,
        _ => return None,
    })
}

/// The number that a part without variables always is.
fn constant(expression: &Expression, node: &Node) -> Option<f64> {
    struct Nothing;
    impl Scope for Nothing {
        fn variable(&self, _: usize) -> Option<Value<'_>> {
            None
        }
        fn call(&self, _: usize) -> Option<f64> {
            None
        }
    }
    match (Evaluation { expression, scope: &Nothing }).node(node) {
        Ok(Value::Number(number)) if number.is_finite() => Some(number),
        _ => None,
    }
}
