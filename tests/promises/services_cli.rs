//! The command line for services: registering them, and calling them and their instances by ids, beginnings of ids and names.

use std::fs;

use mf2c_tests::{Agent, Ran, Start, mf2c, mf2c_fed};
use serde_json::{Value, json};

/// An agent, and a client that speaks as somebody.
struct Desk {
    agent: Agent,
    url: String,
    who: &'static str,
}

impl Desk {
    fn new() -> Self {
        let agent = Start::new().agent();
        let url = format!("https://{}", agent.https());
        Self { agent, url, who: "jane USER" }
    }

    fn line<'a>(&'a self, words: &[&'a str]) -> Vec<&'a str> {
        // What stands behind two dashes belongs to the program that is run.
        let (own, rest) = words.split_at(words.iter().position(|word| *word == "--").unwrap_or(words.len()));
        [own, &["--url", &self.url, "--insecure", "--as", self.who], rest].concat()
    }

    fn mf2c(&self, words: &[&str]) -> Ran {
        mf2c(&self.line(words))
    }

    fn register(&self, words: &[&str]) -> String {
        self.mf2c(&[&["service", "register"][..], words].concat()).expect(0).out.trim().to_owned()
    }

    fn read(&self, id: &str) -> Value {
        self.agent.send("GET", id, None).expect(200).json()
    }

    fn add(&self, kind: &str, document: &Value) -> String {
        let added = self.agent.send_as(Some(self.who), "POST", kind, Some(&document.to_string())).expect(201);
        added.json()["resource-id"].as_str().unwrap().to_owned()
    }

    fn instance(&self, service: &str, name: Option<&str>, status: &str) -> String {
        let binding = json!({"container": 80, "host": 32768, "protocol": "tcp"});
        let agents = json!([
            {"url": "10.0.0.5", "ports": [32768], "container_id": "-", "status": status, "allow": true, "restarts": 2,
             "bindings": [binding], "detail": "why\u{1b}[2J", "index": 0},
        ]);
        let mut document = json!({"user": "user/jane", "service": service, "status": status, "agents": agents});
        if let Some(name) = name {
            document["name"] = name.into();
        }
        self.add("service-instance", &document)
    }
}

#[test]
fn a_service_is_registered_by_flags_from_a_file_and_from_standard_input() {
    let desk = Desk::new();
    let id = desk.register(&[
        "--name",
        "beat",
        "--process",
        "/bin/sh",
        "--port",
        "80",
        "--env",
        "A=b",
        "--memory",
        "64",
        "--restart",
        "always",
        "--health",
        "http:/well",
        "--",
        "-c",
        "sleep 600; exit 3",
    ]);
    let service = desk.read(&id);
    assert_eq!((&service["exec_type"], &service["agent_type"]), (&json!("process"), &json!("normal")));
    assert_eq!(service["command"], json!(["-c", "sleep 600; exit 3"]));
    assert_eq!(service["health"], json!({"type": "http", "path": "/well"}));
    assert_eq!((&service["limits"]["memory"], &service["restart"]["policy"]), (&json!(64), &json!("always")));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("service.yaml");
    fs::write(&file, "name: web\nexec: nginx\nexec_type: docker\nnum_agents: 2\n").unwrap();
    let id = desk.register(&[file.to_str().unwrap(), "--agents", "3"]);
    assert_eq!((&desk.read(&id)["exec"], &desk.read(&id)["num_agents"]), (&json!("nginx"), &json!(3)));

    let text = r#"{"name": "third", "exec": "a", "exec_type": "docker"}"#;
    let id = mf2c_fed(&[], &desk.line(&["service", "register", "-"]), text).expect(0).out;
    assert_eq!(desk.read(id.trim())["name"], "third");

    let compose = folder.path().join("compose.yaml");
    fs::write(&compose, "services: {web: {image: nginx}}\n").unwrap();
    let compose = compose.to_str().unwrap();
    let id = desk.register(&["--name", "shop", "--compose", compose]);
    assert_eq!(desk.read(&id)["exec_type"], "docker-compose");
    desk.mf2c(&["service", "register", compose]).expect(2).tells(&["this is a compose file", "--compose FILE"]);
    let listed = desk.mf2c(&["service", "list"]).expect(0).out;
    assert!(listed.starts_with("NAME") && listed.contains("data:application/x-yaml;base64,"), "{listed}");
    assert!(listed.contains('…'), "what is long is cut: {listed}");
}

#[test]
fn a_service_that_is_replaced_keeps_its_id_and_loses_what_it_no_longer_says() {
    let desk = Desk::new();
    let replace = |words: &[&str]| desk.register(&[&["--replace", "--name", "web"][..], words].concat());
    let id = replace(&["--image", "nginx:1", "--port", "80", "--agents", "2"]);
    assert_eq!(replace(&["--image", "nginx:2", "--port", "80"]), id);
    let service = desk.read(&id);
    assert_eq!((&service["exec"], service.get("num_agents")), (&json!("nginx:2"), None));
    assert_eq!((&service["exec_ports"], &service["category"]), (&json!([80]), &json!(0)));
    let again = desk.mf2c(&["service", "register", "--replace", "--name", "web", "--image", "nginx:2", "--port", "80"]);
    again.expect(0).tells(&["says that already"]);
    desk.register(&["--name", "web", "--image", "other"]);
    let two = desk.mf2c(&["service", "register", "--replace", "--name", "web", "--image", "x"]).expect(2);
    two.tells(&["several services are called `web`", &id]);
}

#[test]
fn instances_are_listed_with_what_matters_and_nothing_that_a_terminal_obeys() {
    let desk = Desk::new();
    desk.mf2c(&["ps"]).expect(0).tells(&["nothing runs that you may see"]);
    let service = desk.register(&["--name", "web", "--image", "nginx"]);
    let id = desk.instance(&service, None, "started");
    desk.instance(&service, None, "stopped");
    let listed = desk.mf2c(&["ps"]).expect(0).out;
    let line = listed.lines().nth(1).unwrap();
    let short = &id["service-instance/".len()..][..8];
    assert!(line.starts_with(short), "{listed}");
    for word in ["web", "started", "1/1", "32768->80", "why\\u{1b}[2J"] {
        assert!(line.contains(word), "{word}: {listed}");
    }
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert_eq!(desk.mf2c(&["ps", "--all"]).expect(0).out.lines().count(), 3);
    let json: Value = serde_json::from_str(&desk.mf2c(&["ps", "-o", "json"]).expect(0).out).unwrap();
    assert_eq!(json[0]["id"], id);
}

#[test]
fn what_is_called_by_a_name_is_found_or_it_is_said_which_there_are() {
    let desk = Desk::new();
    let id = desk.instance("service/gone", Some("shop"), "started");
    let name = &id["service-instance/".len()..];
    desk.instance("service/gone", Some("shop"), "stopped");
    for (words, code, told) in [
        (&["logs", "shop"][..], 2, "may be more than one instance"),
        (&["stop", "nothing"], 4, "there is no instance `nothing`"),
        (&["run", "nothing"], 4, "there is no service `nothing`"),
        (&["explain", "nothing"], 4, "`mf2c service list` shows those"),
        (&["drain", "nothing"], 4, "there is no device `nothing`"),
        (&["stop", "n\u{1b}[2J"], 4, "n\\u{1b}[2J"),
    ] {
        desk.mf2c(words).expect(code).tells(&[told]);
    }
    let both = desk.mf2c(&["logs", "shop"]).expect(2);
    both.tells(&[name, "(started)", "(stopped)"]);
    let service = desk.register(&["--name", "web", "--image", "nginx"]);
    desk.mf2c(&["stop", "web"]).expect(4).tells(&["no instance of `web` is there", "mf2c run web"]);
    let others = Desk { who: "joe USER", ..desk };
    let other = others.register(&["--name", "web", "--image", "nginx"]);
    let all = Desk { who: "internal ADMIN", ..others };
    all.mf2c(&["run", "web"]).expect(2).tells(&["several services are called `web`", &service, &other]);
}

#[test]
fn nobody_runs_anything_without_a_sign_in() {
    let desk = Desk::new();
    let url = ["--url", &desk.url, "--insecure"];
    for words in [&["ps"][..], &["run", "web"], &["service", "list"], &["cordon", "5f0c"]] {
        mf2c(&[words, &url].concat()).expect(3).tells(&["nobody is signed in"]);
    }
}
