//! `device`: the unchanging facts of a machine.

use crate::resource::kind::{Field, Kind, any_text, boolean, float, list, nat, one_of, text};
use crate::resource::spec::{Names, TypeSpec, USERS_MODIFY};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "device",
        title: "Device",
        tag: "devices",
        uri: "http://schemas.dmtf.org/cimi/2/Device",
        about: "the facts of a machine that do not change while it runs",
    },
    USERS_MODIFY,
    FIELDS,
)
.delete_is_logged()
.travels();

const FIELDS: &[Field] = &[
    text("deviceID").required("the device's own identifier, 128 hexadecimal digits in practice"),
    boolean("isLeader").required("whether the device leads its area"),
    text("os").required("operating system and version"),
    text("arch").required("processor architecture"),
    text("cpuManufacturer").required("processor model"),
    nat("physicalCores").required("processor cores"),
    nat("logicalCores").required("processor threads"),
    text("cpuClockSpeed").required("processor clock, with its unit"),
    float("memory").required("main memory").unit("MiB"),
    float("storage").required("disk space").unit("MiB"),
    text("agentType").required("which kind of agent the device can carry"),
    text("networkingStandards").required("the network interfaces, in one text"),
    any_text("hwloc").required("the hardware's topology as XML; empty where it is not known"),
    any_text("cpuinfo").required("the processor's facts as the system gives them; empty where they are not known"),
    list("interfaces", &Kind::Object(INTERFACE)).optional("the network interfaces, one by one"),
    list("sensorTypes", &Kind::NonBlank).optional("what the attached sensors measure"),
    list("actuators", &Kind::NonBlank).optional("what is attached that can act"),
    list("backends", &Kind::NonBlank).optional("what its agent can run: docker, compose, process"),
    text("boot").optional("what distinguishes this start of the machine from others: the boot id of Linux"),
    one_of("scheduling", &["open", "cordoned", "draining"])
        .optional("whether services are placed on it; draining moves away what runs there"),
];

const INTERFACE: &[Field] = &[
    text("name").required("the system's name for it, such as eth0"),
    one_of("kind", INTERFACE_KINDS).required("what it is"),
    any_text("mac").optional("its hardware address"),
    list("addresses", &Kind::NonBlank).optional("its IP addresses"),
];

/// What a network interface can be.
pub(super) const INTERFACE_KINDS: &[&str] = &["ethernet", "wifi", "loopback", "other"];
