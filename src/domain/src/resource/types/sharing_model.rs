//! `sharing-model`: how much of a device its owner shares.

use crate::resource::kind::{Field, Fill, boolean, pos, text};
use crate::resource::spec::{Names, TypeSpec, USERS_MODIFY};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "sharing-model",
        title: "SharingModel",
        tag: "sharingModels",
        uri: "http://schemas.dmtf.org/cimi/2/SharingModel",
        about: "how much of a device its owner lends to the area",
    },
    USERS_MODIFY,
    FIELDS,
)
.travels();

const FIELDS: &[Field] = &[
    text("device_id").required("the device, as its resource"),
    text("user_id").optional("the owner, as older clients send it"),
    boolean("gps_allowed").required("whether the position may be used"),
    pos("max_cpu_usage").required("most processor time for others").unit("%"),
    pos("max_memory_usage").required("most main memory for others").unit("%"),
    pos("max_storage_usage").required("most disk space for others").unit("%"),
    pos("max_bandwidth_usage").required("most network bandwidth for others").unit("%"),
    pos("battery_limit").required("charge below which nothing runs for others").unit("%"),
    pos("max_apps").required("most services at one time").or(Fill::Nat(1)),
];
