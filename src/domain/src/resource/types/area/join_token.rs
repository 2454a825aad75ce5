//! `join-token`: a permission to join the area, once.

use crate::acl::Acl;
use crate::resource::kind::{Field, Fill, Kind, boolean, href, list, one_of, text, timestamp};
use crate::resource::spec::{Names, TypeSpec, Verbs};

/// The description of the type. `mf2c token create` adds members; the name of one is the id in the token.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "join-token",
        title: "JoinToken",
        tag: "joinTokens",
        uri: "urn:mf2c:resource:JoinToken",
        about: "a permission to join the area, once; deleting it takes the permission back",
    },
    Acl::of_admin(&[]),
    FIELDS,
)
.verbs(Verbs { add: false, edit: false, delete: true })
.descending("created");

const FIELDS: &[Field] = &[
    one_of("role", &["agent", "leader"]).required("what its bearer is admitted as"),
    text("area").required("the area that its bearer joins, or will lead"),
    text("device").optional("the only device that may use it"),
    list("names", &Kind::Text).optional("host names that the certificate of its bearer may hold"),
    timestamp("expires").required("until when it can be used"),
    one_of("state", &["OPEN", "USED"]).required("whether it has been used").or(Fill::Text("OPEN")),
    text("digest").required("what the secret is checked against").secret(),
    boolean("withoutSecret").optional("whether the device may use it without its secret, by the doors of the original"),
    href("certificate").optional("what was issued for it"),
];
