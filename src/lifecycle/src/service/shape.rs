//! The JSON of a service, and its reading.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::faults::Faults;
use super::parts::{Limits, Mount, Pull, Reschedule, Secret, SecretPlace, Update, Volume};
use super::{Backend, Service};
use crate::health::{HealthCheck, Probe};
use crate::restart::{RestartPolicy, RestartWhen};

/// The longest time that a service may name, in seconds: a day.
const LONGEST: f64 = 86_400.0;
/// The most entries of each list.
const MOST: usize = 256;
/// The longest text of each kind, but for `exec`.
const LONGEST_TEXT: usize = 32 << 10;

#[derive(Deserialize)]
struct Shape {
    name: String,
    exec: String,
    exec_type: String,
    #[serde(default)]
    exec_ports: Vec<u16>,
    #[serde(default)]
    publish: Vec<PublishShape>,
    num_agents: Option<u32>,
    entrypoint: Option<Vec<String>>,
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    secrets: Vec<SecretShape>,
    #[serde(default)]
    volumes: Vec<String>,
    #[serde(default)]
    devices: Vec<String>,
    run_as: Option<String>,
    working_dir: Option<String>,
    restart: Option<RestartShape>,
    health: Option<HealthShape>,
    limits: Option<LimitsShape>,
    pull: Option<String>,
    registry: Option<Link>,
    archive: Option<String>,
    stop_grace: Option<f64>,
    reschedule: Option<RescheduleShape>,
    update: Option<UpdateShape>,
}

#[derive(Deserialize)]
struct PublishShape {
    container: u16,
    host: u16,
}

#[derive(Deserialize)]
struct Link {
    href: String,
}

#[derive(Deserialize)]
struct SecretShape {
    credential: Link,
    key: Option<String>,
    name: String,
    place: Option<String>,
}

#[derive(Deserialize)]
struct RestartShape {
    policy: Option<String>,
    attempts: Option<u32>,
    window: Option<f64>,
    delay: Option<f64>,
    max_delay: Option<f64>,
}

#[derive(Deserialize)]
struct HealthShape {
    r#type: String,
    port: Option<u16>,
    path: Option<String>,
    command: Option<Vec<String>>,
    interval: Option<f64>,
    timeout: Option<f64>,
    retries: Option<u32>,
    start_period: Option<f64>,
    restart: Option<bool>,
}

#[derive(Deserialize)]
struct LimitsShape {
    memory: Option<u64>,
    cpus: Option<f64>,
    cpu_shares: Option<u32>,
    pids: Option<u32>,
    log: Option<u64>,
}

#[derive(Deserialize)]
struct RescheduleShape {
    policy: String,
    grace: Option<f64>,
}

#[derive(Deserialize)]
struct UpdateShape {
    parallel: Option<u32>,
    healthy_for: Option<f64>,
    within: Option<f64>,
    revert: Option<bool>,
}

impl Service {
    /// Reads a service from its document.
    ///
    /// # Errors
    /// All that is wrong with it, by attribute.
    pub fn read(id: &str, body: &[u8]) -> Result<Self, Faults> {
        Self::read_and(id, body, |_, _| ())
    }

    /// Reads one that is registered or launched: what its backend could not do is refused as well. What runs already is not judged
    /// by that.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn accept(id: &str, body: &[u8]) -> Result<Self, Faults> {
        Self::read_and(id, body, Shape::misfits)
    }

    fn read_and(id: &str, body: &[u8], also: impl FnOnce(&Shape, &mut Faults)) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let shape: Shape = match serde_json::from_slice(body) {
            Ok(shape) => shape,
            Err(error) => {
                faults.add("service", error.to_string());
                return Err(faults);
            }
        };
        also(&shape, &mut faults);
        let service = shape.service(id, &mut faults);
        match service {
            Some(service) if faults.0.is_empty() => Ok(service),
            _ => Err(faults),
        }
    }
}

impl Shape {
    fn service(self, id: &str, faults: &mut Faults) -> Option<Service> {
        self.bounds(faults);
        let Some(backend) = Backend::read(&self.exec_type) else {
            faults.add(
                "exec_type",
                format!("`{}` is not known: expected docker, compss, docker-compose or process", self.exec_type),
            );
            return None;
        };
        for name in self.environment.keys().filter(|name| !is_variable(name)) {
            faults.add(
                "environment",
                format!("`{name}` is no name of a variable: expected letters, digits and _, no digit first"),
            );
        }
        Some(Service {
            id: id.to_owned(),
            backend,
            restart: restart(self.restart, faults),
            health: self.health.and_then(|shape| health(shape, &self.exec_ports, faults)),
            limits: limits(self.limits, faults),
            pull: pull(self.pull.as_deref(), faults),
            reschedule: reschedule(self.reschedule, faults),
            update: update(self.update, faults),
            stop_grace: seconds("stop_grace", self.stop_grace, 10.0, faults),
            secrets: self.secrets.into_iter().filter_map(|shape| secret(shape, faults)).collect(),
            volumes: self.volumes.iter().filter_map(|text| volume(text, faults)).collect(),
            name: self.name,
            exec: self.exec,
            ports: self.exec_ports,
            publish: self.publish.iter().map(|port| (port.container, port.host)).collect(),
            num_agents: self.num_agents.filter(|agents| *agents > 0),
            entrypoint: self.entrypoint,
            command: self.command,
            environment: self.environment,
            devices: self.devices,
            user: self.run_as,
            working_dir: self.working_dir,
            registry: self.registry.map(|link| link.href),
            archive: self.archive,
        })
    }

    /// What its backend could not do.
    fn misfits(&self, faults: &mut Faults) {
        match Backend::read(&self.exec_type) {
            // `exec_ports` came with compose files from the original's clients, and does no harm.
            Some(Backend::Compose) => {
                for (place, is_said) in [
                    ("entrypoint", self.entrypoint.is_some()),
                    ("command", !self.command.is_empty()),
                    ("volumes", !self.volumes.is_empty()),
                    ("devices", !self.devices.is_empty()),
                    ("publish", !self.publish.is_empty()),
                    ("run_as", self.run_as.is_some()),
                    ("working_dir", self.working_dir.is_some()),
                ] {
                    if is_said {
                        faults.add(place, "a service from a compose file has it there: expected for each container");
                    }
                }
            }
            Some(Backend::Docker | Backend::Compss) => {
                let asked = self.health.as_ref().filter(|health| health.r#type != "exec").and_then(|it| it.port);
                let is_open = |port| {
                    self.exec_ports.contains(&port) || self.publish.iter().any(|published| published.container == port)
                };
                if let Some(port) = asked.filter(|port| !is_open(*port)) {
                    let text =
                        format!("{port} is not reached from outside the container: expected one of `exec_ports`");
                    faults.add("health.port", text);
                }
            }
            _ => {}
        }
    }

    fn bounds(&self, faults: &mut Faults) {
        for (place, entries) in [
            ("exec_ports", self.exec_ports.len()),
            ("publish", self.publish.len()),
            ("entrypoint", self.entrypoint.as_ref().map_or(0, Vec::len)),
            ("command", self.command.len()),
            ("environment", self.environment.len()),
            ("secrets", self.secrets.len()),
            ("volumes", self.volumes.len()),
            ("devices", self.devices.len()),
        ] {
            if entries > MOST {
                faults.add(place, format!("{entries} entries: expected at most {MOST}"));
            }
        }
        let lists = self.command.iter().chain(self.entrypoint.iter().flatten()).map(|text| ("command", text));
        let variables = self.environment.values().map(|text| ("environment", text));
        for (place, text) in lists.chain(variables) {
            if text.len() > LONGEST_TEXT || text.contains('\0') {
                faults.add(place, format!("a text is longer than {LONGEST_TEXT} bytes, or holds a zero byte"));
                return;
            }
        }
        for path in self.devices.iter().filter(|path| !is_path(path) || !path.starts_with("/dev/")) {
            faults.add("devices", format!("`{path}` is no device: expected a path such as /dev/video0"));
        }
        if let Some(path) = self.working_dir.as_ref().filter(|path| !is_path(path)) {
            faults.add("working_dir", format!("`{path}`: expected an absolute path without `..`"));
        }
        if let Some(name) = self.archive.as_ref().filter(|name| !is_file_name(name)) {
            faults.add("archive", format!("`{name}`: expected the name of a file, without folders"));
        }
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.chars().all(|sign| sign.is_ascii_alphanumeric() || sign == '_')
}

/// An absolute path that stays where it says.
fn is_path(path: &str) -> bool {
    path.starts_with('/') && !path.split('/').any(|part| part == "..") && !path.contains(['\0', '\n'])
}

fn is_file_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0', '\n'])
}

fn is_word(name: &str) -> bool {
    let inner = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '_' | '.' | '-');
    name.starts_with(|first: char| first.is_ascii_alphanumeric()) && name.chars().all(inner)
}

/// A time in seconds; `otherwise` if nothing is said.
fn seconds(place: &str, given: Option<f64>, otherwise: f64, faults: &mut Faults) -> Duration {
    let found = given.unwrap_or(otherwise);
    if !(0.0..=LONGEST).contains(&found) {
        faults.add(place, format!("{found}: expected 0 to {LONGEST} seconds"));
        return Duration::ZERO;
    }
    Duration::from_secs_f64(found)
}

fn restart(shape: Option<RestartShape>, faults: &mut Faults) -> RestartPolicy {
    let otherwise = RestartPolicy::default();
    let Some(shape) = shape else { return otherwise };
    let when = match shape.policy.as_deref() {
        None => otherwise.when,
        Some("never" | "no") => RestartWhen::Never,
        Some("on-failure") => RestartWhen::OnFailure,
        Some("always" | "unless-stopped") => RestartWhen::Always,
        Some(other) => {
            faults.add("restart.policy", format!("`{other}`: expected never, on-failure or always"));
            otherwise.when
        }
    };
    let mut time = |place, given, otherwise: Duration| seconds(place, given, otherwise.as_secs_f64(), faults);
    RestartPolicy {
        when,
        attempts: shape.attempts.unwrap_or(otherwise.attempts),
        window: time("restart.window", shape.window, otherwise.window),
        delay: time("restart.delay", shape.delay, otherwise.delay),
        max_delay: time("restart.max_delay", shape.max_delay, otherwise.max_delay),
    }
}

fn health(shape: HealthShape, ports: &[u16], faults: &mut Faults) -> Option<HealthCheck> {
    let port = shape.port.or_else(|| ports.first().copied());
    let probe = match (shape.r#type.as_str(), port, shape.command) {
        ("http", Some(port), _) => {
            let path = shape.path.unwrap_or_else(|| "/".to_owned());
            if !path.starts_with('/') || path.chars().any(|sign| sign.is_control() || sign == ' ') {
                faults.add("health.path", format!("`{path}`: expected a path that begins with /"));
            }
            Probe::Http { port, path }
        }
        ("tcp", Some(port), _) => Probe::Tcp { port },
        ("http" | "tcp", None, _) => {
            faults.add("health.port", "it is missing, and the service has no `exec_ports`: expected a port");
            return None;
        }
        ("exec", _, Some(command)) if !command.is_empty() => Probe::Exec { command },
        ("exec", ..) => {
            faults.add("health.command", "it is missing: expected a program and its arguments");
            return None;
        }
        (other, ..) => {
            faults.add("health.type", format!("`{other}`: expected http, tcp or exec"));
            return None;
        }
    };
    let check = HealthCheck {
        probe,
        interval: seconds("health.interval", shape.interval, 10.0, faults),
        timeout: seconds("health.timeout", shape.timeout, 5.0, faults),
        retries: shape.retries.unwrap_or(3),
        start_period: seconds("health.start_period", shape.start_period, 0.0, faults),
        restart: shape.restart.unwrap_or(true),
    };
    for (place, time) in [("health.interval", check.interval), ("health.timeout", check.timeout)] {
        if time < Duration::from_millis(100) {
            faults.add(place, format!("{} s: expected at least 0.1", time.as_secs_f64()));
        }
    }
    Some(check)
}

fn limits(shape: Option<LimitsShape>, faults: &mut Faults) -> Limits {
    const MIB: u64 = 1 << 20;
    let Some(shape) = shape else { return Limits::default() };
    // The engine counts bytes in 63 bits.
    if shape.memory.is_some_and(|memory| !(4..1 << 43).contains(&memory)) {
        faults.add("limits.memory", "expected at least 4 MiB and less than 8 EiB, in MiB");
    }
    if shape.cpus.is_some_and(|cpus| !(0.01..=1024.0).contains(&cpus)) {
        faults.add("limits.cpus", "expected 0.01 to 1024 processors");
    }
    // What Linux takes, in the words of the first control groups.
    if shape.cpu_shares.is_some_and(|shares| !(2..=262_144).contains(&shares)) {
        faults.add("limits.cpu_shares", "expected 2 to 262144");
    }
    if shape.pids == Some(0) {
        faults.add("limits.pids", "expected at least 1");
    }
    if shape.log.is_some_and(|log| !(1..=1 << 20).contains(&log)) {
        faults.add("limits.log", "expected 1 MiB to 1 TiB, in MiB");
    }
    Limits {
        memory: shape.memory.map(|memory| memory.saturating_mul(MIB)),
        cpus: shape.cpus,
        cpu_shares: shape.cpu_shares,
        pids: shape.pids,
        log: shape.log.map(|log| log.saturating_mul(MIB)),
    }
}

fn pull(given: Option<&str>, faults: &mut Faults) -> Pull {
    match given {
        None | Some("if-not-present") => Pull::IfNotPresent,
        Some("always") => Pull::Always,
        Some("never") => Pull::Never,
        Some(other) => {
            faults.add("pull", format!("`{other}`: expected always, if-not-present or never"));
            Pull::IfNotPresent
        }
    }
}

fn reschedule(shape: Option<RescheduleShape>, faults: &mut Faults) -> Reschedule {
    let Some(shape) = shape else { return Reschedule::Never };
    match shape.policy.as_str() {
        "never" => Reschedule::Never,
        "after" => Reschedule::After(seconds("reschedule.grace", shape.grace, 60.0, faults)),
        other => {
            faults.add("reschedule.policy", format!("`{other}`: expected never or after"));
            Reschedule::Never
        }
    }
}

fn update(shape: Option<UpdateShape>, faults: &mut Faults) -> Update {
    let otherwise = Update::default();
    let Some(shape) = shape else { return otherwise };
    if shape.parallel == Some(0) {
        faults.add("update.parallel", "expected at least 1");
    }
    let mut time = |place, given, otherwise: Duration| seconds(place, given, otherwise.as_secs_f64(), faults);
    Update {
        parallel: shape.parallel.unwrap_or(otherwise.parallel).max(1),
        healthy_for: time("update.healthy_for", shape.healthy_for, otherwise.healthy_for),
        within: time("update.within", shape.within, otherwise.within),
        revert: shape.revert.unwrap_or(otherwise.revert),
    }
}

fn secret(shape: SecretShape, faults: &mut Faults) -> Option<Secret> {
    let place = match shape.place.as_deref() {
        None | Some("file") => SecretPlace::File,
        Some("environment") => SecretPlace::Environment,
        Some(other) => {
            faults.add("secrets.place", format!("`{other}`: expected file or environment"));
            return None;
        }
    };
    let fits = match place {
        SecretPlace::File => is_word(&shape.name),
        SecretPlace::Environment => is_variable(&shape.name),
    };
    if !fits {
        faults.add("secrets.name", format!("`{}`: expected letters, digits and _", shape.name));
        return None;
    }
    let key = shape.key.unwrap_or_else(|| "secret".to_owned());
    Some(Secret { credential: shape.credential.href, key, name: shape.name, place })
}

/// `name:/target`, `/source:/target`, `dataset/id:/target`, each with `:ro` behind it or not.
fn volume(text: &str, faults: &mut Faults) -> Option<Volume> {
    let mut parts = text.split(':');
    let found = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(source), Some(target), mode @ (None | Some("ro" | "rw")), None) if is_path(target) && target != "/" => {
            let mount = if is_path(source) {
                Some(Mount::Bind(source.to_owned()))
            } else if let Some(dataset) = source.strip_prefix("dataset/") {
                is_word(dataset).then(|| Mount::Dataset(dataset.to_owned()))
            } else {
                is_word(source).then(|| Mount::Named(source.to_owned()))
            };
            mount.map(|mount| Volume { mount, target: target.to_owned(), read_only: mode == Some("ro") })
        }
        _ => None,
    };
    if found.is_none() {
        faults.add(
            "volumes",
            format!(
                "`{text}`: expected `name:/path`, `/from:/path` or `dataset/id:/path`, perhaps with `:ro` behind it"
            ),
        );
    }
    found
}
