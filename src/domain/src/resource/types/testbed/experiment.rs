//! `experiment`: what shall run together in a testbed, and what became of it.

use crate::resource::kind::{Field, Kind, any_text, href, list, map, nat, object, one_of, text, timestamp};
use crate::resource::spec::{Names, TypeSpec, USERS_VIEW, Verbs};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "experiment",
        title: "Experiment",
        tag: "experiments",
        uri: "urn:mf2c:resource:Experiment",
        about: "a set of services of the testbed that run together, by a topology, and what became of them",
    },
    USERS_VIEW,
    FIELDS,
)
.verbs(Verbs::NONE)
.kept_on_disk();

const FIELDS: &[Field] = &[
    text("experimentId").required("its scope, a user or a project, and its name: scope:name"),
    text("owner").required("the user whose it is"),
    text("madeBy").optional("the user who has made it and given it away: it takes up his room"),
    list("aspects", &Kind::Object(ASPECT)).required("what it is made of"),
    list("access", &Kind::Object(ACCESS)).required("who else may do what with it"),
    map("profile", &Kind::Text).optional("what its owner says of it"),
    object("realization", REALIZATION).optional("what became of it when it was realized last"),
];

const ASPECT: &[Field] = &[
    text("name").required("what it is called"),
    text("type").required("what kind of thing it says: layout is a topology in topdl"),
    text("subType").optional("which part or form of that"),
    any_text("data").optional("what it says, in base64"),
    text("dataReference").optional("where it is said, if not here"),
];

const ACCESS: &[Field] = &[
    text("circleId").required("the circle of a project or a user: name:name"),
    one_of("kind", &["project", "user"]).required("whose circle it is"),
    list("permissions", &Kind::OneOf(RIGHTS)).unique().required("what its members may do"),
];

const RIGHTS: &[&str] = &["READ_EXPERIMENT", "MODIFY_EXPERIMENT", "MODIFY_EXPERIMENT_ACCESS", "REALIZE_EXPERIMENT"];

const REALIZATION: &[Field] = &[
    text("key").required("what its services are named after"),
    text("by").required("who has asked for it, and whose services they are; - for somebody who has gone"),
    text("project").optional("the project under which it runs"),
    one_of("phase", &["launching", "active", "releasing", "failing", "ended"]).required("how far it is"),
    text("notify").optional("who is told when the phase is over"),
    timestamp("since").required("when the phase began"),
    list("elements", &Kind::Object(ELEMENT)).required("what runs, or shall"),
    list("leftovers", &Kind::Href).required("services of earlier realizations that are still to be removed"),
    list("log", &Kind::Text).required("what happened, the oldest first"),
    object("fault", FAULT).optional("why it failed"),
];

const ELEMENT: &[Field] = &[
    text("name").required("what it is called in the topology"),
    map("spec", &Kind::Any).required("the service that it becomes"),
    href("service").required("that service"),
    href("instance").optional("its instance, once it was launched"),
    list("devices", &Kind::NonBlank).optional("the only devices that may run it"),
];

const FAULT: &[Field] =
    &[nat("code").required("1 access, 2 request, 3 internal"), text("text").required("what was wrong")];
