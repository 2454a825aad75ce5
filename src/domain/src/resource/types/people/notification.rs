//! `notification`: a short message to a user.

use crate::resource::kind::{Field, any_text, boolean, text, timestamp};
use crate::resource::spec::{Names, TypeSpec, USERS_VIEW, Verbs};

/// The description of the type. The agent alone adds members, each for its reader; the name of one is its number.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "notification",
        title: "Notification",
        tag: "notifications",
        uri: "urn:mf2c:resource:Notification",
        about: "a short message to a user, by another one or by the agent",
    },
    USERS_VIEW,
    FIELDS,
)
.verbs(Verbs { add: false, edit: false, delete: true })
.descending("created");

/// The most notifications of one user; the oldest go first, those that were read before the others.
pub const MOST_OF_ONE: usize = 200;
/// The longest message, in bytes.
pub const LONGEST_TEXT: usize = 4096;

const FIELDS: &[Field] = &[
    text("user").required("to whom"),
    any_text("text").required("the message"),
    text("from").optional("the user who sent it, or whose deed it tells of"),
    text("about").optional("what is asked for: there is one message to a user about it, and no other until it is read"),
    timestamp("sent").required("when it was sent"),
    boolean("read").required("whether it has been read"),
    boolean("urgent").required("whether it is urgent"),
];
