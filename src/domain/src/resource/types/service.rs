//! `service`: what can be run.

use serde_json::{Map, Value};

use crate::resource::kind::{Field, Fill, Kind, float, list, nat, one_of, text};
use crate::resource::spec::{Names, TypeSpec, USERS_MODIFY};

/// The description of the type.
pub static SPEC: TypeSpec = TypeSpec::new(
    Names {
        name: "service",
        title: "Service",
        tag: "services",
        uri: "http://schemas.dmtf.org/cimi/2/Service",
        about: "a program that can be run in the area, and what it needs",
    },
    USERS_MODIFY,
    FIELDS,
)
.numbers_as_text()
.rework(drop_old_category)
.travels();

const FIELDS: &[Field] = &[
    text("name").required("the name under which people choose it"),
    text("exec").required("a container image, a URL, or a `data:application/x-yaml` URL with a compose file"),
    one_of("exec_type", &["docker", "compss", "docker-compose", "docker-swarm", "kubernetes", "docker-compose-swarm"])
        .required("what runs it"),
    one_of("agent_type", &["cloud", "normal", "micro"]).required("on which kind of agent it runs"),
    list("exec_ports", &Kind::Port).optional("the ports that it listens on"),
    list("sla_templates", &Kind::LooseLink).optional("the service levels that are offered for it"),
    nat("num_agents").optional("how many agents it runs on"),
    nat("storage_min").optional("least disk space").unit("MiB"),
    nat("memory_min").optional("least main memory").unit("MiB"),
    nat("disk").optional("disk space").unit("MiB"),
    nat("category").optional("0 to 15: which of processor, memory, disk and network it leans on").or(Fill::Nat(0)),
    one_of("cpu_arch", &["arm", "x86-64"]).optional("the processor architecture that it needs"),
    one_of("os", &["linux", "mac", "windows", "iOS", "android"]).optional("the operating system that it needs"),
    float("cpu_recommended").optional("how much processor it uses, from 0 to 1").or(Fill::Float(0.0)),
    float("memory_recommended").optional("how much memory it uses, from 0 to 1").or(Fill::Float(0.0)),
    float("disk_recommended").optional("how much disk it uses, from 0 to 1").or(Fill::Float(0.0)),
    float("network_recommended").optional("how much network it uses, from 0 to 1").or(Fill::Float(0.0)),
    list("req_resource", &Kind::Text).optional("what a device must have attached"),
    list("opt_resource", &Kind::Text).optional("what a device had better have attached"),
];

/// Old descriptions hold an object in `category`, which no reader ever understood.
fn drop_old_category(body: &mut Map<String, Value>) {
    if body.get("category").is_some_and(Value::is_object) {
        body.remove("category");
    }
}
