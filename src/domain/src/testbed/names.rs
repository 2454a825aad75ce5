//! Names of projects, experiments and computers, and the ids of their documents.

use sha2::{Digest as _, Sha256};

use super::Refusal;
use crate::area::token::hex;

/// The longest name of a project, an experiment or a computer, in bytes.
pub const MAX_NAME: usize = 64;
/// The longest name of an image, an aspect or a scope, in bytes.
pub const MAX_LONG_NAME: usize = 256;

/// Whether `text` names a project, an experiment or a computer: letters, digits, `.`, `_` and `-`, the first and the last a
/// letter or a digit.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    bytes.len() <= MAX_NAME
        && ends(bytes.first())
        && ends(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
}

/// Whether `text` may name an image, an aspect or a key: one line without control characters and without the characters of
/// markup.
#[must_use]
pub fn is_long_name(text: &str) -> bool {
    (1..=MAX_LONG_NAME).contains(&text.len())
        && text.trim() == text
        && !text.chars().any(|c| c.is_control() || "<>&\"'".contains(c))
}

/// What stands after the slash in the id of a document with this name.
#[must_use]
pub fn local_name(name: &str) -> String {
    if is_name(name) && !name.contains('.') { name.to_owned() } else { digest(&[name]) }
}

/// 32 hexadecimal digits that follow from some texts, and from no others.
#[must_use]
pub fn digest(texts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    hex(&hash.finalize()).chars().take(32).collect()
}

/// What an experiment is called: a user's or a project's name, and its own. The first generation of the API says both apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExperimentId {
    /// A user or a project.
    pub scope: String,
    /// The name within it.
    pub name: String,
}

impl ExperimentId {
    /// From both parts.
    ///
    /// # Errors
    /// [`Refusal::Request`] where one of them is no name.
    pub fn new(scope: &str, name: &str) -> Result<Self, Refusal> {
        if !is_long_name(scope) || !is_name(name) {
            return Err(Refusal::request("Bad Experiment name"));
        }
        Ok(Self { scope: scope.to_owned(), name: name.to_owned() })
    }

    /// From `scope:name`. Names have no colon; scopes may.
    ///
    /// # Errors
    /// [`Refusal::Request`] where it is none.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let (scope, name) = text.rsplit_once(':').ok_or_else(|| Refusal::request("Bad Experiment name"))?;
        Self::new(scope, name)
    }

    /// What stands after the slash in the id of its document.
    #[must_use]
    pub fn local_name(&self) -> String {
        digest(&[&self.scope, &self.name])
    }
}

impl std::fmt::Display for ExperimentId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.scope, self.name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::ResourceId;

    #[test]
    fn names_are_plain_words_without_markup_or_paths() {
        for good in ["Alfa-Romeo", "a", "pc23", "v1.2", "a_b"] {
            assert!(is_name(good), "{good}");
        }
        let long = "x".repeat(65);
        for bad in ["", "-a", "a-", "a b", "<b>", "a&b", "../x", "a/b", "a:b", "ä", ".", "a\n", long.as_str()] {
            assert!(!is_name(bad), "{bad}");
        }
        assert!(is_long_name("registry.example.org:5000/a/b:1") && !is_long_name("<script>") && !is_long_name(" a"));
    }

    #[test]
    fn an_experiment_is_called_by_its_scope_and_its_name() {
        let id = ExperimentId::parse("Alfa-Romeo:HelloWorld").unwrap();
        assert_eq!((id.scope.as_str(), id.name.as_str()), ("Alfa-Romeo", "HelloWorld"));
        assert_eq!(ExperimentId::parse("https://id.example.org:8443/jane:x").unwrap().name, "x");
        for bad in ["HelloWorld", ":x", "x:", "a:<b>", "<a>:b", "a:b c"] {
            assert_eq!(ExperimentId::parse(bad), Err(Refusal::request("Bad Experiment name")), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_a_name_makes_an_id_and_different_ones_make_different_ids(a in "[A-Za-z0-9._-]{1,64}", b in "[A-Za-z0-9._-]{1,64}") {
            for name in [&a, &b] {
                let made = ResourceId::new("project", &local_name(name));
                prop_assert!(!is_name(name) || made.is_ok());
            }
            prop_assert_eq!(local_name(&a) == local_name(&b), a == b);
        }

        #[test]
        fn reading_what_an_experiment_is_called_gives_it_back(scope in "[a-z:/.]{1,20}", name in "[a-z][a-z.]{0,8}[a-z]") {
            if let Ok(id) = ExperimentId::new(&scope, &name) {
                prop_assert_eq!(ExperimentId::parse(&id.to_string()), Ok(id));
            }
        }
    }
}
