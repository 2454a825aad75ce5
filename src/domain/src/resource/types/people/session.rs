//! `session`: a signed-in person.

use crate::resource::kind::{Field, href, object, text, timestamp, word};
use crate::resource::spec::{EVERYBODY_MODIFY, Names, TypeSpec, Verbs};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "session",
        title: "Session",
        tag: "sessions",
        uri: "http://sixsq.com/slipstream/1/Session",
        about: "a time during which somebody is signed in",
    },
    EVERYBODY_MODIFY,
    FIELDS,
)
.verbs(Verbs::NONE);

const FIELDS: &[Field] = &[
    word("method").required("how the person signed in"),
    object("sessionTemplate", TEMPLATE).required("the way the person signed in"),
    timestamp("expiry").required("until when it holds"),
    text("username").optional("who signed in"),
    text("roles").optional("the roles, with blanks between them"),
    text("server").optional("the server that was signed in to"),
    text("clientIP").optional("from where"),
    text("redirectURI").optional("where to go afterwards"),
];

const TEMPLATE: &[Field] = &[href("href").required("the template's id")];
