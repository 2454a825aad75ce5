//! `callback`: something to be done when somebody follows a link.

use serde_json::{Map, Value};

use crate::acl::{Acl, Right, Rule};
use crate::resource::kind::{Field, Fill, Kind, link, map, one_of, text, timestamp};
use crate::resource::spec::{Action, Names, Offered, TypeSpec, Verbs};
use crate::time::Timestamp;

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
.verbs(Verbs::ADD_DELETE)
.rework(start_waiting)
.actions(ACTIONS)
.default_rules(DEFAULT_RULES);

const COLLECTION_RULES: &[Rule] = &[Rule::role("ADMIN", Right::Modify)];
const COLLECTION: Acl = Acl::of_admin(COLLECTION_RULES);

const FIELDS: &[Field] = &[
    text("action").required("what is done"),
    one_of("state", STATES).required("how far it is").or(Fill::Text("WAITING")),
    link("targetResource").optional("what it is done to"),
    map("data", &Kind::Any).optional("what the action needs to know"),
    timestamp("expires").optional("until when the link holds"),
];

const DEFAULT_RULES: &[Rule] = &[Rule::role("ADMIN", Right::View)];

const STATES: &[&str] = &["WAITING", "FAILED", "SUCCEEDED"];

const ACTIONS: &[Action] = &[Action {
    name: "execute",
    rel: "http://sixsq.com/slipstream/1/action/execute",
    about: "does what waits; whoever knows the link may",
    methods: &["GET", "HEAD", "POST", "PUT"],
    body: Some(SENT),
    success: 200,
    to: Offered::Readers,
    when: is_executable,
}];

const SENT: &[Field] = &[text("new-password")
    .optional("the new password, for callbacks of the actions `user-password-set` and `user-first-password`")];

/// Whether following the link would still do something at `now`.
#[must_use]
pub fn is_executable(callback: &Map<String, Value>, now: Timestamp) -> bool {
    let text = |name: &str| callback.get(name).and_then(Value::as_str);
    // What cannot be read as a time is no promise to wait for.
    let in_time = text("expires").is_none_or(|end| Timestamp::parse(end).is_some_and(|end| now < end));
    text("state") == Some("WAITING") && in_time
}

/// Whichever state the body names: what is new has not been done.
fn start_waiting(body: &mut Map<String, Value>) {
    if let Some(Value::String(state)) = body.get_mut("state").filter(|state| STATES.iter().any(|known| state == known))
    {
        *state = "WAITING".to_owned();
    }
}
