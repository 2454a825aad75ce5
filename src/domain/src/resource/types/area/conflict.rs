//! `conflict`: what lost when two agents had changed the same attribute while they were apart.

use crate::acl::Acl;
use crate::resource::kind::{Field, Kind, any_text, href, map, text, timestamp};
use crate::resource::spec::{Names, TypeSpec, Verbs};

/// The description of the type. The origin of a document adds members, at most 16 a document.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "conflict",
        title: "Conflict",
        tag: "conflicts",
        uri: "urn:mf2c:resource:Conflict",
        about: "values that lost against later ones of the same attributes, kept for people to look at",
    },
    Acl::of_admin(&[]),
    FIELDS,
)
.verbs(Verbs { add: false, edit: false, delete: true })
.descending("created")
.travels();

const FIELDS: &[Field] = &[
    href("resource").required("the document"),
    map("lost", &Kind::Any).required("the values that did not count"),
    text("writer").required("whose they were"),
    timestamp("written").required("when they were written"),
    any_text("winner").optional("whose values count"),
];
