//! `credential`: a key for programs.

use crate::acl::{Acl, Right, Rule};
use crate::resource::kind::{Field, Kind, list, nat, object, one_of, text, timestamp};
use crate::resource::spec::{Form, Names, TypeSpec};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "credential",
        title: "Credential",
        tag: "credentials",
        uri: "http://sixsq.com/slipstream/1/Credential",
        about: "a key with which programs sign in for a user",
    },
    COLLECTION,
    FIELDS,
)
.asked_for_by(&FORM)
.kept_on_disk();

const COLLECTION_RULES: &[Rule] = &[Rule::role("USER", Right::Modify), Rule::role("ADMIN", Right::Modify)];
const COLLECTION: Acl = Acl::of_admin(COLLECTION_RULES);

const FIELDS: &[Field] = &[
    one_of("type", &["api-key"]).required("what it is").for_admins(),
    one_of("method", &["generate-api-key"]).required("how it was made").for_admins(),
    text("digest").required("what the secret is checked against").secret().for_admins(),
    object("claims", CLAIMS).required("what it proves").for_admins(),
    timestamp("expiry").optional("until when it holds; without end if absent").for_admins(),
];

/// What somebody sends for a new key.
static FORM: Form = Form { wrapper: "credentialTemplate", template: "credential-template", fields: ASKED };

const ASKED: &[Field] = &[nat("ttl").optional("how long the key holds; 0 for without end").unit("s")];

const CLAIMS: &[Field] =
    &[text("identity").required("the user"), list("roles", &Kind::NonBlank).not_empty().optional("the user's roles")];
