//! What is wrong with the text of a constraint: where, what was expected there, and what may have been meant.

use std::fmt;

/// Why a text is no expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where, in bytes from the start of the text.
    pub position: usize,
    /// The line of it, from 1.
    pub line: u32,
    /// The character in that line, from 1.
    pub column: u32,
    /// What is wrong; under [`super::Grammar::Original`] in the words of the original.
    pub message: String,
    /// What could have stood there.
    pub expected: String,
    /// What may have been meant.
    pub hint: Option<String>,
}

impl Fault {
    pub(crate) fn new(text: &str, position: usize, message: impl Into<String>, expected: impl Into<String>) -> Self {
        let position = text.floor_char_boundary(position);
        let before = &text[..position];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).saturating_add(1);
        Self {
            position,
            line: count(before.matches('\n').count()),
            column: count(before[line_start..].chars().count()),
            message: message.into(),
            expected: expected.into(),
            hint: None,
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn hinted(mut self, hint: Option<impl Into<String>>) -> Self {
        self.hint = hint.map(Into::into).or(self.hint);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at line {}, column {}: expected {}", self.message, self.line, self.column, self.expected)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Fault {}

/// A part of the text as a message shows it: quoted, and never long.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 40;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}
