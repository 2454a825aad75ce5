//! The canonical text of an expression: read again, it gives the same tree.

use std::fmt::{self, Display, Formatter, Write as _};

use super::{
    Expression, Grammar,
    node::{Call, Chain, Level, Node, Op, Prefix, Slot},
};

impl Display for Expression {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.print(&self.root, Level::List, f)
    }
}

impl Display for Call {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.function)?;
        write_name(&self.variable, Grammar::Extended, f)?;
        let millis = self.window.as_millis();
        if millis.is_multiple_of(1_000) { write!(f, ", {})", millis / 1_000) } else { write!(f, ", {millis}ms)") }
    }
}

impl Expression {
    /// Prints `node` where only levels from `loosest` on can stand without parentheses.
    fn print(&self, node: &Node, loosest: Level, f: &mut Formatter<'_>) -> fmt::Result {
        if self.level(node) < loosest {
            f.write_char('(')?;
            self.print(node, Level::List, f)?;
            return f.write_char(')');
        }
        match node {
            Node::Number { written: Some((number, unit)), .. } => write!(f, "{number}{}", unit.symbol()),
            Node::Number { value, written: None } => write!(f, "{value}"),
            Node::Boolean(boolean) => write!(f, "{boolean}"),
            Node::Text(text) => write_text(text, f),
            Node::Date { text, .. } => self.print_date(text, f),
            Node::Nothing => f.write_str("()"),
            Node::Value(slot) => self.print_slot(*slot, f),
            Node::Missing(slot) => {
                self.print_slot(*slot, f)?;
                f.write_str(" is missing")
            }
            Node::Pattern(pattern) => write_text(&pattern.text, f),
            Node::Prefix(prefix, operand) => match node.worded().filter(|_| self.grammar == Grammar::Extended) {
                Some(Node::Chain(chain)) => self.print_chain(chain, true, f),
                Some(Node::Missing(slot)) => {
                    self.print_slot(*slot, f)?;
                    f.write_str(" is not missing")
                }
                _ => self.print_prefixed(*prefix, operand, f),
            },
            Node::Chain(chain) => self.print_chain(chain, false, f),
            Node::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        f.write_str(", ")?;
                    }
                    self.print(item, Level::Ternary, f)?;
                }
                Ok(())
            }
        }
    }

    /// The level of a node as it is printed: the original has no `not in`.
    fn level(&self, node: &Node) -> Level {
        match node {
            Node::Prefix(..) if self.grammar == Grammar::Original => Level::Prefix,
            _ => node.level(),
        }
    }

    /// A chain; where it is denied, its last operator is printed as `not in`.
    fn print_chain(&self, chain: &Chain, denied: bool, f: &mut Formatter<'_>) -> fmt::Result {
        let Some((last, _)) = chain.rest.last() else { return self.print(&chain.first, Level::List, f) };
        let level = last.level().tighter();
        // Only another chain would run into this one.
        let closed = matches!(chain.first, Node::Missing(_) | Node::Prefix(..)) && last.level() == Level::Comparison;
        self.print(&chain.first, if closed { Level::Comparison } else { level }, f)?;
        for (at, (op, right)) in chain.rest.iter().enumerate() {
            let not = if denied && at + 1 == chain.rest.len() { "not " } else { "" };
            write!(f, " {not}{} ", op.symbol())?;
            match (op, right) {
                // A text that is no pattern yet would be taken for one.
                (Op::Matches | Op::MatchesNot, Node::Text(text)) => {
                    f.write_char('(')?;
                    write_text(text, f)?;
                    f.write_char(')')?;
                }
                _ => self.print(right, level, f)?,
            }
        }
        Ok(())
    }

    fn print_slot(&self, slot: Slot, f: &mut Formatter<'_>) -> fmt::Result {
        match slot {
            Slot::Variable(slot) => match self.variables.get(usize::from(slot)) {
                Some(name) => write_name(name, self.grammar, f),
                None => Ok(()),
            },
            Slot::Call(slot) => self.calls.get(usize::from(slot)).map_or(Ok(()), |call| call.fmt(f)),
        }
    }

    /// The original has no prefix before a prefix, nor before a text or a date.
    fn print_prefixed(&self, prefix: Prefix, operand: &Node, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(prefix.symbol())?;
        let bare = match operand {
            Node::Number { .. } | Node::Boolean(_) | Node::Value(_) | Node::Nothing => true,
            Node::Text(_) | Node::Date { .. } => self.grammar == Grammar::Extended,
            prefix => self.grammar == Grammar::Extended && self.level(prefix) == Level::Prefix,
        };
        if bare {
            return self.print(operand, Level::Prefix, f);
        }
        f.write_char('(')?;
        self.print(operand, Level::List, f)?;
        f.write_char(')')
    }

    /// Dates stand in fewer places than other operands of the original.
    fn print_date(&self, text: &str, f: &mut Formatter<'_>) -> fmt::Result {
        if self.grammar == Grammar::Extended {
            return write_text(text, f);
        }
        f.write_char('(')?;
        write_text(text, f)?;
        f.write_char(')')
    }
}

fn write_text(text: &str, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_char('\'')?;
    for c in text.chars() {
        if matches!(c, '\'' | '"' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(c)?;
    }
    f.write_char('\'')
}

/// Words that are more than names.
const WORDS: [&str; 4] = ["true", "false", "in", "IN"];
const EXTENDED_WORDS: [&str; 10] = ["and", "AND", "or", "OR", "not", "NOT", "is", "IS", "missing", "MISSING"];

fn write_name(name: &str, grammar: Grammar, f: &mut Formatter<'_>) -> fmt::Result {
    let plain = name.starts_with(char::is_alphabetic) && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if plain && !WORDS.contains(&name) && (grammar == Grammar::Original || !EXTENDED_WORDS.contains(&name)) {
        return f.write_str(name);
    }
    f.write_char('[')?;
    for c in name.chars() {
        if matches!(c, ']' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(c)?;
    }
    f.write_char(']')
}
