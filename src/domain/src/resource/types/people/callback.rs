//! `callback`: something to be done when somebody follows a link.

use crate::acl::{Acl, Right, Rule};
use crate::resource::kind::{Field, Fill, Kind, link, map, one_of, text, timestamp};
use crate::resource::spec::{Names, TypeSpec, Verbs};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "callback",
        title: "Callback",
        tag: "callbacks",
        uri: "http://sixsq.com/slipstream/1/Callback",
        about: "an action that waits for somebody to follow its link",
    },
    COLLECTION,
    FIELDS,
)
.verbs(Verbs::NONE)
.default_rules(DEFAULT_RULES);

const COLLECTION_RULES: &[Rule] = &[Rule::role("ADMIN", Right::Modify)];
const COLLECTION: Acl = Acl::of_admin(COLLECTION_RULES);

const FIELDS: &[Field] = &[
    text("action").required("what is done"),
    one_of("state", &["WAITING", "FAILED", "SUCCEEDED"]).required("how far it is").or(Fill::Text("WAITING")),
    link("targetResource").optional("what it is done to"),
    map("data", &Kind::Any).optional("what the action needs to know"),
    timestamp("expires").optional("until when the link holds"),
];

const DEFAULT_RULES: &[Rule] = &[Rule::role("ADMIN", Right::View)];
