//! `webhook-failure`: a delivery that was given up.

use serde_json::{Map, Value};

use crate::resource::kind::{Field, Fill, Kind, link, map, nat, one_of, text, timestamp};
use crate::resource::spec::{Action, Names, Offered, TypeSpec, USERS_VIEW, Verbs};
use crate::time::Timestamp;

/// The description of the type. The agent alone adds members; each has the access list of its webhook.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "webhook-failure",
        title: "WebhookFailure",
        tag: "webhookFailures",
        uri: "urn:mf2c:resource:WebhookFailure",
        about: "a delivery to a webhook that was given up; its action `retry` tries again",
    },
    USERS_VIEW,
    FIELDS,
)
.verbs(Verbs { add: false, edit: false, delete: true })
.descending("created")
.actions(&[Action {
    name: "retry",
    rel: "retry",
    about: "delivers it again in its turn; it is gone when it has arrived",
    methods: &["POST"],
    body: None,
    success: 202,
    to: Offered::Editors,
    when: has_failed,
}]);

fn has_failed(failure: &Map<String, Value>, _: Timestamp) -> bool {
    failure.get("state").is_none_or(|state| state == "FAILED")
}

/// The most failures kept for one webhook; the oldest go first.
pub const MAX_FAILURES: usize = 1000;

const FIELDS: &[Field] = &[
    link("webhook").required("where it was to go"),
    text("eventId").required("the `webhook-id` of the delivery"),
    nat("position").required("the change that it tells of"),
    one_of("state", &["FAILED", "QUEUED"])
        .required("whether another attempt has been asked for")
        .or(Fill::Text("FAILED")),
    text("reason").required("why the last attempt failed"),
    nat("attempts").required("how often it was tried"),
    timestamp("firstAttempt").required("when it was tried first"),
    timestamp("lastAttempt").required("when it was tried last"),
    map("payload", &Kind::Any).required("what was to be delivered"),
];
