//! What clients send: containers, datasets and leases, read by the rules of the interface.

use std::collections::BTreeMap;

use mf2c_actors::flocker::documents::{Container, Dataset, Desired, Link, PortPair, Restart, Volume};
use mf2c_workload::is_image_name;
use serde_json::{Map, Value};

use super::schema::{ANY, Faults, Range, Text, UUID, from_to};

/// The most arguments, and the longest of them.
const ARGUMENTS: (usize, usize) = (4096, 4096);
/// The most keys of a dataset's metadata, and the longest of them and of their values.
const METADATA: (usize, usize) = (16, 256);
/// The smallest dataset, and what its size is a multiple of, in bytes.
const SIZE: Range = Range { least: 67_108_864, most: None, step: 1024 };
/// No lease is longer than a hundred years, in seconds.
const LONGEST_LEASE: f64 = 3_153_600_000.0;

const NAME: Text = Text { pattern: Some(("^/?[a-zA-Z0-9][a-zA-Z0-9_.-]+$", is_name)), shortest: 0, longest: 4096 };
const ALIAS: Text = Text { pattern: Some(("^[a-zA-Z0-9]+$", is_alias)), shortest: 0, longest: 4096 };
const PATH: Text = Text { pattern: Some(("^/", is_path)), shortest: 0, longest: 4096 };
/// What every engine refuses as the name of an image is refused at once.
const IMAGE: Text = Text { pattern: Some((IMAGE_PATTERN, is_image_name)), shortest: 0, longest: 512 };
const IMAGE_PATTERN: &str = "^(?!.*(\\.\\.|//))[a-zA-Z0-9][a-zA-Z0-9._/:@+-]*$";
/// Main memory in bytes. The engine counts them in 63 bits, after they are rounded up to whole MiB.
const MEMORY: Range = from_to(1_048_576, Some(((1 << 43) - 1) << 20));
const PORT: Range = from_to(1, Some(65_535));

fn is_name(text: &str) -> bool {
    let name = text.strip_prefix('/').unwrap_or(text);
    name.len() >= 2
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

fn is_alias(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn is_path(text: &str) -> bool {
    text.starts_with('/')
}

/// A new container, and nobody's yet.
///
/// # Errors
/// All that is wrong with it.
pub(super) fn container(body: &Value) -> Result<Container, Vec<String>> {
    const OPTIONAL: [&str; 9] = [
        "ports",
        "environment",
        "restart_policy",
        "command_line",
        "swappiness",
        "volumes",
        "cpu_shares",
        "memory_limit",
        "links",
    ];
    let mut faults = Faults::default();
    let Some(object) = faults.object(body, &["node_uuid", "name", "image"], &OPTIONAL) else {
        return faults.unless(None);
    };
    let node = member(object, "node_uuid").and_then(|value| faults.text(value, UUID));
    let name = member(object, "name").and_then(|value| faults.text(value, NAME));
    let image = member(object, "image").and_then(|value| faults.text(value, IMAGE));
    let number = |faults: &mut Faults, name, range| member(object, name).and_then(|value| faults.number(value, range));
    let cpu_shares = number(&mut faults, "cpu_shares", from_to(1, Some(1024)));
    let memory_limit = number(&mut faults, "memory_limit", MEMORY);
    let _ = number(&mut faults, "swappiness", from_to(0, Some(100)));
    let ports = member(object, "ports").map(|value| ports(value, &mut faults)).unwrap_or_default();
    let links = member(object, "links").map(|value| links(value, &mut faults)).unwrap_or_default();
    let volumes = member(object, "volumes").map(|value| volumes(value, &mut faults)).unwrap_or_default();
    let command = member(object, "command_line").map(|value| words(value, &mut faults)).unwrap_or_default();
    let (restart, attempts) =
        member(object, "restart_policy").map(|value| policy(value, &mut faults)).unwrap_or_default();
    let environment = member(object, "environment").map(|value| faults.texts(value, usize::MAX, usize::MAX));
    let environment = environment.into_iter().flatten().map(|(name, value)| (name.clone(), value)).collect();
    let found = node.zip(name).zip(image).map(|((node, name), image)| Container {
        name,
        node: node.to_lowercase(),
        image: tagged(image),
        ports,
        environment,
        restart,
        attempts,
        command,
        cpu_shares,
        memory_limit,
        volumes,
        links,
        user: String::new(),
        trusted: false,
        desired: Desired::Running,
        launches: 0,
        instance: None,
        placed: None,
        leaving: None,
        detail: None,
    });
    faults.unless(found)
}

fn member<'v>(object: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    object.get(name)
}

/// An image without a tag or digest is the latest one.
fn tagged(image: String) -> String {
    let last = image.rsplit('/').next().unwrap_or_default();
    if last.contains(':') || last.contains('@') { image } else { format!("{image}:latest") }
}

fn port(number: Option<u64>) -> Option<u16> {
    number.and_then(|number| u16::try_from(number).ok())
}

fn ports(value: &Value, faults: &mut Faults) -> Vec<PortPair> {
    let list = faults.list(value, 1, usize::MAX);
    let read = |item: &Value| {
        let object = faults.object(item, &["internal", "external"], &[])?;
        let mut one = |name| object.get(name).and_then(|value| port(faults.number(value, PORT)));
        let (internal, external) = (one("internal"), one("external"));
        Some(PortPair { internal: internal?, external: external? })
    };
    let found: Vec<PortPair> = list.iter().filter_map(read).collect();
    let pairs: Vec<(u16, u16)> = found.iter().map(|pair| (pair.internal, pair.external)).collect();
    faults.unique(value, &pairs);
    found
}

fn links(value: &Value, faults: &mut Faults) -> Vec<Link> {
    let list = faults.list(value, 0, usize::MAX);
    let read = |item: &Value| {
        let object = faults.object(item, &["alias", "local_port", "remote_port"], &[])?;
        let alias = object.get("alias").and_then(|value| faults.text(value, ALIAS));
        let mut one = |name| object.get(name).and_then(|value| port(faults.number(value, PORT)));
        let (local, remote) = (one("local_port"), one("remote_port"));
        Some(Link { alias: alias?, local_port: local?, remote_port: remote? })
    };
    list.iter().filter_map(read).collect()
}

fn volumes(value: &Value, faults: &mut Faults) -> Vec<Volume> {
    let list = faults.list(value, 0, 1);
    let read = |item: &Value| {
        let object = faults.object(item, &["dataset_id", "mountpoint"], &[])?;
        let dataset = object.get("dataset_id").and_then(|value| faults.text(value, UUID));
        let mountpoint = object.get("mountpoint").and_then(|value| faults.text(value, PATH));
        Some(Volume { dataset: dataset?.to_lowercase(), mountpoint: mountpoint? })
    };
    list.iter().filter_map(read).collect()
}

fn words(value: &Value, faults: &mut Faults) -> Vec<String> {
    let list = faults.list(value, 0, ARGUMENTS.0);
    list.iter().filter_map(|item| faults.text(item, Text { longest: ARGUMENTS.1, ..ANY })).collect()
}

/// It is one of three objects, and what is none of them has no finer fault.
fn policy(value: &Value, faults: &mut Faults) -> (Restart, Option<u64>) {
    let found = value.as_object().and_then(|object| {
        let count = object.get("maximum_retry_count");
        match (object.get("name")?.as_str()?, count, object.len()) {
            ("never", None, 1) => Some((Restart::Never, None)),
            ("always", None, 1) => Some((Restart::Always, None)),
            ("on-failure", None, 1) => Some((Restart::OnFailure, None)),
            ("on-failure", Some(count), 2) => {
                let count = count.as_u64().filter(|count| *count >= 1)?;
                Some((Restart::OnFailure, Some(count)))
            }
            _ => None,
        }
    });
    found.unwrap_or_else(|| {
        faults.none_of(value);
        Default::default()
    })
}

/// Where a container or dataset shall be: `required` tells whether that must be said.
///
/// # Errors
/// All that is wrong with it.
pub(super) fn moved(body: &Value, name: &'static str, required: bool) -> Result<Option<String>, Vec<String>> {
    let mut faults = Faults::default();
    let (needed, optional): (&[&str], &[&str]) = if required { (&[name], &[]) } else { (&[], &[name]) };
    let object = faults.object(body, needed, optional);
    let node = object.and_then(|object| object.get(name)).and_then(|value| faults.text(value, UUID));
    faults.unless(object.map(|_| node.map(|node| node.to_lowercase())))
}

/// A new dataset, and its id where the client names one.
///
/// # Errors
/// All that is wrong with it.
pub(super) fn dataset(body: &Value) -> Result<(Dataset, Option<String>), Vec<String>> {
    let mut faults = Faults::default();
    // The client for Go, by which Kubernetes made volumes, always says that its new dataset is not deleted.
    let Some(object) = faults.object(body, &["primary"], &["dataset_id", "maximum_size", "metadata", "deleted"]) else {
        return faults.unless(None);
    };
    object.get("deleted").into_iter().for_each(|value| faults.constant(value, &Value::Bool(false)));
    let primary = object.get("primary").and_then(|value| faults.text(value, UUID));
    let id = object.get("dataset_id").and_then(|value| faults.text(value, UUID)).map(|id| id.to_lowercase());
    let size = object.get("maximum_size").filter(|value| !value.is_null());
    let maximum_size = size.and_then(|value| faults.number(value, SIZE));
    let metadata = object.get("metadata").map(|value| faults.texts(value, METADATA.0, METADATA.1));
    let metadata: BTreeMap<String, String> =
        metadata.into_iter().flatten().map(|(name, value)| (name.clone(), value)).collect();
    let found = primary.map(|primary| {
        let primary = primary.to_lowercase();
        (Dataset { primary, metadata, maximum_size, deleted: false, places: vec![], detail: None }, id)
    });
    faults.unless(found)
}

/// A lease: the dataset, the node, and for how many seconds.
///
/// # Errors
/// All that is wrong with it.
pub(super) fn lease(body: &Value) -> Result<(String, String, Option<f64>), Vec<String>> {
    let mut faults = Faults::default();
    let Some(object) = faults.object(body, &["dataset_id", "node_uuid", "expires"], &[]) else {
        return faults.unless(None);
    };
    let dataset = object.get("dataset_id").and_then(|value| faults.text(value, UUID));
    let node = object.get("node_uuid").and_then(|value| faults.text(value, UUID));
    let seconds = object.get("expires").and_then(|value| faults.seconds(value, LONGEST_LEASE));
    let found = dataset.zip(node).map(|(dataset, node)| (dataset.to_lowercase(), node.to_lowercase(), seconds));
    faults.unless(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const N: &str = "ad0a05dd-a1ed-449f-b44b-e1e2757bda00";

    fn faults(more: Value) -> Vec<String> {
        let mut body = json!({"node_uuid": N, "name": "web", "image": "nginx"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        container(&body).unwrap_err()
    }

    #[test]
    fn faults_are_told_in_the_words_of_the_original() {
        let told = container(&json!({"node_uuid": "xyz", "name": "web server"})).unwrap_err();
        assert_eq!(told.len(), 4, "{told:?}");
        assert_eq!(told[0], "'image' is a required property");
        assert_eq!(told[1], "'web server' does not match '^/?[a-zA-Z0-9][a-zA-Z0-9_.-]+$'");
        assert!(told[2].starts_with("'xyz' does not match '^[a-fA-F0-9]") && told[3] == "'xyz' is too short");
        assert_eq!(faults(json!({"bogus": 1})), ["Additional properties are not allowed ('bogus' was unexpected)"]);
        assert_eq!(
            faults(json!({"memory_limit": 5, "cpu_shares": 2000})),
            ["2000 is greater than the maximum of 1024", "5 is less than the minimum of 1048576"]
        );
        let volume = &json!({"dataset_id": N, "mountpoint": "/data"});
        for (more, fault) in [
            (json!({"restart_policy": {"name": "sometimes"}}), "is not valid under any of the given schemas"),
            (json!({"restart_policy": {"name": "always", "maximum_retry_count": 2}}), "not valid under any"),
            (json!({"restart_policy": {"name": "on-failure", "maximum_retry_count": 0}}), "not valid under any"),
            (json!({"volumes": [{"dataset_id": N, "mountpoint": "data"}]}), "'data' does not match '^/'"),
            (json!({"volumes": [volume, volume]}), " is too long"),
            (json!({"name": "v"}), "'v' does not match"),
            (json!({"name": "<b>x</b>"}), "'<b>x</b>' does not match"),
            (json!({"name": "../x"}), "'../x' does not match"),
            (json!({"ports": []}), "[] is too short"),
            (json!({"ports": [{"internal": 80.5, "external": 1}]}), "80.5 is not of type 'integer'"),
            (json!({"ports": [{"internal": 1, "external": 70_000}]}), "70000 is greater than the maximum of 65535"),
            (json!({"ports": [{"internal": 1, "external": 2}, {"internal": 1, "external": 2}]}), "non-unique elements"),
            (json!({"environment": {"A": 1}}), "1 is not of type 'string'"),
            (json!({"environment": []}), "[] is not of type 'object'"),
            (json!({"links": [{"alias": "a-b", "local_port": 1, "remote_port": 2}]}), "'a-b' does not match"),
            (json!({"command_line": "ls"}), "'ls' is not of type 'array'"),
            (json!({"image": ""}), "'' does not match '^(?!.*(\\.\\.|//))[a-zA-Z0-9]"),
            (json!({"image": "../../x y"}), "'../../x y' does not match"),
            (json!({"image": "-v"}), "'-v' does not match"),
            (json!({"image": "http://host/x"}), "'http://host/x' does not match"),
            (json!({"memory_limit": u64::MAX}), "is greater than the maximum of 9223372036853727232"),
            (json!({"swappiness": -1}), "-1 is less than the minimum of 0"),
        ] {
            let told = faults(more);
            assert!(told.len() == 1 && told[0].contains(fault), "{fault}: {told:?}");
        }
        assert_eq!(container(&json!([])).unwrap_err(), ["[] is not of type 'object'"]);
    }

    #[test]
    fn datasets_and_leases_have_their_rules_too() {
        assert_eq!(dataset(&json!({"metadata": {}})).unwrap_err(), ["'primary' is a required property"]);
        assert!(dataset(&json!({"primary": N, "deleted": false})).is_ok());
        assert_eq!(dataset(&json!({"primary": N, "deleted": true})).unwrap_err(), ["true is not one of [false]"]);
        assert_eq!(
            dataset(&json!({"primary": N, "maximum_size": 1000})).unwrap_err(),
            ["1000 is less than the minimum of 67108864", "1000 is not a multiple of 1024"]
        );
        let (read, id) = dataset(&json!({"primary": N, "dataset_id": N.to_uppercase(), "maximum_size": null})).unwrap();
        assert_eq!((read.maximum_size, id.as_deref()), (None, Some(N)));
        let many: Map<String, Value> = (0..17).map(|number| (number.to_string(), "x".into())).collect();
        assert!(dataset(&json!({"primary": N, "metadata": many})).unwrap_err()[0].contains("too many properties"));
        let long = "x".repeat(257);
        assert!(dataset(&json!({"primary": N, "metadata": {"a": long}})).unwrap_err()[0].contains("is too long"));
        assert_eq!(lease(&json!({})).unwrap_err().len(), 3);
        assert_eq!(lease(&json!({"dataset_id": N, "node_uuid": N, "expires": -1})).unwrap_err().len(), 1);
        assert_eq!(lease(&json!({"dataset_id": N, "node_uuid": N, "expires": null})).unwrap().2, None);
        assert_eq!(moved(&json!({"node_uuid": N}), "node_uuid", true).unwrap().as_deref(), Some(N));
        assert!(
            moved(&json!({}), "node_uuid", true).is_err() && moved(&json!({}), "primary", false).unwrap().is_none()
        );
        // Version 1 is none of Flocker's.
        assert!(moved(&json!({"node_uuid": "ad0a05dd-a1ed-149f-b44b-e1e2757bda00"}), "node_uuid", true).is_err());
    }

    #[test]
    fn an_image_has_a_tag() {
        let good = |image: &str| container(&json!({"node_uuid": N, "name": "web", "image": image})).is_ok();
        assert!(["nginx", "Host.example:5000/a_b/c-d:v1.2", "a@sha256:00"].into_iter().all(good));
        for (image, whole) in [
            ("nginx", "nginx:latest"),
            ("nginx:1", "nginx:1"),
            ("host:5000/a/b", "host:5000/a/b:latest"),
            ("host:5000/a/b:2", "host:5000/a/b:2"),
            ("a@sha256:00", "a@sha256:00"),
        ] {
            assert_eq!(tagged(image.to_owned()), whole);
        }
    }
}
