//! `service-instance`: a service that runs, or shall run.

use crate::resource::kind::{Field, Fill, Kind, any_text, boolean, float, link, list, nat, object, one_of, text};
use crate::resource::spec::{Names, TypeSpec, USERS_MODIFY};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "service-instance",
        title: "ServiceInstance",
        tag: "serviceInstances",
        uri: "http://schemas.dmtf.org/cimi/2/ServiceInstance",
        about: "one run of a service, on one or more agents",
    },
    USERS_MODIFY,
    FIELDS,
)
.state_is_logged("status")
.travels();

const FIELDS: &[Field] = &[
    text("user").required("who started it"),
    text("service").required("the service"),
    any_text("agreement")
        .required(
            "the agreement that its run is held against; empty until one is found by the service's name, or named *",
        )
        .or(Fill::Text("")),
    text("status").required("what it does: waiting, deploying, started, stopped, error and more"),
    text("service_type").optional("what runs it: the service's exec_type"),
    text("device_id").optional("the device that accepted it"),
    text("device_ip").optional("that device's address"),
    text("parent_device_id").optional("the leader of that device"),
    text("parent_device_ip").optional("the leader's address"),
    list("agents", &Kind::Object(AGENT)).unique().required("the agents that it runs on"),
    nat("num_agents").optional("how many agents it should run on, by what its agreement promises"),
    one_of("desired", &["running", "stopped", "deleted"])
        .optional("what it shall do; there where an agent looks after it, which keeps the other attributes then"),
    any_text("detail").optional("why it does what it does"),
    text("conductor").optional("the agent that decides where it runs: the name of its node"),
    nat("version").optional("which version of the service it runs, counted from 1; an update makes the next one"),
    object("update", UPDATE).optional("the update under way"),
    any_text("sla_template").optional("the template that its agreement is made from"),
];

/// What the lifecycle manager alone writes, where it looks after an instance.
pub const KEPT: [&str; 15] = [
    "user",
    "service",
    "status",
    "service_type",
    "device_id",
    "device_ip",
    "parent_device_id",
    "parent_device_ip",
    "agents",
    "detail",
    "conductor",
    "version",
    "update",
    "sla_template",
    "agreement",
];

const UPDATE: &[Field] = &[
    nat("to").required("the version that comes"),
    nat("done").required("so many agents run it and are well"),
    any_text("trouble").optional("why the last version has come back"),
];

const AGENT: &[Field] = &[
    link("agent").optional("the agent's resource"),
    text("url").required("the agent's address"),
    list("ports", &Kind::Port).required("the ports that the service is reached at"),
    any_text("container_id").required("the container that it runs in; empty or - before there is one"),
    text("status").required("what it does on this agent"),
    text("device_id").optional("the agent's device"),
    text("app_type").optional("what runs it on this agent"),
    boolean("allow").required("whether the agent may run it"),
    boolean("master_compss").optional("whether the agent leads the COMPSs workers").once_called("master_comps"),
    any_text("compss_app_id").optional("the run's id in COMPSs"),
    any_text("agent_param").optional("what the agent is told besides"),
    nat("num_cpus").optional("processor cores for it"),
    nat("index").optional("which part of the instance"),
    nat("generation").optional("which placing of that part"),
    any_text("detail").optional("why it does what it does there"),
    one_of("health", &["unchecked", "starting", "healthy", "unhealthy"]).optional("what its health check says"),
    nat("restarts").optional("how often it was started again there"),
    float("exit_code").optional("how it ended last"),
    boolean("oom").optional("whether it was ended last because it wanted too much memory"),
    nat("version").optional("which version of the service runs there"),
    list("bindings", &Kind::Object(BINDING)).optional("which port inside is reached at which port of the agent"),
];

const BINDING: &[Field] = &[
    nat("container").required("the port inside"),
    nat("host").required("the port of the agent"),
    one_of("protocol", &["tcp", "udp"]).required("which transport"),
];
