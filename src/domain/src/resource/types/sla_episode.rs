//! `sla-episode`: a breach from its beginning to its end.

use crate::resource::kind::{Field, any_text, float, link, nat, one_of, timestamp};
use crate::resource::spec::{Names, TypeSpec, USERS_MODIFY};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "sla-episode",
        title: "SlaEpisode",
        tag: "slaEpisodes",
        uri: "urn:mf2c:resource:SlaEpisode",
        about: "a time during which a promise was not kept, from the first bad measurement to the recovery",
    },
    USERS_MODIFY,
    FIELDS,
)
.descending("first_seen")
.travels();

const FIELDS: &[Field] = &[
    link("agreement_id").required("the agreement"),
    any_text("guarantee").required("the promise, by name"),
    link("instance").optional("the service instance that broke it; none where all do together"),
    one_of("state", &["open", "resolved"]).required("whether it goes on"),
    timestamp("first_seen").required("when it began"),
    timestamp("last_seen").required("when it was seen last"),
    timestamp("resolved_at").optional("when it was over"),
    nat("count").required("how many measurements were bad"),
    any_text("variable").optional("the value that was bad"),
    float("worst").optional("its worst value"),
    any_text("constraint").required("what did not hold"),
];
