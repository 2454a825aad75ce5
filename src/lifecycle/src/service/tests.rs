//! What a service may say of how it runs, and what is refused.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::health::Probe;
use crate::restart::RestartWhen;

fn read(more: &Value) -> Result<Service, Faults> {
    let mut body = json!({"name": "camera", "exec": "camera:1", "exec_type": "docker", "agent_type": "normal"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Service::read("service/1", body.to_string().as_bytes())
}

#[test]
fn a_service_of_the_original_is_read_with_values_that_do_no_harm() {
    let service = read(&json!({"num_agents": 0, "exec_ports": [80], "category": 3})).unwrap();
    let few = (service.backend, &*service.exec, &*service.ports, service.num_agents);
    assert_eq!(few, (Backend::Docker, "camera:1", &[80_u16][..], None));
    assert_eq!(
        (service.restart.when, service.health, service.reschedule),
        (RestartWhen::OnFailure, None, Reschedule::Never)
    );
    assert_eq!((service.pull, service.stop_grace), (Pull::IfNotPresent, Duration::from_secs(10)));
}

#[test]
fn what_is_new_is_read() {
    let service = read(&json!({
        "exec_ports": [8080], "command": ["-v"], "environment": {"A": "1"}, "run_as": "1000:1000", "working_dir": "/srv",
        "secrets": [{"credential": {"href": "credential/1"}, "name": "token"}],
        "volumes": ["data:/var/lib/camera", "/etc/localtime:/etc/localtime:ro", "dataset/d1:/data"], "devices": ["/dev/video0"],
        "restart": {"policy": "always", "attempts": 3, "window": 60, "delay": 0.1, "max_delay": 5},
        "health": {"type": "http", "path": "/ok", "interval": 1, "timeout": 0.5, "retries": 2, "start_period": 3},
        "limits": {"memory": 64, "cpus": 0.5, "cpu_shares": 512, "pids": 32, "log": 4},
        "publish": [{"container": 80, "host": 8080}],
        "pull": "never", "registry": {"href": "credential/2"}, "archive": "camera.tar", "stop_grace": 2,
        "reschedule": {"policy": "after", "grace": 30}, "update": {"parallel": 2, "revert": false},
    }))
    .unwrap();
    assert_eq!(service.volumes[0].mount, Mount::Named("data".to_owned()));
    assert_eq!(
        (&service.volumes[1].mount, service.volumes[1].read_only),
        (&Mount::Bind("/etc/localtime".to_owned()), true)
    );
    assert_eq!(service.volumes[2].mount, Mount::Dataset("d1".to_owned()));
    assert_eq!((service.limits.cpu_shares, &service.publish[..]), (Some(512), &[(80, 8080)][..]));
    let check = service.health.unwrap();
    assert_eq!(check.probe, Probe::Http { port: 8080, path: "/ok".to_owned() });
    assert_eq!((check.retries, check.timeout), (2, Duration::from_millis(500)));
    assert_eq!((service.limits.memory, service.limits.log), (Some(64 << 20), Some(4 << 20)));
    assert_eq!(service.reschedule, Reschedule::After(Duration::from_secs(30)));
    assert_eq!((service.secrets[0].key.as_str(), service.secrets[0].place), ("secret", SecretPlace::File));
}

#[test]
fn each_fault_is_named_with_its_place() {
    for (more, place) in [
        (json!({"exec_type": "rocket"}), "exec_type"),
        (json!({"environment": {"1A": "x"}}), "environment"),
        (json!({"environment": {"A=B": "x"}}), "environment"),
        (json!({"command": ["a\u{0}b"]}), "command"),
        (json!({"volumes": ["/a:/b/../c"]}), "volumes"),
        (json!({"volumes": ["/a"]}), "volumes"),
        (json!({"volumes": ["dataset/../x:/a"]}), "volumes"),
        (json!({"volumes": ["dataset/:/a"]}), "volumes"),
        (json!({"limits": {"cpu_shares": 1}}), "limits.cpu_shares"),
        (json!({"volumes": ["../a:/b"]}), "volumes"),
        (json!({"volumes": ["a:/b:rx"]}), "volumes"),
        (json!({"devices": ["/etc/passwd"]}), "devices"),
        (json!({"devices": ["/dev/../etc/passwd"]}), "devices"),
        (json!({"working_dir": "here"}), "working_dir"),
        (json!({"archive": "../x.tar"}), "archive"),
        (json!({"restart": {"policy": "sometimes"}}), "restart.policy"),
        (json!({"restart": {"window": -1}}), "restart.window"),
        (json!({"health": {"type": "ping"}}), "health.type"),
        (json!({"health": {"type": "http"}}), "health.port"),
        (json!({"health": {"type": "exec"}}), "health.command"),
        (json!({"health": {"type": "tcp", "port": 1, "interval": 0}}), "health.interval"),
        (json!({"health": {"type": "http", "port": 1, "path": "x"}}), "health.path"),
        (json!({"limits": {"memory": 1}}), "limits.memory"),
        // It would be no limit at all: the engine counts bytes in 63 bits.
        (json!({"limits": {"memory": 1_u64 << 43}}), "limits.memory"),
        (json!({"limits": {"cpus": 0}}), "limits.cpus"),
        (json!({"pull": "now"}), "pull"),
        (json!({"stop_grace": 1e9}), "stop_grace"),
        (json!({"reschedule": {"policy": "maybe"}}), "reschedule.policy"),
        (json!({"update": {"parallel": 0}}), "update.parallel"),
        (json!({"secrets": [{"credential": {"href": "c"}, "name": "a/b"}]}), "secrets.name"),
        (json!({"exec_ports": [70000]}), "service"),
    ] {
        let faults = read(&more).unwrap_err();
        assert_eq!(faults.0[0].place, place, "{more}: {faults}");
    }
    let many = read(&json!({"pull": "now", "restart": {"policy": "x"}, "stop_grace": -1})).unwrap_err();
    assert_eq!(many.0.len(), 3, "all are told: {many}");
}

#[test]
fn what_its_backend_could_not_do_is_refused_before_it_is_tried_and_not_held_against_what_runs() {
    let check = |more: &Value, expected: &[&str]| {
        let mut body = json!({"name": "camera", "exec": "camera:1", "exec_type": "docker", "agent_type": "normal"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let body = body.to_string();
        assert!(Service::read("service/1", body.as_bytes()).is_ok(), "{body}");
        let faults = Service::accept("service/1", body.as_bytes()).err().unwrap_or_default();
        let places: Vec<&str> = faults.0.iter().map(|fault| fault.place.as_str()).collect();
        assert_eq!(places, expected, "{body}");
    };
    // As the original's own scripts register applications.
    check(&json!({"exec_type": "docker-compose", "exec_ports": [8080], "health": {"type": "tcp"}}), &[]);
    check(
        &json!({
            "exec_type": "docker-compose", "entrypoint": ["/x"], "command": ["x"], "volumes": ["a:/b"], "devices": ["/dev/x"],
            "publish": [{"container": 1, "host": 1}], "run_as": "x", "working_dir": "/x",
        }),
        &["entrypoint", "command", "volumes", "devices", "publish", "run_as", "working_dir"],
    );
    for kind in ["http", "tcp"] {
        let health = json!({"type": kind, "port": 81});
        check(&json!({"exec_ports": [80], "health": health}), &["health.port"]);
        check(&json!({"exec_type": "compss", "health": health}), &["health.port"]);
        check(&json!({"exec_ports": [80, 81], "health": health}), &[]);
        check(&json!({"publish": [{"container": 81, "host": 8080}], "health": health}), &[]);
        // It opens its ports itself.
        check(&json!({"exec_type": "process", "health": health}), &[]);
    }
    check(&json!({"health": {"type": "exec", "command": ["/well"], "port": 81}}), &[]);
}

proptest! {
    #[test]
    fn whatever_it_says_nothing_breaks(text in ".{0,40}", number in any::<f64>(), whole in any::<u32>()) {
        for place in ["pull", "archive", "working_dir", "run_as"] {
            let _ = read(&json!({ place: text }));
        }
        for place in ["volumes", "devices", "command"] {
            let _ = read(&json!({ place: [text] }));
        }
        let _ = read(&json!({"stop_grace": number, "restart": {"delay": number, "attempts": whole}}));
        let _ = read(&json!({"limits": {"cpus": number, "memory": whole}, "environment": {text: "x"}}));
    }
}
