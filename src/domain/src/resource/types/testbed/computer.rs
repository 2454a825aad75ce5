//! `computer`: what is said in a testbed about a machine, or about a class of them.

use super::{PROJECT_DELETE, PROJECT_MODIFY, PROJECT_READ, PROJECT_USE};
use crate::resource::kind::{Field, any_text, href, text};
use crate::resource::spec::{Names, TypeSpec, USERS_VIEW, Verbs};

/// The description of the type. The name of a member tells computers and classes apart: `name-pc23`, `class-pc`.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "computer",
        title: "Computer",
        tag: "computers",
        uri: "urn:mf2c:resource:Computer",
        about: "a machine of the testbed, or a class of machines, and which projects may use it",
    },
    USERS_VIEW,
    FIELDS,
)
.verbs(Verbs::NONE);

const FIELDS: &[Field] = &[
    text("computerName").optional("what it is called; a class has no name"),
    text("type").required("the type of computer"),
    text("owner").required("the user whose it is"),
    any_text("description").optional("what it is, for people"),
    href("device").optional("the device that it is"),
    PROJECT_DELETE,
    PROJECT_MODIFY,
    PROJECT_USE,
    PROJECT_READ,
];
