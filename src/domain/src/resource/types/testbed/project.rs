//! `project`: users who work together in a testbed.

use crate::resource::kind::{Field, Kind, boolean, list, map, one_of, text, timestamp};
use crate::resource::spec::{Names, TypeSpec, USERS_VIEW, Verbs};

/// The description of the type. The name of a member is that of the project, where that makes one.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "project",
        title: "Project",
        tag: "projects",
        uri: "urn:mf2c:resource:Project",
        about: "users who work together in the testbed, and what each of them may do",
    },
    USERS_VIEW,
    FIELDS,
)
.verbs(Verbs::NONE);

const FIELDS: &[Field] = &[
    text("projectId").required("what it is called"),
    text("owner").required("the user who may give it away"),
    text("madeBy").optional("the user who has made it and given it away: it counts as his"),
    boolean("approved").required("whether administrators have approved of it"),
    list("members", &Kind::Object(MEMBER)).required("who belongs to it"),
    map("profile", &Kind::Text).optional("what its owner says of it"),
    list("challenges", &Kind::Object(CHALLENGE)).optional("who may join it once that is confirmed").secret(),
];

const RIGHTS: &[&str] = &[
    "ADD_USER",
    "REMOVE_USER",
    "REALIZE_EXPERIMENT",
    "CREATE_CIRCLE",
    "CREATE_EXPERIMENT",
    "CREATE_LIBRARY",
    "CREATE_RESOURCE",
];

const MEMBER: &[Field] =
    &[text("uid").required("the user"), list("permissions", &Kind::OneOf(RIGHTS)).unique().required("what he may do")];

const CHALLENGE: &[Field] = &[
    text("id").required("a number of 64 bits with a sign, in decimal"),
    one_of("kind", &["add", "join"]).required("who confirms it: the user, or a member who may add users"),
    text("uid").required("who becomes a member"),
    list("permissions", &Kind::OneOf(RIGHTS)).unique().required("what he may do then"),
    timestamp("expires").required("until when it holds"),
];
