//! `credential`: a key for programs, or what a service needs and nobody else may see.

use crate::acl::{Acl, Right, Rule};
use crate::people::{keyring, stored};
use crate::resource::kind::{Field, Kind, list, nat, object, one_of, text, timestamp};
use crate::resource::spec::{Form, Names, TypeSpec};
use crate::resource::types::testbed::{PROJECT_DELETE, PROJECT_MODIFY, PROJECT_READ, PROJECT_USE};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "credential",
        title: "Credential",
        tag: "credentials",
        uri: "http://sixsq.com/slipstream/1/Credential",
        about: "a key with which programs sign in for a user, a secret that his services get, or his key for machines",
    },
    COLLECTION,
    FIELDS,
)
.asked_for_by(&FORM)
.kept_on_disk();

const COLLECTION_RULES: &[Rule] = &[Rule::role("USER", Right::Modify), Rule::role("ADMIN", Right::Modify)];
const COLLECTION: Acl = Acl::of_admin(COLLECTION_RULES);

const FIELDS: &[Field] = &[
    one_of("type", &["api-key", stored::SECRET, stored::REGISTRY, keyring::SSH_KEY, keyring::LOGIN])
        .required("what it is")
        .for_admins(),
    one_of("method", METHODS).required("how it was made").for_admins(),
    text("digest").optional("what the secret of a key is checked against").secret().for_admins(),
    object("claims", CLAIMS).optional("whose it is, and what a key proves").for_admins(),
    timestamp("expiry").optional("until when it holds; without end if absent").for_admins(),
    text("secret").optional("what services get of a credential of the type secret").secret(),
    text("server").optional("the registry of images, such as registry.example.org:5000"),
    text("username").optional("the name by which the registry or the machine knows the user"),
    text("password").optional("the user's password there, or a token").secret(),
    text("publicKey").optional("the public key as OpenSSH writes it").for_admins(),
    text("fingerprint").optional("what an SSH key is compared by").for_admins(),
    one_of("state", &[keyring::AVAILABLE]).optional("whether an SSH key can be used").for_admins(),
    PROJECT_DELETE.for_admins(),
    PROJECT_MODIFY.for_admins(),
    PROJECT_USE.for_admins(),
    PROJECT_READ.for_admins(),
];

const METHODS: &[&str] = &[
    "generate-api-key",
    stored::STORE_SECRET,
    stored::STORE_REGISTRY,
    keyring::STORE_SSH_KEY,
    keyring::GENERATE_SSH_KEY,
    keyring::STORE_LOGIN,
];

/// What somebody sends for a new one. Each template takes its own part of it.
static FORM: Form = Form { wrapper: "credentialTemplate", template: "credential-template", fields: ASKED };

const ASKED: &[Field] = &[
    nat("ttl").optional("how long the key holds; 0 for without end").unit("s"),
    text("secret").optional("what is stored, 64 KiB at most; nobody reads it here again"),
    text("server").optional("the registry of images, such as registry.example.org:5000"),
    text("username").optional("the name by which the registry or the machine knows the user"),
    text("password").optional("the user's password there, or a token; nobody reads it here again"),
    text("publicKey").optional("the public key in a line of OpenSSH or in PEM"),
];

const CLAIMS: &[Field] =
    &[text("identity").required("the user"), list("roles", &Kind::NonBlank).not_empty().optional("the user's roles")];
