//! `sla-violation`: a broken promise.

use crate::resource::kind::{Field, Kind, any_text, boolean, link, map, timestamp};
use crate::resource::spec::{Names, TypeSpec, USERS_MODIFY};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "sla-violation",
        title: "SlaViolation",
        tag: "slaViolations",
        uri: "http://schemas.dmtf.org/cimi/2/SlaViolation",
        about: "one time that a promise of an agreement was not kept",
    },
    USERS_MODIFY,
    FIELDS,
)
.travels();

const FIELDS: &[Field] = &[
    link("agreement_id").required("the agreement"),
    any_text("guarantee").required("the promise, by name"),
    timestamp("datetime").required("when"),
    any_text("constraint").required("what did not hold"),
    map("values", &Kind::Any).required("the measured values, by variable"),
    link("report").optional("the report that showed it"),
    link("instance").optional("the service instance that it happened to"),
    boolean("skewed").optional("whether the report came from the future, so that its time is that of its arrival"),
    boolean("late").optional("whether the report came too late to count in windows"),
];
