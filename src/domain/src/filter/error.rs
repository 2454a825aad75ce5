//! Why a text is no filter, where, and what would be right there.

use std::fmt;

use winnow::{
    error::{ModalError, ParserError},
    stream::Location,
};

use super::token::Input;

/// A text is no filter. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    /// The line of the fault.
    pub line: usize,
    /// The column of the fault. Of several filters, it counts in the text that joins them: `(first) and (second)`.
    pub column: usize,
    /// Which of several filters it is, and how many there are; none if there is only one.
    pub which: Option<(usize, usize)>,
    /// What stands there.
    pub found: String,
    /// What could stand there.
    pub expected: String,
    /// What was probably meant.
    pub hint: Option<&'static str>,
}

/// The first sentence is the original's; clients look for it.
impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Invalid CIMI filter. Parse error at line {}, column {}", self.line, self.column)?;
        if let Some((which, count)) = self.which {
            write!(f, " of the joined text, in filter {which} of {count}")?;
        }
        write!(f, ": found {}, expected {}", self.found, self.expected)?;
        if let Some(hint) = self.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for FilterError {}

impl FilterError {
    /// Explains `fault` in `text`, the text of one filter.
    pub(super) fn new(text: &str, fault: Fault) -> Self {
        let (line, column) = position(text, fault.at);
        let found = fault.found.map_or_else(|| describe(text.get(fault.at..).unwrap_or("")), str::to_owned);
        let hint = fault.hint.or_else(|| hint(text, fault.at));
        Self { line, column, which: None, found, expected: fault.expected.to_owned(), hint }
    }

    /// Explains `fault` in the filter `which` (from 0) of several `texts`.
    pub(super) fn joined(texts: &[&str], which: usize, fault: Fault) -> Self {
        let text = texts.get(which).copied().unwrap_or("");
        let mut before =
            texts.get(..which).unwrap_or(&[]).iter().fold(String::new(), |joined, t| joined + "(" + t + ") and ");
        before.push('(');
        before.push_str(text.get(..fault.at).unwrap_or(text));
        let (line, column) = position(&before, before.len());
        Self { line, column, which: Some((which + 1, texts.len())), ..Self::new(text, fault) }
    }
}

/// Where the grammar and the text part.
#[derive(Debug)]
pub(super) struct Fault {
    at: usize,
    found: Option<&'static str>,
    expected: &'static str,
    hint: Option<&'static str>,
    /// Whether another branch of the grammar may still be tried.
    open: bool,
}

impl Fault {
    /// At the byte `at`, something else than `expected`.
    pub(super) const fn new(at: usize, expected: &'static str) -> Self {
        Self { at, found: None, expected, hint: None, open: false }
    }

    /// Where the input stands, something else than `expected`.
    pub(super) fn here(input: &Input<'_>, expected: &'static str) -> Self {
        Self::new(input.current_token_start(), expected)
    }

    /// Says what was found in other words than by quoting it.
    pub(super) const fn found(mut self, found: &'static str) -> Self {
        self.found = Some(found);
        self
    }

    /// Says what was probably meant, where that is known better than from the text alone.
    pub(super) const fn hint(mut self, hint: Option<&'static str>) -> Self {
        self.hint = hint;
        self
    }

    /// Names what was expected, for a fault that comes from a parser which does not know.
    pub(super) const fn expecting(mut self, expected: &'static str) -> Self {
        self.expected = expected;
        self
    }
}

impl<'a> ParserError<Input<'a>> for Fault {
    type Inner = Self;

    fn from_input(input: &Input<'a>) -> Self {
        Self { open: true, ..Self::here(input, "something else") }
    }

    fn is_backtrack(&self) -> bool {
        self.open
    }

    fn into_inner(self) -> Result<Self, Self> {
        Ok(self)
    }
}

impl ModalError for Fault {
    fn cut(self) -> Self {
        Self { open: false, ..self }
    }

    fn backtrack(self) -> Self {
        Self { open: true, ..self }
    }
}

fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or(before);
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// The word or sign that `rest` begins with, in back quotes.
fn describe(rest: &str) -> String {
    const LONGEST: usize = 24;
    let Some(first) = rest.chars().next() else { return "the end of the filter".to_owned() };
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
    let is_sign = |c: char| matches!(c, '&' | '|' | '=' | '<' | '>' | '!' | '^' | '~');
    let shown: String = if is_word(first) {
        rest.chars().take_while(|c| is_word(*c)).take(LONGEST).collect()
    } else if is_sign(first) {
        rest.chars().take_while(|c| is_sign(*c)).take(3).collect()
    } else if first.is_control() {
        first.escape_default().collect()
    } else {
        first.into()
    };
    format!("`{shown}`")
}

/// Names the slips that people make who know other languages.
fn hint(text: &str, at: usize) -> Option<&'static str> {
    let (before, rest) = text.split_at_checked(at)?;
    let word: String = rest.chars().take_while(|c| c.is_ascii_alphabetic()).collect();
    match rest.chars().next()? {
        '&' => Some("write `and`, and send `&` within a value as `%26`"),
        '|' => Some("write `or`"),
        '>' if before.ends_with('=') => Some("write `>=`"),
        '<' if before.ends_with('=') => Some("write `<=`"),
        '>' if before.ends_with('<') => Some("write `!=`"),
        '=' if before.ends_with("==") => Some("write `=`"),
        '!' | '~' => Some("for `not`, compare with `!=`"),
        '\u{201C}' | '\u{201D}' | '\u{2018}' | '\u{2019}' | '`' => Some("quote with `'` or `\"`"),
        '.' => Some("nested attributes are written with slashes, as in `a/b`"),
        ':' => Some("one step of an attribute path holds at most one `:`, between names"),
        _ if matches!(word.as_str(), "AND" | "OR" | "And" | "Or") => Some("write `and` and `or` in lower case"),
        _ if matches!(word.as_str(), "like" | "LIKE" | "contains" | "in" | "IN" | "is" | "IS") => {
            Some("write `^=` for the beginning of a text, `==` for its words, `=null` for a missing attribute")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::filter::{parse, parse_all};

    #[track_caller]
    fn message(text: &str) -> String {
        let full = parse(text).unwrap_err().to_string();
        full.strip_prefix("Invalid CIMI filter. Parse error at line ").unwrap().to_owned()
    }

    #[test]
    fn a_message_says_where_what_and_what_instead() {
        assert_eq!(
            message("type='missing end quote"),
            "1, column 7: found a string without its closing quote, expected the same quote at its end"
        );
        assert_eq!(
            message("a=1 && b=2"),
            "1, column 5: found `&&`, expected `and`, `or` or the end of the filter; write `and`, and send `&` within a value as `%26`"
        );
        assert_eq!(
            message("alpha=beta"),
            "1, column 7: found `beta`, expected a value; quote texts, as in `name='text'`"
        );
        assert_eq!(
            message(""),
            "1, column 1: found the end of the filter, expected a comparison such as `name='text'`"
        );
        assert_eq!(message("a=1 and\n  é=2"), "2, column 3: found `é`, expected an attribute, a value or `(`");
        assert!(
            message("(a=1").ends_with("found the end of the filter, expected `and`, `or` or `)`"),
            "{}",
            message("(a=1")
        );
        assert!(message("a==3").contains("column 4: found `3`, expected a quoted string"), "{}", message("a==3"));
        assert!(message("a=(1)").contains("found `(`, expected a value or an attribute"), "{}", message("a=(1)"));
        assert!(message("a=>3").ends_with("write `>=`") && message("a<>3").ends_with("write `!=`"));
        assert!(message("a=1 AND b=2").ends_with("in lower case"));
    }

    #[test]
    fn the_column_of_several_filters_counts_in_the_joined_text() {
        let error = parse_all(&["a=1", "b='x"]).unwrap_err();
        // (a=1) and (b='x)
        assert_eq!((error.line, error.column, error.which), (1, 15, Some((2, 2))));
        assert!(error.to_string().starts_with(
            "Invalid CIMI filter. Parse error at line 1, column 15 of the joined text, in filter 2 of 2: "
        ));
        assert_eq!(parse_all(&["a", "b=1"]).unwrap_err().column, 3);
    }
}
