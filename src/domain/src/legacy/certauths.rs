//! The eight certificate authorities of the original, and the names that they certify.

use std::fmt;

use thiserror::Error;

/// The longest common name (RFC 5280, `ub-common-name`), in characters.
pub const LONGEST_NAME: usize = 64;

/// One of the eight: `it2trustedca`, `it2untrustedca`, and the same for `uc1`, `uc2`, `uc3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CaName {
    /// Whose it is: `it2` of the second iteration of the project, the others of its use cases.
    pub owner: &'static str,
    /// Whether it certifies infrastructure, whose keys it makes itself; else agents, who bring a request.
    pub trusted: bool,
}

impl CaName {
    const OWNERS: [&'static str; 4] = ["it2", "uc1", "uc2", "uc3"];

    /// The one of this name, letter by letter: in the original, another case of letters led past a check.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (owner, trusted) = match text.strip_suffix("untrustedca") {
            Some(owner) => (owner, false),
            None => (text.strip_suffix("trustedca")?, true),
        };
        let owner = Self::OWNERS.into_iter().find(|known| *known == owner)?;
        Some(Self { owner, trusted })
    }
}

impl fmt::Display for CaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}trustedca", self.owner, if self.trusted { "" } else { "un" })
    }
}

/// Why a common name is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing.
    #[error("the common name is empty")]
    Empty,
    /// More than certificates may hold.
    #[error("the common name has {0} characters, expected at most 64")]
    Long(usize),
    /// What readers of names could take for the end of this one.
    #[error("the common name holds a comma or a control character")]
    Character,
}

/// A common name without the blanks around it.
///
/// # Errors
/// [`NameError`].
pub fn common_name(text: &str) -> Result<&str, NameError> {
    let name = text.trim();
    match name.chars().count() {
        0 => Err(NameError::Empty),
        length if length > LONGEST_NAME => Err(NameError::Long(length)),
        _ if name.chars().any(|c| c == ',' || c.is_control()) => Err(NameError::Character),
        _ => Ok(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_eight_and_no_other_writing_of_their_names_counts() {
        for owner in CaName::OWNERS {
            for trusted in [true, false] {
                let name = CaName { owner, trusted };
                assert_eq!(CaName::parse(&name.to_string()), Some(name));
                assert_eq!(CaName::parse(&name.to_string().to_uppercase()), None);
            }
        }
        for bad in ["", "trustedca", "untrustedca", "it1trustedca", "it2Trustedca", "it2trustedca ", "it2ununtrustedca"]
        {
            assert_eq!(CaName::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_name_has_1_to_64_characters_and_no_comma() {
        assert_eq!(common_name(" cau-1\r\n"), Ok("cau-1"));
        assert_eq!(common_name(&"é".repeat(64)).map(str::len), Ok(128));
        assert_eq!(common_name(&"a".repeat(65)), Err(NameError::Long(65)));
        assert_eq!(common_name(" \n"), Err(NameError::Empty));
        assert_eq!(common_name("a, O=evil"), Err(NameError::Character));
        assert_eq!(common_name("a\nb"), Err(NameError::Character));
    }
}
