//! `credential-template`: the ways to get a key.

use serde_json::json;

use super::DESCRIBE;
use crate::resource::kind::{Field, nat, word};
use crate::resource::spec::{BuiltIn, EVERYBODY_VIEW, Names, TypeSpec, USERS_VIEW};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "credential-template",
        title: "CredentialTemplate",
        tag: "credentialTemplates",
        uri: "http://sixsq.com/slipstream/1/CredentialTemplate",
        about: "a way to get a key for programs",
    },
    EVERYBODY_VIEW,
    FIELDS,
)
.built_in(documents)
.actions(DESCRIBE);

const FIELDS: &[Field] = &[
    word("type").required("what is made"),
    word("method").required("how it is made"),
    nat("ttl").optional("how long the key holds; 0 for without end").unit("s"),
];

fn documents() -> Vec<BuiltIn> {
    let generate = json!({
        "type": "api-key",
        "method": "generate-api-key",
        "name": "Generate API Key",
        "description": "creates an API key, keeps only its digest",
        "ttl": 0,
    });
    BuiltIn::document("generate-api-key", generate, USERS_VIEW).into_iter().collect()
}
