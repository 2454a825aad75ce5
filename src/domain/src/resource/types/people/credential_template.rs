//! `credential-template`: the ways to get a key, and to store what services need.

use serde_json::json;

use super::DESCRIBE;
use crate::people::{keyring, stored};
use crate::resource::kind::{Field, nat, word};
use crate::resource::spec::{BuiltIn, EVERYBODY_VIEW, Names, TypeSpec, USERS_VIEW};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "credential-template",
        title: "CredentialTemplate",
        tag: "credentialTemplates",
        uri: "http://sixsq.com/slipstream/1/CredentialTemplate",
        about: "a way to get a key for programs or machines, or to store a secret for services",
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
    let secret = json!({
        "type": stored::SECRET,
        "method": stored::STORE_SECRET,
        "name": "Store a secret",
        "description": "keeps a secret that services get, and shows it to nobody",
    });
    let registry = json!({
        "type": stored::REGISTRY,
        "method": stored::STORE_REGISTRY,
        "name": "Store the login for a registry",
        "description": "keeps the login for a registry of images, and shows its password to nobody",
    });
    let ssh_key = json!({
        "type": keyring::SSH_KEY,
        "method": keyring::STORE_SSH_KEY,
        "name": "Store a public SSH key",
        "description": "keeps a public key under a name of the user's own",
    });
    let pair = json!({
        "type": keyring::SSH_KEY,
        "method": keyring::GENERATE_SSH_KEY,
        "name": "Generate an SSH key",
        "description": "makes an RSA pair, keeps the public key, and shows the private one once",
    });
    let login = json!({
        "type": keyring::LOGIN,
        "method": keyring::STORE_LOGIN,
        "name": "Store the login for a machine",
        "description": "keeps a username and a password under a name of the user's own",
    });
    let all = [
        ("generate-api-key", generate),
        (stored::STORE_SECRET, secret),
        (stored::STORE_REGISTRY, registry),
        (keyring::STORE_SSH_KEY, ssh_key),
        (keyring::GENERATE_SSH_KEY, pair),
        (keyring::STORE_LOGIN, login),
    ];
    all.into_iter().filter_map(|(name, document)| BuiltIn::document(name, document, USERS_VIEW)).collect()
}
