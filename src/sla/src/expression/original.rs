//! Which words may follow which in the original's grammar, and the original's words where they may not.

use super::{
    fault::Fault,
    node::{Level, Op},
    token::{Lexeme, Token},
    value::Value,
};

/// Kinds of words, as bits.
mod kind {
    pub(super) const CLAUSE: u16 = 1;
    pub(super) const CLOSE: u16 = 1 << 1;
    pub(super) const NUMERIC: u16 = 1 << 2;
    pub(super) const BOOLEAN: u16 = 1 << 3;
    pub(super) const STRING: u16 = 1 << 4;
    pub(super) const TIME: u16 = 1 << 5;
    pub(super) const VARIABLE: u16 = 1 << 6;
    pub(super) const MODIFIER: u16 = 1 << 7;
    pub(super) const COMPARATOR: u16 = 1 << 8;
    pub(super) const LOGICAL: u16 = 1 << 9;
    pub(super) const PREFIX: u16 = 1 << 10;
    pub(super) const TERNARY: u16 = 1 << 11;
    pub(super) const SEPARATOR: u16 = 1 << 12;
    /// Before the first word.
    pub(super) const START: u16 = 1 << 13;
}
use kind::*;

const PLAIN: u16 = NUMERIC | BOOLEAN | VARIABLE | CLAUSE;
const BEHIND_OPERAND: u16 = MODIFIER | COMPARATOR | LOGICAL | CLOSE | SEPARATOR;

/// What may follow a word of this kind.
const fn follow(kind: u16) -> u16 {
    match kind {
        START => PREFIX | PLAIN | STRING | TIME,
        CLAUSE => PREFIX | PLAIN | STRING | TIME | CLOSE,
        CLOSE => BEHIND_OPERAND | TERNARY | PLAIN | STRING | TIME,
        NUMERIC | BOOLEAN | STRING | VARIABLE => BEHIND_OPERAND | TERNARY,
        TIME => BEHIND_OPERAND,
        MODIFIER => PREFIX | PLAIN | STRING | CLOSE,
        COMPARATOR | LOGICAL => PREFIX | PLAIN | STRING | TIME | CLOSE,
        PREFIX => PLAIN | CLOSE,
        TERNARY => PREFIX | PLAIN | STRING | TIME | SEPARATOR,
        SEPARATOR => PREFIX | PLAIN | STRING | TIME,
        _ => 0,
    }
}

/// The kind of a word, its name in messages, and the value shown there.
fn described(lexeme: &Lexeme) -> (u16, &'static str, String) {
    match lexeme {
        Lexeme::Number(number, _) => (NUMERIC, "NUMERIC", Value::Number(*number).to_string()),
        Lexeme::Text(text) => (STRING, "STRING", text.to_string()),
        Lexeme::Date(_, text) => (TIME, "TIME", text.to_string()),
        Lexeme::Boolean(boolean) => (BOOLEAN, "BOOLEAN", boolean.to_string()),
        Lexeme::Name { name, .. } => (VARIABLE, "VARIABLE", name.to_string()),
        Lexeme::Prefix(prefix) => (PREFIX, "PREFIX", prefix.symbol().to_owned()),
        // The original shows the code point.
        Lexeme::Open => (CLAUSE, "CLAUSE", u32::from('(').to_string()),
        Lexeme::Close => (CLOSE, "CLAUSE_CLOSE", u32::from(')').to_string()),
        Lexeme::Comma => (SEPARATOR, "SEPARATOR", ",".to_owned()),
        Lexeme::Op(op) => {
            let (kind, name) = operator(*op);
            (kind, name, op.symbol().to_owned())
        }
    }
}

fn operator(op: Op) -> (u16, &'static str) {
    match op.level() {
        Level::Ternary => (TERNARY, "TERNARY"),
        Level::Or | Level::And => (LOGICAL, "LOGICALOP"),
        Level::Comparison => (COMPARATOR, "COMPARATOR"),
        _ => (MODIFIER, "MODIFIER"),
    }
}

/// Checks the order of all words as the original does before it plans.
pub(super) fn check(text: &str, tokens: &[Token]) -> Result<(), Fault> {
    let count = |lexeme: &Lexeme| tokens.iter().filter(|token| token.lexeme == *lexeme).count();
    if count(&Lexeme::Open) != count(&Lexeme::Close) {
        let at = unbalanced(tokens).unwrap_or(text.len());
        return Err(Fault::new(text, at, "Unbalanced parenthesis", "a `)` for every `(`"));
    }
    let (mut before, mut name, mut value) = (START, "UNKNOWN", "<nil>".to_owned());
    for token in tokens {
        let (next, next_name, next_value) = described(&token.lexeme);
        if follow(before) & next == 0 {
            if before == VARIABLE && next == CLAUSE {
                let message = format!("Undefined function {value}");
                return Err(Fault::new(text, token.at, message, "an operator, as there are no functions"));
            }
            let message = format!("Cannot transition token types from {name} [{value}] to {next_name} [{next_value}]");
            let expected = if follow(before) & PLAIN == 0 { "an operator" } else { "an operand" };
            return Err(Fault::new(text, token.at, message, expected));
        }
        (before, name, value) = (next, next_name, next_value);
    }
    if matches!(before, CLOSE | NUMERIC | BOOLEAN | STRING | TIME | VARIABLE) {
        return Ok(());
    }
    Err(Fault::new(text, text.len(), "Unexpected end of expression", "an operand"))
}

/// Where the first parenthesis without a partner stands.
fn unbalanced(tokens: &[Token]) -> Option<usize> {
    let mut open = Vec::new();
    for token in tokens {
        match token.lexeme {
            Lexeme::Open => open.push(token.at),
            Lexeme::Close if open.pop().is_none() => return Some(token.at),
            _ => {}
        }
    }
    open.first().copied()
}
