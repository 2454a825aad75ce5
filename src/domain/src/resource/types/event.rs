//! `event`: something that happened.

use crate::acl::{Acl, Right, Rule};
use crate::resource::kind::{Field, any_text, object, one_of, timestamp, wide_link};
use crate::resource::spec::{Names, TypeSpec, Verbs};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "event",
        title: "Event",
        tag: "events",
        uri: "http://schemas.dmtf.org/cimi/2/Event",
        about: "something that happened, for people and programs to notice",
    },
    COLLECTION,
    FIELDS,
)
.verbs(Verbs::ADD_DELETE)
.descending("timestamp")
.travels();

const COLLECTION_RULES: &[Rule] = &[Rule::role("ANON", Right::All)];
const COLLECTION: Acl = Acl::of_admin(COLLECTION_RULES);

const FIELDS: &[Field] = &[
    timestamp("timestamp").required("when"),
    one_of("type", &["state", "alarm", "action", "system"]).required("what kind of event"),
    one_of("severity", &["critical", "high", "medium", "low"]).required("how much it matters"),
    object("content", CONTENT).required("what happened"),
];

const CONTENT: &[Field] =
    &[wide_link("resource").required("what it happened to"), any_text("state").required("what became of it")];
