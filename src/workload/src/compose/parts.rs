//! The keys of one service that have several forms.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};

use super::application::duration;
use super::reader::{Reader, joined};
use crate::spec::{Device, HealthCheck, Mount, Port, Protocol, Volume};

/// Variables, and those that are secrets of the workload. A name without a value takes it from the service's
/// environment.
pub(crate) fn environment(
    reader: &mut Reader<'_>,
    place: &str,
    value: &Value,
) -> (BTreeMap<String, String>, Vec<String>) {
    let (mut variables, mut secrets) = (BTreeMap::new(), vec![]);
    for (name, value) in reader.pairs(place, value) {
        match value.or_else(|| reader.variables.get(&name).cloned()) {
            Some(value) => drop(variables.insert(name, value)),
            None if reader.secrets.contains(&name) => secrets.push(name),
            None => {
                reader.wrong(&joined(place, &name), "it has no value, and the service's environment has none either")
            }
        }
    }
    (variables, secrets)
}

/// Labels; those that begin with `mf2c.` are the agent's own.
pub(crate) fn labels(reader: &mut Reader<'_>, place: &str, value: &Value) -> BTreeMap<String, String> {
    let pairs = reader.pairs(place, value);
    for (name, _) in pairs.iter().filter(|(name, _)| name.starts_with("mf2c.")) {
        reader.wrong(&joined(place, name), "labels that begin with `mf2c.` are those of the agent");
    }
    pairs.into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect()
}

pub(crate) fn ports(reader: &mut Reader<'_>, place: &str, value: &Value) -> Vec<Port> {
    let mut ports = vec![];
    for (at, value) in reader.list(place, value).iter().enumerate() {
        let place = format!("{place}[{at}]");
        let port = match value {
            Value::Object(map) => long_port(reader, &place, map),
            _ => reader.read(
                &place,
                value,
                "`80`, `8080:80` or `8080:80/udp` for all addresses, without ranges,",
                short_port,
            ),
        };
        ports.extend(port);
    }
    ports
}

/// `[[0.0.0.0:]host:]container[/protocol]`. One address alone is refused: it would be opened on all.
fn short_port(text: &str) -> Option<Port> {
    let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let numbers: Vec<&str> = numbers.split(':').collect();
    let (host, container) = match numbers.as_slice() {
        [container] => ("0", *container),
        [host, container] | ["0.0.0.0", host, container] => (*host, *container),
        _ => return None,
    };
    let host = if host.is_empty() { 0 } else { host.parse().ok()? };
    let container = container.parse().ok().filter(|port| *port > 0)?;
    Some(Port { container, host, protocol: self::protocol(protocol)? })
}

fn protocol(text: &str) -> Option<Protocol> {
    match text {
        "tcp" => Some(Protocol::Tcp),
        "udp" => Some(Protocol::Udp),
        _ => None,
    }
}

fn long_port(reader: &mut Reader<'_>, place: &str, map: &Map<String, Value>) -> Option<Port> {
    reader.only(place, map, &["target", "published", "protocol", "mode", "host_ip"]);
    let mut number = |key: &str| -> Option<Option<u16>> {
        let Some(value) = map.get(key) else { return Some(None) };
        reader.read(&joined(place, key), value, "one port", |text| text.parse().ok()).map(Some)
    };
    let (target, published) = (number("target")?, number("published")?);
    let protocol = match map.get("protocol") {
        Some(value) => reader.read(&joined(place, "protocol"), value, "tcp or udp", protocol)?,
        None => Protocol::Tcp,
    };
    let everywhere = |text: &str| (text == "0.0.0.0").then_some(());
    if let Some(value) = map.get("host_ip") {
        reader.read(&joined(place, "host_ip"), value, "nothing but 0.0.0.0", everywhere)?;
    }
    let Some(container) = target.filter(|port| *port > 0) else {
        reader.wrong(place, "`target` is missing");
        return None;
    };
    Some(Port { container, host: published.unwrap_or(0), protocol })
}

pub(crate) fn volumes(reader: &mut Reader<'_>, place: &str, value: &Value, known: &Map<String, Value>) -> Vec<Volume> {
    let mut volumes = vec![];
    for (at, value) in reader.list(place, value).iter().enumerate() {
        let place = format!("{place}[{at}]");
        let volume = match value {
            Value::Object(map) => long_volume(reader, &place, map),
            _ => reader.read(
                &place,
                value,
                "`name:/path` or `/path/of/machine:/path`, with `:ro` to read only,",
                short_volume,
            ),
        };
        if let Some(Volume { mount: Mount::Named(name), .. }) = &volume
            && !known.contains_key(name)
        {
            reader.wrong(&place, &format!("there is no volume `{}` under `volumes`", crate::check::shown(name)));
        }
        volumes.extend(volume);
    }
    volumes
}

fn mount(source: &str) -> Option<Mount> {
    match source.chars().next()? {
        '/' => Some(Mount::Bind(PathBuf::from(source))),
        // Relative to a file that is nowhere on this machine, or to somebody's home.
        '.' | '~' => None,
        _ => Some(Mount::Named(source.to_owned())),
    }
}

fn short_volume(text: &str) -> Option<Volume> {
    let pieces: Vec<&str> = text.split(':').collect();
    let (source, target, read_only) = match pieces.as_slice() {
        [source, target] | [source, target, "rw"] => (source, target, false),
        [source, target, "ro"] => (source, target, true),
        _ => return None,
    };
    let target = target.starts_with('/').then(|| (*target).to_owned())?;
    Some(Volume { mount: mount(source)?, target, read_only })
}

fn long_volume(reader: &mut Reader<'_>, place: &str, map: &Map<String, Value>) -> Option<Volume> {
    reader.only(place, map, &["type", "source", "target", "read_only"]);
    let mut text = |key: &str| {
        let value = map.get(key).unwrap_or(&Value::Null);
        reader.text(&joined(place, key), value)
    };
    let (kind, source, target) = (text("type")?, text("source")?, text("target")?);
    let read_only = map.get("read_only").is_some_and(|value| *value == Value::Bool(true));
    let mount = mount(&source)
        .filter(|mount| matches!((kind.as_str(), mount), ("volume", Mount::Named(_)) | ("bind", Mount::Bind(_))));
    let Some(mount) = mount else {
        reader.wrong(place, "the type `volume` with a name, or `bind` with an absolute path, is expected");
        return None;
    };
    Some(Volume { mount, target, read_only })
}

pub(crate) fn networks(reader: &mut Reader<'_>, place: &str, value: &Value) -> BTreeMap<String, Vec<String>> {
    let Value::Object(map) = value else {
        let list = reader.list(place, value).iter();
        return list.filter_map(|name| Some((reader.text(place, name)?, vec![]))).collect();
    };
    let mut networks = BTreeMap::new();
    for (name, value) in map {
        let place = joined(place, name);
        let mut aliases = vec![];
        if let Some(map) = reader.map(&place, value) {
            reader.only(&place, map, &["aliases"]);
            let list = reader.list(&joined(&place, "aliases"), map.get("aliases").unwrap_or(&Value::Null));
            aliases.extend(list.iter().filter_map(|alias| reader.text(&place, alias)));
        }
        networks.insert(name.clone(), aliases);
    }
    networks
}

pub(crate) fn devices(reader: &mut Reader<'_>, place: &str, value: &Value) -> Vec<Device> {
    let read = |text: &str| {
        let pieces: Vec<&str> = text.split(':').collect();
        let (host, container, permissions) = match pieces.as_slice() {
            [host] => (*host, *host, "rwm"),
            [host, container] => (*host, *container, "rwm"),
            [host, container, permissions] => (*host, *container, *permissions),
            _ => return None,
        };
        let [host, container, permissions] = [host, container, permissions].map(str::to_owned);
        host.starts_with("/dev/").then_some(Device { host, container, permissions })
    };
    let list = reader.list(place, value).iter();
    list.filter_map(|value| reader.read(place, value, "`/dev/video0` or `/dev/video0:/dev/video1:r`", read)).collect()
}

pub(crate) fn health(reader: &mut Reader<'_>, place: &str, value: &Value) -> Option<HealthCheck> {
    let map = reader.map(place, value)?;
    reader.only(place, map, &["test", "interval", "timeout", "retries", "start_period", "disable"]);
    if map.get("disable") == Some(&Value::Bool(true)) {
        return None;
    }
    let at = |key: &str| joined(place, key);
    let mut time = |key: &str, usual: u64| {
        let value = map.get(key);
        let read = value.and_then(|value| reader.read(&at(key), value, "a time such as 1m30s", duration));
        read.unwrap_or(Duration::from_secs(usual))
    };
    // What Docker does where nothing is said.
    let (interval, timeout, start_period) = (time("interval", 30), time("timeout", 30), time("start_period", 0));
    let retries = map.get("retries");
    let retries =
        retries.and_then(|value| reader.read(&at("retries"), value, "a whole number", |text| text.parse().ok()));
    let words = match map.get("test") {
        // The author asks for the shell of the image.
        Some(Value::String(_)) => {
            let line = reader.text(&at("test"), &map["test"])?;
            vec!["CMD-SHELL".to_owned(), line]
        }
        test => test.and_then(|value| reader.words(&at("test"), value)).unwrap_or_default(),
    };
    let argv = match words.split_first() {
        Some((kind, argv)) if kind == "CMD" && !argv.is_empty() => argv.to_vec(),
        Some((kind, [line])) if kind == "CMD-SHELL" => ["/bin/sh", "-c", line.as_str()].map(str::to_owned).to_vec(),
        Some((kind, [])) if kind == "NONE" => return None,
        _ => {
            reader.wrong(&at("test"), "a list is expected that begins with CMD, CMD-SHELL or NONE, or a text");
            return None;
        }
    };
    Some(HealthCheck { argv, interval, timeout, retries: retries.unwrap_or(3), start_period })
}
