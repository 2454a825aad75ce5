//! What a rule wanted or found, for people and for programs.

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};

use crate::text::Shown;
use crate::units::{Mebibytes, Percent};

/// So many names of a list are kept in a reason.
pub(crate) const MOST_NAMES: usize = 20;

/// A limit, or what is there. The code of the reason tells its unit.
#[derive(Debug, Clone, PartialEq)]
pub enum Figure<'a> {
    /// Nobody said it. `null` in JSON.
    Unknown,
    /// Whether something is so.
    Flag(bool),
    /// How many.
    Count(u64),
    /// A share; in JSON a number of percent.
    Share(Percent),
    /// An amount; in JSON a number of MiB.
    Amount(Mebibytes),
    /// A time, in whole seconds.
    Seconds(u64),
    /// A word.
    Text(Cow<'a, str>),
    /// Several words; 20 at most are kept.
    Names(Cow<'a, [Box<str>]>),
}

impl<'a> Figure<'a> {
    /// A word, or [`Figure::Unknown`] where there is none.
    pub(crate) fn text(word: Option<&'a str>) -> Self {
        word.filter(|word| !word.is_empty()).map_or(Self::Unknown, |word| Self::Text(Cow::Borrowed(word)))
    }

    /// The same, independent of the documents.
    #[must_use]
    pub fn into_owned(self) -> Figure<'static> {
        match self {
            Self::Unknown => Figure::Unknown,
            Self::Flag(is) => Figure::Flag(is),
            Self::Count(count) => Figure::Count(count),
            Self::Share(share) => Figure::Share(share),
            Self::Amount(amount) => Figure::Amount(amount),
            Self::Seconds(seconds) => Figure::Seconds(seconds),
            Self::Text(word) => Figure::Text(Cow::Owned(word.into_owned())),
            Self::Names(names) => Figure::Names(Cow::Owned(names.into_owned())),
        }
    }
}

impl From<Option<Percent>> for Figure<'_> {
    fn from(share: Option<Percent>) -> Self {
        share.map_or(Self::Unknown, Self::Share)
    }
}

impl From<Option<Mebibytes>> for Figure<'_> {
    fn from(amount: Option<Mebibytes>) -> Self {
        amount.map_or(Self::Unknown, Self::Amount)
    }
}

impl From<Option<bool>> for Figure<'_> {
    fn from(is: Option<bool>) -> Self {
        is.map_or(Self::Unknown, Self::Flag)
    }
}

impl fmt::Display for Figure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::Flag(is) => write!(f, "{is}"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Share(share) => write!(f, "{share}"),
            Self::Amount(amount) => write!(f, "{amount}"),
            Self::Seconds(seconds) => write!(f, "{seconds} s"),
            Self::Text(word) => write!(f, "`{}`", Shown(word)),
            Self::Names(names) => names.iter().enumerate().try_for_each(|(at, name)| {
                let comma = if at == 0 { "" } else { ", " };
                write!(f, "{comma}`{}`", Shown(name))
            }),
        }
    }
}

impl Serialize for Figure<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unknown => serializer.serialize_none(),
            Self::Flag(is) => serializer.serialize_bool(*is),
            Self::Count(number) | Self::Seconds(number) => serializer.serialize_u64(*number),
            Self::Share(share) => share.serialize(serializer),
            Self::Amount(amount) => amount.serialize(serializer),
            Self::Text(word) => serializer.serialize_str(word),
            Self::Names(names) => names.serialize(serializer),
        }
    }
}
