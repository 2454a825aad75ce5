//! Which names a person may sign in with, which passwords and addresses are taken.

use std::ops::RangeInclusive;

use thiserror::Error;

use crate::id::ResourceId;
use crate::resource;

/// The longest name, in bytes.
pub const LONGEST_NAME: usize = 100;
/// The fewest characters of a password.
pub const SHORTEST_PASSWORD: usize = 8;
/// The longest password, in bytes: what is longer only costs time to digest.
pub const LONGEST_PASSWORD: usize = 1024;
/// The longest address that mail can be sent to (RFC 5321, 4.5.3.1.3, without the angle brackets).
const LONGEST_ADDRESS: usize = 254;
/// The longest part before the `@` (RFC 5321, 4.5.3.1.1).
const LONGEST_LOCAL_PART: usize = 64;

/// Names that mean something else: roles, and the identities by which the programs of an agent go.
const TAKEN: [&str; 8] = ["admin", "user", "anon", "internal", "super", "bootstrap", "root", "session"];
/// Letters by Unicode that nobody sees.
const UNSEEN: [char; 4] = ['\u{115F}', '\u{1160}', '\u{3164}', '\u{FFA0}'];

/// Letters that are another way to write usual ones: in circles, for formulas, of double width.
const STYLED: [RangeInclusive<char>; 4] =
    ['\u{2460}'..='\u{24FF}', '\u{FF00}'..='\u{FFEF}', '\u{1D400}'..='\u{1D7FF}', '\u{1F100}'..='\u{1F1FF}'];
/// Scripts with letters that look like Latin ones: Greek, Cyrillic, Armenian, Cherokee.
const LOOKALIKE: [RangeInclusive<char>; 4] =
    ['\u{370}'..='\u{3FF}', '\u{400}'..='\u{52F}', '\u{530}'..='\u{58F}', '\u{13A0}'..='\u{13FF}'];

/// What is wrong with a name, a password or an address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// Too long a name.
    #[error("the username has {bytes} bytes: expected at most {LONGEST_NAME}, choose a shorter one")]
    LongName {
        /// Its bytes.
        bytes: usize,
    },
    /// A character that no name has.
    #[error(
        "the username holds {shown}: expected letters and digits, and between them `.`, `_`, `-`, `@`, `+`, `~`, `:` or `/`"
    )]
    Character {
        /// The character, escaped.
        shown: String,
    },
    /// Letters of two scripts that look alike.
    #[error("the username mixes Latin letters with others that look like them: expected letters of one script")]
    Mixed,
    /// Begins or ends with a sign, or has nothing between two slashes.
    #[error("the username begins or ends with a sign, or a part of it does: expected a letter or digit there")]
    Edge,
    /// The name of a role, of the agent itself, or of something that can be done with a user.
    #[error("the username `{shown}` means something else to the agent: choose another")]
    Taken {
        /// The name.
        shown: String,
    },
    /// Too short a password.
    #[error("password must have at least {SHORTEST_PASSWORD} characters")]
    ShortPassword,
    /// Too long a password.
    #[error("password must have at most {LONGEST_PASSWORD} bytes, it has {bytes}")]
    LongPassword {
        /// Its bytes.
        bytes: usize,
    },
    /// An address that no mail can be sent to.
    #[error("the e-mail address is too long: expected at most 64 characters before the `@` and 254 in all")]
    LongAddress,
}

/// Whether an account may have this name.
///
/// Names stand in paths, filters, mails and access lists, so nothing is in them that one of those could misread: no
/// quotes, no blanks, nothing that is not seen or turns the direction of writing.
///
/// # Errors
/// [`NameError`].
pub fn check_username(name: &str) -> Result<(), NameError> {
    if name.len() > LONGEST_NAME {
        return Err(NameError::LongName { bytes: name.len() });
    }
    let is_sign = |c: char| matches!(c, '.' | '_' | '-' | '@' | '+' | '~' | ':');
    let among = |ranges: &[RangeInclusive<char>], c: char| ranges.iter().any(|range| range.contains(&c));
    let is_letter = |c: char| c.is_alphanumeric() && !UNSEEN.contains(&c) && !among(&STYLED, c);
    if let Some(wrong) = name.chars().find(|c| !(is_letter(*c) || is_sign(*c) || *c == '/')) {
        return Err(NameError::Character { shown: format!("`{}`", wrong.escape_default()) });
    }
    if name.chars().any(|c| c.is_ascii_alphabetic()) && name.chars().any(|c| among(&LOOKALIKE, c)) {
        return Err(NameError::Mixed);
    }
    let inner = |part: &str| {
        let edges = [part.chars().next(), part.chars().next_back()];
        edges.iter().all(|edge| edge.is_some_and(|c| is_letter(c) || c == '_'))
    };
    if !name.split('/').all(inner) {
        return Err(NameError::Edge);
    }
    let (first, last) = (name.split('/').next().unwrap_or_default(), name.rsplit('/').next().unwrap_or_default());
    let is_taken = TAKEN.iter().any(|taken| first.eq_ignore_ascii_case(taken));
    let is_action = name.contains('/') && resource::find("user").is_some_and(|spec| spec.action(last).is_some());
    // The first part alone decides: `session/…` and `admin/…` look like what they are not, too.
    if is_taken || is_action || ResourceId::new("user", name).is_err() {
        return Err(NameError::Taken { shown: name.to_owned() });
    }
    Ok(())
}

/// Whether a password may be set.
///
/// # Errors
/// [`NameError`].
pub fn check_password(password: &str) -> Result<(), NameError> {
    if password.len() > LONGEST_PASSWORD {
        return Err(NameError::LongPassword { bytes: password.len() });
    }
    if password.chars().take(SHORTEST_PASSWORD).count() < SHORTEST_PASSWORD {
        return Err(NameError::ShortPassword);
    }
    Ok(())
}

/// Whether mail can be sent to an address of the right form.
///
/// # Errors
/// [`NameError::LongAddress`].
pub fn check_address(address: &str) -> Result<(), NameError> {
    let local = address.find('@').unwrap_or(address.len());
    if address.len() > LONGEST_ADDRESS || local > LONGEST_LOCAL_PART {
        return Err(NameError::LongAddress);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn usual_names_are_taken_as_they_are() {
        for name in [
            "testuser",
            "a",
            "Jane_Doe-2",
            "some.body@example.org",
            "github/jane",
            "jürgen",
            "李雷",
            "анна",
            "νίκος",
            "a+b~c:d",
        ] {
            assert_eq!(check_username(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn names_that_could_be_misread_are_refused() {
        for name in [
            "",
            " ",
            "a b",
            " a",
            "a\n",
            "a\r\nBcc: x@y.z",
            "a\0",
            "a\u{200B}b",
            "a\u{202E}b",
            "a\u{FEFF}",
            "\u{3164}",
            "a\u{AD}b",
            "\u{FF41}dmin",
            "\u{24D0}dmin",
            "\u{1D41A}dmin",
            "\u{430}dmin",
            "r\u{3BF}b",
            "a\"b",
            "a\\b",
            "a'b",
            "<b>",
            "a%2fb",
            "a?b",
            "a#b",
            "a,b",
            "a;b",
            "a=b",
            "/a",
            "a/",
            "a//b",
            "a/../b",
            ".",
            "..",
            "-a",
            "a-",
            "a/-b",
            "@",
            "admin",
            "Admin",
            "ADMIN",
            "USER",
            "anon",
            "session/1234",
            "internal",
            "super",
            "Root",
            "admin/x",
            "x/change-password",
        ] {
            assert!(check_username(name).is_err(), "{name:?} was taken");
        }
        assert!(matches!(check_username(&"a".repeat(101)), Err(NameError::LongName { bytes: 101 })));
        assert_eq!(check_username(&"a".repeat(100)), Ok(()));
        // What only begins like a name of the agent's is none.
        assert_eq!(check_username("superman"), Ok(()));
        assert_eq!(check_username("users/jane"), Ok(()));
    }

    #[test]
    fn a_password_has_eight_characters_whatever_they_are() {
        assert_eq!(check_password("1234567").unwrap_err().to_string(), "password must have at least 8 characters");
        assert_eq!(check_password("üüüüüüü"), Err(NameError::ShortPassword));
        assert_eq!(check_password("üüüüüüüü"), Ok(()));
        assert!(matches!(check_password(&"x".repeat(1 << 20)), Err(NameError::LongPassword { .. })));
    }

    proptest! {
        #[test]
        fn an_accepted_name_is_one_plain_path_and_one_plain_header(name in "\\PC{0,12}|[a-zA-Z/._@-]{1,20}") {
            if check_username(&name).is_ok() {
                let id = ResourceId::new("user", &name);
                prop_assert!(id.is_ok_and(|id| id.name() == name));
                prop_assert!(!name.contains(['"', '\'', '\\', '<', '>', '%', '?', '#', '\r', '\n', ' ']));
                prop_assert_eq!(serde_json::to_string(&name).ok(), Some(format!("\"{name}\"")));
            }
        }
    }
}
