//! What the engine's answers mean: pure.

use std::collections::HashMap;

use bollard::models::{
    ContainerBlkioStats, ContainerInspectResponse, ContainerState, ContainerStateStatusEnum, ContainerStatsResponse,
    HealthStatusEnum, MountType, PortMap,
};
use mf2c_domain::time::Timestamp;

use crate::observed::{BoundPort, Handle, Health, Inspection, State, Stats};
use crate::spec::{self, Protocol};

/// How a container is.
pub(crate) fn inspection(container: &ContainerInspectResponse) -> Inspection {
    let known = container.state.clone().unwrap_or_default();
    let state = state(&known);
    let runs = state == State::Running;
    let ports = container.network_settings.as_ref().and_then(|network| network.ports.as_ref());
    Inspection {
        started_at: known.started_at.as_deref().and_then(moment),
        finished_at: known.finished_at.as_deref().and_then(moment).filter(|_| !runs),
        ports: ports.map(bound_ports).unwrap_or_default(),
        health: known.health.and_then(|health| health.status).and_then(health),
        pid: known.pid.filter(|_| runs).and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0),
        image: container.image.clone(),
        state,
        parts: vec![],
    }
}

/// The engine does not say which signal ended a container: a code above 128 stands for one, as in a shell.
pub(crate) fn exited(code: Option<i64>, oom: bool) -> State {
    let signal = code.and_then(|code| i32::try_from(code - 128).ok()).filter(|signal| (1..=64).contains(signal));
    State::Exited { code, oom, signal }
}

fn state(known: &ContainerState) -> State {
    match known.status {
        Some(ContainerStateStatusEnum::CREATED) => State::Created,
        Some(
            ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::PAUSED | ContainerStateStatusEnum::RESTARTING,
        ) => State::Running,
        Some(ContainerStateStatusEnum::EXITED | ContainerStateStatusEnum::DEAD) => {
            exited(known.exit_code, known.oom_killed.unwrap_or(false))
        }
        _ => State::Unknown,
    }
}

pub(crate) const fn health(status: HealthStatusEnum) -> Option<Health> {
    match status {
        HealthStatusEnum::STARTING => Some(Health::Starting),
        HealthStatusEnum::HEALTHY => Some(Health::Healthy),
        HealthStatusEnum::UNHEALTHY => Some(Health::Unhealthy),
        HealthStatusEnum::EMPTY | HealthStatusEnum::NONE => None,
    }
}

/// A moment; the engine writes the year 1 for none.
fn moment(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text).filter(|moment| moment.nanos() > 0)
}

/// The ports that lead in, each once: the engine lists those of IPv4 and IPv6.
fn bound_ports(ports: &PortMap) -> Vec<BoundPort> {
    let mut bound = vec![];
    for (inner, bindings) in ports {
        let Some((container, protocol)) = inner.split_once('/') else { continue };
        let protocol = match protocol {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            _ => continue,
        };
        for binding in bindings.iter().flatten() {
            let host = binding.host_port.as_deref().and_then(|port| port.parse().ok());
            if let (Ok(container), Some(host)) = (container.parse(), host) {
                bound.push(BoundPort { container, host, protocol });
            }
        }
    }
    bound.sort_by_key(|port| (port.container, port.protocol, port.host));
    bound.dedup();
    bound
}

/// What of the machine's disk is bound into a container, as it was told when it was made.
pub(crate) fn bound_paths(container: &ContainerInspectResponse) -> Vec<String> {
    let mounts = container.host_config.as_ref().and_then(|host| host.mounts.as_ref()).into_iter().flatten();
    mounts.filter(|mount| mount.typ == Some(MountType::BIND)).filter_map(|mount| mount.source.clone()).collect()
}

/// Whose a container is, by its labels.
pub(crate) fn handle(labels: &HashMap<String, String>) -> Option<Handle> {
    Some(Handle {
        instance: labels.get(spec::LABEL_INSTANCE)?.clone(),
        index: labels.get(spec::LABEL_INDEX)?.parse().ok()?,
        generation: labels.get(spec::LABEL_GENERATION)?.parse().ok()?,
    })
}

/// What a container uses. Page cache that is not in use can be had back at any time: it does not count, as `docker
/// stats` does not count it.
pub(crate) fn stats(answer: &ContainerStatsResponse) -> Stats {
    let memory = answer.memory_stats.clone().unwrap_or_default();
    let named = |name: &str| memory.stats.as_ref().and_then(|stats| stats.get(name)).copied();
    let cache = named("total_inactive_file").or_else(|| named("inactive_file")).unwrap_or_default();
    let networks = answer.networks.iter().flat_map(HashMap::values);
    let sum = networks.fold((0, 0), |(received, sent): (u64, u64), network| {
        (received + network.rx_bytes.unwrap_or_default(), sent + network.tx_bytes.unwrap_or_default())
    });
    let disk = |operation: &str| disk_bytes(answer.blkio_stats.as_ref(), operation);
    Stats {
        cpu_nanos: answer.cpu_stats.as_ref().and_then(|cpu| cpu.cpu_usage.as_ref()?.total_usage).unwrap_or_default(),
        memory_bytes: memory.usage.unwrap_or_default().saturating_sub(cache),
        memory_limit: memory.limit.unwrap_or_default(),
        received_bytes: sum.0,
        sent_bytes: sum.1,
        read_bytes: disk("read"),
        written_bytes: disk("write"),
        processes: answer.pids_stats.as_ref().and_then(|pids| pids.current).unwrap_or_default(),
    }
}

fn disk_bytes(stats: Option<&ContainerBlkioStats>, operation: &str) -> u64 {
    let entries = stats.and_then(|stats| stats.io_service_bytes_recursive.as_ref()).into_iter().flatten();
    let of_kind = entries.filter(|entry| entry.op.as_deref().is_some_and(|op| op.eq_ignore_ascii_case(operation)));
    of_kind.filter_map(|entry| entry.value).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Inspection {
        inspection(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn the_answers_of_an_engine_become_one_state() {
        let state = |text: &str| read(&format!(r#"{{"State":{text}}}"#)).state;
        assert_eq!(state(r#"{"Status":"created"}"#), State::Created);
        assert_eq!(state(r#"{"Status":"running","Pid":7}"#), State::Running);
        assert_eq!(
            state(r#"{"Status":"exited","ExitCode":137,"OOMKilled":true}"#),
            State::Exited { code: Some(137), oom: true, signal: Some(9) }
        );
        assert_eq!(
            state(r#"{"Status":"exited","ExitCode":7}"#),
            State::Exited { code: Some(7), oom: false, signal: None }
        );
        assert_eq!(state(r#"{"Status":"removing"}"#), State::Unknown);
        assert_eq!(read("{}").state, State::Unknown);
    }

    #[test]
    fn ports_of_both_families_are_one_and_no_time_is_none() {
        let seen = read(
            r#"{"State":{"Status":"running","StartedAt":"2026-01-02T03:04:05.678901234Z",
            "FinishedAt":"0001-01-01T00:00:00Z","Pid":12,"Health":{"Status":"healthy"}},
            "NetworkSettings":{"Ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"32768"},
            {"HostIp":"::","HostPort":"32768"}],"53/udp":null}}}"#,
        );
        assert_eq!(seen.ports, [BoundPort { container: 80, host: 32768, protocol: Protocol::Tcp }]);
        assert_eq!((seen.pid, seen.health, seen.finished_at), (Some(12), Some(Health::Healthy), None));
        assert_eq!(seen.started_at.unwrap().to_string(), "2026-01-02T03:04:05.678Z");
    }
}
