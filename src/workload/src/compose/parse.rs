//! A compose file, as far as it is understood: <https://github.com/compose-spec/compose-spec>.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::application::{AppPart, Application, ComposeError, Condition, RestartHint, bytes};
use super::parts;
use super::reader::{Reader, joined};
use super::text::values;
use crate::check::{check_id, is_image_name};

/// An application has no more parts.
const MOST_PARTS: usize = 64;

/// Reads a compose file. Variables are taken from `environment` alone; `secrets` are the names that a part may list
/// in its environment without a value.
///
/// # Errors
/// [`ComposeError`] with everything that is wrong, each with its place: unknown keys, what cannot be had here, circles.
pub fn read(
    text: &str,
    environment: &BTreeMap<String, String>,
    secrets: &[String],
) -> Result<Application, ComposeError> {
    let value = values(text)?;
    let mut reader = Reader { variables: environment, secrets, problems: vec![] };
    let application = file(&mut reader, &value);
    if !reader.problems.is_empty() {
        return Err(ComposeError(reader.problems));
    }
    application.order()?;
    Ok(application)
}

fn file(reader: &mut Reader<'_>, value: &Value) -> Application {
    let mut application = Application::default();
    let Some(top) = reader.map("the file", value) else {
        reader.wrong("the file", "a mapping with `services` is expected");
        return application;
    };
    reader.only("", top, &["version", "name", "services", "networks", "volumes"]);
    let empty = Map::new();
    let section = |reader: &mut Reader<'_>, name: &str| -> Map<String, Value> {
        top.get(name).and_then(|value| reader.map(name, value)).unwrap_or(&empty).clone()
    };
    for (name, value) in section(reader, "networks") {
        let network = network(reader, &joined("networks", &name), &value, &name);
        application.networks.insert(name, network);
    }
    let volumes = section(reader, "volumes");
    for (name, value) in &volumes {
        let place = joined("volumes", name);
        name_is_fine(reader, &place, name);
        if let Some(map) = reader.map(&place, value) {
            reader.only(&place, map, &[]);
        }
    }
    let services = section(reader, "services");
    if services.is_empty() || services.len() > MOST_PARTS {
        reader.wrong("services", "1 to 64 of them are expected");
    }
    for (name, value) in services.iter().take(MOST_PARTS) {
        let place = joined("services", name);
        name_is_fine(reader, &place, name);
        if let Some(part) = part(reader, &place, value, &volumes) {
            application.parts.insert(name.clone(), part);
        }
    }
    references(reader, &mut application, &services);
    application
}

fn name_is_fine(reader: &mut Reader<'_>, place: &str, name: &str) {
    if check_id("it", name).is_err() || name.len() > 40 {
        reader.wrong(place, "a name has at most 40 letters, digits, `-`, `_` and `.`");
    }
}

fn network(reader: &mut Reader<'_>, place: &str, value: &Value, name: &str) -> Option<String> {
    name_is_fine(reader, place, name);
    let map = reader.map(place, value)?;
    reader.only(place, map, &["external", "name"]);
    let external = match map.get("external") {
        None | Some(Value::Bool(false)) => false,
        Some(Value::Bool(true)) => true,
        Some(_) => {
            reader.wrong(&joined(place, "external"), "true or false is expected");
            false
        }
    };
    let named = map.get("name").and_then(|value| reader.text(&joined(place, "name"), value));
    if named.is_some() && !external {
        reader.wrong(&joined(place, "name"), "only a network that is `external` has a name of its own");
    }
    let named = named.unwrap_or_else(|| name.to_owned());
    // Those of the engine itself would lead out of the isolation of networks.
    if external && (check_id("it", &named).is_err() || ["host", "none"].contains(&named.as_str())) {
        reader.wrong(place, "an external network is one that somebody made, with a plain name");
    }
    external.then_some(named)
}

/// Whether what parts refer to is there.
fn references(reader: &mut Reader<'_>, application: &mut Application, services: &Map<String, Value>) {
    let mut default = false;
    for (name, part) in &application.parts {
        let place = joined("services", name);
        for other in part.depends_on.keys().filter(|other| !services.contains_key(*other)) {
            reader
                .wrong(&joined(&place, "depends_on"), &format!("there is no service `{}`", crate::check::shown(other)));
        }
        for (other, condition) in &part.depends_on {
            let checked = application.parts.get(other).is_none_or(|other| other.health.is_some());
            if *condition == Condition::Healthy && !checked {
                reader.wrong(&joined(&place, "depends_on"), &format!("`{other}` has no `healthcheck` to wait for"));
            }
        }
        for network in part.networks.keys().filter(|network| *network != "default") {
            if !application.networks.contains_key(network) {
                let network = crate::check::shown(network);
                reader.wrong(&joined(&place, "networks"), &format!("there is no network `{network}` under `networks`"));
            }
        }
        default |= part.networks.is_empty() || part.networks.contains_key("default");
    }
    if default {
        application.networks.entry("default".to_owned()).or_default();
    }
}

const PART_KEYS: [&str; 18] = [
    "image",
    "command",
    "entrypoint",
    "environment",
    "ports",
    "volumes",
    "networks",
    "depends_on",
    "labels",
    "devices",
    "healthcheck",
    "working_dir",
    "user",
    "restart",
    "deploy",
    "mem_limit",
    "cpus",
    "pids_limit",
];

fn part(reader: &mut Reader<'_>, place: &str, value: &Value, volumes: &Map<String, Value>) -> Option<AppPart> {
    let Some(map) = reader.map(place, value) else {
        reader.wrong(place, "a mapping with `image` is expected");
        return None;
    };
    reader.only(place, map, &PART_KEYS);
    let at = |key: &str| joined(place, key);
    let known = |key: &str| map.get(key).filter(|value| !value.is_null());
    let image = match known("image") {
        Some(value) => reader
            .read(&at("image"), value, "the name of an image", |text| is_image_name(text).then(|| text.to_owned())),
        None => {
            reader.wrong(place, "`image` is missing");
            None
        }
    };
    let null = Value::Null;
    let get = |key: &str| known(key).unwrap_or(&null);
    let (environment, secrets) = parts::environment(reader, &at("environment"), get("environment"));
    let limits = limits(reader, place, map);
    Some(AppPart {
        image: image.unwrap_or_default(),
        entrypoint: reader.words(&at("entrypoint"), get("entrypoint")),
        command: reader.words(&at("command"), get("command")).unwrap_or_default(),
        environment,
        secrets,
        ports: parts::ports(reader, &at("ports"), get("ports")),
        volumes: parts::volumes(reader, &at("volumes"), get("volumes"), volumes),
        networks: parts::networks(reader, &at("networks"), get("networks")),
        depends_on: depends_on(reader, &at("depends_on"), get("depends_on")),
        labels: parts::labels(reader, &at("labels"), get("labels")),
        devices: parts::devices(reader, &at("devices"), get("devices")),
        health: known("healthcheck").and_then(|value| parts::health(reader, &at("healthcheck"), value)),
        working_dir: known("working_dir").and_then(|value| reader.text(&at("working_dir"), value)),
        user: known("user").and_then(|value| reader.text(&at("user"), value)),
        restart: known("restart")
            .and_then(|value| {
                reader.read(&at("restart"), value, "no, always, unless-stopped or on-failure[:times]", restart)
            })
            .unwrap_or_default(),
        memory: limits.0,
        cpus: limits.1,
        pids: limits.2,
    })
}

fn restart(text: &str) -> Option<RestartHint> {
    match text.split_once(':').map_or((text, None), |(word, times)| (word, Some(times))) {
        // An unquoted `no` is a truth value in older YAML.
        ("no" | "false", None) => Some(RestartHint::No),
        ("always" | "unless-stopped", None) => Some(RestartHint::Always),
        ("on-failure", None) => Some(RestartHint::OnFailure(None)),
        ("on-failure", Some(times)) => Some(RestartHint::OnFailure(Some(times.parse().ok()?))),
        _ => None,
    }
}

fn depends_on(reader: &mut Reader<'_>, place: &str, value: &Value) -> BTreeMap<String, Condition> {
    let Value::Object(map) = value else {
        let list = reader.list(place, value).iter();
        return list.filter_map(|name| Some((reader.text(place, name)?, Condition::Started))).collect();
    };
    let mut needs = BTreeMap::new();
    for (name, value) in map {
        let place = joined(place, name);
        let Some(how) = reader.map(&place, value) else {
            needs.insert(name.clone(), Condition::Started);
            continue;
        };
        reader.only(&place, how, &["condition"]);
        let condition = how.get("condition").map_or(Some(Condition::Started), |value| {
            reader.read(&joined(&place, "condition"), value, "service_started or service_healthy", |text| match text {
                "service_started" => Some(Condition::Started),
                "service_healthy" => Some(Condition::Healthy),
                _ => None,
            })
        });
        needs.extend(condition.map(|condition| (name.clone(), condition)));
    }
    needs
}

/// Memory, processors and processes, in the older and in the newer way; the newer counts.
fn limits(reader: &mut Reader<'_>, place: &str, map: &Map<String, Value>) -> (Option<u64>, Option<f64>, Option<u32>) {
    let cpus = |text: &str| text.parse::<f64>().ok().filter(|cpus| *cpus > 0.0 && cpus.is_finite());
    let mut found = (None, None, None);
    let mut take = |reader: &mut Reader<'_>, place: &str, map: &Map<String, Value>, keys: [&str; 3]| {
        let at = |key: &str| joined(place, key);
        let [memory, processors, pids] = keys.map(|key| map.get(key).filter(|value| !value.is_null()));
        found.0 = memory.and_then(|it| reader.read(&at(keys[0]), it, "bytes such as 64m", bytes)).or(found.0);
        found.1 = processors.and_then(|it| reader.read(&at(keys[1]), it, "a number such as 0.5", cpus)).or(found.1);
        found.2 = pids.and_then(|it| reader.read(&at(keys[2]), it, "a whole number", |it| it.parse().ok())).or(found.2);
    };
    take(reader, place, map, ["mem_limit", "cpus", "pids_limit"]);
    let mut place = place.to_owned();
    let mut level = map;
    for (key, inner) in
        [("deploy", ["resources"].as_slice()), ("resources", &["limits"]), ("limits", &["memory", "cpus", "pids"])]
    {
        place = joined(&place, key);
        let Some(next) = level.get(key).and_then(|value| reader.map(&place, value)) else { return found };
        reader.only(&place, next, inner);
        level = next;
    }
    take(reader, &place, level, ["memory", "cpus", "pids"]);
    found
}
