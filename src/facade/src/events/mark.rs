//! The `id:` of an event: a place in one life of one store, by which a reader goes on after a break.

use std::fmt;

/// A place in the log of a store, written `1f3a-42`: the store's incarnation in hexadecimal and the position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) incarnation: u64,
    pub(super) position: u64,
}

impl Mark {
    /// Reads what its `Display` wrote; anything else is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (incarnation, position) = text.split_once('-')?;
        let mark = Self { incarnation: u64::from_str_radix(incarnation, 16).ok()?, position: position.parse().ok()? };
        (mark.to_string() == text).then_some(mark)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{}", self.incarnation, self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_mark_is_read_back(incarnation: u64, position: u64) {
            let mark = Mark { incarnation, position };
            prop_assert_eq!(Mark::parse(&mark.to_string()), Some(mark));
        }

        #[test]
        fn nothing_else_is_a_mark(text in "[0-9a-f+ -]{0,12}") {
            prop_assert!(Mark::parse(&text).is_none_or(|mark| mark.to_string() == text));
        }
    }

    #[test]
    fn only_the_written_form_counts() {
        for bad in
            ["", "-", "1", "1-", "-1", "+1-1", "1-+1", "AB-1", "01-1", "1-01", "1-1 ", "fffffffffffffffff-1", "x-1"]
        {
            assert_eq!(Mark::parse(bad), None, "{bad}");
        }
    }
}
