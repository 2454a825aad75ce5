//! The types that several services take and give.

use mf2c_domain::time::Timestamp;
use mf2c_soap::{Field, ObjectType, Value};

use super::fault::Fault;

/// An element of a profile, with what is known of it.
pub(super) static ATTRIBUTE: ObjectType = ObjectType {
    name: "Attribute",
    fields: &[
        Field::text("access"),
        Field::text("dataType"),
        Field::text("description"),
        Field::text("format"),
        Field::text("formatDescription"),
        Field::int("lengthHint"),
        Field::text("name"),
        Field::flag("optional"),
        Field::int("orderingHint"),
        Field::text("value").or(&["stringValue"]),
        // Not in the original's later versions: what it is called in the first ones.
        Field::bytes("binaryValue"),
        Field::flag("removable"),
    ],
};

/// A profile; the id is nil where it is nobody's.
pub(super) static PROFILE: ObjectType =
    ObjectType { name: "Profile", fields: &[Field::object("attributes", &ATTRIBUTE).many(), Field::text("id")] };

/// A change of an element of a profile.
pub(super) static CHANGE_ATTRIBUTE: ObjectType = ObjectType {
    name: "ChangeAttribute",
    fields: &[
        Field::flag("delete"),
        Field::text("name"),
        Field::text("value").or(&["stringValue"]),
        Field::bytes("binaryValue"),
    ],
};

/// What has become of one of several changes.
pub(super) static CHANGE_RESULT: ObjectType =
    ObjectType { name: "ChangeResult", fields: &[Field::text("name"), Field::text("reason"), Field::flag("success")] };

/// The instant as the services write it: `20150102T030405Z`.
pub(super) fn stamp(moment: Timestamp) -> String {
    let text = Timestamp::from_millis(i64::try_from(moment.millis() / 1000 * 1000).unwrap_or(i64::MAX)).to_string();
    let whole = text.split(['.', 'Z']).next().unwrap_or_default();
    whole.chars().filter(|c| !matches!(c, '-' | ':')).chain(['Z']).collect()
}

/// Reads an instant as the services write it, or as RFC 3339 does.
///
/// # Errors
/// What was expected.
pub(super) fn instant(text: &str) -> Result<Timestamp, Fault> {
    let plain = text.trim();
    let digits = |from: usize, to: usize| plain.get(from..to).filter(|part| part.bytes().all(|b| b.is_ascii_digit()));
    let dense = (plain.len() == 16 && plain.get(8..9) == Some("T") && plain.ends_with('Z')).then(|| {
        let parts = [digits(0, 4)?, digits(4, 6)?, digits(6, 8)?, digits(9, 11)?, digits(11, 13)?, digits(13, 15)?];
        let [year, month, day, hour, minute, second] = parts;
        Timestamp::parse(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z"))
    });
    let moment = dense.flatten().or_else(|| Timestamp::parse(plain));
    moment.ok_or_else(|| Fault::request(format!("Bad date {}: expected 20150102T030405Z", shown(text))))
}

/// The beginning of what a client sent, fit to be shown.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// What has become of one of several changes: nothing, for a reason, or what was wanted.
pub(super) fn changed(name: &str, reason: Option<String>) -> Value {
    let success = reason.is_none();
    Value::Object(&CHANGE_RESULT, vec![("name", name.into()), ("reason", reason.into()), ("success", success.into())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_as_they_are_written() {
        let moment = Timestamp::parse("2015-01-02T03:04:05.678Z").unwrap();
        assert_eq!(stamp(moment), "20150102T030405Z");
        let whole = Timestamp::parse("2015-01-02T03:04:05Z").unwrap();
        assert_eq!(instant("20150102T030405Z").unwrap(), whole);
        assert_eq!(instant(" 2015-01-02T03:04:05Z ").unwrap(), whole);
        for bad in ["", "yesterday", "20151302T030405Z", "20150102T030405", "2015010ZT030405Z", "２０１５0102T0304"]
        {
            assert!(instant(bad).is_err(), "{bad}");
        }
    }
}
