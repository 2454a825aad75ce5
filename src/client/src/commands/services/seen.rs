//! What is known of an instance while it is looked at: its document, and the workloads of its parts.

use std::collections::BTreeMap;

use serde_json::Value;

use super::named::{name_of, short, text};
use crate::output::{cell, clean};
use crate::progress::Line;

/// Bytes of a mebibyte.
const MEBIBYTE: u64 = 1 << 20;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The instance; none before it was read, and when it is gone.
    pub(super) instance: Option<Value>,
    /// Whether it was removed.
    pub(super) gone: bool,
    /// Its workloads by id.
    pub(super) workloads: BTreeMap<String, Value>,
}

/// What a part of an instance does, and on which agent.
pub(super) struct Part<'s> {
    /// Which part.
    pub(super) index: u64,
    /// What it does.
    pub(super) status: &'s str,
    /// The member of `agents`.
    pub(super) agent: &'s Value,
    /// The newest of its workloads, where one is known.
    pub(super) workload: Option<&'s Value>,
}

impl Seen {
    /// Takes what an event tells.
    pub(super) fn take(&mut self, name: &str, id: &str, resource: &Value) {
        match (id.split('/').next().unwrap_or_default(), name) {
            ("workload", "deleted") => drop(self.workloads.remove(id)),
            ("workload", _) => drop(self.workloads.insert(id.to_owned(), resource.clone())),
            (_, "deleted") => (self.instance, self.gone) = (None, true),
            _ => (self.instance, self.gone) = (Some(resource.clone()), false),
        }
    }

    /// What the instance does.
    pub(super) fn status(&self) -> &str {
        self.instance.as_ref().map(|instance| text(instance, "status")).unwrap_or_default()
    }

    /// Why it does that.
    pub(super) fn detail(&self) -> String {
        clean(self.instance.as_ref().map(|instance| text(instance, "detail")).unwrap_or_default())
    }

    /// Its parts, in order.
    pub(super) fn parts(&self) -> Vec<Part<'_>> {
        let agents = self.instance.as_ref().and_then(|instance| instance.get("agents")?.as_array());
        let mut parts: Vec<Part<'_>> = (0..)
            .zip(agents.into_iter().flatten())
            .map(|(at, agent)| {
                let index = agent.get("index").and_then(Value::as_u64).unwrap_or(at);
                Part { index, status: text(agent, "status"), agent, workload: self.newest(index) }
            })
            .collect();
        parts.sort_by_key(|part| part.index);
        parts
    }

    fn newest(&self, index: u64) -> Option<&Value> {
        let number = |workload: &Value, name: &str| workload.get(name).and_then(Value::as_u64);
        let own = self.workloads.values().filter(|workload| number(workload, "index") == Some(index));
        own.max_by_key(|workload| (number(workload, "term"), number(workload, "generation")))
    }

    /// What is told of each part while it is waited for.
    pub(super) fn lines(&self) -> Vec<Line> {
        let parts = self.parts();
        if parts.is_empty() {
            let mut text = format!("  {}", clean(self.status()));
            let detail = self.detail();
            if !detail.is_empty() {
                text = format!("{text}: {detail}");
            }
            return vec![Line { about: String::new(), text, passing: String::new() }];
        }
        parts.iter().map(Part::line).collect()
    }

    /// Where the instance is reached: an address for each port of each part.
    pub(super) fn endpoints(&self) -> Vec<String> {
        self.parts().iter().flat_map(|part| endpoints(part.agent)).collect()
    }
}

impl Part<'_> {
    /// Why it does what it does there.
    pub(super) fn detail(&self) -> String {
        let own = text(self.agent, "detail");
        let told = if own.is_empty() {
            self.workload.map(|workload| text(workload, "detail")).unwrap_or_default()
        } else {
            own
        };
        clean(told)
    }

    /// Where it is, for people.
    pub(super) fn place(&self) -> String {
        match (text(self.agent, "url"), text(self.agent, "device_id")) {
            ("", device) => clean(short(device, &[])),
            (url, "" | "-") => clean(url),
            (url, device) => format!("{} ({})", clean(url), clean(short(device, &[]))),
        }
    }

    /// Whether it has ended as a program does that has done its work.
    pub(super) fn is_done(&self) -> bool {
        self.status == "stopped" && self.agent.get("exit_code").and_then(Value::as_f64) == Some(0.0)
    }

    fn line(&self) -> Line {
        let mut text = format!("  [{}] {}  {}", self.index, self.place(), clean(self.status));
        let detail = self.detail();
        if !detail.is_empty() && detail != self.status {
            text = format!("{text}: {detail}");
        }
        let progress = self.workload.and_then(|workload| workload.get("progress"));
        let passing = match progress.filter(|_| !is_settled(self.status)) {
            Some(progress) => {
                text = format!("{text}, image {}", cell(progress.get("image")));
                fetched(progress)
            }
            None => String::new(),
        };
        Line { about: self.index.to_string(), text, passing }
    }
}

/// Whether a part stays as it is unless something happens to it.
pub(super) fn is_settled(status: &str) -> bool {
    matches!(
        status,
        "started" | "stopped" | "terminated" | "error" | "error-stopping" | "not-deployed" | "error-starting"
    )
}

/// How far the fetching of an image has come.
fn fetched(progress: &Value) -> String {
    let bytes = |name: &str| progress.get(name).and_then(Value::as_u64).unwrap_or(0);
    let (status, here, total) = (cell(progress.get("status")), bytes("current"), bytes("total"));
    match total / MEBIBYTE {
        0 => status,
        whole => format!("{status} {} of {whole} MiB", here / MEBIBYTE),
    }
}

/// Where a part of an instance is reached.
fn endpoints(agent: &Value) -> Vec<String> {
    let host = text(agent, "url");
    let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
    let bindings = agent.get("bindings").and_then(Value::as_array).into_iter().flatten();
    let bound: Vec<(u64, &str)> =
        bindings.filter_map(|binding| Some((binding.get("host")?.as_u64()?, text(binding, "protocol")))).collect();
    let ports = agent.get("ports").and_then(Value::as_array).into_iter().flatten();
    let told = ports.filter_map(Value::as_u64).filter(|port| !bound.iter().any(|(known, _)| known == port));
    // The original tells ports alone; what speaks there is a guess that is mostly right.
    let told = told.map(|port| (port, "tcp"));
    let address = |(port, protocol): (u64, &str)| match protocol {
        "udp" => format!("udp://{}:{port}", clean(&host)),
        _ => format!("http://{}:{port}", clean(&host)),
    };
    bound.iter().copied().chain(told).map(address).collect()
}

/// An instance as a table of them shows it. `names` are those of services by their ids, `ids` the other instances.
pub(super) fn row(instance: &Value, names: &BTreeMap<String, String>, ids: &[&str], age: String) -> Value {
    let seen = Seen { instance: Some(instance.clone()), ..Seen::default() };
    let parts = seen.parts();
    let started = parts.iter().filter(|part| part.status == "started").count();
    let restarts: u64 = parts.iter().filter_map(|part| part.agent.get("restarts")?.as_u64()).sum();
    let ports: Vec<String> = parts.iter().flat_map(|part| ports(part.agent)).collect();
    let detail = match seen.detail() {
        own if own.is_empty() => parts.iter().map(Part::detail).find(|detail| !detail.is_empty()).unwrap_or_default(),
        own => own,
    };
    let service = text(instance, "service");
    let service = names.get(service).map_or_else(|| name_of(service), String::as_str);
    serde_json::json!({
        "instance": short(text(instance, "id"), ids), "service": service, "status": text(instance, "status"),
        "agents": format!("{started}/{}", parts.len()), "ports": ports, "restarts": restarts, "age": age, "detail": detail,
        "id": text(instance, "id"),
    })
}

/// `8080->80` for each port of the agent that leads to one inside.
fn ports(agent: &Value) -> Vec<String> {
    let bindings: Vec<&Value> = agent.get("bindings").and_then(Value::as_array).into_iter().flatten().collect();
    if bindings.is_empty() {
        let ports = agent.get("ports").and_then(Value::as_array).into_iter().flatten();
        return ports.map(|port| cell(Some(port))).collect();
    }
    let one = |binding: &Value| {
        let udp = if text(binding, "protocol") == "udp" { "/udp" } else { "" };
        format!("{}->{}{udp}", cell(binding.get("host")), cell(binding.get("container")))
    };
    bindings.into_iter().map(one).collect()
}

#[cfg(test)]
#[path = "seen_tests.rs"]
mod tests;
