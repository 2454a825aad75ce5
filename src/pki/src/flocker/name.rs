//! Which names Flocker's certificates may hold. They become names of files too.

use thiserror::Error;

/// The longest common name (RFC 5280, `ub-common-name`), in characters.
const LONGEST: usize = 64;

/// Why a name is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing.
    #[error("The name is empty.")]
    Empty,
    /// It would leave the directory, or hide.
    #[error("`{0}` cannot be the name of a file here: a name has no `/` and does not begin with `.` or `-`.")]
    Path(String),
    /// Invisible characters.
    #[error("The name holds control characters.")]
    Control,
    /// Longer than certificates may hold.
    #[error("The name has {length} characters; there is room for {most}.")]
    Long {
        /// How long it is.
        length: usize,
        /// How long it may be.
        most: usize,
    },
    /// Neither a DNS name nor an address.
    #[error("`{0}` is neither a DNS name nor an IP address. Names in other scripts are written as `xn--...`.")]
    Host(String),
}

/// The common name made of a prefix and a name, if files can be called like the name and a certificate has room for both.
///
/// # Errors
/// [`NameError`].
pub fn checked(prefix: &str, name: &str) -> Result<String, NameError> {
    if name.contains('/') || name.starts_with(['.', '-']) {
        return Err(NameError::Path(name.to_owned()));
    }
    common_name(prefix, name)
}

/// The same for a name that no file is called by.
pub(super) fn common_name(prefix: &str, name: &str) -> Result<String, NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.chars().any(char::is_control) {
        return Err(NameError::Control);
    }
    let (length, most) = (name.chars().count(), LONGEST.saturating_sub(prefix.len()));
    if length > most {
        return Err(NameError::Long { length, most });
    }
    Ok(format!("{prefix}{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_the_directory_or_a_certificate_has_no_room_for_are_refused() {
        for bad in ["../x", "a/b", "/etc/passwd", ".", "..", ".hidden", "-o"] {
            assert_eq!(checked("user-", bad), Err(NameError::Path(bad.to_owned())));
        }
        assert_eq!(checked("user-", ""), Err(NameError::Empty));
        assert_eq!(checked("user-", "a\nb"), Err(NameError::Control));
        assert_eq!(checked("user-", &"a".repeat(60)), Err(NameError::Long { length: 60, most: 59 }));
        assert_eq!(common_name("", &"é".repeat(64)), Ok("é".repeat(64)));
        assert_eq!(common_name("", "a/b").as_deref(), Ok("a/b"));
        assert_eq!(checked("user-", "allison, O=evil").as_deref(), Ok("user-allison, O=evil"));
    }
}
