//! From a topology to what is run: one service for each computer, by the computer's attributes.

use std::num::NonZeroU16;

use serde_json::{Map, Value, json};

use super::Refusal;
use super::names::ExperimentId;
use super::topdl::{Computer, Layout};

/// The most words of a command.
const MAX_WORDS: usize = 256;

/// One element of an experiment that is to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// What it is called within the experiment.
    pub name: String,
    /// The body of the service that it becomes.
    pub service: Map<String, Value>,
    /// The type of computers that may run it; any where nothing is said.
    pub wanted_type: Option<String>,
    /// The computer that shall run it; any where nothing is said.
    pub wanted_computer: Option<String>,
}

/// What each computer of a topology becomes.
///
/// # Errors
/// [`Refusal::Request`] where there is nothing to run, or nobody can tell what.
pub fn plan(id: &ExperimentId, layout: &Layout) -> Result<Vec<Planned>, Refusal> {
    if layout.computers.is_empty() {
        return Err(Refusal::request(format!("{id} has no computers in its layout")));
    }
    layout.computers.iter().map(|computer| planned(id, layout, computer)).collect()
}

/// The names by which attributes become members of the service that are whole numbers.
const NUMBERS: [&str; 4] = ["memory_min", "storage_min", "disk", "num_agents"];
/// Attributes that become members of the service as they are.
const WORDS: [&str; 6] = ["cpu_arch", "os", "working_dir", "pull", "archive", "agent_type"];

fn planned(id: &ExperimentId, layout: &Layout, computer: &Computer) -> Result<Planned, Refusal> {
    let wrong = |what: String| Refusal::Request(format!("{id}, computer {}: {what}", computer.name));
    let text = |name: &str| computer.attributes.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let (exec, exec_type, mut command) = program(computer).map_err(wrong)?;
    if let Some(more) = text("command") {
        command.extend(words(more).map_err(wrong)?);
    }
    let mut service = json!({
        "name": format!("{}-{}", id.name, computer.name),
        "description": format!("{} of the experiment {id}", computer.name),
        "exec": exec,
        "exec_type": exec_type,
        "agent_type": "normal",
        "environment": environment(id, layout, computer),
    });
    if !command.is_empty() {
        service["command"] = command.into();
    }
    for name in NUMBERS {
        if let Some(number) = text(name) {
            let number: u64 = number.parse().map_err(|_| wrong(format!("`{name}` is no whole number")))?;
            service[name] = number.into();
        }
    }
    for name in WORDS {
        if let Some(word) = text(name) {
            service[name] = word.into();
        }
    }
    if let Some(ports) = text("exec_ports").or_else(|| text("ports")) {
        let ports: Result<Vec<NonZeroU16>, _> = listed(ports).map(str::parse).collect();
        let ports = ports.map_err(|_| wrong("`exec_ports` are no ports".to_owned()))?;
        service["exec_ports"] = ports.into_iter().map(NonZeroU16::get).collect::<Vec<u16>>().into();
    }
    for name in ["req_resource", "opt_resource"] {
        if let Some(resources) = text(name) {
            service[name] = listed(resources).collect::<Vec<_>>().into();
        }
    }
    Ok(Planned {
        name: computer.name.clone(),
        service: service.as_object().cloned().unwrap_or_default(),
        wanted_type: text("type").map(str::to_owned),
        wanted_computer: text("computer").map(str::to_owned),
    })
}

/// The items of a list with commas.
fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// What runs: an image, with `exec` as its command; or `exec` alone, which is a program with its arguments unless
/// `exec_type` says otherwise.
fn program(computer: &Computer) -> Result<(String, String, Vec<String>), String> {
    let text = |name: &str| computer.attributes.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let exec_type = text("exec_type");
    match (text("image"), text("exec")) {
        (Some(image), exec) => {
            let command = exec.map(words).transpose()?.unwrap_or_default();
            Ok((image.to_owned(), exec_type.unwrap_or("docker").to_owned(), command))
        }
        (None, Some(exec)) if exec_type.is_none_or(|kind| kind == "process") => {
            let mut words = words(exec)?;
            if words.is_empty() {
                return Err("`exec` names no program".to_owned());
            }
            let rest = words.split_off(1);
            Ok((words.remove(0), "process".to_owned(), rest))
        }
        (None, Some(exec)) => Ok((exec.to_owned(), exec_type.unwrap_or_default().to_owned(), Vec::new())),
        (None, None) => Err("it has neither the attribute `image` nor `exec`: nobody can tell what to run".to_owned()),
    }
}

/// What the program is told: its own part of the experiment, and what the topology says in `env.NAME`.
fn environment(id: &ExperimentId, layout: &Layout, computer: &Computer) -> Map<String, Value> {
    let mut environment = Map::new();
    for (name, value) in &computer.attributes {
        if let Some(name) = name.strip_prefix("env.") {
            environment.insert(name.to_owned(), value.as_str().into());
        }
    }
    let near = layout.computers.iter().filter(|other| {
        other.name != computer.name && other.substrates.iter().any(|name| computer.substrates.contains(name))
    });
    let near: Vec<&str> = near.map(|other| other.name.as_str()).collect();
    let own = [
        ("DETER_EXPERIMENT", id.to_string()),
        ("DETER_ELEMENT", computer.name.clone()),
        ("DETER_SUBSTRATES", computer.substrates.join(",")),
        ("DETER_NEIGHBOURS", near.join(",")),
    ];
    environment.extend(own.map(|(name, value)| (name.to_owned(), value.into())));
    environment
}

/// The words of a command. Quotes keep words together; nothing else means anything: no shell reads them.
fn words(text: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                let _ = word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if quote.is_some() {
        return Err("a quote of a command has no end".to_owned());
    }
    if words.len() > MAX_WORDS {
        return Err(format!("a command has at most {MAX_WORDS} words"));
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::resource::types::service;
    use crate::testbed::topdl;

    fn id() -> ExperimentId {
        ExperimentId::new("Alfa", "Hello").unwrap()
    }

    fn planned_of(attributes: &[(&str, &str)]) -> Result<Planned, Refusal> {
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let a = Computer { name: "a".to_owned(), attributes, substrates: vec!["lan".to_owned()] };
        let b = Computer { name: "b".to_owned(), substrates: vec!["lan".to_owned()], ..Computer::default() };
        let layout = Layout { computers: vec![a, b], substrates: vec!["lan".to_owned()] };
        planned(&id(), &layout, &layout.computers[0])
    }

    #[test]
    fn an_image_becomes_a_container_and_a_program_a_process() {
        let image = planned_of(&[
            ("image", "nginx:alpine"),
            ("exec", "nginx -g 'daemon off;'"),
            ("exec_ports", "80, 443"),
            ("memory_min", "64"),
            ("env.A", "b"),
            ("type", "pc"),
            ("computer", "pc23"),
        ]);
        let image = image.unwrap();
        assert_eq!((image.wanted_type.as_deref(), image.wanted_computer.as_deref()), (Some("pc"), Some("pc23")));
        let expected = json!({
            "name": "Hello-a", "description": "a of the experiment Alfa:Hello", "exec": "nginx:alpine",
            "exec_type": "docker", "agent_type": "normal", "command": ["nginx", "-g", "daemon off;"],
            "exec_ports": [80, 443], "memory_min": 64,
            "environment": {"A": "b", "DETER_EXPERIMENT": "Alfa:Hello", "DETER_ELEMENT": "a", "DETER_SUBSTRATES": "lan",
                "DETER_NEIGHBOURS": "b"},
        });
        assert_eq!(Value::Object(image.service), expected);
        let program = planned_of(&[("exec", "/bin/sh -c \"echo a; sleep 1\""), ("command", "x")]).unwrap().service;
        assert_eq!((&program["exec"], &program["exec_type"]), (&json!("/bin/sh"), &json!("process")));
        assert_eq!(program["command"], json!(["-c", "echo a; sleep 1", "x"]));
        let compose = planned_of(&[("exec", "https://example.org/a.yml"), ("exec_type", "docker-compose")]).unwrap();
        assert_eq!(compose.service["exec"], "https://example.org/a.yml");
    }

    #[test]
    fn what_cannot_be_run_is_said_with_the_name_of_the_computer() {
        let bad: [&[(&str, &str)]; 5] = [
            &[],
            &[("exec", "'")],
            &[("exec", " ")],
            &[("image", "x"), ("memory_min", "much")],
            &[("image", "x"), ("exec_ports", "80, http")],
        ];
        for attributes in bad {
            let Err(Refusal::Request(text)) = planned_of(attributes) else { panic!("{attributes:?}") };
            assert!(text.starts_with("Alfa:Hello, computer a: "), "{text}");
        }
        assert!(plan(&id(), &Layout::default()).is_err());
    }

    struct NoChance;

    impl crate::entropy::Entropy for NoChance {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    proptest! {
        #[test]
        fn what_is_planned_is_a_service_or_is_refused_there(image in "[ -~]{0,20}", exec in "[ -~]{0,20}", ports in "[0-9, ]{0,8}") {
            if let Ok(planned) = planned_of(&[("image", &image), ("exec", &exec), ("exec_ports", &ports)]) {
                let draft = service::SPEC.prepare_add(planned.service, crate::time::Timestamp::default(), &NoChance);
                // The type refuses what is blank, and nothing else.
                prop_assert!(draft.is_ok() || image.trim().is_empty(), "{draft:?}");
            }
            let _ = topdl::read(exec.as_bytes());
        }

        #[test]
        fn words_without_quotes_are_what_white_space_parts(text in "[a-z \t]{0,40}") {
            let expected: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            prop_assert_eq!(words(&text).unwrap(), expected);
        }
    }
}
