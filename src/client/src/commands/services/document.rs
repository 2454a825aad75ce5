//! What `mf2c service register` sends: the attributes of a file, and what stands on the line.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::ClientError;
use crate::args::{HealthFlag, RegisterArgs};

/// What begins a compose file that is sent as a whole.
const COMPOSE: &str = "data:application/x-yaml;base64,";
/// On which kind of agent a service runs that does not say it.
const AGENT_TYPE: &str = "normal";

/// The document of a service. What stands on the line wins over the file.
pub(super) fn described(
    file: Map<String, Value>,
    compose: Option<&[u8]>,
    args: &RegisterArgs,
) -> Result<Map<String, Value>, ClientError> {
    let mut document = file;
    let mut put = |name: &str, value: Option<Value>| document.extend(value.map(|value| (name.to_owned(), value)));
    put("name", args.name.clone().map(Value::from));
    let compose = compose.map(|compose| format!("{COMPOSE}{}", STANDARD.encode(compose)));
    let what = [("docker", args.image.clone()), ("docker-compose", compose), ("process", args.process.clone())];
    if let Some((exec_type, exec)) = what.into_iter().find_map(|(kind, exec)| Some((kind, exec?))) {
        put("exec", Some(exec.into()));
        put("exec_type", Some(exec_type.into()));
    }
    put("exec_ports", filled(&args.port).map(|ports| json!(ports)));
    let variables: Map<String, Value> =
        args.env.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    put("environment", (!variables.is_empty()).then_some(Value::Object(variables)));
    let words: Vec<&String> = args.arg.iter().chain(&args.arguments).collect();
    put("command", filled(&words).map(|words| json!(words)));
    put("volumes", filled(&args.volume).map(|volumes| json!(volumes)));
    put("health", args.health.as_ref().map(health));
    put("num_agents", args.agents.map(Value::from));
    put("reschedule", args.reschedule.map(|grace| json!({"policy": "after", "grace": grace})));
    if let Some(when) = args.restart {
        put_inside(&mut document, ("restart", "policy"), when.name());
    }
    if let Some(memory) = args.memory {
        put_inside(&mut document, ("limits", "memory"), memory);
    }
    if let Some(cpus) = args.cpus {
        put_inside(&mut document, ("limits", "cpus"), cpus);
    }
    checked(document)
}

fn filled<T>(items: &[T]) -> Option<&[T]> {
    (!items.is_empty()).then_some(items)
}

/// Says one member of an attribute that is an object, and leaves the others.
fn put_inside(document: &mut Map<String, Value>, (name, member): (&str, &str), value: impl Into<Value>) {
    let mut members = match document.remove(name) {
        Some(Value::Object(members)) => members,
        _ => Map::new(),
    };
    members.insert(member.to_owned(), value.into());
    document.insert(name.to_owned(), Value::Object(members));
}

fn health(check: &HealthFlag) -> Value {
    let asked = match check {
        HealthFlag::Http { port, path } => json!({"type": "http", "port": port, "path": path}),
        HealthFlag::Tcp { port } => json!({"type": "tcp", "port": port}),
        HealthFlag::Exec(command) => json!({"type": "exec", "command": command}),
    };
    let members = asked.as_object().cloned().unwrap_or_default();
    Value::Object(members.into_iter().filter(|(_, value)| !value.is_null()).collect())
}

/// What must be there before it is worth a request, and where it runs if it does not say it.
fn checked(mut document: Map<String, Value>) -> Result<Map<String, Value>, ClientError> {
    let usage = |message: &str| Err(ClientError::Usage(message.to_owned()));
    if document.contains_key("services") && !document.contains_key("exec") {
        return usage(
            "this is a compose file and no service: register it with `mf2c service register --name NAME --compose FILE`",
        );
    }
    if !document.contains_key("exec") {
        return usage("nothing says what is run: name a FILE that does, or one of --image, --compose and --process");
    }
    if !document.contains_key("name") {
        return usage("the service has no name: give it one with --name");
    }
    document.entry("agent_type").or_insert_with(|| AGENT_TYPE.into());
    Ok(document)
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches as _};

    use super::*;

    fn args(line: &str) -> RegisterArgs {
        let program = RegisterArgs::augment_args(Command::new("register"));
        let words: Vec<&str> = ["register"].into_iter().chain(line.split_whitespace()).collect();
        RegisterArgs::from_arg_matches(&program.try_get_matches_from(words).unwrap()).unwrap()
    }

    fn of(file: Value, line: &str) -> Result<Value, String> {
        let file = file.as_object().cloned().unwrap_or_default();
        described(file, None, &args(line)).map(Value::Object).map_err(|error| error.to_string())
    }

    #[test]
    fn flags_become_attributes() {
        let line = "--name web --image nginx --port 80 --env A=1 --volume data:/data --memory 64 --cpus 0.5 --restart always \
                    --health http:80/well --agents 2 --reschedule 30 --arg -v -- -q";
        let expected = json!({
            "name": "web", "exec": "nginx", "exec_type": "docker", "agent_type": "normal", "exec_ports": [80],
            "environment": {"A": "1"}, "volumes": ["data:/data"], "limits": {"memory": 64, "cpus": 0.5},
            "restart": {"policy": "always"}, "health": {"type": "http", "port": 80, "path": "/well"}, "num_agents": 2,
            "reschedule": {"policy": "after", "grace": 30}, "command": ["-v", "-q"],
        });
        assert_eq!(of(json!({}), line), Ok(expected));
    }

    #[test]
    fn what_stands_on_the_line_wins_and_leaves_the_rest_of_an_object() {
        let file = json!({"name": "a", "exec": "/bin/a", "exec_type": "process", "agent_type": "cloud",
                          "limits": {"memory": 1, "pids": 2}, "restart": "odd"});
        let expected = json!({"name": "a", "exec": "b", "exec_type": "docker", "agent_type": "cloud",
                              "limits": {"memory": 8, "pids": 2}, "restart": {"policy": "never"}});
        assert_eq!(of(file, "service.yaml --image b --memory 8 --restart never"), Ok(expected));
    }

    #[test]
    fn a_compose_file_is_sent_as_a_whole() {
        let compose = b"services: {web: {image: nginx}}\n";
        let document = described(Map::new(), Some(compose), &args("--name shop --compose x")).unwrap();
        let exec = document["exec"].as_str().unwrap();
        let sent = STANDARD.decode(exec.strip_prefix("data:application/x-yaml;base64,").unwrap()).unwrap();
        assert_eq!((sent.as_slice(), &document["exec_type"]), (&compose[..], &json!("docker-compose")));
    }

    #[test]
    fn what_is_no_service_is_refused_with_what_to_do() {
        for (file, line, expected) in [
            (json!({"services": {}}), "x", "this is a compose file and no service"),
            (json!({"name": "a"}), "x", "nothing says what is run"),
            (json!({}), "--image nginx", "give it one with --name"),
        ] {
            assert!(of(file, line).unwrap_err().contains(expected), "{expected}");
        }
    }
}
