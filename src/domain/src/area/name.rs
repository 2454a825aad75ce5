//! What people call an agent: a short name beside its `deviceID`. Nothing follows from it, and two agents may have the same.

use thiserror::Error;

/// The longest name, in characters: what a label of a host name may have (RFC 1035, 2.3.4).
pub const LONGEST: usize = 63;
/// So much of a `deviceID` tells agents of one area apart for people.
pub const SHOWN_DIGITS: usize = 12;
/// What stands before the name among the features of a Hello.
const FEATURE: &str = "name=";

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no name of an agent: expected 1 to 63 letters, digits, `-`, `_` and `.`, such as `boat-7`")]
pub struct NameError(String);

fn is_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// Whether a text can be the name of an agent.
///
/// # Errors
/// [`NameError`].
pub fn check(text: &str) -> Result<(), NameError> {
    let good = (1..=LONGEST).contains(&text.len()) && text.chars().all(is_part);
    if good {
        Ok(())
    } else {
        Err(NameError(text.chars().take(LONGEST).map(|c| if is_part(c) { c } else { '?' }).collect()))
    }
}

/// The feature of a Hello that tells a name.
#[must_use]
pub fn as_feature(name: &str) -> String {
    format!("{FEATURE}{name}")
}

/// The name among the features of a peer's Hello, if it says one that is good.
#[must_use]
pub fn of_features(features: &[String]) -> Option<&str> {
    let name = features.iter().find_map(|feature| feature.strip_prefix(FEATURE))?;
    check(name).ok().map(|()| name)
}

/// The beginning of a `deviceID`, for people: enough to name an agent with.
#[must_use]
pub fn short(device: &str) -> &str {
    device.char_indices().nth(SHOWN_DIGITS).and_then(|(end, _)| device.get(..end)).unwrap_or(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_plain() {
        for good in ["boat-7", "a", "Edge_1.pier", &"x".repeat(63)] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["", "two words", "späti", "a/b", "\u{1b}[31m", &"x".repeat(64)] {
            let said = check(bad).unwrap_err().to_string();
            assert!(said.contains("no name of an agent") && !said.contains('\u{1b}'), "{said}");
        }
    }

    #[test]
    fn a_name_comes_back_from_the_features_and_a_bad_one_does_not() {
        let features = |name: &str| vec!["no-backup".to_owned(), as_feature(name)];
        assert_eq!(of_features(&features("boat-7")), Some("boat-7"));
        assert_eq!(of_features(&features("two words")), None);
        assert_eq!(of_features(&["no-backup".to_owned()]), None);
    }

    #[test]
    fn the_beginning_of_a_device_is_shown() {
        assert_eq!(short(&"0123456789abcdef".repeat(8)), "0123456789ab");
        assert_eq!((short("edge-7"), short(""), short("ääääääääääääää")), ("edge-7", "", "ääääääääääää"));
    }
}
