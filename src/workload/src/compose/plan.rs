//! What is to be made for an application, and what its parts together are: pure.

use std::collections::{BTreeMap, HashMap};

use super::application::{AppPart, Application, Condition, order};
use crate::docker::create::{Extra, LABEL_PART};
use crate::error::BackendError;
use crate::observed::{Handle, Health, Inspection, Part, State};
use crate::spec::{Program, Secret, SecretPlace, Spec};

/// The label that says what a part waits for: `db=healthy,cache=started`. So that who starts it needs no file.
pub(crate) const LABEL_DEPENDS: &str = "mf2c.depends";
/// The label that says how many parts there are in all.
pub(crate) const LABEL_PARTS: &str = "mf2c.parts";

/// One container that is to be made.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) name: String,
    pub(crate) spec: Spec,
    pub(crate) extra: Extra,
}

/// The engine's name of a part.
pub(crate) fn container_name(handle: &Handle, part: &str) -> String {
    format!("{}-{part}", handle.name())
}

/// The engine's name of a network: its own for an external one.
pub(crate) fn network_name(handle: &Handle, name: &str, external: Option<&String>) -> String {
    external.cloned().unwrap_or_else(|| format!("{}_{name}", handle.name()))
}

/// The containers of an application, in the order in which they start.
pub(crate) fn plan(workload: &Spec, application: &Application) -> Result<Vec<Planned>, BackendError> {
    let order = application.order().map_err(|error| BackendError::invalid(error.to_string()))?;
    let parts = order.iter().filter_map(|name| Some((*name, application.parts.get(*name)?)));
    let planned: Vec<Planned> = parts.map(|(name, part)| planned(workload, application, name, part)).collect();
    planned.iter().try_for_each(|planned| {
        let part = planned.extra.part.as_deref().unwrap_or_default();
        planned.spec.check().map_err(|error| BackendError::invalid(format!("services.{part}: {error}")))
    })?;
    Ok(planned)
}

fn planned(workload: &Spec, application: &Application, name: &str, part: &AppPart) -> Planned {
    let handle = Handle::of(workload);
    let mut spec = workload.clone();
    spec.program = Program::Image(part.image.clone());
    spec.entrypoint = part.entrypoint.clone();
    spec.command = part.command.clone();
    // What every workload of this agent is told of itself; the file's own words win.
    let own = workload.environment.iter().filter(|(name, _)| name.starts_with("MF2C_"));
    spec.environment = own.map(|(name, value)| (name.clone(), value.clone())).collect();
    spec.environment.extend(part.environment.clone());
    spec.secrets = workload.secrets.iter().filter(|secret| is_for(secret, part)).cloned().collect();
    spec.ports = part.ports.clone();
    spec.volumes = part.volumes.clone();
    spec.devices = part.devices.clone();
    spec.health = part.health.clone();
    spec.working_dir = part.working_dir.clone();
    spec.user = part.user.clone();
    // Where a part says nothing, the service does.
    spec.limits.memory = part.memory.or(workload.limits.memory);
    spec.limits.cpus = part.cpus.or(workload.limits.cpus);
    spec.limits.pids = part.pids.or(workload.limits.pids);
    let mut labels = part.labels.clone();
    labels.insert(LABEL_DEPENDS.to_owned(), written(&part.depends_on));
    labels.insert(LABEL_PARTS.to_owned(), application.parts.len().to_string());
    let default = BTreeMap::from([("default".to_owned(), vec![])]);
    let networks = if part.networks.is_empty() { &default } else { &part.networks };
    let networks = networks.iter().map(|(network, aliases)| {
        let external = application.networks.get(network).and_then(Option::as_ref);
        let aliases = std::iter::once(name.to_owned()).chain(aliases.iter().cloned()).collect();
        (network_name(&handle, network, external), aliases)
    });
    let extra = Extra { part: Some(name.to_owned()), labels, networks: networks.collect() };
    Planned { name: container_name(&handle, name), spec, extra }
}

/// Secret files are for all parts, secret variables for those that ask for them.
fn is_for(secret: &Secret, part: &AppPart) -> bool {
    secret.place == SecretPlace::File || part.secrets.contains(&secret.name)
}

fn written(needs: &BTreeMap<String, Condition>) -> String {
    let words = needs.iter().map(|(name, condition)| match condition {
        Condition::Started => format!("{name}=started"),
        Condition::Healthy => format!("{name}=healthy"),
    });
    words.collect::<Vec<_>>().join(",")
}

/// What a part waits for, as its label says it.
pub(crate) fn needs(labels: &HashMap<String, String>) -> BTreeMap<String, Condition> {
    let text = labels.get(LABEL_DEPENDS).map_or("", String::as_str);
    let words = text.split(',').filter_map(|word| word.split_once('='));
    let condition = |word| if word == "healthy" { Condition::Healthy } else { Condition::Started };
    words.map(|(name, word)| (name.to_owned(), condition(word))).collect()
}

/// A part as the engine has it.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) id: String,
    pub(crate) part: String,
    pub(crate) labels: HashMap<String, String>,
}

impl Made {
    /// A container, if it is a part of an application.
    pub(crate) fn of(id: String, labels: HashMap<String, String>) -> Option<Self> {
        Some(Self { part: labels.get(LABEL_PART)?.clone(), id, labels })
    }
}

/// Parts in the order in which they start. Labels that somebody has spoilt leave the order of names.
pub(crate) fn in_order(mut parts: Vec<Made>) -> Vec<Made> {
    parts.sort_by(|one, other| one.part.cmp(&other.part));
    let needs: Vec<(String, Vec<String>)> =
        parts.iter().map(|made| (made.part.clone(), needs(&made.labels).into_keys().collect())).collect();
    let borrowed = needs.iter().map(|(name, needs)| (name.as_str(), needs.iter().map(String::as_str).collect()));
    let Ok(order) = order(borrowed.collect()) else { return parts };
    parts.sort_by_key(|made| order.iter().position(|name| *name == made.part));
    parts
}

/// The whole as its parts make it: it runs only if all of them run. `expected` is how many there should be.
pub(crate) fn together(parts: Vec<Part>, expected: usize) -> Inspection {
    let all = |wanted: &State| parts.iter().all(|part| part.inspection.state == *wanted);
    // One that failed tells more than one that is done.
    let ended = parts.iter().filter(|part| matches!(part.inspection.state, State::Exited { .. }));
    let worst =
        ended.max_by_key(|part| !matches!(part.inspection.state, State::Exited { code: Some(0), oom: false, .. }));
    let state = match worst {
        Some(part) => part.inspection.state.clone(),
        None if parts.len() < expected => State::Created,
        None if all(&State::Running) => State::Running,
        None if parts.iter().any(|part| part.inspection.state == State::Unknown) => State::Unknown,
        // Some run already, and others wait for them.
        None => State::Created,
    };
    let healths = parts.iter().filter_map(|part| part.inspection.health);
    let health = healths.max_by_key(|health| match health {
        Health::Healthy => 0,
        Health::Starting => 1,
        Health::Unhealthy => 2,
    });
    Inspection {
        started_at: parts.iter().filter_map(|part| part.inspection.started_at).max(),
        finished_at: worst.and_then(|part| part.inspection.finished_at),
        ports: parts.iter().flat_map(|part| part.inspection.ports.clone()).collect(),
        health,
        state,
        pid: None,
        image: None,
        parts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, state: State) -> Part {
        Part { name: name.to_owned(), inspection: Inspection::of(state) }
    }

    fn exited(code: i64) -> State {
        State::Exited { code: Some(code), oom: false, signal: None }
    }

    #[test]
    fn an_application_runs_only_if_all_of_it_runs_and_its_failure_is_that_of_the_part_that_failed() {
        let of = |states: &[State], expected| {
            together(states.iter().map(|state| part("x", state.clone())).collect(), expected).state
        };
        assert_eq!(of(&[State::Running, State::Running], 2), State::Running);
        assert_eq!(of(&[State::Running], 2), State::Created, "a part is missing");
        assert_eq!(of(&[State::Running, State::Created], 2), State::Created);
        assert_eq!(of(&[State::Running, exited(0)], 2), exited(0));
        assert_eq!(of(&[exited(0), State::Running, exited(7), exited(0)], 4), exited(7));
        assert_eq!(of(&[State::Running, State::Unknown], 2), State::Unknown);
    }

    #[test]
    fn what_a_part_waits_for_is_read_back_from_its_label() {
        let wanted = BTreeMap::from([("db".to_owned(), Condition::Healthy), ("cache".to_owned(), Condition::Started)]);
        let labels = HashMap::from([(LABEL_DEPENDS.to_owned(), written(&wanted))]);
        assert_eq!(needs(&labels), wanted);
        assert_eq!(needs(&HashMap::new()), BTreeMap::new());
    }
}
