//! `qos-model`: what was learned about running a service well.

use crate::resource::kind::{Field, Kind, link, list, nat, text};
use crate::resource::spec::{Names, TypeSpec, USERS_MODIFY};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "qos-model",
        title: "QosModel",
        tag: "qos-models",
        uri: "http://schemas.dmtf.org/cimi/2/QosModel",
        about: "the learned model of which agents keep the promises for a service",
    },
    USERS_MODIFY,
    FIELDS,
)
.travels();

const FIELDS: &[Field] = &[
    link("service").required("the service"),
    link("agreement").required("the agreement"),
    list("agents", &Kind::Link).required("the agents, in the order of the states"),
    text("config").required("the learned parameters"),
    nat("num_service_instances").required("runs that it learned from"),
    nat("num_service_failures").required("runs among them that broke a promise"),
    list("current_state", &Kind::Float).required("which agents ran the service last"),
    list("next_state", &Kind::Float).required("which agents should run it next"),
];
