//! `device-dynamic`: the changing facts of a machine.

use super::device::INTERFACE_KINDS;
use crate::resource::kind::{Field, Fill, Kind, any_text, boolean, float, link, list, nat, object, one_of, text};
use crate::resource::spec::{Names, TypeSpec, USERS_MODIFY};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "device-dynamic",
        title: "DeviceDynamic",
        tag: "deviceDynamics",
        uri: "http://schemas.dmtf.org/cimi/2/DeviceDynamic",
        about: "the facts of a machine that change while it runs: load, power, network and sensors",
    },
    USERS_MODIFY,
    FIELDS,
)
.delete_is_logged()
.state_is_logged("status")
.travels()
.observed(&["status"])
.coalesces();

const FIELDS: &[Field] = &[
    link("device").required("the device"),
    float("ramFree").required("free main memory").unit("MiB"),
    float("ramFreePercent").required("free main memory, of all").unit("%"),
    float("storageFree").required("free disk space").unit("MiB"),
    float("storageFreePercent").required("free disk space, of all").unit("%"),
    float("cpuFreePercent").required("idle processor time, of all").unit("%"),
    text("powerRemainingStatus").required("the battery's charge in percent as a text, or unlimited"),
    text("powerRemainingStatusSeconds").required("seconds until the battery is empty as a text, or unlimited"),
    boolean("powerPlugged").required("whether the device is on mains power"),
    text("ethernetAddress").required("the wired addresses, in one text"),
    text("wifiAddress").required("the wireless addresses, in one text"),
    list("ethernetThroughputInfo", &Kind::Text)
        .required("wired traffic: bytes sent, bytes received, packets sent, received, errors in, out, drops in, out"),
    list("wifiThroughputInfo", &Kind::Text).required("wireless traffic, in the same order"),
    text("actuatorInfo").required("what is attached that can act, in one text"),
    one_of("status", &["connected", "disconnected", "unavailable"])
        .required("whether the device can be reached")
        .or(Fill::Text("connected")),
    list("sensors", &Kind::Object(SENSOR)).optional("the attached sensors"),
    list("interfaces", &Kind::Object(INTERFACE)).optional("the network interfaces with their traffic, one by one"),
    object("battery", BATTERY).optional("the battery"),
    list("loadAverage", &Kind::Float).optional("runnable processes, averaged over 1, 5 and 15 minutes"),
    list("actuators", &Kind::NonBlank).optional("what is attached that can act, one by one"),
];

const SENSOR: &[Field] = &[
    any_text("sensorType").optional("what it measures: a word, or a JSON list in a text"),
    any_text("sensorModel").optional("its model"),
    any_text("sensorConnection").optional("how to reach it: a JSON object in a text"),
];

const INTERFACE: &[Field] = &[
    text("name").required("the system's name for it, such as eth0"),
    one_of("kind", INTERFACE_KINDS).required("what it is"),
    list("addresses", &Kind::NonBlank).optional("its IP addresses"),
    any_text("mac").optional("its hardware address"),
    nat("bytesSent").optional("sent since start").unit("B"),
    nat("bytesReceived").optional("received since start").unit("B"),
    nat("packetsSent").optional("packets sent since start"),
    nat("packetsReceived").optional("packets received since start"),
    nat("errorsIn").optional("faulty packets received since start"),
    nat("errorsOut").optional("packets that could not be sent since start"),
];

const BATTERY: &[Field] = &[
    float("percent").optional("its charge").unit("%"),
    any_text("state").optional("what it does, such as charging"),
    nat("secondsLeft").optional("time until it is empty").unit("s"),
];
