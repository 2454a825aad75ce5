//! `session-template`: the ways to sign in.

use serde_json::{Map, Value};

use super::DESCRIBE;
use crate::resource::kind::{Field, boolean, nat, text, word};
use crate::resource::spec::{EVERYBODY_VIEW, EVERYBODY_VIEW_RULES, Names, TypeSpec};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "session-template",
        title: "SessionTemplate",
        tag: "sessionTemplates",
        uri: "http://sixsq.com/slipstream/1/SessionTemplate",
        about: "a way to sign in",
    },
    EVERYBODY_VIEW,
    FIELDS,
)
.named(&["method", "instance"], name)
.default_rules(EVERYBODY_VIEW_RULES)
.actions(DESCRIBE);

const FIELDS: &[Field] = &[
    word("method").required("how people prove who they are"),
    word("instance").required("which one of that method"),
    text("username").optional("a placeholder for the name"),
    text("password").optional("a placeholder for the password"),
    text("key").optional("a placeholder for the id of an API key"),
    text("secret").optional("a placeholder for the secret of an API key"),
    text("token").optional("a placeholder for a signed token"),
    text("group").optional("the heading in a form"),
    nat("order").optional("the place in a form"),
    boolean("hidden").optional("whether forms leave it out"),
    text("icon").optional("the picture in a form"),
    text("redirectURI").optional("where to go afterwards"),
];

/// The ways that are known.
pub const METHODS: &[&str] = &["internal", "api-key", "jwt"];

/// `<instance>`, or `<method>-<instance>` where the two differ.
fn name(attributes: &Map<String, Value>) -> Option<String> {
    let method = attributes.get("method")?.as_str()?;
    let instance = attributes.get("instance")?.as_str()?;
    Some(if method == instance { instance.to_owned() } else { format!("{method}-{instance}") })
}
