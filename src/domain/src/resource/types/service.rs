//! `service`: what can be run.

use serde_json::{Map, Value};

use crate::resource::kind::{Field, Fill, Kind, boolean, float, list, map, nat, object, one_of, port, pos, text};
use crate::resource::spec::{COMMON, Names, TypeSpec, USERS_MODIFY};

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
.rework(settle)
.travels();

const FIELDS: &[Field] = &[
    text("name").required("the name under which people choose it"),
    text("exec").required("a container image, a URL, or a `data:application/x-yaml` URL with a compose file"),
    one_of("exec_type", EXEC_TYPES).required("what runs it"),
    one_of("agent_type", &["cloud", "normal", "micro"]).required("on which kind of agent it runs"),
    list("exec_ports", &Kind::Port).optional("the ports that it listens on"),
    list("publish", &Kind::Object(PUBLISH)).optional("ports inside that are reached at certain ports of the machine"),
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
    list("entrypoint", &Kind::Text).optional("replaces the entry point of the image"),
    list("command", &Kind::Text).optional("its arguments: they replace those of the image; no shell reads them"),
    map("environment", &Kind::Text).optional("variables of its environment"),
    list("secrets", &Kind::Object(SECRET)).optional("what it gets from credentials, and nobody else sees"),
    list("volumes", &Kind::NonBlank)
        .optional("what it sees of the disk: `name:/path`, `/from:/path` or `dataset/ID:/path`, with `:ro` or not"),
    list("devices", &Kind::NonBlank).optional("devices of the machine that it uses, such as /dev/video0"),
    text("run_as").optional("whom it runs as: user, user:group, or numbers"),
    text("working_dir").optional("the folder in which it starts"),
    object("restart", RESTART).optional("when it is started again"),
    object("health", HEALTH).optional("how it is told whether it is well"),
    object("limits", LIMITS).optional("what it may use"),
    one_of("pull", &["always", "if-not-present", "never"]).optional("when its image is fetched"),
    Field { kind: Kind::LooseLink, ..text("registry") }.optional("the credential for the registry of its image"),
    text("archive")
        .optional("a file in the agent's folder of images that holds its image, for sites without a registry"),
    float("stop_grace").optional("how long it may take to end, 10 unless said").unit("s"),
    object("reschedule", RESCHEDULE).optional("what becomes of it when its agent is lost"),
    object("update", UPDATE).optional("how a new version takes the place of the old one"),
];

/// What can run a service. `process` is an extension of the original's list.
const EXEC_TYPES: &[&str] =
    &["docker", "compss", "docker-compose", "docker-swarm", "kubernetes", "docker-compose-swarm", "process"];

const PUBLISH: &[Field] =
    &[port("container").required("the port inside"), port("host").required("the port of the machine")];

const SECRET: &[Field] = &[
    Field { kind: Kind::LooseLink, ..text("credential") }.required("the credential"),
    text("key").optional("which of its attributes; `secret` unless said"),
    text("name").required("the variable, or the file"),
    one_of("place", &["file", "environment"]).optional("how it is handed over: in a file unless said"),
];

const RESTART: &[Field] = &[
    one_of("policy", &["never", "on-failure", "always", "no", "unless-stopped"])
        .optional("when: on-failure unless said"),
    nat("attempts").optional("so often within the window, 10 unless said"),
    float("window").optional("the window, 600 unless said").unit("s"),
    float("delay").optional("the first pause; it doubles from time to time; 0.5 unless said").unit("s"),
    float("max_delay").optional("the longest pause, 30 unless said").unit("s"),
];

const HEALTH: &[Field] = &[
    one_of("type", &["http", "tcp", "exec"]).required("how it is asked"),
    port("port").optional("the port inside; the first of `exec_ports` unless said"),
    text("path").optional("the path that answers with a status below 400; / unless said"),
    list("command", &Kind::Text).optional("the program that ends with 0 where all is well"),
    float("interval").optional("between two checks, 10 unless said").unit("s"),
    float("timeout").optional("how long a check may take, 5 unless said").unit("s"),
    nat("retries").optional("so many bad answers in a row are unhealthy, 3 unless said"),
    float("start_period").optional("bad answers do not count for so long after the start, 0 unless said").unit("s"),
    boolean("restart").optional("whether it is started anew when it is unhealthy; true unless said"),
];

const LIMITS: &[Field] = &[
    pos("memory").optional("main memory").unit("MiB"),
    float("cpus").optional("processors; half a one is 0.5"),
    pos("cpu_shares").optional("its weight where processors are short; 1024 is usual"),
    pos("pids").optional("processes and threads"),
    pos("log").optional("what is kept of its output").unit("MiB"),
];

const RESCHEDULE: &[Field] = &[
    one_of("policy", &["never", "after"]).required("whether it is started elsewhere"),
    float("grace").optional("after the agent was away for so long, 60 unless said").unit("s"),
];

const UPDATE: &[Field] = &[
    pos("parallel").optional("on so many agents at a time, 1 unless said"),
    float("healthy_for").optional("it must be well for so long before the next one, 5 unless said").unit("s"),
    float("within").optional("one that is not well after so long has failed, 120 unless said").unit("s"),
    boolean("revert").optional("whether the last version that was well comes back then; true unless said"),
];

/// Lists in which the forms of the original's pages leave empty texts.
const LISTS_OF_NAMES: [&str; 4] = ["exec_ports", "sla_templates", "req_resource", "opt_resource"];

/// Takes services as the original's service manager did: what is optional and empty is not said. And old descriptions
/// hold an object in `category`, which no reader ever understood.
fn settle(body: &mut Map<String, Value>) {
    if body.get("category").is_some_and(Value::is_object) {
        body.remove("category");
    }
    for name in LISTS_OF_NAMES {
        if let Some(Value::Array(items)) = body.get_mut(name) {
            items.retain(|item| !is_empty(item));
        }
    }
    let fields = FIELDS.iter().chain(COMMON.iter().filter(|common| common.name != "name"));
    for field in fields.filter(|field| !field.required) {
        if body.get(field.name).is_some_and(is_empty) {
            body.remove(field.name);
        }
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::entropy::Entropy;
    use crate::time::Timestamp;

    struct NoChance;

    impl Entropy for NoChance {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    fn taken(body: &Value) -> Result<Value, String> {
        let draft = SPEC.prepare_add(body.as_object().unwrap().clone(), Timestamp::default(), &NoChance);
        draft.map(|draft| Value::Object(draft.attributes)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_service_is_taken_as_the_scripts_of_the_original_send_it() {
        // hello-world.sh without and with `--num-agents`; memory_min and disk stay, which the original lost.
        let mut sent = json!({"name": "hello-world", "description": "Hello World Service",
            "exec": "mf2c/compss-test:it2.9", "exec_type": "compss", "sla_templates": ["sla-template/x"],
            "agent_type": "normal", "num_agents": "",
            "cpu_arch": "", "os": "", "storage_min": "", "memory_min": "1000", "disk": "10",
            "req_resource": ["", "GPU"], "opt_resource": [""], "exec_ports": ["8080", ""], "resourceURI": "x"});
        let mut expected = json!({"name": "hello-world", "description": "Hello World Service",
            "exec": "mf2c/compss-test:it2.9", "exec_type": "compss", "sla_templates": [{"href": "sla-template/x"}],
            "agent_type": "normal", "memory_min": 1000, "disk": 10, "req_resource": ["GPU"], "opt_resource": [],
            "exec_ports": [8080], "category": 0, "cpu_recommended": 0.0, "memory_recommended": 0.0,
            "disk_recommended": 0.0, "network_recommended": 0.0});
        assert_eq!(taken(&sent).unwrap(), expected);
        sent["num_agents"] = "1".into();
        expected["num_agents"] = 1.into();
        assert_eq!(taken(&sent).unwrap(), expected);
        sent["category"] = "".into();
        assert_eq!(taken(&sent).unwrap(), expected);
    }

    #[test]
    fn what_is_needed_may_not_be_empty_and_arguments_may() {
        let sent = json!({"name": "", "exec": "", "exec_type": "", "agent_type": "normal"});
        let told = taken(&sent).unwrap_err();
        assert!(["`name`", "`exec`", "`exec_type`"].iter().all(|place| told.contains(place)), "{told}");
        let sent = json!({"name": "n", "exec": "e", "exec_type": "docker", "agent_type": "normal", "description": "",
            "command": ["", "a"], "environment": {"A": ""}, "num_agents": "many"});
        assert!(taken(&sent).unwrap_err().contains("`num_agents`"));
        let mut sent = sent;
        sent["num_agents"] = "".into();
        let stored = taken(&sent).unwrap();
        assert_eq!((&stored["command"], &stored["environment"]), (&json!(["", "a"]), &json!({"A": ""})));
        assert!(stored.get("description").is_none() && stored.get("num_agents").is_none());
    }
}
