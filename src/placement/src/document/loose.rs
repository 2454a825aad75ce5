//! A JSON value of any kind, borrowed from the document where that is possible.

use std::borrow::Cow;
use std::fmt;

use mf2c_domain::scalar::Number;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::units::{Mebibytes, Percent};

/// So many elements of a list, and members of an object, are kept.
const MOST: usize = 1024;

/// A value of any kind. Lists and objects are as deep as serde_json lets them be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Loose<'a> {
    Text(Cow<'a, str>),
    Number(f64),
    Boolean(bool),
    List(Vec<Loose<'a>>),
    Object(Vec<(Cow<'a, str>, Loose<'a>)>),
    Other,
}

impl<'a> Loose<'a> {
    /// The text, or where a link leads: the generations write links either way.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Object(_) => match self.member("href")? {
                Self::Text(text) => Some(text),
                _ => None,
            },
            _ => None,
        }
    }

    /// The member of an object.
    pub(super) fn member(&self, name: &str) -> Option<&Loose<'a>> {
        match self {
            Self::Object(members) => members.iter().find(|(known, _)| known == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The elements of a list; a value that is no list is its only element.
    pub(super) fn elements(&self) -> &[Loose<'a>] {
        match self {
            Self::List(elements) => elements,
            other => std::slice::from_ref(other),
        }
    }

    /// The number, also in a text, also with a percent sign after it.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number).filter(|number| number.is_finite()),
            Self::Text(text) => {
                let text = text.trim();
                Number::parse(text.strip_suffix('%').unwrap_or(text).trim_end()).map(Number::as_f64)
            }
            _ => None,
        }
    }

    /// A whole number that is not negative, rounded down.
    pub(super) fn count(&self) -> Option<u64> {
        self.number().filter(|number| *number >= 0.0).map(|number| number as u64)
    }

    /// The flag, also in a text.
    pub(super) fn flag(&self) -> Option<bool> {
        match self {
            Self::Boolean(is) => Some(*is),
            Self::Text(text) if text.trim().eq_ignore_ascii_case("true") => Some(true),
            Self::Text(text) if text.trim().eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    pub(super) fn share(&self) -> Option<Percent> {
        self.number().and_then(Percent::new)
    }

    pub(super) fn amount(&self) -> Option<Mebibytes> {
        self.number().and_then(Mebibytes::new)
    }
}

/// What may be missing.
pub(super) trait Maybe {
    /// The text that is not blank.
    fn words(&self) -> Option<&str>;
    /// It in a box; empty where there is none.
    fn boxed(&self) -> Box<str>;
}

impl Maybe for Option<Loose<'_>> {
    fn words(&self) -> Option<&str> {
        self.as_ref().and_then(Loose::text).map(str::trim).filter(|text| !text.is_empty())
    }

    fn boxed(&self) -> Box<str> {
        self.words().unwrap_or_default().into()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Loose<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LooseVisitor)
    }
}

struct LooseVisitor;

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Loose<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Loose::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Loose::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Loose::Number(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Loose::Number(number as f64))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Loose::Number(number as f64))
    }

    fn visit_bool<E>(self, is: bool) -> Result<Self::Value, E> {
        Ok(Loose::Boolean(is))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Loose::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut kept = Vec::new();
        while kept.len() < MOST {
            match items.next_element()? {
                Some(item) => kept.push(item),
                None => return Ok(Loose::List(kept)),
            }
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Loose::List(kept))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut kept = Vec::new();
        while let Some(Loose::Text(name)) = members.next_key()? {
            let value = members.next_value()?;
            if kept.len() < MOST {
                kept.push((name, value));
            }
        }
        Ok(Loose::Object(kept))
    }
}
