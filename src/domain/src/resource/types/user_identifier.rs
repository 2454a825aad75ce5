//! `user-identifier`: who an identity from elsewhere is here.

use md5::{Digest, Md5};
use serde_json::{Map, Value};

use crate::acl::{Right, Rule};
use crate::resource::kind::{Field, link, text};
use crate::resource::spec::{Names, TypeSpec, USERS_VIEW};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "user-identifier",
        title: "UserIdentifier",
        tag: "userIdentifiers",
        uri: "http://sixsq.com/slipstream/1/UserIdentifier",
        about: "the user that an identity from another system belongs to",
    },
    USERS_VIEW,
    FIELDS,
)
.named(&["identifier"], name)
.default_rules(DEFAULT_RULES);

const FIELDS: &[Field] =
    &[text("identifier").required("the identity, with the system it comes from"), link("user").required("the user")];

const DEFAULT_RULES: &[Rule] = &[Rule::role("USER", Right::View)];

/// The MD5 digest of the identity: identities hold characters that ids must not, and nothing secret hangs on it.
fn name(attributes: &Map<String, Value>) -> Option<String> {
    let identifier = attributes.get("identifier")?.as_str()?;
    Some(format!("{:x}", Md5::digest(identifier)))
}
