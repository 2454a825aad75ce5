//! Words of documents for people: cut, and without control characters.

use std::fmt;

/// So many characters of a word are shown.
const SHOWN: usize = 80;

/// A word in a sentence.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.chars();
        for c in rest.by_ref().take(SHOWN) {
            if c.is_control() { write!(f, "{}", c.escape_debug())? } else { write!(f, "{c}")? }
        }
        if rest.next().is_some() { f.write_str("...") } else { Ok(()) }
    }
}

/// A word as it is compared: in small letters, without space around it.
pub(crate) fn folded(word: &str) -> Box<str> {
    word.trim().to_lowercase().into_boxed_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_shown_without_line_breaks_and_not_at_any_length() {
        assert_eq!(Shown("a\nb").to_string(), "a\\nb");
        assert_eq!(Shown(&"é".repeat(81)).to_string(), format!("{}...", "é".repeat(80)));
        assert_eq!(&*folded(" SenseHat\t"), "sensehat");
    }
}
