//! `user`: a person with an account.

use serde_json::{Map, Value};

use crate::resource::kind::{Field, Fill, Kind, any_text, boolean, email, list, one_of, pos, text, timestamp, word};
use crate::resource::spec::{Action, EVERYBODY_MODIFY, Form, Names, Offered, TypeSpec};
use crate::time::Timestamp;

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "user",
        title: "User",
        tag: "users",
        uri: "http://sixsq.com/slipstream/1/User",
        about: "a person with an account at this agent",
    },
    EVERYBODY_MODIFY,
    FIELDS,
)
.named(&["username"], name)
.asked_for_by(&FORM)
.actions(ACTIONS)
.state_is_logged("state");

const FIELDS: &[Field] = &[
    text("username").required("the name to sign in with"),
    email("emailAddress").required("where to write to"),
    text("password").optional("a digest of the password").secret().for_admins(),
    text("firstName").optional("the first name"),
    text("lastName").optional("the last name"),
    any_text("organization").optional("whom the person works for"),
    any_text("roles").optional("the roles, with commas between them").for_admins(),
    any_text("githublogin").optional("the name at GitHub"),
    any_text("cyclonelogin").optional("the name at CYCLONE"),
    word("method").optional("how the account was made").for_admins(),
    any_text("href").optional("the template that it was made from").for_admins(),
    one_of("state", STATES).required("whether the person can sign in").or(Fill::Text("NEW")).for_admins(),
    boolean("isSuperUser").optional("whether the person is an administrator").for_admins(),
    boolean("deleted").optional("whether the account is given up").for_admins(),
    timestamp("creation").optional("when the account was made").for_admins(),
    timestamp("lastOnline").optional("when the person was last seen").or(Fill::Text(EPOCH)).for_admins(),
    timestamp("lastExecute").optional("when the person last ran something").or(Fill::Text(EPOCH)).for_admins(),
    timestamp("activeSince").optional("since when the account can be used").or(Fill::Text(EPOCH)).for_admins(),
    list("externalIdentity", &Kind::NonBlank).not_empty().optional("who the person is in other systems").for_admins(),
];

/// What people and administrators send for a new account. Which of it counts depends on the template's method.
static FORM: Form = Form { wrapper: "userTemplate", template: "user-template", fields: ASKED };

const ASKED: &[Field] = &[
    text("username").required("the name to sign in with"),
    email("emailAddress").required("where to write to"),
    any_text("password").optional("the password to sign in with; needed for `self-registration`"),
    any_text("passwordRepeat").optional("the password once more; needed for `self-registration`"),
    text("redirectURI").optional("where to go afterwards; makes the answer 303"),
    one_of("state", STATES).optional("`direct` only: whether the person can sign in"),
    boolean("isSuperUser").optional("`direct` only: whether the person is an administrator"),
    any_text("roles").optional("`direct` only: further roles, with commas between them"),
    text("firstName").optional("`direct` only: the first name"),
    text("lastName").optional("`direct` only: the last name"),
    any_text("organization").optional("`direct` only: whom the person works for"),
    any_text("githublogin").optional("`direct` only: the name at GitHub"),
    any_text("cyclonelogin").optional("`direct` only: the name at CYCLONE"),
    list("externalIdentity", &Kind::NonBlank).not_empty().optional("`direct` only: who the person is in other systems"),
];

const ACTIONS: &[Action] = &[
    Action {
        name: "change-password",
        rel: "http://sixsq.com/slipstream/1/action/change-password",
        about: "sets another password, and ends the user's other sessions",
        methods: &["POST"],
        body: Some(CHANGE),
        success: 200,
        to: Offered::Editors,
        when: Action::always,
    },
    Action {
        name: "certify",
        rel: "certify",
        about: "makes a certificate to sign in with at this agent; the key stays where the request was made",
        methods: &["POST"],
        body: Some(CERTIFY),
        success: 201,
        to: Offered::Editors,
        when: is_active,
    },
];

const CHANGE: &[Field] = &[
    any_text("current-password").optional("the password so far; administrators need not know it"),
    any_text("new-password").required("the password from now on"),
];

const CERTIFY: &[Field] = &[
    text("request").required("a certificate request (PKCS#10) in PEM; what counts of it is the key"),
    pos("ttl")
        .optional("how long the certificate shall hold, in seconds: at most 397 days, 30 days if nothing is said"),
];

fn is_active(user: &Map<String, Value>, _: Timestamp) -> bool {
    user.get("state").is_some_and(|state| state == "ACTIVE")
}

/// How far an account is: new and not proved, in use, given up, barred.
const STATES: &[&str] = &["NEW", "ACTIVE", "DELETED", "SUSPENDED"];

const EPOCH: &str = "1970-01-01T00:00:00.000Z";

fn name(attributes: &Map<String, Value>) -> Option<String> {
    Some(attributes.get("username")?.as_str()?.to_owned())
}
