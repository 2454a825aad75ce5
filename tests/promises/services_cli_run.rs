//! The command line for services against an agent that runs plain processes: from registering to logs, failures, updates, and
//! devices that take nothing.

use std::fs;

use mf2c_tests::{Agent, Following, Ran, Start, eventually, mf2c};
use serde_json::{Value, json};

/// What runs for a while, and not for ever: a test that fails leaves it behind.
const BEAT: [&str; 3] = ["--", "-c", "i=0; while [ $i -lt 600 ]; do echo beat $i; i=$((i+1)); sleep 0.1; done"];

/// An agent that runs plain processes, and a client that speaks as its administrator.
struct Desk {
    agent: Agent,
    url: String,
}

impl Drop for Desk {
    /// Processes outlive their agent; none shall outlive the test.
    fn drop(&mut self) {
        let listed = self.mf2c(&["ps", "--all", "-o", "json"]);
        let instances: Vec<Value> = serde_json::from_str(&listed.out).unwrap_or_default();
        for instance in &instances {
            let _ = self.mf2c(&["rm", instance["id"].as_str().unwrap_or_default()]);
        }
    }
}

/// Waits until the agent has described its machine, and what its owner lends.
pub(crate) fn described(agent: &Agent) {
    for kind in ["device-dynamic", "user-profile", "sharing-model"] {
        let path = format!("{kind}?$last=0");
        eventually(kind, || agent.send("GET", &path, None).text().contains(r#""count":1"#));
    }
}

fn device(agent: &Agent) -> String {
    let devices = agent.send("GET", "device", None).expect(200).json();
    devices["devices"][0]["id"].as_str().unwrap().to_owned()
}

impl Desk {
    fn new() -> Self {
        let start = Start::new().environment("MF2C_DEVICE_ENABLED", "true");
        let start = start.environment("MF2C_SERVICES_DOCKER_SOCKET", "");
        let agent = start.environment("MF2C_SERVICES_PROCESS", "true").agent();
        let url = format!("https://{}", agent.https());
        let desk = Self { agent, url };
        described(&desk.agent);
        desk
    }

    fn device(&self) -> String {
        device(&self.agent)
    }

    fn mf2c(&self, words: &[&str]) -> Ran {
        let (own, rest) = words.split_at(words.iter().position(|word| *word == "--").unwrap_or(words.len()));
        mf2c(&[own, &["--url", &self.url, "--insecure", "--as", "internal ADMIN"], rest].concat())
    }

    fn register(&self, name: &str, flags: &[&str], program: &[&str]) {
        let words = [&["service", "register", "--name", name, "--process", "/bin/sh"], flags, program].concat();
        let _ = self.mf2c(&words).expect(0);
    }

    /// Runs a service; the id of the instance.
    fn run(&self, name: &str) -> String {
        let out = self.mf2c(&["run", name]).expect(0).out;
        out.lines().next().unwrap().to_owned()
    }

    fn instance(&self, id: &str) -> Value {
        self.agent.send("GET", id, None).expect(200).json()
    }
}

#[test]
fn five_commands_lead_from_a_program_to_its_log() {
    let desk = Desk::new();
    desk.register("beat", &["--port", "8080"], &BEAT);
    let ran = desk.mf2c(&["run", "beat"]).expect(0);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert!(lines[0].starts_with("service-instance/"), "{}", ran.out);
    assert!(lines[1].starts_with("http://") && lines[1].ends_with(":8080"), "{}", ran.out);
    assert!(ran.err.lines().any(|line| line.starts_with("  [0] ") && line.contains("started")), "{}", ran.err);
    let listed = desk.mf2c(&["ps"]).expect(0).out;
    let row = listed.lines().nth(1).unwrap();
    assert!(row.contains("beat") && row.contains("started") && row.contains("1/1"), "{listed}");
    eventually("its first words", || desk.mf2c(&["logs", "beat"]).expect(0).out.starts_with("beat 0\nbeat 1\n"));
    assert_eq!(desk.mf2c(&["logs", "beat", "--tail", "1"]).expect(0).out.lines().count(), 1);
    let json = desk.mf2c(&["logs", "beat", "--tail", "1", "-o", "json"]).expect(0).out;
    let line: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&line["index"], &line["stream"]), (&json!(0), &json!("stdout")));
}

#[test]
fn a_log_that_is_followed_ends_when_the_instance_is_removed_and_removing_twice_is_no_error() {
    let desk = Desk::new();
    desk.register("beat", &[], &BEAT);
    let id = desk.run("beat");
    let words = ["logs", "-f", "beat", "--url", &desk.url, "--insecure", "--as", "internal ADMIN"];
    let mut followed = Following::begin(&words);
    followed.waits_for(&["beat 1"]);
    let removed = desk.mf2c(&["rm", "beat"]).expect(0).out;
    assert_eq!(removed, format!("{id} removed\n"));
    assert_eq!(followed.end(), Some(0));
    desk.mf2c(&["rm", &id]).expect(0).tells(&["is not there, or not any more"]);
    desk.mf2c(&["rm", "beat"]).expect(4).tells(&["no instance of `beat` is there"]);
}

#[test]
fn a_program_that_fails_fails_the_run_with_its_exit_code_and_one_that_is_done_does_not() {
    let desk = Desk::new();
    desk.register("bad", &["--restart", "never"], &["--", "-c", "echo gone wrong; exit 3"]);
    let ran = desk.mf2c(&["run", "bad"]).expect(1);
    ran.tells(&["is error", "exit code 3", "mf2c logs "]);
    assert_eq!(desk.mf2c(&["logs", "bad"]).expect(0).out, "gone wrong\n");
    let listed = desk.mf2c(&["ps"]).expect(0).out;
    assert!(listed.contains("error") && listed.contains("0/1") && listed.contains("exit code 3"), "{listed}");
    desk.register("done", &[], &["--", "-c", "exit 0"]);
    let id = desk.run("done");
    eventually("it is done", || desk.instance(&id)["status"] == "stopped");
    assert!(!desk.mf2c(&["ps"]).expect(0).out.contains("done"));
    assert!(desk.mf2c(&["ps", "--all"]).expect(0).out.contains("done"));
}

#[test]
fn an_instance_is_stopped_started_and_restarted_and_what_is_so_already_is_no_error() {
    let desk = Desk::new();
    desk.register("beat", &[], &BEAT);
    let id = desk.run("beat");
    let started = |id: &str| {
        let found = desk.agent.send("GET", &format!("workload?$filter=instance=\"{id}\""), None).expect(200).json();
        found["workloads"][0]["started"].as_str().unwrap().to_owned()
    };
    for _ in 0..2 {
        assert_eq!(desk.mf2c(&["stop", "beat"]).expect(0).out, format!("{id} stopped\n"));
    }
    assert_eq!(desk.instance(&id)["desired"], "stopped");
    for _ in 0..2 {
        assert_eq!(desk.mf2c(&["start", &id[..25]]).expect(0).out, format!("{id} started\n"));
    }
    let before = started(&id);
    assert_eq!(desk.mf2c(&["restart", "beat"]).expect(0).out, format!("{id} started\n"));
    assert_ne!(started(&id), before);
}

#[test]
fn a_program_beside_an_instance_gives_its_output_and_its_exit_code() {
    let desk = Desk::new();
    desk.register("beat", &["--env", "COLOUR=green"], &BEAT);
    let _ = desk.run("beat");
    let ran = desk.mf2c(&["exec", "beat", "--", "/bin/sh", "-c", "echo $COLOUR; printf '\\033[2J'; exit 7"]).expect(7);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("green\n\\u{1b}[2J", ""));
    assert_eq!(desk.mf2c(&["exec", "beat", "--", "/bin/echo", "a b"]).expect(0).out, "a b\n");
    let missing = desk.mf2c(&["exec", "beat", "--index", "5", "--", "/bin/true"]).expect(4);
    missing.tells(&["has no part 5"]);
}

#[test]
fn a_device_that_takes_nothing_is_explained_and_draining_waits_for_what_runs() {
    let desk = Desk::new();
    let device = desk.device();
    let short = &device["device/".len()..][..8];
    desk.register("beat", &[], &BEAT);
    let explained = desk.mf2c(&["explain", "beat"]).expect(0).out;
    let row = explained.lines().nth(1).unwrap();
    assert!(row.starts_with(short) && row.contains("chosen") && row.contains("cpu"), "{explained}");
    assert_eq!(desk.mf2c(&["ps", "--all"]).expect(0).out, "", "nothing was started");

    assert!(desk.mf2c(&["cordon", short]).expect(0).out.starts_with(&format!("{device} cordoned")));
    let refused = desk.mf2c(&["run", "beat"]).expect(5);
    refused.tells(&["DEVICE", "VERDICT", short, "1 device is wanted, and 0 of 1 fit"]);
    let explained = desk.mf2c(&["explain", "beat"]).expect(0);
    assert!(explained.out.contains("no") && explained.err.contains("0 of 1 fit"), "{explained:?}");
    let _ = desk.mf2c(&["uncordon", &device]).expect(0);

    let id = desk.run("beat");
    let drained = desk.mf2c(&["drain", short, "--wait", "5"]).expect(1);
    drained.tells(&[&format!("  beat {} [0]", &id["service-instance/".len()..][..8]), "1 still run on"]);
    let _ = desk.mf2c(&["rm", "beat"]).expect(0);
    assert_eq!(desk.mf2c(&["drain", short]).expect(0).out, format!("{device} drained: nothing runs there\n"));
}

#[test]
fn an_update_takes_the_new_version_and_one_that_fails_gives_way_to_the_last_that_was_well() {
    let desk = Desk::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("service.json");
    let register = |script: &str| {
        let service = json!({
            "name": "beat", "exec": "/bin/sh", "exec_type": "process", "command": ["-c", script],
            "restart": {"policy": "never"}, "update": {"healthy_for": 3},
        });
        fs::write(&file, service.to_string()).unwrap();
        let _ = desk.mf2c(&["service", "register", "--replace", file.to_str().unwrap()]).expect(0);
    };
    register("echo one; sleep 60");
    let id = desk.run("beat");
    register("echo two; sleep 60");
    let updated = desk.mf2c(&["update", "beat"]).expect(0);
    assert_eq!(updated.out, format!("{id} updated\n"));
    updated.tells(&["version 2"]);
    let says_two = || desk.mf2c(&["logs", "beat"]).expect(0).out == "two\n";
    eventually("its word", says_two);
    register("echo three; exit 3");
    desk.mf2c(&["update", "beat"]).expect(1).tells(&["version 3 failed", "exit code 3", "came back"]);
    eventually("its word", says_two);
    assert_eq!(desk.instance(&id)["status"], "started");
}

#[test]
fn a_run_may_be_left_alone_and_has_the_name_that_it_was_given() {
    let desk = Desk::new();
    desk.register("beat", &[], &BEAT);
    let device = desk.device();
    let words = ["run", "beat", "--detach", "--name", "shop", "--on", &device["device/".len()..][..8], "-o", "json"];
    let document: Value = serde_json::from_str(&desk.mf2c(&words).expect(0).out).unwrap();
    assert_eq!((&document["name"], &document["agents"][0]["device_id"]), (&json!("shop"), &json!(device)));
    let id = document["id"].as_str().unwrap();
    assert_eq!(desk.mf2c(&["stop", "shop"]).expect(0).out, format!("{id} stopped\n"));
    desk.mf2c(&["run", "beat", "--on", "ffff0000"]).expect(4).tells(&["there is no device `ffff0000`"]);
}
