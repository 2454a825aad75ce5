//! Resource identifiers: `<type>/<name>`, as `spec/cimi.md` 3.1 defines them.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest identifier that is accepted, in bytes.
pub const MAX_ID_BYTES: usize = 256;

/// The identifier of one resource, `device/5f0c…`; always well formed, cheap to copy.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResourceId(Arc<str>);

/// Why a text is no resource identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Longer than [`MAX_ID_BYTES`].
    #[error("a resource id of {length} bytes is too long: at most {MAX_ID_BYTES} are allowed")]
    TooLong {
        /// The length given, in bytes.
        length: usize,
    },
    /// Not of the form `<type>/<name>`.
    #[error(
        "`{shown}` is not a resource id: expected `<type>/<name>`, the type in lower-case words joined by `-`, the name of letters, digits, `-` and `_`"
    )]
    Malformed {
        /// The text, with control characters escaped and cut to a readable length.
        shown: String,
    },
}

impl ResourceId {
    /// Reads an identifier with both its parts.
    ///
    /// # Errors
    /// [`IdError`] if the text is too long or has another form.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        if text.len() > MAX_ID_BYTES {
            return Err(IdError::TooLong { length: text.len() });
        }
        match text.split_once('/') {
            Some((kind, name)) if is_type_name(kind) && is_local_name(kind, name) => Ok(Self(text.into())),
            _ => Err(IdError::Malformed { shown: text.chars().take(80).flat_map(char::escape_debug).collect() }),
        }
    }

    /// An identifier from its two parts.
    ///
    /// # Errors
    /// As [`ResourceId::parse`].
    pub fn new(kind: &str, name: &str) -> Result<Self, IdError> {
        Self::parse(&format!("{kind}/{name}"))
    }

    /// The whole identifier.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The resource type: what stands before the slash.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.0.split_once('/').map_or("", |(kind, _)| kind)
    }

    /// The part after the slash.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, name)| name)
    }
}

/// Whether `text` has the form of a resource type: `^[a-z]+(-[a-z]+)*$`.
#[must_use]
pub fn is_type_name(text: &str) -> bool {
    text.len() <= 64 && text.split('-').all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()))
}

/// User names may hold nearly anything (external identities have slashes) but what would break out of a JSON text, in
/// which ids are written as they are; all others are plain words.
fn is_local_name(kind: &str, name: &str) -> bool {
    if kind == "user" {
        return !name.is_empty()
            && !name.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '"' | '\\'))
            && !name.split('/').any(|step| matches!(step, "" | "." | ".."));
    }
    is_plain_name(name)
}

/// `^[a-zA-Z0-9]([a-zA-Z0-9_-]*[a-zA-Z0-9])?$`.
fn is_plain_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    first.is_ascii_alphanumeric()
        && last.is_ascii_alphanumeric()
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// Whether `text` is a link target: a resource type, alone or with a name (`spec/cimi-resources.md` 1).
#[must_use]
pub fn is_href(text: &str) -> bool {
    match text.split_once('/') {
        None => is_type_name(text),
        Some((kind, name)) => is_type_name(kind) && is_local_name(kind, name) && text.len() <= MAX_ID_BYTES,
    }
}

impl TryFrom<String> for ResourceId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::parse(&text)
    }
}

impl From<ResourceId> for String {
    fn from(id: ResourceId) -> Self {
        id.as_str().to_owned()
    }
}

/// So that a map keyed by ids can be asked with a text.
impl Borrow<str> for ResourceId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_formed_ids_show_their_parts() {
        let id = ResourceId::parse("device-dynamic/5f0c-1_a").unwrap();
        assert_eq!((id.kind(), id.name()), ("device-dynamic", "5f0c-1_a"));
        assert!(ResourceId::parse("user/github/some.body@example.org").is_ok());
        assert!(is_href("agent/default-value") && is_href("device/123refegh") && is_href("service"));
    }

    #[test]
    fn ids_that_could_mean_something_else_are_refused() {
        let long = format!("device/{}", "a".repeat(1024));
        for bad in [
            "",
            "device",
            "device/",
            "Device/a",
            "device/../etc",
            "device/a\0b",
            "device/-a",
            "device/a-",
            "a--b/c",
            "user/../x",
            "user/a\",\"isSuperUser\":true,\"b\":\"",
            "user/a\\b",
            &long,
        ] {
            assert!(ResourceId::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
