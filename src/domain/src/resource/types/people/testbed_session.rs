//! `testbed-session`: who is signed in at the testbed API, by the key of a certificate.

use crate::resource::kind::{Field, boolean, href, text, timestamp};
use crate::resource::spec::{Names, TypeSpec, USERS_VIEW, Verbs};

/// The description of the type. The agent alone adds members. The name of one is the identifier of the key: SHA-1 of its bits, in
/// hexadecimal. Whoever deletes one signs its user out.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "testbed-session",
        title: "TestbedSession",
        tag: "testbedSessions",
        uri: "urn:mf2c:resource:TestbedSession",
        about: "a time during which the key of a certificate stands for a user at the testbed API",
    },
    USERS_VIEW,
    FIELDS,
)
.verbs(Verbs { add: false, edit: false, delete: true })
.descending("created");

/// The most sessions of one user; the oldest go first.
pub const MOST_OF_ONE: usize = 20;

const FIELDS: &[Field] = &[
    text("user").required("who"),
    timestamp("until").required("until when"),
    href("certificate").required("the certificate"),
    boolean("issued").required("whether the certificate was made for this session, and ends with it"),
    boolean("unconfirmed").required("whether the account waits for its e-mail: little can be done until then"),
];
