//! `placement`: where the parts of a service instance run, as the agent that decides it keeps it.

use crate::resource::kind::{Field, Kind, any_text, boolean, list, map, nat, one_of, text, timestamp};
use crate::resource::spec::{Names, TypeSpec, USERS_VIEW, Verbs};

/// The description of the type. The agent alone adds members. The name of one is that of its instance, and the term of leadership
/// in which it was made, and of the agent.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "placement",
        title: "Placement",
        tag: "placements",
        uri: "urn:mf2c:resource:Placement",
        about: "where the parts of a service instance run, by the agent that decides it",
    },
    USERS_VIEW,
    FIELDS,
)
.verbs(Verbs::NONE)
.travels();

const FIELDS: &[Field] = &[
    text("instance").required("the service instance"),
    text("service").required("the service"),
    text("user").required("who started it"),
    nat("term").required("the term of leadership in which it was made"),
    one_of("desired", &["running", "stopped", "deleted"]).required("what the instance shall do"),
    nat("last").required("the newest generation that was ever given"),
    nat("version").required("the version of the service that runs, counted from 1"),
    map("spec", &Kind::Any).required("the service in that version"),
    map("before", &Kind::Any).optional("the last version that was well, while a new one comes"),
    any_text("agreement").optional("the agreement that was made for it"),
    any_text("trouble").optional("why the last update was taken back"),
    boolean("updating").optional("whether an update is under way"),
    timestamp("updated_at").optional("when the present step of the update began"),
    list("devices", &Kind::Text).optional("the only devices that may run it, by their ids or addresses"),
    list("parts", &Kind::Object(PART)).required("where its parts run"),
    list("leaving", &Kind::Object(PART)).optional("where parts ran that are to be removed there"),
    boolean("seen").optional("whether the document of the instance has been on that agent"),
];

const PART: &[Field] = &[
    nat("index").required("which part"),
    nat("generation").required("which placing of it"),
    text("device").required("the device"),
    text("node").required("the agent there: the name of its node"),
    any_text("url").optional("the address of the agent"),
    nat("version").required("which version of the service it is given"),
    nat("restarts").optional("how often it was asked to start anew"),
    boolean("taken").optional("whether that agent has taken it"),
];
