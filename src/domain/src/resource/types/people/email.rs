//! `email`: an address and whether it is proved.

use md5::{Digest, Md5};
use serde_json::{Map, Value};

use crate::resource::kind::{Field, boolean, email};
use crate::resource::spec::{Names, TypeSpec, USERS_MODIFY, Verbs};

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
.verbs(Verbs::NONE)
.named(&["address"], name);

const FIELDS: &[Field] = &[
    email("address").required("the address"),
    boolean("validated").optional("whether its owner has followed the link that was sent there"),
];

/// The MD5 digest of the address: addresses hold characters that ids must not, and nothing secret hangs on it.
fn name(attributes: &Map<String, Value>) -> Option<String> {
    let address = attributes.get("address")?.as_str()?;
    Some(format!("{:x}", Md5::digest(address)))
}
