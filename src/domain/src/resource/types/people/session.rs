//! `session`: a signed-in person.

use crate::resource::kind::{Field, any_text, href, object, text, timestamp, word};
use crate::resource::spec::{Action, EVERYBODY_MODIFY, Form, Names, Offered, TypeSpec, Verbs};

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
.verbs(Verbs::ADD_DELETE)
.asked_for_by(&FORM)
.actions(ACTIONS)
.kept_on_disk();

const FIELDS: &[Field] = &[
    word("method").required("how the person signed in"),
    object("sessionTemplate", TEMPLATE).required("the way the person signed in"),
    timestamp("expiry").required("until when it holds"),
    text("username").optional("who signed in"),
    text("roles").optional("the roles, with blanks between them"),
    text("server").optional("the server that was signed in to"),
    text("clientIP").optional("from where"),
    text("redirectURI").optional("where to go afterwards"),
    href("credential").optional("the key that was used; the session ends with it"),
];

/// For ways to sign in that need a second step. None of those that are known does, so it is offered nowhere.
const ACTIONS: &[Action] = &[Action {
    name: "validate",
    rel: "http://sixsq.com/slipstream/1/action/validate",
    about: "ends the way to sign in, where it needs a second step",
    methods: &["GET", "POST"],
    body: None,
    success: 200,
    to: Offered::Editors,
    when: |_, _| false,
}];

/// What proves who somebody is. Which of it counts depends on the template's method.
static FORM: Form = Form { wrapper: "sessionTemplate", template: "session-template", fields: ASKED };

const ASKED: &[Field] = &[
    any_text("username").optional("`internal`: the name to sign in with"),
    any_text("password").optional("`internal`: the password"),
    any_text("key").optional("`api-key`: the id of the key"),
    any_text("secret").optional("`api-key`: the secret of the key"),
    any_text("token").optional("`jwt`: a signed token"),
    text("redirectURI").optional("where to go afterwards; makes the answer 303"),
];

const TEMPLATE: &[Field] = &[href("href").required("the template's id")];
