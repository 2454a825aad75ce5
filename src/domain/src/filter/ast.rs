//! The tree of a filter.

use crate::{path::Path, time::Timestamp};

/// A condition on documents.
///
/// What [`parse`](super::parse) makes is in normal form: no `And` directly within an `And`, no `Or` directly within an
/// `Or`, and neither with fewer than two members. [`Filter::all`] and [`Filter::any`] keep to it.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// Every member holds.
    And(Vec<Filter>),
    /// At least one member holds.
    Or(Vec<Filter>),
    /// One attribute compares with a value.
    Compare(Comparison),
}

/// `attribute operator value`. A comparison written the other way round has been turned: `3<a` is `a>3` here.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The attribute.
    pub path: Path,
    /// The operator.
    pub op: Op,
    /// The value compared with.
    pub value: Literal,
}

/// A comparison operator, with the attribute on its left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// `=`
    Eq,
    /// `!=`: not `=`, so it holds where the attribute is missing.
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>=`
    Ge,
    /// `>`
    Gt,
    /// `^=`: the text begins with the value.
    StartsWith,
    /// `==`: every word of the value is a word of the text, in upper or lower case.
    Search,
}

/// A value in a filter.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// `null`: no value at all.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number within 64 bits.
    Int(i64),
    /// Any other number; always finite.
    Float(f64),
    /// A bare date or date and time.
    Date {
        /// As written.
        text: String,
        /// The instant it names; midnight UTC of the first day where the time or the day is left out.
        at: Timestamp,
    },
    /// A quoted string.
    Text {
        /// What it says, without the quotes and escapes.
        text: String,
        /// The instant it names, if it reads as a date or a date and time.
        at: Option<Timestamp>,
    },
}

impl Literal {
    /// A string, with the instant it names, if any.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        Self::Text { at: super::meaning::instant_of(&text), text }
    }
}

impl Op {
    /// The operator that says the same with its two sides exchanged.
    #[must_use]
    pub const fn turned(self) -> Self {
        match self {
            Self::Lt => Self::Gt,
            Self::Le => Self::Ge,
            Self::Ge => Self::Le,
            Self::Gt => Self::Lt,
            same => same,
        }
    }

    /// As it is written.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Ge => ">=",
            Self::Gt => ">",
            Self::StartsWith => "^=",
            Self::Search => "==",
        }
    }
}

impl Filter {
    /// Holds where all of `members` do, in normal form. Without members it always holds.
    #[must_use]
    pub fn all(members: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for member in members {
            match member {
                Self::And(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        only(&mut flat).unwrap_or(Self::And(flat))
    }

    /// Holds where any of `members` does, in normal form. Without members it never holds.
    #[must_use]
    pub fn any(members: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for member in members {
            match member {
                Self::Or(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        only(&mut flat).unwrap_or(Self::Or(flat))
    }

    /// The comparisons, from left to right.
    #[must_use]
    pub fn comparisons(&self) -> Vec<&Comparison> {
        let mut found = Vec::new();
        let mut left = vec![self];
        while let Some(filter) = left.pop() {
            match filter {
                Self::And(members) | Self::Or(members) => left.extend(members.iter().rev()),
                Self::Compare(comparison) => found.push(comparison),
            }
        }
        found
    }

    /// The same filter, as it is answered where the `hidden` attributes are not there.
    #[must_use]
    pub fn without(self, hidden: &dyn Fn(&Path) -> bool) -> Self {
        match self {
            Self::And(members) => Self::all(members.into_iter().map(|member| member.without(hidden))),
            Self::Or(members) => Self::any(members.into_iter().map(|member| member.without(hidden))),
            Self::Compare(comparison) if hidden(&comparison.path) => {
                if comparison.holds(&[]) {
                    Self::And(Vec::new())
                } else {
                    Self::Or(Vec::new())
                }
            }
            seen => seen,
        }
    }

    /// The attributes that the filter looks at, each once, in the order of their first mention.
    #[must_use]
    pub fn paths(&self) -> Vec<&Path> {
        let mut paths: Vec<&Path> = Vec::new();
        for comparison in self.comparisons() {
            if !paths.contains(&&comparison.path) {
                paths.push(&comparison.path);
            }
        }
        paths
    }
}

fn only(members: &mut Vec<Filter>) -> Option<Filter> {
    if members.len() == 1 { members.pop() } else { None }
}
