//! The words of an expression: names, numbers, texts and symbols, read as one of the two grammars has them.

use winnow::{
    Parser, Result,
    ascii::digit1,
    combinator::{alt, opt},
    token::one_of,
};

use super::{
    Grammar, date,
    fault::{Fault, shown},
    hint,
    node::{OPERATORS, Op, Prefix, Unit},
};

/// One word and where it stands, in bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) lexeme: Lexeme,
    pub(super) at: usize,
    pub(super) end: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Lexeme {
    Number(f64, Option<Unit>),
    Text(Box<str>),
    /// Unix seconds, and the text that looks like a date.
    Date(i64, Box<str>),
    Boolean(bool),
    /// `bare` unless it stands in brackets or has an escaped character.
    Name {
        name: Box<str>,
        bare: bool,
    },
    Op(Op),
    Prefix(Prefix),
    Open,
    Close,
    Comma,
}

impl Lexeme {
    /// Whether an operand may follow, and so a prefix.
    fn wants_operand(&self) -> bool {
        matches!(self, Self::Op(_) | Self::Open | Self::Comma)
    }
}

/// Reads all words of `text`.
pub(super) fn read(text: &str, grammar: Grammar) -> Result<Vec<Token>, Fault> {
    let mut reader = Reader { text, at: 0, grammar };
    let mut tokens: Vec<Token> = Vec::new();
    loop {
        reader.skip_blanks();
        let at = reader.at;
        let Some(first) = reader.peek() else { return Ok(tokens) };
        let lexeme = reader.lexeme(first, tokens.last().map(|token| &token.lexeme))?;
        tokens.push(Token { lexeme, at, end: reader.at });
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    grammar: Grammar,
}

fn in_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_quote(c: char) -> bool {
    matches!(c, '\'' | '"')
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn skip_blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn original(&self) -> bool {
        self.grammar == Grammar::Original
    }

    fn fault(&self, at: usize, original: impl Into<String>, extended: impl Into<String>, expected: &str) -> Fault {
        let message = if self.original() { original.into() } else { extended.into() };
        Fault::new(self.text, at, message, expected)
    }

    fn lexeme(&mut self, first: char, before: Option<&Lexeme>) -> Result<Lexeme, Fault> {
        match first {
            '.' => self.number(),
            _ if first.is_ascii_digit() || (self.original() && first.is_numeric()) => self.number(),
            ',' => self.single(Lexeme::Comma),
            '(' => self.single(Lexeme::Open),
            ')' => self.single(Lexeme::Close),
            '[' => self.bracketed(),
            _ if is_quote(first) => self.quoted(first),
            _ if first.is_alphabetic() => Ok(self.word()),
            _ => self.symbol(before.is_none_or(Lexeme::wants_operand), matches!(before, Some(Lexeme::Prefix(_)))),
        }
    }

    fn single(&mut self, lexeme: Lexeme) -> Result<Lexeme, Fault> {
        self.next();
        Ok(lexeme)
    }

    /// Takes what `accept` holds for; a backslash takes the next character whatever it is. Tells whether there was one.
    fn take(&mut self, accept: impl Fn(char) -> bool) -> (String, bool) {
        let (mut taken, mut escaped) = (String::new(), false);
        while let Some(c) = self.peek() {
            if c == '\\' {
                escaped = true;
                self.next();
                taken.extend(self.next());
            } else if accept(c) {
                self.next();
                taken.push(c);
            } else {
                break;
            }
        }
        (taken, escaped)
    }

    fn bracketed(&mut self) -> Result<Lexeme, Fault> {
        let start = self.at;
        self.next();
        let (name, _) = self.take(|c| c != ']');
        if self.next().is_none() {
            return Err(self.fault(start, "Unclosed parameter bracket", "`[` is never closed", "`]` behind the name"));
        }
        if name.is_empty() && !self.original() {
            return Err(Fault::new(self.text, start, "`[]` names nothing", "a name such as `[execution time]`"));
        }
        Ok(Lexeme::Name { name: name.into(), bare: false })
    }

    /// The original lets either quote close the other.
    fn quoted(&mut self, opening: char) -> Result<Lexeme, Fault> {
        let start = self.at;
        self.next();
        let original = self.original();
        let (text, _) = self.take(|c| if original { !is_quote(c) } else { c != opening });
        if self.next().is_none() {
            let extended = "the text is never closed";
            return Err(self.fault(
                start,
                "Unclosed string literal",
                extended,
                &format!("`{opening}` behind the text"),
            ));
        }
        Ok(match date::seconds(&text) {
            Some(seconds) => Lexeme::Date(seconds, text.into()),
            None => Lexeme::Text(text.into()),
        })
    }

    fn word(&mut self) -> Lexeme {
        let (mut name, escaped) = self.take(in_name);
        if !self.original() && !escaped && is_percentile(&name) {
            name.push_str(self.percentile_fraction());
        }
        match name.as_str() {
            "true" => Lexeme::Boolean(true),
            "false" => Lexeme::Boolean(false),
            "in" | "IN" => Lexeme::Op(Op::In),
            _ => Lexeme::Name { name: name.into(), bare: !escaped },
        }
    }

    /// `.9` of `p99.9(`.
    fn percentile_fraction(&mut self) -> &'t str {
        let rest = self.rest();
        let digits = rest.strip_prefix('.').map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
        let (fraction, behind) = rest.split_at(if digits == 0 { 0 } else { digits + 1 });
        if !behind.trim_start().starts_with('(') {
            return "";
        }
        self.at += fraction.len();
        fraction
    }

    fn number(&mut self) -> Result<Lexeme, Fault> {
        let start = self.at;
        if self.original() {
            let (digits, _) = self.take(|c| c.is_numeric() || c == '.');
            return match digits.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Lexeme::Number(number, None)),
                _ => {
                    let message = format!("Unable to parse numeric value '{digits}' to float64");
                    Err(Fault::new(self.text, start, message, "a number such as `10` or `0.5`"))
                }
            };
        }
        let mut rest = self.rest();
        let number = decimal.parse_next(&mut rest).unwrap_or("");
        self.at += number.len();
        let (suffix, _) = self.take(|c| in_name(c) || c == '.');
        let unit = Unit::ALL.iter().find(|(symbol, _)| *symbol == suffix).map(|(_, unit)| *unit);
        match number.parse::<f64>() {
            Ok(value) if value.is_finite() && (suffix.is_empty() || unit.is_some()) => Ok(Lexeme::Number(value, unit)),
            Ok(value) if value.is_finite() => Err(self.bad_suffix(start, number.len(), &suffix)),
            _ => {
                let found = self.text.get(start..self.at).unwrap_or("");
                let message = format!("{} is no number", shown(found));
                let fault = Fault::new(self.text, start, message, "a number such as `10`, `0.5`, `1e3` or `800ms`");
                Err(fault.hinted(hint::dotted(self.text, start)))
            }
        }
    }

    fn bad_suffix(&self, start: usize, digits: usize, suffix: &str) -> Fault {
        let whole = self.text.get(start..self.at).unwrap_or("");
        let expected = "a number such as `10`, `0.5`, `1e3`, or with a unit: `ms`, `s`, `m`, `h`, `d`";
        let fault = Fault::new(self.text, start + digits, format!("{} is no number", shown(whole)), expected);
        fault.hinted(hint::suffix(suffix))
    }

    fn symbol(&mut self, operand: bool, behind_prefix: bool) -> Result<Lexeme, Fault> {
        let start = self.at;
        if !self.original() {
            return self.shortest_symbol(operand || behind_prefix);
        }
        // Greedy: all up to a blank or to something that is no symbol.
        let (symbol, _) = self
            .take(|c| !(c.is_alphanumeric() || c.is_whitespace() || matches!(c, '(' | ')' | '[' | ']') || is_quote(c)));
        if operand && let Some(prefix) = prefix(&symbol) {
            return Ok(Lexeme::Prefix(prefix));
        }
        if let Some((_, op)) = OPERATORS.iter().find(|(known, _)| *known == symbol && *known != "in") {
            return Ok(Lexeme::Op(*op));
        }
        let fault = Fault::new(self.text, start, format!("Invalid token: '{symbol}'"), "an operator between blanks");
        Err(fault.hinted(hint::symbol(&symbol)))
    }

    /// The longest symbol of the language that stands here; before an operand only a prefix can.
    fn shortest_symbol(&mut self, operand: bool) -> Result<Lexeme, Fault> {
        let rest = self.rest();
        if operand && let Some(prefix) = rest.get(..1).and_then(prefix) {
            return self.single(Lexeme::Prefix(prefix));
        }
        let wrong = hint::wrong_symbol(rest);
        if wrong.is_none()
            && let Some((symbol, op)) = OPERATORS.iter().find(|(symbol, _)| rest.starts_with(symbol))
        {
            self.at += symbol.len();
            return Ok(Lexeme::Op(*op));
        }
        // `a && !b` with a word as operator: the parser knows better where a prefix can stand.
        if wrong.is_none()
            && let Some(prefix) = rest.get(..1).and_then(prefix)
        {
            return self.single(Lexeme::Prefix(prefix));
        }
        let (found, hint) = wrong.unwrap_or_else(|| (self.peek().map_or(0, char::len_utf8), hint::character(rest)));
        let found = rest.get(..found).unwrap_or(rest);
        let expected = if operand { super::parse::AN_OPERAND } else { super::parse::AN_OPERATOR };
        let fault = Fault::new(self.text, self.at, format!("{} is no operator", shown(found)), expected);
        Err(fault.hinted(hint))
    }
}

fn prefix(symbol: &str) -> Option<Prefix> {
    match symbol {
        "-" => Some(Prefix::Negate),
        "!" => Some(Prefix::Not),
        "~" => Some(Prefix::Complement),
        _ => None,
    }
}

fn is_percentile(name: &str) -> bool {
    name.strip_prefix('p').is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// `10`, `1.5`, `.5`, `1.`, `1e3`, `2.5E-7`.
fn decimal<'t>(input: &mut &'t str) -> Result<&'t str> {
    let exponent = (one_of(['e', 'E']), opt(one_of(['+', '-'])), digit1);
    (alt(((digit1, opt(('.', opt(digit1)))).take(), ('.', digit1).take())), opt(exponent)).take().parse_next(input)
}
