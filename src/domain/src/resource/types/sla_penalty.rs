//! `sla-penalty`: what a breach costs.

use crate::resource::kind::{Field, any, any_text, float, link, object, one_of, timestamp};
use crate::resource::spec::{Names, TypeSpec, USERS_MODIFY};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "sla-penalty",
        title: "SlaPenalty",
        tag: "slaPenalties",
        uri: "urn:mf2c:resource:SlaPenalty",
        about: "what one breach of a promise costs who gave it",
    },
    USERS_MODIFY,
    FIELDS,
)
.descending("datetime")
.travels();

const FIELDS: &[Field] = &[
    link("agreement_id").required("the agreement"),
    any_text("guarantee").required("the promise, by name"),
    timestamp("datetime").required("when it fell due"),
    object("definition", DEFINITION).required("what the agreement says"),
    float("amount").required("how much, after the cap"),
    link("violation").optional("the violation that it is for"),
    any_text("client").optional("to whom it is owed"),
];

const DEFINITION: &[Field] = &[
    any_text("type").required("what kind, such as discount or fine"),
    any("value").required("how much"),
    any_text("unit").required("of what, such as % or EUR"),
    one_of("per", &["violation", "window"]).optional("once for each violation, or once a window"),
];
