//! The types that several services take and give.

use mf2c_soap::{Field, ObjectType};

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
