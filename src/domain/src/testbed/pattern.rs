//! Regular expressions that strangers write: bounded in length and in what they compile to; they match in linear time.

use regex::{Regex, RegexBuilder};

use super::Refusal;

/// The longest pattern, in bytes.
const LONGEST: usize = 512;
/// What a pattern may become, in bytes.
const LARGEST: usize = 1 << 20;
/// How deep a pattern may nest.
const DEEPEST: u32 = 40;

/// A pattern that is searched for.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// A pattern that may stand anywhere in a text.
    ///
    /// # Errors
    /// [`Refusal::Request`] where it is none, or too large.
    pub fn anywhere(pattern: &str) -> Result<Self, Refusal> {
        compiled(pattern, pattern.to_owned())
    }

    /// A pattern that a text must match as a whole, as formats of attributes do.
    ///
    /// # Errors
    /// As [`Pattern::anywhere`].
    pub fn whole(pattern: &str) -> Result<Self, Refusal> {
        // Alone too: `a)|(b` would be something else within the parentheses.
        let _ = compiled(pattern, pattern.to_owned())?;
        compiled(pattern, format!("^(?:{pattern})$"))
    }

    /// Whether a text matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

fn compiled(pattern: &str, text: String) -> Result<Pattern, Refusal> {
    let shown: String = pattern.chars().take(60).flat_map(char::escape_debug).collect();
    if pattern.len() > LONGEST {
        return Err(Refusal::request(format!("Bad regular expression: at most {LONGEST} bytes are accepted")));
    }
    let built = RegexBuilder::new(&text).size_limit(LARGEST).dfa_size_limit(LARGEST).nest_limit(DEEPEST).build();
    built.map(Pattern).map_err(|_| Refusal::request(format!("Bad regular expression: {shown}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_found_anywhere_or_matches_the_whole() {
        assert!(Pattern::anywhere("^Alfa").unwrap().matches("Alfa-Romeo"));
        assert!(!Pattern::whole("Alfa").unwrap().matches("Alfa-Romeo"));
        assert!(Pattern::whole("a|b").unwrap().matches("b") && !Pattern::whole("a|b").unwrap().matches("ab"));
        assert!(Pattern::whole(r"[0-9-\s\.\(\)\+]+").unwrap().matches("+1 (2) 3-4"));
    }

    #[test]
    fn patterns_that_are_none_or_too_large_are_refused() {
        let deep = format!("{}a{}", "(".repeat(60), ")".repeat(60));
        assert!(Pattern::whole("a)|(b").is_err());
        for bad in ["(", "a{1000}{1000}", "x".repeat(600).as_str(), deep.as_str()] {
            assert!(Pattern::anywhere(bad).is_err() && Pattern::whole(bad).is_err());
        }
        // What takes others exponential time.
        assert!(!Pattern::whole("(a+)+b").unwrap().matches(&"a".repeat(10_000)));
    }
}
