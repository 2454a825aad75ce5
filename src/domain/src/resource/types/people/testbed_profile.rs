//! `testbed-profile`: what a user says of himself at the testbed API.

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::acl::{Acl, Principal, Right, Rule};
use crate::resource::kind::{Field, Kind, map, text};
use crate::resource::spec::{Names, TypeSpec, USERS_VIEW, Verbs};

/// The description of the type. The agent alone adds members, one for each user; the address of a user is in the account.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "testbed-profile",
        title: "TestbedProfile",
        tag: "testbedProfiles",
        uri: "urn:mf2c:resource:TestbedProfile",
        about: "what a user says of himself at the testbed API",
    },
    USERS_VIEW,
    FIELDS,
)
.verbs(Verbs::NONE);

const FIELDS: &[Field] =
    &[text("user").required("who"), map("values", &Kind::Text).required("what he says, by the names of attributes")];

/// The name of a user's document: users may have names that no other document has.
#[must_use]
pub fn name_of(username: &str) -> String {
    let digest = Sha256::digest(username.as_bytes());
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Who sees and deletes what belongs to a user.
#[must_use]
pub fn acl_of(username: &str) -> Acl {
    let rules = vec![Rule::role("ADMIN", Right::All), Rule::user(username, Right::Modify)];
    Acl::new(Principal::user(username), rules)
}

/// What a document says; nothing where it is none.
#[must_use]
pub fn values_of(document: &Map<String, Value>) -> crate::people::profile::Values {
    let values = document.get("values").and_then(Value::as_object).into_iter().flatten();
    values.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}
