//! What the engine is told of a container: pure.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use bollard::models::{
    ContainerCreateBody, DeviceMapping, EndpointSettings, HealthConfig, HostConfig, HostConfigLogConfig, Mount,
    MountType, NetworkingConfig, PortBinding, PortMap, RestartPolicy, RestartPolicyNameEnum,
};

use crate::error::BackendError;
use crate::place::BindRoots;
use crate::spec::{self, Port, Program, SecretPlace, Spec};

/// The label of a part of an application.
pub(crate) const LABEL_PART: &str = "mf2c.part";
/// Where a container finds its secret files.
const SECRETS: &str = "/run/secrets";

/// What a container is told beyond its spec.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Extra {
    /// Which part of an application it is.
    pub(crate) part: Option<String>,
    /// Labels of its own; ours count more.
    pub(crate) labels: BTreeMap<String, String>,
    /// Networks that it is in, where it has one of its own choice, and its names there.
    pub(crate) networks: Vec<(String, Vec<String>)>,
}

/// The engine's name of a named volume: those of different owners, instances or services, are different ones.
pub(crate) fn volume_name(owner: &str, name: &str) -> String {
    format!("mf2c-{owner}-{name}")
}

/// The engine's name of the volume of a dataset: it is the same for every instance of an agent, and another for each agent.
pub(crate) fn dataset_name(agent: &str, dataset: &str) -> String {
    format!("mf2c-{agent}-dataset-{dataset}")
}

/// The labels of a container.
pub(crate) fn labels(spec: &Spec, extra: &Extra) -> HashMap<String, String> {
    let mut labels: HashMap<String, String> = extra.labels.clone().into_iter().collect();
    labels.extend(spec.labels());
    labels.extend(extra.part.clone().map(|part| (LABEL_PART.to_owned(), part)));
    labels
}

/// The whole description. Secret files are in `secrets`.
pub(crate) fn body(
    spec: &Spec,
    extra: &Extra,
    secrets: &Path,
    roots: &BindRoots,
) -> Result<ContainerCreateBody, BackendError> {
    let Program::Image(image) = &spec.program else {
        return Err(BackendError::refused(
            "a container runs an image, neither a program of the machine nor a compose file",
        ));
    };
    let exposed: Vec<String> = spec.ports.iter().map(inner).collect();
    let networking = extra.networks.first().map(|(network, aliases)| NetworkingConfig {
        endpoints_config: Some(HashMap::from([(network.clone(), endpoint(aliases))])),
    });
    Ok(ContainerCreateBody {
        image: Some(image.clone()),
        entrypoint: spec.entrypoint.clone(),
        cmd: (!spec.command.is_empty()).then(|| spec.command.clone()),
        env: Some(environment(spec)),
        labels: Some(labels(spec, extra)),
        user: spec.user.clone(),
        working_dir: spec.working_dir.clone(),
        exposed_ports: (!exposed.is_empty()).then_some(exposed),
        healthcheck: spec.health.as_ref().map(health),
        stop_timeout: Some(seconds(spec.stop_grace)),
        tty: Some(false),
        host_config: Some(host_config(spec, extra, secrets, roots)?),
        networking_config: networking,
        ..ContainerCreateBody::default()
    })
}

/// The names that a container has in a network.
pub(crate) fn endpoint(aliases: &[String]) -> EndpointSettings {
    EndpointSettings { aliases: Some(aliases.to_vec()), ..EndpointSettings::default() }
}

fn host_config(spec: &Spec, extra: &Extra, secrets: &Path, roots: &BindRoots) -> Result<HostConfig, BackendError> {
    let memory = spec.limits.memory.and_then(|memory| i64::try_from(memory).ok());
    let log = spec.limits.log;
    let options = [("max-size", log.file_bytes.to_string()), ("max-file", log.files.to_string())];
    let devices: Vec<DeviceMapping> = spec.devices.iter().map(device).collect();
    let first_network = extra.networks.first().map(|(network, _)| network.clone());
    Ok(HostConfig {
        // Who restarts what is decided in one place, and that is not the engine.
        restart_policy: Some(RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None }),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(options.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()),
        }),
        port_bindings: Some(port_bindings(&spec.ports)),
        mounts: Some(mounts(spec, secrets, roots)?),
        devices: (!devices.is_empty()).then_some(devices),
        memory,
        // No more by swapping.
        memory_swap: memory,
        cpu_shares: spec.limits.cpu_shares.map(i64::from),
        nano_cpus: spec.limits.cpus.map(|cpus| (cpus * 1e9).round() as i64),
        pids_limit: spec.limits.pids.map(i64::from),
        network_mode: first_network,
        ..HostConfig::default()
    })
}

fn environment(spec: &Spec) -> Vec<String> {
    let plain = spec.environment.iter().map(|(name, value)| format!("{name}={value}"));
    let secret = spec.secrets.iter().filter(|secret| secret.place == SecretPlace::Environment);
    plain.chain(secret.map(|secret| format!("{}={}", secret.name, secret.value.reveal()))).collect()
}

fn health(check: &spec::HealthCheck) -> HealthConfig {
    let nanos = |time: std::time::Duration| i64::try_from(time.as_nanos()).ok();
    // CMD: no shell.
    let test = std::iter::once("CMD".to_owned()).chain(check.argv.iter().cloned()).collect();
    HealthConfig {
        test: Some(test),
        interval: nanos(check.interval),
        timeout: nanos(check.timeout),
        retries: Some(i64::from(check.retries)),
        start_period: nanos(check.start_period),
        start_interval: None,
    }
}

fn device(device: &spec::Device) -> DeviceMapping {
    DeviceMapping {
        path_on_host: Some(device.host.clone()),
        path_in_container: Some(device.container.clone()),
        cgroup_permissions: Some(device.permissions.clone()),
    }
}

fn inner(port: &Port) -> String {
    format!("{}/{}", port.container, port.protocol)
}

fn port_bindings(ports: &[Port]) -> PortMap {
    let mut bindings = PortMap::new();
    for port in ports {
        // Empty: any that is free.
        let host_port = Some(if port.host == 0 { String::new() } else { port.host.to_string() });
        let binding = PortBinding { host_ip: None, host_port };
        bindings.entry(inner(port)).or_default().get_or_insert_default().push(binding);
    }
    bindings
}

fn mounts(spec: &Spec, secrets: &Path, roots: &BindRoots) -> Result<Vec<Mount>, BackendError> {
    let mut mounts = vec![];
    for volume in &spec.volumes {
        let (typ, source) = match &volume.mount {
            spec::Mount::Named(name) => (MountType::VOLUME, volume_name(&spec.instance, name)),
            spec::Mount::Shared(name) => (MountType::VOLUME, volume_name(&spec.service, name)),
            spec::Mount::Dataset(name) => (MountType::VOLUME, dataset_name(&spec.agent, name)),
            spec::Mount::Bind(path) => (MountType::BIND, text(roots.resolve(path)?)?),
        };
        mounts.push(mount(typ, source, volume.target.clone(), volume.read_only));
    }
    for secret in spec.secrets.iter().filter(|secret| secret.place == SecretPlace::File) {
        let source = text(crate::secrets::files(secrets).join(&secret.name))?;
        mounts.push(mount(MountType::BIND, source, format!("{SECRETS}/{}", secret.name), true));
    }
    Ok(mounts)
}

fn mount(typ: MountType, source: String, target: String, read_only: bool) -> Mount {
    Mount { typ: Some(typ), source: Some(source), target: Some(target), read_only: Some(read_only), ..Mount::default() }
}

fn text(path: PathBuf) -> Result<String, BackendError> {
    let named = path.into_os_string().into_string();
    named.map_err(|path| {
        BackendError::invalid(format!("`{}` is no UTF-8, and the engine takes nothing else", path.display()))
    })
}

/// Whole seconds, rounded up.
pub(crate) fn seconds(time: std::time::Duration) -> i64 {
    let whole = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    i64::try_from(whole).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Protocol, Secret, SecretText, Volume};

    #[test]
    fn a_container_never_restarts_by_itself_has_no_terminal_a_bounded_log_and_no_secret_in_its_labels() {
        let mut spec = Spec::new("agent-1", "i-1", "web", Program::Image("test/web:1".to_owned()));
        spec.limits.memory = Some(64 << 20);
        spec.limits.cpus = Some(0.5);
        spec.ports = vec![
            Port { container: 80, host: 0, protocol: Protocol::Tcp },
            Port { container: 80, host: 8080, protocol: Protocol::Tcp },
        ];
        let value = SecretText::new("hunter2");
        spec.secrets = vec![Secret { name: "key".to_owned(), value, place: SecretPlace::File }];
        let data = Volume { mount: spec::Mount::Named("data".to_owned()), target: "/data".to_owned(), read_only: true };
        let frames = spec::Mount::Shared("frames".to_owned());
        spec.volumes = vec![data, Volume { mount: frames, target: "/frames".to_owned(), read_only: false }];
        let labels = BTreeMap::from([("mf2c.agent".to_owned(), "somebody".to_owned())]);
        let extra = Extra { part: Some("db".to_owned()), labels, networks: vec![] };
        let body = body(&spec, &extra, Path::new("/run/x"), &BindRoots::default()).unwrap();
        let host = body.host_config.clone().unwrap();
        assert_eq!(host.restart_policy.unwrap().name, Some(RestartPolicyNameEnum::NO));
        assert_eq!((body.tty, host.nano_cpus, host.memory_swap), (Some(false), Some(500_000_000), Some(64 << 20)));
        assert_eq!(host.log_config.unwrap().config.unwrap()["max-file"], "3");
        assert_eq!(host.port_bindings.unwrap()["80/tcp"].as_ref().unwrap().len(), 2);
        let mounts = host.mounts.unwrap();
        assert_eq!(mounts[0].source.as_deref(), Some("mf2c-i-1-data"));
        assert_eq!(mounts[1].source.as_deref(), Some("mf2c-web-frames"), "the same for each instance");
        assert_eq!((mounts[2].source.as_deref(), mounts[2].read_only), (Some("/run/x/files/key"), Some(true)));
        let labels = body.labels.clone().unwrap();
        assert_eq!((labels["mf2c.agent"].as_str(), labels["mf2c.part"].as_str()), ("agent-1", "db"));
        assert!(!serde_json::to_string(&body).unwrap().contains("hunter2"));
    }

    #[test]
    fn a_path_outside_the_roots_is_not_bound() {
        let mut spec = Spec::new("agent-1", "i-1", "web", Program::Image("test/web:1".to_owned()));
        let mount = spec::Mount::Bind("/etc".into());
        spec.volumes = vec![Volume { mount, target: "/host".to_owned(), read_only: false }];
        let error = body(&spec, &Extra::default(), Path::new("/x"), &BindRoots::default()).unwrap_err();
        assert!(matches!(error, BackendError::Refused { .. }), "{error}");
    }
}
