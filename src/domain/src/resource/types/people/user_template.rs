//! `user-template`: the ways to get an account.

use serde_json::{Map, Value};

use super::DESCRIBE;
use crate::resource::kind::{Field, any_text, boolean, email, nat, text, word};
use crate::resource::spec::{EVERYBODY_VIEW, EVERYBODY_VIEW_RULES, Names, TypeSpec};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "user-template",
        title: "UserTemplate",
        tag: "userTemplates",
        uri: "http://sixsq.com/slipstream/1/UserTemplate",
        about: "a way to get an account",
    },
    EVERYBODY_VIEW,
    FIELDS,
)
.named(&["instance"], name)
.default_rules(EVERYBODY_VIEW_RULES)
.actions(DESCRIBE);

const FIELDS: &[Field] = &[
    word("method").required("how accounts are made"),
    word("instance").required("which one of that method"),
    text("username").optional("a placeholder for the name to sign in with"),
    email("emailAddress").optional("a placeholder for the address"),
    any_text("password").optional("a placeholder for the password"),
    any_text("passwordRepeat").optional("a placeholder for the password once more"),
    text("group").optional("the heading in a form"),
    nat("order").optional("the place in a form"),
    boolean("hidden").optional("whether forms leave it out"),
    text("icon").optional("the picture in a form"),
    text("redirectURI").optional("where to go afterwards"),
];

/// The ways that are known.
pub const METHODS: &[&str] = &["self-registration", "direct"];

fn name(attributes: &Map<String, Value>) -> Option<String> {
    Some(attributes.get("instance")?.as_str()?.to_owned())
}
