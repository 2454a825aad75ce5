//! `image`: what is said in a testbed about what containers run.

use super::{PROJECT_DELETE, PROJECT_MODIFY, PROJECT_READ, PROJECT_USE};
use crate::resource::kind::{Field, Kind, any_text, list, text};
use crate::resource::spec::{Names, TypeSpec, USERS_VIEW, Verbs};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "image",
        title: "Image",
        tag: "images",
        uri: "urn:mf2c:resource:Image",
        about: "what containers of the testbed run, and what is said about it",
    },
    USERS_VIEW,
    FIELDS,
)
.verbs(Verbs::NONE);

const FIELDS: &[Field] = &[
    text("image").required("what it is called where it is run: the exec of services"),
    text("owner").required("the user whose containers have brought it"),
    any_text("description").optional("what it is, for people"),
    list("validIn", &Kind::NonBlank).unique().required("the types of containers that can run it"),
    PROJECT_DELETE,
    PROJECT_MODIFY,
    PROJECT_USE,
    PROJECT_READ,
];
