//! Profiles as DETER's testbed has them (`spec/facades.md` 3.4): what somebody says of himself, of a project or of an experiment,
//! and which of it must be there, may be changed, and looks how.

use std::collections::BTreeMap;

use regex::Regex;

/// The longest value, in bytes.
pub const LONGEST_VALUE: usize = 4096;

/// What may be done with an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It is shown and changed.
    ReadWrite,
    /// It is shown. It can be set when the profile is made, and not afterwards.
    ReadOnly,
}

impl Access {
    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ReadWrite => "READ_WRITE",
            Self::ReadOnly => "READ_ONLY",
        }
    }
}

/// What a value must look like.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// A regular expression that the whole value matches.
    pub pattern: &'static str,
    /// The same for people.
    pub expected: &'static str,
}

/// An attribute that profiles of a kind may have.
#[derive(Debug, Clone, Copy)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// What it is, for people.
    pub description: &'static str,
    /// Whether it may be empty or missing.
    pub optional: bool,
    /// What may be done with it.
    pub access: Access,
    /// What it must look like, unless it is empty.
    pub format: Option<Format>,
    /// Where it stands among the others: they are shown by this number.
    pub order: i32,
    /// How many characters a form should have room for; none where that is not known.
    pub length: Option<i32>,
}

impl Attribute {
    /// One that may be missing, and looks as it likes.
    #[must_use]
    pub const fn optional(name: &'static str, order: i32, description: &'static str) -> Self {
        let access = Access::ReadWrite;
        Self { name, description, optional: true, access, format: None, order, length: None }
    }

    /// One that must be there.
    #[must_use]
    pub const fn required(name: &'static str, order: i32, description: &'static str) -> Self {
        Self { optional: false, ..Self::optional(name, order, description) }
    }

    /// The same with a format.
    #[must_use]
    pub const fn like(self, pattern: &'static str, expected: &'static str) -> Self {
        Self { format: Some(Format { pattern, expected }), ..self }
    }

    /// The same with a length.
    #[must_use]
    pub const fn long(self, length: i32) -> Self {
        Self { length: Some(length), ..self }
    }

    /// The same, to be set once.
    #[must_use]
    pub const fn fixed(self) -> Self {
        Self { access: Access::ReadOnly, ..self }
    }

    /// Why a value is none for it; none where it is one.
    fn fault(&self, value: &str) -> Option<&'static str> {
        if value.len() > LONGEST_VALUE {
            return Some("at most 4096 bytes");
        }
        let format = self.format.filter(|_| !value.is_empty())?;
        let whole = format!("^(?:{})$", format.pattern);
        let fits = Regex::new(&whole).is_ok_and(|pattern| pattern.is_match(value));
        (!fits).then_some(format.expected)
    }
}

/// The attribute of a user's profile that the account holds.
pub const EMAIL: &str = "email";

/// What users say of themselves.
pub static USER: [Attribute; 13] = [
    Attribute::required("name", 100, "Name"),
    Attribute::optional("title", 200, "Title"),
    Attribute::optional("address1", 500, "Address"),
    Attribute::optional("address2", 600, "Address"),
    Attribute::optional("city", 700, "City"),
    Attribute::optional("state", 800, "State"),
    Attribute::optional("zip", 900, "Zip or postal code"),
    Attribute::optional("country", 1000, "Country"),
    Attribute::required(EMAIL, 1100, "E-mail address").like(r"[^\s@]+@[^\s@]+", "A valid e-mail address").fixed(),
    Attribute::optional("URL", 1200, "Web page"),
    Attribute::required("phone", 1300, "Phone number")
        .like(r"[0-9-\s\.\(\)\+]+", "Numbers, whitespace, parens, +, dots and dashes")
        .long(15),
    Attribute::optional("affiliation", 3000, "Affiliation"),
    Attribute::optional("affiliation_abbrev", 4000, "Affiliation, abbreviated").long(5),
];

/// What stands in a profile, by the names of attributes.
pub type Values = BTreeMap<String, String>;

/// A profile from what is filled in.
///
/// # Errors
/// The original's sentence about what is wrong.
pub fn filled<'a>(
    schema: &[Attribute],
    given: impl IntoIterator<Item = (Option<&'a str>, Option<&'a str>)>,
) -> Result<Values, String> {
    let mut seen = BTreeMap::new();
    for (name, value) in given {
        let name = name.filter(|name| !name.is_empty()).ok_or("Attribute without a name!?")?;
        let attribute = schema.iter().find(|attribute| attribute.name == name);
        let attribute = attribute.ok_or_else(|| format!("Unknown Attribute in profile: {}", shown(name)))?;
        if seen.insert(attribute.name, value.unwrap_or_default()).is_some() {
            return Err(format!("Attribute {name} is there more than once"));
        }
    }
    if seen.is_empty() {
        return Err("No profile passed to profiled object!".to_owned());
    }
    for attribute in schema {
        let name = attribute.name;
        match seen.get(name) {
            None if attribute.optional => continue,
            None => return Err(format!("Required attribute {name} not present")),
            Some(&"") if !attribute.optional => return Err(format!("Required attribute {name} NULL or zero-length")),
            Some(value) if attribute.fault(value).is_some() => {
                let pattern = attribute.format.map(|format| format.pattern).unwrap_or_default();
                return Err(format!("Attribute {name} badly formatted.{pattern} {}", shown(value)));
            }
            Some(_) => {}
        }
    }
    let given = seen.into_iter().filter(|(_, value)| !value.is_empty());
    Ok(given.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// Changes an attribute of a profile, or takes it away. What is not there is taken away without a fault.
///
/// # Errors
/// The original's sentence about why it stays as it is.
pub fn change(
    schema: &[Attribute],
    values: &mut Values,
    (name, value, delete): (&str, Option<&str>, bool),
) -> Result<(), String> {
    let attribute = schema.iter().find(|attribute| attribute.name == name).ok_or("No such attribute")?;
    if attribute.access == Access::ReadOnly {
        return Err("Attribute not writeable".to_owned());
    }
    if delete {
        if !attribute.optional {
            return Err("Can only delete optional attributes".to_owned());
        }
        values.remove(name);
        return Ok(());
    }
    let value = value.unwrap_or_default();
    if value.is_empty() && !attribute.optional {
        return Err(format!("Required attribute {name} NULL or zero-length"));
    }
    if let Some(expected) = attribute.fault(value) {
        return Err(format!("Misformatted attribute. Expected {expected}"));
    }
    values.insert(name.to_owned(), value.to_owned());
    Ok(())
}

/// The beginning of what somebody sent, fit to be shown.
fn shown(text: &str) -> String {
    text.chars().take(60).flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn made(pairs: &[(&str, &str)]) -> Result<Values, String> {
        filled(&USER, pairs.iter().map(|(name, value)| (Some(*name), Some(*value))))
    }

    const NEEDED: [(&str, &str); 3] =
        [("name", "Jane Doe"), ("email", "jane@example.org"), ("phone", "+1 (310) 555-0100")];

    #[test]
    fn a_profile_with_what_is_required_is_taken() {
        assert_eq!(made(&NEEDED).unwrap()["phone"], "+1 (310) 555-0100");
        let more = [&NEEDED[..], &[("city", "Los Angeles"), ("zip", "")]].concat();
        let values = made(&more).unwrap();
        assert_eq!((values.len(), values["city"].as_str()), (4, "Los Angeles"));
    }

    #[test]
    fn what_is_wrong_with_a_new_profile_is_told_in_the_originals_words() {
        let fault = |pairs: &[(&str, &str)]| made(pairs).unwrap_err();
        assert_eq!(fault(&[]), "No profile passed to profiled object!");
        assert_eq!(fault(&[("", "x")]), "Attribute without a name!?");
        assert_eq!(filled(&USER, [(None, Some("x"))]).unwrap_err(), "Attribute without a name!?");
        assert_eq!(fault(&[("shoe size", "45")]), "Unknown Attribute in profile: shoe size");
        assert_eq!(fault(&[NEEDED[0], NEEDED[2]]), "Required attribute email not present");
        assert_eq!(fault(&[("name", ""), NEEDED[1], NEEDED[2]]), "Required attribute name NULL or zero-length");
        let bad = fault(&[NEEDED[0], ("email", "nobody"), NEEDED[2]]);
        assert_eq!(bad, r"Attribute email badly formatted.[^\s@]+@[^\s@]+ nobody");
        assert_eq!(fault(&[NEEDED[0], NEEDED[0]]), "Attribute name is there more than once");
        assert!(fault(&[NEEDED[1], NEEDED[2], ("name", &"x".repeat(5000))]).starts_with("Attribute name badly"));
    }

    #[test]
    fn changes_are_refused_one_by_one() {
        let mut values = made(&NEEDED).unwrap();
        let mut tried = |name, value, delete| change(&USER, &mut values, (name, value, delete)).err();
        let bad = tried("phone", Some("abc"), false).unwrap();
        assert!(bad.starts_with("Misformatted attribute. Expected Numbers"), "{bad}");
        assert_eq!(tried("email", Some("a@b"), false).unwrap(), "Attribute not writeable");
        assert_eq!(tried("nosuch", Some("x"), false).unwrap(), "No such attribute");
        assert_eq!(tried("name", None, true).unwrap(), "Can only delete optional attributes");
        assert_eq!(tried("name", None, false).unwrap(), "Required attribute name NULL or zero-length");
        assert_eq!(tried("city", Some("Los Angeles"), false), None);
        assert_eq!(tried("city", None, true), None);
        assert_eq!(tried("city", None, true), None, "what is not there is taken away too");
        assert_eq!(values, made(&NEEDED).unwrap());
    }

    proptest! {
        #[test]
        fn whatever_is_taken_can_be_given_again(pairs in proptest::collection::vec((0usize..13, "\\PC{0,12}"), 0..16)) {
            let pairs: Vec<_> = pairs.iter().map(|(which, value)| (USER[*which].name, value.as_str())).collect();
            if let Ok(values) = made(&pairs) {
                let again: Vec<_> = values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                prop_assert_eq!(made(&again), Ok(values.clone()));
            }
        }
    }
}
