//! Attribute paths (`a/b/c`), and how to find their values in a document without building a tree.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::scalar::Scalar;

/// Where an attribute stands in a document: the keys from the top down. It has at least one step.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path(Box<[Box<str>]>);

impl Path {
    /// Reads a path with steps split at `/`; a step may hold any other character but must not be empty.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.split('/').any(str::is_empty) {
            return None;
        }
        Self::from_steps(text.split('/'))
    }

    /// A path from its keys, which may be any text, also with slashes. None if there is no key.
    #[must_use]
    pub fn from_steps<'a>(steps: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let steps: Box<[Box<str>]> = steps.into_iter().map(Into::into).collect();
        (!steps.is_empty()).then_some(Self(steps))
    }

    /// The keys from the top down.
    #[must_use]
    pub fn steps(&self) -> &[Box<str>] {
        &self.0
    }

    /// The top-level attribute that the path starts at.
    #[must_use]
    pub fn top(&self) -> &str {
        self.0.first().map_or("", |step| step)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("/")?;
            }
            f.write_str(step)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Calls `visit` for every value at `path` in a JSON document.
///
/// Arrays on the way and at the end stand for their elements, so an empty one has no value, like a missing attribute.
/// Of bytes that are no JSON, the values before the fault are visited.
pub fn visit_values(document: &[u8], path: &Path, visit: &mut dyn FnMut(&Scalar<'_>)) {
    let mut reader = serde_json::Deserializer::from_slice(document);
    // A document in the store is well formed; of anything else the values found so far are the answer.
    let _ = Walk { steps: path.steps(), in_array: false, visit }.deserialize(&mut reader);
}

/// What is left of the way to the values.
struct Walk<'w> {
    steps: &'w [Box<str>],
    in_array: bool,
    visit: &'w mut dyn FnMut(&Scalar<'_>),
}

impl Walk<'_> {
    fn found<E>(self, value: &Scalar<'_>) -> Result<(), E> {
        if self.steps.is_empty() {
            (self.visit)(value);
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.found(&Scalar::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.found(&Scalar::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.found(&Scalar::Int(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.found(&i64::try_from(value).map_or(Scalar::Float(value as f64), Scalar::Int))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.found(&Scalar::Float(value))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.found(&Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        if self.steps.is_empty() && self.in_array {
            (self.visit)(&Scalar::Composite);
            while elements.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        while elements.next_element_seed(Walk { steps: self.steps, in_array: true, visit: &mut *self.visit })?.is_some()
        {
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Some((key, rest)) = self.steps.split_first() else {
            (self.visit)(&Scalar::Composite);
            while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(());
        };
        while let Some(is_ours) = entries.next_key_seed(KeyIs(key))? {
            if is_ours {
                entries.next_value_seed(Walk { steps: rest, in_array: false, visit: &mut *self.visit })?;
            } else {
                entries.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// Reads a key only to say whether it is this one.
struct KeyIs<'k>(&'k str);

impl<'de> DeserializeSeed<'de> for KeyIs<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<bool, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyIs<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(document: &str, path: &str) -> Vec<Scalar<'static>> {
        let mut found = Vec::new();
        visit_values(document.as_bytes(), &Path::parse(path).unwrap(), &mut |value| {
            found.push(value.clone().into_owned())
        });
        found
    }

    fn text(value: &str) -> Scalar<'static> {
        Scalar::Text(Cow::Owned(value.to_owned()))
    }

    #[test]
    fn a_path_is_read_and_printed() {
        let path = Path::parse("content/resource/href").unwrap();
        assert_eq!(
            (path.top(), path.steps().len(), path.to_string().as_str()),
            ("content", 3, "content/resource/href")
        );
        for bad in ["", "/", "a/", "/a", "a//b"] {
            assert_eq!(Path::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_kind_of_value_is_found() {
        let document = r#"{"n":null,"t":true,"i":-3,"u":18446744073709551615,"f":2.5,"s":"a\nb","o":{"x":1}}"#;
        assert_eq!(values(document, "n"), [Scalar::Null]);
        assert_eq!(values(document, "t"), [Scalar::Bool(true)]);
        assert_eq!(values(document, "i"), [Scalar::Int(-3)]);
        assert_eq!(values(document, "u"), [Scalar::Float(18_446_744_073_709_551_615.0)]);
        assert_eq!(values(document, "f"), [Scalar::Float(2.5)]);
        assert_eq!(values(document, "s"), [text("a\nb")]);
        assert_eq!(values(document, "o"), [Scalar::Composite]);
        assert_eq!(values(document, "o/x"), [Scalar::Int(1)]);
        assert_eq!(values(document, "missing"), []);
        assert_eq!(values(document, "i/x"), []);
    }

    #[test]
    fn arrays_stand_for_their_elements() {
        let document = r#"{"a":[1,null,[2],{"b":3}],"e":[],"o":[{"b":["x","y"]},{"c":0},[{"b":"z"}]]}"#;
        assert_eq!(values(document, "a"), [Scalar::Int(1), Scalar::Null, Scalar::Composite, Scalar::Composite]);
        assert_eq!(values(document, "e"), []);
        assert_eq!(values(document, "o/b"), [text("x"), text("y"), text("z")]);
    }

    #[test]
    fn a_broken_document_yields_what_came_before_the_fault() {
        assert_eq!(values(r#"{"a":1,"b":"#, "a"), [Scalar::Int(1)]);
        assert_eq!(values("not json", "a"), []);
    }
}
