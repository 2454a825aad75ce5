//! A client that others wrote: the Go library of Flocker's makers, by which Kubernetes made volumes.

use std::path::Path;
use std::process::Command;

use mf2c_tests::{Engine, agent_binary, run, skip};
use serde_json::{Value, json};

use super::engine::open;

/// Where Debian's `golang-github-clusterhq-flocker-go-dev` has it.
const GOPATH: &str = "/usr/share/gocode";
const LIBRARY: &str = "src/github.com/ClusterHQ/flocker-go/client.go";

#[test]
fn the_client_of_kubernetes_makes_finds_and_moves_a_dataset() {
    let has_go = Command::new("go").arg("version").output().is_ok_and(|output| output.status.success());
    if !has_go || !Path::new(GOPATH).join(LIBRARY).exists() {
        return skip(
            "Flocker's library for Go is not there (Debian: golang-go, golang-github-clusterhq-flocker-go-dev)",
        );
    }
    let Some(engine) = Engine::start() else { return };
    let (door, node) = open(&engine);
    let host = door.get("u", "/v1/state/nodes").json()[0]["host"].as_str().unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("client");
    let mut build = Command::new("go");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/flocker.go");
    build.args(["build", "-o"]).arg(&program).arg(source);
    // Built once, what the language brings along need not be built again; on a new machine it takes minutes, not seconds.
    let cache = agent_binary().parent().unwrap().join("test-go-cache");
    build.env("GO111MODULE", "off").env("GOPATH", GOPATH).env("GOCACHE", cache);
    assert!(build.status().unwrap().success());
    let mut client = door.place.command(&program);
    client.args(["127.0.0.1", &door.port, &host, "cluster.crt", "u.key", "u.crt"]);
    let ran = run(client).expect(0);
    let told: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of =
        |step: &str| told.iter().find(|line| line["step"] == step).map_or(Value::Null, |line| line["told"].clone());
    assert_eq!(of("node"), json!(node));
    let id = of("id");
    for step in ["made", "state"] {
        assert_eq!((&of(step)["dataset_id"], &of(step)["primary"]), (&id, &json!(node)), "{ran:?}");
        assert!(of(step)["path"].as_str().unwrap().contains(id.as_str().unwrap()), "{ran:?}");
    }
    assert_eq!((&of("moved")["dataset_id"], &of("moved")["primary"]), (&id, &json!(node)));
    // For those who ask for 100 GiB, what is asked for is kept.
    let configured = door.get("u", "/v1/configuration/datasets").json();
    assert_eq!(configured[0]["maximum_size"], json!(107_374_182_400_u64));
}
