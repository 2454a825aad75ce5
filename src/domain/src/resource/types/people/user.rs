//! `user`: a person with an account.

use serde_json::{Map, Value};

use crate::resource::kind::{Field, Fill, Kind, any_text, boolean, email, list, one_of, text, timestamp, word};
use crate::resource::spec::{EVERYBODY_MODIFY, Names, TypeSpec, Verbs};

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
.verbs(Verbs::NONE)
.named(&["username"], name)
.state_is_logged("state");

const FIELDS: &[Field] = &[
    text("username").required("the name to sign in with"),
    email("emailAddress").required("where to write to"),
    text("password").optional("a digest of the password").secret(),
    text("firstName").optional("the first name"),
    text("lastName").optional("the last name"),
    any_text("organization").optional("whom the person works for"),
    any_text("roles").optional("the roles, with commas between them"),
    any_text("githublogin").optional("the name at GitHub"),
    any_text("cyclonelogin").optional("the name at CYCLONE"),
    word("method").optional("how the account was made"),
    any_text("href").optional("the template that it was made from"),
    one_of("state", &["NEW", "ACTIVE", "DELETED", "SUSPENDED"])
        .required("whether the person can sign in")
        .or(Fill::Text("NEW")),
    boolean("isSuperUser").optional("whether the person is an administrator"),
    boolean("deleted").optional("whether the account is given up"),
    timestamp("creation").optional("when the account was made"),
    timestamp("lastOnline").optional("when the person was last seen").or(Fill::Text(EPOCH)),
    timestamp("lastExecute").optional("when the person last ran something").or(Fill::Text(EPOCH)),
    timestamp("activeSince").optional("since when the account can be used").or(Fill::Text(EPOCH)),
    list("externalIdentity", &Kind::NonBlank).not_empty().optional("who the person is in other systems"),
];

const EPOCH: &str = "1970-01-01T00:00:00.000Z";

fn name(attributes: &Map<String, Value>) -> Option<String> {
    Some(attributes.get("username")?.as_str()?.to_owned())
}
