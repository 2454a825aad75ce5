//! `sla-template`: a service level on offer.

use super::agreement::{DETAILS, STATES};
use crate::resource::kind::{Field, Fill, object, one_of};
use crate::resource::spec::{Names, TypeSpec, USERS_MODIFY};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "sla-template",
        title: "SlaTemplate",
        tag: "templates",
        uri: "http://schemas.dmtf.org/cimi/2/SlaTemplate",
        about: "a pattern for agreements, offered with a service",
    },
    USERS_MODIFY,
    FIELDS,
)
.travels();

const FIELDS: &[Field] = &[
    one_of("state", STATES).required("whether it is on offer").or(Fill::Text("stopped")),
    object("details", DETAILS).required("what agreements made from it promise"),
];
