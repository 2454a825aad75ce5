//! `sla-warning`: a promise that is still kept, but only just.

use crate::resource::kind::{Field, Kind, any_text, link, map, timestamp};
use crate::resource::spec::{Names, TypeSpec, USERS_MODIFY};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "sla-warning",
        title: "SlaWarning",
        tag: "slaWarnings",
        uri: "urn:mf2c:resource:SlaWarning",
        about: "one time that a promise was kept, but not its stricter warning",
    },
    USERS_MODIFY,
    FIELDS,
)
.descending("datetime")
.travels();

const FIELDS: &[Field] = &[
    link("agreement_id").required("the agreement"),
    any_text("guarantee").required("the promise, by name"),
    timestamp("datetime").required("when"),
    any_text("constraint").required("the warning that did not hold"),
    map("values", &Kind::Any).required("the measured values, by variable"),
    link("report").optional("the report that showed it"),
    link("instance").optional("the service instance that it happened to"),
];
