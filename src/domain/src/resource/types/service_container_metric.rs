//! `service-container-metric`: when a container ran.

use crate::resource::kind::{Field, any_text, link, timestamp};
use crate::resource::spec::{Names, TypeSpec, USERS_MODIFY};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "service-container-metric",
        title: "ServiceContainerMetric",
        tag: "serviceContainerMetrics",
        uri: "http://schemas.dmtf.org/cimi/2/ServiceContainerMetric",
        about: "one container of a service: where it ran, from when and until when",
    },
    USERS_MODIFY,
    FIELDS,
)
.travels();

const FIELDS: &[Field] = &[
    link("device_id").required("the device"),
    any_text("container_id").required("the container"),
    timestamp("start_time").required("when it started"),
    timestamp("stop_time").optional("when it stopped"),
];
