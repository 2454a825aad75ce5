//! `agreement`: what a provider promises for a service, and how far the promise is kept.

use crate::resource::kind::{Field, Fill, Kind, any, any_text, list, map, nat, object, one_of, text, timestamp};
use crate::resource::spec::{Names, TypeSpec, USERS_MODIFY};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "agreement",
        title: "Agreement",
        tag: "agreements",
        uri: "http://schemas.dmtf.org/cimi/2/Agreement",
        about: "a promise about the service level, with the state of its assessment",
    },
    USERS_MODIFY,
    FIELDS,
)
.state_is_logged("state")
.travels();

const FIELDS: &[Field] = &[
    one_of("state", STATES).required("whether it is assessed").or(Fill::Text("stopped")),
    object("details", DETAILS).required("what is promised"),
    object("assessment", ASSESSMENT).optional("what the assessment has seen"),
];

/// The states of an agreement.
pub(super) const STATES: &[&str] = &["started", "stopped", "terminated"];

/// What an agreement promises; templates have the same.
pub(super) const DETAILS: &[Field] = &[
    any_text("id").optional("the client's own id for it"),
    one_of("type", TYPES).required("whether it binds, or is a pattern for others"),
    text("name").required("its name"),
    object("provider", PARTY).required("who promises"),
    object("client", PARTY).required("to whom"),
    timestamp("creation").required("from when it holds"),
    timestamp("expiration").optional("until when it holds"),
    list("guarantees", &Kind::Object(GUARANTEE)).unique().required("the single promises"),
    list("variables", &Kind::Object(VARIABLE)).unique().optional("what names in constraints stand for"),
];

/// One list in the original for agreements and for aggregations alike.
const TYPES: &[&str] = &["agreement", "template", "average"];

const PARTY: &[Field] = &[any_text("id").required("its id"), text("name").required("its name")];

const GUARANTEE: &[Field] = &[
    text("name").required("its name; for operations of a service, the operation's"),
    any_text("constraint").required("what holds, such as `execution_time < 10`"),
    any_text("scope").optional("what it is about"),
    any_text("schedule").optional("when it is looked at"),
];

const VARIABLE: &[Field] = &[
    text("name").required("the name in constraints"),
    any_text("metric").optional("the measured value it stands for"),
    object("aggregation", AGGREGATION).optional("how measured values become one"),
];

const AGGREGATION: &[Field] =
    &[one_of("type", TYPES).required("how"), nat("window").required("over which time").unit("s")];

const ASSESSMENT: &[Field] = &[
    timestamp("first_execution").required("when it was looked at first"),
    timestamp("last_execution").required("when it was looked at last"),
    map("guarantees", &Kind::Object(ASSESSED)).optional("the same for each promise by name"),
];

const ASSESSED: &[Field] = &[
    timestamp("first_execution").required("when it was looked at first"),
    timestamp("last_execution").required("when it was looked at last"),
    map("last_values", &Kind::Object(LAST_VALUE)).optional("the latest value of each variable"),
];

const LAST_VALUE: &[Field] = &[
    any_text("key").required("the variable"),
    any("value").required("its value"),
    timestamp("datetime").required("when it was measured"),
];
