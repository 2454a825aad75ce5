//! A container of Flocker's as a service of this agent: pure.

use std::net::Ipv4Addr;

use serde_json::{Map, Value, json};

use super::documents::{Container, Restart};

/// Attempts count within so many seconds: as long as a service may say.
const WINDOW: u64 = 86_400;
/// Docker gives no container less memory.
const LEAST_MEMORY: u64 = 6;

/// The attributes of the service. `reached` tells at which address an external port is reached.
#[must_use]
pub(super) fn service(
    container: &Container,
    agent_type: &str,
    reached: impl Fn(u16) -> Option<Ipv4Addr>,
) -> Map<String, Value> {
    let mut environment: Map<String, Value> = Map::new();
    for link in &container.links {
        let Some(address) = reached(link.remote_port) else { continue };
        let begin = format!("{}_PORT_{}_TCP", link.alias.to_uppercase(), link.local_port);
        environment.insert(begin.clone(), format!("tcp://{address}:{}", link.remote_port).into());
        environment.insert(format!("{begin}_ADDR"), address.to_string().into());
        environment.insert(format!("{begin}_PORT"), link.remote_port.to_string().into());
        environment.insert(format!("{begin}_PROTO"), "tcp".into());
    }
    // What the client says itself counts more.
    environment.extend(container.environment.iter().map(|(name, value)| (name.clone(), value.clone().into())));
    let publish: Vec<Value> =
        container.ports.iter().map(|pair| json!({ "container": pair.internal, "host": pair.external })).collect();
    let volumes: Vec<String> =
        container.volumes.iter().map(|volume| format!("dataset/{}:{}", volume.dataset, volume.mountpoint)).collect();
    let mut limits = Map::new();
    if let Some(bytes) = container.memory_limit {
        limits.insert("memory".to_owned(), bytes.div_ceil(1 << 20).max(LEAST_MEMORY).into());
    }
    if let Some(shares) = container.cpu_shares {
        // Linux knows no weight of 1.
        limits.insert("cpu_shares".to_owned(), shares.max(2).into());
    }
    let body = json!({
        "name": container.name,
        "description": format!("the container `{}` of Flocker's control API", container.name),
        "exec": container.image,
        "exec_type": "docker",
        "agent_type": agent_type,
        "publish": publish,
        "environment": environment,
        "command": container.command,
        "volumes": volumes,
        "limits": limits,
        "restart": restart(container),
    });
    body.as_object().cloned().unwrap_or_default()
}

fn restart(container: &Container) -> Value {
    let policy = match container.restart {
        Restart::Never => "never",
        Restart::OnFailure => "on-failure",
        Restart::Always => "always",
    };
    match (container.restart, container.attempts) {
        (Restart::OnFailure, Some(attempts)) => {
            json!({ "policy": policy, "attempts": attempts.min(u64::from(u32::MAX)), "window": WINDOW })
        }
        // Without a number the original tries for ever: more than there can be within the usual window.
        _ => json!({ "policy": policy, "attempts": u32::MAX }),
    }
}

#[cfg(test)]
mod tests {
    use mf2c_lifecycle::service::{Mount, Service};

    use super::*;

    fn container(more: Value) -> Container {
        let mut body = json!({
            "name": "web", "node": "n", "image": "nginx:latest", "restart": "never", "user": "jane", "desired": "running",
            "launches": 0,
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(body).unwrap()
    }

    fn read(container: &Container) -> Service {
        let body = service(container, "normal", |port| (port == 5432).then_some(Ipv4Addr::new(10, 0, 0, 9)));
        Service::read("service/1", &serde_json::to_vec(&body).unwrap()).unwrap()
    }

    #[test]
    fn everything_that_a_container_says_reaches_the_service() {
        let whole = container(json!({
            "ports": [{"internal": 80, "external": 8080}], "environment": {"A": "1"}, "restart": "on-failure",
            "attempts": 5, "command": ["-v", ""], "cpu_shares": 512, "memory_limit": 262_144_001,
            "volumes": [{"dataset": "d1", "mountpoint": "/data"}],
            "links": [
                {"alias": "db", "local_port": 5432, "remote_port": 5432},
                {"alias": "gone", "local_port": 1, "remote_port": 2},
            ],
        }));
        let service = read(&whole);
        assert_eq!((&service.publish[..], &service.exec[..]), (&[(80, 8080)][..], "nginx:latest"));
        assert_eq!((service.limits.memory, service.limits.cpu_shares), (Some(251 << 20), Some(512)));
        assert_eq!((service.restart.attempts, &service.command[..]), (5, &["-v".to_owned(), String::new()][..]));
        assert_eq!(service.volumes[0].mount, Mount::Dataset("d1".to_owned()));
        let told: Vec<(&str, &str)> =
            service.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            told,
            [
                ("A", "1"),
                ("DB_PORT_5432_TCP", "tcp://10.0.0.9:5432"),
                ("DB_PORT_5432_TCP_ADDR", "10.0.0.9"),
                ("DB_PORT_5432_TCP_PORT", "5432"),
                ("DB_PORT_5432_TCP_PROTO", "tcp"),
            ]
        );
    }

    #[test]
    fn the_least_is_a_service_too_and_what_the_client_sets_is_not_replaced() {
        let service = read(&container(json!({"cpu_shares": 1, "memory_limit": 1_048_576})));
        assert_eq!((service.limits.memory, service.limits.cpu_shares), (Some(6 << 20), Some(2)));
        let own = container(json!({
            "links": [{"alias": "db", "local_port": 5432, "remote_port": 5432}], "restart": "always",
            "environment": {"DB_PORT_5432_TCP_ADDR": "mine"},
        }));
        let service = read(&own);
        assert_eq!(service.environment["DB_PORT_5432_TCP_ADDR"], "mine");
        assert_eq!(service.restart.attempts, u32::MAX);
    }
}
