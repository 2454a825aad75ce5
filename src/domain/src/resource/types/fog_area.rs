//! `fog-area`: the sum of an area.

use crate::resource::kind::{Field, float, link, pos, text};
use crate::resource::spec::{Names, TypeSpec, USERS_MODIFY};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "fog-area",
        title: "FogArea",
        tag: "fogAreas",
        uri: "http://schemas.dmtf.org/cimi/2/FogArea",
        about: "an area under its leader, with its devices counted and summed up",
    },
    USERS_MODIFY,
    FIELDS,
)
.travels();

const FIELDS: &[Field] = &[
    link("leaderDevice").required("the leader's device"),
    pos("numDevices").required("devices in the area"),
    float("ramTotal").required("main memory of all devices").unit("MiB"),
    float("ramMax").required("most main memory of a device").unit("MiB"),
    float("ramMin").required("least main memory of a device").unit("MiB"),
    float("storageTotal").required("disk space of all devices").unit("MiB"),
    float("storageMax").required("most disk space of a device").unit("MiB"),
    float("storageMin").required("least disk space of a device").unit("MiB"),
    float("avgProcessingCapacityPercent").required("idle processor time, averaged").unit("%"),
    float("cpuMaxPercent").required("most idle processor time of a device").unit("%"),
    float("cpuMinPercent").required("least idle processor time of a device").unit("%"),
    pos("avgPhysicalCores").required("processor cores, averaged"),
    pos("physicalCoresMax").required("most processor cores of a device"),
    pos("physicalCoresMin").required("fewest processor cores of a device"),
    pos("avgLogicalCores").required("processor threads, averaged"),
    pos("logicalCoresMax").required("most processor threads of a device"),
    pos("logicalCoresMin").required("fewest processor threads of a device"),
    text("powerRemainingMax").required("most power of a device: percent as a text, or words"),
    text("powerRemainingMin").required("least power of a device: percent as a text, or words"),
];
