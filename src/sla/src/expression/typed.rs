//! Whether the kinds of operands fit: what a constraint can yield, and what is told where it can never be true or false.

use super::{
    fault::{Fault, shown},
    kinds::{Kinds, Misfit},
    node::{Level, Node, Op, Slot},
    parse::{Operand, Parser, open_question},
};

impl Parser<'_> {
    /// Of which kinds a variable can be.
    pub(super) fn kinds_of(&self, name: &str) -> Kinds {
        match self.reading.texts {
            None => Kinds::ANY,
            Some(is_text) if is_text(name) => Kinds::TEXT,
            Some(_) => Kinds::NUMBER,
        }
    }

    /// Refuses a function of a variable that is a text.
    pub(super) fn must_be_number(&self, at: usize, variable: &str) -> Result<(), Fault> {
        if self.kinds_of(variable) != Kinds::TEXT {
            return Ok(());
        }
        let fault = self.fault(at, format!("{} is a text", shown(variable)), "a number, such as `execution_time`");
        Err(fault.hint("the share of operations that failed is `ratio(error, 300)`"))
    }

    /// Refuses to look for a value among others that it can never be equal to.
    pub(super) fn in_list(&self, left: &Operand, op: Op, right: &Operand) -> Result<(), Fault> {
        let (Some(_), Op::In, Node::List(items)) = (self.reading.texts, op, &right.node) else { return Ok(()) };
        if items.iter().any(|item| literal(item).is_none_or(|kinds| left.kinds.can_be(kinds))) {
            return Ok(());
        }
        let message = format!("nothing in the list can be equal to the left side, which is {}", left.kinds.named());
        let fault = self.fault(right.at, message, format!("a list with {}", left.kinds.wanted()));
        Err(match left.kinds {
            Kinds::TEXT => fault.hint("put texts in quotes, as in `('a', 'b')`"),
            _ => fault.hint("write numbers without quotes, as in `(1, 2)`"),
        })
    }

    pub(super) fn misfit(&self, misfit: Misfit, left: &Operand, op: Op, right: &Operand) -> Fault {
        let (side, operand, expected) = match misfit {
            Misfit::Left(expected) => ("left", left, expected),
            Misfit::Right(expected) => ("right", right, expected),
        };
        let message = format!("the {side} side of `{}` is {}", op.symbol(), operand.kinds.named());
        let fault = self.fault(operand.at, message, expected);
        let is_chain = op.level() == Level::Comparison && left.node.level() == Level::Comparison;
        match op {
            Op::In => fault.hint("compare with a single value by `==`"),
            _ if is_chain => fault.hint("compare twice, as in `1 < m && m < 3`"),
            Op::BitAnd => fault.hint("did you mean `&&`?"),
            Op::BitOr => fault.hint("did you mean `||`?"),
            _ if (left.kinds, right.kinds) == (Kinds::TEXT, Kinds::NUMBER) => self.mixed(fault, left, right),
            _ if (left.kinds, right.kinds) == (Kinds::NUMBER, Kinds::TEXT) => self.mixed(fault, right, left),
            _ if operand.kinds == Kinds::TEXT && expected == "a number" => {
                fault.hint("write the number without quotes")
            }
            _ => fault,
        }
    }

    /// A text that meets a number.
    fn mixed(&self, fault: Fault, text: &Operand, number: &Operand) -> Fault {
        match (&text.node, &number.node) {
            (Node::Value(Slot::Variable(_)), Node::Date { .. }) => {
                fault.hint("a text that looks like a date is a number, its Unix time")
            }
            (Node::Value(Slot::Variable(slot)), _) => {
                let name = self.variables.get(usize::from(*slot)).map_or("", |name| name);
                fault.hint(format!("{} is a text: compare it with one in quotes by `==`, `=~` or `in`", shown(name)))
            }
            _ => fault.hint("write the number without quotes"),
        }
    }

    pub(super) fn must_be_condition(&self, whole: &Operand) -> Result<(), Fault> {
        let expected = "a condition, such as a comparison";
        if !whole.kinds.can_be(Kinds::BOOLEAN) {
            let fault = self.fault(whole.at, format!("the expression is {}", whole.kinds.named()), expected);
            return Err(match whole.kinds {
                Kinds::NUMBER => fault.hint("compare it, as in `… < 10`"),
                Kinds::TEXT => fault.hint("compare it, as in `… == 'ok'`"),
                Kinds::LIST => fault.hint("join conditions with `&&`"),
                _ => fault,
            });
        }
        if open_question(&whole.node) {
            return Err(self.fault(self.text.len(), "the expression can be nothing", "`:` and what holds otherwise"));
        }
        if self.reading.texts.is_none() {
            return Ok(());
        }
        if whole.kinds != Kinds::BOOLEAN {
            let message = "the expression can be something else than true or false";
            let fault = self.fault(whole.at, message, "a condition in every case");
            return Err(fault.hint("put a condition on both sides of `:` or `??`, in parentheses"));
        }
        if self.variables.is_empty() && self.calls.is_empty() {
            let message = "the constraint is the same whatever happens";
            let fault = self.fault(whole.at, message, "a value that is measured, such as `execution_time`");
            return Err(fault.hint("name what is promised, as in `execution_time < 10`"));
        }
        Ok(())
    }
}

/// The kind of what is written out; none for anything else.
fn literal(node: &Node) -> Option<Kinds> {
    match node {
        Node::Number { .. } | Node::Date { .. } => Some(Kinds::NUMBER),
        Node::Text(_) => Some(Kinds::TEXT),
        Node::Boolean(_) => Some(Kinds::BOOLEAN),
        _ => None,
    }
}
