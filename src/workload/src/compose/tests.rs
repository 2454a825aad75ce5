//! Compose files that are understood, those that are refused, and garbage.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::compose::plan::plan;
use crate::spec::{Mount, Port, Program, Protocol, Secret, SecretPlace, SecretText, Spec};

const WHOLE: &str = r#"
version: "3.8"
name: shop
x-common: &common
  labels: {team: red}
  restart: unless-stopped
services:
  web:
    <<: *common
    image: "registry.example.org:5000/web:${TAG:-1}"
    command: /w serve "two words"
    entrypoint: ["/w", "${ROOM}"]
    environment: {ROOM: "${ROOM}", COUNT: 3, ON: true}
    ports: ["8080:80", "53/udp", {target: 443, published: "8443", protocol: tcp, mode: host}]
    volumes: ["data:/data:ro", {type: bind, source: /srv/x, target: /x}]
    networks: {front: {aliases: [shop]}, back: null}
    depends_on: {db: {condition: service_healthy}}
    devices: ["/dev/video0:/dev/v:r"]
    working_dir: /tmp
    user: "1000:1000"
    deploy: {resources: {limits: {cpus: "0.5", memory: 64m, pids: 10}}}
    x-note: anything
  db:
    image: db@sha256:0000000000000000000000000000000000000000000000000000000000000000
    environment: [PASSWORD, "A=b=c", ROOM]
    healthcheck: {test: [CMD, /w, exit, "0"], interval: 1s, retries: 2}
    networks: [back]
    mem_limit: 1g
    cpus: 2
    restart: on-failure:3
networks:
  front:
  back: {external: true, name: shared}
volumes:
  data: {}
"#;

fn environment() -> BTreeMap<String, String> {
    BTreeMap::from([("ROOM".to_owned(), "$(7)".to_owned())])
}

fn problems(text: &str) -> Vec<String> {
    read(text, &environment(), &[]).unwrap_err().0
}

#[test]
fn a_file_with_everything_that_is_known_is_understood() {
    let application = read(WHOLE, &environment(), &["PASSWORD".to_owned()]).unwrap();
    assert_eq!(application.order().unwrap(), ["db", "web"]);
    assert_eq!(
        application.networks,
        BTreeMap::from([("front".to_owned(), None), ("back".to_owned(), Some("shared".to_owned()))])
    );
    let web = &application.parts["web"];
    assert_eq!(web.image, "registry.example.org:5000/web:1");
    assert_eq!(web.command, ["/w", "serve", "two words"]);
    assert_eq!(web.entrypoint.as_deref().unwrap(), ["/w", "$(7)"]);
    assert_eq!((web.environment["COUNT"].as_str(), web.environment["ON"].as_str()), ("3", "true"));
    let port = |container, host, protocol| Port { container, host, protocol };
    assert_eq!(web.ports, [port(80, 8080, Protocol::Tcp), port(53, 0, Protocol::Udp), port(443, 8443, Protocol::Tcp)]);
    assert!(web.volumes[0].read_only && web.volumes[1].mount == Mount::Bind("/srv/x".into()));
    assert_eq!(web.networks["front"], ["shop"]);
    assert_eq!(web.depends_on["db"], Condition::Healthy);
    assert_eq!((web.memory, web.cpus, web.pids), (Some(64 << 20), Some(0.5), Some(10)));
    assert_eq!((web.restart, web.labels["team"].as_str()), (RestartHint::Always, "red"));
    let db = &application.parts["db"];
    assert_eq!(
        (db.secrets.as_slice(), db.environment["A"].as_str(), db.environment["ROOM"].as_str()),
        (["PASSWORD".to_owned()].as_slice(), "b=c", "$(7)")
    );
    assert_eq!((db.memory, db.cpus, db.restart), (Some(1 << 30), Some(2.0), RestartHint::OnFailure(Some(3))));
    assert_eq!(db.health.as_ref().unwrap().argv, ["/w", "exit", "0"]);
}

#[test]
fn everything_that_is_wrong_is_named_with_its_place_in_one_error() {
    let found = problems(
        r#"
include: [other.yml]
secrets: {key: {file: ./key}}
services:
  web:
    image: web
    build: .
    env_file: .env
    extends: {service: base}
    privileged: true
    colour: red
    ports: ["80-90:80", "127.0.0.1:80:80", {target: 80, range: 1}]
    volumes: ["./x:/x", "data:/y", "/anonymous"]
    environment: [MISSING, "A=${MISSING}", "B=$HOME"]
    depends_on: {db: {condition: service_healthy}, ghost: null}
    networks: [nowhere]
    labels: {mf2c.agent: me}
    restart: sometimes
    cpus: many
    deploy: {replicas: 3, resources: {reservations: {}}}
  db: {image: "a b"}
  empty:
"#,
    );
    for expected in [
        "include: other files",
        "secrets: files of the machine",
        "services.web.build: images are not built",
        "services.web.env_file: files",
        "services.web.extends: other files",
        "services.web.privileged: a part cannot leave",
        "services.web.colour: this key is not known",
        "services.web.ports[0]: `80-90:80`",
        "services.web.ports[1]: `127.0.0.1:80:80`",
        "services.web.ports[2].range: this key",
        "services.web.volumes[0]: `./x:/x`",
        "services.web.volumes[1]: there is no volume `data`",
        "services.web.volumes[2]: `/anonymous`",
        "services.web.environment.MISSING: it has no value",
        "the variable MISSING is not in",
        "`$$` for a dollar",
        "services.web.depends_on: there is no service `ghost`",
        "services.web.depends_on: `db` has no `healthcheck`",
        "services.web.networks: there is no network `nowhere`",
        "services.web.labels.mf2c.agent: labels",
        "services.web.restart: `sometimes`",
        "services.web.cpus: `many`",
        "services.web.deploy.replicas: this key",
        "services.web.deploy.resources.reservations: this key",
        "services.db.image: `a b`",
        "services.empty: a mapping with `image`",
    ] {
        assert!(found.iter().any(|problem| problem.contains(expected)), "{expected} is not in {found:#?}");
    }
}

#[test]
fn circles_wrong_networks_and_files_without_services_are_refused() {
    let circle = "services: {a: {image: x, depends_on: [b]}, b: {image: x, depends_on: [a]}}";
    assert_eq!(problems(circle), ["a, b depend on each other"]);
    for text in ["", "services:", "services: []", "[]", "7", "services: {'a/../b': {image: x}}", "networks: {}"] {
        assert!(!problems(text).is_empty(), "{text}");
    }
    let with = |network: &str| format!("services: {{a: {{image: x}}}}\nnetworks: {{n: {network}}}");
    for network in [
        "{external: true, name: host}",
        "{name: mine}",
        "{external: maybe}",
        "{driver: macvlan}",
        "{external: true, name: 'a b'}",
    ] {
        assert!(!problems(&with(network)).is_empty(), "{network}");
    }
    assert!(read(&with("{external: false}"), &environment(), &[]).is_ok());
}

#[test]
fn secrets_reach_only_the_parts_that_ask_and_never_a_variable_of_the_file() {
    let text = "services: {a: {image: x, environment: [TOKEN]}, b: {image: x, labels: {l: '${TOKEN:-none}'}}}";
    let mut spec = Spec::new("agent", "i-1", "s", Program::Compose(text.to_owned()));
    let value = || SecretText::new("hunter2");
    spec.secrets = vec![
        Secret { name: "TOKEN".to_owned(), value: value(), place: SecretPlace::Environment },
        Secret { name: "key".to_owned(), value: value(), place: SecretPlace::File },
    ];
    let application = read(text, &spec.environment, &["TOKEN".to_owned()]).unwrap();
    let planned = plan(&spec, &application).unwrap();
    let names = |at: usize| planned[at].spec.secrets.iter().map(|secret| secret.name.as_str()).collect::<Vec<_>>();
    assert_eq!((names(0), names(1)), (vec!["TOKEN", "key"], vec!["key"]));
    assert_eq!(planned[1].extra.labels["l"], "none");
    assert_eq!(planned[0].extra.networks, [("mf2c-i-1-0-1_default".to_owned(), vec!["a".to_owned()])]);
    assert!(!format!("{planned:?}").contains("hunter2"));
}

proptest! {
    #[test]
    fn garbage_is_refused_and_nothing_worse(text in "\\PC{0,300}") {
        let _ = read(&text, &environment(), &[]);
    }

    /// A good file with some of its bytes exchanged.
    #[test]
    fn damaged_files_are_read_or_refused(changes in prop::collection::vec((0..WHOLE.len(), any::<u8>()), 1..8)) {
        let mut bytes = WHOLE.as_bytes().to_vec();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        if let Ok(application) = read(&String::from_utf8_lossy(&bytes), &environment(), &["PASSWORD".to_owned()]) {
            let spec = Spec::new("agent", "i-1", "s", Program::Compose(String::new()));
            if let Ok(planned) = plan(&spec, &application) {
                prop_assert_eq!(planned.len(), application.parts.len());
            }
        }
    }

    /// Whatever the parts depend on, the order holds or a circle is named.
    #[test]
    fn each_part_comes_after_what_it_needs(
        needs in prop::collection::vec(prop::collection::vec(0..8_usize, 0..3), 1..8)
    ) {
        let names: Vec<String> = (0..8).map(|at| format!("p{at}")).collect();
        let graph: BTreeMap<&str, Vec<&str>> = needs.iter().enumerate()
            .map(|(at, needs)| (names[at].as_str(), needs.iter().map(|need| names[*need].as_str()).collect()))
            .collect();
        if let Ok(order) = super::application::order(graph.clone()) {
            prop_assert_eq!(order.len(), graph.len());
            let place = |name: &str| order.iter().position(|it| *it == name);
            for (name, needs) in &graph {
                for need in needs.iter().filter(|need| graph.contains_key(*need)) {
                    prop_assert!(place(need) < place(name));
                }
            }
        }
    }
}
