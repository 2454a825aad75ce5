//! The top level of a stored document, without looking into its values: what differs between two revisions, what comes out
//! of a patch, and the hash by which copies are compared.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use mf2c_domain::acl::Acl;
use mf2c_domain::id::ResourceId;
use mf2c_domain::resource;
use mf2c_domain::time::{HybridTime, Timestamp};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::{RawValue, to_raw_value};
use xxhash_rust::xxh3::xxh3_64;

use crate::replica::Patch;

/// What stands first in every document, in this order; the others follow in alphabetical order.
const FIRST: [&str; 5] = ["id", "resourceURI", "created", "updated", "acl"];
/// What no patch may set: it follows from the document and the time of the change.
const GIVEN: [&str; 5] = ["id", "resourceURI", "created", "updated", "operations"];
/// No document is nested deeper: readers of JSON give up at 128.
const MAX_DEPTH: usize = 100;

/// A document by its top-level attributes, their values as they are written.
#[derive(Debug)]
pub(crate) struct TopLevel<'a>(BTreeMap<Cow<'a, str>, Cow<'a, RawValue>>);

struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of an attribute")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        from.deserialize_str(Text)
    }
}

impl<'de> Deserialize<'de> for TopLevel<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Attributes;
        impl<'de> Visitor<'de> for Attributes {
            type Value = TopLevel<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TopLevel<'de>, A::Error> {
                let mut found = BTreeMap::new();
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    if found.insert(name, Cow::Borrowed(value)).is_some() {
                        return Err(A::Error::custom("an attribute stands there twice"));
                    }
                }
                Ok(TopLevel(found))
            }
        }
        from.deserialize_map(Attributes)
    }
}

impl<'a> TopLevel<'a> {
    /// None if it is no JSON object.
    pub(crate) fn read(body: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        serde_json::from_str(self.0.get(name)?.get()).ok()
    }

    /// The value as it is written.
    pub(crate) fn raw(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.get())
    }

    pub(crate) fn set(&mut self, name: &str, value: &impl serde::Serialize) -> Option<()> {
        self.0.insert(Cow::Owned(name.to_owned()), Cow::Owned(to_raw_value(value).ok()?));
        Some(())
    }

    /// Takes attributes out; those that are there are given back.
    pub(crate) fn take(&mut self, names: &[&str]) -> Self {
        let taken = names.iter().filter_map(|name| self.0.remove_entry(*name));
        Self(taken.collect())
    }

    pub(crate) fn put_back(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// The JSON in the order in which documents are stored.
    pub(crate) fn to_vec(&self) -> Vec<u8> {
        let size: usize = self.0.iter().map(|(name, value)| name.len() + value.get().len() + 4).sum();
        let mut body = Vec::with_capacity(size + 2);
        let first = FIRST.iter().filter_map(|name| self.0.get_key_value(*name));
        let others = self.0.iter().filter(|(name, _)| !FIRST.contains(&&***name));
        for (name, value) in first.chain(others) {
            body.push(if body.is_empty() { b'{' } else { b',' });
            // Writing a text into memory cannot fail.
            let _ = serde_json::to_writer(&mut body, name);
            body.push(b':');
            body.extend_from_slice(value.get().as_bytes());
        }
        if body.is_empty() {
            body.push(b'{');
        }
        body.push(b'}');
        body
    }
}

/// The access control list of a document that comes from elsewhere, if it is a document of this id.
pub(crate) fn inspect(id: &ResourceId, uri: &str, body: &[u8]) -> Result<Acl, String> {
    if is_deep(body) {
        return Err(format!("it is nested deeper than {MAX_DEPTH}"));
    }
    let top: TopLevel<'_> = serde_json::from_slice(body).map_err(|error| format!("it is no document: {error}"))?;
    let is = |name: &str, expected: &str| match top.text(name) {
        Some(found) if found == expected => Ok(()),
        _ => Err(format!("its `{name}` is not `{expected}`")),
    };
    is("id", id.as_str())?;
    is("resourceURI", uri)?;
    for name in ["created", "updated"] {
        if top.text(name).and_then(|text| Timestamp::parse(&text)).is_none() {
            return Err(format!("its `{name}` is no time"));
        }
    }
    let acl = top.raw("acl").ok_or("it has no access control list")?;
    serde_json::from_str(acl).map_err(|error| format!("its access control list cannot be read: {error}"))
}

fn is_deep(body: &[u8]) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0usize, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => depth += 1,
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

/// What comes out of a patch.
pub(crate) enum Patched {
    /// The new document.
    Document(Vec<u8>, Option<Acl>),
    /// The patch was made for another revision.
    Misfit,
    /// The patch says what none may say.
    Refused(String),
}

/// The document that a patch makes of `base`, put together as its origin does it.
pub(crate) fn patched(id: &ResourceId, base: &[u8], theirs: Option<&[u8]>, time: HybridTime, patch: &Patch) -> Patched {
    let Some(mut top) = TopLevel::read(base) else { return Patched::Misfit };
    if theirs.is_some_and(|theirs| give_back(id, &mut top, theirs).is_none()) {
        return Patched::Misfit;
    }
    if let Some(name) = GIVEN.iter().find(|name| patch.changed.contains_key(**name)) {
        return Patched::Refused(format!("a patch cannot set `{name}`"));
    }
    if let Some(name) = patch.removed.iter().find(|name| FIRST.contains(&&***name)) {
        return Patched::Refused(format!("a patch cannot remove `{name}`"));
    }
    for name in &patch.removed {
        top.0.remove(&**name);
    }
    let mut acl = None;
    for (name, value) in &patch.changed {
        if name == "acl" {
            match serde_json::from_value::<Acl>(value.clone()) {
                Ok(list) => acl = Some(list),
                Err(error) => return Patched::Refused(format!("its access control list cannot be read: {error}")),
            }
        }
        if top.set(name, value).is_none() {
            return Patched::Misfit;
        }
    }
    if let Some(acl) = &acl {
        top.set("acl", acl);
    }
    top.set("updated", &time.wall());
    let body = top.to_vec();
    if is_deep(&body) {
        return Patched::Refused(format!("it is nested deeper than {MAX_DEPTH}"));
    }
    if sum_of(id, &body, Some(&top)) == patch.sum { Patched::Document(body, acl) } else { Patched::Misfit }
}

/// The attributes of a type's members that are observed by whoever holds a replica.
pub(crate) fn observed(id: &ResourceId) -> &'static [&'static str] {
    resource::find(id.kind()).map_or(&[], |spec| spec.observed)
}

/// Sets what is observed back to what the origin says.
fn give_back<'a>(id: &ResourceId, top: &mut TopLevel<'a>, theirs: &'a [u8]) -> Option<()> {
    top.take(observed(id));
    top.put_back(TopLevel::read(theirs)?);
    Some(())
}

/// A document as its origin has it, without what is observed here.
pub(crate) fn as_at_origin(id: &ResourceId, body: &[u8], theirs: &[u8]) -> Option<Vec<u8>> {
    let mut top = TopLevel::read(body)?;
    give_back(id, &mut top, theirs)?;
    Some(top.to_vec())
}

/// What two copies of a document must agree on.
pub(crate) fn sum(id: &ResourceId, body: &[u8]) -> u64 {
    sum_of(id, body, if observed(id).is_empty() { None } else { TopLevel::read(body) }.as_ref())
}

/// The same, of a document that was read already.
fn sum_of(id: &ResourceId, body: &[u8], top: Option<&TopLevel<'_>>) -> u64 {
    let observed = observed(id);
    let top = top.filter(|_| !observed.is_empty());
    let mut text = Vec::with_capacity(id.as_str().len() + body.len() + 64);
    text.extend_from_slice(id.as_str().as_bytes());
    match top {
        None => {
            text.push(0);
            text.extend_from_slice(body);
        }
        Some(top) => {
            for (name, value) in top.0.iter().filter(|(name, _)| !observed.contains(&&***name)) {
                text.push(1);
                text.extend_from_slice(name.as_bytes());
                text.push(2);
                text.extend_from_slice(value.get().as_bytes());
            }
        }
    }
    xxh3_64(&text)
}

/// The top-level attributes that differ between two revisions, but for those that follow from the change itself.
pub(crate) fn differing(old: &[u8], new: &[u8]) -> Option<Vec<String>> {
    let (old, new) = (TopLevel::read(old)?, TopLevel::read(new)?);
    let changed = new.0.iter().filter(|(name, value)| old.raw(name) != Some(value.get()));
    let removed = old.0.keys().filter(|name| !new.0.contains_key(&**name));
    let names = changed.map(|(name, _)| name).chain(removed).filter(|name| !GIVEN.contains(&&***name));
    Some(names.map(|name| name.clone().into_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, Value, json};

    fn id() -> ResourceId {
        ResourceId::parse("device-dynamic/a").unwrap()
    }

    const BODY: &[u8] = br#"{"id":"device-dynamic/a","resourceURI":"u","created":"2018-01-16T17:09:45.010Z","updated":"2018-01-16T17:09:45.010Z","acl":{"owner":{"principal":"ADMIN","type":"ROLE"}},"a \"b":1.50,"status":"connected","z":[ ]}"#;

    #[test]
    fn a_document_that_is_read_and_written_is_the_same_to_the_byte() {
        assert_eq!(TopLevel::read(BODY).unwrap().to_vec(), BODY);
        assert_eq!(TopLevel::read(b"{}").unwrap().to_vec(), b"{}");
        for none in [&b"[]"[..], b"7", b"", b"{", br#"{"a":1,"a":1}"#] {
            assert!(TopLevel::read(none).is_none());
        }
    }

    #[test]
    fn copies_agree_whatever_is_observed() {
        let mut other = TopLevel::read(BODY).unwrap();
        other.set("status", &"unavailable");
        assert_eq!(sum(&id(), BODY), sum(&id(), &other.to_vec()));
        other.set("z", &1);
        assert_ne!(sum(&id(), BODY), sum(&id(), &other.to_vec()));
        assert_eq!(
            as_at_origin(&id(), &TopLevel::read(BODY).unwrap().to_vec(), br#"{"status":"connected"}"#).unwrap(),
            BODY
        );
    }

    #[test]
    fn a_patch_fits_one_revision_alone_and_sets_nothing_of_the_server() {
        let time = HybridTime::default().next(Timestamp::from_millis(1_560_000_000_000));
        let mut new = TopLevel::read(BODY).unwrap();
        new.set("z", &2);
        new.take(&["a \"b"]);
        new.set("updated", &time.wall());
        let new = new.to_vec();
        assert_eq!(differing(BODY, &new).unwrap(), ["z", "a \"b"]);
        let changed: Map<String, Value> = [("z".to_owned(), json!(2))].into_iter().collect();
        let mut patch = Patch { changed, removed: vec!["a \"b".to_owned()], sum: sum(&id(), &new) };
        assert!(matches!(patched(&id(), BODY, None, time, &patch), Patched::Document(body, None) if body == new));
        patch.sum ^= 1;
        assert!(matches!(patched(&id(), BODY, None, time, &patch), Patched::Misfit));
        patch.changed.insert("id".to_owned(), json!("device/b"));
        assert!(matches!(patched(&id(), BODY, None, time, &patch), Patched::Refused(_)));
    }

    #[test]
    fn depth_is_measured_outside_texts() {
        assert!(is_deep("[".repeat(101).as_bytes()) && !is_deep("[".repeat(100).as_bytes()));
        assert!(!is_deep(format!("\"{}\\\"{}\"", "[".repeat(99), "{".repeat(99)).as_bytes()));
    }
}
