//! From what a service says to what a backend needs.

use std::path::PathBuf;

use mf2c_lifecycle::service::{Backend, Mount, Pull, SecretPlace, Service};
use mf2c_workload::{
    BackendKind, Device, Limits, LogLimit, Port, Program, Protocol, PullPolicy, RegistryLogin, Secret, SecretText,
    Source, Spec, Volume,
};

use super::parcel::Handed;
use super::run::Run;
use super::{LifecycleSettings, Surroundings};

/// The first port that a container gets on the machine as the service names it; the lower ones are given any (`spec` A.9).
const FIRST_FIXED: u16 = 10_000;
/// So many files of a log are kept.
const LOG_FILES: u32 = 2;

/// Which backend runs it; none where no agent does.
pub(super) const fn kind_of(backend: Backend) -> Option<BackendKind> {
    match backend {
        Backend::Docker | Backend::Compss => Some(BackendKind::Docker),
        Backend::Compose => Some(BackendKind::Compose),
        Backend::Process => Some(BackendKind::Process),
        Backend::Swarm | Backend::Kubernetes => None,
    }
}

/// What is to be run.
///
/// # Errors
/// A sentence, where this agent does not do that.
pub(super) fn spec(run: &Run, node: &str, settings: &LifecycleSettings) -> Result<Spec, String> {
    let service = &*run.service;
    let program = match service.backend {
        Backend::Process => {
            let words = std::iter::once(service.exec.clone()).chain(service.command.iter().cloned());
            Program::Argv(words.collect())
        }
        Backend::Compose => Program::Compose(service.exec.clone()),
        _ => Program::Image(service.exec.clone()),
    };
    let is_process = service.backend == Backend::Process;
    let is_application = service.backend == Backend::Compose;
    let name = service.id.rsplit('/').next().unwrap_or_default();
    let mut spec = Spec::new(node, &run.handle.instance, name, program);
    spec.index = run.handle.index;
    spec.generation = run.handle.generation;
    if !is_process {
        spec.entrypoint.clone_from(&service.entrypoint);
        spec.command.clone_from(&service.command);
    }
    spec.environment.clone_from(&service.environment);
    let own = [
        ("MF2C_INSTANCE", format!("service-instance/{}", run.handle.instance)),
        ("MF2C_SERVICE", service.id.clone()),
        ("MF2C_INDEX", run.handle.index.to_string()),
    ];
    spec.environment.extend(own.map(|(name, value)| (name.to_owned(), value)));
    if service.backend == Backend::Compss {
        spec.environment.extend(compss(service, &settings.around));
    }
    spec.secrets = run.handed.secrets.iter().map(secret).collect();
    spec.volumes = service.volumes.iter().map(volume).collect();
    spec.devices = devices(service, settings)?;
    spec.user = user(run, is_process, settings)?;
    spec.working_dir.clone_from(&service.working_dir);
    // The containers of an application say themselves what they publish; its `exec_ports` only say which of that is asked for health.
    if !is_application {
        spec.ports = service.ports.iter().map(|port| self::port(*port, is_process)).collect();
    }
    if !is_process && !is_application {
        let fixed =
            |(container, host): &(u16, u16)| Port { container: *container, host: *host, protocol: Protocol::Tcp };
        spec.ports.extend(service.publish.iter().map(fixed));
    }
    spec.limits = limits(service);
    spec.stop_grace = service.stop_grace;
    Ok(spec)
}

/// Where its image comes from.
pub(super) fn source(service: &Service, handed: &Handed, settings: &LifecycleSettings) -> Source {
    let policy = match service.pull {
        Pull::Always => PullPolicy::Always,
        Pull::IfNotPresent => PullPolicy::IfNotPresent,
        Pull::Never => PullPolicy::Never,
    };
    let login = handed.login.clone().map(|(user, password, server)| RegistryLogin {
        user,
        password: SecretText::new(password),
        server,
    });
    let tar = service.archive.as_ref().map(|name| settings.archives.join(name));
    Source { policy, login, tar }
}

fn secret((name, value, is_variable): &(String, String, bool)) -> Secret {
    let place = if *is_variable { mf2c_workload::SecretPlace::Environment } else { mf2c_workload::SecretPlace::File };
    Secret { name: name.clone(), value: SecretText::new(value.clone()), place }
}

/// Whether a secret goes into the environment.
pub(super) fn is_variable(place: SecretPlace) -> bool {
    place == SecretPlace::Environment
}

/// Named volumes belong to their service: another one of the same name is another volume.
fn volume(volume: &mf2c_lifecycle::service::Volume) -> Volume {
    let mount = match &volume.mount {
        Mount::Named(name) => mf2c_workload::Mount::Shared(name.clone()),
        Mount::Dataset(name) => mf2c_workload::Mount::Dataset(name.clone()),
        Mount::Bind(path) => mf2c_workload::Mount::Bind(PathBuf::from(path)),
    };
    Volume { mount, target: volume.target.clone(), read_only: volume.read_only }
}

fn devices(service: &Service, settings: &LifecycleSettings) -> Result<Vec<Device>, String> {
    let allowed = |path: &str| {
        settings.devices.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => path.starts_with(start),
            None => path == pattern,
        })
    };
    let device = |path: &String| {
        if !allowed(path) {
            return Err(format!(
                "services may not use `{path}` here: the operator of this agent names what they may in `services.devices`"
            ));
        }
        Ok(Device { host: path.clone(), container: path.clone(), permissions: "rw".to_owned() })
    };
    service.devices.iter().map(device).collect()
}

/// Containers run as whom they like, within themselves. Plain processes run as whom the operator says.
fn user(run: &Run, is_process: bool, settings: &LifecycleSettings) -> Result<Option<String>, String> {
    let wanted = run.service.user.clone();
    if !is_process {
        return Ok(wanted);
    }
    match (wanted, &settings.process_user) {
        (None, user) => Ok(user.clone()),
        (Some(wanted), Some(user)) if wanted == *user => Ok(Some(wanted)),
        (Some(wanted), _) if run.admin => Ok(Some(wanted)),
        (Some(wanted), _) => Err(format!("a plain process runs as `{wanted}` only if an administrator has started it")),
    }
}

fn port(port: u16, is_process: bool) -> Port {
    let host = if is_process || port >= FIRST_FIXED { port } else { 0 };
    Port { container: port, host, protocol: Protocol::Tcp }
}

fn limits(service: &Service) -> Limits {
    let log = service
        .limits
        .log
        .map(|bytes| LogLimit { file_bytes: (bytes / u64::from(LOG_FILES)).max(4096), files: LOG_FILES });
    Limits {
        memory: service.limits.memory,
        cpus: service.limits.cpus,
        cpu_shares: service.limits.cpu_shares,
        pids: service.limits.pids,
        log: log.unwrap_or_default(),
    }
}

/// What the original gave to containers of COMPSs (`spec/lifecycle.md` A.9).
fn compss(service: &Service, around: &Surroundings) -> Vec<(String, String)> {
    let port = service.ports.first().copied().unwrap_or(46_100);
    let variables = [
        ("MF2C_HOST", around.address.clone()),
        ("DEBUG", "debug".to_owned()),
        ("AGENT_HOST", around.address.clone()),
        ("AGENT_PORT", port.to_string()),
        ("DATACLAY_EP", format!("{}:1034", around.address)),
        ("REPORT_ADDRESS", around.api.clone()),
    ];
    variables.map(|(name, value)| (name.to_owned(), value)).into()
}
