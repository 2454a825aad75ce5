//! `workload`: one part of a service instance, on the agent that runs it.

use crate::resource::kind::{Field, Kind, any_text, boolean, float, list, map, nat, object, one_of, text, timestamp};
use crate::resource::spec::{Names, TypeSpec, USERS_VIEW, Verbs};

/// The description of the type. The agent alone adds members, before it calls what runs them: what a crash leaves behind is found
/// by them. The name of one is that of its instance, its index and its generation.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "workload",
        title: "Workload",
        tag: "workloads",
        uri: "urn:mf2c:resource:Workload",
        about: "one part of a service instance on the agent that runs it: what it shall do, and what it does",
    },
    USERS_VIEW,
    FIELDS,
)
.verbs(Verbs::NONE)
.travels();

const FIELDS: &[Field] = &[
    text("instance").required("the service instance"),
    text("service").required("the service"),
    text("device_id").required("the device that it runs on"),
    text("conductor").required("the agent that has placed it here: the name of its node"),
    nat("term").required("the term of leadership in which it was placed"),
    nat("index").required("which part of the instance"),
    nat("generation").required("which placing of that part"),
    nat("version").required("which version of the service"),
    one_of("desired", &["running", "stopped", "deleted"]).required("what it shall do"),
    nat("restart_asked").optional("how often it was asked to start anew"),
    text("exec_type").required("what runs it"),
    map("spec", &Kind::Any).required("the service as it was when it was placed"),
    text("status").required("what it does"),
    any_text("detail").optional("why"),
    any_text("container_id").optional("what it is called by what runs it"),
    list("bindings", &Kind::Object(BINDING)).optional("which port inside is reached at which port of the agent"),
    one_of("health", &["unchecked", "starting", "healthy", "unhealthy"]).optional("what its health check says"),
    nat("restarts").optional("how often it was started again"),
    float("exit_code").optional("how it ended last"),
    boolean("oom").optional("whether it was ended last because it wanted too much memory"),
    timestamp("started").optional("when it was started last"),
    object("progress", PROGRESS).optional("how far the fetching of its image has come"),
    any_text("held_back").optional("why the owner of the device does not let it run; empty where that is not so"),
    boolean("evicted").optional("whether it shall go to another device for that"),
    list("events", &Kind::Object(EVENT)).optional("what happened to it last, the newest at the end"),
];

const BINDING: &[Field] = &[
    nat("container").required("the port inside"),
    nat("host").required("the port of the agent"),
    one_of("protocol", &["tcp", "udp"]).required("which transport"),
];

const PROGRESS: &[Field] = &[
    any_text("image").required("the image"),
    any_text("status").required("what happens to it"),
    nat("current").required("bytes that are here").unit("B"),
    nat("total").required("bytes of the whole; 0 where unknown").unit("B"),
];

const EVENT: &[Field] = &[
    timestamp("time").required("when"),
    text("code").required("what, in one word"),
    any_text("text").required("what, for people"),
];
