//! `email`: an address and whether it is proved.

use md5::{Digest, Md5};
use serde_json::{Map, Value};

use crate::resource::kind::{Field, boolean, email, text};
use crate::resource::spec::{Action, Names, Offered, TypeSpec, USERS_MODIFY, Verbs};
use crate::time::Timestamp;

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "email",
        title: "Email",
        tag: "emails",
        uri: "http://sixsq.com/slipstream/1/Email",
        about: "an e-mail address, and whether its owner has proved to read it",
    },
    USERS_MODIFY,
    FIELDS,
)
.verbs(Verbs::ADD_DELETE)
.rework(start_unproved)
.named(&["address"], name)
.actions(ACTIONS);

const FIELDS: &[Field] = &[
    email("address").required("the address"),
    boolean("validated").optional("whether its owner has followed the link that was sent there"),
    text("validationLink")
        .optional("the link to hand over where no mail is sent; only documents of the administrators' own have it")
        .for_admins(),
];

const ACTIONS: &[Action] = &[Action {
    name: "validate",
    rel: "http://sixsq.com/slipstream/1/action/validate",
    about: "sends a link to the address that proves it",
    methods: &["GET", "POST"],
    body: None,
    success: 202,
    to: Offered::Readers,
    when: is_unproved,
}];

fn is_unproved(email: &Map<String, Value>, _: Timestamp) -> bool {
    email.get("validated") != Some(&Value::Bool(true))
}

/// Whatever the body says: a new address is proved by nobody, and belongs to who sends it.
fn start_unproved(body: &mut Map<String, Value>) {
    body.remove("acl");
    if body.get("validationLink").is_some_and(Value::is_string) {
        body.remove("validationLink");
    }
    if body.get("validated").is_none_or(Value::is_boolean) {
        body.insert("validated".to_owned(), false.into());
    }
}

/// The MD5 digest of the address: addresses hold characters that ids must not, and nothing secret hangs on it.
fn name(attributes: &Map<String, Value>) -> Option<String> {
    let address = attributes.get("address")?.as_str()?;
    Some(format!("{:x}", Md5::digest(address)))
}
